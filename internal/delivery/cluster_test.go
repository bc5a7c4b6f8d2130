package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

// mortal is an engine as a process reaches it that may be killed: what is under way then may still have happened.
type mortal struct {
	store.Engine
	dead atomic.Bool
}

func (m *mortal) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if m.dead.Load() {
		return store.ErrClosed
	}
	err := m.Engine.Update(ctx, o, fn)
	if m.dead.Load() {
		return store.ErrUnknown
	}
	return err
}

func (m *mortal) View(ctx context.Context, fn func(store.Reader) error) error {
	if m.dead.Load() {
		return store.ErrClosed
	}
	return m.Engine.View(ctx, fn)
}

// node is an owner, tasks that run where it owns, and deliveries.
type node struct {
	*owner.Node
	engine     *mortal
	store      *store.Store
	runner     *task.Runner
	deliveries *delivery.Deliveries
	wake       func(lane uint64) bool // the other node's
	hints      sync.WaitGroup
	stop       func()
}

func (n *node) Wake(p uint16, lane uint64) {
	n.hints.Go(func() {
		for !n.engine.dead.Load() && !n.wake(lane) {
			if _, ours := n.Owned(p); ours {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func (w *world) join(bell *owner.Bell, id string) *node {
	n := &node{engine: &mortal{Engine: w.store.Engine}}
	n.store = &store.Store{Engine: n.engine, Clock: w.clock}
	n.Node = owner.New(n.store.Space("owner"), w.clock, owner.Options{ID: id, Bell: bell})
	n.runner = task.NewRunner(n.store.Space("task"), w.clock, task.RunnerOptions{Places: n, Grace: time.Second})
	n.deliveries = delivery.New(n.runner, w.clock, w, delivery.Options{})
	ctx, cancel := context.WithCancel(w.t.Context())
	var runs sync.WaitGroup
	runs.Go(func() { n.Node.Run(ctx) })
	runs.Go(func() { n.runner.Run(ctx) })
	n.stop = func() { cancel(); runs.Wait(); n.hints.Wait() }
	return n
}

func TestNodesShareDeliveriesAndOneIsKilled(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, memory.Hostile{Seed: seed, Delay: time.Millisecond})
				bell := &owner.Bell{}
				a, b := w.join(bell, "a"), w.join(bell, "b")
				a.wake, b.wake = b.runner.Wake, a.runner.Wake
				time.Sleep(10 * time.Second) // they know each other
				const events, groups = 300, 12
				want := map[string][]string{}
				for i := range events {
					if i == events/2 {
						b.engine.dead.Store(true)
						b.stop()
					}
					on := []*node{a, b}[i%2]
					if on.engine.dead.Load() {
						on = a
					}
					queue := fmt.Sprintf("q%d.fifo", i%groups)
					e := event(queue, fmt.Sprint(i))
					e.Group = "g"
					_, err := store.Update(context.Background(), on.store.Space("sns"), func(tx *store.Tx) (struct{}, error) {
						on.deliveries.Send(tx, e)
						return struct{}{}, nil
					})
					if err != nil && !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
					want[queue] = append(want[queue], fmt.Sprint(i))
					time.Sleep(time.Millisecond)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				for queue, bodies := range want {
					w.expectQueue(queue, bodies...)
				}
				if s := a.runner.Stats(); s != (task.Stats{}) {
					t.Errorf("left in memory: %+v", s)
				}
				if len(w.calls) < events {
					t.Errorf("%d calls", len(w.calls))
				}
				a.stop()
			})
		})
	}
}
