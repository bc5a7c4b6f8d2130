package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// as is how an obidos is asked by the holder of a key.
func (h *home) as(protocol model.Protocol, key sigv4.Credentials) model.Invoker {
	return scenario.HTTP(wire.New(api.All()...), protocol, scenario.Signed(key), "http://"+h.listen, aws.Scope{Account: aws.DefaultAccount, Region: "us-east-1"})
}

var told = regexp.MustCompile(`(?m)^AWS_ACCESS_KEY_ID=(\S+)\nAWS_SECRET_ACCESS_KEY=(\S+)$`)

// Keys, policies and sessions are there after a kill, and what was deleted is not.
func TestIdentitiesSurviveAKill(t *testing.T) {
	h := newHome(t)
	p := h.start("--auth=iam")
	var root []string
	for deadline := time.Now().Add(10 * time.Second); root == nil; time.Sleep(10 * time.Millisecond) {
		if root = told.FindStringSubmatch(p.out.String()); root == nil && time.Now().After(deadline) {
			t.Fatalf("root's key is not told: %s", &p.out)
		}
	}
	rootKey := sigv4.Credentials{AccessKey: root[1], Secret: root[2]}
	users, ctx := iamapi.Client{Invoker: h.as(model.Query, rootKey)}, t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	url, err := sqsapi.Client{Invoker: h.as(model.JSON10, rootKey)}.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
	must(url, err)
	must(users.CreateUser(ctx, &iamapi.CreateUserInput{UserName: "bob"}))
	must(users.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: "bob", PolicyName: "send", PolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sqs:SendMessage","sts:*"],"Resource":"*"}}`}))
	kept, err := users.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.Some("bob")})
	must(kept, err)
	gone, err := users.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.Some("bob")})
	must(gone, err)
	bob := sigv4.Credentials{AccessKey: kept.AccessKey.AccessKeyId, Secret: kept.AccessKey.SecretAccessKey}
	session, err := stsapi.Client{Invoker: h.as(model.Query, bob)}.GetSessionToken(ctx, &stsapi.GetSessionTokenInput{})
	must(session, err)
	must(users.DeleteAccessKey(ctx, &iamapi.DeleteAccessKeyInput{UserName: aws.Some("bob"), AccessKeyId: gone.AccessKey.AccessKeyId}))
	p.Process.Kill()
	<-p.end
	p = h.start("--auth=iam")
	if told.MatchString(p.out.String()) {
		t.Error("root's key is told again")
	}
	for _, c := range []struct {
		name string
		key  sigv4.Credentials
		want string
	}{
		{"root", rootKey, ""},
		{"the key", bob, ""},
		{"the session", sigv4.Credentials{AccessKey: session.Credentials.AccessKeyId, Secret: session.Credentials.SecretAccessKey, Token: session.Credentials.SessionToken}, ""},
		{"the deleted key", sigv4.Credentials{AccessKey: gone.AccessKey.AccessKeyId, Secret: gone.AccessKey.SecretAccessKey}, "UnrecognizedClientException"},
	} {
		_, err := sqsapi.Client{Invoker: h.as(model.JSON10, c.key)}.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url.QueueUrl.V, MessageBody: "x"})
		if e, _ := errors.AsType[*aws.Error](err); (err == nil) != (c.want == "") || e != nil && e.Code != c.want {
			t.Errorf("%s sends: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := (sqsapi.Client{Invoker: h.as(model.JSON10, bob)}).DeleteQueue(ctx, &sqsapi.DeleteQueueInput{QueueUrl: url.QueueUrl.V}); err == nil {
		t.Error("bob deletes a queue")
	}
	if out := h.must("auth", "explain"); !strings.Contains(out, "user/bob may not sqs:DeleteQueue") || !strings.Contains(out, `"sqs:DeleteQueue"`) {
		t.Errorf("explain says %s", out)
	}
	if out := h.must("auth", "generate", "--since", "10m", "--principal", "arn:aws:iam::000000000000:user/bob"); !strings.Contains(out, "sqs:SendMessage") || strings.Contains(out, "iam:") {
		t.Errorf("generate says %s", out)
	}
	h.env = append(h.env, "OBIDOS_AUTH=iam")
	if out := h.must("env"); strings.Contains(out, "AWS_ACCESS_KEY_ID") {
		t.Errorf("env gives a key that opens nothing: %s", out)
	}
	if out, code := h.run("account", "create", "123456789012"); code != 0 || !told.MatchString(out) {
		t.Errorf("an account: %d %s", code, out)
	}
	if out, code := h.run("account", "create", "123456789012"); code == 0 {
		t.Errorf("an account made twice: %s", out)
	}
}

// What nobody is asked about cannot be explained.
func TestExplainNeedsAMode(t *testing.T) {
	h := newHome(t)
	h.start()
	if out, code := h.run("auth", "explain"); code == 0 || !strings.Contains(out, "--auth=log") {
		t.Errorf("explain with open credentials: %d %s", code, out)
	}
}

func TestAuthSettings(t *testing.T) {
	h := newHome(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--auth=strict"}, "it can be open or log or iam"},
		{[]string{"--root-access-key=AKIAROOTROOTROOTROOT"}, "go together"},
		{[]string{"--root-access-key=short", "--root-secret=long enough to be one"}, "16 to 128"},
		{[]string{"--guardrail=/nowhere"}, "guardrail"},
		{[]string{"--oidc-keys=https://issuer.example"}, "ISSUER=FILE"},
		{[]string{"--oidc-keys=https://issuer.example=/nowhere"}, "oidc-keys"},
		{[]string{"--oidc-keys=https://issuer.example=" + h.dir}, "oidc-keys"},
		{[]string{"--auth=log", "--listen=0.0.0.0:0"}, "--auth=iam"},
	} {
		if out, code := h.run(append([]string{"start"}, c.args...)...); code == 0 || !strings.Contains(out, c.want) {
			t.Errorf("start %v: %d %s", c.args, code, out)
		}
	}
}

// What a stranger asks for is printed, and does nothing to the terminal.
func TestExplainIsPlain(t *testing.T) {
	var out strings.Builder
	explain(&out, []auth.Denial{{Action: "sqs:SendMessage", Resource: "q\x1b]0;x\a\nbob may\u009b31m", Statement: "{\n}\u009b2J", In: "the policy of q\x1b[2J"}}, 5)
	if got := out.String(); strings.ContainsAny(got, "\x1b\a\u009b") || strings.Contains(got, "\nbob") || !strings.Contains(got, "{\n}") {
		t.Errorf("%q", got)
	}
}
