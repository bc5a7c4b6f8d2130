package owner

import (
	"context"
	"errors"

	"github.com/obidos-cloud/obidos/internal/store"
)

// ErrEmptied ends a node over a store that was emptied, or filled anew, since it joined: all that its process has in memory is of
// a state that is no more. Whoever ran it may make another.
var ErrEmptied = errors.New("owner: the store was emptied meanwhile")

// Emptied is how often the store was emptied.
func Emptied(ctx context.Context, space store.Space) (uint64, error) {
	return store.View(ctx, space, func(tx *store.Tx) (uint64, error) { return EmptiedIn(tx, space), nil })
}

// EmptiedIn is Emptied in the store that tx is of.
func EmptiedIn(tx *store.Tx, space store.Space) uint64 {
	f, _ := newRows(space).format.Get(tx)
	return f.Emptied
}

// Renew writes, in the transaction that empties a store, what the nodes of it have agreed on; and that it was emptied, so that
// whoever wakes up and finds itself no member any more does not join again with what it has in memory.
func Renew(tx *store.Tx, w store.Writer, space store.Space) {
	r := newRows(space)
	f, _ := r.format.Get(tx)
	f.Emptied++
	r.format.Set(w, f)
}
