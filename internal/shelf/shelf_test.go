package shelf_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// state is a store and its shelf, with a service that keeps one blob under each name.
type state struct {
	engine *memory.Engine
	blobs  blob.Store
	shelf  *shelf.Shelf
	space  store.Space // the shelf's
	names  store.Space
	table  store.Table[blob.ID]
}

func newState(t *testing.T, e *memory.Engine, blobs blob.Store, oldest func() uint64) *state {
	t.Helper()
	return newStateWith(e, blobs, shelf.Options{Oldest: oldest, Alone: true})
}

func newStateWith(e *memory.Engine, blobs blob.Store, o shelf.Options) *state {
	st := &store.Store{Engine: e, Clock: clock.New()}
	s := &state{engine: e, blobs: blobs, space: st.Space(shelf.SpaceName), names: st.Space("names")}
	s.table = store.NewTable[blob.ID](s.names, 1, "name", store.Global)
	s.shelf = shelf.New(s.space, blobs, o)
	return s
}

func openBlobs(t *testing.T) blob.Store {
	t.Helper()
	b, err := file.Open("blobs", file.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs the shelf until the function that is returned is called.
func (s *state) run(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.shelf.Run(ctx); err != nil {
			t.Errorf("run the shelf: %v", err)
		}
	})
	end = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(end)
	return end
}

// put writes a blob that holds its own name.
func (s *state) put(t *testing.T, name string) blob.ID {
	t.Helper()
	w, err := s.shelf.Create(t.Context())
	if err == nil {
		_, err = w.Write([]byte(name))
	}
	if err == nil {
		err = w.Finish()
	}
	if err == nil {
		_, err = store.Update(t.Context(), s.names, func(tx *store.Tx) (any, error) {
			s.table.Set(tx, w.ID(), name)
			s.shelf.Put(tx, w.ID())
			return nil, nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w.ID()
}

func (s *state) take(t *testing.T, name string) {
	t.Helper()
	if _, err := store.Update(t.Context(), s.names, func(tx *store.Tx) (any, error) {
		id, ok := s.table.Get(tx, name)
		if !ok {
			return nil, fmt.Errorf("there is no %s", name)
		}
		s.table.Delete(tx, name)
		s.shelf.Take(tx, id)
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
}

// check fails unless every blob that the state names is there and says its name.
func (s *state) check(t *testing.T, when string) (names []string) {
	t.Helper()
	all, err := store.View(t.Context(), s.names, func(tx *store.Tx) (map[string]blob.ID, error) {
		all := map[string]blob.ID{}
		for k, id := range s.table.Scan(tx, store.ScanOptions{}) {
			all[k.String(0)] = id
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range all {
		names = append(names, name)
		r, err := s.shelf.Open(t.Context(), id)
		if err != nil {
			t.Errorf("%s: the blob of %s is lost: %v", when, name, err)
			continue
		}
		b := make([]byte, r.Size())
		if _, err := r.ReadAt(b, 0); err != nil || string(b) != name {
			t.Errorf("%s: the blob of %s holds %q, %v", when, name, b, err)
		}
		r.Close()
	}
	slices.Sort(names)
	return names
}

func (s *state) gone(t *testing.T, id blob.ID) bool {
	t.Helper()
	r, err := s.blobs.Open(t.Context(), id)
	if errors.Is(err, blob.ErrNotFound) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return false
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 10 s: not %s", what)
		}
	}
}

func TestWhatIsTakenIsFreed(t *testing.T) {
	t.Parallel()
	s := newState(t, memory.New(memory.Options{}), openBlobs(t), nil)
	s.run(t)
	a, b := s.put(t, "a"), s.put(t, "b")
	s.take(t, "a")
	eventually(t, "freed", func() bool { return s.gone(t, a) })
	if s.gone(t, b) {
		t.Error("a blob that is named was freed")
	}
	eventually(t, "kept", func() bool {
		left, err := s.blobs.Pending(t.Context(), 0)
		return err == nil && len(left) == 0
	})
}

func TestWhoHoldsLosesNothing(t *testing.T) {
	t.Parallel()
	s := newState(t, memory.New(memory.Options{}), openBlobs(t), nil)
	s.run(t)
	a := s.put(t, "a")
	hold := s.shelf.Hold()
	s.take(t, "a")
	time.Sleep(20 * time.Millisecond)
	if s.gone(t, a) {
		t.Error("a blob was freed while somebody held all")
	}
	hold.Release()
	s.shelf.Look()
	eventually(t, "freed", func() bool { return s.gone(t, a) })
}

// What a process leaves half done when it dies, the next one settles.
func TestCrashesLeaveNothing(t *testing.T) {
	t.Parallel()
	e, blobs := memory.New(memory.Options{}), openBlobs(t)
	s := newState(t, e, blobs, nil) // it never runs: nothing is kept or freed
	a, b := s.put(t, "a"), s.put(t, "b")
	s.take(t, "b")
	w, err := s.shelf.Create(t.Context()) // begun, and named by nobody
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("c")); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	s = newState(t, e, blobs, nil)
	s.run(t)
	eventually(t, "settled", func() bool { return s.gone(t, b) && s.gone(t, w.ID()) })
	if s.gone(t, a) {
		t.Error("a blob that a record names was freed")
	}
	s.check(t, "after a crash")
	if left, err := blobs.Pending(t.Context(), 0); err != nil || len(left) > 0 {
		t.Errorf("%d blobs are still pending, %v", len(left), err)
	}
}

// What a process leaves that shares its blobs with others, those find when it is old, and nothing that is younger.
func TestOthersTidyUpAfterTheDead(t *testing.T) {
	t.Parallel()
	e, blobs := memory.New(memory.Options{}), openBlobs(t)
	o := shelf.Options{Grace: shelf.Grace{Begun: time.Second, Read: time.Second}}
	other := newStateWith(e, blobs, o)
	other.run(t)
	dead := newStateWith(e, blobs, o) // it never runs: nothing is kept or freed
	began := time.Now()
	a, b := dead.put(t, "a"), dead.put(t, "b")
	dead.take(t, "b")
	w, err := dead.shelf.Create(t.Context()) // begun, and named by nobody
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("c")); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	other.shelf.Look()
	time.Sleep(50 * time.Millisecond)
	if gone := other.gone(t, b) || other.gone(t, w.ID()); gone && time.Since(began) < time.Second {
		t.Error("a blob was freed that others may be at")
	}
	eventually(t, "settled", func() bool {
		left, err := blobs.Pending(t.Context(), 0)
		return err == nil && len(left) == 0 && other.gone(t, b) && other.gone(t, w.ID())
	})
	if other.gone(t, a) {
		t.Error("a blob that a record names was freed")
	}
	other.check(t, "after a death")
}

func TestWhatIsTakenIsReadElsewhereForAWhile(t *testing.T) {
	t.Parallel()
	e, blobs := memory.New(memory.Options{}), openBlobs(t)
	o := shelf.Options{Grace: shelf.Grace{Begun: time.Hour, Read: 500 * time.Millisecond}}
	one, other := newStateWith(e, blobs, o), newStateWith(e, blobs, o)
	one.run(t)
	other.run(t)
	a := one.put(t, "a")
	began := time.Now()
	one.take(t, "a")
	for time.Since(began) < 300*time.Millisecond {
		if other.gone(t, a) && time.Since(began) < o.Grace.Read {
			t.Fatal("a blob was freed at once")
		}
		time.Sleep(10 * time.Millisecond)
	}
	eventually(t, "freed", func() bool { return other.gone(t, a) })
}

// saved is a snapshot of the tests.
type saved struct {
	number uint64
	engine *memory.Engine
}

// Whatever is put, taken, saved, restored, deleted and forgotten, in whatever order: no state lacks a blob that it names,
// the running one or a saved one, and when no snapshot is left nothing is left of what the running one does not name.
func TestStatesSetBackLoseNoBlob(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		blobs := openBlobs(t)
		snapshots := map[int]saved{}
		var mu sync.Mutex
		oldest := func() uint64 {
			mu.Lock()
			defer mu.Unlock()
			least := uint64(blob.Nothing)
			for _, s := range snapshots {
				least = min(least, s.number)
			}
			return least
		}
		s := newState(t, memory.New(memory.Options{}), blobs, oldest)
		end := s.run(t)
		pick := func() (int, bool) {
			for k := range snapshots {
				return k, true
			}
			return 0, false
		}
		change := func(fn func()) { mu.Lock(); defer mu.Unlock(); fn() }
		var names []string
		everything := map[string]blob.ID{}
		for step := range 60 {
			switch rng.IntN(9) {
			case 0, 1, 2:
				name := fmt.Sprintf("%d-%d", seed, step)
				everything[name] = s.put(t, name)
			case 3, 4:
				if names = s.check(t, "before a taking"); len(names) > 0 {
					s.take(t, names[rng.IntN(len(names))])
				}
			case 5:
				n, err := shelf.Advance(t.Context(), s.space)
				if err != nil {
					t.Fatal(err)
				}
				change(func() { snapshots[step] = saved{n, s.engine.Fork()} })
			case 6: // deleted
				if k, ok := pick(); ok {
					change(func() { delete(snapshots, k) })
					s.shelf.Look()
				}
			case 7: // restored
				k, ok := pick()
				if !ok {
					continue
				}
				end()
				account, err := store.View(t.Context(), s.names, func(tx *store.Tx) (shelf.Account, error) { return shelf.Read(tx, s.space), nil })
				if err != nil {
					t.Fatal(err)
				}
				s = newState(t, snapshots[k].engine.Fork(), blobs, oldest)
				if _, err := store.Update(t.Context(), s.names, func(tx *store.Tx) (any, error) { account.HandOn(tx, s.space); return nil, nil }); err != nil {
					t.Fatal(err)
				}
				end = s.run(t)
			case 8: // forgotten
				if rng.IntN(3) > 0 {
					continue
				}
				end()
				st := &store.Store{Engine: s.engine, Clock: clock.New()}
				if err := st.Empty(t.Context(), "test", func(tx *store.Tx, w *store.Writes) error {
					shelf.Read(tx, s.space).Bury(w, s.space)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				s = newState(t, s.engine, blobs, oldest)
				end = s.run(t)
			}
			s.check(t, fmt.Sprintf("seed %d, step %d", seed, step))
			for k, v := range snapshots {
				newState(t, v.engine.Fork(), blobs, oldest).check(t, fmt.Sprintf("seed %d, step %d, snapshot of step %d", seed, step, k))
			}
			if t.Failed() {
				return
			}
		}
		change(func() { clear(snapshots) })
		s.shelf.Look()
		names = s.check(t, "at the end")
		for name, id := range everything {
			if !slices.Contains(names, name) {
				eventually(t, fmt.Sprintf("freed: %s of seed %d", name, seed), func() bool { return s.gone(t, id) })
			}
		}
		end()
	}
}
