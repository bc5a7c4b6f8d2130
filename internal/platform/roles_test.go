package platform_test

import (
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
)

// A service acts as a role only where the role trusts it, and may then do what the role may: here it is logs, which runs a query.
func TestServicesActAsRoles(t *testing.T) {
	t.Parallel()
	n := serve(t, open(t, platform.Options{Identity: platform.Identity{Mode: auth.IAM, RootKey: rootKey}}))
	defer n.stop()
	ctx := t.Context()
	users := iamapi.Client{Invoker: asked(n, model.Query, rootKey.ID, rootKey.Secret)}
	client := logsapi.Client{Invoker: asked(n, model.JSON11, rootKey.ID, rootKey.Secret)}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/app"}))
	for _, c := range []struct{ name, trusts, may, want string }{
		{"trusting", "logs.amazonaws.com", "logs:StartQuery", ""},
		{"distrusting", "lambda.amazonaws.com", "logs:*", "is not authorized to perform: sts:AssumeRole"},
		{"powerless", "logs.amazonaws.com", "logs:GetQueryResults", "is not authorized to perform: logs:StartQuery"},
	} {
		must(users.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: c.name, AssumeRolePolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"` + c.trusts + `"},"Action":"sts:AssumeRole"}}`}))
		must(users.PutRolePolicy(ctx, &iamapi.PutRolePolicyInput{RoleName: c.name, PolicyName: "p", PolicyDocument: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"` + c.may + `","Resource":"*"}}`}))
		must(client.CreateScheduledQuery(ctx, &logsapi.CreateScheduledQueryInput{
			Name: c.name, QueryLanguage: logsapi.QueryLanguageCWLI, QueryString: "stats count()", LogGroupIdentifiers: []string{"/app"},
			ScheduleExpression: "cron(* * * * ? *)", ExecutionRoleArn: "arn:aws:iam::" + aws.DefaultAccount + ":role/" + c.name,
		}))
		if err := n.Advance(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		out, err := client.GetScheduledQueryHistory(ctx, &logsapi.GetScheduledQueryHistoryInput{Identifier: c.name, StartTime: 0, EndTime: time.Now().Add(time.Hour).UnixMilli()})
		must(out, err)
		if len(out.TriggerHistory) == 0 {
			t.Fatalf("%s: it never ran", c.name)
		}
		run := out.TriggerHistory[0]
		if got := run.ErrorMessage.V; !strings.Contains(got, c.want) || (c.want == "") != (run.ExecutionStatus.V == logsapi.ExecutionStatusComplete) {
			t.Errorf("%s: %s, %q, want something with %q", c.name, run.ExecutionStatus.V, got, c.want)
		}
		must(client.DeleteScheduledQuery(ctx, &logsapi.DeleteScheduledQueryInput{Identifier: c.name}))
	}
}
