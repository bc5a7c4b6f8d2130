package sqs_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// A consumer whose time is over may still put its message out of sight again; it is there once when that is over.
func TestVisibilityChangedWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "orders", "VisibilityTimeout", "1")
		p.send(ctx, url, "first")
		p.send(ctx, url, "second")
		handle := p.receive(ctx, url, 2)[1].ReceiptHandle.V
		for range 3 {
			time.Sleep(6 * time.Second)
			if _, err := p.ChangeMessageVisibility(ctx, &sqsapi.ChangeMessageVisibilityInput{
				QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: 5,
			}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(6 * time.Second)
		if got := p.receive(ctx, url, 10); len(got) != 2 {
			t.Errorf("received %v, want each message once", bodies(got))
		}
		p.stop()
	})
}

// stalled is an engine whose commits take their time.
type stalled struct {
	store.Engine
	by time.Duration
}

func (e *stalled) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	time.Sleep(e.by)
	return e.Engine.Update(ctx, o, fn)
}

// A message whose delay is over before it is stored is there once it is.
func TestDelayThatEndsBeforeTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &stalled{Engine: memory.New(memory.Options{})}
		p, ctx := start(t, engine, sqs.Options{}), t.Context()
		url := p.create(ctx, "slow")
		p.send(ctx, url, "loaded")
		p.drain(ctx, url, 1)
		engine.by = 3 * time.Second
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			p.send(ctx, url, "late", func(in *sqsapi.SendMessageInput) { in.DelaySeconds = aws.Some(int32(1)) })
		}()
		time.Sleep(2 * time.Second)
		if got := bodies(p.receive(ctx, url, 10)); len(got) != 0 {
			t.Errorf("received %q, which is not stored yet", got)
		}
		<-sent
		if got := bodies(p.receive(ctx, url, 10)); !slices.Equal(got, []string{"late"}) {
			t.Errorf("received %q once it was stored, want what was sent", got)
		}
		p.stop()
	})
}
