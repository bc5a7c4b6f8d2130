package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/lang/policy/policytest"
)

// FuzzParse: what is not JSON is refused; what is parsed can be read, and says the same.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/malformed.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "{") {
			f.Add(strings.TrimSpace(line), uint8(len(line)%5))
		}
	}
	f.Add("{\"Statement\": [\"\\ud83d\\ude00\\ud83d \\u00fc\xff\"]}", uint8(0))
	f.Fuzz(func(t *testing.T, doc string, kind uint8) {
		p, err := policy.Parse(doc, policy.Kind(kind%5))
		stored, readErr := policy.Read(doc)
		if !json.Valid([]byte(doc)) {
			if err == nil || readErr == nil {
				t.Fatalf("taken, though it is not JSON")
			}
			return
		}
		same, err2 := policy.ReplacePrincipals(doc, func(n policy.PrincipalName) string { return n.Value + "x" })
		if err2 == nil {
			same, err2 = policy.ReplacePrincipals(same, func(n policy.PrincipalName) string { return strings.TrimSuffix(n.Value, "x") })
		}
		if back, _ := policy.Read(same); err2 != nil || readErr == nil && !slices.Equal(back.Principals(), stored.Principals()) {
			t.Fatalf("replaced, and back: %s, %v", same, err2)
		}
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error that says nothing")
			}
		} else if readErr != nil || stored.Version() != p.Version() || len(stored.Statements()) != len(p.Statements()) {
			t.Fatalf("parsed, but read otherwise: %v", readErr)
		}
		for _, p := range []*policy.Policy{p, stored} {
			if p == nil {
				continue
			}
			p.Keys()
			p.Principals()
			p.AllowsService("sqs")
			for _, s := range p.Statements() {
				if s.Start.Line < 1 || s.Start.Column < 1 || s.End.Line < s.Start.Line || s.End.Line == s.Start.Line && s.End.Column <= s.Start.Column {
					t.Fatalf("a statement from %v to %v", s.Start, s.End)
				}
			}
			r := policy.Request{Action: "sqs:SendMessage", Resource: "arn:aws:sqs:us-east-1:111122223333:q", Keys: keyMap{"aws:username": policy.One("alice")}}
			set := policy.Set{Identity: []policy.Source{{Policy: p}}, Resource: &policy.Source{Policy: p}}
			for _, kind := range []policy.PrincipalKind{policy.Anonymous, policy.User, policy.Role, policy.Service} {
				r.Principal = policy.Principal{Kind: kind, Account: "111122223333", ARN: alice, Role: alice, Service: "sns.amazonaws.com"}
				if d, e := policy.Decide(&r, &set), policy.Explain(&r, &set); d.Effect != e.Effect || d.Layer != e.Layer {
					t.Fatalf("decided %v, explained %v", d, e.Decision)
				}
				if d := policy.Decide(&r, &set); d.Effect == policy.Allowed && !p.Allows(r.Action) {
					t.Fatal("allows what it does not allow")
				}
			}
		}
	})
}

// FuzzDecide: whatever an operator compares, it neither fails nor says something else than its opposite's opposite.
func FuzzDecide(f *testing.F) {
	for _, name := range []string{"String", "StringLike", "Arn", "Numeric", "Date", "Ip", "IgnoreCase"} {
		f.Add(name, "a*b", "axb", "")
	}
	f.Add("Date", "2020-01-01T00:00:00Z", "1577836800", "")
	f.Add("Date", "-292275054-12-31T23:59:59.999999999-23:59", "9223372036854775807", "")
	f.Add("Arn", "arn:aws:s3:::${k:v}*", "arn:aws:s3:::b", "b")
	f.Add("Ip", "::ffff:10.0.0.0/104", "10.1.2.3", "")
	f.Add("StringLike", "${k:v, 'x'}?${*}", "xy*", "x")
	opposites := map[string][2]string{
		"String": {"StringEquals", "StringNotEquals"}, "StringLike": {"StringLike", "StringNotLike"}, "IgnoreCase": {"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"},
		"Arn": {"ArnLike", "ArnNotEquals"}, "Numeric": {"NumericEquals", "NumericNotEquals"}, "Date": {"DateEquals", "DateNotEquals"}, "Ip": {"IpAddress", "NotIpAddress"},
	}
	f.Fuzz(func(t *testing.T, operator, pattern, value, variable string) {
		names, ok := opposites[operator]
		if !ok {
			return
		}
		var effects [2]policy.Effect
		for i, name := range names {
			doc, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
				"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{name: map[string]any{"k:k": pattern}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			p, err := policy.Parse(string(doc), policy.Identity)
			if err != nil {
				return // what is no date
			}
			set := policy.Set{Identity: []policy.Source{{Policy: p}}}
			r := policy.Request{
				Action: "a:b", Resource: "*", Principal: policy.Principal{Kind: policy.User, Account: "111122223333"},
				Keys: keyMap{"k:k": policy.One(value), "k:v": policy.One(variable)},
			}
			effects[i] = policy.Decide(&r, &set).Effect
		}
		if effects[0] == effects[1] {
			t.Fatalf("%s and %s both say %s", names[0], names[1], effects[0])
		}
	})
}

// FuzzMatch compares the comparison of patterns with the slow one's.
func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc", "")
	f.Add("*a*a*a*b", strings.Repeat("a", 200), "")
	f.Add("${k:v}*${k:v}", "xyx", "x")
	f.Add("${*}${?}${$}", "*?$", "")
	f.Add("?ü*日", "xü本日", "")
	f.Add("a${k:v}b*", "aa*bb", "a*")
	f.Fuzz(func(t *testing.T, pattern, value, variable string) {
		for _, s := range []string{pattern, value, variable} {
			if len(s) > 1000 || !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError) {
				return
			}
		}
		if strings.ContainsAny(pattern, "'{}$") && !strings.Contains(pattern, "${k:v}") {
			return // how wrongly written variables are read, the slow one does not say
		}
		if rest := strings.ReplaceAll(pattern, "${k:v}", ""); strings.ContainsAny(rest, "'{}$") {
			return
		}
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
			"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{"StringLike": map[string]any{"k:k": pattern}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		w := &policytest.World{
			Action: "a:b", Resource: "*", Owner: "111122223333", Identity: []string{string(text)},
			Principal: policy.Principal{Kind: policy.User, Account: "111122223333", ARN: alice}, Keys: map[string]any{"k:k": value, "k:v": variable},
		}
		r, set, err := w.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := policy.Decide(r, set).Effect, w.Slow(); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

// FuzzWorlds decides made-up worlds as the slow evaluator does, with the fuzzer to choose them.
func FuzzWorlds(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		m := policytest.Maker{Rand: rand.New(rand.NewPCG(a, b))}
		w := m.World()
		r, set, err := w.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := policy.Decide(r, set).Effect, w.Slow(); got != want {
			text, _ := json.Marshal(w)
			t.Fatalf("%v, want %v: %s", got, want, text)
		}
	})
}
