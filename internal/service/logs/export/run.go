package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// perObject is how many bytes of events an object has, about.
const perObject = 16 << 20

var errCancelled = errors.New("export: the task was cancelled")

// run carries a task out.
func (e *Exports) run(ctx context.Context, _ string, w work) error {
	r, err := e.set(ctx, w.ID, func(_ *store.Tx, r *record) { r.Status = string(logsapi.ExportTaskStatusCodeRUNNING) })
	if err == nil {
		err = e.write(ctx, w.ID, &r)
	}
	status, message := logsapi.ExportTaskStatusCodeCOMPLETED, "Completed successfully"
	switch e, refused := errors.AsType[*aws.Error](err); {
	case errors.Is(err, errGone):
		return nil
	case errors.Is(err, errCancelled):
		status, message = logsapi.ExportTaskStatusCodeCANCELLED, "Cancelled by the user"
	case refused:
		status, message = logsapi.ExportTaskStatusCodeFAILED, e.Error()
	case err != nil:
		return err
	}
	_, err = store.Update(ctx, e.space, func(tx *store.Tx) (struct{}, error) {
		if r, ok := e.tasks.Get(tx, w.ID); ok && r.underWay() {
			e.end(tx, w.ID, r, status, message)
		}
		return struct{}{}, nil
	})
	return err
}

// errGone says that a task is done already.
var errGone = errors.New("export: there is no such task under way")

// set changes a task that is under way, and answers it as it is then.
func (e *Exports) set(ctx context.Context, id string, fn func(tx *store.Tx, r *record)) (record, error) {
	return store.Update(ctx, e.space, func(tx *store.Tx) (record, error) {
		r, ok := e.tasks.Get(tx, id)
		if !ok || !r.underWay() {
			return r, errGone
		}
		if r.Status == string(logsapi.ExportTaskStatusCodePENDINGCANCEL) {
			return r, errCancelled
		}
		fn(tx, &r)
		e.tasks.Set(tx, r, id)
		return r, nil
	})
}

// write writes all streams.
func (e *Exports) write(ctx context.Context, id string, r *record) error {
	in := &logsapi.DescribeLogStreamsInput{LogGroupName: aws.Some(r.Group), LogStreamNamePrefix: aws.NonZero(r.Streams)}
	for {
		out, err := e.logs.DescribeLogStreams(ctx, in)
		if err != nil {
			return err
		}
		for _, s := range out.LogStreams {
			if err := e.writeStream(ctx, id, r, s.LogStreamName.V); err != nil {
				return err
			}
		}
		if in.NextToken = out.NextToken; !in.NextToken.Set {
			return nil
		}
	}
}

// writeStream writes the events of a stream, an object at a time.
func (e *Exports) writeStream(ctx context.Context, id string, r *record, name string) error {
	in := &logsapi.FilterLogEventsInput{
		LogGroupName: aws.Some(r.Group), LogStreamNames: []string{name}, StartTime: aws.Some(r.From), EndTime: aws.Some(r.To),
	}
	var body bytes.Buffer
	packed := gzip.NewWriter(&body)
	number, size := 0, 0
	flush := func() error {
		if size == 0 {
			return nil
		}
		if err := packed.Close(); err != nil {
			return err
		}
		key := fmt.Sprintf("%s/%s/%s/%06d.gz", r.Prefix, id, strings.ReplaceAll(name, "/", "-"), number)
		if err := e.buckets.Put(ctx, r.Bucket, key, body.Bytes()); err != nil {
			return err
		}
		number, size = number+1, 0
		body.Reset()
		packed.Reset(&body)
		return nil
	}
	for {
		if _, err := e.set(ctx, id, func(*store.Tx, *record) {}); err != nil { // it may be cancelled
			return err
		}
		out, err := e.logs.FilterLogEvents(ctx, in)
		if err != nil {
			return err
		}
		for _, event := range out.Events {
			n, err := fmt.Fprintf(packed, "%s %s\n", time.UnixMilli(event.Timestamp.V).UTC().Format("2006-01-02T15:04:05.000Z"), event.Message.V)
			if err != nil {
				return err
			}
			size += n
		}
		if size >= perObject {
			if err := flush(); err != nil {
				return err
			}
		}
		if in.NextToken = out.NextToken; !in.NextToken.Set {
			return flush()
		}
	}
}
