package pebble_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
)

// benchDir is on tmpfs where there is one: the disk is then the one millisecond that is added to each sync, the same on
// every machine. OBIDOS_BENCH_DIR=. measures a real disk.
func benchDir(b *testing.B) (string, vfs.FS) {
	dir, fs := os.Getenv("OBIDOS_BENCH_DIR"), vfs.Default
	if dir == "" {
		dir, fs = "/dev/shm", slowsync.New(vfs.Default, time.Millisecond)
	}
	if _, err := os.Stat(dir); err != nil {
		dir = ""
	}
	dir, err := os.MkdirTemp(dir, "obidos-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir, fs
}

// together runs op b.N times from so many goroutines and reports how many a second.
func together(b *testing.B, writers int, op func(n uint64) error) {
	var (
		next atomic.Uint64
		wg   sync.WaitGroup
	)
	b.ReportAllocs()
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					return
				}
				if err := op(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

func eachCrowd(b *testing.B, run func(b *testing.B, writers int)) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { run(b, writers) })
	}
}

func benchKey(n uint64) []byte { return fmt.Appendf(nil, "row/%016x", n*0x9e3779b97f4a7c15) }

// BenchmarkBare is pebble alone, each writer committing a batch of its own with a sync: what group commit can reach.
func BenchmarkBare(b *testing.B) {
	eachCrowd(b, func(b *testing.B, writers int) {
		dir, fs := benchDir(b)
		db, err := crdb.Open(dir, &crdb.Options{
			FS: fs, MemTableSize: 16 << 20, FormatMajorVersion: crdb.FormatNewest,
			MemTableStopWritesThreshold: 4, L0StopWritesThreshold: 1000, Logger: quiet{},
		})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		value := make([]byte, 1024)
		together(b, writers, func(n uint64) error { return db.Set(benchKey(n), value, crdb.Sync) })
	})
}

type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(string, ...any)        {}
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func BenchmarkUpdate(b *testing.B) {
	eachCrowd(b, func(b *testing.B, writers int) {
		dir, fs := benchDir(b)
		e := benchEngine(b, dir, fs)
		value := make([]byte, 1024)
		together(b, writers, func(n uint64) error {
			return e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
				tx.Set(benchKey(n), value)
				return nil
			})
		})
	})
}

func BenchmarkReadModifyWrite(b *testing.B) {
	eachCrowd(b, func(b *testing.B, writers int) {
		dir, fs := benchDir(b)
		e := benchEngine(b, dir, fs)
		value := make([]byte, 256)
		together(b, writers, func(n uint64) error {
			return e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
				key := benchKey(n % 50_000)
				if _, err := tx.Get(key); err != nil {
					return err
				}
				tx.Set(key, value)
				return nil
			})
		})
	})
}

func benchEngine(b *testing.B, dir string, fs vfs.FS) *pebble.Engine {
	e, err := pebble.Open(dir, pebble.Options{FS: fs})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

// Reads of 50,000 rows, all in the block cache.
func BenchmarkView(b *testing.B) {
	e := benchEngine(b, b.TempDir(), vfs.Default)
	const rows = 50_000
	for n := uint64(0); n < rows; n += 500 {
		err := e.Update(b.Context(), store.UpdateOptions{Lazy: n+500 < rows}, func(tx store.Txn) error {
			for i := range uint64(500) {
				tx.Set(benchKey(n+i), make([]byte, 256))
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("get", func(b *testing.B) {
		together(b, 2, func(n uint64) error {
			return e.View(context.Background(), func(r store.Reader) error {
				_, err := r.Get(benchKey(n % rows))
				return err
			})
		})
	})
	b.Run("scan10", func(b *testing.B) {
		together(b, 2, func(n uint64) error {
			return e.View(context.Background(), func(r store.Reader) error {
				return r.Scan(store.Range{Lo: benchKey(n % rows), Limit: 10}, func(_, _ []byte) bool { return true })
			})
		})
	})
}

// BenchmarkOpen opens a store of a million rows that was closed, and one that was killed, and says how long the first read
// takes to come.
func BenchmarkOpen(b *testing.B) {
	dir, _ := benchDir(b)
	e := benchEngine(b, dir, vfs.Default)
	const rows, each = 1_000_000, 1000
	for n := uint64(0); n < rows; n += each {
		err := e.Update(b.Context(), store.UpdateOptions{Lazy: true, Owned: true}, func(tx store.Txn) error {
			value := make([]byte, 300)
			for i := range uint64(each) {
				tx.Set(fmt.Appendf(nil, "queue/%016x", n+i), value)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	killed := dir + "-killed"
	b.Cleanup(func() { os.RemoveAll(killed) })
	if err := e.Checkpoint(killed); err != nil { // what a killed process leaves: the log is to be replayed
		b.Fatal(err)
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	for name, dir := range map[string]string{"closed": dir, "killed": killed} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				e, err := pebble.Open(dir, pebble.Options{})
				if err != nil {
					b.Fatal(err)
				}
				err = e.View(b.Context(), func(r store.Reader) error {
					return r.Scan(store.Range{Lo: []byte("queue/"), Limit: 10}, func(_, _ []byte) bool { return true })
				})
				b.StopTimer()
				if err != nil {
					b.Fatal(err)
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
