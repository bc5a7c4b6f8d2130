package logs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// bucket is a bucket in memory.
type bucket struct {
	mu      sync.Mutex
	objects map[string]string
	refuse  error         // what writing answers
	hold    chan struct{} // writing waits for it, where it is not nil
}

func (b *bucket) Has(_ context.Context, name string) (bool, error) { return name == "there", nil }

func (b *bucket) Put(_ context.Context, _, key string, body []byte) error {
	if b.hold != nil && !strings.HasSuffix(key, "write-test") {
		<-b.hold
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.objects[key] = string(body)
	return nil
}

// lines are those of a compressed object.
func (b *bucket) lines(t *testing.T, key string) string {
	z, err := gzip.NewReader(strings.NewReader(b.objects[key]))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{objects: map[string]string{}}
		p := start(t, memory.New(memory.Options{}), b)
		defer p.stop()
		ctx := aws.WithRequest(t.Context(), request())
		if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/a"}); err != nil {
			t.Fatal(err)
		}
		began := p.clock.Now()
		for _, s := range []string{"web/1", "web/2", "db"} {
			if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "/a", LogStreamName: s}); err != nil {
				t.Fatal(err)
			}
			p.write(ctx, t, "/a", s, s+" one", s+" two")
		}
		time.Sleep(time.Minute)
		p.write(ctx, t, "/a", "web/1", "too late")
		in := logsapi.CreateExportTaskInput{
			LogGroupName: "/a", From: began.UnixMilli(), To: began.Add(time.Second).UnixMilli(), Destination: "there",
			DestinationPrefix: aws.Some("to/"), LogStreamNamePrefix: aws.Some("web"), TaskName: aws.Some("mine"),
		}
		refused := func(change func(in *logsapi.CreateExportTaskInput), code string) {
			t.Helper()
			other := in
			change(&other)
			_, err := p.CreateExportTask(ctx, &other)
			if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != code {
				t.Errorf("%v, want %s", err, code)
			}
		}
		refused(func(in *logsapi.CreateExportTaskInput) { in.LogGroupName = "/none" }, "ResourceNotFoundException")
		refused(func(in *logsapi.CreateExportTaskInput) { in.Destination = "none" }, "InvalidParameterException")
		refused(func(in *logsapi.CreateExportTaskInput) { in.To = in.From }, "InvalidParameterException")
		refused(func(in *logsapi.CreateExportTaskInput) { in.LogStreamNamePrefix = aws.Some("a:b") }, "InvalidParameterException")
		b.refuse = (&aws.ErrorShape{Code: "AccessDenied", Status: 403}).New("no")
		refused(func(*logsapi.CreateExportTaskInput) {}, "InvalidParameterException")
		b.refuse = nil

		state := func(id string) logsapi.ExportTask {
			t.Helper()
			out, err := p.DescribeExportTasks(ctx, &logsapi.DescribeExportTasksInput{TaskId: aws.Some(id)})
			if err != nil || len(out.ExportTasks) != 1 {
				t.Fatalf("%+v %v", out, err)
			}
			return out.ExportTasks[0]
		}
		create := func() string {
			t.Helper()
			out, err := p.CreateExportTask(ctx, &in)
			if err != nil {
				t.Fatal(err)
			}
			return out.TaskId.V
		}
		id := create()
		synctest.Wait()
		done := state(id)
		if done.Status.Code.V != "COMPLETED" || done.TaskName.V != "mine" || done.DestinationPrefix.V != "to" || !done.ExecutionInfo.CompletionTime.Set {
			t.Errorf("it is %+v", done)
		}
		at := began.UTC().Format("2006-01-02T15:04:05.000Z")
		for i, s := range []string{"web/1", "web/2"} {
			want := fmt.Sprintf("%[1]s %[2]s one\n%[1]s %[2]s two\n", at, s)
			if got := b.lines(t, "to/"+id+"/web-"+fmt.Sprint(i+1)+"/000000.gz"); got != want {
				t.Errorf("%s: %q, want %q", s, got, want)
			}
		}
		if len(b.objects) != 3 || !bytes.Contains([]byte(b.objects["to/aws-logs-write-test"]), []byte("Permission")) {
			t.Errorf("objects: %v", b.objects)
		}

		// One at a time, which can be cancelled.
		b.hold = make(chan struct{})
		id = create()
		synctest.Wait()
		refused(func(*logsapi.CreateExportTaskInput) {}, "LimitExceededException")
		if s := state(id).Status.Code.V; s != "RUNNING" {
			t.Errorf("it is %s", s)
		}
		if _, err := p.CancelExportTask(ctx, &logsapi.CancelExportTaskInput{TaskId: id}); err != nil {
			t.Error(err)
		}
		if s := state(id).Status.Code.V; s != "PENDING_CANCEL" {
			t.Errorf("it is %s", s)
		}
		close(b.hold)
		synctest.Wait()
		if s := state(id).Status.Code.V; s != "CANCELLED" {
			t.Errorf("it is %s", s)
		}
		_, err := p.CancelExportTask(ctx, &logsapi.CancelExportTaskInput{TaskId: id})
		if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != "InvalidOperationException" {
			t.Errorf("cancelled again: %v", err)
		}

		// What fails is tried again, and given up.
		b.hold = make(chan struct{})
		id = create()
		synctest.Wait()
		b.refuse = io.ErrClosedPipe
		close(b.hold)
		time.Sleep(time.Second)
		b.mu.Lock()
		b.refuse = nil
		b.mu.Unlock()
		time.Sleep(time.Minute)
		if s := state(id).Status.Code.V; s != "COMPLETED" {
			t.Errorf("it is %s", s)
		}
		b.hold = make(chan struct{})
		id = create()
		synctest.Wait()
		b.refuse = (&aws.ErrorShape{Code: "NoSuchBucket", Status: 404}).New("it is gone")
		close(b.hold)
		synctest.Wait()
		if s := state(id); s.Status.Code.V != "FAILED" || !strings.Contains(s.Status.Message.V, "it is gone") {
			t.Errorf("it is %+v", s.Status)
		}

		// They are listed in pages, by their states.
		var ids []string
		page := &logsapi.DescribeExportTasksInput{Limit: aws.Some(int32(2))}
		for {
			out, err := p.DescribeExportTasks(ctx, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out.ExportTasks {
				ids = append(ids, e.TaskId.V)
			}
			if page.NextToken = out.NextToken; !page.NextToken.Set {
				break
			}
		}
		if len(ids) != 4 {
			t.Errorf("tasks %v", ids)
		}
		out, err := p.DescribeExportTasks(ctx, &logsapi.DescribeExportTasksInput{StatusCode: aws.Some(logsapi.ExportTaskStatusCode("COMPLETED"))})
		if err != nil || len(out.ExportTasks) != 2 {
			t.Errorf("completed: %+v %v", out, err)
		}
	})
}
