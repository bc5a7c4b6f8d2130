package wire

import (
	"cmp"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/scan"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// AWS's services of the query protocol answer in JSON where they are asked to: API Gateway's integrations do, and whoever checks an
// identity with a signed GetCallerIdentity. Nothing describes that form but its answers. Members are sorted by name, those that are absent
// are null, lists are lists, and times are seconds, whatever the model says. The requests are those of the query protocol.

// prefersJSON reports whether a query request wants its answer as JSON: by an Accept header that names it before XML and
// before anything, or by the parameter of old clients.
func prefersJSON(accept, params string) bool {
	asked := strings.Contains(params, "ContentType=JSON") && uri.FormValue(params, "ContentType") == "JSON"
	if accept == "" {
		return asked
	}
	for kind := range strings.SplitSeq(accept, ",") {
		kind, _, _ = strings.Cut(kind, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/json":
			return true
		case "text/xml", "application/xml", "text/*", "application/*", "*/*":
			return asked
		}
	}
	return asked
}

// oldName is what a member is called in query answers that are JSON, and what stands there where it is absent.
type oldName struct{ name, absent string }

// queryJSON writes the answers.
type queryJSON struct {
	jsonWriter
	old map[string]oldName
}

// member is one of an object's, written already.
type member struct {
	name string
	text []byte
}

func (w *queryJSON) members(p place, fields []*field) []member {
	list := make([]member, 0, len(fields))
	for _, f := range fields {
		m, absent := member{name: f.Wire}, "null"
		if old, ok := w.old[f.Wire]; ok {
			m.name, absent = old.name, old.absent
		}
		if at, ok := f.find(p.at(f.Offset)); ok {
			inner := queryJSON{old: w.old}
			inner.value(f.node, at)
			m.text = inner.b
		} else {
			m.text = []byte(absent)
		}
		list = append(list, m)
	}
	return list
}

// object writes members in the order of their names.
func (w *queryJSON) object(list []member) {
	slices.SortStableFunc(list, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	w.b = append(w.b, '{')
	for i, m := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = scan.AppendString(w.b, m.name)
		w.b = append(w.b, ':')
		w.b = append(w.b, m.text...)
	}
	w.b = append(w.b, '}')
}

func (w *queryJSON) value(n *node, p place) {
	switch n.kind {
	case model.Structure:
		w.object(w.members(p, n.st.fields))
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
	case model.Time:
		w.b = timestamp.Append(w.b, *p.time(), model.Unix, model.Unix)
	default:
		w.jsonWriter.value(n, p)
	}
}

// entry writes an element of a list or map, null where it is absent.
func (w *queryJSON) entry(n *node, p place) {
	if at, ok := n.find(p); ok {
		w.value(n, at)
		return
	}
	w.b = append(w.b, "null"...)
}

// mapping writes a map as an object. One that is flat in XML is a list of keys and values here too.
func (w *queryJSON) mapping(n *node, p place) {
	begin, end := byte('{'), byte('}')
	if n.schema.Flat {
		begin, end = '[', ']'
	}
	w.b = append(w.b, begin)
	n.ordered(p, func(i int, key string, elem place) {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if !n.schema.Flat {
			w.b = scan.AppendString(w.b, key)
			w.b = append(w.b, ':')
			w.entry(n.elem, elem)
			return
		}
		inner := queryJSON{old: w.old}
		inner.entry(n.elem, elem)
		w.object([]member{{n.schema.KeyName, scan.AppendString(nil, key)}, {n.schema.ValueName, inner.b}})
	})
	w.b = append(w.b, end)
}

// enclosed is an object of members, as a member of that name.
func (w *queryJSON) enclosed(name string, list []member) member {
	inner := queryJSON{}
	inner.object(list)
	return member{name, inner.b}
}

// output writes the output at p.
func (w *queryJSON) output(m *Match, reqID string, p place) {
	list := w.members(p, m.op.out.fields)
	if name := m.Operation.ResultWrapper; name != "" {
		list = []member{w.enclosed(name, list)}
	}
	list = append(list, w.enclosed("ResponseMetadata", []member{{"RequestId", scan.AppendString(nil, reqID)}}))
	w.object([]member{w.enclosed(m.Operation.Name+"Response", list)})
}

// error writes an error with its members, which lie at p.
func (w *queryJSON) error(e *aws.Error, reqID string, p place, fields []*field) {
	list := append(w.members(p, fields),
		member{"Code", scan.AppendString(nil, e.WireCode())}, member{"Message", scan.AppendString(nil, e.Message)}, member{"Type", scan.AppendString(nil, fault(e))})
	w.object([]member{w.enclosed("Error", list), {"RequestId", scan.AppendString(nil, reqID)}})
}
