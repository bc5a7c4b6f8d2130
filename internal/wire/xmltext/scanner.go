// Package xmltext takes XML apart into elements and text, and writes text. It reads what AWS's clients and servers write: elements,
// attributes, text, references, CDATA. Declarations and comments are skipped, document types refused, names not resolved: a prefix is part of
// a name.
package xmltext

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Attribute is one of an element's.
type Attribute struct{ Name, Value string }

// Scanner goes through a document, element by element. Texts are parts of the document's own where they have no references in them.
type Scanner struct {
	s      string
	i      int // in s
	failed bool

	Attributes []Attribute // of the element that was opened last
	Closed     bool        // it was empty: <a/>. Who takes that for its end sets it to false
}

// Begin makes the scanner ready for a document. It has failed already where s holds what no document can.
func (r *Scanner) Begin(s string) {
	clear(r.Attributes)
	r.s, r.i, r.failed, r.Attributes, r.Closed = s, 0, false, r.Attributes[:0], false
	if !valid(s) {
		r.fail()
	}
}

// valid reports whether s is UTF-8 and made of characters that XML knows: https://www.w3.org/TR/xml/#charsets
func valid(s string) bool {
	for i := range len(s) {
		if !inXML(rune(s[i])) {
			return false
		}
	}
	return utf8.ValidString(s) && !strings.Contains(s, "\uFFFE") && !strings.Contains(s, "\uFFFF")
}

func inXML(c rune) bool {
	return c >= ' ' && c != 0xFFFE && c != 0xFFFF || c == '\t' || c == '\n' || c == '\r'
}

// Failed reports whether the document is not well formed, as far as it has been read.
func (r *Scanner) Failed() bool { return r.failed }

func (r *Scanner) fail() bool {
	r.failed, r.i = true, len(r.s)
	return false
}

// Local is a name without its prefix.
func Local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (r *Scanner) space() {
	for r.i < len(r.s) && isSpace(r.s[r.i]) {
		r.i++
	}
}

// misc skips what may stand between elements and means nothing: declarations, instructions, comments.
func (r *Scanner) misc() bool {
	rest := r.s[r.i:]
	var end string
	switch {
	case strings.HasPrefix(rest, "<?"):
		end = "?>"
	case strings.HasPrefix(rest, "<!--"):
		end = "-->"
	default:
		return false
	}
	i := strings.Index(rest[2:], end)
	if i < 0 {
		r.fail()
		return false
	}
	r.i += 2 + i + len(end)
	return true
}

// Root opens the document's element.
func (r *Scanner) Root() (string, bool) {
	r.s = strings.TrimPrefix(r.s, "\uFEFF")
	for {
		r.space()
		if !r.misc() {
			break
		}
	}
	if r.failed || r.i >= len(r.s) || r.s[r.i] != '<' {
		return "", r.fail()
	}
	return r.open()
}

// Finished reports whether nothing follows the document's element.
func (r *Scanner) Finished() bool {
	for {
		r.space()
		if !r.misc() {
			break
		}
	}
	return !r.failed && (r.i == len(r.s) || r.fail())
}

func nameByte(c byte) bool {
	return c >= utf8.RuneSelf || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == ':' || c == '_' || c == '-' || c == '.'
}

func (r *Scanner) word() (string, bool) {
	start := r.i
	for r.i < len(r.s) && nameByte(r.s[r.i]) {
		r.i++
	}
	if r.i == start {
		return "", r.fail()
	}
	return r.s[start:r.i], true
}

// open reads a start tag, whose < is next.
func (r *Scanner) open() (string, bool) {
	r.i++
	name, ok := r.word()
	if !ok {
		return "", false
	}
	r.Attributes, r.Closed = r.Attributes[:0], false
	for {
		before := r.i
		r.space()
		if r.i >= len(r.s) {
			return "", r.fail()
		}
		switch r.s[r.i] {
		case '>':
			r.i++
			return name, true
		case '/':
			if !strings.HasPrefix(r.s[r.i:], "/>") {
				return "", r.fail()
			}
			r.i += 2
			r.Closed = true
			return name, true
		}
		if before == r.i {
			return "", r.fail()
		}
		attr, ok := r.word()
		if !ok {
			return "", false
		}
		r.space()
		if r.i >= len(r.s) || r.s[r.i] != '=' {
			return "", r.fail()
		}
		r.i++
		r.space()
		if r.i >= len(r.s) || r.s[r.i] != '"' && r.s[r.i] != '\'' {
			return "", r.fail()
		}
		quote := r.s[r.i]
		end := strings.IndexByte(r.s[r.i+1:], quote)
		if end < 0 {
			return "", r.fail()
		}
		raw := r.s[r.i+1 : r.i+1+end]
		r.i += end + 2
		value, ok := r.references(raw)
		if !ok || strings.IndexByte(raw, '<') >= 0 {
			return "", r.fail()
		}
		r.Attributes = append(r.Attributes, Attribute{Name: attr, Value: value})
	}
}

// references is text with its references and line ends read.
func (r *Scanner) references(s string) (string, bool) {
	i := strings.IndexAny(s, "&\r")
	if i < 0 {
		return s, true
	}
	var b strings.Builder
	b.Grow(len(s))
	for i >= 0 {
		b.WriteString(s[:i])
		if s[i] == '\r' {
			b.WriteByte('\n')
			s = strings.TrimPrefix(s[i+1:], "\n")
		} else {
			end := strings.IndexByte(s[i:], ';')
			if end < 0 {
				return "", r.fail()
			}
			c, ok := reference(s[i+1 : i+end])
			if !ok {
				return "", r.fail()
			}
			b.WriteRune(c)
			s = s[i+end+1:]
		}
		i = strings.IndexAny(s, "&\r")
	}
	b.WriteString(s)
	return b.String(), true
}

func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if h, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = h, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || !utf8.ValidRune(rune(n)) || !inXML(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// Next goes on inside an element: to the next element in it, which it opens, or past the element's end. Text on the way is dropped.
func (r *Scanner) Next(parent string) (child string, ok bool) {
	for {
		lt := strings.IndexByte(r.s[r.i:], '<')
		if lt < 0 {
			r.fail()
			return "", false
		}
		r.i += lt
		switch {
		case strings.HasPrefix(r.s[r.i:], "</"):
			r.end(parent)
			return "", false
		case strings.HasPrefix(r.s[r.i:], "<![CDATA["):
			if _, ok := r.cdata(); !ok {
				return "", false
			}
		case r.misc():
		case r.failed:
			return "", false
		default:
			return r.open()
		}
	}
}

// end reads an end tag.
func (r *Scanner) end(name string) bool {
	r.i += 2
	got, ok := r.word()
	r.space()
	if !ok || got != name || r.i >= len(r.s) || r.s[r.i] != '>' {
		return r.fail()
	}
	r.i++
	return true
}

func (r *Scanner) cdata() (string, bool) {
	r.i += len("<![CDATA[")
	end := strings.Index(r.s[r.i:], "]]>")
	if end < 0 {
		return "", r.fail()
	}
	s := r.s[r.i : r.i+end]
	r.i += end + len("]]>")
	return s, true
}

// Text reads the rest of an element that holds a scalar.
func (r *Scanner) Text(name string) (string, bool) {
	if r.Closed {
		r.Closed = false
		return "", true
	}
	var one string // as nearly always
	var all strings.Builder
	add := func(s string) {
		if one == "" && all.Len() == 0 {
			one = s
			return
		}
		if all.Len() == 0 {
			all.WriteString(one)
		}
		all.WriteString(s)
	}
	for {
		lt := strings.IndexByte(r.s[r.i:], '<')
		if lt < 0 {
			return "", r.fail()
		}
		if lt > 0 {
			s, ok := r.references(r.s[r.i : r.i+lt])
			if !ok {
				return "", false
			}
			add(s)
			r.i += lt
		}
		switch {
		case strings.HasPrefix(r.s[r.i:], "</"):
			if all.Len() > 0 {
				one = all.String()
			}
			return one, r.end(name)
		case strings.HasPrefix(r.s[r.i:], "<![CDATA["):
			s, ok := r.cdata()
			if !ok {
				return "", false
			}
			add(s)
		case r.misc():
		case r.failed:
			return "", false
		default:
			child, ok := r.open()
			if !ok || !r.Skip(child, maxDepth) {
				return "", false
			}
		}
	}
}

// maxDepth is how deep elements may nest that stand in a text.
const maxDepth = 192

// Skip reads the rest of an element that means nothing. What is in it may nest to that depth.
func (r *Scanner) Skip(name string, depth int) bool {
	if r.Closed {
		r.Closed = false
		return true
	}
	if depth < 0 {
		return r.fail()
	}
	for {
		child, ok := r.Next(name)
		if !ok {
			return !r.failed
		}
		if !r.Skip(child, depth-1) {
			return false
		}
	}
}

// Append writes s as text of an element or attribute. What XML cannot hold becomes U+FFFD.
func Append(b []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			esc := ""
			switch {
			case c == '&':
				esc = "&amp;"
			case c == '<':
				esc = "&lt;"
			case c == '>':
				esc = "&gt;"
			case c == '"':
				esc = "&quot;"
			case c == '\r':
				esc = "&#xD;"
			case !inXML(rune(c)):
				esc = "\uFFFD"
			}
			if esc != "" {
				b = append(b, s[last:i]...)
				b = append(b, esc...)
				last = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !inXML(r) {
			b = append(b, s[last:i]...)
			b = append(b, "\uFFFD"...)
			last = i + n
		}
		i += n
	}
	return append(b, s[last:]...)
}
