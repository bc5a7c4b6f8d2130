package sqs

import (
	"container/heap"
	"slices"
)

// window is the messages of a queue that are known to be ready, or soon will be: a bounded piece of what is in the
// store. They stand in lanes, one for each message group, and one for all messages without a group.
//
// In a standard queue the lane whose group has the fewest messages in flight is served first, and of those the one
// whose next message is oldest: so no tenant waits behind another's backlog. In a FIFO queue a lane is open while its
// next message comes before all of the group that are in flight, and lanes take turns by their next messages.
type window struct {
	fifo  bool
	lanes map[string]*lane
	open  laneHeap
	held  int // entries, those that became invalid included
}

// entry is a message that waits.
type entry struct {
	seq    uint64
	order  uint64  // its place among the lanes
	flight *flight // what became of it before; nil where it was never received
	rec    record  // empty where it must be read
}

// valid reports whether the entry still stands for its message: it was not deleted, or received otherwise, meanwhile.
func (e *entry) valid() bool {
	return e.flight == nil || e.flight.state == ready && e.flight.order == e.order
}

type lane struct {
	group string
	fresh deque    // in order of seq
	back  deque    // standard queues: what came back from consumers, in the order it did
	out   []uint64 // FIFO queues: seqs in flight
	count int      // in flight

	place int // in open, from 1; 0 = not there
	busy  int // its rank in open: count, where that matters
	order uint64
}

func newWindow(fifo bool) window { return window{fifo: fifo, lanes: make(map[string]*lane)} }

func (w *window) lane(group string) *lane {
	l := w.lanes[group]
	if l == nil {
		l = &lane{group: group}
		w.lanes[group] = l
	}
	return l
}

// push adds a message behind all others of its group.
func (w *window) push(l *lane, e entry) {
	w.held++
	if l.fresh.len() == 0 || l.fresh.at(l.fresh.len()-1).seq < e.seq {
		l.fresh.pushBack(e)
	} else {
		l.fresh.insert(e)
	}
	w.update(l)
}

// giveBack adds a message that was in flight, or delayed.
func (w *window) giveBack(l *lane, e entry) {
	w.held++
	if w.fifo {
		l.fresh.insert(e)
	} else {
		l.back.pushBack(e)
	}
	w.update(l)
}

// next is the lane to be served, nil where there is nothing to be received.
func (w *window) next() *lane {
	if len(w.open) == 0 {
		return nil
	}
	return w.open[0]
}

// take removes the next message of an open lane; the caller ranks the lane when it has all it wants of it, and updates
// it when it knows what becomes of that.
func (w *window) take(l *lane) (entry, bool) {
	d := w.front(l)
	if d == nil {
		return entry{}, false
	}
	w.held--
	return d.popFront(), true
}

// putBack undoes take.
func (w *window) putBack(l *lane, e entry) {
	w.held++
	if e.flight != nil && !w.fifo {
		l.back.pushFront(e)
	} else {
		l.fresh.pushFront(e)
	}
}

// front is where the next message of l stands, nil where it has none that may be received.
func (w *window) front(l *lane) *deque {
	for _, d := range [2]*deque{&l.back, &l.fresh} {
		for d.len() > 0 && !d.at(0).valid() {
			d.popFront()
			w.held--
		}
		if d.len() == 0 {
			continue
		}
		if seq := d.at(0).seq; w.fifo && slices.ContainsFunc(l.out, func(o uint64) bool { return o < seq }) {
			return nil
		}
		return d
	}
	return nil
}

// update ranks l, and forgets it where nothing is known of it any more.
func (w *window) update(l *lane) {
	w.rank(l)
	if l.count == 0 && l.fresh.len() == 0 && l.back.len() == 0 && w.lanes[l.group] == l {
		delete(w.lanes, l.group)
	}
}

// rank puts l where it belongs among the open lanes.
func (w *window) rank(l *lane) {
	d := w.front(l)
	if d == nil {
		if l.place > 0 {
			heap.Remove(&w.open, l.place-1)
		}
		return
	}
	l.order, l.busy = d.at(0).order, 0
	if !w.fifo && l.group != "" {
		l.busy = l.count
	}
	if l.place == 0 {
		heap.Push(&w.open, l)
	} else {
		heap.Fix(&w.open, l.place-1)
	}
}

// depart counts a message of l as in flight.
func (w *window) depart(l *lane, seq uint64) {
	l.count++
	if w.fifo {
		l.out = append(l.out, seq)
	}
	w.rank(l)
}

// land ends that.
func (w *window) land(l *lane, seq uint64) {
	l.count--
	if w.fifo {
		if i := slices.Index(l.out, seq); i >= 0 {
			l.out = slices.Delete(l.out, i, i+1)
		}
	}
	w.update(l)
}

// remove takes out a message that was never received, wherever it stands.
func (w *window) remove(seq uint64) (entry, *lane, bool) {
	for _, l := range w.lanes {
		if i, ok := l.fresh.search(seq); ok && l.fresh.at(i).flight == nil {
			e := l.fresh.remove(i)
			w.held--
			w.update(l)
			return e, l, true
		}
	}
	return entry{}, nil, false
}

// oldest is the lowest seq of the messages that were never received, or none where there are none.
func (w *window) oldest(none uint64) uint64 {
	for _, l := range w.lanes {
		for i := range l.fresh.len() {
			if e := l.fresh.at(i); e.flight == nil {
				none = min(none, e.seq)
				break
			}
		}
	}
	return none
}

// laneHeap is the open lanes, the next to be served first.
type laneHeap []*lane

func (h laneHeap) Len() int { return len(h) }
func (h laneHeap) Less(i, j int) bool {
	if h[i].busy != h[j].busy {
		return h[i].busy < h[j].busy
	}
	return h[i].order < h[j].order
}

func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *laneHeap) Push(x any) {
	l := x.(*lane)
	*h = append(*h, l)
	l.place = len(*h)
}

func (h *laneHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last], l.place = nil, 0
	*h = (*h)[:last]
	return l
}

// deque is a ring of entries.
type deque struct {
	ring []entry // its length is a power of two
	head int
	n    int
}

func (d *deque) len() int { return d.n }

func (d *deque) at(i int) *entry { return &d.ring[(d.head+i)&(len(d.ring)-1)] }

func (d *deque) grow() {
	if d.n < len(d.ring) {
		return
	}
	ring := make([]entry, max(4, 2*len(d.ring)))
	for i := range d.n {
		ring[i] = *d.at(i)
	}
	d.ring, d.head = ring, 0
}

func (d *deque) pushBack(e entry) {
	d.grow()
	d.n++
	*d.at(d.n - 1) = e
}

func (d *deque) pushFront(e entry) {
	d.grow()
	d.head = (d.head - 1) & (len(d.ring) - 1)
	d.n++
	*d.at(0) = e
}

func (d *deque) popFront() entry {
	e := *d.at(0)
	*d.at(0) = entry{}
	d.head = (d.head + 1) & (len(d.ring) - 1)
	if d.n--; d.n == 0 && len(d.ring) > 1024 {
		*d = deque{} // what a burst needed is not kept
	}
	return e
}

// search is where seq stands, or would, in a deque ordered by seq.
func (d *deque) search(seq uint64) (int, bool) {
	lo, hi := 0, d.n
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if d.at(m).seq < seq {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo, lo < d.n && d.at(lo).seq == seq
}

// insert adds e in order of seq; what comes back is older than what waits, so it is sought from the front.
func (d *deque) insert(e entry) {
	i := 0
	for i < d.n && d.at(i).seq < e.seq {
		i++
	}
	d.pushFront(entry{})
	for j := range i {
		*d.at(j) = *d.at(j + 1)
	}
	*d.at(i) = e
}

func (d *deque) remove(i int) entry {
	e := *d.at(i)
	for ; i > 0; i-- {
		*d.at(i) = *d.at(i - 1)
	}
	d.popFront()
	return e
}
