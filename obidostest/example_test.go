package obidostest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/obidos-cloud/obidos/obidostest"
)

var t *testing.T // the parameter of a test function

// A test of what an application does when a message is not deleted in time.
func ExampleStart() {
	p := obidostest.Start(t)
	queues := sqs.NewFromConfig(p.Config)
	orders, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}

	// … the application under test works on orders.QueueUrl …
	_ = orders

	p.Advance(t, 31*time.Second) // the visibility timeout
}

// Inside a bubble the platform lives in the bubble's time, and so does everything else.
func ExampleStart_synctest() {
	synctest.Test(t, func(t *testing.T) {
		p := obidostest.Start(t)
		queues := sqs.NewFromConfig(p.Config)
		_ = queues

		time.Sleep(4 * 24 * time.Hour) // a message's retention passes in milliseconds
	})
}

// Two nodes over one store, one of which dies.
func ExampleCluster() {
	c := obidostest.Cluster(t, 2)
	here, there := sqs.NewFromConfig(c.Nodes[0].Config), sqs.NewFromConfig(c.Nodes[1].Config)
	_, _ = here, there

	c.Kill(0) // what it owned is the other's within seconds
}
