package platform

import (
	"math"
	"sync"
	"sync/atomic"
)

// requests counts those under way, until there are to be no more. (Not a lock: whoever waits for one keeps the time of a
// synctest bubble from passing, and requests may wait for the time.)
type requests struct {
	n    atomic.Int64 // far below zero once no more are let in
	once sync.Once
	idle chan struct{} // closed when there is none, and there will be none
}

func newRequests() *requests { return &requests{idle: make(chan struct{})} }

// enter reports whether a request may begin; if so it must leave.
func (r *requests) enter() bool {
	if r.n.Add(1) > 0 {
		return true
	}
	r.leave()
	return false
}

func (r *requests) leave() {
	if r.n.Add(-1) == math.MinInt64 {
		r.once.Do(func() { close(r.idle) })
	}
}

// drain lets no more begin, and returns when none is under way.
func (r *requests) drain() {
	if r.n.Add(math.MinInt64) == math.MinInt64 {
		r.once.Do(func() { close(r.idle) })
	}
	<-r.idle
}
