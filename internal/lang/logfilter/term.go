package logfilter

import (
	"slices"
	"strings"
)

// term is a word, a phrase or an expression that a message has, or has not.
type term struct {
	text   string
	re     *expression
	absent bool
}

func (t *term) holds(message string) bool {
	if t.re != nil {
		return t.re.match(message) != t.absent
	}
	return strings.Contains(message, t.text) != t.absent
}

// termFilter is a pattern of terms.
type termFilter struct {
	all []term // each of which holds
	any []term // of which one holds; only where there is no other
}

// parse reads terms. With ? before it a term is one of several, with - before it a message must not have it; -- is neither,
// and ?- an alternative that holds where the term is absent.
func (f *termFilter) parse(text string) (regexes int, err error) {
	parts, err := tokens(Terms, text)
	if err != nil {
		return 0, err
	}
	may, absent, pending := false, false, false
	for _, p := range parts {
		switch p.part {
		case optional:
			if pending {
				return 0, ungrammatical()
			}
			may, pending = true, true
			continue
		case exclude:
			absent, pending = !absent, true
			continue
		}
		t := term{text: p.value, absent: absent}
		if p.part == regex {
			regexes++
			if t.re, err = compile(p.value); err != nil {
				return 0, err
			}
		}
		if may {
			f.any = append(f.any, t)
		} else {
			f.all = append(f.all, t)
		}
		may, absent, pending = false, false, false
	}
	if pending {
		return 0, ungrammatical()
	}
	if len(f.all) > 0 {
		f.any = nil // as AWS does
	}
	// What is found fastest and fails most often comes first.
	slices.SortStableFunc(f.all, func(a, b term) int { return a.cost() - b.cost() })
	return regexes, nil
}

func (t *term) cost() int {
	switch {
	case t.re != nil && t.absent:
		return 4
	case t.re != nil:
		return 3
	case t.absent:
		return 2
	}
	return -len(t.text)
}

func (f *termFilter) match(message string) bool {
	for i := range f.all {
		if !f.all[i].holds(message) {
			return false
		}
	}
	if len(f.all) > 0 {
		return true
	}
	for i := range f.any {
		if f.any[i].holds(message) {
			return true
		}
	}
	return false
}

func (f *termFilter) needed() []string {
	all := f.all
	if len(f.any) == 1 {
		all = f.any
	}
	var need []string
	for _, t := range all {
		switch {
		case t.absent:
		case t.re != nil:
			need = append(need, t.re.needed()...)
		default:
			need = append(need, t.text)
		}
	}
	return telling(need)
}
