package aws

import "context"

// Scope is whose resources a request sees: an account and a region of it.
type Scope struct {
	Account string // 12 digits
	Region  string // "us-east-1"
}

// Request is what is known of the call being served. There is one value of it in the context of every operation;
// it must not be changed once the operation runs.
type Request struct {
	Scope
	ID        string    // the request id that the answer carries
	Principal Principal // who asks
	AccessKey string    // id of the key that signed it, where it is one that we know
	Endpoint  string    // scheme://host:port under which the caller knows us; every URL we hand out begins with it
	SourceIP  string
	UserAgent string
	Secure    bool // came over TLS
	Query     bool // came over the query protocol, where answers differ from JSON's in a few places

	// XRay is the X-Amzn-Trace-Id header as the caller sent it, empty without a valid one. What takes messages in keeps it.
	XRay string

	// SourceARN is the resource on whose behalf a service calls: a topic that delivers to a queue. Empty for calls from outside.
	SourceARN string

	// Delivery is the id of the task this call carries out, empty for calls from outside. A target that keeps its
	// state in our store records it in its own commit, so that a task that runs twice has its effect once.
	Delivery string
}

type requestKey struct{}

// WithRequest is ctx carrying r.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

var noRequest = &Request{}

// RequestOf is the request that ctx carries; the zero request where it carries none.
func RequestOf(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return noRequest
}

// Principal is who makes a call, once known.
type Principal struct {
	Account string
	ARN     string // "arn:aws:iam::000000000000:root", "arn:aws:sts::…:assumed-role/…"
	UserID  string // the unique id GetCallerIdentity answers
	Service string // "sns.amazonaws.com" where a service of ours calls on its own behalf

	Session *Session // what temporary credentials say; nil for lasting ones
}

// DefaultAccount is the account of callers whose access key names none.
const DefaultAccount = "000000000000"
