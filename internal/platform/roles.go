package platform

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
)

// actingAs lets a service act as roles that trust it: what it calls is then decided by the role's policies. Its error is the refusal of
// AssumeRole.
func actingAs(door *call.Door, sessions *auth.Sessions, service string) shape.Roles {
	return func(ctx context.Context, role, session string) (model.Invoker, error) {
		bearer, err := assume(door, sessions)(ctx, aws.Principal{Service: service, Account: aws.RequestOf(ctx).Account}, role, session)
		if err != nil {
			return nil, err
		}
		return door.Client(bearer), nil
	}
}

// assume is who somebody is in a session of a role.
func assume(door *call.Door, sessions *auth.Sessions) delivery.Roles {
	return func(ctx context.Context, by aws.Principal, role, session string) (aws.Principal, error) {
		out, err := stsapi.Client{Invoker: door.Client(by)}.AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: role, RoleSessionName: session})
		if err != nil {
			return aws.Principal{}, err
		}
		bearer, _, err := sessions.Open(ctx, out.Credentials.AccessKeyId, out.Credentials.SessionToken)
		return bearer, err
	}
}
