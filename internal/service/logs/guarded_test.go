package logs_test

import (
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// Resource policies are held out to services of AWS, all that reach a group in one document, and to nobody else.
func TestResourcePoliciesAreForServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.New(memory.Options{}))
		defer p.stop()
		ctx := aws.WithRequest(t.Context(), request())
		service := *request()
		service.Principal = aws.Principal{Service: "route53.amazonaws.com"}
		byService := aws.WithRequest(t.Context(), &service)
		const arn = "arn:aws:logs:us-east-1:111111111111:log-group:/app"
		if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/app"}); err != nil {
			t.Fatal(err)
		}
		held := func(want string) {
			t.Helper()
			if h, err := p.service.Hold(byService, arn+":log-stream:x"); err != nil || h.Policy != want {
				t.Errorf("a service is held out %q (%v), want %q", h.Policy, err, want)
			}
			if h, err := p.service.Hold(ctx, arn+":log-stream:x"); err != nil || h.Policy != "" {
				t.Errorf("a user is held out %q (%v)", h.Policy, err)
			}
		}
		held("")
		for _, in := range []logsapi.PutResourcePolicyInput{
			{PolicyName: aws.Some("a"), PolicyDocument: aws.Some(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"route53.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}}`)},
			{ResourceArn: aws.Some(arn), PolicyDocument: aws.Some(`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"logs:*","Resource":"*"}]}`)},
		} {
			if _, err := p.PutResourcePolicy(ctx, &in); err != nil {
				t.Fatal(err)
			}
		}
		held(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"route53.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"logs:*","Resource":"*"}]}`)
	})
}
