package platform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

// readAll is everything that the API tells without changing anything.
func readAll(t *testing.T, n *node) string {
	t.Helper()
	list := n.must(t, "ListQueues", `{}`)
	var queues struct{ QueueUrls []string }
	if err := json.Unmarshal([]byte(list), &queues); err != nil {
		t.Fatal(err)
	}
	all := []string{list}
	for _, url := range queues.QueueUrls {
		for _, operation := range []string{"GetQueueAttributes", "ListQueueTags", "ListDeadLetterSourceQueues"} {
			all = append(all, n.must(t, operation, fmt.Sprintf(`{"QueueUrl":%q,"AttributeNames":["All"]}`, url)))
		}
	}
	return strings.Join(all, "\n")
}

type received struct {
	Messages []struct{ Body, MessageId, ReceiptHandle string }
}

func receive(t *testing.T, n *node, queue string, most int) (r received) {
	t.Helper()
	if err := json.Unmarshal([]byte(n.must(t, "ReceiveMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/%s","MaxNumberOfMessages":%d}`, queue, most))), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// A state goes from a laptop to a cluster and back: what is waiting, delayed, in flight and in order is the same to whoever asks,
// and what was handed out before still counts. On the way the import is cut off, and the file damaged.
func TestStateMovesToAClusterAndBack(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL()
	first := serve(t, open(t, platform.Options{Data: t.TempDir()}))
	first.must(t, "CreateQueue", `{"QueueName":"dead"}`)
	first.must(t, "CreateQueue", `{"QueueName":"plain","tags":{"a":"b"},"Attributes":{"VisibilityTimeout":"43200","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":\"5\"}"}}`)
	first.must(t, "CreateQueue", `{"QueueName":"order.fifo","Attributes":{"FifoQueue":"true","VisibilityTimeout":"43200"}}`)
	large := strings.Repeat("x", 250_000)
	for i := range 16 {
		first.must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/plain","MessageBody":"%d %s"}`, i, large))
	}
	first.must(t, "SendMessage", `{"QueueUrl":"http://x/000000000000/plain","MessageBody":"later","DelaySeconds":900}`)
	for i := range 15 {
		first.must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/order.fifo","MessageBody":"%d","MessageGroupId":"g%d","MessageDeduplicationId":"%d"}`, i/3, i%3, i))
	}
	inFlight := receive(t, first, "plain", 3)
	blocked := receive(t, first, "order.fifo", 1)
	if len(inFlight.Messages) != 3 || len(blocked.Messages) != 1 {
		t.Fatalf("received %d and %d", len(inFlight.Messages), len(blocked.Messages))
	}
	want := readAll(t, first)
	export := func(n *node) []byte {
		t.Helper()
		var b bytes.Buffer
		if err := n.Export(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	text := export(first)

	over := func(node string) *platform.Platform {
		t.Helper()
		return open(t, platform.Options{Node: node, Cluster: &platform.Cluster{Store: url, Name: "main"}})
	}
	p := over("n1")
	cutOff := errors.New("the line is cut")
	if err := p.Import(t.Context(), io.MultiReader(bytes.NewReader(text[:len(text)*2/3]), failing{cutOff})); !errors.Is(err, cutOff) {
		t.Fatalf("an import that was cut off: %v", err)
	}
	if err := p.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Fatalf("a part of a state was served: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = over("n1")
	damaged := bytes.Clone(text)
	damaged[len(damaged)-200] ^= 4
	if err := p.Import(t.Context(), bytes.NewReader(damaged)); err == nil || !strings.Contains(err.Error(), "damaged at chunk") {
		t.Fatalf("a damaged file: %v", err)
	}
	if err := p.Import(t.Context(), bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	cluster := serve(t, p)
	if got := readAll(t, cluster); got != want {
		t.Errorf("the cluster says\n%s\nwant\n%s", got, want)
	}
	back := export(cluster)
	other := over("n2")
	if err := other.Import(t.Context(), bytes.NewReader(text)); err == nil || !strings.Contains(err.Error(), "takes part") {
		t.Errorf("an import beside a node: %v", err)
	}
	if err := other.Clear(t.Context()); err == nil || !strings.Contains(err.Error(), "takes part") {
		t.Errorf("the store was emptied under a node: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	cluster.stop()

	p = open(t, platform.Options{Data: t.TempDir()})
	if err := p.Import(t.Context(), bytes.NewReader(back)); err != nil {
		t.Fatal(err)
	}
	last := serve(t, p)
	if got := readAll(t, last); got != want {
		t.Errorf("what came back says\n%s\nwant\n%s", got, want)
	}
	// What was handed out first counts, and what waits comes in its order.
	for _, m := range inFlight.Messages {
		last.must(t, "DeleteMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/plain","ReceiptHandle":%q}`, m.ReceiptHandle))
	}
	last.must(t, "DeleteMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/order.fifo","ReceiptHandle":%q}`, blocked.Messages[0].ReceiptHandle))
	plain := 0
	for {
		r := receive(t, last, "plain", 10)
		if len(r.Messages) == 0 {
			break
		}
		plain += len(r.Messages)
	}
	if plain != 13 {
		t.Errorf("%d messages wait, want 13", plain)
	}
	got := strings.Builder{}
	for range 20 {
		for _, m := range receive(t, last, "order.fifo", 10).Messages {
			got.WriteString(m.Body)
			last.must(t, "DeleteMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/order.fifo","ReceiptHandle":%q}`, m.ReceiptHandle))
		}
	}
	for body, number := range map[string]int{"0": 2, "1": 3, "2": 3, "3": 3, "4": 3} {
		if strings.Count(got.String(), body) != number {
			t.Errorf("the FIFO queue gave %s", got.String())
			break
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
