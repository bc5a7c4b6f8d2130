package policy

import (
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/lang/policy/policytest"
)

// TestDifferences keeps what the evaluators differ about, one world each: made-up worlds leave it out. It fails where they agree, so
// that nothing is left out any longer than it has to be.
func TestDifferences(t *testing.T) {
	t.Parallel()
	const (
		account = "111122223333"
		user    = "arn:aws:iam::111122223333:user/alice"
		session = "arn:aws:sts::111122223333:assumed-role/r/s"
		queue   = "arn:aws:sqs:us-east-1:111122223333:alice-q"
		all     = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`
	)
	under := func(condition string) string {
		return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": ` + condition + `}}`
	}
	differences := []struct {
		name     string
		why      string // what is right
		identity string
		resource string
		session  []string
		keys     map[string]any
		ours     policy.Effect
	}{
		{
			name:     "a variable at the beginning of an ARN's resource",
			why:      "the reference on variables has arn:aws:sqs:us-east-2:*:${aws:username}-queue; the other takes what is in front of the variable's colon for a prefix",
			identity: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:sqs:us-east-1:111122223333:${aws:username}-q"}}`,
			keys:     map[string]any{"aws:username": "alice"},
			ours:     policy.Allowed,
		},
		{
			name:     "a session's policy and a resource's policy that names the session",
			why:      "the reference on evaluation: permissions granted directly to a session are not limited by an implicit deny in a session policy",
			resource: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "` + session + `"}, "Action": "*", "Resource": "*"}}`,
			session:  []string{`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}`},
			ours:     policy.Allowed,
		},
		{
			name:     "all addresses of IPv4",
			why:      "0.0.0.0/0 has them all; the other shifts by 32 bits, which in JavaScript is by none",
			identity: under(`{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}`),
			keys:     map[string]any{"aws:SourceIp": "192.0.2.1"},
			ours:     policy.Allowed,
		},
		{
			name:     "one address of IPv4, and who comes with IPv6",
			why:      "the reference on NotIpAddress: all addresses except the specified",
			identity: under(`{"NotIpAddress": {"aws:SourceIp": "192.0.2.1"}}`),
			keys:     map[string]any{"aws:SourceIp": "2001:db8::1"},
			ours:     policy.Allowed,
		},
		{
			name:     "a variable without a value under a negated operator",
			why:      "the reference on variables: inverted operators do match against a null value",
			identity: under(`{"StringNotEquals": {"k:text": "${aws:username}"}}`),
			keys:     map[string]any{"k:text": "x"},
			ours:     policy.Allowed,
		},
		{
			name:     "ForAnyValue with IfExists, without the key",
			why:      "the reference on operators: if the key is not present, evaluate the condition element as true",
			identity: under(`{"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "a"}}`),
			ours:     policy.Allowed,
		},
		{
			name:     "an empty string under ForAllValues",
			why:      "the reference on set operators: if the key values resolve to an empty data set (for example, an empty string), ForAllValues returns true",
			identity: under(`{"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}`),
			keys:     map[string]any{"aws:TagKeys": ""},
			ours:     policy.Allowed,
		},
		{
			name:     "NotPrincipal in a deny, without the account",
			why:      "the reference on NotPrincipal: name the account too, or the account is denied and everyone in it; we are strict",
			identity: all,
			resource: `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": "` + user + `"}, "Action": "*", "Resource": "*"}}`,
			ours:     policy.ExplicitDeny,
		},
		{
			name:     "seconds since 1970",
			why:      "the reference on operators: epoch (UNIX) time, which is in seconds; the other takes milliseconds",
			identity: under(`{"DateLessThan": {"aws:CurrentTime": "1609459200"}}`),
			keys:     map[string]any{"aws:CurrentTime": "2020-12-31T23:59:59Z"},
			ours:     policy.Allowed,
		},
		{
			name:     "a variable in front of an ARN's fifth colon, in a condition",
			why:      "the reference on operators: a variable can be used with ARN operators; the other cuts the ARN at the variable's colon",
			identity: under(`{"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:${aws:PrincipalAccount}:*"}}`),
			keys:     map[string]any{"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:t", "aws:PrincipalAccount": account},
			ours:     policy.Allowed,
		},
		{
			name:     "what is no number under a negated operator",
			why:      "the reference says no more than negated matching; ours is the negation, whatever the value",
			identity: under(`{"NumericNotEquals": {"k:number": "5"}}`),
			keys:     map[string]any{"k:number": "many"},
			ours:     policy.Allowed,
		},
		{
			name:     "what is no ARN under a negated operator",
			why:      "as above",
			identity: under(`{"ArnNotLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}}`),
			keys:     map[string]any{"aws:SourceArn": "sns"},
			ours:     policy.Allowed,
		},
		{
			name:     "letters of the other case in an ARN",
			why:      "ARNs are case-sensitive in all of their parts",
			identity: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:SQS:us-east-1:111122223333:alice-q"}}`,
			ours:     policy.ImplicitDeny,
		},
		{
			name:     "a key of no values under Null",
			why:      "the reference on Null: false means that the key exists and its value is not null; on set operators: values can resolve to a null data set",
			identity: under(`{"Null": {"aws:TagKeys": "true"}}`),
			keys:     map[string]any{"aws:TagKeys": []string{}},
			ours:     policy.Allowed,
		},
	}
	var worlds []*policytest.World
	for _, d := range differences {
		w := &policytest.World{
			Action: "sqs:SendMessage", Resource: queue, Owner: account, Keys: d.keys, ResourcePolicy: d.resource, Session: d.session,
			Principal: policy.Principal{Kind: policy.User, Account: account, ARN: user},
		}
		if d.identity != "" {
			w.Identity = []string{d.identity}
		}
		if d.session != nil {
			w.Principal = policy.Principal{Kind: policy.Role, Account: account, ARN: session, Role: "arn:aws:iam::111122223333:role/r"}
		}
		worlds = append(worlds, w)
	}
	for i, theirs := range ask(t, worlds) {
		d := &differences[i]
		if ours := decide(t, worlds[i]); ours != d.ours || ours == theirs {
			t.Errorf("%s: %v here, which has to be %v; %v there, which was something else.\n%s", d.name, ours, d.ours, theirs, d.why)
		}
	}
}
