package platform_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// A node that joins knows of the faults that the others were told of before.
func TestFaultsReachNodesThatJoin(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	first := startNode(t, e, "a")
	if _, err := first.post("/_obidos/faults", "", `{"service":"sqs","operation":"ListQueues","error":"InternalFailure"}`); err != nil {
		t.Fatal(err)
	}
	second := startNode(t, e, "b")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := second.post("/", "ListQueues", `{}`); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new node knows nothing of the fault")
		}
	}
}

// ask makes a call of any service with a JSON protocol.
// Resources are made, seen and tagged whichever node is asked.
func TestResourcesOverTheNetwork(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	var nodes []*node
	for i := range 3 {
		nodes = append(nodes, startNode(t, e, fmt.Sprint("n", i)))
	}
	settled(t, nodes[0], 3)
	control := func(n *node, operation, body string) string {
		t.Helper()
		return n.ask(t, "cloudcontrolapi", "CloudApiService."+operation, body)
	}
	const queues = 6 // some of each node's
	url := func(i int) string { return fmt.Sprintf("%s/000000000000/r%d", nodes[i%3].url, i) }
	for i := range queues {
		at := func(shift int) *node { return nodes[(i+shift)%3] }
		made := control(at(0), "CreateResource", fmt.Sprintf(`{"TypeName":"AWS::SQS::Queue","DesiredState":"{\"QueueName\":\"r%d\",\"Tags\":[{\"Key\":\"team\",\"Value\":\"blue\"}]}"}`, i))
		_, token, _ := strings.Cut(made, `"RequestToken":"`)
		token, _, _ = strings.Cut(token, `"`)
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			status := control(at(1), "GetResourceRequestStatus", fmt.Sprintf(`{"RequestToken":%q}`, token))
			if strings.Contains(status, `"SUCCESS"`) {
				break
			}
			if strings.Contains(status, `"FAILED"`) || time.Now().After(deadline) {
				t.Fatalf("queue %d: %s", i, status)
			}
		}
		if got := control(at(2), "GetResource", fmt.Sprintf(`{"TypeName":"AWS::SQS::Queue","Identifier":%q}`, url(i))); !strings.Contains(got, "blue") {
			t.Errorf("queue %d: got %s", i, got)
		}
	}
	for _, n := range nodes {
		if got := control(n, "ListResources", `{"TypeName":"AWS::SQS::Queue"}`); strings.Count(got, `"Identifier"`) != queues {
			t.Errorf("listed %s", got)
		}
		tagged := n.ask(t, "tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", `{"TagFilters":[{"Key":"team","Values":["blue"]}]}`)
		if strings.Count(tagged, `"ResourceARN"`) != queues {
			t.Errorf("tagged are %s", tagged)
		}
	}
	nodes[1].ask(t, "tagging", "ResourceGroupsTaggingAPI_20170126.TagResources", `{"ResourceARNList":["arn:aws:sqs:us-east-1:000000000000:r0","arn:aws:sqs:us-east-1:000000000000:r1"],"Tags":{"seen":"yes"}}`)
	if got := nodes[2].ask(t, "tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", `{"TagFilters":[{"Key":"seen"}]}`); strings.Count(got, `"ResourceARN"`) != 2 {
		t.Errorf("tagged are %s", got)
	}
}
