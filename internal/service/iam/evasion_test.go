package iam_test

import (
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// A policy has one ARN: a deny of attaching it, or of changing it, holds for no other.
func TestPolicyHasOneARN(t *testing.T) {
	t.Parallel()
	n, ctx := newNodes(t), t.Context()
	do := must(t)
	do(n.CreatePolicy(ctx, &iamapi.CreatePolicyInput{PolicyName: "Admin", PolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`}))
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "mallory"}))
	for arn, want := range map[string]bool{
		"arn:aws:iam::" + number + ":policy/Admin":                    true,
		"arn:aws:iam::" + number + ":policy/ADMIN":                    false,
		"arn:aws:iam:us-east-1:" + number + ":policy/Admin":           false,
		"arn:aws-cn:iam::" + number + ":policy/Admin":                 false,
		"arn:aws:iam::aws:policy/AdministratorAccess":                 true,
		"arn:aws:iam:us-east-1:aws:policy/AdministratorAccess":        false,
		"arn:aws-cn:iam::aws:policy/AdministratorAccess":              false,
		"arn:aws:iam::aws:policy/administratoraccess":                 false,
		"arn:aws:iam::aws:policy//AdministratorAccess":                false,
		"arn:aws:iam::111111111111:policy/x/../Admin":                 false,
		"arn:aws:iam::aws:policy/service-role/../AdministratorAccess": false,
	} {
		_, err := n.AttachUserPolicy(ctx, &iamapi.AttachUserPolicyInput{UserName: "mallory", PolicyArn: arn})
		if (err == nil) != want {
			t.Errorf("%s: %v", arn, err)
		}
	}
}

// Who is renamed writes nothing into the trust policies that mean it, and takes nobody's place in them.
func TestTrustIsNotWrittenByNames(t *testing.T) {
	t.Parallel()
	n, ctx := newNodes(t), t.Context()
	do := must(t)
	user := func(path, name string) string { return "arn:aws:iam::" + number + ":user" + path + name }
	for _, name := range []string{"ann", "bob"} {
		do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: name}))
	}
	trust := func(named, condition string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"` + strings.ReplaceAll(named, "/", `\u002f`) + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + condition + `","aws:PrincipalArn":"` + named + `"}}}`
	}
	do(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: `{"Version":"2012-10-17","Statement":[` + trust(user("/", "ann"), "a") + "," + trust(user("/", "bob"), "b") + `]}`}))
	rename := func(from, to, path string) {
		do(n.UpdateUser(ctx, &iamapi.UpdateUserInput{UserName: from, NewUserName: aws.Some(to), NewPath: aws.Some(path)}))
	}
	const path = `/"},"Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":{"AWS":"/`
	rename("ann", "x", "/")
	rename("bob", "ann", "/")
	rename("x", "bob", path)
	i := n.identity("arn:aws:iam::" + number + ":role/r")
	if i == nil {
		t.Fatal("the role is not there")
	}
	if statements := i.Trust.Statements(); len(statements) != 2 {
		t.Errorf("the trust policy has %d statements", len(statements))
	}
	var named []string
	for _, p := range i.Trust.Principals() {
		named = append(named, p.Value)
	}
	if want := user(path, "bob") + " " + user("/", "ann"); strings.Join(named, " ") != want {
		t.Errorf("it trusts %q, want %q", named, want)
	}
	do(n.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: "ann"}))
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "bobby"}))
	if p := n.identity("arn:aws:iam::" + number + ":role/r").Trust.Principals(); len(p) != 2 || !strings.HasPrefix(p[1].Value, "AIDA") {
		t.Errorf("it trusts %+v", p)
	}
}
