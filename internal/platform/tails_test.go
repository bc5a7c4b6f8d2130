package platform_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// heard is an update of Live Tail as a client reads it.
type heard struct {
	at      time.Time
	kind    string
	Results []struct{ Message string } `json:"sessionResults"`
}

// listen begins a session of Live Tail about a group and reads what it is told.
func (n *node) listen(ctx context.Context, t *testing.T, group string) <-chan heard {
	t.Helper()
	body := fmt.Sprintf(`{"logGroupIdentifiers":["arn:aws:logs:us-east-1:000000000000:log-group:%s"]}`, group)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "Logs_20140328.StartLiveTail")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || kind != "application/vnd.amazon.eventstream" {
		t.Fatalf("answered %s, %s", resp.Status, kind)
	}
	all := make(chan heard, 100)
	go func() {
		defer close(all)
		defer resp.Body.Close()
		events := eventstream.NewReader(bufio.NewReader(resp.Body))
		for {
			m, err := events.Next()
			if err != nil {
				return
			}
			h := heard{at: time.Now(), kind: m.Text(":event-type") + m.Text(":exception-type")}
			if err := json.Unmarshal(m.Payload, &h); err != nil {
				t.Error(err)
			}
			all <- h
		}
	}()
	for _, want := range []string{"initial-response", "sessionStart"} {
		if h := <-all; h.kind != want {
			t.Fatalf("heard %q, want %s", h.kind, want)
		}
	}
	return all
}

func (n *node) logs(t *testing.T, operation, body string) {
	t.Helper()
	if answer, err := n.send("/", "logs", "Logs_20140328."+operation, body); err != nil {
		t.Fatalf("%s: %s %v", operation, answer, err)
	}
}

// say writes an event and answers when that returned.
func (n *node) say(t *testing.T, group, message string) time.Time {
	n.logs(t, "PutLogEvents", fmt.Sprintf(`{"logGroupName":%q,"logStreamName":"s","logEvents":[{"timestamp":%d,"message":%q}]}`, group, time.Now().UnixMilli(), message))
	return time.Now()
}

func (n *node) makeGroup(t *testing.T, group string) {
	n.logs(t, "CreateLogGroup", fmt.Sprintf(`{"logGroupName":%q}`, group))
	n.logs(t, "CreateLogStream", fmt.Sprintf(`{"logGroupName":%q,"logStreamName":"s"}`, group))
}

// await is when the message was heard.
func await(t *testing.T, all <-chan heard, message string) time.Time {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case h, ok := <-all:
			if !ok {
				t.Fatalf("the session ended before %q", message)
			}
			for _, r := range h.Results {
				if r.Message == message {
					return h.at
				}
			}
		case <-late:
			t.Fatalf("%q was not heard", message)
		}
	}
}

func TestLiveTailOverHTTP(t *testing.T) {
	n := serve(t, open(t, platform.Options{Engine: memory.New(memory.Options{})}))
	n.makeGroup(t, "/a")
	ctx, cancel := context.WithCancel(t.Context())
	all := n.listen(ctx, t, "/a")
	var after []time.Duration
	for i := range 20 {
		said := n.say(t, "/a", fmt.Sprint("event ", i))
		after = append(after, await(t, all, fmt.Sprint("event ", i)).Sub(said))
	}
	slices.Sort(after)
	t.Logf("heard after PutLogEvents returned: p50 %v, the latest %v", after[len(after)/2], after[len(after)-1])
	if p50 := after[len(after)/2]; p50 > 5*time.Millisecond {
		t.Errorf("heard after %v", p50)
	}
	cancel()
	for range all { // until the connection is closed
	}
	// A node that ends says so.
	all = n.listen(t.Context(), t, "/a")
	began := time.Now()
	n.stop()
	last := heard{}
	for h := range all {
		last = h
	}
	if last.kind != "SessionStreamingException" || time.Since(began) > 3*time.Second {
		t.Errorf("heard %q last, after %v", last.kind, time.Since(began))
	}
}

func TestLiveTailAcrossNodes(t *testing.T) {
	e := memory.New(memory.Options{})
	a, b := startNode(t, e, "a"), startNode(t, e, "b")
	a.makeGroup(t, "/a")
	all := a.listen(t.Context(), t, "/a")
	// The other node learns of the session a moment later; what it has written by then is in the group, and not in the session.
	for deadline := time.Now().Add(10 * time.Second); ; {
		b.say(t, "/a", "is anybody there?")
		select {
		case h := <-all:
			if len(h.Results) > 0 {
				deadline = time.Time{}
			}
		case <-time.After(100 * time.Millisecond):
		}
		if deadline.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other node does not know of the session")
		}
	}
	c := startNode(t, e, "c") // and one that comes later
	for i, n := range []*node{a, b} {
		said := n.say(t, "/a", fmt.Sprint("from ", i))
		t.Logf("from node %d: heard after %v", i, await(t, all, fmt.Sprint("from ", i)).Sub(said))
	}
	for i := 0; ; i++ {
		c.say(t, "/a", "from the new one")
		select {
		case h := <-all:
			if len(h.Results) > 0 && h.Results[0].Message == "from the new one" {
				return
			}
		case <-time.After(100 * time.Millisecond):
		}
		if i > 100 {
			t.Fatal("the new node does not know of the session")
		}
	}
}
