package peer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/peer"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/wire"
)

var (
	contracts = wire.New(api.All()...).Between()
	send      = sqsapi.API().Operation("SendMessage")
)

// addresses say where nodes are, as an owner.Node does.
type addresses map[string]string

func (a addresses) At(id string) (string, bool) { address, ok := a[id]; return address, ok }

type accept func(ctx context.Context, op *model.Operation, in any) (any, error)

// cluster is a store with an authority in it.
func cluster(t testing.TB) *peer.Authority {
	t.Helper()
	a, err := peer.OpenAuthority(t.Context(), space(t))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func space(t testing.TB) store.Space {
	t.Helper()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	return (&store.Store{Engine: e, Clock: clock.New()}).Space("peer")
}

// serve runs a node until the test ends, and says where it is.
func serve(t testing.TB, a *peer.Authority, id string, do accept) (at string, stop func()) {
	t.Helper()
	n, err := peer.New(peer.Options{ID: id, Authority: a})
	if err != nil {
		t.Fatal(err)
	}
	n.Open(&peer.Local{
		Node: addresses{}, Values: contracts, Accept: do,
		Answer: func(_ context.Context, subject string, body []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%s of %s", subject, body), nil
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx, l) }()
	var stopped atomic.Bool
	stop = func() {
		cancel()
		if !stopped.Swap(true) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// reach is a node that only asks others.
func reach(t testing.TB, a *peer.Authority, where addresses) *peer.Network {
	t.Helper()
	n, err := peer.New(peer.Options{ID: "asking", Authority: a})
	if err != nil {
		t.Fatal(err)
	}
	n.Open(&peer.Local{Node: where, Values: contracts})
	t.Cleanup(n.Close)
	return n
}

func TestStrangersAreNotHeard(t *testing.T) {
	t.Parallel()
	a, heard := cluster(t), atomic.Int64{}
	at, _ := serve(t, a, "b", func(context.Context, *model.Operation, any) (any, error) {
		heard.Add(1)
		return &sqsapi.SendMessageOutput{}, nil
	})
	// Somebody without a certificate, and somebody of another cluster.
	for name, config := range map[string]*tls.Config{"nobody": {InsecureSkipVerify: true, NextProtos: []string{"h2"}}} {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
		resp, err := c.Post("https://"+at+"/ask/x", "", nil)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s was answered %s", name, resp.Status)
		}
		c.CloseIdleConnections()
	}
	for name, n := range map[string]*peer.Network{
		"another cluster's node": reach(t, cluster(t), addresses{"b": at}),
	} {
		if _, err := n.Forward(t.Context(), "b", send, &sqsapi.SendMessageInput{}); !errors.Is(err, call.ErrUnreachable) {
			t.Errorf("%s got %v", name, err)
		}
	}
	// And one of this cluster who finds another node than was meant.
	if _, err := reach(t, a, addresses{"c": at}).Forward(t.Context(), "c", send, &sqsapi.SendMessageInput{}); !errors.Is(err, call.ErrUnreachable) {
		t.Errorf("another node answered: %v", err)
	}
	if heard.Load() != 0 {
		t.Errorf("%d requests of strangers ran", heard.Load())
	}
}

func TestAuthorityIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := space(t)
	first, err := peer.OpenAuthority(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	second, err := peer.OpenAuthority(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := serve(t, first, "b", nil)
	answer, err := reach(t, second, addresses{"b": at}).Ask(t.Context(), "b", "thing", []byte("me"))
	if err != nil || string(answer) != "thing of me" {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestRequestArrivesAsItWas(t *testing.T) {
	t.Parallel()
	a := cluster(t)
	q := &aws.Request{
		Scope: aws.Scope{Account: "123456789012", Region: "eu-west-1"}, ID: "request", Endpoint: "http://here:1", SourceIP: "10.0.0.1",
		UserAgent: "agent", Secure: true, Query: true, XRay: "Root=1-5759e988-bd862e3fe1be46a994272793", Delivery: "task",
		Principal: aws.Principal{Account: "123456789012", ARN: "arn:aws:iam::123456789012:root", UserID: "U", Service: "sns.amazonaws.com"},
	}
	trace := telemetry.NewTrace(time.Now())
	trace.Sampled, trace.Decided = true, true
	in := &sqsapi.SendMessageInput{QueueUrl: "http://x/y", MessageBody: "b\xffdy"}
	want := &sqsapi.SendMessageOutput{MessageId: aws.Some("id")}
	at, _ := serve(t, a, "b", func(ctx context.Context, op *model.Operation, got any) (any, error) {
		if op != send || !reflect.DeepEqual(got, in) {
			t.Errorf("got %s %+v", op.Name, got)
		}
		if r := aws.RequestOf(ctx); !reflect.DeepEqual(r, q) {
			t.Errorf("request %+v", r)
		}
		if place := telemetry.TraceOf(ctx); place != trace.Inside() {
			t.Errorf("trace %+v", place)
		}
		return want, nil
	})
	ctx := telemetry.WithTrace(aws.WithRequest(t.Context(), q), trace)
	out, err := reach(t, a, addresses{"b": at}).Forward(ctx, "b", send, in)
	if err != nil || !reflect.DeepEqual(out, want) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestErrorsArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	a, give := cluster(t), error(nil)
	at, _ := serve(t, a, "b", func(context.Context, *model.Operation, any) (any, error) { return nil, give })
	n := reach(t, a, addresses{"b": at})
	ask := func(err error) error {
		give = err
		_, err = n.Forward(t.Context(), "b", send, &sqsapi.SendMessageInput{})
		return err
	}
	e, ok := errors.AsType[*aws.Error](ask(sqsapi.QueueDoesNotExist("no queue %d", 7)))
	if want := sqsapi.QueueDoesNotExist("no queue %d", 7); !ok || e.ErrorShape != want.ErrorShape || e.Message != "no queue 7" {
		t.Errorf("got %+v", e)
	}
	other := &aws.ErrorShape{Code: "ServiceUnavailable", Status: 503, Receiver: true}
	if e, ok = errors.AsType[*aws.Error](ask(other.New("full"))); !ok || *e.ErrorShape != *other || e.Message != "full" {
		t.Errorf("got %+v", e)
	}
	want := owner.ElsewhereError{Node: "c", Address: "there", Partition: 9}
	if e, ok := errors.AsType[*owner.ElsewhereError](ask(&want)); !ok || *e != want {
		t.Errorf("got %+v", e)
	}
	if err := ask(fmt.Errorf("%w: stopping", call.ErrUnreachable)); !errors.Is(err, call.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	if err := ask(errors.New("odd")); err == nil || errors.Is(err, call.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestCancellationReachesTheOtherNode(t *testing.T) {
	t.Parallel()
	a := cluster(t)
	begun, gone := make(chan struct{}), make(chan struct{})
	at, _ := serve(t, a, "b", func(ctx context.Context, _ *model.Operation, _ any) (any, error) {
		close(begun)
		<-ctx.Done() // a long poll
		close(gone)
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := reach(t, a, addresses{"b": at}).Forward(ctx, "b", send, &sqsapi.SendMessageInput{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the other node goes on")
	}
}

// What is known not to have begun may be tried again; what may have begun must not be.
func TestLostNodes(t *testing.T) {
	t.Parallel()
	a := cluster(t)
	ask := func(at string) error {
		_, err := reach(t, a, addresses{"b": at}).Forward(t.Context(), "b", send, &sqsapi.SendMessageInput{})
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	if err := ask(nobody); !errors.Is(err, call.ErrUnreachable) {
		t.Errorf("where nobody is: %v", err)
	}
	if err := ask(""); !errors.Is(err, call.ErrUnreachable) {
		t.Errorf("without an address: %v", err)
	}

	// Its machine takes connections, and its process has stopped.
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	if err := ask(l.Addr().String()); !errors.Is(err, call.ErrUnreachable) {
		t.Errorf("one that does not answer the first word: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}

	// It stops after it has begun.
	begun, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	at, _ := serve(t, a, "b", func(context.Context, *model.Operation, any) (any, error) {
		close(begun)
		<-never
		return nil, errors.New("too late")
	})
	stall := &stalling{to: at}
	stalled := stall.listen(t)
	go func() {
		<-begun
		stall.stop.Store(true)
	}()
	began = time.Now()
	if err := ask(stalled); err == nil || errors.Is(err, call.ErrUnreachable) {
		t.Errorf("one that has begun and says no more: %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("that took %v", took)
	}
}

// stalling passes on what comes, until it stops without closing anything.
type stalling struct {
	to   string
	stop atomic.Bool
}

func (s *stalling) listen(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", s.to)
			if err != nil {
				c.Close()
				return
			}
			t.Cleanup(func() {
				c.Close()
				d.Close()
			})
			for _, way := range [][2]net.Conn{{c, d}, {d, c}} {
				go io.Copy(&valve{way[0], s}, way[1]) // it ends with the test
			}
		}
	}()
	return l.Addr().String()
}

type valve struct {
	net.Conn
	s *stalling
}

func (v *valve) Write(b []byte) (int, error) {
	if v.s.stop.Load() {
		return len(b), nil
	}
	return v.Conn.Write(b)
}

func TestStopLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	a := cluster(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	at, stop := serve(t, a, "b", func(context.Context, *model.Operation, any) (any, error) {
		close(begun)
		<-finish
		return &sqsapi.SendMessageOutput{}, nil
	})
	answered := make(chan error, 1)
	n := reach(t, a, addresses{"b": at})
	go func() {
		_, err := n.Forward(t.Context(), "b", send, &sqsapi.SendMessageInput{})
		answered <- err
	}()
	<-begun
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	time.Sleep(50 * time.Millisecond)
	close(finish)
	if err := <-answered; err != nil {
		t.Errorf("it was cut off: %v", err)
	}
	<-stopped
	if _, err := n.Forward(t.Context(), "b", send, &sqsapi.SendMessageInput{}); !errors.Is(err, call.ErrUnreachable) {
		t.Errorf("after its end: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{2, 0, 0xa0})
	f.Add([]byte{3, 4, 0xa1, 1, 0x61, 'x', 0xa0})
	f.Add([]byte{4, 3, 0xa1, 1, 0x60})
	f.Fuzz(func(t *testing.T, message []byte) {
		out, err := peer.ReadAnswer(contracts, "b", send, message)
		if (out == nil) == (err == nil) {
			t.Errorf("answered %v, %v", out, err)
		}
	})
}

func BenchmarkHop(b *testing.B) {
	a := cluster(b)
	at, _ := serve(b, a, "b", func(context.Context, *model.Operation, any) (any, error) {
		return &sqsapi.SendMessageOutput{MessageId: aws.Some("00000000-0000-0000-0000-000000000000")}, nil
	})
	n := reach(b, a, addresses{"b": at})
	in := &sqsapi.SendMessageInput{QueueUrl: "http://127.0.0.1:4566/000000000000/queue", MessageBody: string(make([]byte, 1000))}
	if _, err := n.Forward(b.Context(), "b", send, in); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Forward(b.Context(), "b", send, in); err != nil {
			b.Fatal(err)
		}
	}
}
