package filter

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter/subscription"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// forwardTask has the events of a batch that a subscription filter wants be sent. It is written with them, and becomes deliveries
// in the commit that ends it: so each is sent, however often this begins anew. Those of a stream are sent in the order in which they came.
type forwardTask struct {
	Name   string `cbor:"1,keyasint"` // of the group
	Group  uint64 `cbor:"2,keyasint"`
	Stream string `cbor:"3,keyasint"`
	Number uint64 `cbor:"4,keyasint"` // of the stream
	First  uint64 `cbor:"5,keyasint"` // number of the first event
	Last   uint64 `cbor:"6,keyasint"`
	Filter string `cbor:"7,keyasint"` // accountFilter for the one of the account
}

// accountFilter stands for the subscription filter of an account. No filter of a group can be called so.
const accountFilter = "*"

// How much of events a message has, before and after they are compressed; what is longer, AWS's destinations do not take either.
const (
	perEvent   = 26 // what AWS counts for an event beside its message
	maxMessage = 512 << 10
	maxPacked  = 760 << 10 // in base64 it fits into a task
)

// Forward has the filters that were seen to want events of a batch get them: those of a stream with the numbers from first to last.
func (s *Filters) Forward(tx *store.Tx, n *Seen, name string, g Group, stream string, number, first, last uint64) {
	for _, f := range n.forwards {
		s.forwards.Add(tx, forwardTask{Name: name, Group: g.Number, Stream: stream, Number: number, First: first, Last: last, Filter: f}, task.Add{
			Target: strconv.FormatUint(g.Number, 10) + "/" + f, Key: strconv.FormatUint(number, 10),
		})
	}
}

// subscriber is a subscription filter that is to get events.
type subscriber struct {
	record subscriptionRecord
	name   string
	level  string
}

// subscriberOf is the filter of a task; ok is false where there is none any more that wants the group's events.
func (s *Filters) subscriberOf(tx *store.Tx, t *forwardTask) (f subscriber, ok bool, err error) {
	if t.Filter == accountFilter {
		a, is := s.accounts.Get(tx)
		if !is || a.Subscription == nil {
			return f, false, nil
		}
		chosen, err := appliesTo(a.Criteria, t.Name)
		return subscriber{*a.Subscription, a.Name, subscription.AccountLevel}, chosen, err
	}
	r, ok := s.subscriptions.Get(tx, t.Name, t.Filter)
	return subscriber{r, t.Filter, ""}, ok, nil
}

// forwarded is the messages of a task, and where they go.
type forwarded struct {
	to     sink
	order  string
	key    string // of a stream's records
	random bool
	packed [][]byte
}

// sendForward carries a task out.
func (s *Filters) sendForward(ctx context.Context, _ string, t forwardTask) error {
	f, err := s.messages(ctx, &t)
	if err != nil {
		return err
	}
	_, err = store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		if err := s.forwards.Done(ctx, tx); err != nil {
			return struct{}{}, err
		}
		for _, p := range f.packed {
			e := f.to.event(p)
			e.Order, e.Group, e.Tries, e.Age = f.order, f.key, 1<<30, 24*time.Hour
			if f.random {
				e.Group = tx.NewID()
			}
			s.o.Deliveries.Send(tx, e)
		}
		return struct{}{}, nil
	})
	return err
}

// messages are what is to be sent. Nothing is where the filter, its destination or the events are gone meanwhile.
func (s *Filters) messages(ctx context.Context, t *forwardTask) (out forwarded, err error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (out forwarded, _ error) {
		g, ok := s.groups.Filtered(tx, t.Name)
		if !ok || g.Number != t.Group || s.o.Deliveries == nil {
			return out, nil
		}
		f, ok, err := s.subscriberOf(tx, t)
		if err != nil || !ok {
			return out, err
		}
		if out.to, err = s.sinkOf(tx, &f.record, form.GroupARN(tx.Scope(), t.Name)+":*"); err != nil {
			return out, nil
		}
		out.order = fmt.Sprintf("logs/%d/%d/%s", t.Group, t.Number, t.Filter)
		out.random = f.record.Distribution == "Random"
		out.key = partitionKey(t.Stream)
		pattern, err := logfilter.Parse(f.record.Pattern)
		if err != nil {
			return out, err
		}
		m := subscription.Message{
			Type: subscription.Data, Owner: tx.Scope().Account, Group: t.Name, Stream: t.Stream, Filters: []string{f.name}, Level: f.level,
		}
		bytes := 0
		flush := func() error {
			if len(m.Events) == 0 {
				return nil
			}
			packed, err := pack(&m)
			out.packed = append(out.packed, packed...)
			m.Events, bytes = nil, 0
			return err
		}
		at := placeOf(tx.Scope(), t.Name)
		err = s.groups.Batch(tx, t.Name, g, t.Stream, t.Number, t.First, t.Last, f.record.Shaped, func(e Event) error {
			message := e.Message
			if !pattern.Match(message) {
				return nil
			}
			if bytes += len(message) + perEvent; bytes > maxMessage {
				if err := flush(); err != nil {
					return err
				}
				bytes = len(message) + perEvent
			}
			sent := subscription.Event{ID: e.ID, Time: e.Time, Message: strings.Clone(message)}
			if pattern.Kind() == logfilter.Delimited {
				sent.Extracted = map[string]string{}
				values, _ := pattern.Extract(sent.Message)
				for name, v := range values {
					sent.Extracted[strings.TrimPrefix(name, "$")] = v
				}
			}
			for _, field := range f.record.System {
				if sent.Extracted == nil {
					sent.Extracted = map[string]string{}
				}
				sent.Extracted[field] = at.Field(field)
			}
			m.Events = append(m.Events, sent)
			return nil
		})
		if err != nil {
			return out, err
		}
		return out, flush()
	})
}

// pack is a message, or several where one would be too long. An event that is too long for any is left out.
func pack(m *subscription.Message) ([][]byte, error) {
	packed, err := m.Pack()
	if err != nil {
		return nil, err
	}
	if len(packed) <= maxPacked {
		return [][]byte{packed}, nil
	}
	if len(m.Events) == 1 {
		return nil, nil
	}
	var all [][]byte
	for _, part := range [][]subscription.Event{m.Events[:len(m.Events)/2], m.Events[len(m.Events)/2:]} {
		half := *m
		half.Events = part
		packed, err := pack(&half)
		if err != nil {
			return nil, err
		}
		all = append(all, packed...)
	}
	return all, nil
}

// partitionKey is what the records of a stream are distributed by: the same for all of a stream.
func partitionKey(stream string) string {
	h := fnv.New128a()
	h.Write([]byte(stream))
	return fmt.Sprintf("%x", h.Sum(nil))
}

var _ Deliveries = (*delivery.Deliveries)(nil)
