package sqs_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// A character that XML does not have is found wherever it stands.
func TestBodyWithForbiddenCharacter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), t.Context()
		url := p.create(ctx, "q")
		for _, bad := range []string{"\x00", "\x08", "\x0b", "\x1f", "\uffff", "\xff", "\xc3"} {
			for at := range 20 {
				for _, around := range []string{"a", "é", "\x7f"} {
					body := strings.Repeat(around, at) + bad + strings.Repeat(around, 9)
					_, err := p.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: body})
					var e *aws.Error
					if !errors.As(err, &e) || e.Code != "InvalidMessageContents" {
						t.Fatalf("%q: %v", body, err)
					}
				}
			}
		}
		for _, good := range []string{"a", "\t\n\r ~", strings.Repeat("abcdefgé\t\x7f\u0080\ufffd\U0010ffff", 5)} {
			for at := range 20 {
				body := strings.Repeat("x", at) + good
				if _, err := p.SendMessage(ctx, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: body}); err != nil {
					t.Fatalf("%q: %v", body, err)
				}
			}
		}
	})
}
