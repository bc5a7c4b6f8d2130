package dataprotection

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Finding is sensitive data in a text, by its bytes.
type Finding struct {
	Identifier string
	Start, End int
}

// Finder finds what policies ask for.
type Finder struct{ detectors []detector }

// NewFinder finds what any of some policies asks for.
func NewFinder(policies ...*Policy) *Finder {
	f, seen := &Finder{}, map[string]bool{}
	for _, p := range policies {
		for _, name := range p.Identifiers {
			custom := p.custom[name]
			if key := name + " " + custom; !seen[key] {
				seen[key] = true
				f.detectors = append(f.detectors, newDetector(name, custom))
			}
		}
	}
	return f
}

// detector finds the data of one identifier.
type detector struct {
	*identifier
	name string
	re   *regexp.Regexp
	near []keyword // one of them has to stand near; none: they need not
}

// keyword is a word, or several with a space, an underscore, a hyphen or nothing between them, in lower case.
type keyword struct {
	words []string
	whole bool // it has to stand for itself
}

const (
	nearby    = 30 // characters between data and its keyword, at most
	shortWord = 4  // letters up to which a keyword has to stand for itself: vin is not a part of moving
)

func newDetector(name, custom string) detector {
	if custom != "" {
		return detector{identifier: &identifier{}, name: name, re: regexp.MustCompile(custom)}
	}
	id := find(name)
	if id.each != nil {
		return detector{identifier: id, name: name}
	}
	pattern := id.pattern
	if !id.open {
		pattern = `\b(?:` + pattern + `)\b`
		if c := id.pattern[0]; c == '(' || c == '[' {
			pattern = pattern[len(`\b`):] // it may begin with a sign or a bracket
		}
	}
	d := detector{identifier: id, name: name, re: regexp.MustCompile(pattern)}
	if id.keywords != "" {
		for _, k := range strings.Split(id.keywords, ",") {
			k = strings.TrimSpace(k)
			d.near = append(d.near, keyword{words: strings.Fields(k), whole: utf8.RuneCountInString(k) <= shortWord})
		}
	}
	return d
}

// Find gives what there is, in the order of the identifiers, of each in the order of the text.
func (f *Finder) Find(text string) (found []Finding) {
	folded := ""
	for i := range f.detectors {
		d := &f.detectors[i]
		if d.hint != "" && !strings.Contains(text, d.hint) {
			continue
		}
		if len(d.near) > 0 && !d.alone {
			if folded == "" {
				folded = fold(text)
			}
			if !d.spoken(folded) {
				continue
			}
		}
		if d.each != nil {
			d.each(text, func(start, end int) { found = append(found, Finding{d.name, start, end}) })
			continue
		}
		for _, at := range d.re.FindAllStringIndex(text, -1) {
			start, end := at[0], at[1]
			if start == end || !d.bounded(text, start, end) || d.valid != nil && !d.valid(text[start:end]) {
				continue
			}
			if len(d.near) > 0 {
				if folded == "" {
					folded = fold(text)
				}
				if !d.called(folded, start, end) && (!d.alone || !d.strict(text[start:end])) {
					continue
				}
			}
			found = append(found, Finding{d.name, start, end})
		}
	}
	return found
}

// Mask is a text with a star in place of every character of what was found in it.
func (f *Finder) Mask(text string) string {
	found := f.Find(text)
	if len(found) == 0 {
		return text
	}
	slices.SortFunc(found, func(a, b Finding) int { return a.Start - b.Start })
	var b strings.Builder
	b.Grow(len(text))
	at := 0
	for _, x := range found {
		if x.End <= at {
			continue
		}
		x.Start = max(x.Start, at)
		b.WriteString(text[at:x.Start])
		for range utf8.RuneCountInString(text[x.Start:x.End]) {
			b.WriteByte('*')
		}
		at = x.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// bounded reports whether data stands for itself: no letter or digit goes on with it. What a custom identifier finds counts anywhere.
func (d *detector) bounded(text string, start, end int) bool {
	if d.identifier.name == "" {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	first, _ := utf8.DecodeRuneInString(text[start:])
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return !(isWord(before) && isWord(first)) && !(isWord(last) && isWord(after))
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// spoken reports whether a text may have a keyword: the longest word of one.
func (d *detector) spoken(folded string) bool {
	for i := range d.near {
		longest := ""
		for _, w := range d.near[i].words {
			if len(w) > len(longest) {
				longest = w
			}
		}
		if strings.Contains(folded, longest) {
			return true
		}
	}
	return false
}

// called reports whether a keyword stands near what is between two places of a text.
func (d *detector) called(folded string, start, end int) bool {
	from, to := start, end
	for range nearby {
		_, n := utf8.DecodeLastRuneInString(folded[:from])
		from -= n
		_, n = utf8.DecodeRuneInString(folded[to:])
		to += n
	}
	for i := range d.near {
		k := &d.near[i]
		// A keyword counts from where it ends, or begins: it may reach out of what is near.
		if k.in(folded, max(0, from-maxKeyword), start, from, start) || k.in(folded, end, min(len(folded), to+maxKeyword), end, to) {
			return true
		}
	}
	return false
}

const maxKeyword = 80 // bytes

// in reports whether a keyword stands between two places, its end behind low and its beginning before high.
func (k *keyword) in(text string, from, to, low, high int) bool {
	for at := from; ; {
		i := strings.Index(text[at:to], k.words[0])
		if i < 0 {
			return false
		}
		start := at + i
		end := start + len(k.words[0])
		ok := true
		for _, w := range k.words[1:] {
			if end < to && (text[end] == ' ' || text[end] == '_' || text[end] == '-') {
				end++
			}
			if !strings.HasPrefix(text[end:to], w) {
				ok = false
				break
			}
			end += len(w)
		}
		if ok && end >= low && start <= high && (!k.whole || standsAlone(text, start, end)) {
			return true
		}
		at = start + 1
	}
}

func standsAlone(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	first, _ := utf8.DecodeRuneInString(text[start:])
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return !(isWord(before) && isWord(first)) && !(unicode.IsLetter(last) && unicode.IsLetter(after))
}

// fold is a text in lower case, its characters where they were.
func fold(text string) string {
	b := []byte(text)
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				b[i] = c | 0x20
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if low := unicode.ToLower(r); low != r && r != utf8.RuneError && utf8.RuneLen(low) == n {
			utf8.EncodeRune(b[i:], low)
		}
		i += n
	}
	return string(b)
}
