// Package task carries out work that must follow a commit. A task is written in the transaction that makes it necessary, so
// it exists exactly when that transaction happened; it is begun at once when that commits, and again after a crash or on
// another node, until it has succeeded or is given up.
//
// What it promises:
//
//   - At least once; and for tasks that record their own end ([Queue.Done], [Queue.Continue]) or whose targets keep a
//     [Ledger], their effect exactly once, across crashes and nodes. Where a partition passes to another node, a task under
//     way is not waited for: for a moment both may run it, and only the new one's commits about it count.
//   - Tasks of one queue and target with the same ordering key run one at a time, in the order of their commits; those
//     that owners write in batches, which read nothing, in the order of their nodes' clocks. A task that fails holds up
//     those behind it with its key, and no others.
//   - Each target has its own limit of tasks under way, and its own backlog: a slow target delays only itself.
//   - Nothing is polled. A commit hands its tasks to the runner; rows are read only where more wait than fit in memory,
//     and when partitions are taken over, at the start at the latest. What waits in memory is bounded, however many tasks
//     and targets there are.
//
// Tasks of one queue and target form a lane. A lane lives in one of 1,024 partitions by its hash; the node that serves a
// partition runs its lanes, and every commit about a task holds the fence of that.
package task

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

// RunnerOptions are choices for a Runner. The zero value serves a node alone.
type RunnerOptions struct {
	Places      partition.Places // nil: this node serves everything
	Concurrency int              // tasks under way at once, all lanes together; 8,192 where zero
	Grace       time.Duration    // how long tasks under way may go on when Run is to end; 10 s where zero
	Log         *slog.Logger     // may be nil
}

// What is kept in memory, at most.
const (
	maxLanes    = 16384    // lanes known to have work
	lanesAtOnce = 128      // looked for by one read
	window      = 128      // tasks of a lane read ahead
	perKey      = 16       // of these with one ordering key
	maxDelayed  = 256      // tasks of a lane that wait to be tried again: beyond that the lane waits, its target is in trouble
	maxBytes    = 32 << 20 // of bodies read ahead, all lanes together
	lookers     = 4        // reads of the store at once
)

// How long at least it takes until lanes that were put out of memory are looked for: each time all are read.
const lookPause = 15 * time.Second

// Runner runs the tasks of all queues made on it. Make it with NewRunner.
type Runner struct {
	space  store.Space
	clock  *clock.Clock
	places partition.Places
	o      RunnerOptions
	log    *slog.Logger
	tables tables

	nonce  uint32        // tells serial numbers of this process from those of others
	serial atomic.Uint64 // of the last task added
	looks  [256]atomic.Uint64

	mu      sync.Mutex
	queues  map[string]*queue
	base    context.Context // of the tasks; nil until Run
	stopped bool
	work    sync.WaitGroup // tasks and looks under way; only added to while not stopped
	served  [partition.Count]bool
	lanes   map[uint64]*lane
	idle    map[*lane]struct{} // of these, those that only wait for tasks to be tried again
	line    []*lane            // have tasks ready and wait for the runner's own limit
	running int
	bytes   int

	wanted  []*lane // are to be looked at, where they still say so
	looking int     // lookers under way
	room    room
	unknown map[string]bool // queues of which rows were found, and nobody made
}

// NewRunner is a runner over space, which no other package uses.
func NewRunner(space store.Space, c *clock.Clock, o RunnerOptions) *Runner {
	o.Concurrency = cmp.Or(o.Concurrency, 8192)
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	r := &Runner{
		space: space, clock: c, places: o.Places, o: o, log: o.Log, tables: newTables(space),
		nonce: rand.Uint32(), queues: map[string]*queue{}, lanes: map[uint64]*lane{}, idle: map[*lane]struct{}{}, unknown: map[string]bool{},
	}
	if r.places == nil {
		r.places = partition.Alone()
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// at is where the runner's rows are.
func (r *Runner) at() partition.Rows {
	return partition.Rows{Space: r.space, Clock: r.clock, Places: r.places, Log: r.log}
}

// Run runs tasks until ctx ends: those left over from earlier first, then each as it is added. All queues must have been
// made. When ctx ends no more are begun; those under way may finish, for Options.Grace, before their context ends too.
func (r *Runner) Run(ctx context.Context) error {
	partition.Run(ctx, r.o.Grace, &r.work, r.open, r.shut)
	return nil
}

func (r *Runner) open(base context.Context) {
	r.mu.Lock()
	r.base = base
	r.mu.Unlock()
	r.places.Watch(r.serve)
}

func (r *Runner) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for _, l := range r.lanes {
		r.forget(l)
		r.drive(l)
	}
	if r.room.alarm != nil {
		r.room.alarm.Stop()
	}
}

// serve is told that a partition is ours now, or no longer; or that it is still, and must be looked through again.
func (r *Runner) serve(p uint16, served bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.served[p] = served
	if served {
		r.room.miss(position{lane: firstLane(p)})
		r.lookRound()
		return
	}
	for id, l := range r.lanes {
		if partitionOf(id) == p {
			r.forget(l)
			r.drive(l)
		}
	}
}

// Wake has a lane looked at, since another node wrote a task there. It reports whether this node serves the lane's
// partition; where it does not, another has to be told.
func (r *Runner) Wake(lane uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.base == nil || r.stopped || !r.served[partitionOf(lane)] {
		return false
	}
	r.clock.Begin()
	r.work.Go(func() {
		defer r.clock.End()
		f, ok := read(r, "task.wake", func(tx *store.Tx) found { f, _ := r.tables.first(tx, lane); return f })
		r.mu.Lock()
		defer r.mu.Unlock()
		if q := r.queues[f.row.Queue]; ok && f.pos.lane == lane && q != nil {
			if l := r.lane(f.pos, q); l != nil {
				l.miss(position{lane: lane})
				r.drive(l)
			}
		}
	})
	return true
}

// Stats is what the runner has in memory.
type Stats struct {
	Running int // tasks under way
	Held    int // tasks that wait in memory: read ahead, or to be tried again
	Lanes   int
}

// Stats counts what is in memory.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Running: r.running, Lanes: len(r.lanes)}
	for _, l := range r.lanes {
		s.Held += len(l.known) - l.running
	}
	return s
}

// looksAt counts the looks at a lane (and at those that share the counter): begun in its high bits, under way in the low.
func (r *Runner) looksAt(lane uint64) *atomic.Uint64 { return &r.looks[lane>>56] }

const (
	looksUnderWay = 1<<16 - 1
	lookBegins    = 1<<16 + 1
	lookEnds      = ^uint64(0)
)

// stamp is a new serial number: the time, but never one that was given before.
func (r *Runner) stamp(now time.Time) uint64 {
	n := uint64(now.UnixNano())
	for {
		last := r.serial.Load()
		next := max(n, last+1)
		if r.serial.CompareAndSwap(last, next) {
			return next
		}
	}
}
