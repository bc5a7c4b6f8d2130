package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

// world is a store and a clock; it outlives runners.
type world struct {
	t      *testing.T
	clock  *clock.Clock
	engine *memory.Engine
	store  *store.Store
	space  store.Space // a service's
}

func newWorld(t *testing.T, h memory.Hostile) *world {
	c := clock.New()
	e := memory.New(memory.Options{Hostile: h})
	s := &store.Store{Engine: e, Clock: c}
	t.Cleanup(func() { e.Close(); c.Close() })
	return &world{t, c, e, s, s.Space("service")}
}

func (w *world) runner(o task.RunnerOptions) *task.Runner {
	return task.NewRunner(w.store.Space("task"), w.clock, o)
}

// run runs r until the returned function is called, which waits for its end.
func (w *world) run(r *task.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	synctest.Wait() // until it runs
	return stop
}

var scope = aws.Scope{Account: "111122223333", Region: "eu-west-1"}

func (w *world) ctx() context.Context {
	return aws.WithRequest(context.Background(), &aws.Request{Scope: scope})
}

// update commits fn, again where that is not certain: what it writes must be the same then.
func (w *world) update(fn func(tx *store.Tx)) {
	w.t.Helper()
	for {
		_, err := store.Update(w.ctx(), w.space, func(tx *store.Tx) (struct{}, error) { fn(tx); return struct{}{}, nil })
		if errors.Is(err, store.ErrUnknown) {
			continue
		}
		if err != nil {
			w.t.Error(err)
		}
		return
	}
}

// pass lets time go by, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// diary notes what ran when.
type diary struct {
	clock *clock.Clock
	begun time.Time
	mu    sync.Mutex
	lines []string
}

func (w *world) diary() *diary { return &diary{clock: w.clock, begun: w.clock.Now()} }

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) elapsed() time.Duration { return d.clock.Now().Sub(d.begun) }

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := d.all(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTaskOfAnAbortedTransactionNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 1})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		q := task.NewQueue(r, "test", func(_ context.Context, _ string, v string) error { d.note("%s", v); return nil }, task.Options{})
		w.run(r)
		full := errors.New("no")
		_, err := store.Update(w.ctx(), w.space, func(tx *store.Tx) (struct{}, error) {
			q.Add(tx, "aborted", task.Add{})
			return struct{}{}, full
		})
		if !errors.Is(err, full) {
			t.Fatal(err)
		}
		w.update(func(tx *store.Tx) { q.Add(tx, "committed", task.Add{}) })
		synctest.Wait()
		d.expect(t, "committed")
	})
}

func TestFailedTaskIsTriedAgainLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 2})
		r := w.runner(task.RunnerOptions{})
		var tries []time.Duration
		var ids []string
		d := w.diary()
		q := task.NewQueue(r, "test", func(ctx context.Context, id string, v string) error {
			tries, ids = append(tries, d.elapsed()), append(ids, id)
			if try := task.TryOf(ctx); try.Number != len(tries) || try.Target != "arn" || !try.Added.Equal(d.begun) {
				t.Errorf("try %d is %+v", len(tries), try)
			}
			if got := aws.RequestOf(ctx); got.Scope != scope {
				t.Errorf("runs in scope %v", got.Scope)
			}
			return errors.New("not yet")
		}, task.Options{Attempts: 6, Backoff: time.Second, MaxBackoff: 4 * time.Second})
		q.OnDead(func(tx *store.Tx, dead task.Dead[string]) {
			if dead.Tries != 6 || dead.ID != ids[0] {
				t.Errorf("dies as %+v", dead)
			}
			if tx.Scope() != scope {
				t.Errorf("dies in scope %v", tx.Scope())
			}
			tx.OnCommit(func() { d.note("%s died of %v", dead.Value, dead.Err) })
		})
		w.run(r)
		w.update(func(tx *store.Tx) { q.Add(tx, "it", task.Add{Target: "arn"}) })
		pass(time.Minute)
		d.expect(t, "it died of not yet")
		if len(tries) != 6 {
			t.Fatalf("tried at %v", tries)
		}
		for i, most := range []time.Duration{1, 2, 4, 4, 4} {
			if gap := tries[i+1] - tries[i]; gap > most*time.Second || gap < most*time.Second/2 {
				t.Errorf("try %d came %v after the one before", i+2, gap)
			}
		}
		if slices.Sort(ids); ids[0] == "" || ids[0] != ids[5] {
			t.Errorf("ids %q", ids)
		}
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

func TestPermanentFailuresAndPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		broken := errors.New("broken")
		q := task.NewQueue(r, "test", func(_ context.Context, _ string, v int) error {
			d.note("try %d at %v", v, d.elapsed())
			if v == 1 {
				return fmt.Errorf("wrapped: %w", task.Permanent(broken))
			}
			panic("poison")
		}, task.Options{Attempts: 2, Backoff: time.Second, MaxBackoff: time.Second})
		q.OnDead(func(tx *store.Tx, dead task.Dead[int]) {
			tx.OnCommit(func() { d.note("%d died of %v", dead.Value, dead.Err) })
			if dead.Value == 1 && !errors.Is(dead.Err, broken) {
				t.Errorf("died of %v", dead.Err)
			}
		})
		w.run(r)
		w.update(func(tx *store.Tx) { q.Add(tx, 1, task.Add{}) })
		synctest.Wait()
		d.expect(t, "try 1 at 0s", "1 died of wrapped: broken")
		w.update(func(tx *store.Tx) { q.Add(tx, 2, task.Add{}) })
		pass(5 * time.Second)
		lines := d.all()
		if len(lines) != 5 || lines[4] != "2 died of panic: poison" {
			t.Errorf("%q", lines)
		}
	})
}

func TestFailureHoldsUpItsOwnKeyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 3})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v string) error {
			if v == "a1" && task.TryOf(ctx).Number < 3 {
				d.note("a1 failed")
				return errors.New("not yet")
			}
			d.note("%s", v)
			return nil
		}, task.Options{Concurrency: 1})
		w.run(r)
		for _, v := range []string{"a1", "a2", "b1", "a3"} {
			w.update(func(tx *store.Tx) { q.Add(tx, v, task.Add{Target: "arn", Key: v[:1]}) })
			synctest.Wait()
		}
		d.expect(t, "a1 failed", "b1")
		pass(time.Minute)
		d.expect(t, "a1 failed", "b1", "a1 failed", "a1", "a2", "a3")
	})
}

func TestSlowTargetDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		release := make(chan struct{})
		underWay, most := 0, 0
		var mu sync.Mutex
		q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v int) error {
			if task.TryOf(ctx).Target == "fast" {
				d.note("fast %d", v)
				return nil
			}
			mu.Lock()
			underWay++
			most = max(most, underWay)
			mu.Unlock()
			<-release
			mu.Lock()
			underWay--
			mu.Unlock()
			return nil
		}, task.Options{Concurrency: 3})
		w.run(r)
		for i := range 500 {
			w.update(func(tx *store.Tx) { q.Add(tx, i, task.Add{Target: "slow"}) })
		}
		w.update(func(tx *store.Tx) { q.Add(tx, 1, task.Add{Target: "fast"}) })
		synctest.Wait()
		d.expect(t, "fast 1")
		if most != 3 {
			t.Errorf("%d under way at once, the limit is 3", most)
		}
		close(release)
		synctest.Wait()
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

func TestRunnersOwnLimitServesAllTargetsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r := w.runner(task.RunnerOptions{Concurrency: 2})
		var mu sync.Mutex
		done := map[string]int{}
		q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v int) error {
			time.Sleep(time.Second)
			mu.Lock()
			done[task.TryOf(ctx).Target]++
			mu.Unlock()
			return nil
		}, task.Options{})
		w.run(r)
		w.update(func(tx *store.Tx) {
			for i := range 90 {
				q.Add(tx, i, task.Add{Target: fmt.Sprint(i % 3)})
			}
		})
		pass(30*time.Second + time.Millisecond)
		mu.Lock()
		for target, n := range done {
			if n < 10 {
				t.Errorf("target %s had %d of 60", target, n)
			}
		}
		if len(done) != 3 {
			t.Errorf("%v", done)
		}
		mu.Unlock()
		pass(16 * time.Second)
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

func TestTasksSurviveTheirRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 4, Unknown: 0.2})
		d := w.diary()
		hold := make(chan struct{})
		queue := func(r *task.Runner, life int) task.Queue[string] {
			return task.NewQueue(r, "test", func(ctx context.Context, _ string, v string) error {
				if life == 1 {
					select {
					case <-hold:
					case <-ctx.Done(): // after Grace
					}
					return ctx.Err()
				}
				d.note("%s, life %d, try %d", v, life, task.TryOf(ctx).Number)
				return nil
			}, task.Options{})
		}
		early := w.runner(task.RunnerOptions{})
		q := queue(early, 0)
		w.update(func(tx *store.Tx) { q.Add(tx, "before Run", task.Add{Key: "k"}) }) // by a runner that never runs

		first := w.runner(task.RunnerOptions{Grace: time.Minute})
		q = queue(first, 1)
		stop := w.run(first)
		w.update(func(tx *store.Tx) { q.Add(tx, "cut short", task.Add{Key: "k"}) })
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("Run ended after %v; the task under way has a minute", took)
		}
		d.expect(t)

		second := w.runner(task.RunnerOptions{})
		queue(second, 2)
		w.run(second)
		synctest.Wait()
		got := slices.Compact(d.all()) // an unknown outcome may have added one twice
		if len(got) != 2 || !strings.HasPrefix(got[0], "before Run, life 2") || !strings.HasPrefix(got[1], "cut short, life 2") {
			t.Errorf("%q", got)
		}
	})
}

func TestRunWaitsForTasksUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v int) error {
			time.Sleep(time.Second)
			d.note("done %d, %v", v, ctx.Err())
			return nil
		}, task.Options{Concurrency: 1})
		stop := w.run(r)
		w.update(func(tx *store.Tx) { q.Add(tx, 1, task.Add{}); q.Add(tx, 2, task.Add{}) })
		synctest.Wait()
		stop()
		d.expect(t, "done 1, <nil>")
		w.update(func(tx *store.Tx) { q.Add(tx, 3, task.Add{}) }) // for the next life
		if err := w.clock.Advance(t.Context(), time.Hour); err != nil {
			t.Errorf("a stopped runner keeps the clock busy: %v", err)
		}
		d.expect(t, "done 1, <nil>")
	})
}

func TestAdvanceWaitsForTasksAndGoesThroughTheirBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 5})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v int) error {
			time.Sleep(10 * time.Millisecond) // the work takes its real time, platform time stands still
			if task.TryOf(ctx).Number < 4 {
				return errors.New("not yet")
			}
			d.note("done")
			return nil
		}, task.Options{Backoff: time.Hour, MaxBackoff: time.Hour})
		w.run(r)
		w.clock.AfterFunc(w.clock.Now().Add(24*time.Hour), func() { w.update(func(tx *store.Tx) { q.Add(tx, 1, task.Add{}) }) })
		w.clock.AfterFunc(w.clock.Now().Add(28*time.Hour), func() { d.note("28 h") })
		if err := w.clock.Advance(t.Context(), 30*time.Hour); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "done", "28 h")
	})
}

// Every commit numbers its task within its key; each must run once, in that order, whatever the store does.
func TestOrderIsThatOfTheCommits(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := memory.Hostile{Seed: seed, Delay: 3 * time.Millisecond}
				w := newWorld(t, h)
				r := w.runner(task.RunnerOptions{})
				numbers := store.NewTable[int](w.space, 1, "number")
				type numbered struct {
					Key    string `cbor:"1,keyasint"`
					Number int    `cbor:"2,keyasint"`
				}
				var mu sync.Mutex
				last, underWay, total := map[string]int{}, map[string]bool{}, 0
				q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v numbered) error {
					mu.Lock()
					if underWay[v.Key] {
						t.Errorf("two of key %q at once", v.Key)
					}
					underWay[v.Key] = true
					mu.Unlock()
					if (v.Number+int(seed))%3 == 0 {
						time.Sleep(time.Duration(v.Number%7) * time.Millisecond)
					}
					mu.Lock()
					defer mu.Unlock()
					underWay[v.Key] = false
					if v.Number%5 == 0 && task.TryOf(ctx).Number == 1 {
						return errors.New("not yet")
					}
					if v.Key != "" && last[v.Key] != v.Number-1 {
						t.Errorf("key %q: %d after %d", v.Key, v.Number, last[v.Key])
					}
					last[v.Key] = v.Number
					total++
					return nil
				}, task.Options{Concurrency: 4, Backoff: 5 * time.Millisecond})
				w.run(r)
				var writers sync.WaitGroup
				for i := range 8 {
					writers.Go(func() {
						for j := range 60 {
							key := string(rune('a' + (i+j*j)%11))
							_, err := store.Update(w.ctx(), w.space, func(tx *store.Tx) (struct{}, error) {
								n, _ := numbers.Get(tx, key)
								numbers.Set(tx, n+1, key)
								q.Add(tx, numbered{key, n + 1}, task.Add{Target: "arn", Key: key})
								return struct{}{}, nil
							})
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
				writers.Wait()
				pass(time.Minute)
				if total != 8*60 {
					t.Errorf("%d ran of %d", total, 8*60)
				}
				if s := r.Stats(); s != (task.Stats{}) {
					t.Errorf("left in memory: %+v", s)
				}
			})
		})
	}
}

func TestBacklogIsNotInMemory(t *testing.T) {
	const tasks, targets = 30_000, 3
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		var mu sync.Mutex
		ran := map[int]int{}
		failing := true
		queue := func(r *task.Runner) task.Queue[int] {
			return task.NewQueue(r, "test", func(ctx context.Context, _ string, v int) error {
				mu.Lock()
				defer mu.Unlock()
				if failing && v%targets == 0 {
					return errors.New("down")
				}
				ran[v]++
				return nil
			}, task.Options{Attempts: 1 << 30, MaxBackoff: time.Minute})
		}
		add := func(q task.Queue[int]) {
			for i := 0; i < tasks; i += 500 {
				w.update(func(tx *store.Tx) {
					for j := range 500 {
						key := ""
						if (i+j)%2 == 0 {
							key = fmt.Sprint(i + j)
						}
						q.Add(tx, i+j, task.Add{Target: fmt.Sprint((i + j) % targets), Key: key})
					}
				})
			}
		}
		add(queue(w.runner(task.RunnerOptions{}))) // found at the start
		r := w.runner(task.RunnerOptions{})
		q := queue(r)
		w.run(r)
		add(q) // offered by commits
		pass(10 * time.Minute)
		if s := r.Stats(); s.Held > 2000 || s.Held == 0 {
			t.Errorf("in memory: %+v", s)
		}
		mu.Lock()
		if len(ran) != tasks/targets*(targets-1) {
			t.Errorf("%d of the targets that work ran", len(ran))
		}
		failing = false
		mu.Unlock()
		pass(10 * time.Minute)
		if len(ran) != tasks {
			t.Errorf("%d of %d ran", len(ran), tasks)
		}
		for v, n := range ran {
			if n != 2 { // each was added twice
				t.Fatalf("task %d ran %d times", v, n)
			}
		}
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

func TestLazyWritesAreFoundToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 9})
		r := w.runner(task.RunnerOptions{})
		var mu sync.Mutex
		ran := 0
		q := task.NewQueue(r, "test", func(context.Context, string, int) error {
			mu.Lock()
			ran++
			mu.Unlock()
			return nil
		}, task.Options{Concurrency: 1})
		w.run(r)
		for i := range 300 { // more than are read ahead
			writes := store.NewWrites(w.space, scope)
			q.Add(writes, i, task.Add{Key: fmt.Sprint(i % 2)}) // cannot tell whether it is the first of its key
			_, err := store.UpdateWith(w.ctx(), w.space, store.UpdateOptions{Lazy: true}, func(tx *store.Tx) (struct{}, error) {
				tx.Apply(writes)
				return struct{}{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if ran != 300 {
			t.Errorf("%d ran", ran)
		}
	})
}

func TestUnknownOutcomesAreLookedInto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 10, Unknown: 0.5})
		r := w.runner(task.RunnerOptions{})
		var mu sync.Mutex
		ran := map[int]int{}
		q := task.NewQueue(r, "test", func(_ context.Context, _ string, v int) error {
			mu.Lock()
			defer mu.Unlock()
			ran[v]++
			return nil
		}, task.Options{})
		w.run(r)
		for i := range 200 {
			w.update(func(tx *store.Tx) { q.Add(tx, i, task.Add{}) })
		}
		pass(time.Minute)
		if len(ran) != 200 {
			t.Errorf("%d of 200 ran", len(ran))
		}
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

// What a record can hold a task can carry.
func TestDeepValues(t *testing.T) {
	type nest struct {
		In *nest `cbor:"1,keyasint"`
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		q := task.NewQueue(r, "test", func(_ context.Context, _ string, v nest) error {
			depth := 0
			for n := &v; n.In != nil; n = n.In {
				depth++
			}
			d.note("%d", depth)
			return nil
		}, task.Options{})
		var v nest
		for range 200 {
			in := v
			v = nest{&in}
		}
		w.update(func(tx *store.Tx) { q.Add(tx, v, task.Add{}) })
		w.run(r)
		d.expect(t, "200")
	})
}

// What a service does with its dead is its own code too: that it panics ends neither the process nor the others.
func TestPanicOverADeadTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		q := task.NewQueue(r, "test", func(_ context.Context, _ string, v string) error {
			d.note("%s", v)
			if v == "dies" {
				return task.Permanent(errors.New("no"))
			}
			return nil
		}, task.Options{MaxBackoff: time.Minute})
		burials := 0
		q.OnDead(func(tx *store.Tx, dead task.Dead[string]) {
			if burials++; burials == 1 {
				panic("poison")
			}
			tx.OnCommit(func() { d.note("buried %s", dead.Value) })
		})
		w.run(r)
		w.update(func(tx *store.Tx) { q.Add(tx, "dies", task.Add{}) })
		synctest.Wait()
		w.update(func(tx *store.Tx) { q.Add(tx, "lives", task.Add{}) })
		pass(2 * time.Minute)
		d.expect(t, "dies", "lives", "dies", "buried dies")
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

// What had an unknown outcome is tried again before Advance is done: whoever moves the clock sees what was due.
func TestUnknownOutcomeIsTriedAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 5, Unknown: 0.1})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		tries := 0
		q := task.NewQueue(r, "test", func(context.Context, string, string) error {
			if tries++; tries < 3 {
				return fmt.Errorf("sweep: %w", store.ErrUnknown)
			}
			d.note("done at %v", d.elapsed())
			return nil
		}, task.Options{})
		w.run(r)
		w.clock.AfterFunc(w.clock.Now().Add(time.Minute), func() {
			w.update(func(tx *store.Tx) { q.Add(tx, "v", task.Add{}) })
		})
		if err := w.clock.Advance(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "done at 1m0s")
	})
}
