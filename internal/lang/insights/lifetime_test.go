package insights_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"unsafe"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

// fleeting gives the same events in memory that is overwritten as soon as the next is asked for.
func fleeting(events iter.Seq[insights.Event]) iter.Seq[insights.Event] {
	return func(yield func(insights.Event) bool) {
		var buf []byte
		for e := range events {
			buf = append(buf[:0], e.Message+e.Stream+e.Group+e.Ptr...)
			all := unsafe.String(unsafe.SliceData(buf), len(buf))
			take := func(s *string) { *s, all = all[:len(*s)], all[len(*s):] }
			take(&e.Message)
			take(&e.Stream)
			take(&e.Group)
			take(&e.Ptr)
			if !yield(e) {
				return
			}
			for i := range buf {
				buf[i] = '#'
			}
		}
	}
}

func TestNothingOfAnEventIsKept(t *testing.T) {
	t.Parallel()
	var messages []string
	for i := range 500 {
		messages = append(messages, fmt.Sprintf(`{"level": "%s", "n": %d, "user": "u%d", "text": "took %d ms"}`, []string{"INFO", "WARN", "ERROR"}[i%3], i*37%101, i%7, i))
	}
	for _, query := range []string{
		"fields @timestamp, @message, @logStream, @log | limit 20", "fields user, n | sort user, n desc", "fields user as u, concat(level, user) as lu | sort lu | limit 5 | filter u like 'u'",
		"dedup user, level", "sort n | dedup user", "sort n | tail 7", "parse @message '\"took * ms' as took | sort took desc | limit 3 | display took",
		"parse @message /took (?<took>\\d+) ms/ | stats max(took), earliest(user), latest(text), sortsFirst(text), sortsLast(level) by level, user",
		"stats count(*) as n by user | sort n desc, user", "stats max(text) as m, count_distinct(text) as d by level | stats max(m), sum(d)", "pattern @message", "pattern text",
		"fields jsonParse(@message) as j | stats count(*) by j.user", "fields unmask(@message) as m | limit 5", "diff",
	} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Fatal(query, err)
		}
		var want string
		for i, wrap := range []func(iter.Seq[insights.Event]) iter.Seq[insights.Event]{func(s iter.Seq[insights.Event]) iter.Seq[insights.Event] { return s }, fleeting} {
			o := insights.Options{Limit: 50, Previous: wrap(lines(messages[:100]...)), Mask: func(e *insights.Event) string { return e.Message }}
			result, err := q.With(o).Run(t.Context(), wrap(lines(messages...)))
			if err != nil {
				t.Fatal(query, err)
			}
			got := fmt.Sprint(result.Rows)
			if i == 0 {
				want = got
			} else if got != want || strings.Contains(got, "##") {
				t.Errorf("%s\n%.300s\n%.300s", query, got, want)
			}
		}
	}
}
