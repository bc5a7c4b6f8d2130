package owner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Bell lets the nodes of one process tell each other at once what they would see in the store at their next heartbeat.
// It is a hint: nothing depends on it but how soon.
type Bell struct {
	mu    sync.Mutex
	nodes map[*Node]bool
}

func (b *Bell) add(n *Node, in bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nodes == nil {
		b.nodes = make(map[*Node]bool)
	}
	if in {
		b.nodes[n] = true
	} else {
		delete(b.nodes, n)
	}
}

// tellOthers has the other nodes look at what this one has changed.
func (n *Node) tellOthers() {
	if n.o.Tell != nil {
		n.o.Tell()
	}
	if n.o.Bell != nil {
		n.o.Bell.ring(n)
	}
}

func (b *Bell) ring(by *Node) {
	for _, n := range b.others(by) {
		n.Look()
	}
}

func (b *Bell) others(than *Node) (nodes []*Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range b.nodes {
		if n != than {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Look has the node look soon at what has changed in the store. Whoever hears from another node that it came or goes
// may call it.
func (n *Node) Look() {
	select {
	case n.look <- struct{}{}:
	default:
	}
}

// sighting is when this node last saw another's heartbeat change.
type sighting struct {
	member
	at    time.Time
	since int // looks at it that found it the same
}

// beats is how many heartbeats a lease has.
const beats = 5

// A store that stalls keeps everybody's heartbeat from changing: so a dead node must have looked the same more than once.
const deadLooks = 3

// errLost: this node was taken for dead.
var errLost = errors.New("owner: another node took this one for dead")

// Run joins the node to the others and takes part until ctx ends. Then it serves no more callers, writes what is
// under way, and releases what it owns.
func (n *Node) Run(ctx context.Context) error {
	n.base = context.WithoutCancel(ctx)
	n.commits.timer = time.NewTimer(time.Hour)
	n.commits.timer.Stop()
	flushing, stop := context.WithCancel(n.base)
	var flushed sync.WaitGroup
	flushed.Go(func() { n.flushes(flushing) })
	defer func() {
		stop()
		flushed.Wait()
	}()
	n.o.Bell.add(n, true)
	defer n.o.Bell.add(n, false)
	for {
		s, err := n.enter(ctx)
		if err == nil {
			err = n.stay(ctx, s)
		}
		if ctx.Err() != nil {
			return n.retire()
		}
		if s != nil {
			s.writing.Wait() // the mark must stay until its commit is settled
			if errors.Is(err, errLost) {
				<-s.ended // what is in memory must be dropped before it could be written under the next session
			}
		}
		if errors.Is(err, errLost) {
			err = n.replaced(s, err)
		}
		if !errors.Is(err, errLost) {
			n.close()
			return err
		}
		n.log.Warn("taken for dead by another node: joining again", "node", n.o.ID)
	}
}

// enter makes the node a member, again where it was one: what an earlier process of its name, or an earlier session
// of this one, has under way is shut out.
func (n *Node) enter(ctx context.Context) (*session, error) {
	for try := 0; ; try++ {
		began := time.Now()
		var now format
		var found map[string]member
		term, err := store.UpdateWith(ctx, n.space, store.UpdateOptions{Name: "owner.join", Frees: true}, func(tx *store.Tx) (uint64, error) {
			now, _ = n.rows.format.Get(tx)
			if n.emptied != nil && *n.emptied != now.Emptied {
				return 0, ErrEmptied
			}
			all := n.rows.all(tx)
			if err := n.o.fits(now, all); err != nil {
				return 0, err
			}
			n.agree(tx, now, all)
			t := n.rows.raise(tx, n.o.ID)
			found = all
			found[n.o.ID] = member{
				Incarnation: t, Address: n.o.Address, Version: n.o.Version, Newest: n.o.Formats.Newest, Oldest: n.o.Formats.Oldest,
			}
			n.rows.members.Set(tx, found[n.o.ID], n.o.ID)
			n.rows.marks.Set(tx, mark{t, 0}, n.o.ID)
			return t, nil
		})
		if err != nil {
			if _, unfit := errors.AsType[*FormatError](err); unfit || ctx.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, ErrEmptied) {
				return nil, err
			}
			if try == 0 { // it is tried again until it works, and who asks for something is told meanwhile
				n.log.Warn("cannot take part yet", "node", n.o.ID, "error", err)
			}
			if refused(err) {
				n.mu.Lock()
				n.trouble = err
				n.announce()
				n.mu.Unlock()
			}
			if err := clock.Pause(ctx, min(time.Duration(try)*50*time.Millisecond, time.Second)); err != nil {
				return nil, err
			}
			continue
		}
		n.emptied = &now.Emptied
		s := &session{incarnation: term, ended: make(chan struct{})}
		s.fence(n, term)
		n.refresh(began)
		n.mu.Lock()
		n.session, n.trouble = s, nil
		n.remember(found) // so that they can be told
		n.announce()
		n.mu.Unlock()
		n.tellOthers()
		return s, nil
	}
}

// stay takes part until ctx ends, or another node took this one for dead.
func (n *Node) stay(ctx context.Context, s *session) error {
	if n.o.Alone {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ended:
			return errLost
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false // which is told once
	for number := uint64(1); ; number++ {
		wait := n.o.Lease / beats
		err := n.beat(ctx, s, number)
		if err == nil {
			err = n.balance(ctx, s)
		}
		if err != nil {
			wait = min(wait, 100*time.Millisecond)
			if !failing && ctx.Err() == nil && !errors.Is(err, errLost) {
				n.log.Warn("cannot take part: the other nodes may take this one for dead", "node", n.o.ID, "error", err)
			}
		}
		failing = err != nil
		timer.Reset(min(wait, n.untilDeath()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ended:
			return errLost
		case <-timer.C:
		case <-n.look: // who waits for an owner asks again
			n.mu.Lock()
			n.announce()
			n.mu.Unlock()
		}
	}
}

// replaced is why a node that was taken for dead must not join again: another process bears its name. Else it is err.
func (n *Node) replaced(s *session, err error) error {
	if s == nil {
		return err
	}
	m, failed := store.View(n.base, n.space, func(tx *store.Tx) (member, error) {
		m, _ := n.rows.members.Get(tx, n.o.ID)
		return m, nil
	})
	if failed == nil && m.Incarnation > s.incarnation && m.Address != n.o.Address {
		return &NameError{n.o.ID, m.Address}
	}
	return err
}

// NameError ends a node whose name another process has joined under.
type NameError struct{ ID, Address string }

func (e *NameError) Error() string {
	return fmt.Sprintf("another process, at %s, has joined as node %s: give each node a name of its own", e.Address, e.ID)
}

// Leave hands everything this node owns over to the others and takes nothing more, while it goes on answering: what it is
// asked for from then on is elsewhere. Where there is nobody else, callers are answered ErrStopped.
func (n *Node) Leave(ctx context.Context) error {
	n.mu.Lock()
	s := n.session
	n.leaving = true
	n.mu.Unlock()
	if s == nil || n.o.Alone {
		return nil
	}
	return n.release(ctx, s, leaving, func(int) bool { return true })
}

// beat shows the others that this node lives, and looks who else does.
func (n *Node) beat(ctx context.Context, s *session, number uint64) error {
	began := time.Now()
	all, err := store.UpdateWith(ctx, n.space, store.UpdateOptions{Name: "owner.beat", Lazy: true, Frees: true}, func(tx *store.Tx) (map[string]member, error) {
		all := n.rows.all(tx)
		me, ok := all[n.o.ID]
		if !ok || me.Incarnation != s.incarnation {
			return nil, errLost
		}
		me.Beat = number
		n.rows.members.Set(tx, me, n.o.ID)
		return all, nil
	})
	if errors.Is(err, errLost) {
		n.depose(s)
	}
	if err != nil {
		return err
	}
	n.refresh(began)
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for id, m := range all {
		if old, ok := n.seen[id]; !ok || old.Incarnation != m.Incarnation || old.Beat != m.Beat {
			n.seen[id] = sighting{m, now, 0}
		} else {
			old.since++
			n.seen[id] = old
		}
	}
	for id := range n.seen {
		if _, ok := all[id]; !ok {
			delete(n.seen, id)
		}
	}
	n.remember(all)
	return nil
}

// remember takes note of who lives. Its caller holds mu.
func (n *Node) remember(all map[string]member) {
	same := len(all) == len(n.members)
	for id, m := range all {
		same = same && n.members[id].Incarnation == m.Incarnation && n.members[id].Leaving == m.Leaving
	}
	for id, m := range n.members {
		if id != n.o.ID && all[id].Incarnation != m.Incarnation && !m.Leaving && n.o.Gone != nil {
			n.o.Gone(id)
		}
	}
	if same {
		n.members = all // their heartbeats
	} else {
		n.plan, n.unseen = planOf(all), true
		for i := range n.parts {
			if p := &n.parts[i]; !p.mine && (p.holder == "" || all[p.holder].Incarnation != n.members[p.holder].Incarnation) {
				p.holder = ""
			}
		}
		n.members = all
		n.tell()
	}
}

// dead are the members whose heartbeats have not changed for as long as the lease. Its caller holds mu.
func (n *Node) dead() map[string]member {
	dead := make(map[string]member)
	for id, s := range n.seen {
		if id != n.o.ID && s.since >= deadLooks && time.Since(s.at) >= n.o.Lease {
			dead[id] = s.member
		}
	}
	return dead
}

// untilDeath is how long it takes until a member is dead whose heartbeat does not change: then it is looked at again at once.
func (n *Node) untilDeath() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	soonest := n.o.Lease
	for id, s := range n.seen {
		if left := n.o.Lease - time.Since(s.at); id != n.o.ID && left > 0 {
			soonest = min(soonest, left)
		}
	}
	return soonest
}

func (r rows) all(tx *store.Tx) map[string]member {
	all := make(map[string]member)
	for k, m := range r.members.Scan(tx, store.ScanOptions{}) {
		all[k.String(0)] = m
	}
	return all
}

// refresh lets answers be given from memory for two thirds of the lease since a heartbeat was sent: nobody takes this
// node for dead before the whole of it is over.
func (n *Node) refresh(sent time.Time) {
	until := sent.Add(n.o.Lease * 2 / 3)
	n.fresh.Store(&until)
}

// isFresh reports whether nobody can have taken this node for dead yet, by the machine's clock and by the one that
// stands still while the machine sleeps.
func (n *Node) isFresh() bool {
	if n.o.Alone {
		return true
	}
	now, until := time.Now(), n.fresh.Load()
	return now.Before(*until) && now.UnixNano() < until.UnixNano()
}

// depose ends a session: nothing it wrote and was not committed will be, and nothing in memory counts any more.
func (n *Node) depose(s *session) {
	n.mu.Lock()
	if n.session != s {
		n.mu.Unlock()
		return
	}
	n.session = nil
	n.parts = [Partitions]partition{}
	kinds := n.kinds
	n.announce()
	n.mu.Unlock()
	for _, k := range kinds {
		k.each(func(o *object) {
			o.mu.Lock()
			o.poison()
			o.mu.Unlock()
		})
	}
	close(s.ended)
}

// close ends a node whose store is gone.
func (n *Node) close() {
	n.mu.Lock()
	s := n.session
	n.stopped = true
	n.announce()
	n.mu.Unlock()
	if s != nil {
		n.depose(s)
	}
	n.alarms.close()
}

// retire stops serving, writes what is under way and releases what the node owns, for others to take at once.
func (n *Node) retire() error {
	n.mu.Lock()
	n.stopped = true
	s, kinds := n.session, n.kinds
	n.announce()
	n.mu.Unlock()
	n.alarms.close()
	if s == nil {
		return nil
	}
	for _, k := range kinds {
		k.each(func(o *object) {
			o.mu.Lock()
			o.drop()
			o.mu.Unlock()
		})
	}
	if err := n.barrier(n.base); err != nil && !errors.Is(err, errAgain) {
		n.log.Warn("the last changes may not be durable", "node", n.o.ID, "error", err)
	}
	var err error
	if !n.o.Alone { // else the next process, which can only come later, finds that this one is gone
		err = n.release(n.base, s, gone, func(int) bool { return true })
	}
	n.depose(s)
	if errors.Is(err, errLost) || errors.Is(err, errAgain) { // another node took it all already
		return nil
	}
	return err
}

// announce tells whoever waits that something has changed. Its caller holds mu.
func (n *Node) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
	n.tell()
}
