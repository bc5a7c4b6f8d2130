// Package criteria is the language in which CloudWatch Logs is told what a filter or a policy of an account applies to:
// LogGroupName NOT IN ["/a", "/b"], @aws.region = "us-east-1" AND @aws.account IN ["111111111111"].
//
// A text is compiled once into Criteria, which never change afterwards. The package knows no field: whoever asks says which
// there are, and what it is for one to be equal to a value.
package criteria

import (
	"fmt"
	"slices"
	"strings"
)

// Condition compares one field with values: it holds where one of them is the field's, or, where Not, none is.
type Condition struct {
	Field  string
	Not    bool
	List   bool // it was written with IN
	Values []string
}

// Criteria are conditions, joined by AND and OR.
type Criteria struct {
	root       *node
	conditions []Condition
}

// node is a condition, or several joined.
type node struct {
	condition *Condition
	any       bool // of the parts; all of them otherwise
	parts     []*node
}

// Error is what is wrong with a text.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) *Error { return &Error{fmt.Sprintf(format, args...)} }

// maxDepth is how deep parentheses go.
const maxDepth = 32

// Parse compiles a text. Its errors are *Error.
func Parse(text string) (*Criteria, error) {
	p := &parser{rest: strings.Clone(text)}
	c := &Criteria{}
	if err := p.next(); err != nil {
		return nil, err
	}
	root, err := p.either(c, 0)
	if err != nil {
		return nil, err
	}
	if p.kind != end {
		return nil, wrong("unexpected %s", p.shown())
	}
	c.root = root
	return c, nil
}

// Conditions are all there are, in the order of the text. They must not be changed.
func (c *Criteria) Conditions() []Condition { return c.conditions }

// Fields are the names of what is compared, each once, in order.
func (c *Criteria) Fields() (names []string) {
	for _, k := range c.conditions {
		names = append(names, k.Field)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Match reports whether the criteria are fulfilled; is says whether a field is equal to a value.
func (c *Criteria) Match(is func(field, value string) bool) bool { return c.root.match(is) }

func (n *node) match(is func(field, value string) bool) bool {
	if k := n.condition; k != nil {
		return slices.ContainsFunc(k.Values, func(v string) bool { return is(k.Field, v) }) != k.Not
	}
	for _, part := range n.parts {
		if part.match(is) == n.any {
			return n.any
		}
	}
	return !n.any
}

// kind of a token.
type kind uint8

const (
	end  kind = iota
	word      // a field or a keyword
	text      // in quotes
	mark      // = != ( ) [ ] ,
)

type parser struct {
	rest  string
	kind  kind
	value string
}

func (p *parser) shown() string {
	switch p.kind {
	case end:
		return "end"
	case text:
		return fmt.Sprintf("%q", p.value)
	}
	return p.value
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("@._-", c) >= 0
}

// next reads a token.
func (p *parser) next() error {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		p.kind, p.value = end, ""
		return nil
	}
	switch c := p.rest[0]; {
	case c == '"' || c == '\'':
		return p.quoted(c)
	case strings.HasPrefix(p.rest, "!="):
		p.kind, p.value, p.rest = mark, "!=", p.rest[2:]
	case strings.IndexByte("=()[],", c) >= 0:
		p.kind, p.value, p.rest = mark, p.rest[:1], p.rest[1:]
	case isWord(c):
		n := 1
		for n < len(p.rest) && isWord(p.rest[n]) {
			n++
		}
		p.kind, p.value, p.rest = word, p.rest[:n], p.rest[n:]
	default:
		return wrong("unexpected %q", p.rest[:1])
	}
	return nil
}

// quoted reads a text. A backslash takes the next character as it is.
func (p *parser) quoted(quote byte) error {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == quote:
			p.kind, p.value, p.rest = text, b.String(), p.rest[i+1:]
			return nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return wrong("a quoted text does not end")
}

// is reports whether the token is a keyword.
func (p *parser) is(keyword string) bool {
	return p.kind == word && strings.EqualFold(p.value, keyword)
}

// take reads a mark that must be there.
func (p *parser) take(m string) error {
	if p.kind != mark || p.value != m {
		return wrong("expected %s, found %s", m, p.shown())
	}
	return p.next()
}

func (p *parser) either(c *Criteria, depth int) (*node, error) {
	return p.joined("OR", true, func() (*node, error) {
		return p.joined("AND", false, func() (*node, error) { return p.term(c, depth) })
	})
}

// joined reads parts with a keyword between them.
func (p *parser) joined(keyword string, any bool, part func() (*node, error)) (*node, error) {
	n := &node{any: any}
	for {
		one, err := part()
		if err != nil {
			return nil, err
		}
		n.parts = append(n.parts, one)
		if !p.is(keyword) {
			return n, nil
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) term(c *Criteria, depth int) (*node, error) {
	if p.kind == mark && p.value == "(" {
		if depth == maxDepth {
			return nil, wrong("parentheses are nested too deep")
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.either(c, depth+1)
		if err != nil {
			return nil, err
		}
		return n, p.take(")")
	}
	k, err := p.condition()
	if err != nil {
		return nil, err
	}
	c.conditions = append(c.conditions, k)
	return &node{condition: &k}, nil
}

func (p *parser) condition() (k Condition, err error) {
	if p.kind != word {
		return k, wrong("expected a field, found %s", p.shown())
	}
	k.Field = p.value
	if err := p.next(); err != nil {
		return k, err
	}
	switch {
	case p.kind == mark && (p.value == "=" || p.value == "!="):
		k.Not = p.value == "!="
		if err := p.next(); err != nil {
			return k, err
		}
		v, err := p.text()
		k.Values = []string{v}
		return k, err
	case p.is("NOT"):
		k.Not = true
		if err := p.next(); err != nil {
			return k, err
		}
	}
	if !p.is("IN") {
		return k, wrong("expected =, !=, IN or NOT IN, found %s", p.shown())
	}
	if err := p.next(); err != nil {
		return k, err
	}
	k.List = true
	if err := p.take("["); err != nil {
		return k, err
	}
	if p.kind == mark && p.value == "]" {
		return k, p.next()
	}
	for {
		v, err := p.text()
		if err != nil {
			return k, err
		}
		k.Values = append(k.Values, v)
		if p.kind != mark || p.value != "," {
			return k, p.take("]")
		}
		if err := p.next(); err != nil {
			return k, err
		}
	}
}

// text reads a value.
func (p *parser) text() (string, error) {
	if p.kind != text {
		return "", wrong("expected a text in quotes, found %s", p.shown())
	}
	v := p.value
	return v, p.next()
}
