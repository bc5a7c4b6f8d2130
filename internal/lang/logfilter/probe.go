package logfilter

import (
	"slices"
	"strings"
)

// probe is what a condition on a property asks of a message's text: a member of that name whose value fulfils it, wherever that
// stands. Where there is none the condition does not hold, and the message need not be read as JSON. It is for messages that are
// not Disguised, and for names that are then written in one way only.
type probe string // the name in quotation marks; empty: anything may fulfil the condition

func newProbe(c *condition, denied bool, path []step) probe {
	last := path[len(path)-1]
	if denied || c.op == isNull || c.op == exists || last.any || last.index >= 0 || !slices.Equal(undisguised(last.name), []string{last.name}) {
		return ""
	}
	return probe(`"` + last.name + `"`)
}

// finds reports whether c may hold.
func (p probe) finds(c *condition, message string) bool {
	if p == "" {
		return true
	}
	for at := 0; ; {
		i := strings.Index(message[at:], string(p))
		if i < 0 {
			return false
		}
		at += i + len(p)
		s := scan{text: message, at: at}
		if s.sign(':') && s.mayFulfil(c) {
			return true
		}
	}
}

// mayFulfil reports whether c may hold for the value that begins here.
func (s *scan) mayFulfil(c *condition) bool {
	s.blank()
	if s.at == len(s.text) {
		return false
	}
	from := s.at
	switch s.text[from] {
	case '"':
		escaped, ok := s.str()
		return ok && (escaped || c.text(s.text[from+1:s.at-1]))
	case 't':
		return c.op == isTrue
	case 'f':
		return c.op == isFalse
	case '{', '[', 'n':
		return false
	}
	return c.op <= atLeast && s.number() && c.number(s.text[from:s.at])
}

// possible reports whether t may hold for a message that is not Disguised.
func (f *jsonFilter) possible(t *tree, message string) bool {
	switch t.sign {
	case and:
		for i := range t.of {
			if !f.possible(&t.of[i], message) {
				return false
			}
		}
		return true
	case or:
		for i := range t.of {
			if f.possible(&t.of[i], message) {
				return true
			}
		}
		return false
	}
	return f.probes[t.leaf].finds(&f.conditions[t.leaf], message)
}
