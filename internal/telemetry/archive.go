package telemetry

import (
	"context"
	"encoding/binary"
	"iter"
	"slices"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Archive is what was recorded, in the store. Every record stands under its day first, so that what is old is thrown away
// by naming the day; then under its account and region.
type Archive struct {
	space store.Space
	// day, account, region, namespace, name, dimensions, unit, minute of the day
	data store.Table[Datum]
	// day, account, region, trace id, span id
	spans store.Table[spanRecord]
	// day, account, region, time, id
	events store.Table[eventRecord]
}

// How many days are kept. CloudWatch keeps single minutes for 15 days and CloudTrail events for 90; X-Ray's 30 days of traces
// would be most of what is on a developer's disk.
const (
	dataDays  = 15
	spanDays  = 7
	eventDays = 90
)

// NewArchive is the archive in a space, which nobody else uses.
func NewArchive(space store.Space) *Archive {
	return &Archive{
		space:  space,
		data:   store.NewTable[Datum](space, 1, "data", store.Global),
		spans:  store.NewTable[spanRecord](space, 2, "spans", store.Global),
		events: store.NewTable[eventRecord](space, 3, "events", store.Global),
	}
}

// spanRecord is a Span in the store; the key says the rest of it.
type spanRecord struct {
	store.Unknown
	Parent    uint64    `cbor:"1,keyasint,omitempty"`
	Start     time.Time `cbor:"2,keyasint"`
	Took      int64     `cbor:"3,keyasint"`
	Service   string    `cbor:"4,keyasint"`
	Operation string    `cbor:"5,keyasint"`
	Principal string    `cbor:"6,keyasint,omitempty"`
	Request   string    `cbor:"7,keyasint,omitempty"`
	Resource  string    `cbor:"8,keyasint,omitempty"`
	Status    int       `cbor:"9,keyasint"`
	Code      string    `cbor:"10,keyasint,omitempty"`
	Inner     bool      `cbor:"11,keyasint,omitempty"`
}

// eventRecord is an Event in the store; the key says the rest of it.
type eventRecord struct {
	store.Unknown
	Service   string   `cbor:"1,keyasint"`
	Operation string   `cbor:"2,keyasint"`
	ReadOnly  bool     `cbor:"3,keyasint,omitempty"`
	Account   string   `cbor:"4,keyasint,omitempty"` // of the principal
	ARN       string   `cbor:"5,keyasint,omitempty"`
	UserID    string   `cbor:"6,keyasint,omitempty"`
	Caller    string   `cbor:"7,keyasint,omitempty"` // service
	Request   string   `cbor:"8,keyasint,omitempty"`
	SourceIP  string   `cbor:"9,keyasint,omitempty"`
	UserAgent string   `cbor:"10,keyasint,omitempty"`
	Secure    bool     `cbor:"11,keyasint,omitempty"`
	Code      string   `cbor:"12,keyasint,omitempty"`
	Message   string   `cbor:"13,keyasint,omitempty"`
	Resources []string `cbor:"14,keyasint,omitempty"`
	Input     []byte   `cbor:"15,keyasint,omitempty"`
	Output    []byte   `cbor:"16,keyasint,omitempty"`
}

// day is the number of t's day.
func day(t time.Time) uint32 { return uint32(t.Unix() / 86400) }

func (id SpanID) number() uint64 { return binary.BigEndian.Uint64(id[:]) }

func spanID(n uint64) (id SpanID) { binary.BigEndian.PutUint64(id[:], n); return id }

// rowsPerWrite is how many rows go into one transaction: it is not to run long.
const rowsPerWrite = 50

// write writes rows, some at a time. They become durable with whatever is synced next.
func write[R any](ctx context.Context, a *Archive, rows []R, set func(tx *store.Tx, r *R)) error {
	for part := range slices.Chunk(rows, rowsPerWrite) {
		_, err := store.UpdateWith(ctx, a.space, store.UpdateOptions{Name: "telemetry.write", Lazy: true}, func(tx *store.Tx) (struct{}, error) {
			for i := range part {
				set(tx, &part[i])
			}
			return struct{}{}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addData adds what series measured in a minute to what is already there of it: from a flush before, or another node.
func (a *Archive) addData(ctx context.Context, minute time.Time, rows []measured) error {
	of := uint16(minute.Unix() % 86400 / 60)
	return write(ctx, a, rows, func(tx *store.Tx, r *measured) {
		id := r.id
		d, _ := a.data.Get(tx, day(minute), id.Account, id.Region, id.Namespace, id.Name, id.Dimensions, id.Unit, of)
		d.Merge(r.datum)
		a.data.Set(tx, d, day(minute), id.Account, id.Region, id.Namespace, id.Name, id.Dimensions, id.Unit, of)
	})
}

func (a *Archive) addSpans(ctx context.Context, spans []Span) error {
	return write(ctx, a, spans, func(tx *store.Tx, s *Span) {
		r := spanRecord{
			Parent: s.Parent.number(), Start: s.Start, Took: int64(s.Took), Service: s.Service, Operation: s.Operation,
			Principal: s.Principal, Request: s.Request, Resource: s.Resource, Status: s.Status, Code: s.Code, Inner: s.Inner,
		}
		a.spans.Set(tx, r, day(s.Start), s.Scope.Account, s.Scope.Region, [16]byte(s.Trace), s.ID.number())
	})
}

func (a *Archive) addEvents(ctx context.Context, events []Event) error {
	return write(ctx, a, events, func(tx *store.Tx, e *Event) {
		r := eventRecord{
			Service: e.Service, Operation: e.Operation, ReadOnly: e.ReadOnly,
			Account: e.Principal.Account, ARN: e.Principal.ARN, UserID: e.Principal.UserID, Caller: e.Principal.Service,
			Request: e.Request, SourceIP: e.SourceIP, UserAgent: e.UserAgent, Secure: e.Secure, Code: e.Code, Message: e.Message,
			Resources: e.Resources, Input: e.Input, Output: e.Output,
		}
		a.events.Set(tx, r, day(e.Time), e.Scope.Account, e.Scope.Region, e.Time, e.ID)
	})
}

// prune throws away what is too old on a day.
func (a *Archive) prune(ctx context.Context, today uint32) error {
	for {
		more, err := store.UpdateWith(ctx, a.space, store.UpdateOptions{Name: "telemetry.prune", Lazy: true}, func(tx *store.Tx) (bool, error) {
			return pruneTable(tx, a.data, today, dataDays) || pruneTable(tx, a.spans, today, spanDays) || pruneTable(tx, a.events, today, eventDays), nil
		})
		if err != nil || !more {
			return err
		}
	}
}

// pruneTable throws the oldest day of a table away where it is too old.
func pruneTable[V any](tx *store.Tx, t store.Table[V], today uint32, days uint32) bool {
	for k := range t.Keys(tx, store.ScanOptions{Limit: 1}) {
		if oldest := uint32(k.Uint64(0)); oldest+days <= today {
			t.DeleteAll(tx, oldest)
			return true
		}
	}
	return false
}

// days are those from one time to another of which there may be records, whatever times a caller names.
func days(tx *store.Tx, from, to time.Time, kept int64) iter.Seq[uint32] {
	today := tx.Now().Unix() / 86400
	first, last := max(from.Unix()/86400, today-kept), min(to.Unix()/86400, today)
	return func(yield func(uint32) bool) {
		for d := first; d <= last && yield(uint32(d)); d++ {
		}
	}
}

// Point is what a series measured in the minute that begins at a time.
type Point struct {
	Minute time.Time
	Datum
}

// Data is what a series measured from one minute to another, exclusive, oldest first. Minutes without a measurement are left out.
func (a *Archive) Data(ctx context.Context, id SeriesID, from, to time.Time) ([]Point, error) {
	return store.View(ctx, a.space, func(tx *store.Tx) ([]Point, error) {
		var points []Point
		for d := range days(tx, from, to, dataDays) {
			for k, v := range a.data.Scan(tx, store.ScanOptions{}, d, id.Account, id.Region, id.Namespace, id.Name, id.Dimensions, id.Unit) {
				minute := time.Unix(int64(d)*86400+int64(k.Uint64(7))*60, 0).UTC()
				if !minute.Before(from) && minute.Before(to) {
					points = append(points, Point{minute, v})
				}
			}
		}
		return points, nil
	})
}

// Series are the series of a scope and namespace that measured anything from one day to another; of all namespaces where it
// is empty.
func (a *Archive) Series(ctx context.Context, scope aws.Scope, namespace string, from, to time.Time) ([]SeriesID, error) {
	return store.View(ctx, a.space, func(tx *store.Tx) ([]SeriesID, error) {
		seen := map[SeriesID]bool{}
		var list []SeriesID
		for d := range days(tx, from, to, dataDays) {
			prefix := []any{d, scope.Account, scope.Region}
			if namespace != "" {
				prefix = append(prefix, namespace)
			}
			for k := range a.data.Keys(tx, store.ScanOptions{}, prefix...) {
				id := SeriesID{Scope: scope, Namespace: k.String(3), Name: k.String(4), Dimensions: k.String(5), Unit: k.String(6)}
				if !seen[id] {
					seen[id] = true
					list = append(list, id)
				}
			}
		}
		return list, nil
	})
}

// Trace is the spans of a trace that were kept, looked for from one day to another, in the order they began.
func (a *Archive) Trace(ctx context.Context, scope aws.Scope, id TraceID, from, to time.Time) ([]Span, error) {
	return a.readSpans(ctx, scope, from, to, [16]byte(id))
}

// Spans are the spans that were kept and began from one time to another, exclusive, in the order they began.
func (a *Archive) Spans(ctx context.Context, scope aws.Scope, from, to time.Time) ([]Span, error) {
	spans, err := a.readSpans(ctx, scope, from, to)
	return slices.DeleteFunc(spans, func(s Span) bool { return s.Start.Before(from) || !s.Start.Before(to) }), err
}

func (a *Archive) readSpans(ctx context.Context, scope aws.Scope, from, to time.Time, trace ...any) ([]Span, error) {
	spans, err := store.View(ctx, a.space, func(tx *store.Tx) ([]Span, error) {
		var spans []Span
		for d := range days(tx, from, to, spanDays) {
			prefix := append([]any{d, scope.Account, scope.Region}, trace...)
			for k, r := range a.spans.Scan(tx, store.ScanOptions{}, prefix...) {
				spans = append(spans, Span{
					Trace: TraceID(k.ID(3)), ID: spanID(k.Uint64(4)), Parent: spanID(r.Parent), Sampled: true, Inner: r.Inner,
					Start: r.Start, Took: time.Duration(r.Took), Service: r.Service, Operation: r.Operation, Scope: scope,
					Principal: r.Principal, Request: r.Request, Resource: r.Resource, Status: r.Status, Code: r.Code,
				})
			}
		}
		return spans, nil
	})
	slices.SortStableFunc(spans, func(x, y Span) int { return x.Start.Compare(y.Start) })
	return spans, err
}

// PastEvents are the control-plane calls made from one time to another, exclusive, newest first, at most limit of them; 0 is
// no limit.
func (a *Archive) PastEvents(ctx context.Context, scope aws.Scope, from, to time.Time, limit int) ([]Event, error) {
	return store.View(ctx, a.space, func(tx *store.Tx) ([]Event, error) {
		var events []Event
		for _, d := range slices.Backward(slices.Collect(days(tx, from, to, eventDays))) {
			o := store.ScanOptions{From: []any{from}, Before: []any{to}, Reverse: true}
			for k, r := range a.events.Scan(tx, o, d, scope.Account, scope.Region) {
				events = append(events, Event{
					ID: k.String(4), Time: k.Time(3), Service: r.Service, Operation: r.Operation, ReadOnly: r.ReadOnly, Scope: scope,
					Principal: aws.Principal{Account: r.Account, ARN: r.ARN, UserID: r.UserID, Service: r.Caller},
					Request:   r.Request, SourceIP: r.SourceIP, UserAgent: r.UserAgent, Secure: r.Secure, Code: r.Code, Message: r.Message,
					Resources: r.Resources, Input: r.Input, Output: r.Output,
				})
				if len(events) == limit {
					return events, nil
				}
			}
		}
		return events, nil
	})
}
