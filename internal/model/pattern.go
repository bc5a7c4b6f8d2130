package model

import (
	"regexp"
	"sync"
	"unicode/utf8"
)

// Pattern is a regular expression of a model. Models write them for Java; where RE2 knows no such thing, the overlay says the same in
// other words. It is compiled when first used: compiling all of them would take longer than starting the program.
type Pattern struct {
	Text  string // as the model writes it and errors show it
	RE2   string // what is compiled, where it differs
	Not   string // what must not match besides: RE2 has no look-ahead
	Chars int    // at most so many characters, where the model counts further than RE2 does; 0 = no limit

	once    sync.Once
	re, not *regexp.Regexp
}

// Match reports whether the whole of v satisfies the pattern.
func (p *Pattern) Match(v string) bool {
	p.once.Do(func() {
		text := p.RE2
		if text == "" {
			text = p.Text
		}
		p.re = regexp.MustCompile(`\A(?:` + text + `)\z`)
		if p.Not != "" {
			p.not = regexp.MustCompile(`\A(?:` + p.Not + `)`)
		}
	})
	return p.re.MatchString(v) && (p.not == nil || !p.not.MatchString(v)) && (p.Chars == 0 || utf8.RuneCountInString(v) <= p.Chars)
}
