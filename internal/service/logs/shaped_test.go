package logs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// typeNamed is one of the service's types of resource.
func typeNamed(t *testing.T, p *platform, name string) resource.Type {
	t.Helper()
	for _, k := range p.service.Types(p.Client) {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("the service offers no %s", name)
	return resource.Type{}
}

func TestShapedResources(t *testing.T) {
	for name, c := range map[string]resourcetest.Case{
		"AWS::Logs::Transformer": {
			Named: true, Missing: "/none",
			Desired: `{"LogGroupIdentifier":"/there","TransformerConfig":[{"ParseJSON":{"Destination":"d"}},{"AddKeys":{"Entries":[{"Key":"a","Value":"b","OverwriteIfExists":true}]}}]}`,
			Changed: `{"LogGroupIdentifier":"/there","TransformerConfig":[{"ParseJSON":{}},{"DeleteKeys":{"WithKeys":["a","b"]}},{"TypeConverter":{"Entries":[{"Key":"c","Type":"integer"}]}}]}`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := start(t, memory.New(memory.Options{}))
			defer p.stop()
			ctx := func() context.Context { return aws.WithRequest(t.Context(), request()) }
			if _, err := p.CreateLogGroup(ctx(), &logsapi.CreateLogGroupInput{LogGroupName: "/there"}); err != nil {
				t.Fatal(err)
			}
			c.Type, c.Context = typeNamed(t, p, name), ctx
			resourcetest.Run(t, c)
		})
	}
}

// TestTransformersOfManyBatches: what a stream's events became does not change when their chunks are merged, nor when other
// transformers come.
func TestTransformersOfManyBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memory.New(memory.Options{}))
		defer p.stop()
		ctx := aws.WithRequest(t.Context(), request())
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/g"})
		must(err)
		_, err = p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "/g", LogStreamName: "s"})
		must(err)
		begin := p.clock.Now().UnixMilli()
		const each = 50
		for version := range 4 {
			if version > 0 {
				_, err = p.PutTransformer(ctx, &logsapi.PutTransformerInput{LogGroupIdentifier: "/g", TransformerConfig: []logsapi.Processor{
					{Csv: &logsapi.CSV{Columns: []string{"n"}}},
					{AddKeys: &logsapi.AddKeys{Entries: []logsapi.AddKeyEntry{{Key: "v", Value: fmt.Sprint("v", version)}}}},
				}})
				must(err)
			}
			for i := range each {
				_, err = p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/g", LogStreamName: "s", LogEvents: []logsapi.InputLogEvent{
					{Timestamp: p.clock.Now().UnixMilli(), Message: fmt.Sprint(i)},
				}})
				must(err)
			}
			time.Sleep(time.Second)
			synctest.Wait() // the chunks are merged
		}
		got := query(ctx, t, p, "/g", begin-1000, p.clock.Now().UnixMilli(), "stats count(), count(n) by v | sort v")
		want := `[[["count()","50"],["count(n)","0"]],[["v","v1"],["count()","50"],["count(n)","50"]],[["v","v2"],["count()","50"],["count(n)","50"]],[["v","v3"],["count()","50"],["count(n)","50"]]]`
		if got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
		fields, err := p.GetLogGroupFields(ctx, &logsapi.GetLogGroupFieldsInput{LogGroupName: aws.Some("/g")})
		must(err)
		if !slices.ContainsFunc(fields.LogGroupFields, func(f logsapi.LogGroupField) bool { return f.Name.V == "v" && f.Percent.V == 75 }) {
			t.Errorf("the fields found are %v", fields.LogGroupFields)
		}
	})
}

// query carries a query out, in a bubble, and gives its rows as JSON.
func query(ctx context.Context, t *testing.T, p *platform, group string, from, to int64, text string) string {
	t.Helper()
	q, err := p.StartQuery(ctx, &logsapi.StartQueryInput{LogGroupName: aws.Some(group), StartTime: from, EndTime: to, QueryString: text})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	out, err := p.GetQueryResults(ctx, &logsapi.GetQueryResultsInput{QueryId: q.QueryId.V})
	if err != nil || out.Status.V != logsapi.QueryStatusComplete {
		t.Fatalf("the query is %s (%v)", out.Status.V, err)
	}
	rows := [][][2]string{}
	for _, r := range out.Results {
		row := [][2]string{}
		for _, f := range r {
			if f.Field.V != "@ptr" {
				row = append(row, [2]string{f.Field.V, f.Value.V})
			}
		}
		rows = append(rows, row)
	}
	b, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLargeLookupTable: a table that does not fit into a transaction is there as a whole, or as it was.
func TestLargeLookupTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		p := start(t, e)
		defer p.stop()
		ctx := aws.WithRequest(t.Context(), request())
		body := "id,text\n" + strings.Repeat("7,"+strings.Repeat("x", 1000)+"\n", 9_900) + "8,last\n"
		made, err := p.CreateLookupTable(ctx, &logsapi.CreateLookupTableInput{LookupTableName: "large", TableBody: aws.Some(body)})
		if err != nil {
			t.Fatal(err)
		}
		check := func(want string) {
			t.Helper()
			out, err := p.GetLookupTable(ctx, &logsapi.GetLookupTableInput{LookupTableArn: made.LookupTableArn.V})
			if err != nil || out.TableBody.V != want || out.SizeBytes.V != int64(len(want)) {
				t.Errorf("it has %d bytes (%v), want %d", len(out.TableBody.V), err, len(want))
			}
		}
		check(body)
		if _, err := p.UpdateLookupTable(ctx, &logsapi.UpdateLookupTableInput{LookupTableArn: made.LookupTableArn.V, TableBody: aws.Some(body[:len(body)-1] + "\"")}); err == nil {
			t.Error("a body that is no CSV is taken")
		}
		if _, err := p.UpdateLookupTable(ctx, &logsapi.UpdateLookupTableInput{LookupTableArn: made.LookupTableArn.V, TableBody: aws.Some(body + body)}); err == nil {
			t.Error("a body that is too large is taken")
		}
		check(body)
		again := strings.ReplaceAll(body, "7,", "9,")
		if _, err := p.UpdateLookupTable(ctx, &logsapi.UpdateLookupTableInput{LookupTableArn: made.LookupTableArn.V, TableBody: aws.Some(again)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour) // what nothing names is forgotten
		check(again)
	})
}
