package platform

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	bell      owner.Bell
	resetting chan struct{} // holds the one reset under way

	mu    sync.Mutex // guards what follows
	clock *clock.Clock
	nodes map[string]*Platform
}

// NewNeighbours are nodes, to be opened, that reach engine by ways of their own.
func NewNeighbours(ctx context.Context, engine store.Engine) (*Neighbours, error) {
	n := &Neighbours{clock: clock.New(), nodes: map[string]*Platform{}, resetting: make(chan struct{}, 1)}
	st := &store.Store{Engine: engine, Clock: n.clock}
	return n, keepClock(ctx, n.clock, st.Space("platform"))
}

// Close stops the clock. All nodes must have been closed.
func (n *Neighbours) Close() { n.now().Close() }

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
func (n *Neighbours) others(id string) []*life { return slices.Collect(maps.Values(n.named(id))) }

// named are they by the nodes' ids.
func (n *Neighbours) named(but string) map[string]*life {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := map[string]*life{}
	for id, p := range n.nodes {
		if l := p.life.Load(); id != but && l != nil {
			all[id] = l
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

// tell implements hints for one of the nodes.
func (n *Neighbours) tell(id string) func(context.Context, []hint) {
	return func(_ context.Context, list []hint) {
		others := n.others(id)
		for _, one := range list {
			// Where no node says that it serves the partition, one is about to, and will read what this is about.
			for _, l := range others {
				if one.wake(l) {
					break
				}
			}
		}
	}
}
