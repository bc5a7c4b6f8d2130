package owner

import (
	"context"
	"sync/atomic"
	"time"
)

// Heirs are the nodes that were given partitions, by their ids: by one that stops, or that has found another dead. The store
// has it; who is told need not look there, and can begin at once.
type Heirs map[string]Heir

// Heir is what one node was given.
type Heir struct {
	Incarnation uint64            `json:"i"`
	Epochs      map[uint16]uint64 `json:"e"` // by partition
}

func (h Heirs) add(p uint16, o owned) {
	one, ok := h[o.node]
	if !ok {
		one = Heir{o.incarnation, map[uint16]uint64{}}
		h[o.node] = one
	}
	one.Epochs[p] = o.epoch
}

// Inherit takes note of what this node and others were given. The transaction that gave it is committed. A message that comes
// late does no harm: a partition leaves a node only by what that node does, or with its incarnation, and no epoch comes twice.
func (n *Node) Inherit(heirs Heirs) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := false
	for id, h := range heirs {
		for p, epoch := range h.Epochs {
			switch {
			case p >= Partitions || n.parts[p].mine:
			case id != n.o.ID:
				n.parts[p].holder, n.parts[p].doubted = id, false
				changed = true
			case n.session != nil && n.session.incarnation == h.Incarnation && !n.stopped && epoch > n.held[p]:
				n.begin(p, epoch)
				changed = true
			}
		}
	}
	if changed {
		n.announce()
	}
}

// begin makes a partition this node's. Its caller holds mu.
func (n *Node) begin(p uint16, epoch uint64) {
	n.parts[p] = partition{mine: true, epoch: epoch, next: new(atomic.Uint64)}
	n.held[p] = epoch
}

// tellingTakes is how long is waited for nodes to hear of what they were given: one may just have died.
const tellingTakes = 250 * time.Millisecond

// tellHeirs tells the other nodes who got what. Its caller does not hold mu.
func (n *Node) tellHeirs(ctx context.Context, heirs Heirs) {
	if len(heirs) == 0 {
		return
	}
	if b := n.o.Bell; b != nil {
		for _, other := range b.others(n) {
			other.Inherit(heirs)
		}
	}
	if n.o.TellHeirs != nil {
		ctx, cancel := context.WithTimeout(ctx, tellingTakes)
		defer cancel()
		n.o.TellHeirs(ctx, heirs)
	}
}
