// Package form is what all of IAM's operations have in common: whose account a request is about, how names, paths, tags and ids
// look, how lists are shown page by page, and the errors that many answer. It keeps nothing.
package form

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Home is the account a request is about, in the partition of its region.
type Home struct{ Account, Partition string }

// HomeOf is the home of a request.
func HomeOf(ctx context.Context) Home {
	r := aws.RequestOf(ctx)
	return Home{r.Account, aws.Partition(r.Region)}
}

// ARN names what the account has: "user/path/alice".
func (h Home) ARN(what string) string {
	return "arn:" + h.Partition + ":iam::" + h.Account + ":" + what
}

// View runs fn on the newest durable snapshot.
func View[T any](ctx context.Context, space store.Space, fn func(tx *store.Tx, h Home) (T, error)) (T, error) {
	h := HomeOf(ctx)
	return store.View(ctx, space, func(tx *store.Tx) (T, error) { return fn(tx, h) })
}

// Update runs fn in a transaction.
func Update[T any](ctx context.Context, space store.Space, fn func(tx *store.Tx, h Home) (T, error)) (T, error) {
	h := HomeOf(ctx)
	return store.Update(ctx, space, func(tx *store.Tx) (T, error) { return fn(tx, h) })
}

// NewID is a new unique id.
func NewID(prefix string) string {
	var b [11]byte
	rand.Read(b[:])
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:17]
}

var errValidation = &aws.ErrorShape{Code: "ValidationError", Status: 400}

// Invalid is the answer to a value that cannot be.
func Invalid(format string, args ...any) *aws.Error { return errValidation.New(format, args...) }

// Missing is the answer where there is no such thing: "The user with name alice cannot be found."
func Missing(what, name string) *aws.Error {
	return iamapi.NoSuchEntityException("The %s with name %s cannot be found.", what, name)
}

// Conflict is the answer to the deletion of what is still in use.
func Conflict(must string) *aws.Error {
	return iamapi.DeleteConflictException("Cannot delete entity, must %s first.", must)
}

// OverQuota is the answer where there would be more than AWS lets there be.
func OverQuota(quota string, n int) *aws.Error {
	return iamapi.LimitExceededException("Cannot exceed quota for %s: %d", quota, n)
}

// Fold is a name as keys have it: two that differ in case only are the same.
func Fold(name string) string { return strings.ToLower(name) }

// CheckName checks a name that is to be given; member is as AWS writes it ("userName").
func CheckName(member, name string) error {
	for i := range len(name) {
		if c := name[i]; !IsWord(c) && strings.IndexByte("+=,.@-", c) < 0 {
			return Invalid("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
		}
	}
	return nil
}

// IsWord reports whether c is a letter, a digit or an underscore.
func IsWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// CheckPath checks a path that is to be given; without one it is "/".
func CheckPath(p aws.Opt[string]) (string, error) {
	path := p.Or("/")
	ok := strings.HasPrefix(path, "/") && strings.HasSuffix(path, "/") && !strings.Contains(path, "//")
	for i := range len(path) {
		ok = ok && path[i] > ' ' && path[i] < 0x7f
	}
	if !ok {
		return "", Invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return strings.Clone(path), nil
}

// CheckEnum checks a value that the model knows all values of; member is as AWS writes it ("encoding").
func CheckEnum[T interface {
	~string
	Values() []string
}](member string, v T) error {
	if all := v.Values(); !slices.Contains(all, string(v)) {
		return Invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", member, strings.Join(all, ", "))
	}
	return nil
}

// Seconds is now, as times are kept; At is one as it is answered.
func Seconds(tx *store.Tx) int64 { return tx.Now().Unix() }

// At is a time that is kept in seconds.
func At(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// Page is what a caller wants to see of a list, and how far it has come.
type Page struct {
	After string // the key of the last that was shown, empty at the beginning
	More  bool   // there is more than was shown

	limit int
	shown int
	last  string
}

// maxItems is how many a list shows that is not told.
const maxItems = 100

// NewPage is the page that a request asks for.
func NewPage(marker aws.Opt[string], items aws.Opt[int32]) (*Page, error) {
	p := &Page{limit: int(items.Or(maxItems))}
	if marker.Set {
		b, err := base64.RawURLEncoding.DecodeString(marker.V)
		if err != nil || len(b) < 2 || b[0] != 1 {
			return nil, Invalid("Invalid Marker.")
		}
		p.After = string(b[1:])
	}
	return p, nil
}

// Add reports whether what has this key is to be shown. Where it is not, the list goes on behind the last that was: the caller
// stops.
func (p *Page) Add(key string) bool {
	if p.shown == p.limit {
		p.More = true
		return false
	}
	p.shown++
	p.last = strings.Clone(key)
	return true
}

// Truncated is whether there is more, as it is answered.
func (p *Page) Truncated() aws.Opt[bool] { return aws.Some(p.More) }

// Marker is where the next page begins, absent where there is none.
func (p *Page) Marker() aws.Opt[string] {
	if !p.More {
		return aws.Opt[string]{}
	}
	return aws.Some(base64.RawURLEncoding.EncodeToString(append([]byte{1}, p.last...)))
}

// Options has a table scanned from where the page begins.
func (p *Page) Options() store.ScanOptions {
	if p.After == "" {
		return store.ScanOptions{}
	}
	return store.ScanOptions{After: []any{p.After}}
}

// Slice shows of a sorted list what a page is about.
func Slice[T any](p *Page, list []T, key func(T) string) (out []T) {
	for _, v := range list {
		if k := key(v); k > p.After || p.After == "" {
			if !p.Add(k) {
				break
			}
			out = append(out, v)
		}
	}
	return out
}

// Any reports whether there is a key.
func Any(keys func(func(store.Key) bool)) bool {
	for range keys {
		return true
	}
	return false
}

// Count counts keys.
func Count(keys func(func(store.Key) bool)) (n int) {
	for range keys {
		n++
	}
	return n
}

// Status is what is active or not, as it is answered.
func Status(inactive bool) iamapi.StatusType {
	if inactive {
		return iamapi.StatusTypeInactive
	}
	return iamapi.StatusTypeActive
}

// Inactive is a status that may be set: the models know a third, which only AWS gives.
func Inactive(s iamapi.StatusType) (bool, error) {
	if s != iamapi.StatusTypeActive && s != iamapi.StatusTypeInactive {
		return false, Invalid("1 validation error detected: Value at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]")
	}
	return s == iamapi.StatusTypeInactive, nil
}

// Caller is the user who asks: for operations that are about whoever calls where they name nobody. root is true where it is the
// account's root.
func Caller(ctx context.Context) (name string, root bool) {
	arn, _ := aws.ParseARN(aws.RequestOf(ctx).Principal.ARN)
	if path, ok := strings.CutPrefix(arn.Resource, "user/"); ok && arn.Service == "iam" {
		return path[strings.LastIndexByte(path, '/')+1:], false
	}
	return "", arn.Service == "iam" && arn.Resource == "root"
}
