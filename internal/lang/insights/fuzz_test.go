package insights_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

// FuzzQuery: whatever is asked over whatever message is answered, or refused within the query; what Terms promise is so; and a
// query answers alike twice.
func FuzzQuery(f *testing.F) {
	for query := range strings.SplitSeq(accepted, "\n") {
		f.Add(query, `{"status": 200, "a": {"b": [1, "x\u0041", null, true]}}`)
	}
	for _, query := range []string{
		"parse @message /(?<a>.)(?<b>x*)/ | stats earliest(a), latest(b), sortsFirst(a), stddev(a) by b, bin(1mo) | sort `b` desc",
		"fields jsonParse(@message) as j, j.a.b[1] as k | dedup k, @ptr | limit 3", "parse @message '*a**\\*' as x, y, z | filter x^2 % 3 <= -y or z in [1,'b', x] | tail 2",
		"fields substr(a, 1, 2), concat(a, b), greatest(a, 2), ltrim(a, 'x'), replace(a, 'b', 'c'), isIpInSubnet(a, b), dateceil(fromMillis(a), 3q) # c",
		"filter @message like /(?i)abc/ and a.b.0 = 1 | pattern @message | diff", "fields @duration, srcAddr, queryName, unmask(a) | unmask b",
	} {
		f.Add(query, "REPORT RequestId: 6af98cbb a=1, aBc [x] 12:30:45.1 10.0.0.1\n")
	}
	f.Fuzz(func(t *testing.T, query, message string) {
		insights.Fields(insights.Event{Message: message})
		q, err := insights.Parse(query)
		if err != nil {
			var e *insights.Error
			if !errors.As(err, &e) || e.Message == "" || e.Start < 0 || e.End < e.Start || e.End > len(utf16.Encode([]rune(query))) && len(query) <= 10_000 {
				t.Fatalf("%#v", err)
			}
			return
		}
		run := func() insights.Result {
			result, err := q.With(insights.Options{Previous: lines(message)}).Run(t.Context(), lines(message, message+"1", "", `{"a": 1, "status": "x"}`))
			if err != nil {
				t.Fatal(err)
			}
			return result
		}
		first := run()
		if second := run(); written(first) != written(second) {
			t.Fatalf("%s, then %s", written(first), written(second))
		}
		if first.Statistics.RecordsMatched > 4 {
			t.Fatal(first.Statistics)
		}
		for _, term := range q.Terms() {
			result, _ := q.Run(t.Context(), lines(message))
			if result.Statistics.RecordsMatched > 0 && !strings.Contains(message, term) {
				t.Fatalf("%q has no %q", message, term)
			}
		}
	})
}
