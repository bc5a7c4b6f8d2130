package timer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// world is a store and a clock; it outlives timers.
type world struct {
	t     *testing.T
	clock *clock.Clock
	store *store.Store
	space store.Space // a service's
	begun time.Time

	anyOrder bool // what is due at once fires at once
	mu       sync.Mutex
	lines    []string
}

func newWorld(t *testing.T, h memory.Hostile) *world {
	c, e := clock.New(), memory.New(memory.Options{Hostile: h})
	t.Cleanup(func() { e.Close(); c.Close() })
	s := &store.Store{Engine: e, Clock: c, Overrun: func(name string, keys int, _ time.Duration) {
		t.Errorf("%s touched %d keys", name, keys)
	}}
	return &world{t: t, clock: c, store: s, space: s.Space("service"), begun: c.Now()}
}

func (w *world) timers(o timer.Options) *timer.Timers {
	return timer.New(w.store.Space("timer"), w.clock, o)
}

func (w *world) run(ts *timer.Timers) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := ts.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	synctest.Wait() // until it runs
	return stop
}

var scope = aws.Scope{Account: "111122223333", Region: "eu-west-1"}

// update commits fn, again where that is not certain.
func (w *world) update(fn func(tx *store.Tx)) { w.updateIn(scope, fn) }

func (w *world) updateIn(s aws.Scope, fn func(tx *store.Tx)) {
	ctx := aws.WithRequest(context.Background(), &aws.Request{Scope: s})
	for {
		_, err := store.Update(ctx, w.space, func(tx *store.Tx) (struct{}, error) { fn(tx); return struct{}{}, nil })
		if errors.Is(err, store.ErrUnknown) {
			continue
		}
		if err != nil {
			w.t.Error(err)
		}
		return
	}
}

func (w *world) in(d time.Duration) time.Time { return w.begun.Add(d) }

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...)+" at "+w.clock.Now().Sub(w.begun).String())
}

// rings notes what fires.
func (w *world) rings(_ context.Context, v string) error { w.note("%s", v); return nil }

func (w *world) expect(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.anyOrder {
		slices.Sort(w.lines)
		slices.Sort(want)
	}
	if !slices.Equal(w.lines, want) {
		w.t.Errorf("got  %q\nwant %q", w.lines, want)
	}
}

func TestCancelledAndAbortedTimersNeverFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 1})
		ts := w.timers(timer.Options{})
		set := timer.NewSet(ts, "test", w.rings)
		w.run(ts)
		w.update(func(tx *store.Tx) {
			set.At(tx, w.in(time.Second), "cancelled", "cancelled")
			set.At(tx, w.in(2*time.Second), "kept", "kept")
		})
		w.update(func(tx *store.Tx) { set.Cancel(tx, "cancelled"); set.Cancel(tx, "never set") })
		no := errors.New("no")
		_, err := store.Update(t.Context(), w.space, func(tx *store.Tx) (struct{}, error) {
			set.At(tx, w.in(time.Second), "aborted", "aborted")
			return struct{}{}, no
		})
		if !errors.Is(err, no) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		w.expect("kept at 2s")
	})
}

func TestTimerSetAgainIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 2})
		ts := w.timers(timer.Options{})
		set := timer.NewSet(ts, "test", w.rings)
		w.run(ts)
		w.update(func(tx *store.Tx) {
			set.At(tx, w.in(time.Second), "later", "first")
			set.At(tx, w.in(time.Hour), "sooner", "first")
		})
		w.update(func(tx *store.Tx) {
			set.At(tx, w.in(5*time.Second), "later", "later")
			set.At(tx, w.in(2*time.Second), "sooner", "sooner")
		})
		var at time.Time
		w.update(func(tx *store.Tx) { at, _ = set.Due(tx, "later") })
		if !at.Equal(w.in(5 * time.Second)) {
			t.Errorf("due at %v", at)
		}
		time.Sleep(2 * time.Hour)
		w.expect("sooner at 2s", "later at 5s")
	})
}

// An owner's batch cannot read, so it cannot remove what it replaces.
func TestTimersSetByBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 3})
		ts := w.timers(timer.Options{})
		set := timer.NewSet(ts, "test", w.rings)
		w.run(ts)
		batch := func(fn func(store.Writer)) {
			writes := store.NewWrites(w.space, scope)
			fn(writes)
			_, err := store.UpdateWith(t.Context(), w.space, store.UpdateOptions{Lazy: true}, func(tx *store.Tx) (struct{}, error) {
				tx.Apply(writes)
				return struct{}{}, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		batch(func(b store.Writer) {
			set.At(b, w.in(time.Second), "moved", "too early")
			set.At(b, w.in(time.Second), "cancelled", "never")
			set.At(b, w.in(time.Second), "kept", "too early")
		})
		batch(func(b store.Writer) {
			set.At(b, w.in(3*time.Second), "moved", "moved")
			set.Cancel(b, "cancelled")
			set.At(b, w.in(time.Second), "kept", "kept")
		})
		time.Sleep(time.Minute)
		w.expect("kept at 1s", "moved at 3s")
	})
}

func TestFailingTimerFiresAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 4, Unknown: 0.3})
		ts := w.timers(timer.Options{})
		tries := []time.Duration{}
		set := timer.NewSet(ts, "test", func(_ context.Context, v int) error {
			tries = append(tries, w.clock.Now().Sub(w.begun))
			switch len(tries) {
			case 1:
				return errors.New("not yet")
			case 2:
				panic("poison")
			}
			return nil
		})
		w.run(ts)
		w.update(func(tx *store.Tx) { set.At(tx, w.in(time.Minute), "key", 1) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(tries) != 3 {
			t.Fatalf("fired at %v", tries)
		}
		for i, most := range []time.Duration{time.Second, 2 * time.Second} {
			if gap := tries[i+1] - tries[i]; gap < most/2 || gap > most+time.Second {
				t.Errorf("fired at %v", tries)
			}
		}
	})
}

func TestTimersSurviveTheirProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 5})
		first := w.timers(timer.Options{Grace: time.Second})
		set := timer.NewSet(first, "test", func(ctx context.Context, v string) error {
			<-ctx.Done()
			w.note("%s cut short", v)
			return ctx.Err()
		})
		stop := w.run(first)
		w.update(func(tx *store.Tx) {
			set.At(tx, w.in(time.Minute), "a", "a")
			set.At(tx, w.in(2*time.Minute), "b", "b")
			set.At(tx, w.in(time.Hour), "c", "c")
		})
		time.Sleep(time.Minute + time.Second)
		stop()
		w.expect("a cut short at 1m2s")
		time.Sleep(10 * time.Minute) // nobody is there
		second := w.timers(timer.Options{})
		timer.NewSet(second, "test", w.rings)
		w.anyOrder = true
		w.run(second)
		w.expect("a cut short at 1m2s", "a at 11m2s", "b at 11m2s")
		time.Sleep(time.Hour)
		w.expect("a cut short at 1m2s", "a at 11m2s", "b at 11m2s", "c at 1h0m0s")
	})
}

func TestTimerThatSetsItselfGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 6})
		ts := w.timers(timer.Options{})
		var set timer.Set[int]
		set = timer.NewSet(ts, "test", func(ctx context.Context, v int) error {
			if aws.RequestOf(ctx).Scope != scope {
				t.Errorf("fires in %v", aws.RequestOf(ctx).Scope)
			}
			w.note("%d", v)
			w.update(func(tx *store.Tx) {
				if v < 3 {
					set.At(tx, tx.Now().Add(time.Hour), "every hour", v+1)
				}
			})
			return nil
		})
		w.run(ts)
		w.update(func(tx *store.Tx) { set.At(tx, w.in(time.Hour), "every hour", 1) })
		if err := w.clock.Advance(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		w.expect("1 at 1h0m0s", "2 at 2h0m0s", "3 at 3h0m0s")
	})
}

func TestAdvanceFiresOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		ts := w.timers(timer.Options{})
		underWay := 0
		set := timer.NewSet(ts, "test", func(ctx context.Context, v string) error {
			underWay++
			time.Sleep(time.Millisecond)
			if underWay != 1 {
				t.Errorf("%d at once", underWay)
			}
			underWay--
			return w.rings(ctx, v)
		})
		w.run(ts)
		w.update(func(tx *store.Tx) {
			for i := range 20 {
				set.At(tx, w.in(time.Duration(i/10+1)*time.Hour), fmt.Sprint(i), fmt.Sprint(i/10))
			}
		})
		w.clock.AfterFunc(w.in(90*time.Minute), func() { w.note("half past") })
		if err := w.clock.Advance(t.Context(), 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		want := slices.Repeat([]string{"0 at 1h0m0s"}, 10)
		want = append(want, "half past at 1h30m0s")
		w.expect(append(want, slices.Repeat([]string{"1 at 2h0m0s"}, 10)...)...)
	})
}

func TestSameKeyInOtherScopesAndSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 7})
		ts := w.timers(timer.Options{})
		one, two := timer.NewSet(ts, "one", w.rings), timer.NewSet(ts, "two", w.rings)
		w.run(ts)
		other := aws.Scope{Account: "444455556666", Region: "us-east-1"}
		w.update(func(tx *store.Tx) {
			one.At(tx, w.in(time.Second), "key", "one")
			two.At(tx, w.in(2*time.Second), "key", "two")
			one.At(tx, w.in(4*time.Second), "gone", "gone")
		})
		w.updateIn(other, func(tx *store.Tx) { one.At(tx, w.in(3*time.Second), "key", "other"); one.Cancel(tx, "gone") })
		time.Sleep(time.Minute)
		w.expect("one at 1s", "two at 2s", "other at 3s", "gone at 4s")
	})
}

func TestUnknownSetsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		newer := w.timers(timer.Options{})
		set := timer.NewSet(newer, "from the future", w.rings)
		w.update(func(tx *store.Tx) { set.At(tx, w.in(time.Second), "key", "v") })
		older := w.timers(timer.Options{})
		timer.NewSet(older, "test", w.rings)
		stop := w.run(older)
		time.Sleep(time.Minute)
		stop()
		w.expect()
		w.run(newer)
		time.Sleep(time.Hour)
		w.expect("v at 1h0m1s")
	})
}

func TestManyTimersFireOnce(t *testing.T) {
	const timers = 5000
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 8})
		ts := w.timers(timer.Options{})
		var mu sync.Mutex
		fired := map[int]int{}
		set := timer.NewSet(ts, "test", func(_ context.Context, v int) error {
			mu.Lock()
			defer mu.Unlock()
			fired[v]++
			return nil
		})
		w.run(ts)
		var writers sync.WaitGroup
		for i := range 5 {
			writers.Go(func() {
				for j := 0; j < timers/5; j += 50 {
					w.update(func(tx *store.Tx) {
						for k := range 50 {
							n := i*timers/5 + j + k
							set.At(tx, w.in(time.Duration(n%7)*time.Second), fmt.Sprint(n), n)
						}
					})
				}
			})
		}
		writers.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(fired) != timers {
			t.Errorf("%d of %d fired", len(fired), timers)
		}
		for v, n := range fired {
			if n != 1 {
				t.Fatalf("timer %d fired %d times", v, n)
			}
		}
	})
}

// places of two nodes over one store.
type places struct {
	mu    sync.Mutex
	owner int
	nodes []*timer.Timers
	fns   []func(p uint16, served bool)
}

type seat struct {
	*places
	node int
}

func (s seat) Owned(uint16) (store.Fence, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return store.Fence{}, s.owner == s.node
}

func (s seat) Watch(fn func(p uint16, served bool)) {
	s.mu.Lock()
	s.fns[s.node] = fn
	owner := s.owner
	s.mu.Unlock()
	for p := range uint16(partition.Count) {
		fn(p, owner == s.node)
	}
}

func (s seat) Wake(p uint16, at uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	go s.nodes[s.owner].Wake(p, at)
}

func (s *places) hand(to int) {
	s.mu.Lock()
	from := s.owner
	s.owner = to
	s.mu.Unlock()
	for p := range uint16(partition.Count) {
		s.fns[from](p, false)
		s.fns[to](p, true)
	}
}

func TestTimersFireWhereTheirPartitionIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 9})
		all := &places{fns: make([]func(uint16, bool), 2)}
		var sets []timer.Set[string]
		for n := range 2 {
			ts := w.timers(timer.Options{Places: seat{all, n}})
			all.nodes = append(all.nodes, ts)
			sets = append(sets, timer.NewSet(ts, "test", func(_ context.Context, v string) error { w.note("%s by %d", v, n); return nil }))
		}
		w.run(all.nodes[0])
		w.update(func(tx *store.Tx) { sets[1].At(tx, w.in(time.Second), "a", "a") }) // written by a node that does not run yet
		w.run(all.nodes[1])
		w.update(func(tx *store.Tx) { sets[1].At(tx, w.in(time.Hour), "b", "b") })
		time.Sleep(time.Minute)
		w.expect("a by 0 at 1s")
		all.hand(1)
		time.Sleep(2 * time.Hour)
		w.expect("a by 0 at 1s", "b by 1 at 1h0m0s")
	})
}

// A timer that sets itself anew, and is due again before its function has ended, fires again when it has.
func TestTimerSetAnewByALongFunctionFiresAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 11})
		ts := w.timers(timer.Options{})
		var set timer.Set[int]
		set = timer.NewSet(ts, "test", func(_ context.Context, v int) error {
			w.note("%d", v)
			if v == 1 {
				w.update(func(tx *store.Tx) { set.At(tx, tx.Now().Add(time.Second), "key", 2) })
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		w.run(ts)
		w.update(func(tx *store.Tx) { set.At(tx, w.in(time.Second), "key", 1) })
		time.Sleep(time.Minute)
		w.expect("1 at 1s", "2 at 6s")
	})
}

// Timers of all partitions are found at the start, a bounded number of rows at a time.
func TestStartWithTimersEverywhere(t *testing.T) {
	const timers = 6000
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		fired := 0
		start := func() timer.Set[int] {
			ts := w.timers(timer.Options{})
			set := timer.NewSet(ts, "test", func(context.Context, int) error { fired++; return nil })
			w.run(ts)
			return set
		}
		set := timer.NewSet(w.timers(timer.Options{}), "test", func(context.Context, int) error { return nil })
		for i := 0; i < timers; i += 200 {
			w.update(func(tx *store.Tx) {
				for n := i; n < i+200; n++ {
					set.At(tx, w.in(time.Hour), fmt.Sprint(n), n)
				}
			})
		}
		start()
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if fired != 0 {
			t.Errorf("%d fired early", fired)
		}
		if err := w.clock.Advance(t.Context(), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		if fired != timers {
			t.Errorf("%d of %d fired", fired, timers)
		}
	})
}

// What had an unknown outcome is tried again before Advance is done: whoever moves the clock sees what was due.
func TestUnknownOutcomeIsTriedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 5, Unknown: 0.1})
		ts := w.timers(timer.Options{})
		tries := 0
		set := timer.NewSet(ts, "test", func(context.Context, int) error {
			if tries++; tries < 3 {
				return fmt.Errorf("add a task: %w", store.ErrUnknown)
			}
			w.note("done")
			return nil
		})
		w.run(ts)
		w.update(func(tx *store.Tx) { set.At(tx, w.in(time.Minute), "key", 1) })
		if err := w.clock.Advance(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		w.expect("done at 1m0s")
	})
}
