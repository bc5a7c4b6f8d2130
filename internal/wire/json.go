package wire

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

// maxDepth is how deep values may nest in a body. AWS's own limits are lower where it has any.
const maxDepth = 192

// reader is what the decoders of bodies share: the text, where they are in it, the path to that place, and what they found wrong.
type reader struct {
	s     string
	i     int
	name  string // a map's key on its way into the map
	trail trail
	err   string // why decoding ended; "" while all is well
	bad   bool

	part bool   // REST: the outermost structure is in the body only in part
	seen uint64 // bits of the members that the structure decoded last had
}

// fail ends decoding. The first reason stands.
func (r *reader) fail(why string) bool {
	if !r.bad {
		r.bad, r.err = true, why
	}
	r.i = len(r.s)
	return false
}

// jsonReader decodes JSON into places. Texts are parts of the body's own text, copied only where they have escapes.
type jsonReader struct{ reader }

const malformedJSON = "" // AWS says no more than SerializationException

func (r *jsonReader) space() {
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case ' ', '\n', '\t', '\r':
			r.i++
		default:
			return
		}
	}
}

// next skips space and is the byte there; 0 at the end.
func (r *jsonReader) next() byte {
	if r.i < len(r.s) {
		if c := r.s[r.i]; c > ' ' {
			return c
		}
	}
	r.space()
	if r.i < len(r.s) {
		return r.s[r.i]
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

// str reads a string whose opening quote is next.
func (r *jsonReader) str() (string, bool) {
	start := r.i + 1
	i := special(r.s, start)
	if i < len(r.s) && r.s[i] == '"' {
		r.i = i + 1
		return r.s[start:i], true
	}
	return r.escaped(start, i)
}

// escaped reads on a string that has a backslash at i.
func (r *jsonReader) escaped(start, i int) (string, bool) {
	var b strings.Builder
	b.Grow(i - start + 32)
	for i < len(r.s) && r.s[i] == '\\' && i+1 < len(r.s) {
		b.WriteString(r.s[start:i])
		c := r.s[i+1]
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
			c, ok := hex4(r.s, i)
			if !ok {
				return "", r.fail(malformedJSON)
			}
			i += 4
			if 0xD800 <= c && c < 0xE000 { // half of a pair, or nothing a text can hold
				if low, ok := hex4(r.s, i+2); ok && c < 0xDC00 && r.s[i] == '\\' && r.s[i+1] == 'u' && 0xDC00 <= low && low < 0xE000 {
					c = 0x10000 + (c-0xD800)<<10 + (low - 0xDC00)
					i += 6
				} else {
					c = utf8.RuneError
				}
			}
			b.WriteRune(c)
		default:
			return "", r.fail(malformedJSON)
		}
		start = i
		i = special(r.s, i)
	}
	if i >= len(r.s) || r.s[i] != '"' {
		return "", r.fail(malformedJSON)
	}
	b.WriteString(r.s[start:i])
	r.i = i + 1
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

// number reads a number's text.
func (r *jsonReader) number() (string, bool) {
	s, start := r.s, r.i
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
		return "", r.fail(malformedJSON)
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return "", r.fail(malformedJSON)
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return "", r.fail(malformedJSON)
		}
	}
	r.i = i
	return s[start:i], true
}

// word reads true, false or null.
func (r *jsonReader) word(w string) bool {
	if strings.HasPrefix(r.s[r.i:], w) {
		r.i += len(w)
		return true
	}
	return r.fail(malformedJSON)
}

// skip reads over any value.
func (r *jsonReader) skip(depth int) bool {
	if depth > maxDepth {
		return r.fail(malformedJSON)
	}
	switch c := r.next(); c {
	case '"':
		_, ok := r.str()
		return ok
	case '{':
		return r.object(func(string) bool { return r.skip(depth + 1) })
	case '[':
		return r.array(func() bool { return r.skip(depth + 1) })
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	default:
		_, ok := r.number()
		return ok
	}
}

// object reads the members of an object whose brace is next.
func (r *jsonReader) object(member func(key string) bool) bool {
	r.i++
	if r.next() == '}' {
		r.i++
		return true
	}
	for {
		key, ok := r.key()
		if !ok || !member(key) {
			return false
		}
		if more, ok := r.more('}'); !more {
			return ok
		}
	}
}

// key reads a member's name and the colon.
func (r *jsonReader) key() (string, bool) {
	if r.next() != '"' {
		return "", r.fail(malformedJSON)
	}
	key, ok := r.str()
	if !ok {
		return "", false
	}
	if r.next() != ':' {
		return "", r.fail(malformedJSON)
	}
	r.i++
	return key, true
}

// more reads what follows an entry: a comma, then there is more; or the end.
func (r *jsonReader) more(end byte) (more, ok bool) {
	switch r.next() {
	case ',':
		r.i++
		return true, true
	case end:
		r.i++
		return false, true
	}
	return false, r.fail(malformedJSON)
}

func (r *jsonReader) array(entry func() bool) bool {
	r.i++
	if r.next() == ']' {
		r.i++
		return true
	}
	for {
		if !entry() {
			return false
		}
		if more, ok := r.more(']'); !more {
			return ok
		}
	}
}

// end reports whether nothing follows.
func (r *jsonReader) end() bool {
	r.space()
	if r.i < len(r.s) {
		return r.fail(malformedJSON)
	}
	return !r.bad
}

// structure decodes an object into the structure at p.
func (r *jsonReader) structure(st *structure, p place, fields []*field) bool {
	if r.next() != '{' {
		return r.unexpected("Structure")
	}
	if !r.trail.in() {
		return r.fail(malformedJSON)
	}
	r.i++
	var seen uint64
	part := r.part
	r.part = false
	guess := 0 // members mostly come in the model's order
	if r.next() == '}' {
		r.i++
	} else {
		for {
			key, ok := r.key()
			if !ok {
				return false
			}
			var f *field
			if guess < len(fields) && fields[guess].Wire == key {
				f = fields[guess]
				guess++
			} else if i, ok := st.byWire[key]; ok && (len(fields) == len(st.fields) || slices.Contains(fields, st.fields[i])) {
				f = st.fields[i]
				guess = int(i) + 1
			}
			if r.next() == 'n' && (f == nil || f.kind != model.Document) {
				if !r.word("null") {
					return false
				}
			} else if f == nil {
				if !r.skip(r.trail.depth) {
					return false
				}
			} else {
				r.trail.field(f)
				if !r.value(f.node, p.at(f.Offset)) {
					return false
				}
				seen |= f.bit
			}
			if more, ok := r.more('}'); !more {
				if !ok {
					return false
				}
				break
			}
		}
	}
	if seen&st.required != st.required && !part {
		r.trail.lack(st, st.required&^seen)
	}
	r.trail.out()
	r.seen = seen
	return true
}

// value decodes the next value, which is not null unless n is a document, into the place of n at p.
func (r *jsonReader) value(n *node, p place) bool {
	c := r.next()
	switch n.kind {
	case model.String:
		if c != '"' {
			return r.unexpected("String")
		}
		s, ok := r.str()
		*n.present(p).str() = s
		return ok
	case model.Bool:
		switch c {
		case 't':
			*n.present(p).boolean() = true
			return r.word("true")
		case 'f':
			*n.present(p).boolean() = false
			return r.word("false")
		}
		return r.unexpected("Boolean")
	case model.Int32, model.Int64, model.Float32, model.Float64:
		return r.numeric(n, p, c)
	case model.Time:
		return r.timestamp(n, p, c)
	case model.Blob:
		if c != '"' {
			return r.unexpected("Blob")
		}
		s, ok := r.str()
		if !ok {
			return false
		}
		b, ok := fromBase64(s)
		if !ok {
			return r.fail("\"" + short(s) + "\" can not be converted to Blob") // AWS's words differ by service
		}
		*p.blob() = b
		return true
	case model.List:
		return r.list(n, p)
	case model.Map:
		return r.mapping(n, p)
	case model.Structure:
		if n.form == model.Pointer && !r.trail.take(n.st.size) {
			return r.fail(malformedJSON)
		}
		return r.structure(n.st, n.present(p), n.st.fields)
	case model.Document:
		v, ok := r.document(r.trail.depth)
		*p.document() = v
		return ok
	}
	return r.skip(r.trail.depth)
}

func (r *jsonReader) list(n *node, p place) bool {
	if r.next() != '[' {
		return r.unexpected("List")
	}
	if !r.trail.in() {
		return r.fail(malformedJSON)
	}
	n.renew(p)
	r.i++
	if r.next() == ']' {
		r.i++
		r.trail.out()
		return true
	}
	for i := 1; ; i++ {
		if !r.trail.take(int(n.stride)) {
			return r.fail(malformedJSON)
		}
		r.trail.index(i)
		if r.next() == 'n' && n.elem.kind != model.Document {
			if !r.word("null") {
				return false
			}
			if n.elem.form != model.Plain { // may be null
				n.push(p)
			} else {
				r.trail.null()
			}
		} else if !r.value(n.elem, n.push(p)) {
			return false
		}
		if more, ok := r.more(']'); !more {
			r.trail.out()
			return ok
		}
	}
}

func (r *jsonReader) mapping(n *node, p place) bool {
	if r.next() != '{' {
		return r.unexpected("Map")
	}
	if !r.trail.in() {
		return r.fail(malformedJSON)
	}
	w := n.openMap(p)
	defer w.close()
	r.i++
	if r.next() == '}' {
		r.i++
		r.trail.out()
		return true
	}
	for {
		key, ok := r.key()
		if !ok {
			return false
		}
		if !r.trail.take(int(n.elem.size) + perEntry) {
			return r.fail(malformedJSON)
		}
		r.trail.key(key)
		switch c := r.next(); {
		case c == 'n' && n.elem.kind != model.Document:
			if !r.word("null") {
				return false
			}
			if n.elem.form != model.Plain {
				w.lend()
				w.put(&r.name, key)
			} else {
				r.trail.null()
			}
		case n.texts:
			if c != '"' {
				return r.unexpected("String")
			}
			s, ok := r.str()
			if !ok {
				return false
			}
			w.texts[key] = s
		default:
			if !r.value(n.elem, w.lend()) {
				return false
			}
			w.put(&r.name, key)
		}
		if more, ok := r.more('}'); !more {
			r.trail.out()
			return ok
		}
	}
}

// unexpected fails with what AWS says of a value of another type than the member has.
func (r *jsonReader) unexpected(want string) bool {
	var found string
	switch c := r.next(); c {
	case '"':
		found = "STRING_VALUE"
	case 't':
		found = "TRUE_VALUE"
	case 'f':
		found = "FALSE_VALUE"
	case 'n':
		found = "NULL_VALUE"
	case '{':
		return r.fail("Start of structure or map found where not expected.")
	case '[':
		return r.fail("Start of list found where not expected")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return r.fail(malformedJSON)
		}
		found = "NUMBER_VALUE"
	}
	switch want {
	case "List":
		return r.fail("Expected list or null")
	case "Map", "Structure":
		return r.fail("Expected map or null")
	}
	return r.fail(found + " cannot be converted to " + want)
}

func (r *jsonReader) numeric(n *node, p place, c byte) bool {
	var s string
	var ok bool
	if c == '"' {
		if n.kind != model.Float32 && n.kind != model.Float64 {
			return r.unexpected("Integer")
		}
		if s, ok = r.str(); !ok {
			return false
		}
		switch s {
		case "NaN", "Infinity", "-Infinity":
		default:
			return r.fail("STRING_VALUE cannot be converted to Double")
		}
	} else {
		if c != '-' && (c < '0' || c > '9') {
			return r.unexpected("Number")
		}
		if s, ok = r.number(); !ok {
			return false
		}
	}
	if !n.setNumber(n.present(p), s) {
		return r.fail("NUMBER_VALUE cannot be converted to " + numberName(n.kind))
	}
	return true
}

func numberName(k model.Kind) string {
	switch k {
	case model.Int32:
		return "Integer"
	case model.Int64:
		return "Long"
	case model.Float32:
		return "Float"
	}
	return "Double"
}

// setNumber puts the number that s says at p.
func (n *node) setNumber(p place, s string) bool {
	switch n.kind {
	case model.Int32:
		v, ok := integer(s, 32)
		*p.i32() = int32(v)
		return ok
	case model.Int64:
		v, ok := integer(s, 64)
		*p.i64() = v
		return ok
	case model.Float32:
		v, err := strconv.ParseFloat(s, 32)
		*p.f32() = float32(v)
		return err == nil
	default:
		v, err := strconv.ParseFloat(s, 64)
		*p.f64() = v
		return err == nil
	}
}

// integer reads a whole number, also one written with a fraction of zeros or an exponent.
func integer(s string, bits int) (int64, bool) {
	if v, err := strconv.ParseInt(s, 10, bits); err == nil {
		return v, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 || bits == 32 && (f > math.MaxInt32 || f < math.MinInt32) {
		return 0, false
	}
	return int64(f), true
}

func (r *jsonReader) timestamp(n *node, p place, c byte) bool {
	var s string
	var ok bool
	if c == '"' {
		s, ok = r.str()
	} else if c == '-' || '0' <= c && c <= '9' {
		s, ok = r.number()
	} else {
		return r.unexpected("Timestamp")
	}
	if !ok {
		return false
	}
	format := n.schema.Time
	if c != '"' {
		format = model.Unix
	}
	t, ok := timestamp.Parse(s, format)
	if !ok {
		return r.fail("STRING_VALUE cannot be converted to Timestamp")
	}
	*n.present(p).time() = t
	return true
}

// document decodes any value as encoding/json would.
func (r *jsonReader) document(depth int) (any, bool) {
	if depth > maxDepth || !r.trail.take(perValue) {
		return nil, r.fail(malformedJSON)
	}
	switch r.next() {
	case '"':
		return boxed(r.str())
	case '{':
		m := map[string]any{}
		ok := r.object(func(key string) bool {
			v, ok := r.document(depth + 1)
			m[key] = v
			return ok
		})
		return m, ok
	case '[':
		list := []any{}
		ok := r.array(func() bool {
			v, ok := r.document(depth + 1)
			list = append(list, v)
			return ok
		})
		return list, ok
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	}
	s, ok := r.number()
	if !ok {
		return nil, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, r.fail(malformedJSON)
	}
	return f, true
}

func boxed(s string, ok bool) (any, bool) { return s, ok }

// short is the beginning of s.
func short(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}
