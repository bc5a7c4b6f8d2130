// Package logs is Amazon CloudWatch Logs: log groups, their streams, and the events written to them.
//
// # What it keeps
//
// A group is one record, under its name; a stream is one record, under its group's number and its name, which also says where
// its tail is: the number of its last event and the times of its first and last. Numbers are never given again, so that what a
// deleted group or stream leaves behind belongs to nobody.
//
// Events stand in chunks, compressed, as they came: one chunk for each batch, which is written once, with a head in the group's
// index by time and another in the stream's. Behind the writers a task merges the small chunks of a stream into larger ones. A
// chunk that is not too small has a filter that tells which texts cannot be in it. No chunk reaches over more than a day, so
// whoever wants what was at a time begins to look one day before it.
//
// # What it promises
//
//   - What is answered is durable, and holds for the next request on every node. Events are there once, in the order of their times,
//     and those of the same time in the order in which they came.
//   - Writers of different streams share commits and wait for each other no longer.
//   - A group is deleted with all that is in it in one commit, however much that is.
package logs

import (
	"context"
	"sync"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/absent"
	"github.com/obidos-cloud/obidos/internal/service/logs/export"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
	"github.com/obidos-cloud/obidos/internal/service/logs/tail"
	"github.com/obidos-cloud/obidos/internal/service/logs/vended"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// Options of the service.
type Options struct {
	// Changes is told of every group and stream made, changed and deleted. It may be nil.
	Changes *resource.Feed
	// Clock is that of Live Tail's sessions, which know nothing of the store.
	Clock *clock.Clock
	// Node is which node this is, and Others are the rest of them, nil where there are none: a session is told of what they commit.
	Node   string
	Others tail.Others
	// Buckets is where log groups are exported to. Where it is nil there are no buckets.
	Buckets export.Buckets
	// Telemetry is told what metric filters count, and the metrics that events bring themselves. It may be nil.
	Telemetry *telemetry.Recorder
	// Deliveries take what subscription filters send. Where it is nil there is no destination.
	Deliveries filter.Deliveries
}

// Service is the API.
type Service struct {
	rest // what is left out, see docs/logs.md
	absent.Absent
	*rules.Rules
	*filter.Filters
	*shape.Shapes
	*export.Exports
	*vended.Deliveries

	space  store.Space
	tables tables
	packer *packer
	merges task.Queue[mergeTask]
	clears task.Queue[clearTask]
	sweeps task.Queue[sweepTask]
	dues   timer.Set[sweepTask] // when something of a group expires
	o      Options

	runs    task.Queue[queryTask] // queries that are to be carried out
	forgets timer.Set[queryTask]  // and forgotten

	runningMu sync.Mutex
	running   map[string]context.CancelCauseFunc // by the ids of queries

	tails *tail.Hub // sessions of Live Tail
}

type rest struct{ logsapi.Unimplemented }

var _ logsapi.Service = (*Service)(nil)

// New is the service over space. What follows its commits is done through tasks and timers.
func New(space store.Space, tasks *task.Runner, timers *timer.Timers, o Options) *Service {
	s := &Service{space: space, tables: newTables(space), packer: newPacker(), o: o, running: map[string]context.CancelCauseFunc{}}
	s.tails = tail.New(o.Clock, o.Node, o.Others)
	s.Exports = export.New(space, tasks, exported{s}, o.Buckets)
	s.Rules = rules.New(space, ruledGroups{s}, s, o.Changes)
	s.Shapes = shape.New(space, shaped{space, &s.tables}, tasks, timers, o.Changes)
	s.Filters = filter.New(space, filteredGroups{s}, tasks, filter.Options{Changes: o.Changes, Telemetry: o.Telemetry, Deliveries: o.Deliveries})
	s.merges = task.NewQueue(tasks, "logs.merge", s.merge, task.Options{Concurrency: 1})
	s.clears = task.NewQueue(tasks, "logs.clear", s.clear, task.Options{Attempts: 1 << 20})
	s.sweeps = task.NewQueue(tasks, "logs.sweep", s.sweep, task.Options{Attempts: 1 << 20})
	s.dues = timer.NewSet(timers, "logs.expiry", s.sweepDue)
	s.runs = task.NewQueue(tasks, "logs.query", s.runQuery, task.Options{Concurrency: 4})
	s.forgets = timer.NewSet(timers, "logs.query", s.forget)
	s.Deliveries = vended.New(space, tasks, o.Changes, vendedHost{s})
	return s
}

func noGroup() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified log group does not exist.")
}

func noStream() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified log stream does not exist.")
}

func invalid(format string, args ...any) *aws.Error {
	return logsapi.InvalidParameterException(format, args...)
}

// within is ctx in another scope.
func within(ctx context.Context, scope aws.Scope) context.Context {
	r := aws.RequestOf(ctx)
	if r.Scope == scope {
		return ctx
	}
	other := *r
	other.Scope = scope
	return aws.WithRequest(ctx, &other)
}
