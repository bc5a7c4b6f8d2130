package wire

import (
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/obidos-cloud/obidos/internal/model"
)

// This file is all that touches memory by offset. A place is where a value of a contract's type lies; what its type is says the
// node that comes with it. Every write goes through a typed pointer, so the collector's barriers hold.

// place is the address of a value.
type place struct{ p unsafe.Pointer }

// pair is what lies in an interface value.
type pair struct{ typ, data unsafe.Pointer }

// slice is what lies in a slice.
type slice struct {
	data unsafe.Pointer
	n, c int
}

// placeOf is where the value lies that the pointer in v points to.
func placeOf(v any) place { return place{(*pair)(unsafe.Pointer(&v)).data} }

func (p place) at(off uintptr) place { return place{unsafe.Add(p.p, off)} }
func (p place) str() *string         { return (*string)(p.p) }
func (p place) boolean() *bool       { return (*bool)(p.p) }
func (p place) i32() *int32          { return (*int32)(p.p) }
func (p place) i64() *int64          { return (*int64)(p.p) }
func (p place) f32() *float32        { return (*float32)(p.p) }
func (p place) f64() *float64        { return (*float64)(p.p) }
func (p place) time() *time.Time     { return (*time.Time)(p.p) }
func (p place) blob() *[]byte        { return (*[]byte)(p.p) }
func (p place) document() *any       { return (*any)(p.p) }
func (p place) reader() *io.Reader   { return (*io.Reader)(p.p) }
func (p place) texts() *map[string]string {
	return (*map[string]string)(p.p)
}

// events are those of the aws.Events that lies there, whatever it is of.
func (p place) events() *iter.Seq2[any, error] { return (*iter.Seq2[any, error])(p.p) }

// isNil reports whether the pointer, slice or map that lies there is nil. Interfaces are document or reader.
func (p place) isNil() bool { return *(*unsafe.Pointer)(p.p) == nil }

// behind is where the pointer that lies there points to.
func (p place) behind() place { return place{*(*unsafe.Pointer)(p.p)} }

// length is that of the slice that lies there.
func (p place) length() int { return (*slice)(p.p).n }

// item is the place of the i-th element of the slice that lies there.
func (p place) item(i int, size uintptr) place {
	return place{unsafe.Add((*slice)(p.p).data, uintptr(i)*size)}
}

// value is what lies there, as reflection sees it.
func (p place) value(t reflect.Type) reflect.Value { return reflect.NewAt(t, p.p).Elem() }

// present makes the value of n at p be there, and is the place of the value itself: it marks an optional one as set and makes what
// a pointer points to.
func (n *node) present(p place) place {
	switch n.form {
	case model.Optional:
		*p.at(n.set).boolean() = true
	case model.Pointer:
		if v := (*unsafe.Pointer)(p.p); *v == nil {
			*v = reflect.New(n.typ).UnsafePointer()
		}
		return p.behind()
	}
	return p
}

// find is the place of the value of n at p, and whether it is there. A plain scalar always is.
func (n *node) find(p place) (place, bool) {
	switch n.form {
	case model.Optional:
		return p, *p.at(n.set).boolean()
	case model.Pointer:
		return p.behind(), !p.isNil()
	}
	switch n.kind {
	case model.Blob, model.List, model.Map:
		return p, !p.isNil()
	case model.Document:
		return p, *p.document() != nil
	case model.Stream:
		return p, *p.reader() != nil
	case model.EventStream: // it is no part of what is written at once
		return p, false
	}
	return p, true
}

// empty makes the blob or list at p present with nothing in it.
func (n *node) empty(p place) {
	if p.isNil() {
		(*slice)(p.p).data = unsafe.Pointer(&nothing)
	}
}

// renew makes the list at p present and empty, whatever it held: a member sent twice counts as it was sent last.
func (n *node) renew(p place) { *(*slice)(p.p) = slice{data: unsafe.Pointer(&nothing)} }

// nothing is what empty slices point to.
var nothing struct{ _ [0]byte }

// arrayCaps are the capacities a list grows through while it is short; each is an array type, so that growing is one allocation.
var arrayCaps = [...]int{2, 6, 16, 48, 128}

// push lengthens the list of n at p by a zero element, and is its place.
func (n *node) push(p place) place {
	s := (*slice)(p.p)
	if s.n == s.c {
		n.grow(p)
	}
	s.n++
	return place{unsafe.Add(s.data, uintptr(s.n-1)*n.stride)}
}

func (n *node) grow(p place) {
	s := (*slice)(p.p)
	for i, c := range arrayCaps {
		if c > s.n {
			array := reflect.New(n.arrays[i])
			if s.n > 0 {
				reflect.Copy(array.Elem(), reflect.NewAt(n.typ, p.p).Elem())
			}
			*s = slice{array.UnsafePointer(), s.n, c}
			return
		}
	}
	v := reflect.NewAt(n.typ, p.p).Elem()
	v.Grow(s.n) // doubles
}

// mapWriter fills one map. The element it lends is written to the map with put.
type mapWriter struct {
	n     *node
	pairs place // where the slice lies
	last  place // the pair that was lent
	m     reflect.Value
	texts map[string]string
	elem  reflect.Value // addressable, of the map's element type
}

// openMap makes the map of n at p be there.
func (n *node) openMap(p place) mapWriter {
	w := mapWriter{n: n}
	if n.pairs {
		w.pairs = p
		n.empty(p)
		return w
	}
	if n.texts {
		m := p.texts()
		if *m == nil {
			*m = map[string]string{}
		}
		w.texts = *m
		return w
	}
	v := reflect.NewAt(n.typ, p.p).Elem()
	if v.IsNil() {
		v.Set(reflect.MakeMap(n.typ))
	}
	w.m = v
	w.elem = n.scratch()
	return w
}

// lend is the place to write the next element to. Not for maps of texts.
func (w *mapWriter) lend() place {
	if w.n.pairs {
		w.last = w.n.push(w.pairs)
		return w.last.at(w.n.value)
	}
	w.elem.SetZero()
	return place{w.elem.Addr().UnsafePointer()}
}

// put sets key to the element that was lent. name is memory of the caller's that the key passes through.
func (w *mapWriter) put(name *string, key string) {
	if w.n.pairs {
		*w.last.str() = key
		return
	}
	*name = key
	w.m.SetMapIndex(reflect.NewAt(w.n.keyType, unsafe.Pointer(name)).Elem(), w.elem)
}

// close gives back what the writer borrowed.
func (w *mapWriter) close() {
	if w.elem.IsValid() {
		w.n.giveBack(w.elem)
	}
}

// scratch is a value of the map's element type to work with.
func (n *node) scratch() reflect.Value {
	if v, ok := n.pool.Get().(*reflect.Value); ok {
		return *v
	}
	return reflect.New(n.elem.place).Elem()
}

func (n *node) giveBack(v reflect.Value) {
	v.SetZero()
	n.pool.Put(&v)
}

// ordered calls fn with the entries of the map of n at p in the order of their keys: what is answered must not differ from run to
// run. The place is good until fn returns.
func (n *node) ordered(p place, fn func(i int, key string, elem place)) {
	if n.pairs {
		for i := range p.length() {
			pair := p.item(i, n.stride)
			fn(i, *pair.str(), pair.at(n.value))
		}
		return
	}
	if n.texts {
		m := *p.texts()
		var few [16]string
		for i, k := range sortedKeys(few[:0], m) {
			v := m[k]
			fn(i, k, place{unsafe.Pointer(&v)})
		}
		return
	}
	m := reflect.NewAt(n.typ, p.p).Elem()
	elems := reflect.MakeSlice(reflect.SliceOf(n.elem.place), m.Len(), m.Len())
	type entry struct {
		key string
		i   int
	}
	entries := make([]entry, 0, m.Len())
	key := reflect.New(n.keyType).Elem()
	for it := m.MapRange(); it.Next(); {
		key.SetIterKey(it)
		elems.Index(len(entries)).SetIterValue(it)
		entries = append(entries, entry{key.String(), len(entries)})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for i, e := range entries {
		fn(i, e.key, place{unsafe.Add(elems.UnsafePointer(), uintptr(e.i)*n.elem.size)})
	}
}

// entries is how many the map of n at p has.
func (n *node) entries(p place) int {
	if n.pairs {
		return p.length()
	}
	if n.texts {
		return len(*p.texts())
	}
	return reflect.NewAt(n.typ, p.p).Elem().Len()
}
