package platform_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/wire"
)

var (
	here    = aws.Scope{Account: aws.DefaultAccount, Region: "us-east-1"}
	rootKey = iam.RootKey{Account: aws.DefaultAccount, ID: "AKIAROOTROOTROOTROOT", Secret: "a secret of some length"}
)

// asked is how a node is asked by the holder of a key.
func asked(n *node, protocol model.Protocol, id, secret string) model.Invoker {
	return scenario.HTTP(wire.New(api.All()...), protocol, scenario.Signed(sigv4.Credentials{AccessKey: id, Secret: secret}), n.url, here)
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// A key and a policy hold on all nodes as soon as they are answered, and so does that they are gone.
func TestKeysHoldAtOnceEverywhere(t *testing.T) {
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
	users := iamapi.Client{Invoker: asked(nodes[0], model.Query, rootKey.ID, rootKey.Secret)}
	queues := sqsapi.Client{Invoker: asked(nodes[1], model.JSON10, rootKey.ID, rootKey.Secret)}
	ctx := t.Context()
	url, err := queues.CreateQueue(ctx, &sqsapi.CreateQueueInput{QueueName: "q"})
	if err != nil {
		t.Fatal(err)
	}
	key := userWith(t, users, "bob", document{"2012-10-17", []documentStatement{{"Allow", []string{"sqs:GetQueueUrl"}, []string{"*"}}}})
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"nothing allows it", func() error { return nil }, "AccessDeniedException"},
		{"a policy does", func() error {
			_, err := users.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{
				UserName: "bob", PolicyName: "send", PolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}`,
			})
			return err
		}, ""},
		{"the key sleeps", func() error {
			_, err := users.UpdateAccessKey(ctx, &iamapi.UpdateAccessKeyInput{UserName: aws.Some("bob"), AccessKeyId: key.AccessKeyId, Status: iamapi.StatusTypeInactive})
			return err
		}, "UnrecognizedClientException"},
		{"the key wakes", func() error {
			_, err := users.UpdateAccessKey(ctx, &iamapi.UpdateAccessKeyInput{UserName: aws.Some("bob"), AccessKeyId: key.AccessKeyId, Status: iamapi.StatusTypeActive})
			return err
		}, ""},
		{"the key is gone", func() error {
			_, err := users.DeleteAccessKey(ctx, &iamapi.DeleteAccessKeyInput{UserName: aws.Some("bob"), AccessKeyId: key.AccessKeyId})
			return err
		}, "UnrecognizedClientException"},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for i, n := range nodes {
			bob := sqsapi.Client{Invoker: asked(n, model.JSON10, key.AccessKeyId, key.SecretAccessKey)}
			if _, err := bob.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url.QueueUrl.V, MessageBody: "x"}); codeOf(err) != s.want {
				t.Errorf("%s: node %d answers %v, want %q", s.name, i, err, s.want)
			}
		}
	}
}

// Root's key is made once and told once; accounts are made with keys of their own, which reach nothing of others'.
func TestRootKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := serve(t, open(t, platform.Options{Data: dir, Identity: platform.Identity{Mode: auth.IAM}}))
	k, made := first.RootKey()
	if !made {
		t.Fatal("no key was made")
	}
	if _, err := first.CreateAccount(t.Context(), "123456789012"); err != nil {
		t.Fatal(err)
	}
	if _, err := first.CreateAccount(t.Context(), "123456789012"); !errors.Is(err, platform.ErrAccount) {
		t.Errorf("an account made twice: %v", err)
	}
	if _, err := first.CreateAccount(t.Context(), "12345"); err == nil {
		t.Error("an account of five digits")
	}
	if err := first.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := first.CreateAccount(t.Context(), "123456789012")
	if err != nil {
		t.Errorf("after a reset an account is there: %v", err)
	}
	first.stop()
	again := serve(t, open(t, platform.Options{Data: dir, Identity: platform.Identity{Mode: auth.IAM}}))
	if k, made := again.RootKey(); made {
		t.Errorf("another key was made: %s", k.ID)
	}
	for _, key := range []iam.RootKey{k, other} {
		out, err := iamapi.Client{Invoker: asked(again, model.Query, key.ID, key.Secret)}.CreateUser(t.Context(), &iamapi.CreateUserInput{UserName: "u"})
		if err != nil {
			t.Fatal(err)
		}
		if want := "arn:aws:iam::" + key.Account + ":user/u"; out.User.Arn != want {
			t.Errorf("made %s, want %s", out.User.Arn, want)
		}
	}
	queues := sqsapi.Client{Invoker: asked(again, model.JSON10, k.ID, k.Secret)}
	if _, err := queues.CreateQueue(t.Context(), &sqsapi.CreateQueueInput{QueueName: "q"}); err != nil {
		t.Fatal(err)
	}
	stranger := sqsapi.Client{Invoker: asked(again, model.JSON10, other.ID, other.Secret)}
	send := &sqsapi.SendMessageInput{QueueUrl: again.url + "/000000000000/q", MessageBody: "x"}
	if _, err := stranger.SendMessage(t.Context(), send); codeOf(err) != "AccessDeniedException" {
		t.Errorf("another account's root sends: %v", err)
	}
	if _, err := queues.AddPermission(t.Context(), &sqsapi.AddPermissionInput{QueueUrl: send.QueueUrl, Label: "l", AWSAccountIds: []string{other.Account}, Actions: []string{"SendMessage"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.SendMessage(t.Context(), send); err != nil {
		t.Errorf("with the queue's permission: %v", err)
	}
}

// The key that whoever runs obidos gives root takes the place of the one given before, and of no other.
func TestGivenRootKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := iam.RootKey{Account: aws.DefaultAccount, ID: "AKIAOTHEROTHEROTHER1", Secret: "another secret of some length"}
	made := new(iamapi.CreateAccessKeyOutput)
	for _, given := range []iam.RootKey{rootKey, other} {
		n := serve(t, open(t, platform.Options{Data: dir, Identity: platform.Identity{Mode: auth.IAM, RootKey: given}}))
		if made.AccessKey == nil {
			var err error
			if made, err = (iamapi.Client{Invoker: asked(n, model.Query, given.ID, given.Secret)}).CreateAccessKey(t.Context(), &iamapi.CreateAccessKeyInput{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []iam.RootKey{rootKey, other, {ID: made.AccessKey.AccessKeyId, Secret: made.AccessKey.SecretAccessKey}} {
			want := "UnrecognizedClientException"
			if k.ID == given.ID || k.ID == made.AccessKey.AccessKeyId {
				want = ""
			}
			if _, err := (sqsapi.Client{Invoker: asked(n, model.JSON10, k.ID, k.Secret)}).ListQueues(t.Context(), &sqsapi.ListQueuesInput{}); codeOf(err) != want {
				t.Errorf("with %s given, %s lists queues: %v, want %q", given.ID, k.ID, err, want)
			}
		}
		n.stop()
	}
}

// What a guardrail does not allow nobody may do in its account, root included.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sqs:DeleteQueue","Resource":"*"}]}`, policy.Guardrail)
	if err != nil {
		t.Fatal(err)
	}
	n := serve(t, open(t, platform.Options{Identity: platform.Identity{
		Mode: auth.IAM, RootKey: rootKey, Guardrails: map[string][]policy.Source{"": {{Name: "no deletes", Policy: p}}},
	}}))
	queues := sqsapi.Client{Invoker: asked(n, model.JSON10, rootKey.ID, rootKey.Secret)}
	url, err := queues.CreateQueue(t.Context(), &sqsapi.CreateQueueInput{QueueName: "q"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = queues.DeleteQueue(t.Context(), &sqsapi.DeleteQueueInput{QueueUrl: url.QueueUrl.V})
	if codeOf(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "explicit deny in a service control policy") {
		t.Errorf("the guardrail denies: %v", err)
	}
}

// What is not signed as it should be is refused in AWS's words, and does nothing.
func TestSignaturesAreHeldTo(t *testing.T) {
	t.Parallel()
	n := serve(t, open(t, platform.Options{Identity: platform.Identity{Mode: auth.IAM, RootKey: rootKey}}))
	root := sigv4.Credentials{AccessKey: rootKey.ID, Secret: rootKey.Secret}
	body := `{"QueueName":"q"}`
	for _, c := range []struct {
		name string
		sign func(r *http.Request)
		want string
	}{
		{"nothing", func(*http.Request) {}, "MissingAuthenticationToken"},
		{"an emulator's key", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Credentials{AccessKey: "test", Secret: "test"}, "sqs", "us-east-1", time.Now(), sigv4.Hash([]byte(body)))
		}, "obidos runs with --auth=iam"},
		{"a wrong secret", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Credentials{AccessKey: rootKey.ID, Secret: "guess"}, "sqs", "us-east-1", time.Now(), sigv4.Hash([]byte(body)))
		}, "SignatureDoesNotMatch"},
		{"another body", func(r *http.Request) {
			sigv4.Sign(r, root, "sqs", "us-east-1", time.Now(), sigv4.Hash([]byte("{}")))
		}, "SignatureDoesNotMatch"},
		{"long ago", func(r *http.Request) {
			sigv4.Sign(r, root, "sqs", "us-east-1", time.Now().Add(-20*time.Minute), sigv4.Hash([]byte(body)))
		}, "SignatureDoesNotMatch"},
		{"sent again at another time", func(r *http.Request) {
			sigv4.Sign(r, root, "sqs", "us-east-1", time.Now().Add(-time.Minute), sigv4.Hash([]byte(body)))
			r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
		}, "SignatureDoesNotMatch"},
		{"another service", func(r *http.Request) {
			sigv4.Sign(r, root, "sns", "us-east-1", time.Now(), sigv4.Hash([]byte(body)))
		}, "SignatureDoesNotMatch"},
		{"another region than signed", func(r *http.Request) {
			sigv4.Sign(r, root, "sqs", "us-east-1", time.Now(), sigv4.Hash([]byte(body)))
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-east-1", "eu-west-1", 1))
		}, "SignatureDoesNotMatch"},
		{"a token nobody gave", func(r *http.Request) {
			k := root
			k.Token = "token"
			sigv4.Sign(r, k, "sqs", "us-east-1", time.Now(), sigv4.Hash([]byte(body)))
		}, "InvalidClientTokenId"},
	} {
		r, err := http.NewRequest(http.MethodPost, n.url+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		c.sign(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		told := resp.Header.Get("X-Amzn-Query-Error") + " " + string(text)
		if err != nil || resp.StatusCode/100 != 4 || !strings.Contains(told, c.want) {
			t.Errorf("%s: %s %s, want %s", c.name, resp.Status, told, c.want)
		}
	}
	queues, err := sqsapi.Client{Invoker: asked(n, model.JSON10, rootKey.ID, rootKey.Secret)}.ListQueues(t.Context(), &sqsapi.ListQueuesInput{})
	if err != nil || len(queues.QueueUrls) > 0 {
		t.Errorf("there are %v, %v", queues.QueueUrls, err)
	}
}
