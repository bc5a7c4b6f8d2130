package sqs

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

// redrivePolicy says where messages go that were received too often.
type redrivePolicy struct {
	Target string      `json:"deadLetterTargetArn"`
	Max    json.Number `json:"maxReceiveCount"`
}

func (p redrivePolicy) max() uint32 {
	n, _ := strconv.ParseUint(string(p.Max), 10, 32)
	return uint32(n)
}

// canonical is the policy as AWS answers it.
func (p redrivePolicy) canonical() string {
	b, _ := json.Marshal(p)
	return string(b)
}

func parseRedrive(v string) (p redrivePolicy, ok bool) {
	return p, v != "" && json.Unmarshal([]byte(v), &p) == nil
}

func invalidRedrive(v, reason string) *aws.Error {
	return invalid("Value %s for parameter RedrivePolicy is invalid. Reason: %s", v, reason)
}

// readRedrive checks a policy that a queue is given, as far as that can be without knowing other queues.
func readRedrive(v string, fifo bool) (p redrivePolicy, err error) {
	var loose struct {
		Target *string `json:"deadLetterTargetArn"`
		Max    any     `json:"maxReceiveCount"`
	}
	d := json.NewDecoder(strings.NewReader(v))
	d.UseNumber()
	if d.Decode(&loose) != nil {
		return p, sqsapi.InvalidAttributeValue("Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.")
	}
	if loose.Max == nil {
		return p, invalidRedrive(v, "Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	if loose.Target == nil {
		return p, invalidRedrive(v, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	p.Target = *loose.Target
	count := ""
	switch m := loose.Max.(type) {
	case json.Number:
		count = string(m)
	case string:
		count = m
	}
	n, bad := strconv.Atoi(count)
	if bad != nil || n < 1 || n > 1000 {
		return p, invalidRedrive(v, "Invalid value for maxReceiveCount: "+count+", valid values are from 1 to 1000 both inclusive.")
	}
	p.Max = json.Number(strconv.Itoa(n))
	arn, ok := aws.ParseARN(p.Target)
	if !ok {
		return p, invalidRedrive(v, "Dead-letter target ARN should be fully qualified ARN.")
	}
	if arn.Service != "sqs" {
		return p, invalidRedrive(v, "Only SQS queues are valid resources for deadLetterTargetArn.")
	}
	if strings.HasSuffix(arn.Resource, ".fifo") != fifo {
		return p, invalidRedrive(v, "Dead-letter queue must be same type of queue as the source..")
	}
	return p, nil
}

// redriveAllowPolicy says which queues may name a queue as their dead-letter queue.
type redriveAllowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

func checkRedriveAllow(v string) error {
	bad := func(reason string) error {
		return invalid("Value %s for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS can't create the redrive allow policy. %s", v, reason)
	}
	unreadable := sqsapi.InvalidAttributeValue("Invalid value for the parameter RedriveAllowPolicy. Reason: Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
	var p redriveAllowPolicy
	d := json.NewDecoder(strings.NewReader(v))
	d.DisallowUnknownFields()
	if d.Decode(&p) != nil {
		return unreadable
	}
	switch p.Permission {
	case "allowAll", "denyAll":
		if p.Sources != nil {
			return bad("To specify one or more source queue ARNs, you must set redrivePermission to byQueue.")
		}
	case "byQueue":
		switch {
		case len(p.Sources) == 0:
			return bad("When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.")
		case len(p.Sources) > 10:
			return bad("The maximum number of source queue ARNs you can specify is 10.")
		}
		for _, s := range p.Sources {
			if a, ok := aws.ParseARN(s); !ok || a.Service != "sqs" {
				return unreadable
			}
		}
	default:
		return unreadable
	}
	return nil
}

// allows reports whether the queue lets source name it as its dead-letter queue.
func (r *queueRecord) allows(source string) bool {
	var p redriveAllowPolicy
	if v := r.Attributes[attrRedriveAllow]; v == "" || json.Unmarshal([]byte(v), &p) != nil {
		return true
	}
	return p.Permission == "allowAll" || p.Permission == "byQueue" && slices.Contains(p.Sources, source)
}

// checkDeadLetterTarget checks that the queue a policy of the queue name names is there and may be named.
func (s *Service) checkDeadLetterTarget(ctx context.Context, name, policy string) error {
	p, ok := parseRedrive(policy)
	if !ok {
		return nil // what is wrong with it is found where it is read
	}
	target, ok := aws.ParseARN(p.Target)
	if !ok || target.Service != "sqs" {
		return nil
	}
	scope := aws.RequestOf(ctx).Scope
	found, err := store.View(ctx, s.space, func(tx *store.Tx) (r queueRecord, _ error) {
		if target.Scope() == scope {
			r, _ = s.tables.queues.Get(tx, target.Resource)
		}
		return r, nil
	})
	switch {
	case err != nil:
		return err
	case target.Account != scope.Account:
		return invalidRedrive(policy, "Dead-letter target owner should be same as the source.")
	case found.Number == 0:
		return invalidRedrive(policy, "Dead letter target does not exist.")
	case !found.allows(scope.ARN("sqs", name)):
		return invalidRedrive(policy, "Dead letter target does not allow this queue as a source.")
	}
	return nil
}

// ListDeadLetterSourceQueues answers the queues whose dead-letter queue this is.
func (s *Service) ListDeadLetterSourceQueues(ctx context.Context, in *sqsapi.ListDeadLetterSourceQueuesInput) (*sqsapi.ListDeadLetterSourceQueuesOutput, error) {
	limit, err := pageSize(in.MaxResults)
	if err != nil {
		return nil, err
	}
	after, err := pageToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	within, name, ok := locate(ctx, in.QueueUrl)
	if !ok {
		return nil, noAddress(ctx, in.QueueUrl, name)
	}
	return store.View(within, s.space, func(tx *store.Tx) (*sqsapi.ListDeadLetterSourceQueuesOutput, error) {
		if !s.tables.queues.Has(tx, name) {
			return nil, noQueue(ctx)
		}
		out := &sqsapi.ListDeadLetterSourceQueuesOutput{QueueUrls: []string{}}
		o := store.ScanOptions{Limit: limit + 1}
		if after != "" {
			o.After = []any{after}
		}
		last := ""
		for k := range s.tables.sources.Keys(tx, o, name) {
			if len(out.QueueUrls) == limit {
				out.NextToken = nextToken(last, in.MaxResults)
				break
			}
			last = k.String(1)
			out.QueueUrls = append(out.QueueUrls, s.queueURL(ctx, tx.Scope(), last))
		}
		return out, nil
	})
}

// deadLetters is the number of the queue that messages go to which were received too often; 0 where it does not exist.
func (q *queue) deadLetters(ctx context.Context) (uint64, error) {
	return store.View(ctx, q.svc.space, func(tx *store.Tx) (uint64, error) {
		r, _ := q.svc.tables.queues.Get(tx.In(q.scope), q.set.deadLetters)
		return r.Number, nil
	})
}

// moveTo sends a message on its way to another queue, for being received too often in the queue source: as it is, with
// what happened to it here. The caller drops it here in the same batch, and adds the work of taking it in there.
func (q *queue) moveTo(b *owner.Batch, to uint64, m *message, f *flight, source string) {
	m.source = source
	if f != nil && f.receives > 0 {
		if m.receives == 0 {
			m.first = f.first
		}
		m.receives += f.receives
	}
	if q.set.fifo {
		m.sent = b.Now().UnixMilli() // its retention begins anew there; in standard queues it does not
	}
	q.sendOff(b, to, m)
}

// sendOff has the queue to take in a message. Numbers of one queue say nothing of those of another: so each source counts for
// itself.
func (q *queue) sendOff(w store.Writer, to uint64, m *message) {
	q.svc.tables.arrived.Set(w, q.svc.encode(m), to, q.record.Number, q.ids.Next())
}

// takeIn gives the messages that were moved to a queue their place in it.
func (s *Service) takeIn(ctx context.Context, name string) error {
	for {
		more, err := owner.Do(ctx, s.queues, name, func(q *queue, b *owner.Batch) (bool, error) {
			b.Frees() // else nothing could be had from the queue any more

			if q.taking { // what is being taken in must be committed before the rest is read
				return false, b.Park(&q.intake, b.Now().Add(time.Minute))
			}
			if !q.arrivals {
				b.Lazy()
				return false, nil
			}
			type row struct {
				from, n uint64
				rec     record
			}
			var rows []row
			more, err := store.View(ctx, s.space, func(tx *store.Tx) (bool, error) {
				bytes := 0
				rows = rows[:0]
				for k, r := range s.tables.arrived.Scan(tx, store.ScanOptions{Limit: 100}, q.record.Number) {
					rows = append(rows, row{k.Uint64(1), k.Uint64(2), r})
					if bytes += len(r); bytes > pageBytes {
						return true, nil
					}
				}
				return len(rows) == 100, nil
			})
			if err != nil {
				return false, err
			}
			q.arrivals = more
			if len(rows) == 0 {
				b.Lazy()
				return false, nil
			}
			for _, r := range rows {
				s.tables.arrived.Delete(b, q.record.Number, r.from, r.n)
				m, err := r.rec.parse()
				if err != nil {
					continue
				}
				q.add(b, q.ids.Next(), &m, 0)
			}
			q.state.mixed = true
			q.save(b)
			q.taking = true
			b.Then(func() {
				q.taking = false
				q.intake.WakeAll()
			})
			return more, nil
		})
		if err != nil || !more {
			return err
		}
	}
}
