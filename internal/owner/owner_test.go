package owner_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// counters is a service as small as can be: numbers that are counted up, and whoever waits for one to reach a value.
type counters struct {
	node  *owner.Node
	kind  *owner.Kind[*counter]
	table store.Table[uint64]
	space store.Space

	stop func()

	mu    sync.Mutex
	loads int
	lost  int
}

type counter struct {
	id      string
	table   store.Table[uint64]
	n       uint64
	then    uint64 // the last whose Then ran
	due     time.Time
	rang    int
	ids     *owner.Sequence
	pinned  bool
	waiters owner.Waiters
}

// world is a store, a clock and the nodes on it.
type world struct {
	store *store.Store
	clock *clock.Clock
	bell  *owner.Bell
	wg    sync.WaitGroup
}

func newWorld(t testing.TB, e store.Engine) *world {
	w := &world{clock: clock.New(), bell: &owner.Bell{}}
	w.store = &store.Store{Engine: e, Clock: w.clock}
	t.Cleanup(func() {
		w.wg.Wait()
		w.clock.Close()
	})
	return w
}

// start runs a node until stop is called.
func (w *world) start(t testing.TB, o owner.Options, options ...owner.Option[*counter]) (c *counters, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	o.Bell = w.bell
	c = &counters{node: owner.New(w.store.Space("owner"), w.clock, o), space: w.store.Space("counters")}
	c.table = store.NewTable[uint64](c.space, 1, "counter")
	options = append(options, owner.Lost(func(*counter) {
		c.mu.Lock()
		c.lost++
		c.mu.Unlock()
	}))
	c.kind = owner.NewKind(c.node, "counter", c.load, options...)
	done := make(chan struct{})
	w.wg.Go(func() {
		defer close(done)
		if err := c.node.Run(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("node %s: %v", o.ID, err)
		}
	})
	stop = func() {
		cancel()
		<-done
	}
	c.stop = stop
	t.Cleanup(stop)
	return c, stop
}

func alone(t testing.TB, e store.Engine, options ...owner.Option[*counter]) (*counters, *world) {
	w := newWorld(t, e)
	c, _ := w.start(t, owner.Options{ID: "a", Alone: true}, options...)
	return c, w
}

func (c *counters) load(ctx context.Context, l owner.Load) (*counter, error) {
	c.mu.Lock()
	c.loads++
	c.mu.Unlock()
	if l.ID == "absent" {
		return nil, errAbsent
	}
	n, err := store.View(ctx, c.space, func(tx *store.Tx) (uint64, error) {
		n, _ := c.table.Get(tx, l.ID)
		return n, nil
	})
	return &counter{id: l.ID, table: c.table, n: n, ids: l.IDs}, err
}

var errAbsent = errors.New("no such counter")

func scoped(ctx context.Context) context.Context {
	return aws.WithRequest(ctx, &aws.Request{Scope: aws.Scope{Account: aws.DefaultAccount, Region: "us-east-1"}})
}

func (c *counters) add(ctx context.Context, id string, wishes ...func(*owner.Batch)) (uint64, error) {
	return owner.Do(scoped(ctx), c.kind, id, func(s *counter, b *owner.Batch) (uint64, error) {
		s.n++
		c.table.Set(b, s.n, id)
		for _, w := range wishes {
			w(b)
		}
		return s.n, nil
	})
}

func (c *counters) get(ctx context.Context, id string, wishes ...func(*owner.Batch)) (uint64, error) {
	return owner.Do(scoped(ctx), c.kind, id, func(s *counter, b *owner.Batch) (uint64, error) {
		for _, w := range wishes {
			w(b)
		}
		return s.n, nil
	})
}

// stored is what the store says, whatever is in memory.
func (c *counters) stored(t testing.TB, id string) uint64 {
	t.Helper()
	n, err := store.View(scoped(t.Context()), c.space, func(tx *store.Tx) (uint64, error) {
		n, _ := c.table.Get(tx, id)
		return n, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestErrorWritesNothing(t *testing.T) {
	c, _ := alone(t, memory.New(memory.Options{}))
	boom := errors.New("boom")
	_, err := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
		c.table.Set(b, 7, "x")
		b.Then(func() { t.Error("Then ran") })
		b.OnCommit(func() { t.Error("OnCommit ran") })
		return 1, boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if n := c.stored(t, "x"); n != 0 {
		t.Errorf("stored %d", n)
	}
	if _, err := c.get(t.Context(), "absent"); !errors.Is(err, errAbsent) {
		t.Errorf("loading what is not there: %v", err)
	}
	if _, err := c.get(t.Context(), "absent"); !errors.Is(err, errAbsent) {
		t.Errorf("the second time: %v", err)
	}
}

func TestAnswersWhenStored(t *testing.T) {
	c, _ := alone(t, memory.New(memory.Options{}))
	var order []string
	n, err := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
		s.n = 5
		c.table.Set(b, s.n, "x")
		b.Then(func() { order = append(order, "then") })
		b.OnCommit(func() { order = append(order, "committed") })
		return 1, nil
	})
	if n != 1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if n := c.stored(t, "x"); n != 5 {
		t.Errorf("stored %d", n)
	}
	if fmt.Sprint(order) != "[then committed]" {
		t.Errorf("ran %v", order)
	}
	if c.loads != 1 {
		t.Errorf("loaded %d times", c.loads)
	}
}

func TestScopesAreApart(t *testing.T) {
	c, _ := alone(t, memory.New(memory.Options{}))
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: aws.DefaultAccount, Region: region}})
		n, err := owner.Do(ctx, c.kind, "x", func(s *counter, b *owner.Batch) (uint64, error) {
			s.n++
			c.table.Set(b, s.n, "x")
			return s.n, nil
		})
		if n != 1 || err != nil {
			t.Errorf("%s: %d, %v", region, n, err)
		}
	}
}

func TestManyCallersNothingLost(t *testing.T) {
	for seed := range uint64(4) {
		o := memory.Options{}
		if seed > 0 {
			o.Hostile = memory.Hostile{Seed: seed, Unknown: 0.2, Fenced: 0.1}
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c, _ := alone(t, memory.New(o))
			const callers, rounds, keys = 16, 40, 5
			var wg sync.WaitGroup
			var mu sync.Mutex
			given := map[string]map[uint64]bool{}
			for i := range callers {
				wg.Go(func() {
					for j := range rounds {
						id := fmt.Sprint((i + j) % keys)
						var wishes []func(*owner.Batch)
						if j%5 == 4 {
							wishes = append(wishes, (*owner.Batch).MustOwn)
						}
						n, err := owner.Do(scoped(t.Context()), c.kind, id, func(s *counter, b *owner.Batch) (uint64, error) {
							s.n++
							n := s.n
							c.table.Set(b, n, id)
							b.Then(func() {
								if s.then != 0 && s.then+1 != n {
									t.Errorf("%s: Then of %d after that of %d", id, n, s.then)
								}
								s.then = n
							})
							for _, w := range wishes {
								w(b)
							}
							return n, nil
						})
						if err != nil {
							t.Errorf("add: %v", err)
							return
						}
						mu.Lock()
						if given[id] == nil {
							given[id] = map[uint64]bool{}
						}
						if given[id][n] {
							t.Errorf("%s: %d was given twice", id, n)
						}
						given[id][n] = true
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			sum := uint64(0)
			for k := range keys {
				sum += c.stored(t, fmt.Sprint(k))
			}
			if sum != callers*rounds {
				t.Errorf("counted %d of %d", sum, callers*rounds)
			}
		})
	}
}

func TestLazyDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1}}))
		began := time.Now()
		if _, err := c.add(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.add(t.Context(), "x", (*owner.Batch).Lazy); n != 2 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if time.Since(began) != 0 {
			t.Errorf("waited %v", time.Since(began))
		}
		if n := c.stored(t, "x"); n != 1 {
			t.Errorf("views show %d: it was synced", n)
		}
		time.Sleep(time.Second)
		if _, err := c.add(t.Context(), "y"); err != nil {
			t.Fatal(err)
		}
		if n := c.stored(t, "x"); n != 2 {
			t.Errorf("after a commit of another: %d", n)
		}
	})
}

// A lazy change is written soon even where a commit is under way for longer, and nothing follows it.
func TestLazyIsWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, &slow{Engine: memory.New(memory.Options{}), by: time.Second})
		c.get(t.Context(), "x")
		go c.add(t.Context(), "y")
		synctest.Wait()
		if _, err := c.add(t.Context(), "x", (*owner.Batch).Lazy); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second + 10*time.Millisecond)
		if n := c.stored(t, "x"); n != 1 {
			t.Errorf("stored %d", n)
		}
	})
}

func TestReaderWaitsForWhatItRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, &slow{Engine: memory.New(memory.Options{}), by: time.Millisecond})
		c.get(t.Context(), "x")
		go c.add(t.Context(), "x")
		synctest.Wait()
		began := time.Now()
		n, err := c.get(t.Context(), "x")
		if n != 1 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if time.Since(began) == 0 {
			t.Error("an answer showed what was not durable")
		}
		began = time.Now()
		c.get(t.Context(), "x")
		if time.Since(began) != 0 {
			t.Error("waited for nothing")
		}
	})
}

func TestCallerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := alone(t, &slow{Engine: memory.New(memory.Options{}), by: time.Second})
		c.get(t.Context(), "x")
		for range 3 {
			go c.add(t.Context(), "x")
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.add(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n, err := c.add(t.Context(), "x"); n != 5 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if n := c.stored(t, "x"); n != 5 {
			t.Errorf("stored %d", n)
		}
	})
}

// slow is an engine whose commits take a while.
type slow struct {
	store.Engine
	by time.Duration
}

func (s *slow) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if o.Name == "owner.commit" && !o.Lazy {
		time.Sleep(s.by)
	}
	return s.Engine.Update(ctx, o, fn)
}

// A node that is alone takes what any other has left, whatever that was called: a data directory that was copied, or a name
// that was changed.
func TestAloneUnderAnotherName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		defer e.Close()
		w := newWorld(t, e)
		for i, id := range []string{"a", "b", "a"} {
			c, stop := w.start(t, owner.Options{ID: id, Alone: true})
			for _, object := range []string{"x", "y", "z"} {
				if n, err := c.add(t.Context(), object); err != nil || n != uint64(i+1) {
					t.Errorf("node %s counts %d, %v", id, n, err)
				}
			}
			stop()
		}
	})
}
