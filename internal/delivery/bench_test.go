package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

type arrivals chan time.Time

func (a arrivals) Invoke(context.Context, *model.Operation, any) (any, error) {
	a <- time.Now()
	return &sqsapi.SendMessageOutput{}, nil
}

// BenchmarkHop is from the commit of an event to the call of its target.
func BenchmarkHop(b *testing.B) {
	c, e, arrived := clock.New(), memory.New(memory.Options{}), make(arrivals)
	defer c.Close()
	defer e.Close()
	s := &store.Store{Engine: e, Clock: c}
	r := task.NewRunner(s.Space("task"), c, task.RunnerOptions{})
	d := delivery.New(r, c, arrived, delivery.Options{})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	ev := event("q", "a body of some length that is handed on")
	var hops time.Duration
	b.ReportAllocs()
	for b.Loop() {
		var committed time.Time
		_, err := store.Update(ctx, s.Space("sns"), func(tx *store.Tx) (struct{}, error) {
			tx.OnCommit(func() { committed = time.Now() })
			d.Send(tx, ev)
			return struct{}{}, nil
		})
		if err != nil {
			b.Fatal(err)
		}
		hops += (<-arrived).Sub(committed)
	}
	b.ReportMetric(float64(hops.Nanoseconds())/float64(b.N), "hop-ns/op")
	cancel()
	<-ended
}
