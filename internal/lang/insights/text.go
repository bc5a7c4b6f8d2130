package insights

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// like compiles a search for a substring or a regular expression.
func (c *compiler) like(n *node) (condition, error) {
	of, err := c.eval(n.args[0])
	if err != nil {
		return nil, err
	}
	test := func(s string) bool { return strings.Contains(s, n.name) }
	if n.re != nil {
		test = tester(n.re)
	} else if n.name == "" {
		test = func(string) bool { return true }
	}
	if arg := n.args[0]; arg.op == opField && arg.name == "@message" && c.closed == "" {
		return func(r *row) bool { return test(r.event.Message) }, nil
	}
	return func(r *row) bool {
		v := of(r)
		return v.kind != missing && test(v.String())
	}, nil
}

// tester is a regular expression as fast as it can be asked whether it matches: as the search for a string if it is nothing else, and
// behind the search for a string that every match has.
func tester(re *regexp.Regexp) func(string) bool {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return re.MatchString
	}
	parsed = parsed.Simplify()
	if parsed.Op == syntax.OpLiteral {
		literal := string(parsed.Rune)
		if parsed.Flags&syntax.FoldCase == 0 {
			return func(s string) bool { return strings.Contains(s, literal) }
		}
		if fold, ok := foldable(literal); ok {
			return func(s string) bool { return containsFold(s, fold) }
		}
	}
	if parsed.Op == syntax.OpAlternate { // error|warning
		var tests []func(string) bool
		for _, sub := range parsed.Sub {
			if sub.Op != syntax.OpLiteral || sub.Flags&syntax.FoldCase != 0 {
				tests = nil
				break
			}
			literal := string(sub.Rune)
			tests = append(tests, func(s string) bool { return strings.Contains(s, literal) })
		}
		if len(tests) > 0 {
			return func(s string) bool {
				for _, t := range tests {
					if t(s) {
						return true
					}
				}
				return false
			}
		}
	}
	if literal := required(parsed); literal != "" {
		return func(s string) bool { return strings.Contains(s, literal) && re.MatchString(s) }
	}
	return re.MatchString
}

// requiredText is a string that every match of a regular expression has, the longest that is easily found.
func requiredText(re string) string {
	parsed, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return ""
	}
	return required(parsed.Simplify())
}

func required(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		best := ""
		for _, sub := range re.Sub {
			if s := required(sub); len(s) > len(best) {
				best = s
			}
		}
		return best
	}
	return ""
}

// foldable is a literal in lower case, if nothing but ASCII letters differ in case from it.
func foldable(literal string) (string, bool) {
	for i := range len(literal) {
		c := literal[i]
		if c >= 0x80 || c|0x20 == 'k' || c|0x20 == 's' { // which fold to the signs of Kelvin and of the long s
			return "", false
		}
	}
	return strings.ToLower(literal), literal != ""
}

func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// containsFold searches for a string in lower case, whatever the case of the text.
func containsFold(s, want string) bool {
	first := want[0]
	upper := first
	if first >= 'a' && first <= 'z' {
		upper = first &^ 0x20
	}
	next := func(b byte, from int) int {
		if i := strings.IndexByte(s[from:], b); i >= 0 {
			return from + i
		}
		return len(s)
	}
	low, high := next(first, 0), next(upper, 0)
	for {
		at := min(low, high)
		if at+len(want) > len(s) {
			return false
		}
		k := 1
		for k < len(want) && fold(s[at+k]) == want[k] {
			k++
		}
		if k == len(want) {
			return true
		}
		if low == at {
			low = next(first, at+1)
		}
		if high == at {
			high = next(upper, at+1)
		}
	}
}

// termsOf are strings that the message of every event has that passes a condition.
func (c *compiler) termsOf(n *node) []string {
	switch n.op {
	case opAnd:
		return append(c.termsOf(n.args[0]), c.termsOf(n.args[1])...)
	case opLike:
		arg := n.args[0]
		if arg.op != opField || arg.name != "@message" {
			return nil
		}
		if _, ok := c.scope.slots["@message"]; ok {
			return nil
		}
		term := n.name
		if n.re != nil {
			term = requiredText(n.re.String())
		}
		if term != "" {
			return []string{term}
		}
	}
	return nil
}
