package sqs

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// tooManyInFlight is what a receive that does not wait is told by a standard queue that has as many in flight as may be.
const tooManyInFlight = "Too many messages have been received without being deleted.\nPlease delete your received messages or let them timeout before receiving more."

// received is a message that a receive answers.
type received struct {
	message
	flight *flight
}

// ReceiveMessage answers up to ten messages and puts them out of sight. Where there are none it waits, if it is to.
func (s *Service) ReceiveMessage(ctx context.Context, in *sqsapi.ReceiveMessageInput) (*sqsapi.ReceiveMessageOutput, error) {
	limit := in.MaxNumberOfMessages.Or(1)
	if limit < 1 || limit > 10 {
		return nil, invalid("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", limit)
	}
	if v := in.VisibilityTimeout; v.Set && (v.V < 0 || v.V > maxVisibility) {
		return nil, invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", v.V)
	}
	if w := in.WaitTimeSeconds; w.Set && (w.V < 0 || w.V > 20) {
		return nil, invalid("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", w.V)
	}
	var attempt hash
	if id := in.ReceiveRequestAttemptId; id.Set {
		if err := checkFifoID(id.V, "ReceiveRequestAttemptId"); err != nil {
			return nil, err
		}
		attempt = hashOf(id.V, "")
	}
	want, err := newSystemFilter(in)
	if err != nil {
		return nil, err
	}
	attributes := newAttributeFilter(in.MessageAttributeNames)

	var until time.Time // when a long poll ends; zero before it has begun
	for {
		var (
			again bool   // what was done must be committed before it is known whether there is anything to wait for
			moved uint64 // the dead-letter queue, where something went there
		)
		out, err := at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.ReceiveMessageOutput, error) {
			if err := ctx.Err(); err != nil { // nobody is there any more: what woke this is somebody else's
				q.wake(1)
				return nil, err
			}
			b.Frees()
			visibility := q.set.visibility
			if in.VisibilityTimeout.Set {
				visibility = int64(in.VisibilityTimeout.V) * 1000
			}
			wait := q.set.wait
			if in.WaitTimeSeconds.Set {
				wait = int64(in.WaitTimeSeconds.V) * 1000
			}
			tried := in.ReceiveRequestAttemptId.Set && q.set.fifo // it means nothing to others
			var (
				list []received
				err  error
			)
			if tried {
				if list, err = q.repeat(ctx, b, in.ReceiveRequestAttemptId.V, attempt, visibility); err != nil {
					return nil, err
				}
			}
			if len(list) == 0 {
				if !q.set.fifo && q.flying >= maxInFlight {
					if wait == 0 {
						return nil, sqsapi.OverLimit(tooManyInFlight)
					}
				} else if list, moved, err = q.receive(ctx, b, int(limit), visibility); err != nil {
					return nil, err
				}
				if tried && len(list) > 0 {
					q.attempted(b, attempt, list)
				}
			}
			if moved != 0 {
				s.work.Add(b, work{Queue: q.set.deadLetters, Number: moved}, task.Add{Target: q.set.deadLetters})
			}
			if len(list) == 0 {
				if until.IsZero() {
					until = b.Now().Add(time.Duration(wait) * time.Millisecond)
				}
				if again = !b.Empty(); !again && b.Now().Before(until) {
					return nil, b.Park(&q.waiters, until)
				}
				if !again {
					b.Lazy()
				}
				return &sqsapi.ReceiveMessageOutput{}, nil
			}
			o := &sqsapi.ReceiveMessageOutput{Messages: make([]sqsapi.Message, len(list))}
			for i := range list {
				q.answer(&o.Messages[i], &list[i], &want, &attributes)
			}
			return o, nil
		})
		if isNoQueue(err) && !until.IsZero() {
			return &sqsapi.ReceiveMessageOutput{}, nil // the queue was deleted while this waited
		}
		if err != nil || !again {
			return out, err
		}
	}
}

// picked is an entry that a receive has taken out of the window.
type picked struct {
	entry
	lane *lane
	kept bool // it is in memory
	move bool // it was received too often: it goes to the dead-letter queue
}

// receive takes up to limit messages and puts them out of sight for so many milliseconds. Those that were received too
// often it moves to the dead-letter queue, whose number it returns then; those past their retention period it drops.
func (q *queue) receive(ctx context.Context, b *owner.Batch, limit int, visibility int64) (list []received, moved uint64, err error) {
	if q.set.fifo {
		if limit = min(limit, maxInFlight-q.flying); limit <= 0 {
			return nil, 0, nil
		}
	}
	now := b.Now().UnixMilli()
	redrive := q.set.deadLetters != ""
	var dead uint64
	dropped := 0
	for len(list) < limit && dropped < 500 {
		picks, err := q.pick(ctx, limit-len(list), redrive)
		if err == nil && dead == 0 && slices.ContainsFunc(picks, func(p picked) bool { return p.move }) {
			if dead, err = q.deadLetters(ctx); err != nil || dead == 0 {
				q.putBack(picks)
				if redrive = false; err == nil {
					continue // there is no such queue: messages stay
				}
			}
		}
		if err != nil {
			if dropped > 0 || len(list) > 0 { // what is done is written and answered
				return list, moved, nil
			}
			return nil, 0, err
		}
		before := dropped
		for i := range picks {
			p := &picks[i]
			q.release(p)
			m, bad := p.rec.parse()
			switch {
			case bad != nil || m.sent+q.set.retention <= now:
				q.drop(b, p.seq)
				dropped++
			case p.move:
				q.moveTo(b, dead, &m, p.flight, q.arn)
				q.drop(b, p.seq)
				dropped++
				moved = dead
			default:
				list = append(list, received{m, q.depart(b, p, now, visibility)})
			}
		}
		for i := range picks {
			q.window.update(picks[i].lane)
		}
		if dropped == before {
			break
		}
		q.save(b)
	}
	if dropped == 0 && !q.set.fifo {
		b.Lazy() // a power cut may deliver these again
	}
	return list, moved, nil
}

// depart puts a message in flight.
func (q *queue) depart(b *owner.Batch, p *picked, now, visibility int64) *flight {
	f := p.flight
	if f == nil {
		f = &flight{seq: p.seq, group: p.lane.group}
	}
	if f.receives == 0 {
		f.first = now
		if f.seq >= q.cursor {
			q.early--
		}
	}
	f.receives++
	f.received, f.due = now, now+visibility
	q.hide(f, true)
	q.svc.tables.flights.Set(b, f.record(), q.record.Number, f.seq)
	return f
}

// drop deletes a message that was taken out of the window.
func (q *queue) drop(b *owner.Batch, seq uint64) {
	n := q.record.Number
	q.svc.tables.bodies.Delete(b, n, seq)
	q.svc.tables.flights.Delete(b, n, seq)
	q.state.total--
	q.touch()
	if f := q.flights[seq]; f != nil {
		q.forget(b, f)
	} else if seq >= q.cursor {
		q.flights[seq] = &flight{seq: seq, state: gone}
		b.Then(func() { delete(q.flights, seq) })
	}
}

// forget ends a flight whose message is being deleted. As long as a reading of the backlog could still meet the message,
// it is kept as gone.
func (q *queue) forget(b *owner.Batch, f *flight) {
	q.reveal(f)
	f.state = gone
	if f.seq < q.cursor {
		delete(q.flights, f.seq)
		return
	}
	b.Then(func() {
		if q.flights[f.seq] == f {
			delete(q.flights, f.seq)
		}
	})
}

// touch brings the state's head up to date: what load would have to read again.
func (q *queue) touch() {
	if q.window.held == 0 {
		q.state.head = q.cursor
		return
	}
	if l := q.window.lanes[""]; l != nil && len(q.window.lanes) == 1 {
		if l.fresh.len() > 0 {
			if e := l.fresh.at(0); e.flight == nil {
				q.state.head = e.seq
			}
		} else {
			q.state.head = q.cursor
		}
		return
	}
	if q.touched++; q.touched >= 256 {
		q.touched = 0
		q.state.head = q.window.oldest(q.cursor)
	}
}

// pick takes up to limit messages out of the window, filling it where it must, and reads those that are not in memory.
// With redrive, messages that were received as often as the redrive policy lets them are marked, and do not count.
func (q *queue) pick(ctx context.Context, limit int, redrive bool) ([]picked, error) {
	var picks []picked
	reads := 0
	for n := 0; n < limit && len(picks) < 100; {
		l := q.window.next()
		if l == nil || q.behind && !q.looked { // what never was received comes before what came back
			more, err := q.fill(ctx)
			if err != nil && len(picks) == 0 {
				return nil, err
			}
			if err != nil || !more && l == nil {
				break
			}
			continue
		}
		for n < limit && len(picks) < 100 {
			e, ok := q.window.take(l)
			if !ok {
				break
			}
			p := picked{entry: e, lane: l, kept: e.rec != "", move: redrive && e.flight != nil && e.flight.receives >= q.set.maxReceives}
			if !p.move {
				n++
			}
			if !p.kept {
				reads++
			}
			picks = append(picks, p)
			if !q.set.fifo && l.group != "" {
				l.count++ // so that the next group has its turn
				break
			}
		}
		q.window.rank(l)
	}
	if !q.set.fifo {
		for i := range picks {
			if picks[i].lane.group != "" {
				picks[i].lane.count--
			}
		}
	}
	if reads > 0 {
		if err := q.read(ctx, picks); err != nil {
			q.putBack(picks)
			return nil, err
		}
	}
	return picks, nil
}

// putBack undoes pick.
func (q *queue) putBack(picks []picked) {
	for _, p := range slices.Backward(picks) {
		if !p.kept {
			p.rec = ""
		}
		q.window.putBack(p.lane, p.entry)
	}
	for i := range picks {
		q.window.update(picks[i].lane)
	}
}

// read reads the messages that are not in memory.
func (q *queue) read(ctx context.Context, picks []picked) error {
	_, err := store.View(ctx, q.svc.space, func(tx *store.Tx) (struct{}, error) {
		for i := range picks {
			if p := &picks[i]; p.rec == "" {
				p.rec, _ = q.svc.tables.bodies.Get(tx, q.record.Number, p.seq)
			}
		}
		return struct{}{}, nil
	})
	return err
}

// fill reads on in the backlog. It reports whether it is worth asking again for something to receive.
func (q *queue) fill(ctx context.Context) (more bool, err error) {
	q.looked = true
	size := windowSize
	if q.set.fifo {
		size = fifoWindow
	}
	if !q.behind || q.window.held >= size {
		return false, nil
	}
	type row struct {
		seq uint64
		rec record
	}
	var rows []row
	full, err := store.View(ctx, q.svc.space, func(tx *store.Tx) (bool, error) {
		bytes := 0
		rows = rows[:0]
		o := store.ScanOptions{From: []any{q.cursor}, Limit: pageRows}
		for k, r := range q.svc.tables.bodies.Scan(tx, o, q.record.Number) {
			rows = append(rows, row{k.Uint64(1), r})
			if bytes += len(r); bytes > pageBytes {
				return true, nil
			}
		}
		return len(rows) == pageRows, nil
	})
	if err != nil {
		return false, err
	}
	for _, r := range rows {
		q.cursor = r.seq + 1
		if f := q.flights[r.seq]; f != nil {
			if f.state == ready && f.receives == 0 {
				q.early--
			}
			continue
		}
		if r.seq <= q.purged {
			continue
		}
		q.window.push(q.laneOf(r.rec), entry{seq: r.seq, order: r.seq, rec: q.cache(r.rec)})
	}
	q.behind = full
	return full || len(rows) > 0, nil
}

// laneOf is the lane of a message.
func (q *queue) laneOf(r record) *lane {
	if !r.grouped() {
		return q.window.lane("")
	}
	group := r.group()
	if l := q.window.lanes[group]; l != nil {
		return l
	}
	return q.window.lane(strings.Clone(group))
}

// cache keeps a message in memory until it is received, if there is room, and returns what is kept.
func (q *queue) cache(r record) record {
	n := int64(len(r))
	if q.svc.cached.Add(n) > cacheBytes {
		q.svc.cached.Add(-n)
		return ""
	}
	q.cached += n
	return r
}

// release gives back the room of a message that leaves the window.
func (q *queue) release(p *picked) {
	if p.kept {
		q.uncache(p.rec)
	}
}

func (q *queue) uncache(r record) {
	n := min(int64(len(r)), q.cached)
	q.cached -= n
	q.svc.cached.Add(-n)
}

// systemFilter is the system attributes a receive asks for.
type systemFilter struct {
	any, all bool
	names    map[string]bool
}

func newSystemFilter(in *sqsapi.ReceiveMessageInput) (f systemFilter, err error) {
	add := func(name string) error {
		f.any = true
		switch name {
		case "All":
			f.all = true
			return nil
		case "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
			"MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn":
		default:
			if _, known := numbers[name]; !known && !settable(name) {
				return sqsapi.InvalidAttributeName("Unknown Attribute %s.", name)
			}
		}
		if f.names == nil {
			f.names = make(map[string]bool)
		}
		f.names[name] = true
		return nil
	}
	for _, n := range in.AttributeNames {
		if err := add(string(n)); err != nil {
			return f, err
		}
	}
	for _, n := range in.MessageSystemAttributeNames {
		if err := add(string(n)); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *systemFilter) wants(name string) bool { return f.all || f.names[name] }

// answer is how a received message is answered.
func (q *queue) answer(out *sqsapi.Message, r *received, want *systemFilter, attributes *attributeFilter) {
	f := r.flight
	out.MessageId = aws.Some(aws.UUID(r.id))
	out.ReceiptHandle = aws.Some(q.handle(f).String())
	out.MD5OfBody = aws.Some(hex.EncodeToString(r.bodyMD5[:]))
	out.Body = aws.Some(r.body)
	if want.any {
		out.Attributes = make(map[sqsapi.MessageSystemAttributeName]string)
		put := func(name, v string) {
			if v != "" && want.wants(name) {
				out.Attributes[sqsapi.MessageSystemAttributeName(name)] = v
			}
		}
		first := f.first
		if r.receives > 0 {
			first = r.first
		}
		put("SenderId", r.sender)
		put("SentTimestamp", strconv.FormatInt(r.sent, 10))
		put("ApproximateReceiveCount", strconv.FormatUint(uint64(r.receives)+uint64(f.receives), 10))
		put("ApproximateFirstReceiveTimestamp", strconv.FormatInt(first, 10))
		put("MessageGroupId", r.group)
		put("MessageDeduplicationId", r.dedup)
		put("AWSTraceHeader", r.trace)
		put("DeadLetterQueueSourceArn", r.source)
		if q.set.fifo {
			put("SequenceNumber", sequenceNumber(f.seq))
		}
		if len(out.Attributes) == 0 {
			out.Attributes = nil
		}
	}
	if list := attributes.pick(r.attributes); len(list) > 0 {
		out.MD5OfMessageAttributes = aws.Some(digest(list))
		out.MessageAttributes = make(map[string]sqsapi.MessageAttributeValue, len(list))
		for _, a := range list {
			v := sqsapi.MessageAttributeValue{DataType: a.kind}
			if a.binary {
				v.BinaryValue = []byte(a.value)
			} else {
				v.StringValue = aws.Some(a.value)
			}
			out.MessageAttributes[a.name] = v
		}
	}
}
