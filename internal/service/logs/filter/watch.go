// Package filter is what looks at the events of logs as they come, and does something about them: metric filters and the embedded
// metric format count, subscription filters send on, to streams and functions and to destinations of other accounts.
//
// It keeps its records in the space of the service that it is a part of, and performs the operations that set, show and remove them.
// What is to be done with the events of a group is compiled when it is first needed after a change, and known by one version.
//
// What it promises: a batch is counted and sent on once it is committed, and not before. What is counted goes to telemetry, which
// may lose a minute; what is to be sent is written with the batch, and arrives at least once, that of a stream in order.
package filter

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/emf"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/metric"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// Filters are what looks at events. The methods that are called like operations of the API perform them.
type Filters struct {
	space    store.Space
	groups   Groups
	o        Options
	watches  watches
	forwards task.Queue[forwardTask] // events that subscription filters are to get

	states        store.Table[stateRecord]        // group → what there is for it
	metrics       store.Table[metricRecord]       // group, name → a metric filter
	metricNames   store.Table[struct{}]           // name of a metric filter, group
	subscriptions store.Table[subscriptionRecord] // group, name → a subscription filter
	destinations  store.Table[destinationRecord]  // name → a destination
	accounts      store.Table[accountRecord]      // () → what is set for all groups
}

// Options of the filters.
type Options struct {
	Changes    *resource.Feed      // may be nil
	Telemetry  *telemetry.Recorder // nil where metrics are not recorded
	Deliveries Deliveries          // nil where there is no destination
}

// Group is what is to be known of a log group.
type Group struct {
	Number uint64 // never given again
	Class  string
}

// Event is an event of a stream.
type Event struct {
	ID      string
	Time    int64 // milliseconds
	Message string
}

// Groups are the groups that filters are for.
type Groups interface {
	// Filtered is the group of a name; false where there is none.
	Filtered(tx *store.Tx, name string) (Group, bool)
	// Observe is told of every change that may have events be looked at as they come: without one WatchOf need not be asked.
	Observe(tx *store.Tx)
	// Batch calls fn with the events of a stream of a group, which has a number too, that have the numbers from first to last, in their order, as filters are to
	// see them: masked, and transformed where shaped says so.
	Batch(tx *store.Tx, name string, g Group, stream string, number, first, last uint64, shaped bool, fn func(e Event) error) error
}

// New are the filters of groups. Their tables are numbered from 30 to 39.
func New(s store.Space, groups Groups, tasks *task.Runner, o Options) *Filters {
	f := &Filters{
		space: s, groups: groups, o: o,

		metrics:       store.NewTable[metricRecord](s, 30, "metric filter"),
		metricNames:   store.NewTable[struct{}](s, 31, "name of a metric filter"),
		subscriptions: store.NewTable[subscriptionRecord](s, 32, "subscription filter"),
		destinations:  store.NewTable[destinationRecord](s, 33, "destination"),
		accounts:      store.NewTable[accountRecord](s, 34, "filter of an account"),
		states:        store.NewTable[stateRecord](s, 35, "filters of a group", store.Global),
	}
	f.forwards = task.NewQueue(tasks, "logs.forward", f.sendForward, task.Options{Attempts: 1 << 20})
	return f
}

// stateRecord is what there is to look for of a group. Most have none.
type stateRecord struct {
	store.Unknown
	Version       uint64 `cbor:"1,keyasint"` // grows with every change of its filters
	Metrics       uint32 `cbor:"2,keyasint,omitempty"`
	Subscriptions uint32 `cbor:"3,keyasint,omitempty"`
}

// DeleteGroup removes the filters of a group.
func (s *Filters) DeleteGroup(tx *store.Tx, name string, number uint64) {
	for k := range s.metrics.Keys(tx, store.ScanOptions{}, name) {
		s.metricNames.Delete(tx, k.String(1), name)
	}
	s.metrics.DeleteAll(tx, name)
	s.subscriptions.DeleteAll(tx, name)
	s.states.Delete(tx, number)
}

// Metrics is how many metric filters a group has.
func (s *Filters) Metrics(tx *store.Tx, number uint64) int32 {
	g, _ := s.states.Get(tx, number)
	return int32(g.Metrics)
}

// group is the group of a name, and what there is for it.
func (s *Filters) group(tx *store.Tx, name string) (Group, stateRecord, error) {
	g, ok := s.groups.Filtered(tx, name)
	if !ok {
		return g, stateRecord{}, form.NoGroup()
	}
	state, _ := s.states.Get(tx, g.Number)
	return g, state, nil
}

// Watch is what is done with the events of a group as they come. It is never changed.
type Watch struct {
	group, account uint64 // which changes of the group's and of the account's filters it knows

	embedded      bool // events may bring metrics of their own
	metrics       []watchedMetric
	subscriptions []watchedEvents
}

// Shaped reports whether any filter looks at transformed events.
func (w *Watch) Shaped() bool {
	return slices.ContainsFunc(w.metrics, func(f watchedMetric) bool { return f.shaped }) ||
		slices.ContainsFunc(w.subscriptions, func(f watchedEvents) bool { return f.shaped })
}

type watchedMetric struct {
	*metric.Filter
	id     telemetry.SeriesID // without dimensions
	shaped bool               // it looks at transformed events
}

type watchedEvents struct {
	name    string
	pattern *logfilter.Filter
	shaped  bool
}

// watches are those that were used lately, by the numbers of groups.
type watches struct {
	mu  sync.Mutex
	all map[uint64]*Watch
}

const maxWatches = 4096

func (w *watches) get(number, group, account uint64) *Watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.all[number]; f != nil && f.group == group && f.account == account {
		return f
	}
	return nil
}

func (w *watches) put(number uint64, f *Watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil || len(w.all) >= maxWatches {
		w.all = map[uint64]*Watch{}
	}
	w.all[number] = f
}

// WatchOf is what is done with the events of a group: of what was read before, where nothing has changed.
func (s *Filters) WatchOf(tx *store.Tx, name string, g Group) (*Watch, error) {
	state, _ := s.states.Get(tx, g.Number)
	account, _ := s.accounts.Get(tx)
	if state.Version == 0 && account.Version == 0 {
		return Unwatched(g), nil
	}
	if w := s.watches.get(g.Number, state.Version, account.Version); w != nil {
		return w, nil
	}
	w := &Watch{group: state.Version, account: account.Version, embedded: g.Class != string(logsapi.LogGroupClassDELIVERY)}
	at := placeOf(tx.Scope(), name)
	for _, r := range s.metrics.Scan(tx, store.ScanOptions{}, name) {
		d := r.definition()
		// One that another version kept, and this one cannot make sense of, does nothing: it does not stand in the way of events.
		if f, err := metric.Compile(&d, at); err == nil && f != nil {
			w.metrics = append(w.metrics, watchedMetric{f, telemetry.SeriesID{
				Scope: aws.Scope{Account: at.Account, Region: at.Region}, Namespace: strings.Clone(r.Namespace), Name: strings.Clone(r.Name), Unit: cmp.Or(strings.Clone(r.Unit), "None"),
			}, r.Shaped})
		}
	}
	for k, r := range s.subscriptions.Scan(tx, store.ScanOptions{}, name) {
		if f, err := r.watched(strings.Clone(k.String(1)), at); err == nil && f != nil {
			w.subscriptions = append(w.subscriptions, *f)
		}
	}
	if watchable(g, "PutAccountPolicy") == nil {
		if err := account.watch(at, w); err != nil {
			return nil, err
		}
	}
	s.watches.put(g.Number, w)
	return w, nil
}

// How far from now the times of metrics may be that events bring.
const (
	maxAge   = 14 * 24 * time.Hour
	maxAhead = 2 * time.Hour
)

// Unwatched is what is done with the events of a group that nobody has set anything for.
func Unwatched(g Group) *Watch {
	if g.Class == string(logsapi.LogGroupClassDELIVERY) {
		return nothing
	}
	return metricsAlone
}

var (
	nothing      = &Watch{}
	metricsAlone = &Watch{embedded: true} // those that events bring themselves
)

func placeOf(scope aws.Scope, group string) metric.Place {
	return metric.Place{Account: strings.Clone(scope.Account), Region: strings.Clone(scope.Region), Group: strings.Clone(group)}
}

// Seen is what was seen in a batch of events: what is to be recorded and forwarded once they are committed.
type Seen struct {
	points   map[point]uint64
	forwards []string // names of subscription filters that want events of it
}

// point is a value at a time.
type point struct {
	id    telemetry.SeriesID
	at    int64 // milliseconds, of the minute
	value float64
}

func (n *Seen) add(id telemetry.SeriesID, at int64, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	if n.points == nil {
		n.points = map[point]uint64{}
	}
	n.points[point{id, at - at%time.Minute.Milliseconds(), value}]++
}

// Look looks at the events of a batch, which may have a text in it where mayHave says so. shaped gives what has become of the message
// of an event, where a transformer changes it; it may be nil.
func (s *Filters) Look(ctx context.Context, group string, w *Watch, events []logsapi.InputLogEvent, mayHave func(text string) bool, shaped func(i int) string) (n Seen) {
	if len(events) == 0 {
		return n
	}
	if w.embedded && s.o.Telemetry != nil && mayHave(emf.Mark) {
		for i := range events {
			if strings.Contains(events[i].Message, emf.Mark) {
				n.embedded(aws.RequestOf(ctx).Scope, group, events[i].Message, s.space.Now())
			}
		}
	}
	message := func(i int, changed bool) string {
		if changed && shaped != nil {
			return shaped(i)
		}
		return events[i].Message
	}
	if s.o.Telemetry != nil {
		for k := range w.metrics {
			f := &w.metrics[k]
			for i := range events {
				if value, dimensions, ok := f.Measure(message(i, f.shaped)); ok {
					id := f.id
					id.Dimensions = telemetry.Dimensions(dimensions...)
					n.add(id, events[i].Timestamp, value)
				}
			}
		}
	}
	for k := range w.subscriptions {
		f := &w.subscriptions[k]
		for i := range events {
			if f.pattern.Match(message(i, f.shaped)) {
				n.forwards = append(n.forwards, f.name)
				break
			}
		}
	}
	return n
}

// embedded adds the metrics that an event brings.
func (n *Seen) embedded(scope aws.Scope, group, message string, now time.Time) {
	scope = aws.Scope{Account: strings.Clone(scope.Account), Region: strings.Clone(scope.Region)}
	failed := func(name string) {
		n.add(telemetry.SeriesID{
			Scope: scope, Namespace: "AWS/Logs", Name: name, Dimensions: telemetry.Dimensions("LogGroupName", strings.Clone(group)), Unit: "Count",
		}, now.UnixMilli(), 1)
	}
	d, err := emf.Parse(message)
	switch {
	case err == nil:
	case errors.Is(err, emf.ErrNone):
		return
	case errors.Is(err, emf.ErrParse):
		failed("EMFParsingErrors")
		return
	default:
		failed("EMFValidationErrors")
		return
	}
	if at := time.UnixMilli(d.Time); at.Before(now.Add(-maxAge)) || at.After(now.Add(maxAhead)) {
		failed("EMFValidationErrors")
		return
	}
	if d.Invalid > 0 {
		failed("EMFValidationErrors")
	}
	var pairs []string
	for _, m := range d.Metrics {
		pairs = pairs[:0]
		for _, x := range m.Dimensions {
			pairs = append(pairs, x.Name, x.Value)
		}
		id := telemetry.SeriesID{Scope: scope, Namespace: m.Namespace, Name: m.Name, Dimensions: telemetry.Dimensions(pairs...), Unit: m.Unit}
		for _, v := range m.Values {
			n.add(id, d.Time, v)
		}
	}
}

// Record records what was seen, once the events are committed.
func (s *Filters) Record(n *Seen) {
	for p, count := range n.points {
		s.o.Telemetry.AddAt(p.id, time.UnixMilli(p.at), p.value, count)
	}
}

// changed says in a transaction that the filters of a group are others now.
func (s *Filters) changed(tx *store.Tx, g Group, state stateRecord) {
	state.Version++
	s.states.Set(tx, state, g.Number)
	s.groups.Observe(tx)
}

// maxRegexes is how many regular expressions the filters of a group may have together.
const maxRegexes = 5

// checkRegexes refuses a pattern whose regular expressions are too many with those of the other filters of the group.
func (s *Filters) checkRegexes(tx *store.Tx, group string, more int, but func(metrics bool, name string) bool) error {
	if more == 0 {
		return nil
	}
	all := more
	for k, r := range s.metrics.Scan(tx, store.ScanOptions{}, group) {
		if !but(true, k.String(1)) {
			all += r.Regexes
		}
	}
	for k, r := range s.subscriptions.Scan(tx, store.ScanOptions{}, group) {
		if !but(false, k.String(1)) {
			all += r.Regexes
		}
	}
	if all > maxRegexes {
		return tooMany()
	}
	return nil
}

func tooMany() *aws.Error { return logsapi.LimitExceededException("Resource limit exceeded.") }

// watchable refuses filters for groups whose class AWS has none for.
func watchable(g Group, operation string) error {
	if g.Class != string(logsapi.LogGroupClassSTANDARD) {
		return logsapi.InvalidOperationException("%s is not supported for log groups of class %s.", operation, g.Class)
	}
	return nil
}

// checkFilterName checks the name of a filter, or of a destination.
func checkFilterName(name, member string) error {
	if strings.ContainsAny(name, ":*") {
		return form.Violation(name, member, "satisfy regular expression pattern: [^:*]*")
	}
	return nil
}

// checkSystemFields checks which fields of the system are wanted.
func checkSystemFields(fields []string, member string, known ...string) error {
	for i, f := range fields {
		if !slices.Contains(known, f) {
			return form.Invalid("Invalid %s: %s is not one of %s", member, f, strings.Join(known, ", "))
		}
		if slices.Contains(fields[:i], f) {
			return form.Invalid("Invalid %s: %s is there twice", member, f)
		}
	}
	return nil
}

// About is what an operation of the filters is about, as IAM is asked; nil where that is told by the input or it is another's.
func About(ctx context.Context, in any) []string {
	scope := aws.RequestOf(ctx).Scope
	of := func(group string) []string { return []string{form.StreamARN(scope, group, "")} }
	switch in := in.(type) {
	case *logsapi.PutMetricFilterInput:
		return of(in.LogGroupName)
	case *logsapi.DeleteMetricFilterInput:
		return of(in.LogGroupName)
	case *logsapi.DescribeMetricFiltersInput:
		return of(in.LogGroupName.V)
	case *logsapi.PutSubscriptionFilterInput:
		if a, ok := aws.ParseARN(in.DestinationArn); ok && a.Service == "logs" {
			return append(of(in.LogGroupName), in.DestinationArn)
		}
		return of(in.LogGroupName)
	case *logsapi.DeleteSubscriptionFilterInput:
		return of(in.LogGroupName)
	case *logsapi.DescribeSubscriptionFiltersInput:
		return of(in.LogGroupName)
	}
	return nil
}
