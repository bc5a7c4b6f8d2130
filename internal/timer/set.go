package timer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Set is one kind of timer. T is what such a timer carries; it is kept as CBOR, so a struct's fields have integer keys
// that never change (`cbor:"1,keyasint"`).
type Set[T any] struct {
	timers *Timers
	name   string
}

// set is a Set without its type.
type set struct {
	call func(ctx context.Context, body []byte) error
}

// NewSet makes a set. Its name is part of every timer of it: it must never change. fn is called when a timer is due, with a
// request in its context that bears the scope the timer was set in.
func NewSet[T any](ts *Timers, name string, fn func(ctx context.Context, v T) error) Set[T] {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.sets[name] != nil {
		panic("timer: two sets are named " + name)
	}
	if ts.base != nil {
		panic("timer: set " + name + " is made while timers run")
	}
	ts.sets[name] = &set{func(ctx context.Context, body []byte) error {
		var v T
		if err := store.Decode(body, &v); err != nil {
			return fmt.Errorf("read the timer: %w", err)
		}
		return fn(ctx, v)
	}}
	return Set[T]{ts, name}
}

// At sets the timer key of the writer's account and region to t, whether or not it was set before.
func (s Set[T]) At(w store.Writer, t time.Time, key string, v T) {
	body, err := store.Encode(v)
	if err != nil { // v's type is the service's own: what CBOR cannot hold is a bug
		panic(fmt.Sprintf("timer: %s: %v", s.name, err))
	}
	ts, at := s.timers, place{w.Scope(), s.name, key, partitionOf(w.Scope(), s.name, key)}
	s.clear(w, at)
	ts.tables.put(w, at, row{At: t.UTC(), Stamp: rand.Uint64(), Body: body})
	nano := nanoseconds(t)
	w.OnCommit(func() { ts.set(at.partition, nano) })
	w.OnUnknown(func() { ts.set(at.partition, nano) })
}

// Cancel makes the timer key fire no more, if it was set.
func (s Set[T]) Cancel(w store.Writer, key string) {
	at := place{w.Scope(), s.name, key, partitionOf(w.Scope(), s.name, key)}
	s.clear(w, at)
	s.timers.tables.rows.Delete(w, at.parts()...)
}

// Due is when the timer key is set to fire; ok is false where it is not set.
func (s Set[T]) Due(tx *store.Tx, key string) (t time.Time, ok bool) {
	at := place{tx.Scope(), s.name, key, 0}
	row, ok := s.timers.tables.rows.Get(tx, at.parts()...)
	return row.At, ok
}

// clear removes the entry of the timer's earlier time. An owner's batch cannot read when that was: then the entry stays
// until it is due, and is found to be of no timer.
func (s Set[T]) clear(w store.Writer, at place) {
	if tx, ok := w.(*store.Tx); ok {
		if old, ok := s.timers.tables.rows.Get(tx, at.parts()...); ok {
			s.timers.tables.dues.Delete(tx, at.entry(old.At)...)
		}
	}
}
