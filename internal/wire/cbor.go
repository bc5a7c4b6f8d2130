package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

// cborReader decodes CBOR into places. Texts are parts of the body's own text.
type cborReader struct {
	reader
	millis bool // timestamps are milliseconds: x-amz-cbor-1.1
	asIs   bool // texts need not be UTF-8: they come from another node
}

// Major types of CBOR.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

const (
	cborIndefinite = 31
	cborFalse      = 20
	cborTrue       = 21
	cborNull       = 22
	cborUndefined  = 23
	cborBreak      = 0xff
)

// head reads the head of an item: its major type, the low bits, and the number that follows.
func (r *cborReader) head() (major, info byte, n uint64, ok bool) {
	if r.i >= len(r.s) {
		return 0, 0, 0, r.fail("")
	}
	c := r.s[r.i]
	r.i++
	major, info = c>>5, c&31
	size := 0
	switch info {
	case 24:
		size = 1
	case 25:
		size = 2
	case 26:
		size = 4
	case 27:
		size = 8
	case 28, 29, 30:
		return 0, 0, 0, r.fail("")
	default:
		return major, info, uint64(info), true
	}
	if len(r.s)-r.i < size {
		return 0, 0, 0, r.fail("")
	}
	for range size {
		n = n<<8 | uint64(r.s[r.i])
		r.i++
	}
	return major, info, n, true
}

// null skips a null or undefined, if that is what is next.
func (r *cborReader) null() bool {
	if r.i < len(r.s) && (r.s[r.i] == cborSimple<<5|cborNull || r.s[r.i] == cborSimple<<5|cborUndefined) {
		r.i++
		return true
	}
	return false
}

// ended reads the break of an item of indefinite length, if it is next.
func (r *cborReader) ended() bool {
	if r.i < len(r.s) && r.s[r.i] == cborBreak {
		r.i++
		return true
	}
	return false
}

// chunk is the text or bytes of a head that has been read.
func (r *cborReader) chunk(major, info byte, n uint64) (string, bool) {
	if info != cborIndefinite {
		if n > uint64(len(r.s)-r.i) {
			return "", r.fail("")
		}
		s := r.s[r.i : r.i+int(n)]
		r.i += int(n)
		return s, true
	}
	var b strings.Builder
	for !r.ended() {
		m, i, n, ok := r.head()
		if !ok || m != major || i == cborIndefinite {
			return "", r.fail("")
		}
		s, ok := r.chunk(m, i, n)
		if !ok {
			return "", false
		}
		b.WriteString(s)
	}
	return b.String(), true
}

// entries calls fn for each entry of a list or map whose head has been read.
func (r *cborReader) entries(info byte, n uint64, fn func() bool) bool {
	for i := uint64(0); info == cborIndefinite || i < n; i++ {
		if r.i >= len(r.s) {
			return r.fail("")
		}
		if info == cborIndefinite && r.ended() {
			return true
		}
		if !fn() {
			return false
		}
	}
	return true
}

// text reads a text.
func (r *cborReader) text() (string, bool) {
	major, info, n, ok := r.head()
	if !ok || major != cborText {
		return "", r.fail("")
	}
	s, ok := r.chunk(major, info, n)
	if ok && !r.asIs && !utf8.ValidString(s) {
		return "", r.fail("")
	}
	return s, ok
}

// skip reads over any value.
func (r *cborReader) skip(depth int) bool {
	if depth > maxDepth {
		return r.fail("")
	}
	major, info, n, ok := r.head()
	if !ok {
		return false
	}
	switch major {
	case cborBytes, cborText:
		_, ok := r.chunk(major, info, n)
		return ok
	case cborArray:
		return r.entries(info, n, func() bool { return r.skip(depth + 1) })
	case cborMap:
		return r.entries(info, n, func() bool {
			key := r.skip(depth + 1)
			return key && r.skip(depth+1)
		})
	case cborTag:
		return info != cborIndefinite && r.skip(depth+1) || r.fail("")
	}
	return info != cborIndefinite || r.fail("")
}

// structure decodes a map into the structure at p.
func (r *cborReader) structure(st *structure, p place) bool {
	major, info, n, ok := r.head()
	if !ok {
		return false
	}
	if major != cborMap {
		return r.fail("Expected map or null")
	}
	if !r.trail.in() {
		return r.fail("")
	}
	var seen uint64
	ok = r.entries(info, n, func() bool {
		key, ok := r.text()
		if !ok {
			return false
		}
		if r.null() {
			return true
		}
		i, ok := st.byWire[key]
		if !ok {
			return r.skip(r.trail.depth)
		}
		f := st.fields[i]
		r.trail.field(f)
		seen |= f.bit
		return r.value(f.node, p.at(f.Offset))
	})
	if !ok {
		return false
	}
	if seen&st.required != st.required {
		r.trail.lack(st, st.required&^seen)
	}
	r.trail.out()
	return true
}

// value decodes the next value, which is not null, into the place of n at p.
func (r *cborReader) value(n *node, p place) bool {
	switch n.kind {
	case model.String:
		major, info, size, ok := r.head()
		if !ok || major != cborText {
			return r.unexpected(major, "String")
		}
		s, ok := r.chunk(major, info, size)
		if !ok || !r.asIs && !utf8.ValidString(s) {
			return r.fail("")
		}
		*n.present(p).str() = s
		return true
	case model.Bool:
		major, info, _, ok := r.head()
		if !ok || major != cborSimple || info != cborFalse && info != cborTrue {
			return r.unexpected(major, "Boolean")
		}
		*n.present(p).boolean() = info == cborTrue
		return true
	case model.Int32, model.Int64, model.Float32, model.Float64:
		return r.numeric(n, p)
	case model.Time:
		return r.timestamp(n, p)
	case model.Blob:
		major, info, size, ok := r.head()
		if !ok || major != cborBytes {
			return r.unexpected(major, "Blob")
		}
		s, ok := r.chunk(major, info, size)
		if ok {
			*p.blob() = append(make([]byte, 0, len(s)), s...)
		}
		return ok
	case model.List:
		return r.list(n, p)
	case model.Map:
		return r.mapping(n, p)
	case model.Structure:
		if n.form == model.Pointer && !r.trail.take(n.st.size) {
			return r.fail("")
		}
		return r.structure(n.st, n.present(p))
	case model.Document:
		v, ok := r.document(r.trail.depth)
		*p.document() = v
		return ok
	}
	return r.skip(r.trail.depth)
}

func (r *cborReader) unexpected(major byte, want string) bool {
	if r.bad {
		return false
	}
	found := "NUMBER_VALUE"
	switch major {
	case cborText, cborBytes:
		found = "STRING_VALUE"
	case cborSimple:
		found = "BOOLEAN_VALUE"
	case cborArray:
		return r.fail("Start of list found where not expected")
	case cborMap:
		return r.fail("Start of structure or map found where not expected.")
	}
	return r.fail(found + " cannot be converted to " + want)
}

func (r *cborReader) list(n *node, p place) bool {
	major, info, size, ok := r.head()
	if !ok {
		return false
	}
	if major != cborArray {
		return r.fail("Expected list or null")
	}
	if !r.trail.in() {
		return r.fail("")
	}
	n.renew(p)
	i := 0
	ok = r.entries(info, size, func() bool {
		i++
		if !r.trail.take(int(n.stride)) {
			return r.fail("")
		}
		r.trail.index(i)
		if n.elem.kind != model.Document && r.null() {
			if n.elem.form != model.Plain {
				n.push(p)
			} else {
				r.trail.null()
			}
			return true
		}
		return r.value(n.elem, n.push(p))
	})
	r.trail.out()
	return ok
}

func (r *cborReader) mapping(n *node, p place) bool {
	major, info, size, ok := r.head()
	if !ok {
		return false
	}
	if major != cborMap {
		return r.fail("Expected map or null")
	}
	if !r.trail.in() {
		return r.fail("")
	}
	w := n.openMap(p)
	defer w.close()
	ok = r.entries(info, size, func() bool {
		key, ok := r.text()
		if !ok {
			return false
		}
		if !r.trail.take(int(n.elem.size) + perEntry) {
			return r.fail("")
		}
		r.trail.key(key)
		switch {
		case n.elem.kind != model.Document && r.null():
			if n.elem.form != model.Plain {
				w.lend()
				w.put(&r.name, key)
			} else {
				r.trail.null()
			}
		case n.texts:
			s, ok := r.text()
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
		return true
	})
	r.trail.out()
	return ok
}

// number reads an integer or a float; whole says which.
func (r *cborReader) number() (i int64, f float64, whole, ok bool) {
	major, info, n, ok := r.head()
	if !ok {
		return 0, 0, false, false
	}
	switch {
	case major == cborUint && info != cborIndefinite:
		if n > math.MaxInt64 {
			return 0, float64(n), false, true
		}
		return int64(n), float64(n), true, true
	case major == cborNegative && info != cborIndefinite:
		if n > math.MaxInt64 {
			return 0, -1 - float64(n), false, true
		}
		return -1 - int64(n), -1 - float64(n), true, true
	case major == cborSimple && info == 25:
		return 0, half(uint16(n)), false, true
	case major == cborSimple && info == 26:
		return 0, float64(math.Float32frombits(uint32(n))), false, true
	case major == cborSimple && info == 27:
		return 0, math.Float64frombits(n), false, true
	}
	return 0, 0, false, r.unexpected(major, "Number")
}

// half is the value of a 16-bit float.
func half(h uint16) float64 {
	exp, mant := int(h>>10&31), float64(h&1023)
	var v float64
	switch exp {
	case 0:
		v = math.Ldexp(mant, -24)
	case 31:
		v = math.Inf(1)
		if mant != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(mant+1024, exp-25)
	}
	if h>>15 != 0 {
		v = -v
	}
	return v
}

func (r *cborReader) numeric(n *node, p place) bool {
	i, f, whole, ok := r.number()
	if !ok {
		return false
	}
	if !whole && (n.kind == model.Int32 || n.kind == model.Int64) {
		if f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return r.fail("NUMBER_VALUE cannot be converted to " + numberName(n.kind))
		}
		i = int64(f)
	}
	switch at := n.present(p); n.kind {
	case model.Int32:
		if i < math.MinInt32 || i > math.MaxInt32 {
			return r.fail("NUMBER_VALUE cannot be converted to Integer")
		}
		*at.i32() = int32(i)
	case model.Int64:
		*at.i64() = i
	case model.Float32:
		*at.f32() = float32(f)
	default:
		*at.f64() = f
	}
	return true
}

// timestamp reads tag 1 and the seconds, or the milliseconds, since 1970.
func (r *cborReader) timestamp(n *node, p place) bool {
	if r.i < len(r.s) && r.s[r.i]>>5 == cborTag {
		if _, _, tag, ok := r.head(); !ok || tag != 1 {
			return r.fail("")
		}
	}
	_, f, _, ok := r.number()
	if !ok {
		return false
	}
	if r.millis {
		f /= 1000
	}
	t, ok := timestamp.FromSeconds(f)
	if !ok {
		return r.fail("NUMBER_VALUE cannot be converted to Timestamp")
	}
	*n.present(p).time() = t
	return true
}

// document decodes any value as encoding/json would have it.
func (r *cborReader) document(depth int) (any, bool) {
	if depth > maxDepth || r.i >= len(r.s) || !r.trail.take(perValue) {
		return nil, r.fail("")
	}
	if r.null() {
		return nil, true
	}
	switch major, info := r.s[r.i]>>5, r.s[r.i]&31; major {
	case cborUint, cborNegative:
		_, f, _, ok := r.number()
		return f, ok
	case cborText:
		return boxed(r.text())
	case cborBytes:
		major, info, n, ok := r.head()
		if !ok {
			return nil, false
		}
		return boxed(r.chunk(major, info, n))
	case cborTag:
		if _, _, _, ok := r.head(); !ok {
			return nil, false
		}
		return r.document(depth + 1)
	case cborSimple:
		if info == cborFalse || info == cborTrue {
			r.i++
			return info == cborTrue, true
		}
		_, f, _, ok := r.number()
		return f, ok
	case cborArray:
		_, info, n, ok := r.head()
		list := []any{}
		return list, ok && r.entries(info, n, func() bool {
			v, ok := r.document(depth + 1)
			list = append(list, v)
			return ok
		})
	default:
		_, info, n, ok := r.head()
		m := map[string]any{}
		return m, ok && r.entries(info, n, func() bool {
			key, ok := r.text()
			if !ok {
				return false
			}
			m[key], ok = r.document(depth + 1)
			return ok
		})
	}
}

// cborWriter encodes places as CBOR.
type cborWriter struct {
	b      []byte
	millis bool
	asIs   bool // texts need not be UTF-8: they go to another node
}

func (w *cborWriter) head(major byte, n uint64) {
	switch {
	case n < 24:
		w.b = append(w.b, major<<5|byte(n))
	case n < 1<<8:
		w.b = append(w.b, major<<5|24, byte(n))
	case n < 1<<16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, major<<5|25), uint16(n))
	case n < 1<<32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, major<<5|26), uint32(n))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, major<<5|27), n)
	}
}

func (w *cborWriter) text(s string) {
	if !w.asIs && !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	w.head(cborText, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *cborWriter) integer(i int64) {
	if i < 0 {
		w.head(cborNegative, uint64(-1-i))
		return
	}
	w.head(cborUint, uint64(i))
}

func (w *cborWriter) float(f float64) {
	w.b = binary.BigEndian.AppendUint64(append(w.b, cborSimple<<5|27), math.Float64bits(f))
}

// structure writes the structure at p; of its members only fields.
func (w *cborWriter) structure(p place, fields []*field) {
	w.head(cborMap, w.count(p, fields))
	w.members(p, fields)
}

func (w *cborWriter) count(p place, fields []*field) (n uint64) {
	for _, f := range fields {
		if _, ok := f.find(p.at(f.Offset)); ok {
			n++
		}
	}
	return n
}

func (w *cborWriter) members(p place, fields []*field) {
	for _, f := range fields {
		if at, ok := f.find(p.at(f.Offset)); ok {
			w.text(f.Wire)
			w.value(f.node, at)
		}
	}
}

func (w *cborWriter) value(n *node, p place) {
	switch n.kind {
	case model.String:
		w.text(*p.str())
	case model.Bool:
		w.b = append(w.b, cborSimple<<5|cborFalse)
		if *p.boolean() {
			w.b[len(w.b)-1]++
		}
	case model.Int32:
		w.integer(int64(*p.i32()))
	case model.Int64:
		w.integer(*p.i64())
	case model.Float32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, cborSimple<<5|26), math.Float32bits(*p.f32()))
	case model.Float64:
		w.float(*p.f64())
	case model.Time:
		w.head(cborTag, 1)
		if ms := p.time().UnixMilli(); w.millis {
			w.integer(ms)
		} else if ms%1000 == 0 {
			w.integer(ms / 1000)
		} else {
			w.float(float64(ms) / 1000)
		}
	case model.Blob:
		w.head(cborBytes, uint64(p.length()))
		w.b = append(w.b, *p.blob()...)
	case model.Structure:
		w.structure(p, n.st.fields)
	case model.List:
		w.head(cborArray, uint64(p.length()))
		for i := range p.length() {
			w.entry(n.elem, p.item(i, n.elem.size))
		}
	case model.Map:
		w.head(cborMap, uint64(n.entries(p)))
		n.ordered(p, func(_ int, key string, elem place) {
			w.text(key)
			w.entry(n.elem, elem)
		})
	case model.Document:
		w.document(*p.document())
	default:
		w.b = append(w.b, cborSimple<<5|cborNull)
	}
}

// entry writes an element of a list or map, null where it is absent.
func (w *cborWriter) entry(n *node, p place) {
	at, ok := n.find(p)
	switch {
	case ok:
		w.value(n, at)
	case n.form == model.Plain && n.kind == model.List:
		w.head(cborArray, 0)
	case n.form == model.Plain && n.kind == model.Map:
		w.head(cborMap, 0)
	case n.form == model.Plain && n.kind == model.Blob:
		w.head(cborBytes, 0)
	default:
		w.b = append(w.b, cborSimple<<5|cborNull)
	}
}

func (w *cborWriter) document(v any) {
	switch v := v.(type) {
	case bool:
		w.b = append(w.b, cborSimple<<5|cborFalse)
		if v {
			w.b[len(w.b)-1]++
		}
	case string:
		w.text(v)
	case float64:
		w.float(v)
	case int:
		w.integer(int64(v))
	case int64:
		w.integer(v)
	case []any:
		w.head(cborArray, uint64(len(v)))
		for _, e := range v {
			w.document(e)
		}
	case map[string]any:
		w.head(cborMap, uint64(len(v)))
		for _, k := range sortedNames(v) {
			w.text(k)
			w.document(v[k])
		}
	case nil:
		w.b = append(w.b, cborSimple<<5|cborNull)
	default:
		panic(fmt.Sprintf("wire: a document with a %T in it", v))
	}
}

// error writes an error's type, message and members.
func (w *cborWriter) error(typ, messageName string, e *aws.Error, members place, fields []*field) {
	n := w.count(members, fields) + 1
	if e.Message != "" {
		n++
	}
	w.head(cborMap, n)
	w.text("__type")
	w.text(typ)
	if e.Message != "" {
		w.text(messageName)
		w.text(e.Message)
	}
	w.members(members, fields)
}

func (m *Match) decodeCBOR(at place, body []byte, found *findings) *aws.Error {
	if len(body) == 0 {
		body = []byte{cborMap << 5}
	}
	return m.readCBOR(body, found, func(r *cborReader) bool { return r.structure(m.op.in, at) })
}

func (m *Match) readCBOR(body []byte, found *findings, fn func(*cborReader) bool) *aws.Error {
	r, _ := m.w.memory.cbors.Get().(*cborReader)
	if r == nil {
		r = &cborReader{}
	}
	r.millis = m.Protocol == model.CBOR11
	r.reader.begin(string(body))
	ok := fn(r) && (r.i == len(r.s) || r.fail(""))
	why := r.err
	found.take(&r.trail)
	r.reader.begin("")
	r.asIs = false
	m.w.memory.cbors.Put(r)
	if !ok {
		return serialization.New("%s", why)
	}
	return nil
}
