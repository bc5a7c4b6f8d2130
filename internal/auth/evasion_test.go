package auth_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

// What a policy denies is denied by whatever name it is asked for.
func TestGuardIsNotEvaded(t *testing.T) {
	user := &auth.Identity{
		Kind: auth.User, Account: account, ARN: alice.ARN, ID: "AIDAALICEALICEALICE1", Name: "alice",
		Policies: []policy.Source{
			source(t, statement("Allow", "*", "*", "")),
			source(t, statement("Deny", "*", queue, "")),
			source(t, statement("Deny", "sqs:TagQueue", "*", `,"Condition":{"StringEquals":{"aws:ResourceTag/team":"b"}}`)),
		},
	}
	held := shelf{
		"arn:aws:sqs:us-east-1:111111111111:tagged": {Tags: map[string]string{"Team": "b"}},
		"arn:aws:sqs:us-east-1:111111111111:by-id":  {Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"AIDAALICEALICEALICE1"},"Action":"sqs:*","Resource":"*"}]}`},
	}
	held["arn:aws:iam::111111111111:user/ann"] = auth.Held{Keys: map[string]string{"iam:permissionsboundary": "arn:aws:iam::111111111111:policy/Bound"}}
	user.Policies = append(user.Policies, source(t, statement("Deny", "iam:*", "*", `,"Condition":{"ArnEquals":{"iam:PermissionsBoundary":"arn:aws:iam::111111111111:policy/Bound"}}`)))
	attach := iamapi.API().Operation("AttachUserPolicy")
	move, send, create := sqsapi.API().Operation("StartMessageMoveTask"), sqsapi.API().Operation("SendMessage"), sqsapi.API().Operation("CreateQueue")
	for name, c := range map[string]struct {
		call auth.Call
		want string // part of the error; allowed where empty
	}{
		"by its name":                    {auth.Call{Operation: move, Input: &sqsapi.StartMessageMoveTaskInput{SourceArn: queue}}, "explicit deny"},
		"as if in another partition":     {auth.Call{Operation: move, Input: &sqsapi.StartMessageMoveTaskInput{SourceArn: strings.Replace(queue, "aws", "aws-cn", 1)}}, "is not authorized"},
		"by the principal's unique id":   {auth.Call{Operation: send, Resources: []string{"arn:aws:sqs:us-east-1:111111111111:by-id"}}, "explicit deny in a resource-based policy"},
		"by a tag, as another action":    {auth.Call{Operation: create, Input: &sqsapi.CreateQueueInput{QueueName: "tagged", Tags: map[string]string{"a": "b"}}}, "perform: sqs:tagqueue"},
		"by what binds it":               {auth.Call{Operation: attach, Resources: []string{"arn:aws:iam::111111111111:user/ann"}}, "explicit deny"},
		"another, whom nothing binds":    {auth.Call{Operation: attach, Resources: []string{"arn:aws:iam::111111111111:user/bob"}}, ""},
		"another queue, without the tag": {auth.Call{Operation: create, Input: &sqsapi.CreateQueueInput{QueueName: "another", Tags: map[string]string{"a": "b"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}})
			c.call.Holder = held
			if c.call.Input == nil {
				c.call.Input = c.call.Operation.New()
			}
			ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}})
			if err := g.Authorize(ctx, &c.call); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Our own endpoints are about all accounts: one account's root may not use them because it may do everything in its own.
func TestPermitIsTheDefaultAccounts(t *testing.T) {
	directory := people{}
	for _, a := range []string{aws.DefaultAccount, account} {
		arn := "arn:aws:iam::" + a + ":root"
		directory[arn] = &auth.Identity{Kind: auth.Root, Account: a, ARN: arn, ID: a}
	}
	g := auth.NewGuard(auth.GuardOptions{Directory: directory, Clock: stopped{}})
	for a, want := range map[string]bool{aws.DefaultAccount: true, account: false} {
		ctx := aws.WithRequest(t.Context(), &aws.Request{
			Scope: aws.Scope{Account: a, Region: "us-east-1"}, Principal: aws.Principal{Account: a, ARN: "arn:aws:iam::" + a + ":root", UserID: a},
		})
		if err := g.Permit(ctx, "obidos:ChangeState"); (err == nil) != want {
			t.Errorf("root of %s: %v", a, err)
		}
	}
}

// Callers may ask for whatever they like, and nobody may ask, too: neither fills the memory nor becomes somebody's policy.
func TestUsageIsBounded(t *testing.T) {
	user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice"}
	usage := auth.NewUsage(nil)
	g := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}, Usage: usage})
	op := sqsapi.API().Operation("SendMessage")
	for _, c := range []struct {
		who      aws.Principal
		resource string
	}{
		{aws.Principal{}, "arn:aws:sqs:us-east-1:111111111111:anybodys"},
		{aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}, "arn:aws:sqs:us-east-1:111111111111:" + strings.Repeat("é", 1<<20)},
	} {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: c.who})
		if err := g.Authorize(ctx, &auth.Call{Operation: op, Input: op.New(), Resources: []string{c.resource}}); err == nil {
			t.Error("nothing allows it, and it is allowed")
		}
	}
	if got := usage.Policy("", time.Time{}); got != "" {
		t.Errorf("the policy is %.1000s", got)
	}
	denials := usage.Denials()
	if len(denials) != 2 || denials[1].Resource != "arn:aws:sqs:us-east-1:111111111111:anybodys" {
		t.Fatalf("%d denials: %.1000v", len(denials), denials)
	}
	if n := len(denials[0].Resource) + len(denials[0].Statement) + len(denials[0].In); n > 10_000 || !utf8.ValidString(denials[0].Resource) {
		t.Errorf("a denial has %d bytes", n)
	}
}

// Who insists on TLS does not shut out our own services, whose calls leave no machine but under TLS.
func TestServicesCallSecurely(t *testing.T) {
	held := shelf{queue: {Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`}}
	user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Policies: []policy.Source{source(t, statement("Allow", "*", "*", ""))}}
	g, op := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}}), sqsapi.API().Operation("SendMessage")
	for who, want := range map[*aws.Principal]bool{{Account: account, Service: "sns.amazonaws.com"}: true, {Account: account, ARN: user.ARN, UserID: user.ID}: false} {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: *who})
		if err := g.Authorize(ctx, &auth.Call{Operation: op, Input: op.New(), Resources: []string{queue}, Holder: held}); (err == nil) != want {
			t.Errorf("%s%s: %v", who.ARN, who.Service, err)
		}
	}
}

// keeper keeps queues from being deleted by others.
type keeper struct{ shelf }

func (keeper) Keeps(op *model.Operation) bool { return op.Name == "DeleteQueue" }

// A policy that is open to everybody opens what others may do, not what a service keeps for the owner.
func TestWhatIsKeptForTheOwner(t *testing.T) {
	const theirs = "arn:aws:sqs:us-east-1:222222222222:theirs"
	held := keeper{shelf{
		theirs: {Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`},
		queue:  {Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`},
	}}
	user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Policies: []policy.Source{source(t, statement("Allow", "*", "*", ""))}}
	g := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}})
	her := aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}
	for _, c := range []struct {
		who     aws.Principal
		op, on  string
		allowed bool
	}{
		{her, "SendMessage", theirs, true},
		{her, "DeleteQueue", theirs, false},
		{her, "DeleteQueue", queue, true},
		{aws.Principal{}, "SendMessage", theirs, true},
		{aws.Principal{}, "DeleteQueue", theirs, false},
	} {
		op := sqsapi.API().Operation(c.op)
		ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: c.who})
		if err := g.Authorize(ctx, &auth.Call{Operation: op, Input: op.New(), Resources: []string{c.on}, Holder: held}); (err == nil) != c.allowed {
			t.Errorf("%s of %s by %q: %v", c.op, c.on, c.who.ARN, err)
		}
	}
}

// What callers write where a name belongs is that name in the policy made of it, whatever it means there.
func TestWrittenPoliciesAllowNoMoreThanWasAsked(t *testing.T) {
	user := &auth.Identity{Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice"}
	api, queues := sqsapi.API(), "arn:aws:sqs:us-east-1:"+account+":"
	ctx := aws.WithRequest(t.Context(), &aws.Request{Scope: aws.Scope{Account: account, Region: "us-east-1"}, Principal: aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}})
	for name, c := range map[string]struct {
		op       string
		in       any
		resource string // as the service says it; of the input where empty
		want     string // empty where nothing is written
	}{
		"a name":                     {"SendMessage", &sqsapi.SendMessageInput{QueueUrl: "http://x/1/q"}, queues + "q", queues + "q"},
		"the service's wildcard":     {"SendMessage", &sqsapi.SendMessageInput{QueueUrl: "http://x/1/q"}, queues + "q:*", queues + "q:*"},
		"what is not known":          {"CancelMessageMoveTask", &sqsapi.CancelMessageMoveTaskInput{TaskHandle: "x"}, "", queues + "*"},
		"nothing in particular":      {"ListQueues", &sqsapi.ListQueuesInput{}, "", "*"},
		"a wildcard in a name":       {"CancelMessageMoveTask", &sqsapi.CancelMessageMoveTaskInput{TaskHandle: "x"}, queues + "q*?", queues + "q${*}${?}"},
		"a wildcard for a name":      {"SendMessage", &sqsapi.SendMessageInput{QueueUrl: "http://x/1/*"}, queues + "*", queues + "${*}"},
		"a wildcard in an exact ARN": {"CreateQueue", &sqsapi.CreateQueueInput{QueueName: "*"}, "", queues + "${*}"},
		"a variable":                 {"CreateQueue", &sqsapi.CreateQueueInput{QueueName: "${aws:username}$"}, "", queues + "${$}{aws:username}$"},
		"a wildcard for an account":  {"ListMessageMoveTasks", &sqsapi.ListMessageMoveTasksInput{SourceArn: "arn:aws:sqs:us-east-1:*:q"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			usage := auth.NewUsage(nil)
			g := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}, Usage: usage})
			call := &auth.Call{Operation: api.Operation(c.op), Input: c.in}
			if c.resource != "" {
				call.Resources = []string{c.resource}
			}
			if err := g.Authorize(ctx, call); err == nil {
				t.Error("nothing allows it, and it is allowed")
			}
			var written struct{ Statement []struct{ Resource []string } }
			if text := usage.Policy("", time.Time{}); c.want == "" {
				if text != "" || usage.Denials()[0].Statement != "" {
					t.Errorf("policy %s, denials %+v", text, usage.Denials())
				}
			} else if err := json.Unmarshal([]byte(text), &written); err != nil || !slices.Equal(written.Statement[0].Resource, []string{c.want}) {
				t.Errorf("policy %s, want it for %s", text, c.want)
			} else if s := usage.Denials()[0].Statement; !strings.Contains(s, `"`+c.want+`"`) {
				t.Errorf("would be allowed by %s, want it for %s", s, c.want)
			}
		})
	}
	usage := auth.NewUsage(nil)
	g := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}, Usage: usage})
	if err := g.Assume(ctx, &auth.Assumption{Operation: stsapi.API().Operation("AssumeRole"), Action: "sts:AssumeRole", ARN: "arn:aws:iam::" + account + ":role/*"}); err == nil {
		t.Error("there is no such role, and it is assumed")
	}
	if text := usage.Policy("", time.Time{}); !strings.Contains(text, ":role/${*}\"") {
		t.Errorf("policy %s", text)
	}
}
