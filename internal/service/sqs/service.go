// Package sqs is Amazon SQS: standard and FIFO queues.
//
// # What it keeps
//
// A queue is an object of its owner (package owner), named by account, region and name. Its messages stay where they
// were first written, under the queue's number and a sequence number that rises with every message; what becomes of one
// (that it is delayed, or was received) is a small row beside it. In memory the owner holds a bounded window of what is
// ready, the messages that are out of sight, and who waits for one. A backlog stays in the store and is read in order,
// from where the last reading ended.
//
// # What it promises
//
//   - A send, a delete, a receive from a FIFO queue, and every change of a queue is durable when it is answered. A receive
//     from a standard queue and a change of visibility become durable with the next commit: a power cut may deliver again
//     what was not deleted.
//   - Nothing is delivered again after its delete was answered.
//   - What moves from one queue to another, to a dead-letter queue or by a move task, leaves the one and is on its way to
//     the other in one commit, and is taken in there in another: nothing is lost, nothing is there twice.
//   - Messages of a group of a FIFO queue are delivered in order, one receive's worth at a time.
//   - A long poll is woken by what it waits for. Nothing polls inside.
//
// # Known differences from AWS
//
//   - Counts are exact. A receive returns as many messages as there are.
//   - A deleted queue's name can be used again at once, and a queue can be purged at any time, unless limits are enforced.
//   - In a standard queue that is behind by more messages than its window holds, the messages of a group that was quiet
//     are preferred only if they were sent since the queue was loaded.
//   - KMS keys are kept and answered, and encrypt nothing.
package sqs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// Options of the service.
type Options struct {
	// EnforceLimits has AWS's waits hold: 60 seconds before the name of a deleted queue can be used again, and between two
	// purges of a queue.
	EnforceLimits bool

	// Self is the door to this API: for work that goes on behind requests at queues wherever they are owned. Where it is
	// nil they must be owned here.
	Self model.Invoker

	// URLs is what those that are handed out look like: plain, where it is empty.
	URLs URLShape

	// Changes is told of every queue made, changed and deleted. It may be nil.
	Changes *resource.Feed
}

// Service is the API.
type Service struct {
	space  store.Space
	tables tables
	queues *owner.Kind[*queue]
	work   task.Queue[work] // a queue has something to do
	dues   timer.Set[work]  // and will have, at a time
	ledger task.Ledger
	o      Options

	cached  atomic.Int64 // bytes of messages kept in windows, of all queues
	buffers sync.Pool    // of *[]byte: where messages are encoded
}

var _ sqsapi.Service = (*Service)(nil)

// New is the service over space. Its queues are owned through n, and what they have to do by themselves is done through
// tasks and timers.
func New(space store.Space, n *owner.Node, tasks *task.Runner, timers *timer.Timers, ledger task.Ledger, o Options) *Service {
	s := &Service{space: space, tables: newTables(space), ledger: ledger, o: o}
	s.buffers.New = func() any { return new([]byte) }
	s.queues = owner.NewKind(n, "sqs.queue", s.load,
		owner.Due((*queue).nextDue, s.onDue),
		owner.Lost((*queue).lost))
	s.work = task.NewQueue(tasks, "sqs.work", s.doWork, task.Options{Once: true, MaxBackoff: 10 * time.Second, Attempts: 1 << 20})
	s.dues = timer.NewSet(timers, "sqs.work", s.workDue)
	return s
}

// encode is m as it is kept.
func (s *Service) encode(m *message) record {
	buf := s.buffers.Get().(*[]byte)
	*buf = m.appendTo((*buf)[:0])
	r := record(*buf)
	if cap(*buf) <= 64<<10 {
		s.buffers.Put(buf)
	}
	return r
}

// Errors that all operations answer and the model does not name.
var (
	errParameterValue   = &aws.ErrorShape{Code: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Status: 400}
	errMissingParameter = &aws.ErrorShape{Code: "MissingRequiredParameterException", QueryCode: "MissingParameter", Status: 400}
)

func invalid(format string, args ...any) *aws.Error { return errParameterValue.New(format, args...) }

func missing(parameter string) *aws.Error {
	return errMissingParameter.New("The request must contain the parameter %s.", parameter)
}

// errNoQueue is how loading a queue that does not exist fails.
var errNoQueue = errors.New("sqs: no such queue")

// noQueue is what a request for a queue that does not exist is answered.
func noQueue(ctx context.Context) *aws.Error {
	if aws.RequestOf(ctx).Query {
		return sqsapi.QueueDoesNotExist("The specified queue does not exist for this wsdl version.")
	}
	return sqsapi.QueueDoesNotExist("The specified queue does not exist.")
}

// noAddress is what a request is answered whose QueueUrl locate can make nothing of but a name.
func noAddress(ctx context.Context, url, name string) *aws.Error {
	if name != "" {
		return noQueue(ctx)
	}
	if url == "" {
		url = aws.RequestOf(ctx).Endpoint + "/"
	}
	return sqsapi.InvalidAddress("The address %s is not valid for this endpoint.", url)
}

func isNoQueue(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == sqsapi.ErrQueueDoesNotExist
}

// errArrivals has what was moved to a queue taken in before anything else is done with it.
var errArrivals = errors.New("sqs: messages have arrived")

// at runs fn on the queue a URL names, as [owner.Do] does.
func at[T any](ctx context.Context, s *Service, url string, fn func(q *queue, b *owner.Batch) (T, error)) (T, error) {
	in, name, ok := locate(ctx, url)
	if !ok {
		var zero T
		return zero, noAddress(ctx, url, name)
	}
	return on(in, s, name, fn)
}

// on runs fn on the queue name in the scope of ctx.
func on[T any](ctx context.Context, s *Service, name string, fn func(q *queue, b *owner.Batch) (T, error)) (T, error) {
	for {
		out, err := owner.Do(ctx, s.queues, name, func(q *queue, b *owner.Batch) (T, error) {
			if q.arrivals && !q.taking {
				var zero T
				return zero, errArrivals
			}
			q.advance(b.Now().UnixMilli())
			return fn(q, b)
		})
		switch {
		case errors.Is(err, errNoQueue):
			return out, noQueue(ctx)
		case errors.Is(err, errArrivals):
			if err := s.takeIn(ctx, name); err != nil && !errors.Is(err, errNoQueue) {
				return out, err
			}
			continue
		}
		return out, err
	}
}

// locate finds the queue a URL names, and the scope it is in: any host's URL will do, the path of one, the name alone, or,
// as some clients have it, the ARN.
func locate(ctx context.Context, url string) (in context.Context, name string, ok bool) {
	r := aws.RequestOf(ctx)
	scope := r.Scope
	host, path := "", url
	if i := strings.Index(url, "://"); i >= 0 {
		host, path, _ = strings.Cut(url[i+3:], "/")
	} else if a, isARN := aws.ParseARN(url); isARN && a.Service == "sqs" {
		return within(ctx, a.Scope()), a.Resource, true
	}
	path = strings.Trim(path, "/")
	if i := strings.LastIndexByte(path, '/'); i < 0 {
		name = path
	} else {
		name = path[i+1:]
		account := path[:i]
		if j := strings.LastIndexByte(account, '/'); j >= 0 {
			// /queue/REGION/ACCOUNT/NAME, or below what the public URL ends with
			before := account[:j]
			account = account[j+1:]
			rest, region := cutLast(before, "/")
			if rest == "queue" || strings.HasSuffix(rest, "/queue") {
				scope.Region = region
			}
		}
		if !aws.IsAccount(account) {
			return ctx, name, false
		}
		scope.Account = account
	}
	if region := hostRegion(host); region != "" {
		scope.Region = region
	}
	return within(ctx, scope), name, name != ""
}

// within is ctx in another scope, where that is another.
func within(ctx context.Context, scope aws.Scope) context.Context {
	r := aws.RequestOf(ctx)
	if r.Scope == scope {
		return ctx
	}
	other := *r
	other.Scope = aws.Scope{Account: strings.Clone(scope.Account), Region: strings.Clone(scope.Region)}
	return aws.WithRequest(ctx, &other)
}

// isRegion reports whether s looks like "eu-west-1".
func isRegion(s string) bool {
	return strings.Count(s, "-") >= 2 && s[len(s)-1] >= '0' && s[len(s)-1] <= '9'
}
