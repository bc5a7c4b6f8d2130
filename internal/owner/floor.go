package owner

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/store"
)

// SpaceName is the name of the space that nodes are given: what is in it belongs to the nodes of one store, and means nothing
// in another.
const SpaceName = "owner"

// Floors are how far the numbers of a store have risen that must never come again, whatever state it is set back to: they
// are in what clients hold (receipt handles, sequence numbers) and in what nodes have under way.
type Floors struct {
	Terms      map[string]uint64 // by node
	Partitions map[uint16]uint64 // how often each was taken
}

// ReadFloors reads those of the store that tx is of, which space belongs to.
func ReadFloors(tx *store.Tx, space store.Space) Floors {
	r, f := newRows(space), Floors{map[string]uint64{}, map[uint16]uint64{}}
	for k, t := range r.terms.Scan(tx, store.ScanOptions{}) {
		f.Terms[k.String(0)] = uint64(t)
	}
	for k, o := range r.owners.Scan(tx, store.ScanOptions{}) {
		f.Partitions[uint16(k.Uint64(0))] = o.epoch
	}
	return f
}

// Join raises f to what g is higher in.
func (f Floors) Join(g Floors) {
	for node, t := range g.Terms {
		f.Terms[node] = max(f.Terms[node], t)
	}
	for p, e := range g.Partitions {
		f.Partitions[p] = max(f.Partitions[p], e)
	}
}

// Raise writes the floors, raised by one, and that nobody takes part: what any node has under way fails, and whoever goes on
// takes its partitions anew. What the space held before is to be overwritten or deleted in the same transaction: see Forget.
func (f Floors) Raise(w store.Writer, space store.Space) {
	r := newRows(space)
	for node, t := range f.Terms {
		r.terms.Set(w, term(t+1), node)
	}
	for p, e := range f.Partitions {
		r.owners.Set(w, owned{epoch: e + 1}, p)
	}
}

// Forget deletes all that the nodes of the store have told each other.
func Forget(w store.Writer, space store.Space) {
	r := newRows(space)
	r.members.DeleteAll(w)
	r.terms.DeleteAll(w)
	r.marks.DeleteAll(w)
	r.owners.DeleteAll(w)
}

// Members are the nodes that take part, or did and died: each by a number that changes while it lives.
func Members(ctx context.Context, space store.Space) (map[string][2]uint64, error) {
	r := newRows(space)
	return store.View(ctx, space, func(tx *store.Tx) (map[string][2]uint64, error) {
		all := map[string][2]uint64{}
		for id, m := range r.all(tx) {
			all[id] = [2]uint64{m.Incarnation, m.Beat}
		}
		return all, nil
	})
}
