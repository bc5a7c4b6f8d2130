package logfilter

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strings"
)

// regexSigns are the characters beside letters, digits and _ that an expression may have. Parentheses are none of them.
const regexSigns = ":#=@/;,- ^$?[]{}|\\*+."

// expression is a compiled %regular expression%.
type expression struct {
	re  *regexp.Regexp
	any []string // one of these is in every text that matches; none: nothing is known
	all bool     // a text with one of them matches
}

func compile(text string) (*expression, error) {
	source, ok := translate(text)
	if !ok {
		return nil, refused("Failed to compile regular expression.")
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, refused("Failed to compile regular expression.")
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, refused("Failed to compile regular expression.")
	}
	e := &expression{re: re}
	e.any, e.all = literals(tree)
	return e, nil
}

// translate writes an expression of AWS's for Go: there {,n} has a lower bound, and the only letters that mean something
// after a backslash are those of AWS's documentation.
func translate(text string) (string, bool) {
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i == len(text) {
				return "", false
			}
			c = text[i]
			if c == 'x' {
				if i+2 >= len(text) || text[i+1] < '0' || text[i+1] > '7' || !isHex(text[i+2]) { // two digits of a character of ASCII
					return "", false
				}
			} else if isWord(c) && strings.IndexByte("dDsSwW", c) < 0 {
				return "", false
			}
			if c == ' ' {
				b.WriteByte(c) // Go knows no escaped blank
				continue
			}
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '[' && !class:
			class = true
			b.WriteByte(c)
			if i+1 < len(text) && text[i+1] == '^' {
				i++
				b.WriteByte('^')
			}
			if i+1 < len(text) && text[i+1] == ']' { // the first one is a member
				i++
				b.WriteByte(']')
			}
		case c == ']':
			class = false
			b.WriteByte(c)
		case c == '{' && !class && isAtMost(text[i:]):
			b.WriteString("{0")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// isAtMost reports whether text begins with a repetition that has only an upper bound.
func isAtMost(text string) bool {
	digits, ok := strings.CutPrefix(text, "{,")
	end := strings.TrimLeft(digits, "0123456789")
	return ok && end != digits && strings.HasPrefix(end, "}")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// literals are texts of which one is in everything that re matches, and whether having one is enough to match.
func literals(re *syntax.Regexp) (one []string, enough bool) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return []string{string(re.Rune)}, true
		}
	case syntax.OpCapture:
		return literals(re.Sub[0])
	case syntax.OpPlus:
		return literals(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			one, _ = literals(re.Sub[0])
			return one, re.Min == 1
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if l, _ := literals(sub); shortest(l) > shortest(one) {
				one = l
			}
		}
		return one, false
	case syntax.OpAlternate:
		enough = true
		for _, sub := range re.Sub {
			l, e := literals(sub)
			if len(l) == 0 || len(one) > 8 {
				return nil, false
			}
			one, enough = append(one, l...), enough && e
		}
		return one, enough
	}
	return nil, false
}

func shortest(all []string) int {
	if len(all) == 0 {
		return 0
	}
	n := len(all[0])
	for _, s := range all {
		n = min(n, len(s))
	}
	return n
}

func (e *expression) match(text string) bool {
	if len(e.any) > 0 {
		found := false
		for _, l := range e.any {
			if strings.Contains(text, l) {
				found = true
				break
			}
		}
		if !found || e.all {
			return found
		}
	}
	return e.re.MatchString(text)
}

// matchBytes is match of what is on the stack: package regexp must not see it there.
func (e *expression) matchBytes(text []byte) bool {
	if len(e.any) > 0 {
		found := false
		for _, l := range e.any {
			if len(l) <= len(text) && bytes.Contains(text, []byte(l)) {
				found = true
				break
			}
		}
		if !found || e.all {
			return found
		}
	}
	return e.re.MatchString(string(text))
}

// needed is the substring that every matching text has, if there is one.
func (e *expression) needed() []string {
	if len(e.any) == 1 {
		return e.any
	}
	return nil
}
