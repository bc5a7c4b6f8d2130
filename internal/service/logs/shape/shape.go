// Package shape is what is made of log events beside reading them: transformers make JSON of them, lookup tables are what queries look
// into, and scheduled queries run by the clock.
//
// It keeps its records in the space of the service that it is a part of, and performs the operations that set, show and remove them.
// What it promises: a transformer holds for the events that come while it is there, and for no others; a lookup table is there as a
// whole or as it was; a scheduled query runs once each time that it is due, or late where nobody was there to run it.
package shape

import (
	"context"
	"iter"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// tables are the records.
type tables struct {
	transformers        store.Table[transformerRecord] // group, time → what is done to its events from then on
	accountTransformers store.Table[transformerRecord] // name of an account's policy, time → the same

	lookups     store.Table[lookupRecord] // name → a lookup table
	lookupParts store.Table[lookupPart]   // version, number → a piece of its content

	schedules     store.Table[scheduleRecord] // id → a scheduled query
	scheduleNames store.Table[string]         // name → its id
	runs          store.Table[runRecord]      // id, milliseconds → a run of it
	scheduled     store.Table[runTask]        // id of a query → the run that it is of
}

func newTables(s store.Space) tables {
	return tables{
		transformers:        store.NewTable[transformerRecord](s, 50, "transformer", store.Global),
		accountTransformers: store.NewTable[transformerRecord](s, 51, "transformer of an account"),

		lookups:     store.NewTable[lookupRecord](s, 52, "lookup table"),
		lookupParts: store.NewTable[lookupPart](s, 53, "part of a lookup table"),

		schedules:     store.NewTable[scheduleRecord](s, 54, "scheduled query"),
		scheduleNames: store.NewTable[string](s, 55, "name of a scheduled query"),
		runs:          store.NewTable[runRecord](s, 56, "run of a scheduled query"),
		scheduled:     store.NewTable[runTask](s, 57, "query that was scheduled"),
	}
}

// Group is what is to be known of a log group.
type Group struct {
	Number  uint64 // never given again
	Class   string
	Expired int64 // up to when its events have expired; 0 = none have
}

// Host is the groups that shapes are about, and the queries that are run for them.
type Host interface {
	// Group is the group of a name; false where there is none.
	Group(tx *store.Tx, name string) (Group, bool)
	// Groups are all groups behind a name, in the order of their names.
	Groups(tx *store.Tx, after string) iter.Seq2[string, Group]
	// Query is the status of a query, and whether it has not ended; false where there is none.
	Query(tx *store.Tx, id string) (status string, running, ok bool)
	// Rows are what a query found.
	Rows(tx *store.Tx, id string) [][][2]string
}

// Shapes are what is made. The methods that are called like operations of the API perform them.
type Shapes struct {
	space   store.Space
	tables  tables
	host    Host
	changes *resource.Feed

	compiled compiled                 // transformers
	lookups  timer.Set[lookupVersion] // when content of lookup tables that nothing names is deleted

	schedules timer.Set[runTask]  // when scheduled queries are due
	runs      task.Queue[runTask] // runs of those that are to begin
	ends      task.Queue[endTask] // and whose query has ended
	roles     Roles
}

// New are the shapes of what host has. Their tables are numbered from 50 to 59. changes may be nil.
func New(space store.Space, host Host, tasks *task.Runner, timers *timer.Timers, changes *resource.Feed) *Shapes {
	s := &Shapes{space: space, tables: newTables(space), host: host, changes: changes}
	s.lookups = timer.NewSet(timers, "logs.lookup", s.forgetVersion)
	s.schedules = timer.NewSet(timers, "logs.schedule", s.scheduleDue)
	s.runs = task.NewQueue(tasks, "logs.run", s.runSchedule, task.Options{})
	s.ends = task.NewQueue(tasks, "logs.ran", s.endRun, task.Options{})
	return s
}

// DeleteGroup removes what there is of a group that is deleted.
func (s *Shapes) DeleteGroup(tx *store.Tx, group uint64) { s.tables.transformers.DeleteAll(tx, group) }

// Roles lets the service act as a role that trusts it, in a session of that name.
type Roles func(ctx context.Context, role, session string) (model.Invoker, error)

// Act tells the service how to act as a role; before, it cannot. It must be called before anything runs.
func (s *Shapes) Act(r Roles) { s.roles = r }

func taskOf(id string) task.Add { return task.Add{Target: id, Key: "run"} }

// Kinds are the types of resource. What is done to one is done through api, as whoever asks for it.
func (s *Shapes) Kinds(api logsapi.Client) []resource.Type {
	return []resource.Type{s.transformerKind(api)}
}

// About is what an operation of this package is about, by ARNs; nil where in is another's.
func (s *Shapes) About(ctx context.Context, in any) []string {
	scope := aws.RequestOf(ctx).Scope
	itself := func(arn string) []string {
		if _, ok := aws.ParseARN(arn); !ok {
			arn = form.GroupARN(scope, arn) // it is refused
		}
		return []string{arn}
	}
	switch in := in.(type) {
	case *logsapi.PutTransformerInput:
		return []string{form.StreamARN(scope, form.NameOf(in.LogGroupIdentifier), "")}
	case *logsapi.GetTransformerInput:
		return []string{form.StreamARN(scope, form.NameOf(in.LogGroupIdentifier), "")}
	case *logsapi.DeleteTransformerInput:
		return []string{form.StreamARN(scope, form.NameOf(in.LogGroupIdentifier), "")}
	case *logsapi.CreateLookupTableInput:
		return []string{lookupARN(scope, in.LookupTableName)}
	case *logsapi.UpdateLookupTableInput:
		return itself(in.LookupTableArn)
	case *logsapi.DeleteLookupTableInput:
		return itself(in.LookupTableArn)
	case *logsapi.GetLookupTableInput:
		return itself(in.LookupTableArn)
	case *logsapi.CreateScheduledQueryInput:
		return []string{scheduleARN(scope, "*")} // its id is not known yet
	case *logsapi.UpdateScheduledQueryInput:
		return s.scheduleNamed(ctx, in.Identifier)
	case *logsapi.DeleteScheduledQueryInput:
		return s.scheduleNamed(ctx, in.Identifier)
	case *logsapi.GetScheduledQueryInput:
		return s.scheduleNamed(ctx, in.Identifier)
	case *logsapi.GetScheduledQueryHistoryInput:
		return s.scheduleNamed(ctx, in.Identifier)
	}
	return nil
}

// scheduleNamed is the ARN of a scheduled query that is named by that or by its name; of any, where there is none.
func (s *Shapes) scheduleNamed(ctx context.Context, identifier string) []string {
	scope := aws.RequestOf(ctx).Scope
	id, err := store.View(ctx, s.space, func(tx *store.Tx) (string, error) {
		id, _, err := s.tables.schedule(tx, identifier)
		return id, err
	})
	if a, ok := aws.ParseARN(identifier); ok && err != nil {
		return []string{a.String()}
	} else if err != nil {
		id = "*"
	}
	return []string{scheduleARN(scope, id)}
}
