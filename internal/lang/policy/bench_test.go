package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// typical is a decision as requests meet it: a user with three policies of twenty statements, of which the last one allows,
// under conditions and with a variable.
func typical(t testing.TB) (*policy.Request, *policy.Set) {
	t.Helper()
	var set policy.Set
	for n, count := range []int{7, 7, 6} {
		var statements []string
		for i := range count {
			service := []string{"s3", "dynamodb", "sqs", "sns", "lambda", "logs", "kms"}[(n+i)%7]
			effect := "Allow"
			if i == 3 {
				effect = "Deny"
			}
			statements = append(statements, fmt.Sprintf(`{"Sid": "S%d", "Effect": %q, "Action": ["%s:Get*", "%s:Put*", "%s:SendMessage", "%s:List*"],
				"Resource": ["arn:aws:%s:*:111122223333:team-%d-*", "arn:aws:%s:*:111122223333:${aws:username}-%d"],
				"Condition": {"StringLike": {"aws:PrincipalTag/team": ["red-%d", "blue-*"]}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Bool": {"aws:SecureTransport": "true"}}}`,
				i, effect, service, service, service, service, service, i, service, n, i))
		}
		p, err := policy.Parse(`{"Version": "2012-10-17", "Statement": [`+strings.Join(statements, ",")+`]}`, policy.Managed)
		if err != nil {
			t.Fatal(err)
		}
		set.Identity = append(set.Identity, policy.Source{Policy: p})
	}
	return &policy.Request{
		Action: "sqs:SendMessage", Resource: "arn:aws:sqs:us-east-1:111122223333:alice-2",
		Principal: policy.Principal{Kind: policy.User, Account: "111122223333", ARN: alice},
		Keys: keyMap{
			"aws:username": policy.One("alice"), "aws:principaltag/team": policy.One("blue-7"), "aws:sourceip": policy.One("10.1.2.3"),
			"aws:securetransport": policy.One("true"),
		},
	}, &set
}

func BenchmarkDecide(b *testing.B) {
	r, set := typical(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(r, set); d.Effect != policy.Allowed {
			b.Fatal(d)
		}
	}
}

// BenchmarkDecideAmongMany is a decision under a policy that lists 600 services, as AWS's ReadOnlyAccess does.
func BenchmarkDecideAmongMany(b *testing.B) {
	var actions []string
	for i := range 600 {
		for _, verb := range []string{"Get", "List", "Describe"} {
			actions = append(actions, fmt.Sprintf(`"service-%d:%s*"`, i, verb))
		}
	}
	p, err := policy.Parse(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*", "Action": [`+strings.Join(actions, ",")+`]}}`, policy.Managed)
	if err != nil {
		b.Fatal(err)
	}
	set := policy.Set{Identity: []policy.Source{{Policy: p}}}
	r := policy.Request{Action: "service-599:DescribeThings", Resource: "*", Principal: policy.Principal{Kind: policy.User, Account: "111122223333"}}
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(&r, &set); d.Effect != policy.Allowed {
			b.Fatal(d)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	const doc = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Parse(doc, policy.Managed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCache(b *testing.B) {
	const doc = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}]}`
	c := policy.NewCache(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Parse(doc, policy.Managed); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecidingDoesNotAllocate(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	r, set := typical(t)
	boundary := set.Identity[2]
	set.Boundary, set.Guardrails, set.Session, set.Resource = &boundary, set.Identity[2:], set.Identity[2:], &set.Identity[1]
	if n := testing.AllocsPerRun(100, func() { policy.Decide(r, set) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
