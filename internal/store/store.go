package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Clock tells transactions the time. The platform's clock is one; tests may give another.
type Clock interface{ Now() time.Time }

// Store is an engine and the clock its transactions read: what platform builds and takes Spaces from.
type Store struct {
	Engine Engine
	Clock  Clock

	// Overrun, where it is set, is told of each update that touched more than MaxTxnWrites keys or ran longer than
	// MaxTxnTime: everybody else waited for it. Tests fail there. It is set before the first transaction.
	Overrun func(name string, keys int, took time.Duration)

	mu     sync.Mutex
	tables map[string]string // the names of the tables declared, by what their keys begin with

	receipts receipts
}

// declare panics where another table has these keys.
func (s *Store) declare(t *table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.tables[string(t.prefix)]; ok && other != t.name {
		panic("store: " + t.name + " and " + other + " have the same id")
	}
	if s.tables == nil {
		s.tables = make(map[string]string)
	}
	s.tables[string(t.prefix)] = t.name
}

// Space is a private part of the key space: the only keys its holder can reach. The zero Space reaches nothing.
type Space struct {
	store *Store
	name  string
}

// Space is the part of the store named name: a service's name, "sqs", or an engine-room package's, "task". The name
// is part of every key: it must never change.
func (s *Store) Space(name string) Space {
	if name == "" || strings.ContainsRune(name, 0) {
		panic("store: a space needs a name")
	}
	return Space{s, name}
}

// Now is the platform's time.
func (s Space) Now() time.Time { return s.store.Clock.Now() }

// Update runs fn in a serializable transaction and returns its answer once that is durable. fn may run again: it touches
// only tx and its own variables; no I/O, no waiting, no other service. An error of fn is returned and nothing is written.
//
// Where a commit's outcome is unknown, because a connection broke say, it is looked up, and what was not committed is done again:
// ErrUnknown is answered only where that cannot be found out either. (Not so with fences and in lazy and owned updates: their
// owner settles it.)
func Update[T any](ctx context.Context, s Space, fn func(tx *Tx) (T, error)) (T, error) {
	return UpdateWith(ctx, s, UpdateOptions{}, fn)
}

// UpdateWith is Update with options. Without a name of its own the transaction has the space's.
func UpdateWith[T any](ctx context.Context, s Space, o UpdateOptions, fn func(tx *Tx) (T, error)) (T, error) {
	if o.Name == "" {
		o.Name = s.name
	}
	var (
		out T
		a   = attempt{buf: newBuffers()}
	)
	a.root = Tx{&a, aws.RequestOf(ctx).Scope}
	defer a.end()
	run := func(o UpdateOptions, r *receipt) error {
		return s.store.Engine.Update(ctx, o, func(txn Txn) (err error) {
			a.begin(txn, txn, s.Now())
			if s.store.Overrun != nil {
				defer a.watch(s.store.Overrun, o, time.Now())
			}
			out, err = fn(&a.root)
			if err == nil && r != nil {
				r.sign(s.store, &a)
			}
			if a.err != nil {
				return a.err
			}
			return err
		})
	}
	var err error
	if s.store.unsure(o) {
		err = s.store.surely(ctx, o, run)
	} else {
		err = run(o, nil)
	}
	if err != nil {
		if errors.Is(err, ErrUnknown) {
			runAll(a.onUnknown)
		}
		var zero T
		return zero, err
	}
	runAll(a.onCommit)
	return out, nil
}

// View runs fn on the newest durable snapshot. It never waits, and writes through tx are refused.
func View[T any](ctx context.Context, s Space, fn func(tx *Tx) (T, error)) (T, error) {
	var (
		out T
		a   = attempt{buf: newBuffers()}
	)
	a.root = Tx{&a, aws.RequestOf(ctx).Scope}
	defer a.end()
	err := s.store.Engine.View(ctx, func(r Reader) (err error) {
		a.begin(r, nil, s.Now())
		if out, err = fn(&a.root); a.err != nil {
			return a.err
		}
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}

func runAll(fns []func()) {
	for _, f := range fns {
		f()
	}
}
