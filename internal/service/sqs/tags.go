package sqs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/owner"
)

const maxTags = 50

// checkTags checks tags that are to be those of a queue.
func checkTags(queue string, tags map[string]string) error {
	for k, v := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return invalid("Tag keys must be between 1 and 128 characters in length.")
		case utf8.RuneCountInString(v) > 256:
			return invalid("Tag values must be between 0 and 256 characters in length.")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tag keys must not begin with aws:, which is reserved.")
		}
	}
	if len(tags) > maxTags {
		return invalid("Too many tags added for queue %s.", queue)
	}
	return nil
}

// TagQueue adds tags, in place of those with the same keys.
func (s *Service) TagQueue(ctx context.Context, in *sqsapi.TagQueueInput) (*sqsapi.TagQueueOutput, error) {
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.TagQueueOutput, error) {
		next := q.record
		if next.Tags = maps.Clone(next.Tags); next.Tags == nil {
			next.Tags = make(map[string]string, len(in.Tags))
		}
		for k, v := range in.Tags {
			next.Tags[strings.Clone(k)] = strings.Clone(v)
		}
		if err := checkTags(q.name, next.Tags); err != nil {
			return nil, err
		}
		s.retag(ctx, q, b, next)
		return &sqsapi.TagQueueOutput{}, nil
	})
}

// UntagQueue removes tags; those the queue does not have are no error.
func (s *Service) UntagQueue(ctx context.Context, in *sqsapi.UntagQueueInput) (*sqsapi.UntagQueueOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.UntagQueueOutput, error) {
		next := q.record
		next.Tags = maps.Clone(next.Tags)
		for _, k := range in.TagKeys {
			delete(next.Tags, k)
		}
		s.retag(ctx, q, b, next)
		return &sqsapi.UntagQueueOutput{}, nil
	})
}

// retag makes next, which differs in its tags, the queue's record. That is no modification of the queue.
func (s *Service) retag(ctx context.Context, q *queue, b *owner.Batch, next queueRecord) {
	s.tables.queues.Set(b, next, q.name)
	s.changed(ctx, b, q.name, &q.record, &next)
	q.record = next
}

// ListQueueTags answers a queue's tags.
func (s *Service) ListQueueTags(ctx context.Context, in *sqsapi.ListQueueTagsInput) (*sqsapi.ListQueueTagsOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.ListQueueTagsOutput, error) {
		var tags map[string]string
		if len(q.record.Tags) > 0 {
			tags = maps.Clone(q.record.Tags)
		}
		return &sqsapi.ListQueueTagsOutput{Tags: tags}, nil
	})
}
