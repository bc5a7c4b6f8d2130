package obidostest_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/obidos-cloud/obidos/obidostest"
)

// clients has a client of each node.
func clients(c *obidostest.Nodes) []*sqs.Client {
	var all []*sqs.Client
	for _, p := range c.Nodes {
		all = append(all, sqs.NewFromConfig(p.Config, func(o *sqs.Options) { o.RetryMaxAttempts = 10 }))
	}
	return all
}

func TestAnyNodeAnswersForAnyQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := clients(obidostest.Cluster(t, 2))
		for i := range 20 {
			here, there := nodes[i%2], nodes[1-i%2]
			url := queue(t, here, fmt.Sprintf("q-%d", i), nil)
			got := make(chan int, 1)
			go func() { got <- len(receive(t, there, url, 20)) }()
			synctest.Wait()
			begin := time.Now()
			send(t, here, url, "hello")
			if n := <-got; n != 1 || time.Since(begin) > 0 {
				t.Errorf("a poll at the other node received %d messages after %v", n, time.Since(begin))
			}
		}
	})
}

func TestClusterHasOneClock(t *testing.T) {
	t.Parallel()
	c := obidostest.Cluster(t, 2)
	nodes := clients(c)
	for i := range 6 {
		url := queue(t, nodes[0], fmt.Sprintf("q-%d", i), map[string]string{"DelaySeconds": "600"})
		send(t, nodes[1], url, "later")
		c.Nodes[i%2].Advance(t, 601*time.Second)
		if got := receive(t, nodes[1-i%2], url, 0); len(got) != 1 {
			t.Errorf("received %d messages after the delay", len(got))
		}
	}
}

// What crosses from one queue to another is a task, and may have to be done by another node than the one it was written at.
func TestRedriveBetweenNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := clients(obidostest.Cluster(t, 2))
		for i := range 8 {
			dead := queue(t, nodes[0], fmt.Sprintf("dead-%d", i), nil)
			url := queue(t, nodes[1], fmt.Sprintf("q-%d", i), map[string]string{
				"VisibilityTimeout": "1",
				"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead-%d","maxReceiveCount":"1"}`, i),
			})
			send(t, nodes[0], url, "poison")
			if got := receive(t, nodes[1], url, 0); len(got) != 1 {
				t.Fatalf("received %d messages", len(got))
			}
			time.Sleep(2 * time.Second)
			if got := receive(t, nodes[0], url, 0); len(got) != 0 {
				t.Fatalf("received %d messages again", len(got))
			}
			if got := receive(t, nodes[1], dead, 20); len(got) != 1 {
				t.Errorf("received %d messages from the dead-letter queue", len(got))
			}
		}
	})
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := obidostest.Cluster(t, 2)
		nodes := clients(c)
		var urls []string
		for i := range 20 {
			urls = append(urls, queue(t, nodes[i%2], fmt.Sprintf("q-%d", i), nil))
			for n := range 5 {
				send(t, nodes[n%2], urls[i], fmt.Sprint(n))
			}
			for _, m := range receive(t, nodes[0], urls[i], 0) {
				if _, err := nodes[1].DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &urls[i], ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
			}
		}
		begin := time.Now()
		c.Kill(0)
		for i, url := range urls {
			send(t, nodes[1], url, "after")
			seen := map[string]bool{}
			for len(seen) < 5 { // four from before, one from now
				got := receive(t, nodes[1], url, 5)
				if len(got) == 0 {
					t.Fatalf("queue %d has only %v", i, seen)
				}
				for _, m := range got {
					if seen[*m.Body] {
						t.Errorf("queue %d: %s came twice", i, *m.Body)
					}
					seen[*m.Body] = true
				}
			}
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("taking over took %v", took)
		}
		if _, err := nodes[0].ListQueues(t.Context(), &sqs.ListQueuesInput{}, func(o *sqs.Options) { o.RetryMaxAttempts = 1 }); err == nil {
			t.Error("the dead node answers")
		}
		out, err := nodes[1].ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: aws.String("q-")})
		if err != nil || len(out.QueueUrls) != 20 {
			t.Errorf("the other sees %v, %v", out, err)
		}
	})
}

// Asked at any node, a reset is of all; the clock begins anew with them.
func TestNodesAreResetTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := obidostest.Cluster(t, 3)
		began := c.Nodes[0].Now()
		for i, p := range c.Nodes {
			if _, err := sqs.NewFromConfig(p.Config).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprint("q", i))}); err != nil {
				t.Fatal(err)
			}
		}
		c.Nodes[1].Advance(t, 24*time.Hour)
		var all sync.WaitGroup
		for _, p := range c.Nodes[:2] {
			all.Go(func() { p.Reset(t) })
		}
		all.Wait()
		for _, p := range c.Nodes {
			if list, err := sqs.NewFromConfig(p.Config).ListQueues(ctx, &sqs.ListQueuesInput{}); err != nil || len(list.QueueUrls) > 0 {
				t.Errorf("after a reset there are %v, %v", list, err)
			}
			if ahead := p.Now().Sub(began); ahead > time.Hour {
				t.Errorf("the clock is still ahead by %v", ahead)
			}
		}
	})
}
