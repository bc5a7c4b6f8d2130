package owner

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Kind is one kind of object, queues say, whose state in memory is an S (a pointer, as a rule).
type Kind[S any] struct {
	node      *Node
	name      string
	load      func(context.Context, Load) (S, error)
	due       func(S) time.Time
	onDue     func(S, *Batch)
	evictable func(S) bool
	lost      func(S)

	mu      sync.RWMutex
	objects map[key]*held[S]
}

// key names an object of a kind.
type key struct {
	aws.Scope
	id string
}

// Load says what to load.
type Load struct {
	ID        string
	Scope     aws.Scope
	Partition uint16
	Epoch     uint64    // of the ownership: higher than that of any owner before
	IDs       *Sequence // numbers for what the object orders
}

// Sequence gives numbers that rise from one to the next, over all loads and owners of an object, and are never given
// twice in its partition: epoch<<40 | n. They cost no I/O.
type Sequence struct {
	base uint64
	next *atomic.Uint64
}

// Next is a number higher than any before.
func (q *Sequence) Next() uint64 { return q.base | q.next.Add(1) }

// Option is a choice made for a kind.
type Option[S any] func(*Kind[S])

// Due has objects woken by themselves: on runs under the object's lock at the time that at says, zero for never, which
// is asked after every call, Then and wake-up. Only what is in memory wakes: what must happen though nobody asks for the
// object, after a restart say, needs a timer row.
func Due[S any](at func(S) time.Time, on func(S, *Batch)) Option[S] {
	return func(k *Kind[S]) { k.due, k.onDue = at, on }
}

// Evictable says whether an idle object may leave memory: whether load would bring back what matters of it. Without it
// every object may.
func Evictable[S any](ok func(S) bool) Option[S] { return func(k *Kind[S]) { k.evictable = ok } }

// Lost has fn called under the object's lock when its memory is dropped, for whatever reason.
func Lost[S any](fn func(S)) Option[S] { return func(k *Kind[S]) { k.lost = fn } }

// NewKind declares a kind of object. The name is part of where its objects are: it must never change. load reads an
// object's state from the store, with as many transactions as it needs, while nobody else changes the object; the
// context's scope is the object's. Its error is the caller's of Do.
func NewKind[S any](n *Node, name string, load func(context.Context, Load) (S, error), options ...Option[S]) *Kind[S] {
	k := &Kind[S]{node: n, name: name, load: load, objects: make(map[key]*held[S])}
	for _, o := range options {
		o(k)
	}
	n.mu.Lock()
	n.kinds = append(n.kinds, k)
	n.mu.Unlock()
	return k
}

// Do runs fn on the state of the object id, in the scope of ctx's request, under its lock; no other fn, Then or wake-up
// of it runs meanwhile. What fn changes in the state it writes through the batch, so that load would find it, and Do
// answers once that is durable; and where fn writes nothing, once what the state holds by then is, and this node's lease
// proves that it is the owner. See [Batch] for other wishes.
//
// An error of fn is returned and discards what it wrote: it must have left the state as it was. An [*ElsewhereError]
// says which node owns the object. fn may run again, on a state freshly loaded, where nothing of its first run was
// written. It must not wait, nor call Do.
//
// When ctx ends, Do returns, and what fn did may still be written.
func Do[S, T any](ctx context.Context, k *Kind[S], id string, fn func(s S, b *Batch) (T, error)) (T, error) {
	var w *waiter
	for {
		h, err := k.hold(ctx, key{aws.RequestOf(ctx).Scope, id})
		if err != nil {
			w.rest(k.node)
			var zero T
			return zero, err
		}
		b := k.node.batch(&h.object, w)
		out, next, err := run(h, b, fn)
		switch next {
		case parked:
			w = b.waiter
			k.node.recycle(b)
			if err := w.wait(ctx, &h.object); err != nil {
				w.rest(k.node)
				return out, err
			}
			continue
		case waiting, leading:
			if failed := k.node.await(ctx, b, next == leading); errors.Is(failed, errAgain) {
				continue
			} else if failed != nil {
				err = failed
			}
		}
		w.rest(k.node)
		if err != nil {
			var zero T
			return zero, err
		}
		return out, nil
	}
}

// step is how a call goes on after its function has run.
type step int

const (
	finished step = iota
	waiting       // for a commit
	leading       // has to write a group
	parked
)

// run runs fn under the lock that the caller took, and releases it. Where the call is finished, b is taken back.
func run[S, T any](h *held[S], b *Batch, fn func(S, *Batch) (T, error)) (out T, next step, err error) {
	completed := false
	defer func() {
		if !completed { // fn panicked: nobody knows what became of the state
			h.poison()
		}
		h.mu.Unlock()
	}()
	out, err = fn(h.s, b)
	completed = true
	if errors.Is(err, errPark) {
		h.park(b.waiter)
		h.kind.schedule(&h.object)
		return out, parked, nil
	}
	next, err = h.finish(b, err)
	return out, next, err
}

func partitionOf(kind string, k key) uint16 {
	h := fnv.New64a()
	for _, s := range [...]string{kind, k.Account, k.Region, k.id} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return uint16(h.Sum64() % Partitions)
}
