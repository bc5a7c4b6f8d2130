package platform_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// node is one that reaches the others over the network, in this process.
type node struct {
	*platform.Platform
	url  string
	stop func()
}

func startNode(t *testing.T, e store.Engine, name string) *node {
	t.Helper()
	p, err := platform.Open(platform.Options{
		Engine: e, Node: name, Cluster: &platform.Cluster{Name: "test"}, Version: "v-" + name,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, l) }()
	n := &node{Platform: p, url: "http://" + l.Addr().String()}
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, p.Close()); err != nil {
			t.Errorf("%s ended: %v", name, err)
		}
	})
	t.Cleanup(n.stop)
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) post(path, target, body string) (string, error) {
	r, err := http.NewRequest(http.MethodPost, n.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if target != "" {
		r.Header.Set("X-Amz-Target", "AmazonSQS."+target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}

func (n *node) must(t *testing.T, target, body string) string {
	t.Helper()
	text, err := n.post("/", target, body)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return text
}

func settled(t *testing.T, n *node, nodes int) *platform.ClusterStatus {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s, err := n.ClusterStatus(t.Context())
		if err == nil && s.Free == 0 && len(s.Nodes) == nodes {
			even := true
			for _, m := range s.Nodes {
				even = even && m.Partitions >= 1024/nodes
			}
			if even {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("not settled: %+v, %v", s, err)
		}
	}
}

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
