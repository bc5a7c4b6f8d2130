// Package tagging is AWS Resource Groups Tagging API: the tags of resources of all services, found and changed in one way.
//
// It keeps nothing: tags are kept with the resources they are on, and asked of the services that have them (package
// resource), so that what it answers is what those answer. Tags are added and removed through the resource's own service,
// as the caller.
//
// # Known differences from AWS
//
//   - A resource that once had tags and has none now is shown only where its service remembers that it had.
//   - There are no tag policies: every resource complies with them. Reports of compliance are not served.
package tagging

import (
	"time"

	"github.com/obidos-cloud/obidos/internal/api/resourcegroupstaggingapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// Service is the API.
type Service struct {
	resourcegroupstaggingapi.Unimplemented // reports and compliance

	types *resource.Registry
	clock Clock
}

// Clock tells the platform's time, by which page tokens expire.
type Clock interface{ Now() time.Time }

var _ resourcegroupstaggingapi.Service = (*Service)(nil)

// New is the service for resources of these types.
func New(types *resource.Registry, clock Clock) *Service { return &Service{types: types, clock: clock} }

func invalid(format string, args ...any) *aws.Error {
	return resourcegroupstaggingapi.InvalidParameterException(format, args...)
}
