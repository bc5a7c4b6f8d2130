package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/resource/resourcetest"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
)

const anyPolicy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}`

// types are the service's types of resource, by name.
func (p *platform) types() *resource.Registry {
	return resource.NewRegistry(p.service.Types(p.Client)...)
}

func (p *platform) typeNamed(name string) resource.Type {
	t, ok := p.types().Type(name)
	if !ok {
		p.t.Fatalf("no type %s", name)
	}
	return t
}

func asked(ctx context.Context) context.Context { return aws.WithRequest(ctx, request()) }

func TestResourceTypes(t *testing.T) {
	for _, c := range []resourcetest.Case{
		{
			Named:   true,
			Missing: endpoint + "/" + account + "/none",
			Desired: `{"QueueName": "q", "DelaySeconds": 17, "MaximumMessageSize": 4321, "VisibilityTimeout": 45, "SqsManagedSseEnabled": false,
				"RedriveAllowPolicy": {"redrivePermission": "denyAll"}, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}`,
			Changed: `{"DelaySeconds": 18, "ReceiveMessageWaitTimeSeconds": 7, "SqsManagedSseEnabled": false, "Tags": [{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}]}`,
		},
		{
			Named:   true,
			Missing: endpoint + "/" + account + "/none.fifo",
			Desired: `{"QueueName": "q.fifo", "FifoQueue": true, "ContentBasedDeduplication": true, "DeduplicationScope": "messageGroup"}`,
			Changed: `{"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup", "VisibilityTimeout": 3}`,
		},
		{
			Missing: endpoint + "/" + account + "/none",
			Desired: `{}`,
			Changed: `{"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": 200}`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := Start(t)
			c.Type, c.Context = p.typeNamed("AWS::SQS::Queue"), func() context.Context { return asked(t.Context()) }
			t.Log(c.Desired)
			resourcetest.Run(t, c)
		})
	}
}

func TestPolicyResourceTypes(t *testing.T) {
	other := strings.Replace(anyPolicy, "SendMessage", "*", 1)
	synctest.Test(t, func(t *testing.T) {
		p := Start(t)
		one, two := p.create(asked(t.Context()), "one"), p.create(asked(t.Context()), "two")
		resourcetest.Run(t, resourcetest.Case{
			Type: p.typeNamed("AWS::SQS::QueuePolicy"), Context: func() context.Context { return asked(t.Context()) },
			Missing: "none",
			Desired: `{"PolicyDocument": ` + anyPolicy + `, "Queues": ["` + one + `"]}`,
			Changed: `{"PolicyDocument": ` + other + `, "Queues": ["` + two + `", "` + one + `"]}`,
		})
		resourcetest.Run(t, resourcetest.Case{
			Type: p.typeNamed("AWS::SQS::QueueInlinePolicy"), Context: func() context.Context { return asked(t.Context()) },
			Named: true, Missing: two,
			Desired: `{"PolicyDocument": ` + anyPolicy + `, "Queue": "` + one + `"}`,
			Changed: `{"PolicyDocument": ` + other + `}`,
		})
	})
}

// attributes are a queue's, without those that differ from run to run.
func (p *platform) attributes(ctx context.Context, url string) map[string]any {
	p.t.Helper()
	out, err := p.GetQueueAttributes(ctx, &sqsapi.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []sqsapi.QueueAttributeName{"All"}})
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]any{}
	for k, v := range out.Attributes {
		switch k {
		case "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn":
		case "RedrivePolicy", "Policy":
			var doc any
			if err := json.Unmarshal([]byte(v), &doc); err != nil {
				p.t.Fatal(err)
			}
			all[string(k)] = doc
		default:
			all[string(k)] = v
		}
	}
	return all
}

// What AWS was seen to make of queues that are created and changed through their resource type.
func TestQueuesAsAWSMakesThem(t *testing.T) {
	standard := map[string]any{
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
	}
	fifo := merge(standard, map[string]any{
		"ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "FifoQueue": "true", "FifoThroughputLimit": "perQueue",
	})
	const (
		dlq        = `"arn:aws:sqs:us-east-1:111111111111:dead"`
		allOfThem  = `"DelaySeconds": 17, "MaximumMessageSize": 1234, "MessageRetentionPeriod": 13579, "ReceiveMessageWaitTimeSeconds": 18, "VisibilityTimeout": 45, "SqsManagedSseEnabled": false, "KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": 297, "Tags": [{"Key": "Environment", "Value": "Production"}, {"Key": "Department", "Value": "Finance"}]`
		allOfFifos = `"FifoQueue": true, "ContentBasedDeduplication": true, "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"`
	)
	for _, c := range []struct {
		name, create, update string
		want                 map[string]any
		tags                 map[string]string
	}{
		{"FIFO, nothing said", `{"FifoQueue": true}`, ``, fifo, nil},
		{
			"some taken away", `{"QueueName": "q", "RedrivePolicy": {"deadLetterTargetArn": ` + dlq + `, "maxReceiveCount": 7}, ` + allOfThem + `}`,
			`{"QueueName": "q", "DelaySeconds": 17, "VisibilityTimeout": 43, "RedrivePolicy": {"deadLetterTargetArn": ` + dlq + `, "maxReceiveCount": 7},
				"SqsManagedSseEnabled": false, "Tags": [{"Key": "Environment", "Value": "Pre-Production"}]}`,
			merge(standard, map[string]any{
				"DelaySeconds": "17", "VisibilityTimeout": "43", "MaximumMessageSize": "262144", "SqsManagedSseEnabled": "false",
				"RedrivePolicy": map[string]any{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111111111111:dead", "maxReceiveCount": 7.0},
			}),
			map[string]string{"Environment": "Pre-Production"},
		},
		{
			"all taken away", `{"QueueName": "q.fifo", ` + allOfFifos + `, ` + allOfThem + `}`, `{"QueueName": "q.fifo", "FifoQueue": true}`,
			merge(fifo, map[string]any{
				"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId", "MaximumMessageSize": "262144", "SqsManagedSseEnabled": "false",
			}), nil,
		},
		{
			"some added", `{}`, `{"MaximumMessageSize": 4321, "MessageRetentionPeriod": 17539, "ReceiveMessageWaitTimeSeconds": 17}`,
			merge(standard, map[string]any{"MaximumMessageSize": "4321", "MessageRetentionPeriod": "17539", "ReceiveMessageWaitTimeSeconds": "17"}), nil,
		},
		{
			"many said", `{"QueueName": "other", "DelaySeconds": 15, "MaximumMessageSize": 4444, "MessageRetentionPeriod": 17777, "ReceiveMessageWaitTimeSeconds": 14,
				"VisibilityTimeout": 35, "SqsManagedSseEnabled": true, "RedrivePolicy": {"deadLetterTargetArn": ` + dlq + `, "maxReceiveCount": 4},
				"Tags": [{"Key": "Environment", "Value": "Pre-Test"}, {"Key": "Department", "Value": "Marketing"}]}`, ``,
			merge(standard, map[string]any{
				"DelaySeconds": "15", "MaximumMessageSize": "4444", "MessageRetentionPeriod": "17777", "ReceiveMessageWaitTimeSeconds": "14", "VisibilityTimeout": "35",
				"RedrivePolicy": map[string]any{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:111111111111:dead", "maxReceiveCount": 4.0},
			}),
			map[string]string{"Department": "Marketing", "Environment": "Pre-Test"},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, ctx := Start(t), asked(t.Context())
			p.create(ctx, "dead")
			queue := p.typeNamed("AWS::SQS::Queue")
			properties := func(text string) resource.Properties {
				all, err := resource.ParseProperties(text)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				return all
			}
			made, err := queue.Create(ctx, resource.Request{Token: "t"}, properties(c.create))
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			url := made["QueueUrl"].(string)
			if c.update != "" {
				if _, err := queue.Update(ctx, resource.Request{Token: "u"}, made, properties(c.update)); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
			if got := p.attributes(ctx, url); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s:\n%v\nwant\n%v", c.name, got, c.want)
			}
			tags, err := p.ListQueueTags(ctx, &sqsapi.ListQueueTagsInput{QueueUrl: url})
			if err != nil || !reflect.DeepEqual(tags.Tags, c.tags) {
				t.Errorf("%s: tags %v, %v, want %v", c.name, tags.Tags, err, c.tags)
			}
			if fifo := strings.HasSuffix(url, ".fifo"); fifo != (c.want["FifoQueue"] == "true") {
				t.Errorf("%s: made %s", c.name, url)
			}
		})
	}
}

func merge(maps ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// A policy resource gives its document to queues, and takes it away with itself.
func TestPoliciesAsAWSMakesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), asked(t.Context())
		one, two := p.create(ctx, "one"), p.create(ctx, "two")
		document := func(action string) map[string]any {
			return map[string]any{"Version": "2012-10-17", "Statement": []any{
				map[string]any{"Effect": "Allow", "Principal": "*", "Action": []any{action}, "Resource": "*"},
			}}
		}
		policies := func(want ...any) {
			t.Helper()
			for i, url := range []string{one, two} {
				if got := p.attributes(ctx, url)["Policy"]; !reflect.DeepEqual(got, want[i]) {
					t.Errorf("the policy of %s is %v, want %v", url, got, want[i])
				}
			}
		}
		shared, inline := p.typeNamed("AWS::SQS::QueuePolicy"), p.typeNamed("AWS::SQS::QueueInlinePolicy")
		first := resource.Properties{"PolicyDocument": document("sqs:SendMessage"), "Queues": []any{one}}
		made, err := shared.Create(ctx, resource.Request{Token: "t", Stem: "stack-Policy"}, first)
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := made["Id"].(string); !strings.HasPrefix(id, "stack-Policy-") {
			t.Errorf("id %q", id)
		}
		policies(document("sqs:SendMessage"), nil)
		second := resource.Properties{"PolicyDocument": document("sqs:*"), "Queues": []any{one, two}}
		if _, err := shared.Update(ctx, resource.Request{Token: "u"}, made, second); err != nil {
			t.Fatal(err)
		}
		policies(document("sqs:*"), document("sqs:*"))
		if _, err := shared.Update(ctx, resource.Request{Token: "v"}, made, resource.Properties{"PolicyDocument": document("sqs:*"), "Queues": []any{two}}); err != nil {
			t.Fatal(err)
		}
		policies(nil, document("sqs:*"))
		if _, err := p.DeleteQueue(ctx, &sqsapi.DeleteQueueInput{QueueUrl: one}); err != nil {
			t.Fatal(err)
		}
		one = p.create(ctx, "one")
		if err := shared.Delete(ctx, resource.Request{Token: "d"}, resource.Properties{"Id": made["Id"]}); err != nil {
			t.Fatal(err)
		}
		policies(nil, nil)

		given := resource.Properties{"PolicyDocument": anyPolicy, "Queue": one} // the text of a document will do
		if _, err := inline.Create(ctx, resource.Request{Token: "i"}, given); err != nil {
			t.Fatal(err)
		}
		if p.attributes(ctx, one)["Policy"] == nil {
			t.Error("the inline policy is not there")
		}
		if err := inline.Delete(ctx, resource.Request{Token: "j"}, resource.Properties{"Queue": one}); err != nil {
			t.Fatal(err)
		}
		policies(nil, nil)
	})
}

func TestQueuePolicyOfNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := Start(t), asked(t.Context())
		var document any
		if err := json.Unmarshal([]byte(anyPolicy), &document); err != nil {
			t.Fatal(err)
		}
		_, err := p.typeNamed("AWS::SQS::QueuePolicy").Create(ctx, resource.Request{Token: "t"},
			resource.Properties{"PolicyDocument": document, "Queues": []any{endpoint + "/" + account + "/none"}})
		if !resource.Is(err, resource.NotFound) || !strings.Contains(err.Error(), "The specified queue does not exist. (Service: Sqs, Status Code: 400, Request ID: ") {
			t.Errorf("%v", err)
		}
	})
}

// What any call does to a queue is told, with what it was and what it is; what changes nothing is not.
func TestChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		p := startWith(t, func(f *resource.Feed) {
			f.Subscribe("test", func(_ context.Context, _ string, c resource.Change) error {
				told = append(told, string(c.Action)+" "+c.ARN+" by "+c.By.UserID+": "+difference(t, c.Before, c.After))
				return nil
			}, "AWS::SQS::Queue")
		})
		ctx := asked(t.Context())
		url := p.create(ctx, "q")
		p.create(ctx, "q") // is there
		steps := []func() error{
			func() error {
				_, err := p.SetQueueAttributes(ctx, &sqsapi.SetQueueAttributesInput{QueueUrl: url, Attributes: map[sqsapi.QueueAttributeName]string{"DelaySeconds": "7"}})
				return err
			},
			func() error {
				_, err := p.SetQueueAttributes(ctx, &sqsapi.SetQueueAttributesInput{QueueUrl: url, Attributes: map[sqsapi.QueueAttributeName]string{"DelaySeconds": "7"}})
				return err
			},
			func() error {
				_, err := p.TagQueue(ctx, &sqsapi.TagQueueInput{QueueUrl: url, Tags: map[string]string{"k": "v"}})
				return err
			},
			func() error {
				_, err := p.UntagQueue(ctx, &sqsapi.UntagQueueInput{QueueUrl: url, TagKeys: []string{"k", "none"}})
				return err
			},
			func() error {
				_, err := p.DeleteQueue(ctx, &sqsapi.DeleteQueueInput{QueueUrl: url})
				return err
			},
		}
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		const of = " arn:aws:sqs:us-east-1:111111111111:q by AIDAEXAMPLE: "
		want := []string{
			"created" + of + "everything",
			"updated" + of + "DelaySeconds 0 is 7",
			"updated" + of + "Tags <nil> is [map[Key:k Value:v]]",
			"updated" + of + "Tags [map[Key:k Value:v]] is <nil>",
			"deleted" + of + "everything",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
		}
	})
}

// startWith is a platform with a feed of changes.
func startWith(t *testing.T, subscribe func(*resource.Feed)) *platform {
	p := &platform{t: t, engine: memory.New(memory.Options{}), clock: clock.New()}
	s := &store.Store{Engine: p.engine, Clock: p.clock}
	n := owner.New(s.Space("owner"), p.clock, owner.Options{ID: "one", Alone: true})
	tasks := task.NewRunner(s.Space("task"), p.clock, task.RunnerOptions{})
	feed := resource.NewFeed(tasks)
	subscribe(feed)
	p.service = sqs.New(s.Space("sqs"), n, tasks, timer.New(s.Space("timer"), p.clock, timer.Options{}), task.NewLedger(s.Space("task")), sqs.Options{Self: p, Changes: feed})
	p.Client = sqsapi.Client{Invoker: p}
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { n.Run(ctx) })
	runs.Go(func() { tasks.Run(ctx) })
	synctest.Wait()
	t.Cleanup(func() {
		cancel()
		runs.Wait()
		p.clock.Close()
	})
	return p
}

// difference is what differs between two sets of properties.
func difference(t *testing.T, before, after string) string {
	if before == "" || after == "" {
		return "everything"
	}
	parse := func(text string) (all map[string]any) {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		return all
	}
	was, is := parse(before), parse(after)
	var list []string
	for name := range merge(was, is) {
		if !reflect.DeepEqual(was[name], is[name]) {
			list = append(list, fmt.Sprint(name, " ", was[name], " is ", is[name]))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
