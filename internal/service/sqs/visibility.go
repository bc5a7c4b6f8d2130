package sqs

import (
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxVisibility = 43200   // seconds
	maxInFlight   = 120_000 // messages; then a standard queue refuses who does not wait, and a FIFO queue has nothing
)

// flight is what became of a message that does not simply wait its turn.
type flight struct {
	seq      uint64
	order    uint64 // while ready: of its entry in the window
	due      int64  // while out of sight: until when; milliseconds
	first    int64  // when it was first received, or while it never was, when it was sent; milliseconds
	received int64  // when it was last received; milliseconds
	group    string
	receives uint32
	place    int32 // in the heap, from 1; 0 = not there
	state    flightState
}

type flightState uint8

const (
	delayed  flightState = iota // not to be seen before it is due
	inFlight                    // received, and out of sight until it is due
	ready                       // in the window
	gone                        // deleted, but the deletion is not committed yet
)

func (f *flight) record() flightRecord {
	return flightRecord{due: f.due, first: f.first, received: f.received, receives: f.receives, group: f.group}
}

// restore takes up a flight that was found in the store.
func (q *queue) restore(seq uint64, r flightRecord, now int64) {
	f := &flight{seq: seq, due: r.due, first: r.first, received: r.received, receives: r.receives, group: r.group}
	if r.receives == 0 && q.set.fifo {
		f.due = r.first + q.set.delay // in a FIFO queue the delay is the queue's, also for messages that are there already
	}
	switch {
	case f.due > now:
		q.hide(f, r.receives > 0)
	case r.receives > 0 || seq < q.cursor:
		q.flights[seq] = f
		q.show(f)
	}
}

// hide puts a message out of sight until it is due.
func (q *queue) hide(f *flight, received bool) {
	q.flights[f.seq] = f
	if received {
		f.state = inFlight
		q.flying++
		q.window.depart(q.window.lane(f.group), f.seq)
	} else {
		f.state = delayed
		q.delayed++
	}
	heap.Push(&q.due, f)
}

// reveal ends that, without making the message ready.
func (q *queue) reveal(f *flight) {
	if f.place > 0 {
		heap.Remove(&q.due, int(f.place)-1)
	}
	switch f.state {
	case inFlight:
		q.flying--
		q.window.land(q.window.lane(f.group), f.seq)
	case delayed:
		q.delayed--
	}
}

// show makes a message ready.
func (q *queue) show(f *flight) {
	f.state, f.order = ready, f.seq
	if q.set.fifo && f.receives > 0 {
		f.order = q.ids.Next() // its group takes its turn behind those that wait already
	}
	q.window.giveBack(q.window.lane(f.group), entry{seq: f.seq, order: f.order, flight: f})
}

// advance makes ready what is due.
func (q *queue) advance(now int64) {
	n := 0
	for len(q.due) > 0 && q.due[0].due <= now {
		f := q.due[0]
		q.reveal(f)
		if f.receives == 0 && f.seq >= q.cursor {
			delete(q.flights, f.seq) // it is met in its turn
		} else {
			q.show(f)
		}
		n++
	}
	if n > 0 {
		q.wake(n)
	}
}

// delayAll delays messages that are delayed already by so much more: in a FIFO queue the delay is the queue's.
func (q *queue) delayAll(more int64) {
	for _, f := range q.due {
		if f.state == delayed {
			f.due += more
		}
	}
	heap.Init(&q.due)
}

// hold finds what a receipt handle means: the flight of its message, made up where the message was not received in
// this life of the queue's memory. It is nil where there is no such message any more.
func (q *queue) hold(ctx context.Context, h handle) (*flight, error) {
	if f := q.flights[h.seq]; f != nil {
		if f.state == gone {
			return nil, nil
		}
		return f, nil
	}
	if h.seq < q.cursor {
		e, l, ok := q.window.remove(h.seq)
		if !ok {
			return nil, nil
		}
		q.uncache(e.rec)
		f := &flight{seq: h.seq, state: ready, group: l.group}
		q.flights[h.seq] = f
		q.show(f)
		return f, nil
	}
	there, err := store.View(ctx, q.svc.space, func(tx *store.Tx) (record, error) {
		r, _ := q.svc.tables.bodies.Get(tx, q.record.Number, h.seq)
		return r, nil
	})
	if err != nil || there == "" || h.seq <= q.purged {
		return nil, err
	}
	m, err := there.parse()
	if err != nil {
		return nil, err
	}
	f := &flight{seq: h.seq, group: strings.Clone(m.group)}
	q.flights[h.seq] = f
	q.show(f)
	return f, nil
}

// handle is what a receipt handle says: which message of which queue, and which receive of it.
type handle struct {
	queue    uint64
	seq      uint64
	receives uint32
}

const (
	handleFormat = 1
	handleSize   = 1 + 8 + 8 + 4 + 4
)

func (h handle) String() string {
	var b [handleSize]byte
	b[0] = handleFormat
	binary.BigEndian.PutUint64(b[1:], h.queue)
	binary.BigEndian.PutUint64(b[9:], h.seq)
	binary.BigEndian.PutUint32(b[17:], h.receives)
	binary.BigEndian.PutUint32(b[21:], crc32.ChecksumIEEE(b[:21]))
	for i := 1; i < 21; i++ { // so that handles of neighbours do not look alike
		b[i] ^= b[21+i%4]
	}
	return base64.StdEncoding.EncodeToString(b[:])
}

// parseHandle reads a receipt handle; ok is false for what is none of ours.
func parseHandle(s string) (h handle, ok bool) {
	if len(s) != base64.StdEncoding.EncodedLen(handleSize) {
		return h, false
	}
	var raw [handleSize + 2]byte
	n, err := base64.StdEncoding.Decode(raw[:], []byte(s))
	if err != nil || n != handleSize || raw[0] != handleFormat {
		return h, false
	}
	for i := 1; i < 21; i++ {
		raw[i] ^= raw[21+i%4]
	}
	if binary.BigEndian.Uint32(raw[21:]) != crc32.ChecksumIEEE(raw[:21]) {
		return h, false
	}
	return handle{binary.BigEndian.Uint64(raw[1:]), binary.BigEndian.Uint64(raw[9:]), binary.BigEndian.Uint32(raw[17:])}, true
}

func (q *queue) handle(f *flight) handle { return handle{q.record.Number, f.seq, f.receives} }

// receipt reads a receipt handle of this queue.
func (q *queue) receipt(s string) (handle, error) {
	h, ok := parseHandle(s)
	if !ok || h.queue != q.record.Number {
		return h, sqsapi.ReceiptHandleIsInvalid("The input receipt handle \"%s\" is not a valid receipt handle.", s)
	}
	return h, nil
}

// expired reports whether a handle of a FIFO queue is of no use any more: its message is visible again, or was received since.
func (q *queue) expired(f *flight, h handle) bool {
	return q.set.fifo && (f.state != inFlight || f.receives != h.receives)
}

func invalidReceipt(s, reason string) error {
	return invalid("Value %s for parameter ReceiptHandle is invalid. Reason: %s", s, reason)
}

// changeVisibility puts the message of a receipt handle out of sight for so many seconds from now.
func (q *queue) changeVisibility(ctx context.Context, b *owner.Batch, receipt string, seconds int32) error {
	if seconds < 0 || seconds > maxVisibility {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", seconds)
	}
	h, err := q.receipt(receipt)
	if err != nil {
		return err
	}
	f, err := q.hold(ctx, h)
	if err != nil {
		return err
	}
	if f == nil || f.state == delayed {
		return invalidReceipt(receipt, "Message does not exist or is not available for visibility timeout change.")
	}
	if q.expired(f, h) {
		return invalidReceipt(receipt, "The receipt handle has expired.")
	}
	now := b.Now().UnixMilli()
	due := now + int64(seconds)*1000
	if f.state == inFlight && due > f.received+maxVisibility*1000 {
		return invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", seconds)
	}
	if f.receives == 0 { // its receive was lost in a power cut
		f.receives, f.first = h.receives, now
	}
	if f.state == ready { // where it stands in the window, it must never count again
		again := *f
		f.state = gone
		f = &again
		f.received = now
	}
	q.reveal(f)
	f.due = due
	q.hide(f, true)
	q.svc.tables.flights.Set(b, f.record(), q.record.Number, f.seq)
	if seconds == 0 {
		q.advance(now)
	}
	return nil
}

// ChangeMessageVisibility changes for how long a message that was received is out of sight.
func (s *Service) ChangeMessageVisibility(ctx context.Context, in *sqsapi.ChangeMessageVisibilityInput) (*sqsapi.ChangeMessageVisibilityOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.ChangeMessageVisibilityOutput, error) {
		b.Frees()
		if !q.set.fifo {
			b.Lazy() // a power cut may have the message visible sooner, or later
		}
		return &sqsapi.ChangeMessageVisibilityOutput{}, q.changeVisibility(ctx, b, in.ReceiptHandle, in.VisibilityTimeout)
	})
}

// ChangeMessageVisibilityBatch does so for up to ten messages.
func (s *Service) ChangeMessageVisibilityBatch(ctx context.Context, in *sqsapi.ChangeMessageVisibilityBatchInput) (*sqsapi.ChangeMessageVisibilityBatchOutput, error) {
	if err := checkBatch(len(in.Entries), "ChangeMessageVisibilityBatchRequestEntry", func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.ChangeMessageVisibilityBatchOutput, error) {
		b.Frees()
		if !q.set.fifo {
			b.Lazy()
		}
		out := &sqsapi.ChangeMessageVisibilityBatchOutput{}
		for i := range in.Entries {
			e := &in.Entries[i]
			err := error(missing("VisibilityTimeout"))
			if e.VisibilityTimeout.Set {
				err = q.changeVisibility(ctx, b, e.ReceiptHandle, e.VisibilityTimeout.V)
			}
			if err == nil {
				out.Successful = append(out.Successful, sqsapi.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
			} else {
				out.Failed = append(out.Failed, failed(e.Id, err))
			}
		}
		return out, nil
	})
}

// flightHeap is the messages out of sight, those due first in front.
type flightHeap []*flight

func (h flightHeap) Len() int { return len(h) }
func (h flightHeap) Less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].seq < h[j].seq
}

func (h flightHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i+1), int32(j+1)
}

func (h *flightHeap) Push(x any) {
	f := x.(*flight)
	*h = append(*h, f)
	f.place = int32(len(*h))
}

func (h *flightHeap) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last], f.place = nil, 0
	*h = (*h)[:last]
	return f
}
