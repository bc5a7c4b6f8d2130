package task_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

// BenchmarkHop is one task after the other: the transaction that adds it, and then from its return to the function.
func BenchmarkHop(b *testing.B) {
	for _, key := range []string{"", "key"} {
		b.Run(fmt.Sprintf("key=%q", key), func(b *testing.B) {
			begun := make(chan struct{})
			space, q, stop := benchmark(b, func() { begun <- struct{}{} })
			defer stop()
			ctx := aws.WithRequest(context.Background(), &aws.Request{Scope: scope})
			b.ReportAllocs()
			for b.Loop() {
				add(b, ctx, space, q, key)
				<-begun
			}
		})
	}
}

// BenchmarkThroughput is tasks added by many at once, to the end of the last.
func BenchmarkThroughput(b *testing.B) {
	done := make(chan struct{}, 1024)
	space, q, stop := benchmark(b, func() { done <- struct{}{} })
	defer stop()
	b.ReportAllocs()
	ended := make(chan struct{})
	n := b.N
	go func() {
		defer close(ended)
		for range n {
			<-done
		}
	}()
	b.RunParallel(func(pb *testing.PB) {
		ctx := aws.WithRequest(context.Background(), &aws.Request{Scope: scope})
		for pb.Next() {
			add(b, ctx, space, q, "")
		}
	})
	<-ended
}

func add(b *testing.B, ctx context.Context, space store.Space, q task.Queue[string], key string) {
	_, err := store.Update(ctx, space, func(tx *store.Tx) (struct{}, error) {
		q.Add(tx, "a body of some length that is handed on", task.Add{Target: "arn:aws:sqs:eu-west-1:111122223333:q", Key: key})
		return struct{}{}, nil
	})
	if err != nil {
		b.Error(err)
	}
}

func benchmark(b *testing.B, fn func()) (space store.Space, q task.Queue[string], stop func()) {
	c, e := clock.New(), memory.New(memory.Options{})
	s := &store.Store{Engine: e, Clock: c}
	r := task.NewRunner(s.Space("task"), c, task.RunnerOptions{})
	q = task.NewQueue(r, "bench", func(context.Context, string, string) error { fn(); return nil }, task.Options{})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	return s.Space("service"), q, func() { cancel(); <-ended; e.Close(); c.Close() }
}
