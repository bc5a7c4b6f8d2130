package owner

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

type forwardedKey struct{}

// Forwarded is ctx for a request that another node sent here because it takes this node for the owner.
func Forwarded(ctx context.Context) context.Context {
	return context.WithValue(ctx, forwardedKey{}, true)
}

// Doubt says that the node e names could not be reached, or denies being the owner: the node that e is from asks the
// store before it says so again.
func (e *ElsewhereError) Doubt() {
	n := e.asked
	if n == nil { // it came over the network
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := &n.parts[e.Partition]; p.holder == e.Node {
		p.doubted = true
	}
}

// Pause waits for d, or until what the node that e is from knows of owners has changed: then it is worth asking again.
func (e *ElsewhereError) Pause(ctx context.Context, d time.Duration) error {
	var changed <-chan struct{}
	if n := e.asked; n != nil {
		n.mu.Lock()
		changed = n.changed
		n.mu.Unlock()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// own makes sure that partition p is this node's, and that the store shows all that was written to it.
func (n *Node) own(ctx context.Context, p uint16) (epoch uint64, next *atomic.Uint64, err error) {
	forwarded := ctx.Value(forwardedKey{}) != nil
	for asked := false; ; asked = true {
		n.mu.Lock()
		s, part, changed, looks := n.session, n.parts[p], n.changed, n.looks
		stopped, trouble, holder, known := n.stopped, n.trouble, n.members[part.holder].Address, part.holder != "" && !part.doubted
		leaving := n.leaving
		n.mu.Unlock()
		switch {
		case stopped:
			return 0, nil, ErrStopped
		case s == nil && trouble != nil:
			return 0, nil, trouble
		case s == nil || part.releasing:
			select {
			case <-changed:
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		case part.mine && part.unsettled > n.commits.durable.Load():
			if err := n.barrier(ctx); err != nil && !errors.Is(err, errAgain) {
				return 0, nil, err
			}
		case part.mine:
			return part.epoch, part.next, nil
		case known && (asked || !forwarded):
			return 0, nil, &ElsewhereError{part.holder, holder, p, n}
		case leaving && asked: // there is nobody to take it
			return 0, nil, ErrStopped
		default:
			ask := -1
			if forwarded {
				ask = int(p)
			}
			if err := n.take(ctx, s, ask, looks); err != nil && !errors.Is(err, errLost) {
				return 0, nil, err
			}
		}
	}
}

// owns reports whether partition p still is this node's, since the same taking.
func (n *Node) owns(p uint16, epoch uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	part := &n.parts[p]
	return part.mine && !part.releasing && part.epoch == epoch
}

// takings is what one look at all partitions found and took.
type takings struct {
	members map[string]member
	holders [Partitions]string
	epochs  [Partitions]uint64 // of those taken
	heirs   Heirs              // who else got some
}

// take looks at all partitions, and gives those that nobody holds, or a dead node does, to who should have them: to this node,
// which begins with them at once, and to others, which are told. The one asked for, -1 for none, this node takes, if it is free.
// It does nothing where somebody else has looked since looks.
func (n *Node) take(ctx context.Context, s *session, asked int, looks uint64) error {
	select {
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	if n.looks != looks {
		n.mu.Unlock()
		return nil
	}
	dead, leaving, held := n.dead(), n.leaving, n.held
	var mine [Partitions]bool
	for i := range n.parts {
		mine[i] = n.parts[i].mine
	}
	n.mu.Unlock()

	var found *takings
	err := n.insist(ctx, s, "owner.take", func(tx *store.Tx, _ bool) error {
		found = &takings{members: n.rows.all(tx), heirs: Heirs{}}
		if found.members[n.o.ID].Incarnation != s.incarnation {
			return errLost
		}
		for id, m := range found.members {
			seen, silent := dead[id]
			silent = silent && seen.Incarnation == m.Incarnation && seen.Beat == m.Beat
			if silent || n.o.Alone && id != n.o.ID {
				n.rows.raise(tx, id) // from here on it can commit nothing
				n.rows.members.Delete(tx, id)
				delete(found.members, id)
			}
		}
		var rows [Partitions]owned
		for k, o := range n.rows.owners.Scan(tx, store.ScanOptions{}) {
			rows[k.Uint64(0)%Partitions] = o
		}
		plan := planOf(found.members)
		for p, o := range rows {
			holder, alive := found.members[o.node]
			alive = alive && holder.Incarnation == o.incarnation
			switch {
			case mine[p]:
				continue
			case alive && o.node != n.o.ID:
				found.holders[p] = o.node
				continue
			case alive && o.epoch > held[p]: // given to us, or a taking whose outcome we never heard
				found.epochs[p] = o.epoch
				continue
			}
			to := plan[p]
			if p == asked && !leaving || alive {
				to = n.o.ID
			}
			if to == "" {
				continue
			}
			o = owned{o.epoch + 1, found.members[to].Incarnation, to}
			n.rows.owners.Set(tx, o, uint16(p))
			if to == n.o.ID {
				found.epochs[p] = o.epoch
			} else {
				found.holders[p] = to
				found.heirs.add(uint16(p), o)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	took, err := n.took(s, found)
	if err != nil || took+len(found.heirs) == 0 {
		return err
	}
	n.log.Debug("took partitions", "node", n.o.ID, "number", took, "members", len(found.members))
	n.tellHeirs(ctx, found.heirs)
	n.tellOthers()
	return nil
}

// took takes note of what take did.
func (n *Node) took(s *session, found *takings) (number int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session != s {
		return 0, errLost
	}
	n.looks++
	n.remember(found.members)
	n.unseen = false
	moved := false
	for p := range n.parts {
		switch part := &n.parts[p]; {
		case part.mine:
		case found.epochs[p] != 0:
			n.begin(uint16(p), found.epochs[p])
			number++
		default:
			moved = moved || part.holder != found.holders[p]
			part.holder, part.doubted = found.holders[p], false
		}
	}
	// Nothing is said where the store only says again what was doubted: whoever waits for a dead node's partitions would
	// look, and so wake all the others, without end.
	if number > 0 || moved {
		n.announce()
	}
	return number, nil
}

// insist commits fn under the node's fence, again until the outcome is certain; fn is told whether it may have happened before.
func (n *Node) insist(ctx context.Context, s *session, name string, fn func(tx *store.Tx, perhaps bool) error) error {
	perhaps := false
	for {
		_, err := store.UpdateWith(ctx, n.space, store.UpdateOptions{Name: name, Owned: true, Frees: true, Fences: *s.fences.Load()}, func(tx *store.Tx) (struct{}, error) {
			return struct{}{}, fn(tx, perhaps)
		})
		switch {
		case errors.Is(err, store.ErrUnknown):
			perhaps = true
			continue // it changes nothing to do it twice
		case errors.Is(err, store.ErrFenced):
			// If it was another node, we are no member any more. Else this node itself raised the term, in the settling
			// of a commit; to raise it once more makes sure to know it.
			term, err := store.UpdateWith(ctx, n.space, store.UpdateOptions{Name: name, Frees: true}, func(tx *store.Tx) (uint64, error) {
				if m, ok := n.rows.members.Get(tx, n.o.ID); !ok || m.Incarnation != s.incarnation {
					return 0, nil
				}
				return n.rows.raise(tx, n.o.ID), nil
			})
			if errors.Is(err, store.ErrUnknown) {
				continue
			}
			if err != nil {
				if perhaps {
					n.depose(s)
				}
				return err
			}
			if term == 0 {
				n.depose(s)
				return errLost
			}
			s.fence(n, term)
			continue
		case errors.Is(err, errLost), perhaps && err != nil: // what is not known must not be taken for ours
			n.depose(s)
		}
		return err
	}
}

// balance takes what should be this node's and is free, and releases what should be another's.
func (n *Node) balance(ctx context.Context, s *session) error {
	n.mu.Lock()
	missing, extra := len(n.dead()) > 0 || n.unseen, false
	for p := range n.parts {
		mine, should := n.parts[p].mine, n.plan[p] == n.o.ID && !n.leaving
		missing = missing || should && !mine
		extra = extra || mine && !should
	}
	plan, looks := n.plan, n.looks
	n.mu.Unlock()
	if missing {
		if err := n.take(ctx, s, -1, looks); err != nil {
			return err
		}
	}
	if extra {
		return n.release(ctx, s, staying, func(p int) bool { return plan[p] != n.o.ID })
	}
	return nil
}

// intent is why partitions are released.
type intent int

const (
	staying intent = iota
	leaving        // the node takes none any more
	gone           // nor is it a member
)

// release gives the partitions that which chooses to those who should have them, once all that was written to them is decided.
func (n *Node) release(ctx context.Context, s *session, why intent, which func(p int) bool) error {
	select {
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	if n.session != s {
		n.mu.Unlock()
		return errLost
	}
	var epochs [Partitions]uint64
	for p := range n.parts {
		if part := &n.parts[p]; part.mine && which(p) {
			part.releasing = true
			epochs[p] = part.epoch
		}
	}
	kinds, known := n.kinds, n.members
	n.tell()
	n.mu.Unlock()
	defer func() { // where it failed, they are still ours
		n.mu.Lock()
		defer n.mu.Unlock()
		for p := range n.parts {
			n.parts[p].releasing = false
		}
		n.announce()
	}()
	for _, k := range kinds {
		k.each(func(o *object) {
			if epochs[o.part] != 0 {
				o.mu.Lock()
				o.drop()
				o.mu.Unlock()
			}
		})
	}
	if err := n.decided(ctx); err != nil {
		return err
	}
	var heirs Heirs
	var rows [Partitions]owned // of those given up
	err := n.insist(ctx, s, "owner.release", func(tx *store.Tx, perhaps bool) error {
		heirs, rows = Heirs{}, [Partitions]owned{}
		members := known
		if m, ok := known[n.o.ID]; why == staying || perhaps || !ok || m.Incarnation != s.incarnation {
			members = n.rows.all(tx)
		} // else nothing is read, which nobody can be in conflict with: the fence says that we live
		m, ok := members[n.o.ID]
		if ok && m.Incarnation != s.incarnation {
			return errLost
		}
		others := maps.Clone(members)
		switch {
		case why == gone:
			n.rows.members.Delete(tx, n.o.ID)
			delete(others, n.o.ID)
		case why == leaving && ok:
			m.Leaving = true
			n.rows.members.Set(tx, m, n.o.ID)
			others[n.o.ID] = m
		}
		var now [Partitions]owned
		if perhaps { // an earlier try may have been committed unheard, and somebody have them since
			for k, o := range n.rows.owners.Scan(tx, store.ScanOptions{}) {
				now[k.Uint64(0)%Partitions] = o
			}
		}
		// By who is there in this very transaction: who misses any finds them by it. When this node goes, all look once it is gone.
		plan := planOf(others)
		for p, epoch := range epochs {
			if epoch == 0 || why == staying && plan[p] == n.o.ID {
				continue
			}
			o := owned{epoch: epoch}
			if to := plan[p]; to != "" {
				o = owned{epoch + 1, others[to].Incarnation, to}
			}
			if perhaps && now[p] != (owned{epoch, s.incarnation, n.o.ID}) {
				o = now[p]
			} else {
				n.rows.owners.Set(tx, o, uint16(p))
			}
			rows[p] = o
			if o.node != "" && o.node != n.o.ID {
				heirs.add(uint16(p), o)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	number := 0
	if n.session == s {
		for p, o := range rows {
			if o.epoch != 0 {
				n.parts[p] = partition{holder: o.node}
				number++
			}
		}
	}
	n.mu.Unlock()
	n.tellHeirs(ctx, heirs) // before who waits here is sent there
	n.log.Debug("released partitions", "node", n.o.ID, "number", number)
	n.tellOthers()
	return nil
}
