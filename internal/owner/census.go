package owner

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Member is a node as the store and this node's watching have it.
type Member struct {
	ID          string
	Address     string
	Version     string
	Incarnation uint64
	Leaving     bool          // it has handed over, and is about to end
	Seen        time.Duration // since this node last saw its heartbeat change; of this node itself, since it last wrote it
	Partitions  int           // it owns
}

// Census is who takes part, in the order of their ids, and how many partitions nobody owns.
func (n *Node) Census(ctx context.Context) (members []Member, free int, err error) {
	type found struct {
		members map[string]member
		owned   map[string]int
	}
	f, err := store.View(ctx, n.space, func(tx *store.Tx) (f found, _ error) {
		f.members, f.owned = n.rows.all(tx), map[string]int{}
		for _, o := range n.rows.owners.Scan(tx, store.ScanOptions{}) {
			if m := f.members[o.node]; o.incarnation != 0 && m.Incarnation == o.incarnation {
				f.owned[o.node]++
			}
		}
		return f, nil
	})
	if err != nil {
		return nil, 0, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	free = Partitions
	for id, m := range f.members {
		one := Member{ID: id, Address: m.Address, Version: m.Version, Incarnation: m.Incarnation, Leaving: m.Leaving, Partitions: f.owned[id]}
		if s, ok := n.seen[id]; ok {
			one.Seen = time.Since(s.at)
		}
		free -= one.Partitions
		members = append(members, one)
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members, free, nil
}

// Others are the ids of the other members, as this node last saw them.
func (n *Node) Others() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids []string
	for id := range n.members {
		if id != n.o.ID {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// At is where a member is reached; false where there is none of that id, as far as this node knows.
func (n *Node) At(id string) (address string, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, ok := n.members[id]
	return m.Address, ok
}

// Holder is which member this node takes for the owner of partition p; empty where it does not know.
func (n *Node) Holder(p uint16) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.parts[p].mine {
		return n.o.ID
	}
	return n.parts[p].holder
}
