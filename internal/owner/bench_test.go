package owner_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
)

// free is an engine whose commits cost nothing once the node has taken its partitions: what is left is ours.
type free struct{ store.Engine }

func (f *free) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if o.Name == "owner.commit" {
		return nil
	}
	return f.Engine.Update(ctx, o, fn)
}

func add(s *counter, b *owner.Batch) (uint64, error) {
	s.n++
	s.table.Set(b, s.n, s.id)
	return s.n, nil
}

func get(s *counter, b *owner.Batch) (uint64, error) { return s.n, nil }

func BenchmarkDo(b *testing.B) {
	for _, e := range []struct {
		name   string
		engine store.Engine
	}{{"free", &free{memory.New(memory.Options{})}}, {"memory", memory.New(memory.Options{})}} {
		c, _ := alone(b, e.engine)
		ctx := scoped(b.Context())
		c.get(ctx, "x")
		for _, o := range []struct {
			name string
			fn   func(*counter, *owner.Batch) (uint64, error)
		}{
			{"read", get},
			{"write", add},
			{"lazy", func(s *counter, b *owner.Batch) (uint64, error) { b.Lazy(); return add(s, b) }},
		} {
			b.Run(fmt.Sprintf("%s/%s", e.name, o.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := owner.Do(ctx, c.kind, "x", o.fn); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%s/64", e.name, o.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32)
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if _, err := owner.Do(ctx, c.kind, "x", o.fn); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkDurable writes 1 KiB through the objects of one node, on a disk that syncs in 1 ms; BenchmarkBare of package
// store/pebble is the limit.
func BenchmarkDurable(b *testing.B) {
	for _, objects := range []uint64{1, 1000} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("objects=%d/callers=%d", objects, callers), func(b *testing.B) {
				dir, err := os.MkdirTemp("/dev/shm", "obidos-bench-")
				if err != nil {
					b.Skip(err)
				}
				defer os.RemoveAll(dir)
				e, err := pebble.Open(dir, pebble.Options{FS: slowsync.New(vfs.Default, time.Millisecond), Room: pebble.RoomOptions{Free: 1}})
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close()
				c, w := alone(b, e)
				defer func() { b.StopTimer(); c.stop() }()
				rows := store.NewTable[[]byte](w.store.Space("rows"), 1, "row", store.Global)
				ctx, value := scoped(b.Context()), make([]byte, 1024)
				var (
					next atomic.Uint64
					wg   sync.WaitGroup
				)
				b.ReportAllocs()
				b.ResetTimer()
				for range callers {
					wg.Go(func() {
						for {
							n := next.Add(1)
							if n > uint64(b.N) {
								return
							}
							_, err := owner.Do(ctx, c.kind, strconv.FormatUint(n%objects, 10), func(s *counter, b *owner.Batch) (int, error) {
								rows.Set(b, value, n*0x9e3779b97f4a7c15)
								return 0, nil
							})
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}
