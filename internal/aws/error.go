package aws

import "fmt"

// ErrorShape is one error of a service's model: what all answers with it share. Generated packages declare them.
type ErrorShape struct {
	Code        string // the shape's name, as awsJson's __type carries it: "QueueDoesNotExist"
	QueryCode   string // the code in query and XML answers where it differs: "AWS.SimpleQueueService.NonExistentQueue"
	Status      int    // HTTP status
	Receiver    bool   // the service's fault, not the caller's
	MessageName string // the member that carries the message, as the model writes it ("Message"); "message" where empty
}

// Error is an answer that is an error of AWS's. Anything else a service returns reaches the client as InternalFailure
// and the log as itself.
type Error struct {
	*ErrorShape
	Message string
	Members any   // pointer to the error's generated structure where it has members beyond the message; otherwise nil
	Cause   error // for the log, never sent
}

// New makes an error of shape with a formatted message.
func (s *ErrorShape) New(format string, args ...any) *Error {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return &Error{ErrorShape: s, Message: format}
}

// With adds the members that the error's structure has beyond the message.
func (e *Error) With(members any) *Error { e.Members = members; return e }

// Because notes the cause, for the log.
func (e *Error) Because(cause error) *Error { e.Cause = cause; return e }

func (e *Error) Error() string {
	if e.Cause != nil && e.Cause.Error() != e.Message {
		return e.Code + ": " + e.Message + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// WireCode is the code of query and XML answers.
func (s *ErrorShape) WireCode() string {
	if s.QueryCode != "" {
		return s.QueryCode
	}
	return s.Code
}
