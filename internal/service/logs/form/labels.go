package form

import (
	"context"
	"maps"
	"slices"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Labels are the tags of one kind of resource.
type Labels struct {
	Get     func(tx *store.Tx, name string) (tags map[string]string, ok bool)
	Set     func(ctx context.Context, tx *store.Tx, name string, tags map[string]string)
	Missing func() *aws.Error                      // the answer where there is none of that name
	Policy  func(tx *store.Tx, name string) string // who else may use it; nil where it has none
}

// Tag is a tag as the properties of a resource have it.
type Tag struct{ Key, Value string }

// ModelTags are tags as properties have them, in the order of their keys.
func ModelTags(tags map[string]string) (list []Tag) {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, Tag{k, tags[k]})
	}
	return list
}

// WantedTags are the tags that a resource is to have: those of its properties and those that the request adds.
func WantedTags(list []Tag, more map[string]string) map[string]string {
	tags := maps.Clone(more)
	for _, t := range list {
		if tags == nil {
			tags = map[string]string{}
		}
		tags[t.Key] = t.Value
	}
	return tags
}

// Retag changes the tags of a resource from those of its properties before to those that it is to have.
func Retag(ctx context.Context, api logsapi.Client, arn string, before []Tag, wants map[string]string) error {
	var gone []string
	for _, t := range before {
		if _, ok := wants[t.Key]; !ok {
			gone = append(gone, t.Key)
		}
	}
	if len(gone) > 0 {
		if _, err := api.UntagResource(ctx, &logsapi.UntagResourceInput{ResourceArn: arn, TagKeys: gone}); err != nil {
			return err
		}
	}
	if len(wants) > 0 {
		_, err := api.TagResource(ctx, &logsapi.TagResourceInput{ResourceArn: arn, Tags: wants})
		return err
	}
	return nil
}

// TagsOf are the tags of a resource as properties have them.
func TagsOf(ctx context.Context, api logsapi.Client, arn string) ([]Tag, error) {
	out, err := api.ListTagsForResource(ctx, &logsapi.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil {
		return nil, err
	}
	return ModelTags(out.Tags), nil
}
