package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/blobtest"
	"github.com/obidos-cloud/obidos/internal/blob/file"
)

func open(t testing.TB, dir string, o file.Options) *file.Store {
	t.Helper()
	s, err := file.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	for name, place := range map[string]func(t *testing.T) (string, file.Options){
		"disk":   func(t *testing.T) (string, file.Options) { return t.TempDir(), file.Options{} },
		"memory": func(*testing.T) (string, file.Options) { return "blobs", file.Options{FS: vfs.NewCrashableMem()} },
	} {
		t.Run(name, func(t *testing.T) {
			blobtest.Run(t, func(t *testing.T) (blob.Store, func() blob.Store) {
				dir, o := place(t)
				return open(t, dir, o), func() blob.Store { return open(t, dir, o) }
			})
		})
	}
}

func TestFullDiskRefusesBlobs(t *testing.T) {
	full := errors.New("full")
	var now atomic.Bool
	s := open(t, t.TempDir(), file.Options{Room: func() error {
		if now.Load() {
			return full
		}
		return nil
	}})
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now.Store(true)
	if _, err := s.Create(t.Context()); !errors.Is(err, full) {
		t.Errorf("begun: %v", err)
	}
	for n := 0; n < 16<<20 && err == nil; n += 1 << 20 {
		_, err = w.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, full) {
		t.Errorf("16 MiB written: %v", err)
	}
	if err := w.Finish(); !errors.Is(err, full) {
		t.Errorf("finished: %v", err)
	}
	w.Abort()
	if ids, err := s.Pending(t.Context(), 0); len(ids) > 0 || err != nil {
		t.Errorf("left: %v, %v", ids, err)
	}
}

// A power cut at any point tears no finished blob, loses none, brings back none that was freed, and leaves none behind that
// nobody knows of.
func TestCrashKeepsFinishedBlobs(t *testing.T) {
	rounds := 150
	if n, err := strconv.Atoi(os.Getenv("OBIDOS_CRASHES")); err == nil {
		rounds = n
	}
	first := rand.Uint64() >> 12
	if n, err := strconv.ParseUint(os.Getenv("OBIDOS_SEED"), 10, 64); err == nil {
		first, rounds = n, 1
	}
	for seed := first; seed < first+uint64(rounds); seed++ {
		if crash(t, seed); t.Failed() {
			t.Fatalf("replay with OBIDOS_SEED=%d", seed)
		}
	}
}

// lockedLinks keeps links and crashes apart: MemFS locks twice for a link, which a crash in between makes a deadlock.
type lockedLinks struct {
	vfs.FS
	links *sync.RWMutex
}

func (l lockedLinks) Link(from, to string) error {
	l.links.RLock()
	defer l.links.RUnlock()
	return l.FS.Link(from, to)
}

func content(id blob.ID) []byte {
	return bytes.Repeat(id[:], 1+int(binary.BigEndian.Uint16(id[:2]))%900)
}

func crash(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	var links sync.RWMutex
	s := open(t, "blobs", file.Options{FS: lockedLinks{fs, &links}})
	var (
		mu              sync.Mutex
		finished, freed = map[blob.ID]bool{}, map[blob.ID]bool{}
		freeing         = map[blob.ID]bool{}
		wg              sync.WaitGroup
		total           atomic.Int64
		ctx             = context.Background()
	)
	cutAt, reached, done := 1+rng.Int64N(60), make(chan struct{}), make(chan struct{})
	for w := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)+1))
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w, err := s.Create(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				id := w.ID()
				if _, err := w.Write(content(id)); err != nil {
					t.Error(err)
				}
				if rng.IntN(5) == 0 {
					w.Abort()
					continue
				}
				if err := w.Finish(); err != nil {
					t.Error(err)
				}
				mu.Lock()
				finished[id] = true
				mu.Unlock()
				if rng.IntN(3) > 0 {
					if err := s.Keep(ctx, id); err != nil {
						t.Error(err)
					}
				}
				if rng.IntN(3) == 0 {
					mu.Lock()
					freeing[id] = true
					mu.Unlock()
					if err := s.Free(ctx, id); err != nil {
						t.Error(err)
					}
					mu.Lock()
					freed[id] = true
					mu.Unlock()
				}
				if total.Add(1) == cutAt {
					close(reached)
				}
			}
		})
	}
	<-reached
	mu.Lock() // what a caller was told before the crash
	wasFinished, wasFreed := clone(finished), clone(freed)
	mu.Unlock()
	links.Lock()
	crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 35, RNG: rng})
	links.Unlock()
	mu.Lock()
	mayBeFreed, known := clone(freeing), clone(finished)
	mu.Unlock()
	close(done)
	wg.Wait()

	s = open(t, "blobs", file.Options{FS: crashed})
	ids, err := s.Pending(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		known[id] = true
	}
	for id := range wasFinished {
		r, err := s.Open(ctx, id)
		switch {
		case wasFreed[id]:
			if err == nil {
				t.Errorf("%s was freed and is back", id)
				r.Close()
			}
			continue
		case errors.Is(err, blob.ErrNotFound) && mayBeFreed[id]:
			continue
		case err != nil:
			t.Errorf("%s was finished: %v", id, err)
			continue
		}
		got := make([]byte, r.Size())
		r.ReadAt(got, 0)
		if !bytes.Equal(got, content(id)) {
			t.Errorf("%s was finished, and is torn", id)
		}
		r.Close()
	}
	places, err := crashed.List("blobs")
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range places {
		if place == "new" {
			continue
		}
		names, err := crashed.List("blobs/" + place)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			id, err := blob.ParseID(name)
			if err != nil || !known[id] {
				t.Errorf("%s was left, and nobody knows of it", name)
				continue
			}
			if got := blobtest.Read(t, s, id); !bytes.Equal(got, content(id)) {
				t.Errorf("%s is readable, and torn", id)
			}
		}
	}
}

func clone(m map[blob.ID]bool) map[blob.ID]bool {
	c := make(map[blob.ID]bool, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}
