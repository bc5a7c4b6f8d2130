package logs_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
)

// lines are n events as a web server writes them, ms apart.
func lines(n int, at int64) (events []logsapi.InputLogEvent, bytes int) {
	for i := range n {
		h := uint64(at+int64(i)) * 0x9E3779B97F4A7C15
		m := fmt.Sprintf(`{"time":"2026-11-23T17:%02d:%02d.%03dZ","level":"%s","request":"%016x","path":"/api/v1/orders/%d","status":%d,"ms":%d,"agent":"Mozilla/5.0"}`,
			i/60000%60, i/1000%60, i%1000, []string{"INFO", "INFO", "INFO", "WARN"}[h>>62], h, h%100000, 200+h>>40%4*100, h>>20%900)
		events = append(events, logsapi.InputLogEvent{Timestamp: at + int64(i/10), Message: m})
		if bytes += len(m) + 26; bytes > 1<<20-400 {
			break
		}
	}
	return events, bytes
}

// disk is pebble in memory files whose syncs take a millisecond.
func disk(b *testing.B) store.Engine {
	dir, err := os.MkdirTemp("/dev/shm", "logs")
	if err != nil {
		b.Skip(err)
	}
	e, err := pebble.Open(dir, pebble.Options{FS: slowsync.New(vfs.Default, time.Millisecond)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		e.Close()
		os.RemoveAll(dir)
	})
	return e
}

// BenchmarkIngest is batches of 1 MB, of many writers with a stream each.
func BenchmarkIngest(b *testing.B) {
	for name, engine := range map[string]func(b *testing.B) store.Engine{
		"memory": func(*testing.B) store.Engine { return memory.New(memory.Options{}) }, "pebble": disk,
	} {
		b.Run(name, func(b *testing.B) {
			p := start(b, engine(b))
			ctx := context.Background()
			if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "g"}); err != nil {
				b.Fatal(err)
			}
			events, bytes := lines(10000, p.clock.Now().UnixMilli()-10_000)
			b.SetBytes(int64(bytes))
			b.SetParallelism(2)
			var n atomic.Int64
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				stream := fmt.Sprint("s", n.Add(1))
				if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "g", LogStreamName: stream}); err != nil {
					b.Error(err)
				}
				for pb.Next() {
					if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "g", LogStreamName: stream, LogEvents: events}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkPut is batches of ten events into one stream.
func BenchmarkPut(b *testing.B) {
	p := start(b, memory.New(memory.Options{}))
	ctx := context.Background()
	if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "g"}); err != nil {
		b.Fatal(err)
	}
	if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "g", LogStreamName: "s"}); err != nil {
		b.Fatal(err)
	}
	events, _ := lines(10, p.clock.Now().UnixMilli()-10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "g", LogStreamName: "s", LogEvents: events}); err != nil {
			b.Fatal(err)
		}
	}
}

// fill puts 256 MB of events into group g, and tells how many bytes they are.
func (p *platform) fill(b *testing.B) (total int) {
	ctx := context.Background()
	if _, err := p.CreateLogGroup(ctx, &logsapi.CreateLogGroupInput{LogGroupName: "g"}); err != nil {
		b.Fatal(err)
	}
	for i := range 4 {
		if _, err := p.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: "g", LogStreamName: fmt.Sprint(i)}); err != nil {
			b.Fatal(err)
		}
	}
	from := p.clock.Now().UnixMilli() - 20_000_000
	for i := range 256 {
		events, bytes := lines(10000, from+int64(i)*1000)
		if i == 100 {
			events[17].Message += " one-rare-needle"
		}
		if _, err := p.PutLogEvents(ctx, &logsapi.PutLogEventsInput{LogGroupName: "g", LogStreamName: fmt.Sprint(i % 4), LogEvents: events}); err != nil {
			b.Fatal(err)
		}
		total += bytes
	}
	return total
}

// ask is a query of all of group g, and how many rows answer it.
func (p *platform) ask(ctx context.Context, b *testing.B, text string) int {
	q, err := p.StartQuery(ctx, &logsapi.StartQueryInput{LogGroupName: aws.Some("g"), StartTime: 0, EndTime: p.clock.Now().Unix(), QueryString: text})
	if err != nil {
		b.Fatal(err)
	}
	for {
		out, err := p.GetQueryResults(ctx, &logsapi.GetQueryResultsInput{QueryId: q.QueryId.V})
		if err != nil {
			b.Fatal(err)
		}
		switch out.Status.V {
		case logsapi.QueryStatusComplete:
			return len(out.Results)
		case logsapi.QueryStatusFailed:
			b.Fatal("the query failed")
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkSearch is a search through 256 MB: for what is nowhere, for what is in one event, for what is in many, and for a property.
func BenchmarkSearch(b *testing.B) {
	p := start(b, memory.New(memory.Options{}))
	ctx := context.Background()
	total := p.fill(b)
	for name, pattern := range map[string]string{"nowhere": "Zanzibar", "rare": `"one-rare-needle"`, "request": "0123456789abcdef", "all read": `"orders/99999\""`, "json": "{ $.status = 999 }"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(total))
			for b.Loop() {
				if got := p.filter(ctx, b, logsapi.FilterLogEventsInput{LogGroupName: aws.Some("g"), FilterPattern: aws.Some(pattern)}); name == "rare" && len(got) != 1 {
					b.Fatalf("found %d", len(got))
				}
			}
		})
	}
}

// BenchmarkQuery is queries of Insights over 256 MB.
func BenchmarkQuery(b *testing.B) {
	p := start(b, memory.New(memory.Options{}))
	ctx := context.Background()
	total := p.fill(b)
	for name, text := range map[string]string{
		"text": `filter @message like /WARN/ | stats count() by bin(1m)`, "json": `filter status = 500 | stats count() by bin(1m)`,
		"rare": `filter @message like "one-rare-needle"`, "group": `stats count() by level`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(total))
			for b.Loop() {
				if n := p.ask(ctx, b, text); n == 0 {
					b.Fatal("no rows")
				}
			}
		})
	}
}
