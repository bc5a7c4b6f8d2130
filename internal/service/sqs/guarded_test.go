package sqs_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
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
