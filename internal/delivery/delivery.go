// Package delivery hands events to the resources that ARNs name: what SNS publishes, EventBridge matches, S3 notifies, a
// dead function leaves. A service that emits knows only the ARN; this package knows, for each kind of target, which API
// call takes an event in. So there are N emitters and M targets, not N × M.
//
// An event is written in the transaction that causes it and delivered as soon as that commits, by a call through the one
// door: authorized as the principal it is sent as, measured and traced like a call from outside. The call carries the
// delivery's id, by which a target that keeps a task.Ledger takes it exactly once, across crashes and nodes; other
// targets get it at least once.
//
// A failure that may pass is tried again, with growing intervals and within the event's limits; one that cannot pass, and
// one beyond the limits, sends the event to its dead-letter target at once. Events with one ordering key arrive in order,
// and a target that is slow or down delays only its own.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// Event is what a target is to be told.
type Event struct {
	Target string        `cbor:"1,keyasint"`            // ARN
	As     aws.Principal `cbor:"-"`                     // who tells it
	Role   string        `cbor:"12,keyasint,omitempty"` // ARN of a role that As is to act as when it does; empty for as itself
	Source string        `cbor:"11,keyasint,omitempty"` // ARN of the resource that tells it, which the target's policy may ask for
	Body   []byte        `cbor:"2,keyasint"`

	// What some targets take beside the body.
	Attributes    map[string]Attribute `cbor:"3,keyasint,omitempty"`
	Group         string               `cbor:"4,keyasint,omitempty"` // message group
	Deduplication string               `cbor:"5,keyasint,omitempty"`
	Trace         string               `cbor:"6,keyasint,omitempty"` // X-Amzn-Trace-Id

	Order string `cbor:"7,keyasint,omitempty"` // events to one target with the same are delivered in order; Group for FIFO targets

	// When it is given up. Zero: after 185 tries, or 24 hours.
	Tries int           `cbor:"8,keyasint,omitempty"`
	Age   time.Duration `cbor:"9,keyasint,omitempty"`

	DeadLetter *DeadLetter `cbor:"10,keyasint,omitempty"` // nil: an event that is given up is logged and gone

	// Test says that it is only to be seen whether the target takes events: one that can be asked without being told is asked.
	Test bool `cbor:"-"`
}

// Attribute is a message attribute.
type Attribute struct {
	Type   string `cbor:"1,keyasint"` // "String", "Number", "Binary", each possibly with ".more"
	String string `cbor:"2,keyasint,omitempty"`
	Binary []byte `cbor:"3,keyasint,omitempty"`
}

// DeadLetter is where an event goes that is given up, with the reason in attributes of these names. One whose name is
// empty is left out.
type DeadLetter struct {
	Target  string `cbor:"1,keyasint"` // ARN
	Code    string `cbor:"2,keyasint,omitempty"`
	Message string `cbor:"3,keyasint,omitempty"`
	Tries   string `cbor:"4,keyasint,omitempty"`
}

// kept is an event as its task carries it.
type kept struct {
	Event
	Principal [4]string    `cbor:"20,keyasint"`
	Session   *aws.Session `cbor:"21,keyasint,omitempty"`
}

func keep(e Event) kept {
	return kept{e, [4]string{e.As.Account, e.As.ARN, e.As.UserID, e.As.Service}, e.As.Session}
}

func (k kept) event() Event {
	k.As = aws.Principal{Account: k.Principal[0], ARN: k.Principal[1], UserID: k.Principal[2], Service: k.Principal[3], Session: k.Session}
	return k.Event
}

const (
	defaultTries = 185
	defaultAge   = 24 * time.Hour
	perTarget    = 16 // deliveries under way at once
)

// Options of Deliveries.
type Options struct {
	Log *slog.Logger // may be nil
}

// Deliveries delivers events. Make it with New.
type Deliveries struct {
	door  model.Invoker
	clock *clock.Clock
	log   *slog.Logger
	queue task.Queue[kept]
	roles Roles
}

// Roles is who somebody is who acts as a role that trusts him, in a session of that name: the caller of ctx's request. Its error is
// the refusal.
type Roles func(ctx context.Context, by aws.Principal, role, session string) (aws.Principal, error)

// Act says how roles are acted as. It must be called before the first event that names one is delivered.
func (d *Deliveries) Act(r Roles) { d.roles = r }

// New is a Deliveries that makes its calls through door, with the principal in the request of their context, by tasks of r.
func New(r *task.Runner, c *clock.Clock, door model.Invoker, o Options) *Deliveries {
	d := &Deliveries{door: door, clock: c, log: o.Log}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	// Tries and ages are each event's own; deliver ends them.
	d.queue = task.NewQueue(r, "delivery", d.deliver, task.Options{
		Concurrency: perTarget, Attempts: 1 << 30, Backoff: time.Second, MaxBackoff: time.Minute, Once: true,
	})
	d.queue.OnDead(d.bury)
	return d
}

// Send writes an event. It is delivered once w is committed.
func (d *Deliveries) Send(w store.Writer, e Event) (id string) {
	e.Order = cmp.Or(e.Order, orderOf(e))
	return d.queue.Add(w, keep(e), task.Add{Target: e.Target, Key: e.Order})
}

// Probe makes the call of an event at once, and answers what came of it: so that a target that takes none is found out before
// it is sent any. ctx's request is the one that names the target.
func (d *Deliveries) Probe(ctx context.Context, e Event) error {
	a, ok := aws.ParseARN(e.Target)
	if !ok || targets[a.Service] == nil {
		return fmt.Errorf("events cannot be delivered to %s", e.Target)
	}
	return d.call(ctx, "", a, e)
}

// call makes the call of an event.
func (d *Deliveries) call(ctx context.Context, id string, a aws.ARN, e Event) error {
	scope := a.Scope()
	scope.Account, scope.Region = cmp.Or(scope.Account, aws.RequestOf(ctx).Account), cmp.Or(scope.Region, aws.RequestOf(ctx).Region)
	as := e.As
	if e.Role != "" {
		var err error
		name, _, _ := strings.Cut(e.As.Service, ".")
		if as, err = d.roles(ctx, e.As, e.Role, cmp.Or(name, "delivery")); err != nil {
			return err
		}
	}
	return targets[a.Service](aws.WithRequest(ctx, &aws.Request{
		Scope: scope, ID: telemetry.NewRequestID(), Principal: as, SourceIP: e.As.Service, UserAgent: e.As.Service, SourceARN: e.Source, Delivery: id,
	}), d.door, a, e)
}

// orderOf is the ordering key of an event that names none: targets that keep the order of a group must be told in order.
func orderOf(e Event) string {
	if strings.HasSuffix(e.Target, ".fifo") {
		return e.Group
	}
	return ""
}

// Serves reports whether events can be delivered to what an ARN names: for services that are asked to.
func Serves(target string) bool {
	a, ok := aws.ParseARN(target)
	return ok && targets[a.Service] != nil
}

// target makes the call that has a target take an event in.
type target func(ctx context.Context, door model.Invoker, a aws.ARN, e Event) error

// targets are all there are, by the service in their ARN.
var targets = map[string]target{
	"sqs": sendMessage,
}

// deliver makes the call of an event.
func (d *Deliveries) deliver(ctx context.Context, id string, k kept) error {
	e, try := k.event(), task.TryOf(ctx)
	a, ok := aws.ParseARN(e.Target)
	if !ok || targets[a.Service] == nil {
		return task.Permanent(fmt.Errorf("events cannot be delivered to %s", e.Target))
	}
	err := d.call(ctx, id, a, e)
	switch {
	case err == nil:
		return nil
	case !mayPass(err), try.Number >= cmp.Or(e.Tries, defaultTries), d.clock.Now().Sub(try.Added) >= cmp.Or(e.Age, defaultAge):
		return task.Permanent(err)
	}
	return err
}

// mayPass reports whether what failed with err may succeed later.
func mayPass(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	switch {
	case !ok: // not an answer: the target was not reached, or was interrupted
		return true
	case e.Status == http.StatusNotImplemented:
		return false
	case e.Receiver, e.Status >= 500, e.Status == http.StatusTooManyRequests, e.Status == http.StatusRequestTimeout:
		return true
	}
	for _, word := range []string{"Throttl", "TooManyRequests", "RequestLimit", "OverLimit", "ThroughputExceeded", "SlowDown"} {
		if strings.Contains(e.Code, word) {
			return true
		}
	}
	return false
}

// bury sends an event that is given up to its dead-letter target, in the transaction that ends its delivery.
func (d *Deliveries) bury(tx *store.Tx, dead task.Dead[kept]) {
	e := dead.Value.event()
	log := d.log.With("target", e.Target, "delivery", dead.ID, "tries", dead.Tries, "error", dead.Err)
	if e.DeadLetter == nil {
		tx.OnCommit(func() { log.Error("an event is lost: its target does not take it, and it has no dead-letter target") })
		return
	}
	code, message := "", dead.Err.Error()
	if answer, ok := errors.AsType[*aws.Error](dead.Err); ok {
		code, message = answer.Code, answer.Message
	}
	next := e
	next.Target, next.DeadLetter, next.Tries, next.Age, next.Order = e.DeadLetter.Target, nil, 0, 0, ""
	next.Attributes = maps.Clone(e.Attributes)
	for name, a := range map[string]Attribute{
		e.DeadLetter.Code:    {Type: "String", String: code},
		e.DeadLetter.Message: {Type: "String", String: message},
		e.DeadLetter.Tries:   {Type: "Number", String: strconv.Itoa(dead.Tries)},
	} {
		if name != "" && a.String != "" {
			if next.Attributes == nil {
				next.Attributes = map[string]Attribute{}
			}
			next.Attributes[name] = a
		}
	}
	d.Send(tx, next)
}
