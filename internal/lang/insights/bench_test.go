package insights_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

// corpus is 64 MiB of log lines of about 230 bytes, one in a hundred an error.
func corpus(json bool) ([]insights.Event, int64) {
	var events []insights.Event
	size := int64(0)
	for i := 0; size < 64<<20; i++ {
		level := "INFO"
		if i%100 == 0 {
			level = "ERROR"
		}
		m := fmt.Sprintf("2024-01-02T03:04:05.%03dZ %s request %08x served path=/api/v1/items/%d status=%d in %d ms for agent=Mozilla/5.0 (X11; Linux x86_64) from 10.0.%d.%d trace=%s", i%1000, level, i, i%977, 200+i%7, i%313, i%256, i%255, strings.Repeat("ab", 30))
		if json {
			m = fmt.Sprintf(`{"time": "2024-01-02T03:04:05.%03dZ", "level": "%s", "msg": "request served", "request": {"id": "%08x", "path": "/api/v1/items/%d"}, "status": %d, "ms": %d, "agent": "Mozilla/5.0 (X11; Linux x86_64)", "trace": "%s"}`,
				i%1000, level, i, i%977, 200+i%7, i%313, strings.Repeat("ab", 30))
		}
		events = append(events, insights.Event{Time: noon + int64(i), Message: m, Stream: "s", Group: "111122223333:g", Ptr: "p"})
		size += int64(len(m))
	}
	return events, size
}

func BenchmarkRun(b *testing.B) {
	plain, plainSize := corpus(false)
	structured, structuredSize := corpus(true)
	for _, c := range []struct {
		name, query string
		events      []insights.Event
		size        int64
	}{
		{"like/stats", "filter @message like /ERROR/ | stats count() by bin(1m)", plain, plainSize},
		{"stats", "stats count(*) by bin(1m)", plain, plainSize},
		{"regex/stats", `filter @message like /status=20[45] in \d+ ms/ | stats count() by bin(1m)`, plain, plainSize},
		{"fold", "filter @message like /(?i)error/ | stats count() by bin(1m)", plain, plainSize},
		{"parse", "parse @message 'status=* in * ms' as s, ms | stats avg(ms), pct(ms, 95) by s", plain, plainSize},
		{"newest", "fields @timestamp, @message | limit 1000", plain, plainSize},
		{"json/rare", "filter level = 'ERROR' | stats count() by bin(1m)", structured, structuredSize},
		{"json/number", "filter status >= 204 | stats avg(ms), max(ms) by bin(1m)", structured, structuredSize},
		{"json/group", "stats count(*), avg(ms) by request.path | sort `avg(ms)` desc | limit 10", structured, structuredSize},
		{"pattern", "pattern @message", plain, plainSize},
	} {
		q, err := insights.Parse(c.query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(c.size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := q.Run(b.Context(), func(yield func(insights.Event) bool) {
					for i := range c.events {
						if !yield(c.events[i]) {
							return
						}
					}
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := insights.Parse("filter @message like /ERROR/ and status >= 500 | stats count(*) as n, avg(ms) by bin(5m) | sort n desc | limit 10"); err != nil {
			b.Fatal(err)
		}
	}
}
