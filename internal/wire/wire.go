// Package wire speaks AWS's protocols: awsJson 1.0 and 1.1, query, ec2Query, restJson1, restXml, rpc-v2-cbor and
// x-amz-cbor-1.1. It finds out which operation of which service a request asks for and in which protocol, decodes its input,
// and encodes the answer or the error; and the other way round for whoever calls.
//
// It knows no service. What goes over the wire is described by the tags of the contracts' types (package model); a plan is
// compiled per type when it is first used, and every protocol runs from the plan. What single services do differently from
// their models stands as data in quirks.go.
//
// It promises: what any AWS SDK sends is understood; bodies are bounded in size and depth; unknown members are ignored; what
// a client gets wrong is answered with AWS's error in the protocol it spoke. Texts of a decoded input are parts of one copy of
// the body: clone what outlives the request.
package wire

import (
	"crypto/rand"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// Wire speaks for a set of services.
type Wire struct {
	services []*service
	targets  map[string]*service   // by X-Amz-Target's prefix
	signing  map[string][]*service // by the service of the credential scope
	actions  func() map[string][]*service
	trusting bool
	memory   memory
}

// New is a wire for the services; each is modelled, served or not.
func New(services ...*model.Service) *Wire {
	w := &Wire{targets: map[string]*service{}, signing: map[string][]*service{}}
	for _, m := range services {
		s := &service{Service: m, quirks: quirksOf(m.Name)}
		s.plans.service, s.queryPlans.service = m, m
		s.ec2 = slices.Contains(m.Protocols, model.EC2)
		s.plans.ec2 = s.ec2
		s.ops = sync.OnceValue(s.operations)
		for _, p := range m.Protocols {
			s.speaks[p] = true
		}
		s.routes = sync.OnceValue(s.compileRoutes)
		w.services = append(w.services, s)
		if m.TargetPrefix != "" {
			w.targets[m.TargetPrefix] = s
		}
		w.signing[m.SigningName] = append(w.signing[m.SigningName], s)
	}
	w.actions = sync.OnceValue(w.compileActions)
	return w
}

// Trusting is a wire that takes inputs without holding them to their models: for requests that another node checked when they came in.
func Trusting(services ...*model.Service) *Wire {
	w := New(services...)
	w.trusting = true
	return w
}

// service is one API with its plans.
type service struct {
	*model.Service
	quirks     quirks
	ec2        bool
	speaks     [model.CBOR11 + 1]bool
	ops        func() []operation // beside Service.Operations; made when first asked for, as are the routes
	plans      planner
	queryPlans planner
	routes     func() *uri.Routes[*operation]
}

// rest reports whether the service is told apart by method and path.
func (s *service) rest() bool { return s.speaks[model.RestJSON] || s.speaks[model.RestXML] }

// query reports whether the service takes Action parameters.
func (s *service) query() bool { return s.speaks[model.Query] || s.speaks[model.EC2] }

// operation is one operation with the plans of its types.
type operation struct {
	*model.Operation
	s        *service
	once     sync.Once
	in, out  *structure
	template uri.Template // REST: of its URI
}

// compiled is op once its plans are made.
func (op *operation) compiled() *operation {
	op.once.Do(func() {
		op.template = uri.Parse(op.URI)
		if op.Input != nil {
			op.in, op.out = op.s.plans.structure(op.Input), op.s.plans.structure(op.Output)
		}
	})
	return op
}

// operation finds one by name.
func (s *service) operation(name string) *operation {
	i, ok := slices.BinarySearchFunc(s.Operations, name, func(o model.Operation, name string) int { return strings.Compare(o.Name, name) })
	if !ok {
		return nil
	}
	return &s.ops()[i]
}

func (s *service) compileRoutes() *uri.Routes[*operation] {
	r := &uri.Routes[*operation]{}
	ops := s.ops()
	for i := range ops {
		op := &ops[i]
		r.Add(op.Method, uri.Parse(op.URI), op.Name, s.quirks.shadowed[op.Name], op)
	}
	return r
}

func (s *service) operations() []operation {
	ops := make([]operation, len(s.Operations))
	for i := range ops {
		ops[i].Operation, ops[i].s = &s.Operations[i], s
	}
	return ops
}

func (w *Wire) service(name string) *service {
	for _, s := range w.services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// compileActions lists the query services that have each action.
func (w *Wire) compileActions() map[string][]*service {
	m := map[string][]*service{}
	for _, s := range w.services {
		if s.query() {
			for i := range s.Operations {
				m[s.Operations[i].Name] = append(m[s.Operations[i].Name], s)
			}
		}
	}
	return m
}

// errorOf is the shape a service's model has for an error code, with the structure of its members.
func (s *service) errorOf(code string) *model.Error {
	i, ok := slices.BinarySearchFunc(s.Errors, code, func(e model.Error, code string) int { return strings.Compare(e.Code, code) })
	if !ok {
		return nil
	}
	return &s.Errors[i]
}

// membersOf is the structure of what an error carries; nil where that is nothing, or not what the model has under its code.
func (s *service) membersOf(e *aws.Error) *structure {
	if e.Members == nil {
		return nil
	}
	shape := s.errorOf(e.Code)
	if shape == nil || shape.Members == nil || reflect.TypeOf(e.Members) != reflect.PointerTo(shape.Members) {
		return nil
	}
	return s.plans.structure(shape.Members)
}

// token is what fills an idempotency token the client left out.
func token() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return aws.UUID(b)
}

// What goes wrong before a service is reached. AWS's framework names these, not the services' models.
var (
	unknownOperation = &aws.ErrorShape{Code: "UnknownOperationException", Status: 400}
	serialization    = &aws.ErrorShape{Code: "SerializationException", Status: 400}
	validation       = &aws.ErrorShape{Code: "ValidationException", QueryCode: "ValidationError", Status: 400}
	badParameter     = &aws.ErrorShape{Code: "InvalidParameterException", Status: 400}
	invalidAction    = &aws.ErrorShape{Code: "InvalidAction", Status: 400}
	missingAction    = &aws.ErrorShape{Code: "MissingAction", Status: 400}
	malformedQuery   = &aws.ErrorShape{Code: "MalformedQueryString", Status: 404}
	malformedInput   = &aws.ErrorShape{Code: "MalformedInput", Status: 400}
	malformedXML     = &aws.ErrorShape{Code: "MalformedXML", Status: 400}
	tooLarge         = &aws.ErrorShape{Code: "RequestEntityTooLargeException", QueryCode: "RequestEntityTooLarge", Status: 413}
	timedOut         = &aws.ErrorShape{Code: "RequestTimeout", Status: 400}
	incompleteBody   = &aws.ErrorShape{Code: "IncompleteBody", Status: 400}
	internalFailure  = &aws.ErrorShape{Code: "InternalFailure", Status: 500, Receiver: true}
	notFound         = &aws.ErrorShape{Code: "UnknownOperationException", Status: 404}
	missingRequired  = &aws.ErrorShape{Code: "MissingRequiredParameterException", QueryCode: "MissingParameter", Status: 400}
)

// Failure is what a client is told of an error that is not one of AWS's: nothing but that it happened. The cause is for the log.
func Failure(cause error) *aws.Error {
	return internalFailure.New("We encountered an internal error. Please try again.").Because(cause)
}
