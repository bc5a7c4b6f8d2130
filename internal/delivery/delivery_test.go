package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

const queue = "arn:aws:sqs:eu-west-1:111122223333:"

// target stands in for the door and the queues behind it. Queues keep what they took in the store, with their ledger.
type target struct {
	clock  *clock.Clock
	space  store.Space
	ledger task.Ledger
	taken  store.Table[string] // queue, number → body

	mu      sync.Mutex
	begun   time.Time
	answers func(in *sqsapi.SendMessageInput) error // asked before a message is taken
	after   func() error                            // and after: the answer is lost then
	calls   []string
	last    *sqsapi.SendMessageInput
	request aws.Request
}

func (d *target) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	if op.Action() != "sqs:SendMessage" {
		return nil, fmt.Errorf("unexpected %s", op.Action())
	}
	send, request := in.(*sqsapi.SendMessageInput), aws.RequestOf(ctx)
	name := send.QueueUrl[strings.LastIndexByte(send.QueueUrl, ':')+1:]
	d.mu.Lock()
	d.calls = append(d.calls, fmt.Sprintf("%s %s at %v", name, send.MessageBody, d.clock.Now().Sub(d.begun).Round(time.Second)))
	d.last, d.request = send, *request
	answers, after := d.answers, d.after
	d.mu.Unlock()
	if answers != nil {
		if err := answers(send); err != nil {
			return nil, err
		}
	}
	_, err := store.Update(ctx, d.space, func(tx *store.Tx) (struct{}, error) {
		if _, before := d.ledger.Take(tx, request.Delivery, ""); before {
			return struct{}{}, nil
		}
		d.taken.Set(tx, send.MessageBody, name, len(d.read(tx, name)))
		return struct{}{}, nil
	})
	if err != nil {
		return nil, err
	}
	if after != nil {
		if err := after(); err != nil {
			return nil, err
		}
	}
	return &sqsapi.SendMessageOutput{}, nil
}

func (d *target) read(tx *store.Tx, name string) (bodies []string) {
	for _, body := range d.taken.Scan(tx, store.ScanOptions{}, name) {
		bodies = append(bodies, body)
	}
	return bodies
}

type world struct {
	*target
	t     *testing.T
	store *store.Store
	log   bytes.Buffer
}

func newWorld(t *testing.T, h memory.Hostile) *world {
	c, e := clock.New(), memory.New(memory.Options{Hostile: h})
	t.Cleanup(func() { e.Close(); c.Close() })
	s := &store.Store{Engine: e, Clock: c}
	space := s.Space("sqs")
	return &world{t: t, store: s, target: &target{
		clock: c, begun: c.Now(), space: space, ledger: task.NewLedger(s.Space("task")), taken: store.NewTable[string](space, 1, "message"),
	}}
}

// start runs deliveries until stop is called.
func (w *world) start() (d *delivery.Deliveries, stop func()) {
	r := task.NewRunner(w.store.Space("task"), w.clock, task.RunnerOptions{Grace: time.Second})
	d = delivery.New(r, w.clock, w, delivery.Options{Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	synctest.Wait() // until it runs
	return d, stop
}

// publish sends events in a transaction of a service in another region.
func (w *world) publish(d *delivery.Deliveries, events ...delivery.Event) {
	w.t.Helper()
	ctx := aws.WithRequest(context.Background(), &aws.Request{Scope: aws.Scope{Account: "444455556666", Region: "us-east-1"}})
	_, err := store.Update(ctx, w.store.Space("sns"), func(tx *store.Tx) (struct{}, error) {
		for _, e := range events {
			d.Send(tx, e)
		}
		return struct{}{}, nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) expectQueue(name string, want ...string) {
	w.t.Helper()
	ctx := aws.WithRequest(context.Background(), &aws.Request{Scope: aws.Scope{Account: "111122223333", Region: "eu-west-1"}})
	got, err := store.Update(ctx, w.space, func(tx *store.Tx) ([]string, error) { return w.read(tx, name), nil })
	if err != nil || !slices.Equal(got, want) {
		w.t.Errorf("queue %s: got %q, want %q (%v)", name, got, want, err)
	}
}

func refuse(with error) func(*sqsapi.SendMessageInput) error {
	return func(in *sqsapi.SendMessageInput) error {
		if strings.HasSuffix(in.QueueUrl, ":dead") {
			return nil
		}
		return with
	}
}

func event(name, body string) delivery.Event {
	return delivery.Event{
		Target: queue + name, Body: []byte(body), As: aws.Principal{Service: "sns.amazonaws.com", Account: "444455556666", ARN: "arn:x", UserID: "id"},
		DeadLetter: &delivery.DeadLetter{Target: queue + "dead", Code: "ERROR_CODE", Message: "ERROR_MESSAGE", Tries: "RETRIES"},
	}
}

func TestWhatCannotSucceedIsDeadAtOnce(t *testing.T) {
	for _, err := range []error{
		sqsapi.QueueDoesNotExist("no queue"),
		(&aws.ErrorShape{Code: "AccessDenied", Status: 403}).New("no"),
		model.Unserved("Amazon SQS", "SendMessage"),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, memory.Hostile{Seed: 1})
			w.answers = refuse(err)
			d, _ := w.start()
			w.publish(d, event("q", "hello"))
			synctest.Wait()
			if want := []string{"q hello at 0s", "dead hello at 0s"}; !slices.Equal(w.calls, want) {
				t.Errorf("calls %q, want %q", w.calls, want)
			}
			w.expectQueue("dead", "hello")
			if got := w.last.MessageAttributes; got["ERROR_CODE"].StringValue.V == "" || got["RETRIES"].StringValue.V != "1" || got["ERROR_MESSAGE"].StringValue.V == "" {
				t.Errorf("attributes %+v", got)
			}
		})
	}
}

func TestWhatMayPassIsTriedUntilTheEventsLimit(t *testing.T) {
	throttled := (&aws.ErrorShape{Code: "RequestThrottled", Status: 403}).New("slow down")
	for _, c := range []struct {
		err    error
		limit  func(*delivery.Event)
		tries  int
		beyond time.Duration
	}{
		{throttled, func(e *delivery.Event) { e.Tries = 4 }, 4, 0},
		{errors.New("connection refused"), func(e *delivery.Event) { e.Tries = 3 }, 3, 0},
		{(&aws.ErrorShape{Code: "ServiceUnavailable", Status: 503}).New("later"), func(e *delivery.Event) { e.Age = time.Hour }, 0, time.Hour},
		{task.ErrPending, func(*delivery.Event) {}, 185, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, memory.Hostile{Seed: 2})
			w.answers = refuse(c.err)
			d, _ := w.start()
			e := event("q", "hello")
			c.limit(&e)
			w.publish(d, e)
			time.Sleep(30 * time.Hour)
			synctest.Wait()
			w.expectQueue("dead", "hello")
			if n := len(w.calls) - 1; c.tries != 0 && n != c.tries {
				t.Errorf("%v: %d tries, want %d", c.err, n, c.tries)
			}
		})
	}
}

func TestNobodyTakesTheDeadLetterEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 3})
		w.answers = func(*sqsapi.SendMessageInput) error { return sqsapi.QueueDoesNotExist("no queue") }
		d, stop := w.start()
		other := event("q", "two")
		other.Target = "arn:aws:unheard-of:eu-west-1:111122223333:thing"
		other.DeadLetter = nil
		w.publish(d, event("q", "one"), other)
		time.Sleep(time.Minute)
		stop()
		slices.Sort(w.calls)
		if want := []string{"dead one at 0s", "q one at 0s"}; !slices.Equal(w.calls, want) {
			t.Errorf("calls %q", w.calls)
		}
		if n := strings.Count(w.log.String(), "an event is lost"); n != 2 {
			t.Errorf("%d losses are logged:\n%s", n, w.log.String())
		}
	})
}

func TestCallIsMadeAsThePrincipalInTheTargetsScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 4})
		d, _ := w.start()
		e := event("q.fifo", "hello")
		e.Group, e.Deduplication, e.Trace = "g", "d", "Root=1-2-3"
		e.Attributes = map[string]delivery.Attribute{"s": {Type: "String", String: "v"}, "b": {Type: "Binary.png", Binary: []byte{1}}}
		w.publish(d, e)
		synctest.Wait()
		r := w.request
		if r.Scope != (aws.Scope{Account: "111122223333", Region: "eu-west-1"}) || r.Principal != e.As || r.Delivery == "" || r.ID == "" {
			t.Errorf("request %+v", r)
		}
		in := w.last
		if in.QueueUrl != e.Target || in.MessageBody != "hello" || in.MessageGroupId.V != "g" || in.MessageDeduplicationId.V != "d" ||
			in.MessageSystemAttributes["AWSTraceHeader"].StringValue.V != "Root=1-2-3" ||
			in.MessageAttributes["s"].StringValue.V != "v" || !bytes.Equal(in.MessageAttributes["b"].BinaryValue, []byte{1}) {
			t.Errorf("input %+v", in)
		}
	})
}

func TestAnswerIsLostAndTheMessageIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 5, Unknown: 0.2})
		lost := 0
		w.after = func() error {
			if lost++; lost < 4 {
				return errors.New("connection reset")
			}
			return nil
		}
		d, _ := w.start()
		e := event("q", "hello")
		w.publishSurely(d, e)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.expectQueue("q", "hello")
		if len(w.calls) < 4 {
			t.Errorf("calls %q", w.calls)
		}
		// And what was recorded for it is gone with the task.
		n := 0
		err := w.store.Engine.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
			n = 0
			return tx.Scan(store.Range{Lo: []byte("task\x00"), Hi: []byte("task\x01")}, func(_, _ []byte) bool { n++; return true })
		})
		if n != 0 || err != nil {
			t.Errorf("%d records are left, %v", n, err)
		}
	})
}

// publishSurely publishes on a store whose outcomes may be unknown: until it is certain that it happened once.
func (w *world) publishSurely(d *delivery.Deliveries, e delivery.Event) {
	done := store.NewTable[bool](w.store.Space("sns"), 1, "done", store.Global)
	for {
		_, err := store.Update(context.Background(), w.store.Space("sns"), func(tx *store.Tx) (struct{}, error) {
			if ok, _ := done.Get(tx); !ok {
				done.Set(tx, true)
				d.Send(tx, e)
			}
			return struct{}{}, nil
		})
		if err == nil {
			return
		}
	}
}

func TestDeliveriesSurviveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 6})
		hang := make(chan struct{})
		w.after = func() error { <-hang; return nil } // taken, and the process ends before the answer
		d, stop := w.start()
		w.publish(d, event("q.fifo", "one"))
		synctest.Wait()
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		time.Sleep(2 * time.Second)
		w.mu.Lock()
		w.after = nil
		w.mu.Unlock()
		w.start() // meanwhile another process goes on
		synctest.Wait()
		close(hang)
		<-ended
		w.expectQueue("q.fifo", "one")
	})
}

func TestEventsOfAGroupArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 7})
		n := 0
		w.answers = func(in *sqsapi.SendMessageInput) error {
			if n++; n == 1 {
				return errors.New("not yet")
			}
			return nil
		}
		d, _ := w.start()
		var want []string
		for i := range 20 {
			e := event("q.fifo", fmt.Sprint(i))
			e.Group = "g"
			w.publish(d, e)
			want = append(want, fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.expectQueue("q.fifo", want...)
	})
}

func TestServes(t *testing.T) {
	for arn, want := range map[string]bool{queue + "q": true, "arn:aws:unheard-of:r:a:x": false, "": false, "not an arn": false} {
		if got := delivery.Serves(arn); got != want {
			t.Errorf("Serves(%q) = %v", arn, got)
		}
	}
}

// Who is to act as a role does so with each try: a role that trusts him no more is acted as no more.
func TestAnEventIsToldAsARole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		d, stop := w.start()
		defer stop()
		const role = "arn:aws:iam::111122223333:role/teller"
		var trusted atomic.Bool
		var asked atomic.Int32
		d.Act(func(_ context.Context, by aws.Principal, arn, session string) (aws.Principal, error) {
			asked.Add(1)
			if by.Service != "logs.amazonaws.com" || arn != role || session != "logs" {
				t.Errorf("%+v asks to be %s in %s", by, arn, session)
			}
			if !trusted.Load() {
				return aws.Principal{}, errors.New("not reached")
			}
			return aws.Principal{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/teller/logs"}, nil
		})
		e := delivery.Event{Target: queue + "orders", As: aws.Principal{Account: "111122223333", Service: "logs.amazonaws.com"}, Role: role, Body: []byte("one")}
		if err := d.Probe(t.Context(), e); err == nil || len(w.calls) != 0 {
			t.Errorf("%v, %d calls", err, len(w.calls))
		}
		trusted.Store(true)
		if err := d.Probe(t.Context(), e); err != nil || len(w.calls) != 1 || w.request.Principal.ARN != "arn:aws:sts::111122223333:assumed-role/teller/logs" || w.request.Delivery != "" {
			t.Errorf("%v, %+v", err, w.request)
		}
		if err := d.Probe(t.Context(), delivery.Event{Target: "arn:aws:none:::x"}); err == nil {
			t.Error("a target that nobody knows takes events")
		}
		trusted.Store(false)
		if _, err := store.Update(t.Context(), w.store.Space("emitter"), func(tx *store.Tx) (struct{}, error) {
			d.Send(tx, e)
			return struct{}{}, nil
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		trusted.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.calls) != 2 || w.request.Principal.ARN == "" || w.request.Delivery == "" || asked.Load() < 4 {
			t.Errorf("%d calls, asked %d times, %+v", len(w.calls), asked.Load(), w.request)
		}
	})
}
