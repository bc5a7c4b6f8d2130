// Package export writes what is in log groups into buckets: a task for each export, which a client makes, watches and cancels.
//
// An export reads what there is between two times, stream by stream, and writes it as AWS does: below the prefix and the task's id a folder
// for each stream, in it compressed objects with an event a line. It is done again from its beginning when its node dies: its objects
// have the same names then.
//
// It promises that a task which is told as completed has written all that was there when it was made.
package export

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// Buckets is where exports go.
type Buckets interface {
	// Has reports whether there is a bucket of that name in the region of ctx's request.
	Has(ctx context.Context, bucket string) (bool, error)
	// Put writes an object. An error of AWS's is final; any other is tried again.
	Put(ctx context.Context, bucket, key string, body []byte) error
}

// Logs is what is exported.
type Logs interface {
	// Class is that of the group of a name; false where there is none.
	Class(tx *store.Tx, name string) (class string, ok bool)
	DescribeLogStreams(context.Context, *logsapi.DescribeLogStreamsInput) (*logsapi.DescribeLogStreamsOutput, error)
	FilterLogEvents(context.Context, *logsapi.FilterLogEventsInput) (*logsapi.FilterLogEventsOutput, error)
}

// Exports performs the operations of export tasks, and the tasks.
type Exports struct {
	space   store.Space
	logs    Logs
	buckets Buckets // nil where there are none
	work    task.Queue[work]

	tasks  store.Table[record] // id → a task
	active store.Table[string] // () → the id of the one that is not done
}

// record is an export task.
type record struct {
	store.Unknown
	Name      string `cbor:"1,keyasint,omitempty"`
	Group     string `cbor:"2,keyasint"`
	Streams   string `cbor:"3,keyasint,omitempty"` // the prefix of their names
	From      int64  `cbor:"4,keyasint"`
	To        int64  `cbor:"5,keyasint"`
	Bucket    string `cbor:"6,keyasint"`
	Prefix    string `cbor:"7,keyasint"`
	Status    string `cbor:"8,keyasint"`
	Message   string `cbor:"9,keyasint,omitempty"`
	Created   int64  `cbor:"10,keyasint"`
	Completed int64  `cbor:"11,keyasint,omitempty"`
}

// work has a task be carried out.
type work struct {
	ID string `cbor:"1,keyasint"`
}

// attempts is how often what fails is tried: a minute or so.
const attempts = 8

// New are the export tasks of a service. Their tables are numbered 60 and 61. buckets may be nil.
func New(s store.Space, tasks *task.Runner, logs Logs, buckets Buckets) *Exports {
	e := &Exports{
		space: s, logs: logs, buckets: buckets,
		tasks:  store.NewTable[record](s, 60, "export task"),
		active: store.NewTable[string](s, 61, "active export task"),
	}
	e.work = task.NewQueue(tasks, "logs.export", e.run, task.Options{Attempts: attempts})
	e.work.OnDead(func(tx *store.Tx, d task.Dead[work]) {
		if r, ok := e.tasks.Get(tx, d.Value.ID); ok {
			e.end(tx, d.Value.ID, r, logsapi.ExportTaskStatusCodeFAILED, d.Err.Error())
		}
	})
	return e
}

func (r *record) underWay() bool {
	return r.Status == string(logsapi.ExportTaskStatusCodePENDING) || r.Status == string(logsapi.ExportTaskStatusCodeRUNNING) ||
		r.Status == string(logsapi.ExportTaskStatusCodePENDINGCANCEL)
}

// end notes how a task ended.
func (e *Exports) end(tx *store.Tx, id string, r record, status logsapi.ExportTaskStatusCode, message string) {
	r.Status, r.Message, r.Completed = string(status), message, tx.Now().UnixMilli()
	e.tasks.Set(tx, r, id)
	e.active.Delete(tx)
}

// CreateExportTask is logs:CreateExportTask.
func (e *Exports) CreateExportTask(ctx context.Context, in *logsapi.CreateExportTaskInput) (*logsapi.CreateExportTaskOutput, error) {
	if err := form.CheckGroupName(in.LogGroupName); err != nil {
		return nil, err
	}
	if strings.ContainsAny(in.LogStreamNamePrefix.V, ":*") {
		return nil, form.Violation(in.LogStreamNamePrefix.V, "logStreamNamePrefix", "satisfy regular expression pattern: [^:*]*")
	}
	if in.From >= in.To {
		return nil, form.Invalid("The from time must be before the to time.")
	}
	r := record{
		Name: in.TaskName.V, Group: in.LogGroupName, Streams: in.LogStreamNamePrefix.V, From: in.From, To: in.To, Bucket: in.Destination,
		Prefix: cmp.Or(strings.Trim(in.DestinationPrefix.V, "/"), "exportedlogs"), Status: string(logsapi.ExportTaskStatusCodePENDING),
	}
	if len(r.Prefix) > 512 {
		return nil, form.Invalid("The destinationPrefix is longer than 512 bytes.")
	}
	check := func(tx *store.Tx) (struct{}, error) {
		class, ok := e.logs.Class(tx, r.Group)
		switch {
		case !ok:
			return struct{}{}, form.NoGroup()
		case class != string(logsapi.LogGroupClassSTANDARD):
			return struct{}{}, form.Invalid("CreateExportTask is not supported for log groups of class %s.", class)
		case e.active.Has(tx):
			return struct{}{}, logsapi.LimitExceededException("Resource limit exceeded.")
		}
		return struct{}{}, nil
	}
	if _, err := store.View(ctx, e.space, check); err != nil {
		return nil, err
	}
	if err := e.tryBucket(ctx, &r); err != nil {
		return nil, err
	}
	return store.Update(ctx, e.space, func(tx *store.Tx) (*logsapi.CreateExportTaskOutput, error) {
		if _, err := check(tx); err != nil {
			return nil, err
		}
		id := tx.NewID()
		r.Created = tx.Now().UnixMilli()
		e.tasks.Set(tx, r, id)
		e.active.Set(tx, id)
		e.work.Add(tx, work{id}, task.Add{Target: tx.Scope().Account})
		return &logsapi.CreateExportTaskOutput{TaskId: aws.Some(id)}, nil
	})
}

// tryBucket writes to the bucket what AWS writes there to see whether it may.
func (e *Exports) tryBucket(ctx context.Context, r *record) error {
	there := false
	if e.buckets != nil {
		var err error
		if there, err = e.buckets.Has(ctx, r.Bucket); err != nil {
			return err
		}
	}
	if !there {
		return form.Invalid("The given bucket does not exist. Please make sure the bucket is valid.")
	}
	err := e.buckets.Put(ctx, r.Bucket, r.Prefix+"/aws-logs-write-test", []byte("Permission Check Successful"))
	if refused, ok := errors.AsType[*aws.Error](err); ok {
		return form.Invalid("PutObject call on the given bucket failed. Please check if CloudWatch Logs has been granted permission to perform this operation.").Because(refused)
	}
	return err
}

func noTask() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified export task does not exist.")
}

// CancelExportTask is logs:CancelExportTask.
func (e *Exports) CancelExportTask(ctx context.Context, in *logsapi.CancelExportTaskInput) (*logsapi.CancelExportTaskOutput, error) {
	return store.Update(ctx, e.space, func(tx *store.Tx) (*logsapi.CancelExportTaskOutput, error) {
		r, ok := e.tasks.Get(tx, in.TaskId)
		if !ok {
			return nil, noTask()
		}
		if !r.underWay() || r.Status == string(logsapi.ExportTaskStatusCodePENDINGCANCEL) {
			return nil, logsapi.InvalidOperationException("The specified export task is %s and cannot be cancelled.", r.Status)
		}
		r.Status = string(logsapi.ExportTaskStatusCodePENDINGCANCEL)
		e.tasks.Set(tx, r, in.TaskId)
		return nil, nil
	})
}

// DescribeExportTasks is logs:DescribeExportTasks.
func (e *Exports) DescribeExportTasks(ctx context.Context, in *logsapi.DescribeExportTasksInput) (*logsapi.DescribeExportTasksOutput, error) {
	if err := form.CheckOne(in.StatusCode, "statusCode"); err != nil {
		return nil, err
	}
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, e.space, func(tx *store.Tx) (*logsapi.DescribeExportTasksOutput, error) {
		out := &logsapi.DescribeExportTasksOutput{ExportTasks: []logsapi.ExportTask{}}
		o := store.ScanOptions{}
		if after != "" {
			o.From = []any{after + "\x00"}
		}
		for k, r := range e.tasks.Scan(tx, o) {
			id := strings.Clone(k.String(0))
			if in.TaskId.Set && id != in.TaskId.V || in.StatusCode.Set && r.Status != string(in.StatusCode.V) {
				continue
			}
			if len(out.ExportTasks) == int(in.Limit.Or(50)) {
				out.NextToken = form.PageToken(out.ExportTasks[len(out.ExportTasks)-1].TaskId.V)
				break
			}
			out.ExportTasks = append(out.ExportTasks, r.shown(id))
		}
		return out, nil
	})
}

func (r *record) shown(id string) logsapi.ExportTask {
	return logsapi.ExportTask{
		TaskId: aws.Some(id), TaskName: aws.NonZero(r.Name), LogGroupName: aws.Some(r.Group), From: aws.Some(r.From), To: aws.Some(r.To),
		Destination: aws.Some(r.Bucket), DestinationPrefix: aws.Some(r.Prefix),
		Status:        &logsapi.ExportTaskStatus{Code: aws.Some(logsapi.ExportTaskStatusCode(r.Status)), Message: aws.NonZero(r.Message)},
		ExecutionInfo: &logsapi.ExportTaskExecutionInfo{CreationTime: aws.Some(r.Created), CompletionTime: aws.NonZero(r.Completed)},
	}
}
