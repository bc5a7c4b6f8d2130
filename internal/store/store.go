package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Clock tells transactions the time. The platform's clock is one; tests may give another.
type Clock interface{ Now() time.Time }

// Store is an engine and the clock its transactions read: what platform builds and takes Spaces from.
type Store struct {
	Engine Engine
	Clock  Clock
}

// Space is a private part of the key space: the only keys its holder can reach. The zero Space reaches nothing.
type Space struct {
	store *Store
	name  string
}

// Space is the part of the store named name, which no other may be a prefix of; it is a service's name, "sqs", or
// an engine-room package's, "task". The name is part of every key: it must never change.
func (s *Store) Space(name string) Space { return Space{s, name} }

// Now is the platform's time.
func (s Space) Now() time.Time { return s.store.Clock.Now() }

// Writer is what can be written through: a transaction, or a batch that joins another's commit.
type Writer interface {
	// Now is the platform's time, the same all through one transaction.
	Now() time.Time
	// NewID is a new random UUID.
	NewID() string
	// OnCommit has fn called once the writes are committed (and durable, where they are to be): a hint to wake somebody,
	// never a source of truth, since a process may die in between.
	OnCommit(fn func())

	scope() aws.Scope
	set(key, value []byte)
	delete(key []byte)
	deleteRange(lo, hi []byte)
	spoil(err error)
}

// Tx is a transaction as services use it. A read that fails answers "absent" and spoils the transaction: Update or View
// then report why. So code reads on without checking each read.
type Tx struct {
	reader   Reader
	txn      Txn // nil in a View
	now      time.Time
	scoped   aws.Scope
	err      error
	onCommit []func()
}

// Update runs fn in a serializable transaction and returns its answer once that is durable. fn may run again: it touches
// only tx and its own variables; no I/O, no waiting, no other service. An error of fn is returned and nothing is written.
func Update[T any](ctx context.Context, s Space, fn func(tx *Tx) (T, error)) (T, error) {
	return UpdateWith(ctx, s, UpdateOptions{Name: s.name}, fn)
}

// UpdateWith is Update with options.
func UpdateWith[T any](ctx context.Context, s Space, o UpdateOptions, fn func(tx *Tx) (T, error)) (T, error) {
	var (
		out  T
		tx   *Tx
		zero T
	)
	err := s.store.Engine.Update(ctx, o, func(txn Txn) (err error) {
		tx = &Tx{reader: txn, txn: txn, now: s.Now(), scoped: aws.RequestOf(ctx).Scope}
		if out, err = fn(tx); tx.err != nil {
			return tx.err
		}
		return err
	})
	if err != nil {
		return zero, err
	}
	for _, f := range tx.onCommit {
		f()
	}
	return out, nil
}

// View runs fn on the newest durable snapshot. It never waits, and writes through tx are refused.
func View[T any](ctx context.Context, s Space, fn func(tx *Tx) (T, error)) (T, error) {
	var out, zero T
	err := s.store.Engine.View(ctx, func(r Reader) (err error) {
		tx := &Tx{reader: r, now: s.Now(), scoped: aws.RequestOf(ctx).Scope}
		if out, err = fn(tx); tx.err != nil {
			return tx.err
		}
		return err
	})
	if err != nil {
		return zero, err
	}
	return out, nil
}

// Now is the platform's time, the same all through the transaction.
func (tx *Tx) Now() time.Time { return tx.now }

// NewID is a new random UUID.
func (tx *Tx) NewID() string { return newUUID() }

// OnCommit has fn called after the commit.
func (tx *Tx) OnCommit(fn func()) { tx.onCommit = append(tx.onCommit, fn) }

// Scope is the account and region that tables of this transaction are scoped to.
func (tx *Tx) Scope() aws.Scope { return tx.scoped }

// In is the same transaction, scoped to another account and region: for work on behalf of a resource whose ARN names them.
func (tx *Tx) In(s aws.Scope) *Tx {
	panic("written with the rest of the package")
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
