package iam_test

import (
	"context"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
)

func TestResources(t *testing.T) {
	t.Parallel()
	const (
		allow  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}`
		deny   = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}`
		trust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
		others = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
		sqs    = `"arn:aws:iam::aws:policy/AmazonSQSFullAccess"`
		sns    = `"arn:aws:iam::aws:policy/AmazonSNSFullAccess"`
		own    = `{"PolicyName":"own","PolicyDocument":` + allow + `}`
		other  = `{"PolicyName":"other","PolicyDocument":` + deny + `}`
	)
	n := newNodes(t)
	do := must(t)
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: number, Region: "us-east-1"}, Principal: aws.Principal{Account: number, ARN: root}})
	for _, name := range []string{"alice", "bob"} {
		do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: name}))
	}
	for _, name := range []string{"readers", "writers"} {
		do(n.CreateGroup(ctx, &iamapi.CreateGroupInput{GroupName: name}))
	}
	for _, name := range []string{"machine", "engine"} {
		do(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust}))
	}
	types := n.services[0].Types(n.Client)
	for i, c := range []resourcetest.Case{
		{
			Named: true, Missing: "nobody",
			Desired: `{"UserName":"carol","Path":"/a/","Groups":["readers"],"ManagedPolicyArns":[` + sqs + `],"PermissionsBoundary":` + sqs + `,"Policies":[` + own + `],"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"UserName":"carol","Path":"/b/","Groups":["writers"],"ManagedPolicyArns":[` + sns + `],"Policies":[` + other + `],"Tags":[{"Key":"a","Value":"3"}]}`,
		},
		{
			Named: true, Missing: "nobody",
			Desired: `{"GroupName":"admins","Path":"/a/","ManagedPolicyArns":[` + sqs + `],"Policies":[` + own + `]}`,
			Changed: `{"GroupName":"admins","ManagedPolicyArns":[` + sns + `],"Policies":[` + other + `,` + own + `]}`,
		},
		{
			Named: true, Missing: "nobody",
			Desired: `{"RoleName":"worker","Path":"/a/","Description":"works","MaxSessionDuration":7200,"AssumeRolePolicyDocument":` + trust + `,"ManagedPolicyArns":[` + sqs + `],"PermissionsBoundary":` + sqs + `,"Policies":[` + own + `],"Tags":[{"Key":"a","Value":"1"}]}`,
			Changed: `{"RoleName":"worker","Path":"/a/","AssumeRolePolicyDocument":` + others + `,"ManagedPolicyArns":[` + sns + `,` + sqs + `],"PermissionsBoundary":` + sns + `,"Tags":[{"Key":"b","Value":"1"}]}`,
		},
		{
			Named: true, Missing: "arn:aws:iam::111111111111:policy/none",
			Desired: `{"ManagedPolicyName":"queues","Description":"of queues","Path":"/a/","PolicyDocument":` + allow + `,"Users":["alice"],"Groups":["readers"]}`,
			Changed: `{"ManagedPolicyName":"queues","Description":"of queues","Path":"/a/","PolicyDocument":` + deny + `,"Groups":["writers"],"Roles":["machine"]}`,
		},
		{
			Missing: "none",
			Desired: `{"PolicyName":"p","PolicyDocument":` + allow + `,"Users":["alice"],"Groups":["readers"]}`,
			Changed: `{"PolicyName":"q","PolicyDocument":` + deny + `,"Groups":["readers","writers"],"Roles":["machine"]}`,
		},
		{
			Named: true, Missing: "none|alice",
			Desired: `{"UserName":"alice","PolicyName":"p","PolicyDocument":` + allow + `}`,
			Changed: `{"UserName":"alice","PolicyName":"p","PolicyDocument":` + deny + `}`,
		},
		{
			Named: true, Missing: "none|readers",
			Desired: `{"GroupName":"readers","PolicyName":"p","PolicyDocument":` + allow + `}`,
			Changed: `{"GroupName":"readers","PolicyName":"p","PolicyDocument":` + deny + `}`,
		},
		{
			Named: true, Missing: "none|machine",
			Desired: `{"RoleName":"machine","PolicyName":"p","PolicyDocument":` + allow + `}`,
			Changed: `{"RoleName":"machine","PolicyName":"p","PolicyDocument":` + deny + `}`,
		},
		{
			Named: true, Missing: "none",
			Desired: `{"InstanceProfileName":"instance","Path":"/a/","Roles":["machine"]}`,
			Changed: `{"InstanceProfileName":"instance","Path":"/a/","Roles":["engine"]}`,
		},
		{
			Missing: "AKIAIOSFODNN7EXAMPLE",
			Desired: `{"UserName":"alice","Status":"Active","Serial":1}`,
			Changed: `{"UserName":"alice","Status":"Inactive"}`,
		},
		{
			Missing: "none",
			Desired: `{"GroupName":"readers","Users":["alice"]}`,
			Changed: `{"GroupName":"writers","Users":["alice","bob"]}`,
		},
		{
			Named: true, Missing: "AWSServiceRoleForNothing",
			Desired: `{"AWSServiceName":"autoscaling.amazonaws.com","CustomSuffix":"mine","Description":"scales"}`,
			Changed: `{"AWSServiceName":"autoscaling.amazonaws.com","CustomSuffix":"mine","Description":"scales a lot"}`,
		},
	} {
		c.Type, c.Context = types[i], func() context.Context { return ctx }
		t.Run(c.Type.Name, func(t *testing.T) { resourcetest.Run(t, c) })
	}
}
