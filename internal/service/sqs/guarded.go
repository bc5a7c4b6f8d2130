package sqs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Resources implements call.Resourcer: the queue that a URL names, which may be another account's or region's, or a move task's handle.
func (s *Service) Resources(ctx context.Context, _ *model.Operation, in any) []string {
	if in, ok := in.(*sqsapi.CancelMessageMoveTaskInput); ok {
		if _, source, ok := readHandle(in.TaskHandle); ok {
			return []string{source.String()}
		}
		return nil
	}
	url := urlOf(in)
	if url == "" {
		return nil
	}
	there, name, ok := locate(ctx, url)
	if !ok {
		return nil
	}
	return []string{aws.RequestOf(there).ARN("sqs", name)}
}

// urlOf is the URL of the queue that an operation is about.
func urlOf(in any) string {
	switch in := in.(type) {
	case *sqsapi.AddPermissionInput:
		return in.QueueUrl
	case *sqsapi.ChangeMessageVisibilityBatchInput:
		return in.QueueUrl
	case *sqsapi.ChangeMessageVisibilityInput:
		return in.QueueUrl
	case *sqsapi.DeleteMessageBatchInput:
		return in.QueueUrl
	case *sqsapi.DeleteMessageInput:
		return in.QueueUrl
	case *sqsapi.DeleteQueueInput:
		return in.QueueUrl
	case *sqsapi.GetQueueAttributesInput:
		return in.QueueUrl
	case *sqsapi.ListDeadLetterSourceQueuesInput:
		return in.QueueUrl
	case *sqsapi.ListQueueTagsInput:
		return in.QueueUrl
	case *sqsapi.PurgeQueueInput:
		return in.QueueUrl
	case *sqsapi.ReceiveMessageInput:
		return in.QueueUrl
	case *sqsapi.RemovePermissionInput:
		return in.QueueUrl
	case *sqsapi.SendMessageBatchInput:
		return in.QueueUrl
	case *sqsapi.SendMessageInput:
		return in.QueueUrl
	case *sqsapi.SetQueueAttributesInput:
		return in.QueueUrl
	case *sqsapi.TagQueueInput:
		return in.QueueUrl
	case *sqsapi.UntagQueueInput:
		return in.QueueUrl
	}
	return ""
}

// Keeps implements auth.Keeper: a queue's policy lets others use the queue, not manage it.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-overview-of-managing-access.html
func (s *Service) Keeps(op *model.Operation) bool {
	switch op.Name {
	case "AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue", "ListMessageMoveTasks", "ListQueues", "ListQueueTags",
		"RemovePermission", "SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "UntagQueue":
		return true
	}
	return false
}

// Named implements auth.Namer: messages that are moved to no queue in particular go back to those that send their dead letters here.
func (s *Service) Named(ctx context.Context, in any, arns []string) []string {
	move, ok := in.(*sqsapi.StartMessageMoveTaskInput)
	if !ok || move.DestinationArn.V != "" {
		return arns
	}
	from, ok := aws.ParseARN(move.SourceArn)
	if !ok || from.Service != "sqs" {
		return arns
	}
	to, err := store.View(within(ctx, from.Scope()), s.space, func(tx *store.Tx) (to []string, err error) {
		a := from
		for k := range s.tables.sources.Keys(tx, store.ScanOptions{}, from.Resource) {
			a.Resource = k.String(1)
			to = append(to, a.String())
		}
		return to, nil
	})
	if err != nil {
		return arns
	}
	return to
}

// Hold implements auth.Holder: a queue's policy and tags.
func (s *Service) Hold(ctx context.Context, arn string) (auth.Held, error) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "sqs" {
		return auth.Held{}, nil
	}
	return store.View(within(ctx, a.Scope()), s.space, func(tx *store.Tx) (auth.Held, error) {
		r, _ := s.tables.queues.Get(tx, a.Resource)
		return auth.Held{Policy: r.Attributes[attrPolicy], Tags: r.Tags}, nil
	})
}
