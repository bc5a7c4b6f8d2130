package logfilter

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep a message may be nested; what is deeper is no JSON here, so that a message cannot exhaust the stack.
const maxDepth = 1000

// scan reads one message of JSON once, from its beginning to its end, and notes which conditions hold. It builds nothing.
type scan struct {
	text   string
	at     int
	filter *jsonFilter
	facts  facts

	wanted *string // where a Selector is asked for: what its only leaf is, if that is a string or a number
	given  bool
}

// places are the nodes that a value stands for. Selectors have one wildcard each and three between them, so that there are
// never more than one way without and three with.
type places struct {
	n    int
	node [4]*node
}

func (p *places) add(n *node) {
	if n != nil {
		p.node[p.n] = n
		p.n++
	}
}

// document reads the message, which must be an object, and nothing else.
func (s *scan) document(root *node) bool {
	s.blank()
	if s.at == len(s.text) || s.text[s.at] != '{' {
		return false
	}
	var p places
	p.add(root)
	if !s.value(p, 0) {
		return false
	}
	s.blank()
	return s.at == len(s.text)
}

func (s *scan) blank() {
	for s.at < len(s.text) && s.text[s.at] <= ' ' && isBlank(s.text[s.at]) {
		s.at++
	}
}

// sign takes c, which stands next but for blanks.
func (s *scan) sign(c byte) bool {
	s.blank()
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// value reads a value that stands for p. It is false where the message is no JSON.
func (s *scan) value(p places, depth int) bool {
	s.blank()
	if s.at == len(s.text) || depth > maxDepth {
		return false
	}
	if p.n == 0 {
		return s.pass(depth)
	}
	switch c := s.text[s.at]; c {
	case '{':
		s.at++
		s.leaves(p, exists)
		return s.object(p, depth+1)
	case '[':
		s.at++
		s.leaves(p, exists)
		return s.array(p, depth+1)
	case '"':
		from := s.at + 1
		escaped, ok := s.str()
		if ok {
			s.leaves(p, exists)
			s.compare(p, s.text[from:s.at-1], escaped, false)
		}
		return ok
	case 't':
		return s.constant(p, "true", isTrue)
	case 'f':
		return s.constant(p, "false", isFalse)
	case 'n':
		return s.constant(p, "null", isNull)
	}
	from := s.at
	if !s.number() {
		return false
	}
	s.leaves(p, exists)
	s.compare(p, s.text[from:s.at], false, true)
	return true
}

// pass reads a value that nobody asks for, at the first byte of which the scan stands.
func (s *scan) pass(depth int) bool {
	switch s.text[s.at] {
	case '{':
		s.at++
		if s.sign('}') {
			return true
		}
		for {
			if s.blank(); s.at == len(s.text) || s.text[s.at] != '"' {
				return false
			}
			if _, ok := s.str(); !ok || !s.sign(':') || !s.value(places{}, depth+1) {
				return false
			}
			if s.sign('}') {
				return true
			}
			if !s.sign(',') {
				return false
			}
		}
	case '[':
		s.at++
		if s.sign(']') {
			return true
		}
		for {
			if !s.value(places{}, depth+1) {
				return false
			}
			if s.sign(']') {
				return true
			}
			if !s.sign(',') {
				return false
			}
		}
	case '"':
		_, ok := s.str()
		return ok
	case 't':
		return s.constant(places{}, "true", isTrue)
	case 'f':
		return s.constant(places{}, "false", isFalse)
	case 'n':
		return s.constant(places{}, "null", isNull)
	}
	return s.number()
}

// leaves notes the conditions at p that op fulfils.
func (s *scan) leaves(p places, op operator) {
	for _, n := range p.node[:p.n] {
		for _, leaf := range n.leaves {
			if s.filter.conditions[leaf].op == op {
				s.facts.set(leaf)
			}
		}
	}
}

func (s *scan) constant(p places, text string, op operator) bool {
	if !strings.HasPrefix(s.text[s.at:], text) {
		return false
	}
	s.at += len(text)
	s.leaves(p, exists)
	s.leaves(p, op)
	return true
}

// compare notes the comparisons that a string, as it is written, or a number fulfils.
func (s *scan) compare(p places, text string, escaped, numeric bool) {
	if s.wanted != nil {
		if s.leaf(p) {
			if *s.wanted, s.given = text, true; escaped {
				*s.wanted = string(decode(nil, text))
			}
		}
		return
	}
	var room [256]byte
	var decoded []byte
	for _, n := range p.node[:p.n] {
		for _, leaf := range n.leaves {
			c := &s.filter.conditions[leaf]
			holds := false
			switch {
			case c.op > atLeast: // compares nothing
			case numeric:
				holds = c.number(text)
			case escaped:
				if decoded == nil {
					decoded = decode(room[:0], text)
				}
				holds = c.bytes(decoded)
			default:
				holds = c.text(text)
			}
			if holds {
				s.facts.set(leaf)
			}
		}
	}
}

// leaf reports whether a selector ends here.
func (s *scan) leaf(p places) bool { return p.n > 0 && len(p.node[0].leaves) > 0 }

// object reads members. Of two with the same name the last one counts, and what was noted of the first is forgotten.
func (s *scan) object(p places, depth int) bool {
	before := s.facts
	var again map[string]int // where each name stands last; made once one was found twice
	if s.sign('}') {
		return true
	}
	for {
		if !s.sign('"') {
			return false
		}
		s.at--
		from := s.at + 1
		escaped, ok := s.str()
		if !ok {
			return false
		}
		name := s.text[from : s.at-1]
		if !s.sign(':') {
			return false
		}
		var to places
		every := facts{}
		for _, n := range p.node[:p.n] {
			for _, c := range n.names {
				if c.name == name && !escaped || escaped && sameName(name, c.name) {
					to.add(c)
					s.facts = s.facts.without(c.below, before)
					s.given = false
				}
			}
			if n.every != nil {
				to.add(n.every)
				for i := range every {
					every[i] |= n.every.below[i]
				}
			}
		}
		if every == (facts{}) {
			if !s.value(to, depth) {
				return false
			}
		} else {
			was := s.facts
			if !s.value(to, depth) {
				return false
			}
			if added, any := s.facts.added(every, was); any && s.repeated(name, escaped, from, &again) {
				s.facts = s.facts.without(added, facts{})
			}
		}
		if s.sign('}') {
			return true
		}
		if !s.sign(',') {
			return false
		}
	}
}

// repeated reports whether a member, the name of which begins at from, is followed by another of the same name. It is asked
// seldom: where a wildcard's condition was found to hold.
func (s *scan) repeated(name string, escaped bool, from int, again *map[string]int) bool {
	if escaped {
		name = string(decode(nil, name))
	}
	if *again != nil {
		return (*again)[name] > from
	}
	found := false
	s.members(func(other string, _ int) bool {
		found = other == name
		return !found
	})
	if found {
		*again = map[string]int{}
		s.members(func(other string, at int) bool {
			(*again)[other] = at
			return true
		})
	}
	return found
}

// members looks ahead at the names of the object's members that are still to come, until see has seen enough.
func (s *scan) members(see func(name string, at int) bool) {
	ahead := scan{text: s.text, at: s.at}
	for ahead.sign(',') && ahead.sign('"') {
		ahead.at--
		from := ahead.at + 1
		escaped, ok := ahead.str()
		if !ok {
			return
		}
		name := ahead.text[from : ahead.at-1]
		if escaped {
			name = string(decode(nil, name))
		}
		if !see(name, from) || !ahead.sign(':') || !ahead.value(places{}, 0) {
			return
		}
	}
}

func (s *scan) array(p places, depth int) bool {
	if s.sign(']') {
		return true
	}
	for i := 0; ; i++ {
		var to places
		for _, n := range p.node[:p.n] {
			for _, c := range n.elements {
				if c.index == i {
					to.add(c)
				}
			}
			to.add(n.every)
		}
		s.blank()
		null := s.at < len(s.text) && s.text[s.at] == 'n'
		if !s.value(to, depth) {
			return false
		}
		if null { // an array with a null in it IS NULL
			for _, n := range p.node[:p.n] {
				for _, leaf := range n.nulls {
					s.facts.set(leaf)
				}
			}
		}
		if s.sign(']') {
			return true
		}
		if !s.sign(',') {
			return false
		}
	}
}

// str reads a string, at the quotation mark of which the scan stands.
func (s *scan) str() (escaped, ok bool) {
	text := s.text
	for i := s.at + 1; i < len(text); i++ {
		for i+8 <= len(text) { // eight bytes at once, up to the first that is not only itself
			n := plain(text[i : i+8])
			if i += n; n < 8 {
				break
			}
		}
		if i == len(text) {
			return false, false
		}
		switch c := text[i]; {
		case c == '"':
			s.at = i + 1
			return escaped, true
		case c < ' ':
			return false, false
		case c == '\\':
			escaped = true
			if i++; i == len(text) {
				return false, false
			}
			switch text[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) || !isHex(text[i+3]) || !isHex(text[i+4]) {
					return false, false
				}
				i += 4
			default:
				return false, false
			}
		}
	}
	return false, false
}

// plain is how many of the first of eight bytes are no quotation mark, no backslash and no control character.
func plain(b string) int {
	_ = b[7]
	v := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := v^ones*'"', v^ones*'\\'
	// A byte below n has its top bit set by the subtraction and not before; the lowest such byte is always right.
	return bits.TrailingZeros64(((quote-ones)&^quote|(slash-ones)&^slash|(v-ones*' ')&^v)&tops) / 8
}

func (s *scan) number() bool {
	text, i := s.text, s.at
	digits := func() bool {
		from := i
		for i < len(text) && '0' <= text[i] && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return false
	}
	if i < len(text) && text[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	s.at = i
	return true
}

// sameName reports whether raw, which has escapes, is name.
func sameName(raw, name string) bool {
	if len(raw) > 6*len(name) {
		return false
	}
	var room [256]byte
	return string(decode(room[:0], raw)) == name
}

// decode appends what a valid string of JSON means.
func decode(to []byte, raw string) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			to = append(to, c)
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case 'n':
			to = append(to, '\n')
		case 'r':
			to = append(to, '\r')
		case 't':
			to = append(to, '\t')
		case 'u':
			r := hex(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if i+6 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low = hex(raw[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			to = utf8.AppendRune(to, r)
		default:
			to = append(to, raw[i])
		}
	}
	return to
}

func hex(s string) rune {
	r := rune(0)
	for _, c := range []byte(s[:4]) {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c)
	}
	return r
}
