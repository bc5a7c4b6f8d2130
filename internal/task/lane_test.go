package task_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

var errDown = errors.New("down")

// What is handed over by commits, one task at a time, does not gather in memory either while its target is down.
func TestTasksOfATargetThatIsDownStayInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r := w.runner(task.RunnerOptions{})
		var up atomic.Bool
		ran := 0 // one at a time
		q := task.NewQueue(r, "test", func(context.Context, string, int) error {
			if !up.Load() {
				return errDown
			}
			ran++
			return nil
		}, task.Options{Concurrency: 1, Backoff: time.Hour, MaxBackoff: time.Hour})
		w.run(r)
		const tasks = 3000
		for i := range tasks {
			w.update(func(tx *store.Tx) { q.Add(tx, i, task.Add{Target: "arn"}) })
			synctest.Wait()
		}
		if s := r.Stats(); s.Held > 500 {
			t.Errorf("in memory: %+v", s)
		}
		up.Store(true)
		pass(3 * time.Hour)
		if s := r.Stats(); ran != tasks || s != (task.Stats{}) {
			t.Errorf("%d ran of %d; in memory: %+v", ran, tasks, s)
		}
	})
}

// The clocks of two nodes differ: an owner's task may bear an earlier time than those it has to wait for.
func TestTaskWithAnEarlierTimeIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		ahead := clock.New()
		defer ahead.Close()
		ahead.Keep(time.Hour, nil)
		d := w.diary()
		release := make(chan struct{})
		all := &nodes{fns: make([]func(uint16, bool), 2)}
		defer all.waking.Wait()
		var queues []task.Queue[string]
		var spaces []store.Space
		for n, c := range []*clock.Clock{ahead, w.clock} {
			st := &store.Store{Engine: w.engine, Clock: c}
			r := task.NewRunner(st.Space("task"), c, task.RunnerOptions{Places: seat{all, n}})
			all.runners, spaces = append(all.runners, r), append(spaces, st.Space("service"))
			queues = append(queues, task.NewQueue(r, "test", func(_ context.Context, _ string, v string) error {
				<-release
				d.note("%s", v)
				return nil
			}, task.Options{}))
		}
		w.run(all.runners[0]) // all partitions are its; the other does not run yet
		for i, v := range []string{"1", "2", "3", "4", "5"} {
			writes := store.NewWrites(spaces[i/3], scope) // as an owner's, who does not see the tasks before
			queues[i/3].Add(writes, v, task.Add{Key: "k"})
			w.update(func(tx *store.Tx) { tx.Apply(writes) })
			synctest.Wait()
		}
		close(release)
		synctest.Wait()
		if got := d.all(); len(got) != 5 || got[0] != "1" {
			t.Errorf("ran: %q", got)
		}
		if s := all.runners[0].Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

// More targets are down than there is memory for: those that are not are served at once, and the others later.
func TestManyTargetsThatAreDownDelayNoOther(t *testing.T) {
	const targets = 17_000
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r, d := w.runner(task.RunnerOptions{}), w.diary()
		down, ran := true, map[string]int{}
		var mu sync.Mutex
		q := task.NewQueue(r, "test", func(ctx context.Context, _ string, v int) error {
			mu.Lock()
			defer mu.Unlock()
			if target := task.TryOf(ctx).Target; target == "up" {
				d.note("up %d", v)
			} else if down {
				return errDown
			} else {
				ran[target]++
			}
			return nil
		}, task.Options{Backoff: 2 * time.Minute, MaxBackoff: 2 * time.Minute})
		w.run(r)
		add := func(n, from int, target func(i int) string) {
			for i := from; i < from+n; i += 500 {
				w.update(func(tx *store.Tx) {
					for j := i; j < min(i+500, from+n); j++ {
						q.Add(tx, j, task.Add{Target: target(j)})
					}
				})
			}
			synctest.Wait()
		}
		add(targets, 0, func(i int) string { return fmt.Sprint(i) })
		if s := r.Stats(); s.Lanes > 16384 {
			t.Errorf("in memory: %+v", s)
		}
		add(1, 1, func(int) string { return "up" })
		pass(30 * time.Second)
		d.expect(t, "up 1")
		mu.Lock()
		down = false
		mu.Unlock()
		pass(10 * time.Minute)
		if s := r.Stats(); len(ran) != targets || s != (task.Stats{}) {
			t.Errorf("%d of %d targets; in memory: %+v", len(ran), targets, s)
		}
	})
}
