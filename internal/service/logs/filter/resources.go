package filter

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	metricType       = "AWS::Logs::MetricFilter"
	subscriptionType = "AWS::Logs::SubscriptionFilter"
	destinationType  = "AWS::Logs::Destination"
)

// Types are the types of resource that look at events as they come, and where those go. What is done to one is done through api.
func (s *Filters) Types(api logsapi.Client) []resource.Type {
	metrics, subscriptions, recipients := metricResources{api}, subscriptionResources{api}, recipientResources{api}
	return []resource.Type{
		resource.Kind[metricModel]{
			Name: metricType, Service: "CloudWatchLogs",
			Create: metrics.create, Read: metrics.read, Update: metrics.update, Delete: metrics.delete, List: metrics.list,
		}.Type(),
		resource.Kind[subscriptionModel]{
			Name: subscriptionType, Service: "CloudWatchLogs",
			Create: subscriptions.create, Read: subscriptions.read, Update: subscriptions.update, Delete: subscriptions.delete, List: subscriptions.list,
		}.Type(),
		resource.Kind[recipientModel]{
			Name: destinationType, Service: "CloudWatchLogs",
			Create: recipients.create, Read: recipients.read, Update: recipients.update, Delete: recipients.delete, List: recipients.list,
			Tags: s.destinationTags(api),
		}.Type(),
	}
}

// notFound reports whether an answer says that there is no such thing.
func notFound(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == logsapi.ErrResourceNotFoundException
}

// missing is err; where it says that there is no such thing, the failure of a resource that is missing.
func missing(err error, typeName, id string) error {
	if notFound(err) {
		return resource.Missing(typeName, id)
	}
	return err
}

// became tells the feed what a resource of a type was and is; nil where it was not, or is not any more.
func became[R, M any](ctx context.Context, s *Filters, tx *store.Tx, typeName, arn string, was, is *R, model func(*R) M) {
	if !s.o.Changes.Watched(typeName) {
		return
	}
	text := func(r *R) string {
		if r == nil {
			return ""
		}
		b, err := json.Marshal(model(r))
		if err != nil {
			panic(err) // it is made of strings and numbers
		}
		return string(b)
	}
	s.o.Changes.Became(ctx, tx, typeName, arn, text(was), text(is))
}

// metricModel is a metric filter by its properties.
type metricModel struct {
	LogGroupName              string           `json:",omitempty"`
	FilterName                string           `json:",omitempty"`
	FilterPattern             *string          `json:",omitempty"`
	MetricTransformations     []transformModel `json:",omitempty"`
	ApplyOnTransformedLogs    *bool            `json:",omitempty"`
	FieldSelectionCriteria    string           `json:",omitempty"`
	EmitSystemFieldDimensions []string         `json:",omitempty"`
}

type transformModel struct {
	MetricName      string           `json:",omitempty"`
	MetricNamespace string           `json:",omitempty"`
	MetricValue     string           `json:",omitempty"`
	DefaultValue    *float64         `json:",omitempty"`
	Unit            string           `json:",omitempty"`
	Dimensions      []dimensionModel `json:",omitempty"`
}

type dimensionModel struct{ Key, Value string }

func (m *metricModel) id() string { return m.LogGroupName + "|" + m.FilterName }

func metricModelOf(f logsapi.MetricFilter) metricModel {
	m := metricModel{
		LogGroupName: f.LogGroupName.V, FilterName: f.FilterName.V, FilterPattern: &f.FilterPattern.V, ApplyOnTransformedLogs: &f.ApplyOnTransformedLogs.V,
		FieldSelectionCriteria: f.FieldSelectionCriteria.V, EmitSystemFieldDimensions: f.EmitSystemFieldDimensions,
	}
	for _, t := range f.MetricTransformations {
		x := transformModel{MetricName: t.MetricName, MetricNamespace: t.MetricNamespace, MetricValue: t.MetricValue, Unit: string(t.Unit.V)}
		if t.DefaultValue.Set {
			x.DefaultValue = &t.DefaultValue.V
		}
		for _, k := range slices.Sorted(maps.Keys(t.Dimensions)) {
			x.Dimensions = append(x.Dimensions, dimensionModel{k, t.Dimensions[k]})
		}
		m.MetricTransformations = append(m.MetricTransformations, x)
	}
	return m
}

func (s *Filters) metricBecame(ctx context.Context, tx *store.Tx, group, name string, was, is *metricRecord) {
	became(ctx, s, tx, metricType, form.GroupARN(tx.Scope(), group)+":metric-filter:"+name, was, is, func(r *metricRecord) metricModel {
		return metricModelOf(describeMetric(group, name, r))
	})
}

type metricResources struct{ api logsapi.Client }

// put makes or changes a filter.
func (t metricResources) put(ctx context.Context, m metricModel) (metricModel, error) {
	in := &logsapi.PutMetricFilterInput{
		LogGroupName: m.LogGroupName, FilterName: m.FilterName, FieldSelectionCriteria: aws.NonZero(m.FieldSelectionCriteria), EmitSystemFieldDimensions: m.EmitSystemFieldDimensions,
	}
	if m.FilterPattern != nil {
		in.FilterPattern = *m.FilterPattern
	}
	if m.ApplyOnTransformedLogs != nil {
		in.ApplyOnTransformedLogs = aws.Some(*m.ApplyOnTransformedLogs)
	}
	for _, x := range m.MetricTransformations {
		n := logsapi.MetricTransformation{MetricName: x.MetricName, MetricNamespace: x.MetricNamespace, MetricValue: x.MetricValue, Unit: aws.NonZero(logsapi.StandardUnit(x.Unit))}
		if x.DefaultValue != nil {
			n.DefaultValue = aws.Some(*x.DefaultValue)
		}
		for _, d := range x.Dimensions {
			if n.Dimensions == nil {
				n.Dimensions = map[string]string{}
			}
			n.Dimensions[d.Key] = d.Value
		}
		in.MetricTransformations = append(in.MetricTransformations, n)
	}
	_, err := t.api.PutMetricFilter(ctx, in)
	return m, missing(err, metricType, m.id())
}

func (t metricResources) create(ctx context.Context, r resource.Request, desired metricModel) (metricModel, error) {
	if desired.FilterName == "" {
		desired.FilterName = r.Name(512)
	}
	if !r.Again {
		if _, err := t.read(ctx, desired); err == nil {
			return metricModel{}, resource.Exists(metricType, desired.id())
		}
	}
	return t.put(ctx, desired)
}

func (t metricResources) read(ctx context.Context, id metricModel) (metricModel, error) {
	out, err := t.api.DescribeMetricFilters(ctx, &logsapi.DescribeMetricFiltersInput{
		LogGroupName: aws.Some(id.LogGroupName), FilterNamePrefix: aws.Some(id.FilterName), Limit: aws.Some[int32](1),
	})
	if err != nil {
		return metricModel{}, missing(err, metricType, id.id())
	}
	if len(out.MetricFilters) == 0 || out.MetricFilters[0].FilterName.V != id.FilterName {
		return metricModel{}, resource.Missing(metricType, id.id())
	}
	return metricModelOf(out.MetricFilters[0]), nil
}

func (t metricResources) update(ctx context.Context, _ resource.Request, before, desired metricModel) (metricModel, error) {
	desired.LogGroupName, desired.FilterName = before.LogGroupName, before.FilterName
	if _, err := t.read(ctx, before); err != nil {
		return metricModel{}, err
	}
	return t.put(ctx, desired)
}

func (t metricResources) delete(ctx context.Context, r resource.Request, was metricModel) error {
	_, err := t.api.DeleteMetricFilter(ctx, &logsapi.DeleteMetricFilterInput{LogGroupName: was.LogGroupName, FilterName: was.FilterName})
	if r.Again && notFound(err) {
		return nil
	}
	return missing(err, metricType, was.id())
}

func (t metricResources) list(ctx context.Context, like metricModel, page resource.Page) (list []metricModel, next string, err error) {
	out, err := t.api.DescribeMetricFilters(ctx, &logsapi.DescribeMetricFiltersInput{
		LogGroupName: aws.NonZero(like.LogGroupName), Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After),
	})
	if err != nil {
		return nil, "", missing(err, "AWS::Logs::LogGroup", like.LogGroupName)
	}
	for _, f := range out.MetricFilters {
		list = append(list, metricModel{LogGroupName: f.LogGroupName.V, FilterName: f.FilterName.V})
	}
	return list, out.NextToken.V, nil
}

// subscriptionModel is a subscription filter by its properties.
type subscriptionModel struct {
	LogGroupName           string   `json:",omitempty"`
	FilterName             string   `json:",omitempty"`
	FilterPattern          *string  `json:",omitempty"`
	DestinationArn         string   `json:",omitempty"`
	RoleArn                string   `json:",omitempty"`
	Distribution           string   `json:",omitempty"`
	ApplyOnTransformedLogs *bool    `json:",omitempty"`
	FieldSelectionCriteria string   `json:",omitempty"`
	EmitSystemFields       []string `json:",omitempty"`
}

func (m *subscriptionModel) id() string { return m.FilterName + "|" + m.LogGroupName }

func (s *Filters) subscriptionBecame(ctx context.Context, tx *store.Tx, group, name string, was, is *subscriptionRecord) {
	became(ctx, s, tx, subscriptionType, form.GroupARN(tx.Scope(), group)+":subscription-filter:"+name, was, is, func(r *subscriptionRecord) subscriptionModel {
		return subscriptionModel{group, name, &r.Pattern, r.Destination, r.Role, r.Distribution, &r.Shaped, r.Criteria, r.System}
	})
}

type subscriptionResources struct{ api logsapi.Client }

func (t subscriptionResources) put(ctx context.Context, m subscriptionModel) (subscriptionModel, error) {
	in := &logsapi.PutSubscriptionFilterInput{
		LogGroupName: m.LogGroupName, FilterName: m.FilterName, DestinationArn: m.DestinationArn, RoleArn: aws.NonZero(m.RoleArn),
		Distribution: aws.NonZero(logsapi.Distribution(m.Distribution)), FieldSelectionCriteria: aws.NonZero(m.FieldSelectionCriteria), EmitSystemFields: m.EmitSystemFields,
	}
	if m.FilterPattern != nil {
		in.FilterPattern = *m.FilterPattern
	}
	if m.ApplyOnTransformedLogs != nil {
		in.ApplyOnTransformedLogs = aws.Some(*m.ApplyOnTransformedLogs)
	}
	_, err := t.api.PutSubscriptionFilter(ctx, in)
	return m, missing(err, subscriptionType, m.id())
}

func (t subscriptionResources) create(ctx context.Context, r resource.Request, desired subscriptionModel) (subscriptionModel, error) {
	if desired.FilterName == "" {
		desired.FilterName = r.Name(512)
	}
	if !r.Again {
		if _, err := t.read(ctx, desired); err == nil {
			return subscriptionModel{}, resource.Exists(subscriptionType, desired.id())
		}
	}
	return t.put(ctx, desired)
}

func (t subscriptionResources) read(ctx context.Context, id subscriptionModel) (subscriptionModel, error) {
	out, err := t.api.DescribeSubscriptionFilters(ctx, &logsapi.DescribeSubscriptionFiltersInput{LogGroupName: id.LogGroupName, FilterNamePrefix: aws.Some(id.FilterName)})
	if err != nil {
		return subscriptionModel{}, missing(err, subscriptionType, id.id())
	}
	for _, f := range out.SubscriptionFilters {
		if f.FilterName.V == id.FilterName {
			return subscriptionModel{
				id.LogGroupName, id.FilterName, &f.FilterPattern.V, f.DestinationArn.V, f.RoleArn.V, string(f.Distribution.V), &f.ApplyOnTransformedLogs.V,
				f.FieldSelectionCriteria.V, f.EmitSystemFields,
			}, nil
		}
	}
	return subscriptionModel{}, resource.Missing(subscriptionType, id.id())
}

func (t subscriptionResources) update(ctx context.Context, _ resource.Request, before, desired subscriptionModel) (subscriptionModel, error) {
	desired.LogGroupName, desired.FilterName = before.LogGroupName, before.FilterName
	if _, err := t.read(ctx, before); err != nil {
		return subscriptionModel{}, err
	}
	return t.put(ctx, desired)
}

func (t subscriptionResources) delete(ctx context.Context, r resource.Request, was subscriptionModel) error {
	_, err := t.api.DeleteSubscriptionFilter(ctx, &logsapi.DeleteSubscriptionFilterInput{LogGroupName: was.LogGroupName, FilterName: was.FilterName})
	if r.Again && notFound(err) {
		return nil
	}
	return missing(err, subscriptionType, was.id())
}

func (t subscriptionResources) list(ctx context.Context, like subscriptionModel, page resource.Page) (list []subscriptionModel, next string, err error) {
	out, err := t.api.DescribeSubscriptionFilters(ctx, &logsapi.DescribeSubscriptionFiltersInput{
		LogGroupName: like.LogGroupName, Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After),
	})
	if err != nil {
		return nil, "", missing(err, "AWS::Logs::LogGroup", like.LogGroupName)
	}
	for _, f := range out.SubscriptionFilters {
		list = append(list, subscriptionModel{LogGroupName: like.LogGroupName, FilterName: f.FilterName.V})
	}
	return list, out.NextToken.V, nil
}

// recipientModel is a destination by its properties.
type recipientModel struct {
	DestinationName   string     `json:",omitempty"`
	Arn               string     `json:",omitempty"`
	TargetArn         string     `json:",omitempty"`
	RoleArn           string     `json:",omitempty"`
	DestinationPolicy string     `json:",omitempty"`
	Tags              []form.Tag `json:",omitempty"`
}

func (s *Filters) destinationBecame(ctx context.Context, tx *store.Tx, name string, was, is *destinationRecord) {
	arn := destinationARN(tx.Scope(), name)
	became(ctx, s, tx, destinationType, arn, was, is, func(r *destinationRecord) recipientModel {
		return recipientModel{name, arn, r.Target, r.Role, r.Policy, form.ModelTags(r.Tags)}
	})
}

// DestinationTags are the tags of a destination; false where there is none of that name.
func (s *Filters) DestinationTags(tx *store.Tx, name string) (map[string]string, bool) {
	r, ok := s.destinations.Get(tx, name)
	return r.Tags, ok
}

// SetDestinationTags gives a destination, which is there, other tags.
func (s *Filters) SetDestinationTags(ctx context.Context, tx *store.Tx, name string, tags map[string]string) {
	was, _ := s.destinations.Get(tx, name)
	is := was
	is.Tags = maps.Clone(tags)
	s.destinations.Set(tx, is, name)
	s.destinationBecame(ctx, tx, name, &was, &is)
}

// DestinationPolicy is who may subscribe to a destination; empty where there is none of that name.
func (s *Filters) DestinationPolicy(tx *store.Tx, name string) string {
	r, _ := s.destinations.Get(tx, name)
	return r.Policy
}

type recipientResources struct{ api logsapi.Client }

func (t recipientResources) put(ctx context.Context, m recipientModel, tags map[string]string) (recipientModel, error) {
	out, err := t.api.PutDestination(ctx, &logsapi.PutDestinationInput{DestinationName: m.DestinationName, TargetArn: m.TargetArn, RoleArn: m.RoleArn, Tags: tags})
	if err != nil {
		return recipientModel{}, err
	}
	if m.DestinationPolicy != "" {
		if _, err := t.api.PutDestinationPolicy(ctx, &logsapi.PutDestinationPolicyInput{DestinationName: m.DestinationName, AccessPolicy: m.DestinationPolicy}); err != nil {
			return recipientModel{}, missing(err, destinationType, m.DestinationName)
		}
	}
	m.Arn = out.Destination.Arn.V
	return m, nil
}

func (t recipientResources) create(ctx context.Context, r resource.Request, desired recipientModel) (recipientModel, error) {
	if !r.Again {
		if _, _, err := t.find(ctx, desired.DestinationName); err == nil {
			return recipientModel{}, resource.Exists(destinationType, desired.DestinationName)
		}
	}
	return t.put(ctx, desired, form.WantedTags(desired.Tags, r.Tags))
}

// find is a destination without its tags.
func (t recipientResources) find(ctx context.Context, name string) (m recipientModel, arn string, err error) {
	out, err := t.api.DescribeDestinations(ctx, &logsapi.DescribeDestinationsInput{DestinationNamePrefix: aws.Some(name), Limit: aws.Some[int32](1)})
	if err != nil {
		return m, "", err
	}
	if len(out.Destinations) == 0 || out.Destinations[0].DestinationName.V != name {
		return m, "", resource.Missing(destinationType, name)
	}
	d := out.Destinations[0]
	return recipientModel{DestinationName: name, Arn: d.Arn.V, TargetArn: d.TargetArn.V, RoleArn: d.RoleArn.V, DestinationPolicy: d.AccessPolicy.V}, d.Arn.V, nil
}

func (t recipientResources) read(ctx context.Context, id recipientModel) (recipientModel, error) {
	m, arn, err := t.find(ctx, id.DestinationName)
	if err != nil {
		return m, err
	}
	m.Tags, err = form.TagsOf(ctx, t.api, arn)
	return m, missing(err, destinationType, id.DestinationName)
}

func (t recipientResources) update(ctx context.Context, r resource.Request, before, desired recipientModel) (recipientModel, error) {
	now, err := t.read(ctx, before)
	if err != nil {
		return recipientModel{}, err
	}
	if now.DestinationPolicy != "" && desired.DestinationPolicy == "" {
		return recipientModel{}, form.Invalid("The policy of a destination can be replaced, and not be taken away.")
	}
	desired.DestinationName = before.DestinationName
	is, err := t.put(ctx, desired, nil)
	if err != nil {
		return recipientModel{}, err
	}
	return is, missing(form.Retag(ctx, t.api, is.Arn, before.Tags, form.WantedTags(desired.Tags, r.Tags)), destinationType, before.DestinationName)
}

func (t recipientResources) delete(ctx context.Context, r resource.Request, was recipientModel) error {
	_, err := t.api.DeleteDestination(ctx, &logsapi.DeleteDestinationInput{DestinationName: was.DestinationName})
	if r.Again && notFound(err) {
		return nil
	}
	return missing(err, destinationType, was.DestinationName)
}

func (t recipientResources) list(ctx context.Context, _ recipientModel, page resource.Page) (list []recipientModel, next string, err error) {
	out, err := t.api.DescribeDestinations(ctx, &logsapi.DescribeDestinationsInput{Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, d := range out.Destinations {
		list = append(list, recipientModel{DestinationName: d.DestinationName.V})
	}
	return list, out.NextToken.V, nil
}

// destinationTags is how destinations are tagged.
func (s *Filters) destinationTags(api logsapi.Client) *resource.Tags {
	nameOf := func(a aws.ARN) (string, bool) {
		name, ok := strings.CutPrefix(a.Resource, "destination:")
		return name, ok && a.Service == "logs"
	}
	return &resource.Tags{
		Service: "logs", Kind: "destination",
		Match: func(a aws.ARN) bool { _, ok := nameOf(a); return ok },
		List: func(ctx context.Context, after string, limit int) ([]resource.Tagged, error) {
			var o store.ScanOptions
			if a, ok := aws.ParseARN(after); ok {
				if name, ok := nameOf(a); ok {
					o.After = []any{name}
				}
			}
			return store.View(ctx, s.space, func(tx *store.Tx) (list []resource.Tagged, _ error) {
				for k, r := range s.destinations.Scan(tx, o) {
					if len(list) == limit {
						break
					}
					if len(r.Tags) > 0 {
						list = append(list, resource.Tagged{ARN: destinationARN(tx.Scope(), k.String(0)), Tags: r.Tags})
					}
				}
				return list, nil
			})
		},
		Get: func(ctx context.Context, a aws.ARN) (map[string]string, error) {
			name, _ := nameOf(a)
			return store.View(ctx, s.space, func(tx *store.Tx) (map[string]string, error) {
				r, ok := s.destinations.Get(tx.In(a.Scope()), name)
				if !ok {
					return nil, resource.Missing(destinationType, a.String())
				}
				return r.Tags, nil
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
