package partition_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

type row struct {
	store.Unknown
	Times int `cbor:"1,keyasint"`
}

// ground is rows in a store that answers unknown to so many commits.
func ground(t *testing.T, unknown float64, places partition.Places) (partition.Rows, store.Table[row], *memory.Engine) {
	t.Helper()
	c, e := clock.New(), memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1, Unknown: unknown}})
	t.Cleanup(func() { e.Close(); c.Close() })
	space := (&store.Store{Engine: e, Clock: c}).Space("test")
	return partition.Rows{Space: space, Clock: c, Places: places, Log: slog.New(slog.DiscardHandler)}, store.NewTable[row](space, 1, "rows", store.Global), e
}

// elsewhere is the places of a node that serves nothing any more after so many questions.
type elsewhere struct {
	partition.Places
	left atomic.Int32
}

func (p *elsewhere) Owned(uint16) (store.Fence, bool) { return store.Fence{}, p.left.Add(-1) >= 0 }

func TestACommitIsTriedUntilItIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows, table, _ := ground(t, 0.7, partition.Alone())
		for i := range uint64(200) {
			o := store.UpdateOptions{Name: "test.settle", Partition: uint16(i)}
			v, ok := partition.Commit(t.Context(), rows, o, func(tx *store.Tx) uint64 {
				table.Set(tx, row{Times: 1}, i)
				return i
			})
			if !ok || v != i {
				t.Fatalf("commit %d: %d, %v", i, v, ok)
			}
		}
		n, ok := partition.Read(t.Context(), rows, store.UpdateOptions{Name: "test.read"}, func(tx *store.Tx) (n int) {
			for range table.Keys(tx, store.ScanOptions{}) {
				n++
			}
			return n
		})
		if !ok || n != 200 {
			t.Errorf("%d of 200 rows are there (%v)", n, ok)
		}
	})
}

func TestACommitEndsWithWhatItNeeds(t *testing.T) {
	set := func(rows partition.Rows, table store.Table[row], ctx context.Context) bool {
		_, ok := partition.Commit(ctx, rows, store.UpdateOptions{Name: "test.settle"}, func(tx *store.Tx) bool {
			table.Set(tx, row{Times: 1}, uint64(1))
			return true
		})
		return ok
	}
	t.Run("the partition is lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &elsewhere{}
			p.left.Store(5)
			rows, table, _ := ground(t, 1, p)
			if set(rows, table, t.Context()) {
				t.Error("a commit about a partition that was lost")
			}
			if left := p.left.Load(); left != -1 {
				t.Errorf("asked %d times more whose it is", -1-left)
			}
		})
	})
	t.Run("the context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			rows, table, _ := ground(t, 1, partition.Alone())
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if start := time.Now(); set(rows, table, ctx) || time.Since(start) != time.Minute {
				t.Errorf("it ended after %s", time.Since(start))
			}
		})
	})
	t.Run("the store is closed", func(t *testing.T) {
		rows, table, engine := ground(t, 0, partition.Alone())
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
		if set(rows, table, t.Context()) {
			t.Error("a commit in a closed store")
		}
	})
}

func TestBackoff(t *testing.T) {
	const first, most = time.Second, time.Minute
	failed := errors.New("failed")
	for failures, want := range map[int]time.Duration{1: first, 2: 2 * first, 5: 16 * first, 7: most, 64: most, 1 << 30: most} {
		for range 100 {
			if got := partition.Backoff(failures, failed, first, most); got < want/2 || got > want {
				t.Fatalf("after %d failures %s, want %s or up to half less", failures, got, want)
			}
		}
	}
	for failures := 1; failures <= 4; failures++ {
		if got := partition.Backoff(failures, store.ErrUnknown, first, most); (got == 0) != (failures <= 3) {
			t.Errorf("after %d unknown outcomes %s", failures, got)
		}
	}
}

func TestWorkUnderWayHasItsGrace(t *testing.T) {
	for _, needs := range []time.Duration{3 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var work sync.WaitGroup
			shut := false
			open := func(base context.Context) {
				work.Go(func() {
					select {
					case <-time.After(needs):
					case <-base.Done():
					}
				})
			}
			time.AfterFunc(0, cancel)
			start := time.Now()
			partition.Run(ctx, 10*time.Second, &work, open, func() { shut = true })
			if took := time.Since(start); took != min(needs, 10*time.Second) || !shut {
				t.Errorf("work of %s ended after %s (shut: %v)", needs, took, shut)
			}
		})
	}
}
