package pebble

import (
	"bytes"
	"slices"
	"sort"

	"github.com/obidos-cloud/obidos/internal/store"
)

type kind uint8

const (
	set kind = iota
	erase
	eraseRange // of key ≤ k < value
)

type write struct {
	kind       kind
	key, value []byte
}

// writes is what a transaction has written so far, in order, so that it can read it back. Few writes are searched one by
// one; an index is made for more, and only when something is read.
type writes struct {
	ops     []write
	ranges  []int // the positions of eraseRange in ops
	byKey   []int // the position of the last point write of each key, in the order of keys, of the first indexed ops
	indexed int
}

const fewWrites = 16

func (w *writes) reset() {
	if cap(w.ops) > 4*store.MaxTxnWrites {
		*w = writes{}
		return
	}
	clear(w.ops)
	w.ops, w.ranges, w.byKey, w.indexed = w.ops[:0], w.ranges[:0], w.byKey[:0], 0
}

func (w *writes) add(op write) {
	if op.kind == eraseRange {
		w.ranges = append(w.ranges, len(w.ops))
	}
	w.ops = append(w.ops, op)
}

// find answers what was last written under key: a value, or nil where it was erased; ok is false where nothing was.
func (w *writes) find(key []byte) (found write, ok bool) {
	if len(w.ops) <= fewWrites {
		for i := len(w.ops) - 1; i >= 0; i-- {
			op := &w.ops[i]
			if op.kind == eraseRange {
				if op.covers(key) {
					return write{kind: erase}, true
				}
			} else if bytes.Equal(op.key, key) {
				return op.read(), true
			}
		}
		return write{}, false
	}
	w.index()
	last := -1
	if i, ok := w.search(key); ok {
		last = w.byKey[i]
	}
	if w.erasedAfter(last, len(w.ops), key) {
		return write{kind: erase}, true
	}
	if last < 0 {
		return write{}, false
	}
	return w.ops[last].read(), true
}

// read is op as a reader sees it: a value that is there is never nil.
func (op *write) read() write {
	if op.kind == set && op.value == nil {
		return write{kind: set, value: []byte{}}
	}
	return *op
}

func (op *write) covers(key []byte) bool {
	return bytes.Compare(op.key, key) <= 0 && bytes.Compare(key, op.value) < 0
}

// erasedAfter answers whether one of the ops between after and before erases a range that key is in.
func (w *writes) erasedAfter(after, before int, key []byte) bool {
	for i := len(w.ranges) - 1; i >= 0 && w.ranges[i] > after; i-- {
		if w.ranges[i] < before && w.ops[w.ranges[i]].covers(key) {
			return true
		}
	}
	return false
}

func (w *writes) search(key []byte) (int, bool) {
	return sort.Find(len(w.byKey), func(i int) int { return bytes.Compare(key, w.ops[w.byKey[i]].key) })
}

// index brings byKey up to date.
func (w *writes) index() {
	fresh := len(w.ops) - w.indexed
	if fresh > 64 && fresh > len(w.byKey)/8 {
		for i := w.indexed; i < len(w.ops); i++ {
			if w.ops[i].kind != eraseRange {
				w.byKey = append(w.byKey, i)
			}
		}
		slices.SortFunc(w.byKey, func(a, b int) int {
			if c := bytes.Compare(w.ops[a].key, w.ops[b].key); c != 0 {
				return c
			}
			return b - a // the last one first: it is the one that is kept
		})
		w.byKey = slices.CompactFunc(w.byKey, func(a, b int) bool { return bytes.Equal(w.ops[a].key, w.ops[b].key) })
		w.indexed = len(w.ops)
		return
	}
	for ; w.indexed < len(w.ops); w.indexed++ {
		op := &w.ops[w.indexed]
		if op.kind == eraseRange {
			continue
		}
		if i, ok := w.search(op.key); ok {
			w.byKey[i] = w.indexed
		} else {
			w.byKey = slices.Insert(w.byKey, i, w.indexed)
		}
	}
}

// overlay is the writes in a range, in the order of a scan, as they were when it was made. A nil overlay has none.
type overlay struct {
	w      *writes
	points []int // positions in ops
	before int   // of the ops, these were there
}

// overlay is nil where nothing was written that could matter to g.
func (w *writes) overlay(g store.Range) *overlay {
	if len(w.ops) == 0 {
		return nil
	}
	w.index()
	lo, _ := w.search(g.Lo)
	hi := len(w.byKey)
	if len(g.Hi) > 0 {
		hi, _ = w.search(g.Hi)
	}
	o := &overlay{w: w, before: len(w.ops)}
	if lo < hi {
		o.points = slices.Clone(w.byKey[lo:hi])
	} else if len(w.ranges) == 0 {
		return nil
	}
	if g.Reverse {
		slices.Reverse(o.points)
	}
	return o
}

func (o *overlay) more() bool { return o != nil && len(o.points) > 0 }

func (o *overlay) key() []byte { return o.w.ops[o.points[0]].key }

// take is the write the overlay stands at, and whether there is a value under its key; the overlay moves on.
func (o *overlay) take() (key, value []byte, isSet bool) {
	i := o.points[0]
	o.points = o.points[1:]
	op := o.w.ops[i].read()
	return o.w.ops[i].key, op.value, op.kind == set && !o.w.erasedAfter(i, o.before, o.w.ops[i].key)
}

// erases answers whether a stored key is in a range that was erased.
func (o *overlay) erases(key []byte) bool { return o != nil && o.w.erasedAfter(-1, o.before, key) }
