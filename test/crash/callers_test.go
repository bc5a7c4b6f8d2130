package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The queues. Each is there for something of its own.
var (
	plain      = &queue{name: "plain"}
	ordered    = &queue{name: "ordered.fifo", fifo: true, strict: true}
	source     = &queue{name: "source", dead: "source-dead"}
	sourceDead = &queue{name: "source-dead", dead: "source"} // what is there is moved back
	sourceFifo = &queue{name: "source.fifo", fifo: true, dead: "source-dead.fifo"}
	deadFifo   = &queue{name: "source-dead.fifo", fifo: true, dead: "source.fifo"}
	short      = &queue{name: "short"} // nothing is received from it; its messages expire
	kept       = &queue{name: "kept"}  // purged, tagged, changed
	allQueues  = []*queue{plain, ordered, sourceDead, source, deadFifo, sourceFifo, short, kept}
	drained    = []*queue{plain, ordered, source, sourceFifo, sourceDead, deadFifo, kept}
	visibility = map[*queue]time.Duration{plain: 2 * time.Second, ordered: 2 * time.Second, source: time.Second, sourceFifo: time.Second}
	shortKept  = time.Minute // the retention period of short
)

// callers use the queues until they are stopped.
type callers struct {
	*door
	h       *history
	seed    uint64
	drained []*queue      // what verify empties
	slow    time.Duration // they pause between calls, as long as that: in a bubble, time passes only while everybody does

	serial atomic.Uint64 // in names of messages
	stop   chan struct{}
	all    sync.WaitGroup

	full atomic.Int64 // answers that said the disk is full
	mu   sync.Mutex
	told string // the last of these

	tags certainly // of the queue kept: what it was set to
	made made
}

// certainly is a number that rises: as far as was acknowledged, and as far as was asked for.
type certainly struct{ acked, asked int }

// made is what one caller makes and deletes.
type made struct {
	there map[string]certainty // queues
	here  []string             // messages of the queue kept
}

func newCallers(seed uint64, slow time.Duration) *callers {
	return &callers{door: &door{}, h: newHistory(), seed: seed, slow: slow, drained: drained, made: made{there: map[string]certainty{}}}
}

// prepare makes the queues.
func (c *callers) prepare(ctx context.Context, t testing.TB) {
	t.Helper()
	redrive := func(to *queue, max int) string {
		return fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, to.arn(), max)
	}
	attributes := map[*queue]map[string]string{
		plain:      {"VisibilityTimeout": "2"},
		ordered:    {"VisibilityTimeout": "2", "FifoQueue": "true"},
		sourceDead: {},
		source:     {"VisibilityTimeout": "1", "RedrivePolicy": redrive(sourceDead, 2)},
		deadFifo:   {"FifoQueue": "true"},
		sourceFifo: {"VisibilityTimeout": "1", "FifoQueue": "true", "RedrivePolicy": redrive(deadFifo, 2), "ContentBasedDeduplication": "true"},
		short:      {"MessageRetentionPeriod": strconv.Itoa(int(shortKept.Seconds()))},
		kept:       {},
	}
	for _, q := range allQueues {
		if err := c.call(ctx, "CreateQueue", object{"QueueName": q.name, "Attributes": attributes[q]}, nil); err != nil {
			t.Fatalf("create %s: %v", q.name, err)
		}
	}
}

// begin has them call.
func (c *callers) begin(ctx context.Context) {
	c.stop = make(chan struct{})
	for i, work := range []func(context.Context, *rand.Rand){
		c.send(plain), c.send(plain), c.send(short), c.sendBatches(plain),
		c.receive(plain), c.receive(plain), c.receive(plain),
		c.send(source), c.receive(source), c.receive(source), c.move(sourceDead),
		c.sendOrdered(ordered, "a", "b"), c.sendOrdered(ordered, "c"), c.sendOrdered(ordered, "d", "e", "f"),
		c.receive(ordered), c.receive(ordered),
		c.sendOrdered(sourceFifo, "g", "h"), c.receive(sourceFifo), c.move(deadFifo),
		c.control,
	} {
		rng := rand.New(rand.NewPCG(c.seed, uint64(i)))
		c.all.Go(func() { work(ctx, rng) })
	}
	c.seed++
}

// end has them finish the calls under way, and waits for that.
func (c *callers) end() {
	close(c.stop)
	c.all.Wait()
}

// on reports whether to go on, after a pause.
func (c *callers) on(rng *rand.Rand, err error) bool {
	pause := time.Duration(0)
	if c.slow > 0 {
		pause = time.Duration(rng.Int64N(int64(c.slow)))
	}
	if err != nil {
		pause += time.Duration(1+rng.IntN(10)) * time.Millisecond
		if isFull(err) {
			c.full.Add(1)
			c.mu.Lock()
			c.told = err.Error()
			c.mu.Unlock()
		}
	}
	select {
	case <-c.stop:
		return false
	default:
	}
	if pause > 0 {
		time.Sleep(pause)
	}
	return true
}

// name is a message's: the queue, its group, and a number nobody else has; poison says that no consumer will delete it.
func (c *callers) name(q *queue, group string, rng *rand.Rand) string {
	kind := "good"
	if q.dead != "" && rng.IntN(3) == 0 {
		kind = "poison"
	}
	return fmt.Sprintf("%s/%s/%s/%d", q.name, group, kind, c.serial.Add(1))
}

func poisoned(name string) bool { return strings.Contains(name, "/poison/") }

func padding(rng *rand.Rand) int {
	if rng.IntN(40) == 0 {
		return 20_000 + rng.IntN(40_000)
	}
	return rng.IntN(1500)
}

func (c *callers) newMessage(q *queue, group string, rng *rand.Rand) (name string, in object) {
	name = c.name(q, group, rng)
	in = object{"MessageBody": bodyOf(name, padding(rng))}
	if q.fifo {
		in["MessageGroupId"] = group
		if q.strict {
			in["MessageDeduplicationId"] = name
		}
	} else if q != short && rng.IntN(4) == 0 {
		in["DelaySeconds"] = rng.IntN(3)
	}
	c.h.sending(q, group, name)
	if q == short {
		c.h.mu.Lock()
		c.h.fates[name].expires = true
		c.h.mu.Unlock()
	}
	return name, in
}

// send sends one message after the other; what came of one that was not answered it never learns.
func (c *callers) send(q *queue) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, rng *rand.Rand) {
		for err := error(nil); c.on(rng, err); {
			name, in := c.newMessage(q, "", rng)
			in["QueueUrl"] = q.url()
			var out sent
			one := c.h.begin()
			err = c.call(ctx, "SendMessage", in, &out)
			one.sent(name, out, err)
		}
	}
}

// batch is what the calls with entries answer.
type batch struct {
	Successful []sent
	Failed     []struct {
		Id, Code, Message string
		SenderFault       bool
	}
}

// of is the answer to one entry.
func (b *batch) of(id string, err error) (sent, error) {
	if err != nil {
		return sent{}, err
	}
	for _, s := range b.Successful {
		if s.Id == id {
			return s, nil
		}
	}
	for _, f := range b.Failed {
		if f.Id == id {
			status := 500
			if f.SenderFault {
				status = 400
			}
			return sent{}, &refusal{status, f.Code, f.Message}
		}
	}
	return sent{}, fmt.Errorf("the answer has no entry %s", id)
}

func (c *callers) sendBatches(q *queue) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, rng *rand.Rand) {
		for err := error(nil); c.on(rng, err); {
			var names []string
			var entries []object
			for i := range 1 + rng.IntN(10) {
				name, in := c.newMessage(q, "", rng)
				in["Id"] = strconv.Itoa(i)
				names, entries = append(names, name), append(entries, in)
			}
			var out batch
			one := c.h.begin()
			err = c.call(ctx, "SendMessageBatch", object{"QueueUrl": q.url(), "Entries": entries}, &out)
			for i, name := range names {
				s, err := out.of(strconv.Itoa(i), err)
				one.sent(name, s, err)
			}
		}
	}
}

// sendOrdered sends messages of some groups, each again until it is acknowledged, as clients of a FIFO queue may.
func (c *callers) sendOrdered(q *queue, groups ...string) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, rng *rand.Rand) {
		for err := error(nil); c.on(rng, err); {
			group := groups[rng.IntN(len(groups))]
			if rng.IntN(3) > 0 {
				name, in := c.newMessage(q, group, rng)
				in["QueueUrl"] = q.url()
				for acked := false; !acked && c.on(rng, err); {
					var out sent
					one := c.h.begin()
					err = c.call(ctx, "SendMessage", in, &out)
					acked = one.sent(name, out, err)
				}
				continue
			}
			var names []string
			var entries []object
			for i := range 2 + rng.IntN(9) {
				name, in := c.newMessage(q, group, rng)
				in["Id"] = strconv.Itoa(i)
				names, entries = append(names, name), append(entries, in)
			}
			for acked := false; !acked && c.on(rng, err); {
				var out batch
				one := c.h.begin()
				err = c.call(ctx, "SendMessageBatch", object{"QueueUrl": q.url(), "Entries": entries}, &out)
				acked = true
				for i, name := range names {
					s, err := out.of(strconv.Itoa(i), err)
					acked = one.sent(name, s, err) && acked
				}
			}
		}
	}
}

// receive receives messages and deletes most of them, by one or together, sooner or later.
func (c *callers) receive(q *queue) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, rng *rand.Rand) {
		for err := error(nil); c.on(rng, err); {
			var out struct{ Messages []message }
			one := c.h.begin()
			err = c.call(ctx, "ReceiveMessage", object{
				"QueueUrl": q.url(), "MaxNumberOfMessages": 1 + rng.IntN(10), "WaitTimeSeconds": rng.IntN(2), "AttributeNames": []string{"All"},
			}, &out)
			if !one.received(q, out.Messages, err) {
				continue
			}
			var done []message
			for _, m := range out.Messages {
				switch {
				case poisoned(m.name()):
					if rng.IntN(2) == 0 { // its consumer gives it back at once, or dies with it
						err = c.changeVisibility(ctx, q, []message{m}, 0)
					}
				case rng.IntN(8) == 0 && !q.fifo && q.dead == "":
					err = c.changeVisibility(ctx, q, []message{m}, rng.IntN(4))
				case rng.IntN(30) > 0: // else it dies: in a FIFO queue, what is behind waits until it is received again
					done = append(done, m)
				}
			}
			if q.fifo && rng.IntN(4) == 0 {
				err = c.changeVisibility(ctx, q, done, 1+rng.IntN(2))
			}
			if len(done) > 1 && rng.IntN(2) == 0 {
				c.again(rng, q, one.start, func() error { return c.deleteBatch(ctx, q, done, one.start) })
				continue
			}
			for _, m := range done {
				c.again(rng, q, one.start, func() error {
					c.h.deleting(m.name())
					two := c.h.begin()
					err := c.call(ctx, "DeleteMessage", object{"QueueUrl": q.url(), "ReceiptHandle": m.ReceiptHandle}, nil)
					two.deleted(m.name(), one.start, c.until(q), err)
					return two.heard(err)
				})
			}
		}
	}
}

// again makes a call again, until it is answered or of no use any more.
func (c *callers) again(rng *rand.Rand, q *queue, received time.Time, call func() error) {
	for err := call(); err != nil && !refused(err) && time.Since(received) < c.until(q) && c.on(rng, err); {
		err = call()
	}
}

// until is for how long a receipt handle is good for certain. A visibility timeout that was changed may be over sooner.
func (c *callers) until(q *queue) time.Duration { return min(visibility[q], time.Second) }

func (c *callers) deleteBatch(ctx context.Context, q *queue, done []message, received time.Time) error {
	var entries []object
	for i, m := range done {
		c.h.deleting(m.name())
		entries = append(entries, object{"Id": strconv.Itoa(i), "ReceiptHandle": m.ReceiptHandle})
	}
	var out batch
	two := c.h.begin()
	err := c.call(ctx, "DeleteMessageBatch", object{"QueueUrl": q.url(), "Entries": entries}, &out)
	for i, m := range done {
		_, err := out.of(strconv.Itoa(i), err)
		two.deleted(m.name(), received, c.until(q), err)
	}
	return two.heard(err)
}

func (c *callers) changeVisibility(ctx context.Context, q *queue, list []message, seconds int) error {
	if len(list) == 0 {
		return nil
	}
	var entries []object
	for i, m := range list {
		entries = append(entries, object{"Id": strconv.Itoa(i), "ReceiptHandle": m.ReceiptHandle, "VisibilityTimeout": seconds})
	}
	return c.call(ctx, "ChangeMessageVisibilityBatch", object{"QueueUrl": q.url(), "Entries": entries}, nil)
}

// move has a dead-letter queue's messages moved back, over and over, and changes its mind now and then.
func (c *callers) move(q *queue) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, rng *rand.Rand) {
		for err := error(nil); c.on(rng, err); {
			in := object{"SourceArn": q.arn()}
			if rng.IntN(2) == 0 {
				in["MaxNumberOfMessagesPerSecond"] = 1 + rng.IntN(100)
			}
			var out struct{ TaskHandle string }
			err = c.call(ctx, "StartMessageMoveTask", in, &out)
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
			if err == nil && rng.IntN(3) == 0 {
				err = c.call(ctx, "CancelMessageMoveTask", object{"TaskHandle": out.TaskHandle}, nil)
			}
		}
	}
}

// control changes what is known of the queue kept, purges it, and makes and deletes queues.
func (c *callers) control(ctx context.Context, rng *rand.Rand) {
	for err := error(nil); c.on(rng, err); {
		switch rng.IntN(5) {
		case 0, 1:
			c.tags.asked++
			n := c.tags.asked
			one := c.h.begin()
			if err = c.call(ctx, "TagQueue", object{"QueueUrl": kept.url(), "Tags": object{"n": strconv.Itoa(n)}}, nil); err == nil {
				err = c.call(ctx, "SetQueueAttributes", object{"QueueUrl": kept.url(), "Attributes": object{"MaximumMessageSize": strconv.Itoa(100_000 + n)}}, nil)
			}
			if one.answered(err) {
				c.tags.acked = n
			}
		case 2:
			name := fmt.Sprintf("made-%d", c.serial.Add(1))
			c.made.there[name] = maybe
			one := c.h.begin()
			err = c.call(ctx, "CreateQueue", object{"QueueName": name, "tags": object{"made": name}}, nil)
			if one.answered(err) {
				c.made.there[name] = yes
			}
		case 3:
			for name, there := range c.made.there {
				if there != yes {
					continue
				}
				c.made.there[name] = maybe
				one := c.h.begin()
				err = c.call(ctx, "DeleteQueue", object{"QueueUrl": (&queue{name: name}).url()}, nil)
				if one.answered(err) {
					c.made.there[name] = no
				}
				break
			}
		case 4:
			for range rng.IntN(4) {
				name, in := c.newMessage(kept, "", rng)
				in["QueueUrl"] = kept.url()
				delete(in, "DelaySeconds")
				var out sent
				one := c.h.begin()
				err = c.call(ctx, "SendMessage", in, &out)
				one.sent(name, out, err)
				c.made.here = append(c.made.here, name)
			}
			if rng.IntN(2) == 0 {
				c.h.deleting(c.made.here...)
				one := c.h.begin()
				err = c.call(ctx, "PurgeQueue", object{"QueueUrl": kept.url()}, nil)
				one.purged(c.made.here, err)
				c.made.here = nil
			}
		}
	}
}

// answered reports whether the answer of a call counts.
func (c call) answered(err error) bool {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	return c.counts(err)
}

func (c call) purged(bodies []string, err error) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if !c.counts(err) {
		return
	}
	for _, b := range bodies {
		if f := c.h.fates[b]; f != nil {
			f.deleted, f.gone = yes, c.h.tick
		}
	}
}
