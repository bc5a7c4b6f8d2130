package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// open is an engine in memory that the test closes.
func open(t testing.TB, o pebble.Options) *pebble.Engine {
	t.Helper()
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	e, err := pebble.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func put(ctx context.Context, e store.Engine, o store.UpdateOptions, pairs ...string) error {
	return e.Update(ctx, o, func(tx store.Txn) error {
		for i := 0; i < len(pairs); i += 2 {
			tx.Set([]byte(pairs[i]), []byte(pairs[i+1]))
		}
		return nil
	})
}

// all is everything a View sees, "key=value key=value".
func all(t testing.TB, e store.Engine) (s string) {
	t.Helper()
	err := e.View(t.Context(), func(r store.Reader) error {
		return r.Scan(store.Range{}, func(k, v []byte) bool { s += fmt.Sprintf("%s=%s ", k, v); return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommitsAreSeenAndOutliveTheEngine(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, pebble.Options{FS: fs})
	if err := put(t.Context(), e, store.UpdateOptions{}, "a", "1", "b", "2"); err != nil {
		t.Fatal(err)
	}
	if got := all(t, e); got != "a=1 b=2 " {
		t.Errorf("seen: %q", got)
	}
	if err := put(t.Context(), e, store.UpdateOptions{Lazy: true}, "c", "3"); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), e, store.UpdateOptions{}, "d", "4"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("written after Close: %v", err)
	}
	if got := all(t, open(t, pebble.Options{FS: fs})); got != "a=1 b=2 c=3 " {
		t.Errorf("after reopening: %q", got)
	}
}

// What a transaction reads is what a map would say that was changed in the same way, with many writes and with few.
func TestTransactionReadsItsOwnWrites(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	e := open(t, pebble.Options{})
	model := map[string]string{}
	key := func() string { return fmt.Sprintf("%02d", rng.IntN(60)) }
	for round := range 120 {
		kept := maps.Clone(model)
		undo := errors.New("undo")
		err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
			for range 1 + rng.IntN([]int{5, 40, 300}[round%3]) {
				switch rng.IntN(7) {
				case 0, 1:
					k, v := key(), fmt.Sprint(rng.IntN(1000))
					tx.Set([]byte(k), []byte(v))
					model[k] = v
				case 2:
					k := key()
					tx.Delete([]byte(k))
					delete(model, k)
				case 3:
					if rng.IntN(4) > 0 {
						continue
					}
					lo, hi := key(), key()
					tx.DeleteRange([]byte(lo), []byte(hi))
					maps.DeleteFunc(model, func(k, _ string) bool { return lo <= k && k < hi })
				case 4:
					k := key()
					got, err := tx.Get([]byte(k))
					if want, ok := model[k]; err != nil || string(got) != want || ok != (got != nil) {
						return fmt.Errorf("get %s: %q, %v; want %q", k, got, err, want)
					}
				default:
					g := store.Range{Lo: []byte(key()), Hi: []byte(key()), Reverse: rng.IntN(2) == 0, Limit: rng.IntN(4) * 5}
					if rng.IntN(4) == 0 {
						g.Hi = nil
					}
					if got, want := scanned(tx, g), expected(model, g); got != want {
						return fmt.Errorf("scan %+v:\n got %s\nwant %s", g, got, want)
					}
				}
			}
			if rng.IntN(4) == 0 {
				return undo
			}
			return nil
		})
		if errors.Is(err, undo) {
			model = kept
		} else if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, round, err)
		}
	}
	if got, want := all(t, e), expected(model, store.Range{}); got != want {
		t.Errorf("seed %d: at the end:\n got %s\nwant %s", seed, got, want)
	}
}

func scanned(r store.Reader, g store.Range) (s string) {
	if err := r.Scan(g, func(k, v []byte) bool { s += fmt.Sprintf("%s=%s ", k, v); return true }); err != nil {
		return err.Error()
	}
	return s
}

func expected(model map[string]string, g store.Range) (s string) {
	keys := slices.Sorted(maps.Keys(model))
	if g.Reverse {
		slices.Reverse(keys)
	}
	n := 0
	for _, k := range keys {
		if k < string(g.Lo) || len(g.Hi) > 0 && k >= string(g.Hi) || g.Limit > 0 && n == g.Limit {
			continue
		}
		n++
		s += fmt.Sprintf("%s=%s ", k, model[k])
	}
	return s
}

// The bubble ends only when every goroutine has: so this also sees that Close leaves none behind.
func TestLazyWritesAreDurableWithinASecond(t *testing.T) {
	for name, o := range map[string]struct {
		options pebble.Options
		update  store.UpdateOptions
		within  time.Duration
	}{
		"lazy":    {pebble.Options{}, store.UpdateOptions{Lazy: true}, time.Second},
		"relaxed": {pebble.Options{Relaxed: true}, store.UpdateOptions{}, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				o.options.FS = fs
				e := open(t, o.options)
				if err := put(t.Context(), e, o.update, "a", "1"); err != nil {
					t.Fatal(err)
				}
				if got := all(t, e); (got != "") != o.options.Relaxed {
					t.Errorf("a view sees %q before it is durable", got)
				}
				time.Sleep(o.within - time.Millisecond)
				synctest.Wait()
				if got := all(t, open(t, pebble.Options{FS: fs.CrashClone(vfs.CrashCloneCfg{})})); got != "" {
					t.Errorf("synced too early: %q", got)
				}
				time.Sleep(2 * time.Millisecond)
				synctest.Wait()
				if got := all(t, open(t, pebble.Options{FS: fs.CrashClone(vfs.CrashCloneCfg{})})); got != "a=1 " {
					t.Errorf("after a crash: %q", got)
				}
				if got := all(t, e); got != "a=1 " {
					t.Errorf("a view sees %q", got)
				}
			})
		})
	}
}

func TestCloseWaitsForTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, pebble.Options{})
		var written, read bool
		begun := make(chan struct{}, 2)
		go e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
			begun <- struct{}{}
			time.Sleep(time.Second)
			tx.Set([]byte("a"), nil)
			written = true
			return nil
		})
		go e.View(t.Context(), func(r store.Reader) error {
			begun <- struct{}{}
			time.Sleep(2 * time.Second)
			_, err := r.Get([]byte("a"))
			read = err == nil
			return err
		})
		<-begun
		<-begun
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if !written || !read {
			t.Errorf("written %v, read %v when Close returned", written, read)
		}
		if err := e.Close(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
	})
}

// An answer that rests on what is not durable yet waits until it is: the power cut after it takes nothing back.
func TestReadOnlyUpdateWaitsForWhatItRead(t *testing.T) {
	fs := vfs.NewCrashableMem()
	e := open(t, pebble.Options{FS: fs})
	no := errors.New("no")
	for i, answer := range []error{nil, no} {
		key := fmt.Sprint(i)
		if err := put(t.Context(), e, store.UpdateOptions{Lazy: true}, key, "there"); err != nil {
			t.Fatal(err)
		}
		err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
			if v, _ := tx.Get([]byte(key)); v == nil {
				t.Error("an Update does not see what was applied")
			}
			return answer
		})
		if err != answer {
			t.Fatal(err)
		}
		after := open(t, pebble.Options{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
		if got := all(t, after); !strings.Contains(got, key+"=there") {
			t.Errorf("answered %v, then the power failed: %q is left", answer, got)
		}
	}
}

func TestCheckpointOpensAsItWas(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, pebble.Options{FS: fs})
	if err := put(t.Context(), e, store.UpdateOptions{}, "a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := e.Checkpoint("copy"); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), e, store.UpdateOptions{}, "b", "2"); err != nil {
		t.Fatal(err)
	}
	c, err := pebble.Open("copy", pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := all(t, c); got != "a=1 " {
		t.Errorf("the copy has %q", got)
	}
	if err := e.Checkpoint("copy"); err == nil {
		t.Error("a checkpoint overwrites another")
	}
}
