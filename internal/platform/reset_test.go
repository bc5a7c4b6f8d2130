package platform_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/postgres"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

func queueURL(i int) string { return fmt.Sprintf("http://x/000000000000/q%d", i) }

// fill makes queues at all nodes, each with a message and one in flight, and moves the time.
func fill(t *testing.T, nodes []*node, queues int) {
	t.Helper()
	for i := range queues {
		n := nodes[i%len(nodes)]
		n.must(t, "CreateQueue", fmt.Sprintf(`{"QueueName":"q%d"}`, i))
		n.must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"old"}`, queueURL(i)))
		n.must(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q}`, queueURL(i)))
		n.must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"old, delayed","DelaySeconds":2}`, queueURL(i)))
	}
	if _, err := nodes[0].post("/_obidos/clock", "", `{"advance":"24h"}`); err != nil {
		t.Fatal(err)
	}
}

// forgotten fails unless no node knows anything of what was, and all serve what comes.
func forgotten(t *testing.T, nodes []*node, queues int) {
	t.Helper()
	for _, n := range nodes {
		if got := n.must(t, "ListQueues", `{}`); strings.Contains(got, "/q") {
			t.Errorf("a node still lists %s", got)
		}
		if _, offset := n.Now(); offset != 0 {
			t.Errorf("a node's clock is ahead by %v", offset)
		}
		for i := range queues {
			if _, err := n.post("/", "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"x"}`, queueURL(i))); err == nil || !strings.Contains(err.Error(), "QueueDoesNotExist") {
				t.Errorf("a send to a queue that is forgotten: %v", err)
			}
		}
	}
	for i := range queues {
		nodes[i%len(nodes)].must(t, "CreateQueue", fmt.Sprintf(`{"QueueName":"q%d"}`, i))
		nodes[(i+1)%len(nodes)].must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"new"}`, queueURL(i)))
		seen := nodes[(i+2)%len(nodes)].must(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, queueURL(i)))
		if !strings.Contains(seen, `"new"`) || strings.Contains(seen, "old") {
			t.Errorf("queue %d gives %s", i, seen)
		}
	}
}

func startNodes(t *testing.T, e store.Engine, number int) (nodes []*node) {
	t.Helper()
	for i := range number {
		nodes = append(nodes, startNode(t, e, fmt.Sprint("n", i)))
	}
	settled(t, nodes[0], number)
	return nodes
}

// One node is asked, and all forget: at once, while clients send, on whatever store.
func TestResetOfACluster(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) store.Engine{
		"memory": func(*testing.T) store.Engine { return memory.New(memory.Options{}) },
		"postgres": func(t *testing.T) store.Engine {
			e, err := postgres.Open(t.Context(), pgtest.Start(t).URL(), postgres.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			t.Cleanup(func() { e.Close() })
			nodes := startNodes(t, e, 3)
			const queues = 9
			fill(t, nodes, queues)

			// Once the reset is answered, no send that begins then finds a queue.
			var resets, found atomic.Int64
			var clients sync.WaitGroup
			ctx, stop := context.WithCancel(t.Context())
			for c := range 6 {
				clients.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						after := resets.Load() > 0
						_, err := nodes[(c+i)%3].post("/", "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"old"}`, queueURL(i%queues)))
						switch {
						case err == nil && after:
							found.Add(1)
						case err != nil && !strings.Contains(err.Error(), "QueueDoesNotExist") && !strings.Contains(err.Error(), "503"):
							t.Errorf("a send while all is forgotten: %v", err)
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			time.Sleep(100 * time.Millisecond)
			began := time.Now()
			if _, err := nodes[1].post("/_obidos/reset", "", ""); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			resets.Add(1)
			time.Sleep(100 * time.Millisecond)
			stop()
			clients.Wait()
			if n := found.Load(); n > 0 {
				t.Errorf("%d sends found their queue after the reset", n)
			}
			forgotten(t, nodes, queues)
			t.Logf("it took %v", took)

			// Two at once do not wait for each other.
			fill(t, nodes, queues)
			var both sync.WaitGroup
			began = time.Now()
			for _, n := range nodes[:2] {
				both.Go(func() {
					if err := n.Reset(t.Context()); err != nil {
						t.Errorf("one of two resets: %v", err)
					}
				})
			}
			both.Wait()
			t.Logf("two at once took %v", time.Since(began))
			forgotten(t, nodes, queues)
		})
	}
}

// A node that hears of nothing finds out by itself that the store was emptied, and begins anew.
func TestResetThatNobodyHeard(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	nodes := startNodes(t, e, 2)
	const queues = 6
	fill(t, nodes, queues)
	if err := snapshot.Empty(t.Context(), &store.Store{Engine: e, Clock: clock.New()}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		begun := 0
		for _, n := range nodes {
			if _, offset := n.Now(); offset == 0 {
				begun++
			}
		}
		if begun == len(nodes) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the nodes did not begin anew")
		}
	}
	settled(t, nodes[0], 2)
	forgotten(t, nodes, queues)
}

// A reset ends also where the node that is asked is about to end, or the caller is gone.
func TestResetThatIsCutShort(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	nodes := startNodes(t, e, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := nodes[0].Reset(ctx); err == nil {
		t.Error("a reset nobody waits for succeeded")
	}
	ended := make(chan error, 1)
	go func() { ended <- nodes[0].Reset(context.WithoutCancel(t.Context())) }()
	nodes[0].stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "stopping") {
		t.Errorf("the reset ended with %v", err)
	}
	settled(t, nodes[1], 1)
	nodes[1].must(t, "CreateQueue", `{"QueueName":"after"}`)
}
