package telemetry

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// TraceID names a trace. Those we begin start with the second in which they began, as X-Ray wants it.
type TraceID [16]byte

// SpanID names a span of a trace.
type SpanID [8]byte

// Trace is a place in a trace: what one call hands to the next.
type Trace struct {
	ID      TraceID
	Span    SpanID // the parent of what is called next; zero at the root
	Sampled bool   // keep it
	Decided bool   // whoever called from outside decided about Sampled

	inside bool // it is the place of a call of ours
}

// The headers a trace travels in.
const (
	W3CHeader  = "Traceparent"
	XRayHeader = "X-Amzn-Trace-Id"
)

// NewTrace begins a trace at now.
func NewTrace(now time.Time) (t Trace) {
	binary.BigEndian.PutUint32(t.ID[:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(t.ID[4:], rand.Uint32())
	binary.BigEndian.PutUint64(t.ID[8:], rand.Uint64())
	return t
}

func newSpanID() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1) // never zero
	return id
}

// ReadTrace is the trace that a request's headers carry, W3C's before X-Ray's; zero where they carry none.
func ReadTrace(h http.Header) Trace {
	if v := h[W3CHeader]; len(v) == 1 {
		if t, ok := ParseW3C(v[0]); ok {
			return t
		}
	}
	if v := h[XRayHeader]; len(v) > 0 {
		if t, ok := ParseXRay(v[0]); ok {
			return t
		}
	}
	return Trace{}
}

// ParseW3C reads a traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".
func ParseW3C(s string) (t Trace, ok bool) {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || len(s) > 55 && (s[:2] == "00" || s[55] != '-') {
		return Trace{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], s[:2]) || !unhex(t.ID[:], s[3:35]) || !unhex(t.Span[:], s[36:52]) || !unhex(flags[:], s[53:55]) ||
		t.ID == (TraceID{}) || t.Span == (SpanID{}) {
		return Trace{}, false
	}
	t.Sampled, t.Decided = flags[0]&1 != 0, true
	return t, true
}

// ParseXRay reads X-Ray's header: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1". A "Self"
// in it is of a load balancer and says nothing to us.
func ParseXRay(s string) (t Trace, ok bool) {
	for part := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case strings.EqualFold(name, "Root"):
			if len(value) != 35 || value[:2] != "1-" || value[10] != '-' || !unhex(t.ID[:4], value[2:10]) || !unhex(t.ID[4:], value[11:]) {
				return Trace{}, false
			}
			ok = true
		case strings.EqualFold(name, "Parent"):
			if !unhex(t.Span[:], value) {
				t.Span = SpanID{}
			}
		case strings.EqualFold(name, "Sampled"):
			t.Sampled, t.Decided = value == "1", value == "1" || value == "0"
		}
	}
	if !ok {
		return Trace{}, false
	}
	return t, true
}

// unhex reads lower- or upper-case hexadecimal digits that fill dst exactly.
func unhex(dst []byte, s string) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := digit(s[2*i]), digit(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// XRay is the id as X-Ray writes it: "1-5759e988-bd862e3fe1be46a994272793".
func (id TraceID) XRay() string { s := id.String(); return "1-" + s[:8] + "-" + s[8:] }

func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// W3C is t as a traceparent.
func (t Trace) W3C() string {
	flags := "-00"
	if t.Sampled {
		flags = "-01"
	}
	return "00-" + t.ID.String() + "-" + t.Span.String() + flags
}

// XRay is t as X-Ray's header.
func (t Trace) XRay() string {
	s := "Root=" + t.ID.XRay()
	if t.Span != (SpanID{}) {
		s += ";Parent=" + t.Span.String()
	}
	if t.Sampled {
		return s + ";Sampled=1"
	}
	return s + ";Sampled=0"
}

// Known reports whether there is a trace at all.
func (t Trace) Known() bool { return t.ID != TraceID{} }

// Inside is t as the place of an operation of ours that is under way, on another node.
func (t Trace) Inside() Trace {
	t.inside = t.Known()
	return t
}

type traceKey struct{}

// carried is a context with the trace a request came in with.
type carried struct {
	context.Context
	trace Trace
}

func (c *carried) Value(key any) any {
	if key == (traceKey{}) {
		return &c.trace
	}
	return c.Context.Value(key)
}

// WithTrace is ctx in trace t.
func WithTrace(ctx context.Context, t Trace) context.Context { return &carried{ctx, t} }

// TraceOf is the place in a trace where ctx is: inside an operation, that operation's span. Zero where there is none.
func TraceOf(ctx context.Context) Trace {
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		return *t
	}
	return Trace{}
}

// NewRequestID is a random UUID to name a request by. It is no secret.
func NewRequestID() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	return aws.UUID(b)
}
