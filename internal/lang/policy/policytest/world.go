// Package policytest makes up requests with policies, so that evaluators can be compared: the one of package policy with a
// slow one, which is here, and with one that nobody here wrote (test/policy).
package policytest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// World is a request with all policies that it meets, as text.
type World struct {
	Action, Resource string
	Principal        policy.Principal
	Keys             map[string]any // a string or a []string
	Identity         []string
	Boundary         string   // none if empty
	Session          []string // none if nil
	ResourcePolicy   string   // none if empty
	Guardrails       []string
	Owner            string // of the resource
	Must             bool   // the resource's policy has to allow
}

// Key makes w the keys of its request.
func (w *World) Key(name string) policy.Value {
	for k, v := range w.Keys {
		if strings.ToLower(k) != name {
			continue
		}
		switch v := v.(type) {
		case string:
			return policy.One(v)
		case []string:
			return policy.Many(v)
		}
	}
	return policy.Value{}
}

// Compile makes of w what is decided.
func (w *World) Compile() (*policy.Request, *policy.Set, error) {
	set := &policy.Set{ResourceAccount: w.Owner, ResourceMust: w.Must}
	var failed error
	source := func(text string, kind policy.Kind) policy.Source {
		p, err := policy.Parse(text, kind)
		if err != nil {
			failed = fmt.Errorf("%w: %s", err, text)
		}
		return policy.Source{Policy: p}
	}
	for _, text := range w.Identity {
		set.Identity = append(set.Identity, source(text, policy.Identity))
	}
	for _, text := range w.Guardrails {
		set.Guardrails = append(set.Guardrails, source(text, policy.Guardrail))
	}
	if w.Session != nil {
		set.Session = []policy.Source{}
	}
	for _, text := range w.Session {
		set.Session = append(set.Session, source(text, policy.Identity))
	}
	if w.Boundary != "" {
		s := source(w.Boundary, policy.Managed)
		set.Boundary = &s
	}
	if w.ResourcePolicy != "" {
		s := source(w.ResourcePolicy, policy.Resource)
		set.Resource = &s
	}
	return &policy.Request{Action: w.Action, Resource: w.Resource, Principal: w.Principal, Keys: w}, set, failed
}

const (
	home  = "111122223333"
	other = "444455556666"
)

// words are what policies and requests are made of: few enough to meet.
var words = struct {
	actions, actionPatterns, resources, resourcePatterns, names, values, patterns []string
}{
	actions:        []string{"sqs:SendMessage", "sqs:ReceiveMessage", "sns:Publish", "lambda:InvokeFunction"},
	actionPatterns: []string{"sqs:SendMessage", "sqs:*", "*", "SQS:sendmessage", "sqs:?e*Message", "sns:Pub*", "lambda:Invoke*", "sns:*", "sqs:Receive*", "lambda:*"},
	resources: []string{
		"arn:aws:sqs:us-east-1:" + home + ":alice-q", "arn:aws:sqs:us-east-1:" + home + ":orders", "arn:aws:sns:eu-west-1:" + home + ":t/red/a",
		"arn:aws:lambda:us-east-1:" + home + ":function:f",
	},
	resourcePatterns: []string{
		"*", "arn:aws:sqs:*:" + home + ":*", "arn:aws:sqs:us-east-1:" + home + ":${aws:username}-q", "arn:aws:sqs:us-east-1:*:orders",
		"arn:*:sns:eu-*:" + home + ":t/${aws:PrincipalTag/team}/?", "arn:aws:lambda:us-east-?:*:function:f*", "arn:aws:sqs:us-east-1:" + home + ":*e*",
		"arn:aws:sns:*:*:t/${aws:PrincipalTag/team, 'red'}/*", "arn:aws:sqs:us-east-1:" + home + ":alice${*}q",
	},
	names:    []string{"alice", "bob"},
	values:   []string{"red", "Red", "blue", "r*d", "a-red"},
	patterns: []string{"red", "RED", "r*", "*e?", "blue", "${aws:PrincipalTag/team}", "x${*}", "${aws:username, 'red'}", "a-${aws:PrincipalTag/team}"},
}

// Maker makes worlds up.
type Maker struct {
	*rand.Rand
	// Plain leaves out what evaluators are known to differ about; test/policy lists it.
	Plain bool
}

func (m *Maker) one(of []string) string { return of[m.IntN(len(of))] }

func (m *Maker) some(of []string, most int) []string {
	var all []string
	for range 1 + m.IntN(most) {
		all = append(all, m.one(of))
	}
	return all
}

func (m *Maker) chance(percent int) bool { return m.IntN(100) < percent }

// World is the next one.
func (m *Maker) World() *World {
	w := &World{Action: m.one(words.actions), Resource: m.one(words.resources), Owner: home, Keys: map[string]any{}}
	w.Must = m.chance(15)
	if w.Must {
		w.Action, w.Resource = "sts:AssumeRole", "arn:aws:iam::"+home+":role/target"
	}
	m.principal(w)
	m.keys(w)
	local := w.Principal.Account != ""
	if local {
		for range m.IntN(3) {
			w.Identity = append(w.Identity, m.document(w, false))
		}
		if m.chance(25) {
			w.Boundary = m.document(w, false)
		}
		if (w.Principal.Kind == policy.Role || w.Principal.Kind == policy.FederatedUser) && m.chance(40) {
			w.Session = []string{m.document(w, false)}
			if !m.Plain && m.chance(20) {
				w.Session = append(w.Session, m.document(w, false))
			} else if !m.Plain && m.chance(10) {
				w.Session = []string{}
			}
		}
		for m.chance(15) {
			w.Guardrails = append(w.Guardrails, m.document(w, false))
		}
	}
	if w.Must || m.chance(60) {
		w.ResourcePolicy = m.document(w, true)
	}
	return w
}

func (m *Maker) principal(w *World) {
	account := home
	if m.chance(30) {
		account = other
	}
	name := m.one(words.names)
	p := &w.Principal
	switch n := m.IntN(12); {
	case n < 4:
		*p = policy.Principal{Kind: policy.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name}
	case n < 8:
		*p = policy.Principal{Kind: policy.Role, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/s", Role: "arn:aws:iam::" + account + ":role/" + name}
	case n < 9:
		*p = policy.Principal{Kind: policy.FederatedUser, Account: account, ARN: "arn:aws:sts::" + account + ":federated-user/" + name, Role: "arn:aws:iam::" + account + ":user/" + name}
	case n < 10:
		*p = policy.Principal{Kind: policy.Service, Service: "sns.amazonaws.com"}
	case n < 11 || m.Plain:
		*p = policy.Principal{Kind: policy.Anonymous}
	default:
		*p = policy.Principal{Kind: policy.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root"}
	}
}

func (m *Maker) keys(w *World) {
	put := func(percent int, key string, v any) {
		if m.chance(percent) {
			w.Keys[key] = v
		}
	}
	sure := 60
	if m.Plain {
		sure = 100
	}
	put(sure, "aws:username", m.one(words.names))
	put(sure, "aws:PrincipalTag/team", m.one(words.values))
	put(60, "k:text", m.one(words.values))
	put(60, "k:number", m.one([]string{"5", "10", "10.0", "7.5", "-3"}))
	put(60, "k:date", m.one([]string{"2020-01-01T00:00:00Z", "2020-06-01T12:00:00Z", "2021-01-01T00:00:00Z"}))
	put(60, "aws:SourceIp", m.one([]string{"10.1.2.3", "192.0.2.1", "203.0.113.7", "2001:db8::1"}))
	put(60, "aws:SecureTransport", m.one([]string{"true", "false"}))
	put(60, "aws:SourceArn", m.one(words.resources))
	put(60, "aws:TagKeys", append([]string{}, m.some(words.values, 3)...))
	if !m.Plain {
		put(10, "aws:TagKeys", []string{})
		put(10, "k:number", "many")
		put(10, "k:date", "1577836800")
		put(5, "aws:username", []string{"alice"})
	}
}

type object = map[string]any

func (m *Maker) document(w *World, named bool) string {
	var statements []any
	for range 1 + m.IntN(3) {
		statements = append(statements, m.statement(w, named))
	}
	d := object{"Version": "2012-10-17", "Statement": statements}
	if len(statements) == 1 && m.chance(50) {
		d["Statement"] = statements[0]
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and maps
	}
	return string(text)
}

func (m *Maker) statement(w *World, named bool) object {
	s := object{"Effect": "Allow"}
	if m.chance(25) {
		s["Effect"] = "Deny"
	}
	actions := m.some(words.actionPatterns, 3)
	if w.Must {
		actions = m.some([]string{"sts:AssumeRole", "sts:*", "*", "sts:TagSession"}, 2)
	}
	s[m.not("Action", 15)] = m.loose(actions)
	if !named || !w.Must {
		s[m.not("Resource", 10)] = m.loose(m.resources())
	}
	if w.Must && !named {
		delete(s, "NotResource")
		s["Resource"] = m.loose(m.some([]string{"*", "arn:aws:iam::*:role/*", "arn:aws:iam::" + home + ":role/target", "arn:aws:iam::" + home + ":role/other"}, 2))
	}
	if named {
		s[m.principals(s["Effect"] == "Deny")] = m.names()
	}
	if m.chance(50) {
		s["Condition"] = m.condition()
	}
	return s
}

func (m *Maker) not(name string, percent int) string {
	if m.chance(percent) {
		return "Not" + name
	}
	return name
}

// principals is the element that names them; evaluators differ about NotPrincipal in denies.
func (m *Maker) principals(deny bool) string {
	if deny && m.Plain {
		return "Principal"
	}
	return m.not("Principal", 15)
}

func (m *Maker) resources() []string {
	all := m.some(words.resourcePatterns, 3)
	if m.Plain {
		all = slices.DeleteFunc(all, func(r string) bool { return strings.Contains(r, ":${aws:") })
	}
	if len(all) == 0 {
		return []string{"*"}
	}
	return all
}

// loose is a list, or just its element.
func (m *Maker) loose(list []string) any {
	if len(list) == 1 && m.chance(70) {
		return list[0]
	}
	return list
}

func (m *Maker) names() any {
	if m.chance(20) {
		return "*"
	}
	account := m.one([]string{home, home, other})
	name := m.one(words.names)
	var all []string
	for range 1 + m.IntN(3) {
		all = append(all, m.one([]string{
			account, "arn:aws:iam::" + account + ":root", "arn:aws:iam::" + account + ":user/" + name, "arn:aws:iam::" + account + ":role/" + name,
			"arn:aws:sts::" + account + ":assumed-role/" + name + "/s", "arn:aws:sts::" + account + ":federated-user/" + name, "*",
		}))
	}
	p := object{"AWS": m.loose(all)}
	if m.chance(30) {
		p["Service"] = m.loose(m.some([]string{"sns.amazonaws.com", "s3.amazonaws.com"}, 2))
	}
	return p
}

func (m *Maker) condition() object {
	c := object{}
	for range 1 + m.IntN(2) {
		m.operator(c)
	}
	return c
}

// operators are the condition operators, each with a key of its kind and values to compare it with.
var operators = []struct {
	names  []string
	key    string
	values []string
}{
	{[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"}, "k:text", nil},
	{[]string{"StringEquals", "StringLike", "StringNotLike"}, "aws:PrincipalTag/team", nil},
	{[]string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"}, "k:number", []string{"5", "7.5", "10", "0"}},
	{[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"}, "k:date", []string{"2020-01-01T00:00:00Z", "2020-06-01T14:00:00+02:00", "2020-12-31"}},
	{[]string{"Bool"}, "aws:SecureTransport", []string{"true", "false", "True"}},
	{[]string{"IpAddress", "NotIpAddress"}, "aws:SourceIp", []string{"10.0.0.0/8", "192.0.2.1", "203.0.113.0/28", "2001:db8::/32", "0.0.0.0/0"}},
	{[]string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"}, "aws:SourceArn", []string{"arn:aws:sqs:*:*:*", "arn:aws:s?s:us-*:" + home + ":orders", "arn:aws:sns:*:*:t/${aws:PrincipalTag/team}/*", "arn:*:*:*:*:*f*"}},
	{[]string{"ForAnyValue:StringEquals", "ForAllValues:StringEquals", "ForAnyValue:StringLike", "ForAllValues:StringNotLike", "ForAnyValue:StringNotEquals"}, "aws:TagKeys", nil},
	{[]string{"BinaryEquals"}, "k:text", []string{"red", "r*d"}},
}

func (m *Maker) operator(c object) {
	o := operators[m.IntN(len(operators))]
	name, values := m.one(o.names), o.values
	if values == nil {
		values = words.patterns
	}
	if m.Plain {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			return o.key == "aws:SourceIp" && (strings.HasSuffix(v, "/0") || !strings.Contains(v, "/"))
		})
	}
	if m.chance(15) {
		name, values = "Null", []string{"true", "false"}
	} else if m.chance(20) && !(m.Plain && strings.HasPrefix(name, "ForAny")) {
		name += "IfExists"
	}
	c[name] = object{o.key: m.loose(m.some(values, 3))}
}
