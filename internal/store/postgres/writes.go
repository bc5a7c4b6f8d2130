package postgres

import (
	"bytes"
	"slices"

	"github.com/tidwall/btree"
)

// writes is what a transaction is to write: first the ranges are erased, then each row is set or erased. So the last write of
// a key is the one that counts.
type writes struct {
	rows   *btree.BTreeG[row]
	ranges []span // disjoint and in order; never changed in place
	arena  arena
}

// row is a key and its value, nil where the key is erased.
type row struct{ key, value []byte }

// span is lo ≤ key < hi.
type span struct{ lo, hi []byte }

func (w *writes) init() {
	w.rows = btree.NewBTreeGOptions(func(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }, btree.Options{NoLocks: true, Degree: 64})
}

func (w *writes) reset() {
	if w.rows != nil && w.rows.Len() > 0 {
		w.rows.Clear()
	}
	w.ranges = nil
}

func (w *writes) empty() bool { return w.rows.Len() == 0 && len(w.ranges) == 0 }

func (w *writes) set(key, value []byte) {
	w.rows.Set(row{w.arena.copy(key), w.arena.copy(value)})
}

func (w *writes) erase(key []byte) { w.rows.Set(row{key: w.arena.copy(key)}) }

func (w *writes) eraseRange(lo, hi []byte) {
	var gone []row
	w.rows.Ascend(row{key: lo}, func(r row) bool {
		if bytes.Compare(r.key, hi) >= 0 {
			return false
		}
		gone = append(gone, r)
		return true
	})
	for _, r := range gone {
		w.rows.Delete(r)
	}
	// Those that touch it become one with it.
	from := 0
	for from < len(w.ranges) && bytes.Compare(w.ranges[from].hi, lo) < 0 {
		from++
	}
	to := from
	s := span{w.arena.copy(lo), w.arena.copy(hi)}
	for to < len(w.ranges) && bytes.Compare(w.ranges[to].lo, hi) <= 0 {
		if bytes.Compare(w.ranges[to].lo, s.lo) < 0 {
			s.lo = w.ranges[to].lo
		}
		if bytes.Compare(w.ranges[to].hi, s.hi) > 0 {
			s.hi = w.ranges[to].hi
		}
		to++
	}
	w.ranges = slices.Concat(w.ranges[:from], []span{s}, w.ranges[to:])
}

// find is what is written under key; ok is false where nothing is.
func (w *writes) find(key []byte) (value []byte, ok bool) {
	if w.rows.Len() > 0 {
		if r, ok := w.rows.Get(row{key: key}); ok {
			return r.value, true
		}
	}
	return nil, erased(w.ranges, key)
}

func erased(ranges []span, key []byte) bool {
	i, found := slices.BinarySearchFunc(ranges, key, func(s span, key []byte) int { return bytes.Compare(s.lo, key) })
	return found || i > 0 && bytes.Compare(key, ranges[i-1].hi) < 0
}

// overlay is what is written in lo ≤ key < hi, in the order of a scan, as it is now.
type overlay struct {
	rows   []row
	ranges []span
}

func (w *writes) overlay(lo, hi []byte, reverse bool) overlay {
	o := overlay{ranges: w.ranges}
	w.rows.Ascend(row{key: lo}, func(r row) bool {
		if bytes.Compare(r.key, hi) >= 0 {
			return false
		}
		o.rows = append(o.rows, r)
		return true
	})
	if reverse {
		slices.Reverse(o.rows)
	}
	return o
}

// arena keeps copies until the transaction ends: one allocation for many.
type arena struct{ free []byte }

const arenaChunk = 16 << 10

// copy is never nil, which would say that there is no such key.
func (a *arena) copy(b []byte) []byte {
	if a.free == nil || len(b) > cap(a.free)-len(a.free) {
		if len(b) > arenaChunk/2 {
			return append(make([]byte, 0, len(b)), b...)
		}
		a.free = make([]byte, 0, arenaChunk)
	}
	n := len(a.free)
	a.free = append(a.free, b...)
	return a.free[n:len(a.free):len(a.free)]
}
