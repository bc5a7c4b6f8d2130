package wire

import (
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// queryReader decodes the parameters of the query protocols. They are sorted once, so that everything below one member stands
// together, whatever order the client sent it in.
type queryReader struct {
	reader
	params []uri.Param
}

// sort brings the parameters into order. Of those with one name the first counts.
func (r *queryReader) sort() {
	if !slices.IsSortedFunc(r.params, compareParams) {
		slices.SortStableFunc(r.params, compareParams)
	}
}

func compareParams(a, b uri.Param) int { return strings.Compare(a.Key, b.Key) }

// segment is the part of the i-th name that begins at off.
func (r *queryReader) segment(i, off int) string {
	key := r.params[i].Key
	if off >= len(key) {
		return ""
	}
	seg, _, _ := strings.Cut(key[off:], ".")
	return seg
}

// group is how far the parameters from lo on share the segment at off.
func (r *queryReader) group(lo, hi, off int, seg string) int {
	end := off + len(seg)
	for i := lo + 1; i < hi; i++ {
		key := r.params[i].Key
		if len(key) < end || key[off:end] != seg || len(key) > end && key[end] != '.' {
			return i
		}
	}
	return hi
}

// structure decodes the parameters lo to hi into the structure at p. Their names begin with what leads to it, off bytes long.
func (r *queryReader) structure(st *structure, p place, lo, hi, off int) bool {
	if !r.trail.in() {
		return r.Fail("")
	}
	var seen uint64
	for lo < hi {
		seg := r.segment(lo, off)
		end := r.group(lo, hi, off, seg)
		if i, ok := st.byQuery[seg]; ok {
			f := st.fields[i]
			r.trail.field(f)
			if !r.value(f.node, p.at(f.Offset), lo, end, off+len(seg)) {
				return false
			}
			seen |= f.bit
		}
		lo = end
	}
	if seen&st.required != st.required {
		r.trail.lack(st, st.required&^seen)
	}
	r.trail.out()
	return true
}

// value decodes the parameters lo to hi, whose first off bytes name it, into the place of n at p.
func (r *queryReader) value(n *node, p place, lo, hi, off int) bool {
	switch n.kind {
	case model.Structure:
		if n.form == model.Pointer && !r.trail.take(n.st.size) {
			return r.Fail("")
		}
		at := n.present(p)
		if len(r.params[lo].Key) == off {
			lo++ // "Foo=": an empty structure
		}
		return lo == hi && n.st.required == 0 || r.structure(n.st, at, lo, hi, off+1)
	case model.List:
		return r.list(n, p, lo, hi, off)
	case model.Map:
		return r.mapping(n, p, lo, hi, off)
	}
	if len(r.params[lo].Key) != off {
		return true // a scalar with something below it: no member has that name
	}
	v := r.params[lo].Value
	if !n.parseScalar(p, v, model.ISO8601) {
		return r.Fail(v)
	}
	return true
}

// numbered is an entry of a list or map: its number, and the parameters below it.
type numbered struct{ n, lo, hi, off int }

// entries finds the entries in the parameters lo to hi: "Foo.1", "Foo.member.1", "Foo.entry.1".
func (r *queryReader) entries(list []numbered, lo, hi, off int) []numbered {
	for lo < hi {
		at := off + 1
		seg := r.segment(lo, at)
		n := number(seg)
		if n < 0 { // the name the model gives to entries; whichever
			at += len(seg) + 1
			seg = r.segment(lo, at)
			n = number(seg)
		}
		if n < 0 {
			lo++
			continue
		}
		end := r.group(lo, hi, at, seg)
		list = append(list, numbered{n, lo, end, at + len(seg)})
		lo = end
	}
	slices.SortStableFunc(list, func(a, b numbered) int { return a.n - b.n })
	return list
}

// number is the number that s is, -1 where it is none.
func number(s string) int {
	if s == "" || len(s) > 6 {
		return -1
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func (r *queryReader) list(n *node, p place, lo, hi, off int) bool {
	if !r.trail.in() {
		return r.Fail("")
	}
	n.empty(p)
	if len(r.params[lo].Key) == off { // "Foo=": an empty list; "Foo=x": a list of one
		if r.params[lo].Value != "" && plainScalar(n.elem.kind) {
			r.trail.index(1)
			if !r.value(n.elem, n.push(p), lo, lo+1, off) {
				return false
			}
		}
		lo++
	}
	var few [16]numbered
	for i, e := range r.entries(few[:0], lo, hi, off) {
		if !r.trail.take(int(n.stride)) {
			return r.Fail("")
		}
		r.trail.index(i + 1)
		if !r.value(n.elem, n.push(p), e.lo, e.hi, e.off) {
			return false
		}
	}
	r.trail.out()
	return true
}

func (r *queryReader) mapping(n *node, p place, lo, hi, off int) bool {
	if !r.trail.in() {
		return r.Fail("")
	}
	w := n.openMap(p)
	defer w.close()
	if len(r.params[lo].Key) == off {
		lo++
	}
	var few [16]numbered
	for _, e := range r.entries(few[:0], lo, hi, off) {
		if !r.trail.take(int(n.elem.size) + perEntry) {
			return r.Fail("")
		}
		key, from, to := "", 0, 0
		for i := e.lo; i < e.hi; {
			seg := r.segment(i, e.off+1)
			end := r.group(i, e.hi, e.off+1, seg)
			switch seg {
			case n.schema.KeyName:
				key = r.params[i].Value
			case n.schema.ValueName:
				from, to = i, end
			}
			i = end
		}
		r.trail.key(key)
		if n.texts {
			v := ""
			if from < to {
				v = r.params[from].Value
			}
			w.texts[key] = v
			continue
		}
		at := w.lend()
		if from < to && !r.value(n.elem, at, from, to, e.off+1+len(n.schema.ValueName)) {
			return false
		}
		w.put(&r.name, key)
	}
	r.trail.out()
	return true
}
