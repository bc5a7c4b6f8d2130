package auth_test

import (
	"context"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// paths is a service that knows the paths of what inputs name without.
type paths map[string]string

func (paths) Hold(context.Context, string) (auth.Held, error) { return auth.Held{}, nil }

func (p paths) Named(_ context.Context, _ any, arns []string) []string {
	for name, path := range p {
		for i := range arns {
			arns[i] = strings.Replace(arns[i], name, path, 1)
		}
	}
	return arns
}

// To give a role to an instance profile is to pass it: by its ARN as it is, to EC2.
func TestARoleIsPassedByItsWholeName(t *testing.T) {
	t.Parallel()
	call := &auth.Call{
		Operation: iamapi.API().Operation("AddRoleToInstanceProfile"),
		Input:     &iamapi.AddRoleToInstanceProfileInput{InstanceProfileName: "p", RoleName: "r"},
		Holder:    paths{"role/r": "role/app/r"},
	}
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: aws.Principal{Account: account, ARN: alice.ARN, UserID: alice.UserID}})
	for _, c := range []struct{ pass, to, want string }{
		{"role/app/r", "ec2.amazonaws.com", ""},
		{"role/app/*", "ec2.*", ""},
		{"role/r", "ec2.amazonaws.com", "not authorized to perform: iam:PassRole on resource: arn:aws:iam::" + account + ":role/app/r"},
		{"role/app/r", "lambda.amazonaws.com", "iam:PassRole"},
	} {
		user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice", Policies: []policy.Source{
			source(t, statement("Allow", "iam:AddRoleToInstanceProfile", "*", "")),
			source(t, statement("Allow", "iam:PassRole", "arn:aws:iam::"+account+":"+c.pass, `,"Condition":{"StringLike":{"iam:PassedToService":"`+c.to+`"}}`)),
		}}
		err := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}}).Authorize(ctx, call)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("allowed to pass %s to %s: %v, want %q", c.pass, c.to, err, c.want)
		}
	}
}
