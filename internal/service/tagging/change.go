package tagging

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/resourcegroupstaggingapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// TagResources adds tags to resources, and answers for which that failed.
func (s *Service) TagResources(ctx context.Context, in *resourcegroupstaggingapi.TagResourcesInput) (*resourcegroupstaggingapi.TagResourcesOutput, error) {
	for k := range in.Tags {
		if err := checkKey(k); err != nil {
			return nil, err
		}
	}
	failures, err := s.change(ctx, in.ResourceARNList, func(t *resource.Tags, arn aws.ARN) error { return t.Add(ctx, arn, in.Tags) })
	return &resourcegroupstaggingapi.TagResourcesOutput{FailedResourcesMap: failures}, err
}

// UntagResources removes tags from resources, and answers for which that failed. Tags that they do not have are no failure.
func (s *Service) UntagResources(ctx context.Context, in *resourcegroupstaggingapi.UntagResourcesInput) (*resourcegroupstaggingapi.UntagResourcesOutput, error) {
	for _, k := range in.TagKeys {
		if err := checkKey(k); err != nil {
			return nil, err
		}
	}
	failures, err := s.change(ctx, in.ResourceARNList, func(t *resource.Tags, arn aws.ARN) error { return t.Remove(ctx, arn, in.TagKeys) })
	return &resourcegroupstaggingapi.UntagResourcesOutput{FailedResourcesMap: failures}, err
}

func checkKey(k string) error {
	if strings.HasPrefix(strings.ToLower(k), "aws:") {
		return invalid("Tag keys starting with aws: are reserved for system use.")
	}
	return nil
}

// change does something to each resource, and gathers what fails.
func (s *Service) change(ctx context.Context, arns []string, do func(*resource.Tags, aws.ARN) error) (map[string]resourcegroupstaggingapi.FailureInfo, error) {
	here := aws.RequestOf(ctx).Scope
	parsed := make([]aws.ARN, len(arns))
	for i, text := range arns {
		var ok bool
		if parsed[i], ok = aws.ParseARN(text); !ok {
			return nil, invalid("%s is not a valid ARN.", text)
		}
	}
	failures := map[string]resourcegroupstaggingapi.FailureInfo{}
	for i, arn := range parsed {
		if slices.Contains(arns[:i], arns[i]) {
			continue
		}
		t, ok := s.types.Tagged(arn)
		switch {
		case !local(arn, here):
			failures[arns[i]] = info(400, string(resourcegroupstaggingapi.ErrorCodeInvalidParameterException), "The resource is not in this account and region.")
		case !ok:
			failures[arns[i]] = info(500, string(resourcegroupstaggingapi.ErrorCodeInternalServiceException), "Resources of this type are not supported.")
		default:
			err := do(t.Tags, arn)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				failures[arns[i]] = failure(err)
			}
		}
	}
	return failures, nil
}

// failure is why one resource was not changed: in the words of its service, save that one that is not there is a bad parameter.
func failure(err error) resourcegroupstaggingapi.FailureInfo {
	e, ok := errors.AsType[*aws.Error](err)
	if !ok {
		return info(500, string(resourcegroupstaggingapi.ErrorCodeInternalServiceException), "The service of the resource failed.")
	}
	code := e.Code
	if resource.CodeOf(e) == resource.NotFound {
		code = string(resourcegroupstaggingapi.ErrorCodeInvalidParameterException)
	}
	return info(e.Status, code, e.Message)
}

func info(status int, code, message string) resourcegroupstaggingapi.FailureInfo {
	return resourcegroupstaggingapi.FailureInfo{
		StatusCode: aws.Some(int32(status)), ErrorCode: aws.Some(resourcegroupstaggingapi.ErrorCode(code)), ErrorMessage: aws.Some(message),
	}
}
