package obidos_test

import (
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/testcontainers/testcontainers-go"

	obidos "github.com/obidos-cloud/obidos/contrib/testcontainers-go"
)

func TestQueueInAContainer(t *testing.T) {
	image := os.Getenv("OBIDOS_IMAGE")
	if image == "" {
		t.Skip("OBIDOS_IMAGE names no image: make e2e builds one and runs this")
	}
	ctx := t.Context()
	c, err := obidos.Run(ctx, image)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	url, err := c.URL(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.New(sqs.Options{BaseEndpoint: &url, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	queue, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("hello")}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0, 1} { // received, invisible, and back
		if i == 2 {
			if err := c.Advance(ctx, 31*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) != want {
			t.Errorf("receive %d brought %d messages, want %d", i+1, len(got.Messages), want)
		}
	}
	if err := c.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	left, err := client.ListQueues(ctx, &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.QueueUrls) != 0 {
		t.Errorf("after a reset there are %v", left.QueueUrls)
	}
}

func TestNoSuchImage(t *testing.T) {
	if os.Getenv("OBIDOS_IMAGE") == "" {
		t.Skip("OBIDOS_IMAGE names no image: make e2e builds one and runs this")
	}
	c, err := obidos.Run(t.Context(), "obidos.invalid/none:none")
	testcontainers.CleanupContainer(t, c)
	if err == nil {
		t.Error("an image that is nowhere was run")
	}
}
