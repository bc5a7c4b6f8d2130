package owner_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
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
