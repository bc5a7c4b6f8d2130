package owner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// reach waits until the counter is at least n, or for so long.
func (c *counters) reach(ctx context.Context, id string, n uint64, wait time.Duration) (uint64, error) {
	until := c.space.Now().Add(wait)
	return owner.Do(scoped(ctx), c.kind, id, func(s *counter, b *owner.Batch) (uint64, error) {
		if s.n < n && b.Now().Before(until) {
			return 0, b.Park(&s.waiters, until)
		}
		return s.n, nil
	})
}

// bump counts one up and wakes so many.
func (c *counters) bump(ctx context.Context, id string, wake int) error {
	_, err := owner.Do(scoped(ctx), c.kind, id, func(s *counter, b *owner.Batch) (int, error) {
		s.n++
		c.table.Set(b, s.n, id)
		b.Then(func() { s.waiters.Wake(wake) })
		return 0, nil
	})
	return err
}

func TestParkedCallerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{}))
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { c.bump(t.Context(), "x", 1) })
		n, err := c.reach(t.Context(), "x", 1, 20*time.Second)
		if n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestParkedCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{}))
		began := time.Now()
		n, err := c.reach(t.Context(), "x", 1, 20*time.Second)
		if n != 0 || err != nil || time.Since(began) != 20*time.Second {
			t.Errorf("got %d, %v after %v", n, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.reach(ctx, "x", 1, 20*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		left, _ := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) { return s.waiters.Len(), nil })
		if left != 0 {
			t.Errorf("%d still wait", left)
		}
	})
}

// A queue of ones: who takes, waits; many give up at the very moment they are woken. No item may be left while somebody
// waits.
func TestNoWakeUpIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{Hostile: memory.Hostile{Seed: 3, Unknown: 0.05, Delay: time.Millisecond}}))
		const takers, items = 20, 300
		take := func(ctx context.Context) error {
			until := c.space.Now().Add(time.Hour)
			_, err := owner.Do(scoped(ctx), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
				if s.n == 0 {
					return 0, b.Park(&s.waiters, until)
				}
				s.n--
				c.table.Set(b, s.n, "x")
				return 0, nil
			})
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		var taken, given atomic.Int64
		var wg sync.WaitGroup
		for i := range takers {
			wg.Go(func() {
				for ctx.Err() == nil {
					brief, stop := context.WithTimeout(ctx, time.Duration(1+i%3)*time.Millisecond)
					if i%2 == 0 {
						brief, stop = ctx, func() {}
					}
					if take(brief) == nil {
						taken.Add(1)
					}
					stop()
				}
			})
		}
		for range items {
			if c.bump(t.Context(), "x", 1) == nil {
				given.Add(1)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		// An impatient taker may have left while what it took was being written.
		if n, err := c.get(t.Context(), "x"); n != 0 || err != nil || taken.Load() > given.Load() {
			t.Errorf("given %d, taken %d, left %d, %v", given.Load(), taken.Load(), n, err)
		}
		cancel()
		wg.Wait()
	})
}

// Who is woken at the moment they leave passes it on.
func TestWakeUpIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{}))
		for range 20 {
			c.add(t.Context(), "x") // so that a level has to be reached anew
			n, _ := c.get(t.Context(), "x")
			leaving, leave := context.WithCancel(t.Context())
			go c.reach(leaving, "x", n+1, time.Hour)
			synctest.Wait()
			served := make(chan bool)
			go func() {
				c.reach(t.Context(), "x", n+1, time.Hour)
				close(served)
			}()
			synctest.Wait()
			owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
				leave()
				s.n++
				s.waiters.Wake(1)
				return 0, nil
			})
			synctest.Wait()
			select {
			case <-served:
			default:
				t.Fatal("nobody was woken")
			}
		}
	})
}

func TestParkedCallersKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{}))
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				until, woken := c.space.Now().Add(time.Hour), 0
				_, err := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
					if woken++; woken < 3 {
						return 0, b.Park(&s.waiters, until)
					}
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					return 0, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range 10 {
			c.bump(t.Context(), "x", 1) // the first parks again, in its old place
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 5 {
			t.Errorf("served in the order %v", order)
		}
	})
}

// Callers parked at a node that goes find the next owner.
func TestParkedCallersMove(t *testing.T) {
	for _, how := range []string{"halt", "kill"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, memory.New(memory.Options{}), "a", "b")
				time.Sleep(5 * time.Second)
				first := c.ownerOf("x")
				next := other(first)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() {
					_, err := c.node(first).reach(ctx, "x", 1, time.Hour)
					done <- err
				}()
				synctest.Wait()
				keep := func() {}
				if how == "kill" { // as far as the others can tell
					resume := c.node(first).gate.pause()
					time.Sleep(10 * time.Second)
					c.node(next).get(t.Context(), "x")
					keep = c.node(next).gate.pause() // it does not give it back at once
					resume()
				} else {
					go c.halt(first)
				}
				err := <-done
				cancel()
				keep()
				if _, ok := errors.AsType[*owner.ElsewhereError](err); !ok && !errors.Is(err, owner.ErrStopped) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestDueObjectsWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *counters
		c, w := alone(t, memory.New(memory.Options{}), owner.Due(
			func(s *counter) time.Time { return s.due },
			func(s *counter, b *owner.Batch) {
				if b.Now().Before(s.due) {
					t.Errorf("woken at %v, due %v", b.Now(), s.due)
				}
				s.rang++
				s.due = time.Time{}
				if s.rang < 3 {
					s.due = b.Now().Add(time.Minute)
				}
				s.n++
				s.table.Set(b, s.n, s.id)
			}))
		at := w.clock.Now().Add(time.Minute)
		for i := range 10 {
			owner.Do(scoped(t.Context()), c.kind, fmt.Sprint(i), func(s *counter, b *owner.Batch) (int, error) {
				s.due = at.Add(time.Duration(i) * time.Second)
				return 0, nil
			})
		}
		// Put off: the alarm that stands rings for nothing.
		owner.Do(scoped(t.Context()), c.kind, "0", func(s *counter, b *owner.Batch) (int, error) {
			s.due = at.Add(30 * time.Second)
			return 0, nil
		})
		time.Sleep(time.Minute + 5*time.Second + time.Millisecond)
		synctest.Wait()
		for i, want := range []uint64{0, 1, 1, 1, 1, 1, 0, 0, 0, 0} {
			if n := c.stored(t, fmt.Sprint(i)); n != want {
				t.Errorf("%d rang %d times", i, n)
			}
		}
		if err := w.clock.Advance(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		for i := range 10 { // what they did is committed once Advance is over
			if n := c.stored(t, fmt.Sprint(i)); n != 3 {
				t.Errorf("%d rang %d times", i, n)
			}
		}
	})
}

// Advancing the clock ends a wait, and comes back when the caller has its answer.
func TestAdvanceEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := alone(t, memory.New(memory.Options{}))
		answered := false
		done := make(chan bool)
		go func() {
			defer close(done)
			c.reach(t.Context(), "x", 1, 20*time.Second)
			answered = true
		}()
		synctest.Wait()
		began := time.Now()
		if err := w.clock.Advance(t.Context(), 21*time.Second); err != nil {
			t.Fatal(err)
		}
		<-done
		if !answered || time.Since(began) > 0 {
			t.Errorf("answered %v after %v", answered, time.Since(began))
		}
	})
}

func TestForgottenObjectIsLoadedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, &slow{Engine: memory.New(memory.Options{}), by: time.Second})
		c.add(t.Context(), "x")
		parked := make(chan uint64)
		go func() {
			n, _ := c.reach(t.Context(), "x", 5, 20*time.Second)
			parked <- n
		}()
		synctest.Wait()
		go owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
			c.table.Set(b, 7, "x")
			b.Forget()
			return 0, nil
		})
		if n := <-parked; n != 7 {
			t.Errorf("the parked caller found %d", n)
		}
		if n, err := c.get(t.Context(), "x"); n != 7 || err != nil || c.loads != 2 {
			t.Errorf("got %d, %v after %d loads", n, err, c.loads)
		}
	})
}

// Whoever comes between the dropping of an object and the commit of its last changes must not load what was before them.
func TestDroppedObjectIsLoadedOnceItsChangesAreStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{}))
		found := make(chan uint64, 1)
		var dropped *owner.Kind[*counter]
		dropped = owner.NewKind(c.node, "dropped", c.load, owner.Lost(func(s *counter) {
			if s.n != 6 {
				return
			}
			go func() {
				n, _ := owner.Do(scoped(t.Context()), dropped, "x", func(s *counter, _ *owner.Batch) (uint64, error) { return s.n, nil })
				found <- n
			}()
			synctest.Wait() // it has come as far as it can
		}))
		if _, err := owner.Do(scoped(t.Context()), dropped, "x", func(s *counter, b *owner.Batch) (int, error) {
			s.n = 6
			c.table.Set(b, 7, "x")
			b.Forget()
			return 0, nil
		}); err != nil {
			t.Fatal(err)
		}
		if n := <-found; n != 7 {
			t.Errorf("found %d: what was there before the change", n)
		}
	})
}

func TestIdleObjectsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1}}))
		c, _ := w.start(t, owner.Options{ID: "a", Alone: true, Objects: 10}, owner.Evictable(func(s *counter) bool { return !s.pinned }))
		owner.Do(scoped(t.Context()), c.kind, "pinned", func(s *counter, b *owner.Batch) (int, error) {
			s.pinned = true
			return 0, nil
		})
		numbers := map[string]uint64{}
		for i := range 400 {
			id := fmt.Sprint("q", i%40)
			n, err := owner.Do(scoped(t.Context()), c.kind, id, func(s *counter, b *owner.Batch) (uint64, error) {
				s.n++
				c.table.Set(b, s.n, id)
				b.Lazy()
				return s.ids.Next(), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if n <= numbers[id] {
				t.Errorf("%s: number %x after %x", id, n, numbers[id])
			}
			numbers[id] = n
			time.Sleep(2 * time.Millisecond) // what is not written yet stays
		}
		time.Sleep(time.Second)
		for i := range 40 {
			if n, err := c.get(t.Context(), fmt.Sprint("q", i)); n != 10 || err != nil {
				t.Errorf("%d: %d, %v: a lazy write was lost", i, n, err)
			}
		}
		if c.loads-c.lost > 20 || c.loads < 100 {
			t.Errorf("loaded %d, dropped %d", c.loads, c.lost)
		}
		loads := c.loads
		if c.get(t.Context(), "pinned"); c.loads != loads {
			t.Error("the pinned one was dropped")
		}
	})
}
