package sqs_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// counts are the three numbers a queue tells of its messages: ready, in flight, delayed.
func (p *platform) counts(ctx context.Context, url string) (list [3]int) {
	p.t.Helper()
	names := []sqsapi.QueueAttributeName{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"}
	out, err := p.GetQueueAttributes(ctx, &sqsapi.GetQueueAttributesInput{QueueUrl: url, AttributeNames: names})
	if err != nil {
		p.t.Fatal(err)
	}
	for i, n := range names {
		list[i], _ = strconv.Atoi(out.Attributes[n])
	}
	return list
}

// sendMany sends messages named by their numbers, from one to before the other, ten at a time.
func (p *platform) sendMany(ctx context.Context, url string, from, to int, groups int) {
	p.t.Helper()
	for n := from; n < to; n += 10 {
		in := &sqsapi.SendMessageBatchInput{QueueUrl: url}
		for i := n; i < min(n+10, to); i++ {
			e := sqsapi.SendMessageBatchRequestEntry{Id: strconv.Itoa(i), MessageBody: strconv.Itoa(i)}
			if groups > 0 {
				e.MessageGroupId = aws.Some("group-" + strconv.Itoa(i%groups))
			}
			in.Entries = append(in.Entries, e)
		}
		out, err := p.SendMessageBatch(ctx, in)
		if err != nil || len(out.Failed) > 0 {
			p.t.Fatal(err, out)
		}
	}
}

// drain receives and deletes until there is nothing more, or so many.
func (p *platform) drain(ctx context.Context, url string, most int) (numbers []int) {
	p.t.Helper()
	for len(numbers) < most {
		got := p.receive(ctx, url, min(10, most-len(numbers)))
		if len(got) == 0 {
			break
		}
		in := &sqsapi.DeleteMessageBatchInput{QueueUrl: url}
		for i, m := range got {
			n, _ := strconv.Atoi(m.Body.V)
			numbers = append(numbers, n)
			in.Entries = append(in.Entries, sqsapi.DeleteMessageBatchRequestEntry{Id: strconv.Itoa(i), ReceiptHandle: m.ReceiptHandle.V})
		}
		if out, err := p.DeleteMessageBatch(ctx, in); err != nil || len(out.Failed) > 0 {
			p.t.Fatal(err, out)
		}
	}
	return numbers
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// A backlog larger than what is kept in memory comes out whole, once each, also over a restart.
func TestBacklogBeyondTheWindow(t *testing.T) {
	for name, attributes := range map[string][]string{
		"standard":  nil,
		"work.fifo": {"FifoQueue", "true", "ContentBasedDeduplication", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const messages = 24_000
				engine := memory.New(memory.Options{})
				p, ctx := start(t, engine, sqs.Options{}), t.Context()
				url := p.create(ctx, name, attributes...)
				groups := 0
				if attributes != nil {
					groups = 7
				}
				p.sendMany(ctx, url, 0, messages, groups)
				if got := p.counts(ctx, url); got != [3]int{messages, 0, 0} {
					t.Errorf("counted %v", got)
				}
				all := p.drain(ctx, url, 5_000)
				held := p.receive(ctx, url, 10)
				p.stop()

				p = start(t, engine, sqs.Options{})
				if got := p.counts(ctx, url); got != [3]int{messages - 5_010, 10, 0} {
					t.Errorf("counted %v after a restart", got)
				}
				for _, m := range held {
					p.delete(ctx, url, m)
					n, _ := strconv.Atoi(m.Body.V)
					all = append(all, n)
				}
				p.sendMany(ctx, url, messages, messages+100, groups)
				all = append(all, p.drain(ctx, url, messages)...)
				if groups > 0 {
					last := map[int]int{}
					for _, n := range all {
						if before, ok := last[n%groups]; ok && n < before {
							t.Fatalf("%d came after %d of its group", n, before)
						}
						last[n%groups] = n
					}
				}
				slices.Sort(all)
				if want := upTo(messages + 100); !slices.Equal(all, want) {
					t.Errorf("%d messages came out, want %d once each", len(all), len(want))
				}
				if got := p.counts(ctx, url); got != [3]int{} {
					t.Errorf("counted %v in the end", got)
				}
				p.stop()
			})
		})
	}
}

// What is in flight or delayed stays so over a restart, and attributes and counts are as they were.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New(memory.Options{})
		p, ctx := start(t, engine, sqs.Options{}), t.Context()
		url := p.create(ctx, "orders", "VisibilityTimeout", "60")
		p.send(ctx, url, "in flight")
		m := p.receive(ctx, url, 1)
		p.send(ctx, url, "delayed", func(in *sqsapi.SendMessageInput) { in.DelaySeconds = aws.Some(int32(90)) })
		p.send(ctx, url, "ready")
		time.Sleep(time.Second) // lazy writes are written
		p.stop()

		p = start(t, engine, sqs.Options{})
		if got := p.counts(ctx, url); got != [3]int{1, 1, 1} {
			t.Errorf("counted %v", got)
		}
		if got := bodies(p.receive(ctx, url, 10)); !slices.Equal(got, []string{"ready"}) {
			t.Errorf("received %q", got)
		}
		p.delete(ctx, url, m[0])
		time.Sleep(89 * time.Second)
		got := p.receive(ctx, url, 10, func(in *sqsapi.ReceiveMessageInput) { in.AttributeNames = []sqsapi.QueueAttributeName{"All"} })
		slices.SortFunc(got, func(a, b sqsapi.Message) int { return len(a.Body.V) - len(b.Body.V) })
		if !slices.Equal(bodies(got), []string{"ready", "delayed"}) {
			t.Fatalf("received %q", bodies(got))
		}
		if n := got[0].Attributes["ApproximateReceiveCount"]; n != "2" {
			t.Errorf("the message that was received before the restart and after counts %s receives", n)
		}
		p.stop()
	})
}

// A client that went away has taken nothing with it.
func TestDisconnectedLongPollTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "orders")
		impatient, leave := context.WithCancel(ctx)
		poll := func(ctx context.Context) chan int {
			done := make(chan int, 1)
			go func() {
				out, err := p.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: aws.Some(int32(20))})
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					done <- -1
					return
				}
				done <- len(out.Messages)
			}()
			synctest.Wait()
			return done
		}
		first, second := poll(impatient), poll(ctx)
		leave()
		if got := <-first; got != -1 {
			t.Errorf("the poll of a client that left ended with %d messages", got)
		}
		p.send(ctx, url, "hello")
		if got := <-second; got != 1 {
			t.Errorf("the other received %d messages", got)
		}
		p.stop()
	})
}

// Many long polls at once are each given what they wait for, once.
func TestManyLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "orders")
		const pollers = 100
		done := make(chan []string, pollers)
		for range pollers {
			go func() {
				out, err := p.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: aws.Some(int32(20))})
				if err != nil {
					t.Error(err)
				}
				done <- bodies(out.Messages)
			}()
		}
		synctest.Wait()
		began := time.Now()
		p.sendMany(ctx, url, 0, pollers, 0)
		seen := map[string]bool{}
		for range pollers {
			for _, b := range <-done {
				if seen[b] {
					t.Errorf("%s was received twice", b)
				}
				seen[b] = true
			}
		}
		if len(seen) != pollers || time.Since(began) > time.Second {
			t.Errorf("%d messages were received within %v", len(seen), time.Since(began))
		}
		p.stop()
	})
}

// Who waits for the rest of a group is served as soon as what was received of it before, and never deleted, is no longer kept.
func TestLongPollIsWokenByWhatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "brief.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true", "MessageRetentionPeriod", "60", "VisibilityTimeout", "3600")
		p.send(ctx, url, "first", group("g"))
		p.receive(ctx, url, 1)
		time.Sleep(45 * time.Second)
		p.send(ctx, url, "second", group("g"))
		began := time.Now()
		got := p.receive(ctx, url, 1, func(in *sqsapi.ReceiveMessageInput) { in.WaitTimeSeconds = aws.Some(int32(20)) })
		if took := time.Since(began); len(got) != 1 || took > 16*time.Second {
			t.Errorf("received %q after %v, want the second after 15 s", bodies(got), took)
		}
		p.stop()
	})
}

// In a standard queue with groups, one that sends little does not wait behind one that sends much.
func TestQuietGroupIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "shared")
		p.sendMany(ctx, url, 0, 10_000, 1) // one noisy tenant, more than is kept in memory
		for range 5 {
			if got := p.receive(ctx, url, 10); len(got) != 10 {
				t.Fatalf("received %d", len(got))
			}
		}
		p.send(ctx, url, "quiet", group("quiet"))
		if got := bodies(p.receive(ctx, url, 10)); len(got) != 10 || got[0] != "quiet" {
			t.Errorf("received %q", got)
		}
		// A message without a group is everybody's and nobody's: it is not held back either.
		p.send(ctx, url, "alone")
		rest := map[string]int{}
		for range 10_000/10 + 1 {
			for _, b := range bodies(p.receive(ctx, url, 10)) {
				rest[b]++
			}
		}
		if len(rest) != 10_000-60+1+1 || rest["alone"] != 1 || rest["quiet"] != 0 {
			t.Errorf("%d messages came after, alone %d times, quiet %d times", len(rest), rest["alone"], rest["quiet"])
		}
		p.stop()
	})
}

// A queue holds so many messages in flight and no more. A FIFO queue does not say so.
func TestFifoInFlightLimit(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("sends 120,000 messages")
	}
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "limited.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true", "VisibilityTimeout", "43200")
		p.sendMany(ctx, url, 0, 120_010, 120_010)
		total := 0
		for {
			got := p.receive(ctx, url, 10)
			if total += len(got); len(got) == 0 {
				break
			}
		}
		if total != 120_000 {
			t.Errorf("%d messages are in flight at a FIFO queue", total)
		}
		p.stop()
	})
}

func TestStandardInFlightLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 120,000 messages")
	}
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "limited", "VisibilityTimeout", "3600")
		p.sendMany(ctx, url, 0, 120_001, 0)
		var some []sqsapi.Message
		for range 12_000 {
			some = p.receive(ctx, url, 10)
		}
		_, err := p.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url})
		if e, ok := errors.AsType[*aws.Error](err); !ok || e.ErrorShape != sqsapi.ErrOverLimit {
			t.Errorf("the receive beyond 120,000 in flight answered %v", err)
		}
		// One that waits is not refused: there is room once a message is deleted.
		waited := make(chan int)
		go func() {
			out, err := p.ReceiveMessage(ctx, &sqsapi.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: aws.Some(int32(20))})
			if err != nil {
				t.Error(err)
				out = &sqsapi.ReceiveMessageOutput{}
			}
			waited <- len(out.Messages)
		}()
		time.Sleep(5 * time.Second)
		start := time.Now()
		p.delete(ctx, url, some[0])
		if n := <-waited; n != 1 || time.Since(start) > 0 {
			t.Errorf("the long poll was answered %d messages %v after there was room", n, time.Since(start))
		}
		p.stop()
	})
}

// The queue of another account can be used by its URL.
func TestQueueOfAnotherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "shared")
		other := request()
		other.Account, other.Principal.Account = "222222222222", "222222222222"
		there := aws.WithRequest(ctx, other)
		out, err := p.GetQueueUrl(there, &sqsapi.GetQueueUrlInput{QueueName: "shared", QueueOwnerAWSAccountId: aws.Some(account)})
		if err != nil || out.QueueUrl.V != url {
			t.Fatalf("%v, %v", out, err)
		}
		p.send(there, url, "from elsewhere")
		if got := bodies(p.receive(ctx, url, 1)); !slices.Equal(got, []string{"from elsewhere"}) {
			t.Errorf("received %q", got)
		}
		if _, err := p.GetQueueUrl(there, &sqsapi.GetQueueUrlInput{QueueName: "shared"}); err == nil {
			t.Error("it is found in the other account")
		}
		p.stop()
	})
}

// The same delivery sends one message, however often it is made.
func TestDeliveryIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "target")
		r := request()
		r.Delivery = "not a task any more"
		p.send(aws.WithRequest(ctx, r), url, "hello")
		if got := p.receive(ctx, url, 10); len(got) != 0 {
			t.Errorf("a delivery whose task is gone was taken again: %q", bodies(got))
		}
		p.stop()
	})
}

// Who is traced but says nothing of it in the message has the message carry the trace of the request.
func TestTheRequestsTraceGoesWithTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "traced")
		r := request()
		r.XRay = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
		ctx = aws.WithRequest(ctx, r)
		own := sqsapi.MessageSystemAttributeValue{DataType: "String", StringValue: aws.Some("Root=1-00000000-000000000000000000000001")}
		if out := p.send(ctx, url, "of the request"); out.MD5OfMessageSystemAttributes.Set {
			t.Error("a digest of system attributes that were not sent")
		}
		p.send(ctx, url, "its own", func(in *sqsapi.SendMessageInput) {
			in.MessageSystemAttributes = map[sqsapi.MessageSystemAttributeNameForSends]sqsapi.MessageSystemAttributeValue{"AWSTraceHeader": own}
		})
		for _, want := range []string{r.XRay, own.StringValue.V} {
			m := p.receive(ctx, url, 1, func(in *sqsapi.ReceiveMessageInput) {
				in.MessageSystemAttributeNames = []sqsapi.MessageSystemAttributeName{"AWSTraceHeader"}
			})
			if len(m) != 1 || m[0].Attributes["AWSTraceHeader"] != want {
				t.Errorf("received %+v, want the trace %s", m, want)
			}
		}
		p.stop()
	})
}

func TestLengthsOfTagsAreInCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "tagged")
		for _, step := range []struct {
			key, value int
			want       string
		}{{128, 256, ""}, {129, 1, "Tag keys must be between 1 and 128 characters in length."}, {1, 257, "Tag values must be between 0 and 256 characters in length."}} {
			tags := map[string]string{strings.Repeat("Ó", step.key): strings.Repeat("ó", step.value)}
			_, err := p.TagQueue(ctx, &sqsapi.TagQueueInput{QueueUrl: url, Tags: tags})
			if e, _ := errors.AsType[*aws.Error](err); step.want == "" && err != nil || step.want != "" && (e == nil || e.Message != step.want) {
				t.Errorf("a key of %d characters with a value of %d: %v, want %q", step.key, step.value, err, step.want)
			}
		}
		p.stop()
	})
}

func TestAQueueHasFiftyTagsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "tagged")
		tags := make(map[string]string)
		for i := range 50 {
			tags[strconv.Itoa(i)] = "x"
		}
		for _, step := range []struct {
			tags map[string]string
			want string
		}{{tags, ""}, {map[string]string{"7": "another value"}, ""}, {map[string]string{"one": "too many"}, "Too many tags added for queue tagged."}} {
			_, err := p.TagQueue(ctx, &sqsapi.TagQueueInput{QueueUrl: url, Tags: step.tags})
			if e, _ := errors.AsType[*aws.Error](err); step.want == "" && err != nil || step.want != "" && (e == nil || e.Message != step.want) {
				t.Errorf("%d tags: %v, want %q", len(step.tags), err, step.want)
			}
		}
		p.stop()
	})
}
