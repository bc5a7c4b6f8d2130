package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/obidos-cloud/obidos/internal/blob/blobtest"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/datadir"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// crashes copies a disk as a power cut or a kill would leave it, before one in so many changes of it.
type crashes struct {
	*vfs.MemFS
	oneIn int

	mu    sync.Mutex
	rng   *rand.Rand
	armed bool
	seen  int
	left  []*vfs.MemFS
}

func newCrashes(seed uint64, oneIn int) (*crashes, vfs.FS) {
	c := &crashes{MemFS: vfs.NewCrashableMem(), oneIn: oneIn, rng: rand.New(rand.NewPCG(seed, 1))}
	return c, errorfs.Wrap(c.MemFS, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			c.tick()
		}
		return nil
	}))
}

func (c *crashes) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed {
		return
	}
	if c.seen++; c.rng.IntN(c.oneIn) == 0 {
		c.left = append(c.left, c.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[c.rng.IntN(3)], RNG: c.rng}))
	}
}

// during is what power cuts would leave in the course of fn, and right after.
func (c *crashes) during(fn func()) (left []*vfs.MemFS) {
	arm := func(on bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.armed = on
	}
	arm(true)
	fn()
	arm(false)
	left = append(c.left, c.CrashClone(vfs.CrashCloneCfg{RNG: c.rng}))
	c.left = nil
	return left
}

// kept is a data directory in use, as platform uses it.
type kept struct {
	dir    *datadir.Dir
	engine store.Engine
	keeper *snapshot.Directory
	blobs  *file.Store
}

func openKept(t *testing.T, disk vfs.FS) *kept {
	t.Helper()
	return openKeptAt(t, disk, "data")
}

func openKeptAt(t *testing.T, disk vfs.FS, path string) *kept {
	t.Helper()
	k := &kept{}
	var err error
	if k.dir, err = datadir.Open(path, datadir.Options{FS: disk}); err != nil {
		t.Fatal(err)
	}
	open := func(path string) (store.Engine, error) {
		return pebble.Open(path, pebble.Options{FS: disk, MemTable: 256 << 10})
	}
	if k.engine, err = open(k.dir.Store()); err != nil {
		t.Fatal(err)
	}
	if k.blobs, err = file.Open(k.dir.Blobs(), file.Options{FS: disk}); err != nil {
		t.Fatal(err)
	}
	k.keeper = snapshot.NewDirectory(k.dir, open)
	return k
}

func (k *kept) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(k.engine.Close(), k.dir.Close()); err != nil {
		t.Fatal(err)
	}
}

func (k *kept) store() *store.Store { return &store.Store{Engine: k.engine, Clock: clock.New()} }

func (k *kept) shelf(st *store.Store) *shelf.Shelf {
	return shelf.New(st.Space(shelf.SpaceName), k.blobs, shelf.Options{Alone: true, Oldest: func() uint64 { return snapshot.Oldest(k.keeper) }})
}

// write replaces what there is by records and a blob of a name.
func (k *kept) write(t *testing.T, name string, records int) {
	t.Helper()
	st := k.store()
	if err := st.Engine.Update(t.Context(), store.UpdateOptions{Owned: true}, func(tx store.Txn) error {
		tx.DeleteRange([]byte("a\x00"), []byte("a\x01"))
		for i := range records {
			tx.Set(fmt.Appendf(nil, "a\x00%s/%05d", name, i), bytes.Repeat([]byte(name), 50))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	id := blobtest.Write(t, k.blobs, []byte("the blob of "+name))
	space := st.Space(shelf.SpaceName)
	s := k.shelf(st)
	if _, err := store.Update(t.Context(), space, func(tx *store.Tx) (any, error) {
		for old := range shelf.Named(tx, space) {
			s.Take(tx, old)
		}
		s.Put(tx, id)
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
}

// read is all that an engine's state holds and its users see, the blobs' contents included.
func (k *kept) read(t *testing.T, e store.Engine) string {
	t.Helper()
	var b strings.Builder
	if err := e.View(t.Context(), func(r store.Reader) error {
		return r.Scan(store.Range{Lo: []byte("a\x00"), Hi: []byte("a\x01")}, func(key, value []byte) bool {
			fmt.Fprintf(&b, "%s=%s\n", key, value)
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	space := (&store.Store{Engine: e, Clock: clock.New()}).Space(shelf.SpaceName)
	if _, err := store.View(t.Context(), space, func(tx *store.Tx) (any, error) {
		for id := range shelf.Named(tx, space) {
			r, err := k.blobs.Open(t.Context(), id)
			if err != nil {
				return nil, fmt.Errorf("blob %s: %w", id, err)
			}
			text, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			if err := errors.Join(err, r.Close()); err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%s\n", text)
		}
		return nil, nil
	}); err != nil {
		t.Error(err)
	}
	return b.String()
}

// view is what a data directory holds: the state, and that of each snapshot under its name.
func (k *kept) view(t *testing.T) (state string, snapshots map[string]string) {
	t.Helper()
	list, err := k.keeper.List()
	if err != nil {
		t.Fatal(err)
	}
	snapshots = map[string]string{}
	for _, i := range list {
		s, err := k.keeper.Stage(i.Name)
		if err != nil {
			t.Fatalf("snapshot %s is offered: %v", i.Name, err)
		}
		snapshots[i.Name] = k.read(t, s.Engine)
		if err := s.Drop(); err != nil {
			t.Fatal(err)
		}
	}
	return k.read(t, k.engine), snapshots
}

// restore does what the platform does between two lives.
func (k *kept) restore(t *testing.T, name string) {
	t.Helper()
	s, err := k.keeper.Stage(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Succeed(t.Context(), k.store(), &store.Store{Engine: s.Engine, Clock: clock.New()}); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(); err != nil {
		t.Fatal(err)
	}
	old := k.engine
	k.engine = s.Engine
	if err := errors.Join(old.Close(), k.keeper.Tidy()); err != nil {
		t.Fatal(err)
	}
}

// Wherever in a saving, setting back, forgetting or deleting the power fails: the state is the one before or the one after, whole,
// as is what `snapshot list` offers; nothing half done is left, and no blob is lacking.
func TestPowerCutsLeaveTheStateBeforeOrAfter(t *testing.T) {
	t.Parallel()
	rounds := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("OBIDOS_CRASHES"), 10, 64); err == nil {
		rounds += n / 10
	}
	for seed := range rounds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cuts := 0
			disk, fs := newCrashes(seed, 8)
			k := openKept(t, fs)
			k.write(t, "first", 300)
			for _, step := range []struct {
				what string
				do   func()
			}{
				{"save one", func() { k.save(t, "one") }},
				{"write", func() { k.write(t, "second", 50) }},
				{"save two", func() { k.save(t, "two") }},
				{"restore one", func() { k.restore(t, "one") }},
				{"restore two", func() { k.restore(t, "two") }},
				{"reset", func() {
					if err := snapshot.Empty(t.Context(), k.store()); err != nil {
						t.Fatal(err)
					}
				}},
				{"sweep", func() { k.sweep(t) }},
				{"restore one after a reset", func() { k.restore(t, "one") }},
				{"delete two", func() {
					if err := k.keeper.Delete("two"); err != nil {
						t.Fatal(err)
					}
				}},
				{"sweep after the deletion", func() { k.sweep(t) }},
			} {
				state, snapshots := k.view(t)
				left := disk.during(step.do)
				cuts += len(left)
				after, later := k.view(t)
				states := []string{state, after}
				if step.what == "write" { // it is two transactions
					states = nil
				}
				for n, clone := range left {
					k := openKept(t, clone)
					got, list := k.view(t)
					if states != nil && !slices.Contains(states, got) {
						t.Errorf("power cut %d of %d in %s: the state is neither that before nor that after:\n%s", n, len(left), step.what, short(got))
					}
					if !maps.Equal(list, snapshots) && !maps.Equal(list, later) {
						t.Errorf("power cut %d of %d in %s: the snapshots are neither those before nor those after: %v", n, len(left), step.what, slices.Collect(maps.Keys(list)))
					}
					k.sweep(t) // what is freed then is named by nobody
					k.view(t)
					k.tidied(t, clone)
					k.close(t)
				}
			}
			k.close(t)
			t.Logf("%d power cuts in %d changes of the disk", cuts, disk.seen)
		})
	}
}

func (k *kept) save(t *testing.T, name string) {
	t.Helper()
	if _, err := snapshot.Save(t.Context(), k.keeper, k.store(), name, "test"); err != nil {
		t.Fatal(err)
	}
}

// sweep settles the shelf as a start does, and frees what can be freed, until nothing is half done.
func (k *kept) sweep(t *testing.T) {
	t.Helper()
	k.sweepUntil(t, func() bool {
		left, err := k.dir.Disk().List(k.dir.Disk().PathJoin(k.dir.Blobs(), "new"))
		return err != nil || len(left) == 0
	})
}

func (k *kept) sweepUntil(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := k.shelf(k.store())
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("run the shelf: %v", err)
		}
	})
	for end := time.Now().Add(10 * time.Second); !done() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	all.Wait()
}

// tidied fails where something half done is still there.
func (k *kept) tidied(t *testing.T, disk vfs.FS) {
	t.Helper()
	names, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if full := disk.PathJoin("data", name); strings.HasPrefix(name, "store") && full != k.dir.Store() {
			t.Errorf("%s is left over", name)
		}
	}
	names, _ = disk.List("data/snapshots")
	for _, name := range names {
		if strings.Contains(name, ".") {
			t.Errorf("snapshots/%s is left over", name)
		}
	}
}

func short(s string) string { return s[:min(len(s), 300)] }

// Two who set the state back at once get one after the other, whatever order their steps come in.
func TestTidyingLeavesWhatIsStaged(t *testing.T) {
	t.Parallel()
	k := openKept(t, vfs.NewMem())
	k.write(t, "first", 10)
	want := k.read(t, k.engine)
	k.save(t, "one")
	s, err := k.keeper.Stage("one")
	if err != nil {
		t.Fatal(err)
	}
	k.restore(t, "one") // tidies up
	if err := errors.Join(s.Use(), s.Engine.Close(), k.engine.Close(), k.dir.Close()); err != nil {
		t.Fatal(err)
	}
	k = openKept(t, k.dir.Disk())
	if got := k.read(t, k.engine); got != want {
		t.Errorf("after both the state is %s", short(got))
	}
	k.close(t)
}
