package call

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

// rate holds each account to a number of calls of one operation: a token bucket per account, kept as the time at which
// it would be full again.
type rate struct {
	every time.Duration // between two tokens
	depth time.Duration // how far ahead of now the bucket may be drawn

	mu     sync.Mutex
	fullAt map[string]time.Time
}

const maxAccounts = 10_000 // beyond, the buckets that are full again are forgotten

// newRate is nil where perSecond is no limit.
func newRate(perSecond, burst float64) *rate {
	if perSecond <= 0 {
		return nil
	}
	every := time.Duration(float64(time.Second) / perSecond)
	return &rate{every: every, depth: time.Duration(max(burst, 1) * float64(every)), fullAt: map[string]time.Time{}}
}

// take takes a token of account's, if there is one.
func (r *rate) take(account string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	full, ok := r.fullAt[account]
	if !ok && len(r.fullAt) >= maxAccounts {
		for k, t := range r.fullAt {
			if !t.After(now) {
				delete(r.fullAt, k)
			}
		}
	}
	if full.Before(now) {
		full = now
	}
	if full = full.Add(r.every); full.Sub(now) > r.depth {
		return false
	}
	if !ok {
		account = strings.Clone(account) // it is part of a header
	}
	r.fullAt[account] = full
	return true
}

// throttling are the shapes by which services say that they are called too often, the most particular first. Where a
// model lists none of them the code common to all services is used.
var throttling = []string{"RequestThrottled", "TooManyRequestsException", "ThrottlingException", "ThrottledException", "RequestLimitExceeded"}

var (
	throttlingCommon = &aws.ErrorShape{Code: "ThrottlingException", QueryCode: "Throttling", Status: http.StatusBadRequest}
	throttlingEC2    = &aws.ErrorShape{Code: "RequestLimitExceeded", Status: http.StatusServiceUnavailable}
	throttlingXML    = &aws.ErrorShape{Code: "SlowDown", Status: http.StatusServiceUnavailable}
)

// throttled is the answer of op's service to being called too often.
func throttled(op *model.Operation) *aws.Error {
	for _, code := range throttling {
		for _, shape := range op.Errors {
			if shape.Code == code {
				return shape.New("Rate exceeded")
			}
		}
	}
	switch protocol(op.Service) {
	case model.EC2:
		return throttlingEC2.New("Request limit exceeded.")
	case model.RestXML:
		return throttlingXML.New("Please reduce your request rate.")
	}
	return throttlingCommon.New("Rate exceeded")
}

// protocol is a service's own protocol.
func protocol(s *model.Service) model.Protocol {
	if len(s.Protocols) == 0 {
		return 0
	}
	return s.Protocols[0]
}
