package model

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

// Authorization is what IAM is asked before an operation is performed: all of Actions that apply to the call must be allowed. Without
// any it is open to everyone who has signed.
type Authorization struct {
	Actions []Action
}

// Action is one action of an operation, compiled for its input. It is never changed.
type Action struct {
	Name string   // "sqs:SendMessage"
	Keys []string // the condition keys of the action itself and of its resources, as the reference writes them: "aws:RequestTag/${TagKey}"

	// Besides says that it is not what the operation does but another permission that some calls need.
	Besides bool
	// Chosen says that only the service knows which of the operation's actions a call needs.
	Chosen bool

	when    *path
	unless  *path
	targets []target
	values  []keyValue
}

// AuthorizationOf is what IAM is asked before op; nil where nothing is known of it: then nobody may perform it.
func AuthorizationOf(op *Operation) *Authorization {
	s := op.Service
	s.authorize.Do(s.readAuthorization)
	return s.authorizations[op.Name]
}

// readAuthorization compiles s.Authorization, which apigen has checked: what is wrong in it is a bug, and panics.
func (s *Service) readAuthorization() {
	m, err := authmap.Parse(s.Authorization)
	if err != nil {
		panic(fmt.Sprintf("model: authorization of %s: %v", s.Name, err))
	}
	s.authorizations = make(map[string]*Authorization, len(m.Operations))
	for _, o := range m.Operations {
		op := s.Operation(o.Name)
		if op == nil {
			continue
		}
		auth := &Authorization{Actions: make([]Action, len(o.Actions))}
		for i, a := range o.Actions {
			if auth.Actions[i], err = compile(m, a, op.Input); err != nil {
				panic(fmt.Sprintf("model: authorization of %s: %s: %v", s.Name, o.Name, err))
			}
		}
		s.authorizations[o.Name] = auth
	}
}

// Applies reports whether the action is one that a call with in needs.
func (a *Action) Applies(in any) bool {
	if a.when != nil || a.unless != nil {
		v := input(in)
		return (a.when == nil || a.when.present(v)) && (a.unless == nil || !a.unless.present(v))
	}
	if !a.Besides {
		return true
	}
	v := input(in)
	for i := range a.targets {
		for j := range a.targets[i].choices {
			if a.targets[i].choices[j].filled(v) {
				return true
			}
		}
	}
	return false
}

// Resources appends to dst the ARNs of what a call with in is about, as its input names them: "*" where the action knows no resources,
// and * in an ARN for what the input does not say. exact is false where the service knows more of them than the input says, such as the
// path of a role or the identifier of what is to be made.
func (a *Action) Resources(dst []string, in any, scope aws.Scope) (arns []string, exact bool) {
	v, exact, before := input(in), true, len(dst)
	for i := range a.targets {
		t := &a.targets[i]
		chosen := -1
		for j := range t.choices {
			if t.choices[j].filled(v) {
				chosen = j
				break
			}
		}
		if chosen < 0 {
			chosen = len(t.choices) - 1
			if t.optional {
				exact = exact && !t.choices[chosen].unknown
				continue
			}
		}
		var sure bool
		dst, sure = t.choices[chosen].append(dst, v, scope)
		exact = exact && sure
	}
	if len(dst) == before {
		dst = append(dst, "*")
	}
	return dst, exact
}

// Value is what in says of a condition key, whose name is in lower case throughout ("aws:requesttag/team"): one value, or, where many is
// not nil, any number of them. ok is false where in says nothing.
func (a *Action) Value(in any, key string) (one string, many []string, ok bool) {
	for i := range a.values {
		k := &a.values[i]
		if k.tags {
			if tag, is := strings.CutPrefix(key, k.name); is {
				one, ok = k.path.tag(input(in), tag)
				return one, nil, ok
			}
			continue
		}
		if k.name != key {
			continue
		}
		if k.path == nil {
			return k.literal, nil, true
		}
		return k.path.value(input(in))
	}
	return "", nil, false
}

// TagKey is the name of a condition key, in lower case, of which tags are kept: Value asked for it and one more character answers one
// tag. It is "aws:requesttag/" for nearly all, and empty where the action has none.
func (a *Action) TagKey() string {
	for i := range a.values {
		if a.values[i].tags {
			return a.values[i].name
		}
	}
	return ""
}

type target struct {
	optional bool
	choices  []choice
}

// choice is one way an ARN comes about.
type choice struct {
	template []authmap.Piece
	whole    *path // the ARN itself
	binds    []bind
	complete bool // every variable is bound to a member
	inexact  bool // even where all members are there
	unknown  bool // the input says nothing
}

type bind struct {
	variable string
	kind     authmap.BindKind
	path     *path
	prefix   *path
}

type keyValue struct {
	name    string // in lower case; of tags all before the tag's key
	tags    bool
	path    *path // nil where it always holds the literal
	literal string
}

func compile(m *authmap.Map, a authmap.Action, in reflect.Type) (Action, error) {
	c := Action{Name: a.Name, Besides: a.Mark == '+' || a.Mark == '?', Chosen: a.Mark == '!'}
	var err error
	if a.When != "" {
		if c.when, err = pathOf(in, a.When); err != nil {
			return c, err
		}
	}
	if a.Unless != "" {
		if c.unless, err = pathOf(in, a.Unless); err != nil {
			return c, err
		}
	}
	for _, t := range a.Targets {
		compiled := target{optional: t.Optional}
		for _, alternative := range t.Alternatives {
			one, err := compileChoice(m, alternative, in)
			if err != nil {
				return c, err
			}
			compiled.choices = append(compiled.choices, one)
			if r := m.Resource(alternative.Resource); r != nil {
				c.addKeys(r.Keys)
			}
		}
		c.targets = append(c.targets, compiled)
	}
	for _, k := range a.Keys {
		c.addKeys([]string{k.Name})
		if k.Path == "" && k.Literal == "" {
			continue
		}
		v := keyValue{name: strings.ToLower(k.Name), literal: k.Literal}
		if prefix, _, ok := strings.Cut(v.name, "${"); ok {
			v.name, v.tags = prefix, true
		}
		if k.Path != "" {
			if v.path, err = pathOf(in, k.Path); err != nil {
				return c, err
			}
		}
		c.values = append(c.values, v)
	}
	return c, nil
}

func (a *Action) addKeys(keys []string) {
next:
	for _, k := range keys {
		for _, old := range a.Keys {
			if old == k {
				continue next
			}
		}
		a.Keys = append(a.Keys, k)
	}
}

func compileChoice(m *authmap.Map, from authmap.Choice, in reflect.Type) (choice, error) {
	c := choice{inexact: from.Unknown, unknown: from.Unknown}
	var err error
	if r := m.Resource(from.Resource); r != nil {
		if c.template, err = authmap.Template(r.Template); err != nil {
			return c, err
		}
	}
	if from.Whole != "" {
		c.whole, err = pathOf(in, from.Whole)
		return c, err
	}
	c.complete = !from.Unknown
	for _, b := range from.Binds {
		to := bind{variable: b.Variable, kind: b.Kind}
		if b.Prefix != "" {
			if to.prefix, err = pathOf(in, b.Prefix); err != nil {
				return c, err
			}
		}
		if b.Kind == authmap.Unknown {
			c.inexact = true
			continue
		}
		c.inexact = c.inexact || b.Kind == authmap.Suffix
		if to.path, err = pathOf(in, b.Path); err != nil {
			return c, err
		}
		c.binds = append(c.binds, to)
	}
	for _, p := range c.template {
		if p.Variable && !c.bound(p.Text) && !scoped(p.Text) {
			c.inexact = true
		}
	}
	return c, nil
}

func (c *choice) bound(variable string) bool {
	for i := range c.binds {
		if c.binds[i].variable == variable {
			return true
		}
	}
	return false
}

// scoped are the variables that the caller's account and region fill.
func scoped(variable string) bool {
	return variable == "Partition" || variable == "Region" || variable == "Account"
}

// filled reports whether the input has every member that the ARN is made of.
func (c *choice) filled(in reflect.Value) bool {
	if c.whole != nil {
		arn, ok := c.whole.first(in)
		return ok && strings.HasPrefix(arn, "arn:")
	}
	if !c.complete {
		return false
	}
	for i := range c.binds {
		if s, ok := c.binds[i].path.first(in); !ok || s == "" {
			return false
		}
	}
	return len(c.binds) > 0 || len(c.template) > 0 && !c.inexact
}

// append makes the ARNs: one, or one for each element of the list that a variable is bound to.
func (c *choice) append(dst []string, in reflect.Value, scope aws.Scope) ([]string, bool) {
	if c.whole != nil {
		before := len(dst)
		c.whole.each(in, func(arn string) {
			if strings.HasPrefix(arn, "arn:") {
				dst = append(dst, arn)
			}
		})
		if len(dst) == before {
			return append(dst, c.arn(in, scope, nil, "")), false
		}
		return dst, true
	}
	for i := range c.binds {
		b := &c.binds[i]
		if b.path.many {
			before := len(dst)
			b.path.each(in, func(value string) { dst = append(dst, c.arn(in, scope, b, value)) })
			if len(dst) > before {
				return dst, !c.inexact
			}
		}
	}
	for i := range c.binds {
		if s, ok := c.binds[i].path.first(in); !ok || s == "" {
			return append(dst, c.arn(in, scope, nil, "")), false
		}
	}
	return append(dst, c.arn(in, scope, nil, "")), !c.inexact
}

// arn makes one ARN; value is what the one variable that is bound to a list is this time.
func (c *choice) arn(in reflect.Value, scope aws.Scope, listed *bind, value string) string {
	if len(c.template) == 0 {
		return "*"
	}
	var buffer [160]byte
	b := buffer[:0]
	for _, p := range c.template {
		if !p.Variable {
			b = append(b, p.Text...)
			continue
		}
		switch p.Text {
		case "Partition":
			b = append(b, aws.Partition(scope.Region)...)
			continue
		case "Region":
			b = append(b, scope.Region...)
			continue
		case "Account":
			b = append(b, scope.Account...)
			continue
		}
		s := "*"
		for i := range c.binds {
			bound := &c.binds[i]
			if bound.variable != p.Text {
				continue
			}
			got, ok := value, true
			if bound != listed {
				got, ok = bound.path.first(in)
			}
			if !ok || got == "" {
				break
			}
			if strings.HasPrefix(got, "arn:") {
				if matches(c.template, got) {
					return got
				}
				got = got[strings.LastIndexAny(got, "/:")+1:]
			}
			switch bound.kind {
			case authmap.URLPart:
				got = strings.TrimRight(got, "/")
				got = got[strings.LastIndexByte(got, '/')+1:]
			case authmap.URLHost:
				if _, rest, ok := strings.Cut(got, "://"); ok {
					got = strings.TrimRight(rest, "/")
				}
			case authmap.Joined:
				prefix, _ := bound.prefix.first(in)
				b = append(b, strings.TrimPrefix(prefix, "/")...)
			}
			s = got
			break
		}
		b = append(b, s...)
	}
	return string(b)
}

// matches reports whether an ARN is one of the template: of its service, with all its texts in their order.
func matches(template []authmap.Piece, arn string) bool {
	for i, p := range template {
		switch {
		case p.Variable:
		case i == 0:
			if !strings.HasPrefix(arn, p.Text) {
				return false
			}
			arn = arn[len(p.Text):]
		default:
			at := strings.Index(arn, p.Text)
			if at < 0 || at == 0 && !empty(template[i-1]) {
				return false
			}
			arn = arn[at+len(p.Text):]
		}
	}
	return true
}

// empty says which variables may be so: some services' ARNs have no region or account.
func empty(p authmap.Piece) bool { return scoped(p.Text) }

// input is the struct that in points to.
func input(in any) reflect.Value {
	v := reflect.ValueOf(in)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}

// path is how a member is reached from an input.
type path struct {
	steps []step
	many  bool // through a list or a map's keys
	end   end
	key   int // Tags of structs: the index of their key
	val   int
}

type end uint8

const (
	scalar  end = iota
	tagList     // structs with a key and a value
	tagMap
	other // a structure: it can only be there or not
)

type step struct {
	kind  stepKind
	index int
}

type stepKind uint8

const (
	field stepKind = iota
	elements
	keys
)

// pathOf finds a path in the type of an input.
func pathOf(t reflect.Type, text string) (*path, error) {
	p := &path{}
	if t == nil {
		return p, nil // of an operation that is not served
	}
	for part := range strings.SplitSeq(text, ".") {
		name, list := strings.CutSuffix(part, "[]")
		name, mapKeys := strings.CutSuffix(name, "{}")
		if t.Kind() != reflect.Struct {
			return nil, fmt.Errorf("%s: %s is not in a structure", text, name)
		}
		i := fieldOf(t, name)
		if i < 0 {
			return nil, fmt.Errorf("%s: no member %s", text, name)
		}
		p.steps = append(p.steps, step{field, i})
		t = plainType(t.Field(i).Type)
		switch {
		case list && t.Kind() == reflect.Slice:
			p.steps = append(p.steps, step{kind: elements})
			p.many = true
			t = plainType(t.Elem())
		case mapKeys && t.Kind() == reflect.Map:
			p.steps = append(p.steps, step{kind: keys})
			p.many = true
			t = t.Key()
		case list || mapKeys:
			return nil, fmt.Errorf("%s: %s is no list or map", text, name)
		}
	}
	switch {
	case t == timeType:
	case t.Kind() == reflect.Map:
		p.end = tagMap
	case t.Kind() == reflect.Slice && t != blobType && plainType(t.Elem()).Kind() == reflect.Struct:
		e := plainType(t.Elem())
		p.key, p.val = max(fieldOf(e, "Key"), fieldOf(e, "TagKey")), max(fieldOf(e, "Value"), fieldOf(e, "TagValue"))
		p.end = tagList
		if p.key < 0 || p.val < 0 {
			p.end = other
		}
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Interface, t == blobType:
		p.end = other
	}
	return p, nil
}

// fieldOf is the index of a member by its name in the model, -1 where there is none.
func fieldOf(t reflect.Type, name string) int {
	for i := range t.NumField() {
		if strings.EqualFold(t.Field(i).Name, name) {
			return i
		}
	}
	return -1
}

// plainType is a member's type without what says that it may be absent.
func plainType(t reflect.Type) reflect.Type {
	switch {
	case t.Kind() == reflect.Pointer:
		return t.Elem()
	case optional(t):
		return t.Field(0).Type
	}
	return t
}

func optional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == optPackage && strings.HasPrefix(t.Name(), "Opt[")
}

// plainValue is a member's value; ok is false where it is absent.
func plainValue(v reflect.Value) (reflect.Value, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice, reflect.Map, reflect.Interface:
		return v, !v.IsNil()
	case reflect.Struct:
		if optional(v.Type()) {
			return v.Field(0), v.Field(1).Bool()
		}
	}
	return v, true
}

// walk calls yield with what the path leads to until it returns false; it reports whether it never did.
func walk(v reflect.Value, steps []step, yield func(reflect.Value) bool) bool {
	for i, s := range steps {
		var ok bool
		switch s.kind {
		case field:
			if v, ok = plainValue(v.Field(s.index)); !ok {
				return true
			}
		case elements:
			for j := range v.Len() {
				if e, ok := plainValue(v.Index(j)); ok && !walk(e, steps[i+1:], yield) {
					return false
				}
			}
			return true
		case keys:
			for it := v.MapRange(); it.Next(); {
				if !walk(it.Key(), steps[i+1:], yield) {
					return false
				}
			}
			return true
		}
	}
	return yield(v)
}

// reach is what a path leads to that goes through no list.
func (p *path) reach(v reflect.Value) (reflect.Value, bool) {
	if len(p.steps) == 0 || !v.IsValid() {
		return v, false
	}
	for _, s := range p.steps {
		var ok bool
		if v, ok = plainValue(v.Field(s.index)); !ok {
			return v, false
		}
	}
	return v, true
}

// first is the first value there, as text.
func (p *path) first(v reflect.Value) (s string, ok bool) {
	if !p.many {
		if v, ok = p.reach(v); !ok {
			return "", false
		}
		if v.Kind() == reflect.Slice && v.Type() != blobType {
			if v.Len() == 0 {
				return "", false
			}
			v = v.Index(0)
		}
		return text(v), true
	}
	p.each(v, func(each string) {
		if !ok {
			s, ok = each, true
		}
	})
	return s, ok
}

// each calls yield with all values there, as text.
func (p *path) each(v reflect.Value, yield func(string)) {
	if len(p.steps) == 0 || !v.IsValid() {
		return
	}
	walk(v, p.steps, func(v reflect.Value) bool {
		if v.Kind() == reflect.Slice && v.Type() != blobType {
			for i := range v.Len() {
				yield(text(v.Index(i)))
			}
			return true
		}
		yield(text(v))
		return true
	})
}

// present reports whether the member is there.
func (p *path) present(v reflect.Value) bool {
	if !p.many {
		_, ok := p.reach(v)
		return ok
	}
	return len(p.steps) > 0 && v.IsValid() && !walk(v, p.steps, func(reflect.Value) bool { return false })
}

// value is the member for a condition key.
func (p *path) value(v reflect.Value) (one string, many []string, ok bool) {
	if !p.many {
		if v, ok = p.reach(v); !ok {
			return "", nil, false
		}
		switch {
		case p.end == tagList:
			many = make([]string, v.Len())
			for i := range many {
				e, _ := plainValue(v.Index(i))
				many[i] = member(e, p.key)
			}
			return "", many, true
		case p.end == tagMap:
			many = make([]string, 0, v.Len())
			for it := v.MapRange(); it.Next(); {
				many = append(many, text(it.Key()))
			}
			return "", many, true
		case p.end == other:
			return "", nil, false
		case v.Kind() == reflect.Slice && v.Type() != blobType:
			if list, is := v.Interface().([]string); is {
				return "", list, true
			}
			many = make([]string, v.Len())
			for i := range many {
				many[i] = text(v.Index(i))
			}
			return "", many, true
		}
		return text(v), nil, true
	}
	if len(p.steps) == 0 || !v.IsValid() {
		return "", nil, false
	}
	walk(v, p.steps, func(v reflect.Value) bool {
		switch {
		case p.end == tagList:
			for i := range v.Len() {
				e, _ := plainValue(v.Index(i))
				many = append(many, member(e, p.key))
			}
		case p.end == scalar && v.Kind() == reflect.Slice && v.Type() != blobType:
			for i := range v.Len() {
				many = append(many, text(v.Index(i)))
			}
		case p.end == scalar:
			many = append(many, text(v))
		}
		return true
	})
	return "", many, many != nil
}

// tag is the value of the tag of that key, whose case is of no meaning.
func (p *path) tag(v reflect.Value, key string) (value string, ok bool) {
	if len(p.steps) == 0 || !v.IsValid() {
		return "", false
	}
	if !p.many {
		if v, ok = p.reach(v); !ok {
			return "", false
		}
		return p.tagIn(v, key)
	}
	walk(v, p.steps, func(v reflect.Value) bool {
		value, ok = p.tagIn(v, key)
		return !ok
	})
	return value, ok
}

func (p *path) tagIn(v reflect.Value, key string) (string, bool) {
	switch p.end {
	case tagList:
		for i := range v.Len() {
			if e, ok := plainValue(v.Index(i)); ok && strings.EqualFold(member(e, p.key), key) {
				return member(e, p.val), true
			}
		}
	case tagMap:
		for it := v.MapRange(); it.Next(); {
			if strings.EqualFold(it.Key().String(), key) {
				return text(it.Value()), true
			}
		}
	}
	return "", false
}

func member(v reflect.Value, index int) string {
	v, ok := plainValue(v.Field(index))
	if !ok {
		return ""
	}
	return text(v)
}

// text is a scalar as policies write it.
func text(v reflect.Value) string {
	v, ok := plainValue(v)
	if !ok {
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t.UTC().Format(time.RFC3339)
		}
	case reflect.Slice:
		return string(v.Bytes())
	}
	return ""
}
