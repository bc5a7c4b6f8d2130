// Package timer wakes services at a time of the platform's clock that outlives the process: a message's retention, a
// schedule, the end of a wait.
//
// A timer is a row, set and cancelled in the transaction that needs it, under a key of its set; setting it again moves it.
// In memory there is only when the earliest of each partition is due, and one timer of the clock for the earliest of
// them all: nothing is polled, and a million timers cost nothing while they wait.
//
// What it promises: a timer fires at its time or, where nobody was there to see it, as soon as somebody is; at least once,
// and again with growing intervals while its function fails. It is gone when the function has succeeded, unless that set
// it anew. It fires on the node that serves its partition. Its function should be no more than a transaction: what takes
// longer, or must be limited, is a task written there.
package timer

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Options are choices for Timers. The zero value serves a node alone.
type Options struct {
	Places partition.Places // nil: this node serves everything
	Grace  time.Duration    // how long functions under way may go on when Run is to end; 10 s where zero
	Log    *slog.Logger     // may be nil
}

const (
	maxRunning = 64  // functions under way at once
	page       = 64  // rows read at once
	maxPeeks   = 128 // partitions looked into at once for when their first timer is due
	maxStale   = 256 // entries removed at once that are of no timer
	onceMore   = time.Second
	atMost     = 5 * time.Minute
	strangers  = time.Hour // before a timer of a set nobody made is looked at again
)

// What is known of when a partition's first timer is due, beside a time in Unix nanoseconds.
const (
	unread = 0
	never  = math.MaxInt64
)

// Timers fires the timers of all sets made on it. Make it with New.
type Timers struct {
	space  store.Space
	clock  *clock.Clock
	places partition.Places
	o      Options
	log    *slog.Logger
	tables tables

	mu      sync.Mutex
	sets    map[string]*set
	unknown map[string]bool // sets of which rows were found, and nobody made
	base    context.Context // of the functions; nil until Run
	stopped bool
	work    sync.WaitGroup
	served  [partition.Count]bool
	next    [partition.Count]int64 // not later than the partition's first timer is due
	alarm   *clock.Timer
	armed   int64 // what alarm is set to; never where it is not
	reading bool
	running map[place]*firing
}

// firing is a timer whose function is under way.
type firing struct {
	stamp uint64 // of the timer that fired
	again int64  // when it is due as it was set anew since, where a read passed over that; never where none did
}

// New is the timers over space, which no other package uses.
func New(space store.Space, c *clock.Clock, o Options) *Timers {
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	ts := &Timers{
		space: space, clock: c, places: o.Places, o: o, log: o.Log, tables: newTables(space),
		sets: map[string]*set{}, unknown: map[string]bool{}, armed: never, running: map[place]*firing{},
	}
	if ts.places == nil {
		ts.places = partition.Alone()
	}
	if ts.log == nil {
		ts.log = slog.New(slog.DiscardHandler)
	}
	return ts
}

// at is where the timers' rows are.
func (ts *Timers) at() partition.Rows {
	return partition.Rows{Space: ts.space, Clock: ts.clock, Places: ts.places, Log: ts.log}
}

// Run fires timers until ctx ends: first those that came due earlier. All sets must have been made. When ctx ends no more
// are fired; functions under way may finish, for Options.Grace, before their context ends too.
func (ts *Timers) Run(ctx context.Context) error {
	partition.Run(ctx, ts.o.Grace, &ts.work, ts.open, ts.shut)
	return nil
}

func (ts *Timers) open(base context.Context) {
	ts.mu.Lock()
	ts.base = base
	ts.mu.Unlock()
	ts.places.Watch(ts.serve)
}

func (ts *Timers) shut() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.stopped = true
	if ts.alarm != nil {
		ts.alarm.Stop()
	}
}

// serve is told that a partition is ours now, or no longer; or that it is still, and must be read again.
func (ts *Timers) serve(p uint16, served bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.served[p], ts.next[p] = served, unread
	ts.arm()
}

// Wake tells that another node has set a timer in partition p, due at a time in Unix nanoseconds. It reports whether this
// node serves p; where it does not, another has to be told.
func (ts *Timers) Wake(p uint16, at uint64) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.base == nil || ts.stopped || p >= partition.Count || !ts.served[p] {
		return false
	}
	ts.expect(p, int64(min(at, never)))
	return true
}

// set tells that a timer of partition p was set to at.
func (ts *Timers) set(p uint16, at int64) {
	ts.mu.Lock()
	served := ts.served[p]
	if served {
		ts.expect(p, at)
	}
	// Before Run nothing is served here, but another node may serve p. After it, whoever serves p reads all of it again.
	elsewhere := !served && !ts.stopped
	ts.mu.Unlock()
	if elsewhere {
		ts.places.Wake(p, uint64(max(at, 0)))
	}
}

func (ts *Timers) expect(p uint16, at int64) {
	if at < ts.next[p] {
		ts.next[p] = at
		ts.arm()
	}
}

// arm sets the alarm to the earliest timer, unless something under way will do so when it ends.
func (ts *Timers) arm() {
	if ts.base == nil || ts.stopped || ts.reading || len(ts.running) >= maxRunning {
		return
	}
	first := int64(never)
	for p, served := range ts.served {
		if served {
			first = min(first, ts.next[p])
		}
	}
	switch {
	case first == ts.armed:
	case first == never: // the alarm that is set finds nothing
	case ts.alarm == nil:
		ts.armed = first
		ts.alarm = ts.clock.AfterFunc(fromNano(first), ts.ring)
	default:
		ts.armed = first
		ts.alarm.Reset(fromNano(first))
	}
}

// ring fires what is due.
func (ts *Timers) ring() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.armed = never
	if ts.reading || ts.stopped {
		return
	}
	ts.reading = true
	ts.work.Add(1)
	defer ts.work.Done()
	q := ts.question()
	ts.mu.Unlock()

	found, ok := partition.Read(ts.base, ts.at(), store.UpdateOptions{Name: "timer.read", Lazy: true}, func(tx *store.Tx) answer { return ts.tables.read(tx, q) })

	ts.mu.Lock()
	ts.reading = false
	if ok && !ts.stopped {
		for p, next := range found.next {
			ts.next[p] = min(ts.next[p], next) // set meanwhile
		}
		slices.SortStableFunc(found.due, func(a, b due) int { return a.row.At.Compare(b.row.At) })
		for _, d := range found.due {
			if ts.served[d.place.partition] {
				ts.fire(d)
			}
		}
		for at, again := range found.passed {
			if f := ts.running[at]; f != nil {
				f.again = min(f.again, again)
			} else {
				ts.expect(at.partition, again)
			}
		}
	}
	ts.arm()
}

// question is what is to be read: partitions of which nothing is known, else those of which something is due. While the
// clock is being advanced timers fire one at a time, so that each one's work comes to rest before the next.
func (ts *Timers) question() question {
	q := question{now: ts.clock.Now(), rows: min(page, maxRunning-len(ts.running)), busy: map[place]uint64{}}
	now := q.now.UnixNano()
	for p, served := range ts.served {
		if served && ts.next[p] == unread {
			q.partitions = append(q.partitions, uint16(p))
			q.peek = true
		}
	}
	if !q.peek {
		for p, served := range ts.served {
			if served && ts.next[p] <= now {
				q.partitions = append(q.partitions, uint16(p))
			}
		}
		if ts.clock.Advancing() && len(q.partitions) > 0 {
			q.rows = 1
			q.partitions = []uint16{slices.MinFunc(q.partitions, func(a, b uint16) int { return cmp.Compare(ts.next[a], ts.next[b]) })}
		}
	}
	for _, p := range q.partitions {
		ts.next[p] = never // from here on, what is set meanwhile
	}
	for at, f := range ts.running {
		q.busy[at] = f.stamp
	}
	return q
}

// fire calls the function of a timer.
func (ts *Timers) fire(d due) {
	f := &firing{d.row.Stamp, never}
	ts.running[d.place] = f
	ts.clock.Begin()
	ts.work.Go(func() {
		defer ts.clock.End()
		ts.conclude(d, ts.call(d))
		ts.mu.Lock()
		defer ts.mu.Unlock()
		delete(ts.running, d.place)
		ts.expect(d.place.partition, f.again)
		ts.arm()
	})
}
