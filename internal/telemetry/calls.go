package telemetry

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

// Calls counts the calls of one operation: how many, with which status, how long they took. Its holder keeps it, so that
// counting needs no search for it.
type Calls struct {
	Operation *model.Operation

	recorder *Recorder
	scopes   atomic.Pointer[map[aws.Scope]*scopeCalls] // replaced, never changed
	sampled  atomic.Int64                              // the ten seconds in which a trace of ours was last begun and kept
}

// Calls begins counting the calls of op.
func (r *Recorder) Calls(op *model.Operation) *Calls {
	c := &Calls{Operation: op, recorder: r}
	c.scopes.Store(&map[aws.Scope]*scopeCalls{})
	r.mu.Lock()
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	return c
}

// scopeCalls is one operation's calls in one account and region, by the place of their status in statuses.
type scopeCalls struct {
	scope  aws.Scope
	series [len(statuses)]atomic.Pointer[Series]
}

// The statuses that are told apart. Any other counts as the last one of its hundred.
var statuses = [...]int{200, 300, 403, 404, 409, 412, 413, 429, 400, 501, 503, 504, 500}

func statusIndex(status int) int {
	switch {
	case status < 300:
		return 0
	case status < 400:
		return 1
	case status < 500:
		for i := 2; i < 8; i++ {
			if statuses[i] == status {
				return i
			}
		}
		return 8
	}
	for i := 9; i < 12; i++ {
		if statuses[i] == status {
			return i
		}
	}
	return 12
}

// maxScopes bounds how many accounts and regions one operation's calls are told apart by.
const maxScopes = 1024

// Add counts one call that ended with status after took.
func (c *Calls) Add(scope aws.Scope, status int, took time.Duration) {
	c.add(c.in(scope), status, took)
}

func (c *Calls) add(at *scopeCalls, status int, took time.Duration) {
	i := statusIndex(status)
	s := at.series[i].Load()
	if s == nil {
		s = c.addSeries(at, i)
	}
	s.Add(took.Seconds())
}

// in is the calls in a scope; those of all scopes beyond the bound together.
func (c *Calls) in(scope aws.Scope) *scopeCalls {
	if at, ok := (*c.scopes.Load())[scope]; ok {
		return at
	}
	return c.addScope(scope)
}

func (c *Calls) addScope(scope aws.Scope) *scopeCalls {
	scope = own(scope)
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	old := *c.scopes.Load()
	if len(old) >= maxScopes {
		scope = aws.Scope{} // all the rest together
	}
	if at, ok := old[scope]; ok {
		return at
	}
	scopes := make(map[aws.Scope]*scopeCalls, len(old)+1)
	for k, v := range old {
		scopes[k] = v
	}
	at := &scopeCalls{scope: scope}
	scopes[scope] = at
	c.scopes.Store(&scopes)
	return at
}

// own is a scope that may outlive the request it is of: its strings are parts of a header.
func own(s aws.Scope) aws.Scope {
	return aws.Scope{Account: strings.Clone(s.Account), Region: strings.Clone(s.Region)}
}

func (c *Calls) addSeries(at *scopeCalls, i int) *Series {
	at.series[i].CompareAndSwap(nil, c.recorder.Series(SeriesID{
		Scope:      at.scope,
		Namespace:  CallsNamespace,
		Name:       c.Operation.Name,
		Dimensions: Dimensions("service", c.Operation.Service.Name, "status", strconv.Itoa(statuses[i])),
		Unit:       "Seconds",
	}))
	return at.series[i].Load()
}

// CallsNamespace is the namespace of the series that [Calls] fill: the name is the operation's, the dimensions are the
// service and the status, the values the seconds each call took.
const CallsNamespace = "obidos/calls"
