package logs

import (
	"cmp"
	"context"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/fieldindex"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// AWS's limits of a batch.
const (
	maxBatch = 1 << 20 // bytes, with perEvent for each event
	maxSpan  = 24 * time.Hour
	maxAge   = 14 * 24 * time.Hour
	maxAhead = 2 * time.Hour
)

const day = int64(24 * time.Hour / time.Millisecond)

// expiry is up to when events of a group have expired, 0 where none ever do.
func (g *groupRecord) expiry(now time.Time) int64 {
	if g.Retention == 0 {
		return 0
	}
	return now.UnixMilli() - int64(g.Retention)*day
}

// accepted is which events of a batch are taken, and what is said of the others.
func accepted(events []logsapi.InputLogEvent, g *groupRecord, now time.Time) ([]logsapi.InputLogEvent, *logsapi.RejectedLogEventsInfo) {
	oldest, newest := now.Add(-maxAge).UnixMilli(), now.Add(maxAhead).UnixMilli()
	from, old := 0, 0
	for from < len(events) && events[from].Timestamp < oldest {
		from++
	}
	old = from
	for expiry := g.expiry(now); from < len(events) && events[from].Timestamp < expiry; {
		from++
	}
	to := len(events)
	for to > from && events[to-1].Timestamp > newest {
		to--
	}
	if from == 0 && to == len(events) {
		return events, nil
	}
	info := &logsapi.RejectedLogEventsInfo{}
	if old > 0 {
		info.TooOldLogEventEndIndex = aws.Some(int32(old))
	}
	if from > old {
		info.ExpiredLogEventEndIndex = aws.Some(int32(from))
	}
	if to < len(events) {
		info.TooNewLogEventStartIndex = aws.Some(int32(to))
	}
	return events[from:to], info
}

// checkBatch checks what makes a whole batch be refused.
func checkBatch(events []logsapi.InputLogEvent) error {
	bytes, last := 0, int64(0)
	for i := range events {
		e := &events[i]
		if e.Timestamp < last {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		last = e.Timestamp
		if n := len(e.Message) + perEvent; n > maxBatch {
			return invalid("Log event too large: %d bytes exceeds limit of %d", n, maxBatch)
		}
		bytes += len(e.Message) + perEvent
	}
	if bytes > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", bytes, maxBatch)
	}
	return nil
}

// PutLogEvents is logs:PutLogEvents. The events are put in a chunk before the transaction, which gives them their numbers.
func (s *Service) PutLogEvents(ctx context.Context, in *logsapi.PutLogEventsInput) (*logsapi.PutLogEventsOutput, error) {
	if err := cmp.Or(checkGroupName(in.LogGroupName), checkStreamName(in.LogStreamName), checkBatch(in.LogEvents)); err != nil {
		return nil, err
	}
	now := s.space.Now()
	var p rules.Intake
	var w *filter.Watch
	var sh shape.Forms
	g, err := store.View(ctx, s.space, func(tx *store.Tx) (groupRecord, error) {
		g, err := s.group(tx, in.LogGroupName)
		if err != nil || !s.tables.observed.Has(tx) {
			w = filter.Unwatched(g.filtered())
			return g, err
		}
		if p, err = s.IntakeOf(tx, in.LogGroupName, g.ruled()); err == nil {
			w, err = s.WatchOf(tx, in.LogGroupName, g.filtered())
		}
		if err == nil && w.Shaped() {
			sh, err = s.formsOf(tx, in.LogGroupName, &g)
		}
		return g, err
	})
	if err != nil {
		return nil, err
	}
	events, rejected := accepted(in.LogEvents, &g, now)
	if n := len(events); n > 0 && events[n-1].Timestamp-events[0].Timestamp > maxSpan.Milliseconds() {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	b := s.batchOf(events)
	b.head.stream = in.LogStreamName
	if fields := p.Fields; len(fields) > 0 && len(events) > 0 {
		b.index = fieldindex.New(fields, len(events), func(i int) string { return events[i].Message })
	}
	reports := s.packed(p.Reports(groupARN(aws.RequestOf(ctx).Scope, in.LogGroupName)+":*", events, now))
	shown := p.Veil.Masked(events, now.UnixMilli())
	seen := s.looked(ctx, in, w, &sh, p.Veil, events, shown, b.terms)
	var told streamTail
	out, err := store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutLogEventsOutput, error) {
		g, r, err := s.stream(tx, in.LogGroupName, in.LogStreamName)
		if err != nil {
			return nil, err
		}
		if b.chunk.count > 0 {
			s.add(tx, in.LogGroupName, &g, &r, b)
			s.writeReports(tx, reports, in.LogGroupName, in.LogStreamName)
			s.Forward(tx, &seen, in.LogGroupName, g.filtered(), in.LogStreamName, r.number, r.last-b.chunk.count+1, r.last)
			told = streamTail{g.Number, r.ingested}
		}
		return &logsapi.PutLogEventsOutput{NextSequenceToken: aws.Some(sequenceToken(r)), RejectedLogEventsInfo: rejected}, nil
	})
	if err == nil {
		s.Record(&seen)
		s.tell(told, in.LogStreamName, shown)
	}
	return out, err
}

// batch is events that are ready to be written.
type batch struct {
	chunk chunkRecord
	head  headRecord
	terms termFilter
	index *fieldindex.Index // nil: none
}

func (s *Service) batchOf(events []logsapi.InputLogEvent) (b batch) {
	if len(events) == 0 {
		return b
	}
	b.chunk, b.terms = s.packer.pack(len(events), false, func(i int) event {
		return event{time: events[i].Timestamp, message: events[i].Message}
	})
	b.head.latest = events[len(events)-1].Timestamp
	b.head.bytes = int64(b.chunk.raw-b.chunk.columns) + int64(len(events))*perEvent
	return b
}

// add writes a batch behind what a stream of the group of that name has.
func (s *Service) add(tx *store.Tx, name string, g *groupRecord, r *streamRecord, b batch) {
	c := b.chunk
	c.seq = r.last + 1
	c.ingested = max(tx.Now().UnixMilli(), r.ingested)
	if r.last == 0 || c.time < r.first {
		r.first = c.time
	}
	r.last += c.count
	r.latest = max(r.latest, b.head.latest)
	r.span = max(r.span, b.head.latest-c.time)
	r.ingested = c.ingested
	r.bytes += b.head.bytes
	if b.head.bytes < largeChunk {
		if r.small++; r.small%mergeAt == 0 {
			s.merges.Add(tx, mergeTask{g.Number, b.head.stream, r.number}, task.Add{Target: streamKey(g.Number, r.number), Key: "merge"})
		}
	} else if r.small == 0 {
		r.merged = c.seq
	}
	s.tables.putChunk(tx, g.Number, r.number, c.seq, c, b.head, b.terms, b.index)
	if b.index != nil {
		s.Met(tx, g.Number, r.number, b.index.Fields(), b.index.Seen(), c.time, b.head.latest)
	}
	s.tables.streams.Set(tx, *r, g.Number, b.head.stream)
	s.tables.grow(tx, g.Number, r.number, b.head.bytes)
	s.expireLater(tx, name, g, b.head.latest)
}
