package sqs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
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
