package store

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Everything is the range of all keys: no key of a Space begins with its Hi.
var Everything = Range{Hi: []byte{0xff, 0xff, 0xff, 0xff}}

// Empty deletes every record in one transaction, however many there are, but what keep writes: it sees what was there, may
// run again as any transaction's function, and touches only what it is given.
func (s *Store) Empty(ctx context.Context, name string, keep func(tx *Tx, w *Writes) error) error {
	a := attempt{buf: newBuffers()}
	a.root = Tx{&a, aws.RequestOf(ctx).Scope}
	defer a.end()
	return s.Engine.Update(ctx, UpdateOptions{Name: name, Owned: true, Frees: true}, func(txn Txn) error {
		a.begin(txn, txn, s.Clock.Now())
		kept := NewWrites(Space{store: s}, a.root.scope)
		err := keep(&a.root, kept)
		if a.err != nil {
			return a.err
		}
		if err != nil {
			return err
		}
		txn.DeleteRange(Everything.Lo, Everything.Hi)
		a.root.Apply(kept)
		return a.err
	})
}
