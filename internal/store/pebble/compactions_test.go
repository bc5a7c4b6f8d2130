package pebble

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// backlog is a DB as its scheduler sees it: so many compactions to do, so many allowed at once, each a second long.
type backlog struct {
	s *compactions

	mu                         sync.Mutex // the DB's, held in calls of the scheduler as pebble does
	todo, running, most, ended int
	waiting                    bool

	limit   sync.Mutex // guards allowed
	allowed int
}

func (b *backlog) GetAllowedWithoutPermission() int {
	b.limit.Lock()
	defer b.limit.Unlock()
	return b.allowed
}

func (b *backlog) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting, pebble.WaitingCompaction{}
}

func (b *backlog) Schedule(h pebble.CompactionGrantHandle) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.todo == 0 {
		b.waiting = false
		return false
	}
	b.run(h)
	return true
}

// run starts one. The caller holds mu.
func (b *backlog) run(h pebble.CompactionGrantHandle) {
	b.todo--
	b.running++
	b.most = max(b.most, b.running)
	b.waiting = b.todo > 0
	go func() {
		time.Sleep(time.Second)
		b.mu.Lock()
		b.running--
		b.ended++
		b.mu.Unlock()
		h.Done()
	}()
}

// count is how many run, have ended, and ran at once at most.
func (b *backlog) count() (running, ended, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running, b.ended, b.most
}

// add is a flush that makes n compactions worth while: like pebble, it asks only while none is known to wait.
func (b *backlog) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.todo += n
	for b.todo > 0 && !b.waiting {
		ok, h := b.s.TrySchedule()
		if !ok {
			b.waiting = true
			return
		}
		b.run(h)
		b.waiting = false
	}
}

// allow is a flush that lets n run.
func (b *backlog) allow(n int) {
	b.limit.Lock()
	b.allowed = n
	b.limit.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.UpdateGetAllowedWithoutPermission()
}

func TestCompactionsRunAsSoonAsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &compactions{}
		b := &backlog{s: s, allowed: 1}
		s.Register(2, b)
		start := time.Now()
		b.add(3)
		synctest.Wait()
		if running, _, _ := b.count(); running != 1 {
			t.Fatalf("%d run, 1 is allowed", running)
		}
		time.Sleep(500 * time.Millisecond)
		b.allow(2)
		synctest.Wait()
		if running, _, _ := b.count(); running != 2 {
			t.Errorf("%d run, 2 are allowed now", running)
		}
		time.Sleep(1500 * time.Millisecond) // 0-1 s, 0.5-1.5 s, 1-2 s
		synctest.Wait()
		if _, ended, most := b.count(); ended != 3 || most != 2 {
			t.Errorf("%d of 3 ended after %s, %d at once", ended, time.Since(start), most)
		}
		s.Unregister()
	})
}

// However what is to do and what is allowed come together, all is done and never more than allowed at once.
func TestCompactionsAreNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &compactions{}
		b := &backlog{s: s, allowed: 1}
		s.Register(2, b)
		var flushes sync.WaitGroup
		for i := range 4 {
			flushes.Go(func() {
				for range 200 {
					b.add(1)
					b.allow(1 + i%3)
					time.Sleep(time.Duration(250+i) * time.Millisecond)
				}
			})
		}
		flushes.Wait()
		time.Sleep(800 * time.Second)
		synctest.Wait()
		if _, ended, most := b.count(); ended != 800 || most > 3 {
			t.Errorf("%d of 800 ended, %d at once", ended, most)
		}
		s.Unregister()
		if ok, _ := s.TrySchedule(); ok {
			t.Error("one may start after the end")
		}
	})
}
