package crash

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"
)

// verify takes everything out and holds it against the history. Nobody else calls meanwhile. pass lets time go by, as the
// platform sees it.
func (c *callers) verify(ctx context.Context, t testing.TB, pass func(time.Duration)) {
	t.Helper()
	for _, q := range []*queue{sourceDead, deadFifo} {
		c.endMove(ctx, t, q)
	}
	pass(10 * time.Second) // nothing is in flight or delayed any more, and what moved has arrived
	c.checkKept(ctx, t)
	counted := 0
	before := map[*queue]int{}
	for _, q := range c.drained {
		n := c.count(ctx, t, q)
		if n.inFlight != 0 || n.delayed != 0 {
			t.Errorf("%s counts %d messages in flight and %d delayed, though all timeouts are over", q.name, n.inFlight, n.delayed)
		}
		before[q] = n.visible
		counted += n.visible
	}
	taken := 0
	for try := 0; try < 100; try++ {
		n := 0
		for _, q := range c.drained {
			m := c.drain(ctx, t, q)
			if q.dead == "" && try == 0 && m != before[q] {
				t.Errorf("%s counted %d messages, and had %d", q.name, before[q], m)
			}
			n += m
		}
		taken += n
		if t.Failed() || n == 0 && len(c.h.missing()) == 0 && taken >= counted {
			break
		}
		if n == 0 {
			pass(50 * time.Millisecond) // what was received too often is on its way to the dead-letter queue
		}
	}
	if taken != counted {
		t.Errorf("the queues together counted %d messages, and had %d", counted, taken)
	}
	for i, body := range c.h.missing() {
		if t.Errorf("%s was acknowledged and is lost", body); i >= 10 {
			break
		}
	}
	for _, q := range c.drained {
		if n := c.count(ctx, t, q); n != (counts{}) {
			t.Errorf("%s is empty and counts %+v", q.name, n)
		}
	}
	pass(shortKept + 10*time.Second)
	if n := c.count(ctx, t, short); n != (counts{}) {
		t.Errorf("%s has %+v messages, which have all expired", short.name, n)
	}
	c.h.report(t)
	c.h.settle()
}

type counts struct{ visible, inFlight, delayed int }

func (c *callers) count(ctx context.Context, t testing.TB, q *queue) (n counts) {
	t.Helper()
	var out struct{ Attributes map[string]string }
	if err := c.call(ctx, "GetQueueAttributes", object{"QueueUrl": q.url(), "AttributeNames": []string{"All"}}, &out); err != nil {
		t.Errorf("count the messages of %s: %v", q.name, err)
	}
	for name, to := range map[string]*int{
		"ApproximateNumberOfMessages": &n.visible, "ApproximateNumberOfMessagesNotVisible": &n.inFlight, "ApproximateNumberOfMessagesDelayed": &n.delayed,
	} {
		*to, _ = strconv.Atoi(out.Attributes[name])
	}
	return n
}

// drain receives and deletes until there is nothing more to receive.
func (c *callers) drain(ctx context.Context, t testing.TB, q *queue) (taken int) {
	t.Helper()
	for {
		var out struct{ Messages []message }
		one := c.h.begin()
		err := c.call(ctx, "ReceiveMessage", object{
			"QueueUrl": q.url(), "MaxNumberOfMessages": 10, "VisibilityTimeout": 600, "AttributeNames": []string{"All"},
		}, &out)
		one.received(q, out.Messages, err)
		if err != nil {
			t.Errorf("drain %s: %v", q.name, err)
		}
		if len(out.Messages) == 0 {
			return taken
		}
		taken += len(out.Messages)
		var entries []object
		for i, m := range out.Messages {
			c.h.deleting(m.name())
			entries = append(entries, object{"Id": strconv.Itoa(i), "ReceiptHandle": m.ReceiptHandle})
		}
		var done batch
		two := c.h.begin()
		err = c.call(ctx, "DeleteMessageBatch", object{"QueueUrl": q.url(), "Entries": entries}, &done)
		for i, m := range out.Messages {
			_, err := done.of(strconv.Itoa(i), err)
			if err != nil {
				t.Errorf("drain %s: delete %s: %v", q.name, m.name(), err)
			}
			two.deleted(m.name(), one.start, time.Hour, err)
		}
	}
}

// endMove ends the move task under way.
func (c *callers) endMove(ctx context.Context, t testing.TB, q *queue) {
	t.Helper()
	var out struct {
		Results []struct{ Status, TaskHandle, FailureReason string }
	}
	if err := c.call(ctx, "ListMessageMoveTasks", object{"SourceArn": q.arn(), "MaxResults": 10}, &out); err != nil {
		t.Errorf("list the move tasks of %s: %v", q.name, err)
	}
	for _, r := range out.Results {
		if r.Status == "FAILED" {
			t.Errorf("a move task of %s failed: %s", q.name, r.FailureReason)
		}
		if r.Status != "RUNNING" {
			continue
		}
		err := c.call(ctx, "CancelMessageMoveTask", object{"TaskHandle": r.TaskHandle}, nil)
		if err != nil && !refused(err) { // it may just have ended
			t.Errorf("cancel the move task of %s: %v", q.name, err)
		}
	}
}

// checkKept looks at what is not messages.
func (c *callers) checkKept(ctx context.Context, t testing.TB) {
	t.Helper()
	var tags struct{ Tags map[string]string }
	if err := c.call(ctx, "ListQueueTags", object{"QueueUrl": kept.url()}, &tags); err != nil {
		t.Error(err)
	}
	var attributes struct{ Attributes map[string]string }
	if err := c.call(ctx, "GetQueueAttributes", object{"QueueUrl": kept.url(), "AttributeNames": []string{"MaximumMessageSize"}}, &attributes); err != nil {
		t.Error(err)
	}
	tag, _ := strconv.Atoi(tags.Tags["n"])
	size, _ := strconv.Atoi(attributes.Attributes["MaximumMessageSize"])
	if tag < c.tags.acked || tag > c.tags.asked {
		t.Errorf("%s has the tag n=%q; acknowledged was %d, asked for %d", kept.name, tags.Tags["n"], c.tags.acked, c.tags.asked)
	}
	if c.tags.acked > 0 && (size < 100_000+c.tags.acked || size > 100_000+c.tags.asked) {
		t.Errorf("%s has the size %d; acknowledged was %d, asked for %d", kept.name, size, 100_000+c.tags.acked, 100_000+c.tags.asked)
	}
	for name, there := range c.made.there {
		q := &queue{name: name}
		tags.Tags = nil
		err := c.call(ctx, "ListQueueTags", object{"QueueUrl": q.url()}, &tags)
		e, isRefusal := errors.AsType[*refusal](err)
		switch {
		case isRefusal && e.Type == "com.amazonaws.sqs#QueueDoesNotExist":
			if there == yes {
				t.Errorf("queue %s was made and is lost", name)
			}
		case err != nil:
			t.Error(err)
		case there == no:
			t.Errorf("queue %s was deleted and is there", name)
		case tags.Tags["made"] != name:
			t.Errorf("queue %s has the tags %v", name, tags.Tags)
		default:
			if err := c.call(ctx, "DeleteQueue", object{"QueueUrl": q.url()}, nil); err != nil {
				t.Error(fmt.Errorf("delete %s: %w", name, err))
			}
		}
	}
	clear(c.made.there)
}
