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

// join answers the sync that makes all that is applied durable, nil where it is already or nobody may wait. The caller has
// the turn.
func (e *Engine) join() *round {
	if e.synced == e.applied || e.relaxed || e.noSync {
		return nil
	}
	if r := e.current.Load(); r != nil && r.seq == e.applied {
		return r
	}
	r := e.next.Load()
	if r == nil {
		r = &round{done: make(chan struct{})}
		e.next.Store(r)
	}
	if !e.syncing {
		e.syncing = true
		e.work <- struct{}{}
	}
	return r
}

// begin fixes what the waiting round covers: all that is applied.
func (e *Engine) begin() (*round, error) {
	if err := e.turn.takeFirst(e.brokenError); err != nil {
		return nil, err
	}
	defer e.turn.give()
	r := e.next.Load()
	r.seq = e.applied
	if !e.relaxed {
		r.snap = e.newSnapshot(r.seq)
	}
	e.current.Store(r)
	e.next.Store(nil)
	return r, nil
}

// perform syncs, publishes and wakes. It answers whether another round waits.
func (e *Engine) perform(r *round) (more bool) {
	err := e.sync()
	if err == nil && r.snap != nil {
		e.publish(r.snap)
	}
	r.resolve(err)
	if err != nil {
		return false
	}
	e.room.refresh()
	if e.turn.takeFirst(e.brokenError) != nil {
		return false
	}
	defer e.turn.give()
	e.synced = r.seq
	e.current.Store(nil)
	e.syncing = e.next.Load() != nil
	return e.syncing
}

// sync makes everything applied before it durable.
func (e *Engine) sync() error {
	if err := e.brokenError(); err != nil {
		return err
	}
	if err := e.db.LogData(nil, pebble.Sync); err != nil {
		e.fail(fmt.Errorf("sync the log: %w", err))
	}
	if e.failure.Load() != nil {
		return e.unknown()
	}
	return nil
}

// syncLoop performs the rounds, one after the other, and sleeps where there are none. No caller does it in its place: the
// disk may keep whoever waits for it for good.
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
			e.rounds()
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

// rounds performs those that wait.
func (e *Engine) rounds() {
	for more := true; more; {
		r, err := e.begin()
		if err != nil {
			return
		}
		more = e.perform(r)
	}
}

// catchUp syncs what was written and has not been.
func (e *Engine) catchUp() {
	if e.turn.takeFirst(e.brokenError) != nil {
		return
	}
	e.isLate = false
	if e.syncing || e.synced == e.applied || e.noSync {
		e.turn.give()
		return
	}
	e.syncing = true
	e.next.Store(&round{done: make(chan struct{})})
	e.turn.give()
	e.rounds()
}

// How long deletes on a full disk gather before they are written out.
const tidyDelay = 500 * time.Millisecond

// flush writes the memtable out. A delete gives its room back only when it meets in a table what it deletes, and on a full
// disk nothing else fills the memtable.
func (e *Engine) flush() {
	if e.failure.Load() == nil {
		_, _ = e.db.AsyncFlush() // what fails, fails in the background and is logged there
	}
}
