package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/peer"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Reset forgets everything but the snapshots, and begins anew, on all nodes that share the store. Requests that come in
// meanwhile wait; what was under way is finished before, or refused.
func (p *Platform) Reset(ctx context.Context) error {
	switch {
	case p.network != nil:
		return p.network.reset(ctx)
	case p.o.Neighbours != nil:
		return p.o.Neighbours.reset(ctx, p)
	}
	return p.between(ctx, p.empty)
}

// Clear forgets everything but the snapshots, before Run, also what an import has filled in part.
func (p *Platform) Clear(ctx context.Context) error {
	if err := p.deserted(ctx); err != nil {
		return err
	}
	return p.empty(ctx)
}

// empty empties the store, over which no life is, here or elsewhere. A cluster stays one.
func (p *Platform) empty(ctx context.Context) error {
	st := p.over(p.engine)
	return snapshot.Empty(ctx, st, p.keepCluster(st))
}

func (p *Platform) keepCluster(st *store.Store) func(tx *store.Tx, w *store.Writes) error {
	return func(tx *store.Tx, w *store.Writes) error {
		peer.Keep(tx, w, st.Space(peerSpace))
		return nil
	}
}

// errEmptied: another node did, since this one was asked to.
var errEmptied = errors.New("the store was emptied by another node")

// peerSpace keeps what makes the nodes a cluster.
const peerSpace = "peer"

// deserted is nil where no node takes part in what the store holds. One that died does not: nothing of it changes any more.
func (p *Platform) deserted(ctx context.Context) error {
	if p.dir != nil || p.o.Cluster == nil {
		return nil // it is ours alone
	}
	space := p.over(p.engine).Space(owner.SpaceName)
	before, err := owner.Members(ctx, space)
	if err != nil || len(before) == 0 {
		return err
	}
	for end := time.Now().Add(lease * 3 / 2); time.Now().Before(end); {
		if err := clock.Pause(ctx, lease/10); err != nil {
			return err
		}
		now, err := owner.Members(ctx, space)
		if err != nil {
			return err
		}
		for id, beat := range now {
			if before[id] != beat {
				return fmt.Errorf("node %s takes part in cluster %s: stop all of its nodes first", id, p.o.Cluster.Name)
			}
		}
	}
	return nil
}

// The nodes of a cluster are reset together. The one that is asked has the others rest: each ends its life, and so is no member
// any more. Then it empties the store, in one transaction that also counts how often that was done, and all begin anew. A node
// that does not hear of it, or does not come to rest in time, is shut out by the same transaction: it can commit nothing, finds
// out at its next heartbeat, and begins anew, too.

// rest asks a node to rest until the store was emptied more often.
type rest struct {
	Emptied uint64 `json:"emptied"`
}

const (
	restTakes = 3 * time.Second // nodes are waited for so long
	restLasts = 5 * time.Second // and rest at most so long: who asked may have died
	restLooks = 5 * time.Millisecond
)

func (n *network) reset(ctx context.Context) error {
	n.resets.Add(1)
	defer n.resets.Add(-1)
	l := n.p.await(ctx)
	if l == nil {
		return errNotRunning
	}
	space := n.p.over(n.p.current()).Space(owner.SpaceName)
	emptied, err := owner.Emptied(ctx, space)
	if err != nil {
		return err
	}
	body, err := json.Marshal(rest{emptied})
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	heard, err := n.toAll(asking, l, "rest", body)
	cancel()
	if err != nil {
		n.p.log.Warn("a node does not hear of the reset: it is shut out", "reason", err)
	}
	return n.p.between(ctx, func(ctx context.Context) error {
		left := n.awaitRest(ctx, space, heard, emptied)
		st := n.p.over(n.p.engine)
		err := snapshot.Empty(ctx, st, n.p.keepCluster(st), func(tx *store.Tx, _ *store.Writes) error {
			if owner.EmptiedIn(tx, st.Space(owner.SpaceName)) != emptied {
				return errEmptied
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEmptied) {
			return err
		}
		if left { // it may answer what it has in memory, until its last heartbeat is so old
			return clock.Pause(ctx, lease)
		}
		return nil
	})
}

// awaitRest waits until the nodes that have heard are no members any more, and reports whether any is left; or
// until another node has emptied the store.
func (n *network) awaitRest(ctx context.Context, space store.Space, heard map[string][]byte, emptied uint64) (left bool) {
	for end := time.Now().Add(restTakes); ; {
		if now, err := owner.Emptied(ctx, space); err == nil && now != emptied {
			return false
		}
		members, err := owner.Members(ctx, space)
		waiting := err != nil
		for id := range members {
			_, ok := heard[id]
			waiting = waiting || ok
		}
		delete(members, n.p.o.Node)
		if left = err != nil || len(members) > 0; !waiting || time.Now().After(end) || clock.Pause(ctx, restLooks) != nil {
			return left
		}
	}
}

// toRest has this node rest soon, because another says so.
func (n *network) toRest(body []byte) error {
	var r rest
	if err := json.Unmarshal(body, &r); err != nil {
		return err
	}
	select {
	case n.rests <- r:
	default: // it is about to
	}
	return nil
}

// resting rests when others say so, until ctx ends.
func (n *network) resting(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-n.rests:
			if err := n.rest(ctx, r); err != nil && ctx.Err() == nil && !errors.Is(err, errNotRunning) {
				n.p.log.Warn("this node was to be reset with the others", "error", err)
			}
		}
	}
}

func (n *network) rest(ctx context.Context, r rest) error {
	over := func(ctx context.Context) bool {
		now, err := owner.Emptied(ctx, n.p.over(n.p.current()).Space(owner.SpaceName))
		return err == nil && now != r.Emptied
	}
	if over(ctx) {
		return nil
	}
	return n.p.between(ctx, func(ctx context.Context) error {
		// Not while this node is to reset all itself: two would wait for each other.
		for end := time.Now().Add(restLasts); !over(ctx) && n.resets.Load() == 0 && time.Now().Before(end); {
			select {
			case <-n.p.ending:
				return nil
			case <-time.After(restLooks):
			}
		}
		return nil
	})
}

// reset has all nodes rest, empties the store, and has all begin anew, with a new clock. by is the node that was asked.
func (n *Neighbours) reset(ctx context.Context, by *Platform) error {
	select {
	case n.resetting <- struct{}{}:
		defer func() { <-n.resetting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	var others []*Platform
	for _, p := range n.nodes {
		if p != by {
			others = append(others, p)
		}
	}
	n.mu.Unlock()
	var all sync.WaitGroup
	release := make(chan struct{})
	var rested []<-chan struct{}
	for _, p := range others {
		one := make(chan struct{})
		rest := sync.OnceFunc(func() { close(one) })
		rested = append(rested, one)
		all.Go(func() {
			defer rest()
			err := p.between(ctx, func(context.Context) error {
				rest()
				<-release
				return nil
			})
			if err != nil && !errors.Is(err, errNotRunning) {
				p.log.Warn("this node was to be reset with the others", "error", err)
			}
		})
	}
	for _, one := range rested {
		<-one
	}
	err := by.between(ctx, func(ctx context.Context) error {
		if err := by.empty(ctx); err != nil {
			return err
		}
		return n.newClock(ctx, by.engine)
	})
	close(release)
	all.Wait()
	return err
}

// newClock replaces the nodes' clock, which nobody uses, by one that is where the store has it.
func (n *Neighbours) newClock(ctx context.Context, e store.Engine) error {
	next := clock.New()
	st := &store.Store{Engine: e, Clock: next}
	if err := keepClock(ctx, next, st.Space("platform")); err != nil {
		return err
	}
	n.mu.Lock()
	before := n.clock
	n.clock = next
	n.mu.Unlock()
	before.Close()
	return nil
}

// now is the nodes' clock.
func (n *Neighbours) now() *clock.Clock {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clock
}
