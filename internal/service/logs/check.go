package logs

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

// violation is how AWS says that a value is not what the model asks for.
func violation(value, member, must string) *aws.Error {
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must %s", value, member, must)
}

// checkGroupName checks the name of a group.
func checkGroupName(name string) error {
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_/#", c) >= 0) {
			return violation(name, "logGroupName", `satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`)
		}
	}
	return nil
}

// checkStreamName checks the name of a stream.
func checkStreamName(name string) error {
	if strings.ContainsAny(name, ":*") {
		return violation(name, "logStreamName", "satisfy regular expression pattern: [^:*]*")
	}
	return nil
}

// checkTags checks tags that are to be given.
func checkTags(tags map[string]string) error {
	for k, v := range tags {
		if !isTagText(k) || !isTagText(v) {
			return invalid("Tag keys and values may contain only letters, numbers, spaces and _.:/=+-@: %s", k)
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("Tag keys that begin with aws: are reserved: %s", k)
		}
	}
	return nil
}

func isTagText(s string) bool {
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsNumber(c) && !unicode.Is(unicode.Z, c) && !strings.ContainsRune("_.:/=+-@", c) {
			return false
		}
	}
	return true
}

// checkOne checks a value of an enumeration.
func checkOne[E interface {
	~string
	Values() []string
}](v aws.Opt[E], member string) error {
	if values := v.V.Values(); v.Set && !slices.Contains(values, string(v.V)) {
		return violation(string(v.V), member, "satisfy enum value set: ["+strings.Join(values, ", ")+"]")
	}
	return nil
}

// checkAccounts checks of which accounts a request wants groups: no account is linked to another, so all there is are its own.
func checkAccounts(ctx context.Context, linked aws.Opt[bool], accounts []string) error {
	if len(accounts) > 0 && !linked.V {
		return invalid("accountIdentifiers can be used only if includeLinkedAccounts is true.")
	}
	for _, a := range accounts {
		if a != aws.RequestOf(ctx).Account {
			return invalid("The account %s is not linked to this account.", a)
		}
	}
	return nil
}

// days are for how long AWS keeps events.
func checkDays(n int32) error {
	days := [...]int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
	if slices.Contains(days[:], n) {
		return nil
	}
	var list []string
	for _, d := range days {
		list = append(list, strconv.Itoa(int(d)))
	}
	return violation(strconv.Itoa(int(n)), "retentionInDays", "satisfy enum value set: ["+strings.Join(list, ", ")+"]")
}

// groupARN is a group's ARN without the :* that AWS has behind it in places.
func groupARN(scope aws.Scope, name string) string { return scope.ARN("logs", "log-group:"+name) }

func streamARN(scope aws.Scope, group, stream string) string {
	return groupARN(scope, group) + ":log-stream:" + stream
}

// parseGroupARN is what the ARN of a group, or of something in it, names.
func parseGroupARN(s string) (a aws.ARN, name string, ok bool) {
	a, ok = aws.ParseARN(s)
	name, is := strings.CutPrefix(a.Resource, "log-group:")
	if !ok || !is || a.Service != "logs" {
		return a, "", false
	}
	name, _, _ = strings.Cut(name, ":")
	return a, name, name != ""
}

// identified is the group that a request names in one of two ways, and the context of its scope: an ARN may be another
// region's, and is then one that does not exist here.
func identified(ctx context.Context, name, identifier aws.Opt[string]) (string, error) {
	switch {
	case name.Set && identifier.Set:
		return "", invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	case name.Set:
		return name.V, checkGroupName(name.V)
	case identifier.Set:
		return identify(ctx, identifier.V)
	}
	return "", invalid("Either a log group name or a log group identifier is required.")
}

// identify is the name of the group that a name or an ARN says.
func identify(ctx context.Context, id string) (string, error) {
	if !strings.HasPrefix(id, "arn:") {
		return id, checkGroupName(id)
	}
	a, name, ok := parseGroupARN(id)
	if !ok {
		return "", invalid("Invalid ARN: %s", id)
	}
	if a.Scope() != aws.RequestOf(ctx).Scope {
		return "", noGroup()
	}
	return name, checkGroupName(name)
}

// pageToken is where a list goes on: behind the last that was shown.
func pageToken(last string) aws.Opt[string] {
	return aws.Some(base64.RawURLEncoding.EncodeToString([]byte(last)))
}

// pageAfter is what pageToken was made of.
func pageAfter(token aws.Opt[string]) (last string, err error) {
	if !token.Set {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token.V)
	if err != nil || len(b) == 0 {
		return "", errToken()
	}
	return string(b), nil
}

func errToken() *aws.Error {
	return logsapi.InvalidParameterException("The specified nextToken is invalid.")
}
