package wire

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// xmlReader decodes XML into places: the bodies of restXml, and the answers of the query protocols. It reads what AWS's clients and
// servers write: elements, attributes, text, references, CDATA; declarations and comments are skipped, document types refused.
type xmlReader struct {
	reader
	attrs  []uri.Param // of the element that was opened last
	closed bool        // it was empty: <a/>
}

// local is a name without its prefix.
func local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

const malformedElement = "" // AWS's texts differ by service; it is the code that clients know

func xmlSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (r *xmlReader) space() {
	for r.i < len(r.s) && xmlSpace(r.s[r.i]) {
		r.i++
	}
}

// misc skips what may stand between elements and means nothing: declarations, instructions, comments.
func (r *xmlReader) misc() bool {
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
		r.fail(malformedElement)
		return false
	}
	r.i += 2 + i + len(end)
	return true
}

// root opens the document's element.
func (r *xmlReader) root() (string, bool) {
	r.s = strings.TrimPrefix(r.s, "\uFEFF")
	for {
		r.space()
		if !r.misc() {
			break
		}
	}
	if r.bad || r.i >= len(r.s) || r.s[r.i] != '<' {
		return "", r.fail(malformedElement)
	}
	return r.open()
}

// finished reports whether nothing follows the document's element.
func (r *xmlReader) finished() bool {
	for {
		r.space()
		if !r.misc() {
			break
		}
	}
	return !r.bad && (r.i == len(r.s) || r.fail(malformedElement))
}

func nameByte(c byte) bool {
	return c >= utf8.RuneSelf || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == ':' || c == '_' || c == '-' || c == '.'
}

func (r *xmlReader) word() (string, bool) {
	start := r.i
	for r.i < len(r.s) && nameByte(r.s[r.i]) {
		r.i++
	}
	if r.i == start {
		return "", r.fail(malformedElement)
	}
	return r.s[start:r.i], true
}

// open reads a start tag, whose < is next.
func (r *xmlReader) open() (string, bool) {
	r.i++
	name, ok := r.word()
	if !ok {
		return "", false
	}
	r.attrs, r.closed = r.attrs[:0], false
	for {
		before := r.i
		r.space()
		if r.i >= len(r.s) {
			return "", r.fail(malformedElement)
		}
		switch r.s[r.i] {
		case '>':
			r.i++
			return name, true
		case '/':
			if !strings.HasPrefix(r.s[r.i:], "/>") {
				return "", r.fail(malformedElement)
			}
			r.i += 2
			r.closed = true
			return name, true
		}
		if before == r.i {
			return "", r.fail(malformedElement)
		}
		attr, ok := r.word()
		if !ok {
			return "", false
		}
		r.space()
		if r.i >= len(r.s) || r.s[r.i] != '=' {
			return "", r.fail(malformedElement)
		}
		r.i++
		r.space()
		if r.i >= len(r.s) || r.s[r.i] != '"' && r.s[r.i] != '\'' {
			return "", r.fail(malformedElement)
		}
		quote := r.s[r.i]
		end := strings.IndexByte(r.s[r.i+1:], quote)
		if end < 0 {
			return "", r.fail(malformedElement)
		}
		raw := r.s[r.i+1 : r.i+1+end]
		r.i += end + 2
		value, ok := r.references(raw)
		if !ok || strings.IndexByte(raw, '<') >= 0 {
			return "", r.fail(malformedElement)
		}
		r.attrs = append(r.attrs, uri.Param{Key: attr, Value: value})
	}
}

// references is text with its references and line ends read.
func (r *xmlReader) references(s string) (string, bool) {
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
				return "", r.fail(malformedElement)
			}
			c, ok := reference(s[i+1 : i+end])
			if !ok {
				return "", r.fail(malformedElement)
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
	if err != nil || n == 0 || n > utf8.MaxRune || 0xD800 <= n && n < 0xE000 {
		return 0, false
	}
	return rune(n), true
}

// next goes on inside an element: to the next element in it, which it opens, or past the element's end. Text on the way is dropped.
func (r *xmlReader) next(parent string) (child string, ok bool) {
	for {
		lt := strings.IndexByte(r.s[r.i:], '<')
		if lt < 0 {
			r.fail(malformedElement)
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
		case r.bad:
			return "", false
		default:
			return r.open()
		}
	}
}

// end reads an end tag.
func (r *xmlReader) end(name string) bool {
	r.i += 2
	got, ok := r.word()
	r.space()
	if !ok || got != name || r.i >= len(r.s) || r.s[r.i] != '>' {
		return r.fail(malformedElement)
	}
	r.i++
	return true
}

func (r *xmlReader) cdata() (string, bool) {
	r.i += len("<![CDATA[")
	end := strings.Index(r.s[r.i:], "]]>")
	if end < 0 {
		return "", r.fail(malformedElement)
	}
	s := r.s[r.i : r.i+end]
	r.i += end + len("]]>")
	return s, true
}

// text reads the rest of an element that holds a scalar.
func (r *xmlReader) text(name string) (string, bool) {
	if r.closed {
		r.closed = false
		return "", true
	}
	var all string
	for {
		lt := strings.IndexByte(r.s[r.i:], '<')
		if lt < 0 {
			return "", r.fail(malformedElement)
		}
		if lt > 0 {
			s, ok := r.references(r.s[r.i : r.i+lt])
			if !ok {
				return "", false
			}
			all += s
			r.i += lt
		}
		switch {
		case strings.HasPrefix(r.s[r.i:], "</"):
			return all, r.end(name)
		case strings.HasPrefix(r.s[r.i:], "<![CDATA["):
			s, ok := r.cdata()
			if !ok {
				return "", false
			}
			all += s
		case r.misc():
		case r.bad:
			return "", false
		default:
			child, ok := r.open()
			if !ok || !r.skip(child, 0) {
				return "", false
			}
		}
	}
}

// skip reads the rest of an element that means nothing.
func (r *xmlReader) skip(name string, depth int) bool {
	if r.closed {
		r.closed = false
		return true
	}
	if depth > maxDepth {
		return r.fail(malformedElement)
	}
	for {
		child, ok := r.next(name)
		if !ok {
			return !r.bad
		}
		if !r.skip(child, depth+1) {
			return false
		}
	}
}

// structure decodes the element of that name, which is open, into the structure at p; of its members only fields where it is given.
func (r *xmlReader) structure(st *structure, p place, name string, fields []*field) bool {
	if !r.trail.in() {
		return r.fail(malformedElement)
	}
	var seen uint64
	part := r.part
	r.part = false
	for _, a := range r.attrs {
		for _, f := range st.fields {
			if f.Attr && (f.XML == a.Key || local(f.XML) == local(a.Key)) {
				if !f.parseScalar(p.at(f.Offset), a.Value, model.ISO8601) {
					return r.fail(a.Value)
				}
				seen |= f.bit
				break
			}
		}
	}
	if st.text != nil {
		f := st.text
		s, ok := r.text(name)
		if !ok || !f.parseScalar(p.at(f.Offset), s, model.ISO8601) {
			return r.fail(s)
		}
		seen |= f.bit
	} else if r.closed {
		r.closed = false
	} else {
		for {
			child, ok := r.next(name)
			if !ok {
				if r.bad {
					return false
				}
				break
			}
			i, ok := st.byXML[child]
			if !ok {
				i, ok = st.byXML[local(child)]
			}
			if !ok || st.fields[i].Attr || fields != nil && !slices.Contains(fields, st.fields[i]) {
				if !r.skip(child, r.trail.depth) {
					return false
				}
				continue
			}
			f := st.fields[i]
			r.trail.field(f)
			if !r.value(f.node, p.at(f.Offset), child, true) {
				return false
			}
			seen |= f.bit
		}
	}
	if seen&st.required != st.required && !part {
		r.trail.lack(st, st.required&^seen)
	}
	r.trail.out()
	r.seen = seen
	return true
}

// value decodes the element of that name, which is open, into the place of n at p. The element of a flattened list or map is one
// entry of it; flattening is a member's, not that of what stands in a list.
func (r *xmlReader) value(n *node, p place, name string, member bool) bool {
	switch n.kind {
	case model.Structure:
		return r.structure(n.st, n.present(p), name, nil)
	case model.List:
		if member && n.schema.Flat {
			if !r.trail.in() {
				return r.fail(malformedElement)
			}
			r.trail.index(p.length() + 1)
			ok := r.value(n.elem, n.push(p), name, false)
			r.trail.out()
			return ok
		}
		n.empty(p)
		if r.closed {
			r.closed = false
			return true
		}
		if !r.trail.in() {
			return r.fail(malformedElement)
		}
		for {
			child, ok := r.next(name)
			if !ok {
				r.trail.out()
				return !r.bad
			}
			r.trail.index(p.length() + 1)
			if !r.value(n.elem, n.push(p), child, false) {
				return false
			}
		}
	case model.Map:
		w := n.openMap(p)
		defer w.close()
		if member && n.schema.Flat {
			if !r.trail.in() {
				return r.fail(malformedElement)
			}
			ok := r.entry(&w, name)
			r.trail.out()
			return ok
		}
		if r.closed {
			r.closed = false
			return true
		}
		if !r.trail.in() {
			return r.fail(malformedElement)
		}
		for {
			child, ok := r.next(name)
			if !ok {
				r.trail.out()
				return !r.bad
			}
			if !r.entry(&w, child) {
				return false
			}
		}
	}
	s, ok := r.text(name)
	if !ok {
		return false
	}
	if !n.parseScalar(p, s, model.ISO8601) {
		return r.fail(s)
	}
	return true
}

// entry decodes the element of a map's entry.
func (r *xmlReader) entry(w *mapWriter, name string) bool {
	if r.closed {
		r.closed = false
		return true
	}
	key, value := "", ""
	var at place
	if !w.n.texts {
		at = w.lend()
	}
	for {
		child, ok := r.next(name)
		if !ok {
			break
		}
		switch local(child) {
		case w.n.schema.KeyName:
			if key, ok = r.text(child); !ok {
				return false
			}
			r.trail.key(key)
		case w.n.schema.ValueName:
			if w.n.texts {
				value, ok = r.text(child)
			} else {
				ok = r.value(w.n.elem, at, child, false)
			}
			if !ok {
				return false
			}
		default:
			if !r.skip(child, r.trail.depth) {
				return false
			}
		}
	}
	if r.bad {
		return false
	}
	if w.n.texts {
		w.texts[key] = value
	} else {
		w.put(&r.name, key)
	}
	return true
}
