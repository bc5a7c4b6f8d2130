package wire

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/model"
)

// node is the plan of a value in a place: what it is, where its parts lie, and what it is called in each protocol.
type node struct {
	kind   model.Kind
	form   model.Form
	typ    reflect.Type // of the value itself, without Opt or pointer
	place  reflect.Type // of what lies in the place
	size   uintptr      // of place
	set    uintptr      // Optional: where aws.Opt has its mark
	schema *model.Value
	st     *structure // Structure

	elem    *node   // List, Map
	stride  uintptr // from one element of the slice to the next, of a List or of a Map of pairs
	value   uintptr // where a pair has its value
	pairs   bool    // a Map held as a slice of pairs
	arrays  [len(arrayCaps)]reflect.Type
	keyType reflect.Type
	texts   bool // a map of plain texts to plain texts
	pool    sync.Pool

	checked bool // it, or something inside it, has a constraint
}

// field is the plan of a structure's member.
type field struct {
	*node
	*model.Field
	json   string // `"name":`
	query  string // in query requests; ec2's under ec2Query
	lower  string // in the paths of constraint errors
	header string // the canonical name of the header it stands in
	entry  string // query: what follows the name before an entry's number: "" or ".member" or ".entry"
	bit    uint64 // of a required plain scalar: presence cannot be told from its value
}

// structure is the plan of a struct type.
type structure struct {
	*model.Struct
	size     int // of the Go struct
	fields   []*field
	byWire   map[string]int32
	byXML    map[string]int32
	byQuery  map[string]int32
	required uint64 // the bits of the fields that have one
	tokens   []*field
	checked  bool

	body    []*field // REST: what no binding takes out of a request's body
	answer  []*field // REST: the same of an answer, which has neither URI nor query string
	bound   []*field // REST: the rest but the payload
	payload *field
	events  *field // the event stream that it has
	text    *field // XML: what stands in the structure's own element

	queries  map[string]*field // REST: by query parameter
	querymap *field
}

// planner makes the plans of one service.
type planner struct {
	service *model.Service
	ec2     bool

	mu    sync.Mutex
	done  map[reflect.Type]*structure
	fresh []*structure // compiled since the lock was taken
}

// structure is the plan of t.
func (b *planner) structure(t reflect.Type) *structure {
	s := b.service.StructOf(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	if st, ok := b.done[t]; ok {
		return st
	}
	st := b.compile(s)
	for changed := true; changed; { // constraints reach through recursive types
		changed = false
		for _, st := range b.fresh {
			for _, f := range st.fields {
				if c := f.node.constrained() || f.Required || st.Union; c && !st.checked {
					st.checked, changed = true, true
				}
			}
		}
	}
	b.fresh = nil
	return st
}

// constrained reports whether n has a constraint anywhere, and remembers it for all that n is made of.
func (n *node) constrained() bool {
	limited := func(v *model.Value) bool { return v.Min.Set || v.Max.Set || v.Pattern != nil || v.Enum != nil }
	inside := n.elem != nil && n.elem.constrained()
	n.checked = inside || limited(n.schema) || n.schema.Key != nil && limited(n.schema.Key) || n.st != nil && n.st.checked
	return n.checked
}

func (b *planner) compile(s *model.Struct) *structure {
	if st, ok := b.done[s.Go]; ok {
		return st
	}
	st := &structure{Struct: s, size: int(s.Go.Size()), byWire: map[string]int32{}, byXML: map[string]int32{}, byQuery: map[string]int32{}}
	if b.done == nil {
		b.done = map[reflect.Type]*structure{}
	}
	b.done[s.Go] = st
	b.fresh = append(b.fresh, st)
	bits := 0
	for i := range s.Fields {
		m := &s.Fields[i]
		f := &field{Field: m, node: b.node(&m.Value, s.Go.Field(m.Index).Type), json: quoted(m.Wire) + ":", lower: lowerFirst(m.Name)}
		f.query = m.Query
		if f.query == "" {
			if f.query = m.XML; b.ec2 {
				f.query = upperFirst(f.query)
			}
		}
		if !f.Flat && !b.ec2 {
			switch f.kind {
			case model.List:
				f.entry = "." + f.itemName("member")
			case model.Map:
				f.entry = ".entry"
			}
		}
		if f.Required && f.form == model.Plain && plainScalar(f.kind) && bits < 64 {
			f.bit = 1 << bits
			bits++
			st.required |= f.bit
		}
		if f.Idempotency && f.kind == model.String {
			st.tokens = append(st.tokens, f)
		}
		st.fields = append(st.fields, f)
		first(st.byWire, m.Wire, i)
		first(st.byXML, m.XML, i)
		first(st.byQuery, f.query, i)
		if m.At == model.URI || m.At == model.QueryString { // in an answer, which has neither, it stands in the body by that name
			first(st.byWire, m.AtName, i)
			first(st.byXML, m.AtName, i)
		}
		if f.Text {
			st.text = f
		}
		if f.kind == model.EventStream {
			st.events = f
		}
		switch f.At {
		case model.Payload:
			st.payload = f
		case model.Body:
			st.body = append(st.body, f)
		default:
			st.bound = append(st.bound, f)
		}
		switch f.At {
		case model.Body, model.URI, model.QueryString, model.QueryMap:
			st.answer = append(st.answer, f)
		}
		switch f.At {
		case model.Header:
			f.header = http.CanonicalHeaderKey(f.AtName)
		case model.QueryString:
			if st.queries == nil {
				st.queries = map[string]*field{}
			}
			st.queries[f.AtName] = f
		case model.QueryMap:
			st.querymap = f
		}
	}
	for i, f := range st.fields {
		first(st.byQuery, f.Wire, i) // what Java calls some members that the protocol calls otherwise: Tags for SQS's Tag
	}
	return st
}

// first notes that the i-th field has the name. Where two have it, the first is meant.
func first(m map[string]int32, name string, i int) {
	if _, ok := m[name]; !ok {
		m[name] = int32(i)
	}
}

func (b *planner) node(v *model.Value, t reflect.Type) *node {
	n := &node{kind: v.Kind, form: v.Form, typ: v.Go, place: t, size: t.Size(), schema: v}
	if v.Form == model.Optional {
		n.set = t.Field(1).Offset
	}
	switch v.Kind {
	case model.Structure, model.EventStream:
		n.st = b.compile(v.Struct)
	case model.List:
		n.elem = b.node(v.Elem, t.Elem())
		n.stride = t.Elem().Size()
		for i, c := range arrayCaps {
			n.arrays[i] = reflect.ArrayOf(c, t.Elem())
		}
	case model.Map:
		if v.Pairs {
			pair := t.Elem()
			n.pairs, n.stride, n.value = true, pair.Size(), pair.Field(1).Offset
			n.elem = b.node(v.Elem, pair.Field(1).Type)
			for i, c := range arrayCaps {
				n.arrays[i] = reflect.ArrayOf(c, pair)
			}
			break
		}
		n.elem = b.node(v.Elem, t.Elem())
		n.keyType = t.Key()
		n.texts = n.elem.kind == model.String && n.elem.form == model.Plain
	}
	return n
}

// itemName is what a list's entries are called, def where the model says nothing.
func (n *node) itemName(def string) string {
	if n.schema.Item != "" {
		return n.schema.Item
	}
	return def
}

func plainScalar(k model.Kind) bool {
	switch k {
	case model.Blob, model.List, model.Map, model.Structure, model.Stream, model.Document, model.EventStream:
		return false
	}
	return true
}

// quoted is name as a JSON string.
func quoted(name string) string { return strconv.Quote(name) }

// lowerFirst is how Coral names a member in the path of a constraint error.
func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
