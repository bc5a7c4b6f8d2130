package call

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
)

// Fault is a rule for what shall go wrong. A call that matches all it says, and that chance picks, is delayed, then
// refused or throttled. In patterns '*' stands for any run of characters and '?' for one; an empty pattern matches all.
type Fault struct {
	ID string `json:"id"` // given where empty

	Service     string  `json:"service,omitempty"`   // "sqs"
	Operation   string  `json:"operation,omitempty"` // "Send*"
	Resource    string  `json:"resource,omitempty"`  // of the ARN; of a service that names none, of any string of the input
	Principal   string  `json:"principal,omitempty"` // of the ARN
	Account     string  `json:"account,omitempty"`
	Region      string  `json:"region,omitempty"`
	Probability float64 `json:"probability,omitempty"` // 0 to 1; always where 0
	Times       int     `json:"times,omitempty"`       // ends after so many calls; never where 0

	LatencyMillis int `json:"latencyMillis,omitempty"`
	JitterMillis  int `json:"jitterMillis,omitempty"` // up to so much more

	Error    string `json:"error,omitempty"` // the code: "InternalFailure"; of the operation's own errors with their status
	Message  string `json:"message,omitempty"`
	Status   int    `json:"status,omitempty"`   // of the answer, where it is not the error's own
	Throttle bool   `json:"throttle,omitempty"` // answer as the service does when it is called too often

	// After has the call performed before it fails: the caller does not know that it happened.
	After bool `json:"after,omitempty"`

	Hits uint64 `json:"hits"` // how many calls it has met
}

// Faults are the rules of a door. Without any a call pays one load for them. They are kept in memory only, each node its
// own: a test that sets them is there to set them again.
type Faults struct {
	active atomic.Pointer[[]*fault] // nil where there are none; replaced, never changed

	mu     sync.Mutex
	serial int
}

type fault struct {
	Fault
	hits atomic.Uint64
	left atomic.Int64 // calls it may still meet, where Times is set
}

// Put adds a rule, or replaces the one of the same ID.
func (f *Faults) Put(rule Fault) (Fault, error) {
	switch {
	case rule.Probability < 0 || rule.Probability > 1 || rule.Probability != rule.Probability:
		return rule, fmt.Errorf("probability %v is not between 0 and 1", rule.Probability)
	case rule.LatencyMillis < 0 || rule.JitterMillis < 0:
		return rule, fmt.Errorf("latency and jitter must not be negative")
	case rule.Times < 0:
		return rule, fmt.Errorf("times must not be negative")
	case rule.Status != 0 && (rule.Status < 400 || rule.Status > 599):
		return rule, fmt.Errorf("status %d is not an error's: 400 to 599", rule.Status)
	case !rule.fails() && rule.LatencyMillis == 0 && rule.JitterMillis == 0:
		return rule, fmt.Errorf("the rule does nothing: give latencyMillis, error, status or throttle")
	case rule.After && !rule.fails():
		return rule, fmt.Errorf("after needs error, status or throttle")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if rule.ID == "" {
		f.serial++
		rule.ID = fmt.Sprintf("fault-%d", f.serial)
	}
	rule.Hits = 0
	n := &fault{Fault: rule}
	n.left.Store(int64(rule.Times))
	rules := f.rules()
	if i := slices.IndexFunc(rules, func(o *fault) bool { return o.ID == rule.ID }); i >= 0 {
		rules[i] = n
	} else {
		rules = append(rules, n)
	}
	f.active.Store(&rules)
	return rule, nil
}

// Delete removes a rule; false means there is none of that ID.
func (f *Faults) Delete(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	rules := f.rules()
	i := slices.IndexFunc(rules, func(o *fault) bool { return o.ID == id })
	if i < 0 {
		return false
	}
	if rules = slices.Delete(rules, i, i+1); len(rules) == 0 {
		f.active.Store(nil)
	} else {
		f.active.Store(&rules)
	}
	return true
}

// Clear removes all rules.
func (f *Faults) Clear() {
	f.mu.Lock()
	f.active.Store(nil)
	f.mu.Unlock()
}

// List is the rules with what they have met, in the order they were added.
func (f *Faults) List() []Fault {
	list := []Fault{}
	for _, r := range f.rules() {
		one := r.Fault
		one.Hits = r.hits.Load()
		list = append(list, one)
	}
	return list
}

// rules is a copy of the rules, to change.
func (f *Faults) rules() []*fault {
	if rules := f.active.Load(); rules != nil {
		return slices.Clone(*rules)
	}
	return nil
}

func (f *Fault) fails() bool { return f.Error != "" || f.Status != 0 || f.Throttle }

// meets reports whether the rule picks the call, and counts it.
func (f *fault) meets(ctx context.Context, o *operation, request *aws.Request, in any) bool {
	if !match(f.Service, o.Service.Name) || !match(f.Operation, o.Name) || !match(f.Principal, request.Principal.ARN) ||
		!match(f.Account, request.Account) || !match(f.Region, request.Region) {
		return false
	}
	if f.Resource != "" {
		resources := o.about(ctx, in)
		if o.resources == nil {
			resources = o.texts(in)
		}
		if !slices.ContainsFunc(resources, func(r string) bool { return match(f.Resource, r) }) {
			return false
		}
	}
	if f.Probability > 0 && rand.Float64() >= f.Probability {
		return false
	}
	if f.Times > 0 && f.left.Add(-1) < 0 {
		return false
	}
	f.hits.Add(1)
	return true
}

// faulty performs a call under rules: the delays of all that meet it, and the failure of the first.
func (d *Door) faulty(ctx context.Context, o *operation, request *aws.Request, in any, rules []*fault) (any, error) {
	var failure *fault
	for _, f := range rules {
		if failure != nil && f.fails() || !f.meets(ctx, o, request, in) {
			continue
		}
		wait := time.Duration(f.LatencyMillis) * time.Millisecond
		if f.JitterMillis > 0 {
			wait += rand.N(time.Duration(f.JitterMillis) * time.Millisecond)
		}
		if err := clock.Pause(ctx, wait); err != nil {
			return nil, err
		}
		if f.fails() {
			failure = f
		}
	}
	if failure == nil {
		return d.perform(ctx, o, in)
	}
	if failure.After {
		if _, err := d.perform(ctx, o, in); err != nil {
			return nil, err
		}
	}
	return nil, failure.error(o.Operation)
}

// error is the error the rule answers op with.
func (f *fault) error(op *model.Operation) *aws.Error {
	message := cmp.Or(f.Message, "This error is injected by the fault rule "+f.ID+".")
	if f.Throttle && f.Error == "" {
		e := throttled(op)
		if f.Message != "" {
			e.Message = f.Message
		}
		if f.Status != 0 {
			shape := *e.ErrorShape
			shape.Status, shape.Receiver = f.Status, f.Status >= 500
			e.ErrorShape = &shape
		}
		return e
	}
	shape := aws.ErrorShape{Code: f.Error, Status: f.Status}
	for _, s := range op.Errors {
		if s.Code == f.Error || s.WireCode() == f.Error {
			shape = *s
			if f.Status != 0 {
				shape.Status = f.Status
			}
		}
	}
	if shape.Code == "" {
		shape.Code = codeOf(shape.Status)
	}
	if shape.Status == 0 {
		shape.Status = statusOf(shape.Code)
	}
	shape.Receiver = shape.Status >= 500
	return (&shape).New("%s", message)
}

// codeOf is the code common to all services for a status.
func codeOf(status int) string {
	switch {
	case status == http.StatusServiceUnavailable:
		return unavailable.Code
	case status == http.StatusForbidden:
		return "AccessDeniedException"
	case status == http.StatusTooManyRequests:
		return "TooManyRequestsException"
	case status < 500:
		return "ValidationException"
	}
	return internalFailure.Code
}

// statusOf is the status of a code common to all services.
func statusOf(code string) int {
	switch {
	case code == unavailable.Code || strings.HasPrefix(code, "ServiceUnavailable") || code == "SlowDown":
		return http.StatusServiceUnavailable
	case strings.HasPrefix(code, "Internal"):
		return http.StatusInternalServerError
	case strings.HasPrefix(code, "AccessDenied"):
		return http.StatusForbidden
	case strings.HasPrefix(code, "TooManyRequests"):
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// match reports whether s is as pattern says; an empty pattern says nothing.
func match(pattern, s string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	star, mark := -1, 0 // the last '*', and where in s what it stands for ends
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
