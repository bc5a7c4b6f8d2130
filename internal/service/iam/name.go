package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// The first letters of unique ids.
const (
	userID    = "AIDA"
	groupID   = "AGPA"
	roleID    = "AROA"
	policyID  = "ANPA"
	profileID = "AIPA"
)

// newID is a new unique id.
func newID(prefix string) string {
	var b [11]byte
	rand.Read(b[:])
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:17]
}

var errValidation = &aws.ErrorShape{Code: "ValidationError", Status: 400}

// invalid is the answer to a value that cannot be.
func invalid(format string, args ...any) *aws.Error { return errValidation.New(format, args...) }

// missing is the answer where there is no such thing: "The user with name alice cannot be found."
func missing(what, name string) *aws.Error {
	return iamapi.NoSuchEntityException("The %s with name %s cannot be found.", what, name)
}

// conflict is the answer to the deletion of what is still in use.
func conflict(must string) *aws.Error {
	return iamapi.DeleteConflictException("Cannot delete entity, must %s first.", must)
}

// overQuota is the answer where there would be more than AWS lets there be.
func overQuota(quota string, n int) *aws.Error {
	return iamapi.LimitExceededException("Cannot exceed quota for %s: %d", quota, n)
}

// fold is a name as keys have it: two that differ in case only are the same.
func fold(name string) string { return strings.ToLower(name) }

// checkName checks a name that is to be given; member is as AWS writes it ("userName").
func checkName(member, name string) error {
	for i := range len(name) {
		if c := name[i]; !isWord(c) && strings.IndexByte("+=,.@-", c) < 0 {
			return invalid("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
		}
	}
	return nil
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// checkPath checks a path that is to be given; without one it is "/".
func checkPath(p aws.Opt[string]) (string, error) {
	path := p.Or("/")
	ok := strings.HasPrefix(path, "/") && strings.HasSuffix(path, "/") && !strings.Contains(path, "//")
	for i := range len(path) {
		ok = ok && path[i] > ' ' && path[i] < 0x7f
	}
	if !ok {
		return "", invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return strings.Clone(path), nil
}

// maxTags is how many tags one thing may have.
const maxTags = 50

// addTags is had with tags added. Of users and roles (anyCase) keys that differ in their case only are the same.
func addTags(had []tag, tags []iamapi.Tag, anyCase bool) ([]tag, error) {
	same, twice := same, "Duplicate tag keys found."
	if anyCase {
		same, twice = strings.EqualFold, "Duplicate tag keys found. Please note that Tag keys are case insensitive."
	}
	out := slices.Clone(had)
	for i, t := range tags {
		if slices.ContainsFunc(tags[:i], func(other iamapi.Tag) bool { return same(other.Key, t.Key) }) {
			return nil, iamapi.InvalidInputException("%s", twice)
		}
		for _, v := range [...]struct{ member, text string }{{"key", t.Key}, {"value", t.Value}} {
			if !tagText(v.text) {
				return nil, invalid("1 validation error detected: Value at 'tags.%d.member.%s' failed to satisfy constraint: %s", i+1, v.member, tagPattern(v.member))
			}
		}
		if strings.HasPrefix(fold(t.Key), "aws:") {
			return nil, iamapi.InvalidInputException("Tags prefixed with \"aws:\" are not allowed.")
		}
		if at := slices.IndexFunc(out, func(h tag) bool { return same(h.Key, t.Key) }); at >= 0 {
			out[at] = tag{t.Key, t.Value}
		} else {
			out = append(out, tag{t.Key, t.Value})
		}
	}
	if len(out) > maxTags {
		return nil, iamapi.LimitExceededException("The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func same(a, b string) bool { return a == b }

// tagPattern is how AWS says what a key or a value of a tag may be.
func tagPattern(member string) string {
	end := "]+"
	if member == "value" {
		end = "]*"
	}
	return `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@` + end
}

// tagText reports whether s may be a tag's key or value: letters and digits of any script, spaces and a few signs.
func tagText(s string) bool {
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}

// removeTags is had without those keys. One that is not there is no error.
func removeTags(had []tag, keys []string, anyCase bool) ([]tag, error) {
	same := same
	if anyCase {
		same = strings.EqualFold
	}
	for _, k := range keys {
		if n := utf8.RuneCountInString(k); n < 1 || n > 128 || !tagText(k) {
			return nil, invalid("1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, " +
				"Member must have length greater than or equal to 1, " + tagPattern("key") + ", Member must not be null]")
		}
	}
	return slices.DeleteFunc(slices.Clone(had), func(t tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return same(k, t.Key) })
	}), nil
}

// kept is n as it is stored, with its tags in the order of their keys: they are answered in the order they were given only by
// the call that gave them.
func (n named) kept() named {
	n.Tags = slices.Clone(n.Tags)
	slices.SortFunc(n.Tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return n
}

// tagList is tags as they are answered with what has them, nil where there are none.
func tagList(tags []tag) []iamapi.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]iamapi.Tag, len(tags))
	for i, t := range tags {
		out[i] = iamapi.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}

// seconds is now, as times are kept; at is one as it is answered.
func seconds(tx *store.Tx) int64 { return tx.Now().Unix() }

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// page is what a caller wants to see of a list, and how far it has come.
type page struct {
	after string // the key of the last that was shown, empty at the beginning
	limit int
	shown int
	last  string
	more  bool
}

// maxItems is how many a list shows that is not told.
const maxItems = 100

func newPage(marker aws.Opt[string], items aws.Opt[int32]) (*page, error) {
	p := &page{limit: int(items.Or(maxItems))}
	if marker.Set {
		b, err := base64.RawURLEncoding.DecodeString(marker.V)
		if err != nil || len(b) < 2 || b[0] != 1 {
			return nil, invalid("Invalid Marker.")
		}
		p.after = string(b[1:])
	}
	return p, nil
}

// add reports whether what has this key is to be shown. Where it is not, the list goes on behind the last that was: the caller
// stops.
func (p *page) add(key string) bool {
	if p.shown == p.limit {
		p.more = true
		return false
	}
	p.shown++
	p.last = strings.Clone(key)
	return true
}

func (p *page) truncated() aws.Opt[bool] { return aws.Some(p.more) }

func (p *page) marker() aws.Opt[string] {
	if !p.more {
		return aws.Opt[string]{}
	}
	return aws.Some(base64.RawURLEncoding.EncodeToString(append([]byte{1}, p.last...)))
}

// options has a table scanned from where the page begins.
func (p *page) options() store.ScanOptions {
	if p.after == "" {
		return store.ScanOptions{}
	}
	return store.ScanOptions{After: []any{p.after}}
}

// slicePage shows of a sorted list what the page is about.
func slicePage[T any](p *page, list []T, key func(T) string) (out []T) {
	for _, v := range list {
		if k := key(v); k > p.after || p.after == "" {
			if !p.add(k) {
				break
			}
			out = append(out, v)
		}
	}
	return out
}

// caller is the user who asks: for operations that are about whoever calls where they name nobody. root is true where it is the
// account's root.
func caller(ctx context.Context) (name string, root bool) {
	arn, _ := aws.ParseARN(aws.RequestOf(ctx).Principal.ARN)
	if path, ok := strings.CutPrefix(arn.Resource, "user/"); ok && arn.Service == "iam" {
		return path[strings.LastIndexByte(path, '/')+1:], false
	}
	return "", arn.Service == "iam" && arn.Resource == "root"
}
