package sqs

import (
	"context"
	"time"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

// sweepAt has the queue looked at for messages past their retention period, at a time in milliseconds.
func (s *Service) sweepAt(w store.Writer, q *queue, at int64) {
	s.dues.At(w, time.UnixMilli(at), q.name, work{Queue: q.name})
}

const (
	sweepRows     = 200
	sweepPatience = time.Minute
)

// sweep deletes a page of messages past their retention period, where it is time to. It reports whether it is to be
// called again.
func (s *Service) sweep(ctx context.Context, q *queue, b *owner.Batch) (more bool, err error) {
	now := b.Now().UnixMilli()
	if q.sweeping { // what was deleted must be gone before the rest is read
		return false, b.Park(&q.sweepers, b.Now().Add(sweepPatience))
	}
	if q.state.sweep == 0 || q.state.sweep > now {
		return false, nil
	}
	type found struct {
		expired []uint64
		low     uint64 // of the first that is not
		oldest  int64  // sent, of those that are not
		more    bool
	}
	f, err := store.View(ctx, s.space, func(tx *store.Tx) (f found, _ error) {
		from, rows, bytes := max(q.state.low, q.swept), 0, 0
		for k, r := range s.tables.bodies.Scan(tx, store.ScanOptions{From: []any{from}}, q.record.Number) {
			seq, sent := k.Uint64(1), r.sent()
			if sent+q.set.retention <= now {
				f.expired = append(f.expired, seq)
			} else {
				if f.low == 0 {
					f.low = seq
				}
				if f.oldest == 0 || sent < f.oldest {
					f.oldest = sent
				}
				if !q.state.mixed {
					break
				}
			}
			rows++
			if bytes += len(r); rows == sweepRows || bytes > pageBytes {
				f.more = true
				q.swept = seq + 1
				break
			}
		}
		return f, nil
	})
	if err != nil {
		return false, err
	}
	if f.oldest != 0 && (q.sweepNext == 0 || f.oldest < q.sweepNext) {
		q.sweepNext = f.oldest
	}
	for _, seq := range f.expired {
		q.expire(b, seq)
	}
	q.wake(len(f.expired)) // a group may be open again, or there is room in flight
	if !f.more {
		q.swept = 0
		if f.low != 0 && !q.state.mixed {
			q.state.low = f.low
		}
		q.state.sweep = 0
		if q.sweepNext != 0 {
			q.armSweep(b, q.sweepNext)
		}
		q.sweepNext = 0
		s.forgetOldIDs(ctx, q, b, now)
	}
	q.save(b)
	q.sweeping = true
	b.Then(func() {
		q.sweeping = false
		q.sweepers.WakeAll()
	})
	return f.more, nil
}

// expire deletes a message that is past its retention period, wherever it stands.
func (q *queue) expire(b *owner.Batch, seq uint64) {
	if seq <= q.purged {
		return
	}
	f := q.flights[seq]
	if f == nil && seq < q.cursor {
		e, _, ok := q.window.remove(seq)
		if !ok {
			return // it is being deleted
		}
		q.uncache(e.rec)
	}
	if f != nil && f.state == gone {
		return
	}
	q.drop(b, seq)
}

// forgetOldIDs deletes what is kept of deduplication and attempt ids that are older than five minutes and not in memory.
func (s *Service) forgetOldIDs(ctx context.Context, q *queue, b *owner.Batch, now int64) {
	if !q.set.fifo {
		return
	}
	type ids struct{ dedups, tries [][16]byte }
	old, err := store.View(ctx, s.space, func(tx *store.Tx) (old ids, _ error) {
		for k, d := range s.tables.dedups.Scan(tx, store.ScanOptions{Limit: 1000}, q.record.Number) {
			if id := k.ID(1); d.Expires <= now {
				if _, known := q.dedups.known[id]; !known {
					old.dedups = append(old.dedups, id)
				}
			}
		}
		for k, t := range s.tables.tries.Scan(tx, store.ScanOptions{Limit: 1000}, q.record.Number) {
			if t.Expires <= now {
				old.tries = append(old.tries, k.ID(1))
			}
		}
		return old, nil
	})
	if err != nil {
		return // the next sweep does it
	}
	for _, id := range old.dedups {
		s.tables.dedups.Delete(b, q.record.Number, id)
	}
	for _, id := range old.tries {
		s.tables.tries.Delete(b, q.record.Number, id)
	}
}
