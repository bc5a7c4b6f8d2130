package model

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

// Authorization is what IAM is asked before an operation is performed: all of Actions that apply to the call must be allowed. Without
// any it is open to everyone who has signed.
type Authorization struct {
	Actions []Action
	Self    []Action // what the service asks by itself while it performs the operation, on what only it knows
}

// Action is one action of an operation, compiled for its input. It is never changed.
type Action struct {
	Name string   // "sqs:SendMessage"
	Keys []string // the condition keys of the action itself and of its resources, as the reference writes them: "aws:RequestTag/${TagKey}"

	// Besides says that it is not what the operation does but another permission that some calls need.
	Besides bool

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
		auth := &Authorization{}
		for _, a := range o.Actions {
			c, err := compile(m, a, op.Input)
			if err != nil {
				panic(fmt.Sprintf("model: authorization of %s: %s: %v", s.Name, o.Name, err))
			}
			if a.Mark == '@' {
				auth.Self = append(auth.Self, c)
			} else {
				auth.Actions = append(auth.Actions, c)
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

// Wild reports whether a member of in that ARNs are made of holds a * or a ?, which mean nothing there.
func (a *Action) Wild(in any) bool {
	if len(a.targets) == 0 {
		return false
	}
	v, wild := input(in), false
	see := func(s string) { wild = wild || strings.ContainsAny(s, "*?") }
	for i := range a.targets {
		for j := range a.targets[i].choices {
			c := &a.targets[i].choices[j]
			if c.whole != nil {
				c.whole.each(v, see)
			}
			for k := range c.binds {
				c.binds[k].path.each(v, see)
				if c.binds[k].prefix != nil {
					c.binds[k].prefix.each(v, see)
				}
			}
		}
	}
	return wild
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
	c := Action{Name: a.Name, Besides: a.Mark == '+' || a.Mark == '?'}
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
		if p.Variable && !scoped(p.Text) && !slices.ContainsFunc(c.binds, func(b bind) bool { return b.variable == p.Text }) {
			c.inexact = true
		}
	}
	return c, nil
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
	if !c.bound(in) {
		return false
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
	return append(dst, c.arn(in, scope, nil, "")), !c.inexact && c.bound(in)
}

// bound reports whether the input has every member that a variable of its own is bound to. Without the one for the account or the region
// they are the caller's.
func (c *choice) bound(in reflect.Value) bool {
	for i := range c.binds {
		if s, ok := c.binds[i].path.first(in); (!ok || s == "") && !scoped(c.binds[i].variable) {
			return false
		}
	}
	return true
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
		s := "*"
		switch p.Text {
		case "Partition":
			s = aws.Partition(scope.Region)
		case "Region":
			s = scope.Region
		case "Account":
			s = scope.Account
		}
		for i := range c.binds {
			bound := &c.binds[i]
			if bound.variable != p.Text {
				continue
			}
			got, ok := value, true
			if bound != listed {
				got, ok = bound.path.first(in)
			}
			if !ok || got == "" || p.Text == "Account" && !aws.IsAccount(got) {
				break
			}
			if strings.HasPrefix(got, "arn:") {
				if matches(c.template, got) {
					return got
				}
				got = got[strings.LastIndexAny(got, "/:")+1:]
			}
			if strings.HasSuffix(p.Text, "WithoutLeadingSlash") {
				got = strings.TrimPrefix(got, "/")
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
