package platform_test

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation/federationtest"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/service/iam/totp"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// unsigned takes the signature off what goes out.
type unsigned struct{}

func (unsigned) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	return http.DefaultTransport.RoundTrip(r)
}

// bearing is how a node is asked by the bearer of temporary credentials; by nobody where there are none.
func bearing(n *node, protocol model.Protocol, c *stsapi.Credentials) model.Invoker {
	client := &http.Client{Transport: unsigned{}}
	if c != nil {
		client = scenario.Signed(sigv4.Credentials{AccessKey: c.AccessKeyId, Secret: c.SecretAccessKey, Token: c.SessionToken})
	}
	return scenario.HTTP(wire.New(api.All()...), protocol, client, n.url, here)
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const allQueues = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}`

// A role's session does what the role and the session's policies allow, on every node, until it ends or the role is gone.
func TestSessionsHoldEverywhere(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	var nodes []*node
	for i := range 2 {
		nodes = append(nodes, serve(t, open(t, platform.Options{
			Engine: e, Node: fmt.Sprint("n", i), Cluster: &platform.Cluster{Name: "test"}, Version: "v",
			Identity: platform.Identity{Mode: auth.IAM, RootKey: rootKey},
		})))
	}
	settled(t, nodes[0], 2)
	ctx := t.Context()
	users := iamapi.Client{Invoker: asked(nodes[0], model.Query, rootKey.ID, rootKey.Secret)}
	key := userWith(t, users, "alice", document{"2012-10-17", []documentStatement{{"Allow", []string{"sts:AssumeRole"}, []string{"*"}}}})
	role := must[*iamapi.CreateRoleOutput](t)(users.CreateRole(ctx, &iamapi.CreateRoleInput{
		RoleName: "worker", Path: aws.Some("/team/"), AssumeRolePolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`,
	})).Role
	must[*iamapi.PutRolePolicyOutput](t)(users.PutRolePolicy(ctx, &iamapi.PutRolePolicyInput{RoleName: "worker", PolicyName: "q", PolicyDocument: allQueues}))
	device := must[*iamapi.CreateVirtualMFADeviceOutput](t)(users.CreateVirtualMFADevice(ctx, &iamapi.CreateVirtualMFADeviceInput{VirtualMFADeviceName: "alice"})).VirtualMFADevice
	seed := must[[]byte](t)(base32.StdEncoding.DecodeString(string(device.Base32StringSeed)))
	step := totp.Step(time.Now())
	must[*iamapi.EnableMFADeviceOutput](t)(users.EnableMFADevice(ctx, &iamapi.EnableMFADeviceInput{
		UserName: "alice", SerialNumber: device.SerialNumber, AuthenticationCode1: totp.Code(seed, step-1), AuthenticationCode2: totp.Code(seed, step),
	}))

	alice := stsapi.Client{Invoker: asked(nodes[1], model.Query, key.AccessKeyId, key.SecretAccessKey)}
	in := &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: "job", Policy: aws.Some(strings.Replace(allQueues, "sqs:*", "sqs:CreateQueue", 1))}
	if _, err := alice.AssumeRole(ctx, in); codeOf(err) != "AccessDenied" && codeOf(err) != "AccessDeniedException" {
		t.Errorf("without a second factor: %v", err)
	}
	in.SerialNumber, in.TokenCode = aws.Some(device.SerialNumber), aws.Some(totp.Code(seed, step+1))
	out := must[*stsapi.AssumeRoleOutput](t)(alice.AssumeRole(ctx, in))
	worker := out.Credentials

	for i, n := range nodes {
		me := must[*stsapi.GetCallerIdentityOutput](t)(stsapi.Client{Invoker: bearing(n, model.Query, worker)}.GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{}))
		if me.Arn.V != "arn:aws:sts::000000000000:assumed-role/worker/job" || me.UserId.V != role.RoleId+":job" {
			t.Errorf("node %d: %+v", i, me)
		}
		queues := sqsapi.Client{Invoker: bearing(n, model.JSON10, worker)}
		if _, err := queues.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: fmt.Sprint("q", i)}); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		if _, err := queues.ListQueues(ctx, &sqsapi.ListQueuesInput{}); codeOf(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "session policy") {
			t.Errorf("node %d: beyond the session's policy: %v", i, err)
		}
		for why, bad := range map[string]stsapi.Credentials{
			"another secret": {AccessKeyId: worker.AccessKeyId, SecretAccessKey: "x", SessionToken: worker.SessionToken},
			"no token":       {AccessKeyId: worker.AccessKeyId, SecretAccessKey: worker.SecretAccessKey},
			"another token":  {AccessKeyId: worker.AccessKeyId, SecretAccessKey: worker.SecretAccessKey, SessionToken: "A" + worker.SessionToken[1:]},
			"another id":     {AccessKeyId: auth.NewAccessKeyID(auth.TemporaryKey, aws.DefaultAccount), SecretAccessKey: worker.SecretAccessKey, SessionToken: worker.SessionToken},
		} {
			if _, err := (sqsapi.Client{Invoker: bearing(n, model.JSON10, &bad)}).CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "x"}); err == nil {
				t.Errorf("node %d: let in with %s", i, why)
			}
		}
	}
	if err := nodes[0].Advance(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		if _, err := (sqsapi.Client{Invoker: bearing(n, model.JSON10, worker)}).CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "late"}); codeOf(err) != "ExpiredTokenException" {
			t.Errorf("node %d: after an hour: %v", i, err)
		}
	}
}

// Whoever comes with a token of an issuer that the account trusts is a role's session, without a key of any kind.
func TestWebIdentityThroughTheDoor(t *testing.T) {
	t.Parallel()
	issuer := federationtest.StartIssuer(t, true)
	n := serve(t, open(t, platform.Options{Identity: platform.Identity{Mode: auth.IAM, RootKey: rootKey}}))
	ctx := t.Context()
	users := iamapi.Client{Invoker: asked(n, model.Query, rootKey.ID, rootKey.Secret)}
	provider := must[*iamapi.CreateOpenIDConnectProviderOutput](t)(users.CreateOpenIDConnectProvider(ctx, &iamapi.CreateOpenIDConnectProviderInput{
		Url: issuer.URL, ClientIDList: []string{"client"}, ThumbprintList: []string{issuer.Thumbprint},
	})).OpenIDConnectProviderArn.V
	host := strings.TrimPrefix(issuer.URL, "https://")
	role := must[*iamapi.CreateRoleOutput](t)(users.CreateRole(ctx, &iamapi.CreateRoleInput{
		RoleName: "pod", AssumeRolePolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + host + `:sub":"user-1"}}}}`,
	})).Role
	must[*iamapi.PutRolePolicyOutput](t)(users.PutRolePolicy(ctx, &iamapi.PutRolePolicyInput{RoleName: "pod", PolicyName: "q", PolicyDocument: allQueues}))

	nobody := stsapi.Client{Invoker: bearing(n, model.Query, nil)}
	in := &stsapi.AssumeRoleWithWebIdentityInput{RoleArn: role.Arn, RoleSessionName: "pod", WebIdentityToken: issuer.Token(map[string]any{"sub": "user-2"})}
	if _, err := nobody.AssumeRoleWithWebIdentity(ctx, in); codeOf(err) != "AccessDenied" {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := nobody.AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: "pod"}); codeOf(err) != "MissingAuthenticationToken" && codeOf(err) != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := nobody.GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{}); err == nil {
		t.Error("nobody was told who they are")
	}
	in.WebIdentityToken = issuer.Token(nil)
	out := must[*stsapi.AssumeRoleWithWebIdentityOutput](t)(nobody.AssumeRoleWithWebIdentity(ctx, in))
	queues := sqsapi.Client{Invoker: bearing(n, model.JSON10, out.Credentials)}
	if _, err := queues.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"}); err != nil {
		t.Error(err)
	}
	must[*iamapi.DeleteRolePolicyOutput](t)(users.DeleteRolePolicy(ctx, &iamapi.DeleteRolePolicyInput{RoleName: "pod", PolicyName: "q"}))
	if _, err := queues.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "r"}); codeOf(err) != "AccessDeniedException" {
		t.Errorf("the role's policy is gone: %v", err)
	}
	must[*iamapi.DeleteRoleOutput](t)(users.DeleteRole(ctx, &iamapi.DeleteRoleInput{RoleName: "pod"}))
	if _, err := queues.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "s"}); codeOf(err) != "UnrecognizedClientException" {
		t.Errorf("the role is gone: %v", err)
	}
}

// Where nobody is asked, test credentials assume roles, and the session is the role's in the role's account.
func TestOpenSessions(t *testing.T) {
	t.Parallel()
	n := serve(t, open(t, platform.Options{}))
	ctx := t.Context()
	test := stsapi.Client{Invoker: asked(n, model.Query, "test", "test")}
	out := must[*stsapi.AssumeRoleOutput](t)(test.AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: "arn:aws:iam::222222222222:role/any", RoleSessionName: "x1"}))
	queues := sqsapi.Client{Invoker: bearing(n, model.JSON10, out.Credentials)}
	url := must[*sqsapi.CreateQueueOutput](t)(queues.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})).QueueUrl.V
	if !strings.HasSuffix(url, "/222222222222/q") {
		t.Errorf("made %s", url)
	}
	me := must[*stsapi.GetCallerIdentityOutput](t)(stsapi.Client{Invoker: bearing(n, model.Query, out.Credentials)}.GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{}))
	if me.Arn.V != "arn:aws:sts::222222222222:assumed-role/any/x1" {
		t.Errorf("%+v", me)
	}
}
