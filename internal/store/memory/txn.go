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

func (r *reader) GetMany(keys [][]byte) ([][]byte, error) {
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

// txn is a transaction under way: a reader of a tree that becomes its own with the first write.
type txn struct {
	reader
	base    *tree // where own: what it was copied from
	own     bool  // nobody else has the tree, no scan is on it
	changed bool
	bounds  store.Bounds
}

// run runs fn and says whether it may commit.
func (t *txn) run(fn func(store.Txn) error, fences []store.Fence) error {
	t.base = t.tree
	if err := fn(t); err != nil {
		return err
	}
	if err := t.bounds.Err(); err != nil {
		return err
	}
	if len(fences) == 0 {
		return nil
	}
	return store.CheckFences(&reader{tree: t.base}, fences)
}

// Scan goes over the state as it is now: what is written during the scan goes to another copy.
func (t *txn) Scan(o store.Range, fn func(key, value []byte) bool) error {
	t.own = false
	return t.reader.Scan(o, fn)
}

func (t *txn) Set(key, value []byte) {
	if !t.bounds.Set(key, value) {
		return
	}
	b := make([]byte, len(key)+len(value))
	n := copy(b, key)
	copy(b[n:], value)
	t.write().Set(&row{b[:n:n], b[n:]})
}

func (t *txn) Delete(key []byte) {
	if !t.bounds.Delete(key) {
		return
	}
	t.pivot.key = key
	t.write().Delete(&t.pivot)
}

func (t *txn) DeleteRange(lo, hi []byte) {
	if !t.bounds.DeleteRange(lo, hi) || bytes.Compare(lo, hi) >= 0 {
		return
	}
	from := t.tree
	t.own = false
	scan(from, store.Range{Lo: lo, Hi: hi}, func(row *row) bool {
		t.write().Delete(row)
		return true
	})
}

// write is the tree to write to.
func (t *txn) write() *tree {
	if !t.own {
		t.tree, t.own = t.tree.Copy(), true
	}
	t.changed = true
	return t.tree
}
