package telemetry_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/telemetry"
)

func TestTraceHeaders(t *testing.T) {
	const w3c, xray = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"
	for _, c := range []struct{ name, w3c, xray, want string }{
		{"none", "", "", ""},
		{"W3C", w3c, "", xray},
		{"X-Ray", "", xray, xray},
		{"both", w3c, "Root=1-5759e988-bd862e3fe1be46a994272793", xray},
		{"a later version", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", "", xray},
		{"not sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0"},
		{"through a load balancer", "", "Self=1-67891234-12456789abcdef012345678;Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=?;CalledFrom=app", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=0"},
		{"version ff", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "", ""},
		{"no trace id", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "", ""},
		{"no parent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "", ""},
		{"too long", w3c + "-x", "", ""},
		{"not hexadecimal", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", "", ""},
		{"broken root", "", "Root=1-4bf92f35-77b34da6;Parent=00f067aa0ba902b7;Sampled=1", ""},
	} {
		h := http.Header{}
		if c.w3c != "" {
			h.Set("traceparent", c.w3c)
		}
		if c.xray != "" {
			h.Set("X-Amzn-Trace-Id", c.xray)
		}
		got := ""
		if trace := telemetry.ReadTrace(h); trace.Known() {
			got = trace.XRay()
			if back, ok := telemetry.ParseW3C(trace.W3C()); trace.Span != (telemetry.SpanID{}) && (!ok || back.ID != trace.ID || back.Span != trace.Span || back.Sampled != trace.Sampled) {
				t.Errorf("%s: %s reads back as %+v", c.name, trace.W3C(), back)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTraceInContext(t *testing.T) {
	type other struct{}
	ctx := context.WithValue(context.Background(), other{}, "kept")
	trace := telemetry.NewTrace(time.Unix(0x5759e988, 0))
	if s := trace.ID.XRay(); s[:11] != "1-5759e988-" {
		t.Errorf("%s does not begin with its second", s)
	}
	ctx, cancel := context.WithCancel(telemetry.WithTrace(ctx, trace))
	if telemetry.TraceOf(ctx) != trace || ctx.Value(other{}) != "kept" || telemetry.TraceOf(context.Background()).Known() {
		t.Error("the trace is not where it was put")
	}
	cancel()
	if ctx.Err() == nil {
		t.Error("cancelling does not reach through")
	}
}

func FuzzTrace(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
	f.Fuzz(func(t *testing.T, s string) {
		if a, ok := telemetry.ParseW3C(s); ok {
			if b, ok := telemetry.ParseW3C(a.W3C()); !ok || a != b {
				t.Errorf("%q: %+v, then %+v", s, a, b)
			}
		}
		if a, ok := telemetry.ParseXRay(s); ok {
			b, ok := telemetry.ParseXRay(a.XRay())
			if b.Decided = a.Decided; !ok || a != b {
				t.Errorf("%q: %+v, then %+v", s, a, b)
			}
		}
	})
}

func FuzzDimensions(f *testing.F) {
	f.Add("A=1,B=2")
	f.Add(`A=\,,=\\`)
	f.Fuzz(func(t *testing.T, s string) {
		pairs := telemetry.ParseDimensions(s)
		again := telemetry.ParseDimensions(telemetry.Dimensions(pairs...))
		if len(pairs) != len(again) {
			t.Errorf("%q: %q, then %q", s, pairs, again)
		}
	})
}
