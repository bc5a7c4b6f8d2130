package sqs_test

import (
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// from is a request sent to an endpoint, signed for a region.
func from(endpoint, region string) *aws.Request {
	r := request()
	r.Endpoint, r.Region = endpoint, region
	return r
}

// A URL that was handed out names its queue for callers of other regions too, but for the plain shape, which names none.
func TestURLsAreUnderstoodAsTheyWereHandedOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape            sqs.URLShape
		endpoint, region string
		want             string
	}{
		{sqs.URLPlain, "http://127.0.0.1:4566", "eu-west-1", "http://127.0.0.1:4566/111111111111/q"},
		{sqs.URLPlain, "http://sqs.eu-west-1.localhost:4566", "eu-west-1", "http://sqs.eu-west-1.localhost:4566/111111111111/q"},
		{sqs.URLPath, "http://127.0.0.1:4566", "eu-west-1", "http://127.0.0.1:4566/queue/eu-west-1/111111111111/q"},
		{sqs.URLPath, "http://sqs.us-east-1.localhost:4566", "eu-west-1", "http://localhost:4566/queue/eu-west-1/111111111111/q"},
		{sqs.URLPath, "https://obidos.example.com/aws", "eu-west-1", "https://obidos.example.com/aws/queue/eu-west-1/111111111111/q"},
		{sqs.URLStandard, "http://localhost:4566", "eu-west-1", "http://sqs.eu-west-1.localhost:4566/111111111111/q"},
		{sqs.URLStandard, "http://sqs.us-east-1.localhost.localstack.cloud:4566", "eu-west-1", "http://sqs.eu-west-1.localhost.localstack.cloud:4566/111111111111/q"},
		{sqs.URLStandard, "http://127.0.0.1:4566", "eu-west-1", "http://127.0.0.1:4566/queue/eu-west-1/111111111111/q"},
		{sqs.URLStandard, "http://[::1]:4566", "eu-west-1", "http://[::1]:4566/queue/eu-west-1/111111111111/q"},
		{sqs.URLStandard, "http://localstack:4566", "eu-west-1", "http://localstack:4566/queue/eu-west-1/111111111111/q"},
		{sqs.URLDomain, "http://localhost.localstack.cloud:4566", "us-east-1", "http://queue.localhost.localstack.cloud:4566/111111111111/q"},
		{sqs.URLDomain, "http://queue.localhost.localstack.cloud:4566", "us-east-2", "http://us-east-2.queue.localhost.localstack.cloud:4566/111111111111/q"},
		{sqs.URLDomain, "http://localhost:4566", "us-east-1", "http://us-east-1.queue.localhost:4566/111111111111/q"},
		{sqs.URLDynamic, "http://localhost:4566", "eu-west-1", "http://localhost:4566/queue/eu-west-1/111111111111/q"},
		{sqs.URLDynamic, "http://sqs.eu-west-1.localhost:4566", "eu-west-1", "http://sqs.eu-west-1.localhost:4566/111111111111/q"},
		{sqs.URLDynamic, "http://us-east-1.queue.localhost:4566", "eu-west-1", "http://eu-west-1.queue.localhost:4566/111111111111/q"},
	} {
		t.Run(string(c.shape)+" "+c.endpoint, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := start(t, memory.New(memory.Options{}), sqs.Options{URLs: c.shape})
				ctx := aws.WithRequest(t.Context(), from(c.endpoint, c.region))
				url := p.create(ctx, "q")
				if url != c.want {
					t.Errorf("the queue is at %s, want %s", url, c.want)
				}
				got, err := p.GetQueueUrl(ctx, &sqsapi.GetQueueUrlInput{QueueName: "q"})
				if err != nil || got.QueueUrl.V != url {
					t.Errorf("GetQueueUrl answers %s, %v", got.QueueUrl.V, err)
				}
				other := "ap-south-1"
				if c.shape == sqs.URLPlain && url == "http://127.0.0.1:4566/111111111111/q" {
					other = c.region
				}
				p.send(aws.WithRequest(t.Context(), from("http://10.0.0.7:80", other)), url, "hello")
			})
		})
	}
}

// Whichever shape we hand out, we understand all.
func TestForeignURLsNameTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := Start(t)
		p.create(aws.WithRequest(t.Context(), from(endpoint, "us-east-1")), "q")
		p.create(aws.WithRequest(t.Context(), from(endpoint, "eu-west-1")), "q")
		for _, c := range []struct{ url, region string }{
			{"http://sqs.eu-west-1.localhost.localstack.cloud:4566/111111111111/q", "eu-west-1"},
			{"http://eu-west-1.queue.localhost.localstack.cloud:4566/111111111111/q", "eu-west-1"},
			{"http://queue.localhost.localstack.cloud:4566/111111111111/q", "us-east-1"},
			{"https://queue.amazonaws.com/111111111111/q", "us-east-1"},
			{"https://sqs.eu-west-1.amazonaws.com/111111111111/q", "eu-west-1"},
			{"http://localhost:4566/queue/eu-west-1/111111111111/q", "eu-west-1"},
			{"http://localstack:4566/queue/eu-west-1/111111111111/q/", "eu-west-1"},
			{"http://localhost.localstack.cloud:4566/111111111111/q", "ap-south-1"}, // the caller's own
			{"http://queue.internal:4566/111111111111/q", "ap-south-1"},             // a host that is just called so
		} {
			in := &sqsapi.GetQueueAttributesInput{QueueUrl: c.url, AttributeNames: []sqsapi.QueueAttributeName{sqsapi.QueueAttributeNameQueueArn}}
			out, err := p.GetQueueAttributes(aws.WithRequest(t.Context(), from(endpoint, "ap-south-1")), in)
			if c.region == "ap-south-1" {
				if err == nil {
					t.Errorf("%s named a queue of another region: %v", c.url, out.Attributes)
				}
				continue
			}
			if want := "arn:aws:sqs:" + c.region + ":111111111111:q"; err != nil || out.Attributes[sqsapi.QueueAttributeNameQueueArn] != want {
				t.Errorf("%s named %v (%v), want %s", c.url, out, err, want)
			}
		}
	})
}
