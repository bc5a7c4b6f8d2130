package task_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

// pages is a task that goes page by page over the numbers from its value on, and counts each in the transaction of its page.
type pages struct {
	w       *world
	upTo    int
	counts  store.Table[int]
	q       task.Queue[int]
	mu      sync.Mutex
	ids     map[string]bool
	trouble func(from int) error // after the page's commit
}

func newPages(w *world, r *task.Runner, upTo int) *pages {
	p := &pages{w: w, upTo: upTo, counts: store.NewTable[int](w.space, 7, "count"), ids: map[string]bool{}}
	p.q = task.NewQueue(r, "pages", p.page, task.Options{})
	return p
}

func (p *pages) page(ctx context.Context, id string, from int) error {
	p.mu.Lock()
	p.ids[id] = true
	p.mu.Unlock()
	_, err := store.Update(ctx, p.w.space, func(tx *store.Tx) (struct{}, error) {
		for i := from; i < from+10; i++ {
			n, _ := p.counts.Get(tx, i)
			p.counts.Set(tx, n+1, i)
		}
		if from+10 >= p.upTo {
			return struct{}{}, p.q.Done(ctx, tx)
		}
		return struct{}{}, p.q.Continue(ctx, tx, from+10)
	})
	if err == nil && p.trouble != nil {
		err = p.trouble(from)
	}
	return err
}

func (p *pages) expectOnce(t *testing.T) {
	t.Helper()
	expectOnes(t, p.w, p.counts, p.upTo)
}

// expectOnes is that each number below upTo has a one in the table.
func expectOnes(t *testing.T, w *world, table store.Table[int], upTo int) {
	t.Helper()
	counts := map[int64]int{}
	w.update(func(tx *store.Tx) {
		clear(counts)
		for k, count := range table.Scan(tx, store.ScanOptions{}) {
			counts[k.Int64(0)] = count
		}
	})
	for i := range int64(upTo) {
		if counts[i] != 1 {
			t.Errorf("%d was done %d times", i, counts[i])
		}
	}
}

func TestPagesAreDoneOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, memory.Hostile{Seed: seed + 1, Unknown: 0.3})
			const upTo = 300
			added := store.NewTable[bool](w.space, 8, "added")
			early := newPages(w, w.runner(task.RunnerOptions{}), upTo)
			w.update(func(tx *store.Tx) {
				if ok, _ := added.Get(tx); !ok { // an uncertain commit is made again, and must add one task
					added.Set(tx, true)
					early.q.Add(tx, 0, task.Add{})
				}
			})
			for life := 0; ; life++ {
				r := w.runner(task.RunnerOptions{Grace: time.Millisecond})
				p := newPages(w, r, upTo)
				ctx, cancel := context.WithCancel(t.Context())
				p.trouble = func(from int) error {
					if from%70 == 0 && life < 20 {
						cancel() // the process ends here
					}
					if from%30 == 0 {
						return errors.New("after the commit")
					}
					return nil
				}
				ended := make(chan struct{})
				go func() { r.Run(ctx); close(ended) }()
				time.Sleep(time.Hour)
				synctest.Wait()
				cancel()
				<-ended
				if life == 20 {
					p.expectOnce(t)
					return
				}
			}
		})
	}
}

func TestEachStepHasAnIdOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 3})
		r := w.runner(task.RunnerOptions{})
		p := newPages(w, r, 50)
		w.run(r)
		w.update(func(tx *store.Tx) { p.q.Add(tx, 0, task.Add{Key: "k"}) })
		synctest.Wait()
		if len(p.ids) != 5 {
			t.Errorf("%d ids of 5 steps", len(p.ids))
		}
		p.expectOnce(t)
		if s := r.Stats(); s != (task.Stats{}) {
			t.Errorf("left in memory: %+v", s)
		}
	})
}

// nodes is two or more runners over one store, and who serves which partition.
type nodes struct {
	mu      sync.Mutex
	owner   [partition.Count]int
	runners []*task.Runner
	fns     []func(p uint16, served bool)
	waking  sync.WaitGroup
	deaf    bool // Wake is lost
}

type seat struct {
	*nodes
	node int
}

func (s seat) Owned(p uint16) (store.Fence, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return store.Fence{}, s.owner[p] == s.node
}

func (s seat) Watch(fn func(p uint16, served bool)) {
	s.mu.Lock()
	s.fns[s.node] = fn
	owner := s.owner
	s.mu.Unlock()
	for p, node := range owner {
		fn(uint16(p), node == s.node)
	}
}

func (s seat) Wake(p uint16, lane uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deaf {
		r := s.runners[s.owner[p]]
		s.waking.Go(func() { r.Wake(lane) })
	}
}

// hand gives partition p to another node.
func (s *nodes) hand(p uint16, to int) {
	s.mu.Lock()
	from := s.owner[p]
	s.owner[p] = to
	lose, gain := s.fns[from], s.fns[to]
	s.mu.Unlock()
	if from != to {
		lose(p, false)
		gain(p, true)
	}
}

func TestTwoNodes(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, memory.Hostile{Seed: seed, Delay: 2 * time.Millisecond})
				ledger := task.NewLedger(w.store.Space("task"))
				effects := store.NewTable[int](w.space, 9, "effect")
				order := store.NewTable[int](w.space, 10, "order")
				all := &nodes{fns: make([]func(uint16, bool), 2)}
				defer all.waking.Wait()
				var queues []task.Queue[int]
				for n := range 2 {
					r := w.runner(task.RunnerOptions{Places: seat{all, n}})
					all.runners = append(all.runners, r)
					queues = append(queues, task.NewQueue(r, "test", func(ctx context.Context, id string, v int) error {
						if v%7 == 0 {
							time.Sleep(5 * time.Millisecond)
						}
						_, err := store.Update(ctx, w.space, func(tx *store.Tx) (struct{}, error) {
							if _, taken := ledger.Take(tx, id, ""); !taken {
								key := v % 10
								if last, ok := order.Get(tx, key); ok && last >= v {
									tx.OnCommit(func() { t.Errorf("key %d: %d after %d", key, v, last) })
								}
								order.Set(tx, v, key)
								count, _ := effects.Get(tx, v)
								effects.Set(tx, count+1, v)
							}
							return struct{}{}, nil
						})
						return err
					}, task.Options{Once: true}))
				}
				for p := range partition.Count {
					all.owner[p] = p % 2
				}
				for _, r := range all.runners {
					w.run(r)
				}
				const tasks = 400
				for v := range tasks {
					w.update(func(tx *store.Tx) {
						queues[v%2].Add(tx, v, task.Add{Target: fmt.Sprint(v % 5), Key: fmt.Sprint(v % 10)})
					})
					if v%20 == 0 { // partitions change hands under load
						for p := range uint16(partition.Count) {
							all.hand(p, (int(p)+v)/20%2)
						}
					}
				}
				pass(time.Minute)
				expectOnes(t, w, effects, tasks)
				for n, r := range all.runners {
					if s := r.Stats(); s != (task.Stats{}) {
						t.Errorf("left in memory of node %d: %+v", n, s)
					}
				}
			})
		})
	}
}

func TestTakeoverFindsWhatNobodyWasToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 1})
		all := &nodes{fns: make([]func(uint16, bool), 2), deaf: true}
		d := w.diary()
		var queues []task.Queue[string]
		for n := range 2 {
			r := w.runner(task.RunnerOptions{Places: seat{all, n}})
			all.runners = append(all.runners, r)
			queues = append(queues, task.NewQueue(r, "test", func(_ context.Context, _ string, v string) error { d.note("%s by %d", v, n); return nil }, task.Options{}))
		}
		for _, r := range all.runners {
			w.run(r) // all partitions are node 0's
		}
		w.update(func(tx *store.Tx) { queues[1].Add(tx, "it", task.Add{}) })
		pass(time.Hour)
		d.expect(t)
		for p := range uint16(partition.Count) {
			all.fns[0](p, true) // node 1 has died: what it should have told is read
		}
		synctest.Wait()
		d.expect(t, "it by 0")
	})
}

// epoch is a fence's row.
type epoch uint64

func (e *epoch) AppendRecord(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(*e))
}

func (e *epoch) ParseRecord(src []byte) error {
	*e = epoch(binary.BigEndian.Uint64(src))
	return nil
}

// fenced is a node whose fence rises now and then: by its own doing while it is alive, by another's once it was deposed.
type fenced struct {
	w       *world
	epochs  store.Table[epoch]
	mu      sync.Mutex
	deposed bool
	held    uint64
}

func (f *fenced) Owned(uint16) (store.Fence, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.deposed {
		f.w.update(func(tx *store.Tx) { e, _ := f.epochs.Get(tx); f.held = uint64(e) })
	}
	return f.epochs.Fence(f.held), true // it does not know yet that it was deposed
}

func (f *fenced) Watch(fn func(p uint16, served bool)) {
	for p := range uint16(partition.Count) {
		fn(p, true)
	}
}

func (f *fenced) Wake(uint16, uint64) {}

func TestFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 11, Fenced: 0.3})
		f := &fenced{w: w, epochs: store.NewTable[epoch](w.space, 11, "epoch", store.Global)}
		w.update(func(tx *store.Tx) { f.epochs.Set(tx, 1) })
		r, d := w.runner(task.RunnerOptions{Places: f, Grace: time.Second}), w.diary()
		q := task.NewQueue(r, "test", func(_ context.Context, _ string, v string) error { d.note("%s", v); return nil }, task.Options{})
		stop := w.run(r)
		var want []string
		for i := range 50 {
			w.update(func(tx *store.Tx) { q.Add(tx, fmt.Sprint(i), task.Add{Key: "k"}) })
			want = append(want, fmt.Sprint(i))
		}
		pass(time.Minute)
		d.expect(t, want...) // a commit that its own new fence refused is made again

		f.mu.Lock()
		f.deposed = true
		f.mu.Unlock()
		w.update(func(tx *store.Tx) { f.epochs.Set(tx, 1000) })
		w.update(func(tx *store.Tx) { q.Add(tx, "late", task.Add{}) })
		pass(time.Minute)
		stop()
		next := w.runner(task.RunnerOptions{})
		task.NewQueue(next, "test", func(_ context.Context, _ string, v string) error { d.note("%s again", v); return nil }, task.Options{})
		w.run(next)
		d.expect(t, append(want, "late", "late again")...) // the deposed node could not end it
	})
}
