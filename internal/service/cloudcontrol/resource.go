package cloudcontrol

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// GetResource answers what a resource is.
func (s *Service) GetResource(ctx context.Context, in *cloudcontrolapi.GetResourceInput) (*cloudcontrolapi.GetResourceOutput, error) {
	t, err := s.typeOf(in.TypeName, "read")
	if err != nil {
		return nil, err
	}
	id, err := identify(t, in.Identifier)
	if err != nil {
		return nil, err
	}
	p, err := t.Read(ctx, id)
	if err != nil {
		return nil, exception(t, err, telemetry.NewRequestID())
	}
	return &cloudcontrolapi.GetResourceOutput{TypeName: aws.Some(t.Name), ResourceDescription: describe(t, p, in.Identifier)}, nil
}

// describe is a resource as it is answered.
func describe(t resource.Type, p resource.Properties, identifier string) *cloudcontrolapi.ResourceDescription {
	p = p.Without(t.Schema().WriteOnly)
	if id, ok := t.Identifier(p); ok {
		identifier = id
	}
	return &cloudcontrolapi.ResourceDescription{Identifier: aws.Some(identifier), Properties: aws.Some(p.String())}
}

// ListResources answers the resources of a type.
func (s *Service) ListResources(ctx context.Context, in *cloudcontrolapi.ListResourcesInput) (*cloudcontrolapi.ListResourcesOutput, error) {
	t, err := s.typeOf(in.TypeName, "list")
	if err != nil {
		return nil, err
	}
	like := resource.Properties{}
	if in.ResourceModel.Set {
		if like, err = resource.ParseProperties(in.ResourceModel.V); err != nil {
			return nil, invalid("Invalid resource model: not a JSON object").Because(err)
		}
	}
	if problems := t.Schema().ValidateInput("list", like); len(problems) > 0 {
		return nil, cloudcontrolapi.InvalidRequestException("Missing or invalid ResourceModel property in %s list handler request input. Required property: (%s)",
			t.Name, strings.Join(problems, "\n"))
	}
	page := resource.Page{Limit: int(in.MaxResults.Or(100))}
	if in.NextToken.Set {
		after, err := base64.StdEncoding.DecodeString(in.NextToken.V)
		if err != nil {
			return nil, invalid("Invalid NextToken")
		}
		page.After = string(after)
	}
	list, next, err := t.List(ctx, like, page)
	if err != nil {
		return nil, exception(t, err, telemetry.NewRequestID())
	}
	out := &cloudcontrolapi.ListResourcesOutput{TypeName: aws.Some(t.Name), ResourceDescriptions: []cloudcontrolapi.ResourceDescription{}}
	for _, p := range list {
		out.ResourceDescriptions = append(out.ResourceDescriptions, *describe(t, p, ""))
	}
	if next != "" {
		out.NextToken = aws.Some(base64.StdEncoding.EncodeToString([]byte(next)))
	}
	return out, nil
}

// exception is a failure as operations answer it that wait for the outcome.
func exception(t resource.Type, err error, token string) error {
	f, ok := errors.AsType[*resource.Failure](err)
	if !ok {
		return err
	}
	message := fmt.Sprintf("%s Handler returned status FAILED: %s (HandlerErrorCode: %s, RequestToken: %s)", t.Name, f.Message, f.Code, token)
	shape := cloudcontrolapi.ErrHandlerFailureException
	switch f.Code {
	case resource.NotUpdatable:
		shape = cloudcontrolapi.ErrNotUpdatableException
	case resource.InvalidRequest:
		shape = cloudcontrolapi.ErrInvalidRequestException
	case resource.AccessDenied:
		shape = errAccessDenied
	case resource.InvalidCredentials:
		shape = cloudcontrolapi.ErrInvalidCredentialsException
	case resource.AlreadyExists:
		shape = cloudcontrolapi.ErrAlreadyExistsException
	case resource.NotFound:
		shape = cloudcontrolapi.ErrResourceNotFoundException
	case resource.ResourceConflict:
		shape = cloudcontrolapi.ErrResourceConflictException
	case resource.Throttling:
		shape = cloudcontrolapi.ErrThrottlingException
	case resource.ServiceLimitExceeded:
		shape = cloudcontrolapi.ErrServiceLimitExceededException
	case resource.NotStabilized:
		shape = cloudcontrolapi.ErrNotStabilizedException
	case resource.GeneralService:
		shape = cloudcontrolapi.ErrGeneralServiceException
	case resource.ServiceInternalError:
		shape = cloudcontrolapi.ErrServiceInternalErrorException
	case resource.NetworkFailure:
		shape = cloudcontrolapi.ErrNetworkFailureException
	case resource.InternalFailure:
		shape = cloudcontrolapi.ErrHandlerInternalFailureException
	}
	return shape.New("%s", message).Because(err)
}
