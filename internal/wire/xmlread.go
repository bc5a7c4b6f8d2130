package wire

import (
	"slices"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/xmltext"
)

// xmlReader decodes XML into places: the bodies of restXml, and the answers of the query protocols.
type xmlReader struct {
	reader
	xmltext.Scanner
}

const malformedElement = "" // AWS's texts differ by service; it is the code that clients know

// structure decodes the element of that name, which is open, into the structure at p; of its members only fields where it is given.
func (r *xmlReader) structure(st *structure, p place, name string, fields []*field) bool {
	if !r.trail.in() {
		return r.Fail(malformedElement)
	}
	var seen uint64
	part := r.part
	r.part = false
	for _, a := range r.Attributes {
		for _, f := range st.fields {
			if f.Attr && (f.XML == a.Name || xmltext.Local(f.XML) == xmltext.Local(a.Name)) {
				if !f.parseScalar(p.at(f.Offset), a.Value, model.ISO8601) {
					return r.Fail(a.Value)
				}
				seen |= f.bit
				break
			}
		}
	}
	if st.text != nil {
		f := st.text
		s, ok := r.Text(name)
		if !ok || !f.parseScalar(p.at(f.Offset), s, model.ISO8601) {
			return r.Fail(s)
		}
		seen |= f.bit
	} else if r.Closed {
		r.Closed = false
	} else {
		for {
			child, ok := r.Next(name)
			if !ok {
				if r.Failed() {
					return false
				}
				break
			}
			i, ok := st.byXML[child]
			if !ok {
				i, ok = st.byXML[xmltext.Local(child)]
			}
			if !ok || st.fields[i].Attr || fields != nil && !slices.Contains(fields, st.fields[i]) {
				if !r.Skip(child, maxDepth-r.trail.depth) {
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
		if n.form == model.Pointer && !r.trail.take(n.st.size) {
			return r.Fail(malformedElement)
		}
		return r.structure(n.st, n.present(p), name, nil)
	case model.List:
		if member && n.schema.Flat {
			if !r.trail.in() || !r.trail.take(int(n.stride)) {
				return r.Fail(malformedElement)
			}
			r.trail.index(p.length() + 1)
			ok := r.value(n.elem, n.push(p), name, false)
			r.trail.out()
			return ok
		}
		n.empty(p)
		if r.Closed {
			r.Closed = false
			return true
		}
		if !r.trail.in() {
			return r.Fail(malformedElement)
		}
		for {
			child, ok := r.Next(name)
			if !ok {
				r.trail.out()
				return !r.Failed()
			}
			if !r.trail.take(int(n.stride)) {
				return r.Fail(malformedElement)
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
				return r.Fail(malformedElement)
			}
			ok := r.entry(&w, name)
			r.trail.out()
			return ok
		}
		if r.Closed {
			r.Closed = false
			return true
		}
		if !r.trail.in() {
			return r.Fail(malformedElement)
		}
		for {
			child, ok := r.Next(name)
			if !ok {
				r.trail.out()
				return !r.Failed()
			}
			if !r.entry(&w, child) {
				return false
			}
		}
	}
	s, ok := r.Text(name)
	if !ok {
		return false
	}
	if !n.parseScalar(p, s, model.ISO8601) {
		return r.Fail(s)
	}
	return true
}

// entry decodes the element of a map's entry.
func (r *xmlReader) entry(w *mapWriter, name string) bool {
	if r.Closed {
		r.Closed = false
		return true
	}
	if !r.trail.take(int(w.n.elem.size) + perEntry) {
		return r.Fail(malformedElement)
	}
	key, value := "", ""
	var at place
	if !w.n.texts {
		at = w.lend()
	}
	for {
		child, ok := r.Next(name)
		if !ok {
			break
		}
		switch xmltext.Local(child) {
		case w.n.schema.KeyName:
			if key, ok = r.Text(child); !ok {
				return false
			}
			r.trail.key(key)
		case w.n.schema.ValueName:
			if w.n.texts {
				value, ok = r.Text(child)
			} else {
				ok = r.value(w.n.elem, at, child, false)
			}
			if !ok {
				return false
			}
		default:
			if !r.Skip(child, maxDepth-r.trail.depth) {
				return false
			}
		}
	}
	if r.Failed() {
		return false
	}
	if w.n.texts {
		w.texts[key] = value
	} else {
		w.put(&r.name, key)
	}
	return true
}
