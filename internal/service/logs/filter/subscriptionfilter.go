package filter

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/metric"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/subscription"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Deliveries hands messages to the destinations of subscription filters.
type Deliveries interface {
	// Probe tells a target an event at once, and answers what it says.
	Probe(ctx context.Context, e delivery.Event) error
	// Send writes an event, which is delivered once w is committed.
	Send(w store.Writer, e delivery.Event) (id string)
}

// subscriptionRecord is a subscription filter.
type subscriptionRecord struct {
	store.Unknown
	Pattern      string   `cbor:"1,keyasint"`
	Regexes      int      `cbor:"2,keyasint,omitempty"`
	Created      int64    `cbor:"3,keyasint"`
	Destination  string   `cbor:"4,keyasint"`
	Role         string   `cbor:"5,keyasint,omitempty"`
	Distribution string   `cbor:"6,keyasint,omitempty"`
	Shaped       bool     `cbor:"7,keyasint,omitempty"` // it looks at transformed events, and sends those
	Criteria     string   `cbor:"8,keyasint,omitempty"`
	System       []string `cbor:"9,keyasint,omitempty"`
}

// watched is the filter as events are looked at with it; nil where its criteria select nothing of the place.
func (r *subscriptionRecord) watched(name string, at metric.Place) (*watchedEvents, error) {
	if chosen, err := at.Chosen(r.Criteria); err != nil || !chosen {
		return nil, err
	}
	f, err := logfilter.Parse(r.Pattern)
	if err != nil {
		return nil, err
	}
	return &watchedEvents{name: name, pattern: f, shaped: r.Shaped}, nil
}

// maxSubscriptions is how many a group may have.
const maxSubscriptions = 2

// check checks what a filter that is to be kept looks for.
func (r *subscriptionRecord) check(at metric.Place) error {
	pattern, err := logfilter.Parse(r.Pattern)
	if err != nil {
		return form.Invalid("%s", err.Error())
	}
	r.Regexes = pattern.Regexes()
	if _, err := at.Chosen(r.Criteria); err != nil {
		return form.Invalid("%s", err.Error())
	}
	return checkSystemFields(r.System, "emitSystemFields", metric.Account, metric.Region, metric.Source)
}

// PutSubscriptionFilter is logs:PutSubscriptionFilter.
func (s *Filters) PutSubscriptionFilter(ctx context.Context, in *logsapi.PutSubscriptionFilterInput) (*logsapi.PutSubscriptionFilterOutput, error) {
	if err := cmp.Or(form.CheckGroupName(in.LogGroupName), checkFilterName(in.FilterName, "filterName"), form.CheckOne(in.Distribution, "distribution")); err != nil {
		return nil, err
	}
	r := subscriptionRecord{
		Pattern: in.FilterPattern, Destination: in.DestinationArn, Role: in.RoleArn.V, Distribution: string(in.Distribution.Or(logsapi.DistributionByLogStream)),
		Shaped: in.ApplyOnTransformedLogs.V, Criteria: in.FieldSelectionCriteria.V, System: in.EmitSystemFields,
	}
	if err := r.check(placeOf(aws.RequestOf(ctx).Scope, in.LogGroupName)); err != nil {
		return nil, err
	}
	allowed := func(tx *store.Tx) (g Group, state stateRecord, was subscriptionRecord, there bool, err error) {
		if g, state, err = s.group(tx, in.LogGroupName); err != nil {
			return
		}
		if err = watchable(g, "PutSubscriptionFilter"); err != nil {
			return
		}
		if was, there = s.subscriptions.Get(tx, in.LogGroupName, in.FilterName); !there && state.Subscriptions == maxSubscriptions {
			err = tooMany()
			return
		}
		err = s.checkRegexes(tx, in.LogGroupName, r.Regexes, func(metrics bool, name string) bool { return !metrics && name == in.FilterName })
		return
	}
	source := form.GroupARN(aws.RequestOf(ctx).Scope, in.LogGroupName) + ":*"
	target, err := store.View(ctx, s.space, func(tx *store.Tx) (sink, error) {
		if _, _, _, _, err := allowed(tx); err != nil {
			return sink{}, err
		}
		return s.sinkOf(tx, &r, source)
	})
	if err != nil {
		return nil, err
	}
	if err := s.probe(ctx, target); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutSubscriptionFilterOutput, error) {
		g, state, was, there, err := allowed(tx)
		if err != nil {
			return nil, err
		}
		r := r
		if r.Created = was.Created; !there {
			r.Created = tx.Now().UnixMilli()
			state.Subscriptions++
		}
		s.subscriptions.Set(tx, r, in.LogGroupName, in.FilterName)
		s.changed(tx, g, state)
		s.subscriptionBecame(ctx, tx, in.LogGroupName, in.FilterName, recordOrNone(&was, there), &r)
		return nil, nil
	})
}

// DeleteSubscriptionFilter is logs:DeleteSubscriptionFilter.
func (s *Filters) DeleteSubscriptionFilter(ctx context.Context, in *logsapi.DeleteSubscriptionFilterInput) (*logsapi.DeleteSubscriptionFilterOutput, error) {
	if err := cmp.Or(form.CheckGroupName(in.LogGroupName), checkFilterName(in.FilterName, "filterName")); err != nil {
		return nil, err
	}
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteSubscriptionFilterOutput, error) {
		g, state, err := s.group(tx, in.LogGroupName)
		if err != nil {
			return nil, err
		}
		was, ok := s.subscriptions.Get(tx, in.LogGroupName, in.FilterName)
		if !ok {
			return nil, logsapi.ResourceNotFoundException("The specified subscription filter does not exist.")
		}
		s.subscriptions.Delete(tx, in.LogGroupName, in.FilterName)
		state.Subscriptions--
		s.changed(tx, g, state)
		s.subscriptionBecame(ctx, tx, in.LogGroupName, in.FilterName, &was, nil)
		return nil, nil
	})
}

// DescribeSubscriptionFilters is logs:DescribeSubscriptionFilters, in the order of their names.
func (s *Filters) DescribeSubscriptionFilters(ctx context.Context, in *logsapi.DescribeSubscriptionFiltersInput) (*logsapi.DescribeSubscriptionFiltersOutput, error) {
	if err := cmp.Or(form.CheckGroupName(in.LogGroupName), checkFilterName(in.FilterNamePrefix.V, "filterNamePrefix")); err != nil {
		return nil, err
	}
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeSubscriptionFiltersOutput, error) {
		if _, _, err := s.group(tx, in.LogGroupName); err != nil {
			return nil, err
		}
		out := &logsapi.DescribeSubscriptionFiltersOutput{SubscriptionFilters: []logsapi.SubscriptionFilter{}}
		for k, r := range s.subscriptions.Scan(tx, store.ScanOptions{}, in.LogGroupName) {
			name := strings.Clone(k.String(1))
			if !strings.HasPrefix(name, in.FilterNamePrefix.V) || after != "" && name <= after {
				continue
			}
			if n := len(out.SubscriptionFilters); n == int(in.Limit.Or(50)) {
				out.NextToken = form.PageToken(out.SubscriptionFilters[n-1].FilterName.V)
				break
			}
			out.SubscriptionFilters = append(out.SubscriptionFilters, logsapi.SubscriptionFilter{
				FilterName: aws.Some(name), LogGroupName: aws.Some(strings.Clone(in.LogGroupName)), FilterPattern: aws.Some(r.Pattern),
				DestinationArn: aws.Some(r.Destination), RoleArn: aws.NonZero(r.Role), Distribution: aws.NonZero(logsapi.Distribution(r.Distribution)),
				ApplyOnTransformedLogs: aws.Some(r.Shaped), CreationTime: aws.Some(r.Created),
				FieldSelectionCriteria: aws.NonZero(r.Criteria), EmitSystemFields: slices.Clone(r.System),
			})
		}
		return out, nil
	})
}

// sink is what takes the messages of a subscription filter in: a stream or a function.
type sink struct {
	target  aws.ARN
	as      aws.Principal
	role    string // that it acts as
	source  string // ARN of the group, or of the destination
	refused string // what a test that fails is answered
}

// sinkOf is where the messages of a filter go. Its errors are answers to whoever wants to have it.
func (s *Filters) sinkOf(tx *store.Tx, r *subscriptionRecord, source string) (to sink, err error) {
	a, ok := aws.ParseARN(r.Destination)
	if !ok {
		return to, form.Invalid("Invalid destinationArn: %s", r.Destination)
	}
	to = sink{target: a, as: s.principal(tx.Scope().Account), role: r.Role, source: source}
	own := a.Scope() == tx.Scope()
	switch a.Service {
	case "lambda":
		if r.Role != "" {
			return to, form.Invalid("destinationArn for vendor lambda cannot be used with roleArn")
		}
		to.refused = "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function."
	case "kinesis", "firehose":
		if r.Role == "" {
			return to, form.Invalid("destinationArn for vendor %s cannot be used without roleArn", a.Service)
		}
		to.refused = undelivered(a.Service)
	case "logs":
		name, is := strings.CutPrefix(a.Resource, "destination:")
		if !is {
			return to, form.Invalid("Invalid destinationArn: %s", r.Destination)
		}
		to.refused = "Could not deliver test message to specified destination. Check if the destination is valid."
		d, there := s.destinations.Get(tx.In(a.Scope()), name)
		if own = there && a.Region == tx.Scope().Region; own {
			to.source = r.Destination
			to.as, to.role = s.principal(a.Account), d.Role
			to.target, _ = aws.ParseARN(d.Target)
		}
	default:
		return to, form.Invalid("PutSubscriptionFilter operation cannot work with destinationArn for vendor %s", a.Service)
	}
	if !own {
		return to, form.Invalid("%s", to.refused)
	}
	return to, nil
}

// undelivered is what AWS says of a stream that takes nothing.
func undelivered(service string) string {
	if service == "firehose" {
		return "Could not deliver test message to specified Firehose stream. Check if the given Firehose stream is in ACTIVE state."
	}
	return "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state."
}

// principal is the service, as it works for an account.
func (s *Filters) principal(account string) aws.Principal {
	return aws.Principal{Account: account, Service: "logs.amazonaws.com"}
}

// event is what a sink is to be told.
func (to *sink) event(packed []byte) delivery.Event {
	e := delivery.Event{Target: to.target.String(), As: to.as, Role: to.role, Source: to.source, Body: packed}
	if to.target.Service == "lambda" {
		e.Body = subscription.Invocation(packed)
	}
	return e
}

// probe has a sink be told a test message.
func (s *Filters) probe(ctx context.Context, to sink) error {
	if s.o.Deliveries == nil {
		return form.Invalid("%s", to.refused)
	}
	called := map[string]string{"lambda": "Lambda function", "kinesis": "Kinesis stream", "firehose": "Firehose"}
	packed, err := subscription.Test(called[to.target.Service], s.space.Now().UnixMilli()).Pack()
	if err != nil {
		return err
	}
	e := to.event(packed)
	e.Test, e.Group = true, "test"
	if err := s.o.Deliveries.Probe(ctx, e); err != nil {
		return form.Invalid("%s", to.refused).Because(err)
	}
	return nil
}
