package peer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// A message is a byte that says what it is, the length of its head, the head, and what belongs to it: a value in the encoding
// of [wire.Values]. Heads are CBOR maps with integer keys: what a node does not know of a later one's it leaves out.

// kind is what a message is.
type kind byte

const (
	asksCall   kind = 1 // head call, the operation's input
	hasOutput  kind = 2 // no head, the operation's output
	hasError   kind = 3 // head fault, the error's members
	elsewhere  kind = 4 // head place: another node is to be asked; nothing was done
	notBegun   kind = 5 // head reason: nothing was done
	hasFailed  kind = 6 // head reason: what it is about is in this node's log
	maxMessage      = 64 << 20
)

// call is the head of a request that is handed on.
type call struct {
	Service   string `cbor:"1,keyasint"`
	Operation string `cbor:"2,keyasint"`

	Account   string `cbor:"4,keyasint,omitempty"`
	Region    string `cbor:"5,keyasint,omitempty"`
	ID        string `cbor:"6,keyasint,omitempty"`
	Endpoint  string `cbor:"7,keyasint,omitempty"`
	SourceIP  string `cbor:"8,keyasint,omitempty"`
	UserAgent string `cbor:"9,keyasint,omitempty"`
	Secure    bool   `cbor:"10,keyasint,omitempty"`
	Query     bool   `cbor:"11,keyasint,omitempty"`
	XRay      string `cbor:"12,keyasint,omitempty"`
	Delivery  string `cbor:"13,keyasint,omitempty"`

	Principal        string `cbor:"14,keyasint,omitempty"` // its ARN
	PrincipalAccount string `cbor:"15,keyasint,omitempty"`
	PrincipalID      string `cbor:"16,keyasint,omitempty"`
	PrincipalService string `cbor:"17,keyasint,omitempty"`

	Trace   []byte `cbor:"18,keyasint,omitempty"`
	Span    []byte `cbor:"19,keyasint,omitempty"`
	Sampled bool   `cbor:"20,keyasint,omitempty"`
	Decided bool   `cbor:"21,keyasint,omitempty"`

	Session   *aws.Session `cbor:"22,keyasint,omitempty"`
	SourceARN string       `cbor:"23,keyasint,omitempty"`
}

// carry takes over what is known of the request and its trace.
func (c *call) carry(q *aws.Request, t telemetry.Trace) {
	c.Account, c.Region, c.ID, c.Endpoint = q.Account, q.Region, q.ID, q.Endpoint
	c.SourceIP, c.UserAgent, c.Secure, c.Query, c.XRay, c.Delivery = q.SourceIP, q.UserAgent, q.Secure, q.Query, q.XRay, q.Delivery
	c.Principal, c.PrincipalAccount, c.PrincipalID, c.PrincipalService = q.Principal.ARN, q.Principal.Account, q.Principal.UserID, q.Principal.Service
	c.Session, c.SourceARN = q.Principal.Session, q.SourceARN
	if t.Known() {
		c.Trace, c.Span, c.Sampled, c.Decided = t.ID[:], t.Span[:], t.Sampled, t.Decided
	}
}

func (c *call) request() *aws.Request {
	return &aws.Request{
		Scope: aws.Scope{Account: c.Account, Region: c.Region}, ID: c.ID, Endpoint: c.Endpoint, SourceIP: c.SourceIP, UserAgent: c.UserAgent,
		Secure: c.Secure, Query: c.Query, XRay: c.XRay, Delivery: c.Delivery, SourceARN: c.SourceARN,
		Principal: aws.Principal{ARN: c.Principal, Account: c.PrincipalAccount, UserID: c.PrincipalID, Service: c.PrincipalService, Session: c.Session},
	}
}

// trace is the place in the trace of the operation that is under way on the other node.
func (c *call) trace() telemetry.Trace {
	var t telemetry.Trace
	copy(t.ID[:], c.Trace)
	copy(t.Span[:], c.Span)
	t.Sampled, t.Decided = c.Sampled, c.Decided
	return t.Inside()
}

// fault is the head of an operation's error.
type fault struct {
	Code        string `cbor:"1,keyasint"`
	QueryCode   string `cbor:"2,keyasint,omitempty"`
	Status      int    `cbor:"3,keyasint"`
	Receiver    bool   `cbor:"4,keyasint,omitempty"`
	MessageName string `cbor:"5,keyasint,omitempty"`
	Message     string `cbor:"6,keyasint"`
}

func (f *fault) shape() aws.ErrorShape {
	return aws.ErrorShape{Code: f.Code, QueryCode: f.QueryCode, Status: f.Status, Receiver: f.Receiver, MessageName: f.MessageName}
}

// place is the head that says who is to be asked.
type place struct {
	Node      string `cbor:"1,keyasint"`
	Address   string `cbor:"2,keyasint"`
	Partition uint16 `cbor:"3,keyasint"`
}

func (p *place) err() error {
	return &owner.ElsewhereError{Node: p.Node, Address: p.Address, Partition: p.Partition % owner.Partitions}
}

// reason is the head of an answer that nothing else belongs to.
type reason struct {
	Text string `cbor:"1,keyasint"`
}

var errMessage = errors.New("peer: not a message that nodes send each other")

// reading takes what any node may have written, and nothing that takes much more memory than it has bytes.
var reading = func() cbor.DecMode {
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxNestedLevels: 16}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// begin appends a message's kind and head.
func begin(dst []byte, k kind, head any) ([]byte, error) {
	var text []byte
	if head != nil {
		var err error
		if text, err = cbor.Marshal(head); err != nil {
			return nil, err
		}
	}
	dst = append(dst, byte(k))
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...), nil
}

// split takes a message apart.
func split(message []byte) (k kind, head, rest []byte, err error) {
	if len(message) < 2 {
		return 0, nil, nil, errMessage
	}
	n, size := binary.Uvarint(message[1:])
	if size <= 0 || n > uint64(len(message)-1-size) {
		return 0, nil, nil, errMessage
	}
	rest = message[1+size:]
	return kind(message[0]), rest[:n], rest[n:], nil
}

func readHead(head []byte, into any) error {
	if err := reading.Unmarshal(head, into); err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	return nil
}
