// Package call is the one door: every operation of every service is performed through it, whether a request from outside,
// a delivery, or one service calling another.
//
// [Door.Invoke] asks in this order: may the principal do it (authorize), not too often (throttle), does a test want it to
// fail (faults); then it performs the operation, forwards it to the node that owns what it is about where that is another,
// and records what happened (a measurement, a span, for control-plane calls that change something an audit event). It knows no service's rules:
// a service that has something to say about its calls implements [Resourcer] or [Rater].
//
// A panic of an operation is that operation's InternalFailure and nobody else's; its stack is logged.
package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// Peers reaches the other nodes.
type Peers interface {
	// Forward has node perform op, through [Door.Accept] there, with the request and trace that ctx carries. Its error is
	// the operation's own; an *owner.ElsewhereError where the node knows a later owner; or one that wraps ErrUnreachable
	// where the node certainly did nothing.
	Forward(ctx context.Context, node string, op *model.Operation, in any) (out any, err error)
}

// ErrUnreachable says that a node could not be reached and did nothing.
var ErrUnreachable = errors.New("call: node cannot be reached")

// Resourcer is a service that says which resources a call is about: for policies, faults, traces and the audit trail.
type Resourcer interface {
	// Resources are the ARNs of what op is about with in; none where it is about no resource yet.
	Resources(ctx context.Context, op *model.Operation, in any) []string
}

// Asker is a service that asks for some operations itself, whether they may be performed: where only it knows enough.
type Asker interface {
	// Asks reports whether it does so for op, which the door then lets pass.
	Asks(op *model.Operation) bool
}

// Rater is a service that has limits of its own on how often its operations may be called.
type Rater interface {
	// Rate is how many calls of op per second an account may make in the long run, and how many at once. 0 is no limit.
	Rate(op *model.Operation) (perSecond, burst float64)
}

// Options of a Door.
type Options struct {
	Mode       auth.Mode
	Authorizer auth.Authorizer     // may be given later, see Guard
	Peers      Peers               // may be given later, see Connect
	Limits     bool                // hold callers to the services' rates
	Telemetry  *telemetry.Recorder // a new one where nil
	Log        *slog.Logger        // discarded where nil
}

// Door performs operations.
type Door struct {
	mode       auth.Mode
	authorizer auth.Authorizer
	peers      Peers
	limits     bool
	telemetry  *telemetry.Recorder
	log        *slog.Logger

	// Faults are what a test wants to go wrong.
	Faults Faults

	mu  sync.Mutex                                      // serializes Register
	ops atomic.Pointer[map[*model.Operation]*operation] // replaced, never changed
}

// operation is one served operation and what performs it.
type operation struct {
	*model.Operation
	service   any
	resources Resourcer // nil where the service does not say
	holder    auth.Holder
	calls     *telemetry.Calls
	rate      *rate // nil where there is none
	asked     bool  // the service asks whether it may be performed
}

// New is a door without services.
func New(o Options) *Door {
	d := &Door{
		mode: o.Mode, authorizer: o.Authorizer, peers: o.Peers, limits: o.Limits,
		telemetry: o.Telemetry, log: o.Log,
	}
	if d.telemetry == nil {
		d.telemetry = telemetry.New(telemetry.Options{})
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.ops.Store(&map[*model.Operation]*operation{})
	return d
}

// Guard sets who decides what principals may do. It must be called before the first call.
func (d *Door) Guard(a auth.Authorizer) { d.authorizer = a }

// Connect sets how other nodes are reached. It must be called before the first call.
func (d *Door) Connect(p Peers) { d.peers = p }

// Register has impl, which implements the generated Service interface of api, perform api's operations.
func (d *Door) Register(api *model.Service, impl any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := *d.ops.Load()
	ops := make(map[*model.Operation]*operation, len(old)+len(api.Operations))
	for k, v := range old {
		ops[k] = v
	}
	resources, _ := impl.(Resourcer)
	holder, _ := impl.(auth.Holder)
	asker, _ := impl.(Asker)
	rater, _ := impl.(Rater)
	for i := range api.Operations {
		op := &api.Operations[i]
		if !op.Served() {
			continue
		}
		o := &operation{Operation: op, service: impl, resources: resources, holder: holder, calls: d.telemetry.Calls(op), asked: asker != nil && asker.Asks(op)}
		if d.limits && rater != nil {
			o.rate = newRate(rater.Rate(op))
		}
		ops[op] = o
	}
	d.ops.Store(&ops)
}

// Invoke performs op with in, a pointer to its Input, as the principal of the request that ctx carries.
func (d *Door) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	o := (*d.ops.Load())[op]
	if o == nil {
		return nil, model.Unserved(op.Service.Title, op.Name)
	}
	request, start := aws.RequestOf(ctx), time.Now()
	active := o.calls.Begin(ctx, request, start)
	out, err := d.pass(active, o, request, in)
	status, code := o.Status, ""
	if err != nil {
		err = answer(err)
		status, code = outcome(err)
	} else if status == 0 {
		status = http.StatusOK
	}
	o.calls.End(active, status, code, time.Since(start))
	if o.audited(code) {
		d.audit(active, o, request, start, in, out, err)
	}
	return out, err
}

// pass asks everything that may stand in a call's way, then performs it.
func (d *Door) pass(ctx *telemetry.Active, o *operation, request *aws.Request, in any) (out any, err error) {
	defer d.caught(ctx, o, &out, &err)
	if d.mode != auth.Open && !o.asked {
		if err := d.authorize(ctx, o, request, in); err != nil {
			return nil, err
		}
	}
	if o.rate != nil && !o.rate.take(request.Account, time.Now()) {
		return nil, throttled(o.Operation)
	}
	if rules := d.Faults.active.Load(); rules != nil {
		return d.faulty(ctx, o, request, in, *rules)
	}
	return d.perform(ctx, o, in)
}

// authorize asks the authorizer. Without one nothing is allowed: a door that is told to be shut is shut.
func (d *Door) authorize(ctx *telemetry.Active, o *operation, request *aws.Request, in any) error {
	if o.Flags&model.NoAuth != 0 && request.Principal.ARN == "" {
		return nil
	}
	resources := o.about(ctx, in)
	if len(resources) > 0 {
		ctx.Span.Resource = resources[0]
	}
	var err error
	if d.authorizer != nil {
		err = d.authorizer.Authorize(ctx, &auth.Call{Operation: o.Operation, Input: in, Resources: resources, Holder: o.holder})
	} else {
		err = auth.Denied(o.Operation, o.Action(), request.Principal, resources, "")
	}
	if err != nil && d.mode == auth.Log {
		if d.authorizer != nil {
			d.log.WarnContext(ctx, "would be denied with --auth=iam", "action", o.Action(), "principal", request.Principal.ARN,
				"resources", resources, "request", request.ID, "reason", err)
		}
		return nil
	}
	return err
}

// about is the resources that a call is about.
func (o *operation) about(ctx context.Context, in any) []string {
	if o.resources == nil {
		return nil
	}
	return o.resources.Resources(ctx, o.Operation, in)
}

// Accept performs op for another node, which has asked everything that may stand in its way: it is what Peers.Forward
// comes to. An *owner.ElsewhereError goes back to that node.
func (d *Door) Accept(ctx context.Context, op *model.Operation, in any) (any, error) {
	o := (*d.ops.Load())[op]
	if o == nil {
		return nil, model.Unserved(op.Service.Title, op.Name)
	}
	out, err := d.accept(ctx, o, in)
	if _, ok := errors.AsType[*owner.ElsewhereError](err); ok {
		return nil, err
	}
	if errors.Is(err, owner.ErrStopped) { // nothing was done: the caller's node finds who comes after this one
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err != nil {
		err = answer(err)
	}
	return out, err
}

func (d *Door) accept(ctx context.Context, o *operation, in any) (out any, err error) {
	defer d.caught(ctx, o, &out, &err)
	return o.Call(ctx, o.service, in)
}

// How long a call looks for the node that owns what it is about: takeovers take a few seconds.
const lookForOwner = 15 * time.Second

// perform runs the operation here, or on the node that owns what it is about.
func (d *Door) perform(ctx context.Context, o *operation, in any) (any, error) {
	out, err := o.Call(ctx, o.service, in)
	if err == nil {
		return out, nil
	}
	elsewhere, ok := errors.AsType[*owner.ElsewhereError](err)
	if !ok || d.peers == nil {
		return nil, err
	}
	for deadline, pause := time.Now().Add(lookForOwner), 5*time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		out, err = d.peers.Forward(ctx, elsewhere.Node, o.Operation, in)
		if _, ok := errors.AsType[*owner.ElsewhereError](err); !ok && !errors.Is(err, ErrUnreachable) {
			return out, err
		}
		if time.Now().After(deadline) {
			return nil, unavailable.New("The node that owns this resource cannot be reached.").Because(err)
		}
		// Ask here again: by now another node may own it, or this one.
		elsewhere.Doubt()
		if err := elsewhere.Pause(ctx, pause); err != nil {
			return nil, err
		}
		if out, err = o.Call(ctx, o.service, in); err == nil {
			return out, nil
		}
		if elsewhere, ok = errors.AsType[*owner.ElsewhereError](err); !ok {
			return nil, err
		}
	}
}

// caught, deferred, makes a panic of the service the answer of its operation.
func (d *Door) caught(ctx context.Context, o *operation, out *any, err *error) {
	if v := recover(); v != nil {
		d.log.ErrorContext(ctx, "operation panicked", "action", o.Action(), "request", aws.RequestOf(ctx).ID,
			"panic", v, "stack", string(debug.Stack()))
		*out, *err = nil, internalFailure.New("An internal error occurred. Its cause is in the log of obidos, under this request's id.")
	}
}

// The errors that any operation may end with. JSON protocols and query ones have their own names for the same thing.
var (
	internalFailure = &aws.ErrorShape{Code: "InternalFailure", Status: http.StatusInternalServerError, Receiver: true}
	unavailable     = &aws.ErrorShape{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Receiver: true}
)

// answer gives the errors of the store that clients can do something about their answer.
func answer(err error) error {
	if _, ok := errors.AsType[*aws.Error](err); ok {
		return err
	}
	if full, ok := errors.AsType[*store.DiskFullError](err); ok {
		return unavailable.New("%s", full.Error()).Because(err)
	}
	if errors.Is(err, store.ErrClosed) || errors.Is(err, owner.ErrStopped) {
		return unavailable.New("obidos is shutting down.").Because(err)
	}
	return err
}

// outcome is the status and code that err will reach the client with.
func outcome(err error) (status int, code string) {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return e.ErrorShape.Status, e.Code
	}
	if errors.Is(err, context.Canceled) {
		return 499, "Canceled" // nobody waits for the answer any more
	}
	return http.StatusInternalServerError, internalFailure.Code
}
