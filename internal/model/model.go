// Package model describes AWS APIs as data: services, their operations, and the shapes of what goes in and out. Generated
// contracts declare values of these types; the wire interprets them. Nothing here knows any one service.
//
// # Shapes are Go types
//
// A structure of the model is a Go struct whose field tags are its schema. The kinds of members:
//
//	required scalar     T               string, bool, int32, int64, float32, float64, time.Time, a named string type for enums
//	optional scalar     aws.Opt[T]
//	blob                []byte          (nil = absent)
//	list                []T             elements are values; nil = absent, empty = present and empty
//	map                 map[string]T    nil = absent
//	structure           *T
//	streaming blob      io.Reader
//	document            any             as encoding/json decodes it
//
// Required scalars of inputs are plain: the wire has refused the request where they are missing. Members of outputs are
// optional unless the model says required. The tags of a field:
//
//	n:"QueueUrl"            the member's name in the model, and on the wire where nothing below says otherwise
//	at:"header:X-Amz-Foo"   where it stands in REST protocols: uri:Name, query:Name, header:Name, headers:Prefix- (a map),
//	                        querymap (a map of all other query parameters), status, payload; body is the default
//	x:"…"                   XML and query: name=Foo (locationName), flat, attr, ns=URI, nsprefix=P, entry names item=, key=, value=
//	q:"…"                   query protocols' own name: the SQS and ec2 overlay (queryName); flat where the list is flattened there
//	v:"…"                   constraints: req; min=, max= (length, count or value); enum; pat (an index into the package's Patterns)
//	v1:"…", v2:"…"          the same for a list's elements or a map's values (v1), and their elements (v2)
//	vk:"…"                  the same for a map's keys
//	x1, x2                  the same as x for what is nested directly inside
//	t:"iso8601"             timestamp format: iso8601, rfc822, unixTimestamp
//	f:"…"                   flags: idempotency (filled in when absent), sensitive (never shown in errors or logs), json (a
//	                        JSON value in a header), hostlabel, eventpayload, eventheader, required-not-enforced
//
// A union is a struct with a blank field tagged u:"1"; exactly one of its members is set.
// An enum type E with its values is listed in the package's Enums, so that a constraint error can name them.
package model

import (
	"context"
	"reflect"

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

// Service is one AWS API.
type Service struct {
	Name           string     // our name for it, the contract package without "api": "sqs"
	ID             string     // AWS's service id: "SQS"
	Title          string     // "Amazon Simple Queue Service"
	SigningName    string     // the service in a SigV4 credential scope
	EndpointPrefix string     // the first label of its host name
	TargetPrefix   string     // of X-Amz-Target, for JSON protocols
	ShapePrefix    string     // before the '#' in an awsJson __type: "com.amazonaws.sqs"; empty where AWS sends the bare name
	Version        string     // "2012-11-05"
	Protocols      []Protocol // every protocol it is served in; the first is its own
	XMLNamespace   string
	QueryErrors    bool // awsQueryCompatible: JSON answers carry x-amzn-query-error

	Operations []Operation // every operation of the model, served or not, sorted by name
	Errors     []*aws.ErrorShape
	Enums      func() map[reflect.Type][]string // the values of each enum type, for constraint errors; a function so that starting up costs nothing
	Patterns   []string                         // as the model writes them; compiled when first used
	Predicates map[int]func(string) bool        // hand-written for the patterns RE2 cannot express
}

// Operation is one operation of a Service. One that is not served has no Input.
type Operation struct {
	Service       *Service
	Name          string
	Method        string // REST: "GET"
	URI           string // REST: "/2015-03-31/functions/{FunctionName}/invocations"
	Status        int    // REST: the answer's status, 200 where 0
	HostPrefix    string // "sync-": in front of the host; the listener ignores it
	ResultWrapper string // query: "SendMessageResult"
	InputName     string // restXml: the name of the body's element, where the model gives one
	InputNS       string // restXml: its namespace
	Flags         Flags

	Input  reflect.Type // struct type; nil where the operation is not served
	Output reflect.Type
	New    func() any                                                  // a new *Input
	Call   func(ctx context.Context, svc, in any) (out any, err error) // calls the method of the service's implementation
	Errors []*aws.ErrorShape
}

// Flags of an operation.
type Flags uint8

// The flags.
const (
	ReadOnly        Flags = 1 << iota // changes nothing
	StreamIn                          // the request body is a stream
	StreamOut                         // the response body is a stream
	NoAuth                            // AWS takes it unsigned
	EventStreamIn                     // the request body is an event stream
	EventStreamOut                    // the response body is an event stream
	UnsignedPayload                   // the body may be left out of the signature
)

// Served reports whether the operation has an implementation behind it.
func (o *Operation) Served() bool { return o.Call != nil }

// Action is "sqs:SendMessage".
func (o *Operation) Action() string { return o.Service.SigningName + ":" + o.Name }

// Invoker performs an operation: the one door, a test, or a client of another node. in is a pointer to the operation's
// Input, out a pointer to its Output.
type Invoker interface {
	Invoke(ctx context.Context, op *Operation, in any) (out any, err error)
}
