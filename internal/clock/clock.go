// Package clock is the platform's time: the machine's, moved forward by as much as users have asked for, and the timers
// that wait for it.
//
// It keeps the offset from the machine's time and the timers of this process; whatever must outlive the process keeps rows
// of its own (package timer) and one timer here. In ordinary running a single runtime timer waits for the earliest of
// all; nothing polls. [Clock.Advance] moves time forward instead of waiting for it: it stops at every timer that comes due
// on the way, in order, and goes on only when all the work it set off has come to rest. For that, whoever works in the
// background says so with [Clock.Begin] and [Clock.End].
package clock

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Clock tells the platform's time. Make it with New.
type Clock struct {
	offset atomic.Int64 // nanoseconds ahead of the machine
	held   atomic.Int64 // the instant at which Advance holds time still; 0 where time runs

	working atomic.Int64  // Begin less End
	begun   atomic.Int64  // Begin
	waiting atomic.Bool   // Advance waits for working to reach 0
	rested  chan struct{} // it has

	advancing chan struct{} // holds the one Advance under way
	save      func(ctx context.Context, offset time.Duration) error

	mu     sync.Mutex
	timers queue
	serial uint64      // of the last timer set: timers due at one instant fire in the order they were set
	alarm  *time.Timer // rings when the earliest is due
	closed bool
	firing sync.WaitGroup // functions of timers under way
}

// How long Advance lets time stand still for work that does not come to rest: work may itself wait for the time.
const patience = time.Second

// The runtime's timers stand still while a laptop sleeps and know nothing of a clock that is set anew, so a far timer
// is looked at again after so long.
const longestNap = time.Minute

// New is a clock that agrees with the machine's.
func New() *Clock {
	return &Clock{
		rested:    make(chan struct{}, 1),
		advancing: make(chan struct{}, 1),
		save:      func(context.Context, time.Duration) error { return nil },
	}
}

// Keep sets the clock as far ahead of the machine as it was when save was last called, and has save called before each
// move of Advance takes effect. It must be called before anything else uses the clock.
func (c *Clock) Keep(offset time.Duration, save func(ctx context.Context, offset time.Duration) error) {
	c.offset.Store(int64(offset))
	c.save = save
}

// Offset is how far the clock is ahead of the machine's.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Now is the platform's time, in UTC and without a monotonic part: it is compared with times read from the store.
func (c *Clock) Now() time.Time { return time.Unix(0, c.now()).UTC() }

func (c *Clock) now() int64 {
	if held := c.held.Load(); held != 0 {
		return held
	}
	return time.Now().UnixNano() + c.offset.Load()
}

// Begin says that work has begun which Advance has to wait for. It must be called before whatever set the work off
// (a timer's function, a commit's OnCommit, other such work) returns or ends, so that there is no gap between the two.
func (c *Clock) Begin() {
	c.begun.Add(1)
	c.working.Add(1)
}

// End says that work has come to rest: it ended, or it waits for a timer.
func (c *Clock) End() {
	switch n := c.working.Add(-1); {
	case n < 0:
		panic("clock: End without Begin")
	case n == 0 && c.waiting.Load():
		select {
		case c.rested <- struct{}{}:
		default:
		}
	}
}

// Timer is a function that waits for its time.
type Timer struct {
	clock  *Clock
	fn     func()
	at     int64
	serial uint64
	place  int // in the queue; -1 while it waits for nothing
}

// AfterFunc has fn called on a goroutine of its own as soon as the platform's time is at or later.
func (c *Clock) AfterFunc(at time.Time, fn func()) *Timer {
	t := &Timer{clock: c, fn: fn, place: -1}
	t.Reset(at)
	return t
}

// Stop keeps the timer from firing; false means that it has fired already, or was stopped. It does not wait for a
// function under way.
func (t *Timer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.place < 0 {
		return false
	}
	c.timers.remove(t) // the alarm may ring for nothing: cheaper than setting it at every Stop
	return true
}

// Reset has the timer fire at another time, once more if it has fired; true means that it had still been waiting.
func (t *Timer) Reset(at time.Time) bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	was := t.place >= 0
	if c.closed {
		return was
	}
	c.serial++
	t.at, t.serial = nanoseconds(at), c.serial
	if was {
		c.timers.fix(t)
	} else {
		c.timers.add(t)
	}
	if c.timers.first() == t {
		c.setAlarm()
	}
	return was
}

// nanoseconds is at as the queue orders it; the far past and future, which do not fit, are as far as fits.
func nanoseconds(at time.Time) int64 {
	switch s := at.Unix(); {
	case s > math.MaxInt64/int64(time.Second)-1:
		return math.MaxInt64
	case s < 0:
		return 0
	}
	return at.UnixNano()
}

// setAlarm has the alarm ring for the earliest timer. While Advance holds time still, it is Advance that looks.
func (c *Clock) setAlarm() {
	first := c.timers.first()
	if first == nil || c.held.Load() != 0 || c.closed {
		return
	}
	nap := min(max(time.Duration(first.at-c.now()), 0), longestNap)
	if c.alarm == nil {
		c.alarm = time.AfterFunc(nap, c.ring)
	} else {
		c.alarm.Reset(nap)
	}
}

// ring fires what is due.
func (c *Clock) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.held.Load() != 0 {
		return
	}
	for now := c.now(); ; {
		t := c.timers.first()
		if t == nil || t.at > now {
			break
		}
		c.fire(t)
	}
	c.setAlarm()
}

// fire starts t's function. c.mu is held.
func (c *Clock) fire(t *Timer) {
	c.timers.remove(t)
	c.Begin()
	c.firing.Go(func() {
		defer c.End()
		t.fn()
	})
}

// Advance moves the clock forward by d. Timers that come due on the way fire one by one in the order of their times, those
// set on the way included, each at its own time, and each only once the work of all before it has come to rest. Other work
// goes on meanwhile, and sees time stand still between steps; where work does not come to rest, because it waits for time
// to pass, time runs on as usual until it does.
//
// It returns early, with the clock where it has come to, when ctx ends or the offset cannot be saved. Time in nanoseconds
// ends in the year 2262: beyond that it refuses to go.
func (c *Clock) Advance(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("the clock cannot be moved back (by %v)", -d)
	}
	select {
	case c.advancing <- struct{}{}:
		defer func() { <-c.advancing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	now := c.now()
	if int64(d) > math.MaxInt64-now {
		return fmt.Errorf("the clock cannot be moved beyond the year 2262 (by %v)", d)
	}
	c.held.Store(now)
	defer c.release()
	goal, end := now+int64(d), c.offset.Load()+int64(d)
	for {
		if err := c.rest(ctx); err != nil {
			return err
		}
		next := c.next()
		if next > goal {
			if c.now() >= goal {
				return nil
			}
			if err := c.move(ctx, goal, end); err != nil {
				return err
			}
			continue // those who read the time rather than wait for it may have begun something
		}
		if next > c.now() {
			// The offset of a step is what the machine's time leaves of it, never beyond where the whole journey ends.
			if err := c.move(ctx, next, min(next-time.Now().UnixNano(), end)); err != nil {
				return err
			}
		}
		c.mu.Lock()
		if first := c.timers.first(); first != nil && first.at <= c.now() && !c.closed {
			c.fire(first)
		}
		c.mu.Unlock()
	}
}

// next is when the earliest timer is due.
func (c *Clock) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.timers.first(); t != nil {
		return t.at
	}
	return math.MaxInt64
}

// move holds the clock at an instant, saved first, so that nothing durable ever bears a time that a restart has yet to reach.
func (c *Clock) move(ctx context.Context, at, offset int64) error {
	if err := c.save(ctx, time.Duration(offset)); err != nil {
		return fmt.Errorf("save the clock: %w", err)
	}
	c.offset.Store(offset)
	c.held.Store(at)
	return nil
}

// release lets time run again.
func (c *Clock) release() {
	c.held.Store(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setAlarm()
}

// Advancing reports whether Advance holds time still: what is due is then fired one at a time.
func (c *Clock) Advancing() bool { return c.held.Load() != 0 }

// rest waits until all work has ended or waits for a timer.
func (c *Clock) rest(ctx context.Context) error {
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	running := false
	impatient := time.NewTimer(patience)
	defer impatient.Stop()
	for c.working.Load() != 0 {
		select {
		case <-c.rested:
		case <-impatient.C:
			running = true
			c.release()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if running {
		c.held.Store(c.now())
	}
	return ctx.Err()
}

// Close stops all timers and waits for the functions of those that have fired.
func (c *Clock) Close() {
	c.mu.Lock()
	c.closed = true
	for c.timers.first() != nil {
		c.timers.remove(c.timers.first())
	}
	if c.alarm != nil {
		c.alarm.Stop()
	}
	c.mu.Unlock()
	c.firing.Wait()
}
