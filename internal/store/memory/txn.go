package memory

import (
	"bytes"

	"github.com/obidos-cloud/obidos/internal/store"
)

// reader reads one state of the tree.
type reader struct {
	tree  *tree
	pivot row // what is looked for
}

func (r *reader) Get(key []byte) ([]byte, error) {
	r.pivot.key = key
	if row, ok := r.tree.Get(&r.pivot); ok {
		return row.value, nil
	}
	return nil, nil
}

func (r *reader) GetMany(keys [][]byte) ([][]byte, error) { return getMany(r, keys) }

func getMany(r store.Reader, keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		values[i], _ = r.Get(k)
	}
	return values, nil
}

func (r *reader) Scan(o store.Range, fn func(key, value []byte) bool) error {
	scan(r.tree, o, func(row *row) bool { return fn(row.key, row.value) })
	return nil
}

func scan(t *tree, o store.Range, fn func(*row) bool) {
	left := o.Limit
	each := func(row *row) bool {
		left--
		return fn(row) && left != 0
	}
	switch {
	case !o.Reverse:
		t.Ascend(&row{key: o.Lo}, func(row *row) bool {
			return (len(o.Hi) == 0 || bytes.Compare(row.key, o.Hi) < 0) && each(row)
		})
	case len(o.Hi) == 0:
		t.Reverse(func(row *row) bool { return bytes.Compare(row.key, o.Lo) >= 0 && each(row) })
	default:
		t.Descend(&row{key: o.Hi}, func(row *row) bool {
			if bytes.Equal(row.key, o.Hi) {
				return true
			}
			return bytes.Compare(row.key, o.Lo) >= 0 && each(row)
		})
	}
}

// txn is a transaction under way. What it writes is pending until the commit, or until a scan must see it: then it goes to a
// tree of the transaction's own.
type txn struct {
	reader
	engine  *Engine
	own     bool // nobody else has the tree
	scans   int  // under way
	pending []op
	bounds  store.Bounds
}

// op is a write: row to be set, or where that is nil, rows to be removed: that of key, or all from it up to before.
type op struct {
	row         *row
	key, before []byte
}

// fewPending is how many writes a Get looks through before they are put in a tree.
const fewPending = 16

// run runs fn and says whether it may commit.
func (t *txn) run(fn func(store.Txn) error, fences []store.Fence) error {
	if err := fn(t); err != nil {
		return err
	}
	if err := t.bounds.Err(); err != nil {
		return err
	}
	if len(fences) == 0 {
		return nil
	}
	return store.CheckFences(&reader{tree: t.engine.live}, fences)
}

// changed reports whether anything was written.
func (t *txn) changed() bool { return t.own || len(t.pending) > 0 }

func (t *txn) Get(key []byte) ([]byte, error) {
	if len(t.pending) > fewPending {
		t.settle()
	}
	for i := len(t.pending) - 1; i >= 0; i-- {
		switch op := &t.pending[i]; {
		case !op.covers(key):
		case op.row == nil:
			return nil, nil
		default:
			return op.row.value, nil
		}
	}
	return t.reader.Get(key)
}

func (t *txn) GetMany(keys [][]byte) ([][]byte, error) { return getMany(t, keys) }

// Scan goes over the state as it is now: what is written during the scan stays pending, or goes to another tree.
func (t *txn) Scan(o store.Range, fn func(key, value []byte) bool) error {
	t.settle()
	t.scans++
	defer func() { t.scans-- }()
	return t.reader.Scan(o, fn)
}

// settle puts what is pending in a tree of the transaction's own.
func (t *txn) settle() {
	if len(t.pending) == 0 {
		return
	}
	switch {
	case !t.own:
		t.tree, t.own = t.engine.copy(), true
	case t.scans > 0:
		t.tree = t.tree.Copy()
	}
	apply(t.tree, t.pending)
	clear(t.pending)
	t.pending = t.pending[:0]
}

func (t *txn) Set(key, value []byte) {
	if !t.bounds.Set(key, value) {
		return
	}
	b := make([]byte, len(key)+len(value))
	n := copy(b, key)
	copy(b[n:], value)
	row := &row{b[:n:n], b[n:]}
	t.pending = append(t.pending, op{row: row, key: row.key})
}

func (t *txn) Delete(key []byte) {
	if t.bounds.Delete(key) {
		t.pending = append(t.pending, op{key: bytes.Clone(key)})
	}
}

func (t *txn) DeleteRange(lo, hi []byte) {
	if t.bounds.DeleteRange(lo, hi) && bytes.Compare(lo, hi) < 0 {
		t.pending = append(t.pending, op{key: bytes.Clone(lo), before: bytes.Clone(hi)})
	}
}

func (o *op) covers(key []byte) bool {
	if o.before == nil {
		return bytes.Equal(o.key, key)
	}
	return bytes.Compare(o.key, key) <= 0 && bytes.Compare(key, o.before) < 0
}

// apply makes writes on a tree, in their order.
func apply(t *tree, ops []op) {
	var pivot row
	for _, o := range ops {
		switch {
		case o.row != nil:
			t.Set(o.row)
		case o.before == nil:
			pivot.key = o.key
			t.Delete(&pivot)
		case len(o.key) == 0 && coversAll(t, o.before):
			t.Clear()
		default:
			var rows []*row
			scan(t, store.Range{Lo: o.key, Hi: o.before}, func(r *row) bool {
				rows = append(rows, r)
				return true
			})
			for _, r := range rows {
				t.Delete(r)
			}
		}
	}
}

// coversAll reports whether all keys of t are before hi.
func coversAll(t *tree, hi []byte) bool {
	last, ok := t.Max()
	return !ok || bytes.Compare(last.key, hi) < 0
}
