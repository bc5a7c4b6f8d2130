package resource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Code says what kind of failure it was, in AWS's words for handlers of resources.
type Code string

// The codes.
const (
	NotUpdatable         Code = "NotUpdatable"
	InvalidRequest       Code = "InvalidRequest"
	AccessDenied         Code = "AccessDenied"
	InvalidCredentials   Code = "InvalidCredentials"
	AlreadyExists        Code = "AlreadyExists"
	NotFound             Code = "NotFound"
	ResourceConflict     Code = "ResourceConflict"
	Throttling           Code = "Throttling"
	ServiceLimitExceeded Code = "ServiceLimitExceeded"
	NotStabilized        Code = "NotStabilized"
	GeneralService       Code = "GeneralServiceException"
	ServiceInternalError Code = "ServiceInternalError"
	ServiceTimeout       Code = "ServiceTimeout"
	NetworkFailure       Code = "NetworkFailure"
	InternalFailure      Code = "InternalFailure"
)

// Failure is why a resource could not be made, read, changed, deleted or listed.
type Failure struct {
	Code    Code
	Message string
	Cause   error // for the log, never shown
}

func (f *Failure) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", f.Code, f.Message, f.Cause)
	}
	return fmt.Sprintf("%s: %s", f.Code, f.Message)
}

func (f *Failure) Unwrap() error { return f.Cause }

// Passing reports whether the next try may succeed.
func (f *Failure) Passing() bool {
	switch f.Code {
	case Throttling, ServiceInternalError, ServiceTimeout, NetworkFailure, InternalFailure:
		return true
	}
	return false
}

// Fail is a failure.
func Fail(c Code, format string, args ...any) *Failure {
	return &Failure{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Missing is the failure of a resource that is not there.
func Missing(typeName, id string) *Failure {
	return Fail(NotFound, "Resource of type '%s' with identifier '%s' was not found.", typeName, id)
}

// Exists is the failure of a resource that is there already.
func Exists(typeName, id string) *Failure {
	return Fail(AlreadyExists, "Resource of type '%s' with identifier '%s' already exists.", typeName, id)
}

// failureOf is err as a Failure, unless it is nil or says to wait. Errors of services are told as AWS's handlers tell them.
func failureOf(ctx context.Context, service string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Failure](err); ok {
		return err
	}
	if _, ok := errors.AsType[*Pending](err); ok {
		return err
	}
	e, ok := errors.AsType[*aws.Error](err)
	if !ok {
		return &Failure{InternalFailure, "Internal Failure", err}
	}
	return &Failure{CodeOf(e), fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s)",
		e.Message, service, e.Status, aws.RequestOf(ctx).ID), err}
}

// Is reports whether err is a Failure of that code.
func Is(err error, c Code) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Code == c
}

// CodeOf is what kind of failure an error of a service is.
func CodeOf(e *aws.Error) Code {
	for _, c := range []struct {
		parts string
		code  Code
	}{
		{"AccessDenied|NotAuthorized|Unauthorized", AccessDenied},
		{"Throttl|TooManyRequests|SlowDown", Throttling},
		{"InvalidClientToken|UnrecognizedClient|ExpiredToken|SignatureDoesNotMatch", InvalidCredentials},
		{"NotFound|DoesNotExist|NonExistent|NoSuch", NotFound},
		{"AlreadyExists|NameExists|EntityExists", AlreadyExists},
		{"LimitExceeded|QuotaExceeded", ServiceLimitExceeded},
		{"Conflict|InUse|ConcurrentModification", ResourceConflict},
	} {
		for part := range strings.SplitSeq(c.parts, "|") {
			if strings.Contains(e.Code, part) {
				return c.code
			}
		}
	}
	switch {
	case e.Status == 501:
		return InvalidRequest
	case e.Status >= 500:
		return ServiceInternalError
	}
	return InvalidRequest
}
