// Package model describes AWS APIs as data: services, their operations, and the shapes of what goes in and out. Generated
// contracts declare values of these types; the wire interprets them. Nothing here knows any one service.
//
// # Shapes are Go types
//
// A structure of the model is a Go struct whose field tags are its schema; StructOf reads them. The kinds of members:
//
//	required scalar     T               bool, int32, int64, float32, float64, string, time.Time, an enum type (its kind is string)
//	optional scalar     aws.Opt[T]
//	blob                []byte          nil = absent
//	list                []T             elements are values; nil = absent, empty = present and empty
//	map                 map[K]T         K is string or an enum type; nil = absent
//	map, hot            []Pair[T]       the same where decoding into a Go map costs too much: in the order it was sent, a key sent twice
//	                                    there twice; only in types that an overlay writes by hand
//	sparse list or map  []aws.Opt[T]    elements that may be null; of structures []*T, map[K]*T
//	structure           *T
//	streaming blob      io.Reader       closed by whoever reads it to its end, where it is an io.Closer
//	document            any             as encoding/json decodes it
//	event stream        aws.Events[T]   T is a union of events, and its blank field has u:"events"; errors that end it are the service's own
//
// Required scalars of inputs are plain: the wire has refused the request where they are missing. Members of outputs are
// optional unless the model says required.
//
// # Tags of a field
//
//	n:"queueUrl"            its name in JSON, CBOR and XML bodies; absent where it is the Go field's own name
//	at:"header:X-Amz-Foo"   where it stands in REST protocols: uri:Name, query:Name, header:Name, headers:Prefix- (a map),
//	                        querymap (a map of all other query parameters), status, payload; without it in the body
//	x:"name=Foo,flat"       XML and the query protocols, by commas: name=Foo instead of n, flat (a flattened list or map), attr (an XML
//	                        attribute), text (what stands in the structure's own element, beside no other), ns=URI and nsprefix=P (a namespace declared on the element), item=Foo (a list's entries; without it
//	                        "member"), key=Foo, value=Foo (a map's; without it "key", "value"). The name of a flattened list is already
//	                        that of its entries.
//	q:"Foo"                 its name in query requests where it differs from XML's. Without it the name of XML; under ec2Query that
//	                        with its first letter in upper case
//	v:"req,min=1,max=80"    constraints, by commas: req; min=, max= (length, count or value); pat= (an index into the service's Patterns).
//	                        That an enum type's value is one of its values goes without saying
//	t:"iso8601"             timestamp format where it is not the protocol's own: iso8601, rfc822, unixTimestamp
//	f:"…"                   flags, by commas: idempotency (filled in when absent), sensitive (never shown in errors or logs), json (a
//	                        JSON value; base64 in a header), hostlabel; of an event's members: eventpayload (it is the message's payload),
//	                        eventheader (one of its headers)
//
// What stands inside a list or map has the same tags with its depth behind: v1, x1, f1 for a list's elements or a map's values, v2 …
// for what those hold; vk, fk (vk1 …) for a map's keys. t speaks of the innermost.
//
// # Tags of a struct
//
// Its blank field, where it has one: u:"1" for a union (exactly one member is set), u:"events" for an event stream; x:"name=Foo" the name of
// the element where it is the root of an XML body that no member names.
//
// Fields stand in the model's order. An enum type has a method Values() []string, see Enum.
package model

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Protocol is one of AWS's wire protocols.
type Protocol uint8

// The protocols. The order is of no meaning.
const (
	JSON10   Protocol = iota + 1 // awsJson1_0
	JSON11                       // awsJson1_1
	Query                        // awsQuery
	EC2                          // ec2Query
	RestJSON                     // restJson1
	RestXML                      // restXml
	CBOR                         // smithy rpc-v2-cbor
	CBOR11                       // application/x-amz-cbor-1.1: awsJson1.1's framing with a CBOR body, timestamps in milliseconds
)

// Service is one AWS API. Its exported fields do not change once the contract package has made it.
type Service struct {
	Name           string     // our name for it: "sqs", whose contract is package sqsapi
	ID             string     // AWS's service id: "SQS"
	Title          string     // "Amazon Simple Queue Service"
	SigningName    string     // the service in a SigV4 credential scope
	EndpointPrefix string     // the first label of its host name
	TargetPrefix   string     // of X-Amz-Target, for JSON protocols; of the path, for CBOR
	ShapePrefix    string     // before the '#' in a JSON or CBOR error's __type: "com.amazonaws.sqs"; empty where AWS sends the bare name
	Version        string     // "2012-11-05"
	Protocols      []Protocol // every protocol it is served in; the first is its own
	XMLNamespace   string
	QueryErrors    bool // awsQueryCompatible: JSON answers carry x-amzn-query-error

	Operations []Operation // every operation of the model, served or not, sorted by name
	Errors     []Error     // of the served operations, sorted by code
	Patterns   []*Pattern

	Authorization string // what IAM is asked before the operations, as package authmap writes it; see AuthorizationOf

	shapes sync.Mutex
	cache  map[reflect.Type]*Struct

	authorize      sync.Once
	authorizations map[string]*Authorization // by operation
}

// Operation is one operation of a Service. One that is not served has neither types nor Call.
type Operation struct {
	Service       *Service
	Name          string
	Method        string // REST: "GET"
	URI           string // REST: "/2015-03-31/functions/{FunctionName}/invocations"; {Key+} takes slashes too; "?acl" and "?x-id=Foo" may follow
	Status        int    // REST: the answer's status, 200 where 0
	HostPrefix    string // "sync-": in front of the host; the listener ignores it
	ResultWrapper string // query: "SendMessageResult"; empty where the answer has no such element
	InputName     string // restXml: the name of the body's element, where the model gives one
	InputNS       string // restXml: its namespace, where it is not the service's
	OutputName    string // restXml: the name of the answer's element
	Flags         Flags

	Input  reflect.Type // struct type; nil where the operation is not served
	Output reflect.Type
	New    func() any                                                  // a new *Input
	Call   func(ctx context.Context, svc, in any) (out any, err error) // calls the method of the service's implementation
	Errors []*aws.ErrorShape
}

// Flags of an operation.
type Flags uint16

// The flags.
const (
	ReadOnly        Flags = 1 << iota // changes nothing
	StreamIn                          // the request body is a stream
	StreamOut                         // the response body is a stream
	NoAuth                            // AWS takes it unsigned
	EventStreamIn                     // the request body is an event stream
	EventStreamOut                    // the response body is an event stream
	UnsignedPayload                   // the body may be left out of the signature
	Checksum                          // a checksum of the body must be sent (httpChecksumRequired)
	DataPlane                         // works with what is in a resource: counted and traced, but not in the audit trail
)

// Error is an error of a service's model, and the struct its members beyond the message are in.
type Error struct {
	*aws.ErrorShape
	Members reflect.Type // struct type; nil where there are none
}

// Served reports whether the operation has an implementation behind it.
func (o *Operation) Served() bool { return o.Call != nil }

// Action is "sqs:SendMessage".
func (o *Operation) Action() string { return o.Service.SigningName + ":" + o.Name }

// Operation is the operation of that name, nil where there is none.
func (s *Service) Operation(name string) *Operation {
	if i, ok := slices.BinarySearchFunc(s.Operations, name, func(o Operation, name string) int { return strings.Compare(o.Name, name) }); ok {
		return &s.Operations[i]
	}
	return nil
}

// Invoker performs an operation: the one door, a test, or a client of another node. in is a pointer to the operation's
// Input, out a pointer to its Output.
type Invoker interface {
	Invoke(ctx context.Context, op *Operation, in any) (out any, err error)
}

// Do performs an operation through inv. Generated clients are made of it.
func Do[O any](ctx context.Context, inv Invoker, op *Operation, in any) (*O, error) {
	out, err := inv.Invoke(ctx, op, in)
	if err != nil {
		return nil, err
	}
	return out.(*O), nil
}

// Served is a row of a generated contract's table: an operation that is served, and nil pointers to its types. A table is data that the
// linker lays out; nothing is made of it before it is asked for, and an operation costs no function of its own.
type Served struct {
	In, Out any
	Operation
}

// Serve gives s its operations, see Fill. call calls the method of the row's operation.
func (s *Service) Serve(rows []Served, unserved string, call func(ctx context.Context, svc any, row int, in any) (any, error)) *Service {
	served := make([]Operation, len(rows))
	for i, r := range rows {
		o := r.Operation
		o.Input, o.Output = reflect.TypeOf(r.In).Elem(), reflect.TypeOf(r.Out).Elem()
		o.New = func() any { return reflect.New(o.Input).Interface() }
		o.Call = func(ctx context.Context, svc, in any) (any, error) {
			out, err := call(ctx, svc, i, in)
			if err != nil {
				return nil, err
			}
			if reflect.ValueOf(out).IsNil() {
				out = reflect.New(o.Output).Interface()
			}
			return out, nil
		}
		served[i] = o
	}
	return s.Fill(served, unserved)
}

// Op is o with its types and its call taken from a method: an operation of an API made by hand.
func Op[S, I, O any](method func(S, context.Context, *I) (*O, error), o Operation) Operation {
	o.Input, o.Output = reflect.TypeFor[I](), reflect.TypeFor[O]()
	o.New = func() any { return new(I) }
	o.Call = func(ctx context.Context, svc, in any) (any, error) {
		out, err := method(svc.(S), ctx, in.(*I))
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = new(O)
		}
		return out, nil
	}
	return o
}

// Fill gives s its operations: the served ones, and those of unserved, a line each: a name, and for REST protocols its method and URI.
func (s *Service) Fill(served []Operation, unserved string) *Service {
	s.Operations = make([]Operation, 0, len(served)+strings.Count(unserved, "\n"))
	s.Operations = append(s.Operations, served...)
	for line := range strings.Lines(unserved) {
		o := Operation{}
		line = strings.TrimSuffix(line, "\n")
		o.Name, line, _ = strings.Cut(line, " ")
		if o.Name != "" {
			o.Method, o.URI, _ = strings.Cut(line, " ")
			s.Operations = append(s.Operations, o)
		}
	}
	slices.SortFunc(s.Operations, func(a, b Operation) int { return cmp.Compare(a.Name, b.Name) })
	for i := range s.Operations {
		s.Operations[i].Service = s
	}
	return s
}

// unserved is what an operation without an implementation answers, in every protocol.
var unserved = &aws.ErrorShape{Code: "NotImplemented", Status: http.StatusNotImplemented, Receiver: true}

// Unserved is the answer of an operation that is modelled and not served.
func Unserved(service, operation string) *aws.Error {
	return unserved.New("obidos does not serve %s of %s", operation, service)
}
