package call

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// Client calls operations through d as p, on behalf of whatever request the context carries: it keeps that request's
// scope, endpoint and trace, and gets an id of its own. A delivery's id is not passed on: what a target does on the way is
// not the delivery itself.
func (d *Door) Client(p aws.Principal) model.Invoker { return &client{d, p} }

type client struct {
	door      *Door
	principal aws.Principal
}

func (c *client) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	on := aws.RequestOf(ctx)
	q := &aws.Request{
		Scope:     on.Scope,
		ID:        telemetry.NewRequestID(),
		Principal: c.principal,
		Endpoint:  on.Endpoint,
		SourceIP:  c.principal.Service,
		UserAgent: c.principal.Service,
	}
	if q.Account == "" {
		q.Account = c.principal.Account
	}
	return c.door.Invoke(aws.WithRequest(ctx, q), op, in)
}
