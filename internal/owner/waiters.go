package owner

import (
	"context"
	"errors"
	"time"
)

// errPark is what Batch.Park returns, for the function to return.
var errPark = errors.New("owner: park the caller")

// Waiters are callers who wait for something an object will have, in the order they came: a part of its state, guarded
// by its lock. The zero value is empty.
type Waiters struct {
	first, last *waiter
	n           int
}

// Len is how many wait.
func (l *Waiters) Len() int { return l.n }

// Wake has the functions of the n who came first run again. One who parks again keeps its place.
func (l *Waiters) Wake(n int) {
	for ; n > 0 && l.first != nil; n-- {
		l.first.signal()
	}
}

// WakeAll wakes all.
func (l *Waiters) WakeAll() { l.Wake(l.n) }

// waiter is a caller of Do whose function has parked it at least once. While it is parked it is guarded by its
// object's lock; from being woken to parking again it is its caller's.
type waiter struct {
	list       *Waiters
	prev, next *waiter
	object     *object // nil while not parked
	ticket     uint64
	at         time.Time
	alarm      alarm
	wake       chan struct{} // holds one
	working    bool          // the clock was told that work began
}

// park has w wait at the object, whose lock is held.
func (o *object) park(w *waiter) {
	if w.working {
		w.working = false
		o.node.clock.End()
	}
	if w.ticket == 0 {
		w.ticket = o.node.tickets.Add(1)
		w.alarm.waiter = w
	}
	w.object, w.alarm.object = o, o
	if o.parked == nil {
		o.parked = make(map[*waiter]struct{})
	}
	o.parked[w] = struct{}{}
	w.list.add(w)
	o.node.alarms.set(o.node, &w.alarm, w.at)
}

// add puts w where its ticket belongs: last, unless it was here before.
func (l *Waiters) add(w *waiter) {
	l.n++
	next := l.first
	if l.last == nil || l.last.ticket < w.ticket {
		next = nil
	}
	for next != nil && next.ticket < w.ticket {
		next = next.next
	}
	w.next, w.prev = next, l.last
	if next != nil {
		w.prev = next.prev
		next.prev = w
	} else {
		l.last = w
	}
	if w.prev != nil {
		w.prev.next = w
	} else {
		l.first = w
	}
}

// leave ends the parking. The object's lock is held.
func (w *waiter) leave() {
	l := w.list
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	l.n--
	w.prev, w.next = nil, nil
	delete(w.object.parked, w)
	w.object.node.alarms.remove(&w.alarm)
	w.object = nil
}

// signal ends the parking and wakes the caller. The object's lock is held.
func (w *waiter) signal() {
	w.object.node.clock.Begin() // until the caller has its answer or parks again
	w.working = true
	w.leave()
	w.wake <- struct{}{}
}

// wait returns when w is woken, or with an error when ctx ends. A wake-up that finds nobody there any more goes to the next.
func (w *waiter) wait(ctx context.Context, o *object) error {
	select {
	case <-w.wake:
		if ctx.Err() == nil {
			return nil
		}
		o.mu.Lock()
		defer o.mu.Unlock()
	case <-ctx.Done():
		o.mu.Lock()
		defer o.mu.Unlock()
		if w.object != nil {
			w.leave()
			return ctx.Err()
		}
		<-w.wake
	}
	if !o.gone {
		w.list.Wake(1)
	}
	return ctx.Err()
}

// rest says that the caller's work is over.
func (w *waiter) rest(n *Node) {
	if w != nil && w.working {
		w.working = false
		n.clock.End()
	}
}
