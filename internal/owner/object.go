package owner

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// object is one object in memory, from the moment its loading begins until its memory is dropped.
type object struct {
	node  *Node
	kind  kind
	self  any // the *held[S] this is part of
	key   key
	part  uint16
	ready chan struct{} // closed when it is loaded, or could not be

	poisoned atomic.Bool // what it wrote and was not committed yet must not be

	mu     sync.Mutex
	loaded bool
	gone   bool   // dropped: whoever wants it loads it again
	used   bool   // since the cache last looked
	joined uint64 // the newest group it has a batch in
	synced uint64 // the newest it has one in that is not lazy
	parked map[*waiter]struct{}
	alarm  alarm

	slot int // in the cache, under its lock; -1 = not there
}

type held[S any] struct {
	object
	s S
}

// kind is what the node does with the objects of a Kind, whatever their state is. It holds the object's lock, but for
// each, which takes none.
type kind interface {
	schedule(*object)       // sets its alarm
	wakeUp(*object, *Batch) // lets it do what is due
	dismiss(*object)        // takes it out of the Kind
	mayLeave(*object) bool
	each(yield func(o *object))
}

// hold returns the object, loaded and locked.
func (k *Kind[S]) hold(ctx context.Context, name key) (*held[S], error) {
	for {
		k.mu.RLock()
		h := k.objects[name]
		k.mu.RUnlock()
		if h == nil {
			h, err := k.fetch(ctx, name)
			if errors.Is(err, errAgain) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				continue
			}
			if h != nil || err != nil {
				return h, err
			}
			continue // somebody else began to
		}
		h.mu.Lock()
		if h.loaded && !h.gone {
			h.used = true
			return h, nil
		}
		h.mu.Unlock()
		select {
		case <-h.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fetch loads an object that is not in memory and returns it locked; nil where somebody else is at it.
func (k *Kind[S]) fetch(ctx context.Context, name key) (*held[S], error) {
	n := k.node
	// The names may be parts of a request, which must not stay in memory.
	name = key{aws.Scope{Account: strings.Clone(name.Account), Region: strings.Clone(name.Region)}, strings.Clone(name.id)}
	h := &held[S]{object: object{node: n, kind: k, key: name, part: partitionOf(k.name, name), ready: make(chan struct{}), slot: -1}}
	h.self, h.alarm.object = h, &h.object
	k.mu.Lock()
	if k.objects[name] != nil {
		k.mu.Unlock()
		return nil, nil
	}
	k.objects[name] = h
	k.mu.Unlock()
	loaded := false
	defer func() {
		if !loaded {
			h.mu.Lock()
			h.drop()
			h.mu.Unlock()
		}
		close(h.ready)
	}()

	epoch, next, err := n.own(ctx, h.part)
	if err != nil {
		return nil, err
	}
	s, err := k.load(ctx, Load{name.id, name.Scope, h.part, epoch, &Sequence{epoch << 40, next}})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	if h.gone || !n.owns(h.part, epoch) {
		h.mu.Unlock()
		return nil, errAgain
	}
	h.s, h.loaded, h.used = s, true, true
	loaded = true
	k.schedule(&h.object)
	n.admit(&h.object)
	return h, nil
}

func (k *Kind[S]) schedule(o *object) {
	if k.due != nil && !o.gone {
		k.node.alarms.set(k.node, &o.alarm, k.due(o.self.(*held[S]).s))
	}
}

func (k *Kind[S]) wakeUp(o *object, b *Batch) {
	s := o.self.(*held[S]).s
	if at := k.due(s); !at.IsZero() && !at.After(b.Now()) {
		k.onDue(s, b)
	}
}

func (k *Kind[S]) dismiss(o *object) {
	k.mu.Lock()
	if h := o.self.(*held[S]); k.objects[o.key] == h {
		delete(k.objects, o.key)
	}
	k.mu.Unlock()
	if o.loaded && k.lost != nil {
		k.lost(o.self.(*held[S]).s)
	}
}

func (k *Kind[S]) mayLeave(o *object) bool {
	return k.evictable == nil || k.evictable(o.self.(*held[S]).s)
}

func (k *Kind[S]) each(yield func(*object)) {
	k.mu.RLock()
	all := make([]*object, 0, len(k.objects))
	for _, h := range k.objects {
		all = append(all, &h.object)
	}
	k.mu.RUnlock()
	for _, o := range all {
		yield(o)
	}
}

// drop ends the object's time in memory. Its lock is held. Whoever loads it again must know first what is to be waited for:
// it does so as soon as the Kind has forgotten it.
func (o *object) drop() {
	if o.gone {
		return
	}
	o.gone = true
	n := o.node
	if o.joined > n.commits.durable.Load() {
		n.mu.Lock()
		n.parts[o.part].unsettled = max(n.parts[o.part].unsettled, o.joined)
		n.mu.Unlock()
	}
	o.kind.dismiss(o)
	for w := range o.parked {
		w.signal()
	}
	n.alarms.remove(&o.alarm)
	n.cache.remove(o)
}

// poison drops the object because its state is ahead of what is or will be in the store. Its lock is held.
func (o *object) poison() {
	o.poisoned.Store(true)
	o.drop()
}

// finish does with b what its function, which ended in err, wants. The object's lock is held.
func (o *object) finish(b *Batch, err error) (step, error) {
	n := o.node
	if failed := b.Err(); err == nil && failed != nil {
		err = failed
		if !b.untouched {
			o.poison()
		}
	}
	forget := b.forget && err == nil
	if err != nil {
		b.discard()
	}
	next := finished
	switch writes := !b.Empty() || len(b.then) > 0 || len(b.committed) > 0; {
	case b.own || !n.isFresh() || writes && (!b.lazy || n.commits.crowded()):
		b.own = b.own || !writes
		b.lazy = false
		if next = waiting; n.join(b, true) {
			next = leading
		}
	case writes:
		n.join(b, false)
	case !b.lazy && o.synced > n.commits.done.Load() && n.follow(b, o.synced):
		next = waiting
	default:
		n.recycle(b)
	}
	if forget {
		o.drop()
	} else {
		o.kind.schedule(o)
	}
	return next, err
}

// cache is what is loaded, so that idle objects can leave when there are too many.
type cache struct {
	mu      sync.Mutex
	objects []*object
	hand    int
}

func (c *cache) remove(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.slot < 0 {
		return
	}
	last := len(c.objects) - 1
	c.objects[o.slot] = c.objects[last]
	c.objects[o.slot].slot = o.slot
	c.objects[last] = nil
	c.objects = c.objects[:last]
	o.slot = -1
}

// admit takes a loaded object into the cache, and lets some leave that nobody has asked for in a while. Its lock is held.
func (n *Node) admit(o *object) {
	c := &n.cache
	c.mu.Lock()
	o.slot = len(c.objects)
	c.objects = append(c.objects, o)
	over := len(c.objects) - n.o.Objects
	c.mu.Unlock()
	for tries := 16; over > 0 && tries > 0; tries-- {
		c.mu.Lock()
		if c.hand++; c.hand >= len(c.objects) {
			c.hand = 0
		}
		v := c.objects[c.hand]
		c.mu.Unlock()
		if v == o || !v.mu.TryLock() {
			continue
		}
		switch {
		case v.gone:
		case v.used:
			v.used = false
		case len(v.parked) == 0 && v.joined <= n.commits.done.Load() && v.kind.mayLeave(v):
			v.drop()
			over--
		}
		v.mu.Unlock()
	}
}
