package sqs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

// dedupInterval is for how long a deduplication id, and a receive request attempt id, is remembered; milliseconds.
const dedupInterval = 5 * 60 * 1000

// hash stands for an id in a key.
type hash [16]byte

func hashOf(id, scope string) hash {
	h := sha256.New()
	h.Write([]byte(id))
	h.Write([]byte{0})
	h.Write([]byte(scope))
	return hash(h.Sum(nil)[:16])
}

// contentID is the deduplication id of a message that was given none.
func contentID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// dedups remembers the deduplication ids of the last five minutes. In memory are those given since the queue was loaded;
// until that is five minutes ago, the store is asked for the others.
type dedups struct {
	known  map[hash]dedupRecord
	order  []hash // oldest first
	loaded int64  // milliseconds
}

// duplicate finds the message that was sent with the same id before.
func (q *queue) duplicate(ctx context.Context, h hash, now int64) (dedupRecord, bool, error) {
	d, ok := q.dedups.known[h]
	if !ok && now < q.dedups.loaded+dedupInterval {
		var err error
		d, err = store.View(ctx, q.svc.space, func(tx *store.Tx) (dedupRecord, error) {
			d, _ := q.svc.tables.dedups.Get(tx, q.record.Number, [16]byte(h))
			return d, nil
		})
		if err != nil {
			return d, false, err
		}
	}
	return d, d.Expires > now && d.Seq > q.purged, nil
}

// remember notes the id of a message, and forgets two that are old enough.
func (q *queue) remember(w store.Writer, h hash, d dedupRecord, now int64) {
	s := &q.dedups
	if s.known == nil {
		s.known = make(map[hash]dedupRecord)
	}
	for range 2 {
		if len(s.order) == 0 || s.known[s.order[0]].Expires > now {
			break
		}
		q.svc.tables.dedups.Delete(w, q.record.Number, [16]byte(s.order[0]))
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
	if _, again := s.known[h]; !again {
		s.order = append(s.order, h)
	}
	s.known[h] = d
	q.svc.tables.dedups.Set(w, d, q.record.Number, [16]byte(h))
}

// sequenceNumber is what a FIFO queue answers for a seq: twenty digits that rise.
func sequenceNumber(seq uint64) string { return strconv.FormatUint(1e19+seq, 10) }

// validFifoID reports whether s can be a deduplication id, a group id or an attempt id.
func validFifoID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func checkFifoID(s, parameter string) error {
	if validFifoID(s) {
		return nil
	}
	return invalid("Value %s for parameter %s is invalid. Reason: %[2]s can only include alphanumeric and punctuation characters. 1 to 128 in length.", s, parameter)
}

// repeat answers a receive whose attempt id was seen before with the same messages, and the same receipt handles, as
// long as they are out of sight. Their visibility timeout begins anew. Once one of them was deleted or had its visibility
// changed it is refused.
func (q *queue) repeat(ctx context.Context, b *owner.Batch, id string, h hash, visibility int64) ([]received, error) {
	now := b.Now().UnixMilli()
	type attempt struct {
		attemptRecord
		bodies []record
	}
	a, err := store.View(ctx, q.svc.space, func(tx *store.Tx) (a attempt, _ error) {
		a.attemptRecord, _ = q.svc.tables.tries.Get(tx, q.record.Number, [16]byte(h))
		for _, seq := range a.Seqs {
			r, _ := q.svc.tables.bodies.Get(tx, q.record.Number, seq)
			a.bodies = append(a.bodies, r)
		}
		return a, nil
	})
	if err != nil || a.Expires <= now {
		return nil, err
	}
	var list []received
	for i, seq := range a.Seqs {
		f := q.flights[seq]
		if f == nil || f.state != inFlight || f.receives != a.Receives[i] || f.due != a.Dues[i] || a.bodies[i] == "" {
			if a.bodies[i] == "" || now < a.Dues[i] {
				return nil, invalid("Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: The receiveRequestAttemptId is not valid anymore since the receive call is not retryable.", id)
			}
			return nil, nil
		}
		m, err := a.bodies[i].parse()
		if err != nil {
			return nil, err
		}
		list = append(list, received{m, f})
	}
	for i, r := range list {
		q.reveal(r.flight)
		r.flight.due = now + visibility
		a.Dues[i] = r.flight.due
		q.hide(r.flight, true)
		q.svc.tables.flights.Set(b, r.flight.record(), q.record.Number, r.flight.seq)
	}
	q.svc.tables.tries.Set(b, a.attemptRecord, q.record.Number, [16]byte(h))
	return list, nil
}

// attempted notes what an attempt id was given.
func (q *queue) attempted(b *owner.Batch, h hash, list []received) {
	a := attemptRecord{Expires: b.Now().UnixMilli() + dedupInterval}
	for _, r := range list {
		a.Seqs = append(a.Seqs, r.flight.seq)
		a.Receives = append(a.Receives, r.flight.receives)
		a.Dues = append(a.Dues, r.flight.due)
	}
	q.svc.tables.tries.Set(b, a, q.record.Number, [16]byte(h))
}
