package logfilter

import (
	"bytes"
	"strconv"
	"strings"
)

// operator is how a condition compares.
type operator uint8

const (
	equal operator = iota
	unequal
	less
	atMost
	greater
	atLeast
	isNull
	isTrue
	isFalse
	exists // what NOT EXISTS denies
)

// condition is one comparison of a field or a property with what the pattern says.
type condition struct {
	op      operator
	glob    glob
	re      *expression
	literal string  // of a number
	value   float64 // of literal, where numeric
	numeric bool    // the pattern has a number there, without quotes
}

// newCondition reads the two tokens of a comparison.
func newCondition(sign, value token) (condition, error) {
	c := condition{op: map[string]operator{"=": equal, "!=": unequal, "<": less, "<=": atMost, ">": greater, ">=": atLeast}[sign.text]}
	switch value.part {
	case word:
		if c.numeric = isNumber(value.value); c.numeric {
			c.literal, c.value = value.value, number(value.value)
		}
	case quoted, regex:
	default:
		return c, ungrammatical()
	}
	if c.op != equal && c.op != unequal {
		if !c.numeric {
			return c, &Error{Message: "Invalid character(s) in term '" + value.text + "'", Search: "Invalid filter pattern"}
		}
		return c, nil
	}
	if value.part == regex {
		var err error
		c.re, err = compile(value.value)
		return c, err
	}
	c.glob = newGlob(value.value)
	return c, nil
}

// text compares a string; no string is more or less than a number.
func (c *condition) text(s string) bool {
	if c.op != equal && c.op != unequal {
		return false
	}
	if c.re != nil {
		return c.re.match(s) == (c.op == equal)
	}
	return c.glob.match(s) == (c.op == equal)
}

// bytes is text of what had to be decoded first.
func (c *condition) bytes(s []byte) bool {
	if c.op != equal && c.op != unequal {
		return false
	}
	if c.re != nil {
		return c.re.matchBytes(s) == (c.op == equal)
	}
	return c.glob.matchBytes(s) == (c.op == equal)
}

// number compares a number by its value, or by how it is written where the pattern has no number.
func (c *condition) number(s string) bool {
	if !c.numeric {
		return c.text(s)
	}
	d := c.order(s)
	switch c.op {
	case equal:
		return d == 0
	case unequal:
		return d != 0
	case less:
		return d < 0
	case atMost:
		return d <= 0
	case greater:
		return d > 0
	case atLeast:
		return d >= 0
	}
	return false
}

// field compares a field of a line, which is a number if it looks like one.
func (c *condition) field(s string) bool {
	if c.numeric && isNumber(s) {
		return c.number(s)
	}
	return c.text(s)
}

// order is how s, a number, stands to the pattern's: whole numbers exactly, others as floats.
func (c *condition) order(s string) int {
	v := number(s)
	switch {
	case v < c.value:
		return -1
	case v > c.value:
		return 1
	case len(s) < 16 || len(c.literal) < 16:
		return 0
	}
	a, down, ok := whole(s)
	b, _, same := whole(c.literal)
	if !ok || !same {
		return 0
	}
	d := len(a) - len(b)
	if d == 0 {
		d = strings.Compare(a, b)
	}
	if down {
		return -d
	}
	return d
}

// whole is the digits of a whole number without leading zeros, and whether it is below zero.
func whole(s string) (digits string, negative, ok bool) {
	negative = s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	s = strings.TrimLeft(s, "0")
	return s, negative, !strings.ContainsAny(s, ".eE")
}

// isNumber reports whether s is a number as patterns write it: an integer or a decimal, with a sign and an exponent or not.
func isNumber(s string) bool {
	i := 0
	sign := func() {
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
	}
	digits := func() int {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i - from
	}
	sign()
	n := digits()
	if i < len(s) && s[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		sign()
		if digits() == 0 {
			return false
		}
	}
	return i == len(s)
}

func number(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64) // beyond all floats it is the nearest infinity
	return v
}

// needed are substrings of every text that the condition holds for.
func (c *condition) needed() []string {
	switch {
	case c.op != equal || c.numeric:
		return nil
	case c.re != nil:
		return c.re.needed()
	case c.glob.text == "":
		return nil
	}
	return []string{c.glob.text}
}

// glob is a text with an asterisk at its beginning, at its end, at both or at neither. One in the middle is an asterisk.
type glob struct {
	text      string
	raw       []byte // text
	head, end bool   // there is an asterisk there
}

func newGlob(s string) glob {
	var g glob
	s, g.head = strings.CutPrefix(s, "*")
	s, g.end = strings.CutSuffix(s, "*")
	if s == "" && g.head {
		g.end = true
	}
	g.text, g.raw = s, []byte(s)
	return g
}

func (g *glob) match(s string) bool {
	switch {
	case g.head && g.end:
		return strings.Contains(s, g.text)
	case g.head:
		return strings.HasSuffix(s, g.text)
	case g.end:
		return strings.HasPrefix(s, g.text)
	}
	return s == g.text
}

func (g *glob) matchBytes(s []byte) bool {
	switch {
	case g.head && g.end:
		return bytes.Contains(s, g.raw)
	case g.head:
		return bytes.HasSuffix(s, g.raw)
	case g.end:
		return bytes.HasPrefix(s, g.raw)
	}
	return string(s) == g.text
}

// tree is conditions under "and" and "or". A leaf is the number of a condition.
type tree struct {
	sign part // and, or; any other: a leaf
	leaf int
	of   []tree
}

// grammar reads conditions: "or" binds weaker than "and", and parentheses bind strongest. leaf reads a condition.
type grammar struct {
	tokens []token
	leaf   func(*grammar) (int, error)
}

// take is the next token if it is a p.
func (g *grammar) take(p part) (token, bool) {
	if len(g.tokens) == 0 || g.tokens[0].part != p {
		return token{}, false
	}
	t := g.tokens[0]
	g.tokens = g.tokens[1:]
	return t, true
}

// whole reads conditions up to the end.
func (g *grammar) whole() (tree, error) {
	t, err := g.several(or)
	if err == nil && len(g.tokens) > 0 {
		err = ungrammatical()
	}
	return t, err
}

func (g *grammar) several(sign part) (tree, error) {
	t := tree{sign: sign}
	for {
		var one tree
		var err error
		if sign == or {
			one, err = g.several(and)
		} else {
			one, err = g.one()
		}
		if err != nil {
			return t, err
		}
		t.of = append(t.of, one)
		if _, more := g.take(sign); !more {
			if len(t.of) == 1 {
				return one, nil
			}
			return t, nil
		}
	}
}

func (g *grammar) one() (tree, error) {
	if _, ok := g.take(open); ok {
		t, err := g.several(or)
		if err != nil {
			return t, err
		}
		if _, ok := g.take(shut); !ok {
			return t, ungrammatical()
		}
		return t, nil
	}
	n, err := g.leaf(g)
	return tree{leaf: n}, err
}

// needed are the substrings that every text has that t holds for, given those of the leaves.
func (t *tree) needed(leaf func(int) []string) []string {
	if t.sign != and && t.sign != or {
		return leaf(t.leaf)
	}
	need := t.of[0].needed(leaf)
	for i := range t.of[1:] {
		more := t.of[i+1].needed(leaf)
		if t.sign == or {
			need = common(need, more)
		} else {
			need = append(need[:len(need):len(need)], more...)
		}
	}
	return need
}
