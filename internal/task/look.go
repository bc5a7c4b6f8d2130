package task

import (
	"math"
	"time"

	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

// lookOn looks at one lane after the other until none wants it.
func (r *Runner) lookOn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.wanted) > 0 && !r.stopped {
		l := r.wanted[0]
		r.wanted[0] = nil
		r.wanted = r.wanted[1:]
		if l.wanted {
			l.wanted = false
			r.look(l)
		}
	}
	r.looking--
}

// glance is what one look at a lane found.
type glance struct {
	due, rows []found
	skipped   []position // the first row of each ordering key that was left out, being busy
	more      []position // where rows that have others with their key behind them go on
	upTo      position   // where to go on
	atEnd     bool
}

type found struct {
	pos position
	row row
}

// question is what a look is to find out.
type question struct {
	lane        uint64
	due         []position
	scan        bool
	from        position
	rows, bytes int
	busy        map[uint64]bool // ordering keys to leave out
}

// look reads rows of the lane that are not in memory. r.mu is held, but not while it reads.
func (r *Runner) look(l *lane) {
	q := question{lane: l.id, due: l.due, scan: l.more && len(l.delayed) < maxDelayed, from: l.from, rows: window - len(l.ready), bytes: 1 << 20, busy: map[uint64]bool{}}
	if r.bytes >= maxBytes {
		q.rows, q.bytes = min(q.rows, 8), 1<<16
	}
	for key := range l.busy {
		q.busy[key] = true
	}
	l.due, l.looking, l.finished = nil, true, map[position]struct{}{}
	age := l.age
	looks := r.looksAt(l.id)
	looks.Add(lookBegins)
	r.mu.Unlock()

	g, ok := read(r, "task.look", func(tx *store.Tx) glance { return r.tables.glance(tx, q) })

	r.mu.Lock()
	looks.Add(lookEnds)
	l.looking = false
	switch {
	case !ok:
	case age == l.age:
		r.learn(l, q, g)
	case r.served[partitionOf(l.id)] && !r.stopped: // lost and regained meanwhile
		l.miss(position{lane: l.id})
	}
	l.finished = nil
	r.drive(l)
}

// learn takes what a look found into memory. The look read the store without the lock: commits have offered tasks since, and
// tasks have ended. So a row is taken in only where it is neither known nor finished meanwhile, and of each ordering key only
// from its front: the first row of a key that nothing in memory holds begins a turn (hold), those behind wait in it (next),
// and where a row cannot be told to be the front, the key is left to be looked at again (leave, miss) rather than run out
// of turn. What was asked for by its place (due) and is gone has ended.
func (r *Runner) learn(l *lane, q question, g glance) {
	if q.scan {
		if l.from = g.upTo; g.atEnd {
			l.atEnd()
		}
	}
	gone := map[position]bool{}
	for _, pos := range q.due {
		gone[pos] = true
	}
	now := r.clock.Now()
	for _, f := range g.due {
		delete(gone, f.pos)
		r.admit(l, f, now)
	}
	for pos := range gone {
		r.finish(l, pos)
	}
	fresh := map[uint64]bool{} // keys whose first row is in this look
	done := map[uint64]bool{}  // keys whose first row in this look was done meanwhile
	for _, f := range g.rows {
		key := f.pos.key
		if _, known := l.known[f.pos]; known {
			if key != 0 {
				done[key] = true // a commit offered it meanwhile; whatever follows is found after it
				l.busy[key].leave(f.pos)
			}
			continue
		}
		if _, ok := l.finished[f.pos]; ok {
			done[key] = key != 0
			continue
		}
		t := l.busy[key]
		switch {
		case done[key] && t != nil, t != nil && !fresh[key]:
			t.leave(f.pos)
		case done[key]:
			l.miss(f.pos.start())
		case t != nil:
			t.next = append(t.next, r.item(f, l.queue))
			l.known[f.pos] = false
			r.bytes += len(f.row.Body)
		default:
			fresh[key] = key != 0
			l.hold(f.pos)
			r.admit(l, f, now)
		}
	}
	for _, pos := range append(g.skipped, g.more...) {
		if t := l.busy[pos.key]; t != nil {
			t.leave(pos)
		} else {
			l.miss(pos.start())
		}
	}
}

// admit makes a task that is known ready, or has it wait for its time.
func (r *Runner) admit(l *lane, f found, now time.Time) {
	if at := fromNano(f.row.NotBefore); f.row.NotBefore != 0 && at.After(now) {
		r.delay(l, f.pos, at)
		return
	}
	r.push(l, r.item(f, l.queue))
}

// item is the task of a row.
func (r *Runner) item(f found, q *queue) *item {
	it := &item{pos: f.pos, queue: q, row: f.row}
	it.v, it.bad = q.decode(f.row.Body)
	return it
}

// glance reads what q asks for: the first rows of each ordering key that is not busy, and all rows without one.
func (t tables) glance(tx *store.Tx, q question) (g glance) {
	for _, pos := range q.due {
		if row, ok := t.rows.Get(tx, pos.parts()...); ok {
			g.due = append(g.due, found{pos, row})
		}
	}
	if !q.scan {
		return g
	}
	for g.upTo = q.from; len(g.rows) < q.rows && q.bytes > 0; {
		n, same, leave := 0, 0, uint64(0) // leave: the key whose other rows are left for later
		for k, row := range t.rows.Scan(tx, store.ScanOptions{From: g.upTo.tail(), Limit: q.rows - len(g.rows)}, q.lane) {
			n++
			pos := positionOf(k)
			if pos.key != 0 && q.busy[pos.key] {
				g.skipped, leave = append(g.skipped, pos), pos.key
				break
			}
			if n == 1 || pos.key != g.upTo.key {
				same = 0
			}
			if same++; pos.key != 0 && same > perKey {
				g.more, leave = append(g.more, pos), pos.key
				break
			}
			g.rows = append(g.rows, found{pos, row})
			g.upTo = pos.next()
			if q.bytes -= len(row.Body); q.bytes <= 0 {
				break
			}
		}
		if leave == 0 && g.upTo.key != 0 && (len(g.rows) >= q.rows || q.bytes <= 0) {
			g.more, leave = append(g.more, g.upTo), g.upTo.key // a key is never gone on with from its middle
		}
		switch {
		case n == 0, leave == math.MaxUint64:
			g.atEnd = true
			return g
		case leave != 0:
			g.upTo = position{lane: q.lane, key: leave + 1}
		}
	}
	return g
}

// read is what fn reads of the newest state. It tries until it succeeds; ok is false where the runner ended before.
func read[T any](r *Runner, name string, fn func(tx *store.Tx) T) (v T, ok bool) {
	return partition.Read(r.base, r.at(), store.UpdateOptions{Name: name}, fn)
}
