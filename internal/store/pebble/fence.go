package pebble

import (
	"bytes"

	"github.com/obidos-cloud/obidos/internal/store"
)

// fences are the rows that commits were checked against of late, as they are applied: the same one stands before nearly
// every commit and hardly ever changes, so that reading it would be the better part of a small commit. Whoever has the
// turn touches them.
type fences struct {
	rows []write
	next int // the one that gives way where there are too many
}

const maxFences = 4

func (f *fences) find(key []byte) (value []byte, ok bool) {
	for i := range f.rows {
		if bytes.Equal(f.rows[i].key, key) {
			return f.rows[i].value, true
		}
	}
	return nil, false
}

func (f *fences) remember(key, value []byte) {
	row := write{key: bytes.Clone(key), value: bytes.Clone(value)}
	if len(f.rows) < maxFences {
		f.rows = append(f.rows, row)
		return
	}
	f.rows[f.next] = row
	f.next = (f.next + 1) % maxFences
}

// forget drops what ops have changed.
func (f *fences) forget(ops []write) {
	for i := range ops {
		for j := 0; j < len(f.rows); j++ {
			if key := f.rows[j].key; bytes.Equal(ops[i].key, key) || ops[i].kind == eraseRange && ops[i].covers(key) {
				f.rows = append(f.rows[:j], f.rows[j+1:]...)
				f.next = 0
				j--
			}
		}
	}
}

// fenceReader reads fences for a transaction that has written nothing yet.
type fenceReader struct {
	store.Reader
	fences *fences
}

func (r fenceReader) Get(key []byte) ([]byte, error) {
	if v, ok := r.fences.find(key); ok {
		return v, nil
	}
	v, err := r.Reader.Get(key)
	if err == nil && v != nil {
		r.fences.remember(key, v)
	}
	return v, err
}
