package vended

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/vendedlogs"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// sourceRecord is a log of a resource that can be delivered.
type sourceRecord struct {
	store.Unknown
	Resource string            `cbor:"1,keyasint"` // ARN
	Type     string            `cbor:"2,keyasint"`
	Tags     map[string]string `cbor:"3,keyasint,omitempty"`
}

// joinRecord says nothing beside its key.
type joinRecord struct{ store.Unknown }

// maxVended is how many sources, destinations and deliveries an account may have in a region, of each.
const maxVended = 1000

const lateTags = "Tags can only be provided when a resource is being created, not updated."

func noDeliverySource() *aws.Error {
	return logsapi.ResourceNotFoundException("Requested Delivery Source does not exist in this account.")
}

func deliverySourceARN(scope aws.Scope, name string) string {
	return scope.ARN("logs", "delivery-source:"+name)
}

// template is what AWS says of the log that a source is.
func (r *sourceRecord) template() *vendedlogs.Template {
	a, _ := aws.ParseARN(r.Resource)
	return vendedlogs.Find(a.Service, a.Resource, r.Type)
}

func (r *sourceRecord) describe(scope aws.Scope, name string) *logsapi.DeliverySource {
	a, _ := aws.ParseARN(r.Resource)
	return &logsapi.DeliverySource{
		Name: aws.Some(name), Arn: aws.Some(deliverySourceARN(scope, name)), ResourceArns: []string{r.Resource},
		Service: aws.Some(a.Service), LogType: aws.Some(r.Type),
	}
}

// checkName checks the name of a source or of a destination.
func checkName(name string) error {
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return logsapi.ValidationException("%s", form.Violation(name, "name", `satisfy regular expression pattern: [\w-]*`).Message)
		}
	}
	return nil
}

// checkTags checks tags that are to be given.
func (s *Deliveries) checkTags(tags map[string]string) error {
	return validation(s.host.CheckTags(tags))
}

// validation is err as operations on deliveries answer it.
func validation(err error) error {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return logsapi.ValidationException("%s", e.Message)
	}
	return err
}

// checkRoom refuses a record more where there is no room for it.
func checkRoom[V any](tx *store.Tx, t store.Table[V], what string) error {
	n := 0
	for range t.Keys(tx, store.ScanOptions{Limit: maxVended}) {
		n++
	}
	if n == maxVended {
		return logsapi.ServiceQuotaExceededException("An account can have at most %d %s in a region.", maxVended, what)
	}
	return nil
}

// PutDeliverySource is logs:PutDeliverySource. Whether there is such a resource is not asked: what is not there logs nothing.
func (s *Deliveries) PutDeliverySource(ctx context.Context, in *logsapi.PutDeliverySourceInput) (*logsapi.PutDeliverySourceOutput, error) {
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	a, ok := aws.ParseARN(in.ResourceArn)
	switch {
	case !ok:
		return nil, logsapi.ValidationException("Invalid resource ARN: %s", in.ResourceArn)
	case !vendedlogs.Knows(a.Service):
		return nil, logsapi.ResourceNotFoundException("Cannot access provided service.")
	case vendedlogs.Find(a.Service, a.Resource, in.LogType) == nil && a.Account == "":
		return nil, logsapi.ResourceNotFoundException("Cannot access provided service.")
	case vendedlogs.Find(a.Service, a.Resource, in.LogType) == nil:
		return nil, logsapi.ValidationException(" This service is not allowed for this LogSource.")
	case a.Account != "" && a.Account != aws.RequestOf(ctx).Account:
		return nil, logsapi.ValidationException("A Delivery Source can be of a resource of this account only: %s", in.ResourceArn)
	case a.Service == "logs" && a.Resource != "log-group:*":
		return nil, logsapi.ValidationException("Logs of queries are of all log groups: the resource ARN must end with log-group:*")
	case len(in.DeliverySourceConfiguration) > 0:
		return nil, logsapi.ValidationException("The log type %s has no configuration.", in.LogType)
	}
	if err := s.checkTags(in.Tags); err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutDeliverySourceOutput, error) {
		was, is := s.sources.Get(tx, in.Name)
		r := sourceRecord{Resource: in.ResourceArn, Type: in.LogType, Tags: in.Tags}
		var before *sourceRecord
		if is {
			before = &was
			switch {
			case len(in.Tags) > 0:
				return nil, logsapi.ConflictException(lateTags)
			case was.Resource != r.Resource:
				return nil, logsapi.ConflictException("Update to existing Delivery Source with new ResourceId is not allowed. Please create a new Delivery Source instead.")
			case was.Type != r.Type && s.hasDelivery(tx, in.Name):
				return nil, logsapi.ConflictException("Update to existing Delivery Source with new LogType is not allowed while it has deliveries.")
			}
			r.Tags = was.Tags
			s.resources.Delete(tx, was.Resource, was.Type)
		} else if err := checkRoom(tx, s.sources, "delivery sources"); err != nil {
			return nil, err
		}
		if s.resources.Has(tx, r.Resource, r.Type) {
			return nil, logsapi.ConflictException("This ResourceId has already been used in another Delivery Source in this account.")
		}
		s.sources.Set(tx, r, in.Name)
		s.resources.Set(tx, in.Name, r.Resource, r.Type)
		s.sourceBecame(ctx, tx, in.Name, before, &r)
		return &logsapi.PutDeliverySourceOutput{DeliverySource: r.describe(tx.Scope(), in.Name)}, nil
	})
}

// hasDelivery reports whether anything is delivered from a source.
func (s *Deliveries) hasDelivery(tx *store.Tx, source string) bool {
	for range s.joined.Keys(tx, store.ScanOptions{Limit: 1}, source) {
		return true
	}
	return false
}

// GetDeliverySource is logs:GetDeliverySource.
func (s *Deliveries) GetDeliverySource(ctx context.Context, in *logsapi.GetDeliverySourceInput) (*logsapi.GetDeliverySourceOutput, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetDeliverySourceOutput, error) {
		r, ok := s.sources.Get(tx, in.Name)
		if !ok {
			return nil, noDeliverySource()
		}
		return &logsapi.GetDeliverySourceOutput{DeliverySource: r.describe(tx.Scope(), in.Name)}, nil
	})
}

// DescribeDeliverySources is logs:DescribeDeliverySources, in the order of their names.
func (s *Deliveries) DescribeDeliverySources(ctx context.Context, in *logsapi.DescribeDeliverySourcesInput) (*logsapi.DescribeDeliverySourcesOutput, error) {
	wanted := func(r *sourceRecord) bool {
		return len(in.ResourceArns) == 0 || slices.Contains(in.ResourceArns, r.Resource)
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeDeliverySourcesOutput, error) {
		out := &logsapi.DescribeDeliverySourcesOutput{DeliverySources: []logsapi.DeliverySource{}}
		next, err := page(tx, s.sources, in.NextToken, in.Limit, func(name string, r sourceRecord) bool {
			if !wanted(&r) {
				return false
			}
			out.DeliverySources = append(out.DeliverySources, *r.describe(tx.Scope(), name))
			return true
		})
		out.NextToken = next
		return out, err
	})
}

// page gives show the records of a table behind the token, until it has taken as many as a page may have. next is where to go on.
func page[V any](tx *store.Tx, t store.Table[V], token aws.Opt[string], limit aws.Opt[int32], show func(name string, v V) bool) (next aws.Opt[string], err error) {
	after, err := form.PageAfter(token)
	if err != nil {
		return next, logsapi.ValidationException("%s", form.BadToken().Message)
	}
	o := store.ScanOptions{}
	if after != "" {
		o.After = []any{after}
	}
	shown, last := 0, ""
	for k, v := range t.Scan(tx, o) {
		if shown == int(limit.Or(50)) {
			return form.PageToken(last), nil
		}
		name := strings.Clone(k.String(0))
		if show(name, v) {
			shown++
		}
		last = name
	}
	return next, nil
}

// DeleteDeliverySource is logs:DeleteDeliverySource.
func (s *Deliveries) DeleteDeliverySource(ctx context.Context, in *logsapi.DeleteDeliverySourceInput) (*logsapi.DeleteDeliverySourceOutput, error) {
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteDeliverySourceOutput, error) {
		r, ok := s.sources.Get(tx, in.Name)
		switch {
		case !ok:
			return nil, noDeliverySource()
		case s.hasDelivery(tx, in.Name):
			return nil, logsapi.ConflictException("The Delivery Source has deliveries. Delete those first.")
		}
		s.sources.Delete(tx, in.Name)
		s.resources.Delete(tx, r.Resource, r.Type)
		s.sourceBecame(ctx, tx, in.Name, &r, nil)
		return nil, nil
	})
}

func (s *Deliveries) sourceLabels() *form.Labels {
	return &form.Labels{
		Get: func(tx *store.Tx, name string) (map[string]string, bool) {
			r, ok := s.sources.Get(tx, name)
			return r.Tags, ok
		},
		Set: func(ctx context.Context, tx *store.Tx, name string, tags map[string]string) {
			was, _ := s.sources.Get(tx, name)
			is := was
			is.Tags = maps.Clone(tags)
			s.sources.Set(tx, is, name)
			s.sourceBecame(ctx, tx, name, &was, &is)
		},
		Missing: noDeliverySource,
	}
}
