// Package owner decides which node owns a hot object (a queue, a shard, an execution) and lets its owner change it at
// the speed of memory.
//
// Objects fall into 1,024 fixed partitions by a hash of what they are. A partition belongs to one node at a time, which
// loads an object's state when it is first asked for, keeps it, and writes every change of it through [Do]: the changes
// of all callers of this node go into the store together, one commit at a time, while the next batch gathers.
// On one machine the owner is always "me" and all this is a fast cache.
//
// What it promises:
//
//   - Do answers when what it changed is durable, unless the caller said it need not be. What a commit did not write,
//     no later answer shows: the objects it touched are read again from the store.
//   - Time decides only who may try. Every commit of a node carries one fence, the node's term; whoever takes partitions
//     from a node that seems dead raises that node's term in the same transaction. So a node that was paused, and wakes
//     after it was taken for dead, writes nothing and completes nothing.
//   - A commit of unknown outcome is settled, not guessed: each writes a marker beside its rows. The node raises its own
//     term, which waits for the lost commit or shuts it out, reads the marker in the same transaction, and then either
//     answers its callers or writes the same batch again. No caller's change is lost or made twice.
//   - A clean stop hands its partitions over at once; those of a node that died are free when its heartbeat is older
//     than the lease. Nodes never compare their clocks: each measures how long a heartbeat has not changed. Each node owns the
//     same number of partitions, give or take one.
//
// It keeps, in its own space: node/<id> who is alive, term/<id> the fence, mark/<id> the last commit, own/<partition> who
// has it and how often it was taken, format what all nodes must understand.
package owner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Partitions is how many there are. It never changes: it is part of where every object is.
const Partitions = 1024

// ErrStopped answers callers of a node that is stopping or has stopped. Nothing was done.
var ErrStopped = errors.New("owner: this node is stopping")

// errAgain is the outcome of a change whose object's memory was dropped before it was written: nothing was written, and
// Do runs it again on what is then loaded.
var errAgain = errors.New("owner: run again")

// ElsewhereError answers for an object that another node owns: the whole request belongs there.
type ElsewhereError struct {
	Node      string // its id
	Address   string // where it is reached
	Partition uint16

	asked *Node
}

func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("owner: partition %d is node %s's, at %s", e.Partition, e.Node, e.Address)
}

// Options of a node.
type Options struct {
	ID      string // names the node among those of the store: at most one living process bears it, and keeps it when started again
	Address string // where the other nodes reach it
	Version string // for the other nodes to see
	Formats Formats

	// Alone says that no other node can have this store open, as the lock of a data directory does. Then no heartbeat
	// is written.
	Alone bool

	Lease   time.Duration // a node whose heartbeat is older is dead; 3 s where zero
	Objects int           // how many are kept in memory, where all but these may be dropped; 16,384 where zero
	Bell    *Bell         // tells nodes of the same process at once what they would read from the store later; may be nil
	Tell    func()        // has the nodes of other processes Look; it must not wait; may be nil

	// TellHeirs has the nodes of other processes Inherit, and returns when they have, or ctx ends; may be nil.
	TellHeirs func(ctx context.Context, heirs Heirs)

	// Gone is told of each member that is taken for dead: nothing need be waited for that was asked of it. It must
	// not wait, nor call the node; may be nil.
	Gone func(id string)

	Log *slog.Logger // may be nil
}

// Node is this process's part in owning objects.
type Node struct {
	space store.Space
	clock *clock.Clock
	o     Options
	rows  rows
	log   *slog.Logger
	base  context.Context // for commits, which outlive the caller that leads them: Run's, without its end

	commits commits
	alarms  alarms
	cache   cache
	batches sync.Pool // of *Batch: per node, since a Batch holds a channel, which belongs to its synctest bubble

	fresh   atomic.Pointer[time.Time] // till when answers from memory need no commit
	full    shortage
	tickets atomic.Uint64 // tells who parked first
	emptied *uint64       // how often the store was when this node joined it, nil before; only Run touches it
	look    chan struct{} // something has changed in the store; holds one
	turn    chan struct{} // held while partitions are taken or released; holds one

	mu       sync.Mutex
	kinds    []kind
	session  *session      // nil until joined, and from being taken for dead until joined again
	trouble  error         // why it could not join the last time
	stopped  bool          // no caller is served any more
	leaving  bool          // takes no partitions any more
	changed  chan struct{} // closed and replaced when what stands below or above changes
	looks    uint64        // how often all partitions were looked at
	parts    [Partitions]partition
	held     [Partitions]uint64 // the last epoch at which each was this node's
	unseen   bool               // the members have changed since all partitions were looked at: this node may have been given some
	members  map[string]member  // who was alive when last looked
	plan     *plan              // for them
	watchers []*watcher
	seen     map[string]sighting // when their heartbeats were last seen to change
}

// session is one membership of the node, from joining to being taken for dead.
type session struct {
	incarnation uint64                        // the term at the joining
	ended       chan struct{}                 // closed when nothing of it is in memory any more
	fences      atomic.Pointer[[]store.Fence] // the term, which every commit checks; raised when an outcome is unknown
	number      uint64                        // of the last commit; only the leader touches it
	writing     sync.WaitGroup                // the leader; entered under Node.mu, while this is the session
}

// fence makes term the fence, unless a higher one is.
func (s *session) fence(n *Node, term uint64) {
	fences := &[]store.Fence{n.rows.terms.Fence(term, n.o.ID)}
	for {
		old := s.fences.Load()
		if old != nil && (*old)[0].Epoch >= term || s.fences.CompareAndSwap(old, fences) {
			return
		}
	}
}

func (s *session) term() uint64 { return (*s.fences.Load())[0].Epoch }

// partition is what this node knows of one.
type partition struct {
	mine      bool
	releasing bool
	epoch     uint64 // where mine: how often it was taken, by whomever
	holder    string // where not mine: who should be asked; "" = the store has to be
	doubted   bool   // the holder is said not to be it: the store has to be asked first
	next      *atomic.Uint64
	unsettled uint64 // objects of it were dropped whose writes, up to this group, were not durable yet
}

// New is a node over space, which no other package uses. Callers wait until Run has joined it to the others.
func New(space store.Space, c *clock.Clock, o Options) *Node {
	o.Lease = cmp.Or(o.Lease, 3*time.Second)
	o.Objects = cmp.Or(o.Objects, 16384)
	o.Formats.settle()
	n := &Node{space: space, clock: c, o: o, rows: newRows(space), log: o.Log, changed: make(chan struct{}), members: map[string]member{}, plan: new(plan), seen: map[string]sighting{}}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.commits.flush = make(chan struct{}, 1)
	n.look = make(chan struct{}, 1)
	n.turn = make(chan struct{}, 1)
	return n
}
