package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/scan"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

// cborReader decodes CBOR into places. Texts are parts of the body's own text.
type cborReader struct {
	reader
	millis bool // timestamps are milliseconds: x-amz-cbor-1.1
	asIs   bool // texts need not be UTF-8: they come from another node
}

// text reads a text.
func (r *cborReader) text() (string, bool) {
	major, info, n, ok := r.Head()
	if !ok || major != scan.CBORCharacters {
		return "", r.Fail("")
	}
	s, ok := r.Chunk(major, info, n)
	if ok && !r.asIs && !utf8.ValidString(s) {
		return "", r.Fail("")
	}
	return s, ok
}

// structure decodes a map into the structure at p.
func (r *cborReader) structure(st *structure, p place) bool {
	major, info, n, ok := r.Head()
	if !ok {
		return false
	}
	if major != scan.CBORMap {
		return r.Fail("Expected map or null")
	}
	if !r.trail.in() {
		return r.Fail("")
	}
	var seen uint64
	ok = r.Entries(info, n, func() bool {
		key, ok := r.text()
		if !ok {
			return false
		}
		if r.Null() {
			return true
		}
		i, ok := st.byWire[key]
		if !ok {
			return r.SkipCBOR(r.trail.depth)
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
		major, info, size, ok := r.Head()
		if !ok || major != scan.CBORCharacters {
			return r.unexpected(major, "String")
		}
		s, ok := r.Chunk(major, info, size)
		if !ok || !r.asIs && !utf8.ValidString(s) {
			return r.Fail("")
		}
		*n.present(p).str() = s
		return true
	case model.Bool:
		major, info, _, ok := r.Head()
		if !ok || major != scan.CBORSimple || info != scan.CBORFalse && info != scan.CBORTrue {
			return r.unexpected(major, "Boolean")
		}
		*n.present(p).boolean() = info == scan.CBORTrue
		return true
	case model.Int32, model.Int64, model.Float32, model.Float64:
		return r.numeric(n, p)
	case model.Time:
		return r.timestamp(n, p)
	case model.Blob:
		major, info, size, ok := r.Head()
		if !ok || major != scan.CBORBytes {
			return r.unexpected(major, "Blob")
		}
		s, ok := r.Chunk(major, info, size)
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
			return r.Fail("")
		}
		return r.structure(n.st, n.present(p))
	case model.Document:
		v, ok := r.document(r.trail.depth)
		*p.document() = v
		return ok
	}
	return r.SkipCBOR(r.trail.depth)
}

func (r *cborReader) unexpected(major byte, want string) bool {
	if r.Bad {
		return false
	}
	found := "NUMBER_VALUE"
	switch major {
	case scan.CBORCharacters, scan.CBORBytes:
		found = "STRING_VALUE"
	case scan.CBORSimple:
		found = "BOOLEAN_VALUE"
	case scan.CBORArray:
		return r.Fail("Start of list found where not expected")
	case scan.CBORMap:
		return r.Fail("Start of structure or map found where not expected.")
	}
	return r.Fail(found + " cannot be converted to " + want)
}

func (r *cborReader) list(n *node, p place) bool {
	major, info, size, ok := r.Head()
	if !ok {
		return false
	}
	if major != scan.CBORArray {
		return r.Fail("Expected list or null")
	}
	if !r.trail.in() {
		return r.Fail("")
	}
	n.renew(p)
	i := 0
	ok = r.Entries(info, size, func() bool {
		i++
		if !r.trail.take(int(n.stride)) {
			return r.Fail("")
		}
		r.trail.index(i)
		if n.elem.kind != model.Document && r.Null() {
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
	major, info, size, ok := r.Head()
	if !ok {
		return false
	}
	if major != scan.CBORMap {
		return r.Fail("Expected map or null")
	}
	if !r.trail.in() {
		return r.Fail("")
	}
	w := n.openMap(p)
	defer w.close()
	ok = r.Entries(info, size, func() bool {
		key, ok := r.text()
		if !ok {
			return false
		}
		if !r.trail.take(int(n.elem.size) + perEntry) {
			return r.Fail("")
		}
		r.trail.key(key)
		switch {
		case n.elem.kind != model.Document && r.Null():
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
	major, info, n, ok := r.Head()
	if !ok {
		return 0, 0, false, false
	}
	switch {
	case major == scan.CBORUint && info != scan.CBORIndefinite:
		if n > math.MaxInt64 {
			return 0, float64(n), false, true
		}
		return int64(n), float64(n), true, true
	case major == scan.CBORNegative && info != scan.CBORIndefinite:
		if n > math.MaxInt64 {
			return 0, -1 - float64(n), false, true
		}
		return -1 - int64(n), -1 - float64(n), true, true
	case major == scan.CBORSimple && info == 25:
		return 0, half(uint16(n)), false, true
	case major == scan.CBORSimple && info == 26:
		return 0, float64(math.Float32frombits(uint32(n))), false, true
	case major == scan.CBORSimple && info == 27:
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
			return r.Fail("NUMBER_VALUE cannot be converted to " + numberName(n.kind))
		}
		i = int64(f)
	}
	switch at := n.present(p); n.kind {
	case model.Int32:
		if i < math.MinInt32 || i > math.MaxInt32 {
			return r.Fail("NUMBER_VALUE cannot be converted to Integer")
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
	if r.I < len(r.S) && r.S[r.I]>>5 == scan.CBORTag {
		if _, _, tag, ok := r.Head(); !ok || tag != 1 {
			return r.Fail("")
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
		return r.Fail("NUMBER_VALUE cannot be converted to Timestamp")
	}
	*n.present(p).time() = t
	return true
}

// document decodes any value as encoding/json would have it.
func (r *cborReader) document(depth int) (any, bool) {
	if depth > maxDepth || r.I >= len(r.S) || !r.trail.take(perValue) {
		return nil, r.Fail("")
	}
	if r.Null() {
		return nil, true
	}
	switch major, info := r.S[r.I]>>5, r.S[r.I]&31; major {
	case scan.CBORUint, scan.CBORNegative:
		_, f, _, ok := r.number()
		return f, ok
	case scan.CBORCharacters:
		return boxed(r.text())
	case scan.CBORBytes:
		major, info, n, ok := r.Head()
		if !ok {
			return nil, false
		}
		return boxed(r.Chunk(major, info, n))
	case scan.CBORTag:
		if _, _, _, ok := r.Head(); !ok {
			return nil, false
		}
		return r.document(depth + 1)
	case scan.CBORSimple:
		if info == scan.CBORFalse || info == scan.CBORTrue {
			r.I++
			return info == scan.CBORTrue, true
		}
		_, f, _, ok := r.number()
		return f, ok
	case scan.CBORArray:
		_, info, n, ok := r.Head()
		list := []any{}
		return list, ok && r.Entries(info, n, func() bool {
			v, ok := r.document(depth + 1)
			list = append(list, v)
			return ok
		})
	default:
		_, info, n, ok := r.Head()
		m := map[string]any{}
		return m, ok && r.Entries(info, n, func() bool {
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
	w.head(scan.CBORCharacters, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *cborWriter) integer(i int64) {
	if i < 0 {
		w.head(scan.CBORNegative, uint64(-1-i))
		return
	}
	w.head(scan.CBORUint, uint64(i))
}

func (w *cborWriter) float(f float64) {
	w.b = binary.BigEndian.AppendUint64(append(w.b, scan.CBORSimple<<5|27), math.Float64bits(f))
}

// structure writes the structure at p; of its members only fields.
func (w *cborWriter) structure(p place, fields []*field) {
	w.head(scan.CBORMap, w.count(p, fields))
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
		w.b = append(w.b, scan.CBORSimple<<5|scan.CBORFalse)
		if *p.boolean() {
			w.b[len(w.b)-1]++
		}
	case model.Int32:
		w.integer(int64(*p.i32()))
	case model.Int64:
		w.integer(*p.i64())
	case model.Float32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, scan.CBORSimple<<5|26), math.Float32bits(*p.f32()))
	case model.Float64:
		w.float(*p.f64())
	case model.Time:
		w.head(scan.CBORTag, 1)
		if ms := p.time().UnixMilli(); w.millis {
			w.integer(ms)
		} else if ms%1000 == 0 {
			w.integer(ms / 1000)
		} else {
			w.float(float64(ms) / 1000)
		}
	case model.Blob:
		w.head(scan.CBORBytes, uint64(p.length()))
		w.b = append(w.b, *p.blob()...)
	case model.Structure:
		w.structure(p, n.st.fields)
	case model.List:
		w.head(scan.CBORArray, uint64(p.length()))
		for i := range p.length() {
			w.entry(n.elem, p.item(i, n.elem.size))
		}
	case model.Map:
		w.head(scan.CBORMap, uint64(n.entries(p)))
		n.ordered(p, func(_ int, key string, elem place) {
			w.text(key)
			w.entry(n.elem, elem)
		})
	case model.Document:
		w.document(*p.document())
	default:
		w.b = append(w.b, scan.CBORSimple<<5|scan.CBORNull)
	}
}

// entry writes an element of a list or map, null where it is absent.
func (w *cborWriter) entry(n *node, p place) {
	at, ok := n.find(p)
	switch {
	case ok:
		w.value(n, at)
	case n.form == model.Plain && n.kind == model.List:
		w.head(scan.CBORArray, 0)
	case n.form == model.Plain && n.kind == model.Map:
		w.head(scan.CBORMap, 0)
	case n.form == model.Plain && n.kind == model.Blob:
		w.head(scan.CBORBytes, 0)
	default:
		w.b = append(w.b, scan.CBORSimple<<5|scan.CBORNull)
	}
}

func (w *cborWriter) document(v any) {
	switch v := v.(type) {
	case bool:
		w.b = append(w.b, scan.CBORSimple<<5|scan.CBORFalse)
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
		w.head(scan.CBORArray, uint64(len(v)))
		for _, e := range v {
			w.document(e)
		}
	case map[string]any:
		w.head(scan.CBORMap, uint64(len(v)))
		for _, k := range sortedNames(v) {
			w.text(k)
			w.document(v[k])
		}
	case nil:
		w.b = append(w.b, scan.CBORSimple<<5|scan.CBORNull)
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
	w.head(scan.CBORMap, n)
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
		body = []byte{scan.CBORMap << 5}
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
	ok := fn(r) && (r.I == len(r.S) || r.Fail(""))
	why := r.Why
	found.take(&r.trail)
	r.reader.begin("")
	r.asIs = false
	m.w.memory.cbors.Put(r)
	if !ok {
		return serialization.New("%s", why)
	}
	return nil
}
