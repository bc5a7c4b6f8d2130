// Package partition spreads over the nodes what they do unasked: what is to be done is rows, which lie in 1,024 partitions
// by their hash; the node that serves a partition works on its rows, and each commit about one holds the fence of that.
//
// It is what tasks and timers have in common: who serves what, how a commit is tried until it is known what came of it, and
// how long to wait after a failure.
package partition

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Count is how many there are. It never changes: it is part of where every row is.
const Count = 1024

// Places says which partitions this node serves.
type Places interface {
	// Owned is whether this node serves partition p now, and the fence that commits about it must hold; a zero Fence
	// where none is needed.
	Owned(p uint16) (store.Fence, bool)

	// Watch has fn called for every partition served now, and from then on for each that is gained or lost. It is called
	// again for one served already where a Wake about it may have been lost, because the node that should have sent it died.
	Watch(fn func(p uint16, served bool))

	// Wake has the node that serves p, which is not this one, look at what was written there, until one answers that it does
	// serve p, or this node comes to. What it means is between those who write there and those who look. It does not wait.
	Wake(p uint16, what uint64)
}

// Alone is the places of a node that has no others beside it.
func Alone() Places { return alone{} }

type alone struct{}

func (alone) Owned(uint16) (store.Fence, bool) { return store.Fence{}, true }
func (alone) Wake(uint16, uint64)              {}

func (alone) Watch(fn func(p uint16, served bool)) {
	for p := range uint16(Count) {
		fn(p, true)
	}
}

// Run opens for work until ctx ends: open is given the context of the work; after shut, which has no more begun, what is under
// way may go on for grace before that context ends too. Run waits for it.
func Run(ctx context.Context, grace time.Duration, work *sync.WaitGroup, open func(base context.Context), shut func()) {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	open(base)
	<-ctx.Done()
	shut()
	late, done := context.WithTimeout(base, grace) // by the machine's time: the clock may be held
	defer done()
	defer context.AfterFunc(late, cancel)()
	work.Wait()
}

// Rows is where the rows are.
type Rows struct {
	Space  store.Space
	Clock  *clock.Clock
	Places Places
	Log    *slog.Logger
}

// Read is what fn reads of the newest state: a lazy write is found too, and waited for unless o is lazy. It tries until it
// succeeds; ok is false where ctx ended, or the store was closed, before.
func Read[T any](ctx context.Context, r Rows, o store.UpdateOptions, fn func(tx *store.Tx) T) (v T, ok bool) {
	for try := 1; ; try++ {
		v, err := update(ctx, r, o, fn)
		if err == nil {
			return v, true
		}
		if !r.pause(ctx, try, o.Name, err) {
			return v, false
		}
	}
}

// Commit writes what fn says about rows of partition o.Partition. It tries until it succeeds; ok is false where the
// partition is not ours, ctx ended, or the store was closed, before.
func Commit[T any](ctx context.Context, r Rows, o store.UpdateOptions, fn func(tx *store.Tx) T) (v T, ok bool) {
	for try := 1; ; try++ {
		fence, owned := r.Places.Owned(o.Partition) // asked each time: an owner may raise its own fence
		if !owned {
			return v, false
		}
		o.Fences = nil
		if fence.Key != nil {
			o.Fences = []store.Fence{fence}
		}
		v, err := update(ctx, r, o, fn)
		if err == nil {
			return v, true
		}
		if !r.pause(ctx, try, o.Name, err) {
			return v, false
		}
	}
}

func update[T any](ctx context.Context, r Rows, o store.UpdateOptions, fn func(tx *store.Tx) T) (T, error) {
	return store.UpdateWith(ctx, r.Space, o, func(tx *store.Tx) (T, error) { return fn(tx), nil })
}

// pause waits before an act on the store that failed is tried again; false means that it must not be.
func (r Rows) pause(ctx context.Context, try int, act string, err error) bool {
	if ctx.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, context.Canceled) {
		return false
	}
	r.Log.Warn("the store refuses: trying again", "act", act, "error", err)
	wait := Backoff(try, err, 10*time.Millisecond, 5*time.Second)
	if wait == 0 {
		return true
	}
	done := make(chan struct{})
	timer := r.Clock.AfterFunc(r.Clock.Now().Add(wait), func() { close(done) })
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Backoff is how long to wait after so many failures, the last of them err, before the next try: twice as long each time, and
// up to a half less, so that those that failed together do not come back together. What is of unknown outcome may have
// happened, and whoever moves the clock would otherwise be told too early that it has: it is tried again at once, thrice.
func Backoff(failures int, err error, first, most time.Duration) time.Duration {
	if failures <= 3 && errors.Is(err, store.ErrUnknown) {
		return 0
	}
	d := most
	if shift := failures - 1; shift < 30 && first<<shift > 0 {
		d = min(first<<shift, most)
	}
	return d - rand.N(d/2+1)
}
