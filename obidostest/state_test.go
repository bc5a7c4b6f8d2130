package obidostest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/obidos-cloud/obidos/obidostest"
)

// A state comes back whole, the clock included; what was handed out since means nothing in it.
func TestStateIsSetBack(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(t *testing.T) []obidostest.Option{
		"memory": func(*testing.T) []obidostest.Option { return nil },
		"pebble": func(t *testing.T) []obidostest.Option { return []obidostest.Option{obidostest.Data(t.TempDir())} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			o := options(t)
			p := obidostest.Start(t, o...)
			queues := sqs.NewFromConfig(p.Config)
			q, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")})
			if err != nil {
				t.Fatal(err)
			}
			send := func(body string) {
				t.Helper()
				if _, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String(body)}); err != nil {
					t.Fatal(err)
				}
			}
			receive := func() (body, handle string) {
				t.Helper()
				out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl})
				if err != nil {
					t.Fatal(err)
				}
				if len(out.Messages) == 0 {
					return "", ""
				}
				return *out.Messages[0].Body, *out.Messages[0].ReceiptHandle
			}
			send("before")
			p.Snapshot(t, "a")
			before := p.Now()
			p.Advance(t, 24*time.Hour)
			if body, _ := receive(); body != "before" {
				t.Fatalf("received %q", body)
			}
			send("abandoned")
			_, stale := receive()

			p.Restore(t, "a")
			if ahead := p.Now().Sub(before); ahead > time.Hour {
				t.Errorf("the clock is %v ahead of where it was", ahead)
			}
			if body, _ := receive(); body != "before" {
				t.Errorf("received %q from the state that was set back", body)
			}
			send("after")
			// The handle of the message that is no more must not stand for the one sent in its place.
			queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: q.QueueUrl, ReceiptHandle: aws.String(stale)}) // either way
			if body, _ := receive(); body != "after" {
				t.Errorf("received %q, want what was sent after", body)
			}

			p.Reset(t)
			if list, err := queues.ListQueues(ctx, &sqs.ListQueuesInput{}); err != nil || len(list.QueueUrls) > 0 {
				t.Errorf("after a reset there are %v, %v", list, err)
			}
			p.Restore(t, "a") // a reset keeps snapshots
			if body, _ := receive(); body != "before" {
				t.Errorf("received %q after a reset and a restore", body)
			}
			if name == "pebble" { // and it is this state that a restart finds
				if err := p.Stop(); err != nil {
					t.Fatal(err)
				}
				p = obidostest.Start(t, o...)
				queues = sqs.NewFromConfig(p.Config)
				p.Advance(t, time.Minute)
				if body, _ := receive(); body != "before" {
					t.Errorf("received %q after a restart", body)
				}
				p.Restore(t, "a")
			}
			p.DeleteSnapshot(t, "a")
		})
	}
}
