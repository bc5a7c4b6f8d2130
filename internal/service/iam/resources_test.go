package iam_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
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

// TestChangesAreTold makes, changes and deletes, and finds what the feed was told, whoever did it.
func TestChangesAreTold(t *testing.T) {
	told(t, []string{"AWS::IAM::User", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}, func(ctx context.Context, n *nodes) {
		do := must(t)
		do(n.CreatePolicy(ctx, &iamapi.CreatePolicyInput{PolicyName: "queues", PolicyDocument: onlyQueues}))
		do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice"}))
		do(n.CreateGroup(ctx, &iamapi.CreateGroupInput{GroupName: "readers"})) // nobody asked for groups
		do(n.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: "alice", PolicyName: "own", PolicyDocument: everything}))
		do(n.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: "alice", PolicyName: "own", PolicyDocument: everything})) // the same
		do(n.AddUserToGroup(ctx, &iamapi.AddUserToGroupInput{UserName: "alice", GroupName: "readers"}))
		do(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: "worker", AssumeRolePolicyDocument: byMachines}))
		do(n.AttachRolePolicy(ctx, &iamapi.AttachRolePolicyInput{RoleName: "worker", PolicyArn: queuesARN}))
		do(n.CreatePolicyVersion(ctx, &iamapi.CreatePolicyVersionInput{PolicyArn: queuesARN, PolicyDocument: everything, SetAsDefault: aws.Some(true)}))
		do(n.DetachRolePolicy(ctx, &iamapi.DetachRolePolicyInput{RoleName: "worker", PolicyArn: queuesARN}))
		do(n.DeleteRole(ctx, &iamapi.DeleteRoleInput{RoleName: "worker"}))
		if _, err := n.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: "alice"}); err == nil {
			t.Error("she has policies, and is deleted")
		}
	}, []string{
		"created ManagedPolicy policy/queues", "created Role role/worker", "created User user/alice", "deleted Role role/worker",
		"updated ManagedPolicy policy/queues", "updated Role role/worker", "updated Role role/worker", "updated User user/alice", "updated User user/alice",
	})
}

// told has change work on a service, and compares what the feed was told of resources of types, of all where there are none.
func told(t *testing.T, types []string, change func(ctx context.Context, n *nodes), want []string) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		st := &store.Store{Engine: memory.New(memory.Options{}), Clock: c}
		tasks := task.NewRunner(st.Space("task"), c, task.RunnerOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		feed := resource.NewFeed(tasks)
		var mu sync.Mutex
		var told []string
		feed.Subscribe("test", func(_ context.Context, _ string, c resource.Change) error {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(c.Action)+" "+strings.TrimPrefix(c.Type, "AWS::IAM::")+" "+c.ARN[strings.LastIndexByte(c.ARN, ':')+1:])
			if (c.Before == "") != (c.Action == resource.Created) || (c.After == "") != (c.Action == resource.Deleted) || strings.Contains(c.After, "PRIVATE") {
				t.Errorf("%s: before %q, after %q", c.Action, c.Before, c.After)
			}
			return nil
		}, types...)
		n := &nodes{t: t}
		n.services[0] = iam.New(st.Space("iam"), iam.Options{Changes: feed})
		n.Invoker = n
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tasks.Run(ctx) }()
		change(ctx, n)
		synctest.Wait()
		cancel()
		<-done
		slices.Sort(told) // there is no order between resources
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
