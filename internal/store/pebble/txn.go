package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/obidos-cloud/obidos/internal/store"
)

// reader reads a state that does not change while it is read: a snapshot, or the newest state under the commit mutex.
type reader struct {
	from  pebble.Reader
	arena arena
	iters []*pebble.Iterator // made for earlier scans and free again
}

var readers = sync.Pool{New: func() any { return new(reader) }}

func newReader(from pebble.Reader) *reader {
	r := readers.Get().(*reader)
	r.from = from
	return r
}

func (r *reader) close() {
	r.reset()
	readers.Put(r)
}

func (r *reader) reset() {
	for _, it := range r.iters {
		_ = it.Close() // its errors were reported by the scan that met them
	}
	clear(r.iters)
	r.iters = r.iters[:0]
	r.from = nil
	r.arena.reset()
}

// Get reads one key.
func (r *reader) Get(key []byte) ([]byte, error) {
	v, closer, err := r.from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	v = r.arena.copy(v)
	return v, closer.Close()
}

// GetMany reads several keys.
func (r *reader) GetMany(keys [][]byte) ([][]byte, error) { return getMany(r, keys) }

func getMany(r interface{ Get([]byte) ([]byte, error) }, keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		v, err := r.Get(k)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// Scan reads a range.
func (r *reader) Scan(g store.Range, fn func(key, value []byte) bool) error {
	return r.scan(g, nil, fn)
}

// scan merges what is stored with own, the transaction's own writes in the range (nil: none).
func (r *reader) scan(g store.Range, own *overlay, fn func(key, value []byte) bool) error {
	if len(g.Hi) > 0 && bytes.Compare(g.Lo, g.Hi) >= 0 {
		return nil
	}
	it, err := r.iter(g)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	defer func() { r.iters = append(r.iters, it) }() // also where fn panics
	first, step := it.First, it.Next
	if g.Reverse {
		first, step = it.Last, it.Prev
	}
	n := 0
	emit := func(key, value []byte) bool {
		n++
		return fn(key, value) && (g.Limit == 0 || n < g.Limit)
	}
	ok := first()
	for ok || own.more() {
		// An own write stands before or instead of what is stored under its key.
		if own.more() {
			order := -1
			if ok {
				order = bytes.Compare(own.key(), it.Key())
				if g.Reverse {
					order = -order
				}
			}
			if order <= 0 {
				if order == 0 {
					ok = step()
				}
				key, value, set := own.take()
				if set && !emit(key, value) {
					break
				}
				continue
			}
		}
		if !own.erases(it.Key()) {
			var value []byte
			if !g.KeysOnly {
				if value, err = it.ValueAndErr(); err != nil {
					break
				}
			}
			if !emit(it.Key(), value) {
				break
			}
		}
		ok = step()
	}
	if err == nil {
		err = it.Error()
	}
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	return nil
}

// iter is an iterator over g: a free one moved there, or a new one. All read the same state.
func (r *reader) iter(g store.Range) (*pebble.Iterator, error) {
	hi := g.Hi
	if len(hi) == 0 {
		hi = nil
	}
	if n := len(r.iters); n > 0 {
		it := r.iters[n-1]
		r.iters = r.iters[:n-1]
		it.SetBounds(g.Lo, hi)
		return it, nil
	}
	return r.from.NewIter(&pebble.IterOptions{LowerBound: g.Lo, UpperBound: hi})
}

// txn is a transaction under way. The commit mutex is held as long as it lives.
type txn struct {
	reader
	writes
	db    *pebble.DB
	batch *pebble.Batch // nil until something is written
	bound store.Bounds
	sets  int
	bytes int64
	err   error // a write the batch did not take
}

var txns = sync.Pool{New: func() any { return new(txn) }}

func newTxn(db *pebble.DB, owned bool) *txn {
	t := txns.Get().(*txn)
	t.db, t.from, t.bound.Owned = db, db, owned
	return t
}

func (t *txn) close() {
	t.reader.reset()
	t.writes.reset()
	if t.batch != nil {
		_ = t.batch.Close() // never fails
	}
	t.db, t.batch, t.bound, t.sets, t.bytes, t.err = nil, nil, store.Bounds{}, 0, 0, nil
	txns.Put(t)
}

// Get reads one key, as written here or as stored.
func (t *txn) Get(key []byte) ([]byte, error) {
	if w, ok := t.find(key); ok {
		return w.value, nil
	}
	return t.reader.Get(key)
}

// GetMany reads several keys.
func (t *txn) GetMany(keys [][]byte) ([][]byte, error) { return getMany(t, keys) }

// Scan reads a range as it is when the scan begins: what fn writes, the next scan sees.
func (t *txn) Scan(g store.Range, fn func(key, value []byte) bool) error {
	return t.scan(g, t.overlay(g), fn)
}

// Set writes a value. The batch keeps the only copy of key and value.
func (t *txn) Set(key, value []byte) {
	if !t.bound.Set(key, value) {
		return
	}
	op := t.opened().SetDeferred(len(key), len(value))
	copy(op.Key, key)
	copy(op.Value, value)
	t.finish(op)
	t.sets++
	t.add(write{kind: set, key: op.Key, value: op.Value})
}

// Delete removes a key.
func (t *txn) Delete(key []byte) {
	if !t.bound.Delete(key) {
		return
	}
	op := t.opened().DeleteDeferred(len(key))
	copy(op.Key, key)
	t.finish(op)
	t.add(write{kind: erase, key: op.Key})
}

// firstKey is as low as a key can be. Of ranges that begin with the empty one pebble's compactions, in a build with the race
// detector at least, leave a part undeleted: it tells a bound of no bytes from none at all.
var firstKey = []byte{0}

// DeleteRange removes lo ≤ key < hi.
func (t *txn) DeleteRange(lo, hi []byte) {
	if bytes.Compare(lo, hi) >= 0 || !t.bound.DeleteRange(lo, hi) {
		return
	}
	if len(lo) == 0 {
		lo = firstKey
	}
	op := t.opened().DeleteRangeDeferred(len(lo), len(hi))
	copy(op.Key, lo)
	copy(op.Value, hi)
	t.finish(op)
	t.add(write{kind: eraseRange, key: op.Key, value: op.Value})
}

func (t *txn) finish(op *pebble.DeferredBatchOp) {
	t.bytes += int64(len(op.Key) + len(op.Value))
	if err := op.Finish(); err != nil && t.err == nil {
		t.err = err
	}
}

// opened is the transaction's batch.
func (t *txn) opened() *pebble.Batch {
	if t.batch == nil {
		t.batch = t.db.NewBatch()
	}
	return t.batch
}

// arena keeps copies of what was read until the transaction ends: one allocation for many.
type arena struct{ free []byte }

const arenaChunk = 16 << 10

func (a *arena) copy(b []byte) []byte {
	if a.free == nil || len(b) > cap(a.free)-len(a.free) { // never nil, which would say that there is no such key
		if len(b) > arenaChunk/2 {
			return append(make([]byte, 0, len(b)), b...)
		}
		a.free = make([]byte, 0, arenaChunk)
	}
	n := len(a.free)
	a.free = append(a.free, b...)
	return a.free[n:len(a.free):len(a.free)]
}

func (a *arena) reset() { a.free = a.free[:0] }
