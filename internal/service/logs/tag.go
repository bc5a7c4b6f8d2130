package logs

import (
	"context"
	"maps"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// maxTags is how many a resource may have.
const maxTags = 50

// taggable is the group that an ARN names. Destinations can be tagged too, on AWS; they are not served.
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
			return logsapi.TooManyTagsException("A resource can have at most %d tags.", maxTags).With(
				&logsapi.TooManyTagsExceptionMembers{ResourceName: aws.Some(groupARN(aws.RequestOf(ctx).Scope, group))})
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
	group, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.tag(ctx, group, in.Tags)
}

// UntagResource is logs:UntagResource.
func (s *Service) UntagResource(ctx context.Context, in *logsapi.UntagResourceInput) (*logsapi.UntagResourceOutput, error) {
	group, err := taggable(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, s.untag(ctx, group, in.TagKeys)
}

// ListTagsForResource is logs:ListTagsForResource.
func (s *Service) ListTagsForResource(ctx context.Context, in *logsapi.ListTagsForResourceInput) (*logsapi.ListTagsForResourceOutput, error) {
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
