package vended

import (
	"context"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/vendedlogs"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// deliveryRecord is a source joined to a destination.
type deliveryRecord struct {
	store.Unknown
	Source      string            `cbor:"1,keyasint"` // name
	Destination string            `cbor:"2,keyasint"` // ARN: it may be another account's
	Type        string            `cbor:"3,keyasint"` // the destination's
	Fields      []string          `cbor:"4,keyasint,omitempty"`
	Delimiter   *string           `cbor:"5,keyasint,omitempty"`
	Suffix      string            `cbor:"6,keyasint,omitempty"` // of S3's keys
	Hive        bool              `cbor:"7,keyasint,omitempty"`
	Paths       bool              `cbor:"8,keyasint,omitempty"` // S3's keys were spoken of
	Tags        map[string]string `cbor:"9,keyasint,omitempty"`
}

func noDelivery() *aws.Error {
	return logsapi.ResourceNotFoundException("Requested Delivery does not exist in this account.")
}

func deliveryARN(scope aws.Scope, id string) string { return scope.ARN("logs", "delivery:"+id) }

func (r *deliveryRecord) describe(scope aws.Scope, id string) *logsapi.Delivery {
	d := &logsapi.Delivery{
		Id: aws.Some(id), Arn: aws.Some(deliveryARN(scope, id)), DeliverySourceName: aws.Some(r.Source), DeliveryDestinationArn: aws.Some(r.Destination),
		DeliveryDestinationType: aws.Some(logsapi.DeliveryDestinationType(r.Type)), RecordFields: r.Fields,
	}
	if r.Delimiter != nil {
		d.FieldDelimiter = aws.Some(*r.Delimiter)
	}
	if r.Paths {
		d.S3DeliveryConfiguration = &logsapi.S3DeliveryConfiguration{SuffixPath: aws.NonZero(r.Suffix), EnableHiveCompatiblePath: aws.Some(r.Hive)}
	}
	return d
}

// shape takes over what a request says of how records are to be delivered, and checks it against what the log has.
func (r *deliveryRecord) shape(t *vendedlogs.Template, fields []string, delimiter aws.Opt[string], paths *logsapi.S3DeliveryConfiguration) error {
	if fields != nil {
		r.Fields = slices.Clone(fields)
	}
	if delimiter.Set {
		r.Delimiter = &delimiter.V
	}
	if paths != nil {
		r.Paths, r.Suffix, r.Hive = true, paths.SuffixPath.V, paths.EnableHiveCompatiblePath.V
	}
	switch {
	case paths != nil && r.Type != string(logsapi.DeliveryDestinationTypeS3),
		delimiter.Set && r.Type == string(logsapi.DeliveryDestinationTypeXRAY):
		return logsapi.ValidationException("Provided delivery configuration is invalid for the destination type.")
	case t.Unknown(r.Fields) != "":
		return logsapi.ValidationException("The record field %s is not one of the log type %s.", t.Unknown(r.Fields), t.Type)
	case len(r.Fields) > 0 && t.Lacks(r.Fields) != "":
		return logsapi.ValidationException("The record field %s of the log type %s is mandatory.", t.Lacks(r.Fields), t.Type)
	}
	return nil
}

// newDeliveryID is an id as AWS has them: letters and digits.
func newDeliveryID(tx *store.Tx) string {
	n, _ := new(big.Int).SetString(strings.ReplaceAll(tx.NewID(), "-", ""), 16)
	s := "0000000000000000" + n.Text(62)
	return s[len(s)-16:]
}

// CreateDelivery is logs:CreateDelivery.
func (s *Deliveries) CreateDelivery(ctx context.Context, in *logsapi.CreateDeliveryInput) (*logsapi.CreateDeliveryOutput, error) {
	if err := s.checkTags(in.Tags); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.CreateDeliveryOutput, error) {
		source, ok := s.sources.Get(tx, in.DeliverySourceName)
		if !ok {
			return nil, noDeliverySource()
		}
		to, ok := s.destinationOf(tx, in.DeliveryDestinationArn)
		if !ok {
			return nil, noDeliveryDestination()
		}
		t := source.template()
		formats, ok := t.Formats(to.Type)
		switch {
		case !ok:
			return nil, logsapi.ValidationException("The log type %s cannot be delivered to a Delivery Destination of type %s.", t.Type, to.Type)
		case to.Format != "" && !slices.Contains(formats, to.Format):
			return nil, logsapi.ValidationException("The log type %s cannot be delivered to a Delivery Destination of type %s in the output format %s.", t.Type, to.Type, to.Format)
		}
		r := deliveryRecord{Source: in.DeliverySourceName, Destination: in.DeliveryDestinationArn, Type: to.Type, Tags: in.Tags}
		if err := r.shape(t, in.RecordFields, in.FieldDelimiter, in.S3DeliveryConfiguration); err != nil {
			return nil, err
		}
		for k := range s.joined.Keys(tx, store.ScanOptions{}, r.Source) {
			switch d, _ := s.deliveries.Get(tx, k.String(1)); {
			case d.Destination == r.Destination:
				return nil, logsapi.ConflictException("The specified Delivery already exists")
			case d.Type == r.Type:
				return nil, logsapi.ConflictException("Delivery already exists for this Delivery Source with the same Delivery Destination Type.")
			}
		}
		if err := checkRoom(tx, s.deliveries, "deliveries"); err != nil {
			return nil, err
		}
		if a, group, ok := form.ParseGroupARN(to.Resource); ok && !s.host.HasGroup(tx.In(a.Scope()), group) {
			return nil, form.NoGroup()
		}
		id := newDeliveryID(tx)
		s.deliveries.Set(tx, r, id)
		s.joined.Set(tx, joinRecord{}, r.Source, id)
		s.deliveryBecame(ctx, tx, id, nil, &r)
		return &logsapi.CreateDeliveryOutput{Delivery: r.describe(tx.Scope(), id)}, nil
	})
}

// destinationRecord is the destination of an ARN, of whatever account.
func (s *Deliveries) destinationOf(tx *store.Tx, arn string) (destinationRecord, bool) {
	a, ok := aws.ParseARN(arn)
	name, is := strings.CutPrefix(a.Resource, "delivery-destination:")
	if !ok || !is || a.Service != "logs" || a.Region != tx.Scope().Region {
		return destinationRecord{}, false
	}
	return s.destinations.Get(tx.In(a.Scope()), name)
}

// UpdateDeliveryConfiguration is logs:UpdateDeliveryConfiguration.
func (s *Deliveries) UpdateDeliveryConfiguration(ctx context.Context, in *logsapi.UpdateDeliveryConfigurationInput) (*logsapi.UpdateDeliveryConfigurationOutput, error) {
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.UpdateDeliveryConfigurationOutput, error) {
		was, ok := s.deliveries.Get(tx, in.Id)
		if !ok {
			return nil, noDelivery()
		}
		source, ok := s.sources.Get(tx, was.Source)
		if !ok {
			return nil, noDeliverySource()
		}
		is := was
		if err := is.shape(source.template(), in.RecordFields, in.FieldDelimiter, in.S3DeliveryConfiguration); err != nil {
			return nil, err
		}
		s.deliveries.Set(tx, is, in.Id)
		s.deliveryBecame(ctx, tx, in.Id, &was, &is)
		return &logsapi.UpdateDeliveryConfigurationOutput{}, nil
	})
}

// GetDelivery is logs:GetDelivery.
func (s *Deliveries) GetDelivery(ctx context.Context, in *logsapi.GetDeliveryInput) (*logsapi.GetDeliveryOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetDeliveryOutput, error) {
		r, ok := s.deliveries.Get(tx, in.Id)
		if !ok {
			return nil, noDelivery()
		}
		return &logsapi.GetDeliveryOutput{Delivery: r.describe(tx.Scope(), in.Id)}, nil
	})
}

// DescribeDeliveries is logs:DescribeDeliveries, in the order of their ids.
func (s *Deliveries) DescribeDeliveries(ctx context.Context, in *logsapi.DescribeDeliveriesInput) (*logsapi.DescribeDeliveriesOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeDeliveriesOutput, error) {
		out := &logsapi.DescribeDeliveriesOutput{Deliveries: []logsapi.Delivery{}}
		next, err := page(tx, s.deliveries, in.NextToken, in.Limit, func(id string, r deliveryRecord) bool {
			if len(in.DeliverySourceNames) > 0 && !slices.Contains(in.DeliverySourceNames, r.Source) {
				return false
			}
			out.Deliveries = append(out.Deliveries, *r.describe(tx.Scope(), id))
			return true
		})
		out.NextToken = next
		return out, err
	})
}

// DeleteDelivery is logs:DeleteDelivery.
func (s *Deliveries) DeleteDelivery(ctx context.Context, in *logsapi.DeleteDeliveryInput) (*logsapi.DeleteDeliveryOutput, error) {
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteDeliveryOutput, error) {
		r, ok := s.deliveries.Get(tx, in.Id)
		if !ok {
			return nil, noDelivery()
		}
		s.deliveries.Delete(tx, in.Id)
		s.joined.Delete(tx, r.Source, in.Id)
		s.deliveryBecame(ctx, tx, in.Id, &r, nil)
		return nil, nil
	})
}

func (s *Deliveries) deliveryLabels() *form.Labels {
	return &form.Labels{
		Get: func(tx *store.Tx, id string) (map[string]string, bool) {
			r, ok := s.deliveries.Get(tx, id)
			return r.Tags, ok
		},
		Set: func(ctx context.Context, tx *store.Tx, id string, tags map[string]string) {
			was, _ := s.deliveries.Get(tx, id)
			is := was
			is.Tags = maps.Clone(tags)
			s.deliveries.Set(tx, is, id)
			s.deliveryBecame(ctx, tx, id, &was, &is)
		},
		Missing: noDelivery,
	}
}
