package timer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

var errStranger = errors.New("nobody made its set")

// call calls a timer's function. A panic is that timer's failure: it must not end the process at every start.
func (ts *Timers) call(d due) (err error) {
	s := ts.sets[d.place.set] // not changed since Run
	if s == nil {
		return errStranger
	}
	defer func() {
		if p := recover(); p != nil {
			ts.log.Error("a timer panicked", "set", d.place.set, "key", d.place.key, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.call(aws.WithRequest(ts.base, &aws.Request{Scope: d.place.scope}), d.row.Body)
}

// conclude writes down what came of a timer that fired: it is gone, unless it was set anew meanwhile, or due again later.
func (ts *Timers) conclude(d due, err error) {
	if err != nil && ts.base.Err() != nil {
		return // it was cut short, and fires after the next start
	}
	log := ts.log.With("set", d.place.set, "key", d.place.key)
	failures := d.row.Failures + 1
	wait := backoff(failures, err)
	switch {
	case errors.Is(err, errStranger):
		wait = strangers
		ts.mu.Lock()
		if !ts.unknown[d.place.set] {
			ts.unknown[d.place.set] = true
			log.Error("timers of an unknown set wait")
		}
		ts.mu.Unlock()
	case err != nil:
		log.Warn("a timer failed and fires again", "failures", failures, "in", wait, "error", err)
	}
	ts.commit(d.place.partition, "settle a timer", func(tx *store.Tx) {
		if e, ok := ts.tables.dues.Get(tx, d.place.entry(d.row.At)...); ok && e.Stamp == d.row.Stamp {
			ts.tables.dues.Delete(tx, d.place.entry(d.row.At)...)
		}
		now, ok := ts.tables.rows.Get(tx, d.place.parts()...)
		switch {
		case !ok || now.Stamp != d.row.Stamp:
		case err == nil:
			ts.tables.rows.Delete(tx, d.place.parts()...)
		default:
			s := err.Error()
			ts.tables.dues.Delete(tx, d.place.entry(now.At)...) // another time, where the commit before was of unknown outcome
			now.At, now.Failures, now.Error = tx.Now().Add(wait), failures, s[:min(len(s), 1000)]
			ts.tables.put(tx, d.place, now)
			tx.OnCommit(func() { ts.set(d.place.partition, nanoseconds(now.At)) })
		}
	})
}

// read reads what q asks for in the newest state, durable or not: a lazy write is found too.
func (ts *Timers) read(q question) (a answer, ok bool) {
	for try := 1; ; try++ {
		a, err := store.UpdateWith(ts.base, ts.space, store.UpdateOptions{Name: "timer.read", Lazy: true},
			func(tx *store.Tx) (answer, error) { return ts.tables.read(tx, q), nil })
		if err == nil {
			return a, true
		}
		if !ts.pause(try, "read timers", err) {
			return a, false
		}
	}
}

// commit writes what fn says about a timer of partition p, where that is still ours. It need not be durable at once: after a
// power cut the timer fires again, as it would had the cut come a moment earlier.
func (ts *Timers) commit(p uint16, act string, fn func(tx *store.Tx)) {
	for try := 1; ; try++ {
		fence, owned := ts.places.Owned(p) // asked each time: an owner may raise its own fence
		if !owned {
			return
		}
		o := store.UpdateOptions{Name: "timer.settle", Partition: p, Lazy: true}
		if fence.Key != nil {
			o.Fences = []store.Fence{fence}
		}
		_, err := store.UpdateWith(ts.base, ts.space, o, func(tx *store.Tx) (struct{}, error) { fn(tx); return struct{}{}, nil })
		if err == nil || !ts.pause(try, act, err) {
			return
		}
	}
}

// pause waits before an act on the store that failed is tried again; false means that it must not be.
func (ts *Timers) pause(try int, act string, err error) bool {
	if ts.base.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, context.Canceled) {
		return false
	}
	ts.log.Warn("the store refuses: trying again", "act", act, "error", err)
	if atOnce(try, err) {
		return true
	}
	done := make(chan struct{})
	timer := ts.clock.AfterFunc(ts.clock.Now().Add(min(10*time.Millisecond<<min(try, 9), 5*time.Second)), func() { close(done) })
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-ts.base.Done():
		return false
	}
}

// backoff is how long after so many failures, the last for err, a timer fires again: twice as long each time, up to a half
// less.
func backoff(failures int, err error) time.Duration {
	if atOnce(failures, err) {
		return 0
	}
	d := min(onceMore<<min(failures-1, 30), atMost)
	return d - rand.N(d/2+1)
}

// atOnce reports whether what failed so many times is tried again without a pause: what is of unknown outcome may have
// happened, and whoever moves the clock would otherwise be told too early that it has.
func atOnce(failures int, err error) bool { return failures <= 3 && errors.Is(err, store.ErrUnknown) }
