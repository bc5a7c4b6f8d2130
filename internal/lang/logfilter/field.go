package logfilter

import (
	"strconv"
	"strings"
)

// fieldFilter is a pattern of fields.
type fieldFilter struct {
	fields []field
	dots   int // which of them stands for any number of fields; -1: none
	need   []string
}

// field is one place of a pattern: named or not, with conditions or without.
type field struct {
	name       string
	tested     bool
	tree       tree
	conditions []condition
}

func (f *fieldFilter) parse(text string) (regexes int, err error) {
	f.dots = -1
	parts, err := tokens(Delimited, text)
	if err != nil || len(parts) == 0 {
		return 0, err
	}
	names := map[string]bool{}
	for more := true; more; {
		n := 0
		for n < len(parts) && parts[n].part != comma {
			n++
		}
		var one field
		if one, err = newField(parts[:n]); err != nil {
			return 0, err
		}
		if one.name == "..." {
			f.dots = len(f.fields)
		}
		if one.name != "" && names[one.name] {
			return 0, refused("Duplicate field '" + one.name + "'")
		}
		names[one.name] = true
		for _, c := range one.conditions {
			if c.re != nil {
				regexes++
			}
		}
		if one.tested {
			f.need = append(f.need, one.tree.needed(func(n int) []string { return one.conditions[n].needed() })...)
		}
		f.fields = append(f.fields, one)
		if more = n < len(parts); more {
			parts = parts[n+1:]
		}
	}
	f.need = telling(f.need)
	return regexes, nil
}

// newField reads what stands between two commas: nothing, ..., a name, or conditions that all begin with the same name.
func newField(parts []token) (field, error) {
	var f field
	if len(parts) == 0 {
		return f, nil
	}
	if len(parts) == 1 && parts[0].part == word {
		f.name = parts[0].text
		if f.name != "..." && !isName(f.name) {
			return f, ungrammatical()
		}
		return f, nil
	}
	f.tested = true
	g := grammar{tokens: parts, leaf: func(g *grammar) (int, error) {
		name, ok := g.take(word)
		sign, compared := g.take(compare)
		if !ok || !compared || len(g.tokens) == 0 || !isName(name.text) || f.name != "" && f.name != name.text {
			return 0, ungrammatical()
		}
		f.name = name.text
		c, err := newCondition(sign, g.tokens[0])
		g.tokens = g.tokens[1:]
		f.conditions = append(f.conditions, c)
		return len(f.conditions) - 1, err
	}}
	var err error
	f.tree, err = g.whole()
	return f, err
}

func isName(s string) bool { return !strings.ContainsAny(s, "*.+") && s[0] != '-' }

func (f *field) match(s string) bool { return !f.tested || f.holds(&f.tree, s) }

func (f *field) holds(t *tree, s string) bool {
	switch t.sign {
	case and:
		for i := range t.of {
			if !f.holds(&t.of[i], s) {
				return false
			}
		}
		return true
	case or:
		for i := range t.of {
			if f.holds(&t.of[i], s) {
				return true
			}
		}
		return false
	}
	return f.conditions[t.leaf].field(s)
}

// line is a message as its fields are taken from it.
type line struct {
	text               string
	at                 int
	noBracket, noQuote bool // no more of them are closed: nobody has to look again
}

// next takes the next field: what is between [ ] or " ", or up to the next blank.
func (l *line) next() (value string, start int, ok bool) {
	text, at := l.text, l.at
	for at < len(text) && isBlank(text[at]) {
		at++
	}
	if at == len(text) {
		return "", at, false
	}
	switch {
	case text[at] == '[' && !l.noBracket:
		if n := strings.IndexByte(text[at+1:], ']'); n >= 0 {
			l.at = at + n + 2
			return text[at+1 : at+1+n], at, true
		}
		l.noBracket = true
	case text[at] == '"' && !l.noQuote:
		if n := strings.IndexByte(text[at+1:], '"'); n >= 0 {
			l.at = at + n + 2
			return text[at+1 : at+1+n], at, true
		}
		l.noQuote = true
	}
	end := at
	for end < len(text) && !isBlank(text[end]) {
		end++
	}
	l.at = end
	return text[at:end], at, true
}

// rest is next for the last field of a pattern, which takes what is left of the message.
func (l *line) rest() (string, bool) {
	value, start, ok := l.next()
	if left := strings.Trim(l.text[l.at:], blanks); ok && left != "" {
		value = strings.TrimRight(l.text[start:], blanks)
	}
	l.at = len(l.text)
	return value, ok
}

func (f *fieldFilter) match(message string) bool {
	if !containsAll(message, f.need) {
		return false
	}
	if f.dots >= 0 {
		return f.matchDots(message)
	}
	l := line{text: message}
	for i := range f.fields {
		var value string
		var ok bool
		if i == len(f.fields)-1 {
			value, ok = l.rest()
		} else {
			value, _, ok = l.next()
		}
		if !ok || !f.fields[i].match(value) {
			return false
		}
	}
	return true
}

// matchDots counts the fields and then looks at those that the pattern has conditions for.
func (f *fieldFilter) matchDots(message string) bool {
	total := 0
	for l := (line{text: message}); ; total++ {
		if _, _, ok := l.next(); !ok {
			break
		}
	}
	if total < len(f.fields)-1 {
		return false
	}
	l := line{text: message}
	for n := range total {
		value, _, _ := l.next()
		if i := f.place(n, total); i >= 0 && !f.fields[i].match(value) {
			return false
		}
	}
	return true
}

// place is which of the pattern's fields the message's n-th of total is; -1: one of those that the dots stand for.
func (f *fieldFilter) place(n, total int) int {
	if after := len(f.fields) - 1 - f.dots; n >= total-after {
		return len(f.fields) - (total - n)
	}
	if n < f.dots {
		return n
	}
	return -1
}

// extract is the values of a message that matches, by $name or $number.
func (f *fieldFilter) extract(message string) map[string]string {
	var values []string
	for l := (line{text: message}); ; {
		var value string
		var ok bool
		if f.dots < 0 && len(values) == len(f.fields)-1 {
			value, ok = l.rest()
		} else {
			value, _, ok = l.next()
		}
		if !ok {
			break
		}
		values = append(values, value)
	}
	all := make(map[string]string, len(values))
	for n, value := range values {
		i := n
		if f.dots >= 0 {
			i = f.place(n, len(values))
		}
		name := ""
		if i >= 0 && i < len(f.fields) {
			name = f.fields[i].name
		}
		if name == "" {
			name = strconv.Itoa(n + 1)
		}
		all["$"+name] = value
	}
	return all
}
