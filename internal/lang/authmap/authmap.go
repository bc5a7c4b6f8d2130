// Package authmap reads and writes what IAM is asked before the operations of a service: which actions, about which resources, and
// which of the input's members fill which condition keys. It is data: models/*.auth, and a text in each generated contract.
//
//	resource queue arn:${Partition}:sqs:${Region}:${Account}:${QueueName} aws:ResourceTag/${TagKey}
//
//	SendMessage sqs:SendMessage queue(QueueName=url:QueueUrl)
//	CreateFunction lambda:CreateFunction function(FunctionName) aws:TagKeys=Tags lambda:Layer=Layers[]
//		+iam:PassRole (=Role) iam:PassedToService='lambda.amazonaws.com'
//
// A resource line is a kind of resource: its name, the template of its ARN, the condition keys that speak of one. A line of an operation
// names it; what follows there, and on lines that begin with a tab, are actions: a mark, a name, and by spaces
//
//	when(Member)     asked only where the input has the member; unless(Member) where it has not
//	kind(V=Member)   it is about the resource whose ARN has the member's value for V; (V) is (V=V). Where the value is an ARN of that kind
//	                 it is taken whole, where it is another ARN, what is behind its last slash or colon. (V=url:M) takes the last
//	                 part of a URL, (V=host:M) all behind its scheme; (V=P+M) a path before the name; (V=~M) is only the end of V, the service knows the rest;
//	                 (V=*) is unknown before the call, (?) all of it. Partition, Region and Account are the caller's
//	                 where no member is bound to them, or it is not there
//	kind(=Member)    the member is its ARN; without a kind, an ARN of any
//	a(…)|b(…)        the first for which the input has all members, else the last
//	?kind(…)         not asked about where the input has not all members
//	key=Member       a condition key, and what it holds; key='text' always holds the text; key alone cannot be told from the input
//
// A member is a path: A.B for a structure's, L[] for each of a list, M{} for the keys of a map. A key that ends in /${TagKey} is of tags.
//
// A line of an overlay may change what another line has of an operation: "about NAME resources" what it is about, "fill NAME keys" what
// fills condition keys, "also NAME action" adds an action, "self NAME" says that the service asks for all of them by itself. A line "action NAME" says that there is an action which no operation here has.
//
// Marks: + is a permission that the call needs besides its own, ? one that it needs where one of its resources is named (both are asked
// only then); ! one of several of which only the service knows which it needs (all are asked as long as it does not say so with @); @ one that the service asks for by itself, since it
// depends on what only the service knows. An operation without actions is allowed to everyone who
// has signed.
package authmap

import (
	"fmt"
	"slices"
	"strings"
)

// Map is what IAM is asked before the operations of a service.
type Map struct {
	Resources  []Resource
	Operations []Operation
	Others     []string // actions that no operation has

	changes []change // of operations
}

// Resource is a kind of resource: how its ARN is made.
type Resource struct {
	Name     string
	Template string
	Keys     []string // the condition keys that speak of a resource of this kind
}

// change is a line of an overlay.
type change struct {
	verb, operation string
	action          Action // with what is to be changed
}

// Operation is what IAM is asked before one operation.
type Operation struct {
	Name    string
	Actions []Action
}

// Action is an action of an operation.
type Action struct {
	Mark    byte // 0, '+', '?', '!' or '@'
	Name    string
	When    string // a path: asked only where it is there; empty for always
	Unless  string // a path: asked only where it is not there; empty for always
	Targets []Target
	Keys    []Key
}

// Target is a resource of an action: the first of its alternatives that the input fills.
type Target struct {
	Optional     bool
	Alternatives []Choice
}

// Choice is how an ARN comes about.
type Choice struct {
	Resource string // empty for any
	Whole    string // the path of the member that is the ARN; empty where it is made of Binds
	Unknown  bool   // nothing of it is known
	Binds    []Bind
}

// Bind is what a variable of a template is.
type Bind struct {
	Variable string
	Kind     BindKind
	Path     string
	Prefix   string // Joined: the path before the name
}

// BindKind is how a variable is made of a member.
type BindKind uint8

// The kinds of bindings.
const (
	Member  BindKind = iota // its value
	URLPart                 // the last part of the URL that it is
	URLHost                 // the URL that it is without its scheme
	Joined                  // a path and a name
	Suffix                  // its value is the end of it, the service knows the rest
	Unknown                 // nothing is known before the call
)

// Key is a condition key of an action.
type Key struct {
	Name    string
	Path    string // empty where the input does not tell
	Literal string // what it always holds
}

// Parse reads what models/*.auth and the generated contracts say. A line that begins with # is a comment.
func Parse(text string) (*Map, error) {
	m := &Map{}
	if err := m.Patch(text); err != nil {
		return nil, err
	}
	return m, nil
}

// Patch has what text says of operations and resources instead of what m says of them.
func (m *Map) Patch(text string) error {
	p := &Map{}
	if err := p.read(text); err != nil {
		return err
	}
	for _, r := range p.Resources {
		if old := m.Resource(r.Name); old != nil {
			*old = r
		} else {
			m.Resources = append(m.Resources, r)
		}
	}
	for _, o := range p.Operations {
		if old := m.Operation(o.Name); old != nil {
			*old = o
		} else {
			m.Operations = append(m.Operations, o)
		}
	}
	for _, c := range p.changes {
		if err := m.change(c); err != nil {
			return fmt.Errorf("%s %s: %w", c.verb, c.operation, err)
		}
	}
	m.Others = append(m.Others, p.Others...)
	return m.check()
}

// isName reports whether s has only letters and digits.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

func (m *Map) change(c change) error {
	o := m.Operation(c.operation)
	if o == nil || len(o.Actions) == 0 {
		return fmt.Errorf("no such operation")
	}
	o.Actions = slices.Clone(o.Actions)
	switch c.verb {
	case "self":
		for i := range o.Actions {
			o.Actions[i].Mark = '@'
		}
	case "also":
		o.Actions = append(o.Actions, c.action)
	case "about":
		before := Action{Name: "any:Action", Targets: o.Actions[0].Targets}.String()
		for i := range o.Actions {
			if i == 0 || (Action{Name: "any:Action", Targets: o.Actions[i].Targets}).String() == before {
				o.Actions[i].Targets = c.action.Targets
			}
		}
	case "fill":
		keys := slices.Clone(o.Actions[0].Keys)
		for _, k := range c.action.Keys {
			if i := slices.IndexFunc(keys, func(old Key) bool { return old.Name == k.Name }); i >= 0 {
				keys[i] = k
			} else {
				keys = append(keys, k)
			}
		}
		o.Actions[0].Keys = keys
	}
	return nil
}

func (m *Map) read(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := m.line(strings.TrimRight(line, "\r\n ")); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

func (m *Map) check() error {
	for _, o := range m.Operations {
		for _, a := range o.Actions {
			if err := m.checkAction(a); err != nil {
				return fmt.Errorf("%s: %w", o.Name, err)
			}
		}
	}
	return nil
}

func (m *Map) line(line string) error {
	words := strings.Fields(line)
	switch {
	case len(words) == 0 || line[0] == '#':
		return nil
	case words[0] == "resource" && line[0] != '\t':
		if len(words) < 3 {
			return fmt.Errorf("not resource NAME TEMPLATE")
		}
		if strings.ContainsAny(words[1], "()=?|'") {
			return fmt.Errorf("%s is no name of a resource", words[1])
		}
		if m.Resource(words[1]) != nil {
			return fmt.Errorf("two resources %s", words[1])
		}
		if _, err := Template(words[2]); err != nil {
			return err
		}
		m.Resources = append(m.Resources, Resource{words[1], words[2], words[3:]})
		return nil
	case words[0] == "self" && line[0] != '\t':
		if len(words) != 2 {
			return fmt.Errorf("not self NAME")
		}
		m.changes = append(m.changes, change{verb: "self", operation: words[1]})
		return nil
	case slices.Contains([]string{"about", "fill", "also"}, words[0]) && line[0] != '\t':
		if len(words) < 3 {
			return fmt.Errorf("%s what of which operation?", words[0])
		}
		c := change{verb: words[0], operation: words[1]}
		words = words[2:]
		if c.verb != "also" {
			words = append([]string{"any:Action"}, words...)
		}
		var err error
		c.action, err = readAction(words)
		if c.verb == "about" && len(c.action.Keys) > 0 || c.verb == "fill" && len(c.action.Targets) > 0 {
			err = fmt.Errorf("%s does not change that", c.verb)
		}
		m.changes = append(m.changes, c)
		return err
	case words[0] == "action" && line[0] != '\t':
		m.Others = append(m.Others, words[1:]...)
		return nil
	case line[0] != '\t':
		if !isName(words[0]) {
			return fmt.Errorf("%q is no operation", words[0])
		}
		if m.Operation(words[0]) != nil {
			return fmt.Errorf("two lines of %s", words[0])
		}
		m.Operations = append(m.Operations, Operation{Name: words[0]})
		words = words[1:]
	case len(m.Operations) == 0:
		return fmt.Errorf("an action before the first operation")
	}
	if len(words) == 0 {
		return nil
	}
	a, err := readAction(words)
	if err != nil {
		return err
	}
	last := &m.Operations[len(m.Operations)-1]
	last.Actions = append(last.Actions, a)
	return nil
}

// Resource is the kind of that name, nil where there is none.
func (m *Map) Resource(name string) *Resource {
	for i := range m.Resources {
		if m.Resources[i].Name == name {
			return &m.Resources[i]
		}
	}
	return nil
}

// Operation is the operation of that name, nil where there is none.
func (m *Map) Operation(name string) *Operation {
	for i := range m.Operations {
		if m.Operations[i].Name == name {
			return &m.Operations[i]
		}
	}
	return nil
}

// checkAction finds variables and resources that do not exist.
func (m *Map) checkAction(a Action) error {
	for _, t := range a.Targets {
		for _, res := range t.Alternatives {
			if res.Resource == "" {
				if res.Whole == "" {
					return fmt.Errorf("a resource without a kind is the whole ARN")
				}
				continue
			}
			f := m.Resource(res.Resource)
			if f == nil {
				return fmt.Errorf("no resource %s", res.Resource)
			}
			many := 0
			for _, b := range res.Binds {
				if !strings.Contains(f.Template, "${"+b.Variable+"}") {
					return fmt.Errorf("%s has no ${%s}", f.Name, b.Variable)
				}
				if strings.ContainsAny(b.Path, "[{") {
					many++
				}
			}
			if many > 1 {
				return fmt.Errorf("%s is made of two lists", f.Name)
			}
		}
	}
	return nil
}

func readAction(words []string) (Action, error) {
	a := Action{Name: words[0]}
	if strings.IndexByte("+?!@", a.Name[0]) >= 0 {
		a.Mark, a.Name = a.Name[0], a.Name[1:]
	}
	if service, name, ok := strings.Cut(a.Name, ":"); !ok || service == "" || name == "" || strings.ContainsAny(a.Name, "()='") {
		return a, fmt.Errorf("%s is no action", words[0])
	}
	for _, w := range words[1:] {
		if when, ok := strings.CutPrefix(w, "when("); ok && strings.HasSuffix(when, ")") {
			a.When = strings.TrimSuffix(when, ")")
			if err := checkPath(a.When); err != nil {
				return a, err
			}
			continue
		}
		if unless, ok := strings.CutPrefix(w, "unless("); ok && strings.HasSuffix(unless, ")") {
			a.Unless = strings.TrimSuffix(unless, ")")
			if err := checkPath(a.Unless); err != nil {
				return a, err
			}
			continue
		}
		if strings.HasSuffix(w, ")") {
			t, err := readTarget(w)
			if err != nil {
				return a, err
			}
			a.Targets = append(a.Targets, t)
			continue
		}
		k, err := readKey(w)
		if err != nil {
			return a, err
		}
		a.Keys = append(a.Keys, k)
	}
	return a, nil
}

func readTarget(w string) (Target, error) {
	t := Target{}
	if strings.HasPrefix(w, "?") {
		t.Optional, w = true, w[1:]
	}
	for alternative := range strings.SplitSeq(w, "|") {
		res, err := readChoice(alternative)
		if err != nil {
			return t, err
		}
		t.Alternatives = append(t.Alternatives, res)
	}
	return t, nil
}

func readChoice(w string) (Choice, error) {
	kind, inside, ok := strings.Cut(w, "(")
	inside, closed := strings.CutSuffix(inside, ")")
	if !ok || !closed || strings.ContainsAny(kind, "=?|'") {
		return Choice{}, fmt.Errorf("%s is no resource", w)
	}
	res := Choice{Resource: kind}
	switch {
	case inside == "?":
		res.Unknown = true
		return res, nil
	case inside == "":
		return res, nil
	case inside[0] == '=':
		res.Whole = inside[1:]
		return res, checkPath(res.Whole)
	}
	for bind := range strings.SplitSeq(inside, ",") {
		variable, path, ok := strings.Cut(bind, "=")
		if !ok {
			path = variable
		}
		b := Bind{Variable: variable, Path: path}
		if variable == "" {
			return res, fmt.Errorf("%s is no binding", bind)
		}
		if path == "*" {
			b.Kind, b.Path = Unknown, ""
			res.Binds = append(res.Binds, b)
			continue
		}
		if rest, ok := strings.CutPrefix(path, "url:"); ok {
			b.Kind, b.Path = URLPart, rest
		} else if rest, ok := strings.CutPrefix(path, "host:"); ok {
			b.Kind, b.Path = URLHost, rest
		} else if rest, ok := strings.CutPrefix(path, "~"); ok {
			b.Kind, b.Path = Suffix, rest
		} else if prefix, name, ok := strings.Cut(path, "+"); ok {
			b.Kind, b.Prefix, b.Path = Joined, prefix, name
			if err := checkPath(prefix); err != nil {
				return res, err
			}
		}
		if err := checkPath(b.Path); err != nil {
			return res, err
		}
		res.Binds = append(res.Binds, b)
	}
	return res, nil
}

func readKey(w string) (Key, error) {
	name, path, ok := strings.Cut(w, "=")
	k := Key{Name: name, Path: path}
	if !strings.Contains(name, ":") || strings.ContainsAny(name, "()'") {
		return k, fmt.Errorf("%s is no condition key", w)
	}
	if !ok {
		return k, nil
	}
	if len(path) > 2 && path[0] == '\'' && path[len(path)-1] == '\'' {
		k.Literal, k.Path = path[1:len(path)-1], ""
		return k, nil
	}
	return k, checkPath(path)
}

// checkPath reports a path that is none.
func checkPath(path string) error {
	for part := range strings.SplitSeq(path, ".") {
		part = strings.TrimSuffix(strings.TrimSuffix(part, "[]"), "{}")
		if part == "" || strings.ContainsAny(part, "[]{}()='*~+?,|:$") {
			return fmt.Errorf("%q is no path", path)
		}
	}
	return nil
}

// String is the operation as Parse reads it, with the end of its last line.
func (o Operation) String() string {
	var b strings.Builder
	b.WriteString(o.Name)
	separator := " "
	for _, a := range o.Actions {
		b.WriteString(separator + a.String() + "\n")
		separator = "\t"
	}
	if len(o.Actions) == 0 {
		b.WriteString("\n")
	}
	return b.String()
}

func (a Action) String() string {
	var b strings.Builder
	if a.Mark != 0 {
		b.WriteByte(a.Mark)
	}
	b.WriteString(a.Name)
	if a.When != "" {
		b.WriteString(" when(" + a.When + ")")
	}
	if a.Unless != "" {
		b.WriteString(" unless(" + a.Unless + ")")
	}
	for _, t := range a.Targets {
		b.WriteByte(' ')
		if t.Optional {
			b.WriteByte('?')
		}
		for i, res := range t.Alternatives {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(res.String())
		}
	}
	for _, k := range a.Keys {
		b.WriteString(" " + k.String())
	}
	return b.String()
}

func (c Choice) String() string {
	switch {
	case c.Unknown:
		return c.Resource + "(?)"
	case c.Whole != "":
		return c.Resource + "(=" + c.Whole + ")"
	}
	binds := make([]string, len(c.Binds))
	for i, b := range c.Binds {
		binds[i] = b.String()
	}
	return c.Resource + "(" + strings.Join(binds, ",") + ")"
}

func (b Bind) String() string {
	switch b.Kind {
	case URLPart:
		return b.Variable + "=url:" + b.Path
	case URLHost:
		return b.Variable + "=host:" + b.Path
	case Joined:
		return b.Variable + "=" + b.Prefix + "+" + b.Path
	case Suffix:
		return b.Variable + "=~" + b.Path
	case Unknown:
		return b.Variable + "=*"
	}
	if b.Variable == b.Path {
		return b.Variable
	}
	return b.Variable + "=" + b.Path
}

func (k Key) String() string {
	switch {
	case k.Literal != "":
		return k.Name + "='" + k.Literal + "'"
	case k.Path != "":
		return k.Name + "=" + k.Path
	}
	return k.Name
}

// String is the resource as Parse reads it, with the end of its line.
func (r Resource) String() string {
	return strings.Join(append([]string{"resource", r.Name, r.Template}, r.Keys...), " ") + "\n"
}

// Piece of an ARN's template: a text or the name of a variable.
type Piece struct {
	Text     string
	Variable bool
}

// Template takes an ARN's template apart.
func Template(s string) ([]Piece, error) {
	var list []Piece
	rest := s
	for rest != "" {
		text, behind, ok := strings.Cut(rest, "${")
		if text != "" {
			list = append(list, Piece{Text: text})
		}
		if !ok {
			break
		}
		name, after, ok := strings.Cut(behind, "}")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s: a variable has no end", s)
		}
		list = append(list, Piece{name, true})
		rest = after
	}
	if len(list) == 0 || !strings.HasPrefix(s, "arn:") {
		return nil, fmt.Errorf("%q is no ARN", s)
	}
	return list, nil
}
