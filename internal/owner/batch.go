package owner

import (
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Batch records what one call of [Do], or one wake-up, changes: rows through the tables of the service, as in a
// transaction, and how they are to be written. It may be used only while the function it was given to runs.
type Batch struct {
	*store.Writes

	obj *object // nil for what belongs to none

	lazy      bool
	frees     bool
	own       bool
	forget    bool
	untouched bool
	barrier   bool // everything applied before it must be durable
	then      []func()
	committed []func()
	unknown   []func()
	waiter    *waiter

	// Guarded by commits.mu, until the group is decided and wake is sent.
	wake      chan struct{} // has room for one
	waits     bool          // its caller waits: for the decision, or for being told to lead
	leads     bool          // its caller is to write the group at the head
	done      bool          // decided
	abandoned bool          // its caller went away before
	err       error
}

// Lazy says that the caller does not wait: not for its own changes, which are written within milliseconds and synced
// with the next commit that is, and not for the durability of what it read. So it may show only what survives a power
// cut, or may be taken back by one: let what others must not see too early enter the state in their Then.
func (b *Batch) Lazy() { b.lazy = true }

// Frees says that what is written is little, and for getting things done or deleted: a full disk does not refuse it as long
// as it can.
func (b *Batch) Frees() { b.frees = true }

// Room is what writing more would be refused with, as far as is known, for want of room on the disk. A function that asks
// before it changes the state spares the object being read again.
func (b *Batch) Room() error { return b.obj.node.full.now() }

// Then has fn called under the object's lock once the changes are committed, and durable unless lazy, in the order of
// the commits and before the caller has its answer. It may change the state but write nothing. It is not called where
// the object's memory was dropped meanwhile: what is loaded instead already holds the change.
func (b *Batch) Then(fn func()) { b.then = append(b.then, fn) }

// OnCommit has fn called after the commit, without the object's lock: a hint to wake somebody. It must not wait.
func (b *Batch) OnCommit(fn func()) { b.committed = append(b.committed, fn) }

// OnUnknown has fn called where it cannot be found out whether the commit happened.
func (b *Batch) OnUnknown(fn func()) { b.unknown = append(b.unknown, fn) }

// MustOwn has the answer wait for a commit that proves the object still ours when this call ran, even where nothing is
// written. Without it an answer from memory rests on the lease alone: on clocks that run at the same speed.
func (b *Batch) MustOwn() { b.own = true }

// Untouched says that the function left the state as it was, and leaves all changes of it to Then. So a commit that is
// refused, because the disk is full, drops no memory.
func (b *Batch) Untouched() { b.untouched = true }

// Forget has the object's memory dropped once the changes have joined the next commit: it is gone from the store, or
// read anew. Callers parked at it run again on what is then loaded.
func (b *Batch) Forget() { b.forget = true }

// Park says, as the error of the function, that the caller waits in w and the function runs again when somebody wakes
// it, or at until, zero for never. Nothing it recorded is written. It must compare [Batch.Now] to until itself, and answer
// then.
func (b *Batch) Park(w *Waiters, until time.Time) error {
	if b.waiter == nil {
		b.waiter = &waiter{wake: make(chan struct{}, 1)}
	}
	b.waiter.list, b.waiter.at = w, until
	return errPark
}

// batch is an empty one, for o where that is not nil.
func (n *Node) batch(o *object, w *waiter) *Batch {
	var scope aws.Scope
	if o != nil {
		scope = o.key.Scope
	}
	b, ok := n.batches.Get().(*Batch)
	if ok {
		b.Reset(scope)
	} else {
		b = &Batch{Writes: store.NewWrites(n.space, scope), wake: make(chan struct{}, 1)}
	}
	b.obj, b.waiter = o, w
	return b
}

// discard forgets what b recorded.
func (b *Batch) discard() {
	b.Reset(b.Scope())
	b.then, b.committed, b.unknown = b.then[:0], b.committed[:0], b.unknown[:0]
}

// keptBatch is the largest batch whose memory is kept, in bytes: a rare large message must not stay.
const keptBatch = 64 << 10

// recycle takes back a batch nobody uses any more.
func (n *Node) recycle(b *Batch) {
	size := b.Size()
	clear(b.then)
	clear(b.committed)
	clear(b.unknown)
	*b = Batch{Writes: b.Writes, wake: b.wake, then: b.then[:0], committed: b.committed[:0], unknown: b.unknown[:0]}
	if size <= keptBatch {
		n.batches.Put(b)
	}
}
