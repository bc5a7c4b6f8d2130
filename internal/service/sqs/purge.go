package sqs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/owner"
)

// PurgeQueue deletes all messages of a queue, those in flight and delayed too, and what it knows of deduplication ids.
func (s *Service) PurgeQueue(ctx context.Context, in *sqsapi.PurgeQueueInput) (*sqsapi.PurgeQueueOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.PurgeQueueOutput, error) {
		b.Frees()
		now := b.Now().UnixMilli()
		if s.o.EnforceLimits && q.record.Purged != 0 && now-q.record.Purged < 60_000 {
			return nil, sqsapi.PurgeQueueInProgress("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
		}
		next := q.record
		next.Purged = now
		s.tables.queues.Set(b, next, q.name)
		s.tables.deleteMessages(b, q.record.Number)
		q.record = next
		// What is sent from now on has a higher number; what is being committed has not.
		q.purged = q.ids.Next()
		q.cursor, q.behind, q.early = q.purged+1, false, 0
		s.cached.Add(-q.cached)
		q.cached = 0
		q.flights, q.due, q.flying, q.delayed = make(map[uint64]*flight), nil, 0, 0
		q.window = newWindow(q.set.fifo)
		q.dedups = dedups{loaded: now - dedupInterval}
		q.state.total, q.state.head, q.state.low = 0, q.cursor, q.cursor
		q.save(b)
		return &sqsapi.PurgeQueueOutput{}, nil
	})
}
