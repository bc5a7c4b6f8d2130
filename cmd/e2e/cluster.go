package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// composeCluster is the file of deploy/compose as it is: three nodes over PostgreSQL behind a balancer. Each node in turn is killed
// while messages are sent and received, and comes back.
func composeCluster(ctx context.Context, s *site) error {
	if err := portFree("127.0.0.1:4566"); err != nil {
		return err
	}
	env := []string{}
	for name, kind := range map[string]standIn{"HAPROXY_IMAGE": haproxy, "POSTGRES_IMAGE": postgres} {
		image, err := kind.made(ctx, s)
		if err != nil {
			return err
		}
		if image != kind.image {
			defer func() { _, _ = s.docker(context.WithoutCancel(ctx), "rmi", "-f", image) }()
		}
		env = append(env, name+"="+image)
	}
	return s.inCompose(ctx, filepath.Join(s.root, "deploy", "compose"), env, func(up composition) error {
		if err := up.run(ctx, "up", "-d"); err != nil {
			return err
		}
		const url = "http://127.0.0.1:4566"
		for _, node := range []string{"node1", "node2", "node3"} {
			if err := up.healthy(ctx, node); err != nil {
				return err
			}
		}
		if err := s.scenarioAt(ctx, url, "cluster"); err != nil {
			return err
		}
		f := newFlow(url)
		if err := f.begin(ctx); err != nil {
			return err
		}
		for _, node := range []string{"node1", "node2", "node3"} {
			if err := f.send(ctx, 20); err != nil {
				return err
			}
			if err := up.run(ctx, "kill", node); err != nil {
				return err
			}
			begin := time.Now()
			if err := f.send(ctx, 1); err != nil {
				return fmt.Errorf("after %s was killed: %w", node, err)
			}
			fmt.Printf("%-28s %s killed: the next send took %v\n", "", node, time.Since(begin).Round(time.Millisecond))
			if err := f.send(ctx, 20); err != nil {
				return fmt.Errorf("after %s was killed: %w", node, err)
			}
			if err := f.receive(ctx); err != nil {
				return fmt.Errorf("after %s was killed: %w", node, err)
			}
			if err := up.run(ctx, "up", "-d"); err != nil {
				return err
			}
			if err := up.healthy(ctx, node); err != nil {
				return err
			}
		}
		return s.scenarioAt(ctx, url, "after")
	})
}

// flow is a queue through which numbered messages go. Its client tries again for as long as a takeover may take, and a balancer
// to see who is gone.
type flow struct {
	client *sqs.Client
	queue  *string
	sent   int
	open   map[string]bool // acknowledged and not received yet
}

func newFlow(url string) *flow {
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})
	patient := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 200, 100*time.Millisecond, ratelimit.None
	})
	return &flow{
		client: sqs.New(sqs.Options{BaseEndpoint: &url, Region: "us-east-1", Credentials: credentials, Retryer: patient}),
		open:   map[string]bool{},
	}
}

func (f *flow) begin(ctx context.Context) error {
	q, err := f.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("flow"), Attributes: map[string]string{"VisibilityTimeout": "5"}})
	if err != nil {
		return err
	}
	f.queue = q.QueueUrl
	return nil
}

func (f *flow) send(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for range n {
		f.sent++
		body := fmt.Sprintf("m%d", f.sent)
		if _, err := f.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: f.queue, MessageBody: &body}); err != nil {
			return err
		}
		f.open[body] = true
	}
	return nil
}

// receive takes out all that was acknowledged, each once at least.
func (f *flow) receive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for len(f.open) > 0 {
		got, err := f.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: f.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			return fmt.Errorf("%d messages have not come: %w", len(f.open), err)
		}
		for _, m := range got.Messages {
			if _, err := f.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: f.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return err
			}
			delete(f.open, *m.Body)
		}
	}
	return nil
}
