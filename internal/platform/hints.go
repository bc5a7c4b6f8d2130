package platform

import (
	"context"
	"sync"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/owner"
)

// hint has the node that serves a partition look at a task or a timer there. It saves that node a look, no more: whoever takes
// a partition over reads what is there.
type hint struct {
	Timer     bool   `json:"t,omitempty"`
	Partition uint16 `json:"p"`
	What      uint64 `json:"w"`
}

// wake has a node look. It reports whether that serves the partition.
func (h hint) wake(l *life) bool {
	if h.Timer {
		return l.timers.Wake(h.Partition, h.What)
	}
	return l.tasks.Wake(h.What)
}

// hints are on their way to other nodes. Whoever adds one does not wait for them, but who moves the clock does.
type hints struct {
	clock *clock.Clock
	tell  func(ctx context.Context, list []hint) // each to the node it is for
	some  chan struct{}

	mu      sync.Mutex // guards what follows
	waiting []hint
	over    bool
}

func newHints(c *clock.Clock, tell func(ctx context.Context, list []hint)) *hints {
	return &hints{clock: c, tell: tell, some: make(chan struct{}, 1)}
}

func (h *hints) add(one hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.clock.Begin()
	h.waiting = append(h.waiting, one)
	select {
	case h.some <- struct{}{}:
	default:
	}
}

// run tells them until ctx ends. What is not told then is found by who takes this node's place.
func (h *hints) run(ctx context.Context) error {
	for done := false; !done; {
		select {
		case <-h.some:
		case <-ctx.Done():
			done = true
		}
		h.mu.Lock()
		now := h.waiting
		h.waiting, h.over = nil, done
		h.mu.Unlock()
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		h.tell(asking, now)
		cancel()
		for range now {
			h.clock.End()
		}
	}
	return ctx.Err()
}

// places has tasks and timers worked on by the node that owns their partition.
type places struct {
	*owner.Node
	hints *hints
	timer bool
}

// Wake implements partition.Places.
func (x places) Wake(p uint16, what uint64) { x.hints.add(hint{x.timer, p, what}) }
