package owner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxGroup  = 2 << 20              // bytes of one commit, unless a single batch has more
	lazyDelay = 5 * time.Millisecond // a batch nobody waits for is written no later
)

// commits puts the batches of all callers of the node into groups, each of which is one commit. One is written at a
// time, by the first caller who waits for it; the next gathers meanwhile. So the groups, and with them the changes of
// each object, are written in the order they were made.
type commits struct {
	mu    sync.Mutex
	queue []*group // in order; the first is being written while busy
	busy  bool
	last  uint64 // number of the newest group
	spare *group
	timer *time.Timer // for groups nobody waits for

	done    atomic.Uint64 // groups up to this one are decided
	durable atomic.Uint64 // and groups up to this one survive a power cut

	ended bool // flushes has ended: leaders lead on

	then  sync.Mutex    // taken before the next group can be decided: keeps Thens in order
	flush chan struct{} // wakes flushes; holds one
}

// group is the batches of one commit.
type group struct {
	number  uint64
	entries []*Batch
	readers []*Batch // read what it writes and wait for it, adding nothing
	bytes   int
	sync    bool   // somebody needs it durable
	closed  bool   // takes no more entries
	leader  *Batch // the caller who writes it when its turn comes
}

// join adds b to the group that gathers. The caller holds the lock of b's object. Where it reports true, the caller must
// lead.
func (n *Node) join(b *Batch, waits bool) (lead bool) {
	c := &n.commits
	size := b.Size()
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gathering(size)
	g.entries = append(g.entries, b)
	g.bytes += size
	g.sync = g.sync || !b.lazy
	if b.obj != nil {
		b.obj.joined = g.number
		if !b.lazy {
			b.obj.synced = g.number
		}
	}
	b.waits = waits
	switch {
	case waits && !c.busy && c.queue[0] == g:
		c.busy = true
		return true
	case waits && g.leader == nil:
		g.leader = b
		if !c.busy {
			c.kick()
		}
	case !waits && !b.lazy:
		c.kick()
	case !waits && len(g.entries) == 1 && c.timer != nil:
		c.timer.Reset(lazyDelay)
	}
	return false
}

// follow has b wait for a group it adds nothing to, unless that is decided already.
func (n *Node) follow(b *Batch, number uint64) bool {
	c := &n.commits
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.queue {
		if g.number == number {
			g.readers = append(g.readers, b)
			b.waits = true
			return true
		}
	}
	return false
}

// gathering is the group that takes a batch of so many bytes. It is called under mu.
func (c *commits) gathering(size int) *group {
	if i := len(c.queue) - 1; i >= 0 {
		g := c.queue[i]
		if !g.closed && (i > 0 || !c.busy) && g.bytes+size <= maxGroup {
			return g
		}
		g.closed = true
		if !c.busy {
			c.kick()
		}
	}
	g := c.spare
	if g == nil {
		g = new(group)
	}
	c.spare = nil
	c.last++
	g.number = c.last
	c.queue = append(c.queue, g)
	return g
}

func (c *commits) kick() {
	select {
	case c.flush <- struct{}{}:
	default:
	}
}

// crowded reports that so much waits to be written that callers who need not wait should.
func (c *commits) crowded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 3
}

// await returns what was decided of b, leading where it is b's turn to. It takes b back.
func (n *Node) await(ctx context.Context, b *Batch, lead bool) error {
	if !lead {
		select {
		case <-b.wake:
		case <-ctx.Done():
			if n.commits.abandon(b) {
				return ctx.Err()
			}
			<-b.wake
		}
		lead = b.leads
	}
	if lead {
		n.lead(b)
	}
	err := b.err
	n.recycle(b)
	return err
}

// abandon reports that b's caller may go: others write what it changed, and take b back. Otherwise b is decided or is to
// lead.
func (c *commits) abandon(b *Batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.done || b.leads {
		return false
	}
	b.abandoned = true
	for _, g := range c.queue {
		if g.leader != b {
			continue
		}
		g.leader = nil
		for _, e := range g.entries {
			if e.waits && !e.abandoned {
				g.leader = e
				break
			}
		}
		if g.leader == nil {
			c.kick()
		}
	}
	return true
}

// flushes writes the groups nobody waits for until ctx ends.
func (n *Node) flushes(ctx context.Context) {
	c := &n.commits
	for {
		select {
		case <-ctx.Done():
		case <-c.flush:
		case <-c.timer.C:
		}
		c.mu.Lock()
		c.ended = ctx.Err() != nil
		lead := !c.busy && len(c.queue) > 0
		c.busy = c.busy || lead
		c.mu.Unlock()
		if lead {
			n.lead(nil)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// lead writes the group at the head, hands over to the next, and tells everybody in it. The caller has made itself
// the one who is busy. self is the caller's own batch.
func (n *Node) lead(self *Batch) {
	for n.leadOne(self) {
	}
}

// leadOne reports whether the caller has to lead on, because nobody else would.
func (n *Node) leadOne(self *Batch) (more bool) {
	c := &n.commits
	c.mu.Lock()
	g := c.queue[0]
	g.closed = true
	c.mu.Unlock()

	durable := n.write(g)

	c.then.Lock()
	c.mu.Lock()
	if durable {
		c.durable.Store(g.number)
	}
	c.done.Store(g.number)
	copy(c.queue, c.queue[1:])
	c.queue[len(c.queue)-1] = nil
	c.queue = c.queue[:len(c.queue)-1]
	for _, b := range g.readers {
		if b.obj != nil && b.obj.poisoned.Load() {
			b.err = errAgain
		}
	}
	for _, list := range [2][]*Batch{g.entries, g.readers} {
		for _, b := range list {
			b.waits = b.waits && !b.abandoned
			b.done = true
		}
	}
	c.handOver()
	c.mu.Unlock()

	for _, b := range g.entries {
		if b.err == nil {
			b.follow()
		}
	}
	for _, list := range [2][]*Batch{g.entries, g.readers} {
		for _, b := range list {
			switch {
			case !b.waits:
				n.recycle(b)
			case b != self:
				b.wake <- struct{}{} // from here on it is its caller's
			}
		}
	}
	c.then.Unlock()

	clear(g.entries)
	clear(g.readers)
	*g = group{entries: g.entries[:0], readers: g.readers[:0]}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(g.entries) <= 4096 {
		c.spare = g
	}
	more = c.ended && !c.busy && len(c.queue) > 0
	c.busy = c.busy || more
	return more
}

// handOver has the next group written: by its leader, or where nobody waits for it but it must not wait, by flushes.
// It is called under mu.
func (c *commits) handOver() {
	c.busy = false
	if len(c.queue) == 0 {
		return
	}
	g := c.queue[0]
	if l := g.leader; l != nil {
		c.busy, l.leads = true, true
		l.wake <- struct{}{}
	} else if g.sync || g.closed {
		c.kick()
	} else {
		c.timer.Reset(lazyDelay) // it may have fired while this one was written
	}
}

// follow does what b wanted done after its commit.
func (b *Batch) follow() {
	if len(b.then) > 0 {
		o := b.obj
		o.mu.Lock()
		if !o.gone {
			for _, fn := range b.then {
				fn()
			}
			o.kind.schedule(o)
		}
		o.mu.Unlock()
	}
	for _, fn := range b.committed {
		fn()
	}
}

// write decides the entries of g: those whose err is nil are in the store. It reports whether a synced commit was made.
func (n *Node) write(g *group) (durable bool) {
	n.mu.Lock()
	s := n.session
	if s != nil {
		s.writing.Add(1)
		defer s.writing.Done()
	}
	n.mu.Unlock()
	return n.writeAs(s, g.entries, !g.sync, true)
}

// writeAs is write for the undecided among entries. Where they are marked, a mark tells later whether they were written.
func (n *Node) writeAs(s *session, entries []*Batch, lazy, marked bool) (durable bool) {
	for {
		todo := 0
		for _, b := range entries {
			if s == nil || b.obj != nil && b.obj.poisoned.Load() {
				b.err = errAgain
			}
			if b.err == nil {
				todo++
			}
		}
		if todo == 0 {
			return false
		}
		err := n.commit(s, entries, lazy, marked)
		if err == nil {
			return !lazy
		}
		if refused(err) {
			n.full.note(err)
			if !marked {
				n.refuse(entries[0], err)
				return false
			}
			// It may be the fault of one, and what only deletes is not refused for want of room: so without a mark.
			// Writing a batch again, should its outcome be unknown, comes to the same.
			for i := range entries {
				if entries[i].err == nil && n.writeAs(s, entries[i:i+1], lazy, false) {
					durable = true
				}
			}
			return durable
		}
		switch n.settle(s, marked, err) {
		case committed:
			return true
		case lost:
			n.depose(s)
			n.giveUp(entries, errAgain)
			return false
		case unknown:
			n.depose(s)
			n.giveUp(entries, fmt.Errorf("owner: commit: %w", err))
			return false
		}
	}
}

// refused reports that nothing happened, and that it would not the next time either.
func refused(err error) bool {
	if errors.Is(err, store.ErrUnknown) {
		return false
	}
	_, full := errors.AsType[*store.DiskFullError](err)
	return full || errors.Is(err, store.ErrLimit)
}

// shortage is what was heard last of a full disk.
type shortage struct{ heard atomic.Pointer[refusal] }

type refusal struct {
	err error
	at  time.Time
}

// After so long somebody tries again.
const shortageLasts = 50 * time.Millisecond

func (f *shortage) note(err error) {
	if _, full := errors.AsType[*store.DiskFullError](err); full {
		f.heard.Store(&refusal{err, time.Now()})
	}
}

func (f *shortage) now() error {
	if r := f.heard.Load(); r != nil && time.Since(r.at) < shortageLasts {
		return r.err
	}
	return nil
}

// refuse gives b the error of its commit. The state is ahead of the store then, unless the function left it alone.
func (n *Node) refuse(b *Batch, err error) {
	b.err = err
	if b.obj == nil || b.untouched {
		return
	}
	b.obj.mu.Lock()
	b.obj.poison()
	b.obj.mu.Unlock()
}

// giveUp decides what is not decided yet, and drops the memory that is ahead of the store.
func (n *Node) giveUp(entries []*Batch, err error) {
	for _, b := range entries {
		if b.err != nil {
			continue
		}
		if b.err = err; b.obj != nil {
			b.obj.mu.Lock()
			b.obj.poison()
			b.obj.mu.Unlock()
		}
		if !errors.Is(err, errAgain) {
			for _, fn := range b.unknown {
				fn()
			}
		}
	}
}

// commit is one transaction with the entries that are not decided.
func (n *Node) commit(s *session, entries []*Batch, lazy, marked bool) error {
	s.number++
	o := store.UpdateOptions{Name: "owner.commit", Lazy: lazy, Owned: true, Frees: true, Fences: *s.fences.Load()}
	for _, b := range entries {
		o.Frees = o.Frees && (b.frees || b.err != nil || b.Empty())
	}
	_, err := store.UpdateWith(n.base, n.space, o, func(tx *store.Tx) (struct{}, error) {
		writes, proves, barrier := false, false, false
		for _, b := range entries {
			if b.err != nil {
				continue
			}
			if !b.Empty() {
				writes = true
				tx.Apply(b.Writes)
			}
			proves = proves || b.own
			barrier = barrier || b.barrier
		}
		if writes && marked {
			n.rows.marks.Set(tx, mark{s.incarnation, s.number}, n.o.ID)
		}
		if writes {
			return struct{}{}, nil
		}
		if barrier { // every commit before wrote the mark: it is durable once they all are
			n.rows.marks.Get(tx, n.o.ID)
		}
		if proves && n.rows.term(tx, n.o.ID) != s.term() {
			return struct{}{}, store.ErrFenced
		}
		return struct{}{}, nil
	})
	return err
}

// verdict is what became of a commit that did not report success.
type verdict int

const (
	again     verdict = iota // it was not written and never will be: it can be written again
	committed                // it was written, and is durable
	lost                     // it was not written, and this node was taken for dead
	unknown                  // the store does not say
)

// settle finds out what became of s's last commit, which ended in err. It raises the node's term: that waits for the
// commit, or shuts it out. The mark read in the same transaction tells which.
func (n *Node) settle(s *session, marked bool, err error) verdict {
	type finding struct {
		mark  mark
		alive bool
		term  uint64
	}
	fenced := errors.Is(err, store.ErrFenced)
	for try := range 8 {
		if errors.Is(err, store.ErrClosed) {
			return unknown
		}
		if try > 0 {
			time.Sleep(time.Duration(try*try) * time.Millisecond)
		}
		var f finding
		f, err = store.UpdateWith(n.base, n.space, store.UpdateOptions{Name: "owner.settle", Frees: true}, func(tx *store.Tx) (f finding, _ error) {
			f.mark, _ = n.rows.marks.Get(tx, n.o.ID)
			m, ok := n.rows.members.Get(tx, n.o.ID)
			if f.alive = ok && m.Incarnation == s.incarnation; f.alive {
				f.term = n.rows.raise(tx, n.o.ID)
			}
			return f, nil
		})
		if err != nil {
			continue
		}
		if f.alive {
			s.fence(n, f.term)
		}
		switch {
		case f.mark == mark{s.incarnation, s.number}:
			return committed
		case f.alive:
			return again
		case fenced, marked && f.mark.incarnation == s.incarnation:
			return lost
		default:
			return unknown // among others, when another process bears our id
		}
	}
	return unknown
}

// barrier returns when everything written before is durable.
func (n *Node) barrier(ctx context.Context) error {
	b := n.batch(nil, nil)
	b.barrier = true
	return n.await(ctx, b, n.join(b, true))
}

// decided returns when everything written before is: it may still be lost, with all that is written after it.
func (n *Node) decided(ctx context.Context) error {
	c := &n.commits
	c.mu.Lock()
	last := c.last
	if len(c.queue) > 0 && !c.busy {
		c.kick()
	}
	c.mu.Unlock()
	b := n.batch(nil, nil)
	if !n.follow(b, last) {
		n.recycle(b)
		return nil
	}
	return n.await(ctx, b, false)
}
