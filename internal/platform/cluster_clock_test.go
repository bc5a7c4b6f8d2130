package platform_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// However much falls due on the way, the clock of a cluster gets there, and all of it has happened.
func TestMuchFallsDueInACluster(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	a, b := startNode(t, e, "a"), startNode(t, e, "b")
	settled(t, a, 2)
	const queues, each = 10, 40
	for i := range queues {
		url := fmt.Sprintf("http://x/000000000000/q%d", i)
		a.must(t, "CreateQueue", fmt.Sprintf(`{"QueueName":"q%d"}`, i))
		for j := range each {
			b.must(t, "SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":"m","DelaySeconds":%d}`, url, 1+(i*each+j)*2))
		}
	}
	began := time.Now()
	if _, err := b.post("/_obidos/clock", "", `{"advance":"15m"}`); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages fell due in %v", queues*each, time.Since(began))
	for i := range queues {
		counts := a.must(t, "GetQueueAttributes", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/q%d","AttributeNames":["All"]}`, i))
		if !strings.Contains(counts, fmt.Sprintf(`"ApproximateNumberOfMessages":"%d"`, each)) {
			t.Errorf("queue %d: %s", i, counts)
		}
	}
}
