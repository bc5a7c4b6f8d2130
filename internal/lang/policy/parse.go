package policy

import (
	"strings"
)

// The versions of the language.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Parse compiles a document that is to be stored as kind, held to all of AWS's rules for it. The error is an *Error.
func Parse(text string, kind Kind) (*Policy, error) {
	root, err := readJSON(text)
	if err != nil {
		return nil, &Error{Message: notJSON(kind)}
	}
	if message := check(&root, kind); message != "" {
		return nil, &Error{Message: message}
	}
	p := compile(text, &root)
	p.kind = kind
	return p, nil
}

// Read compiles a document that is stored already, of whatever kind. What AWS's services once took is taken: elements are left
// out, or mean nothing. An Allow that makes no sense allows nothing, and what makes no sense in a Deny does not limit it.
// The error is an *Error; only what is not a JSON object has one.
func Read(text string) (*Policy, error) {
	root, err := readJSON(text)
	if err != nil || root.kind != jsonObject {
		return nil, &Error{Message: syntaxErrors}
	}
	p := compile(text, &root)
	p.kind = Resource
	return p, nil
}

// compile makes a policy of a document that may be anything.
func compile(text string, root *node) *Policy {
	p := &Policy{version: version2008}
	variables := false
	list, single := []node(nil), false
	for i := range root.members {
		m := &root.members[i]
		switch m.name {
		case "Version":
			if m.value.kind == jsonString && m.value.text == version2012 {
				p.version, variables = version2012, true
			}
		case "Id":
			p.id = m.value.text
		case "Statement":
			if single = m.value.kind == jsonObject; single {
				list = append(list, m.value)
			} else {
				list = append(list, m.value.elements...)
			}
		}
	}
	where := places{text: text, line: 1}
	p.statements = make([]*Statement, 0, len(list))
	before := -1
	for i := range list {
		n := &list[i]
		s, ok := newStatement(n, variables)
		switch {
		case single:
			s.Start = where.at(n.start + 1)
		case before < 0:
			before = strings.LastIndexByte(text[:n.start], '[') + 1
			fallthrough
		default:
			s.Start = where.at(before)
		}
		s.End = where.at(n.end)
		if before = n.end; ok {
			p.statements = append(p.statements, s)
		}
	}
	p.index()
	return p
}

// places turns offsets, asked for in their order, into positions.
type places struct {
	text       string
	from, line int // what was asked for last
	begin      int // of the line
}

func (w *places) at(offset int) Position {
	for i := w.from; i < offset; i++ {
		if w.text[i] == '\n' {
			w.line++
			w.begin = i + 1
		}
	}
	w.from = max(w.from, offset)
	return Position{Line: w.line, Column: offset - w.begin + 1}
}

// newStatement compiles a statement that may be anything; ok is false where it has no effect that there is.
func newStatement(n *node, variables bool) (s *Statement, ok bool) {
	s = &Statement{}
	sound := n.kind == jsonObject
	seen := map[string]bool{}
	d := statementReader{Statement: s, variables: variables, sound: &sound}
	for i := range n.members {
		m := &n.members[i]
		if seen[m.name] && m.name != "Condition" {
			sound = false
			continue
		}
		seen[m.name] = true
		d.element(m)
	}
	if s.Effect == ImplicitDeny {
		return s, false
	}
	if !seen["Resource"] && !seen["NotResource"] {
		s.anyResource = true // the one that the policy hangs on
		sound = sound && s.hasPrincipal
	}
	if !sound || seen["Action"] == seen["NotAction"] {
		d.senseless()
	}
	return s, true
}

// statementReader compiles the elements of a statement.
type statementReader struct {
	*Statement
	variables bool
	sound     *bool
	// What could not be read, and so in a Deny limits nothing.
	badAction, badResource, badPrincipal bool
}

// senseless makes of a statement that makes no sense one that allows nothing, or denies whatever it may have meant.
func (d *statementReader) senseless() {
	s := d.Statement
	if s.Effect == Allowed {
		s.actions, s.notAction = nil, false
		return
	}
	if d.badAction || len(s.actions) == 0 {
		s.actions, s.notAction = nil, true
	}
	if d.badResource {
		s.anyResource = true
	}
	if d.badPrincipal {
		s.hasPrincipal, s.principals = false, principals{}
	}
}

func (d *statementReader) element(m *member) {
	s := d.Statement
	switch m.name {
	case "Sid":
		s.Sid = m.value.text
	case "Effect":
		switch {
		case strings.EqualFold(m.value.text, "Allow"):
			s.Effect = Allowed
		case strings.EqualFold(m.value.text, "Deny"):
			s.Effect = ExplicitDeny
		}
	case "Action", "NotAction":
		d.badAction = d.badAction || len(s.actions) > 0
		s.notAction = m.name == "NotAction"
		for _, text := range d.list(&m.value, &d.badAction) {
			s.actions = append(s.actions, syntax{wildcards: true, fold: true}.compile(text))
		}
	case "Resource", "NotResource":
		d.badResource = d.badResource || len(s.resources) > 0
		s.notResource = m.name == "NotResource"
		for _, text := range d.list(&m.value, &d.badResource) {
			r := compileResource(text, d.variables)
			s.anyResource = s.anyResource || r.simple == everything && !s.notResource
			s.resources = append(s.resources, r)
		}
	case "Principal", "NotPrincipal":
		d.badPrincipal = d.badPrincipal || s.hasPrincipal
		s.hasPrincipal = true
		s.principals.not = m.name == "NotPrincipal"
		d.principals(&m.value)
	case "Condition":
		d.condition(&m.value)
	default:
		*d.sound = false
	}
	if d.badAction || d.badResource || d.badPrincipal {
		*d.sound = false
	}
}

// list is a string or several; bad is set where it is something else.
func (d *statementReader) list(n *node, bad *bool) []string {
	switch n.kind {
	case jsonString:
		return []string{n.text}
	case jsonArray:
		all := make([]string, 0, len(n.elements))
		for i := range n.elements {
			if n.elements[i].kind != jsonString {
				*bad = true
				continue
			}
			all = append(all, n.elements[i].text)
		}
		return all
	}
	*bad = true
	return nil
}

func (d *statementReader) principals(n *node) {
	s := d.Statement
	if n.kind == jsonString && n.text == "*" {
		s.principals.names = append(s.principals.names, newPrincipal("*", "*"))
		return
	}
	d.badPrincipal = d.badPrincipal || n.kind != jsonObject
	for i := range n.members {
		m := &n.members[i]
		for _, text := range d.list(&m.value, &d.badPrincipal) {
			name := newPrincipal(m.name, text)
			d.badPrincipal = d.badPrincipal || name.kind == nameNobody
			s.principals.names = append(s.principals.names, name)
		}
	}
}

func (d *statementReader) condition(n *node) {
	s := d.Statement
	*d.sound = *d.sound && n.kind == jsonObject
	for i := range n.members {
		o := &n.members[i]
		c, y, ok := newCondition(o.name)
		if o.value.kind != jsonObject || !ok && len(o.value.members) > 0 {
			*d.sound = false
			continue
		}
		for j := range o.value.members {
			k := &o.value.members[j]
			values, ok := scalars(&k.value)
			if !ok {
				*d.sound = false
				continue
			}
			s.conditions = append(s.conditions, c.with(k.name, values, y, d.variables))
		}
	}
}

// scalars are one or several values of a condition key as text.
func scalars(n *node) ([]string, bool) {
	switch n.kind {
	case jsonString, jsonNumber, jsonBool:
		return []string{n.text}, true
	case jsonArray:
		all := make([]string, 0, len(n.elements))
		for i := range n.elements {
			switch n.elements[i].kind {
			case jsonString, jsonNumber, jsonBool:
				all = append(all, n.elements[i].text)
			default:
				return nil, false
			}
		}
		return all, true
	}
	return nil, false
}
