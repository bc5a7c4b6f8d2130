package logfilter_test

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
)

func parse(t testing.TB, pattern string) *logfilter.Filter {
	t.Helper()
	f, err := logfilter.Parse(pattern)
	if err != nil {
		t.Fatalf("Parse(%q): %v", pattern, err)
	}
	return f
}

// TestRefused holds patterns and what AWS says of them, first where metric filters are put and tested, then where AWS
// says something else when events are searched.
func TestRefused(t *testing.T) {
	t.Parallel()
	const general, search = "Invalid metric filter pattern", "Invalid filter pattern"
	character := func(s string) string { return "Invalid character(s) in term '" + s + "'" }
	for _, c := range []struct{ pattern, message, search string }{
		{`ERR*`, character(`*`), ""},
		{`"ERROR`, character(`"ERROR`), ""},
		{`level "a" "b`, character(`"b`), ""},
		{`""`, character(`""`), ""},
		{`Status: timeout`, character(`:`), ""},
		{`failed (exit`, character(`(`), ""},
		{`a\b`, character(`\`), ""},
		{"`ERROR", character("`"), ""},
		{`“ERROR”`, character(`“`), ""},
		{`a ?`, general, search},
		{`a -`, general, search},
		{`? ? a`, general, search},
		{`%something!%`, character(`%something!`), ""},
		{`%^(ERROR|WARN)%`, character(`%^(`), ""},
		{`%a\(b%`, character(`%a\(`), ""},
		{`%café%`, character(`%café`), ""},
		{`%abc`, character(`%abc`), ""},
		{`%%`, character(`%%`), ""},
		{`%[abc%`, "Failed to compile regular expression.", ""},
		{`%a**%`, "Failed to compile regular expression.", ""},
		{`%*a%`, "Failed to compile regular expression.", ""},
		{`%a\b%`, "Failed to compile regular expression.", ""},
		{`%\x4%`, "Failed to compile regular expression.", ""},
		{`%\xff%`, "Failed to compile regular expression.", ""},
		{`%a\%`, "Failed to compile regular expression.", ""},
		{`%a% %b% %c%`, "Your input has exceeded the maximum of 2 regular expressions per filter pattern.", ""},

		{`{ $.a = 1`, "If a filter pattern starts with '{' it must end with '}'", ""},
		{`{ $.a = 1 } x`, "If a filter pattern starts with '{' it must end with '}'", ""},
		{`{`, "If a filter pattern starts with '{' it must end with '}'", ""},
		{`{}`, general, search},
		{`{ $.a }`, general, search},
		{`{ $.a = }`, general, search},
		{`{ = 1 }`, general, search},
		{`{ a = 1 }`, general, search},
		{`{ $.a EXISTS }`, general, search},
		{`{ $.a IS }`, general, search},
		{`{ $.a IS NOT NULL }`, character(`NOT`), search},
		{`{ $.a IS MAYBE }`, character(`MAYBE`), search},
		{`{ $.a == 1 }`, general, search},
		{`{ $.a > 0 AND $.a < 2 }`, general, search},
		{`{ $.a = 1 && }`, general, search},
		{`{ ($.a = 1 }`, general, search},
		{`{ $.a = 1) }`, general, search},
		{`{ $.a = 1 $.b = 2 }`, general, search},
		{`{ $.a = null }`, general, search},
		{`{ $.a = $.b }`, general, search},
		{`{ $.a > "Alpha" }`, character(`"Alpha"`), search},
		{`{ $.a >= "1" }`, character(`"1"`), search},
		{`{ $.a < many }`, character(`many`), search},
		{`{ !($.a = 1) }`, character(`!(`), ""},
		{`{ $.a = 1 & $.b = 2 }`, character(`& `), ""},
		{`{ "a": [1] }`, character(`:`), ""},
		{`{ $.a = "x", $.b = "y" }`, character(`,`), ""},
		{`{ $.a = 'x' }`, character(`'`), ""},
		{`{ $.a = "x }`, character(`"x `), ""},
		{`{ $.a = %(b|c)% }`, character(`%(`), ""},
		{`{ $..a = 1 }`, character(`$..`), ""},
		{`{ $.a..b = 1 }`, character(`..`), ""},
		{`{ $."b-c" = 1 }`, character(`$."`), ""},
		{`{ $ = 1 }`, character(`$ `), ""},
		{`{ $[0] = 1 }`, character(`$[`), ""},
		{`{ $.a[-1] = 1 }`, character(`[-`), ""},
		{`{ $.a[0:2] = 1 }`, character(`[0:`), ""},
		{`{ $.a[] = 1 }`, character(`[]`), ""},
		{`{ $.a[*] = 1 || $.b[*].* = 1 }`, "Your filter pattern has a JSON path selector that exceeds the maximum of 1 wildcard allowed per json selector.", ""},
		{`{ $.a[*] = 1 || $.b[*] = 1 || $.* = 1 || $.c[*] = 1 }`, "Your input has exceeded the maximum of 3 JSON wildcard selectors allowed per filter pattern.", ""},
		{`{ $.a = %a% || $.a = %b% || $.a = %c% }`, "Your input has exceeded the maximum of 2 regular expressions per filter pattern.", ""},

		{`[a, b`, "If a filter pattern starts with '[' it must end with ']'", ""},
		{`[a, b] c`, "If a filter pattern starts with '[' it must end with ']'", ""},
		{`[a, a]`, "Duplicate field 'a'", ""},
		{`[..., a, ...]`, "Duplicate field '...'", ""},
		{`[a=x, b, a]`, "Duplicate field 'a'", ""},
		{`[a = ]`, general, search},
		{`[a = 1 ||]`, general, search},
		{`[a = 1 && b > 2, c]`, general, search},
		{`[a && a = 1]`, general, search},
		{`[a == 1]`, general, search},
		{`[a = 1 OR a = 2]`, general, search},
		{`[a = 1 && || a = 2]`, general, search},
		{`[..]`, general, search},
		{`[a*]`, general, search},
		{`["a"]`, general, search},
		{`[-]`, general, search},
		{`[a = !b]`, character(`!b`), ""},
		{`[a > many]`, character(`many`), search},
		{`[a = x:y]`, character(`:`), ""},
		{`[a = %x%, b = %y%, c = %z%]`, "Your input has exceeded the maximum of 2 regular expressions per filter pattern.", ""},
		{strings.Repeat("a", 1025), general, search},
	} {
		f, err := logfilter.Parse(c.pattern)
		wrong, ok := errors.AsType[*logfilter.Error](err)
		if !ok || f != nil {
			t.Errorf("Parse(%q): %v, %v, want an Error and no filter", c.pattern, f, err)
			continue
		}
		if c.search == "" {
			c.search = c.message
		}
		if wrong.Message != c.message || wrong.Search != c.search || err.Error() != c.message {
			t.Errorf("Parse(%q):\n %s\n %s\nwant\n %s\n %s", c.pattern, wrong.Message, wrong.Search, c.message, c.search)
		}
	}
}

// matching is a pattern and the messages it lets through, by their numbers.
type matching struct {
	pattern string
	want    string
}

func run(t *testing.T, kind logfilter.Kind, messages []string, cases []matching) {
	t.Helper()
	for _, c := range cases {
		f := parse(t, c.pattern)
		if f.Kind() != kind {
			t.Errorf("%s: of kind %v", c.pattern, f.Kind())
		}
		var got []string
		for i, m := range messages[1:] {
			is := f.Match(m)
			if is {
				got = append(got, strconv.Itoa(i+1))
			}
			if slow := slowMatch(c.pattern, m); slow != is {
				t.Errorf("%s: %q: match %v, slowly %v", c.pattern, m, is, slow)
			}
			values, extracted := f.Extract(m)
			if extracted != is || kind != logfilter.Delimited && len(values) > 0 {
				t.Errorf("%s: %q: match %v, extracts %v, %v", c.pattern, m, is, values, extracted)
			}
			for _, need := range f.Terms() {
				if is && !strings.Contains(m, need) && !logfilter.Disguised(m) {
					t.Errorf("%s: %q matches without %q", c.pattern, m, need)
				}
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.pattern, s, c.want)
		}
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	run(t, logfilter.Terms, []string{
		1:  "[ERROR 400] BAD REQUEST",
		2:  "[ERROR 401] UNAUTHORIZED REQUEST",
		3:  "[ERROR 419] MISSING ARGUMENTS",
		4:  "[ERROR 420] INVALID ARGUMENTS",
		5:  "[ERROR 500] INTERNAL SERVER ERROR",
		6:  "[SUCCESS 200] AUTHORIZED REQUEST",
		7:  "[INFO] REQUEST FAILED",
		8:  "[WARN] UNAUTHORIZED REQUEST",
		9:  "error request",
		10: "INTERNAL  SERVER ERROR_ARGUMENTS\nREQUEST",
		11: `say "hello world" in C:\temp`,
		12: "nothing",
		13: "",
		14: "color hat",
		15: "grey colour 10010,051",
		16: "10.10.0.1 aaaa shutting down",
		17: "shutting down [7] abbbc",
	}, []matching{
		{"ERROR", "1 2 3 4 5 10"},
		{"error", "9"},
		{"ERROR ARGUMENTS", "3 4 10"},
		{"ARGUMENTS ERROR", "3 4 10"},
		{"?ERROR ?ARGUMENTS", "1 2 3 4 5 10"},
		{"?AUTHORIZED ?FAILED", "2 6 7 8"},
		{"?ERROR ?ARGUMENTS REQUEST", "1 2 6 7 8 10"},
		{"?ERROR REQUEST ?ARGUMENTS", "1 2 6 7 8 10"},
		{"?ERROR ?ARGUMENTS -REQUEST", "3 4 5 9 11 12 13 14 15 16 17"},
		{`"INTERNAL SERVER ERROR"`, "5"},
		{"ERROR -ARGUMENTS", "1 2 5"},
		{`ERROR - "BAD REQUEST"`, "2 3 4 5 10"},
		{"-ERROR", "6 7 8 9 11 12 13 14 15 16 17"},
		{"--ERROR", "1 2 3 4 5 10"},
		{"?-REQUEST ?BAD", "1 3 4 5 9 11 12 13 14 15 16 17"},
		{"ERROR-ARGUMENTS", "1 2 5"},
		{`" "`, "1 2 3 4 5 6 7 8 9 10 11 14 15 16 17"},
		{`"[ERROR" INVALID`, "4"},
		{`"\"hello"`, "11"},
		{`"C:\\temp"`, "11"},
		{`"C:\temp"`, "11"},
		{`"[7]"`, "17"},
		{"%AUTHORIZED%", "2 6 8"},
		{"%^.ERROR 4[0-9]{2}%", "1 2 3 4"},
		{"%REQUEST$%", "1 2 6 8 10"},
		{"%^[hc]at%", ""},
		{"%[hc]at$%", "14"},
		{"%colou?r%", "14 15"},
		{"%a{3,5}%", "16"},
		{"%^a{,2}%", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"},
		{"%ba{5,}%", ""},
		{"%{,a%", ""},
		{"%[{,]051%", "15"},
		{"%gr[ae]y%", "15"},
		{"%gra|ey%", "15"},
		{"%^starting|^initializing|^shutting down%", "17"},
		{`%\[.\]%`, "17"},
		{`%10\.10\.0\.1%`, "16"},
		{`%10.10.0.1%`, "15 16"},
		{"%ab*c%", "17"},
		{"%ab+c%", "17"},
		{"%.at%", "14"},
		{`%^\d\d%`, "16"},
		{`%^\D+$%`, "7 8 9 10 11 12 14"},
		{`%\s\s%`, "10"},
		{`%^\S+$%`, "12"},
		{`%^\w+$%`, "12"},
		{`%R\W4%`, "1 2 3 4"},
		{`%C\x3A%`, "11"},
		{`%ERROR|WARN%`, "1 2 3 4 5 8 10"},
		{`%ERR|ERROR 4%`, "1 2 3 4 5 10"},
		{`REQUEST -%UN|BAD% `, "6 7 10"},
		{`?%UN|BAD% ?"SERVER"`, "1 2 5 8 10"},
		{"%}$%", ""},
		{"%abcc|ab[^c]$%", ""},
		{"%ab[0-9]*%", "17"},
		{"%[abcx-z]{4}%", "16 17"},
		{`%\x28|\x5b7%`, "17"},
		{`%ERROR [0-9]+\] [A-Z]+ A%`, "3 4"},
	})
}

func TestEverything(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"", "  ", "\n"} {
		f := parse(t, pattern)
		values, ok := f.Extract("anything")
		if !ok || values == nil || len(values) > 0 || !f.Match("") || f.Kind() != logfilter.Everything || len(f.Terms()) > 0 {
			t.Errorf("%q: %v, %v, of kind %v, needs %v", pattern, values, ok, f.Kind(), f.Terms())
		}
	}
	if f := parse(t, "[]"); !f.Match("") || !f.Match("a b") || f.Kind() != logfilter.Delimited {
		t.Error("[] does not let everything through")
	}
}

var access = []string{
	1:  `127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`,
	2:  `127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /apache_pb.gif HTTP/1.0" 500 5324`,
	3:  `127.0.0.2 - jane [10/Oct/2000:13:50:35 -0700] "GET /about/index.html HTTP/1.0" 200 4355`,
	4:  `127.0.0.11 - jane [10/Oct/2000:13:50:36 -0700] "GET /old.html HTTP/1.0" 410 0`,
	5:  "127.0.0.5  -\tfrank\t[10/Oct/2000:13:25:19 -0700]  \"GET /x.html HTTP/1.0\" 404 1534 more than that  ",
	6:  `INFO 09/25/2014 12:00:00 GET /service/resource/67 1200`,
	7:  `INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310`,
	8:  `WARNING 09/25/2014 12:00:02 Invalid user request`,
	9:  `ERROR 09/25/2014 12:00:02 Failed to process request`,
	10: `ERROR`,
	11: `ERROR "two words"`,
	12: `ERROR "not closed`,
	13: ``,
	14: `ERROR [not closed "at all`,
	15: `"" [] x`,
	16: `n 9007199254740993 1e3`,
}

func TestFields(t *testing.T) {
	t.Parallel()
	run(t, logfilter.Delimited, access, []matching{
		{`[ip, user, username, timestamp, request, status_code, bytes]`, "1 2 3 4 5 9"},
		{`[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]`, "1 4 5"},
		{`[ip=%127\.0\.0\.[1-9]$%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]`, "1 5"},
		{`[..., request =*.html*, status_code = 4*, bytes]`, "1 4"},
		{`[ip, user, username, timestamp, request =*.html*, status_code = 404 || status_code = 410, bytes]`, "1 4 5"},
		{`[..., status_code, bytes]`, "1 2 3 4 5 6 7 8 9 11 12 14 15 16"},
		{`[ip, user, ..., status_code, bytes]`, "1 2 3 4 5 6 7 8 9 14"},
		{`[ip, user, ...]`, "1 2 3 4 5 6 7 8 9 11 12 14 15 16"},
		{`[ip, user, username, timestamp, request, status_code, bytes > 1000]`, "1 2 3"},
		{`[ip, user, username, timestamp, request, status_code = 4* && status_code != 403, bytes]`, "1 4 5"},
		{`[ip, server, username, timestamp, request, status_code >= 404 && (status_code < 500 || status_code = 500), bytes]`, "1 2 4 5"},
		{`[w1=ERROR, w2]`, "9 11 12 14"},
		{`[w1=ERROR]`, "10"},
		{`[w1=ERROR || w1=WARNING, w2]`, "8 9 11 12 14"},
		{`[w1 = ERROR||w1 = WARNING, w2]`, "8 9 11 12 14"},
		{`[w1=ERROR || w1=%WARN%, w2]`, "8 9 11 12 14"},
		{`[w1!=ERROR && w1!=WARNING, w2]`, "1 2 3 4 5 6 7 15 16"},
		{`[w1!=ERROR&&w1!=WARNING, w2]`, "1 2 3 4 5 6 7 15 16"},
		{`[w1 = ERROR && w1 != FOO || w1 = WARNING, w2]`, "8 9 11 12 14"},
		{`[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]`, "6"},
		{`[logLevel, date, time, method, url=%/service/resource/[0-9]+/part/[0-9]+$%, response_time]`, "7"},
		{`[..., request=*.html*, status_code=4*,]`, "1 4"},
		{`[w1 = IN*]`, "6 7"},
		{`[w1 = %IN.*%, rest]`, "6 7 8"},
		{`[w1 = %^IN.*%, rest]`, "6 7"},
		{`[, w2="two words"]`, "11"},
		{`[w1, w2 = "\"not closed"]`, "12"},
		{`[w1 = "", w2 = "", w3]`, "15"},
		{`[w1, n = 9007199254740993, w3]`, "16"},
		{`[w1, n = 9007199254740992, w3]`, ""},
		{`[w1, n > 9007199254740992, w3 = 1000]`, "16"},
		{`[w1, n > -9e99, w3 <= 1000.0]`, "16"},
		{`[w1 = *]`, "1 2 3 4 5 6 7 8 9 10 11 12 14 15 16"},
		{`[w1 != *]`, ""},
		{`[...]`, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"},
		{`[,]`, "1 2 3 4 5 6 7 8 9 11 12 14 15 16"},
		{`[a, b, c, d, e, f, g, h, ...]`, "5"},
	})
}

func TestExtract(t *testing.T) {
	t.Parallel()
	const line = `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`
	for _, c := range []struct{ pattern, message, want string }{
		{`[ip, identity, user_id, timestamp, request, status_code, size]`, line, "$ip=127.0.0.1|$identity=-|$user_id=frank|$timestamp=10/Oct/2000:13:25:15 -0700|$request=GET /index.html HTTP/1.0|$status_code=404|$size=1534"},
		{`[..., size]`, line, "$1=127.0.0.1|$2=-|$3=frank|$4=10/Oct/2000:13:25:15 -0700|$5=GET /index.html HTTP/1.0|$6=404|$size=1534"},
		{`[]`, line + " x", "$1=127.0.0.1|$2=-|$3=frank|$4=10/Oct/2000:13:25:15 -0700|$5=GET /index.html HTTP/1.0|$6=404|$7=1534|$8=x"},
		{`[..., status_code=404, size]`, line, "$1=127.0.0.1|$2=-|$3=frank|$4=10/Oct/2000:13:25:15 -0700|$5=GET /index.html HTTP/1.0|$status_code=404|$size=1534"},
		{`[..., request=*.html*, status_code=4*,]`, line, "$1=127.0.0.1|$2=-|$3=frank|$4=10/Oct/2000:13:25:15 -0700|$request=GET /index.html HTTP/1.0|$status_code=404|$7=1534"},
		{`[ip, ..., status, bytes]`, line + " x", "$ip=127.0.0.1|$2=-|$3=frank|$4=10/Oct/2000:13:25:15 -0700|$5=GET /index.html HTTP/1.0|$6=404|$status=1534|$bytes=x"},
		{`[ip, ..., bytes]`, "a b", "$ip=a|$bytes=b"},
		{`[..., bytes]`, "a", "$bytes=a"},
		{`[a, b, rest]`, line + "  x ", "$a=127.0.0.1|$b=-|$rest=frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534  x"},
		{`[w1=ERROR, w2]`, `ERROR "two words"`, "$w1=ERROR|$w2=two words"},
		{`[w1=ERROR, w2]`, `ERROR "two words" more`, `$w1=ERROR|$w2="two words" more`},
		{`[w1=ERROR, w2]`, `ERROR "not closed`, `$w1=ERROR|$w2="not closed`},
		{`[a, b]`, "x\ty\tz", "$a=x|$b=y\tz"},
		{`[a, ]`, "x y z", "$a=x|$2=y z"},
		{`[kind = "SPACE", value, bucket]`, `SPACE "17.5" A`, "$kind=SPACE|$value=17.5|$bucket=A"},
	} {
		want := map[string]string{}
		for pair := range strings.SplitSeq(c.want, "|") {
			name, value, _ := strings.Cut(pair, "=")
			want[name] = value
		}
		got, ok := parse(t, c.pattern).Extract(c.message)
		if !ok || !maps.Equal(got, want) {
			t.Errorf("%s of %q: %v, %q, want %q", c.pattern, c.message, ok, got, want)
		}
		if slow, _ := slowFields(c.pattern, c.message); !maps.Equal(slow, got) {
			t.Errorf("%s of %q: %q, slowly %q", c.pattern, c.message, got, slow)
		}
	}
	if values, ok := parse(t, "[a, b]").Extract("x"); ok || values != nil {
		t.Errorf("extracts %v of a line that does not match", values)
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	run(t, logfilter.JSON, []string{
		1: `{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
			"objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "cluster.name": "c", "ThisFlag": true}`,
		2: `{"user": {"id": 1, "email": "John.Stiles@example.com"}, "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
			"actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]]}`,
		3:  `{"bandwidth": 80, "latency": 49.5, "refreshRate": 60, "responseTime": 5, "errorCode": 400, "number": [1000]}`,
		4:  `{"bandwidth": 75, "latency": 50, "refreshRate": 59, "responseTime": 5.01, "errorCode": 500, "number": [1e-3]}`,
		5:  `{"users": [1, 2, 3], "errorCode": "400", "eventType": "updatetrail"}`,
		6:  `not JSON: "eventType" "UpdateTrail"`,
		7:  `[{"eventType": "UpdateTrail", "errorCode": 400}]`,
		8:  ` {"cluster": {"name": "c"}, "eventType": ""} `,
		9:  `{"\u0065ventType": "\u0055pdateTrail", "errorCode": 4e2}`,
		10: `{"eventType": "UpdateTrail"} and more`,
	}, []matching{
		{`{ $.eventType = "UpdateTrail" }`, "1 9"},
		{`{ $.eventType = UpdateTrail }`, "1 9"},
		{`{ $.eventType = Update* }`, "1 9"},
		{`{ $.eventType = "*Trail" }`, "1 9"},
		{`{ $.eventType = "*dateT*" }`, "1 9"},
		{`{ $.eventType = "Upd*ail" }`, ""},
		{`{ $.eventType = * }`, "1 5 8 9"},
		{`{ $.eventType = "" }`, "8"},
		{`{ $.eventType != "UpdateTrail" }`, "5 8"},
		{`{ $.sourceIPAddress != 123.123.* }`, "1"},
		{`{ $.sourceIPAddress != 111.111.* }`, ""},
		{`{ $.eventType = "*" && $.sourceIPAddress != 123.123.* }`, "1"},
		{`{ $.arrayKey[0] = "value" }`, "1"},
		{`{ $.arrayKey[1] = "value" }`, ""},
		{`{ $.arrayKey[*] = "value" }`, "1"},
		{`{ $.arrayKey = "value" }`, ""},
		{`{ $.eventType = %Trail% }`, "1 9"},
		{`{ $.eventType != %Trail% }`, "5 8"},
		{`{ $.arrayKey[*] = %val.{2}% }`, "1"},
		{`{ $.* = %111\.111\.111\.1[0-9]{1,2}% }`, "1"},
		{`{ $.['cluster.name'] = "c" }`, "1"},
		{`{ $['cluster.name'] = "c" }`, "1"},
		{`{ $.cluster.name = "c" }`, "8"},
		{`{ $.['cluster']['name'] = "c" }`, "8"},
		{`{ $.SomeObject IS NULL }`, "1"},
		{`{ $.eventType IS NULL }`, ""},
		{`{ $.ThisFlag IS TRUE }`, "1"},
		{`{ $.ThisFlag IS FALSE }`, ""},
		{`{ $.SomeOtherObject NOT EXISTS }`, "1 2 3 4 5 8 9"},
		{`{ $.eventType NOT EXISTS }`, "2 3 4"},
		{`{ $.SomeObject NOT EXISTS }`, "2 3 4 5 8 9"},
		{`{ $.objectList[1].id = 2 }`, "1"},
		{`{ $.objectList[*].id = 2 && $.objectList[*].name = "a" }`, "1"},
		{`{ $.bandwidth > 75 }`, "3"},
		{`{ $.latency < 50 }`, "3"},
		{`{ $.refreshRate >= 60 }`, "3"},
		{`{ $.responseTime <= 5 }`, "3"},
		{`{ $.errorCode = 400}`, "3 5 9"},
		{`{ $.errorCode = "400" }`, "3 5"},
		{`{ $.errorCode = 4* }`, "3 5 9"},
		{`{ $.errorCode != 500 }`, "3 5 9"},
		{`{ $.errorCode >= 400 }`, "3 4 9"},
		{`{ $.latency > +49 }`, "3 4"},
		{`{ $.number[0] = 1e+3 }`, "3"},
		{`{ $.number[0] != 1e-3 }`, "3"},
		{`{ $.number[0] < 10e-3 }`, "4"},
		{`{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }`, "2"},
		{`{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }`, "2"},
		{`{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch") && $.actions[2] = "nonmatch" }`, ""},
		{`{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }`, ""},
		{`{ $.coordinates[0][1] = 1 }`, "2"},
		{`{ $.coordinates[*][1] = 8 }`, "2"},
		{`{ $.users = 1 }`, ""},
		{`{ $.users != 1 }`, ""},
		{`{ $.users[99999999999999999999] != 1 }`, ""},
	})
}

func TestValues(t *testing.T) {
	t.Parallel()
	run(t, logfilter.JSON, []string{
		1:  `{}`,
		2:  `{"v": null}`,
		3:  `{"v": "null"}`,
		4:  `{"v": true}`,
		5:  `{"v": "true"}`,
		6:  `{"v": 2}`,
		7:  `{"v": 2.0}`,
		8:  `{"v": 20e-1}`,
		9:  `{"v": "2"}`,
		10: `{"v": "2.0"}`,
		11: `{"v": -2}`,
		12: `{"v": "word"}`,
		13: `{"v": []}`,
		14: `{"v": {}}`,
		15: `{"v": [3, "word", null]}`,
		16: `{"v": 7, "v": 2}`,
		17: `{"v": 2, "v": 7}`,
		18: `{"v": "a*b"}`,
		19: `{"v": {"w": "word", "w": 2}}`,
		20: `{"v": {"w": 2, "x": "word", "x": 1, "\u0077": "word"}}`,
		21: `{"v": {"0": "word"}, "w": "word"}`,
		22: `{"v": [{"w": "word"}], "v": [{"w": 1}]}`,
		23: `{"v": "tab\t\"quoted\" \u00e9\ud83d\ude00 \/"}`,
		24: `{"v": 9007199254740993}`,
		25: `{"v": 02}`,
		26: `{"v": 2,}`,
		27: `{"v": [2, 2], "w": [null]}`,
		28: `{"v": "x", "w": {"w": {"w": null}}}`,
	}, []matching{
		{`{ $.v = 2 }`, "6 7 8 9 16"},
		{`{ $.v = 2.0 }`, "6 7 8 10 16"},
		{`{ $.v != 2 }`, "3 5 10 11 12 17 18 23 24 28"},
		{`{ $.v = "2" }`, "6 9 16"},
		{`{ $.v != "2" }`, "3 5 7 8 10 11 12 17 18 23 24 28"},
		{`{ $.v > 1 }`, "6 7 8 16 17 24"},
		{`{ $.v < 2 }`, "11"},
		{`{ $.v <= 2 }`, "6 7 8 11 16"},
		{`{ $.v = -2 }`, "11"},
		{`{ $.v = 2e0 }`, "6 7 8 16"},
		{`{ $.v = 9007199254740993 }`, "24"},
		{`{ $.v > 9007199254740992 }`, "24"},
		{`{ $.v = * }`, "3 5 6 7 8 9 10 11 12 16 17 18 23 24 28"},
		{`{ $.v = true }`, "5"},
		{`{ $.v = "a*b" }`, "18"},
		{`{ $.v = "a?b" }`, ""},
		{`{ $.v IS NULL }`, "2 15"},
		{`{ $.v IS TRUE }`, "4"},
		{`{ $.v is true }`, "4"},
		{`{ $.v NOT EXISTS }`, "1"},
		{`{ $.v.w NOT EXISTS }`, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 21 22 23 24 27 28"},
		{`{ $.v[*] = "word" }`, "15 20 21"},
		{`{ $.v.* = "word" }`, "15 20 21"},
		{`{ $.v[1] = "word" }`, "15"},
		{`{ $.v[0] = "word" }`, ""},
		{`{ $.v.0 = "word" }`, "21"},
		{`{ $.v[*] IS NULL }`, "15"},
		{`{ $.* IS NULL }`, "2 15 27"},
		{`{ $.v[*] NOT EXISTS }`, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 16 17 18 23 24 28"},
		{`{ $.v[*].w = "word" }`, ""},
		{`{ $.v[*].w = "word" || $.v[0].w = 1 }`, "22"},
		{`{ $.v.w = 2 }`, "19"},
		{`{ $.v.w = "word" }`, "20"},
		{`{ $.* = 2 }`, "6 7 8 9 16"},
		{`{ $.v = "tab*" && $.v = "* /" && $.v = "*\"quoted\" é😀*" }`, "23"},
		{`{ $.v = %\squoted% }`, ""},
		{`{ $.v = %\squoted|b.\x22quoted% }`, "23"},
		{`{ $.w.w.w IS NULL }`, "28"},
		{`{ $.w[0] IS NULL && $.v[1] = 2 }`, "27"},
	})
}

func TestTermsOfPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, want string }{
		{`"INTERNAL ERROR" ERROR -x abc %foo[0-9]+barbar%`, "INTERNAL ERROR|barbar|abc"},
		{`?a ?b`, ""},
		{`?abc`, "abc"},
		{`%a|b%`, ""},
		{`[..., level=ERROR || level=%ERRORS%, code=404, text=*failed*]`, "failed"},
		{`[w1!=a, w2 > 3]`, ""},
		{`{ $.level = "ERROR" && $.time > 3 && $.ok != "yes" }`, "ERROR|level|time|ok"},
		{`{ $.level = "a/b\"c" || $.level = x }`, "level"},
		{`{ $.a NOT EXISTS || $.b = 1 }`, ""},
		{`{ $.flag IS TRUE }`, "true|flag"},
		{`{ $.* = "needle*" }`, "needle"},
	} {
		f := parse(t, c.pattern)
		if got := strings.Join(f.Terms(), "|"); got != c.want {
			t.Errorf("%s needs %s, want %s", c.pattern, got, c.want)
		}
	}
	if parse(t, "%a% -%b%").Regexes() != 2 || parse(t, "a").Regexes() != 0 || parse(t, "[a=%x%]").Regexes() != 1 {
		t.Error("regular expressions are miscounted")
	}
}

func TestSelector(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, selector, message, want string }{
		{`{ $.latency = * }`, "$.latency", `{"latency": 50, "requestType": "GET"}`, "50"},
		{`{ $.a = 1 }`, "$.b.['c.d'][1]", `{"a": 2, "b": {"c.d": [0, "x\ty"]}}`, "x\ty"},
		{`{ $.a = 1 }`, "$.a", `{"a": 1, "a": {"a": 2}}`, ""},
		{`{ $.a = 1 }`, "$.a", `{"a": null}`, ""},
		{`{ $.a = 1 }`, "$.a", `{"a": 1`, ""},
		{`[ip, ..., size]`, "$size", "a b c", "c"},
		{`[ip, ..., size]`, "$2", "a b c", "b"},
		{`[ip, ..., size]`, "$missing", "a b c", ""},
		{`[ip=x, size]`, "$size", "a b", ""},
	} {
		s, ok := parse(t, c.pattern).Selector(c.selector)
		if !ok {
			t.Errorf("%s: %s selects nothing", c.pattern, c.selector)
			continue
		}
		if got, ok := s.Value(c.message); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %s of %s is %q, %v, want %q", c.pattern, c.selector, c.message, got, ok, c.want)
		}
	}
	for _, c := range []struct{ pattern, selector string }{
		{`{ $.a = 1 }`, "$.a[*]"},
		{`{ $.a = 1 }`, "$a"},
		{`{ $.a = 1 }`, ""},
		{`{ $.a = 1 }`, "$.a $.b"},
		{`{ $.a = 1 }`, "5"},
		{`[a]`, "$"},
		{`[a]`, "$.a"},
		{`[a]`, "a"},
		{`[a]`, "$ä"},
		{"a", "$a"},
		{"a", "$.a"},
		{"", "$.a"},
	} {
		if _, ok := parse(t, c.pattern).Selector(c.selector); ok {
			t.Errorf("%s: %q selects something", c.pattern, c.selector)
		}
	}
}

// TestDeepMessage: nesting must not exhaust the stack, nor brackets that are never closed take their square in time.
func TestDeepMessage(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500)
	if !parse(t, `{ $.b NOT EXISTS }`).Match(deep) {
		t.Error("500 levels are no JSON")
	}
	for _, m := range []string{strings.Repeat(`{"a":`, 1<<18), strings.Repeat("[", 1<<20), `{"a":` + strings.Repeat("[", 1<<20)} {
		if parse(t, `{ $.b NOT EXISTS }`).Match(m) {
			t.Error("what is not closed matches")
		}
	}
	for _, m := range []string{strings.Repeat("[ ", 1<<19), strings.Repeat("\" [ ", 1<<18)} {
		if !parse(t, `[..., a, b]`).Match(m) || !parse(t, `[a, b, c]`).Match(m) {
			t.Error("open brackets are no fields")
		}
	}
	twice := `{"x": 1` + strings.Repeat(`, "x": 1, "y": 1`, 1<<16) + `, "x": 2, "y": 2}`
	if parse(t, `{ $.* = 1 }`).Match(twice) || !parse(t, `{ $.* = 2 }`).Match(twice) {
		t.Error("of many members with the same name it is not the last one that counts")
	}
}

// TestNothingIsAllocated for a message that does not match.
func TestNothingIsAllocated(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	messages := slices.Concat(access, lines(t, "plain", 20), lines(t, "access", 20), lines(t, "json", 20))
	for _, pattern := range []string{
		"needle", `needle -ERROR`, "?needle ?pin", "%needle[0-9]%", "%[n]eedle[0-9]+%",
		"[a=needle, ...]", "[..., status=999, size]", "[a, b, c, d > 1e9, ...]", "[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p=1]",
		`{ $.level = "needle" }`, `{ $.nothing = * || $.request.bytes > 1e9 }`, `{ $.* = 77 || $.request.* = 78 || $.tags[*] = "needle*" }`,
		`{ $.level NOT EXISTS && $.text = %ne+dle% }`, `{ $.text = *needle* && $.level IS NULL }`, `{ $.text = "needle" || $.tags[0] = %x+yz% }`,
	} {
		f := parse(t, pattern)
		if n := testing.AllocsPerRun(20, func() {
			for _, m := range messages {
				if f.Match(m) && m != "" {
					t.Errorf("%s matches %s", pattern, m)
				}
			}
		}); n > 0 {
			t.Errorf("%s allocates %v times for %d messages", pattern, n, len(messages))
		}
	}
}
