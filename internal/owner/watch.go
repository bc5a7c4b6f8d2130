package owner

import "github.com/obidos-cloud/obidos/internal/store"

// watcher is told which partitions are this node's.
type watcher struct {
	fn      func(p uint16, owned bool)
	told    [Partitions]uint64 // the epoch of the taking it was last told of; 0 = not owned
	members map[string]member  // who took part then
}

// Owned reports whether this node owns partition p, as far as it knows, and gives the fence that a commit about it must
// hold to be sure. It is to be asked for each commit: the node raises its own fence now and then. A partition that is about
// to be given up is still owned, so that what is under way can be written.
func (n *Node) Owned(p uint16) (store.Fence, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session == nil || !n.parts[p].mine {
		return store.Fence{}, false
	}
	return (*n.session.fences.Load())[0], true
}

// Watch has fn called for each partition owned now and, from then on, for each that is taken or given up; and once more for
// every one owned when another node is gone, which may have had something to tell about it. fn must not wait, nor call the node.
func (n *Node) Watch(fn func(p uint16, owned bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers = append(n.watchers, &watcher{fn: fn, members: n.members})
	n.tell()
}

// tell tells all watchers what has changed. Its caller holds mu.
func (n *Node) tell() {
	for _, w := range n.watchers {
		gone := false
		for id, m := range w.members {
			gone = gone || id != n.o.ID && n.members[id].Incarnation != m.Incarnation
		}
		w.members = n.members
		for p := range n.parts {
			epoch := uint64(0)
			if part := &n.parts[p]; n.session != nil && part.mine && !part.releasing {
				epoch = part.epoch
			}
			if epoch != w.told[p] || gone && epoch != 0 {
				w.told[p] = epoch
				w.fn(uint16(p), epoch != 0)
			}
		}
	}
}
