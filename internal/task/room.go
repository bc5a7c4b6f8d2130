package task

import (
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

// room is what is known of lanes that are not in memory.
type room struct {
	missed  // where they may be
	looking bool

	// Lanes whose tasks all wait to be tried again are put out of memory where others need it; all are looked for again then.
	due   time.Time // zero: there are none
	alarm *clock.Timer
}

// vacant is how many lanes there is memory for, beside those that have something to do.
func (r *Runner) vacant() int { return maxLanes - len(r.lanes) + len(r.idle) }

// makeRoom puts a lane that only waits out of memory, if there is one: targets that are down must not keep out others.
func (r *Runner) makeRoom() bool {
	for l := range r.idle {
		due := l.delayed[0].at
		r.forget(l)
		delete(r.lanes, l.id)
		delete(r.idle, l)
		r.lookLater(due)
		return true
	}
	return false
}

// lookLater has all lanes looked for when one is due that is put out of memory, but not all the time.
func (r *Runner) lookLater(due time.Time) {
	if soonest := r.clock.Now().Add(lookPause); due.Before(soonest) {
		due = soonest
	}
	switch {
	case r.room.alarm == nil:
		r.room.alarm = r.clock.AfterFunc(due, r.ringRoom)
	case r.room.due.IsZero() || due.Before(r.room.due):
		r.room.alarm.Reset(due)
	default:
		return
	}
	r.room.due = due
}

func (r *Runner) ringRoom() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.room.due = time.Time{}
	r.room.miss(position{})
	r.lookRound()
}

// lookRound has lanes looked for that are not in memory.
func (r *Runner) lookRound() {
	if r.room.more && !r.room.looking && r.base != nil && !r.stopped && r.vacant() > 0 {
		r.room.looking = true
		r.clock.Begin()
		r.work.Go(r.discover)
	}
}

// discover finds the lanes of the partitions served that have rows, as many as there is memory for.
func (r *Runner) discover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.clock.End()
	defer func() { r.room.looking = false }()
	for r.room.more && !r.stopped && r.vacant() > 0 {
		from, served := r.room.from, r.served
		r.mu.Unlock()
		c, ok := read(r, "task.discover", func(tx *store.Tx) census { return r.tables.census(tx, from, &served) })
		r.mu.Lock()
		if !ok || r.stopped {
			return
		}
		if r.room.from = c.upTo; c.atEnd {
			r.room.atEnd()
		}
		for _, f := range c.lanes {
			q := r.queues[f.row.Queue]
			if q == nil {
				if !r.unknown[f.row.Queue] {
					r.unknown[f.row.Queue] = true
					r.log.Error("tasks of an unknown queue are left where they are", "queue", f.row.Queue)
				}
				continue
			}
			if l := r.lane(f.pos, q); l != nil {
				l.miss(position{lane: l.id})
				r.drive(l)
			}
		}
	}
}

// census is the lanes that one read found.
type census struct {
	lanes []found // the first row of each
	upTo  position
	atEnd bool
}

// census reads which lanes of the partitions served have rows, from a position on.
func (t tables) census(tx *store.Tx, from position, served *[partition.Count]bool) (c census) {
	c.upTo = from
	for range lanesAtOnce {
		f, ok := t.first(tx, c.upTo.lane)
		if !ok {
			c.atEnd = true
			return c
		}
		next := f.pos.lane + 1
		if p := partitionOf(f.pos.lane); served[p] {
			c.lanes = append(c.lanes, f)
		} else {
			next = firstLane(p + 1)
			if p == partition.Count-1 {
				next = 0
			}
		}
		if next == 0 {
			c.atEnd = true
			return c
		}
		c.upTo = position{lane: next}
	}
	return c
}

// first is the first row of the first lane from lane on.
func (t tables) first(tx *store.Tx, lane uint64) (found, bool) {
	for k, row := range t.rows.Scan(tx, store.ScanOptions{From: []any{lane}, Limit: 1}) {
		return found{positionOf(k), row}, true
	}
	return found{}, false
}
