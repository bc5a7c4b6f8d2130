package logs

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
)

// checkStreamName checks the name of a stream.
func checkStreamName(name string) error {
	if strings.ContainsAny(name, ":*") {
		return violation(name, "logStreamName", "satisfy regular expression pattern: [^:*]*")
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

// What is in package form, by the names it has here.

func violation(value, member, must string) *aws.Error { return form.Violation(value, member, must) }

func checkGroupName(name string) error { return form.CheckGroupName(name) }

func checkOne[E interface {
	~string
	Values() []string
}](v aws.Opt[E], member string) error {
	return form.CheckOne(v, member)
}

func checkAccounts(ctx context.Context, linked aws.Opt[bool], accounts []string) error {
	return form.CheckAccounts(ctx, linked, accounts)
}

func groupARN(scope aws.Scope, name string) string { return form.GroupARN(scope, name) }

func streamARN(scope aws.Scope, group, stream string) string {
	return form.StreamARN(scope, group, stream)
}

func parseGroupARN(s string) (a aws.ARN, name string, ok bool) { return form.ParseGroupARN(s) }

func checkTags(tags map[string]string) error { return form.CheckTags(tags) }

func milliseconds(t int64) int64 { return form.Milliseconds(t) }

func identify(ctx context.Context, id string) (string, error) { return form.Identify(ctx, id) }

func pageToken(last string) aws.Opt[string] { return form.PageToken(last) }

func pageAfter(token aws.Opt[string]) (last string, err error) { return form.PageAfter(token) }

func errToken() *aws.Error { return form.BadToken() }
