package wire

import (
	"math"
	"slices"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/scan"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

const maxDepth = scan.MaxDepth

// reader is what the decoders of bodies share: the text, where they are in it, the path to that place, and what they found wrong.
type reader struct {
	scan.Body
	name  string // a map's key on its way into the map
	trail trail

	part bool   // REST: the outermost structure is in the body only in part
	seen uint64 // bits of the members that the structure decoded last had
}

// jsonReader decodes JSON into places. Texts are parts of the body's own text, copied only where they have escapes.
type jsonReader struct{ reader }

const malformedJSON = "" // AWS says no more than SerializationException

// structure decodes an object into the structure at p.
func (r *jsonReader) structure(st *structure, p place, fields []*field) bool {
	if r.Next() != '{' {
		return r.unexpected("Structure")
	}
	if !r.trail.in() {
		return r.Fail(malformedJSON)
	}
	r.I++
	var seen uint64
	part := r.part
	r.part = false
	guess := 0 // members mostly come in the model's order
	if r.Next() == '}' {
		r.I++
	} else {
		for {
			key, ok := r.Key()
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
			if r.Next() == 'n' && (f == nil || f.kind != model.Document) {
				if !r.Word("null") {
					return false
				}
			} else if f == nil {
				if !r.SkipJSON(r.trail.depth) {
					return false
				}
			} else {
				r.trail.field(f)
				if !r.value(f.node, p.at(f.Offset)) {
					return false
				}
				seen |= f.bit
			}
			if more, ok := r.More('}'); !more {
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
	c := r.Next()
	switch n.kind {
	case model.String:
		if c != '"' {
			return r.unexpected("String")
		}
		s, ok := r.Str()
		*n.present(p).str() = s
		return ok
	case model.Bool:
		switch c {
		case 't':
			*n.present(p).boolean() = true
			return r.Word("true")
		case 'f':
			*n.present(p).boolean() = false
			return r.Word("false")
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
		s, ok := r.Str()
		if !ok {
			return false
		}
		b, ok := fromBase64(s)
		if !ok {
			return r.Fail("\"" + short(s) + "\" can not be converted to Blob") // AWS's words differ by service
		}
		*p.blob() = b
		return true
	case model.List:
		return r.list(n, p)
	case model.Map:
		return r.mapping(n, p)
	case model.Structure:
		if n.form == model.Pointer && !r.trail.take(n.st.size) {
			return r.Fail(malformedJSON)
		}
		return r.structure(n.st, n.present(p), n.st.fields)
	case model.Document:
		v, ok := r.document(r.trail.depth)
		*p.document() = v
		return ok
	}
	return r.SkipJSON(r.trail.depth)
}

func (r *jsonReader) list(n *node, p place) bool {
	if r.Next() != '[' {
		return r.unexpected("List")
	}
	if !r.trail.in() {
		return r.Fail(malformedJSON)
	}
	n.renew(p)
	r.I++
	if r.Next() == ']' {
		r.I++
		r.trail.out()
		return true
	}
	for i := 1; ; i++ {
		if !r.trail.take(int(n.stride)) {
			return r.Fail(malformedJSON)
		}
		r.trail.index(i)
		if r.Next() == 'n' && n.elem.kind != model.Document {
			if !r.Word("null") {
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
		if more, ok := r.More(']'); !more {
			r.trail.out()
			return ok
		}
	}
}

func (r *jsonReader) mapping(n *node, p place) bool {
	if r.Next() != '{' {
		return r.unexpected("Map")
	}
	if !r.trail.in() {
		return r.Fail(malformedJSON)
	}
	w := n.openMap(p)
	defer w.close()
	r.I++
	if r.Next() == '}' {
		r.I++
		r.trail.out()
		return true
	}
	for {
		key, ok := r.Key()
		if !ok {
			return false
		}
		if !r.trail.take(int(n.elem.size) + perEntry) {
			return r.Fail(malformedJSON)
		}
		r.trail.key(key)
		switch c := r.Next(); {
		case c == 'n' && n.elem.kind != model.Document:
			if !r.Word("null") {
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
			s, ok := r.Str()
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
		if more, ok := r.More('}'); !more {
			r.trail.out()
			return ok
		}
	}
}

// unexpected fails with what AWS says of a value of another type than the member has.
func (r *jsonReader) unexpected(want string) bool {
	var found string
	switch c := r.Next(); c {
	case '"':
		found = "STRING_VALUE"
	case 't':
		found = "TRUE_VALUE"
	case 'f':
		found = "FALSE_VALUE"
	case 'n':
		found = "NULL_VALUE"
	case '{':
		return r.Fail("Start of structure or map found where not expected.")
	case '[':
		return r.Fail("Start of list found where not expected")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return r.Fail(malformedJSON)
		}
		found = "NUMBER_VALUE"
	}
	switch want {
	case "List":
		return r.Fail("Expected list or null")
	case "Map", "Structure":
		return r.Fail("Expected map or null")
	}
	return r.Fail(found + " cannot be converted to " + want)
}

func (r *jsonReader) numeric(n *node, p place, c byte) bool {
	var s string
	var ok bool
	if c == '"' {
		if n.kind != model.Float32 && n.kind != model.Float64 {
			return r.unexpected("Integer")
		}
		if s, ok = r.Str(); !ok {
			return false
		}
		switch s {
		case "NaN", "Infinity", "-Infinity":
		default:
			return r.Fail("STRING_VALUE cannot be converted to Double")
		}
	} else {
		if c != '-' && (c < '0' || c > '9') {
			return r.unexpected("Number")
		}
		if s, ok = r.Number(); !ok {
			return false
		}
	}
	if !n.setNumber(n.present(p), s) {
		return r.Fail("NUMBER_VALUE cannot be converted to " + numberName(n.kind))
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
		s, ok = r.Str()
	} else if c == '-' || '0' <= c && c <= '9' {
		s, ok = r.Number()
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
		return r.Fail("STRING_VALUE cannot be converted to Timestamp")
	}
	*n.present(p).time() = t
	return true
}

// document decodes any value as encoding/json would.
func (r *jsonReader) document(depth int) (any, bool) {
	if depth > maxDepth || !r.trail.take(perValue) {
		return nil, r.Fail(malformedJSON)
	}
	switch r.Next() {
	case '"':
		return boxed(r.Str())
	case '{':
		m := map[string]any{}
		ok := r.Object(func(key string) bool {
			v, ok := r.document(depth + 1)
			m[key] = v
			return ok
		})
		return m, ok
	case '[':
		list := []any{}
		ok := r.Array(func() bool {
			v, ok := r.document(depth + 1)
			list = append(list, v)
			return ok
		})
		return list, ok
	case 't':
		return true, r.Word("true")
	case 'f':
		return false, r.Word("false")
	case 'n':
		return nil, r.Word("null")
	}
	s, ok := r.Number()
	if !ok {
		return nil, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, r.Fail(malformedJSON)
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
