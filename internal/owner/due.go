package owner

import (
	"container/heap"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// alarms is when the objects of the node that wait for a time, and the callers who will not wait for ever, want to be
// woken. One timer of the clock stands for all of them.
type alarms struct {
	mu    sync.Mutex
	queue alarmHeap
	timer *clock.Timer
	off   bool
}

// alarm is one of them, embedded in what it wakes.
type alarm struct {
	at     time.Time
	place  int // in the queue, from 1; 0 = it is not there
	object *object
	waiter *waiter
}

func (s *alarms) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// set has a ring at a time; zero is never. One that is set already and earlier is left where it is: whoever is woken
// too early looks again.
func (s *alarms) set(n *Node, a *alarm, at time.Time) {
	if at.IsZero() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.off:
		return
	case a.place == 0:
		a.at = at
		heap.Push(&s.queue, a)
	case at.Before(a.at):
		a.at = at
		heap.Fix(&s.queue, a.place-1)
	default:
		return
	}
	if s.queue[0] == a {
		s.arm(n)
	}
}

func (s *alarms) arm(n *Node) {
	if s.timer == nil {
		s.timer = n.clock.AfterFunc(s.queue[0].at, n.ring)
	} else {
		s.timer.Reset(s.queue[0].at)
	}
}

func (s *alarms) remove(a *alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.place > 0 {
		heap.Remove(&s.queue, a.place-1)
	}
}

// ring wakes all that are due, and returns when what they wrote is committed.
func (n *Node) ring() {
	s := &n.alarms
	now := n.clock.Now()
	var last uint64 // group that one of them wrote in
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.off || s.queue[0].at.After(now) {
			if len(s.queue) > 0 && !s.off {
				s.arm(n)
			}
			s.mu.Unlock()
			break
		}
		a := heap.Pop(&s.queue).(*alarm)
		o := a.object
		s.mu.Unlock()
		if w := a.waiter; w != nil {
			w.expire(o)
			continue
		}
		last = max(last, o.wakeUp())
	}
	if last > n.commits.done.Load() {
		if b := n.batch(nil, nil); n.follow(b, last) {
			_ = n.await(n.base, b, false) // those it failed for are loaded anew
		} else {
			n.recycle(b)
		}
	}
}

// wakeUp has the object do what is due. It returns the group that must be committed for it.
func (o *object) wakeUp() (group uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		return 0
	}
	n := o.node
	b := n.batch(o, nil)
	o.kind.wakeUp(o, b)
	forget := b.forget
	switch {
	case b.Err() != nil:
		o.poison()
		n.recycle(b)
	case !b.Empty() || len(b.then) > 0 || len(b.committed) > 0:
		lazy := b.lazy
		if n.join(b, false); !lazy {
			group = o.joined
		}
	default:
		n.recycle(b)
	}
	if forget {
		o.drop()
	} else {
		o.kind.schedule(o)
	}
	return group
}

// expire wakes a caller whose time is over, unless somebody else just did.
func (w *waiter) expire(o *object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, here := o.parked[w]; here { // else it may be parked at another by now, whose lock this is not
		w.signal()
	}
}

type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *alarmHeap) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.place = len(*h)
}

func (h *alarmHeap) Pop() any {
	old := *h
	last := len(old) - 1
	a := old[last]
	old[last], a.place = nil, 0
	*h = old[:last]
	return a
}
