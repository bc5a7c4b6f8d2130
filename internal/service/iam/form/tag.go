package form

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Tag is a tag as it is kept.
type Tag struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// maxTags is how many tags one thing may have.
const maxTags = 50

// AddTags is had with tags added. Of users and roles (anyCase) keys that differ in their case only are the same.
func AddTags(had []Tag, tags []iamapi.Tag, anyCase bool) ([]Tag, error) {
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
				return nil, Invalid("1 validation error detected: Value at 'tags.%d.member.%s' failed to satisfy constraint: %s", i+1, v.member, tagPattern(v.member))
			}
		}
		if strings.HasPrefix(Fold(t.Key), "aws:") {
			return nil, iamapi.InvalidInputException("Tags prefixed with \"aws:\" are not allowed.")
		}
		if at := slices.IndexFunc(out, func(h Tag) bool { return same(h.Key, t.Key) }); at >= 0 {
			out[at] = Tag{t.Key, t.Value}
		} else {
			out = append(out, Tag{t.Key, t.Value})
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

// RemoveTags is had without those keys. One that is not there is no error.
func RemoveTags(had []Tag, keys []string, anyCase bool) ([]Tag, error) {
	same := same
	if anyCase {
		same = strings.EqualFold
	}
	for _, k := range keys {
		if n := utf8.RuneCountInString(k); n < 1 || n > 128 || !tagText(k) {
			return nil, Invalid("1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, " +
				"Member must have length greater than or equal to 1, " + tagPattern("key") + ", Member must not be null]")
		}
	}
	return slices.DeleteFunc(slices.Clone(had), func(t Tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return same(k, t.Key) })
	}), nil
}

// Tags is tags as they are answered with what has them, nil where there are none.
func Tags(tags []Tag) []iamapi.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]iamapi.Tag, len(tags))
	for i, t := range tags {
		out[i] = iamapi.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}

// Sorted is tags in the order of their keys, as they are kept: only the call that gives them answers them in the order it did.
func Sorted(tags []Tag) []Tag {
	return slices.SortedFunc(slices.Values(tags), func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
}

// Tagged is something with tags, and how they are written.
type Tagged struct {
	Tags []Tag
	Save func(tags []Tag)
}

// Find finds something with tags in a transaction.
type Find func(tx *store.Tx, h Home) (Tagged, error)

// Add adds tags.
func (f Find) Add(ctx context.Context, space store.Space, tags []iamapi.Tag) error {
	return f.change(ctx, space, func(had []Tag) ([]Tag, error) { return AddTags(had, tags, false) })
}

// Remove takes tags away.
func (f Find) Remove(ctx context.Context, space store.Space, keys []string) error {
	return f.change(ctx, space, func(had []Tag) ([]Tag, error) { return RemoveTags(had, keys, false) })
}

func (f Find) change(ctx context.Context, space store.Space, change func(had []Tag) ([]Tag, error)) error {
	_, err := Update(ctx, space, func(tx *store.Tx, h Home) (struct{}, error) {
		t, err := f(tx, h)
		if err != nil {
			return struct{}{}, err
		}
		tags, err := change(t.Tags)
		if err == nil {
			t.Save(Sorted(tags))
		}
		return struct{}{}, err
	})
	return err
}

// List is a page of tags.
func (f Find) List(ctx context.Context, space store.Space, marker aws.Opt[string], items aws.Opt[int32]) (tags []iamapi.Tag, p *Page, err error) {
	tags, err = View(ctx, space, func(tx *store.Tx, h Home) ([]iamapi.Tag, error) {
		t, err := f(tx, h)
		if err != nil {
			return nil, err
		}
		if p, err = NewPage(marker, items); err != nil {
			return nil, err
		}
		return append([]iamapi.Tag{}, Tags(Slice(p, Sorted(t.Tags), func(t Tag) string { return t.Key }))...), nil
	})
	return tags, p, err
}
