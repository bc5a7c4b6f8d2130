package wire

import (
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/xmltext"
)

// xmlWriter encodes places as XML: the answers of the query protocols, and the bodies of restXml.
type xmlWriter struct {
	b     []byte
	entry string           // what a list's entries are called where the model says nothing
	time  model.TimeFormat // of timestamps where the model says nothing
}

func (w *xmlWriter) open(name string) {
	w.b = append(w.b, '<')
	w.b = append(w.b, name...)
	w.b = append(w.b, '>')
}

func (w *xmlWriter) close(name string) {
	w.b = append(w.b, '<', '/')
	w.b = append(w.b, name...)
	w.b = append(w.b, '>')
}

// element writes a whole element with a text in it.
func (w *xmlWriter) element(name, text string) {
	w.open(name)
	w.b = xmltext.Append(w.b, text)
	w.close(name)
}

// begin opens the element of a structure or member, with its namespace, and with the attributes of the structure at p.
func (w *xmlWriter) begin(name, ns, prefix string, st *structure, p place) {
	w.b = append(w.b, '<')
	w.b = append(w.b, name...)
	if ns != "" {
		w.b = append(w.b, ` xmlns`...)
		if prefix != "" {
			w.b = append(w.b, ':')
			w.b = append(w.b, prefix...)
		}
		w.b = append(w.b, `="`...)
		w.b = xmltext.Append(w.b, ns)
		w.b = append(w.b, '"')
	}
	if st != nil {
		for _, f := range st.fields {
			if !f.Attr {
				continue
			}
			if at, ok := f.find(p.at(f.Offset)); ok {
				w.b = append(w.b, ' ')
				w.b = append(w.b, f.XML...)
				w.b = append(w.b, `="`...)
				w.scalar(f.node, at)
				w.b = append(w.b, '"')
			}
		}
	}
	w.b = append(w.b, '>')
}

// members writes the members of the structure at p, of them only fields.
func (w *xmlWriter) members(p place, fields []*field) {
	for _, f := range fields {
		if f.Attr {
			continue
		}
		if at, ok := f.find(p.at(f.Offset)); ok && f.Text {
			w.scalar(f.node, at)
		} else if ok {
			w.member(f.node, at, f.XML, f.Namespace, f.Prefix)
		}
	}
}

// member writes what lies at p as elements of that name.
func (w *xmlWriter) member(n *node, p place, name, ns, prefix string) {
	switch n.kind {
	case model.Structure:
		w.begin(name, ns, prefix, n.st, p)
		w.members(p, n.st.fields)
		w.close(name)
	case model.List:
		if n.schema.Flat {
			w.list(n, p, name)
			return
		}
		w.begin(name, ns, prefix, nil, p)
		w.list(n, p, n.itemName(w.entry))
		w.close(name)
	case model.Map:
		if n.schema.Flat {
			w.mapping(n, p, name)
			return
		}
		w.begin(name, ns, prefix, nil, p)
		w.mapping(n, p, "entry")
		w.close(name)
	default:
		w.begin(name, ns, prefix, nil, p)
		w.scalar(n, p)
		w.close(name)
	}
}

func (w *xmlWriter) list(n *node, p place, name string) {
	for i := range p.length() {
		if at, ok := n.elem.find(p.item(i, n.elem.size)); ok {
			w.member(n.elem, at, name, "", "")
		} else {
			w.open(name)
			w.close(name)
		}
	}
}

func (w *xmlWriter) mapping(n *node, p place, name string) {
	n.ordered(p, func(_ int, key string, elem place) {
		w.open(name)
		w.element(n.schema.KeyName, key)
		if at, ok := n.elem.find(elem); ok {
			w.member(n.elem, at, n.schema.ValueName, "", "")
		}
		w.close(name)
	})
}

func (w *xmlWriter) scalar(n *node, p place) {
	if n.kind == model.String {
		w.b = xmltext.Append(w.b, *p.str())
		return
	}
	w.b = n.appendScalar(w.b, p, w.time)
}
