package insights_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

const noon = 1_700_000_000_000 // 2023-11-14 22:13:20

// lines are events a second apart.
func lines(messages ...string) iter.Seq[insights.Event] {
	return func(yield func(insights.Event) bool) {
		for i, m := range messages {
			e := insights.Event{
				Time: noon + int64(i)*1000, Ingested: noon + int64(i)*1000 + 7, Message: m,
				Stream: "stream", Group: "111122223333:/aws/lambda/f", Ptr: fmt.Sprintf("p%d", i),
			}
			if !yield(e) {
				return
			}
		}
	}
}

// answer writes the rows of a query: name=value, name=value; …, without @ptr.
func answer(t *testing.T, query string, o insights.Options, messages ...string) string {
	t.Helper()
	q, err := insights.Parse(query)
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	result, err := q.With(o).Run(t.Context(), lines(messages...))
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	return written(result)
}

func written(result insights.Result) string {
	var rows []string
	for _, row := range result.Rows {
		var fields []string
		for _, f := range row {
			if f.Name != "@ptr" {
				fields = append(fields, f.Name+"="+f.Value)
			}
		}
		rows = append(rows, strings.Join(fields, ", "))
	}
	return strings.Join(rows, "; ")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, message string
		start, end     int
	}{
		{"", "unexpected end of query at line 1 and position 1", 0, 0},
		{"fields @timestamp | count()", "mismatched input 'count' expecting {K_PARSE, K_SEARCH, K_FIELDS, K_DISPLAY, K_FILTER, K_STATS, K_SORT, K_ORDER, K_HEAD, K_LIMIT, K_TAIL}", 20, 25},
		{"fields @timestamp |", "unexpected end of query at line 1 and position 20", 19, 19},
		{"fields @timestamp\n| filter a = ", "unexpected end of query at line 2 and position 14", 31, 31},
		{"fields a b", "unexpected symbol found b at line 1 and position 10", 9, 10},
		{"fields 'é😀', ~", "unexpected symbol found ~ at line 1 and position 14", 14, 15},
		{"filter a == 1", "unexpected symbol found = at line 1 and position 11", 10, 11},
		{"filter a && b", "unexpected symbol found & at line 1 and position 10", 9, 10},
		{"filter (a = 1", "unexpected end of query at line 1 and position 14", 13, 13},
		{"filter a = 'x", "a string has no end at line 1 and position 12", 11, 13},
		{"filter a like b", "unexpected symbol found b at line 1 and position 15", 14, 15},
		{"filter a like /x", "a regular expression has no end at line 1 and position 15", 14, 16},
		{"filter a like /(?=x)/", "invalid regular expression at line 1 and position 15: invalid or unsupported Perl syntax: `(?=`", 14, 21},
		{"filter a not = 1", "unexpected symbol found = at line 1 and position 14", 13, 14},
		{"filter a in 1", "unexpected symbol found 1 at line 1 and position 13", 12, 13},
		{"fields frobnicate(a)", "unknown function frobnicate at line 1 and position 8", 7, 20},
		{"fields abs(a, b)", "wrong number of arguments of the function abs at line 1 and position 8", 7, 16},
		{"fields count(*)", "the function count can only be used in stats, and not inside another one, at line 1 and position 8", 7, 15},
		{"stats sum(max(a))", "the function max can only be used in stats, and not inside another one, at line 1 and position 11", 10, 16},
		{"stats a by b", "Unknown symbols found in or after stats: a", 6, 7},
		{"stats count(*) by a | filter b = 1", "Unknown symbols found in or after stats: b", 29, 30},
		{"stats count(*) by bin(1h) | stats max(x)", "Unknown symbols found in or after stats: x", 38, 39},
		{"stats pct(a, b)", "pct needs a percentage from 0 to 100 at line 1 and position 14", 13, 14},
		{"stats count(*) by bin(5)", "bin needs a period such as 5m at line 1 and position 23", 22, 23},
		{"stats count(*) by bin(5x)", "unexpected symbol found 5x at line 1 and position 23", 22, 24},
		{"parse @message 'a*b' as x, y", "parse has 1 asterisks and 2 names at line 1 and position 16", 15, 28},
		{"parse @message 'a*b'", "unexpected end of query at line 1 and position 21", 20, 20},
		{"parse @message /a(.*)b/", "the regular expression of parse needs a named capturing group, such as (?<name>.*), at line 1 and position 16", 15, 23},
		{"parse @message 'a*' as x | parse @message 'b*' as x", "ephemeral field x is already defined at line 1 and position 51", 50, 51},
		{"limit 0", "limit must be a whole number from 1 to 100000 at line 1 and position 7", 6, 7},
		{"limit ten", "unexpected symbol found ten at line 1 and position 7", 6, 9},
		{"dedup a | filter b = 1", "only limit may follow dedup, not filter at line 1 and position 11", 10, 22},
		{"filter isIpv4InSubnet(a, '300.0.0.0/8')", "isipv4insubnet needs a subnet such as 192.0.2.0/24 at line 1 and position 26", 25, 38},
		{"anomaly", "the command anomaly is not served at line 1 and position 1: it looks for anomalies with machine learning", 0, 7},
		{"filterIndex a > 1", "filterIndex compares fields of events with = or in, joined by and, at line 1 and position 13", 12, 17},
		{"fields a as b | filterIndex b = 1", "filterIndex compares fields of events with = or in, joined by and, at line 1 and position 29", 28, 33},
		{"stats count(*) by a | diff", "diff can only follow commands that work on single events, and pattern, at line 1 and position 23", 22, 26},
		{"fields " + strings.Repeat("(", 200), "the query is nested too deeply at line 1 and position 58", 57, 58},
		{"fields `a", "a name in backticks is empty or has no end at line 1 and position 8", 7, 9},
	} {
		_, err := insights.Parse(c.query)
		var e *insights.Error
		if !errors.As(err, &e) || e.Message != c.message || e.Start != c.start || e.End != c.end {
			t.Errorf("%q: %+v, want %d-%d %s", c.query, e, c.start, c.end, c.message)
		}
	}
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	message := `{"a": 7, "b": "x y", "n": -2.5, "ok": true, "no": false, "nil": null, "s": " pad ", "code": "404", "u": "n\u00e4\"h",
		"m": {"k": {"d": 1}, "dotted.key": 5, "l": [10, {"z": "in"}]}, "ip": "10.1.2.3", "ip6": "2001:db8::1", "@at": "at",
		"j": "{\"q\": {\"special-char\": [1, 2]}}", "t": 1699999999123, "foo-bar": 3, "empty": "", "v": "1.10"}`
	for expression, want := range map[string]string{
		"a": "7", "n": "-2.5", "b": "x y", "ok": "1", "no": "0", "nil": "", "u": `nä"h`, "m.k.d": "1", "m.dotted.key": "5", "m.l.0": "10", "m.l.1.z": "in",
		"m.l.2": "", "m.k": "", "`foo-bar`": "3", "m.`dotted.key`": "5", "@@at": "at", "'it''": "", "a.b": "", "1.50": "1.50",
		"a + 1": "8", "a - 1 - 1": "5", "a * 2 + 1": "15", "1 + a * 2": "15", "(1 + a) * 2": "16", "a / 2": "3.5", "a % 4": "3", "2 ^ 3": "8", "2 ^ 3 ^ 2": "512",
		"-a": "-7", "-2 ^ 2": "-4", "a / 0": "", "b + 1": "", "code + 1": "405", "1 / 3": "0.3333", "10000000000 * 10": "100000000000", "abs(n)": "2.5", "ceil(n)": "-2", "floor(n)": "-3",
		"greatest(1, a, n)": "7", "least(1, a, n)": "-2.5", "log(1)": "0", "sqrt(16)": "4", "sqrt(-1)": "",
		"a = 7": "1", "a = '7'": "1", "code = 404": "1", "code = '404'": "1", "code = '404.0'": "0", "v = '1.1'": "0", "v = 1.1": "1", "ok = 1": "1", "ok = true": "1", "no = 'false'": "1", "gone = 1": "0", "gone != 1": "1", "a != 7": "0",
		"a > 6 and a <= 7": "1", "a < 7 or n < 0": "1", "not a = 7": "0", "not not a = 7": "1", "gone > 1": "0", "b >= 'x'": "1", "not a = 7 or ok": "1", "b like /x.y/": "1", "b like 'x'": "1", "b not like 'x'": "0",
		"b =~ /^X/": "0", "b =~ /(?i)^X/": "1", "gone like ''": "0", "gone not like 'x'": "1", "code in [403, 404]": "1", "code in ['404']": "1", "b in ['x']": "0", "b not in ['x', 1]": "1", "b in ['x y']": "1",
		"b like /(?i)X Y/": "1", "u like /ä/": "1", "b like /x|q/": "1", "b like /[/]|x/": "1", `b like /\/|x/`: "1",
		"ispresent(a)": "1", "isPresent(gone)": "0", "ispresent(nil)": "0", "coalesce(gone, nil, b)": "x y", "if(a > 5, 'big', 'small')": "big", "IF(ispresent(gone), gone, 'unknown')": "unknown",
		"isempty(gone)": "1", "isempty(empty)": "1", "isempty(s)": "0", "isblank('  ')": "1", "isblank(b)": "0", "concat(b, '-', a)": "x y-7", "ltrim(s)": "pad ", "rtrim(s)": " pad", "trim(s)": "pad",
		"ltrim('xyZfooxyZ','xyZ')": "fooxyZ", "rtrim('xyZfooxyZ','xyZ')": "xyZfoo", "trim('xyZfooxyZ','xyZ')": "foo", "strlen(u)": "4", "toupper(b)": "X Y", "tolower('AbC')": "abc",
		"substr('xyZfooxyZ', 3, 3)": "foo", "substr('xyZfooxyZ', 6)": "xyZ", "substr(u, 1, 1)": "ä", "substr(b, 9)": "", "replace('foo','o','0')": "f00", "strcontains(b, 'y')": "1", "strcontains(b, 'z')": "0", "strcontains(gone, '')": "0",
		"@timestamp": "2023-11-14 22:13:20.000", "bin(5m)": "2023-11-14 22:10:00.000", "bin(5 minutes)": "2023-11-14 22:10:00.000", "bin(1h)": "2023-11-14 22:00:00.000", "bin(30s)": "2023-11-14 22:13:00.000", "bin(1d)": "2023-11-14 00:00:00.000", "bin(1w)": "2023-11-13 00:00:00.000",
		"bin(1mo)": "2023-11-01 00:00:00.000", "bin(2hrs)": "2023-11-14 22:00:00.000", "bin(1q)": "2023-10-01 00:00:00.000", "bin(1year)": "2023-01-01 00:00:00.000", "datefloor(@timestamp, 1h)": "2023-11-14 22:00:00.000", "dateceil(@timestamp, 1h)": "2023-11-14 23:00:00.000",
		"dateceil(bin(1h), 1h)": "2023-11-14 22:00:00.000", "dateceil(@timestamp, 1mo)": "2023-12-01 00:00:00.000", "fromMillis(t)": "2023-11-14 22:13:19.123", "toMillis(@timestamp)": "1700000000000", "datefloor(fromMillis(t), 1m)": "2023-11-14 22:13:00.000", "now()": "1700000100",
		"@ingestionTime": "2023-11-14 22:13:20.007", "@logStream": "stream", "@log": "111122223333:/aws/lambda/f",
		"isValidIp(ip)": "1", "isValidIpV4(ip)": "1", "isValidIpV6(ip)": "0", "isValidIpV6(ip6)": "1", "isValidIp(b)": "0", "isIpInSubnet(ip, '10.0.0.0/8')": "1", "isIpv4InSubnet(ip, '192.0.2.0/24')": "0", "isIpv6InSubnet(ip6, '2001:db8::/32')": "1", "isIpv4InSubnet(ip6, '10.0.0.0/8')": "0",
		"jsonParse(j).q": "", "jsonParse(j)['q']": `{"special-char": [1, 2]}`, "jsonParse(j)['q']['special-char'][1]": "2", "jsonStringify(jsonParse('[1,2]'))": "[1,2]", "jsonParse('[1,2')": "", "jsonParse(@message)['m']['k']['d']": "1",
		"TRUE": "1", "`true`": "", "'a\\'b\\n'": "a'b\n", `"\d"`: `\d`,
	} {
		if expression == "'it''" || expression == "jsonParse(j).q" {
			if _, err := insights.Parse("fields " + expression); err == nil {
				t.Errorf("%s was taken", expression)
			}
			continue
		}
		got := answer(t, "fields "+expression+" as out", insights.Options{Now: noon + 100_000}, message)
		if got = strings.TrimPrefix(got, "out="); got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
}

func TestFieldsOfMaps(t *testing.T) {
	t.Parallel()
	const m = `{"status_code": 200, "list": [{"n": 5}], "a b": {"special.char": "yes"}}`
	for query, want := range map[string]string{
		"fields jsonParse(@message) as json_message | stats count() by json_message.status_code": "json_message.status_code=200, count()=1",
		"fields jsonParse(@message) as j | fields j.list[0] as one | display one.n, j.list.0.n":  "one.n=5, j.list.0.n=5",
		"fields jsonParse(@message) as j | display j.`a b`.`special.char` as c":                  "c=yes",
	} {
		if got := answer(t, query, insights.Options{}, m); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	messages := []string{
		`{"l": "INFO", "ms": 10, "s": "a"}`, `{"l": "ERROR", "ms": 20, "s": "b"}`, `{"l": "INFO", "ms": 30, "s": "a"}`, `{"l": "ERROR", "ms": 40}`, `no json [WARN] x=1, y=two`,
	}
	for _, c := range []struct{ query, want string }{
		{"fields ms", "; ms=40; ms=30; ms=20; ms=10"},
		{"filter l = 'ERROR' | fields ms", "ms=40; ms=20"},
		{"filter ms > 30", `@timestamp=2023-11-14 22:13:23.000, @message={"l": "ERROR", "ms": 40}`},
		{"filter ms > 30 | filter ms < 40", ""},
		{"fields ms | sort ms desc | limit 2", "ms=40; ms=30"},
		{"fields ms | sort ms", "; ms=10; ms=20; ms=30; ms=40"},
		{"fields l, ms | sort l, ms desc | filter ispresent(ms)", "l=ERROR, ms=40; l=ERROR, ms=20; l=INFO, ms=30; l=INFO, ms=10"},
		{"fields ms * 2 as double | sort double | filter double > 50", "double=60; double=80"},
		{"sort @timestamp asc | limit 1 | display ms, l as level", "ms=10, level=INFO"},
		{"fields ms | limit 2", "; ms=40"},
		{"fields ms | head 1", ""},
		{"fields ms | sort ms | tail 2", "ms=30; ms=40"},
		{"fields ms | sort ms desc | limit 3 | filter ms < 40", "ms=30; ms=20"},
		{"fields ms | display l | display s", "; ; s=a; s=b; s=a"},
		{"filter ispresent(s) | fields s, ms | dedup s", "s=a, ms=30; s=b, ms=20"},
		{"fields s, ms | sort ms asc | dedup s | limit 3", "; s=a, ms=10; s=b, ms=20"},
		{"fields ms, l | dedup l, s | limit 10", "; ms=40, l=ERROR; ms=30, l=INFO; ms=20, l=ERROR"},
		{"filter @message like 'json' | parse @message '* [*] *=*, y=*' as a, b, c, d, e", "@timestamp=2023-11-14 22:13:24.000, @message=no json [WARN] x=1, y=two, a=no json, b=WARN, c=x, d=1, e=two"},
		{`parse @message /\[(?<lvl>\w+)\] x=(?<x>\d)(?<gone>q)?/ | filter lvl = "WARN" | display lvl, x + 1, gone`, "lvl=WARN, x + 1=2"},
		{"stats count(*), sum(ms), avg(ms), min(ms), max(ms), count(ms), count_distinct(l)", "count(*)=5, sum(ms)=100, avg(ms)=25, min(ms)=10, max(ms)=40, count(ms)=4, count_distinct(l)=2"},
		{"stats pct(ms, 50), percentile(ms, 95), median(ms), pct(ms, 0), stddev(ms)", "pct(ms, 50)=20, percentile(ms, 95)=40, median(ms)=20, pct(ms, 0)=10, stddev(ms)=12.9099"},
		{"stats earliest(ms) as e, latest(ms), sortsFirst(l), sortsLast(l), latest(s)", "e=10, latest(ms)=40, sortsFirst(l)=ERROR, sortsLast(l)=INFO, latest(s)=a"},
		{"stats count(*) as n by l | sort n desc, l", "l=ERROR, n=2; l=INFO, n=2; n=1"},
		{"stats sum(ms) by bin(2s)", "bin(2s)=2023-11-14 22:13:24.000; bin(2s)=2023-11-14 22:13:22.000, sum(ms)=70; bin(2s)=2023-11-14 22:13:20.000, sum(ms)=30"},
		{"stats max(ms) as top, min(ms) as low, top - low as spread, max(ms) / 4 by s | sort s", "top=40, low=40, spread=0, max(ms) / 4=10; s=a, top=30, low=10, spread=20, max(ms) / 4=7.5; s=b, top=20, low=20, spread=0, max(ms) / 4=5"},
		{"stats count(*) by l | sort count(*) desc | limit 1 | fields l", "l=INFO, count(*)=2"},
		{"stats sum(ms) as total by l | filter total > 50 | stats max(total), count(*)", "max(total)=60, count(*)=1"},
		{"stats count(*) as n by bin(1s) as t | stats sum(n) by datefloor(t, 2s) | limit 1", "datefloor(t, 2s)=2023-11-14 22:13:24.000, sum(n)=1"},
		{"stats count(*) as n by l | display n * 10 as tens | sort tens | limit 1", "tens=10"},
		{"filter l = 'none' | stats count(*)", ""},
		{"stats count(*) by l, s | filter ispresent(s) | display l, s", "l=INFO, s=a; l=ERROR, s=b"},
		{"limit 2 | stats count(*)", "count(*)=2"},
		{"fields ms # | filter ms = 10\n| limit 1", ""},
		{"# nothing\nfields ms | sort ms desc # the rest\n| limit 1", "ms=40"},
		{"FIELDS ms | SORT ms DESC | LIMIT 1", "ms=40"},
		{"fields ms as `a b` | sort `a b` desc | limit 1", "a b=40"},
	} {
		if got := answer(t, c.query, insights.Options{}, messages...); got != c.want {
			t.Errorf("%s\n%s, want\n%s", c.query, got, c.want)
		}
	}
}

func TestSortIsNatural(t *testing.T) {
	t.Parallel()
	got := answer(t, "fields @message as m | sort m | display m", insights.Options{}, "10", "file10", "9", "file9", "abc", "File1", "file09b", "-1")
	if want := "m=File1; m=abc; m=file9; m=file09b; m=file10; m=-1; m=9; m=10"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPatternAndDiff(t *testing.T) {
	t.Parallel()
	messages := []string{
		"[INFO] Request time: 12 ms from 10.0.0.1", "[INFO] Request time: 7 ms from 10.9.0.1", "[ERROR] user alice has no key", "[ERROR] user bob has no key", "[INFO] Request time: 3 ms from ::1",
	}
	if got, want := answer(t, "pattern @message", insights.Options{}, messages...), "@pattern=[INFO] Request time: <Number-1> ms from <IP-1>, @ratio=0.6, @sampleCount=3, @severityLabel=Info; "+
		"@pattern=[ERROR] user <Token-1> has no key, @ratio=0.4, @sampleCount=2, @severityLabel=Error"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := answer(t, "filter @message like /ERROR/ | parse @message '] *' as text | pattern text | display @pattern, @sampleCount", insights.Options{}, messages...), "@pattern=user <Token-1> has no key, @sampleCount=2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	earlier := lines("[ERROR] user eve has no key", "started well")
	if got, want := answer(t, "diff previousDay | display @pattern, @previousSampleCount, @sampleCountDifference, @differenceDescription", insights.Options{Previous: earlier}, messages...),
		"@pattern=[INFO] Request time: <Number-1> ms from <IP-1>, @previousSampleCount=0, @sampleCountDifference=3, @differenceDescription=new; "+
			"@pattern=[ERROR] user <Token-1> has no key, @previousSampleCount=1, @sampleCountDifference=1, @differenceDescription=+100%; "+
			"@pattern=started well, @previousSampleCount=1, @sampleCountDifference=-1, @differenceDescription=gone"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for query, want := range map[string]string{"pattern @message | diff": "22:13:20 23:13:19", "diff previousWeek": "7d", "diff previousMonth": "month"} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		from, to, ok := q.Earlier(noon+3600_000, noon+7200_000)
		at := time.UnixMilli(from).UTC()
		switch {
		case !ok, want == "7d" && (from != noon+3600_000-7*86400_000 || to-from != 3600_000), want == "month" && at.Format("01-02") != "10-14",
			want[0] == '2' && at.Format("15:04:05")+" "+time.UnixMilli(to).UTC().Format("15:04:05") != want:
			t.Errorf("%s: %v %v %v", query, at, to, ok)
		}
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	o := insights.Options{Mask: func(e *insights.Event) string { return strings.ReplaceAll(e.Message, "secret", "******") }}
	got := answer(t, "fields @message, unmask(@message), unmask(k) as raw, k", o, `{"k": "secret"}`)
	if want := `@message={"k": "******"}, unmask(@message)={"k": "secret"}, raw=secret, k=******`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for query, want := range map[string]bool{"fields unmask(@message)": true, "fields a | unmask @message": true, "fields a": false} {
		if q, err := insights.Parse(query); err != nil || q.Unmasks() != want {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]string{
		"filter @message like 'ERROR' and a = 1": {"ERROR"}, "filter @message like /a+long(er|est) text/": {" text"}, "filter @message not like 'x'": nil, "filter @message like 'x' or b": nil,
		"fields a | filter @message =~ /x y/ | filter @message like 'z'": {"x y", "z"}, "filter level = 'ERROR'": nil, "limit 5 | filter @message like 'x'": nil, "filter @message like /(?i)x/": nil,
	} {
		if q, err := insights.Parse(query); err != nil || !slices.Equal(q.Terms(), want) {
			t.Errorf("%s: %q, %v", query, q.Terms(), err)
		}
	}
}

func TestDiscovered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ message, query, want string }{
		{
			"REPORT RequestId: 6af98cbb-1c45-4a15-8b4c-4c8b5fcb8d6a\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 100.5 ms\t\nXRAY TraceId: 1-5e\tSegmentId: 7f\tSampled: true",
			"filter @type = 'REPORT' | fields @requestId, @duration, @billedDuration, @memorySize, @maxMemoryUsed / 1024 / 1024 as mb, @initDuration, @xrayTraceId, @xraySegmentId",
			"@requestId=6af98cbb-1c45-4a15-8b4c-4c8b5fcb8d6a, @duration=12.34, @billedDuration=13, @memorySize=128000000, mb=61.0352, @initDuration=100.5, @xrayTraceId=1-5e, @xraySegmentId=7f",
		},
		{"2024-01-01T00:00:00.000Z\t6af98cbb-1c45-4a15-8b4c-4c8b5fcb8d6a\tINFO\t{\"user\": {\"id\": 5}}", "fields @requestId, user.id, @type", "@requestId=6af98cbb-1c45-4a15-8b4c-4c8b5fcb8d6a, user.id=5"},
		{"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK", "stats sum(bytes) as b, count(*) by srcAddr, dstAddr, action | filter b > 1", "srcAddr=172.31.16.139, dstAddr=172.31.16.21, action=ACCEPT, b=4249, count(*)=1"},
		{"1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com A SERVFAIL UDP FRA6 192.168.1.1 -", `filter responseCode="SERVFAIL" | stats count(*) by queryName, queryType`, "queryName=example.com, queryType=A, count(*)=1"},
		{`{"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-abcde123"}]}}}`, "fields requestParameters.instancesSet.items.0.instanceId", "requestParameters.instancesSet.items.0.instanceId=i-abcde123"},
		{`{"a": "x\u0041\\", "b": "c"}`, `filter a = "xA\\" and b = 'c' | fields a`, `a=xA\`},
		{`{"a": 1`, "fields a", ""},
		{`[1]`, "fields a", ""},
	} {
		if got := answer(t, c.query, insights.Options{}, c.message); got != c.want {
			t.Errorf("%s\n%s, want\n%s", c.query, got, c.want)
		}
	}
}

func TestFieldsOfAnEvent(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"a": {"b": [1, "x\u0041", {"c": true}], "": null}, "@t": "at", "e": [], "n": 1.50}`: "a.b.0=1 a.b.1=xA a.b.2.c=1 @@t=at n=1.50",
		"plain":       "",
		`{"a": 1`:     "",
		`{"a": 1, ]}`: "a=1",
		"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK": "version=2 accountId=123456789010 interfaceId=eni-1235b8ca srcAddr=172.31.16.139 dstAddr=172.31.16.21 " +
			"srcPort=20641 dstPort=22 protocol=6 packets=20 bytes=4249 startTime=1418530010 endTime=1418530070 action=ACCEPT logStatus=OK",
		"END RequestId: 6af98cbb": "@requestId=6af98cbb @type=END",
	} {
		e := insights.Event{Time: noon, Ingested: noon + 1, Message: message, Stream: "s", Group: "1:g", Ptr: "p"}
		fields := insights.Fields(e)
		var got []string
		for _, f := range fields[6:] {
			got = append(got, f.Name+"="+f.Value)
		}
		if strings.Join(got, " ") != want || fields[1].Value != "2023-11-14 22:13:20.000" || fields[5].Value != message {
			t.Errorf("%s: %s, want %s", message, fields, want)
		}
	}
	if n := len(insights.Fields(insights.Event{Message: `{"a": [` + strings.Repeat("1,", 500) + `1]}`})); n != insights.MaxFields+6 {
		t.Errorf("%d fields", n)
	}
}

// many are events as fast as they come, whose strings do not last.
func many(n int, message func(i int, into []byte) []byte) iter.Seq[insights.Event] {
	return func(yield func(insights.Event) bool) {
		for i := range n {
			m := message(i, make([]byte, 0, 64))
			if !yield(insights.Event{Time: noon + int64(i), Message: string(m), Ptr: fmt.Sprint(i)}) {
				return
			}
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	number := func(i int, b []byte) []byte { return fmt.Appendf(b, `{"n": %d}`, i*7919%100_003) }
	for query, fails := range map[string]bool{
		"stats count(*) by n":                             true,
		"fields @message | limit 100000":                  true,
		"stats count(*), pct(n, 99), count_distinct(n)":   false,
		"sort n desc | limit 100 | stats max(n), count()": false,
		"dedup n | limit 50":                              false,
		"pattern @message":                                false,
	} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		result, err := q.With(insights.Options{Memory: 1 << 20}).Run(t.Context(), many(60_000, number))
		if errors.Is(err, insights.ErrMemory) != fails || !fails && err != nil {
			t.Errorf("%s: %v", query, err)
		}
		t.Log(query, len(result.Rows), result.Statistics)
	}
	q, _ := insights.Parse("stats count_distinct(n) as d, pct(n, 50) as p, pct(n, 99) as q")
	result, err := q.Run(t.Context(), many(100_003, number))
	if err != nil {
		t.Fatal(err)
	}
	var d, p, r float64
	fmt.Sscanf(written(result), "d=%g, p=%g, q=%g", &d, &p, &r)
	if d < 97_000 || d > 103_000 || p < 49_400 || p > 50_600 || r < 98_000 || r > 100_003 {
		t.Errorf("%s", written(result))
	}
}

func TestLimitsAndCancellation(t *testing.T) {
	t.Parallel()
	plain := func(i int, b []byte) []byte { return fmt.Appendf(b, "m%d", i) }
	for query, want := range map[string]int{"fields @message": 10_000, "limit 3": 3, "limit 20000": 20_000, "stats count(*) by @message": 10_000, "limit 20000 | fields concat(@message, 'x') as y": 20_000} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		result, err := q.Run(t.Context(), many(30_000, plain))
		if err != nil || len(result.Rows) != want {
			t.Errorf("%s: %d rows, %v", query, len(result.Rows), err)
		}
	}
	q, _ := insights.Parse("fields @message | filter @message like '9'")
	result, err := q.With(insights.Options{Limit: 2}).Run(t.Context(), many(1000, plain))
	if err != nil || written(result) != "@message=m999; @message=m998" || result.Statistics != (insights.Statistics{RecordsMatched: 271, RecordsScanned: 1000, BytesScanned: 3890}) {
		t.Errorf("%s %+v %v", written(result), result.Statistics, err)
	}
	if ptr := result.Rows[0][len(result.Rows[0])-1]; ptr != (insights.Field{Name: "@ptr", Value: "999"}) {
		t.Errorf("%v", ptr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Run(ctx, many(10_000, plain)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
