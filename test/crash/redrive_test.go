package crash

import (
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/obidostest"
)

// A message that was received too often is in the dead-letter queue at once, on a real disk too, and so is one that a task
// moves back: what follows a commit is found whatever that commit waited for.
func TestRedriveFollowsAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := obidostest.Start(t, obidostest.Data(t.TempDir()))
	c := newCallers(1, 0)
	c.lead(obidostest.URL, p.Client)
	c.prepare(ctx, t)
	receive := func(q *queue, wait int) []message {
		t.Helper()
		var out struct{ Messages []message }
		if err := c.call(ctx, "ReceiveMessage", object{"QueueUrl": q.url(), "VisibilityTimeout": 0, "WaitTimeSeconds": wait}, &out); err != nil {
			t.Fatal(err)
		}
		return out.Messages
	}
	var slowest time.Duration
	within := func(act func()) {
		t.Helper()
		start := time.Now()
		if act(); time.Since(start) > 5*time.Second {
			t.Errorf("took %v", time.Since(start))
		}
		slowest = max(slowest, time.Since(start))
	}
	for range 5 {
		if err := c.call(ctx, "SendMessage", object{"QueueUrl": source.url(), "MessageBody": "poison"}, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if len(receive(source, 0)) != 1 {
				t.Fatal("the message is not there")
			}
		}
		if got := receive(source, 0); len(got) != 0 {
			t.Fatalf("received %v a third time", got)
		}
		within(func() {
			if len(receive(sourceDead, 20)) != 1 {
				t.Error("the message is not in the dead-letter queue")
			}
		})
		if err := c.call(ctx, "StartMessageMoveTask", object{"SourceArn": sourceDead.arn()}, nil); err != nil {
			t.Fatal(err)
		}
		within(func() {
			got := receive(source, 20)
			if len(got) != 1 {
				t.Fatal("the message did not come back")
			}
			if err := c.call(ctx, "DeleteMessage", object{"QueueUrl": source.url(), "ReceiptHandle": got[0].ReceiptHandle}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	t.Logf("after %v at the latest", slowest)
}
