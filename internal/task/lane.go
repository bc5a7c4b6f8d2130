package task

import (
	"container/heap"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// item is a task in memory.
type item struct {
	pos   position
	queue *queue
	row   row
	v     any   // what the row's body holds
	bad   error // it could not be read

	continued bool // its function wrote the next step, which is v now
	done      bool // its function removed it
}

// lane is the tasks of one queue and target, as far as they are in memory. Those that are not begin where missed says.
// Everything in it is guarded by the runner's mutex.
type lane struct {
	id     uint64
	queue  *queue
	active bool // counts as work of the clock's
	missed

	known   map[position]bool // all in memory; true for those under way
	busy    map[uint64]*turn  // ordering keys of these
	ready   []*item           // may run as soon as limits allow
	running int
	delayed delayed // wait to be tried again; their rows are read again when they are due
	alarm   *clock.Timer
	due     []position

	wanted   bool // stands in line to be looked at
	looking  bool
	age      int                   // how often everything in memory was forgotten
	finished map[position]struct{} // since the look began: it may have seen them still
	inLine   bool
}

// turn is an ordering key whose first task is ready, under way or delayed.
type turn struct {
	next []*item  // behind it
	more bool     // there may be others that are not in memory
	from position // the first of these that was seen; not always behind: an owner's tasks bear the times of its own clock
}

// leave notes that a row with the key was seen at p, and left in the store.
func (t *turn) leave(p position) {
	if !t.more || p.before(t.from) {
		t.more, t.from = true, p
	}
}

// missed is where rows may be that are not in memory: from a position on to the end, and after that from another.
type missed struct {
	more, back  bool
	from, again position
}

func (m *missed) miss(p position) {
	switch {
	case !m.more:
		m.more, m.from = true, p
	case !m.back || p.before(m.again):
		m.back, m.again = true, p
	}
}

// atEnd says that everything from m.from on has been looked at.
func (m *missed) atEnd() { m.more, m.back, m.from = m.back, false, m.again }

// lane is the lane of pos, nil where it must be left to be found later: before Run and after it, for partitions of other
// nodes, and where memory is full of lanes.
func (r *Runner) lane(pos position, q *queue) *lane {
	if r.base == nil || r.stopped || !r.served[partitionOf(pos.lane)] {
		return nil
	}
	if l := r.lanes[pos.lane]; l != nil {
		return l
	}
	if len(r.lanes) >= maxLanes && !r.makeRoom() {
		r.room.miss(pos)
		return nil
	}
	l := &lane{id: pos.lane, queue: q, known: map[position]bool{}, busy: map[uint64]*turn{}}
	if !r.room.due.IsZero() { // it may have been in memory before
		l.miss(position{lane: l.id})
	}
	r.lanes[pos.lane] = l
	return l
}

// offer takes a task that was just committed, before which there is no other with its key. looks counted the looks at its
// lane when it was written: one since may have found the row already, and even be done with it.
func (r *Runner) offer(it *item, looks uint64) {
	r.mu.Lock()
	if l := r.lane(it.pos, it.queue); l != nil {
		_, known := l.known[it.pos]
		t := l.busy[it.pos.key]
		switch {
		case known:
		case looks&looksUnderWay != 0, looks != r.looksAt(l.id).Load(),
			l.more, len(l.ready) >= window, len(l.delayed) >= maxDelayed, r.bytes > maxBytes:
			l.miss(it.pos.start())
		case t != nil:
			t.leave(it.pos)
		default:
			l.hold(it.pos)
			r.push(l, it)
		}
		r.drive(l)
	}
	r.unlockAndWake(it.pos)
}

// miss has the row at pos looked for, and those behind it.
func (r *Runner) miss(pos position, q *queue) {
	r.mu.Lock()
	if l := r.lane(pos, q); l != nil {
		if _, ok := l.known[pos]; !ok {
			l.miss(pos.start())
			r.drive(l)
		}
	}
	r.unlockAndWake(pos)
}

// unlockAndWake ends what began with r.mu locked, and tells the node of pos where that is another: before Run too, when
// nothing is served here.
func (r *Runner) unlockAndWake(pos position) {
	p := partitionOf(pos.lane)
	elsewhere := !r.stopped && !r.served[p]
	r.mu.Unlock()
	if elsewhere {
		r.places.Wake(p, pos.lane)
	}
}

// hold notes that the task at p is in memory, the first of its key.
func (l *lane) hold(p position) {
	l.known[p] = false
	if p.key != 0 {
		l.busy[p.key] = &turn{}
	}
}

// push makes a task ready.
func (r *Runner) push(l *lane, it *item) {
	l.ready = append(l.ready, it)
	r.bytes += len(it.row.Body)
}

// drive begins what may begin and has looked at what is not in memory. It must be called after every change of a lane.
func (r *Runner) drive(l *lane) {
	for l.canBegin() && !r.stopped {
		if r.running >= r.o.Concurrency || len(r.line) > 0 {
			r.queueUp(l)
			break
		}
		r.begin(l)
	}
	if !l.wanted && !l.looking && !r.stopped && l.wants(r.bytes < maxBytes) {
		l.wanted = true
		r.wanted = append(r.wanted, l)
		if r.looking < lookers {
			r.looking++
			r.work.Go(r.lookOn)
		}
	}
	active := l.running > 0 || len(l.ready) > 0 || l.wanted || l.looking
	switch {
	case active && !l.active:
		r.clock.Begin()
	case !active && l.active:
		r.clock.End()
	}
	l.active = active
	if r.lanes[l.id] != l {
		return
	}
	switch {
	case active:
		delete(r.idle, l)
		return
	case len(l.known) == 0 && !l.more:
		delete(r.lanes, l.id)
		delete(r.idle, l)
	default:
		r.idle[l] = struct{}{}
	}
	if r.vacant() >= lanesAtOnce {
		r.lookRound()
	}
}

func (l *lane) canBegin() bool { return len(l.ready) > 0 && l.running < l.queue.o.Concurrency }

// begin begins the first task that is ready.
func (r *Runner) begin(l *lane) {
	it := l.ready[0]
	l.ready[0] = nil
	l.ready = l.ready[1:]
	r.bytes -= len(it.row.Body)
	l.known[it.pos] = true
	l.running++
	r.running++
	r.work.Go(func() { r.perform(l, it) })
}

// queueUp has a lane wait for the runner's own limit.
func (r *Runner) queueUp(l *lane) {
	if !l.inLine {
		l.inLine = true
		r.line = append(r.line, l)
	}
}

// serveLine lets each lane in line begin one task after the other, as many as may be under way.
func (r *Runner) serveLine() {
	for len(r.line) > 0 && r.running < r.o.Concurrency && !r.stopped {
		l := r.line[0]
		r.line[0] = nil
		r.line = r.line[1:]
		l.inLine = false
		if l.canBegin() {
			r.begin(l)
		}
		if l.canBegin() {
			r.queueUp(l)
		}
		r.drive(l)
	}
}

func (l *lane) wants(memory bool) bool {
	return len(l.due) > 0 || l.more && len(l.delayed) < maxDelayed &&
		(len(l.ready) == 0 || len(l.ready) < window/2 && memory)
}

// finish takes a task out of memory: it is done, or no longer ours.
func (r *Runner) finish(l *lane, pos position) {
	delete(l.known, pos)
	if l.looking {
		l.finished[pos] = struct{}{}
	}
	t := l.busy[pos.key]
	switch {
	case t == nil:
	case len(t.next) > 0:
		l.ready = append(l.ready, t.next[0])
		t.next[0] = nil
		t.next = t.next[1:]
	default:
		delete(l.busy, pos.key)
		if t.more {
			from := pos.next() // those before it are done
			if t.from.before(from) {
				from = t.from
			}
			l.miss(from)
		}
	}
}

// delay keeps the task at pos for at.
func (r *Runner) delay(l *lane, pos position, at time.Time) {
	heap.Push(&l.delayed, later{at, pos})
	if first := l.delayed[0].at; l.alarm == nil {
		l.alarm = r.clock.AfterFunc(first, func() { r.ring(l) })
	} else if first.Equal(at) {
		l.alarm.Reset(first)
	}
}

// ring is called when delayed tasks of the lane are due.
func (r *Runner) ring(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	for len(l.delayed) > 0 && !l.delayed[0].at.After(now) {
		l.due = append(l.due, heap.Pop(&l.delayed).(later).pos)
	}
	if len(l.delayed) > 0 {
		l.alarm.Reset(l.delayed[0].at)
	}
	r.drive(l)
}

// forget drops all but what is under way: another node has the partition, or the runner stops.
func (r *Runner) forget(l *lane) {
	for _, it := range l.ready {
		r.bytes -= len(it.row.Body)
	}
	for _, t := range l.busy {
		for _, it := range t.next {
			r.bytes -= len(it.row.Body)
		}
	}
	clear(l.busy)
	for pos, underWay := range l.known {
		if !underWay {
			delete(l.known, pos)
		} else if pos.key != 0 {
			l.busy[pos.key] = &turn{}
		}
	}
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.ready, l.delayed, l.due, l.missed = nil, nil, nil, missed{}
	l.wanted = false
	l.age++
}

// delayed is tasks that wait for a time, the earliest first.
type delayed []later

type later struct {
	at  time.Time
	pos position
}

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d delayed) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delayed) Push(x any)        { *d = append(*d, x.(later)) }
func (d *delayed) Pop() any {
	old := *d
	x := old[len(old)-1]
	*d = old[:len(old)-1]
	return x
}
