package telemetry

import (
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Event is one control-plane call that changed something, or was denied, as CloudTrail tells it.
type Event struct {
	ID        string // a UUID
	Time      time.Time
	Service   string // "sqs"
	Operation string // "CreateQueue"
	ReadOnly  bool
	Scope     aws.Scope
	Principal aws.Principal
	Request   string // request id
	SourceIP  string
	UserAgent string
	Secure    bool
	Code      string // of the error it ended with
	Message   string
	Resources []string // ARNs
	Input     []byte   // JSON, what is sensitive left out
	Output    []byte   // JSON, of calls that change something
}

// auditRing remembers the last events. Control-plane calls are few, so a plain lock does.
type auditRing struct {
	size int

	mu     sync.Mutex
	events []Event // a ring once it is full
	next   uint64  // how many were ever added
}

// Audit records a control-plane call.
func (r *Recorder) Audit(e Event) {
	a := &r.audit
	a.mu.Lock()
	if len(a.events) < a.size {
		a.events = append(a.events, e)
	} else {
		a.events[a.next%uint64(a.size)] = e
	}
	a.next++
	a.mu.Unlock()
	r.writer.keepEvent(r, e)
}

// Events are the control-plane calls remembered in memory, oldest first.
func (r *Recorder) Events() []Event {
	a := &r.audit
	a.mu.Lock()
	defer a.mu.Unlock()
	var events []Event
	for n := a.next - uint64(len(a.events)); n < a.next; n++ {
		events = append(events, a.events[n%uint64(a.size)])
	}
	return events
}
