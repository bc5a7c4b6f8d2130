package logs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// written is an event as the test knows it.
type written struct {
	time    int64
	order   int // in which it came
	stream  string
	message string
}

// fill writes batches of random sizes and overlapping times to streams of a group, and answers what is there then.
func fill(ctx context.Context, t testing.TB, p *platform, group string, streams, batches int, seed uint64) (all []written) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	for i := range streams {
		if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: group, LogStreamName: fmt.Sprint("s", i)}); err != nil {
			t.Fatal(err)
		}
	}
	now := p.clock.Now().UnixMilli()
	for i := range batches {
		stream := fmt.Sprint("s", r.IntN(streams))
		in := &logsapi.PutLogEventsInput{LogGroupName: group, LogStreamName: stream}
		at := now - int64(r.IntN(60_000))
		for j := range 1 + r.IntN(20) {
			at += int64(r.IntN(3))
			m := fmt.Sprintf("%s event %d of batch %d %s", stream, j, i, strings.Repeat("padding ", r.IntN(40)))
			if r.IntN(50) == 0 {
				m += " needle-" + fmt.Sprint(i)
			}
			in.LogEvents = append(in.LogEvents, logsapi.InputLogEvent{Timestamp: at, Message: m})
			all = append(all, written{at, len(all), stream, m})
		}
		if _, err := p.PutLogEvents(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// order sorts events as they are read: those of one time in the order in which they came. Of different streams that come in one
// millisecond, the streams' numbers decide; the tests compare those of each stream.
func order(all []written) []written {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b written) int { return int(a.time - b.time) })
	return all
}

func of(all []written, keep func(w written) bool) (messages []string) {
	for _, w := range all {
		if keep(w) {
			messages = append(messages, w.message)
		}
	}
	return messages
}

// readStream reads a stream whole, page by page, forwards or backwards.
func (p *platform) readStream(ctx context.Context, t testing.TB, group, stream string, limit int32, forward bool) (messages []string) {
	t.Helper()
	in := &logsapi.GetLogEventsInput{LogGroupName: aws.Some(group), LogStreamName: stream, Limit: aws.Some(limit), StartFromHead: aws.Some(forward)}
	for {
		out, err := p.GetLogEvents(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		var page []string
		for _, e := range out.Events {
			page = append(page, e.Message.V)
		}
		next := out.NextForwardToken
		if forward {
			messages = append(messages, page...)
		} else {
			messages, next = append(page, messages...), out.NextBackwardToken
		}
		if next == in.NextToken {
			return messages
		}
		in.NextToken = next
	}
}

func (p *platform) filter(ctx context.Context, t testing.TB, in logsapi.FilterLogEventsInput) (events []logsapi.FilteredLogEvent) {
	t.Helper()
	for {
		out, err := p.FilterLogEvents(ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, out.Events...)
		if !out.NextToken.Set {
			return events
		}
		in.NextToken = out.NextToken
	}
}

// Whatever the pages, and however chunks were merged meanwhile, every event is there once and in order.
func TestEveryEventOnceAndInOrder(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			p, ctx := start(t, memory.New(memory.Options{})), t.Context()
			defer p.stop()
			all := order(fill(ctx, t, p, "/app", 3, 700, seed))
			synctest.Wait() // the chunks are merged
			for _, limit := range []int32{61, 1000, 10000} {
				for i := range 3 {
					stream := fmt.Sprint("s", i)
					want := of(all, func(w written) bool { return w.stream == stream })
					for _, forward := range []bool{true, false} {
						if got := p.readStream(ctx, t, "/app", stream, limit, forward); !slices.Equal(got, want) {
							t.Fatalf("seed %d, limit %d, forward %v: read %d events of %s, want %d, or in another order", seed, limit, forward, len(got), stream, len(want))
						}
					}
				}
				for _, forward := range []bool{true, false} {
					events := p.filter(ctx, t, logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app"), Limit: aws.Some(limit), StartFromHead: aws.Some(forward)})
					if !forward {
						slices.Reverse(events)
					}
					last := int64(0)
					seen := map[string]bool{}
					for _, e := range events {
						if e.Timestamp.V < last || seen[e.EventId.V] {
							t.Fatalf("seed %d, limit %d: event %s at %d comes after %d, or twice", seed, limit, e.EventId.V, e.Timestamp.V, last)
						}
						last, seen[e.EventId.V] = e.Timestamp.V, true
					}
					if len(events) != len(all) {
						t.Fatalf("seed %d, limit %d, forward %v: found %d events, want %d", seed, limit, forward, len(events), len(all))
					}
				}
				needles := p.filter(ctx, t, logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app"), Limit: aws.Some(limit), FilterPattern: aws.Some(`"needle-"`)})
				if want := of(all, func(w written) bool { return strings.Contains(w.message, "needle-") }); len(needles) != len(want) {
					t.Errorf("seed %d, limit %d: found %d needles, want %d", seed, limit, len(needles), len(want))
				}
			}
		})
	}
}

// An event's id is the same before and after its chunk was merged with others.
func TestIDsStayWhenChunksAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		p, ctx := start(t, e), t.Context()
		defer p.stop()
		fill(ctx, t, p, "/app", 1, 60, 1)
		synctest.Wait()
		in := logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app")}
		before, rows := p.filter(ctx, t, in), count(t, e, "logs\x00\x05")
		for range 10 { // so that there is enough to be merged
			if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: "s0", LogEvents: []logsapi.InputLogEvent{{Timestamp: p.clock.Now().UnixMilli() + 60_000, Message: "late"}}}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		after := p.filter(ctx, t, in)
		if n := count(t, e, "logs\x00\x05"); n >= rows {
			t.Errorf("%d chunks, before there were %d: nothing was merged", n, rows)
		}
		if len(after) != len(before)+10 || !slices.EqualFunc(after[:len(before)], before, func(a, b logsapi.FilteredLogEvent) bool { return a == b }) {
			t.Error("events are others than before")
		}
	})
}

// count is how many rows there are whose keys begin with prefix.
func count(t testing.TB, e store.Engine, prefix string) (n int) {
	t.Helper()
	if err := e.View(context.Background(), func(r store.Reader) error {
		return r.Scan(store.Range{Lo: []byte(prefix), Hi: append([]byte(prefix), 0xff), KeysOnly: true}, func(_, _ []byte) bool { n++; return true })
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// What was deleted or has expired leaves nothing behind.
func TestNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{})
		p, ctx := start(t, e), t.Context()
		defer p.stop()
		fill(ctx, t, p, "/app", 3, 300, 1)
		for _, name := range []string{"s0", "s1"} {
			if _, err := p.DeleteLogStream(ctx, &logsapi.DeleteLogStreamInput{LogGroupName: "/app", LogStreamName: name}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for _, ev := range p.filter(ctx, t, logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app")}) {
			if ev.LogStreamName.V != "s2" {
				t.Fatalf("found an event of %s, which was deleted", ev.LogStreamName.V)
			}
		}
		if _, err := p.PutRetentionPolicy(ctx, &logsapi.PutRetentionPolicyInput{LogGroupName: "/app", RetentionInDays: 3}); err != nil {
			t.Fatal(err)
		}
		if err := p.clock.Advance(ctx, 73*time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, table := range []string{"\x05", "\x06", "\x07", "\x08"} {
			if n := count(t, e, "logs\x00"+table); n != 0 {
				t.Errorf("%d rows of table %q are left", n, table)
			}
		}
		out, err := p.DescribeLogGroups(ctx, &logsapi.DescribeLogGroupsInput{})
		if err != nil || out.LogGroups[0].StoredBytes.V != 0 {
			t.Errorf("%d bytes are counted, %v", out.LogGroups[0].StoredBytes.V, err)
		}
	})
}

// A page ends at 1 MB, and has an event at least.
func TestPagesAreBoundedByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := start(t, memory.New(memory.Options{})), t.Context()
		defer p.stop()
		fill(ctx, t, p, "/app", 1, 1, 1)
		now := p.clock.Now().UnixMilli()
		for i := range 6 {
			if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: "s0", LogEvents: []logsapi.InputLogEvent{
				{Timestamp: now + int64(i), Message: strings.Repeat(fmt.Sprint(i), 400_000)}, {Timestamp: now + int64(i), Message: strings.Repeat("x", 1<<19)},
			}}); err != nil {
				t.Fatal(err)
			}
		}
		in := &logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app"), FilterPattern: aws.Some("-nothing")}
		n := 0
		for {
			out, err := p.FilterLogEvents(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			bytes := 0
			for _, e := range out.Events {
				bytes += len(e.Message.V)
			}
			if bytes > 1<<20 {
				t.Errorf("a page of %d bytes", bytes)
			}
			n += bytes
			if !out.NextToken.Set {
				break
			}
			in.NextToken = out.NextToken
		}
		if n < 6*(400_000+1<<19) {
			t.Errorf("found %d bytes", n)
		}
	})
}

// Where commits fail or nobody knows what became of them, what was acknowledged is there, once and in order.
func TestAcknowledgedEventsSurviveAHostileStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 3, Unknown: 0.1}})
		p, ctx := start(t, e), t.Context()
		defer p.stop()
		retry := func(do func() error) {
			for range 50 {
				if err := do(); err == nil || !errors.Is(err, store.ErrUnknown) {
					return
				}
			}
		}
		retry(func() error {
			_, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/app"})
			return err
		})
		retry(func() error {
			_, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "/app", LogStreamName: "a"})
			return err
		})
		now := p.clock.Now().UnixMilli()
		var want []string
		for i := range 400 {
			m := fmt.Sprint("event ", i)
			if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: "a", LogEvents: []logsapi.InputLogEvent{{Timestamp: now + int64(i), Message: m}}}); err == nil {
				want = append(want, m)
			} else if !errors.Is(err, store.ErrUnknown) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		got := p.readStream(ctx, t, "/app", "a", 1000, true)
		if len(want) < 300 {
			t.Fatalf("%d were acknowledged", len(want))
		}
		at := 0
		for _, m := range got {
			if at < len(want) && m == want[at] {
				at++
			}
		}
		if at != len(want) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%d of %d acknowledged events are there in order, of %d", at, len(want), len(got))
		}
	})
}

// A query's time may be told in seconds; its end takes in the whole second. What it was is shown as AWS shows it.
func TestQueriesTakeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := start(t, memory.New(memory.Options{})), t.Context()
		defer p.stop()
		now := p.clock.Now().Unix()
		for _, do := range []func() error{
			func() error {
				_, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "/app"})
				return err
			},
			func() error {
				_, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "/app", LogStreamName: "a"})
				return err
			},
			func() error {
				_, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: "a", LogEvents: []logsapi.InputLogEvent{
					{Timestamp: now*1000 - 1, Message: "before"}, {Timestamp: now * 1000, Message: "first"}, {Timestamp: now*1000 + 999, Message: "last"}, {Timestamp: now*1000 + 1000, Message: "behind"},
				}})
				return err
			},
		} {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
		q, err := p.StartQuery(ctx, &logsapi.StartQueryInput{LogGroupName: aws.Some("/app"), StartTime: now, EndTime: now, QueryString: "fields @message"})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		out, err := p.GetQueryResults(ctx, &logsapi.GetQueryResultsInput{QueryId: q.QueryId.V})
		if err != nil || len(out.Results) != 2 || out.Results[0][0].Value.V != "last" || out.Results[1][0].Value.V != "first" {
			t.Errorf("%+v, %v", out, err)
		}
		list, err := p.DescribeQueries(ctx, &logsapi.DescribeQueriesInput{})
		want := fmt.Sprintf(`SOURCE "/app" START=%d000 END=%d999 | fields @message`, now, now)
		if err != nil || len(list.Queries) != 1 || list.Queries[0].QueryString.V != want {
			t.Errorf("%+v, %v, want %s", list, err, want)
		}
	})
}

// A search by a property finds it also where a message writes its text as escapes: no chunk that may have one is skipped.
func TestEscapedTextIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := start(t, memory.New(memory.Options{})), t.Context()
		defer p.stop()
		fill(ctx, t, p, "/app", 1, 1, 1)
		events, _ := lines(1000, p.clock.Now().UnixMilli())
		for i, m := range []string{`{"who":"\u007aanzibar"}`, `{"who":"zanzibar"}`} {
			batch := slices.Clone(events)
			batch[500+i].Message = m
			if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "/app", LogStreamName: "s0", LogEvents: batch}); err != nil {
				t.Fatal(err)
			}
		}
		for pattern, want := range map[string]int{`{ $.who = "zanzibar" }`: 2, `zanzibar`: 1, `{ $.who = "timbuktu" }`: 0} {
			if got := p.filter(ctx, t, logsapi.FilterLogEventsInput{LogGroupName: aws.Some("/app"), FilterPattern: aws.Some(pattern)}); len(got) != want {
				t.Errorf("%s: found %d, want %d", pattern, len(got), want)
			}
		}
		for _, text := range []string{`fields who | filter who = "zanzibar"`, `fields who | filter @message like /zanzibar/`} {
			q, err := p.StartQuery(ctx, &logsapi.StartQueryInput{LogGroupName: aws.Some("/app"), StartTime: 0, EndTime: p.clock.Now().UnixMilli() + 1000, QueryString: text})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			out, err := p.GetQueryResults(ctx, &logsapi.GetQueryResultsInput{QueryId: q.QueryId.V})
			if want := 1 + strings.Count(text, "="); err != nil || len(out.Results) != want {
				t.Errorf("%s: found %d, want %d, %v", text, len(out.Results), want, err)
			}
		}
	})
}
