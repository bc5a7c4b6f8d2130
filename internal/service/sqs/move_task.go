package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// What becomes of a message move task.
const (
	moveRunning   = "RUNNING"
	moveCompleted = "COMPLETED"
	moveCancelled = "CANCELLED"
	moveFailed    = "FAILED"

	maxMoveRate = 500
	keptMoves   = 10 // tasks of a queue that are remembered
	moveBatch   = 50 // messages moved at a time
)

// taskHandle names a move task to clients.
type taskHandle struct {
	Task   string `json:"taskId"`
	Source string `json:"sourceArn"`
}

func (m *moveRecord) handle(source string) string {
	b, _ := json.Marshal(taskHandle{aws.UUID(m.ID), source})
	return base64.StdEncoding.EncodeToString(b)
}

// readHandle is the task that a handle tells, and the queue that it moves messages from.
func readHandle(text string) (task string, source aws.ARN, ok bool) {
	var h taskHandle
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &h) != nil || h.Task == "" {
		return "", aws.ARN{}, false
	}
	source, ok = aws.ParseARN(h.Source)
	return h.Task, source, ok && source.Service == "sqs"
}

// running is the move task of a queue that is under way.
func (s *Service) running(tx *store.Tx, q *queue) *moveRecord {
	for _, m := range s.tables.moves.Scan(tx, store.ScanOptions{Reverse: true, Limit: 1}, q.name, q.record.Number) {
		if m.Status == moveRunning {
			return &m
		}
	}
	return nil
}

func (s *Service) saveMove(w store.Writer, q *queue, m moveRecord) {
	s.tables.moves.Set(w, m, q.name, q.record.Number, m.Number)
}

// queueOf takes the ARN of a queue apart that a parameter gives.
func queueOf(arn, parameter string) (aws.ARN, error) {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return a, invalid("You must use this format to specify the %s: arn:<partition>:<service>:<region>:<account-id>:<resource-id>", parameter)
	}
	if a.Service != "sqs" {
		return a, invalid("The resource that you specified for the %s parameter is not an Amazon SQS queue.", parameter)
	}
	return a, nil
}

func noResource(parameter string) error {
	return sqsapi.ResourceNotFoundException("The resource that you specified for the %s parameter doesn't exist.", parameter)
}

// orNoSource is err, said of a SourceArn.
func orNoSource(err error) error {
	if isNoQueue(err) {
		return noResource("SourceArn")
	}
	return err
}

// StartMessageMoveTask has a dead-letter queue's messages moved, to where they came from or to a queue of choice.
func (s *Service) StartMessageMoveTask(ctx context.Context, in *sqsapi.StartMessageMoveTaskInput) (*sqsapi.StartMessageMoveTaskOutput, error) {
	source, err := queueOf(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	var dest aws.ARN
	if in.DestinationArn.V != "" {
		if dest, err = queueOf(in.DestinationArn.V, "DestinationArn"); err != nil {
			return nil, err
		}
	}
	if r := in.MaxNumberOfMessagesPerSecond; r.Set && (r.V < 1 || r.V > maxMoveRate) {
		return nil, invalid("Value %d for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and %d, if provided.", r.V, maxMoveRate)
	}
	out, err := on(within(ctx, source.Scope()), s, source.Resource, func(q *queue, b *owner.Batch) (*sqsapi.StartMessageMoveTaskOutput, error) {
		if in.SourceArn != q.arn {
			return nil, noResource("SourceArn")
		}
		type facts struct {
			deadLetters bool
			there       queueRecord
			old         []uint64
		}
		f, err := store.View(ctx, s.space, func(tx *store.Tx) (f facts, _ error) {
			tx = tx.In(q.scope)
			for range s.tables.sources.Keys(tx, store.ScanOptions{Limit: 1}, q.name) {
				f.deadLetters = true
			}
			if dest.Resource != "" {
				f.there, _ = s.tables.queues.Get(tx.In(dest.Scope()), dest.Resource)
			}
			n := 0
			for k := range s.tables.moves.Keys(tx, store.ScanOptions{Reverse: true}, q.name, q.record.Number) {
				if n++; n >= keptMoves {
					f.old = append(f.old, k.Uint64(2))
				}
			}
			return f, nil
		})
		switch {
		case err != nil:
			return nil, err
		case !f.deadLetters:
			return nil, invalid("Source queue must be configured as a Dead Letter Queue.")
		case dest.Resource != "" && f.there.Number == 0:
			return nil, noResource("DestinationArn")
		case dest.Resource != "" && (f.there.Number == q.record.Number || f.there.Fifo != q.set.fifo):
			return nil, invalid("The destination queue must be another queue of the same type as the source queue.")
		case q.moving != nil:
			return nil, invalid("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
		now := b.Now().UnixMilli()
		m := &moveRecord{
			Number: q.ids.Next(), ID: newID(), Rate: in.MaxNumberOfMessagesPerSecond.V, Started: now, Next: now, Status: moveRunning,
			ToMove: max(0, int64(q.state.total)-int64(q.flying)-int64(q.delayed)),
		}
		if dest.Resource != "" {
			m.Dest = dest.String()
		}
		for _, n := range f.old {
			s.tables.moves.Delete(b, q.name, q.record.Number, n)
		}
		if m.Rate > 0 { // the first are moved with the first step of its pace
			_, wait := m.step()
			m.Next += wait
			s.dues.At(b, time.UnixMilli(m.Next), moveTimer(q.name), work{Queue: q.name})
		} else {
			s.work.Add(b, work{Queue: q.name}, task.Add{Target: q.arn})
		}
		s.saveMove(b, q, *m)
		q.moving = m
		return &sqsapi.StartMessageMoveTaskOutput{TaskHandle: aws.Some(m.handle(q.arn))}, nil
	})
	return out, orNoSource(err)
}

// CancelMessageMoveTask stops a move task. What it has moved stays where it is.
func (s *Service) CancelMessageMoveTask(ctx context.Context, in *sqsapi.CancelMessageMoveTaskInput) (*sqsapi.CancelMessageMoveTaskOutput, error) {
	task, source, ok := readHandle(in.TaskHandle)
	if !ok {
		return nil, invalid("Value for parameter TaskHandle is invalid.")
	}
	out, err := on(within(ctx, source.Scope()), s, source.Resource, func(q *queue, b *owner.Batch) (*sqsapi.CancelMessageMoveTaskOutput, error) {
		if m := q.moving; m != nil && aws.UUID(m.ID) == task {
			next := *m
			next.Status = moveCancelled
			s.endMove(q, b, next)
			return &sqsapi.CancelMessageMoveTaskOutput{ApproximateNumberOfMessagesMoved: aws.Some(m.Moved)}, nil
		}
		known, err := store.View(ctx, s.space, func(tx *store.Tx) (bool, error) {
			for _, m := range s.tables.moves.Scan(tx.In(q.scope), store.ScanOptions{}, q.name, q.record.Number) {
				if aws.UUID(m.ID) == task {
					return true, nil
				}
			}
			return false, nil
		})
		switch {
		case err != nil:
			return nil, err
		case known:
			return nil, invalid("Only active tasks can be cancelled.")
		}
		return nil, sqsapi.ResourceNotFoundException("Task does not exist.")
	})
	return out, orNoSource(err)
}

// ListMessageMoveTasks answers a queue's last move tasks, the newest first.
func (s *Service) ListMessageMoveTasks(ctx context.Context, in *sqsapi.ListMessageMoveTasksInput) (*sqsapi.ListMessageMoveTasksOutput, error) {
	source, err := queueOf(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	limit := in.MaxResults.Or(1)
	if limit < 1 || limit > keptMoves {
		return nil, invalid("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", limit, keptMoves)
	}
	return store.View(within(ctx, source.Scope()), s.space, func(tx *store.Tx) (*sqsapi.ListMessageMoveTasksOutput, error) {
		r, ok := s.tables.queues.Get(tx, source.Resource)
		if !ok {
			return nil, noResource("SourceArn")
		}
		out := &sqsapi.ListMessageMoveTasksOutput{}
		for _, m := range s.tables.moves.Scan(tx, store.ScanOptions{Reverse: true, Limit: int(limit)}, source.Resource, r.Number) {
			e := sqsapi.ListMessageMoveTasksResultEntry{
				Status:                            aws.Some(m.Status),
				SourceArn:                         aws.Some(in.SourceArn),
				DestinationArn:                    aws.NonZero(m.Dest),
				MaxNumberOfMessagesPerSecond:      aws.NonZero(m.Rate),
				ApproximateNumberOfMessagesMoved:  aws.Some(m.Moved),
				ApproximateNumberOfMessagesToMove: aws.Some(m.ToMove),
				FailureReason:                     aws.NonZero(m.Reason),
				StartedTimestamp:                  aws.Some(m.Started),
			}
			if m.Status == moveRunning {
				e.TaskHandle = aws.Some(m.handle(in.SourceArn))
			}
			out.Results = append(out.Results, e)
		}
		return out, nil
	})
}

// endMove writes how a move task ended.
func (s *Service) endMove(q *queue, b *owner.Batch, m moveRecord) {
	s.saveMove(b, q, m)
	if m.Rate > 0 {
		s.dues.Cancel(b, moveTimer(q.name))
	}
	q.moving = nil
}

// step is how many messages are moved at a time, and how long to wait before the next are; milliseconds.
func (m *moveRecord) step() (n int, wait int64) {
	if m.Rate == 0 {
		return moveBatch, 0
	}
	n = max(1, int(m.Rate)/10)
	return n, int64(n) * 1000 / int64(m.Rate)
}

// moveTimer is the key of the timer for a queue's move task. No queue has such a name.
func moveTimer(queue string) string { return queue + " move" }

// move does a step of the queue's move task, if one is under way. It reports whether it is to be called again.
func (s *Service) move(ctx context.Context, q *queue, b *owner.Batch) (more bool, err error) {
	if q.moving == nil {
		return false, nil
	}
	now := b.Now().UnixMilli()
	if now < q.moving.Next {
		return false, nil // a timer says when
	}
	m := *q.moving
	n, wait := m.step()
	m.Next = now + wait
	picks, err := q.pick(ctx, int(min(int64(n), m.ToMove-m.Moved)), false)
	if err != nil {
		return false, err
	}
	if len(picks) == 0 {
		m.Status = moveCompleted
		s.endMove(q, b, m)
		return false, nil
	}
	messages, numbers, reason, err := s.destinations(ctx, q, &m, picks)
	if err != nil {
		q.putBack(picks)
		return false, err
	}
	q.putBack(picks[len(messages):])
	told := make(map[aws.ARN]bool)
	for i := range messages {
		q.release(&picks[i])
		q.drop(b, picks[i].seq)
		if msg := &messages[i]; msg.id != ([16]byte{}) {
			to, _ := aws.ParseARN(msg.source)
			msg.id, msg.sent, msg.source = newID(), now, ""
			msg.receives, msg.first = 0, 0
			q.sendOff(b, numbers[i], msg)
			if !told[to] {
				told[to] = true
				s.work.Add(b, work{Queue: to.String(), Number: numbers[i]}, task.Add{Target: to.String()})
			}
			m.Moved++
		}
	}
	for i := range messages {
		q.window.update(picks[i].lane)
	}
	if len(messages) > 0 {
		q.save(b)
	}
	switch {
	case reason != "":
		m.Status, m.Reason = moveFailed, reason
	case m.Moved >= m.ToMove:
		m.Status = moveCompleted
	default:
		q.moving = &m
		s.saveMove(b, q, m)
		if m.Next > now {
			s.dues.At(b, time.UnixMilli(m.Next), moveTimer(q.name), work{Queue: q.name})
			return false, nil
		}
		return true, nil
	}
	s.endMove(q, b, m)
	return false, nil
}

// destinations parses the picked messages and finds the queues they go to, whose ARNs it puts in place of their sources. It
// stops at the first that has nowhere to go, with the reason. Those with no id are to be dropped.
func (s *Service) destinations(ctx context.Context, q *queue, m *moveRecord, picks []picked) (messages []message, numbers []uint64, reason string, err error) {
	_, err = store.View(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		messages, numbers, reason = nil, nil, ""
		known := make(map[string]uint64)
		for i := range picks {
			msg, bad := picks[i].rec.parse()
			if bad != nil || msg.sent+q.set.retention <= tx.Now().UnixMilli() {
				messages, numbers = append(messages, message{}), append(numbers, 0)
				continue
			}
			if m.Dest != "" {
				msg.source = m.Dest
			}
			if msg.source == "" {
				reason = "CouldNotDetermineMessageSource"
				break
			}
			number, ok := known[msg.source]
			if !ok {
				if to, isARN := aws.ParseARN(msg.source); isARN {
					r, _ := s.tables.queues.Get(tx.In(to.Scope()), to.Resource)
					number = r.Number
				}
				known[msg.source] = number
			}
			if number == 0 {
				reason = sqsapi.ErrQueueDoesNotExist.WireCode()
				break
			}
			messages, numbers = append(messages, msg), append(numbers, number)
		}
		return struct{}{}, nil
	})
	if err != nil {
		err = fmt.Errorf("look for the destinations of moved messages: %w", err)
	}
	return messages, numbers, reason, err
}
