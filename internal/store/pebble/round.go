package pebble

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// round is one sync and all who wait for it.
type round struct {
	seq  uint64    // the last commit it covers, once begun
	snap *snapshot // the state it makes durable; nil in relaxed mode

	over atomic.Bool
	done chan struct{}
	err  error // set before done is closed
}

func (r *round) resolve(err error) {
	if r.over.CompareAndSwap(false, true) {
		r.err = err
		close(r.done)
	}
}

// join answers the sync that makes all that is applied durable, nil where it is already (or nobody may wait), and whether
// the caller is to perform it: where nobody syncs the one who asks does it himself, without a hop to another goroutine.
// mu is held.
func (e *Engine) join() (r *round, lead bool) {
	if e.synced == e.applied || e.relaxed || e.noSync {
		return nil, false
	}
	if r := e.current.Load(); r != nil && r.seq == e.applied {
		return r, false
	}
	r = e.next.Load()
	if r == nil {
		r = &round{done: make(chan struct{})}
		e.next.Store(r)
	}
	if e.syncing {
		return r, false
	}
	e.syncing = true
	return e.begin(), true
}

// begin fixes what the waiting round covers. mu is held.
func (e *Engine) begin() *round {
	r := e.next.Load()
	r.seq = e.applied
	if !e.relaxed {
		r.snap = newSnapshot(e.db, r.seq)
	}
	e.current.Store(r)
	e.next.Store(nil)
	return r
}

// lead performs r and leaves the next one, if any, to the sync loop.
func (e *Engine) lead(r *round) {
	if e.perform(r) {
		e.work <- struct{}{}
	}
}

// perform syncs, publishes and wakes. It answers whether another round waits, which the caller then sees to.
func (e *Engine) perform(r *round) (more bool) {
	err := e.sync()
	if err == nil {
		if r.snap != nil {
			e.publish(r.snap)
		}
	} else if r.snap != nil {
		r.snap.release()
	}
	r.resolve(err)
	e.room.refresh()

	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.synced = r.seq
	}
	e.current.Store(nil)
	e.syncing = e.next.Load() != nil
	return e.syncing
}

// sync makes everything applied before it durable.
func (e *Engine) sync() (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.fail(fmt.Errorf("sync the log: %v", p))
			err = e.unknown()
		}
	}()
	if e.failure.Load() == nil {
		if err := e.db.LogData(nil, pebble.Sync); err != nil {
			e.fail(fmt.Errorf("sync the log: %w", err))
		}
	}
	if e.failure.Load() != nil {
		return e.unknown()
	}
	return nil
}

// syncLoop performs the rounds nobody leads: those that gathered behind another, and those for writes nobody waits for.
// It sleeps where there are none.
func (e *Engine) syncLoop() {
	defer close(e.done)
	timer, tidy := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	timer.Stop()
	tidy.Stop()
	defer timer.Stop()
	defer tidy.Stop()
	tidying := false
	for {
		select {
		case <-e.work:
			e.mu.Lock()
			r := e.begin()
			e.mu.Unlock()
			for e.perform(r) {
				e.mu.Lock()
				r = e.begin()
				e.mu.Unlock()
			}
		case <-e.late:
			timer.Reset(e.delay)
		case <-timer.C:
			e.catchUp()
		case <-e.tidy:
			if !tidying {
				tidying = true
				tidy.Reset(tidyDelay)
			}
		case <-tidy.C:
			tidying = false
			e.flush()
		case <-e.quit:
			e.catchUp()
			return
		}
	}
}

// catchUp syncs what was written and has not been.
func (e *Engine) catchUp() {
	e.mu.Lock()
	e.isLate = false
	if e.syncing || e.synced == e.applied || e.noSync || e.failure.Load() != nil {
		e.mu.Unlock()
		return
	}
	e.syncing = true
	e.next.Store(&round{done: make(chan struct{})})
	r := e.begin()
	e.mu.Unlock()
	e.lead(r)
}

// How long deletes on a full disk gather before they are written out.
const tidyDelay = 500 * time.Millisecond

// flush writes the memtable out. A delete gives its room back only when it meets in a table what it deletes, and on a full
// disk nothing else fills the memtable.
func (e *Engine) flush() {
	defer func() {
		if p := recover(); p != nil {
			e.fail(fmt.Errorf("flush: %v", p))
		}
	}()
	if e.failure.Load() == nil {
		e.db.AsyncFlush() // what fails, fails in the background and is logged there
	}
}
