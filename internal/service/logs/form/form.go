// Package form is what the operations of CloudWatch Logs have in common: how names, ARNs and tokens look, and the errors that many
// answer. It keeps nothing.
package form

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// Invalid is the answer to a value that cannot be.
func Invalid(format string, args ...any) *aws.Error {
	return logsapi.InvalidParameterException(format, args...)
}

// NoGroup is the answer where there is no such group.
func NoGroup() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified log group does not exist.")
}

// Violation is how AWS says that a value is not what the model asks for.
func Violation(value, member, must string) *aws.Error {
	return Invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s", value, member, must)
}

// CheckGroupName checks the name of a group.
func CheckGroupName(name string) error {
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_/#", c) >= 0) {
			return Violation(name, "logGroupName", `satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`)
		}
	}
	return nil
}

// CheckOne checks a value of an enumeration.
func CheckOne[E interface {
	~string
	Values() []string
}](v aws.Opt[E], member string) error {
	if values := v.V.Values(); v.Set && !slices.Contains(values, string(v.V)) {
		return Violation(string(v.V), member, "satisfy enum value set: ["+strings.Join(values, ", ")+"]")
	}
	return nil
}

// CheckAccounts checks of which accounts a request wants groups: no account is linked to another, so all there is are its own.
func CheckAccounts(ctx context.Context, linked aws.Opt[bool], accounts []string) error {
	if len(accounts) > 0 && !linked.V {
		return Invalid("accountIdentifiers can be used only if includeLinkedAccounts is true.")
	}
	for _, a := range accounts {
		if a != aws.RequestOf(ctx).Account {
			return Invalid("The account %s is not linked to this account.", a)
		}
	}
	return nil
}

// GroupARN is a group's ARN without the :* that AWS has behind it in places.
func GroupARN(scope aws.Scope, name string) string { return scope.ARN("logs", "log-group:"+name) }

// StreamARN is a stream's ARN; without a name, what IAM is asked about everything in a group.
func StreamARN(scope aws.Scope, group, stream string) string {
	return GroupARN(scope, group) + ":log-stream:" + stream
}

// ParseGroupARN is what the ARN of a group, or of something in it, names.
func ParseGroupARN(s string) (a aws.ARN, name string, ok bool) {
	a, ok = aws.ParseARN(s)
	name, is := strings.CutPrefix(a.Resource, "log-group:")
	if !ok || !is || a.Service != "logs" {
		return a, "", false
	}
	name, _, _ = strings.Cut(name, ":")
	return a, name, name != ""
}

// Identify is the name of the group that a name or an ARN says.
func Identify(ctx context.Context, id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, CheckGroupName(id)
	}
	a, name, ok := ParseGroupARN(id)
	if !ok {
		return "", Invalid("Invalid ARN: %s", id)
	}
	if a.Scope() != aws.RequestOf(ctx).Scope {
		return "", NoGroup()
	}
	return name, CheckGroupName(name)
}

// PageToken is where a list goes on: behind the last that was shown.
func PageToken(last string) aws.Opt[string] {
	return aws.Some(base64.RawURLEncoding.EncodeToString([]byte(last)))
}

// PageAfter is what PageToken was made of.
func PageAfter(token aws.Opt[string]) (last string, err error) {
	if !token.Set {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token.V)
	if err != nil || len(b) == 0 {
		return "", BadToken()
	}
	return string(b), nil
}

// BadToken is the answer to a token that was never given.
func BadToken() *aws.Error {
	return logsapi.InvalidParameterException("The specified nextToken is invalid.")
}

// NameOf is the name of the group that an identifier says, or what it says where that is none.
func NameOf(identifier string) string {
	if _, name, ok := ParseGroupARN(identifier); ok {
		return name
	}
	return identifier
}

// GroupOfARN is the group that an ARN names, which must be one.
func GroupOfARN(ctx context.Context, arn string) (string, error) {
	if _, _, ok := ParseGroupARN(arn); !ok {
		return "", Invalid("Invalid ARN: %s", arn)
	}
	return Identify(ctx, strings.TrimSuffix(arn, ":*"))
}

// GroupPattern is which names a request wants.
func GroupPattern(pattern aws.Opt[string]) (matches func(name string) bool, err error) {
	if !pattern.Set {
		return func(string) bool { return true }, nil
	}
	const rule = `(\^?[\.\-_\/#A-Za-z0-9]{3,24})(\|\^?[\.\-_\/#A-Za-z0-9]{3,24}){0,4}`
	if ok, err := regexp.MatchString("^(?:"+rule+")$", pattern.V); err != nil || !ok {
		return nil, Violation(pattern.V, "logGroupNamePattern", "satisfy regular expression pattern: "+rule)
	}
	return namePattern(pattern.V), nil
}

// namePattern is whether a name has one of several pieces in it, or at its beginning where the piece says so with ^.
func namePattern(pattern string) func(name string) bool {
	pieces := strings.Split(pattern, "|")
	return func(name string) bool {
		return slices.ContainsFunc(pieces, func(p string) bool {
			if rest, ok := strings.CutPrefix(p, "^"); ok {
				return strings.HasPrefix(name, rest)
			}
			return strings.Contains(name, p)
		})
	}
}
