package insights_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

// screened leaves out the events that a query's Screen stops.
func screened(q *insights.Query, events iter.Seq[insights.Event], stopped *int) iter.Seq[insights.Event] {
	pass := q.Screen()
	if pass == nil {
		return events
	}
	return func(yield func(insights.Event) bool) {
		for e := range events {
			if e.Passed = pass(&e); !e.Passed {
				*stopped++
			} else if !yield(e) {
				return
			}
		}
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	events := many(2000, func(i int, into []byte) []byte {
		return fmt.Appendf(into, `{"status":%d,"path":"/a/%d","ms":%d,"ok":%t}`, 200+i%4*100, i%17, i%91, i%3 == 0)
	})
	for query, stops := range map[string]bool{
		`filter status = 500`: true,
		`filter status = 500 | filter ms > 40 | stats count(), avg(ms) by path`:                            true,
		`fields @message, ms * 2 as twice | filter twice > 100 | sort ms desc | limit 7`:                   true,
		`filter ok | fields status + 1 as more | filter more > 300 | stats count() by more | filter 1 = 2`: true,
		`parse @message '"path":"*"' as p | filter p like /7/ | stats count(*) by p`:                       true,
		`stats count() as n by path | filter n > 100`:                                                      false,
		`fields @message`: false,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			q, err := insights.Parse(query)
			if err != nil {
				t.Fatal(err)
			}
			want, err := q.Run(t.Context(), events)
			if err != nil {
				t.Fatal(err)
			}
			stopped := 0
			got, err := q.Run(t.Context(), screened(q, events, &stopped))
			if err != nil {
				t.Fatal(err)
			}
			if written(got) != written(want) || got.Statistics.RecordsMatched != want.Statistics.RecordsMatched {
				t.Errorf("screened:\n%s\nnot so:\n%s", written(got), written(want))
			}
			if (stopped > 0) != stops || got.Statistics.RecordsScanned+float64(stopped) != want.Statistics.RecordsScanned {
				t.Errorf("%d were stopped, %v read, of %v", stopped, got.Statistics.RecordsScanned, want.Statistics.RecordsScanned)
			}
		})
	}
}
