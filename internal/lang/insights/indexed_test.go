package insights_test

import (
	"context"
	"slices"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

func TestWhatAQueryAsksOfFields(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]insights.Indexed{
		"filter a = 1": {{Field: "a", Keys: []string{"t1", "n1"}}},
		"filter 'x' = a.b and c in ['y', 0.0] | limit 1": {{Field: "a.b", Keys: []string{"tx"}}, {Field: "c", Keys: []string{"ty", "t0.0", "n0"}}},
		"filterIndex a = true":                           {{Field: "a", Keys: []string{"n1", "t1", "ttrue"}, Only: true}},
		"filter a = 1 or b = 2":                          nil,
		"filter a = b":                                   nil,
		"filter not a = 1":                               nil,
		"fields x as a | filter a = 1 and a.b = 2":       nil,
		"filter @message = 'x'":                          nil,
		"filter @logStream = 's'":                        {{Field: "@logStream", Keys: []string{"ts"}}},
		"stats count(*) as a by b | filter a = 1":        nil,
	} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := q.Indexed(); !slices.EqualFunc(got, want, func(a, b insights.Indexed) bool {
			return a.Field == b.Field && a.Only == b.Only && slices.Equal(a.Keys, b.Keys)
		}) {
			t.Errorf("%s asks %v, want %v", query, got, want)
		}
	}
}

// What a query matches has a key of what it asks for, however a message or the query writes a value.
func TestKeysOfWhatMatches(t *testing.T) {
	t.Parallel()
	values := []string{`1`, `"1"`, `1.0`, `"1.0"`, `1e0`, `true`, `"true"`, `false`, `0`, `-0`, `"-0.0"`, `""`, `"x"`, `{"k": 1}`, `[1]`, `"[1]"`, `null`, `"false"`, `1.5`, `"1.50"`}
	literals := []string{`1`, `'1'`, `1.0`, `'1.0'`, `true`, `false`, `'true'`, `0`, `'x'`, `''`, `'[1]'`, `1.50`, `'{"k": 1}'`}
	for _, v := range values {
		e := insights.Event{Message: `{"f": ` + v + `}`}
		var keys []string
		insights.NewPicker([]string{"g", "f"}).Pick(&e, func(field int, k []string) {
			if field == 1 {
				keys = k
			}
		})
		for _, l := range literals {
			q, err := insights.Parse("filter f = " + l + " | fields f")
			if err != nil {
				t.Fatal(l, err)
			}
			r, err := q.Run(context.Background(), func(yield func(insights.Event) bool) { yield(e) })
			if err != nil {
				t.Fatal(err)
			}
			shared := slices.ContainsFunc(q.Indexed()[0].Keys, func(k string) bool { return slices.Contains(keys, k) })
			if len(r.Rows) > 0 && !shared {
				t.Errorf("f = %s matches %s without a key of it: %v and %v", l, v, q.Indexed()[0].Keys, keys)
			}
		}
	}
}
