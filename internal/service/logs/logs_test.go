package logs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/service/logs"
	"github.com/obidos-cloud/obidos/internal/service/logs/export"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

const (
	account = "111111111111"
	region  = "us-east-1"
)

func request() *aws.Request {
	return &aws.Request{Scope: aws.Scope{Account: account, Region: region}, Principal: aws.Principal{Account: account}}
}

// platform is the service with what it needs, and no more: no sockets, no wire.
type platform struct {
	logsapi.Client
	clock   *clock.Clock
	service *logs.Service
	stop    func()
}

// start runs the service on an engine until the test ends.
func start(t testing.TB, e store.Engine, buckets ...export.Buckets) *platform {
	p := &platform{clock: clock.New()}
	s := &store.Store{Engine: e, Clock: p.clock}
	tasks := task.NewRunner(s.Space("task"), p.clock, task.RunnerOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	timers := timer.New(s.Space("timer"), p.clock, timer.Options{})
	o := logs.Options{Clock: p.clock}
	if len(buckets) > 0 {
		o.Buckets = buckets[0]
	}
	p.service = logs.New(s.Space("logs"), tasks, timers, o)
	p.service.Act(p.as)
	p.Client = logsapi.Client{Invoker: p}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	runs := []func(context.Context) error{tasks.Run, timers.Run}
	for _, run := range runs {
		go func() {
			if err := run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
				t.Errorf("run: %v", err)
			}
			done <- struct{}{}
		}()
	}
	stopped := false
	p.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range runs {
			<-done
		}
		p.clock.Close()
	}
	t.Cleanup(p.stop)
	return p
}

// as lets the service act as any role but one named nobody.
func (p *platform) as(_ context.Context, role, _ string) (model.Invoker, error) {
	if strings.HasSuffix(role, "role/nobody") {
		return nil, logsapi.AccessDeniedException("nobody may be it")
	}
	return p, nil
}

// Invoke calls the service directly.
func (p *platform) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	if aws.RequestOf(ctx).Account == "" {
		ctx = aws.WithRequest(ctx, request())
	}
	return op.Call(ctx, p.service, in)
}

func TestResources(t *testing.T) {
	for i, c := range []resourcetest.Case{
		{
			Named: true, Missing: "/none",
			Desired: `{"LogGroupName":"/app","RetentionInDays":7,"DeletionProtectionEnabled":false,"LogGroupClass":"STANDARD","Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}],"FieldIndexPolicies":[{"Fields":["a"]}],"ResourcePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"delivery.logs.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}]}}`,
			Changed: `{"LogGroupName":"/app","DeletionProtectionEnabled":false,"LogGroupClass":"STANDARD","Tags":[{"Key":"a","Value":"3"},{"Key":"c","Value":"2"}],"FieldIndexPolicies":[{"Fields":["b"]}],"DataProtectionPolicy":{"Name":"p","Version":"2021-06-01","Statement":[{"DataIdentifier":["arn:aws:dataprotection::aws:data-identifier/EmailAddress"],"Operation":{"Audit":{"FindingsDestination":{}}}},{"DataIdentifier":["arn:aws:dataprotection::aws:data-identifier/EmailAddress"],"Operation":{"Deidentify":{"MaskConfig":{}}}}]}}`,
		},
		{
			Named: true, Missing: "/there|none",
			Desired: `{"LogGroupName":"/there","LogStreamName":"one"}`,
			Changed: `{"LogGroupName":"/there","LogStreamName":"one"}`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, memory.New(memory.Options{}))
			defer p.stop()
			ctx := func() context.Context { return aws.WithRequest(t.Context(), request()) }
			if _, err := p.CreateLogGroup(ctx(), &logsapi.CreateLogGroupInput{LogGroupName: "/there"}); err != nil {
				t.Fatal(err)
			}
			c.Type, c.Context = p.service.Types(p.Client)[i], ctx
			resourcetest.Run(t, c)
		})
	}
}
