package call_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// A service of two operations, as apigen would write it.

type putInput struct {
	BoxArn string
	Secret aws.Opt[string] `f:"sensitive"`
	Size   aws.Opt[int32]  `n:"size"`
}

type putOutput struct {
	Id aws.Opt[string]
}

var (
	errFull    = &aws.ErrorShape{Code: "BoxFull", QueryCode: "Box.Full", Status: 409}
	errTooMany = &aws.ErrorShape{Code: "TooManyRequestsException", Status: 429}
)

type boxes struct {
	put func(ctx context.Context, in *putInput) (*putOutput, error)
}

func (b *boxes) Put(ctx context.Context, in *putInput) (*putOutput, error) { return b.put(ctx, in) }

func (b *boxes) Resources(_ context.Context, _ *model.Operation, in any) []string {
	return []string{in.(*putInput).BoxArn}
}

func (b *boxes) Rate(op *model.Operation) (perSecond, burst float64) {
	if op.Name == "Make" {
		return 1, 2
	}
	return 0, 0
}

type putter interface {
	Put(ctx context.Context, in *putInput) (*putOutput, error)
}

func newAPI() (api *model.Service, make, put *model.Operation) {
	api = &model.Service{Name: "box", SigningName: "box", Title: "Boxes", Protocols: []model.Protocol{model.JSON10}}
	api.Fill([]model.Operation{
		model.Op(putter.Put, model.Operation{Name: "Make", Errors: []*aws.ErrorShape{errTooMany}}),
		model.Op(putter.Put, model.Operation{Name: "Put", Flags: model.DataPlane, Errors: []*aws.ErrorShape{errFull}}),
	}, "Burn")
	return api, api.Operation("Make"), api.Operation("Put")
}

func ctxAs(t testing.TB, p aws.Principal) context.Context {
	return aws.WithRequest(t.Context(), &aws.Request{
		Scope: aws.Scope{Account: "000000000000", Region: "us-east-1"}, ID: "request-1", Principal: p,
	})
}

var alice = aws.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/alice"}

func ok(context.Context, *putInput) (*putOutput, error) { return &putOutput{Id: aws.Some("1")}, nil }

func code(err error) string {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return "not AWS's: " + err.Error()
	}
	return ""
}

func TestPanicIsInternalFailure(t *testing.T) {
	var log bytes.Buffer
	d := call.New(call.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	api, _, put := newAPI()
	d.Register(api, &boxes{put: func(context.Context, *putInput) (*putOutput, error) { panic("the lid is off") }})
	out, err := d.Invoke(ctxAs(t, alice), put, &putInput{})
	if out != nil || code(err) != "InternalFailure" {
		t.Errorf("answered %v, %v", out, err)
	}
	if s := log.String(); !strings.Contains(s, "the lid is off") || !strings.Contains(s, "door_test.go") || !strings.Contains(s, "request-1") {
		t.Errorf("the log lacks the panic, its stack or the request: %s", s)
	}
}

// vague is a service that cannot say what a call is about.
type vague struct{ *boxes }

func (vague) Resources(context.Context, *model.Operation, any) []string { panic("what box") }

func TestPanicOverResourcesIsTheCallsOwn(t *testing.T) {
	for mode, want := range map[auth.Mode]string{auth.Open: "", auth.IAM: "InternalFailure"} {
		var log bytes.Buffer
		d := call.New(call.Options{Mode: mode, Log: slog.New(slog.NewTextHandler(&log, nil))})
		api, make, _ := newAPI()
		made := 0
		d.Register(api, vague{&boxes{put: func(ctx context.Context, in *putInput) (*putOutput, error) { made++; return ok(ctx, in) }}})
		if _, err := d.Invoke(ctxAs(t, alice), make, &putInput{}); code(err) != want || (made == 1) != (want == "") {
			t.Errorf("%v: answered %v, made %d", mode, err, made)
		}
		if !strings.Contains(log.String(), "what box") {
			t.Errorf("%v: the log lacks the panic", mode)
		}
	}
}

func TestUnservedOperation(t *testing.T) {
	d := call.New(call.Options{})
	api, _, _ := newAPI()
	d.Register(api, &boxes{put: ok})
	_, err := d.Invoke(ctxAs(t, alice), api.Operation("Burn"), nil)
	if e, is := errors.AsType[*aws.Error](err); !is || e.ErrorShape.Status != 501 || !strings.Contains(e.Message, "Burn") {
		t.Errorf("answered %v", err)
	}
}

func TestDiskFullSaysWhatIsMissing(t *testing.T) {
	d := call.New(call.Options{})
	api, _, put := newAPI()
	d.Register(api, &boxes{put: func(context.Context, *putInput) (*putOutput, error) {
		return nil, &store.DiskFullError{Path: "/data", Free: 1 << 20, Need: 512 << 20}
	}})
	_, err := d.Invoke(ctxAs(t, alice), put, &putInput{})
	if e, is := errors.AsType[*aws.Error](err); !is || e.ErrorShape.Status != 503 || !strings.Contains(e.Message, "/data") {
		t.Errorf("answered %v", err)
	}
}

// judge allows alice and nobody else, and notes what it was asked.
type judge struct{ asked []string }

func (j *judge) Authorize(ctx context.Context, c *auth.Call) error {
	p := aws.RequestOf(ctx).Principal
	j.asked = append(j.asked, p.ARN+" "+c.Operation.Action()+" "+strings.Join(c.Resources, ","))
	if p == alice {
		return nil
	}
	return auth.Denied(c.Operation, c.Operation.Action(), p, c.Resources, "")
}

func TestAuthorize(t *testing.T) {
	mallory := aws.Principal{ARN: "arn:aws:iam::111111111111:user/mallory"}
	for _, c := range []struct {
		name  string
		mode  auth.Mode
		judge auth.Authorizer
		who   aws.Principal
		want  string
	}{
		{"iam denies", auth.IAM, &judge{}, mallory, "AccessDeniedException"},
		{"iam without an authorizer denies all", auth.IAM, nil, alice, "AccessDeniedException"},
		{"iam allows", auth.IAM, &judge{}, alice, ""},
		{"log only logs", auth.Log, &judge{}, mallory, ""},
		{"open does not ask", auth.Open, nil, mallory, ""},
	} {
		var log bytes.Buffer
		d := call.New(call.Options{Mode: c.mode, Authorizer: c.judge, Log: slog.New(slog.NewTextHandler(&log, nil))})
		api, _, put := newAPI()
		d.Register(api, &boxes{put: ok})
		_, err := d.Invoke(ctxAs(t, c.who), put, &putInput{BoxArn: "arn:aws:box:us-east-1:000000000000:b"})
		if code(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if logged := strings.Contains(log.String(), "would be denied"); logged != (c.mode == auth.Log) {
			t.Errorf("%s: log is %q", c.name, log.String())
		}
		if j, ok := c.judge.(*judge); ok {
			if want := c.who.ARN + " box:Put arn:aws:box:us-east-1:000000000000:b"; len(j.asked) != 1 || j.asked[0] != want {
				t.Errorf("%s: asked %q, want %q", c.name, j.asked, want)
			}
		}
	}
}

func TestThrottleHoldsAccountsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, mk, _ := newAPI()
		for _, limits := range []bool{false, true} {
			d := call.New(call.Options{Limits: limits})
			d.Register(api, &boxes{put: ok})
			try := func(account string) string {
				ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account}})
				_, err := d.Invoke(ctx, mk, &putInput{})
				return code(err)
			}
			got := []string{try("1"), try("1"), try("1"), try("2")}
			time.Sleep(time.Second)
			got = append(got, try("1"), try("1"))
			want := []string{"", "", "", "", "", ""}
			if limits {
				want = []string{"", "", "TooManyRequestsException", "", "", "TooManyRequestsException"}
			}
			if strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("limits %v: %q, want %q", limits, got, want)
			}
		}
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const arn = "arn:aws:box:us-east-1:000000000000:blue"
		for _, c := range []struct {
			name  string
			rule  call.Fault
			want  string
			takes time.Duration
			calls int // of the operation
		}{
			{"another service", call.Fault{Service: "sqs", Error: "BoxFull"}, "", 0, 1},
			{"another operation", call.Fault{Operation: "Make*", Error: "BoxFull"}, "", 0, 1},
			{"another principal", call.Fault{Principal: "*/bob", Error: "BoxFull"}, "", 0, 1},
			{"another resource", call.Fault{Resource: "*:red", Error: "BoxFull"}, "", 0, 1},
			{"another account", call.Fault{Account: "1", Error: "BoxFull"}, "", 0, 1},
			{"an error of the model", call.Fault{Service: "box", Operation: "P?t", Resource: "*:blue", Principal: "*/alice", Error: "BoxFull"}, "BoxFull 409", 0, 0},
			{"by its query code", call.Fault{Error: "Box.Full"}, "BoxFull 409", 0, 0},
			{"an error of nobody", call.Fault{Error: "Weird", Status: 418}, "Weird 418", 0, 0},
			{"only a status", call.Fault{Status: 503}, "ServiceUnavailable 503", 0, 0},
			{"throttled", call.Fault{Throttle: true}, "ThrottlingException 400", 0, 0},
			{"slow", call.Fault{LatencyMillis: 1500}, "", 1500 * time.Millisecond, 1},
			{"slow, then fails", call.Fault{LatencyMillis: 20, Error: "InternalFailure"}, "InternalFailure 500", 20 * time.Millisecond, 0},
			{"after it happened", call.Fault{Error: "InternalFailure", After: true}, "InternalFailure 500", 0, 1},
		} {
			d := call.New(call.Options{})
			api, _, put := newAPI()
			calls := 0
			d.Register(api, &boxes{put: func(ctx context.Context, in *putInput) (*putOutput, error) { calls++; return ok(ctx, in) }})
			if _, err := d.Faults.Put(c.rule); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err := d.Invoke(ctxAs(t, alice), put, &putInput{BoxArn: arn})
			got := ""
			if e, is := errors.AsType[*aws.Error](err); is {
				got = e.Code + " " + itoa(e.ErrorShape.Status)
			}
			if got != c.want || time.Since(start) != c.takes || calls != c.calls {
				t.Errorf("%s: %q after %v and %d calls, want %q after %v and %d", c.name, got, time.Since(start), calls, c.want, c.takes, c.calls)
			}
			if hit := d.Faults.List()[0].Hits == 1; hit != (c.want != "" || c.takes > 0) {
				t.Errorf("%s: %d hits", c.name, d.Faults.List()[0].Hits)
			}
		}
	})
}

func itoa(i int) string {
	return string([]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)})
}

func TestFaultRules(t *testing.T) {
	d := call.New(call.Options{})
	api, _, put := newAPI()
	d.Register(api, &boxes{put: ok})
	for _, bad := range []call.Fault{
		{}, {Error: "X", Probability: 1.5}, {Error: "X", Probability: -1}, {LatencyMillis: -1}, {Error: "X", Status: 200}, {LatencyMillis: 1, After: true}, {Error: "X", Times: -1},
	} {
		if _, err := d.Faults.Put(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	twice, _ := d.Faults.Put(call.Fault{Error: "X", Times: 2})
	half, _ := d.Faults.Put(call.Fault{ID: "half", Error: "Y", Probability: 0.5})
	seen := map[string]int{}
	for range 1002 {
		_, err := d.Invoke(ctxAs(t, alice), put, &putInput{})
		seen[code(err)]++
	}
	if seen["X"] != 2 || seen["Y"] < 400 || seen["Y"] > 600 {
		t.Errorf("%v: want X twice, Y about 500 times", seen)
	}
	if !d.Faults.Delete(twice.ID) || d.Faults.Delete(twice.ID) || !d.Faults.Delete(half.ID) || len(d.Faults.List()) != 0 {
		t.Errorf("left: %+v", d.Faults.List())
	}
	if _, err := d.Invoke(ctxAs(t, alice), put, &putInput{}); err != nil {
		t.Errorf("without rules: %v", err)
	}
}

// peer answers forwarded calls from a script.
type peer struct {
	script []error
	nodes  []string
}

func (p *peer) Forward(_ context.Context, node string, _ *model.Operation, _ any) (any, error) {
	p.nodes = append(p.nodes, node)
	err := p.script[0]
	p.script = p.script[1:]
	if err != nil {
		return nil, err
	}
	return &putOutput{Id: aws.Some(node)}, nil
}

func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(node string) error { return &owner.ElsewhereError{Node: node} }
		for _, c := range []struct {
			name   string
			here   []error // what the operation answers here, in turn
			script []error
			nodes  string
			want   string
		}{
			{"the owner's error is the answer", []error{at("b")}, []error{errFull.New("full")}, "b", "BoxFull"},
			{"an unknown outcome is not tried again", []error{at("b")}, []error{errors.New("connection lost")}, "b", "not AWS's: connection lost"},
			{"forwarded", []error{at("b")}, []error{nil}, "b", ""},
			{"owner moved", []error{at("b"), at("c")}, []error{at("c"), nil}, "b,c", ""},
			{"owner died, taken over here", []error{at("b"), nil}, []error{call.ErrUnreachable}, "b", ""},
		} {
			p := &peer{script: c.script}
			d := call.New(call.Options{Peers: p})
			api, _, put := newAPI()
			d.Register(api, &boxes{put: func(ctx context.Context, in *putInput) (*putOutput, error) {
				err := c.here[0]
				if c.here = c.here[1:]; err != nil {
					return nil, err
				}
				return ok(ctx, in)
			}})
			_, err := d.Invoke(ctxAs(t, alice), put, &putInput{})
			if code(err) != c.want || strings.Join(p.nodes, ",") != c.nodes {
				t.Errorf("%s: %v by %v, want %q by %s", c.name, err, p.nodes, c.want, c.nodes)
			}
		}
	})
}

func TestOwnerNeverFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{}
		for range 100 {
			p.script = append(p.script, call.ErrUnreachable)
		}
		d := call.New(call.Options{Peers: p})
		api, _, put := newAPI()
		d.Register(api, &boxes{put: func(context.Context, *putInput) (*putOutput, error) {
			return nil, &owner.ElsewhereError{Node: "b"}
		}})
		start := time.Now()
		_, err := d.Invoke(ctxAs(t, alice), put, &putInput{})
		if code(err) != "ServiceUnavailable" || time.Since(start) > 20*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestClientCallsAsItself(t *testing.T) {
	d := call.New(call.Options{})
	api, mk, put := newAPI()
	var inner *aws.Request
	client := d.Client(aws.Principal{Service: "make.amazonaws.com", ARN: "arn:aws:iam::000000000000:role/make"})
	d.Register(api, &boxes{put: func(ctx context.Context, in *putInput) (*putOutput, error) {
		if in.Size.Set {
			return model.Do[putOutput](ctx, client, put, &putInput{})
		}
		inner = aws.RequestOf(ctx)
		return ok(ctx, in)
	}})
	ctx := aws.WithRequest(t.Context(), &aws.Request{
		Scope: aws.Scope{Account: "123456789012", Region: "eu-west-1"}, ID: "outer", Principal: alice, Delivery: "d-1", Endpoint: "http://here",
	})
	if _, err := d.Invoke(ctx, mk, &putInput{Size: aws.Some[int32](1)}); err != nil {
		t.Fatal(err)
	}
	if inner.Principal.Service != "make.amazonaws.com" || inner.Account != "123456789012" || inner.Endpoint != "http://here" || inner.Delivery != "" || inner.ID == "outer" {
		t.Errorf("inner request: %+v", inner)
	}
}

func TestWhatIsRecorded(t *testing.T) {
	tel := telemetry.New(telemetry.Options{})
	d := call.New(call.Options{Telemetry: tel})
	api, mk, put := newAPI()
	client := d.Client(aws.Principal{Service: "make.amazonaws.com"})
	d.Register(api, &boxes{put: func(ctx context.Context, in *putInput) (*putOutput, error) {
		if !in.Size.Set {
			return nil, errFull.New("full")
		}
		_, err := client.Invoke(ctx, put, &putInput{})
		if code(err) != "BoxFull" {
			t.Errorf("inner call: %v", err)
		}
		return ok(ctx, in)
	}})
	in := &putInput{BoxArn: "arn:box", Secret: aws.Some("hush"), Size: aws.Some[int32](3)}
	trace, _ := telemetry.ParseW3C("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if _, err := d.Invoke(telemetry.WithTrace(ctxAs(t, alice), trace), mk, in); err != nil {
		t.Fatal(err)
	}
	spans := tel.Spans()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	put1, make1 := spans[0], spans[1]
	if make1.Trace != trace.ID || make1.Parent != trace.Span || make1.Operation != "Make" || make1.Status != 200 || make1.Inner || !make1.Sampled {
		t.Errorf("outer span %+v", make1)
	}
	if put1.Trace != trace.ID || put1.Parent != make1.ID || put1.Status != 409 || put1.Code != "BoxFull" || !put1.Inner {
		t.Errorf("inner span %+v", put1)
	}
	events := tel.Events()
	if len(events) != 1 || events[0].Operation != "Make" || events[0].Principal != alice || strings.Join(events[0].Resources, "") != "arn:box" {
		t.Fatalf("audit trail: %+v", events)
	}
	if got, want := string(events[0].Input), `{"BoxArn":"arn:box","size":3}`; got != want {
		t.Errorf("input in the audit trail: %s, want %s", got, want)
	}
	if got, want := string(events[0].Output), `{"Id":"1"}`; got != want {
		t.Errorf("output in the audit trail: %s, want %s", got, want)
	}
}

func TestAuditTrailHoldsChangesAndDenials(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags model.Flags
		err   error
		want  int
	}{
		{"change", 0, nil, 1},
		{"change that failed", 0, errFull.New("full"), 1},
		{"read", model.ReadOnly, nil, 0},
		{"read that was denied", model.ReadOnly, (&aws.ErrorShape{Code: "AccessDeniedException", Status: 400}).New("no"), 1},
		{"data", model.DataPlane, nil, 0},
	} {
		tel := telemetry.New(telemetry.Options{})
		d := call.New(call.Options{Telemetry: tel})
		api := &model.Service{Name: "box"}
		api.Fill([]model.Operation{model.Op((*boxes).Put, model.Operation{Name: "Do", Flags: c.flags})}, "")
		d.Register(api, &boxes{put: func(context.Context, *putInput) (*putOutput, error) { return nil, c.err }})
		d.Invoke(ctxAs(t, alice), api.Operation("Do"), &putInput{})
		if n := len(tel.Events()); n != c.want {
			t.Errorf("%s: %d events, want %d", c.name, n, c.want)
		}
	}
}

// shy is a service that does not say which resources its calls are about.
type shy struct{}

func (shy) Put(ctx context.Context, in *putInput) (*putOutput, error) { return ok(ctx, in) }

func TestFaultsOfAShyService(t *testing.T) {
	d := call.New(call.Options{})
	api := &model.Service{Name: "shy"}
	api.Fill([]model.Operation{model.Op(shy.Put, model.Operation{Name: "Put", Flags: model.DataPlane})}, "")
	d.Register(api, shy{})
	if _, err := d.Faults.Put(call.Fault{Resource: "*/blue", Error: "X"}); err != nil {
		t.Fatal(err)
	}
	for arn, want := range map[string]string{"https://here/blue": "X", "https://here/red": ""} {
		if _, err := d.Invoke(ctxAs(t, alice), api.Operation("Put"), &putInput{BoxArn: arn}); code(err) != want {
			t.Errorf("%s: %v", arn, err)
		}
	}
}

func TestUnsignedCalls(t *testing.T) {
	d := call.New(call.Options{Mode: auth.IAM})
	api := &model.Service{Name: "box", SigningName: "box"}
	api.Fill([]model.Operation{
		model.Op(shy.Put, model.Operation{Name: "Login", Flags: model.NoAuth | model.DataPlane}),
		model.Op(shy.Put, model.Operation{Name: "Put", Flags: model.DataPlane}),
	}, "")
	d.Register(api, shy{})
	for op, want := range map[string]string{"Login": "", "Put": "MissingAuthenticationTokenException"} {
		if _, err := d.Invoke(ctxAs(t, aws.Principal{}), api.Operation(op), &putInput{}); code(err) != want {
			t.Errorf("%s: %v, want %q", op, err, want)
		}
	}
}

const authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/box/aws4_request, SignedHeaders=host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"

// TestBudget holds everything that stands before an operation to its budget of allocations: identifying the caller, and
// all that the door does.
func TestBudget(t *testing.T) {
	invoke := budget(t)
	if n := testing.AllocsPerRun(1000, invoke); n > 4 {
		t.Errorf("%v allocations per call, want at most 4", n)
	}
}

func BenchmarkInvoke(b *testing.B) {
	invoke := budget(b)
	b.ReportAllocs()
	for b.Loop() {
		invoke()
	}
}

func budget(t testing.TB) (invoke func()) {
	d := call.New(call.Options{})
	authn := auth.New(auth.Options{})
	api, _, put := newAPI()
	out := &putOutput{}
	d.Register(api, &boxes{put: func(context.Context, *putInput) (*putOutput, error) { return out, nil }})
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", authorization)
	in := &putInput{}
	return func() {
		caller, err := authn.Identify(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		q := &aws.Request{Scope: caller.Scope, Principal: caller.Principal}
		if _, err := d.Invoke(aws.WithRequest(t.Context(), q), put, in); err != nil {
			t.Fatal(err)
		}
	}
}
