package filter

import (
	"cmp"
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// destinationRecord is a destination: a stream, of one account, for the subscription filters of others.
type destinationRecord struct {
	store.Unknown
	Target  string            `cbor:"1,keyasint"`
	Role    string            `cbor:"2,keyasint"`
	Policy  string            `cbor:"3,keyasint,omitempty"` // who may subscribe to it
	Created int64             `cbor:"4,keyasint"`
	Tags    map[string]string `cbor:"5,keyasint,omitempty"`
}

func destinationARN(scope aws.Scope, name string) string {
	return scope.ARN("logs", "destination:"+name)
}

// NoDestination is the answer where there is no such destination.
func NoDestination() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified destination does not exist.")
}

// maxPolicy is how long the policy of a destination may be.
const maxPolicy = 5120

// describe is a destination as DescribeDestinations shows it.
func (r *destinationRecord) describe(scope aws.Scope, name string) logsapi.Destination {
	name = strings.Clone(name)
	return logsapi.Destination{
		DestinationName: aws.Some(name), Arn: aws.Some(destinationARN(scope, name)), TargetArn: aws.Some(r.Target), RoleArn: aws.Some(r.Role),
		AccessPolicy: aws.NonZero(r.Policy), CreationTime: aws.Some(r.Created),
	}
}

// PutDestination is logs:PutDestination.
func (s *Filters) PutDestination(ctx context.Context, in *logsapi.PutDestinationInput) (*logsapi.PutDestinationOutput, error) {
	if err := cmp.Or(checkFilterName(in.DestinationName, "destinationName"), form.CheckTags(in.Tags)); err != nil {
		return nil, err
	}
	scope := aws.RequestOf(ctx).Scope
	a, ok := aws.ParseARN(in.TargetArn)
	if !ok {
		return nil, form.Invalid("Invalid targetArn: %s", in.TargetArn)
	}
	if a.Service != "kinesis" && a.Service != "firehose" {
		return nil, form.Invalid("PutDestination operation cannot work with targetArn for vendor %s", a.Service)
	}
	if role, ok := aws.ParseARN(in.RoleArn); !ok || role.Service != "iam" || !strings.HasPrefix(role.Resource, "role/") {
		return nil, form.Invalid("Invalid roleArn: %s", in.RoleArn)
	}
	to := sink{target: a, as: s.principal(scope.Account), role: in.RoleArn, source: destinationARN(scope, in.DestinationName), refused: undelivered(a.Service)}
	if a.Account != scope.Account {
		return nil, form.Invalid("%s", to.refused)
	}
	if err := s.probe(ctx, to); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutDestinationOutput, error) {
		was, there := s.destinations.Get(tx, in.DestinationName)
		r := was
		r.Target, r.Role = in.TargetArn, in.RoleArn
		if !there {
			r.Created, r.Tags = tx.Now().UnixMilli(), in.Tags
		}
		s.destinations.Set(tx, r, in.DestinationName)
		s.destinationBecame(ctx, tx, in.DestinationName, recordOrNone(&was, there), &r)
		d := r.describe(tx.Scope(), in.DestinationName)
		return &logsapi.PutDestinationOutput{Destination: &d}, nil
	})
}

// PutDestinationPolicy is logs:PutDestinationPolicy.
func (s *Filters) PutDestinationPolicy(ctx context.Context, in *logsapi.PutDestinationPolicyInput) (*logsapi.PutDestinationPolicyOutput, error) {
	if err := checkFilterName(in.DestinationName, "destinationName"); err != nil {
		return nil, err
	}
	if len(in.AccessPolicy) > maxPolicy {
		return nil, logsapi.LimitExceededException("Resource limit exceeded.")
	}
	if _, err := policy.Parse(in.AccessPolicy, policy.Resource); err != nil {
		return nil, form.Invalid("Invalid access policy: %s", err.Error())
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutDestinationPolicyOutput, error) {
		was, ok := s.destinations.Get(tx, in.DestinationName)
		if !ok {
			return nil, NoDestination()
		}
		r := was
		r.Policy = in.AccessPolicy
		s.destinations.Set(tx, r, in.DestinationName)
		s.destinationBecame(ctx, tx, in.DestinationName, &was, &r)
		return nil, nil
	})
}

// DeleteDestination is logs:DeleteDestination.
func (s *Filters) DeleteDestination(ctx context.Context, in *logsapi.DeleteDestinationInput) (*logsapi.DeleteDestinationOutput, error) {
	if err := checkFilterName(in.DestinationName, "destinationName"); err != nil {
		return nil, err
	}
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteDestinationOutput, error) {
		was, ok := s.destinations.Get(tx, in.DestinationName)
		if !ok {
			return nil, NoDestination()
		}
		s.destinations.Delete(tx, in.DestinationName)
		s.destinationBecame(ctx, tx, in.DestinationName, &was, nil)
		return nil, nil
	})
}

// DescribeDestinations is logs:DescribeDestinations, in the order of their names.
func (s *Filters) DescribeDestinations(ctx context.Context, in *logsapi.DescribeDestinationsInput) (*logsapi.DescribeDestinationsOutput, error) {
	if err := checkFilterName(in.DestinationNamePrefix.V, "DestinationNamePrefix"); err != nil {
		return nil, err
	}
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeDestinationsOutput, error) {
		out := &logsapi.DescribeDestinationsOutput{Destinations: []logsapi.Destination{}}
		prefix := in.DestinationNamePrefix.V
		o := store.ScanOptions{From: []any{prefix}}
		if after >= prefix && after != "" {
			o = store.ScanOptions{After: []any{after}}
		}
		for k, r := range s.destinations.Scan(tx, o) {
			if !strings.HasPrefix(k.String(0), prefix) {
				break
			}
			if n := len(out.Destinations); n == int(in.Limit.Or(50)) {
				out.NextToken = form.PageToken(out.Destinations[n-1].DestinationName.V)
				break
			}
			out.Destinations = append(out.Destinations, r.describe(tx.Scope(), k.String(0)))
		}
		return out, nil
	})
}
