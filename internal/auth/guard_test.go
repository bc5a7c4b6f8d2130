package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

const (
	account = "111111111111"
	queue   = "arn:aws:sqs:us-east-1:" + account + ":orders"
	reader  = "arn:aws:iam::" + account + ":role/team/reader"
)

// people are identities by their ARNs, and managed policies.
type people map[string]*auth.Identity

func (people) AccessKey(context.Context, string) (auth.AccessKey, bool, error) {
	return auth.AccessKey{}, false, nil
}

func (p people) Identity(_ context.Context, arn string) (*auth.Identity, bool, error) {
	if arn == "arn:aws:iam::"+account+":user/broken" {
		return nil, false, errors.New("disk on fire")
	}
	i, ok := p[arn]
	return i, ok, nil
}

func (people) Policy(_ context.Context, arn string) (policy.Source, bool, error) {
	return policy.Source{}, false, nil
}

// shelf holds queues that have policies and tags.
type shelf map[string]auth.Held

func (s shelf) Hold(_ context.Context, arn string) (auth.Held, error) { return s[arn], nil }

func source(t *testing.T, text string) policy.Source {
	t.Helper()
	p, err := policy.Parse(text, policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Source{Name: "p", Type: "user", Policy: p}
}

func statement(effect, action, resource, more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"` + more + `}]}`
}

type stopped struct{}

func (stopped) Now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// A service asks by itself for what only it knows. Where it does not, its operations are nobody's, and not everybody's.
func TestWhatNobodyAsksForIsDenied(t *testing.T) {
	t.Parallel()
	user := &auth.Identity{
		Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice",
		Policies: []policy.Source{source(t, statement("Allow", "*", "*", ""))},
	}
	guard := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}})
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}})
	boxes := (&model.Service{Name: "box", SigningName: "box", Protocols: []model.Protocol{model.JSON10}, Authorization: "Open @box:Open\nShut box:Shut\n"}).
		Fill([]model.Operation{{Name: "Open"}, {Name: "Shut"}}, "")
	if err := guard.Authorize(ctx, &auth.Call{Operation: boxes.Operation("Shut")}); err != nil {
		t.Error(err)
	}
	if err := guard.Authorize(ctx, &auth.Call{Operation: boxes.Operation("Open")}); err == nil || !strings.Contains(err.Error(), "box:Open") {
		t.Errorf("what the service was to ask for: %v", err)
	}
}

func TestGuard(t *testing.T) {
	user := &auth.Identity{
		Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice", Tags: map[string]string{"team": "a"},
		Policies: []policy.Source{
			source(t, statement("Allow", "sqs:*", "arn:aws:sqs:*:*:${aws:username}-*", "")),
			source(t, statement("Allow", "sqs:SendMessage", "*", `,"Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}`)),
			source(t, statement("Deny", "sqs:DeleteQueue", "*", `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`)),
			source(t, statement("Allow", "iam:GetUser", "*", "")),
		},
	}
	role := &auth.Identity{
		Kind: auth.Role, Account: account, ARN: reader, ID: "AROAREADER", Name: "reader", Path: "/team/",
		Policies: []policy.Source{source(t, statement("Allow", "sqs:*", "*", ""))},
	}
	root := &auth.Identity{Kind: auth.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", ID: account}
	directory := people{user.ARN: user, role.ARN: role, root.ARN: root}
	session := func(kind aws.SessionKind, of *auth.Identity, policies ...string) aws.Principal {
		return auth.BearerOf(&aws.Session{Kind: kind, Account: account, Source: of.ARN, ID: of.ID, Name: "now", Policies: policies})
	}
	held := shelf{
		queue: {Tags: map[string]string{"Team": "a"}},
		"arn:aws:sqs:us-east-1:222222222222:theirs": {Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sqs:SendMessage","Resource":"*"}]}`},
		"arn:aws:sqs:us-east-1:111111111111:fed": {Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*",
			"Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:111111111111:t"}}}]}`},
	}
	send, deleteQueue, getUser := sqsapi.API().Operation("SendMessage"), sqsapi.API().Operation("DeleteQueue"), iamapi.API().Operation("GetUser")
	url := func(account, name string) string { return "http://localhost:4566/" + account + "/" + name }
	userPrincipal := aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}
	for _, c := range []struct {
		name string
		who  aws.Principal
		call auth.Call
		from string // ARN a service calls on behalf of
		want string // part of the error; allowed where empty
	}{
		{"nothing allows it", userPrincipal, auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:111111111111:other"}}, "", "no identity-based policy allows the sqs:sendmessage action"},
		{"a variable", userPrincipal, auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:111111111111:alice-1"}}, "", ""},
		{"from the input", userPrincipal, auth.Call{Operation: send, Input: &sqsapi.SendMessageInput{QueueUrl: url(account, "alice-1")}}, "", ""},
		{"tags of principal and resource", userPrincipal, auth.Call{Operation: send, Resources: []string{queue}}, "", ""},
		{"an explicit deny", userPrincipal, auth.Call{Operation: deleteQueue, Resources: []string{"arn:aws:sqs:us-east-1:111111111111:alice-1"}}, "", "with an explicit deny in an identity-based policy"},
		{"one resource of two", userPrincipal, auth.Call{Operation: send, Resources: []string{queue, "arn:aws:sqs:us-east-1:111111111111:other"}}, "", "on resource: arn:aws:sqs:us-east-1:111111111111:other because"},
		{"an account's policy is not enough", userPrincipal, auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:222222222222:theirs"}}, "", "no identity-based policy"},
		{"both accounts allow it", session(aws.AssumedRole, role), auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:222222222222:theirs"}}, "", ""},
		{"theirs does not", session(aws.AssumedRole, role), auth.Call{Operation: deleteQueue, Resources: []string{"arn:aws:sqs:us-east-1:222222222222:theirs"}}, "", "no resource-based policy"},
		{"a role", session(aws.AssumedRole, role), auth.Call{Operation: send, Resources: []string{queue}}, "", ""},
		{"a session's policy", session(aws.AssumedRole, role, statement("Allow", "sqs:ReceiveMessage", "*", "")), auth.Call{Operation: send, Resources: []string{queue}}, "", "no session policy allows"},
		{"a federated user without a policy", session(aws.FederatedUser, user), auth.Call{Operation: send, Resources: []string{queue}}, "", "no session policy allows"},
		{"a federated user", session(aws.FederatedUser, user, statement("Allow", "*", "*", "")), auth.Call{Operation: send, Resources: []string{queue}}, "", ""},
		{"a federated user at IAM", session(aws.FederatedUser, user, statement("Allow", "*", "*", "")), auth.Call{Operation: getUser, Input: &iamapi.GetUserInput{}}, "", "security token included in the request is invalid"},
		{"a user's session at IAM", session(aws.UserSession, user), auth.Call{Operation: getUser, Input: &iamapi.GetUserInput{}}, "", "security token included in the request is invalid"},
		{"a user at IAM", userPrincipal, auth.Call{Operation: getUser, Input: &iamapi.GetUserInput{}}, "", ""},
		{"root", aws.Principal{Account: account, ARN: root.ARN, UserID: account}, auth.Call{Operation: deleteQueue, Resources: []string{queue}}, "", ""},
		{"a user that was made again", aws.Principal{Account: account, ARN: user.ARN, UserID: "AIDAOLD"}, auth.Call{Operation: send, Resources: []string{queue}}, "", "security token included in the request is invalid"},
		{"a user that was deleted", aws.Principal{Account: account, ARN: user.ARN + "x", UserID: "AIDA"}, auth.Call{Operation: send, Resources: []string{queue}}, "", "security token included in the request is invalid"},
		{"a directory that fails", aws.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":user/broken"}, auth.Call{Operation: send, Resources: []string{queue}}, "", "disk on fire"},
		{"anonymous", aws.Principal{}, auth.Call{Operation: send, Resources: []string{queue}}, "", "Missing"},
		{"another service", aws.Principal{Account: account, Service: "sns.amazonaws.com"}, auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:111111111111:fed"}}, "arn:aws:sns:us-east-1:111111111111:u", "Service: sns.amazonaws.com is not authorized"},
		{"on behalf of the right topic", aws.Principal{Account: account, Service: "sns.amazonaws.com"}, auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:111111111111:fed"}}, "arn:aws:sns:us-east-1:111111111111:t", ""},
		{"the service itself, sent to another account", aws.Principal{Account: account, Service: "sqs.amazonaws.com"}, auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:222222222222:theirs"}}, "", "Service: sqs.amazonaws.com is not authorized"},
		{"the service itself", aws.Principal{Account: account, Service: "sqs.amazonaws.com"}, auth.Call{Operation: send, Resources: []string{queue}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			usage := auth.NewUsage(nil)
			g := auth.NewGuard(auth.GuardOptions{Directory: directory, Clock: stopped{}, Usage: usage})
			if c.call.Input == nil {
				c.call.Input = c.call.Operation.New()
			}
			c.call.Holder = held
			ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: c.who, SourceARN: c.from})
			err := g.Authorize(ctx, &c.call)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// What was done becomes a policy that allows just that, and what was denied is told with what would allow it.
func TestUsage(t *testing.T) {
	var told []string
	usage := auth.NewUsage(func(_ context.Context, a auth.Access) { told = append(told, a.Action) })
	user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice", Policies: []policy.Source{source(t, statement("Allow", "sqs:*Message", "*", ""))}}
	g := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}, Usage: usage})
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}})
	for _, name := range []string{"SendMessage", "ReceiveMessage", "SendMessage", "DeleteQueue"} {
		op := sqsapi.API().Operation(name)
		if err := g.Authorize(ctx, &auth.Call{Operation: op, Input: op.New(), Resources: []string{queue}}); (err != nil) != (name == "DeleteQueue") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := []string{"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:SendMessage"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	since := stopped{}.Now().Add(-time.Minute)
	if got := strings.Join(strings.Fields(usage.Policy(user.ARN, since)), ""); got != `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:DeleteQueue","sqs:ReceiveMessage","sqs:SendMessage"],"Resource":["`+queue+`"]}]}` {
		t.Errorf("policy %s", got)
	}
	if got := usage.Policy("arn:aws:iam::111111111111:user/bob", since); got != "" {
		t.Errorf("somebody else's policy %s", got)
	}
	if got := usage.Policy("", stopped{}.Now().Add(time.Minute)); got != "" {
		t.Errorf("a later policy %s", got)
	}
	denials := usage.Denials()
	if len(denials) != 1 || denials[0].Action != "sqs:DeleteQueue" || denials[0].Resource != queue || denials[0].Identity != user.ARN || !strings.Contains(denials[0].Statement, "sqs:DeleteQueue") {
		t.Errorf("denials %+v", denials)
	}
}
