package logs_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/vendedlogs"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

const bus = "arn:aws:events:us-east-1:111111111111:event-bus/orders"

// deliver joins the error log of a bus to the group /vended.
func deliver(t *testing.T, p *platform, ctx context.Context, format logsapi.OutputFormat, fields []string) {
	t.Helper()
	if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/vended"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.PutDeliverySource(ctx, &logsapi.PutDeliverySourceInput{Name: "bus", ResourceArn: bus, LogType: "ERROR_LOGS"}); err != nil {
		t.Fatal(err)
	}
	d, err := p.PutDeliveryDestination(ctx, &logsapi.PutDeliveryDestinationInput{
		Name: "group", OutputFormat: aws.NonZero(format), DeliveryDestinationConfiguration: &logsapi.DeliveryDestinationConfiguration{
			DestinationResourceArn: "arn:aws:logs:us-east-1:111111111111:log-group:/vended:*",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateDelivery(ctx, &logsapi.CreateDeliveryInput{DeliverySourceName: "bus", DeliveryDestinationArn: d.DeliveryDestination.Arn.V, RecordFields: fields}); err != nil {
		t.Fatal(err)
	}
}

// vend has records of the bus be logged in a transaction of somebody else's.
func vend(t *testing.T, s *store.Store, p *platform, ctx context.Context, records ...vendedlogs.Record) {
	t.Helper()
	if _, err := store.Update(ctx, s.Space("events"), func(tx *store.Tx) (struct{}, error) {
		p.service.Vend(tx, bus, "ERROR_LOGS", tx.Now(), records...)
		return struct{}{}, nil
	}); err != nil {
		t.Fatal(err)
	}
}

func vended(t *testing.T, p *platform, ctx context.Context) (messages []string) {
	t.Helper()
	for in := (&logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/vended")}); ; {
		out, err := p.FilterLogEvents(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			if e.LogStreamName.V != "events_ERROR_LOGS" {
				t.Errorf("it is in %s", e.LogStreamName.V)
			}
			messages = append(messages, e.Message.V)
		}
		if in.NextToken = out.NextToken; !out.NextToken.Set {
			return messages
		}
	}
}

func TestLogsAreDelivered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format logsapi.OutputFormat
		fields []string
		want   string
	}{
		{"", nil, `{"message_timestamp_ms":3,"event_bus_name":"orders","error":"no\tgo"}`},
		{"json", []string{"error", "event_bus_name"}, `{"error":"no\tgo","event_bus_name":"orders"}`},
		{"plain", []string{"error", "details", "event_bus_name"}, "\"no\\tgo\"\t-\torders"},
	} {
		synctest.Test(t, func(t *testing.T) {
			engine := memory.New(memory.Options{})
			p := start(t, engine)
			defer p.stop()
			s, ctx := &store.Store{Engine: engine, Clock: p.clock}, aws.WithRequest(t.Context(), request())
			r := vendedlogs.Record{}
			r.Set("event_bus_name", "orders")
			r.Set("message_timestamp_ms", 3)
			r.Set("error", "no\tgo")
			vend(t, s, p, ctx, r) // nobody wants it yet
			synctest.Wait()
			deliver(t, p, ctx, c.format, c.fields)
			vend(t, s, p, ctx, r, r)
			synctest.Wait()
			if got := vended(t, p, ctx); len(got) != 2 || got[0] != c.want {
				t.Errorf("it is %q", got)
			}
		})
	}
}

// A log of many large records is written in as many batches as it takes, in their order.
func TestMuchIsDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := memory.New(memory.Options{})
		p := start(t, engine)
		defer p.stop()
		s, ctx := &store.Store{Engine: engine, Clock: p.clock}, aws.WithRequest(t.Context(), request())
		deliver(t, p, ctx, "json", []string{"event_id", "error"})
		var all []vendedlogs.Record
		for i := range 5 {
			r := vendedlogs.Record{}
			r.Set("event_id", i)
			r.Set("error", strings.Repeat("x", 100<<10))
			all = append(all, r)
		}
		for range 3 {
			vend(t, s, p, ctx, all...)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		got := vended(t, p, ctx)
		if len(got) != 15 {
			t.Fatalf("%d events", len(got))
		}
		for i, m := range got {
			var e struct {
				ID int `json:"event_id"`
			}
			if err := json.Unmarshal([]byte(m), &e); err != nil || e.ID != i%5 {
				t.Errorf("event %d is %d, %v", i, e.ID, err)
			}
		}
	})
}

func TestDeliveryResources(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		resourcetest.Case
	}{
		{"AWS::Logs::DeliverySource", resourcetest.Case{
			Named: true, Missing: "none",
			Desired: `{"Name":"other","ResourceArn":"arn:aws:events:us-east-1:111111111111:event-bus/other","LogType":"INFO_LOGS","Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"Name":"other","ResourceArn":"arn:aws:events:us-east-1:111111111111:event-bus/other","LogType":"TRACE_LOGS","Tags":[{"Key":"a","Value":"3"},{"Key":"c","Value":"2"}]}`,
		}},
		{"AWS::Logs::DeliveryDestination", resourcetest.Case{
			Named: true, Missing: "none",
			Desired: `{"Name":"bucket","DestinationResourceArn":"arn:aws:s3:::bucket","OutputFormat":"json","DeliveryDestinationType":"S3","Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"Name":"bucket","DestinationResourceArn":"arn:aws:s3:::bucket","OutputFormat":"json","DeliveryDestinationType":"S3","Tags":[{"Key":"a","Value":"3"},{"Key":"c","Value":"2"}]}`,
		}},
		{"AWS::Logs::Delivery", resourcetest.Case{
			Missing: "none",
			Desired: `{"DeliverySourceName":"traced","DeliveryDestinationArn":"arn:aws:logs:us-east-1:111111111111:delivery-destination:group","RecordFields":["error"],"FieldDelimiter":"|","Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"DeliverySourceName":"traced","DeliveryDestinationArn":"arn:aws:logs:us-east-1:111111111111:delivery-destination:group","RecordFields":["error","details"],"FieldDelimiter":",","Tags":[{"Key":"a","Value":"3"},{"Key":"c","Value":"2"}]}`,
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, memory.New(memory.Options{}))
			defer p.stop()
			c.Context = func() context.Context { return aws.WithRequest(t.Context(), request()) }
			deliver(t, p, c.Context(), "", nil)
			if _, err := p.PutDeliverySource(c.Context(), &logsapi.PutDeliverySourceInput{Name: "traced", ResourceArn: bus, LogType: "TRACE_LOGS"}); err != nil {
				t.Fatal(err)
			}
			for _, offered := range p.service.Types(p.Client) {
				if offered.Name == c.name {
					c.Type = offered
				}
			}
			resourcetest.Run(t, c.Case)
		})
	}
}
