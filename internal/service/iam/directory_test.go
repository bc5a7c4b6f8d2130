package iam_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/service/iam/managed"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// nodes are two nodes of IAM over one store: what one changes the other must see with its next look.
type nodes struct {
	iamapi.Client
	t        testing.TB
	services [2]*iam.Service
}

type wall struct{}

func (wall) Now() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }

func newNodes(t testing.TB) *nodes {
	n := &nodes{t: t}
	e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1}})
	for i := range n.services {
		n.services[i] = iam.New((&store.Store{Engine: e, Clock: wall{}}).Space("iam"), iam.Options{})
	}
	n.Invoker = n
	return n
}

// newAlone is one node that knows that it is the only one.
func newAlone(t testing.TB) *nodes {
	n := &nodes{t: t}
	s := iam.New((&store.Store{Engine: memory.New(memory.Options{}), Clock: wall{}}).Space("iam"), iam.Options{Alone: true})
	n.services = [2]*iam.Service{s, s}
	n.Invoker = n
	return n
}

// both runs a test on two nodes, and on one that is alone.
func both(t *testing.T, test func(t *testing.T, n *nodes)) {
	t.Parallel()
	t.Run("two nodes", func(t *testing.T) { test(t, newNodes(t)) })
	t.Run("alone", func(t *testing.T) { test(t, newAlone(t)) })
}

// Invoke has the first node serve.
func (n *nodes) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	r := &aws.Request{Scope: aws.Scope{Account: number, Region: "us-east-1"}, Principal: aws.Principal{Account: number, ARN: root, UserID: number}}
	return op.Call(aws.WithRequest(ctx, r), n.services[0], in)
}

// identity is what the second node says of an ARN.
func (n *nodes) identity(arn string) *auth.Identity {
	n.t.Helper()
	i, ok, err := n.services[1].Directory().Identity(n.t.Context(), arn)
	if err != nil {
		n.t.Fatal(err)
	}
	if !ok {
		return nil
	}
	return i
}

// policies are the names of an identity's policies.
func policies(i *auth.Identity) (names []string) {
	for _, p := range i.Policies {
		names = append(names, p.Type+" "+p.Name)
	}
	return names
}

const (
	everything = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	onlyQueues = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}`
	byMachines = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	queuesARN  = "arn:aws:iam::111111111111:policy/queues"
)

func TestWhoThereIsNot(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	for _, arn := range []string{
		"", "alice", alice, "arn:aws:iam::111111111111:role/worker", "arn:aws:iam::111111111111:group/readers", "arn:aws:sts::111111111111:assumed-role/a/b",
		"arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::111111111111:user/", "arn:aws:iam:::root",
	} {
		if i := n.identity(arn); i != nil {
			t.Errorf("%q is %+v", arn, i)
		}
	}
	d := n.services[1].Directory()
	if _, ok, err := d.AccessKey(t.Context(), "AKIAIOSFODNN7EXAMPLE"); ok || err != nil {
		t.Errorf("a key that was never made: %v, %v", ok, err)
	}
	for _, arn := range []string{"", "policy", queuesARN, "arn:aws:iam::aws:policy/NoSuchPolicy", "arn:aws:iam::aws:policy/job-function/AdministratorAccess"} {
		if _, ok, _ := d.Policy(t.Context(), arn); ok {
			t.Errorf("%q is a policy", arn)
		}
	}
}

func TestDirectorySeesEveryChange(t *testing.T) {
	both(t, directorySeesEveryChange)
}

func directorySeesEveryChange(t *testing.T, n *nodes) {
	ctx := t.Context()
	do := must(t)
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice", Tags: []iamapi.Tag{{Key: "Team", Value: "blue"}}}))
	i := n.identity(alice)
	if i == nil || i.Kind != auth.User || i.Account != number || i.Name != "alice" || i.Path != "/" || i.Tags["Team"] != "blue" || len(i.Policies) != 0 || i.Boundary != nil {
		t.Fatalf("she is %+v", i)
	}
	if again := n.identity(alice); again != i {
		t.Error("nothing has changed, and she is read again")
	}
	do(n.CreateGroup(ctx, &iamapi.CreateGroupInput{GroupName: "readers"}))
	do(n.CreatePolicy(ctx, &iamapi.CreatePolicyInput{PolicyName: "queues", PolicyDocument: onlyQueues}))
	do(n.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: "alice", PolicyName: "own", PolicyDocument: everything}))
	do(n.AttachUserPolicy(ctx, &iamapi.AttachUserPolicyInput{UserName: "alice", PolicyArn: "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"}))
	do(n.AttachGroupPolicy(ctx, &iamapi.AttachGroupPolicyInput{GroupName: "readers", PolicyArn: queuesARN}))
	do(n.AddUserToGroup(ctx, &iamapi.AddUserToGroupInput{GroupName: "readers", UserName: "alice"}))
	want := []string{"user own", "aws-managed AmazonSQSReadOnlyAccess", "user-managed queues"}
	if got := policies(n.identity(alice)); !slices.Equal(got, want) {
		t.Errorf("her policies are %q, want %q", got, want)
	}

	allowed := func(action string) bool {
		i := n.identity(alice)
		set := &policy.Set{Identity: i.Policies, Boundary: i.Boundary}
		p := policy.Principal{Kind: policy.User, Account: i.Account, ARN: i.ARN}
		return policy.Decide(&policy.Request{Action: action, Resource: "*", Principal: p}, set).Effect == policy.Allowed
	}
	do(n.DeleteUserPolicy(ctx, &iamapi.DeleteUserPolicyInput{UserName: "alice", PolicyName: "own"}))
	if allowed("s3:ListBuckets") || !allowed("sqs:SendMessage") {
		t.Error("of what she may do, what was taken is there, or what is left is not")
	}
	do(n.CreatePolicyVersion(ctx, &iamapi.CreatePolicyVersionInput{PolicyArn: queuesARN, PolicyDocument: everything, SetAsDefault: aws.Some(true)}))
	if !allowed("s3:ListBuckets") {
		t.Error("a new version of her group's policy is not seen")
	}
	do(n.SetDefaultPolicyVersion(ctx, &iamapi.SetDefaultPolicyVersionInput{PolicyArn: queuesARN, VersionId: "v1"}))
	do(n.PutUserPermissionsBoundary(ctx, &iamapi.PutUserPermissionsBoundaryInput{UserName: "alice", PermissionsBoundary: "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"}))
	if allowed("s3:ListBuckets") || allowed("sqs:SendMessage") || !allowed("sqs:ListQueues") {
		t.Error("her boundary does not hold")
	}
	do(n.RemoveUserFromGroup(ctx, &iamapi.RemoveUserFromGroupInput{GroupName: "readers", UserName: "alice"}))
	do(n.DetachUserPolicy(ctx, &iamapi.DetachUserPolicyInput{UserName: "alice", PolicyArn: "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"}))
	if allowed("sqs:ListQueues") {
		t.Error("she has left her group, and may what it may")
	}

	do(n.UpdateUser(ctx, &iamapi.UpdateUserInput{UserName: "alice", NewUserName: aws.Some("zoe"), NewPath: aws.Some("/x/")}))
	if n.identity(alice) != nil {
		t.Error("she is still there under her old name")
	}
	if z := n.identity("arn:aws:iam::111111111111:user/x/zoe"); z == nil || z.ID != i.ID {
		t.Errorf("under her new name she is %+v", z)
	}
	if n.identity("arn:aws:iam::111111111111:user/zoe") != nil {
		t.Error("she is there without her path")
	}
}

func TestRoleOfTheDirectory(t *testing.T) {
	t.Parallel()
	n, ctx := newNodes(t), t.Context()
	do := must(t)
	const arn = "arn:aws-cn:iam::111111111111:role/jobs/worker"
	do(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: "worker", Path: aws.Some("/jobs/"), AssumeRolePolicyDocument: byMachines, MaxSessionDuration: aws.Some[int32](7200)}))
	i := n.identity(arn)
	if i == nil || i.Kind != auth.Role || i.ARN != arn || i.MaxSession != 2*time.Hour || len(i.Trust.Statements()) != 1 {
		t.Fatalf("it is %+v", i)
	}
	do(n.DeleteRole(ctx, &iamapi.DeleteRoleInput{RoleName: "worker"}))
	if n.identity(arn) != nil {
		t.Error("it is deleted, and there")
	}
	r := n.identity(root)
	if r == nil || r.Kind != auth.Root || r.ID != number {
		t.Errorf("root is %+v", r)
	}
}

func TestDeletedKeyFailsAtOnce(t *testing.T) {
	both(t, deletedKeyFailsAtOnce)
}

func deletedKeyFailsAtOnce(t *testing.T, n *nodes) {
	ctx := t.Context()
	do := must(t)
	d := n.services[1].Directory()
	has := func(id string) (auth.AccessKey, bool) {
		k, ok, err := d.AccessKey(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return k, ok
	}
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice"}))
	made, err := n.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.Some("alice")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.AccessKey.AccessKeyId
	if account, ok := auth.AccountOfAccessKey(id); !ok || account != number {
		t.Errorf("the id says it is of %q", account)
	}
	if k, ok := has(id); !ok || k.Secret != made.AccessKey.SecretAccessKey || k.ARN != alice || k.Account != number || k.UserID == "" {
		t.Errorf("it is %+v, %v", k, ok)
	}
	do(n.UpdateAccessKey(ctx, &iamapi.UpdateAccessKeyInput{UserName: aws.Some("alice"), AccessKeyId: id, Status: "Inactive"}))
	if _, ok := has(id); ok {
		t.Error("an inactive key is known")
	}
	do(n.UpdateAccessKey(ctx, &iamapi.UpdateAccessKeyInput{UserName: aws.Some("alice"), AccessKeyId: id, Status: "Active"}))
	do(n.UpdateUser(ctx, &iamapi.UpdateUserInput{UserName: "alice", NewUserName: aws.Some("zoe")}))
	if k, ok := has(id); !ok || k.ARN != "arn:aws:iam::111111111111:user/zoe" {
		t.Errorf("of a renamed user it is %+v, %v", k, ok)
	}
	do(n.DeleteAccessKey(ctx, &iamapi.DeleteAccessKeyInput{UserName: aws.Some("zoe"), AccessKeyId: id}))
	if _, ok := has(id); ok {
		t.Error("a deleted key is known")
	}
}

// Whoever has the name of one who was deleted is not who was trusted.
func TestTrustIsOfWhoItWas(t *testing.T) {
	both(t, trustIsOfWhoItWas)
}

func trustIsOfWhoItWas(t *testing.T, n *nodes) {
	ctx, do := t.Context(), must(t)
	trusts := func(arn string) bool {
		i := n.identity("arn:aws:iam::111111111111:role/worker")
		p := policy.Principal{Kind: policy.User, Account: number, ARN: arn}
		set := &policy.Set{Resource: &policy.Source{Type: "resource", Policy: i.Trust}, ResourceMust: true}
		return policy.Decide(&policy.Request{Action: "sts:AssumeRole", Resource: i.ARN, Principal: p}, set).Effect == policy.Allowed
	}
	document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + strings.ReplaceAll(alice, "/", `\/`) + `"},"Action":"sts:AssumeRole"}}`
	refused := func(_ any, err error) {
		t.Helper()
		if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != "MalformedPolicyDocumentException" || e.Message != `Invalid principal in policy: "AWS":"`+alice+`"` {
			t.Errorf("nobody is called so, and it is answered %v", err)
		}
	}
	refused(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: "worker", AssumeRolePolicyDocument: document}))
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice", Path: aws.Some("/other/")}))
	refused(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: "worker", AssumeRolePolicyDocument: document}))
	do(n.UpdateUser(ctx, &iamapi.UpdateUserInput{UserName: "alice", NewPath: aws.Some("/")}))
	do(n.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: "worker", AssumeRolePolicyDocument: document}))
	if !trusts(alice) {
		t.Error("she is trusted, and is not")
	}
	do(n.UpdateUser(ctx, &iamapi.UpdateUserInput{UserName: "alice", NewUserName: aws.Some("zoe")}))
	if !trusts("arn:aws:iam::111111111111:user/zoe") || trusts(alice) {
		t.Error("she was renamed, and is not trusted as who she was")
	}
	do(n.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: "zoe"}))
	refused(n.UpdateAssumeRolePolicy(ctx, &iamapi.UpdateAssumeRolePolicyInput{RoleName: "worker", PolicyDocument: document}))
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "alice"}))
	if trusts(alice) {
		t.Error("another of her name is trusted")
	}
	do(n.UpdateAssumeRolePolicy(ctx, &iamapi.UpdateAssumeRolePolicyInput{RoleName: "worker", PolicyDocument: document}))
	if !trusts(alice) {
		t.Error("the policy was written again, and means nobody")
	}
}

// A look-up is made with every request.
func BenchmarkAccessKey(b *testing.B) {
	b.Run("two nodes", func(b *testing.B) { benchmarkAccessKey(b, newNodes(b)) })
	b.Run("alone", func(b *testing.B) { benchmarkAccessKey(b, newAlone(b)) })
}

func benchmarkAccessKey(b *testing.B, n *nodes) {
	ctx := b.Context()
	made, err := n.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{})
	if err != nil {
		b.Fatal(err)
	}
	d := n.services[1].Directory()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := d.AccessKey(ctx, made.AccessKey.AccessKeyId); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// TestAllOfAWSsPoliciesCompile finds one that nobody could attach without being locked out.
func TestAllOfAWSsPoliciesCompile(t *testing.T) {
	t.Parallel()
	d := newAlone(t).services[0].Directory()
	for _, p := range managed.All() {
		if s, ok, err := d.Policy(t.Context(), p.ARN("aws")); !ok || err != nil || len(s.Policy.Statements()) == 0 {
			t.Errorf("%s: %v, %v", p.Name, ok, err)
		}
	}
}

// A path may have nearly any character in it, and says nothing of what its user may do.
func TestPathIsNoPolicy(t *testing.T) {
	t.Parallel()
	n, ctx := newNodes(t), t.Context()
	do := must(t)
	do(n.UpdateAccountPasswordPolicy(ctx, &iamapi.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: aws.Some(true)}))
	const path = `/"},{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"iam:X","Resource":"/`
	do(n.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "mallory", Path: aws.Some(path)}))
	i := n.identity("arn:aws:iam::" + number + ":user" + path + "mallory")
	if i == nil {
		t.Fatal("she is not there")
	}
	for _, p := range i.Policies {
		if p.Policy.Allows("sqs:DeleteQueue") {
			t.Errorf("%s allows all", p.Name)
		}
	}
}

// What a node that is alone has not found it finds once it is there.
func TestAbsentKeyIsFoundOnceItIsThere(t *testing.T) {
	st := &store.Store{Engine: memory.New(memory.Options{}), Clock: clock.New()}
	s := iam.New(st.Space("iam"), iam.Options{Alone: true})
	k := iam.RootKey{Account: "111111111111", ID: "AKIALATERLATERLATER1", Secret: "a secret of some length"}
	for _, there := range []bool{false, true} {
		for range 2 {
			if _, ok, err := s.Directory().AccessKey(t.Context(), k.ID); ok != there || err != nil {
				t.Errorf("found %v, %v, want %v", ok, err, there)
			}
		}
		if err := s.GiveRootKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
}
