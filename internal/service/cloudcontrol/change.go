package cloudcontrol

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/jsonpatch"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

const (
	clientTokenLife = 36 * time.Hour
	requestLife     = 7 * 24 * time.Hour
	attempts        = 6 // at what may be better the next time
)

// The statuses of a request.
const (
	pending        = string(cloudcontrolapi.OperationStatusPENDING)
	inProgress     = string(cloudcontrolapi.OperationStatusINPROGRESS)
	success        = string(cloudcontrolapi.OperationStatusSUCCESS)
	failed         = string(cloudcontrolapi.OperationStatusFAILED)
	cancelling     = string(cloudcontrolapi.OperationStatusCANCELINPROGRESS)
	cancelComplete = string(cloudcontrolapi.OperationStatusCANCELCOMPLETE)
)

func (r *request) ended() bool {
	return r.Status == success || r.Status == failed || r.Status == cancelComplete
}

// CreateResource has a resource made.
func (s *Service) CreateResource(ctx context.Context, in *cloudcontrolapi.CreateResourceInput) (*cloudcontrolapi.CreateResourceOutput, error) {
	t, err := s.typeOf(in.TypeName, "create")
	if err != nil {
		return nil, err
	}
	desired, err := resource.ParseProperties(in.DesiredState)
	if err != nil {
		return nil, invalid("Invalid desired state: not a JSON object").Because(err)
	}
	if err := validate(t, desired); err != nil {
		return nil, err
	}
	if given := (resource.Properties{}).Differ(desired, t.Schema().ReadOnly); len(given) > 0 {
		return nil, invalid("Invalid desired state: readOnlyProperties [%s] cannot be set", strings.Join(given, ", "))
	}
	id, _ := t.Identifier(desired)
	event, err := s.ask(ctx, request{
		Type: t.Name, Operation: "CREATE", Identifier: id, Client: in.ClientToken.V, Desired: desired.String(),
	})
	return &cloudcontrolapi.CreateResourceOutput{ProgressEvent: event}, err
}

// UpdateResource has a resource changed as a patch of its properties says.
func (s *Service) UpdateResource(ctx context.Context, in *cloudcontrolapi.UpdateResourceInput) (*cloudcontrolapi.UpdateResourceOutput, error) {
	t, err := s.typeOf(in.TypeName, "update")
	if err != nil {
		return nil, err
	}
	if t.Read == nil { // nothing to patch
		return nil, cloudcontrolapi.UnsupportedActionException("Resource type %s does not support READ action", t.Name)
	}
	id, err := identify(t, in.Identifier)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.Parse([]byte(in.PatchDocument))
	if err != nil {
		return nil, invalid("Invalid patch document: %v", err)
	}
	before, err := t.Read(ctx, id)
	if err != nil {
		return nil, exception(t, err, telemetry.NewRequestID())
	}
	desired, err := patched(t, before, patch)
	if err != nil {
		return nil, err
	}
	event, err := s.ask(ctx, request{
		Type: t.Name, Operation: "UPDATE", Identifier: in.Identifier, Client: in.ClientToken.V,
		Before: before.String(), Desired: desired.String(),
	})
	return &cloudcontrolapi.UpdateResourceOutput{ProgressEvent: event}, err
}

// patched is what the resource is to be.
func patched(t resource.Type, before resource.Properties, patch jsonpatch.Patch) (resource.Properties, error) {
	var refused []string
	for _, o := range patch {
		if o.Op != "add" && t.Schema().Within(o.Path, t.Schema().WriteOnly) {
			refused = append(refused, o.Path.String())
		}
	}
	if len(refused) > 0 {
		return nil, invalid("Invalid patch update: writeOnlyProperties [%s] can only be updated using 'add' operation", strings.Join(refused, ", "))
	}
	doc, err := patch.Apply(map[string]any(before))
	if err != nil {
		return nil, invalid("Invalid patch update: %v", err)
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, invalid("Invalid patch update: what is left is not an object")
	}
	desired := resource.Properties(object)
	if changed := before.Differ(desired, t.Schema().ReadOnly); len(changed) > 0 {
		return nil, invalid("Invalid patch update: readOnlyProperties [%s] cannot be updated", strings.Join(changed, ", "))
	}
	if changed := before.Differ(desired, t.Schema().CreateOnly); len(changed) > 0 {
		return nil, cloudcontrolapi.NotUpdatableException("Invalid patch update: createOnlyProperties [%s] cannot be updated", strings.Join(changed, ", "))
	}
	return desired, validate(t, desired)
}

// DeleteResource has a resource deleted.
func (s *Service) DeleteResource(ctx context.Context, in *cloudcontrolapi.DeleteResourceInput) (*cloudcontrolapi.DeleteResourceOutput, error) {
	t, err := s.typeOf(in.TypeName, "delete")
	if err != nil {
		return nil, err
	}
	if _, err := identify(t, in.Identifier); err != nil {
		return nil, err
	}
	event, err := s.ask(ctx, request{Type: t.Name, Operation: "DELETE", Identifier: in.Identifier, Client: in.ClientToken.V})
	return &cloudcontrolapi.DeleteResourceOutput{ProgressEvent: event}, err
}

// ask writes a request, and the task that carries it out.
func (s *Service) ask(ctx context.Context, r request) (*cloudcontrolapi.ProgressEvent, error) {
	q := aws.RequestOf(ctx)
	// What is kept must not hold on to the memory of the request that is decoded from.
	r.Identifier, r.Client, r.Endpoint = strings.Clone(r.Identifier), strings.Clone(r.Client), strings.Clone(q.Endpoint)
	r.Caller = caller{q.Principal.Account, q.Principal.ARN, q.Principal.UserID, q.Principal.Service, q.SourceIP, q.UserAgent, q.Secure, q.Principal.Session}
	r.Status = inProgress
	return store.Update(ctx, s.space, func(tx *store.Tx) (*cloudcontrolapi.ProgressEvent, error) {
		now := tx.Now()
		if r.Client != "" {
			if used, ok := s.tables.clients.Get(tx, r.Client); ok && now.Sub(time.Unix(0, used.Used)) < clientTokenLife {
				return nil, cloudcontrolapi.ClientTokenConflictException("ClientToken %s is already associated with an existing operation with RequestToken %s", r.Client, used.Request)
			}
		}
		if r.Identifier != "" {
			if other, ok := s.tables.busy.Get(tx, r.Type, r.Identifier); ok {
				return nil, cloudcontrolapi.ConcurrentOperationException("Another operation is in progress for the resource %s, with RequestToken %s", r.Identifier, other)
			}
		}
		made := r
		made.Token, made.Made, made.Event = tx.NewID(), now.UnixNano(), now.UnixNano()
		if made.Client != "" {
			s.tables.clients.Set(tx, clientToken{Request: made.Token, Used: made.Made}, made.Client)
		}
		if made.Identifier != "" {
			s.tables.busy.Set(tx, made.Token, made.Type, made.Identifier)
		}
		s.tables.requests.Set(tx, made, made.Token)
		s.tables.order.Set(tx, struct{}{}, made.Made, made.Token)
		w := work{made.Token, tx.Scope().Account, tx.Scope().Region}
		s.work.Add(tx, w, task.Add{Target: made.Type})
		s.expiries.At(tx, now.Add(requestLife), made.Token, w)
		return made.event(), nil
	})
}

// perform carries a request out: a step of it.
func (s *Service) perform(ctx context.Context, _ string, w work) error {
	type begun struct {
		request
		again bool
	}
	r, err := store.Update(ctx, s.space, func(tx *store.Tx) (begun, error) {
		r, ok := s.tables.requests.Get(tx, w.Token)
		if !ok || r.ended() {
			return begun{}, s.work.Done(ctx, tx)
		}
		if r.Status == cancelling && (!r.Begun || r.Stepped) {
			s.end(tx, r, cancelComplete, nil)
			return begun{}, s.work.Done(ctx, tx)
		}
		again := r.Begun
		if !r.Begun || r.Stepped || r.Retry != 0 {
			r.Begun, r.Stepped, r.Retry = true, false, 0
			s.tables.requests.Set(tx, r, w.Token)
		}
		return begun{r, again}, nil
	})
	if err != nil || r.Token == "" {
		return err
	}
	identifier, err := s.carryOut(aws.WithRequest(ctx, &aws.Request{
		Scope: aws.RequestOf(ctx).Scope, ID: r.Token, Principal: r.Caller.principal(), Endpoint: r.Endpoint,
		SourceIP: r.Caller.SourceIP, UserAgent: r.Caller.UserAgent, Secure: r.Caller.Secure,
	}), r.request, r.again)
	if ctx.Err() != nil { // this node stops: another tries, or this one when it starts again
		return ctx.Err()
	}
	wait, waits := errors.AsType[*resource.Pending](err)
	failure, fails := errors.AsType[*resource.Failure](err)
	if err != nil && !waits && !fails {
		failure = &resource.Failure{Code: resource.InternalFailure, Message: "Internal Failure", Cause: err}
	}
	if failure != nil && failure.Passing() && task.TryOf(ctx).Number < attempts {
		return err
	}
	_, err = store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		r, ok := s.tables.requests.Get(tx, w.Token)
		if !ok || r.ended() {
			return struct{}{}, s.work.Done(ctx, tx)
		}
		if identifier != "" && identifier != r.Identifier {
			r.Identifier = identifier
		}
		switch {
		case waits:
			at := tx.Now().Add(max(wait.After, time.Millisecond))
			r.State, r.Stepped, r.Retry = wait.State, true, at.UnixNano()
			s.tables.requests.Set(tx, r, r.Token)
			s.waits.At(tx, at, r.Token, w)
		case failure != nil:
			s.end(tx, r, failed, failure)
		default:
			s.end(tx, r, success, nil)
		}
		return struct{}{}, s.work.Done(ctx, tx)
	})
	return err
}

// carryOut has the resource's service do a step of what is asked, and answers what identifies the resource.
func (s *Service) carryOut(ctx context.Context, r request, again bool) (identifier string, err error) {
	t, ok := s.types.Type(r.Type)
	if !ok { // an older version wrote the request
		return r.Identifier, resource.Fail(resource.InvalidRequest, "obidos does not serve %s", r.Type)
	}
	q := resource.Request{Token: r.Token, Again: again, State: r.State}
	var desired, before, made resource.Properties
	if r.Desired != "" {
		if desired, err = resource.ParseProperties(r.Desired); err != nil {
			return r.Identifier, err
		}
	}
	if r.Before != "" {
		if before, err = resource.ParseProperties(r.Before); err != nil {
			return r.Identifier, err
		}
	}
	switch r.Operation {
	case "CREATE":
		if made, err = t.Create(ctx, q, desired); made != nil {
			if id, ok := t.Identifier(made); ok {
				return id, err
			}
		}
	case "UPDATE":
		_, err = t.Update(ctx, q, before, desired)
	case "DELETE":
		var was resource.Properties
		if was, err = t.Identify(r.Identifier); err == nil {
			err = t.Delete(ctx, q, was)
		}
	}
	return r.Identifier, err
}

// end gives a request its last status.
func (s *Service) end(tx *store.Tx, r request, status string, failure *resource.Failure) {
	if held, ok := s.tables.busy.Get(tx, r.Type, r.Identifier); ok && held == r.Token {
		s.tables.busy.Delete(tx, r.Type, r.Identifier)
	}
	r.Status, r.Event, r.Retry = status, tx.Now().UnixNano(), 0
	if failure != nil {
		r.Code, r.Message = string(failure.Code), failure.Message
	}
	r.Desired, r.Before, r.State, r.Endpoint, r.Caller = "", "", "", "", caller{}
	s.tables.requests.Set(tx, r, r.Token)
}

// giveUp is called for a request whose task failed time after time for reasons of our own.
func (s *Service) giveUp(tx *store.Tx, d task.Dead[work]) {
	tx = tx.In(aws.Scope{Account: d.Value.Account, Region: d.Value.Region})
	if r, ok := s.tables.requests.Get(tx, d.Value.Token); ok && !r.ended() {
		s.end(tx, r, failed, resource.Fail(resource.InternalFailure, "Internal Failure"))
	}
}

// goOn is called when a request that waits is to go on.
func (s *Service) goOn(ctx context.Context, w work) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		if r, ok := s.tables.requests.Get(tx, w.Token); ok && !r.ended() {
			s.work.Add(tx, w, task.Add{Target: r.Type})
		}
		return struct{}{}, nil
	})
	return err
}

// expire is called when a request has been kept for as long as AWS keeps it.
func (s *Service) expire(ctx context.Context, w work) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		r, ok := s.tables.requests.Get(tx, w.Token)
		switch {
		case !ok:
		case !r.ended():
			s.expiries.At(tx, tx.Now().Add(requestLife), w.Token, w)
		default:
			s.tables.requests.Delete(tx, w.Token)
			s.tables.order.Delete(tx, r.Made, r.Token)
			if used, ok := s.tables.clients.Get(tx, r.Client); ok && used.Request == r.Token {
				s.tables.clients.Delete(tx, r.Client)
			}
		}
		return struct{}{}, nil
	})
	return err
}
