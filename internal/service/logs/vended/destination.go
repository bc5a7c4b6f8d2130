package vended

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// destinationRecord is where logs may be delivered: a log group, a bucket, a stream of Firehose, or X-Ray.
type destinationRecord struct {
	store.Unknown
	Type     string            `cbor:"1,keyasint"`
	Resource string            `cbor:"2,keyasint,omitempty"` // ARN; X-Ray has none
	Format   string            `cbor:"3,keyasint,omitempty"` // empty: the first that the log has
	Role     string            `cbor:"4,keyasint,omitempty"`
	Policy   string            `cbor:"5,keyasint,omitempty"` // who else may deliver to it
	Tags     map[string]string `cbor:"6,keyasint,omitempty"`
}

func noDeliveryDestination() *aws.Error {
	return logsapi.ResourceNotFoundException("Requested Delivery Destination does not exist in this account.")
}

func deliveryDestinationARN(scope aws.Scope, name string) string {
	return scope.ARN("logs", "delivery-destination:"+name)
}

func (r *destinationRecord) describe(scope aws.Scope, name string) *logsapi.DeliveryDestination {
	d := &logsapi.DeliveryDestination{
		Name: aws.Some(name), Arn: aws.Some(deliveryDestinationARN(scope, name)),
		DeliveryDestinationType: aws.Some(logsapi.DeliveryDestinationType(r.Type)), OutputFormat: aws.NonZero(logsapi.OutputFormat(r.Format)),
		RoleArn: aws.NonZero(r.Role),
	}
	if r.Resource != "" {
		d.DeliveryDestinationConfiguration = &logsapi.DeliveryDestinationConfiguration{DestinationResourceArn: r.Resource}
	}
	return d
}

// formats are in the order in which AWS tells them.
var formats = [...]string{"w3c", "raw", "json", "plain", "parquet"}

// kindOf is the type of destination that the resource of an ARN is, and whether it can be one at all.
func kindOf(arn string) (string, bool) {
	a, ok := aws.ParseARN(arn)
	switch {
	case !ok:
	case a.Service == "s3" && a.Resource != "":
		return string(logsapi.DeliveryDestinationTypeS3), true
	case a.Service == "firehose" && strings.HasPrefix(a.Resource, "deliverystream/"):
		return string(logsapi.DeliveryDestinationTypeFH), true
	case a.Service == "logs":
		_, name, ok := form.ParseGroupARN(arn)
		return string(logsapi.DeliveryDestinationTypeCWL), ok && form.CheckGroupName(name) == nil
	}
	return "", false
}

// described is the destination that a request describes.
func (s *Deliveries) described(ctx context.Context, in *logsapi.PutDeliveryDestinationInput) (r destinationRecord, err error) {
	r = destinationRecord{Type: string(in.DeliveryDestinationType.V), Format: string(in.OutputFormat.V), Role: in.RoleArn.V, Tags: in.Tags}
	if in.OutputFormat.Set && !slices.Contains(formats[:], r.Format) {
		return r, logsapi.ValidationException("%s", form.Violation(r.Format, "outputFormat", "satisfy enum value set: ["+strings.Join(formats[:], ", ")+"]").Message)
	}
	if err := form.CheckOne(in.DeliveryDestinationType, "deliveryDestinationType"); err != nil {
		return r, validation(err)
	}
	xray := r.Type == string(logsapi.DeliveryDestinationTypeXRAY)
	if in.DeliveryDestinationConfiguration != nil {
		r.Resource = in.DeliveryDestinationConfiguration.DestinationResourceArn
	}
	switch {
	case xray && r.Resource != "":
		return r, logsapi.ValidationException("A Delivery Destination of type XRAY has no destination resource.")
	case xray && r.Format != "":
		return r, logsapi.ValidationException("A Delivery Destination of type XRAY has no output format.")
	case xray:
		return r, s.checkTags(in.Tags)
	case r.Resource == "":
		return r, logsapi.ValidationException("deliveryDestinationConfiguration is required, but for type XRAY.")
	case r.Role != "":
		return r, logsapi.ValidationException("A role can be given only to a Delivery Destination of type XRAY.")
	}
	kind, ok := kindOf(r.Resource)
	if a, _ := aws.ParseARN(r.Resource); !ok || a.Account != "" && a.Account != aws.RequestOf(ctx).Account {
		return r, logsapi.ValidationException("Invalid destination resource ARN: %s", r.Resource)
	}
	if r.Type != "" && r.Type != kind {
		return r, logsapi.ValidationException("The destination resource is not of type %s.", r.Type)
	}
	r.Type = kind
	return r, s.checkTags(in.Tags)
}

// PutDeliveryDestination is logs:PutDeliveryDestination.
func (s *Deliveries) PutDeliveryDestination(ctx context.Context, in *logsapi.PutDeliveryDestinationInput) (*logsapi.PutDeliveryDestinationOutput, error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	r, err := s.described(ctx, in)
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutDeliveryDestinationOutput, error) {
		r := r
		was, is := s.destinations.Get(tx, in.Name)
		var before *destinationRecord
		if is {
			before = &was
			switch {
			case len(in.Tags) > 0:
				return nil, logsapi.ConflictException(lateTags)
			case r.Type != was.Type:
				return nil, logsapi.ConflictException("Update to existing Delivery Destination with new Destination Type is not allowed. Please create a new Delivery Destination instead.")
			case r.Format != "" && r.Format != was.Format:
				return nil, logsapi.ConflictException("Update to existing Delivery Destination with new Output Format is not allowed. Please create a new Delivery Destination instead.")
			}
			r.Format, r.Tags, r.Policy = was.Format, was.Tags, was.Policy
		} else if err := checkRoom(tx, s.destinations, "delivery destinations"); err != nil {
			return nil, err
		}
		s.destinations.Set(tx, r, in.Name)
		s.destinationBecame(ctx, tx, in.Name, before, &r)
		return &logsapi.PutDeliveryDestinationOutput{DeliveryDestination: r.describe(tx.Scope(), in.Name)}, nil
	})
}

// GetDeliveryDestination is logs:GetDeliveryDestination.
func (s *Deliveries) GetDeliveryDestination(ctx context.Context, in *logsapi.GetDeliveryDestinationInput) (*logsapi.GetDeliveryDestinationOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetDeliveryDestinationOutput, error) {
		r, ok := s.destinations.Get(tx, in.Name)
		if !ok {
			return nil, noDeliveryDestination()
		}
		return &logsapi.GetDeliveryDestinationOutput{DeliveryDestination: r.describe(tx.Scope(), in.Name)}, nil
	})
}

// DescribeDeliveryDestinations is logs:DescribeDeliveryDestinations, in the order of their names.
func (s *Deliveries) DescribeDeliveryDestinations(ctx context.Context, in *logsapi.DescribeDeliveryDestinationsInput) (*logsapi.DescribeDeliveryDestinationsOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeDeliveryDestinationsOutput, error) {
		out := &logsapi.DescribeDeliveryDestinationsOutput{DeliveryDestinations: []logsapi.DeliveryDestination{}}
		next, err := page(tx, s.destinations, in.NextToken, in.Limit, func(name string, r destinationRecord) bool {
			if len(in.Names) > 0 && !slices.Contains(in.Names, name) {
				return false
			}
			out.DeliveryDestinations = append(out.DeliveryDestinations, *r.describe(tx.Scope(), name))
			return true
		})
		out.NextToken = next
		return out, err
	})
}

// DeleteDeliveryDestination is logs:DeleteDeliveryDestination. Deliveries of other accounts end with it.
func (s *Deliveries) DeleteDeliveryDestination(ctx context.Context, in *logsapi.DeleteDeliveryDestinationInput) (*logsapi.DeleteDeliveryDestinationOutput, error) {
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteDeliveryDestinationOutput, error) {
		r, ok := s.destinations.Get(tx, in.Name)
		if !ok {
			return nil, noDeliveryDestination()
		}
		arn := deliveryDestinationARN(tx.Scope(), in.Name)
		for _, d := range s.deliveries.Scan(tx, store.ScanOptions{}) {
			if d.Destination == arn {
				return nil, logsapi.ConflictException("The Delivery Destination has deliveries. Delete those first.")
			}
		}
		s.destinations.Delete(tx, in.Name)
		s.destinationBecame(ctx, tx, in.Name, &r, nil)
		return nil, nil
	})
}

// changeDestination changes a destination that is there.
func (s *Deliveries) changeDestination(ctx context.Context, name string, fn func(r *destinationRecord)) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		was, ok := s.destinations.Get(tx, name)
		if !ok {
			return struct{}{}, noDeliveryDestination()
		}
		is := was
		fn(&is)
		s.destinations.Set(tx, is, name)
		s.destinationBecame(ctx, tx, name, &was, &is)
		return struct{}{}, nil
	})
	return err
}

// PutDeliveryDestinationPolicy is logs:PutDeliveryDestinationPolicy.
func (s *Deliveries) PutDeliveryDestinationPolicy(ctx context.Context, in *logsapi.PutDeliveryDestinationPolicyInput) (*logsapi.PutDeliveryDestinationPolicyOutput, error) {
	if _, err := policy.Parse(in.DeliveryDestinationPolicy, policy.Resource); err != nil {
		return nil, logsapi.ValidationException("Invalid Delivery Destination resource Policy is provided.")
	}
	if err := s.changeDestination(ctx, in.DeliveryDestinationName, func(r *destinationRecord) { r.Policy = in.DeliveryDestinationPolicy }); err != nil {
		return nil, err
	}
	return &logsapi.PutDeliveryDestinationPolicyOutput{Policy: &logsapi.Policy{DeliveryDestinationPolicy: aws.Some(in.DeliveryDestinationPolicy)}}, nil
}

// GetDeliveryDestinationPolicy is logs:GetDeliveryDestinationPolicy.
func (s *Deliveries) GetDeliveryDestinationPolicy(ctx context.Context, in *logsapi.GetDeliveryDestinationPolicyInput) (*logsapi.GetDeliveryDestinationPolicyOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetDeliveryDestinationPolicyOutput, error) {
		r, ok := s.destinations.Get(tx, in.DeliveryDestinationName)
		if !ok {
			return nil, noDeliveryDestination()
		}
		return &logsapi.GetDeliveryDestinationPolicyOutput{Policy: &logsapi.Policy{DeliveryDestinationPolicy: aws.NonZero(r.Policy)}}, nil
	})
}

// DeleteDeliveryDestinationPolicy is logs:DeleteDeliveryDestinationPolicy.
func (s *Deliveries) DeleteDeliveryDestinationPolicy(ctx context.Context, in *logsapi.DeleteDeliveryDestinationPolicyInput) (*logsapi.DeleteDeliveryDestinationPolicyOutput, error) {
	return nil, s.changeDestination(ctx, in.DeliveryDestinationName, func(r *destinationRecord) { r.Policy = "" })
}

func (s *Deliveries) destinationLabels() *form.Labels {
	return &form.Labels{
		Get: func(tx *store.Tx, name string) (map[string]string, bool) {
			r, ok := s.destinations.Get(tx, name)
			return r.Tags, ok
		},
		Set: func(ctx context.Context, tx *store.Tx, name string, tags map[string]string) {
			was, _ := s.destinations.Get(tx, name)
			is := was
			is.Tags = maps.Clone(tags)
			s.destinations.Set(tx, is, name)
			s.destinationBecame(ctx, tx, name, &was, &is)
		},
		Missing: noDeliveryDestination,
		Policy: func(tx *store.Tx, name string) string {
			r, _ := s.destinations.Get(tx, name)
			return r.Policy
		},
	}
}
