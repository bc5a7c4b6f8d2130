package platform

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
)

// actingAs lets a service act as roles that trust it: what it calls is then decided by the role's policies. Its error is the refusal of
// AssumeRole.
func actingAs(door *call.Door, sessions *auth.Sessions, service string) shape.Roles {
	return func(ctx context.Context, role, session string) (model.Invoker, error) {
		self := stsapi.Client{Invoker: door.Client(aws.Principal{Service: service, Account: aws.RequestOf(ctx).Account})}
		out, err := self.AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: role, RoleSessionName: session})
		if err != nil {
			return nil, err
		}
		bearer, _, err := sessions.Open(ctx, out.Credentials.AccessKeyId, out.Credentials.SessionToken)
		if err != nil {
			return nil, err
		}
		return door.Client(bearer), nil
	}
}
