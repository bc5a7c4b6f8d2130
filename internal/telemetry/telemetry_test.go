package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

var (
	boxes = &model.Service{Name: "box", SigningName: "box", Title: "Boxes"}
	put   = &model.Operation{Service: boxes, Name: "Put"}
	here  = aws.Scope{Account: "000000000000", Region: "us-east-1"}
)

func newStore(t testing.TB, c *clock.Clock) *store.Store {
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	return &store.Store{Engine: e, Clock: c}
}

// running is a recorder with an archive whose writer runs until stop is called.
func running(t *testing.T, o telemetry.Options) (r *telemetry.Recorder, a *telemetry.Archive, c *clock.Clock, stop func()) {
	c = clock.New()
	a = telemetry.NewArchive(newStore(t, c).Space("telemetry"))
	o.Clock, o.Archive = c, a
	r = telemetry.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); ended.Wait(); c.Close() })
	t.Cleanup(stop)
	synctest.Wait()
	return r, a, c, stop
}

func TestNothingIsLostWhileCounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, _, stop := running(t, telemetry.Options{})
		id := telemetry.SeriesID{Scope: here, Namespace: "AWS/Box", Name: "Weight", Dimensions: telemetry.Dimensions("Box", "b"), Unit: "Kilograms"}
		start := time.Now()
		const each, writers = 1000, 8
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for i := range each {
					r.Series(id).Add(float64(i % 10))
					if i%100 == 0 {
						time.Sleep(7 * time.Second)
					}
				}
			})
		}
		all.Wait()
		stop()
		points, err := a.Data(context.Background(), id, start.Truncate(time.Minute), time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		var sum telemetry.Datum
		for i, p := range points {
			sum.Merge(p.Datum)
			if i > 0 && !p.Minute.After(points[i-1].Minute) {
				t.Errorf("minute %v after %v", p.Minute, points[i-1].Minute)
			}
		}
		if sum.Count != each*writers || sum.Sum != 4.5*each*writers || sum.Min != 0 || sum.Max != 9 || len(points) < 2 {
			t.Errorf("%d points: %d values of sum %v between %v and %v", len(points), sum.Count, sum.Sum, sum.Min, sum.Max)
		}
		ids, err := a.Series(context.Background(), here, "AWS/Box", start, time.Now())
		if err != nil || len(ids) != 1 || ids[0] != id {
			t.Errorf("series %v, %v", ids, err)
		}
	})
}

func TestWriterSleepsWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, c, _ := running(t, telemetry.Options{})
		id := telemetry.SeriesID{Scope: here, Namespace: "N", Name: "V"}
		s := r.Series(id)
		for range 3 { // long silences, over which the recorder lets go of the series
			s.Add(1)
			other := r.Series(telemetry.SeriesID{Scope: here, Namespace: "N", Name: "W"})
			for range 70 {
				other.Add(1)
				if err := c.Advance(t.Context(), time.Minute); err != nil {
					t.Fatal(err)
				}
			}
		}
		points, err := a.Data(t.Context(), id, time.Unix(0, 0), c.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		for _, p := range points {
			n += p.Count
		}
		if n != 3 || len(points) != 3 {
			t.Errorf("%d values in %d minutes, want 3 in 3", n, len(points))
		}
		before := c.Now()
		if err := c.Advance(t.Context(), 10*24*time.Hour); err != nil { // would take long if anything woke up every minute
			t.Fatal(err)
		}
		if got := c.Now().Sub(before); got < 10*24*time.Hour {
			t.Errorf("advanced %v", got)
		}
	})
}

func TestOldIsThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, c, _ := running(t, telemetry.Options{})
		id := telemetry.SeriesID{Scope: here, Namespace: "N", Name: "V"}
		for range 20 {
			r.Series(id).Add(1)
			r.Audit(telemetry.Event{ID: "e", Time: time.Now(), Scope: here, Service: "box", Operation: "Make"})
			if err := c.Advance(t.Context(), 24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		points, err := a.Data(t.Context(), id, time.Unix(0, 0), c.Now())
		if err != nil || len(points) < 13 || len(points) > 15 {
			t.Errorf("%d days kept, %v, want about 14", len(points), err)
		}
		events, err := a.PastEvents(t.Context(), here, time.Unix(0, 0), c.Now(), 0)
		if err != nil || len(events) != 20 {
			t.Errorf("%d events kept, %v, want all", len(events), err)
		}
	})
}

func TestSeriesAreBounded(t *testing.T) {
	r := telemetry.New(telemetry.Options{MaxSeries: 10})
	for i := range 100 {
		r.Series(telemetry.SeriesID{Name: string(rune('a' + i))}).Add(1)
	}
	var b strings.Builder
	if err := r.WritePrometheus(&b); err != nil || !strings.Contains(b.String(), "obidos_measurements_dropped_total 90\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
	c := r.Calls(put)
	for i := range 3000 {
		c.Add(aws.Scope{Account: string(rune(i))}, 200, time.Second)
	}
}

func TestPercentiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, _, stop := running(t, telemetry.Options{})
		id := telemetry.SeriesID{Scope: here, Namespace: "N", Name: "V"}
		for i := range 1000 {
			r.Series(id).Add(float64(i + 1))
		}
		stop()
		points, err := a.Data(context.Background(), id, time.Unix(0, 0), time.Now().Add(time.Hour))
		if err != nil || len(points) != 1 {
			t.Fatalf("%d points, %v", len(points), err)
		}
		d := points[0].Datum
		for p, want := range map[float64]float64{0: 1, 0.5: 500, 0.9: 900, 0.99: 990, 1: 1000} {
			if got := d.Percentile(p); math.Abs(got-want) > want*0.07+1 {
				t.Errorf("p%v is %v, want about %v", p*100, got, want)
			}
		}
	})
	for i := range 511 {
		if lo, hi := telemetry.BucketBounds(i); lo >= hi {
			t.Errorf("bucket %d from %v to %v", i, lo, hi)
		}
	}
}

func TestDimensions(t *testing.T) {
	for _, pairs := range [][]string{nil, {"A", "1"}, {"A", "1", "B", ""}, {"A,=\\", "\\=,", "", ",,"}} {
		if got := telemetry.ParseDimensions(telemetry.Dimensions(pairs...)); !slices.Equal(got, pairs) {
			t.Errorf("%q became %q", pairs, got)
		}
	}
}

func TestSpansReachTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, c, _ := running(t, telemetry.Options{})
		calls := r.Calls(put)
		q := &aws.Request{Scope: here, ID: "r-1", Principal: aws.Principal{ARN: "arn:alice"}}
		if err := c.Advance(t.Context(), 48*time.Hour); err != nil {
			t.Fatal(err)
		}
		asked, _ := telemetry.ParseXRay("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
		declined, _ := telemetry.ParseXRay("Root=1-5759e988-bd862e3fe1be46a994272794;Sampled=0")
		for _, trace := range []telemetry.Trace{asked, declined} {
			s := calls.Begin(telemetry.WithTrace(t.Context(), trace), q, time.Now())
			inner := calls.Begin(s, q, time.Now())
			calls.End(inner, 409, "BoxFull", 2*time.Millisecond)
			calls.End(s, 200, "", 5*time.Millisecond)
		}
		bad := calls.Begin(telemetry.WithTrace(t.Context(), declined), q, time.Now())
		calls.End(bad, 500, "InternalFailure", time.Millisecond)
		at := c.Now()
		if err := c.Advance(t.Context(), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		spans, err := a.Trace(t.Context(), here, asked.ID, at.Add(-time.Hour), at.Add(time.Hour))
		if err != nil || len(spans) != 2 {
			t.Fatalf("%d spans, %v", len(spans), err)
		}
		outer := spans[slices.IndexFunc(spans, func(s telemetry.Span) bool { return s.Status == 200 })]
		inner := spans[slices.IndexFunc(spans, func(s telemetry.Span) bool { return s.Status == 409 })]
		if outer.Parent != asked.Span || inner.Parent != outer.ID || inner.Code != "BoxFull" || outer.Took != 5*time.Millisecond ||
			outer.Principal != "arn:alice" || outer.Request != "r-1" || outer.Operation != "Put" || outer.Start.Sub(at).Abs() > time.Minute {
			t.Errorf("outer %+v\ninner %+v", outer, inner)
		}
		spans, err = a.Spans(t.Context(), here, at.Add(-time.Hour), at.Add(time.Hour))
		if err != nil || len(spans) != 3 {
			t.Errorf("%d spans kept, %v: want the two asked for and the failed one", len(spans), err)
		}
		if n := len(r.Spans()); n != 5 {
			t.Errorf("%d spans in memory, want 5", n)
		}
	})
}

func TestFirstOfTenSecondsIsSampled(t *testing.T) {
	r := telemetry.New(telemetry.Options{})
	c := r.Calls(put)
	at := time.Unix(1000, 0)
	for i := range 10 {
		s := c.Begin(t.Context(), &aws.Request{}, at.Add(time.Duration(i)*3*time.Second))
		c.End(s, 200, "", 0)
	}
	sampled := 0
	for _, s := range r.Spans() {
		if s.Sampled {
			sampled++
		}
	}
	if sampled != 3 {
		t.Errorf("%d sampled in 30 seconds", sampled)
	}
}

func TestRingRemembersTheLast(t *testing.T) {
	r := telemetry.New(telemetry.Options{Spans: 512})
	c := r.Calls(put)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				c.End(c.Begin(context.Background(), &aws.Request{}, time.Now()), 200, "", 0)
				r.Spans()
			}
		})
	}
	all.Wait()
	if n := len(r.Spans()); n != 512 {
		t.Errorf("%d spans remembered, want 512", n)
	}
}

// A span is remembered long after its request: it must not keep the header its scope was read from.
func TestSpansKeepNothingOfTheirRequests(t *testing.T) {
	r := telemetry.New(telemetry.Options{})
	c := r.Calls(put)
	var of []aws.Scope
	for i := range 2000 { // more scopes than are told apart
		header := fmt.Sprintf("AWS4-HMAC-SHA256 Credential=AKID/20260101/region-%d/sqs/aws4_request", i)
		q := &aws.Request{Scope: aws.Scope{Account: "000000000000", Region: strings.Split(header, "/")[2]}}
		for range 2 {
			c.End(c.Begin(t.Context(), q, time.Now()), 200, "", 0)
			of = append(of, q.Scope)
		}
	}
	for i, s := range r.Spans() {
		if s.Scope != of[i] || unsafe.StringData(s.Scope.Region) == unsafe.StringData(of[i].Region) {
			t.Fatalf("span %d of %v", i, s.Scope)
		}
	}
}

func TestAuditTrail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, _, stop := running(t, telemetry.Options{Audit: 4})
		want := telemetry.Event{
			ID: "id", Service: "box", Operation: "Make", ReadOnly: true, Scope: here,
			Principal: aws.Principal{Account: "1", ARN: "arn", UserID: "u", Service: "s"}, Request: "r", SourceIP: "ip", UserAgent: "ua",
			Secure: true, Code: "c", Message: "m", Resources: []string{"x", "y"}, Input: []byte(`{}`), Output: []byte(`[]`),
		}
		start := time.Now()
		for i := range 3000 { // more than wait for the end of a minute
			want.Time = start.Add(time.Duration(i) * time.Millisecond)
			r.Audit(want)
			if i%500 == 0 {
				synctest.Wait()
			}
		}
		if n := len(r.Events()); n != 4 || !r.Events()[3].Time.Equal(want.Time) {
			t.Errorf("%d in memory", n)
		}
		stop()
		events, err := a.PastEvents(context.Background(), here, start, start.Add(time.Hour), 10)
		if err != nil || len(events) != 10 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		got := events[0]
		if !got.Time.Equal(want.Time) {
			t.Errorf("newest is of %v, want %v", got.Time, want.Time)
		}
		got.Time, want.Time = time.Time{}, time.Time{}
		if !slices.Equal(got.Resources, want.Resources) || string(got.Input) != "{}" || string(got.Output) != "[]" || got.Principal != want.Principal || got.UserAgent != "ua" || got.Message != "m" || !got.Secure {
			t.Errorf("%+v", got)
		}
		if all, err := a.PastEvents(context.Background(), here, start, start.Add(time.Hour), 0); err != nil || len(all) != 3000 {
			t.Errorf("%d events in all, %v", len(all), err)
		}
	})
}

func TestPrometheus(t *testing.T) {
	r := telemetry.New(telemetry.Options{})
	c := r.Calls(put)
	c.Add(here, 200, 100*time.Microsecond)
	c.Add(aws.Scope{Account: "1"}, 200, time.Millisecond)
	c.Add(here, 404, 2*time.Second)
	c.Add(here, 418, 0)
	var b strings.Builder
	if err := r.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# TYPE obidos_calls_total counter\n",
		`obidos_calls_total{service="box",operation="Put",status="200"} 2` + "\n",
		`obidos_calls_total{service="box",operation="Put",status="404"} 1` + "\n",
		`obidos_calls_total{service="box",operation="Put",status="400"} 1` + "\n",
		"# TYPE obidos_call_seconds histogram\n",
		`obidos_call_seconds_bucket{service="box",operation="Put",le="6.103515625e-05"} 1` + "\n",
		`obidos_call_seconds_bucket{service="box",operation="Put",le="0.000244140625"} 2` + "\n",
		`obidos_call_seconds_bucket{service="box",operation="Put",le="1"} 3` + "\n",
		`obidos_call_seconds_bucket{service="box",operation="Put",le="4"} 4` + "\n",
		`obidos_call_seconds_bucket{service="box",operation="Put",le="+Inf"} 4` + "\n",
		`obidos_call_seconds_count{service="box",operation="Put"} 4` + "\n",
		`obidos_call_seconds_sum{service="box",operation="Put"} 2.0011` + "\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(b.String())
	}
	b.Reset()
	m := telemetry.NewMetrics(&b)
	m.Gauge("g", "a\nb\\", math.Inf(1), "l", "x\"y\n\\")
	if err := m.Flush(); err != nil || b.String() != "# HELP g a\\nb\\\\\n# TYPE g gauge\ng{l=\"x\\\"y\\n\\\\\"} +Inf\n" {
		t.Errorf("%q", b.String())
	}
}

func BenchmarkAdd(b *testing.B) {
	r := telemetry.New(telemetry.Options{})
	c := r.Calls(put)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Add(here, 200, 123*time.Microsecond)
		}
	})
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := telemetry.New(telemetry.Options{})
	c := r.Calls(put)
	c.Add(here, 200, time.Millisecond)
	if n := testing.AllocsPerRun(100, func() { c.Add(here, 200, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Callers name any time they like, and have their answer at once.
func TestTimesFarAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a, _, stop := running(t, telemetry.Options{})
		id := telemetry.SeriesID{Scope: here, Namespace: "AWS/Box", Name: "Weight"}
		r.Series(id).Add(1)
		r.Audit(telemetry.Event{ID: "id", Time: time.Now(), Scope: here})
		c := r.Calls(put)
		c.End(c.Begin(t.Context(), &aws.Request{Scope: here}, time.Now()), 500, "", 0)
		stop()
		for _, from := range []time.Time{{}, time.Unix(0, 0), time.Now().AddDate(0, 0, -1)} {
			for _, to := range []time.Time{time.Now().AddDate(0, 0, 1), time.Unix(1<<40, 0), time.Unix(1<<60, 0)} {
				began := time.Now()
				points, err1 := a.Data(t.Context(), id, from, to)
				series, err2 := a.Series(t.Context(), here, "AWS/Box", from, to)
				spans, err3 := a.Spans(t.Context(), here, from, to)
				events, err4 := a.PastEvents(t.Context(), here, from, to, 0)
				if err := errors.Join(err1, err2, err3, err4); err != nil {
					t.Fatal(err)
				}
				if len(points) != 1 || len(series) != 1 || len(spans) != 1 || len(events) != 1 {
					t.Errorf("from %v to %v: %d points, %d series, %d spans, %d events", from, to, len(points), len(series), len(spans), len(events))
				}
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("took %v", took)
				}
			}
		}
	})
}
