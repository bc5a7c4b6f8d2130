package logs_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/service/logs"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/subscription"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// receivers stand in for streams and functions: they keep what they are told, but for those that are down.
type receivers struct {
	queue task.Queue[delivery.Event]

	mu     sync.Mutex
	down   map[string]bool
	tests  []delivery.Event
	events []delivery.Event
}

func (r *receivers) Probe(_ context.Context, e delivery.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down[e.Target] {
		return errors.New("it is down")
	}
	r.tests = append(r.tests, e)
	return nil
}

func (r *receivers) Send(w store.Writer, e delivery.Event) string {
	return r.queue.Add(w, e, task.Add{Target: e.Target, Key: e.Order})
}

// message is what was told, unpacked.
func message(t *testing.T, e delivery.Event) subscription.Message {
	t.Helper()
	body := e.Body
	if strings.Contains(e.Target, ":lambda:") {
		var in struct {
			Logs struct{ Data []byte } `json:"awslogs"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			t.Fatal(err)
		}
		body = in.Logs.Data
	}
	z, err := gzip.NewReader(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	var m subscription.Message
	if err := json.NewDecoder(z).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// watched is the service with telemetry and receivers.
type watched struct {
	*platform
	receivers *receivers
	archive   *telemetry.Archive
}

func startWatched(t *testing.T, e store.Engine) *watched {
	p := &platform{clock: clock.New()}
	s := &store.Store{Engine: e, Clock: p.clock}
	tasks := task.NewRunner(s.Space("task"), p.clock, task.RunnerOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	timers := timer.New(s.Space("timer"), p.clock, timer.Options{})
	w := &watched{platform: p, receivers: &receivers{down: map[string]bool{}}, archive: telemetry.NewArchive(s.Space("telemetry"))}
	w.receivers.queue = task.NewQueue(tasks, "receive", func(_ context.Context, _ string, e delivery.Event) error {
		w.receivers.mu.Lock()
		defer w.receivers.mu.Unlock()
		if w.receivers.down[e.Target] {
			return errors.New("it is down")
		}
		w.receivers.events = append(w.receivers.events, e)
		return nil
	}, task.Options{})
	recorder := telemetry.New(telemetry.Options{Clock: p.clock, Archive: w.archive})
	p.service = logs.New(s.Space("logs"), tasks, timers, logs.Options{Telemetry: recorder, Deliveries: w.receivers})
	p.Client = logsapi.Client{Invoker: p}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{tasks.Run, timers.Run, recorder.Run} {
		all.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
				t.Errorf("run: %v", err)
			}
		})
	}
	p.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		p.clock.Close()
	})
	t.Cleanup(p.stop)
	return w
}

func (w *watched) put(t *testing.T, group, stream string, messages ...string) {
	t.Helper()
	in := &logsapi.PutLogEventsInput{LogGroupName: group, LogStreamName: stream}
	for i, m := range messages {
		in.LogEvents = append(in.LogEvents, logsapi.InputLogEvent{Timestamp: w.clock.Now().UnixMilli() + int64(i), Message: m})
	}
	if _, err := w.PutLogEvents(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (w *watched) make(t *testing.T, group string, streams ...string) {
	t.Helper()
	if _, err := w.CreateLogGroup(t.Context(), &logsapi.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		if _, err := w.CreateLogStream(t.Context(), &logsapi.CreateLogStreamInput{LogGroupName: group, LogStreamName: s}); err != nil {
			t.Fatal(err)
		}
	}
}

// data is what telemetry has of a series, in a line.
func (w *watched) data(t *testing.T, id telemetry.SeriesID) string {
	t.Helper()
	id.Scope = request().Scope
	points, err := w.archive.Data(context.Background(), id, time.UnixMilli(0), w.clock.Now().Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var d telemetry.Datum
	for _, p := range points {
		d.Merge(p.Datum)
	}
	return fmt.Sprint(d.Count, " ", d.Sum)
}

// What metric filters count, and what events bring themselves, is recorded in the minutes of the events.
func TestMetricsOfEventsAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatched(t, memory.New(memory.Options{}))
		w.make(t, "/app", "one")
		w.make(t, "/plain", "one")
		zero := 0.0
		for name, in := range map[string]*logsapi.PutMetricFilterInput{
			"errors": {FilterPattern: "ERROR", MetricTransformations: []logsapi.MetricTransformation{{MetricName: "Errors", MetricNamespace: "App", MetricValue: "1", DefaultValue: aws.Some(zero)}}},
			"latency": {FilterPattern: "{ $.ms = * }", EmitSystemFieldDimensions: []string{"@aws.region"}, MetricTransformations: []logsapi.MetricTransformation{
				{MetricName: "Latency", MetricNamespace: "App", MetricValue: "$.ms", Unit: aws.Some(logsapi.StandardUnitMilliseconds), Dimensions: map[string]string{"Path": "$.path"}},
			}},
			"elsewhere": {FieldSelectionCriteria: aws.Some(`@aws.region = "eu-west-1"`), MetricTransformations: []logsapi.MetricTransformation{{MetricName: "Elsewhere", MetricNamespace: "App", MetricValue: "1"}}},
		} {
			in.LogGroupName, in.FilterName = "/app", name
			if _, err := w.PutMetricFilter(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		now := w.clock.Now()
		embedded := func(at int64, more string) string {
			return fmt.Sprintf(`START {"_aws":{"Timestamp":%d,"CloudWatchMetrics":[{"Namespace":"Own","Dimensions":[["Stage"],[]],"Metrics":[{"Name":"Orders","Unit":"Count"}]}]},"Stage":"dev","Orders":[1,2]%s}`, at, more)
		}
		w.put(t, "/app", "one", "ERROR a", "INFO", "ERROR b", `{"ms":12,"path":"/a"}`, `{"ms":30,"path":"/a"}`, `{"ms":"slow","path":"/a"}`, `{"ms":5}`)
		w.put(t, "/plain", "one", embedded(now.UnixMilli(), ""), embedded(now.Add(-20*24*time.Hour).UnixMilli(), ""), embedded(now.UnixMilli(), ",,"), `{"_aws":{"CloudWatchMetrics":[]}}`, "ERROR")

		// A filter that is gone counts no more, and one that is changed counts as it is then.
		if _, err := w.PutMetricFilter(t.Context(), &logsapi.PutMetricFilterInput{LogGroupName: "/app", FilterName: "errors", FilterPattern: "FATAL", MetricTransformations: []logsapi.MetricTransformation{{MetricName: "Errors", MetricNamespace: "App", MetricValue: "100"}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DeleteMetricFilter(t.Context(), &logsapi.DeleteMetricFilterInput{LogGroupName: "/app", FilterName: "latency"}); err != nil {
			t.Fatal(err)
		}
		w.put(t, "/app", "one", "ERROR", "FATAL", `{"ms":1000,"path":"/a"}`)

		// What was not taken is not counted.
		in := &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: "one", LogEvents: []logsapi.InputLogEvent{{Timestamp: now.AddDate(0, 0, -15).UnixMilli(), Message: "FATAL"}, {Timestamp: now.AddDate(0, 0, -10).UnixMilli(), Message: "FATAL"}}}
		if _, err := w.PutLogEvents(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		w.stop()
		region := telemetry.Dimensions("@aws.region", "us-east-1")
		for id, want := range map[telemetry.SeriesID]string{
			{Namespace: "App", Name: "Errors", Unit: "None"}: "9 202", // seven events, two of which match; then one, and one of the past
			{Namespace: "App", Name: "Latency", Unit: "Milliseconds", Dimensions: telemetry.Dimensions("@aws.region", "us-east-1", "Path", "/a")}: "2 42",
			{Namespace: "App", Name: "Latency", Unit: "Milliseconds", Dimensions: region}:                                                         "1 5",
			{Namespace: "App", Name: "Elsewhere", Unit: "None"}:                                                                                   "0 0",
			{Namespace: "Own", Name: "Orders", Unit: "Count", Dimensions: telemetry.Dimensions("Stage", "dev")}:                                   "2 3",
			{Namespace: "Own", Name: "Orders", Unit: "Count"}:                                                                                     "2 3",
			{Namespace: "AWS/Logs", Name: "EMFParsingErrors", Unit: "Count", Dimensions: telemetry.Dimensions("LogGroupName", "/plain")}:          "1 1",
			{Namespace: "AWS/Logs", Name: "EMFValidationErrors", Unit: "Count", Dimensions: telemetry.Dimensions("LogGroupName", "/plain")}:       "2 2",
		} {
			if got := w.data(t, id); got != want {
				t.Errorf("%+v: %s, want %s", id, got, want)
			}
		}
	})
}

const (
	function = "arn:aws:lambda:us-east-1:111111111111:function:f"
	stream   = "arn:aws:kinesis:us-east-1:111111111111:stream/s"
	role     = "arn:aws:iam::111111111111:role/r"
)

func (w *watched) subscribe(t *testing.T, in *logsapi.PutSubscriptionFilterInput) error {
	t.Helper()
	_, err := w.PutSubscriptionFilter(t.Context(), in)
	return err
}

// told is what a target was told, message by message.
func (w *watched) told(t *testing.T, target string) (all []subscription.Message) {
	t.Helper()
	synctest.Wait()
	w.receivers.mu.Lock()
	defer w.receivers.mu.Unlock()
	for _, e := range w.receivers.events {
		if e.Target == target {
			all = append(all, message(t, e))
		}
	}
	return all
}

// Subscribers get the events that match, in order, as AWS words them; those of both filters and of the moment they are set.
func TestSubscribersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatched(t, memory.New(memory.Options{}))
		w.make(t, "/app", "one", "two")
		w.receivers.down[function] = true
		all := &logsapi.PutSubscriptionFilterInput{LogGroupName: "/app", FilterName: "all", DestinationArn: function}
		if err := w.subscribe(t, all); err == nil || !strings.Contains(err.Error(), "Could not execute the lambda function.") {
			t.Fatalf("a function that is down: %v", err)
		}
		w.put(t, "/app", "one", "before")
		w.receivers.down[function] = false
		if err := w.subscribe(t, all); err != nil {
			t.Fatal(err)
		}
		fields := &logsapi.PutSubscriptionFilterInput{
			LogGroupName: "/app", FilterName: "fields", FilterPattern: "[ip, status=5*]", DestinationArn: stream, RoleArn: aws.Some(role),
			EmitSystemFields: []string{"@aws.account", "@source.log"},
		}
		if err := w.subscribe(t, fields); err != nil {
			t.Fatal(err)
		}
		if err := w.subscribe(t, &logsapi.PutSubscriptionFilterInput{LogGroupName: "/app", FilterName: "third", DestinationArn: function}); err == nil || !strings.Contains(err.Error(), "LimitExceededException: Resource limit exceeded.") {
			t.Errorf("a third filter: %v", err)
		}
		if len(w.receivers.tests) != 2 {
			t.Fatalf("%d tests", len(w.receivers.tests))
		}
		if m := message(t, w.receivers.tests[1]); m.Type != "CONTROL_MESSAGE" || m.Owner != "CloudwatchLogs" || len(m.Filters) != 0 || len(m.Events) != 1 ||
			m.Events[0].Message != "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream." || !w.receivers.tests[1].Test {
			t.Errorf("the test message: %+v", m)
		}
		w.put(t, "/app", "one", "<first> & \"second\"", "10.0.0.1 503")
		w.put(t, "/app", "two", "10.0.0.2 200")

		got := w.told(t, function)
		if len(got) != 2 {
			t.Fatalf("the function was told %+v", got)
		}
		slices.SortFunc(got, func(a, b subscription.Message) int { return strings.Compare(a.Stream, b.Stream) })
		m := got[0]
		if m.Type != "DATA_MESSAGE" || m.Owner != account || m.Group != "/app" || m.Stream != "one" || !slices.Equal(m.Filters, []string{"all"}) || m.Level != "" || len(m.Events) != 2 ||
			m.Events[0].Message != "<first> & \"second\"" || m.Events[1].Message != "10.0.0.1 503" || m.Events[0].Extracted != nil {
			t.Errorf("%+v", m)
		}
		found, err := w.FilterLogEvents(t.Context(), &logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app"), FilterPattern: aws.Some("503")})
		if err != nil {
			t.Fatal(err)
		}
		if e := found.Events[0]; e.EventId.V != m.Events[1].ID || e.Timestamp.V != m.Events[1].Time {
			t.Errorf("the event is %+v, and was told as %+v", e, m.Events[1])
		}
		got = w.told(t, stream)
		if len(got) != 1 || len(got[0].Events) != 1 {
			t.Fatalf("the stream was told %+v", got)
		}
		if x := got[0].Events[0].Extracted; len(x) != 4 || x["ip"] != "10.0.0.1" || x["status"] != "503" || x["@aws.account"] != account || x["@source.log"] != account+":/app" {
			t.Errorf("extracted %v", x)
		}

		// A filter that is gone sends no more.
		if _, err := w.DeleteSubscriptionFilter(t.Context(), &logsapi.DeleteSubscriptionFilterInput{LogGroupName: "/app", FilterName: "all"}); err != nil {
			t.Fatal(err)
		}
		w.put(t, "/app", "one", "10.0.0.3 500")
		if got := w.told(t, function); len(got) != 2 {
			t.Errorf("a filter that is gone: %+v", got)
		}
		if got := w.told(t, stream); len(got) != 2 {
			t.Errorf("the other: %+v", got)
		}
		out, err := w.DescribeSubscriptionFilters(t.Context(), &logsapi.DescribeSubscriptionFiltersInput{LogGroupName: "/app"})
		if err != nil || len(out.SubscriptionFilters) != 1 || out.SubscriptionFilters[0].Distribution.V != logsapi.DistributionByLogStream {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

// All events of a stream arrive, in their order, also where they are merged meanwhile; large batches in several messages.
func TestSubscribersAreToldAllInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatched(t, memory.New(memory.Options{}))
		w.make(t, "/app", "one")
		if err := w.subscribe(t, &logsapi.PutSubscriptionFilterInput{LogGroupName: "/app", FilterName: "all", DestinationArn: stream, RoleArn: aws.Some(role), Distribution: aws.Some(logsapi.DistributionRandom)}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range 200 { // enough for chunks to be merged
			var batch []string
			for range 1 + i%3 {
				batch = append(batch, fmt.Sprint(n))
				n++
			}
			w.put(t, "/app", "one", batch...)
		}
		var large []string
		for range 300 {
			large = append(large, fmt.Sprint(n, strings.Repeat(" filling", 400)))
			n++
		}
		w.put(t, "/app", "one", large...)
		next := 0
		messages := w.told(t, stream)
		for _, m := range messages {
			for _, e := range m.Events {
				if first, _, _ := strings.Cut(e.Message, " "); first != fmt.Sprint(next) {
					t.Fatalf("%s instead of %d", first, next)
				}
				next++
			}
		}
		if next != n {
			t.Errorf("%d of %d arrived", next, n)
		}
		if len(messages) < 202 {
			t.Errorf("%d messages", len(messages))
		}
		keys := map[string]bool{}
		for _, e := range w.receivers.events {
			keys[e.Group] = true
		}
		if len(keys) != len(messages) {
			t.Errorf("%d keys for %d records", len(keys), len(messages))
		}
	})
}

// A destination of another account takes what it lets in, on its own account's behalf.
func TestDestinationsOfOtherAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatched(t, memory.New(memory.Options{}))
		w.make(t, "/app", "one")
		other := func() context.Context {
			r := request()
			r.Account, r.Principal.Account = "222222222222", "222222222222"
			return aws.WithRequest(t.Context(), r)
		}
		const target, arn = "arn:aws:firehose:us-east-1:222222222222:deliverystream/s", "arn:aws:logs:us-east-1:222222222222:destination:d"
		if err := w.subscribe(t, &logsapi.PutSubscriptionFilterInput{LogGroupName: "/app", FilterName: "far", DestinationArn: arn}); err == nil || !strings.Contains(err.Error(), "Could not deliver test message to specified destination.") {
			t.Errorf("a destination that is not there: %v", err)
		}
		in := &logsapi.PutDestinationInput{DestinationName: "d", TargetArn: target, RoleArn: "arn:aws:iam::222222222222:role/r", Tags: map[string]string{"a": "1"}}
		w.receivers.down[target] = true
		if _, err := w.PutDestination(other(), in); err == nil || !strings.Contains(err.Error(), "Could not deliver test message to specified Firehose stream.") {
			t.Errorf("a stream that is down: %v", err)
		}
		w.receivers.down[target] = false
		out, err := w.PutDestination(other(), in)
		if err != nil || out.Destination.Arn.V != arn || out.Destination.TargetArn.V != target || out.Destination.AccessPolicy.Set {
			t.Fatalf("%+v, %v", out, err)
		}
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"logs:PutSubscriptionFilter","Resource":"` + arn + `"}]}`
		if _, err := w.PutDestinationPolicy(other(), &logsapi.PutDestinationPolicyInput{DestinationName: "d", AccessPolicy: policy}); err != nil {
			t.Fatal(err)
		}
		if held, err := w.service.Hold(aws.WithRequest(t.Context(), request()), arn); err != nil || held.Policy != policy || held.Tags["a"] != "1" {
			t.Errorf("%+v, %v", held, err)
		}
		if err := w.subscribe(t, &logsapi.PutSubscriptionFilterInput{LogGroupName: "/app", FilterName: "far", DestinationArn: arn}); err != nil {
			t.Fatal(err)
		}
		w.put(t, "/app", "one", "hello")
		if got := w.told(t, target); len(got) != 1 || got[0].Owner != account || got[0].Events[0].Message != "hello" {
			t.Errorf("%+v", got)
		}
		if e := w.receivers.events[0]; e.As.Service != "logs.amazonaws.com" || e.As.Account != "222222222222" || e.Source != arn || e.Role != "arn:aws:iam::222222222222:role/r" {
			t.Errorf("%+v", e)
		}
		if _, err := w.DeleteDestination(other(), &logsapi.DeleteDestinationInput{DestinationName: "d"}); err != nil {
			t.Fatal(err)
		}
		w.put(t, "/app", "one", "to nobody")
		if got := w.told(t, target); len(got) != 1 {
			t.Errorf("%+v", got)
		}
		if _, err := w.PutDestination(other(), in); err != nil { // it is there again, without what was said of the first
			t.Fatal(err)
		}
		list, err := w.DescribeDestinations(other(), &logsapi.DescribeDestinationsInput{})
		if err != nil || len(list.Destinations) != 1 || list.Destinations[0].AccessPolicy.Set {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// An account's filter gets the events of all its groups but those that it leaves out, beside the groups' own.
func TestAnAccountSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startWatched(t, memory.New(memory.Options{}))
		w.make(t, "/app", "one")
		w.make(t, "/loop", "one")
		put := func(name, document, selection string) error {
			_, err := w.PutAccountPolicy(t.Context(), &logsapi.PutAccountPolicyInput{
				PolicyName: name, PolicyType: logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY, PolicyDocument: document, SelectionCriteria: aws.NonZero(selection),
			})
			return err
		}
		good := `{"DestinationArn":"` + function + `","FilterPattern":"ERROR"}`
		w.receivers.down[function] = true
		for document, want := range map[string]string{
			`{`: "policyDocument is not valid", `{}`: "DestinationArn and FilterPattern are required", `{"DestinationArn":"` + function + `","FilterPattern":"","Other":1}`: "policyDocument is not valid",
			`{"DestinationArn":"` + stream + `","FilterPattern":""}`:                         "destinationArn for vendor kinesis cannot be used without roleArn",
			`{"DestinationArn":"` + function + `","FilterPattern":"["}`:                      "If a filter pattern starts with '['",
			`{"DestinationArn":"` + function + `","FilterPattern":"","Distribution":"Even"}`: "Value 'Even' at 'Distribution'",
			good: "Could not execute the lambda function.",
		} {
			if err := put("all", document, ""); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", document, err, want)
			}
		}
		w.receivers.down[function] = false
		if err := put("all", good, `LogGroupName IN ["/app"]`); err == nil {
			t.Error("criteria that say what is to be had are taken")
		}
		if err := put("all", good, `LogGroupName NOT IN ["/loop"]`); err != nil {
			t.Fatal(err)
		}
		if err := put("more", good, ""); err == nil || !strings.Contains(err.Error(), "LimitExceededException") {
			t.Errorf("a second policy: %v", err)
		}
		w.put(t, "/app", "one", "ERROR one", "fine")
		w.put(t, "/loop", "one", "ERROR two")
		w.make(t, "/later", "one")
		if err := w.subscribe(t, &logsapi.PutSubscriptionFilterInput{LogGroupName: "/later", FilterName: "own", DestinationArn: function}); err != nil {
			t.Fatal(err)
		}
		w.put(t, "/later", "one", "ERROR three")
		var got []string
		for _, m := range w.told(t, function) {
			got = append(got, fmt.Sprint(m.Group, " ", m.Filters, " ", m.Level, " ", m.Events[0].Message, " ", len(m.Events)))
		}
		slices.Sort(got)
		if want := []string{"/app [all] ACCOUNT_LEVEL_POLICY ERROR one 1", "/later [all] ACCOUNT_LEVEL_POLICY ERROR three 1", "/later [own]  ERROR three 1"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if _, err := w.DeleteAccountPolicy(t.Context(), &logsapi.DeleteAccountPolicyInput{PolicyName: "all", PolicyType: logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY}); err != nil {
			t.Fatal(err)
		}
		w.put(t, "/app", "one", "ERROR four")
		if n := len(w.told(t, function)); n != 3 {
			t.Errorf("%d messages", n)
		}
	})
}

// What was acknowledged is sent, also where the process ended in between.
func TestWhatIsToBeSentSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		w := startWatched(t, e)
		w.make(t, "/app", "one")
		if err := w.subscribe(t, &logsapi.PutSubscriptionFilterInput{LogGroupName: "/app", FilterName: "all", DestinationArn: function}); err != nil {
			t.Fatal(err)
		}
		w.receivers.down[function] = true
		w.put(t, "/app", "one", "first")
		w.stop()
		w.put(t, "/app", "one", "second") // nobody carries tasks out any more
		w.put(t, "/app", "one", "third")
		w = startWatched(t, e)
		var got []string
		for range 3 {
			time.Sleep(time.Minute)
			got = got[:0]
			for _, m := range w.told(t, function) {
				got = append(got, m.Events[0].Message)
			}
		}
		if !slices.Equal(got, []string{"first", "second", "third"}) {
			t.Errorf("%q", got)
		}
	})
}

func TestFilterResources(t *testing.T) {
	for name, c := range map[string]resourcetest.Case{
		"AWS::Logs::MetricFilter": {
			Named: true, Missing: "/there|none",
			Desired: `{"LogGroupName":"/there","FilterName":"f","FilterPattern":"{ $.a = 1 }","ApplyOnTransformedLogs":false,"FieldSelectionCriteria":"@aws.region = \"us-east-1\"","MetricTransformations":[{"MetricName":"M","MetricNamespace":"N","MetricValue":"1","Unit":"Count","Dimensions":[{"Key":"A","Value":"$.a"}]}]}`,
			Changed: `{"LogGroupName":"/there","FilterName":"f","FilterPattern":"","ApplyOnTransformedLogs":false,"EmitSystemFieldDimensions":["@aws.account"],"MetricTransformations":[{"MetricName":"M","MetricNamespace":"N","MetricValue":"2","DefaultValue":0.5}]}`,
		},
		"AWS::Logs::SubscriptionFilter": {
			Named: true, Missing: "none|/there",
			Desired: `{"LogGroupName":"/there","FilterName":"f","FilterPattern":"ERROR","DestinationArn":"` + stream + `","RoleArn":"` + role + `","Distribution":"Random","ApplyOnTransformedLogs":false,"FieldSelectionCriteria":"@aws.region = \"us-east-1\""}`,
			Changed: `{"LogGroupName":"/there","FilterName":"f","FilterPattern":"","DestinationArn":"` + function + `","Distribution":"ByLogStream","ApplyOnTransformedLogs":false,"EmitSystemFields":["@aws.account"]}`,
		},
		"AWS::Logs::Destination": {
			Named: true, Missing: "none",
			Desired: `{"DestinationName":"d","TargetArn":"` + stream + `","RoleArn":"` + role + `","Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
			Changed: `{"DestinationName":"d","TargetArn":"` + stream + `","RoleArn":"` + role + `2","DestinationPolicy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"logs:PutSubscriptionFilter\",\"Resource\":\"*\"}]}","Tags":[{"Key":"a","Value":"3"}]}`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := startWatched(t, memory.New(memory.Options{}))
			defer w.stop()
			w.make(t, "/there")
			c.Context = func() context.Context { return aws.WithRequest(t.Context(), request()) }
			for _, kind := range w.service.Types(w.Client) {
				if kind.Name == name {
					c.Type = kind
				}
			}
			resourcetest.Run(t, c)
		})
	}
}
