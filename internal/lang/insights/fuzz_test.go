package insights_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

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
		stopped := 0
		passed, err := q.With(insights.Options{Previous: lines(message)}).Run(t.Context(), screened(q, lines(message, message+"1", "", `{"a": 1, "status": "x"}`), &stopped))
		if err != nil || written(passed) != written(first) {
			t.Fatalf("%s, and of what its screen lets pass %s, %v", written(first), written(passed), err)
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

// FuzzFields: the fields of a message that is JSON are those that encoding/json finds, and a query for one finds the same.
func FuzzFields(f *testing.F) {
	for _, message := range []string{`{"a": {"b": [1, "x\u0041\"", {"c": true}], "": null}, "@t": "at", "e": [], "n": -1.50e3}`, ` {"a.b": 1, "c": {"d.e": "\\", "d": {"f": {}}}, "a": [[], [[2]]]} `} {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, message string) {
		if !utf8.ValidString(message) || !json.Valid([]byte(message)) || !strings.HasPrefix(message, "{") || strings.Count(message, "{")+strings.Count(message, "[") > 60 || strings.Contains(message, `""`) {
			return
		}
		d := json.NewDecoder(strings.NewReader(message))
		d.UseNumber()
		var want []insights.Field
		flatten(d, "", &want)
		want = want[:min(len(want), insights.MaxFields)]
		fields := insights.Fields(insights.Event{Message: message})[6:]
		if !slices.Equal(fields, want) {
			t.Fatalf("%s, want %s", fields, want)
		}
		for _, field := range fields {
			if strings.HasPrefix(field.Name, "@") || strings.ContainsAny(field.Name, "`") || field.Name == "" || len(field.Name) > 1000 || ambiguous(field.Name, fields) {
				continue
			}
			q, err := insights.Parse("fields `" + field.Name + "`")
			if err != nil {
				t.Fatal(err)
			}
			result, err := q.Run(t.Context(), lines(message))
			if err != nil || result.Rows[0][0] != field {
				t.Fatalf("%s: %v %v", field, result.Rows, err)
			}
		}
	})
}

// ambiguous tells whether a name stands for two fields, or is part of another's.
func ambiguous(name string, fields []insights.Field) bool {
	n := 0
	for _, f := range fields {
		if f.Name == name || strings.HasPrefix(f.Name, name+".") || strings.HasPrefix(name, f.Name+".") {
			n++
		}
	}
	return n > 1 || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..")
}

func flatten(d *json.Decoder, name string, into *[]insights.Field) {
	below := func(key string) string {
		if name == "" {
			return key
		}
		return name + "." + key
	}
	tok, _ := d.Token()
	v := ""
	switch tok := tok.(type) {
	case json.Delim:
		for i := 0; d.More(); i++ {
			key := strconv.Itoa(i)
			if tok == '{' {
				k, _ := d.Token()
				key = k.(string)
			}
			flatten(d, below(key), into)
		}
		d.Token()
		return
	case nil:
		return
	case bool:
		v = map[bool]string{true: "1", false: "0"}[tok]
	case string:
		v = tok
	case json.Number:
		v = tok.String()
	}
	if strings.HasPrefix(name, "@") {
		name = "@" + name
	}
	*into = append(*into, insights.Field{Name: name, Value: v})
}
