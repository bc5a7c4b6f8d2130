package sqs

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Names of attributes as they are in a queue's record.
const (
	attrPolicy       = "Policy"
	attrVisibility   = "VisibilityTimeout"
	attrMaxSize      = "MaximumMessageSize"
	attrRetention    = "MessageRetentionPeriod"
	attrDelay        = "DelaySeconds"
	attrWait         = "ReceiveMessageWaitTimeSeconds"
	attrRedrive      = "RedrivePolicy"
	attrRedriveAllow = "RedriveAllowPolicy"
	attrFifo         = "FifoQueue"
	attrContentDedup = "ContentBasedDeduplication"
	attrDedupScope   = "DeduplicationScope"
	attrThroughput   = "FifoThroughputLimit"
	attrKey          = "KmsMasterKeyId"
	attrKeyReuse     = "KmsDataKeyReusePeriodSeconds"
	attrSSE          = "SqsManagedSseEnabled"
)

// number is an attribute that is a whole number within bounds.
type number struct {
	min, max, def int
}

var numbers = map[string]number{
	attrVisibility: {0, 43200, 30},
	attrMaxSize:    {1024, maxBatch, maxBatch},
	attrRetention:  {60, 1209600, 345600},
	attrDelay:      {0, 900, 0},
	attrWait:       {0, 20, 0},
	attrKeyReuse:   {60, 86400, 300},
}

// settings is what a queue's attributes mean.
type settings struct {
	visibility, delay, retention, wait int64 // milliseconds
	maxSize                            int

	fifo         bool
	contentDedup bool

	deadLetters string // name of the dead-letter queue; empty = none
	maxReceives uint32
}

func (r *queueRecord) number(name string) int {
	if v, err := strconv.Atoi(r.Attributes[name]); err == nil {
		return v
	}
	return numbers[name].def
}

func (r *queueRecord) settings() settings {
	millis := func(name string) int64 { return int64(r.number(name)) * 1000 }
	s := settings{
		visibility: millis(attrVisibility), delay: millis(attrDelay), retention: millis(attrRetention), wait: millis(attrWait),
		maxSize: r.number(attrMaxSize), fifo: r.Fifo, contentDedup: r.Attributes[attrContentDedup] == "true",
	}
	if p, ok := parseRedrive(r.Attributes[attrRedrive]); ok {
		arn, _ := aws.ParseARN(p.Target)
		s.deadLetters, s.maxReceives = arn.Resource, p.max()
	}
	return s
}

// value is an attribute as it is answered; ok is false where the queue does not have it.
func (q *queue) value(name string) (v string, ok bool) {
	r := &q.record
	switch name {
	case "QueueArn":
		return q.arn, true
	case "CreatedTimestamp":
		return strconv.FormatInt(r.Created, 10), true
	case "LastModifiedTimestamp":
		return strconv.FormatInt(r.Modified, 10), true
	case "ApproximateNumberOfMessages":
		return strconv.FormatInt(max(0, int64(q.state.total)-int64(q.flying)-int64(q.delayed)), 10), true
	case "ApproximateNumberOfMessagesNotVisible":
		return strconv.Itoa(q.flying), true
	case "ApproximateNumberOfMessagesDelayed":
		return strconv.Itoa(q.delayed), true
	}
	return r.value(name)
}

// value is an attribute that is kept in the record.
func (r *queueRecord) value(name string) (v string, ok bool) {
	set := r.Attributes[name]
	or := func(def string) (string, bool) {
		if set != "" {
			return set, true
		}
		return def, true
	}
	switch name {
	case attrFifo:
		return "true", r.Fifo
	case attrContentDedup, attrDedupScope, attrThroughput:
		if !r.Fifo {
			return "", false
		}
		return or(map[string]string{attrContentDedup: "false", attrDedupScope: "queue", attrThroughput: "perQueue"}[name])
	case attrKeyReuse:
		if r.Attributes[attrKey] == "" {
			return "", false
		}
	case attrSSE:
		return or("true")
	}
	if n, is := numbers[name]; is {
		return or(strconv.Itoa(n.def))
	}
	return set, set != ""
}

// GetQueueAttributes answers what was asked for and is there. As a delivery it is the service's own way of having the
// owner of the queue do what there is to do at it.
func (s *Service) GetQueueAttributes(ctx context.Context, in *sqsapi.GetQueueAttributesInput) (*sqsapi.GetQueueAttributesOutput, error) {
	if aws.RequestOf(ctx).Delivery != "" {
		if err := s.catchUp(ctx, in.QueueUrl); err != nil {
			return nil, err
		}
	}
	known := sqsapi.QueueAttributeName("").Values()
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.GetQueueAttributesOutput, error) {
		out := make(map[sqsapi.QueueAttributeName]string)
		for _, name := range in.AttributeNames {
			if !slices.Contains(known, string(name)) {
				return nil, sqsapi.InvalidAttributeName("Unknown Attribute %s.", name)
			}
			names := []string{string(name)}
			if name == sqsapi.QueueAttributeNameAll {
				names = known
			}
			for _, n := range names {
				if v, ok := q.value(n); ok {
					out[sqsapi.QueueAttributeName(n)] = v
				}
			}
		}
		if len(out) == 0 {
			out = nil
		}
		return &sqsapi.GetQueueAttributesOutput{Attributes: out}, nil
	})
}

// SetQueueAttributes changes a queue.
func (s *Service) SetQueueAttributes(ctx context.Context, in *sqsapi.SetQueueAttributesInput) (*sqsapi.SetQueueAttributesOutput, error) {
	if len(in.Attributes) == 0 {
		return nil, missing("Attribute.Name")
	}
	in2, name, ok := locate(ctx, in.QueueUrl)
	if !ok {
		return nil, noAddress(ctx, in.QueueUrl, name)
	}
	if err := s.checkDeadLetterTarget(in2, name, in.Attributes[attrRedrive]); err != nil {
		return nil, err
	}
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.SetQueueAttributesOutput, error) {
		next := q.record
		next.Attributes = maps.Clone(q.record.Attributes)
		if err := next.change(in.Attributes, false); err != nil {
			return nil, err
		}
		s.put(ctx, q, b, next)
		return &sqsapi.SetQueueAttributesOutput{}, nil
	})
}

// put makes next the queue's record, and does what its changes ask for.
func (s *Service) put(ctx context.Context, q *queue, b *owner.Batch, next queueRecord) {
	next.Modified = b.Now().Unix()
	s.tables.queues.Set(b, next, q.name)
	s.changed(ctx, b, q.name, &q.record, &next)
	before, after := q.set, next.settings()
	if before.deadLetters != after.deadLetters {
		if before.deadLetters != "" {
			s.tables.sources.Delete(b, before.deadLetters, q.name)
		}
		if after.deadLetters != "" {
			s.tables.sources.Set(b, struct{}{}, after.deadLetters, q.name)
		}
	}
	q.record, q.set = next, after
	if q.set.fifo && before.delay != after.delay {
		q.delayAll(after.delay - before.delay)
	}
	if less := before.retention - after.retention; less > 0 && q.state.sweep != 0 {
		q.state.sweep = max(q.state.sweep-less, b.Now().UnixMilli())
		s.sweepAt(b, q, q.state.sweep)
		q.save(b)
	}
}

// change makes the attributes a request gives those of the record, in their canonical form.
func (r *queueRecord) change(given map[sqsapi.QueueAttributeName]string, creating bool) error {
	if r.Attributes == nil {
		r.Attributes = make(map[string]string)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := r.set(string(name), strings.Clone(given[name]), creating); err != nil {
			return err
		}
	}
	if r.Attributes[attrKey] != "" && given[attrKey] != "" && given[attrSSE] == "true" {
		return sqsapi.InvalidAttributeName("You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	switch {
	case given[attrSSE] == "true":
		delete(r.Attributes, attrKey)
		delete(r.Attributes, attrKeyReuse)
	case given[attrKey] != "":
		r.Attributes[attrSSE] = "false"
	}
	if r.Attributes[attrThroughput] == "perMessageGroupId" && r.Attributes[attrDedupScope] != "messageGroup" {
		return sqsapi.InvalidAttributeValue("Invalid value for the parameter FifoThroughputLimit. Reason: To set FifoThroughputLimit to perMessageGroupId, the DeduplicationScope must be messageGroup.")
	}
	return nil
}

func invalidValue(name string) *aws.Error {
	return sqsapi.InvalidAttributeValue("Invalid value for the parameter %s.", name)
}

// set makes v the attribute name.
func (r *queueRecord) set(name, v string, creating bool) error {
	unknown := func() error { return sqsapi.InvalidAttributeName("Unknown Attribute %s.", name) }
	keep := func(v string) error {
		if v == "" {
			delete(r.Attributes, name)
		} else {
			r.Attributes[name] = v
		}
		return nil
	}
	if n, is := numbers[name]; is {
		v, err := strconv.Atoi(v)
		if err != nil || v < n.min || v > n.max {
			return invalidValue(name)
		}
		return keep(strconv.Itoa(v))
	}
	oneOf := func(values ...string) error {
		if !slices.Contains(values, v) {
			return invalidValue(name)
		}
		return keep(v)
	}
	switch name {
	case attrFifo:
		if !r.Fifo {
			return unknown()
		}
		if !strings.EqualFold(v, "true") {
			return sqsapi.InvalidAttributeValue("Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
		}
		return nil
	case attrContentDedup:
		if !r.Fifo {
			return unknown()
		}
		v = strings.ToLower(v)
		return oneOf("true", "false")
	case attrDedupScope, attrThroughput:
		if !r.Fifo {
			return sqsapi.InvalidAttributeName("You can specify the %s only when FifoQueue is set to true.", name)
		}
		if name == attrDedupScope {
			return oneOf("queue", "messageGroup")
		}
		return oneOf("perQueue", "perMessageGroupId")
	case attrSSE:
		v = strings.ToLower(v)
		return oneOf("true", "false")
	case attrKey:
		return keep(v)
	case attrPolicy:
		if err := checkPolicy(v, creating); err != nil {
			return err
		}
		return keep(v)
	case attrRedrive:
		if v == "" {
			return keep("")
		}
		p, err := readRedrive(v, r.Fifo)
		if err != nil {
			return err
		}
		return keep(p.canonical())
	case attrRedriveAllow:
		if v == "" {
			return keep("")
		}
		if err := checkRedriveAllow(v); err != nil {
			return err
		}
		return keep(v)
	}
	return unknown()
}

// same reports whether a given value means what the queue has.
func (r *queueRecord) same(name, given string) bool {
	has, _ := r.value(name)
	if has == given {
		return true
	}
	switch name {
	case attrPolicy, attrRedrive, attrRedriveAllow:
		return given != "" && has != "" && canonicalJSON(has) == canonicalJSON(given)
	case attrKey, attrKeyReuse:
		return has == "" && (given == "" || given == "300")
	}
	if _, is := numbers[name]; is {
		a, errA := strconv.Atoi(has)
		b, errB := strconv.Atoi(given)
		return errA == nil && errB == nil && a == b
	}
	return strings.EqualFold(has, given)
}

func canonicalJSON(s string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return s
	}
	if m, ok := v.(map[string]any); ok { // AWS takes a count as a string too
		if n, is := m["maxReceiveCount"].(string); is {
			m["maxReceiveCount"] = json.Number(n)
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return s
	}
	return string(b)
}

// armSweep has a timer look for messages past their retention period no later than when the first of those here can be.
func (q *queue) armSweep(w store.Writer, oldest int64) {
	at := oldest + q.set.retention
	if q.state.sweep != 0 && q.state.sweep <= at {
		return
	}
	q.state.sweep = at
	q.svc.sweepAt(w, q, at)
}

// settable reports whether name is an attribute that queues have and can be given.
func settable(name string) bool {
	r := queueRecord{Fifo: true, Attributes: map[string]string{attrKey: "x", attrPolicy: "x", attrRedrive: "x", attrRedriveAllow: "x"}}
	_, ok := r.value(name)
	return ok
}
