package policy_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

var kindNames = map[string]policy.Kind{
	"managed": policy.Managed, "identity": policy.Identity, "guardrail": policy.Guardrail, "resource": policy.Resource, "trust": policy.Trust,
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/malformed.txt")
	if err != nil {
		t.Fatal(err)
	}
	var kind policy.Kind
	message, fresh := "", true // fresh: the next line is a message
	for i, line := range strings.Split(string(text), "\n") {
		switch name, isKind := strings.CutPrefix(line, "kind "); {
		case isKind:
			ok := false
			if kind, ok = kindNames[name]; !ok {
				t.Fatalf("line %d: no kind %q", i+1, name)
			}
			fresh = true
		case line == "" || strings.HasPrefix(line, "#"):
			fresh = true
		case fresh:
			message, fresh = line, false
		default:
			p, err := policy.Parse(line, kind)
			if message == "ok" {
				if err != nil || p.Kind() != kind {
					t.Errorf("line %d: %v, want none", i+1, err)
				}
				continue
			}
			if e, ok := errors.AsType[*policy.Error](err); !ok || e.Message != message {
				t.Errorf("line %d: %v\n\twant %s", i+1, err, message)
			}
		}
	}
}

func TestPositionsAreTheSimulators(t *testing.T) {
	t.Parallel()
	at := func(line, column int) policy.Position { return policy.Position{Line: line, Column: column} }
	for _, c := range []struct {
		doc  string
		want [][2]policy.Position
	}{
		// As AWS's CLI reference shows it.
		{
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`,
			[][2]policy.Position{{at(1, 38), at(1, 167)}},
		},
		{
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:b","Resource":"*"},{"Effect":"Deny","Action":"a:b","Resource":"*"}]}`,
			[][2]policy.Position{{at(1, 38), at(1, 86)}, {at(1, 86), at(1, 134)}},
		},
		{
			"{\n \"Version\": \"2012-10-17\",\n \"Statement\": [\n  {\"Effect\": \"Allow\",\n   \"Action\": \"a:b\", \"Resource\": \"*\"},\n  {\"Effect\": \"Deny\", \"Action\": \"a:b\", \"Resource\": \"*\"}\n]}",
			[][2]policy.Position{{at(3, 16), at(5, 37)}, {at(5, 37), at(6, 55)}},
		},
	} {
		p, err := policy.Parse(c.doc, policy.Managed)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range p.Statements() {
			if got := [2]policy.Position{s.Start, s.End}; got != c.want[i] {
				t.Errorf("statement %d of\n%s\nstands at %v, want %v", i, c.doc, got, c.want[i])
			}
		}
	}
}

func TestWhatAPolicySays(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse(`{"Version": "2012-10-17", "Id": "id", "Statement": [
		{"Sid": "One", "Effect": "Allow", "Action": ["S3:Get*", "sqs:SendMessage"], "Resource": ["arn:aws:s3:::b/${aws:UserName}/${aws:PrincipalTag/t, 'x'}", "*"],
			"Condition": {"StringLike": {"aws:username": "${aws:userid}${*}"}, "ArnLike": {"aws:SourceArn": ["arn:aws:s3:::${a:b}", "${c:d}"]}}},
		{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"},
		{"Effect": "Allow", "NotAction": ["ec2:*", "iam:Create*"], "Resource": "arn:aws:lambda:*:*:function:*"}]}`, policy.Managed)
	if err != nil {
		t.Fatal(err)
	}
	if p.Version() != "2012-10-17" || p.ID() != "id" || len(p.Statements()) != 3 || p.Statements()[0].Sid != "One" || p.Statements()[1].Effect != policy.ExplicitDeny {
		t.Errorf("read %q, %q, %v", p.Version(), p.ID(), p.Statements())
	}
	if got, want := p.Keys(), []string{"a:b", "aws:PrincipalTag/t", "aws:SourceArn", "aws:userid", "aws:UserName", "c:d"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	for action, want := range map[string]bool{"s3:GetObject": true, "S3:getobject": true, "sqs:SendMessage": true, "lambda:X": true, "ec2:X": false, "iam:CreateUser": false, "iam:GetUser": true} {
		if p.Allows(action) != want {
			t.Errorf("allows %s: %v", action, !want)
		}
	}
	for service, want := range map[string]bool{"s3": true, "SQS": true, "lambda": true, "ec2": false, "iam": true} {
		if p.AllowsService(service) != want {
			t.Errorf("allows something of %s: %v", service, !want)
		}
	}
	only, err := policy.Read(`{"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*", "111122223333"], "Service": "sns.amazonaws.com"}, "Action": ["*s:Send*", "sns:Publish"]}}`)
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]bool{"sqs": true, "sns": true, "sqss": true, "s3": false} {
		if want = strings.HasSuffix(service, "s") && want; only.AllowsService(service) != want {
			t.Errorf("allows something of %s: %v", service, !want)
		}
	}
	if got, want := only.Principals(), []policy.PrincipalName{{"AWS", "*"}, {"AWS", "111122223333"}, {"Service", "sns.amazonaws.com"}}; !slices.Equal(got, want) {
		t.Errorf("principals %v, want %v", got, want)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	source := func(name, doc string) policy.Source {
		p, err := policy.Parse(doc, policy.Identity)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Source{Name: name, ARN: "arn:aws:iam::111122223333:policy/" + name, Policy: p}
	}
	boundary := source("boundary", `{"Version": "2012-10-17", "Statement": {"Sid": "B", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}}`)
	set := &policy.Set{Boundary: &boundary, Identity: []policy.Source{
		source("one", `{"Version": "2012-10-17", "Statement": [
			{"Sid": "A", "Effect": "Allow", "Action": "s3:*", "Resource": "*"},
			{"Sid": "C", "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}", "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
			{"Sid": "D", "Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]}`),
		source("two", `{"Version": "2012-10-17", "Statement": {"Sid": "E", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}}`),
	}}
	r := &policy.Request{Action: "s3:DeleteBucket", Resource: "arn:aws:s3:::b", Principal: policy.Principal{Kind: policy.User, Account: "111122223333", ARN: alice}}
	e := policy.Explain(r, set)
	var sids []string
	for _, m := range e.Matched {
		sids = append(sids, m.Source.Name+"/"+m.Statement.Sid)
	}
	if want := []string{"one/A", "two/E", "boundary/B"}; !slices.Equal(sids, want) {
		t.Errorf("matched %q, want %q", sids, want)
	}
	if want := []string{"aws:username"}; !slices.Equal(e.Missing, want) {
		t.Errorf("missing %q, want %q", e.Missing, want)
	}
	if got, ok := e.Of(policy.BoundaryLayer); !ok || got != policy.Allowed {
		t.Errorf("the boundary says %v", got)
	}
	if got, ok := e.Of(policy.IdentityLayer); !ok || got != policy.ExplicitDeny {
		t.Errorf("the identity says %v", got)
	}
	if _, ok := e.Of(policy.SessionLayer); ok {
		t.Error("there is no session")
	}
	if got, want := e.Reason(r.Action), "with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/two"; got != want || e.Statement.Sid != "E" {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestReasonsAreAWSs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		effect policy.Effect
		layer  policy.Layer
		want   string
	}{
		{policy.ImplicitDeny, policy.IdentityLayer, "because no identity-based policy allows the sqs:X action"},
		{policy.ImplicitDeny, policy.ResourceLayer, "because no resource-based policy allows the sqs:X action"},
		{policy.ImplicitDeny, policy.BoundaryLayer, "because no permissions boundary allows the sqs:X action"},
		{policy.ImplicitDeny, policy.SessionLayer, "because no session policy allows the sqs:X action"},
		{policy.ImplicitDeny, policy.TrustLayer, "because no role trust policy allows the sqs:X action"},
		{policy.ImplicitDeny, policy.GuardrailLayer, "with an explicit deny in a service control policy"},
		{policy.ExplicitDeny, policy.IdentityLayer, "with an explicit deny in an identity-based policy"},
		{policy.ExplicitDeny, policy.ResourceLayer, "with an explicit deny in a resource-based policy"},
		{policy.ExplicitDeny, policy.BoundaryLayer, "with an explicit deny in a permissions boundary"},
		{policy.ExplicitDeny, policy.SessionLayer, "with an explicit deny in a session policy"},
		{policy.ExplicitDeny, policy.TrustLayer, "with an explicit deny in the role trust policy"},
		{policy.ExplicitDeny, policy.GuardrailLayer, "with an explicit deny in a service control policy"},
		{policy.Allowed, policy.IdentityLayer, ""},
	} {
		if got := (policy.Decision{Effect: c.effect, Layer: c.layer}).Reason("sqs:X"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	const doc = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`
	c := policy.NewCache(10 * len(doc))
	first, err := c.Parse(doc, policy.Managed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := c.Parse(strings.Repeat(" ", i%7)+doc+strings.Repeat("\n", i), policy.Managed); err != nil {
			t.Fatal(err)
		}
		if again, _ := c.Parse(doc, policy.Managed); again != first {
			t.Fatal("what is asked for all the time is compiled anew")
		}
	}
	if other, err := c.Parse(doc, policy.Resource); err == nil || other != nil {
		t.Error("another kind has other rules")
	}
	if read, err := c.Read(doc); err != nil || read == first {
		t.Error("what is read is not what was parsed")
	}
	if _, err := c.Parse("{", policy.Trust); err == nil {
		t.Error("not JSON")
	} else if _, again := c.Parse("{", policy.Trust); again != err {
		t.Error("an error is kept too")
	}
	huge := doc + strings.Repeat(" ", 20*len(doc))
	if a, _ := c.Parse(huge, policy.Managed); a == nil {
		t.Error("what is too large for the cache is compiled all the same")
	}
}

func TestPrincipalsAreReplacedInPlace(t *testing.T) {
	t.Parallel()
	const doc = `{ "Statement" : [ {"Principal": {"AWS": ["arn:r\u002fx", "111122223333"], "Service": "arn:r/x"}, "Action": "arn:r/x"}, {"NotPrincipal":{"AWS":"arn:r/x"}}, {"Principal": "*"} ],  "Id":"é" }`
	const want = `{ "Statement" : [ {"Principal": {"AWS": ["AROA", "111122223333"], "Service": "arn:r/x"}, "Action": "arn:r/x"}, {"NotPrincipal":{"AWS":"AROA"}}, {"Principal": "*"} ],  "Id":"é" }`
	got, err := policy.ReplacePrincipals(doc, func(n policy.PrincipalName) string {
		if n.Type == "AWS" && n.Value == "arn:r/x" {
			return "AROA"
		}
		return n.Value
	})
	if err != nil || got != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	if _, err := policy.ReplacePrincipals("{", nil); err == nil {
		t.Error("not JSON")
	}
}
