package owner_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// full is an engine whose disk can be full: then it refuses what sets a key and takes what deletes, as pebble does.
type full struct {
	store.Engine
	full atomic.Bool
}

type watched struct {
	store.Txn
	sets int
}

func (w *watched) Set(key, value []byte) {
	w.sets++
	w.Txn.Set(key, value)
}

func (f *full) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	return f.Engine.Update(ctx, o, func(tx store.Txn) error {
		w := &watched{Txn: tx}
		if err := fn(w); err != nil {
			return err
		}
		if w.sets > 0 && !o.Frees && f.full.Load() {
			return &store.DiskFullError{Path: "/data", Need: 1 << 30}
		}
		return nil
	})
}

func TestFullDiskRefusesWhatSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &full{Engine: memory.New(memory.Options{})}
		c, _ := alone(t, &slow{Engine: e, by: time.Millisecond})
		for i := range 4 {
			if _, err := c.add(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		e.full.Store(true)
		var wg sync.WaitGroup
		for i := range 4 {
			id := fmt.Sprint(i)
			wg.Go(func() {
				_, err := c.add(t.Context(), id)
				if _, ok := errors.AsType[*store.DiskFullError](err); !ok {
					t.Errorf("set: %v", err)
				}
			})
			wg.Go(func() {
				_, err := owner.Do(scoped(t.Context()), c.kind, "d"+id, func(s *counter, b *owner.Batch) (int, error) {
					c.table.Delete(b, id)
					return 0, nil
				})
				if err != nil {
					t.Errorf("delete: %v", err)
				}
			})
		}
		wg.Wait()
		for i := range 4 {
			if n := c.stored(t, fmt.Sprint(i)); n != 0 {
				t.Errorf("%d: %d is still there", i, n)
			}
			if n, err := c.get(t.Context(), fmt.Sprint(i)); n != 0 || err != nil {
				t.Errorf("%d: memory is ahead of the store: %d, %v", i, n, err)
			}
		}
		e.full.Store(false)
		if n, err := c.add(t.Context(), "0"); n != 1 || err != nil {
			t.Errorf("with room again: %d, %v", n, err)
		}
	})
}

// What makes room is written beside what is refused, and whoever asks hears that there is none before anything is done.
func TestFullDiskTakesWhatFrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &full{Engine: memory.New(memory.Options{})}
		c, _ := alone(t, &slow{Engine: e, by: time.Millisecond})
		e.full.Store(true)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { c.add(t.Context(), "x") })
			wg.Go(func() {
				_, err := owner.Do(scoped(t.Context()), c.kind, "y", func(s *counter, b *owner.Batch) (int, error) {
					b.Frees()
					s.n++
					c.table.Set(b, s.n, "y")
					return 0, nil
				})
				if err != nil {
					t.Errorf("what frees: %v", err)
				}
			})
		}
		wg.Wait()
		if x, y := c.stored(t, "x"), c.stored(t, "y"); x != 0 || y != 4 {
			t.Errorf("stored %d of what was refused, %d of what frees; want 0 and 4", x, y)
		}
		room := func() error {
			_, err := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) { return 0, b.Room() })
			return err
		}
		if _, ok := errors.AsType[*store.DiskFullError](room()); !ok {
			t.Error("nobody knows that the disk is full")
		}
		time.Sleep(time.Second)
		if err := room(); err != nil {
			t.Errorf("nobody would ever try again: %v", err)
		}
	})
}

func TestUntouchedMemoryStays(t *testing.T) {
	e := &full{Engine: memory.New(memory.Options{})}
	c, _ := alone(t, e)
	c.get(t.Context(), "x")
	e.full.Store(true)
	_, err := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
		b.Untouched()
		c.table.Set(b, s.n+1, "x")
		b.Then(func() { s.n++ })
		return 0, nil
	})
	if _, ok := errors.AsType[*store.DiskFullError](err); !ok {
		t.Errorf("got %v", err)
	}
	if n, _ := c.get(t.Context(), "x"); n != 0 || c.loads != 1 {
		t.Errorf("%d after %d loads", n, c.loads)
	}
}

// One caller who writes too much fails alone.
func TestOversizedBatchFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := alone(t, &slow{Engine: memory.New(memory.Options{}), by: time.Millisecond})
		blobs := store.NewTable[[]byte](w.store.Space("blobs"), 1, "blob")
		var wg sync.WaitGroup
		go c.add(t.Context(), "first") // the others gather behind it
		synctest.Wait()
		for i := range 6 {
			wg.Go(func() {
				_, err := c.add(t.Context(), fmt.Sprint(i), func(b *owner.Batch) {
					if i == 3 {
						blobs.Set(b, make([]byte, store.MaxValue+1), "x")
					}
				})
				if (i == 3) != errors.Is(err, store.ErrLimit) || (i != 3) != (err == nil) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if n, err := c.get(t.Context(), "3"); n != 0 || err != nil {
			t.Errorf("memory is ahead of the store: %d, %v", n, err)
		}
	})
}

// A commit of unknown outcome is settled: its callers hear what became of it, and it is not made twice.
func TestUnknownOutcomeIsSettled(t *testing.T) {
	for _, happens := range []bool{false, true} {
		t.Run(fmt.Sprint(happens), func(t *testing.T) {
			e := &forgetful{Engine: memory.New(memory.Options{}), happens: happens}
			c, _ := alone(t, e)
			c.get(t.Context(), "x")
			e.armed.Store(true)
			calls, thens := 0, 0
			n, err := owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (uint64, error) {
				calls++
				s.n++
				c.table.Set(b, s.n, "x")
				b.Then(func() { thens++ })
				return s.n, nil
			})
			if n != 1 || err != nil || calls != 1 || thens != 1 || c.loads != 1 {
				t.Errorf("got %d, %v after %d calls, %d Thens, %d loads", n, err, calls, thens, c.loads)
			}
			if n := c.stored(t, "x"); n != 1 {
				t.Errorf("stored %d", n)
			}
			if want := map[bool]int32{false: 2, true: 1}[happens]; e.commits.Load() != want {
				t.Errorf("written %d times", e.commits.Load())
			}
		})
	}
}

// forgetful loses the answer of one commit.
type forgetful struct {
	store.Engine
	happens bool
	armed   atomic.Bool
	commits atomic.Int32
}

func (f *forgetful) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if o.Name != "owner.commit" {
		return f.Engine.Update(ctx, o, fn)
	}
	f.commits.Add(1)
	if !f.armed.CompareAndSwap(true, false) {
		return f.Engine.Update(ctx, o, fn)
	}
	if f.happens {
		f.Engine.Update(ctx, o, fn)
	}
	return store.ErrUnknown
}

// A store that is closed under the node: callers hear so, and Run returns.
func TestClosedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		w := newWorld(t, e)
		n := owner.New(w.store.Space("owner"), w.clock, owner.Options{ID: "a", Alone: true})
		k := owner.NewKind(n, "counter", func(context.Context, owner.Load) (*counter, error) { return &counter{}, nil })
		table := store.NewTable[uint64](w.store.Space("counters"), 1, "counter")
		ran := make(chan error)
		go func() { ran <- n.Run(t.Context()) }()
		put := func() error {
			_, err := owner.Do(scoped(t.Context()), k, "x", func(s *counter, b *owner.Batch) (int, error) {
				table.Set(b, 1, "x")
				return 0, nil
			})
			return err
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
		e.Close()
		if err := put(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := <-ran; !errors.Is(err, store.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
		if err := put(); !errors.Is(err, owner.ErrStopped) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// One commit holds only so much, however many callers there are.
func TestCommitsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &measured{Engine: memory.New(memory.Options{})}
		c, w := alone(t, &slow{Engine: m, by: time.Millisecond})
		blobs := store.NewTable[[]byte](w.store.Space("blobs"), 1, "blob")
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				_, err := c.add(t.Context(), fmt.Sprint(i), func(b *owner.Batch) {
					blobs.Set(b, make([]byte, 300<<10), fmt.Sprint(i))
					if i%4 == 0 {
						b.Lazy()
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		if most := m.most.Load(); most > 2<<20 || most < 1<<20 {
			t.Errorf("the largest commit had %d bytes", most)
		}
		for i := range 40 {
			c.add(t.Context(), "z") // sync the lazy ones
			if n := c.stored(t, fmt.Sprint(i)); n != 1 {
				t.Errorf("%d: %d", i, n)
			}
		}
	})
}

// measured remembers the largest transaction.
type measured struct {
	store.Engine
	most atomic.Int64
}

func (m *measured) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	return m.Engine.Update(ctx, o, func(tx store.Txn) error {
		s := &sized{Txn: tx}
		err := fn(s)
		m.most.Store(max(m.most.Load(), s.bytes))
		return err
	})
}

type sized struct {
	store.Txn
	bytes int64
}

func (s *sized) Set(key, value []byte) {
	s.bytes += int64(len(key) + len(value))
	s.Txn.Set(key, value)
}

func TestPanicDropsTheObject(t *testing.T) {
	c, _ := alone(t, memory.New(memory.Options{}))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		owner.Do(scoped(t.Context()), c.kind, "x", func(s *counter, b *owner.Batch) (int, error) {
			s.n = 99
			panic("boom")
		})
	}()
	if n, err := c.get(t.Context(), "x"); n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestAllocations(t *testing.T) {
	if raced {
		t.Skip()
	}
	c, _ := alone(t, &free{memory.New(memory.Options{})})
	ctx := scoped(t.Context())
	c.get(ctx, "x")
	for _, o := range []struct {
		name string
		fn   func(*counter, *owner.Batch) (uint64, error)
		most float64
	}{{"read", get, 0}, {"write", add, 4}} {
		if n := testing.AllocsPerRun(1000, func() { owner.Do(ctx, c.kind, "x", o.fn) }); n > o.most {
			t.Errorf("%s: %v allocations", o.name, n)
		}
	}
}
