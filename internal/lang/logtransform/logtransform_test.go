package logtransform_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/lang/logtransform"
)

func TestApplied(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{ // message, processors, what becomes of it
		{`{"b":1,"a":{"z":[1.50,true,null],"y":"\u00e9\n"}}`, `[{"parseJSON":{}}]`, `{"b":1,"a":{"z":[1.50,true,null],"y":"é\n"}}`},
		{`{"a":1,"b":2,"a":3}`, `[{"parseJSON":{}}]`, `{"a":3,"b":2}`},
		{`{"inner":"{\"x\":1}","x":0}`, `[{"parseJSON":{}},{"parseJSON":{"source":"inner"}}]`, `{"inner":"{\"x\":1}","x":1}`},
		{`{"a":1}`, `[{"parseJSON":{}},{"parseJSON":{"source":"none"}},{"csv":{"source":"none"}}]`, `{"a":1}`},
		{`{"line":"a,b"}`, `[{"parseJSON":{}},{"csv":{"source":"line","columns":["x"],"destination":"d"}}]`, `{"line":"a,b","d":{"x":"a","column_2":"b"}}`},
		{"one\t\"tw\"\"o\"\t\r\n", `[{"csv":{"delimiter":"\\t"}}]`, `{"column_1":"one","column_2":"tw\"o","column_3":""}`},
		{`a b`, `[{"csv":{"delimiter":"\\s","columns":["p.q","p.r"]}}]`, `{"p":{"q":"a","r":"b"}}`},
		{`a=1&b&c=2=3&=4`, `[{"parseKeyValue":{}}]`, `{"a":"1","b":null,"c":"2=3"}`},
		{`a=1&a=2`, `[{"parseKeyValue":{}}]`, `{"a":"1"}`},
		{`a=1&a=2`, `[{"parseKeyValue":{"overwriteIfExists":true}}]`, `{"a":"2"}`},
		{`{"a":1,"b":2}`, `[{"parseJSON":{}},{"addKeys":{"entries":[{"key":"a","value":"x"},{"key":"b","value":"y","overwriteIfExists":true},{"key":"a.c","value":"z"}]}}]`, `{"a":1,"b":"y"}`},
		{`{"a":1,"b":2}`, `[{"parseJSON":{}},{"renameKeys":{"entries":[{"key":"a","renameTo":"b"}]}}]`, `{"b":2,"a":1}`},
		{`{"a":1,"b":2}`, `[{"parseJSON":{}},{"renameKeys":{"entries":[{"key":"a","renameTo":"b","overwriteIfExists":true}]}}]`, `{"b":1}`},
		{`{"a":1}`, `[{"parseJSON":{}},{"moveKeys":{"entries":[{"source":"a","target":"b.c"}]}}]`, `{"b":{"c":{"a":1}}}`},
		{
			`{"a":{"b":1}}`, `[{"parseJSON":{}},{"copyValue":{"entries":[{"source":"a","target":"c"},{"source":"@message","target":"m"}]}},{"deleteKeys":{"withKeys":["a.b"]}}]`,
			`{"a":{},"c":{"b":1},"m":"{\"a\":{\"b\":1}}"}`,
		},
		{
			`{"a":"12.7","b":true,"c":3,"d":"x","e":"yes"}`, `[{"parseJSON":{}},{"typeConverter":{"entries":[{"key":"a","type":"integer"},{"key":"b","type":"double"},{"key":"c","type":"boolean"},{"key":"c","type":"string"},{"key":"zz","type":"double"}]}}]`,
			`{"a":12,"b":1.0,"c":"true","d":"x","e":"yes"}`,
		},
		{
			`{"a":[{"k":1,"v":"x"},{"v":"y"},{"k":"1"}]}`, `[{"parseJSON":{}},{"listToMap":{"source":"a","key":"k","target":"m"}}]`,
			`{"a":[{"k":1,"v":"x"},{"v":"y"},{"k":"1"}],"m":{"1":[{"k":1,"v":"x"},{"k":"1"}]}}`,
		},
		{`{"a":"cost $5"}`, `[{"parseJSON":{}},{"substituteString":{"entries":[{"source":"a","from":"(\\d)","to":"\\$$10"}]}}]`, `{"a":"cost $$50"}`},
		{`{"t":"2024-02-29 23:59:59,123"}`, date(`yyyy-MM-dd HH:mm:ss,SSS`, `Asia/Tokyo`, ``, ``, ``), `{"t":"2024-02-29T14:59:59.123Z"}`},
		{`{"t":"03/Aug/2023:12:34:56 +0200"}`, date(`dd/MMM/yyyy:HH:mm:ss Z`, ``, ``, `EEE, d MMM yy h:mm a XXX`, `+05:30`), `{"t":"Thu, 3 Aug 23 4:04 PM +05:30"}`},
		{`{"t":"3 août 2023 09h05"}`, date(`d MMMM yyyy HH'h'mm`, `Europe/Paris`, `fr_FR`, `EEEE D`, `Europe/Paris`), `{"t":"jeudi 215"}`},
		{`{"t":"2023-08-03T12:34:56.7Z"}`, date(`yyyy-MM-dd'T'HH:mm:ss.SX`, ``, ``, `kk'o''clock' n VV O`, `America/New_York`), `{"t":"08o'clock 700000000 America/New_York GMT-4"}`},
	} {
		if got, err := apply(c[0], c[1]); err != nil || got != c[2] {
			t.Errorf("%s\n by %s:\n got %s (%v)\nwant %s", c[0], c[1], got, err, c[2])
		}
	}
}

func date(pattern, zone, locale, to, target string) string {
	config := map[string]any{"source": "t", "target": "t", "matchPatterns": []string{"yyyy", pattern}}
	for name, v := range map[string]string{"sourceTimezone": zone, "locale": locale, "targetFormat": to, "targetTimezone": target} {
		if v != "" {
			config[name] = v
		}
	}
	b, _ := json.Marshal([]any{map[string]any{"parseJSON": struct{}{}}, map[string]any{"dateTimeConverter": config}})
	return string(b)
}

func TestFailed(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{ // message, processors, what is said
		{`plain`, `[{"parseJSON":{}}]`, "not valid JSON"},
		{`[1]`, `[{"parseJSON":{}}]`, "not a JSON object"},
		{`{"a":01}`, `[{"parseJSON":{}}]`, "not valid JSON"},
		{strings.Repeat("[", 5000), `[{"parseJSON":{}}]`, "not valid JSON"},
		{`x`, `[{"grok":{"match":"%{INT:a}"}}]`, "does not match"},
		{`a "b`, `[{"csv":{"delimiter":"\\s"}}]`, "not closed"},
		{strings.Repeat(",", 100), `[{"csv":{}}]`, "more than 100"},
		{`1 2 3`, `[{"parseVPC":{}}]`, "3 fields"},
		{`#Version: 1.0`, `[{"parseCloudfront":{}}]`, "comment"},
		{`x`, `[{"parsePostgres":{}}]`, "PostgreSQL"},
		{`{"httpRequest":{"headers":[{"name":"a"}]}}`, `[{"parseWAF":{}}]`, "no value"},
		{`{"a":"x"}`, `[{"parseJSON":{}},{"typeConverter":{"entries":[{"key":"a","type":"integer"}]}}]`, "not of type integer"},
		{`{"a":"x"}`, `[{"parseJSON":{}},{"listToMap":{"source":"a","key":"k"}}]`, "not a list"},
		{`{"t":"2023-02-29"}`, date(`yyyy-MM-dd`, ``, ``, ``, ``), "none of the patterns"},
		{strings.Repeat("x", 512<<10+1), `[{"csv":{}}]`, "512 KB"},
	} {
		if got, err := apply(c[0], c[1]); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%.60s by %s: %s (%v), want something with %q", c[0], c[1], got, err, c[2])
		}
	}
}

// FuzzApply runs any transformer over any message: what comes out is JSON, the same each time.
func FuzzApply(f *testing.F) {
	for _, c := range documented {
		f.Add(c.message, c.config)
	}
	f.Add("2023-08-03T12:34:56.7Z", date(`yyyy-MM-dd'T'HH:mm:ss.SX`, ``, `nl`, `kk'o''clock' n VV O`, `America/New_York`))
	f.Fuzz(func(t *testing.T, message, config string) {
		p, err := logtransform.Parse([]byte(config))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error says nothing")
			}
			return
		}
		e := logtransform.Event{Message: message, Group: "g", Stream: "s", Account: "a", Region: "r"}
		got, err := p.Apply(e)
		if err != nil {
			return
		}
		if !json.Valid([]byte(got)) || !utf8.ValidString(got) {
			t.Errorf("not JSON: %q", got)
		}
		if again, _ := p.Apply(e); again != got {
			t.Errorf("once %s, once %s", got, again)
		}
	})
}

// FuzzJSON holds what is taken for JSON to encoding/json.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,"x\u00e9",true,null,{}]}`, `{"a":01}`, `{"a":1.}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1,}`, ` {} `, `{"a":1e5}x`} {
		f.Add(s)
	}
	p, err := logtransform.Parse([]byte(`[{"parseJSON":{"destination":"d"}}]`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := p.Apply(logtransform.Event{Message: s})
		var want map[string]any
		ok := json.Unmarshal([]byte(s), &want) == nil && want != nil
		if ok != (err == nil) {
			if err != nil && strings.Count(s, "[")+strings.Count(s, "{") > 100 { // deeper than is read here
				return
			}
			t.Fatalf("%q: %v, encoding/json says %v", s, err, ok)
		}
		if ok {
			b, _ := json.Marshal(map[string]any{"d": want})
			if !same(got, string(b)) {
				t.Errorf("%q becomes %s, not %s", s, got, b)
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	p, err := logtransform.Parse([]byte(`[{"parseJSON":{}},{"lowerCaseString":{"withKeys":["level"]}},{"addKeys":{"entries":[{"key":"env","value":"prod"}]}}]`))
	if err != nil {
		b.Fatal(err)
	}
	e := logtransform.Event{Message: `{"time":"2026-11-23T17:01:02.123Z","level":"INFO","request":"0123456789abcdef","path":"/api/v1/orders/17","status":200,"ms":12,"agent":"Mozilla/5.0"}`}
	b.SetBytes(int64(len(e.Message)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Apply(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGrok(b *testing.B) {
	p, err := logtransform.Parse([]byte(`[{"grok":{"match":"%{APACHE_ACCESS_LOG}"}}]`))
	if err != nil {
		b.Fatal(err)
	}
	e := logtransform.Event{Message: `127.0.0.1 - - [03/Aug/2023:12:34:56 +0000] "GET /page.html HTTP/1.1" 200 1234`}
	b.SetBytes(int64(len(e.Message)))
	for b.Loop() {
		if _, err := p.Apply(e); err != nil {
			b.Fatal(err)
		}
	}
}
