package shelf

import (
	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Account is what the shelf of one state knows: for handing it on to the state that takes its place.
type Account struct {
	Number uint64
	Named  []blob.ID
	Graves []blob.Grave
}

// Read is the account in the store that tx is of.
func Read(tx *store.Tx, space store.Space) Account {
	t := newTables(space)
	a := Account{Number: t.current(tx)}
	for k := range t.named.Keys(tx, store.ScanOptions{}) {
		a.Named = append(a.Named, blob.ID(k.ID(0)))
	}
	for k, g := range t.graves.Scan(tx, store.ScanOptions{}) {
		a.Graves = append(a.Graves, blob.Grave{ID: blob.ID(k.ID(0)), At: g.At})
	}
	return a
}

// Bury writes the account of an empty state: all that was named is dead.
func (a Account) Bury(w store.Writer, space store.Space) {
	t := newTables(space)
	t.number.Set(w, a.Number)
	for _, id := range a.Named {
		t.graves.Set(w, grave{At: a.Number}, [16]byte(id))
	}
	for _, g := range a.Graves {
		t.graves.Set(w, grave{At: g.At}, [16]byte(g.ID))
	}
}

// HandOn gives the state of tx, which takes the place of the account's, a number above all there were, and all blobs that it
// has never heard of. What is dead in it dies now: in the states that came between, and in snapshots of those, it may have
// lived again.
func (a Account) HandOn(tx *store.Tx, space store.Space) {
	t := newTables(space)
	n := max(a.Number, t.current(tx)) + 1
	t.number.Set(tx, n)
	dead := Read(tx, space).Graves
	for _, g := range a.Graves {
		dead = append(dead, blob.Grave{ID: g.ID})
	}
	for _, id := range a.Named {
		dead = append(dead, blob.Grave{ID: id})
	}
	for _, g := range dead {
		if !t.named.Has(tx, [16]byte(g.ID)) {
			t.graves.Set(tx, grave{At: n}, [16]byte(g.ID))
		}
	}
}
