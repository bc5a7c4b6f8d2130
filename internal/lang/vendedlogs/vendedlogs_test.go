package vendedlogs_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/vendedlogs"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	seen, last := map[string]bool{}, ""
	for p := range vendedlogs.All() {
		name := p.Service + " " + p.Resource + " " + p.Type
		if seen[name] || name < last {
			t.Errorf("%s is there twice, or out of order", name)
		}
		seen[name], last = true, name
		if len(p.Destinations) == 0 || len(p.Fields) == 0 || p.Lacks(p.Names()) != "" || p.Unknown(p.Names()) != "" {
			t.Errorf("%s: %+v", name, p)
		}
		for _, d := range p.Destinations {
			if !slices.Contains([]string{"S3", "CWL", "FH", "XRAY"}, d.Type) || (d.Type == "XRAY") != (len(d.Formats) == 0) {
				t.Errorf("%s goes to %+v", name, d)
			}
		}
	}
	if len(seen) < 70 {
		t.Errorf("there are %d templates", len(seen))
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, resource, logType, want string }{
		{"events", "event-bus/orders", "ERROR_LOGS", "event-bus"},
		{"logs", "log-group:*", "INSIGHTS_QUERY_LOGS", "log-group"},
		{"bedrock-agentcore", "memory/m", "APPLICATION_LOGS", "memory"},
		{"bedrock-agentcore", "something-new/m", "APPLICATION_LOGS", "code-interpreter-custom"},
		{"events", "event-bus/orders", "ACCESS_LOGS", ""},
		{"sqs", "orders", "ACCESS_LOGS", ""},
	} {
		found := vendedlogs.Find(c.service, c.resource, c.logType)
		if c.want == "" && found != nil || c.want != "" && (found == nil || found.Resource != c.want) {
			t.Errorf("%+v: %+v", c, found)
		}
	}
	if vendedlogs.Knows("sqs") || !vendedlogs.Knows("ecs") {
		t.Error("it knows other services")
	}
	ecs := vendedlogs.Find("ecs", "cluster/c", "ACTION_LOGS")
	if f := ecs.Lacks([]string{"resourceArn", "timestamp"}); f != "actionSourceId" {
		t.Errorf("it lacks %q", f)
	}
	if f := ecs.Unknown([]string{"resourceArn", "color"}); f != "color" {
		t.Errorf("unknown is %q", f)
	}
	if f, ok := ecs.Formats("CWL"); !ok || !slices.Equal(f, []string{"json"}) {
		t.Errorf("formats are %v %v", f, ok)
	}
	if _, ok := ecs.Formats("XRAY"); ok {
		t.Error("it goes to X-Ray")
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	r := vendedlogs.Record{}
	r.Set("a", "one two")
	r.Set("b", 3)
	r.Set("c", []string{"x", "y"})
	r.Set("d", "line\nline")
	r.Set("e", nil)
	r.Set("f", "")
	fields := []string{"b", "a", "none", "c", "d", "e", "f"}
	if got, want := r.JSON(fields), `{"b":3,"a":"one two","c":["x","y"],"d":"line\nline","e":null,"f":""}`; got != want {
		t.Errorf("%s", got)
	}
	if got, want := r.JSON(nil), "{}"; got != want {
		t.Errorf("%s", got)
	}
	for delimiter, want := range map[string]string{
		" ": `3 "one two" - ["x","y"] "line\nline" - ""`,
		"|": `3|one two|-|["x","y"]|"line\nline"|-|""`,
		"":  `3one two-["x","y"]"line\nline"-""`,
	} {
		if got := r.Plain(fields, delimiter); got != want {
			t.Errorf("%q: %s", delimiter, got)
		}
	}
}

// A record is one line, and its JSON has what was set.
func FuzzRecord(f *testing.F) {
	f.Add("name", "value", " ")
	f.Add("a\"b", "x\ny", "\t")
	f.Fuzz(func(t *testing.T, name, value, delimiter string) {
		r := vendedlogs.Record{}
		r.Set(name, value)
		var back map[string]string
		if err := json.Unmarshal([]byte(r.JSON([]string{name})), &back); err != nil || len(back) != 1 {
			t.Errorf("%s: %v", r.JSON([]string{name}), err)
		}
		if line := r.Plain([]string{name}, delimiter); strings.Contains(line, "\n") {
			t.Errorf("%q", line)
		}
	})
}
