package logfilter_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
)

// agree holds one pattern and one message against the slow matcher.
func agree(t *testing.T, pattern, message string) {
	t.Helper()
	f, err := logfilter.Parse(pattern)
	if err != nil {
		if err.Error() == "" {
			t.Fatalf("Parse(%q): an error that says nothing", pattern)
		}
		return
	}
	is := f.Match(message)
	values, extracted := f.Extract(message)
	if extracted != is {
		t.Fatalf("%q, %q: match %v, extract %v", pattern, message, is, extracted)
	}
	for _, need := range f.Terms() {
		if need == "" || is && !strings.Contains(message, need) && (f.Kind() != logfilter.JSON || !logfilter.Disguised(message)) {
			t.Fatalf("%q, %q: matches without %q", pattern, message, need)
		}
	}
	for name, value := range values {
		s, ok := f.Selector(name)
		if !ok {
			t.Fatalf("%q: %s selects nothing", pattern, name)
		}
		if got, ok := s.Value(message); !ok || got != value {
			t.Fatalf("%q, %q: %s is %q, selected %q", pattern, message, name, value, got)
		}
	}
	if !utf8.ValidString(message) || !utf8.ValidString(pattern) || deep(message) {
		return // encoding/json puts other characters there, and goes deeper
	}
	if slow := slowMatch(pattern, message); slow != is {
		t.Fatalf("%q, %q: match %v, slowly %v", pattern, message, is, slow)
	}
	if f.Kind() == logfilter.Delimited {
		if slow, ok := slowFields(pattern, message); ok && !maps.Equal(slow, values) {
			t.Fatalf("%q, %q: extracts %q, slowly %q", pattern, message, values, slow)
		}
	}
}

func deep(message string) bool {
	return strings.Count(message, "[")+strings.Count(message, "{") > 900
}

func seeds() (patterns, messages []string) {
	patterns = []string{
		"", "ERROR", `ERROR -"BAD REQUEST" %a.c%`, `?a ?-b ?%c|d%`, `--a`, `"\"\\"`, `%^(%`, `%\x41{,3}[^]a]%`,
		"[]", "[...]", "[a, b]", "[a=1, ..., b=x*]", `[ip=%^1%, , x != "a b" && (x > 1 || x<=-2e3)]`, `[a="*"]`,
		"{}", `{ $.a = 1 }`, `{ $.a.b[0].['c d'] != "*x" && ($.* IS NULL || $.a[*].b NOT EXISTS) }`, `{ $.a = %x+% }`, `{$.a>1.5e3||$.b<=-1&&$.c IS FALSE}`,
		`{ $.a = "\"" }`, `{ $.a = 9007199254740993 }`,
	}
	messages = []string{
		"", "ERROR a b", `127.0.0.1 - x [10/Oct "y"] "GET / HTTP" 404 1`, `a "b c" [d] "`, "1 2 3", "x\ty\n",
		`{"a":1}`, `{"a":{"b":[{"c d":"x"},null]},"c":false}`, `{"\u0061":"\ud83d\ude00x","a":[1,null]}`, `{"a":1,"a":[{"b":2}],"b":-1.5e3}`, `[1]`, `{"a":"\""}`,
		`{"a":9007199254740993,"x":"x"}`,
	}
	return patterns, messages
}

// FuzzParse: whatever a pattern is, it is refused with a text or compiled into what the slow matcher says it means.
func FuzzParse(f *testing.F) {
	patterns, messages := seeds()
	for _, p := range patterns {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		for _, m := range messages {
			agree(t, pattern, m)
		}
	})
}

// FuzzMatch: whatever a message is, all patterns agree with the slow matcher about it, and so does the pattern that comes
// with it.
func FuzzMatch(f *testing.F) {
	patterns, messages := seeds()
	for i, m := range messages {
		f.Add(patterns[i], m)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		for _, p := range append(patterns, pattern) {
			agree(t, p, message)
		}
	})
}

// TestAgreesWithTheSlowMatcher makes patterns and messages of few parts, so that many of them match.
func TestAgreesWithTheSlowMatcher(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	value := func() string {
		return pick("1", "-1", "1.0", "1e0", "x", "x*", "*x", "*x*", "*", `"1"`, `"x y"`, `"*y"`, `"\""`, `""`, "%x%", "%^x?1$%", "%y|1%", "true", "100000000000000000001")
	}
	sign := func() string { return pick("=", "!=", "=", "!=", "<", "<=", ">", ">=") }
	var conditions func(leaf func() string, depth int) string
	conditions = func(leaf func() string, depth int) string {
		switch n := r.IntN(6); {
		case depth == 0 || n < 3:
			return leaf()
		case n == 3:
			return "(" + conditions(leaf, depth-1) + ")"
		case n == 4:
			return conditions(leaf, depth-1) + " && " + conditions(leaf, depth-1)
		}
		return conditions(leaf, depth-1) + "||" + conditions(leaf, depth-1)
	}
	var document func(depth int) string
	document = func(depth int) string {
		switch n := r.IntN(8); {
		case depth == 0 || n < 3:
			return pick("1", "1.0", "10e-1", "-1", "null", "true", "false", `"1"`, `"x"`, `"\u0078"`, `"x y"`, `"\""`, `"xx"`, `""`, "100000000000000000001", "100000000000000000000")
		case n < 5:
			var all []string
			for range r.IntN(3) {
				all = append(all, document(depth-1))
			}
			return "[" + strings.Join(all, ",") + "]"
		}
		var all []string
		for range r.IntN(4) {
			all = append(all, pick(`"a"`, `"b"`, `"a"`, `"\u0061"`, `"c d"`)+": "+document(depth-1))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	matched := 0
	for range 30_000 {
		var pattern, message string
		switch r.IntN(3) {
		case 0:
			for range 1 + r.IntN(4) {
				pattern += pick("", "", "-", "?", "?-", "--") + pick("a", "b", "ab", `"a b"`, `"\""`, "%a+%", "%^b%", `%a|"%`) + " "
			}
			pattern = strings.ReplaceAll(pattern, `|"`, `|\x22`)
			for range r.IntN(6) {
				message += pick("a", "b", " ", `"`, "ab")
			}
		case 1:
			var fields []string
			for i := range r.IntN(4) {
				name := string(rune('p' + i))
				fields = append(fields, pick("...", "", name, name, conditions(func() string { return name + sign() + value() }, 2)))
			}
			pattern = "[" + strings.Join(fields, ", ") + "]"
			for range r.IntN(6) {
				message += pick("1", "-1", "x", "xx", `"x y"`, "[1]", `"`, "[", "1.0", "y") + pick(" ", "  ", "\t", "")
			}
		default:
			pattern = "{" + conditions(func() string {
				selector := "$" + pick(".a", ".b", ".*", ".['c d']")
				for range r.IntN(3) {
					selector += pick(".a", ".b", "[0]", "[1]", "[*]", ".*")
				}
				return selector + pick(" IS NULL", " IS TRUE", " IS FALSE", " NOT EXISTS", sign()+value(), sign()+value(), sign()+value())
			}, 2) + "}"
			message = document(3)
			if !json.Valid([]byte(message)) {
				t.Fatal(message)
			}
		}
		agree(t, pattern, message)
		if f, err := logfilter.Parse(pattern); err == nil && f.Match(message) {
			matched++
		}
	}
	if matched < 3000 {
		t.Errorf("only %d matched", matched)
	}
}
