package sqs_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

const (
	account  = "111111111111"
	region   = "us-east-1"
	endpoint = "http://127.0.0.1:4566"
)

// platform is the service with what it needs, and no more: no sockets, no wire.
type platform struct {
	sqsapi.Client
	t       testing.TB
	engine  store.Engine
	clock   *clock.Clock
	service *sqs.Service
	stop    func()
	peers   map[string]*platform // by the ids of nodes; nil where there is one
}

// start runs the service on an engine until stop is called, in the bubble of a synctest.
func start(t testing.TB, e store.Engine, o sqs.Options) *platform {
	return startNode(t, e, o, owner.Options{ID: "one", Alone: true}, nil)
}

// startNode runs it as one of several nodes.
func startNode(t testing.TB, e store.Engine, o sqs.Options, node owner.Options, peers map[string]*platform) *platform {
	p := &platform{t: t, engine: e, clock: clock.New(), peers: peers}
	s := &store.Store{Engine: e, Clock: p.clock}
	n := owner.New(s.Space("owner"), p.clock, node)
	tasks := task.NewRunner(s.Space("task"), p.clock, task.RunnerOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	timers := timer.New(s.Space("timer"), p.clock, timer.Options{})
	o.Self = p
	p.service = sqs.New(s.Space("sqs"), n, tasks, timers, task.NewLedger(s.Space("task")), o)
	p.Client = sqsapi.Client{Invoker: p}
	if peers != nil {
		peers[node.ID] = p
	}

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	runs := []func(context.Context) error{n.Run, tasks.Run, timers.Run}
	for _, run := range runs {
		go func() {
			if err := run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
				t.Errorf("run: %v", err)
			}
			done <- struct{}{}
		}()
	}
	synctest.Wait() // until all of them run
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

// Start is a platform on memory.
func Start(t testing.TB) *platform { return start(t, memory.New(memory.Options{}), sqs.Options{}) }

// Invoke calls the service directly, or that of the node that owns the queue.
func (p *platform) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	if aws.RequestOf(ctx).Endpoint == "" {
		r := request()
		if on := aws.RequestOf(ctx); on.Account != "" { // work of the service's own
			r.Scope, r.Delivery, r.Principal = on.Scope, on.Delivery, on.Principal
		}
		ctx = aws.WithRequest(ctx, r)
	}
	out, err := op.Call(ctx, p.service, in)
	if e, ok := errors.AsType[*owner.ElsewhereError](err); ok && p.peers[e.Node] != nil {
		return op.Call(ctx, p.peers[e.Node].service, in)
	}
	return out, err
}

func request() *aws.Request {
	return &aws.Request{
		Scope: aws.Scope{Account: account, Region: region}, Endpoint: endpoint,
		Principal: aws.Principal{Account: account, UserID: "AIDAEXAMPLE"},
	}
}

// create makes a queue and answers its URL.
func (p *platform) create(ctx context.Context, name string, attributes ...string) string {
	p.t.Helper()
	in := &sqsapi.CreateQueueInput{QueueName: name, Attributes: map[sqsapi.QueueAttributeName]string{}}
	for i := 0; i < len(attributes); i += 2 {
		in.Attributes[sqsapi.QueueAttributeName(attributes[i])] = attributes[i+1]
	}
	out, err := p.CreateQueue(ctx, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return out.QueueUrl.V
}

func (p *platform) send(ctx context.Context, url, body string, more ...func(*sqsapi.SendMessageInput)) *sqsapi.SendMessageOutput {
	p.t.Helper()
	in := &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: body}
	for _, f := range more {
		f(in)
	}
	out, err := p.SendMessage(ctx, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func group(g string) func(*sqsapi.SendMessageInput) {
	return func(in *sqsapi.SendMessageInput) { in.MessageGroupId = aws.Some(g) }
}

func (p *platform) receive(ctx context.Context, url string, max int, more ...func(*sqsapi.ReceiveMessageInput)) []sqsapi.Message {
	p.t.Helper()
	in := &sqsapi.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: aws.Some(int32(max))}
	for _, f := range more {
		f(in)
	}
	out, err := p.ReceiveMessage(ctx, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return out.Messages
}

func (p *platform) delete(ctx context.Context, url string, m sqsapi.Message) {
	p.t.Helper()
	if _, err := p.DeleteMessage(ctx, &sqsapi.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle.V}); err != nil {
		p.t.Fatal(err)
	}
}

func bodies(messages []sqsapi.Message) (list []string) {
	for _, m := range messages {
		list = append(list, m.Body.V)
	}
	return list
}

func TestMessageComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "orders")
		p.send(ctx, url, "hello")
		for _, step := range []struct{ seconds, want int }{{0, 1}, {0, 0}, {31, 1}} {
			time.Sleep(time.Duration(step.seconds) * time.Second)
			if got := p.receive(ctx, url, 10); len(got) != step.want {
				t.Errorf("after %d s received %d messages, want %d", step.seconds, len(got), step.want)
			}
		}
		p.stop()
	})
}

func TestDeletedMessageIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "orders")
		p.send(ctx, url, "hello")
		p.delete(ctx, url, p.receive(ctx, url, 1)[0])
		time.Sleep(time.Minute)
		if got := p.receive(ctx, url, 1); len(got) != 0 {
			t.Errorf("received %d messages after the delete", len(got))
		}
		p.stop()
	})
}
