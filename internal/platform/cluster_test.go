package platform_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

func TestNodesOverTheNetworkAreOne(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	var nodes []*node
	for i := range 3 {
		nodes = append(nodes, startNode(t, e, fmt.Sprint("n", i)))
	}
	settled(t, nodes[0], 3)
	const queues = 12 // some of each node's
	url := func(i int) string { return fmt.Sprintf("http://x/000000000000/q%d", i) }
	for i := range queues {
		nodes[i%3].must(t, "CreateQueue", fmt.Sprintf(`{"QueueName":"q%d","Attributes":{"VisibilityTimeout":"600"}}`, i))
	}
	for i := range queues {
		nodes[(i+1)%3].must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"hello %d"}`, url(i), i))
		if got := nodes[(i+2)%3].must(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q}`, url(i))); !strings.Contains(got, fmt.Sprint("hello ", i)) {
			t.Errorf("queue %d: received %s", i, got)
		}
	}
	if _, err := nodes[0].post("/", "SendMessage", `{"QueueUrl":"http://x/000000000000/none","MessageBody":"x"}`); err == nil || !strings.Contains(err.Error(), "QueueDoesNotExist") {
		t.Errorf("an error came as %v", err)
	}

	// Long polls wait at the owner, wherever they were asked, and outlive the end of the node that was it.
	var polls sync.WaitGroup
	for i := range queues {
		polls.Go(func() {
			got, err := nodes[i%2].post("/", "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"WaitTimeSeconds":20}`, url(i)))
			if err != nil || !strings.Contains(got, "late") {
				t.Errorf("queue %d: the poll got %q, %v", i, got, err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	nodes[2].stop()
	for i := range queues {
		nodes[i%2].must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"late"}`, url(i)))
	}
	polls.Wait()
	settled(t, nodes[0], 2)

	// One time: what is delayed at one node comes when another's clock is moved.
	for i := range queues {
		nodes[0].must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"delayed","DelaySeconds":900}`, url(i)))
	}
	if _, err := nodes[1].post("/_obidos/clock", "", `{"advance":"15m1s"}`); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes[:2] {
		if _, offset := n.Now(); offset != 15*time.Minute+time.Second {
			t.Errorf("a clock is ahead by %v", offset)
		}
	}
	for i := range queues {
		seen := ""
		for range 4 {
			seen += nodes[i%2].must(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, url(i)))
		}
		if !strings.Contains(seen, "delayed") {
			t.Errorf("queue %d: received %s", i, seen)
		}
	}

	// A fault that one is told of happens at all.
	if _, err := nodes[0].post("/_obidos/faults", "", `{"service":"sqs","operation":"ListQueues","error":"InternalFailure"}`); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[1].post("/", "ListQueues", `{}`); err == nil {
		t.Error("the other node knows nothing of a fault")
	}
	if s, err := nodes[1].ClusterStatus(t.Context()); err != nil || s.Nodes[0].Version != "v-n0" || s.Nodes[0].Address == "" || s.Cluster != "test" {
		t.Errorf("status %+v, %v", s, err)
	}
}

func TestStoresThatCannotBeShared(t *testing.T) {
	t.Parallel()
	for _, c := range []platform.Cluster{
		{Store: "mysql://host/db"}, {Store: "postgres://user:secret@[/x"}, {Store: "postgres://u@127.0.0.1:1/x", Name: "bad name"},
	} {
		if p, err := platform.Open(platform.Options{Cluster: &c}); err == nil {
			p.Close()
			t.Errorf("%s was opened", c.Store)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is told: %v", err)
		}
	}
}
