package platform

import (
	"context"
	"fmt"
	"sync"

	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Neighbours are nodes of one process over one engine. They reach each other by a call instead of the network, and have one
// clock.
type Neighbours struct {
	clock *clock.Clock
	bell  owner.Bell

	mu    sync.Mutex // guards nodes
	nodes map[string]*Platform
}

// NewNeighbours are nodes, to be opened, that reach engine by ways of their own.
func NewNeighbours(ctx context.Context, engine store.Engine) (*Neighbours, error) {
	n := &Neighbours{clock: clock.New(), nodes: map[string]*Platform{}}
	st := &store.Store{Engine: engine, Clock: n.clock}
	return n, keepClock(ctx, n.clock, st.Space("platform"))
}

// Close stops the clock. All nodes must have been closed.
func (n *Neighbours) Close() { n.clock.Close() }

// join makes a platform one of the nodes, under its id.
func (n *Neighbours) join(id string, p *Platform) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[id] = p
}

// Leave has the others no longer reach the node: it has died, or is gone.
func (n *Neighbours) Leave(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nodes, id)
}

// life is the life of a node; nil where it is not there.
func (n *Neighbours) life(id string) *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.nodes[id]; p != nil {
		return p.life.Load()
	}
	return nil
}

// others are the lives of all nodes but one.
func (n *Neighbours) others(id string) []*life {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*life
	for other, p := range n.nodes {
		if l := p.life.Load(); other != id && l != nil {
			all = append(all, l)
		}
	}
	return all
}

// Forward implements call.Peers.
func (n *Neighbours) Forward(ctx context.Context, node string, op *model.Operation, in any) (any, error) {
	l := n.life(node)
	if l == nil {
		return nil, fmt.Errorf("%w: %s is not there", call.ErrUnreachable, node)
	}
	return l.door.Accept(owner.Forwarded(ctx), op, in)
}

// places has tasks and timers worked on by the node that owns their partition. What is told to the others is only a hint that
// saves them a look: whoever takes a partition over reads what is there.
type places struct {
	*owner.Node
	hints *hints
	wake  func(l *life, p uint16, what uint64) bool // has another node look
}

// Wake implements task.Places and timer.Places.
func (x places) Wake(p uint16, what uint64) { x.hints.add(hint{x.wake, p, what}) }

// hint is something to be told to whichever node serves a partition.
type hint struct {
	wake func(l *life, p uint16, what uint64) bool
	p    uint16
	what uint64
}

// hints are on their way to other nodes. Whoever adds one does not wait for them, but who moves the clock does.
type hints struct {
	id         string
	neighbours *Neighbours
	some       chan struct{}

	mu      sync.Mutex // guards what follows
	waiting []hint
	over    bool
}

func newHints(id string, n *Neighbours) *hints {
	return &hints{id: id, neighbours: n, some: make(chan struct{}, 1)}
}

func (h *hints) add(one hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.neighbours.clock.Begin()
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
		others := h.neighbours.others(h.id)
		for _, one := range now {
			// Where no node says that it serves the partition, one is about to, and will read what this is about.
			for _, l := range others {
				if one.wake(l, one.p, one.what) {
					break
				}
			}
			h.neighbours.clock.End()
		}
	}
	return ctx.Err()
}

func (l *life) wakeTask(_ uint16, lane uint64) bool { return l.tasks.Wake(lane) }

func (l *life) wakeTimer(p uint16, at uint64) bool { return l.timers.Wake(p, at) }
