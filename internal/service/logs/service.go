// Package logs is Amazon CloudWatch Logs: log groups, their streams, and the events written to them.
//
// # What it keeps
//
// A group is one record, under its name; a stream is one record, under its group's number and its name, which also says where
// its tail is: the number of its last event and the times of its first and last. Numbers are never given again, so that what a
// deleted group or stream leaves behind belongs to nobody.
//
// # What it promises
//
//   - What is answered is durable, and holds for the next request on every node.
//   - A group is deleted with all that is in it in one commit, however much that is.
package logs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Options of the service.
type Options struct {
	// Changes is told of every group and stream made, changed and deleted. It may be nil.
	Changes *resource.Feed
}

// Service is the API.
type Service struct {
	rest // what is left out, see docs/logs.md

	space  store.Space
	tables tables
	o      Options
}

type rest struct{ logsapi.Unimplemented }

var _ logsapi.Service = (*Service)(nil)

// New is the service over space.
func New(space store.Space, o Options) *Service {
	return &Service{space: space, tables: newTables(space), o: o}
}

func noGroup() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified log group does not exist.")
}

func noStream() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified log stream does not exist.")
}

func invalid(format string, args ...any) *aws.Error {
	return logsapi.InvalidParameterException(format, args...)
}

// within is ctx in another scope.
func within(ctx context.Context, scope aws.Scope) context.Context {
	r := aws.RequestOf(ctx)
	if r.Scope == scope {
		return ctx
	}
	other := *r
	other.Scope = scope
	return aws.WithRequest(ctx, &other)
}
