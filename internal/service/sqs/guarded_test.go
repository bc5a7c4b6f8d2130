package sqs_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
)

// Who may is asked about the queue that is worked on, whoever's it is: a handle made up is one of the queue that it names.
func TestWhatACallIsAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Start(t)
		ctx := aws.WithRequest(t.Context(), request())
		handle := base64.StdEncoding.EncodeToString([]byte(`{"taskId":"x","sourceArn":"arn:aws:sqs:eu-west-1:444455556666:dead"}`))
		for _, c := range []struct {
			op   string
			in   any
			want string
		}{
			{"CancelMessageMoveTask", &sqsapi.CancelMessageMoveTaskInput{TaskHandle: "nonsense"}, ""},
			{"CancelMessageMoveTask", &sqsapi.CancelMessageMoveTaskInput{TaskHandle: handle}, "arn:aws:sqs:eu-west-1:444455556666:dead"},
			{"SendMessage", &sqsapi.SendMessageInput{QueueUrl: "q"}, "arn:aws:sqs:" + region + ":" + account + ":q"},
			{"SendMessage", &sqsapi.SendMessageInput{QueueUrl: endpoint + "/444455556666/q"}, "arn:aws:sqs:" + region + ":444455556666:q"},
			{"ListQueues", &sqsapi.ListQueuesInput{}, ""},
		} {
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if got := p.service.Resources(ctx, sqsapi.API().Operation(c.op), c.in); !slices.Equal(got, want) {
				t.Errorf("%s %+v is about %v, want %v", c.op, c.in, got, want)
			}
		}
	})
}

// Who has dead letters moved back to where they came from has to be let send there.
func TestWhoMovesMessagesSendsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Start(t)
		arn := "arn:aws:sqs:" + region + ":" + account + ":"
		p.create(t.Context(), "dead")
		p.create(t.Context(), "other")
		for _, name := range []string{"one", "two"} {
			p.create(t.Context(), name, "RedrivePolicy", `{"deadLetterTargetArn":"`+arn+`dead","maxReceiveCount":2}`)
		}
		move := sqsapi.API().Operation("StartMessageMoveTask")
		for _, c := range []struct {
			to   aws.Opt[string]
			send string // the queues that alice may send to
			want string // part of the error
		}{
			{aws.Opt[string]{}, "*", ""},
			{aws.Opt[string]{}, "one", "sqs:sendmessage on resource: " + arn + "two"},
			{aws.Some(""), "one", "sqs:sendmessage on resource: " + arn + "two"},
			{aws.Some(arn + "other"), "other", ""},
			{aws.Some(arn + "other"), "one", "sqs:sendmessage on resource: " + arn + "other"},
		} {
			may, err := policy.Parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:StartMessageMoveTask","sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes"],
				"Resource":"`+arn+`dead"},{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"`+arn+c.send+`"}]}`, policy.Identity)
			if err != nil {
				t.Fatal(err)
			}
			alice := &auth.Identity{Kind: auth.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/alice", ID: "AIDAEXAMPLE", Name: "alice", Policies: []policy.Source{{Policy: may}}}
			r := request()
			r.Principal = aws.Principal{Account: account, ARN: alice.ARN, UserID: alice.ID}
			in := &sqsapi.StartMessageMoveTaskInput{SourceArn: arn + "dead", DestinationArn: c.to}
			err = auth.NewGuard(auth.GuardOptions{Directory: directory{alice}, Clock: p.clock}).Authorize(aws.WithRequest(t.Context(), r), &auth.Call{Operation: move, Input: in, Holder: p.service})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("to %v with leave to send to %s: %v, want %q", c.to, c.send, err, c.want)
			}
		}
	})
}

// directory has one user.
type directory struct{ user *auth.Identity }

func (directory) AccessKey(context.Context, string) (k auth.AccessKey, ok bool, err error) {
	return k, false, nil
}

func (d directory) Identity(_ context.Context, arn string) (*auth.Identity, bool, error) {
	return d.user, arn == d.user.ARN, nil
}

func (directory) Policy(context.Context, string) (s policy.Source, ok bool, err error) {
	return s, false, nil
}

// Others may be let send, receive, delete and look, and nothing else.
func TestWhatAQueuesPolicyMayAllowOthers(t *testing.T) {
	t.Parallel()
	var open []string
	var s sqs.Service
	for i := range sqsapi.API().Operations {
		if op := &sqsapi.API().Operations[i]; !s.Keeps(op) {
			open = append(open, op.Name)
		}
	}
	const want = "ChangeMessageVisibility ChangeMessageVisibilityBatch DeleteMessage DeleteMessageBatch GetQueueAttributes GetQueueUrl " +
		"ListDeadLetterSourceQueues PurgeQueue ReceiveMessage SendMessage SendMessageBatch"
	if got := strings.Join(open, " "); got != want {
		t.Errorf("others may be let do %s", got)
	}
}
