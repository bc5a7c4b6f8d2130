package transfer_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/transfer"
)

// onFS is a place on a disk.
func onFS(t *testing.T, disk vfs.FS) place {
	t.Helper()
	e, err := pebble.Open("store", pebble.Options{FS: disk, MemTable: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	b, err := file.Open("blobs", file.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	return place{&store.Store{Engine: e, Clock: clock.New()}, b}
}

// Wherever in an import the power fails: what is there is nothing, all, or known to be a part; and the same file finishes it.
func TestImportSurvivesPowerCuts(t *testing.T) {
	t.Parallel()
	rounds := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("OBIDOS_CRASHES"), 10, 64); err == nil {
		rounds += n / 10
	}
	from := inMemory(t)
	from.fill(t, 2500)
	text, want := from.export(t), from.all(t)
	for seed := range rounds {
		var (
			mu    sync.Mutex
			rng   = rand.New(rand.NewPCG(seed, 5))
			disk  = vfs.NewCrashableMem()
			armed bool
			left  []*vfs.MemFS
		)
		fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if armed && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && rng.IntN(25) == 0 {
				left = append(left, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rng}))
			}
			return nil
		}))
		to := onFS(t, fs)
		// What a start leaves before the import.
		if err := to.Engine.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error { tx.Set([]byte("telemetry\x00x"), nil); return nil }); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		armed = true
		mu.Unlock()
		if err := to.take(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		armed = false
		mu.Unlock()
		if to.all(t) != want {
			t.Fatal("it was not taken whole")
		}
		if err := to.Engine.Close(); err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for n, clone := range left {
			at := onFS(t, clone)
			unfinished, err := transfer.Unfinished(t.Context(), at.Engine)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case unfinished:
				counts["parts"]++
			case transfer.Empty(t.Context(), at.Engine) == nil:
				counts["none"]++
			case at.all(t) == want:
				counts["whole"]++
				continue
			default:
				t.Fatalf("seed %d, power cut %d of %d: a part is taken for the whole", seed, n, len(left))
			}
			if err := at.take(t.Context(), text[:rng.IntN(len(text))]); err == nil { // and once more
				t.Fatal("a file cut short was taken")
			}
			if err := at.take(t.Context(), bytes.Clone(text)); err != nil || at.all(t) != want {
				t.Fatalf("seed %d, power cut %d of %d: the same file did not finish it: %v", seed, n, len(left), err)
			}
			if err := at.Engine.Close(); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d power cuts: %v", len(left), counts)
	}
}
