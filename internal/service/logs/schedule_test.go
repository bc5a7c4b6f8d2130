package logs_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// history is the runs of the last hour, the newest first.
func history(ctx context.Context, t *testing.T, p *platform, name string) []logsapi.TriggerHistoryRecord {
	t.Helper()
	synctest.Wait()
	now := p.clock.Now()
	out, err := p.GetScheduledQueryHistory(ctx, &logsapi.GetScheduledQueryHistoryInput{
		Identifier: name, StartTime: now.Add(-time.Hour).UnixMilli(), EndTime: now.UnixMilli(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.TriggerHistory
}

func TestScheduledQueryRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		p := start(t, e)
		ctx := aws.WithRequest(t.Context(), request())
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/shop"})
		must(err)
		_, err = p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "/shop", LogStreamName: "till"})
		must(err)
		in := &logsapi.CreateScheduledQueryInput{
			Name: "sales", QueryLanguage: logsapi.QueryLanguageCWLI, LogGroupIdentifiers: []string{"/shop"},
			QueryString:        "filter ispresent(item) | stats sum(price) as total by item | sort item asc",
			ScheduleExpression: "cron(0/5 * * * ? *)", StartTimeOffset: aws.Some(int64(600)), ExecutionRoleArn: "arn:aws:iam::111111111111:role/queries",
			DestinationConfiguration: &logsapi.DestinationConfiguration{LookupTableConfiguration: &logsapi.LookupTableConfiguration{
				TableName: "totals", RoleArn: "arn:aws:iam::111111111111:role/tables", Description: aws.Some("of ten minutes"),
			}},
		}
		_, err = p.CreateScheduledQuery(ctx, in)
		must(err)
		sell := func(message string) {
			t.Helper()
			_, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/shop", LogStreamName: "till", LogEvents: []logsapi.InputLogEvent{
				{Timestamp: p.clock.Now().UnixMilli(), Message: message},
			}})
			must(err)
		}
		table := func() string {
			t.Helper()
			out, err := p.GetLookupTable(ctx, &logsapi.GetLookupTableInput{LookupTableArn: "arn:aws:logs:us-east-1:111111111111:lookup-table:totals"})
			if err != nil {
				return err.Error()
			}
			return out.TableBody.V
		}
		sell(`{"item":"tea","price":3}`)
		sell(`{"item":"milk","price":1}`)
		time.Sleep(4*time.Minute + 59*time.Second)
		if h := history(ctx, t, p, "sales"); len(h) != 0 {
			t.Errorf("it ran before its time: %v", h)
		}
		time.Sleep(time.Second)
		h := history(ctx, t, p, "sales")
		if len(h) != 1 || h[0].ExecutionStatus.V != logsapi.ExecutionStatusComplete || h[0].TriggeredTimestamp.V != p.clock.Now().UnixMilli() ||
			len(h[0].Destinations) != 1 || h[0].Destinations[0].Status.V != logsapi.ActionStatusCOMPLETE {
			t.Fatalf("after five minutes the history is %v", h)
		}
		if got := table(); got != "item,total\nmilk,1\ntea,3\n" {
			t.Errorf("the table is %q", got)
		}

		// The next run has the table anew, though the process ended in between.
		sell(`{"item":"tea","price":4}`)
		p.stop()
		time.Sleep(7 * time.Minute)
		p = start(t, e)
		defer func() { p.stop() }()
		h = history(ctx, t, p, "sales")
		if len(h) != 2 || h[0].ExecutionStatus.V != logsapi.ExecutionStatusComplete {
			t.Fatalf("after a pause the history is %v", h)
		}
		if got := table(); got != "item,total\nmilk,1\ntea,7\n" {
			t.Errorf("the table is then %q", got)
		}

		// Nobody may write the table; then nobody may ask; then there is nothing to ask.
		change := &logsapi.UpdateScheduledQueryInput{
			Identifier: "sales", QueryLanguage: in.QueryLanguage, QueryString: in.QueryString, LogGroupIdentifiers: in.LogGroupIdentifiers,
			ScheduleExpression: in.ScheduleExpression, StartTimeOffset: aws.Some(int64(1200)), ExecutionRoleArn: in.ExecutionRoleArn, DestinationConfiguration: in.DestinationConfiguration,
		}
		change.DestinationConfiguration.LookupTableConfiguration.RoleArn = "arn:aws:iam::111111111111:role/nobody"
		_, err = p.UpdateScheduledQuery(ctx, change)
		must(err)
		time.Sleep(5 * time.Minute)
		h = history(ctx, t, p, "sales")
		if h[0].ExecutionStatus.V != logsapi.ExecutionStatusComplete || h[0].Destinations[0].Status.V != logsapi.ActionStatusCLIENTERROR || h[0].Destinations[0].ErrorMessage.V != "nobody may be it" {
			t.Errorf("without a role to deliver it the history is %v", h[0])
		}
		change.ExecutionRoleArn, change.DestinationConfiguration = "arn:aws:iam::111111111111:role/nobody", nil
		_, err = p.UpdateScheduledQuery(ctx, change)
		must(err)
		time.Sleep(5 * time.Minute)
		if h = history(ctx, t, p, "sales"); h[0].ExecutionStatus.V != logsapi.ExecutionStatusFailed || h[0].ErrorMessage.V != "nobody may be it" {
			t.Errorf("without a role to run it the history is %v", h[0])
		}
		change.ExecutionRoleArn = in.ExecutionRoleArn
		_, err = p.UpdateScheduledQuery(ctx, change)
		must(err)
		_, err = p.DeleteLogGroup(ctx, &logsapi.DeleteLogGroupInput{LogGroupName: "/shop"})
		must(err)
		time.Sleep(5 * time.Minute)
		if h = history(ctx, t, p, "sales"); h[0].ExecutionStatus.V != logsapi.ExecutionStatusFailed || !strings.Contains(h[0].ErrorMessage.V, "does not exist") {
			t.Errorf("without a group the history is %v", h[0])
		}
		got, err := p.GetScheduledQuery(ctx, &logsapi.GetScheduledQueryInput{Identifier: "sales"})
		must(err)
		if got.LastExecutionStatus.V != logsapi.ExecutionStatusFailed || got.LastTriggeredTime.V != h[0].TriggeredTimestamp.V {
			t.Errorf("it was last run at %d: %s", got.LastTriggeredTime.V, got.LastExecutionStatus.V)
		}
	})
}
