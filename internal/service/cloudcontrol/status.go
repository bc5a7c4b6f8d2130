package cloudcontrol

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// event is how a request stands.
func (r *request) event() *cloudcontrolapi.ProgressEvent {
	e := &cloudcontrolapi.ProgressEvent{
		TypeName:        aws.Some(r.Type),
		Identifier:      aws.NonZero(r.Identifier),
		RequestToken:    aws.Some(r.Token),
		Operation:       aws.Some(cloudcontrolapi.Operation(r.Operation)),
		OperationStatus: aws.Some(cloudcontrolapi.OperationStatus(r.Status)),
		EventTime:       aws.Some(time.Unix(0, r.Event).UTC()),
		StatusMessage:   aws.NonZero(r.Message),
		ErrorCode:       aws.NonZero(cloudcontrolapi.HandlerErrorCode(r.Code)),
	}
	if r.Retry != 0 {
		e.RetryAfter = aws.Some(time.Unix(0, r.Retry).UTC())
	}
	return e
}

func noRequest(token string) *aws.Error {
	return cloudcontrolapi.RequestTokenNotFoundException("Request with token %s was not found", token)
}

// GetResourceRequestStatus answers how a request stands.
func (s *Service) GetResourceRequestStatus(ctx context.Context, in *cloudcontrolapi.GetResourceRequestStatusInput) (*cloudcontrolapi.GetResourceRequestStatusOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*cloudcontrolapi.GetResourceRequestStatusOutput, error) {
		r, ok := s.tables.requests.Get(tx, in.RequestToken)
		if !ok {
			return nil, noRequest(in.RequestToken)
		}
		return &cloudcontrolapi.GetResourceRequestStatusOutput{ProgressEvent: r.event()}, nil
	})
}

// CancelResourceRequest stops a request before its next step.
func (s *Service) CancelResourceRequest(ctx context.Context, in *cloudcontrolapi.CancelResourceRequestInput) (*cloudcontrolapi.CancelResourceRequestOutput, error) {
	return store.Update(ctx, s.space, func(tx *store.Tx) (*cloudcontrolapi.CancelResourceRequestOutput, error) {
		r, ok := s.tables.requests.Get(tx, in.RequestToken)
		switch {
		case !ok:
			return nil, noRequest(in.RequestToken)
		case r.ended():
			return nil, invalid("Request with token %s has status %s: only requests with status %s or %s can be cancelled", r.Token, r.Status, pending, inProgress)
		case r.Status != cancelling:
			r.Status, r.Event = cancelling, tx.Now().UnixNano()
			s.tables.requests.Set(tx, r, r.Token)
			if r.Stepped { // it need not wait any longer
				s.waits.At(tx, tx.Now(), r.Token, work{r.Token, tx.Scope().Account, tx.Scope().Region})
			}
		}
		return &cloudcontrolapi.CancelResourceRequestOutput{ProgressEvent: r.event()}, nil
	})
}

// How many requests a page shows where that is not said, and how many are looked through for it at most.
const (
	pageSize = 20
	pageLook = 1000
)

// ListResourceRequests answers the requests of the last days, the newest first.
func (s *Service) ListResourceRequests(ctx context.Context, in *cloudcontrolapi.ListResourceRequestsInput) (*cloudcontrolapi.ListResourceRequestsOutput, error) {
	var before []any
	if in.NextToken.Set {
		made, token, ok := readToken(in.NextToken.V)
		if !ok {
			return nil, invalid("Invalid NextToken")
		}
		before = []any{made, token}
	}
	var filter cloudcontrolapi.ResourceRequestStatusFilter
	if in.ResourceRequestStatusFilter != nil {
		filter = *in.ResourceRequestStatusFilter
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*cloudcontrolapi.ListResourceRequestsOutput, error) {
		out := &cloudcontrolapi.ListResourceRequestsOutput{ResourceRequestStatusSummaries: []cloudcontrolapi.ProgressEvent{}}
		looked := 0
		var last request
		for k := range s.tables.order.Keys(tx, store.ScanOptions{Before: before, Reverse: true}) {
			if looked++; len(out.ResourceRequestStatusSummaries) == int(in.MaxResults.Or(pageSize)) || looked > pageLook {
				out.NextToken = aws.Some(nextToken(last))
				break
			}
			r, ok := s.tables.requests.Get(tx, k.String(1))
			if !ok {
				continue
			}
			last = r
			if among(filter.Operations, r.Operation) && among(filter.OperationStatuses, r.Status) {
				out.ResourceRequestStatusSummaries = append(out.ResourceRequestStatusSummaries, *r.event())
			}
		}
		return out, nil
	})
}

// among reports whether v is one of the list, or the list is empty.
func among[T ~string](list []T, v string) bool {
	return len(list) == 0 || slices.Contains(list, T(v))
}

// A page token is where the last request of the page before stands, made opaque.
func nextToken(last request) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.FormatInt(last.Made, 10) + "/" + last.Token))
}

func readToken(t string) (made int64, token string, ok bool) {
	b, err := base64.StdEncoding.DecodeString(t)
	if err != nil {
		return 0, "", false
	}
	first, token, ok := strings.Cut(string(b), "/")
	made, err = strconv.ParseInt(first, 10, 64)
	return made, token, ok && err == nil
}
