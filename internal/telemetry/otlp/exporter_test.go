package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/telemetry/otlp"
)

var put = &model.Operation{Service: &model.Service{Name: "box"}, Name: "Put"}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		env  []string
		on   bool
		fail string
	}{
		{nil, false, ""},
		{[]string{"OTEL_SERVICE_NAME", "x"}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "none", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, false, ""},
		{[]string{"OTEL_SDK_DISABLED", "true", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/x"}, true, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "zipkin"}, false, "zipkin"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"}, false, "collector:4318"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, false, "grpc"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT", "soon"}, false, "soon"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_COMPRESSION", "zip"}, false, "zip"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_TRACES_SAMPLER", "sometimes"}, false, "sometimes"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "2"}, false, "2"},
		{[]string{"OTEL_TRACES_EXPORTER", "otlp", "OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem"}, false, "/nowhere.pem"},
	} {
		e, err := otlp.FromEnv(env(c.env...), "1")
		if (e != nil) != c.on || (err != nil) != (c.fail != "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%q: %v, %v", c.env, e != nil, err)
		}
	}
}

// collector keeps what it is sent. It answers busy so often, then takes.
type collector struct {
	mu       sync.Mutex
	busy     int
	requests []*http.Request
	bodies   [][]byte
	came     chan struct{}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, _ = io.ReadAll(z)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy > 0 {
		c.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	c.requests, c.bodies = append(c.requests, r), append(c.bodies, body)
	select {
	case c.came <- struct{}{}:
	default:
	}
}

// export runs an exporter over one call from outside with one inside it that fails, and returns what the collector got.
func export(t *testing.T, c *collector, trace telemetry.Trace, vars ...string) {
	t.Helper()
	c.came = make(chan struct{}, 1)
	server := httptest.NewServer(c)
	defer server.Close()
	e, err := otlp.FromEnv(env(append(vars, "OTEL_EXPORTER_OTLP_ENDPOINT", server.URL+"/base/", "OTEL_BSP_SCHEDULE_DELAY", "0")...), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	r := telemetry.New(telemetry.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	f := r.Follow()
	running.Go(func() { e.Run(ctx, f, slog.New(slog.DiscardHandler)) })
	calls := r.Calls(put)
	q := &aws.Request{Scope: aws.Scope{Account: "000000000000", Region: "us-east-1"}, ID: "r-1"}
	outer := calls.Begin(telemetry.WithTrace(t.Context(), trace), q, time.Unix(1700000000, 5))
	inner := calls.Begin(outer, q, time.Unix(1700000000, 7))
	calls.End(inner, 500, "InternalFailure", 3*time.Nanosecond)
	<-c.came
	calls.End(outer, 200, "", time.Second)
	stop()
	running.Wait()
}

var asked, _ = telemetry.ParseW3C("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

func TestJSON(t *testing.T) {
	c := &collector{busy: 1}
	export(t, c, asked, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip",
		"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=y", "OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,team=blue")
	r := c.requests[0]
	if r.URL.Path != "/base/v1/traces" || r.Header.Get("Api-Key") != "a b" || r.Header.Get("X") != "y" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("sent to %s with %v", r.URL, r.Header)
	}
	type span struct {
		TraceID, SpanID, ParentSpanID, Name string
		Kind                                int
		StartTimeUnixNano, EndTimeUnixNano  string
		Status                              struct {
			Code    int
			Message string
		}
	}
	var spans []span
	for _, body := range c.bodies {
		var got struct {
			ResourceSpans []struct {
				Resource struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
				ScopeSpans []struct{ Spans []span }
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		resource := ""
		for _, a := range got.ResourceSpans[0].Resource.Attributes {
			resource += a.Key + "=" + a.Value.StringValue + " "
		}
		if resource != "team=blue service.name=mine service.version=1.2.3 " {
			t.Errorf("resource %s", resource)
		}
		spans = append(spans, got.ResourceSpans[0].ScopeSpans[0].Spans...)
	}
	inner, outer := spans[0], spans[len(spans)-1]
	if inner.TraceID != asked.ID.String() || inner.ParentSpanID != outer.SpanID || inner.Kind != 1 || inner.Status.Code != 2 || inner.Status.Message != "InternalFailure" {
		t.Errorf("inner %+v", inner)
	}
	if outer.ParentSpanID != asked.Span.String() || outer.Name != "box/Put" || outer.Kind != 2 || outer.Status.Code != 0 ||
		outer.StartTimeUnixNano != "1700000000000000005" || outer.EndTimeUnixNano != "1700000001000000005" {
		t.Errorf("outer %+v", outer)
	}
}

func TestProtobuf(t *testing.T) {
	c := &collector{}
	export(t, c, asked)
	if got := c.requests[0].Header.Get("Content-Type"); got != "application/x-protobuf" {
		t.Errorf("sent as %s", got)
	}
	body := c.bodies[len(c.bodies)-1]
	scope := field(t, field(t, body, 1)[0], 2)[0]
	spans := field(t, scope, 2)
	outer := spans[len(spans)-1]
	for n, want := range map[protowire.Number]string{
		1: asked.ID.String(), 4: asked.Span.String(), 5: hex.EncodeToString([]byte("box/Put")), 6: "02",
		7: hex.EncodeToString([]byte{5, 0, 0x63, 0x32, 0xba, 0x9b, 0x97, 0x17}),
	} {
		got := field(t, outer, n)
		if len(got) != 1 || n != 7 && hex.EncodeToString(got[0]) != want || n == 7 && len(got[0]) != 8 {
			t.Errorf("field %d is %x, want %s", n, got, want)
		}
	}
	names := ""
	for _, a := range field(t, outer, 9) {
		names += string(field(t, a, 1)[0]) + " "
	}
	if names != "rpc.system rpc.service rpc.method http.response.status_code aws.request_id cloud.account.id cloud.region " {
		t.Errorf("attributes %s", names)
	}
}

// field is the values of a field of a protobuf message.
func field(t *testing.T, b []byte, want protowire.Number) (values [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			t.Fatalf("no tag in %x", b)
		}
		b = b[size:]
		size = protowire.ConsumeFieldValue(n, kind, b)
		if size < 0 {
			t.Fatalf("no value of field %d in %x", n, b)
		}
		if n == want {
			v := b[:size]
			if kind == protowire.BytesType {
				v, _ = protowire.ConsumeBytes(b)
			}
			values = append(values, v)
		}
		b = b[size:]
	}
	return values
}

func TestDeclinedTracesAreNotSent(t *testing.T) {
	declined := asked
	declined.Sampled = false
	for _, c := range []struct {
		trace   telemetry.Trace
		sampler string
		want    bool
	}{
		{asked, "", true},
		{declined, "", false},
		{declined, "always_on", true},
		{asked, "always_off", false},
		{asked, "parentbased_always_off", true},
		{telemetry.Trace{}, "parentbased_always_off", false},
		{telemetry.Trace{}, "", true},
		{declined, "traceidratio", true},
	} {
		got := &collector{came: make(chan struct{}, 1)}
		server := httptest.NewServer(got)
		e, err := otlp.FromEnv(env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", server.URL, "OTEL_TRACES_SAMPLER", c.sampler), "1")
		if err != nil {
			t.Fatal(err)
		}
		r := telemetry.New(telemetry.Options{})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		f := r.Follow()
		running.Go(func() { e.Run(ctx, f, slog.New(slog.DiscardHandler)) })
		calls := r.Calls(put)
		calls.End(calls.Begin(telemetry.WithTrace(t.Context(), c.trace), &aws.Request{}, time.Now()), 200, "", 0)
		stop()
		running.Wait() // what is left is sent at the end
		server.Close()
		if sent := len(got.bodies) > 0; sent != c.want {
			t.Errorf("%q with decided %v, sampled %v: sent %v", c.sampler, c.trace.Decided, c.trace.Sampled, sent)
		}
	}
}
