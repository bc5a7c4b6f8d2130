package obidostest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/obidostest"
)

// queue makes a queue and returns its URL.
func queue(t *testing.T, c *sqs.Client, name string, attributes map[string]string) string {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

func send(t *testing.T, c *sqs.Client, url, body string) {
	t.Helper()
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *sqs.Client, url string, wait int32) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: wait})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func TestTheBubblesTimeIsThePlatforms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := obidostest.Start(t)
		c := sqs.NewFromConfig(p.Config)
		url := queue(t, c, "q", nil)
		send(t, c, url, "hello")
		for _, step := range []struct{ seconds, want int }{{0, 1}, {0, 0}, {31, 1}} {
			time.Sleep(time.Duration(step.seconds) * time.Second)
			if got := receive(t, c, url, 0); len(got) != step.want {
				t.Errorf("after %d s received %d messages, want %d", step.seconds, len(got), step.want)
			}
		}
		begin := time.Now()
		if got := receive(t, c, url, 20); len(got) != 0 || time.Since(begin) != 20*time.Second {
			t.Errorf("a long poll of an empty queue took %v and received %v", time.Since(begin), got)
		}
		time.Sleep(4 * 24 * time.Hour) // the retention period
		if got := receive(t, c, url, 0); len(got) != 0 {
			t.Errorf("received %v after its retention", got)
		}
	})
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	p := obidostest.Start(t)
	c := sqs.NewFromConfig(p.Config)
	url := queue(t, c, "q", nil)
	send(t, c, url, "hello")
	before := p.Now()
	receive(t, c, url, 0)
	p.Advance(t, 31*time.Second)
	if got := receive(t, c, url, 0); len(got) != 1 {
		t.Errorf("received %d messages after the visibility timeout", len(got))
	}
	p.Advance(t, 5*24*time.Hour)
	if got := receive(t, c, url, 0); len(got) != 0 {
		t.Errorf("received %v after its retention", got)
	}
	if moved := p.Now().Sub(before); moved < 5*24*time.Hour || moved > 5*24*time.Hour+time.Minute {
		t.Errorf("the clock moved by %v", moved)
	}
}

func TestAccountsAndRegionsAreApart(t *testing.T) {
	t.Parallel()
	p := obidostest.Start(t)
	queue(t, sqs.NewFromConfig(p.Config), "q", nil)
	for _, other := range []aws.Config{p.As("123456789012", ""), p.As("", "eu-west-1")} {
		c := sqs.NewFromConfig(other)
		if out, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil || len(out.QueueUrls) != 0 {
			t.Errorf("another sees %v, %v", out, err)
		}
	}
	url := queue(t, sqs.NewFromConfig(p.As("123456789012", "")), "mine", nil)
	if want := obidostest.URL + "/123456789012/mine"; url != want {
		t.Errorf("the queue is %s, want %s", url, want)
	}
}

func TestDataIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := obidostest.Start(t, obidostest.Data(dir))
	c := sqs.NewFromConfig(p.Config)
	url := queue(t, c, "q", nil)
	send(t, c, url, "hello")
	p.Advance(t, time.Hour)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{}, func(o *sqs.Options) { o.RetryMaxAttempts = 1 }); err == nil {
		t.Error("a platform that has stopped answers")
	}
	p = obidostest.Start(t, obidostest.Data(dir))
	if ahead := time.Until(p.Now()); ahead < 59*time.Minute {
		t.Errorf("the clock is %v ahead after a restart, want an hour", ahead)
	}
	if got := receive(t, sqs.NewFromConfig(p.Config), url, 0); len(got) != 1 || *got[0].Body != "hello" {
		t.Errorf("received %v after a restart", got)
	}
}

func TestStoppingEndsLongPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := obidostest.Start(t)
		c := sqs.NewFromConfig(p.Config, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		url := queue(t, c, "q", nil)
		begin := time.Now()
		var polls sync.WaitGroup
		for range 50 {
			polls.Go(func() {
				out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
				if err == nil {
					t.Errorf("a poll ended with %d messages, not with an error that has it asked again", len(out.Messages))
				}
			})
		}
		synctest.Wait()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		polls.Wait()
		if took := time.Since(begin); took > 0 {
			t.Errorf("the polls went on for %v", took)
		}
	})
}

func TestResetUnderLoad(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]obidostest.Option{
		"memory":  func() obidostest.Option { return obidostest.EnforceLimits() }(),
		"on disk": obidostest.Data(t.TempDir()),
	} {
		t.Run(name, func(t *testing.T) {
			p := obidostest.Start(t, option)
			p.Advance(t, time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			var load sync.WaitGroup
			var answered atomic.Int64
			for i := range 8 {
				load.Go(func() {
					c := sqs.NewFromConfig(p.Config)
					for n := 0; ctx.Err() == nil; n++ {
						name := fmt.Sprintf("q-%d-%d", i, n)
						out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
						if err == nil {
							_, err = c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: aws.String("hello")})
						}
						if err == nil {
							_, err = c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: out.QueueUrl, WaitTimeSeconds: 1})
						}
						if _, gone := errors.AsType[*types.QueueDoesNotExist](err); err != nil && ctx.Err() == nil && !gone {
							t.Errorf("under load: %v", err)
							return
						}
						answered.Add(1)
					}
				})
			}
			for range 5 {
				for before := answered.Load(); answered.Load() < before+20 && !t.Failed(); {
					time.Sleep(time.Millisecond)
				}
				p.Reset(t)
			}
			cancel()
			load.Wait()
			p.Reset(t)
			c := sqs.NewFromConfig(p.Config)
			if out, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil || len(out.QueueUrls) != 0 {
				t.Errorf("after a reset there is %v, %v", out, err)
			}
			if ahead := time.Until(p.Now()); ahead > time.Minute {
				t.Errorf("after a reset the clock is %v ahead", ahead)
			}
		})
	}
}

func TestOurOwnEndpoints(t *testing.T) {
	t.Parallel()
	p := obidostest.Start(t)
	ask := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, obidostest.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	c := sqs.NewFromConfig(p.Config, func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
	url := queue(t, c, "q", nil)
	for _, step := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/_obidos/health", "", 200, `"status":"running"`},
		{"GET", "/_localstack/health", "", 200, `"sqs": "running"`},
		{"GET", "/_obidos/metrics", "", 200, "obidos_tasks_running"},
		{"GET", "/_obidos/metrics", "", 200, `CreateQueue`},
		{"GET", "/_obidos/clock", "", 200, `"offset":"0s"`},
		{"POST", "/_obidos/clock", `{"advance":"2d"}`, 200, `"offset":"48h`},
		{"POST", "/_obidos/clock", `{"advance":"-2d"}`, 400, "duration"},
		{"POST", "/_obidos/clock", `{"advance":"-2h"}`, 400, "forward"},
		{"POST", "/_obidos/clock", `{"retreat":"2h"}`, 400, "retreat"},
		{"POST", "/_obidos/clock", `{`, 400, "body"},
		{"POST", "/_obidos/faults", `{"service":"sqs","operation":"Send*","error":"InternalFailure","times":1}`, 200, `"id"`},
		{"GET", "/_obidos/ca.pem", "", 200, "BEGIN CERTIFICATE"},
		{"GET", "/_obidos/fish", "", 404, ""},
	} {
		if status, text := ask(step.method, step.path, step.body); status != step.status || !strings.Contains(text, step.contains) {
			t.Errorf("%s %s %s: answered %d, want %d with %q: %s", step.method, step.path, step.body, status, step.status, step.contains, text)
		}
	}
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}); err == nil {
		t.Error("the fault did not happen")
	}
	send(t, c, url, "hello")
	if status, text := ask("DELETE", "/_obidos/faults", ""); status != 204 {
		t.Errorf("deleting the faults: answered %d: %s", status, text)
	}
	if status, text := ask("POST", "/_obidos/reset", ""); status != 204 {
		t.Errorf("resetting: answered %d: %s", status, text)
	}
	if out, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil || len(out.QueueUrls) != 0 {
		t.Errorf("after a reset there is %v, %v", out, err)
	}
}

func TestHostileStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 7, Unknown: 0.05}})
		defer e.Close()
		p := obidostest.Start(t, obidostest.On(e))
		c := sqs.NewFromConfig(p.Config)
		url := queue(t, c, "q", nil)
		for i := range 50 {
			send(t, c, url, fmt.Sprint(i))
		}
		seen := map[string]bool{}
		for len(seen) < 50 {
			got := receive(t, c, url, 1)
			if len(got) == 0 {
				t.Fatalf("only %d of 50 messages came", len(seen))
			}
			for _, m := range got {
				if seen[*m.Body] {
					t.Errorf("%s came twice", *m.Body)
				}
				seen[*m.Body] = true
			}
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestIAM(t *testing.T) {
	t.Parallel()
	p := obidostest.Start(t, obidostest.IAM())
	made, err := sqs.NewFromConfig(p.Config).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]aws.Config{"another account's root": p.Account(t, "123456789012"), "a key that was not made here": p.As("123456789012", "")} {
		_, err := sqs.NewFromConfig(c).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String("x")})
		if err == nil || !strings.Contains(err.Error(), map[string]string{"another account's root": "AccessDenied", "a key that was not made here": "InvalidClientTokenId"}[name]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
