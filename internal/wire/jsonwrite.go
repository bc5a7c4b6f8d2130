package wire

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/scan"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

// jsonWriter encodes places as JSON.
type jsonWriter struct {
	b []byte
}

// structure writes the structure at p; of its members only fields.
func (w *jsonWriter) structure(p place, fields []*field) {
	w.b = append(w.b, '{')
	w.members(p, fields)
	w.b = append(w.b, '}')
}

func (w *jsonWriter) members(p place, fields []*field) {
	for _, f := range fields {
		at, ok := f.find(p.at(f.Offset))
		if !ok {
			continue
		}
		if c := w.b[len(w.b)-1]; c != '{' {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, f.json...)
		w.value(f.node, at)
	}
}

// value writes what lies at p.
func (w *jsonWriter) value(n *node, p place) {
	switch n.kind {
	case model.String:
		w.b = scan.AppendString(w.b, *p.str())
	case model.Structure:
		w.structure(p, n.st.fields)
	case model.List:
		w.b = append(w.b, '[')
		for i := range p.length() {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.entry(n.elem, p.item(i, n.elem.size))
		}
		w.b = append(w.b, ']')
	case model.Map:
		w.mapping(n, p)
	case model.Blob:
		w.b = append(w.b, '"')
		w.b = base64.StdEncoding.AppendEncode(w.b, *p.blob())
		w.b = append(w.b, '"')
	case model.Document:
		w.document(*p.document())
	case model.Float32:
		w.float(float64(*p.f32()), 32)
	case model.Float64:
		w.float(*p.f64(), 64)
	case model.Time:
		if n.schema.Time == model.ProtocolTime || n.schema.Time == model.Unix {
			w.b = timestamp.Append(w.b, *p.time(), model.Unix, model.Unix)
			return
		}
		w.b = append(w.b, '"')
		w.b = timestamp.Append(w.b, *p.time(), n.schema.Time, model.Unix)
		w.b = append(w.b, '"')
	default:
		w.b = n.appendScalar(w.b, p, model.Unix)
	}
}

// entry writes an element of a list or map, null where it is absent.
func (w *jsonWriter) entry(n *node, p place) {
	if at, ok := n.find(p); ok {
		w.value(n, at)
		return
	}
	switch {
	case n.form == model.Plain && (n.kind == model.List || n.kind == model.Blob):
		w.value(n, p) // an element that is an empty list, written by a service as nil
	case n.form == model.Plain && n.kind == model.Map: // the same of a map
		w.b = append(w.b, "{}"...)
	default:
		w.b = append(w.b, "null"...)
	}
}

func (w *jsonWriter) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.b = append(w.b, '"')
		w.b = appendFloat(w.b, f, bits)
		w.b = append(w.b, '"')
		return
	}
	w.b = appendFloat(w.b, f, bits)
}

func (w *jsonWriter) mapping(n *node, p place) {
	w.b = append(w.b, '{')
	if n.texts {
		m := *p.texts()
		var few [16]string
		for i, k := range sortedKeys(few[:0], m) {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = scan.AppendString(w.b, k)
			w.b = append(w.b, ':')
			w.b = scan.AppendString(w.b, m[k])
		}
	} else {
		n.ordered(p, func(i int, key string, elem place) {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = scan.AppendString(w.b, key)
			w.b = append(w.b, ':')
			w.entry(n.elem, elem)
		})
	}
	w.b = append(w.b, '}')
}

// sortedKeys are m's keys in order: what is answered must not differ from run to run.
func sortedKeys(few []string, m map[string]string) []string {
	for k := range m {
		few = append(few, k)
	}
	slices.Sort(few)
	return few
}

func sortedNames(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// document writes a value as encoding/json has it.
func (w *jsonWriter) document(v any) {
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case string:
		w.b = scan.AppendString(w.b, v)
	case float64:
		w.float(v, 64)
	case int:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	case int64:
		w.b = strconv.AppendInt(w.b, v, 10)
	case []any:
		w.b = append(w.b, '[')
		for i, e := range v {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.document(e)
		}
		w.b = append(w.b, ']')
	case map[string]any:
		w.b = append(w.b, '{')
		for i, k := range sortedNames(v) {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = scan.AppendString(w.b, k)
			w.b = append(w.b, ':')
			w.document(v[k])
		}
		w.b = append(w.b, '}')
	default:
		panic(fmt.Sprintf("wire: a document with a %T in it", v)) // the contract names what a document is made of
	}
}
