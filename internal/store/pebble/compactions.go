package pebble

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets pebble run as many compactions as it allows itself. It asks again when one ends and when a flush has
// raised what is allowed: pebble's own scheduler looks ten times a second, which would wake an idle process for nothing.
//
// It is called with locks of the DB held, so it never calls a method of db that takes them (all but
// GetAllowedWithoutPermission) from TrySchedule or UpdateGetAllowedWithoutPermission, or holding mu.
type compactions struct {
	db    pebble.DBForCompaction
	calls sync.WaitGroup // calls of db under way; none is added once over

	mu      sync.Mutex // guards what follows
	running int        // those that run, and places kept while db is asked whether it wants one
	refused bool       // one may be waiting
	over    bool
}

var (
	_ pebble.CompactionScheduler   = (*compactions)(nil)
	_ pebble.CompactionGrantHandle = (*compactions)(nil)
)

// Register says whose compactions they are.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) { c.db = db }

// Unregister ends calling the DB and waits for calls under way.
func (c *compactions) Unregister() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.calls.Wait()
}

// TrySchedule lets one run if there is a place.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false, nil
	}
	if c.running >= c.db.GetAllowedWithoutPermission() {
		c.refused = true
		return false, nil
	}
	c.running++
	return true, c
}

// UpdateGetAllowedWithoutPermission says that there may be more places now.
func (c *compactions) UpdateGetAllowedWithoutPermission() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused && !c.over && c.running < c.db.GetAllowedWithoutPermission() {
		c.calls.Go(c.offer)
	}
}

// Done says that one has ended.
func (c *compactions) Done() {
	c.mu.Lock()
	c.running--
	over := c.over
	if !over {
		c.calls.Add(1)
	}
	c.mu.Unlock()
	if !over {
		c.offer()
		c.calls.Done()
	}
}

// offer lets those run that wait and have a place. Unregister waits for who calls it.
func (c *compactions) offer() {
	for c.reserve() {
		if waiting, _ := c.db.GetWaitingCompaction(); waiting && c.db.Schedule(c) {
			continue
		}
		if !c.unreserve() {
			return
		}
	}
}

// reserve keeps a place, if there is one, so that whoever offers it at the same time finds another or none.
func (c *compactions) reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	if c.running >= c.db.GetAllowedWithoutPermission() {
		c.refused = true
		return false
	}
	c.running++
	c.refused = false
	return true
}

// unreserve gives a place back that nobody wanted. It reports whether one was refused meanwhile, and must be asked again.
func (c *compactions) unreserve() (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	return c.refused
}

// Started, MeasureCPU and CumulativeStats are for schedulers that weigh compactions against each other.
func (*compactions) Started()                                          {}
func (*compactions) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (*compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}
