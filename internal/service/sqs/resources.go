package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
)

// The types of resource that the service offers.
const (
	queueType        = "AWS::SQS::Queue"
	policyType       = "AWS::SQS::QueuePolicy"
	inlinePolicyType = "AWS::SQS::QueueInlinePolicy"
)

// Types are the service's types of resource. What is done to one is done through api, as whoever asks for it.
func (s *Service) Types(api sqsapi.Client) []resource.Type {
	queues := queueResources{s, api}
	policies := policyResources{s, api}
	inline := inlinePolicyResources{api}
	return []resource.Type{
		resource.Kind[queueModel]{
			Name: queueType, Service: "Sqs",
			Create: queues.create, Read: queues.read, Update: queues.update, Delete: queues.delete, List: queues.list,
			Tags: &resource.Tags{
				Service: "sqs", Kind: "queue", Match: func(aws.ARN) bool { return true },
				List: s.taggedQueues, Get: s.queueTags, Add: queues.tag, Remove: queues.untag,
			},
		}.Type(),
		resource.Kind[policyModel]{
			Name: policyType, Service: "Sqs",
			Create: policies.create, Read: policies.read, Update: policies.update, Delete: policies.delete,
		}.Type(),
		resource.Kind[inlinePolicyModel]{
			Name: inlinePolicyType, Service: "Sqs",
			Create: inline.create, Read: inline.read, Update: inline.update, Delete: inline.delete,
		}.Type(),
	}
}

// queueModel is a queue by its properties.
type queueModel struct {
	QueueUrl  string `json:",omitempty"`
	Arn       string `json:",omitempty"`
	QueueName string `json:",omitempty"`
	FifoQueue *bool  `json:",omitempty"`

	ContentBasedDeduplication     *bool      `json:",omitempty"`
	DeduplicationScope            string     `json:",omitempty"`
	FifoThroughputLimit           string     `json:",omitempty"`
	DelaySeconds                  *int       `json:",omitempty"`
	MaximumMessageSize            *int       `json:",omitempty"`
	MessageRetentionPeriod        *int       `json:",omitempty"`
	ReceiveMessageWaitTimeSeconds *int       `json:",omitempty"`
	VisibilityTimeout             *int       `json:",omitempty"`
	KmsMasterKeyId                string     `json:",omitempty"`
	KmsDataKeyReusePeriodSeconds  *int       `json:",omitempty"`
	SqsManagedSseEnabled          *bool      `json:",omitempty"`
	RedrivePolicy                 any        `json:",omitempty"` // an object, or its text
	RedriveAllowPolicy            any        `json:",omitempty"`
	Tags                          []queueTag `json:",omitempty"`
}

type queueTag struct{ Key, Value string }

// attributes are what the properties say of a queue's attributes, but whether it is a FIFO queue.
func (m *queueModel) attributes() map[sqsapi.QueueAttributeName]string {
	out := map[sqsapi.QueueAttributeName]string{}
	for name, v := range map[sqsapi.QueueAttributeName]*int{
		attrDelay: m.DelaySeconds, attrMaxSize: m.MaximumMessageSize, attrRetention: m.MessageRetentionPeriod,
		attrWait: m.ReceiveMessageWaitTimeSeconds, attrVisibility: m.VisibilityTimeout, attrKeyReuse: m.KmsDataKeyReusePeriodSeconds,
	} {
		if v != nil {
			out[name] = strconv.Itoa(*v)
		}
	}
	for name, v := range map[sqsapi.QueueAttributeName]*bool{attrContentDedup: m.ContentBasedDeduplication, attrSSE: m.SqsManagedSseEnabled} {
		if v != nil {
			out[name] = strconv.FormatBool(*v)
		}
	}
	for name, v := range map[sqsapi.QueueAttributeName]string{
		attrDedupScope: m.DeduplicationScope, attrThroughput: m.FifoThroughputLimit, attrKey: m.KmsMasterKeyId,
		attrRedrive: resource.JSON(m.RedrivePolicy), attrRedriveAllow: resource.JSON(m.RedriveAllowPolicy),
	} {
		if v != "" {
			out[name] = v
		}
	}
	return out
}

func (m *queueModel) fifo() bool { return m.FifoQueue != nil && *m.FifoQueue }

func (m *queueModel) tags() map[string]string {
	tags := make(map[string]string, len(m.Tags))
	for _, t := range m.Tags {
		tags[t.Key] = t.Value
	}
	return tags
}

// modelOf is the properties of a queue that has these attributes and tags.
func modelOf(name, arn string, value func(name string) string, tags map[string]string) queueModel {
	number := func(name string) *int {
		if n, err := strconv.Atoi(value(name)); err == nil {
			return &n
		}
		return nil
	}
	truth := func(name string) *bool {
		if b, err := strconv.ParseBool(value(name)); err == nil {
			return &b
		}
		return nil
	}
	object := func(name string) any {
		if v := value(name); v != "" {
			return resource.Object(v)
		}
		return nil
	}
	m := queueModel{
		QueueName: name, Arn: arn, FifoQueue: truth(attrFifo),
		ContentBasedDeduplication: truth(attrContentDedup), DeduplicationScope: value(attrDedupScope), FifoThroughputLimit: value(attrThroughput),
		DelaySeconds: number(attrDelay), MaximumMessageSize: number(attrMaxSize), MessageRetentionPeriod: number(attrRetention),
		ReceiveMessageWaitTimeSeconds: number(attrWait), VisibilityTimeout: number(attrVisibility),
		KmsMasterKeyId: value(attrKey), KmsDataKeyReusePeriodSeconds: number(attrKeyReuse), SqsManagedSseEnabled: truth(attrSSE),
		RedrivePolicy: object(attrRedrive), RedriveAllowPolicy: object(attrRedriveAllow),
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		m.Tags = append(m.Tags, queueTag{k, tags[k]})
	}
	return m
}

// removed is what AWS makes of an attribute whose property is taken away. Those that are not here stay as they are.
func removed(name sqsapi.QueueAttributeName) (v string, ok bool) {
	switch name {
	case attrDelay, attrRetention, attrWait, attrVisibility:
		return strconv.Itoa(numbers[string(name)].def), true
	case attrMaxSize:
		return "262144", true // what it was before AWS raised what a new queue has
	case attrContentDedup:
		return "false", true
	case attrRedrive, attrRedriveAllow, attrKey:
		return "", true
	}
	return "", false
}

type queueResources struct {
	*Service
	api sqsapi.Client
}

func (t queueResources) create(ctx context.Context, r resource.Request, desired queueModel) (queueModel, error) {
	name := desired.QueueName
	if name == "" {
		name = r.Name(80 - len(".fifo"))
		if desired.fifo() {
			name += ".fifo"
		}
	}
	if !r.Again {
		_, err := t.api.GetQueueUrl(ctx, &sqsapi.GetQueueUrlInput{QueueName: name})
		if err == nil {
			return queueModel{}, resource.Exists(queueType, name)
		}
		if !isNoQueue(err) {
			return queueModel{}, err
		}
	}
	in := &sqsapi.CreateQueueInput{QueueName: name, Attributes: desired.attributes(), Tags: desired.tags()}
	maps.Copy(in.Tags, r.Tags)
	if desired.fifo() {
		in.Attributes[attrFifo] = "true"
	}
	out, err := t.api.CreateQueue(ctx, in)
	if err != nil {
		return queueModel{}, err
	}
	desired.QueueName, desired.QueueUrl, desired.Arn = name, out.QueueUrl.V, aws.RequestOf(ctx).ARN("sqs", name)
	return desired, nil
}

func (t queueResources) read(ctx context.Context, id queueModel) (queueModel, error) {
	out, err := t.api.GetQueueAttributes(ctx, &sqsapi.GetQueueAttributesInput{QueueUrl: id.QueueUrl, AttributeNames: []sqsapi.QueueAttributeName{sqsapi.QueueAttributeNameAll}})
	if err != nil {
		return queueModel{}, missingQueue(err, queueType, id.QueueUrl)
	}
	tags, err := t.api.ListQueueTags(ctx, &sqsapi.ListQueueTagsInput{QueueUrl: id.QueueUrl})
	if err != nil {
		return queueModel{}, missingQueue(err, queueType, id.QueueUrl)
	}
	arn, _ := aws.ParseARN(out.Attributes["QueueArn"])
	m := modelOf(arn.Resource, arn.String(), func(name string) string { return out.Attributes[sqsapi.QueueAttributeName(name)] }, tags.Tags)
	m.QueueUrl = id.QueueUrl
	return m, nil
}

// missingQueue is err; where it says that there is no such queue, the failure of a resource that is missing.
func missingQueue(err error, typeName, id string) error {
	if isNoQueue(err) {
		return resource.Missing(typeName, id)
	}
	return err
}

func (t queueResources) update(ctx context.Context, r resource.Request, before, desired queueModel) (queueModel, error) {
	url := before.QueueUrl
	if err := t.setAttributes(ctx, url, before.attributes(), desired.attributes()); err != nil {
		return queueModel{}, missingQueue(err, queueType, url)
	}
	tags := desired.tags()
	maps.Copy(tags, r.Tags)
	if err := t.setTags(ctx, url, before.tags(), tags); err != nil {
		return queueModel{}, missingQueue(err, queueType, url)
	}
	desired.QueueUrl, desired.Arn, desired.QueueName = url, before.Arn, before.QueueName
	return desired, nil
}

func (t queueResources) setAttributes(ctx context.Context, url string, had, wants map[sqsapi.QueueAttributeName]string) error {
	change := map[sqsapi.QueueAttributeName]string{}
	for name, v := range wants {
		if had[name] != v {
			change[name] = v
		}
	}
	for name := range had {
		if v, ok := removed(name); ok && wants[name] == "" {
			change[name] = v
		}
	}
	if len(change) == 0 {
		_, err := t.api.GetQueueAttributes(ctx, &sqsapi.GetQueueAttributesInput{QueueUrl: url}) // it must be there all the same
		return err
	}
	_, err := t.api.SetQueueAttributes(ctx, &sqsapi.SetQueueAttributesInput{QueueUrl: url, Attributes: change})
	return err
}

func (t queueResources) setTags(ctx context.Context, url string, had, wants map[string]string) error {
	var gone []string
	for k, v := range had {
		if now, ok := wants[k]; !ok {
			gone = append(gone, k)
		} else if now == v {
			delete(wants, k)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		if _, err := t.api.UntagQueue(ctx, &sqsapi.UntagQueueInput{QueueUrl: url, TagKeys: gone}); err != nil {
			return err
		}
	}
	if len(wants) == 0 {
		return nil
	}
	_, err := t.api.TagQueue(ctx, &sqsapi.TagQueueInput{QueueUrl: url, Tags: wants})
	return err
}

func (t queueResources) delete(ctx context.Context, r resource.Request, was queueModel) error {
	_, err := t.api.DeleteQueue(ctx, &sqsapi.DeleteQueueInput{QueueUrl: was.QueueUrl})
	if r.Again && isNoQueue(err) {
		return nil
	}
	return missingQueue(err, queueType, was.QueueUrl)
}

func (t queueResources) list(ctx context.Context, _ queueModel, page resource.Page) (list []queueModel, next string, err error) {
	out, err := t.api.ListQueues(ctx, &sqsapi.ListQueuesInput{MaxResults: aws.Some(int32(page.Limit)), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, url := range out.QueueUrls {
		list = append(list, queueModel{QueueUrl: url})
	}
	return list, out.NextToken.V, nil
}

// tag and untag name the queue by its ARN, which does for a URL.
func (t queueResources) tag(ctx context.Context, arn aws.ARN, tags map[string]string) error {
	_, err := t.api.TagQueue(ctx, &sqsapi.TagQueueInput{QueueUrl: arn.String(), Tags: tags})
	return err
}

func (t queueResources) untag(ctx context.Context, arn aws.ARN, keys []string) error {
	_, err := t.api.UntagQueue(ctx, &sqsapi.UntagQueueInput{QueueUrl: arn.String(), TagKeys: keys})
	return err
}

// taggedQueues are the first queues with tags behind the one of that ARN.
func (s *Service) taggedQueues(ctx context.Context, after string, limit int) ([]resource.Tagged, error) {
	var o store.ScanOptions
	if arn, ok := aws.ParseARN(after); ok {
		o.After = []any{arn.Resource}
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (list []resource.Tagged, err error) {
		for k, q := range s.tables.queues.Scan(tx, o) {
			if len(list) == limit {
				break
			}
			if len(q.Tags) > 0 {
				list = append(list, resource.Tagged{ARN: tx.Scope().ARN("sqs", k.String(0)), Tags: q.Tags})
			}
		}
		return list, nil
	})
}

// queueTags are the tags of one queue.
func (s *Service) queueTags(ctx context.Context, arn aws.ARN) (map[string]string, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (map[string]string, error) {
		q, ok := s.tables.queues.Get(tx.In(arn.Scope()), arn.Resource)
		if !ok {
			return nil, resource.Missing(queueType, arn.String())
		}
		return q.Tags, nil
	})
}

// policyModel is a policy that is given to several queues at once. It has an id of its own, by which we remember it; the
// queues do not know it.
type policyModel struct {
	Id             string   `json:",omitempty"`
	PolicyDocument any      `json:",omitempty"`
	Queues         []string `json:",omitempty"`
}

type policyResources struct {
	*Service
	api sqsapi.Client
}

func (t policyResources) create(ctx context.Context, r resource.Request, desired policyModel) (policyModel, error) {
	desired.Id = r.Name(128)
	if err := t.give(ctx, desired.Queues, resource.JSON(desired.PolicyDocument)); err != nil {
		return policyModel{}, err
	}
	return desired, t.keep(ctx, desired)
}

// give makes a document the policy of queues. Where it is taken away from them, those that are gone do not matter.
func (t policyResources) give(ctx context.Context, queues []string, document string) error {
	for _, url := range queues {
		if err := givePolicy(ctx, t.api, url, document); err != nil && (document != "" || !isNoQueue(err)) {
			return err
		}
	}
	return nil
}

func givePolicy(ctx context.Context, api sqsapi.Client, url, document string) error {
	_, err := api.SetQueueAttributes(ctx, &sqsapi.SetQueueAttributesInput{
		QueueUrl: url, Attributes: map[sqsapi.QueueAttributeName]string{attrPolicy: document},
	})
	return err
}

// keep remembers a policy.
func (t policyResources) keep(ctx context.Context, m policyModel) error {
	_, err := store.Update(ctx, t.space, func(tx *store.Tx) (struct{}, error) {
		t.tables.policies.Set(tx, policyRecord{Document: resource.JSON(m.PolicyDocument), Queues: arnsOf(ctx, m.Queues)}, m.Id)
		return struct{}{}, nil
	})
	return err
}

func (t policyResources) read(ctx context.Context, id policyModel) (policyModel, error) {
	return store.View(ctx, t.space, func(tx *store.Tx) (policyModel, error) {
		p, ok := t.tables.policies.Get(tx, id.Id)
		if !ok {
			return policyModel{}, resource.Missing(policyType, id.Id)
		}
		m := policyModel{Id: id.Id, PolicyDocument: resource.Object(p.Document)}
		for _, text := range p.Queues {
			arn, _ := aws.ParseARN(text)
			m.Queues = append(m.Queues, t.queueURL(ctx, arn.Scope(), arn.Resource))
		}
		return m, nil
	})
}

// arnsOf are the queues of these URLs, by whatever host they name us.
func arnsOf(ctx context.Context, urls []string) []string {
	arns := make([]string, 0, len(urls))
	for _, url := range urls {
		if in, name, ok := locate(ctx, url); ok {
			arns = append(arns, aws.RequestOf(in).ARN("sqs", name))
		}
	}
	return arns
}

func (t policyResources) update(ctx context.Context, _ resource.Request, before, desired policyModel) (policyModel, error) {
	was, err := t.read(ctx, before)
	if err != nil {
		return policyModel{}, err
	}
	stay := arnsOf(ctx, desired.Queues)
	left := slices.DeleteFunc(arnsOf(ctx, was.Queues), func(arn string) bool { return slices.Contains(stay, arn) })
	if err := t.give(ctx, desired.Queues, resource.JSON(desired.PolicyDocument)); err != nil {
		return policyModel{}, err
	}
	if err := t.give(ctx, left, ""); err != nil {
		return policyModel{}, err
	}
	desired.Id = before.Id
	return desired, t.keep(ctx, desired)
}

func (t policyResources) delete(ctx context.Context, r resource.Request, was policyModel) error {
	p, err := t.read(ctx, was)
	if resource.Is(err, resource.NotFound) && r.Again {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.give(ctx, p.Queues, ""); err != nil {
		return err
	}
	_, err = store.Update(ctx, t.space, func(tx *store.Tx) (struct{}, error) {
		t.tables.policies.Delete(tx, was.Id)
		return struct{}{}, nil
	})
	return err
}

// inlinePolicyModel is the policy of one queue: what its Policy attribute says.
type inlinePolicyModel struct {
	Queue          string `json:",omitempty"`
	PolicyDocument any    `json:",omitempty"`
}

type inlinePolicyResources struct{ api sqsapi.Client }

func (t inlinePolicyResources) create(ctx context.Context, r resource.Request, desired inlinePolicyModel) (inlinePolicyModel, error) {
	if !r.Again {
		_, err := t.read(ctx, desired)
		switch {
		case err == nil:
			return inlinePolicyModel{}, resource.Exists(inlinePolicyType, desired.Queue)
		case !resource.Is(err, resource.NotFound):
			return inlinePolicyModel{}, err
		}
	}
	return desired, givePolicy(ctx, t.api, desired.Queue, resource.JSON(desired.PolicyDocument))
}

func (t inlinePolicyResources) read(ctx context.Context, id inlinePolicyModel) (inlinePolicyModel, error) {
	out, err := t.api.GetQueueAttributes(ctx, &sqsapi.GetQueueAttributesInput{QueueUrl: id.Queue, AttributeNames: []sqsapi.QueueAttributeName{attrPolicy}})
	if err != nil && !isNoQueue(err) {
		return inlinePolicyModel{}, err
	}
	if err != nil || out.Attributes[attrPolicy] == "" {
		return inlinePolicyModel{}, resource.Missing(inlinePolicyType, id.Queue)
	}
	return inlinePolicyModel{Queue: id.Queue, PolicyDocument: resource.Object(out.Attributes[attrPolicy])}, nil
}

func (t inlinePolicyResources) update(ctx context.Context, _ resource.Request, before, desired inlinePolicyModel) (inlinePolicyModel, error) {
	if _, err := t.read(ctx, before); err != nil {
		return inlinePolicyModel{}, err
	}
	desired.Queue = before.Queue
	return desired, givePolicy(ctx, t.api, desired.Queue, resource.JSON(desired.PolicyDocument))
}

func (t inlinePolicyResources) delete(ctx context.Context, r resource.Request, was inlinePolicyModel) error {
	_, err := t.read(ctx, was)
	if err == nil {
		err = missingQueue(givePolicy(ctx, t.api, was.Queue, ""), inlinePolicyType, was.Queue)
	}
	if r.Again && resource.Is(err, resource.NotFound) {
		return nil
	}
	return err
}

// changed tells the feed, with w, that a call has made, changed or deleted a queue: nil stands for one that is not there.
func (s *Service) changed(ctx context.Context, w store.Writer, name string, before, after *queueRecord) {
	if !s.o.Changes.Watched(queueType) {
		return
	}
	arn := w.Scope().ARN("sqs", name)
	c := resource.Change{Type: queueType, ARN: arn, Action: resource.Updated, Before: before.properties(name, arn), After: after.properties(name, arn)}
	switch {
	case before == nil:
		c.Action = resource.Created
	case after == nil:
		c.Action = resource.Deleted
	case c.Before == c.After:
		return
	}
	s.o.Changes.Note(ctx, w, c)
}

// properties are a queue's properties as JSON, empty where there is no queue. Its URL, which depends on who asks, is not among
// them.
func (r *queueRecord) properties(name, arn string) string {
	if r == nil {
		return ""
	}
	return resource.Text(modelOf(name, arn, func(attribute string) string { v, _ := r.value(attribute); return v }, r.Tags))
}
