package pebble

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// snapshot is a state of the store, shared by all who read it and closed when the last of them leaves.
type snapshot struct {
	e    *Engine
	snap *pebble.Snapshot
	seq  uint64
	refs atomic.Int64
}

// newSnapshot is the state after commit seq, or a later one, with one reference.
func (e *Engine) newSnapshot(seq uint64) *snapshot {
	s := &snapshot{e: e, snap: e.db.NewSnapshot(), seq: seq}
	s.refs.Store(1)
	return s
}

// use takes a reference, unless the last one has gone.
func (s *snapshot) use() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 && s.e.failure.Load() == nil { // after a failure pebble's locks may be held for good
		_ = s.snap.Close() // fails only where it was closed before
	}
}

// publish makes s what Views read. It takes over the caller's reference.
func (e *Engine) publish(s *snapshot) { e.published.Swap(s).release() }

// snapshot is what a View reads, with a reference for the caller.
func (e *Engine) snapshot() *snapshot {
	for {
		s := e.published.Load()
		if e.relaxed || e.noSync {
			if seq := e.appliedNo.Load(); s.seq < seq {
				fresh := e.newSnapshot(seq)
				if e.published.CompareAndSwap(s, fresh) {
					s.release()
				} else {
					fresh.release()
				}
				continue
			}
		}
		if s.use() {
			return s
		}
	}
}
