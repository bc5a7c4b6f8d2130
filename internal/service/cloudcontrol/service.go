// Package cloudcontrol is AWS Cloud Control API: every type of resource made, read, changed, deleted and listed in one way.
//
// It keeps the requests that change something, for seven days, and client tokens, for 36 hours. A request is written, with the
// task that carries it out, before it is answered; it is carried out by what the resource's service declares (package
// resource), as the caller, and comes to its end once, whatever crashes in between. It knows no type.
//
// # Known differences from AWS
//
//   - A type that AWS has and obidos does not serve answers UnsupportedActionException; one that AWS has not,
//     TypeNotFoundException.
//   - Requests end within milliseconds, so there is seldom one to cancel. A request that is being carried out is cancelled
//     between two of its steps, and keeps its own end where there is no further step.
//   - RoleArn and TypeVersionId are taken and have no effect: requests are carried out as the caller, and there is one version
//     of each type.
package cloudcontrol

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/resource/schema"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// Service is the API.
type Service struct {
	space    store.Space
	tables   tables
	types    *resource.Registry
	work     task.Queue[work] // a request is to be carried out
	waits    timer.Set[work]  // one that waits is to go on
	expiries timer.Set[work]  // one is to be forgotten
}

var _ cloudcontrolapi.Service = (*Service)(nil)

// New is the service over space, for these types. Requests are carried out through tasks and timers.
func New(space store.Space, tasks *task.Runner, timers *timer.Timers, types *resource.Registry) *Service {
	s := &Service{space: space, tables: newTables(space), types: types}
	s.work = task.NewQueue(tasks, "cloudcontrol.request", s.perform, task.Options{Attempts: attempts})
	s.work.OnDead(s.giveUp)
	s.waits = timer.NewSet(timers, "cloudcontrol.wait", s.goOn)
	s.expiries = timer.NewSet(timers, "cloudcontrol.expiry", s.expire)
	return s
}

// Errors that operations answer and the model does not name.
var (
	errValidation   = &aws.ErrorShape{Code: "ValidationException", Status: 400}
	errAccessDenied = &aws.ErrorShape{Code: "AccessDeniedException", Status: 400, MessageName: "Message"}
)

func invalid(format string, args ...any) *aws.Error { return errValidation.New(format, args...) }

// Resources implements call.Resourcer: for policies, every operation is about any resource.
func (s *Service) Resources(ctx context.Context, _ *model.Operation, _ any) []string {
	return []string{aws.RequestOf(ctx).ARN("cloudformation", "resource/*")}
}

// typeOf is the type of that name, which must have the action.
func (s *Service) typeOf(name, action string) (resource.Type, error) {
	known := schema.Find(name)
	if known == nil {
		return resource.Type{}, cloudcontrolapi.TypeNotFoundException("The type '%s' cannot be found.", name)
	}
	t, served := s.types.Type(name)
	if _, ok := known.Handlers[action]; ok && !served {
		return t, cloudcontrolapi.UnsupportedActionException("Resource type %s does not support %s action: obidos does not serve this type",
			name, strings.ToUpper(action))
	}
	if !served || !t.Can(action) {
		return t, cloudcontrolapi.UnsupportedActionException("Resource type %s does not support %s action", name, strings.ToUpper(action))
	}
	return t, nil
}

// identify is the properties that an identifier tells.
func identify(t resource.Type, id string) (resource.Properties, error) {
	p, err := t.Identify(id)
	if err != nil {
		return nil, invalid("Identifier %s is not valid for identifier [%s]", id, strings.Join(t.Schema().PrimaryIdentifier, ", ")).Because(err)
	}
	return p, nil
}

// validate checks properties that a resource is to have.
func validate(t resource.Type, p resource.Properties) error {
	if problems := t.Schema().Validate(p); len(problems) > 0 {
		return invalid("Model validation failed (%s)", strings.Join(problems, "\n"))
	}
	return nil
}
