package logfilter

import (
	"slices"
	"strings"
)

// jsonFilter is a pattern of conditions on properties.
type jsonFilter struct {
	tree       tree
	conditions []condition
	denied     []bool  // of conditions: NOT EXISTS
	probes     []probe // of conditions
	root       *node
	need       []string
}

// facts are the conditions that a message was found to fulfil. A pattern has room for fewer of them.
type facts [3]uint64

func (f *facts) set(n int)      { f[n>>6] |= 1 << (n & 63) }
func (f *facts) has(n int) bool { return f[n>>6]>>(n&63)&1 != 0 }

// without is f but for what is in mask, which is as it is in was.
func (f facts) without(mask, was facts) facts {
	for i := range f {
		f[i] = f[i]&^mask[i] | was[i]&mask[i]
	}
	return f
}

// added is what is in mask and f and not in was.
func (f facts) added(mask, was facts) (facts, bool) {
	for i := range f {
		f[i] = f[i] & mask[i] &^ was[i]
	}
	return f, f != facts{}
}

// node is a place in a message that selectors lead to or through.
type node struct {
	names    []*node // properties
	elements []*node // of an array
	every    *node   // each property and element
	name     string
	index    int
	leaves   []int // conditions on what is there
	nulls    []int // those of leaves that hold for null
	below    facts // all conditions here and below
}

// walk is the node that a selector leads to from n, made where it is not there yet.
func (n *node) walk(path []step, leaf int) *node {
	n.below.set(leaf)
	if len(path) == 0 {
		return n
	}
	s := path[0]
	var to *node
	switch {
	case s.any:
		if n.every == nil {
			n.every = &node{}
		}
		to = n.every
	case s.index < 0:
		i := slices.IndexFunc(n.names, func(c *node) bool { return c.name == s.name })
		if i < 0 {
			i = len(n.names)
			n.names = append(n.names, &node{name: s.name})
		}
		to = n.names[i]
	default:
		i := slices.IndexFunc(n.elements, func(c *node) bool { return c.index == s.index })
		if i < 0 {
			i = len(n.elements)
			n.elements = append(n.elements, &node{index: s.index})
		}
		to = n.elements[i]
	}
	return to.walk(path[1:], leaf)
}

func (f *jsonFilter) parse(text string) (regexes int, err error) {
	parts, err := tokens(JSON, text)
	if err != nil {
		return 0, err
	}
	f.root = &node{}
	var paths [][]step
	g := grammar{tokens: parts, leaf: func(g *grammar) (int, error) {
		s, ok := g.take(selector)
		if !ok {
			return 0, ungrammatical()
		}
		c, denied, err := property(g)
		f.conditions, f.denied, paths = append(f.conditions, c), append(f.denied, denied), append(paths, s.path)
		return len(paths) - 1, err
	}}
	if f.tree, err = g.whole(); err != nil {
		return 0, err
	}
	wild := 0
	for n, path := range paths {
		all := 0
		for _, s := range path {
			if s.any {
				all++
			}
		}
		if all > 1 {
			return 0, refused("Your filter pattern has a JSON path selector that exceeds the maximum of 1 wildcard allowed per json selector.")
		}
		wild += all
		at := f.root.walk(path, n)
		at.leaves = append(at.leaves, n)
		f.probes = append(f.probes, newProbe(&f.conditions[n], f.denied[n], path))
		if f.conditions[n].op == isNull {
			at.nulls = append(at.nulls, n)
		}
		if f.conditions[n].re != nil {
			regexes++
		}
	}
	if wild > 3 {
		return 0, refused("Your input has exceeded the maximum of 3 JSON wildcard selectors allowed per filter pattern.")
	}
	f.need = telling(f.tree.needed(func(n int) []string { return f.needed(n, paths[n]) }))
	return regexes, nil
}

// property reads what follows a selector.
func property(g *grammar) (c condition, denied bool, err error) {
	if sign, ok := g.take(compare); ok {
		if len(g.tokens) == 0 {
			return c, false, ungrammatical()
		}
		value := g.tokens[0]
		if value.part == word && strings.EqualFold(value.text, "NULL") { // only IS takes it
			return c, false, ungrammatical()
		}
		g.tokens = g.tokens[1:]
		c, err = newCondition(sign, value)
		return c, false, err
	}
	verb, _ := g.take(word)
	object, ok := g.take(word)
	switch {
	case !ok:
		return c, false, ungrammatical()
	case strings.EqualFold(verb.text, "NOT") && strings.EqualFold(object.text, "EXISTS"):
		return condition{op: exists}, true, nil
	case !strings.EqualFold(verb.text, "IS"):
		return c, false, ungrammatical()
	case strings.EqualFold(object.text, "NULL"):
		return condition{op: isNull}, false, nil
	case strings.EqualFold(object.text, "TRUE"):
		return condition{op: isTrue}, false, nil
	case strings.EqualFold(object.text, "FALSE"):
		return condition{op: isFalse}, false, nil
	}
	return c, false, &Error{Message: "Invalid character(s) in term '" + object.text + "'", Search: "Invalid filter pattern"}
}

// needed are the substrings of every message that fulfils condition n, but for disguised ones: values first.
func (f *jsonFilter) needed(n int, path []step) []string {
	if f.denied[n] {
		return nil
	}
	var need []string
	switch c := &f.conditions[n]; c.op {
	case isNull:
		need = append(need, "null")
	case isTrue:
		need = append(need, "true")
	case isFalse:
		need = append(need, "false")
	default:
		for _, text := range c.needed() {
			need = append(need, undisguised(text)...)
		}
	}
	for _, s := range path {
		need = append(need, undisguised(s.name)...)
	}
	return need
}

// undisguised are the parts of a string that JSON writes in one way only, \u aside.
func undisguised(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/'
	})
}

func (f *jsonFilter) match(message string) bool {
	if (!containsAll(message, f.need) || !f.possible(&f.tree, message)) && !Disguised(message) {
		return false
	}
	s := scan{text: message, filter: f}
	if !s.document(f.root) {
		return false
	}
	return f.holds(&f.tree, &s.facts)
}

func (f *jsonFilter) holds(t *tree, found *facts) bool {
	switch t.sign {
	case and:
		for i := range t.of {
			if !f.holds(&t.of[i], found) {
				return false
			}
		}
		return true
	case or:
		for i := range t.of {
			if f.holds(&t.of[i], found) {
				return true
			}
		}
		return false
	}
	return found.has(t.leaf) != f.denied[t.leaf]
}
