package filter

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/metric"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// metricRecord is a metric filter.
type metricRecord struct {
	store.Unknown
	Pattern    string            `cbor:"1,keyasint"`
	Regexes    int               `cbor:"2,keyasint,omitempty"`
	Created    int64             `cbor:"3,keyasint"`
	Name       string            `cbor:"4,keyasint"`
	Namespace  string            `cbor:"5,keyasint"`
	Value      string            `cbor:"6,keyasint"`
	Default    *float64          `cbor:"7,keyasint,omitempty"`
	Dimensions map[string]string `cbor:"8,keyasint,omitempty"`
	Unit       string            `cbor:"9,keyasint,omitempty"`
	Shaped     bool              `cbor:"10,keyasint,omitempty"` // it looks at transformed events
	Criteria   string            `cbor:"11,keyasint,omitempty"`
	System     []string          `cbor:"12,keyasint,omitempty"`
}

func (r *metricRecord) definition() metric.Definition {
	return metric.Definition{
		Pattern: r.Pattern, Value: r.Value, Default: r.Default, Dimensions: r.Dimensions, System: r.System, Criteria: r.Criteria,
	}
}

// maxMetricFilters is how many a group may have.
const maxMetricFilters = 100

// PutMetricFilter is logs:PutMetricFilter.
func (s *Filters) PutMetricFilter(ctx context.Context, in *logsapi.PutMetricFilterInput) (*logsapi.PutMetricFilterOutput, error) {
	if err := cmp.Or(form.CheckGroupName(in.LogGroupName), checkFilterName(in.FilterName, "filterName")); err != nil {
		return nil, err
	}
	t := &in.MetricTransformations[0]
	for member, name := range map[string]string{"metricName": t.MetricName, "metricNamespace": t.MetricNamespace} {
		if strings.ContainsAny(name, ":*$") {
			return nil, form.Violation(name, "metricTransformations.1.member."+member, "satisfy regular expression pattern: [^:*$]*")
		}
	}
	if err := form.CheckOne(t.Unit, "metricTransformations.1.member.unit"); err != nil {
		return nil, err
	}
	r := metricRecord{
		Pattern: in.FilterPattern, Name: t.MetricName, Namespace: t.MetricNamespace, Value: t.MetricValue, Dimensions: t.Dimensions,
		Unit: string(t.Unit.V), Shaped: in.ApplyOnTransformedLogs.V, Criteria: in.FieldSelectionCriteria.V, System: in.EmitSystemFieldDimensions,
	}
	if t.DefaultValue.Set {
		r.Default = &t.DefaultValue.V
	}
	pattern, err := logfilter.Parse(r.Pattern)
	if err != nil {
		return nil, form.Invalid("%s", err.Error())
	}
	r.Regexes = pattern.Regexes()
	d := r.definition()
	if _, err := metric.Compile(&d, placeOf(aws.RequestOf(ctx).Scope, in.LogGroupName)); err != nil {
		return nil, form.Invalid("%s", err.Error())
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutMetricFilterOutput, error) {
		g, state, err := s.group(tx, in.LogGroupName)
		if err != nil {
			return nil, err
		}
		if err := watchable(g, "PutMetricFilter"); err != nil {
			return nil, err
		}
		r := r
		was, there := s.metrics.Get(tx, in.LogGroupName, in.FilterName)
		if r.Created = was.Created; !there {
			if state.Metrics == maxMetricFilters {
				return nil, tooMany()
			}
			r.Created = tx.Now().UnixMilli()
			state.Metrics++
		}
		if err := s.checkRegexes(tx, in.LogGroupName, r.Regexes, func(metrics bool, name string) bool { return metrics && name == in.FilterName }); err != nil {
			return nil, err
		}
		s.metrics.Set(tx, r, in.LogGroupName, in.FilterName)
		s.metricNames.Set(tx, struct{}{}, in.FilterName, in.LogGroupName)
		s.changed(tx, g, state)
		s.metricBecame(ctx, tx, in.LogGroupName, in.FilterName, recordOrNone(&was, there), &r)
		return nil, nil
	})
}

// recordOrNone is r where there is one.
func recordOrNone[R any](r *R, there bool) *R {
	if there {
		return r
	}
	return nil
}

// DeleteMetricFilter is logs:DeleteMetricFilter.
func (s *Filters) DeleteMetricFilter(ctx context.Context, in *logsapi.DeleteMetricFilterInput) (*logsapi.DeleteMetricFilterOutput, error) {
	if err := cmp.Or(form.CheckGroupName(in.LogGroupName), checkFilterName(in.FilterName, "filterName")); err != nil {
		return nil, err
	}
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteMetricFilterOutput, error) {
		g, state, err := s.group(tx, in.LogGroupName)
		if err != nil {
			return nil, err
		}
		was, ok := s.metrics.Get(tx, in.LogGroupName, in.FilterName)
		if !ok {
			return nil, logsapi.ResourceNotFoundException("The specified metric filter does not exist.")
		}
		s.metrics.Delete(tx, in.LogGroupName, in.FilterName)
		s.metricNames.Delete(tx, in.FilterName, in.LogGroupName)
		state.Metrics--
		s.changed(tx, g, state)
		s.metricBecame(ctx, tx, in.LogGroupName, in.FilterName, &was, nil)
		return nil, nil
	})
}

// describeMetric is a metric filter as DescribeMetricFilters shows it.
func describeMetric(group, name string, r *metricRecord) logsapi.MetricFilter {
	t := logsapi.MetricTransformation{
		MetricName: r.Name, MetricNamespace: r.Namespace, MetricValue: r.Value, Unit: aws.NonZero(logsapi.StandardUnit(r.Unit)), Dimensions: maps.Clone(r.Dimensions),
	}
	if r.Default != nil {
		t.DefaultValue = aws.Some(*r.Default)
	}
	return logsapi.MetricFilter{
		FilterName: aws.Some(name), FilterPattern: aws.Some(r.Pattern), MetricTransformations: []logsapi.MetricTransformation{t},
		CreationTime: aws.Some(r.Created), LogGroupName: aws.Some(group), ApplyOnTransformedLogs: aws.Some(r.Shaped),
		FieldSelectionCriteria: aws.NonZero(r.Criteria), EmitSystemFieldDimensions: slices.Clone(r.System),
	}
}

// DescribeMetricFilters is logs:DescribeMetricFilters: of a group, or of all, in the order of their names.
func (s *Filters) DescribeMetricFilters(ctx context.Context, in *logsapi.DescribeMetricFiltersInput) (*logsapi.DescribeMetricFiltersOutput, error) {
	if err := cmp.Or(form.CheckGroupName(in.LogGroupName.V), checkFilterName(in.FilterNamePrefix.V, "filterNamePrefix")); err != nil {
		return nil, err
	}
	if in.MetricName.Set != in.MetricNamespace.Set {
		return nil, form.Invalid("metricName and metricNamespace must be specified together.")
	}
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := int(in.Limit.Or(50))
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeMetricFiltersOutput, error) {
		out := &logsapi.DescribeMetricFiltersOutput{MetricFilters: []logsapi.MetricFilter{}}
		last := ""
		show := func(group, name string, r *metricRecord) (more bool) {
			if in.MetricName.Set && (r.Name != in.MetricName.V || r.Namespace != in.MetricNamespace.V) {
				return true
			}
			if len(out.MetricFilters) == limit {
				out.NextToken = form.PageToken(last)
				return false
			}
			group, name = strings.Clone(group), strings.Clone(name)
			out.MetricFilters = append(out.MetricFilters, describeMetric(group, name, r))
			last = name + "\x00" + group
			return true
		}
		from, behind, _ := strings.Cut(after, "\x00")
		if in.LogGroupName.Set {
			if _, _, err := s.group(tx, in.LogGroupName.V); err != nil {
				return nil, err
			}
			prefix := in.FilterNamePrefix.V
			o := store.ScanOptions{From: []any{prefix}}
			if from >= prefix && after != "" {
				o = store.ScanOptions{After: []any{from}}
			}
			for k, r := range s.metrics.Scan(tx, o, in.LogGroupName.V) {
				if !strings.HasPrefix(k.String(1), prefix) || !show(k.String(0), k.String(1), &r) {
					break
				}
			}
			return out, nil
		}
		var o store.ScanOptions
		if after != "" {
			o.After = []any{from, behind}
		}
		for k := range s.metricNames.Keys(tx, o) {
			name, group := k.String(0), k.String(1)
			if r, ok := s.metrics.Get(tx, group, name); ok && !show(group, name, &r) {
				break
			}
		}
		return out, nil
	})
}
