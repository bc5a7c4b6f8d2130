package auth

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

// Assumption is what somebody asks who wants to be a role: the caller of the request in the context, or the bearer of what a
// provider says of him.
type Assumption struct {
	Operation *model.Operation
	Action    string                  // "sts:AssumeRole", or another that it takes
	Role      *Identity               // nil where there is none of that name: nobody may be it
	ARN       string                  // of the role
	Keys      map[string]policy.Value // condition keys that the call fills, by their names in lower case; they go before those of every request
	Bearer    *policy.Principal       // who a provider vouches for; nil for the caller
}

// assumed is a question with condition keys of its own.
type assumed struct {
	*question
	keys map[string]policy.Value
}

func (a assumed) Key(name string) policy.Value {
	if v, ok := a.keys[name]; ok {
		return v
	}
	return a.question.Key(name)
}

// Assume decides about a: the role's trust policy has to allow it, and the caller's own policies unless that names the caller
// itself. Its error says no more than AWS's does.
func (g *Guard) Assume(ctx context.Context, a *Assumption) error {
	x := &question{
		ctx: ctx, q: aws.RequestOf(ctx), now: g.o.Clock.Now(),
		call: &Call{Operation: a.Operation}, action: &model.Action{Name: a.Action}, exact: true,
	}
	x.request.Action, x.request.Resource, x.request.Keys = a.Action, a.ARN, assumed{x, a.Keys}
	switch {
	case a.Bearer != nil:
		x.q = &aws.Request{Scope: x.q.Scope, ID: x.q.ID, SourceIP: x.q.SourceIP, UserAgent: x.q.UserAgent, Secure: x.q.Secure} // whoever signed it does not matter
		x.request.Principal = *a.Bearer
	default:
		if err := g.know(x); err != nil {
			return err
		}
	}
	d := policy.Decision{Layer: policy.TrustLayer}
	x.set.ResourceAccount, x.set.ResourceMust = accountOf(a.ARN), true
	if a.Role != nil && x.reaches(a.ARN) {
		x.held.Tags = a.Role.Tags
		x.resource = policy.Source{ARN: a.ARN, Type: "resource", Policy: a.Role.Trust}
		x.set.Resource = &x.resource
		d = policy.Decide(&x.request, &x.set)
	}
	usage := g.o.Usage
	if x.source() == "" { // a provider's word has no policies to generate
		usage = nil
	}
	if d.Effect == policy.Allowed {
		if usage != nil {
			usage.allowed(x)
		}
		return nil
	}
	reason := d.Reason(a.Action)
	if usage != nil {
		usage.denied(x, d, reason)
	}
	if a.Bearer != nil {
		return accessDenied.New("Not authorized to perform %s", a.Action)
	}
	if d.Effect != policy.ExplicitDeny {
		reason = "" // AWS does not tell strangers what a role's trust policy lacks
	}
	return Denied(a.Operation, a.Action, x.q.Principal, []string{a.ARN}, reason)
}
