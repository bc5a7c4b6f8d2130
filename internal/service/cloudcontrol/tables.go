package cloudcontrol

import (
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// tables are all records of the service.
type tables struct {
	requests store.Table[request]     // token → a request
	order    store.Table[struct{}]    // when it was made, in nanoseconds, token: the order they are listed in, backwards
	clients  store.Table[clientToken] // client token → the request it was used for
	busy     store.Table[string]      // type, identifier → the token of the request that changes this resource
}

func newTables(s store.Space) tables {
	return tables{
		requests: store.NewTable[request](s, 1, "request"),
		order:    store.NewTable[struct{}](s, 2, "order"),
		clients:  store.NewTable[clientToken](s, 3, "client"),
		busy:     store.NewTable[string](s, 4, "busy"),
	}
}

// request is one that changes a resource.
type request struct {
	store.Unknown
	Token      string `cbor:"1,keyasint"`
	Type       string `cbor:"2,keyasint"`
	Operation  string `cbor:"3,keyasint"` // "CREATE", "UPDATE", "DELETE"
	Identifier string `cbor:"4,keyasint,omitempty"`
	Client     string `cbor:"5,keyasint,omitempty"` // its client token
	Status     string `cbor:"6,keyasint"`
	Made       int64  `cbor:"7,keyasint"`           // nanoseconds
	Event      int64  `cbor:"8,keyasint"`           // when the status became what it is; nanoseconds
	Retry      int64  `cbor:"9,keyasint,omitempty"` // when a waiting one goes on; nanoseconds
	Code       string `cbor:"10,keyasint,omitempty"`
	Message    string `cbor:"11,keyasint,omitempty"`

	// How it is carried out; forgotten when it has come to its end.
	Desired  string `cbor:"12,keyasint,omitempty"` // properties
	Before   string `cbor:"13,keyasint,omitempty"`
	State    string `cbor:"14,keyasint,omitempty"` // what the last step left for the next
	Begun    bool   `cbor:"15,keyasint,omitempty"` // it may have had its effect
	Stepped  bool   `cbor:"16,keyasint,omitempty"` // it waits between two steps
	Caller   caller `cbor:"17,keyasint,omitempty"`
	Endpoint string `cbor:"18,keyasint,omitempty"`
}

// caller is who made a request, and as whom it is carried out.
type caller struct {
	Account   string `cbor:"1,keyasint,omitempty"`
	ARN       string `cbor:"2,keyasint,omitempty"`
	UserID    string `cbor:"3,keyasint,omitempty"`
	Service   string `cbor:"4,keyasint,omitempty"`
	SourceIP  string `cbor:"5,keyasint,omitempty"`
	UserAgent string `cbor:"6,keyasint,omitempty"`
	Secure    bool   `cbor:"7,keyasint,omitempty"`

	Session *aws.Session `cbor:"8,keyasint,omitempty"` // so that it may do no more than its credentials say, nor longer
}

func (c caller) principal() aws.Principal {
	return aws.Principal{Account: c.Account, ARN: c.ARN, UserID: c.UserID, Service: c.Service, Session: c.Session}
}

// clientToken remembers what a client token was used for.
type clientToken struct {
	store.Unknown
	Request string `cbor:"1,keyasint"`
	Used    int64  `cbor:"2,keyasint"` // nanoseconds
}

// work is a request that has something to do.
type work struct {
	Token   string `cbor:"1,keyasint"`
	Account string `cbor:"2,keyasint"`
	Region  string `cbor:"3,keyasint"`
}
