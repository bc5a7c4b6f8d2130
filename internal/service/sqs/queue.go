package sqs

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// Bounds of what a queue keeps in memory.
const (
	windowSize  = 8192     // messages of a standard queue that are known to be ready
	fifoWindow  = 120_000  // and of a FIFO queue: as far as it looks for open groups
	pageRows    = 256      // messages read at a time
	pageBytes   = 1 << 20  // and about how much of them
	cacheBytes  = 32 << 20 // of messages kept until they are received, all queues together
	earlyGroups = 1024     // messages known ahead of their turn, because their group is quiet
	earlyEach   = 8        // of one group
)

// queue is what the owner of a queue knows of it. The owner's lock guards it.
type queue struct {
	svc   *Service
	scope aws.Scope
	name  string
	arn   string
	ids   *owner.Sequence

	record queueRecord
	set    settings

	state   stateRecord
	flights map[uint64]*flight // of messages that are not simply waiting their turn
	due     flightHeap         // those that are out of sight for a time
	flying  int                // messages in flight
	delayed int                // messages not yet to be seen

	window  window
	cursor  uint64 // messages from here on are not in the window
	behind  bool   // there are such
	looked  bool   // some of them have been looked for since the queue was loaded
	early   int    // of which so many are known, because their group is quiet
	cached  int64  // bytes of messages in the window
	touched int    // deletes since the state's head was last brought up to date
	purged  uint64 // messages up to it are gone, also those whose send is just being committed

	dedups  dedups
	waiters owner.Waiters // long polls

	arrivals  bool // messages moved here wait to be taken in
	taking    bool // some are being taken in
	intake    owner.Waiters
	moving    *moveRecord // the message move task that runs
	sweeping  bool        // a deletion of expired messages is being committed
	sweepers  owner.Waiters
	swept     uint64 // where the sweep under way goes on
	sweepNext int64  // the oldest message it has met and left

	pending task.Pending // deliveries being taken
}

// load reads a queue from the store.
func (s *Service) load(ctx context.Context, l owner.Load) (*queue, error) {
	q := &queue{
		svc: s, scope: l.Scope, name: strings.Clone(l.ID), arn: l.Scope.ARN("sqs", l.ID), ids: l.IDs,
		flights: make(map[uint64]*flight),
	}
	found, err := store.View(ctx, s.space, func(tx *store.Tx) (bool, error) {
		tx = tx.In(l.Scope)
		var ok bool
		if q.record, ok = s.tables.queues.Get(tx, q.name); !ok {
			return false, nil
		}
		q.set = q.record.settings()
		q.window = newWindow(q.set.fifo)
		q.state, _ = s.tables.states.Get(tx, q.record.Number)
		q.cursor, q.behind = q.state.head, q.state.total > 0
		now := tx.Now().UnixMilli()
		q.dedups.loaded = now
		for k, f := range s.tables.flights.Scan(tx, store.ScanOptions{}, q.record.Number) {
			q.restore(k.Uint64(1), f, now)
		}
		for range s.tables.arrived.Keys(tx, store.ScanOptions{Limit: 1}, q.record.Number) {
			q.arrivals = true
		}
		q.moving = s.running(tx, q)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoQueue
	}
	return q, nil
}

// lost gives back what the queue's window keeps of the memory all queues share.
func (q *queue) lost() { q.svc.cached.Add(-q.cached) }

// save writes the queue's state with what changes it.
func (q *queue) save(w store.Writer) { q.svc.tables.states.Set(w, q.state, q.record.Number) }

// nextDue is when the queue has something to do by itself.
func (q *queue) nextDue() (at time.Time) {
	if q.waiters.Len() > 0 && len(q.due) > 0 {
		at = time.UnixMilli(q.due[0].due)
	}
	return at
}

// onDue does it.
func (s *Service) onDue(q *queue, b *owner.Batch) {
	b.Lazy()
	q.advance(b.Now().UnixMilli())
}

// wake tells those who wait that messages may be there.
func (q *queue) wake(messages int) {
	if q.waiters.Len() > 0 {
		q.waiters.Wake(messages)
	}
}

// validName reports whether name can be a queue's.
func validName(name string, fifo bool) bool {
	if len(name) > 80 {
		return false
	}
	if fifo {
		var ok bool
		if name, ok = strings.CutSuffix(name, ".fifo"); !ok {
			return false
		}
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return name != ""
}

// CreateQueue makes a queue, or finds one that is as it is to be.
func (s *Service) CreateQueue(ctx context.Context, in *sqsapi.CreateQueueInput) (*sqsapi.CreateQueueOutput, error) {
	name := strings.Clone(in.QueueName)
	fifo := strings.EqualFold(in.Attributes[attrFifo], "true")
	if name == "" {
		return nil, invalid("Queue name cannot be empty")
	}
	if fifo && !validName(name, true) {
		return nil, invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
	}
	if !fifo && !validName(name, false) {
		return nil, invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	fresh := queueRecord{Fifo: fifo}
	if err := fresh.change(in.Attributes, true); err != nil {
		return nil, err
	}
	if err := checkTags(name, in.Tags); err != nil {
		return nil, err
	}
	if err := s.checkDeadLetterTarget(ctx, name, in.Attributes[attrRedrive]); err != nil {
		return nil, err
	}
	fresh.GroupScope = fresh.Attributes[attrDedupScope] == "messageGroup"
	if len(in.Tags) > 0 {
		fresh.Tags = make(map[string]string, len(in.Tags))
		for k, v := range in.Tags {
			fresh.Tags[strings.Clone(k)] = strings.Clone(v)
		}
	}
	create := func(tx *store.Tx) (*sqsapi.CreateQueueOutput, error) {
		out := &sqsapi.CreateQueueOutput{QueueUrl: aws.Some(s.queueURL(ctx, tx.Scope(), name))}
		if has, ok := s.tables.queues.Get(tx, name); ok {
			for _, a := range slices.Sorted(maps.Keys(in.Attributes)) {
				if !has.same(string(a), in.Attributes[a]) {
					return nil, sqsapi.QueueNameExists("A queue already exists with the same name and a different value for attribute %s", a)
				}
			}
			if len(in.Tags) > 0 && !maps.Equal(in.Tags, has.Tags) {
				return nil, sqsapi.QueueNameExists("A queue already exists with the same name and different tags")
			}
			return out, nil
		}
		if g, ok := s.tables.graves.Get(tx, name); ok {
			if s.o.EnforceLimits && tx.Now().UnixMilli()-g.Deleted < 60_000 {
				return nil, sqsapi.QueueDeletedRecently("You must wait 60 seconds after deleting a queue before you can create another with the same name.")
			}
			s.tables.graves.Delete(tx, name)
		}
		n, _ := s.tables.numbers.Get(tx)
		made := fresh
		made.Number = n + 1
		made.Created = tx.Now().Unix()
		made.Modified = made.Created
		s.tables.numbers.Set(tx, made.Number)
		s.tables.queues.Set(tx, made, name)
		s.changed(ctx, tx, name, nil, &made)
		if dlq := made.settings().deadLetters; dlq != "" {
			s.tables.sources.Set(tx, struct{}{}, dlq, name)
		}
		return out, nil
	}
	for try := 0; ; try++ {
		out, err := store.Update(ctx, s.space, create)
		if !errors.Is(err, store.ErrUnknown) || try == 5 { // if it is there now, it is as it is to be: this is no error
			return out, err
		}
	}
}

// DeleteQueue deletes a queue and all its messages. Long polls at it end.
func (s *Service) DeleteQueue(ctx context.Context, in *sqsapi.DeleteQueueInput) (*sqsapi.DeleteQueueOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.DeleteQueueOutput, error) {
		b.Frees()
		n := q.record.Number
		s.tables.queues.Delete(b, q.name)
		s.changed(ctx, b, q.name, &q.record, nil)
		if s.o.EnforceLimits {
			s.tables.graves.Set(b, graveRecord{Deleted: b.Now().UnixMilli()}, q.name)
		}
		if q.set.deadLetters != "" {
			s.tables.sources.Delete(b, q.set.deadLetters, q.name)
		}
		s.tables.deleteMessages(b, n)
		s.tables.moves.DeleteAll(b, q.name, n)
		s.tables.states.Delete(b, n)
		if q.state.sweep != 0 {
			s.dues.Cancel(b, q.name)
		}
		b.Forget()
		return &sqsapi.DeleteQueueOutput{}, nil
	})
}

// GetQueueUrl answers the URL of a queue.
func (s *Service) GetQueueUrl(ctx context.Context, in *sqsapi.GetQueueUrlInput) (*sqsapi.GetQueueUrlOutput, error) {
	scope := aws.RequestOf(ctx).Scope
	scope.Account = in.QueueOwnerAWSAccountId.Or(scope.Account)
	ok, err := store.View(within(ctx, scope), s.space, func(tx *store.Tx) (bool, error) {
		return s.tables.queues.Has(tx, in.QueueName), nil
	})
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noQueue(ctx)
	}
	return &sqsapi.GetQueueUrlOutput{QueueUrl: aws.Some(s.queueURL(ctx, scope, in.QueueName))}, nil
}

// ListQueues answers the queues whose names begin with a prefix, in the order of names.
func (s *Service) ListQueues(ctx context.Context, in *sqsapi.ListQueuesInput) (*sqsapi.ListQueuesOutput, error) {
	limit, err := pageSize(in.MaxResults)
	if err != nil {
		return nil, err
	}
	after, err := pageToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	prefix := in.QueueNamePrefix.V
	return store.View(ctx, s.space, func(tx *store.Tx) (*sqsapi.ListQueuesOutput, error) {
		out := &sqsapi.ListQueuesOutput{}
		o := store.ScanOptions{From: []any{prefix}}
		if after != "" && after >= prefix {
			o = store.ScanOptions{After: []any{after}}
		}
		last := ""
		for k := range s.tables.queues.Keys(tx, o) {
			name := k.String(0)
			if !strings.HasPrefix(name, prefix) {
				break
			}
			if len(out.QueueUrls) == limit {
				out.NextToken = nextToken(last, in.MaxResults)
				break
			}
			last = name
			out.QueueUrls = append(out.QueueUrls, s.queueURL(ctx, tx.Scope(), name))
		}
		return out, nil
	})
}

// pageSize is how many results a page has.
func pageSize(asked aws.Opt[int32]) (int, error) {
	if asked.Set && (asked.V < 1 || asked.V > 1000) {
		return 0, invalid("Value %d for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.", asked.V)
	}
	return int(asked.Or(1000)), nil
}

// A page token is the name of the last result before, made opaque.
func nextToken(last string, asked aws.Opt[int32]) aws.Opt[string] {
	if !asked.Set { // without MaxResults there is no second page
		return aws.Opt[string]{}
	}
	return aws.Some(base64.StdEncoding.EncodeToString([]byte(last)))
}

func pageToken(t aws.Opt[string]) (string, error) {
	if t.V == "" {
		return "", nil
	}
	b, err := base64.StdEncoding.DecodeString(t.V)
	if err != nil || len(b) > 80 {
		return "", invalid("Invalid or expired next token.")
	}
	return string(b), nil
}
