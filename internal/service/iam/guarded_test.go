package iam_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// What an input names by its name alone IAM names with the path that it has.
func TestWhatACallIsAbout(t *testing.T) {
	t.Parallel()
	engine, c := memory.New(memory.Options{}), clock.New()
	t.Cleanup(func() { _ = engine.Close() }) // memory
	t.Cleanup(c.Close)
	s := iam.New((&store.Store{Engine: engine, Clock: c}).Space("iam"), iam.Options{})
	as := func(who string) context.Context {
		return aws.WithRequest(t.Context(), &aws.Request{
			Scope:     aws.Scope{Account: "111122223333", Region: "eu-west-1"},
			Principal: aws.Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:" + who},
		})
	}
	root := as("root")
	path := aws.Some("/team/")
	for _, make := range []func() error{
		func() error {
			_, err := s.CreateUser(root, &iamapi.CreateUserInput{UserName: "Ann", Path: path, Tags: []iamapi.Tag{{Key: "Team", Value: "a"}}})
			return err
		},
		func() error {
			_, err := s.CreateGroup(root, &iamapi.CreateGroupInput{GroupName: "g", Path: path})
			return err
		},
		func() error {
			_, err := s.CreateRole(root, &iamapi.CreateRoleInput{RoleName: "r", Path: path, AssumeRolePolicyDocument: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
			return err
		},
		func() error {
			_, err := s.CreateInstanceProfile(root, &iamapi.CreateInstanceProfileInput{InstanceProfileName: "p", Path: path})
			return err
		},
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.CreatePolicy(root, &iamapi.CreatePolicyInput{PolicyName: "Bound", Path: path, PolicyDocument: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}); err != nil {
		t.Fatal(err)
	}
	key, err := s.CreateAccessKey(root, &iamapi.CreateAccessKeyInput{UserName: aws.Some("ann")})
	if err != nil {
		t.Fatal(err)
	}
	const own = "arn:aws:iam::111122223333:"
	for _, test := range []struct {
		who, op string
		in      any
		want    string
	}{
		{"root", "CreateUser", &iamapi.CreateUserInput{UserName: "new", Path: aws.Some("/x/")}, own + "user/x/new"},
		{"root", "GetUser", &iamapi.GetUserInput{UserName: aws.Some("ANN")}, own + "user/team/Ann"},
		{"root", "DeleteUser", &iamapi.DeleteUserInput{UserName: "nobody"}, own + "user/nobody"},
		{"user/team/Ann", "GetUser", &iamapi.GetUserInput{}, own + "user/team/Ann"},
		{"user/team/Ann", "ChangePassword", &iamapi.ChangePasswordInput{}, own + "user/team/Ann"},
		{"user/team/Ann", "ListAccessKeys", &iamapi.ListAccessKeysInput{}, own + "user/team/Ann"},
		{"root", "ListAccessKeys", &iamapi.ListAccessKeysInput{}, own + "user/*"},
		{"root", "GetAccessKeyLastUsed", &iamapi.GetAccessKeyLastUsedInput{AccessKeyId: key.AccessKey.AccessKeyId}, own + "user/team/Ann"},
		{"root", "AddUserToGroup", &iamapi.AddUserToGroupInput{GroupName: "g", UserName: "Ann"}, own + "group/team/g"},
		{"root", "AttachRolePolicy", &iamapi.AttachRolePolicyInput{RoleName: "r"}, own + "role/team/r"},
		{"root", "GetInstanceProfile", &iamapi.GetInstanceProfileInput{InstanceProfileName: "p"}, own + "instance-profile/team/p"},
		{"root", "DeletePolicy", &iamapi.DeletePolicyInput{PolicyArn: own + "policy/a/b"}, own + "policy/a/b"},
		{
			"root", "CreateServiceLinkedRole", &iamapi.CreateServiceLinkedRoleInput{AWSServiceName: "autoscaling.amazonaws.com", CustomSuffix: aws.Some("x")},
			own + "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_x",
		},
		{
			"root", "GetServiceLinkedRoleDeletionStatus", &iamapi.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: "task/aws-service-role/es.amazonaws.com/Role/1-2"},
			own + "role/aws-service-role/es.amazonaws.com/Role",
		},
		{"root", "CreateOpenIDConnectProvider", &iamapi.CreateOpenIDConnectProviderInput{Url: "https://example.com/id"}, own + "oidc-provider/example.com/id"},
		{"root", "ListUsers", &iamapi.ListUsersInput{}, ""},
		{"root", "CreatePolicyVersion", &iamapi.CreatePolicyVersionInput{PolicyArn: own + "policy/team/BOUND"}, own + "policy/team/Bound"},
		{"root", "CreatePolicyVersion", &iamapi.CreatePolicyVersionInput{PolicyArn: "arn:aws:iam::aws:policy/A"}, "arn:aws:iam::aws:policy/A"},
		{"root", "DeleteOpenIDConnectProvider", &iamapi.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: "arn:aws:iam:x:111122223333:oidc-provider/example.com"}, own + "oidc-provider/example.com"},
		{"root", "SimulatePrincipalPolicy", &iamapi.SimulatePrincipalPolicyInput{PolicySourceArn: own + "user/other/ann"}, own + "user/team/Ann"},
		{"root", "UpdateUser", &iamapi.UpdateUserInput{UserName: "ann", NewUserName: aws.Some("Zoe"), NewPath: aws.Some("/x/")}, own + "user/team/Ann " + own + "user/x/Zoe"},
		{"root", "UpdateUser", &iamapi.UpdateUserInput{UserName: "ann"}, own + "user/team/Ann"},
		{"root", "UpdateGroup", &iamapi.UpdateGroupInput{GroupName: "g", NewPath: aws.Some("/")}, own + "group/team/g " + own + "group/g"},
	} {
		want := strings.Fields(test.want)
		if len(want) == 0 {
			want = nil
		}
		if got := s.Resources(as(test.who), iamapi.API().Operation(test.op), test.in); !slices.Equal(got, want) {
			t.Errorf("%s by %s is about %v, want %v", test.op, test.who, got, want)
		}
	}
	for arn, want := range map[string]string{"role/R": "role/team/r", "role/none": "role/none", "server-certificate/none": "server-certificate/none", "mfa/x": "mfa/x"} {
		if got := s.Named(root, nil, []string{own + arn}); !slices.Equal(got, []string{own + want}) {
			t.Errorf("%s is named %s, want %s", arn, got, want)
		}
	}
	if _, err := s.CreateVirtualMFADevice(root, &iamapi.CreateVirtualMFADeviceInput{VirtualMFADeviceName: "d", Path: path, Tags: []iamapi.Tag{{Key: "Team", Value: "a"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateOpenIDConnectProvider(root, &iamapi.CreateOpenIDConnectProviderInput{Url: "https://example.com/id", Tags: []iamapi.Tag{{Key: "Team", Value: "a"}}}); err != nil {
		t.Fatal(err)
	}
	for _, arn := range []string{"user/team/Ann", "mfa/team/d", "oidc-provider/example.com/id"} {
		if held, err := s.Hold(root, own+arn); err != nil || held.Tags["Team"] != "a" || held.Policy != "" {
			t.Errorf("%s: %+v, %v", arn, held, err)
		}
	}
	if _, err := s.PutUserPermissionsBoundary(root, &iamapi.PutUserPermissionsBoundaryInput{UserName: "ann", PermissionsBoundary: own + "policy/team/Bound"}); err != nil {
		t.Fatal(err)
	}
	if held, err := s.Hold(root, own+"user/team/Ann"); err != nil || held.Keys["iam:permissionsboundary"] != own+"policy/team/Bound" {
		t.Errorf("she is bound by %+v, %v", held, err)
	}
	for _, arn := range []string{own + "user/nobody", own + "saml-provider/none", own + "server-certificate/none", "arn:aws:sqs:eu-west-1:111122223333:q", "*"} {
		for arn, want := range map[string]string{"role/R": "role/team/r", "role/none": "role/none", "server-certificate/none": "server-certificate/none", "mfa/x": "mfa/x"} {
			if got := s.Named(root, nil, []string{own + arn}); !slices.Equal(got, []string{own + want}) {
				t.Errorf("%s is named %s, want %s", arn, got, want)
			}
		}
		if held, err := s.Hold(root, arn); err != nil || held.Tags != nil {
			t.Errorf("%s: %+v, %v", arn, held, err)
		}
	}
}
