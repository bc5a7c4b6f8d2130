package scan

import (
	"strings"
	"unicode/utf8"
)

// Space skips space.
func (r *Body) Space() {
	for r.I < len(r.S) {
		switch r.S[r.I] {
		case ' ', '\n', '\t', '\r':
			r.I++
		default:
			return
		}
	}
}

// Next skips space and is the byte there; 0 at the end.
func (r *Body) Next() byte {
	if r.I < len(r.S) {
		if c := r.S[r.I]; c > ' ' {
			return c
		}
	}
	r.Space()
	if r.I < len(r.S) {
		return r.S[r.I]
	}
	return 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special finds the first byte at or after i that ends a plain run of a JSON string: a quote, a backslash or a control character.
func special(s string, i int) int {
	for i+8 <= len(s) {
		b := s[i : i+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if (((quote-ones)&^quote)|((slash-ones)&^slash)|((w-ones*0x20)&^w))&highs != 0 {
			break
		}
		i += 8
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= 0x20 {
		i++
	}
	return i
}

// Str reads a string whose opening quote is next.
func (r *Body) Str() (string, bool) {
	start := r.I + 1
	i := special(r.S, start)
	if i < len(r.S) && r.S[i] == '"' {
		r.I = i + 1
		return r.S[start:i], true
	}
	return r.escaped(start, i)
}

// escaped reads on a string that has a backslash at i.
func (r *Body) escaped(start, i int) (string, bool) {
	var b strings.Builder
	b.Grow(i - start + 32)
	for i < len(r.S) && r.S[i] == '\\' && i+1 < len(r.S) {
		b.WriteString(r.S[start:i])
		c := r.S[i+1]
		i += 2
		switch c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			c, ok := hex4(r.S, i)
			if !ok {
				return "", r.Fail("")
			}
			i += 4
			if 0xD800 <= c && c < 0xE000 { // half of a pair, or nothing a text can hold
				if low, ok := hex4(r.S, i+2); ok && c < 0xDC00 && r.S[i] == '\\' && r.S[i+1] == 'u' && 0xDC00 <= low && low < 0xE000 {
					c = 0x10000 + (c-0xD800)<<10 + (low - 0xDC00)
					i += 6
				} else {
					c = utf8.RuneError
				}
			}
			b.WriteRune(c)
		default:
			return "", r.Fail("")
		}
		start = i
		i = special(r.S, i)
	}
	if i >= len(r.S) || r.S[i] != '"' {
		return "", r.Fail("")
	}
	b.WriteString(r.S[start:i])
	r.I = i + 1
	return b.String(), true
}

func hex4(s string, i int) (rune, bool) {
	if i+4 > len(s) {
		return 0, false
	}
	var v rune
	for _, c := range []byte(s[i : i+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// Number reads a number's text.
func (r *Body) Number() (string, bool) {
	s, start := r.S, r.I
	i := start
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return "", r.Fail("")
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return "", r.Fail("")
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return "", r.Fail("")
		}
	}
	r.I = i
	return s[start:i], true
}

// Word reads true, false or null.
func (r *Body) Word(w string) bool {
	if strings.HasPrefix(r.S[r.I:], w) {
		r.I += len(w)
		return true
	}
	return r.Fail("")
}

// SkipJSON reads over any value.
func (r *Body) SkipJSON(depth int) bool {
	if depth > MaxDepth {
		return r.Fail("")
	}
	switch c := r.Next(); c {
	case '"':
		_, ok := r.Str()
		return ok
	case '{':
		return r.Object(func(string) bool { return r.SkipJSON(depth + 1) })
	case '[':
		return r.Array(func() bool { return r.SkipJSON(depth + 1) })
	case 't':
		return r.Word("true")
	case 'f':
		return r.Word("false")
	case 'n':
		return r.Word("null")
	default:
		_, ok := r.Number()
		return ok
	}
}

// Object reads the members of an object whose brace is next.
func (r *Body) Object(member func(key string) bool) bool {
	r.I++
	if r.Next() == '}' {
		r.I++
		return true
	}
	for {
		key, ok := r.Key()
		if !ok || !member(key) {
			return false
		}
		if more, ok := r.More('}'); !more {
			return ok
		}
	}
}

// Key reads a member's name and the colon.
func (r *Body) Key() (string, bool) {
	if r.Next() != '"' {
		return "", r.Fail("")
	}
	key, ok := r.Str()
	if !ok {
		return "", false
	}
	if r.Next() != ':' {
		return "", r.Fail("")
	}
	r.I++
	return key, true
}

// More reads what follows an entry: a comma, then there is more; or the end.
func (r *Body) More(end byte) (more, ok bool) {
	switch r.Next() {
	case ',':
		r.I++
		return true, true
	case end:
		r.I++
		return false, true
	}
	return false, r.Fail("")
}

// Array reads the entries of an array whose bracket is next.
func (r *Body) Array(entry func() bool) bool {
	r.I++
	if r.Next() == ']' {
		r.I++
		return true
	}
	for {
		if !entry() {
			return false
		}
		if more, ok := r.More(']'); !more {
			return ok
		}
	}
}

// End reports whether nothing follows.
func (r *Body) End() bool {
	r.Space()
	if r.I < len(r.S) {
		return r.Fail("")
	}
	return !r.Bad
}

const hexDigits = "0123456789abcdef"

// AppendString writes s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		i := special(s, 0)
		if i > 0 {
			if run := s[:i]; utf8.ValidString(run) {
				b = append(b, run...)
			} else {
				for _, c := range run {
					b = utf8.AppendRune(b, c)
				}
			}
			s = s[i:]
		}
		if s == "" {
			return append(b, '"')
		}
		switch c := s[0]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		s = s[1:]
	}
}
