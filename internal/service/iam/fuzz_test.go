package iam_test

import (
	"errors"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// FuzzTextsOfRequests finds a marker, ARN, version or policy that is answered with anything but an error of AWS's.
func FuzzTextsOfRequests(f *testing.F) {
	for _, s := range []string{"", "AWE", "AQ", "v1", "v", "v01", "v1.x", "v99999999999999999999", "arn:aws:iam::111111111111:policy/a/b", "arn:aws:iam::aws:policy/", "arn:::::", root, everything, byMachines, "{", "*", "a?*"} {
		f.Add(s, s)
	}
	n := newNodes(f)
	ctx := f.Context()
	if _, err := n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice"}); err != nil {
		f.Fatal(err)
	}
	if _, err := n.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: "alice", PolicyName: "own", PolicyDocument: everything}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		// Requests as the wire lets them through: nothing longer than the model says.
		if len(a) > 300 || len(b) > 300 {
			return
		}
		for name, call := range map[string]func() error{
			"marker": func() error {
				_, err := n.ListPolicies(ctx, &iamapi.ListPoliciesInput{Marker: aws.Some(a)})
				return err
			},
			"details": func() error {
				_, err := n.GetAccountAuthorizationDetails(ctx, &iamapi.GetAccountAuthorizationDetailsInput{Marker: aws.Some(a)})
				return err
			},
			"version": func() error {
				_, err := n.GetPolicyVersion(ctx, &iamapi.GetPolicyVersionInput{PolicyArn: a, VersionId: b})
				return err
			},
			"attach": func() error {
				_, err := n.AttachUserPolicy(ctx, &iamapi.AttachUserPolicyInput{UserName: "alice", PolicyArn: a})
				return err
			},
			"tags": func() error {
				_, err := n.TagUser(ctx, &iamapi.TagUserInput{UserName: "alice", Tags: []iamapi.Tag{{Key: a, Value: b}}})
				return err
			},
			"user": func() error { _, err := n.GetUser(ctx, &iamapi.GetUserInput{UserName: aws.Some(a)}); return err },
			"linked": func() error {
				_, err := n.CreateServiceLinkedRole(ctx, &iamapi.CreateServiceLinkedRoleInput{AWSServiceName: a, CustomSuffix: aws.Some(b)})
				return err
			},
			"simulate": func() error {
				_, err := n.SimulateCustomPolicy(ctx, &iamapi.SimulateCustomPolicyInput{
					PolicyInputList: []string{everything}, ActionNames: []string{"sqs:SendMessage"}, ResourceArns: []string{a}, CallerArn: aws.Some(alice), ResourcePolicy: aws.Some(b), ResourceOwner: aws.Some(a),
				})
				return err
			},
			"exclude": func() error {
				_, err := n.SimulatePrincipalPolicy(ctx, &iamapi.SimulatePrincipalPolicyInput{
					PolicySourceArn: alice, ActionNames: []string{"sqs:SendMessage"},
					PolicyExclusionList: []iamapi.PolicyIdentifier{{InlinePolicyIdentifier: &iamapi.InlinePolicyIdentifierType{PolicyName: "own", AttachmentType: "User", AttachmentName: a}}, {PolicyArn: aws.Some(b)}},
				})
				return err
			},
		} {
			if _, ok := errors.AsType[*aws.Error](call()); !ok && call() != nil {
				t.Errorf("%s of %q and %q: %v", name, a, b, call())
			}
		}
		if _, _, err := n.services[1].Directory().Identity(ctx, a); err != nil {
			t.Errorf("identity of %q: %v", a, err)
		}
	})
}
