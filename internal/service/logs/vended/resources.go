package vended

import (
	"context"
	"errors"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	sourceType      = "AWS::Logs::DeliverySource"
	destinationType = "AWS::Logs::DeliveryDestination"
	deliveryType    = "AWS::Logs::Delivery"
)

// DeliveryTypes are the types of resource that deliveries are made of.
func (s *Deliveries) DeliveryTypes(api logsapi.Client) []resource.Type {
	sources, destinations, deliveries := sourceResources{api}, destinationResources{api}, deliveryResources{api}
	return []resource.Type{
		resource.Kind[sourceModel]{
			Name: sourceType, Service: "CloudWatchLogs",
			Create: sources.create, Read: sources.read, Update: sources.update, Delete: sources.delete, List: sources.list,
			Tags: KindTags(s.space, api, "delivery-source", sourceType, s.sources, func(r *sourceRecord) map[string]string { return r.Tags }),
		}.Type(),
		resource.Kind[destinationModel]{
			Name: destinationType, Service: "CloudWatchLogs",
			Create: destinations.create, Read: destinations.read, Update: destinations.update, Delete: destinations.delete, List: destinations.list,
			Tags: KindTags(s.space, api, "delivery-destination", destinationType, s.destinations, func(r *destinationRecord) map[string]string { return r.Tags }),
		}.Type(),
		resource.Kind[deliveryModel]{
			Name: deliveryType, Service: "CloudWatchLogs",
			Create: deliveries.create, Read: deliveries.read, Update: deliveries.update, Delete: deliveries.delete, List: deliveries.list,
			Tags: KindTags(s.space, api, "delivery", deliveryType, s.deliveries, func(r *deliveryRecord) map[string]string { return r.Tags }),
		}.Type(),
	}
}

// KindTags is how what is in a table is tagged, by ARNs that have kind before the name.
func KindTags[V any](space store.Space, api logsapi.Client, kind, typeName string, table store.Table[V], tagsOf func(*V) map[string]string) *resource.Tags {
	prefix := kind + ":"
	nameIn := func(a aws.ARN) (string, bool) {
		if a.Service == "logs" && len(a.Resource) > len(prefix) && a.Resource[:len(prefix)] == prefix {
			return a.Resource[len(prefix):], true
		}
		return "", false
	}
	return &resource.Tags{
		Service: "logs", Kind: kind,
		Match: func(a aws.ARN) bool { _, ok := nameIn(a); return ok },
		List: func(ctx context.Context, after string, limit int) ([]resource.Tagged, error) {
			var o store.ScanOptions
			if a, ok := aws.ParseARN(after); ok {
				if name, ok := nameIn(a); ok {
					o.After = []any{name}
				}
			}
			return store.View(ctx, space, func(tx *store.Tx) (list []resource.Tagged, _ error) {
				for k, v := range table.Scan(tx, o) {
					if len(list) == limit {
						break
					}
					if tags := tagsOf(&v); len(tags) > 0 {
						list = append(list, resource.Tagged{ARN: tx.Scope().ARN("logs", prefix+k.String(0)), Tags: tags})
					}
				}
				return list, nil
			})
		},
		Get: func(ctx context.Context, a aws.ARN) (map[string]string, error) {
			name, _ := nameIn(a)
			return store.View(ctx, space, func(tx *store.Tx) (map[string]string, error) {
				v, ok := table.Get(tx.In(a.Scope()), name)
				if !ok {
					return nil, resource.Missing(typeName, a.String())
				}
				return tagsOf(&v), nil
			})
		},
		Add: func(ctx context.Context, a aws.ARN, tags map[string]string) error {
			_, err := api.TagResource(ctx, &logsapi.TagResourceInput{ResourceArn: a.String(), Tags: tags})
			return err
		},
		Remove: func(ctx context.Context, a aws.ARN, keys []string) error {
			_, err := api.UntagResource(ctx, &logsapi.UntagResourceInput{ResourceArn: a.String(), TagKeys: keys})
			return err
		},
	}
}

func isMissing(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == logsapi.ErrResourceNotFoundException
}

// missing is err; where it says that there is no such thing, the failure of a resource that is missing.
func missing(err error, typeName, id string) error {
	if isMissing(err) {
		return resource.Missing(typeName, id)
	}
	return err
}

// became tells the feed what a resource was and is, as text says it; nil where it was not, or is not any more.
func became[V any](s *Deliveries, ctx context.Context, tx *store.Tx, typeName, arn string, was, is *V, text func(v *V) string) {
	if !s.changes.Watched(typeName) {
		return
	}
	texts := [2]string{}
	for i, v := range []*V{was, is} {
		if v != nil {
			texts[i] = text(v)
		}
	}
	s.changes.Became(ctx, tx, typeName, arn, texts[0], texts[1])
}

// sourceModel is a delivery source by its properties.
type sourceModel struct {
	Name                        string            `json:",omitempty"`
	Arn                         string            `json:",omitempty"`
	ResourceArn                 string            `json:",omitempty"`
	ResourceArns                []string          `json:",omitempty"`
	Service                     string            `json:",omitempty"`
	LogType                     string            `json:",omitempty"`
	DeliverySourceConfiguration map[string]string `json:",omitempty"`
	Status                      string            `json:",omitempty"`
	StatusReason                string            `json:",omitempty"`
	Tags                        []form.Tag        `json:",omitempty"`
}

func sourceModelOf(d *logsapi.DeliverySource, tags []form.Tag) sourceModel {
	return sourceModel{
		Name: d.Name.V, Arn: d.Arn.V, ResourceArns: d.ResourceArns, Service: d.Service.V, LogType: d.LogType.V,
		Status: string(d.Status.V), StatusReason: string(d.StatusReason.V), Tags: tags,
	}
}

func (s *Deliveries) sourceBecame(ctx context.Context, tx *store.Tx, name string, was, is *sourceRecord) {
	became(s, ctx, tx, sourceType, deliverySourceARN(tx.Scope(), name), was, is, func(r *sourceRecord) string {
		return resource.Text(sourceModelOf(r.describe(tx.Scope(), name), form.ModelTags(r.Tags)))
	})
}

type sourceResources struct{ api logsapi.Client }

func (t sourceResources) create(ctx context.Context, r resource.Request, desired sourceModel) (sourceModel, error) {
	_, err := t.api.GetDeliverySource(ctx, &logsapi.GetDeliverySourceInput{Name: desired.Name})
	switch {
	case err == nil && !r.Again:
		return sourceModel{}, resource.Exists(sourceType, desired.Name)
	case err != nil && !isMissing(err):
		return sourceModel{}, err
	}
	in := &logsapi.PutDeliverySourceInput{
		Name: desired.Name, ResourceArn: desired.ResourceArn, LogType: desired.LogType, DeliverySourceConfiguration: desired.DeliverySourceConfiguration,
	}
	if err != nil { // tags are told only of what is new
		in.Tags = form.WantedTags(desired.Tags, r.Tags)
	}
	out, err := t.api.PutDeliverySource(ctx, in)
	if err != nil {
		return sourceModel{}, err
	}
	return sourceModelOf(out.DeliverySource, desired.Tags), nil
}

func (t sourceResources) read(ctx context.Context, id sourceModel) (sourceModel, error) {
	out, err := t.api.GetDeliverySource(ctx, &logsapi.GetDeliverySourceInput{Name: id.Name})
	if err != nil {
		return sourceModel{}, missing(err, sourceType, id.Name)
	}
	tags, err := form.TagsOf(ctx, t.api, out.DeliverySource.Arn.V)
	return sourceModelOf(out.DeliverySource, tags), missing(err, sourceType, id.Name)
}

func (t sourceResources) update(ctx context.Context, r resource.Request, before, desired sourceModel) (sourceModel, error) {
	now, err := t.read(ctx, before)
	if err != nil {
		return sourceModel{}, err
	}
	in := &logsapi.PutDeliverySourceInput{
		Name: now.Name, ResourceArn: desired.ResourceArn, LogType: desired.LogType, DeliverySourceConfiguration: desired.DeliverySourceConfiguration,
	}
	if in.ResourceArn == "" && len(now.ResourceArns) > 0 { // it is not read back
		in.ResourceArn = now.ResourceArns[0]
	}
	if _, err := t.api.PutDeliverySource(ctx, in); err != nil {
		return sourceModel{}, missing(err, sourceType, now.Name)
	}
	if err := form.Retag(ctx, t.api, now.Arn, before.Tags, form.WantedTags(desired.Tags, r.Tags)); err != nil {
		return sourceModel{}, missing(err, sourceType, now.Name)
	}
	return t.read(ctx, before)
}

func (t sourceResources) delete(ctx context.Context, r resource.Request, was sourceModel) error {
	_, err := t.api.DeleteDeliverySource(ctx, &logsapi.DeleteDeliverySourceInput{Name: was.Name})
	if r.Again && isMissing(err) {
		return nil
	}
	return missing(err, sourceType, was.Name)
}

func (t sourceResources) list(ctx context.Context, _ sourceModel, page resource.Page) (list []sourceModel, next string, err error) {
	out, err := t.api.DescribeDeliverySources(ctx, &logsapi.DescribeDeliverySourcesInput{Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, d := range out.DeliverySources {
		list = append(list, sourceModel{Name: d.Name.V})
	}
	return list, out.NextToken.V, nil
}

// destinationModel is a delivery destination by its properties.
type destinationModel struct {
	Name                      string            `json:",omitempty"`
	Arn                       string            `json:",omitempty"`
	DestinationResourceArn    string            `json:",omitempty"`
	DeliveryDestinationType   string            `json:",omitempty"`
	OutputFormat              string            `json:",omitempty"`
	DeliveryDestinationPolicy *destinationGrant `json:",omitempty"`
	Tags                      []form.Tag        `json:",omitempty"`
}

// destinationGrant is the policy of a destination as its properties have it.
type destinationGrant struct {
	DeliveryDestinationName   string `json:",omitempty"`
	DeliveryDestinationPolicy any    `json:",omitempty"`
}

func destinationModelOf(d *logsapi.DeliveryDestination, tags []form.Tag) destinationModel {
	m := destinationModel{
		Name: d.Name.V, Arn: d.Arn.V, DeliveryDestinationType: string(d.DeliveryDestinationType.V), OutputFormat: string(d.OutputFormat.V), Tags: tags,
	}
	if d.DeliveryDestinationConfiguration != nil {
		m.DestinationResourceArn = d.DeliveryDestinationConfiguration.DestinationResourceArn
	}
	return m
}

func (s *Deliveries) destinationBecame(ctx context.Context, tx *store.Tx, name string, was, is *destinationRecord) {
	became(s, ctx, tx, destinationType, deliveryDestinationARN(tx.Scope(), name), was, is, func(r *destinationRecord) string {
		return resource.Text(destinationModelOf(r.describe(tx.Scope(), name), form.ModelTags(r.Tags)))
	})
}

type destinationResources struct{ api logsapi.Client }

func (m *destinationModel) input() *logsapi.PutDeliveryDestinationInput {
	in := &logsapi.PutDeliveryDestinationInput{
		Name: m.Name, OutputFormat: aws.NonZero(logsapi.OutputFormat(m.OutputFormat)),
		DeliveryDestinationType: aws.NonZero(logsapi.DeliveryDestinationType(m.DeliveryDestinationType)),
	}
	if m.DestinationResourceArn != "" {
		in.DeliveryDestinationConfiguration = &logsapi.DeliveryDestinationConfiguration{DestinationResourceArn: m.DestinationResourceArn}
	}
	return in
}

// grant gives a destination the policy of its properties.
func (t destinationResources) grant(ctx context.Context, name string, g *destinationGrant) (err error) {
	if g == nil || g.DeliveryDestinationPolicy == nil {
		return nil
	}
	_, err = t.api.PutDeliveryDestinationPolicy(ctx, &logsapi.PutDeliveryDestinationPolicyInput{
		DeliveryDestinationName: name, DeliveryDestinationPolicy: resource.JSON(g.DeliveryDestinationPolicy),
	})
	return err
}

func (t destinationResources) create(ctx context.Context, r resource.Request, desired destinationModel) (destinationModel, error) {
	_, err := t.api.GetDeliveryDestination(ctx, &logsapi.GetDeliveryDestinationInput{Name: desired.Name})
	switch {
	case err == nil && !r.Again:
		return destinationModel{}, resource.Exists(destinationType, desired.Name)
	case err != nil && !isMissing(err):
		return destinationModel{}, err
	}
	in := desired.input()
	if err != nil { // tags are told only of what is new
		in.Tags = form.WantedTags(desired.Tags, r.Tags)
	}
	out, err := t.api.PutDeliveryDestination(ctx, in)
	if err == nil {
		err = t.grant(ctx, desired.Name, desired.DeliveryDestinationPolicy)
	}
	if err != nil {
		return destinationModel{}, err
	}
	return destinationModelOf(out.DeliveryDestination, desired.Tags), nil
}

func (t destinationResources) read(ctx context.Context, id destinationModel) (destinationModel, error) {
	out, err := t.api.GetDeliveryDestination(ctx, &logsapi.GetDeliveryDestinationInput{Name: id.Name})
	if err != nil {
		return destinationModel{}, missing(err, destinationType, id.Name)
	}
	tags, err := form.TagsOf(ctx, t.api, out.DeliveryDestination.Arn.V)
	return destinationModelOf(out.DeliveryDestination, tags), missing(err, destinationType, id.Name)
}

func (t destinationResources) update(ctx context.Context, r resource.Request, before, desired destinationModel) (destinationModel, error) {
	now, err := t.read(ctx, before)
	if err != nil {
		return destinationModel{}, err
	}
	if err := t.grant(ctx, now.Name, desired.DeliveryDestinationPolicy); err != nil {
		return destinationModel{}, missing(err, destinationType, now.Name)
	}
	if before.DeliveryDestinationPolicy != nil && desired.DeliveryDestinationPolicy == nil {
		if _, err := t.api.DeleteDeliveryDestinationPolicy(ctx, &logsapi.DeleteDeliveryDestinationPolicyInput{DeliveryDestinationName: now.Name}); err != nil {
			return destinationModel{}, missing(err, destinationType, now.Name)
		}
	}
	if err := form.Retag(ctx, t.api, now.Arn, before.Tags, form.WantedTags(desired.Tags, r.Tags)); err != nil {
		return destinationModel{}, missing(err, destinationType, now.Name)
	}
	return t.read(ctx, before)
}

func (t destinationResources) delete(ctx context.Context, r resource.Request, was destinationModel) error {
	_, err := t.api.DeleteDeliveryDestination(ctx, &logsapi.DeleteDeliveryDestinationInput{Name: was.Name})
	if r.Again && isMissing(err) {
		return nil
	}
	return missing(err, destinationType, was.Name)
}

func (t destinationResources) list(ctx context.Context, _ destinationModel, page resource.Page) (list []destinationModel, next string, err error) {
	out, err := t.api.DescribeDeliveryDestinations(ctx, &logsapi.DescribeDeliveryDestinationsInput{Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, d := range out.DeliveryDestinations {
		list = append(list, destinationModel{Name: d.Name.V})
	}
	return list, out.NextToken.V, nil
}

// deliveryModel is a delivery by its properties.
type deliveryModel struct {
	DeliveryId                 string     `json:",omitempty"`
	Arn                        string     `json:",omitempty"`
	DeliverySourceName         string     `json:",omitempty"`
	DeliveryDestinationArn     string     `json:",omitempty"`
	DeliveryDestinationType    string     `json:",omitempty"`
	RecordFields               []string   `json:",omitempty"`
	FieldDelimiter             *string    `json:",omitempty"`
	S3EnableHiveCompatiblePath *bool      `json:",omitempty"`
	S3SuffixPath               *string    `json:",omitempty"`
	Tags                       []form.Tag `json:",omitempty"`
}

func deliveryModelOf(d *logsapi.Delivery, tags []form.Tag) deliveryModel {
	m := deliveryModel{
		DeliveryId: d.Id.V, Arn: d.Arn.V, DeliverySourceName: d.DeliverySourceName.V, DeliveryDestinationArn: d.DeliveryDestinationArn.V,
		DeliveryDestinationType: string(d.DeliveryDestinationType.V), RecordFields: d.RecordFields, Tags: tags,
	}
	if d.FieldDelimiter.Set {
		m.FieldDelimiter = &d.FieldDelimiter.V
	}
	if p := d.S3DeliveryConfiguration; p != nil {
		m.S3EnableHiveCompatiblePath = &p.EnableHiveCompatiblePath.V
		if p.SuffixPath.Set {
			m.S3SuffixPath = &p.SuffixPath.V
		}
	}
	return m
}

func (s *Deliveries) deliveryBecame(ctx context.Context, tx *store.Tx, id string, was, is *deliveryRecord) {
	became(s, ctx, tx, deliveryType, deliveryARN(tx.Scope(), id), was, is, func(r *deliveryRecord) string {
		return resource.Text(deliveryModelOf(r.describe(tx.Scope(), id), form.ModelTags(r.Tags)))
	})
}

type deliveryResources struct{ api logsapi.Client }

func (m *deliveryModel) shape() (delimiter aws.Opt[string], paths *logsapi.S3DeliveryConfiguration) {
	if m.FieldDelimiter != nil {
		delimiter = aws.Some(*m.FieldDelimiter)
	}
	if m.S3SuffixPath != nil || m.S3EnableHiveCompatiblePath != nil {
		paths = &logsapi.S3DeliveryConfiguration{}
		if m.S3SuffixPath != nil {
			paths.SuffixPath = aws.NonZero(*m.S3SuffixPath)
		}
		if m.S3EnableHiveCompatiblePath != nil {
			paths.EnableHiveCompatiblePath = aws.Some(*m.S3EnableHiveCompatiblePath)
		}
	}
	return delimiter, paths
}

func (t deliveryResources) create(ctx context.Context, r resource.Request, desired deliveryModel) (deliveryModel, error) {
	in := &logsapi.CreateDeliveryInput{
		DeliverySourceName: desired.DeliverySourceName, DeliveryDestinationArn: desired.DeliveryDestinationArn, RecordFields: desired.RecordFields,
		Tags: form.WantedTags(desired.Tags, r.Tags),
	}
	in.FieldDelimiter, in.S3DeliveryConfiguration = desired.shape()
	out, err := t.api.CreateDelivery(ctx, in)
	if err != nil {
		if !r.Again {
			return deliveryModel{}, err
		}
		was, found := t.find(ctx, desired)
		if found != nil || was.DeliveryId == "" {
			return deliveryModel{}, err
		}
		return was, nil
	}
	return deliveryModelOf(out.Delivery, desired.Tags), nil
}

// find is the delivery between a source and a destination; one without an id where there is none.
func (t deliveryResources) find(ctx context.Context, like deliveryModel) (deliveryModel, error) {
	out, err := t.api.DescribeDeliveries(ctx, &logsapi.DescribeDeliveriesInput{DeliverySourceNames: []string{like.DeliverySourceName}})
	if err != nil {
		return deliveryModel{}, err
	}
	for i := range out.Deliveries {
		if out.Deliveries[i].DeliveryDestinationArn.V == like.DeliveryDestinationArn {
			return deliveryModelOf(&out.Deliveries[i], like.Tags), nil
		}
	}
	return deliveryModel{}, nil
}

func (t deliveryResources) read(ctx context.Context, id deliveryModel) (deliveryModel, error) {
	out, err := t.api.GetDelivery(ctx, &logsapi.GetDeliveryInput{Id: id.DeliveryId})
	if err != nil {
		return deliveryModel{}, missing(err, deliveryType, id.DeliveryId)
	}
	tags, err := form.TagsOf(ctx, t.api, out.Delivery.Arn.V)
	return deliveryModelOf(out.Delivery, tags), missing(err, deliveryType, id.DeliveryId)
}

func (t deliveryResources) update(ctx context.Context, r resource.Request, before, desired deliveryModel) (deliveryModel, error) {
	in := &logsapi.UpdateDeliveryConfigurationInput{Id: before.DeliveryId, RecordFields: desired.RecordFields}
	in.FieldDelimiter, in.S3DeliveryConfiguration = desired.shape()
	if in.RecordFields == nil && before.RecordFields != nil {
		in.RecordFields = []string{} // all of them again
	}
	if _, err := t.api.UpdateDeliveryConfiguration(ctx, in); err != nil {
		return deliveryModel{}, missing(err, deliveryType, before.DeliveryId)
	}
	now, err := t.read(ctx, before)
	if err == nil {
		err = form.Retag(ctx, t.api, now.Arn, before.Tags, form.WantedTags(desired.Tags, r.Tags))
	}
	if err != nil {
		return deliveryModel{}, missing(err, deliveryType, before.DeliveryId)
	}
	return t.read(ctx, before)
}

func (t deliveryResources) delete(ctx context.Context, r resource.Request, was deliveryModel) error {
	_, err := t.api.DeleteDelivery(ctx, &logsapi.DeleteDeliveryInput{Id: was.DeliveryId})
	if r.Again && isMissing(err) {
		return nil
	}
	return missing(err, deliveryType, was.DeliveryId)
}

func (t deliveryResources) list(ctx context.Context, _ deliveryModel, page resource.Page) (list []deliveryModel, next string, err error) {
	out, err := t.api.DescribeDeliveries(ctx, &logsapi.DescribeDeliveriesInput{Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, d := range out.Deliveries {
		list = append(list, deliveryModel{DeliveryId: d.Id.V})
	}
	return list, out.NextToken.V, nil
}
