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
)

// node is a platform that listens, in this process.
type node struct {
	*platform.Platform
	url  string
	stop func() // ends it before the test does
}

// open opens a platform that logs to the test, and whose answers do not say where it is.
func open(t testing.TB, o platform.Options) *platform.Platform {
	t.Helper()
	p, err := platform.Open(told(t, o))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func told(t testing.TB, o platform.Options) platform.Options {
	o.PublicURL = "http://obidos.test"
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return o
}

// serve runs a platform until the test ends.
func serve(t testing.TB, p *platform.Platform) *node {
	t.Helper()
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
			t.Errorf("%s ended: %v", n.url, err)
		}
	})
	t.Cleanup(n.stop)
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// startNode runs a node of a cluster that reach each other over the network.
func startNode(t *testing.T, e store.Engine, name string) *node {
	t.Helper()
	return serve(t, open(t, platform.Options{Engine: e, Node: name, Cluster: &platform.Cluster{Name: "test"}, Version: "v-" + name}))
}

// send posts a call of a service's operation, or, without a target, anything.
func (n *node) send(path, service, target, body string) (string, error) {
	r, err := http.NewRequest(http.MethodPost, n.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
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

// post posts a call of SQS's, or, without a target, anything.
func (n *node) post(path, target, body string) (string, error) {
	if target != "" {
		target = "AmazonSQS." + target
	}
	return n.send(path, "sqs", target, body)
}

func (n *node) must(t *testing.T, target, body string) string {
	t.Helper()
	text, err := n.post("/", target, body)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return text
}

func (n *node) ask(t *testing.T, service, target, body string) string {
	t.Helper()
	text, err := n.send("/", service, target, body)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return text
}

// settled is the status of a cluster once each of its nodes owns its share.
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
