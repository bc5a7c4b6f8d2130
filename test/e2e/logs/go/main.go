// CloudWatch Logs with the AWS SDK for Go v2: a writer that works as Fluent Bit's output plugin does, pages, and Live Tail.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func check(ok bool, what string, args ...any) {
	if !ok {
		log.Fatal("not so: ", fmt.Sprintf(what, args...))
	}
}

// output writes events in batches as large as AWS takes them, sorted by time, into a group and stream that it makes when it is told
// that they are not there, with the token of the last answer.
type output struct {
	logs          *cloudwatchlogs.Client
	group, stream string
	format        string // of x-amzn-logs-format
	events        []types.InputLogEvent
	bytes         int
	token         *string
	calls         int
}

func (o *output) add(ctx context.Context, at time.Time, message string) {
	if o.bytes+len(message)+26 > 1<<20 || len(o.events) == 10000 {
		o.flush(ctx)
	}
	o.events = append(o.events, types.InputLogEvent{Timestamp: aws.Int64(at.UnixMilli()), Message: &message})
	o.bytes += len(message) + 26
}

func (o *output) flush(ctx context.Context) {
	slices.SortStableFunc(o.events, func(a, b types.InputLogEvent) int { return int(*a.Timestamp - *b.Timestamp) })
	for {
		o.calls++
		out, err := o.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &o.group, LogStreamName: &o.stream, LogEvents: o.events, SequenceToken: o.token},
			func(p *cloudwatchlogs.Options) {
				if o.format != "" {
					p.APIOptions = append(p.APIOptions, smithyhttp.AddHeaderValue("X-Amzn-Logs-Format", o.format))
				}
			})
		var missing *types.ResourceNotFoundException
		switch {
		case errors.As(err, &missing) && strings.Contains(missing.ErrorMessage(), "log group"):
			must(o.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &o.group}))
			continue
		case errors.As(err, &missing) && strings.Contains(missing.ErrorMessage(), "log stream"):
			must(o.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &o.group, LogStreamName: &o.stream}))
			continue
		case err != nil:
			log.Fatal(err)
		}
		check(out.RejectedLogEventsInfo == nil, "nothing is rejected: %+v", out.RejectedLogEventsInfo)
		o.token, o.events, o.bytes = out.NextSequenceToken, nil, 0
		return
	}
}

func main() {
	ctx := context.Background()
	dialer := &net.Dialer{}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, strings.TrimPrefix(strings.TrimPrefix(address, "stream-"), "streaming-")) // names that are no hosts here
		}
	})
	logs := cloudwatchlogs.NewFromConfig(must(config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))))

	o := &output{logs: logs, group: "/fluent-bit", stream: "app"}
	now := time.Now()
	for i := range 25000 { // in no order, as several inputs bring them
		o.add(ctx, now.Add(-time.Duration(i*7919%25000)*time.Millisecond), fmt.Sprintf(`{"n":%d,"log":"a line of some length that a container wrote"}`, i))
	}
	o.flush(ctx)
	check(o.calls == 2+3, "it takes %d calls", o.calls)
	o.format = "json/emf"
	o.add(ctx, now, `{"_aws":{"Timestamp":`+fmt.Sprint(now.UnixMilli())+`,"CloudWatchMetrics":[{"Namespace":"e2e","Dimensions":[["app"]],"Metrics":[{"Name":"n"}]}]},"app":"one","n":1}`)
	o.flush(ctx)

	seen := map[string]bool{}
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &o.group, FilterPattern: aws.String("{ $.log = * }")}); p.HasMorePages(); {
		last := int64(0)
		for _, e := range must(p.NextPage(ctx)).Events {
			check(*e.Timestamp >= last, "events are in order")
			last = *e.Timestamp
			seen[*e.Message] = true
		}
	}
	check(len(seen) == 25000, "%d of 25000 events are there once", len(seen))

	groups := must(logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &o.group}))
	tail := must(logs.StartLiveTail(ctx, &cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: []string{*groups.LogGroups[0].LogGroupArn}, LogEventFilterPattern: aws.String("live")}))
	stream := tail.GetStream()
	for event := range stream.Events() {
		switch e := event.(type) {
		case *types.StartLiveTailResponseStreamMemberSessionStart:
			check(*e.Value.LogEventFilterPattern == "live", "the session has its filter")
			o.format = ""
			o.add(ctx, time.Now(), "dead")
			o.add(ctx, time.Now(), "live")
			o.flush(ctx)
		case *types.StartLiveTailResponseStreamMemberSessionUpdate:
			if r := e.Value.SessionResults; len(r) > 0 {
				check(len(r) == 1 && *r[0].Message == "live", "what is shown is live: %+v", r)
				check(stream.Close() == nil, "the session ends")
			}
		}
	}
	check(stream.Err() == nil, "the session went well: %v", stream.Err())
	fmt.Println("ok: Go with logs")
}
