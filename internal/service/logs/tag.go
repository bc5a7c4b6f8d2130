package logs

import (
	"context"
	"maps"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// maxTags is how many a resource may have.
const maxTags = 50

// taggable is the group that an ARN names.
func taggable(ctx context.Context, arn string) (string, error) {
	a, name, ok := parseGroupARN(arn)
	if !ok {
		return "", invalid("Invalid resource ARN: %s", arn)
	}
	if a.Scope() != aws.RequestOf(ctx).Scope {
		return "", noGroup()
	}
	if strings.HasSuffix(arn, ":*") {
		return "", invalid("Invalid resource ARN: %s. It must not end with :*", arn)
	}
	return name, nil
}

// labelled is what knows the tags of a resource that is no group, and the resource's name; nil where the ARN names none.
func (s *Service) labelled(arn string) (a aws.ARN, name string, l *form.Labels) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "logs" {
		return a, "", nil
	}
	kind, name, _ := strings.Cut(a.Resource, ":")
	if kind == "destination" {
		return a, name, s.destinationLabels()
	}
	return a, name, s.DeliveryLabels(kind)
}

// label changes the tags of a resource that is no group; done is false where the ARN is of none.
func (s *Service) label(ctx context.Context, arn string, fn func(tags map[string]string) error) (done bool, err error) {
	a, name, l := s.labelled(arn)
	if l == nil {
		return false, nil
	}
	if a.Scope() != aws.RequestOf(ctx).Scope {
		return true, l.Missing()
	}
	_, err = store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		tags, ok := l.Get(tx, name)
		if !ok {
			return struct{}{}, l.Missing()
		}
		if tags = maps.Clone(tags); tags == nil {
			tags = map[string]string{}
		}
		if err := fn(tags); err != nil {
			return struct{}{}, err
		}
		if len(tags) > maxTags {
			return struct{}{}, tooManyTags(arn)
		}
		l.Set(ctx, tx, name, tags)
		return struct{}{}, nil
	})
	return true, err
}

// labelsOf are the tags of a resource that is no group: nil where there is none of that name, and l where the ARN is of no such kind.
func (s *Service) labelsOf(ctx context.Context, arn string) (tags map[string]string, l *form.Labels, err error) {
	a, name, l := s.labelled(arn)
	if l == nil {
		return nil, nil, nil
	}
	if a.Scope() != aws.RequestOf(ctx).Scope {
		return nil, l, nil
	}
	tags, err = store.View(ctx, s.space, func(tx *store.Tx) (map[string]string, error) {
		tags, ok := l.Get(tx, name)
		if ok && tags == nil {
			tags = map[string]string{}
		}
		return tags, nil
	})
	return tags, l, err
}

func tooManyTags(arn string) error {
	return logsapi.TooManyTagsException("A resource can have at most %d tags.", maxTags).With(
		&logsapi.TooManyTagsExceptionMembers{ResourceName: aws.Some(arn)})
}

func (s *Service) tag(ctx context.Context, group string, tags map[string]string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.change(ctx, group, func(g *groupRecord) error {
		all := maps.Clone(g.Tags)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, tags)
		if len(all) > maxTags {
			return tooManyTags(groupARN(aws.RequestOf(ctx).Scope, group))
		}
		g.Tags = all
		return nil
	})
}

func (s *Service) untag(ctx context.Context, group string, keys []string) error {
	return s.change(ctx, group, func(g *groupRecord) error {
		g.Tags = maps.Clone(g.Tags)
		for _, k := range keys {
			delete(g.Tags, k)
		}
		return nil
	})
}

func (s *Service) tags(ctx context.Context, group string) (map[string]string, error) {
	if err := checkGroupName(group); err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (map[string]string, error) {
		g, err := s.group(tx, group)
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		return g.Tags, err
	})
}

// TagResource is logs:TagResource.
func (s *Service) TagResource(ctx context.Context, in *logsapi.TagResourceInput) (*logsapi.TagResourceOutput, error) {
	if done, err := s.label(ctx, in.ResourceArn, func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		return checkTags(in.Tags)
	}); done {
		return nil, err
	}
	group, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.tag(ctx, group, in.Tags)
}

// UntagResource is logs:UntagResource.
func (s *Service) UntagResource(ctx context.Context, in *logsapi.UntagResourceInput) (*logsapi.UntagResourceOutput, error) {
	if done, err := s.label(ctx, in.ResourceArn, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	}); done {
		return nil, err
	}
	group, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.untag(ctx, group, in.TagKeys)
}

// ListTagsForResource is logs:ListTagsForResource.
func (s *Service) ListTagsForResource(ctx context.Context, in *logsapi.ListTagsForResourceInput) (*logsapi.ListTagsForResourceOutput, error) {
	if tags, l, err := s.labelsOf(ctx, in.ResourceArn); l != nil {
		if err == nil && tags == nil {
			err = l.Missing()
		}
		if err != nil {
			return nil, err
		}
		return &logsapi.ListTagsForResourceOutput{Tags: tags}, nil
	}
	group, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.tags(ctx, group)
	if err != nil {
		return nil, err
	}
	return &logsapi.ListTagsForResourceOutput{Tags: tags}, nil
}

// TagLogGroup is logs:TagLogGroup.
func (s *Service) TagLogGroup(ctx context.Context, in *logsapi.TagLogGroupInput) (*logsapi.TagLogGroupOutput, error) {
	return nil, s.tag(ctx, in.LogGroupName, in.Tags)
}

// UntagLogGroup is logs:UntagLogGroup.
func (s *Service) UntagLogGroup(ctx context.Context, in *logsapi.UntagLogGroupInput) (*logsapi.UntagLogGroupOutput, error) {
	return nil, s.untag(ctx, in.LogGroupName, in.Tags)
}

// ListTagsLogGroup is logs:ListTagsLogGroup.
func (s *Service) ListTagsLogGroup(ctx context.Context, in *logsapi.ListTagsLogGroupInput) (*logsapi.ListTagsLogGroupOutput, error) {
	tags, err := s.tags(ctx, in.LogGroupName)
	if err != nil {
		return nil, err
	}
	return &logsapi.ListTagsLogGroupOutput{Tags: tags}, nil
}
