package sqs

import (
	"context"
	"errors"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// work is the task of having a queue do what there is to do at it: take in what was moved there, go on with a message move
// task, delete what is past its retention period.
type work struct {
	Queue  string `cbor:"1,keyasint"`
	Number uint64 `cbor:"2,keyasint,omitempty"` // of the queue that something was moved to; 0 = nothing was
}

// workDue adds the task at its time.
func (s *Service) workDue(ctx context.Context, w work) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		s.work.Add(tx, w, task.Add{Target: w.Queue})
		return struct{}{}, nil
	})
	return err
}

// doWork carries the task out, wherever the queue is owned.
func (s *Service) doWork(ctx context.Context, _ string, w work) error {
	in := &sqsapi.GetQueueAttributesInput{QueueUrl: w.Queue}
	r := *aws.RequestOf(ctx) // it bears the task's id as its delivery
	r.Principal = aws.Principal{Account: r.Account, Service: "sqs.amazonaws.com"}
	ctx = aws.WithRequest(ctx, &r)
	var err error
	if s.o.Self != nil {
		_, err = sqsapi.Client{Invoker: s.o.Self}.GetQueueAttributes(ctx, in)
	} else {
		_, err = s.GetQueueAttributes(ctx, in)
	}
	if err != nil && !isNoQueue(err) {
		return err
	}
	if w.Number == 0 {
		return nil
	}
	return s.bury(ctx, w)
}

// bury deletes what was moved to a queue that was deleted meanwhile, and that nobody takes in any more.
func (s *Service) bury(ctx context.Context, w work) error {
	in, name, ok := locate(ctx, w.Queue)
	if !ok {
		return nil
	}
	there, err := store.View(in, s.space, func(tx *store.Tx) (bool, error) {
		r, _ := s.tables.queues.Get(tx, name)
		return r.Number == w.Number, nil
	})
	if err != nil || there {
		return err
	}
	_, err = store.Update(in, s.space, func(tx *store.Tx) (struct{}, error) {
		s.tables.arrived.DeleteAll(tx, w.Number)
		return struct{}{}, nil
	})
	return err
}

// catchUp does what there is to do at a queue that is owned here, and returns when it is done.
func (s *Service) catchUp(ctx context.Context, url string) error {
	in, name, ok := locate(ctx, url)
	if !ok {
		return noQueue(ctx)
	}
	_, err := owner.Do(in, s.queues, name, func(q *queue, b *owner.Batch) (struct{}, error) {
		b.Lazy()
		q.arrivals = true
		return struct{}{}, nil
	})
	if err == nil { // what another caller is just taking in may not be all, and that caller may go away
		err = s.takeIn(in, name)
	}
	if errors.Is(err, errNoQueue) {
		return noQueue(ctx)
	}
	for err == nil {
		var more bool
		more, err = on(in, s, name, func(q *queue, b *owner.Batch) (bool, error) {
			b.Frees() // what expires goes; and what is moved comes to no more
			if more, err := s.sweep(in, q, b); more || err != nil {
				return more, err
			}
			return s.move(in, q, b)
		})
		if !more {
			break
		}
	}
	return err
}
