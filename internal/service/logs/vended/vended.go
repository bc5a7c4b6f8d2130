// Package vended is the deliveries of CloudWatch Logs: logs that services keep of their resources, and where they go.
//
// A source is a log of a resource, a destination a log group, bucket, stream of Firehose or X-Ray, and a delivery joins the two. A
// service that keeps a log hands its records to Vend, in the transaction that causes them; what is delivered where is looked up when
// they are delivered. It keeps its records in the space of the service that it is a part of, and performs the operations that set,
// show and remove them.
package vended

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/vendedlogs"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// Host is the service that deliveries are a part of.
type Host interface {
	// HasGroup reports whether there is such a group.
	HasGroup(tx *store.Tx, name string) bool
	// Put writes events to a stream of a group. The stream is made if need be.
	Put(ctx context.Context, scope aws.Scope, group, stream string, events []logsapi.InputLogEvent) error
	// CheckTags checks tags that are to be given.
	CheckTags(tags map[string]string) error
}

// Deliveries are sources, destinations and deliveries. The methods that are called like operations of the API perform them.
type Deliveries struct {
	space   store.Space
	changes *resource.Feed // may be nil
	host    Host
	vends   task.Queue[vendTask]

	sources      store.Table[sourceRecord]      // name → a log of a resource
	destinations store.Table[destinationRecord] // name → where logs may go
	deliveries   store.Table[deliveryRecord]    // id → a source joined to a destination
	resources    store.Table[string]            // ARN of a resource, type of log → the name of the source that it is
	joined       store.Table[joinRecord]        // name of a source, id → that the delivery is of it
}

// New are the deliveries of a service. Their tables are numbered from 70 to 79.
func New(s store.Space, tasks *task.Runner, changes *resource.Feed, host Host) *Deliveries {
	d := &Deliveries{
		space: s, changes: changes, host: host,

		sources:      store.NewTable[sourceRecord](s, 70, "delivery source"),
		destinations: store.NewTable[destinationRecord](s, 71, "delivery destination"),
		deliveries:   store.NewTable[deliveryRecord](s, 72, "delivery"),
		resources:    store.NewTable[string](s, 73, "delivered resource"),
		joined:       store.NewTable[joinRecord](s, 74, "joined delivery"),
	}
	d.vends = task.NewQueue(tasks, "logs.vend", d.vend, task.Options{Attempts: 1 << 20})
	return d
}

// AWS's limits of a batch of events.
const (
	maxBatch = 1 << 20 // bytes, with perEvent for each event
	perEvent = 26
)

// Wanted reports whether there is a source for a log: one that nobody wants need not be handed over.
func (s *Deliveries) Wanted(tx *store.Tx, resource, logType string) bool {
	return s.resources.Has(tx, resource, logType)
}

// DeliveryLabels are the tags of a kind of resource as ARNs have it; nil where it is none of deliveries.
func (s *Deliveries) DeliveryLabels(kind string) *form.Labels {
	switch kind {
	case "delivery-source":
		return s.sourceLabels()
	case "delivery-destination":
		return s.destinationLabels()
	case "delivery":
		return s.deliveryLabels()
	}
	return nil
}

// DeliveryResources are what creating a delivery is about.
func DeliveryResources(scope aws.Scope, in *logsapi.CreateDeliveryInput) []string {
	return []string{deliverySourceARN(scope, in.DeliverySourceName), in.DeliveryDestinationArn, deliveryARN(scope, "*")}
}

// vendTask has records of a log be delivered.
type vendTask struct {
	Resource string              `cbor:"1,keyasint"` // ARN
	Type     string              `cbor:"2,keyasint"`
	Time     int64               `cbor:"3,keyasint"`
	Records  []vendedlogs.Record `cbor:"4,keyasint"`
}

// Vend has records of a log that a service keeps of its resource be delivered, once w is committed, to where the deliveries of the
// resource's account want them. They arrive at least once, those of one log in their order.
func (s *Deliveries) Vend(w store.Writer, resource, logType string, at time.Time, records ...vendedlogs.Record) {
	s.vends.Add(w, vendTask{resource, logType, at.UnixMilli(), records}, task.Add{Target: resource, Key: logType})
}

// vend delivers what a task has: to log groups. What there is no destination for yet is let go, as it is where nobody wants it.
func (s *Deliveries) vend(ctx context.Context, _ string, t vendTask) error {
	type outlet struct {
		arn      string // of the group
		messages []string
	}
	outlets, err := store.View(ctx, s.space, func(tx *store.Tx) (all []outlet, _ error) {
		name, ok := s.resources.Get(tx, t.Resource, t.Type)
		if !ok {
			return nil, nil
		}
		source, _ := s.sources.Get(tx, name)
		for k := range s.joined.Keys(tx, store.ScanOptions{}, name) {
			d, _ := s.deliveries.Get(tx, k.String(1))
			to, ok := s.destinationOf(tx, d.Destination)
			if !ok || to.Type != string(logsapi.DeliveryDestinationTypeCWL) {
				continue
			}
			all = append(all, outlet{to.Resource, d.write(source.template(), to.Format, t.Records)})
		}
		return all, nil
	})
	if err != nil {
		return err
	}
	a, _ := aws.ParseARN(t.Resource)
	for _, o := range outlets {
		to, group, _ := form.ParseGroupARN(o.arn)
		err := s.put(ctx, to.Scope(), group, a.Service+"_"+t.Type, t.Time, o.messages)
		if e, refused := errors.AsType[*aws.Error](err); refused && e.ErrorShape == logsapi.ErrResourceNotFoundException {
			continue // the group was deleted
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write is records as a delivery writes them.
func (r *deliveryRecord) write(t *vendedlogs.Template, format string, records []vendedlogs.Record) []string {
	fields := r.Fields
	if len(fields) == 0 {
		fields = t.Names()
	}
	if format == "" {
		format = "plain"
		if formats, _ := t.Formats(r.Type); slices.Contains(formats, "json") {
			format = "json"
		}
	}
	messages := make([]string, len(records))
	for i, record := range records {
		if format == "json" {
			messages[i] = record.JSON(fields)
			continue
		}
		delimiter := "\t"
		if r.Delimiter != nil {
			delimiter = *r.Delimiter
		}
		messages[i] = record.Plain(fields, delimiter)
	}
	return messages
}

// put writes events to a stream, which is made if need be.
func (s *Deliveries) put(ctx context.Context, scope aws.Scope, group, stream string, at int64, messages []string) error {
	for len(messages) > 0 {
		events, size := []logsapi.InputLogEvent(nil), 0
		for len(messages) > 0 {
			m := strings.ToValidUTF8(messages[0][:min(len(messages[0]), maxBatch-perEvent)], "")
			if size += len(m) + perEvent; size > maxBatch {
				break
			}
			events = append(events, logsapi.InputLogEvent{Timestamp: at, Message: m})
			messages = messages[1:]
		}
		if err := s.host.Put(ctx, scope, group, stream, events); err != nil {
			return err
		}
	}
	return nil
}

// DescribeConfigurationTemplates is logs:DescribeConfigurationTemplates.
func (s *Deliveries) DescribeConfigurationTemplates(_ context.Context, in *logsapi.DescribeConfigurationTemplatesInput) (*logsapi.DescribeConfigurationTemplatesOutput, error) {
	after, err := form.PageAfter(in.NextToken)
	from := 0
	if err == nil && after != "" {
		from, err = strconv.Atoi(after)
	}
	if err != nil {
		return nil, logsapi.ValidationException("%s", form.BadToken().Message)
	}
	out := &logsapi.DescribeConfigurationTemplatesOutput{ConfigurationTemplates: []logsapi.ConfigurationTemplate{}}
	at := 0
	for t := range vendedlogs.All() {
		if in.Service.Set && t.Service != in.Service.V || len(in.LogTypes) > 0 && !slices.Contains(in.LogTypes, t.Type) ||
			len(in.ResourceTypes) > 0 && !slices.Contains(in.ResourceTypes, t.Resource) {
			continue
		}
		for _, d := range t.Destinations {
			if len(in.DeliveryDestinationTypes) > 0 && !slices.Contains(in.DeliveryDestinationTypes, logsapi.DeliveryDestinationType(d.Type)) {
				continue
			}
			if at++; at <= from {
				continue
			}
			if len(out.ConfigurationTemplates) == int(in.Limit.Or(50)) {
				out.NextToken = form.PageToken(strconv.Itoa(at - 1))
				return out, nil
			}
			out.ConfigurationTemplates = append(out.ConfigurationTemplates, configurationOf(t, d))
		}
	}
	return out, nil
}

func configurationOf(t *vendedlogs.Template, d vendedlogs.Destination) logsapi.ConfigurationTemplate {
	c := logsapi.ConfigurationTemplate{
		Service: aws.Some(t.Service), LogType: aws.Some(t.Type), ResourceType: aws.Some(t.Resource),
		DeliveryDestinationType:                            aws.Some(logsapi.DeliveryDestinationType(d.Type)),
		DefaultDeliveryConfigValues:                        &logsapi.ConfigurationTemplateDeliveryConfigValues{RecordFields: t.Names()},
		AllowedActionForAllowVendedLogsDeliveryForResource: aws.Some(t.Service + ":AllowVendedLogsDeliveryForResource"),
	}
	for _, f := range t.Fields {
		c.AllowedFields = append(c.AllowedFields, logsapi.RecordField{Name: aws.Some(f.Name), Mandatory: aws.Some(f.Mandatory)})
	}
	for _, f := range d.Formats {
		c.AllowedOutputFormats = append(c.AllowedOutputFormats, logsapi.OutputFormat(f))
	}
	return c
}
