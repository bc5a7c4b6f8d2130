package cloudcontrol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/obidostest"
)

// api asks a whole platform over HTTP.
type api struct {
	t     *testing.T
	nodes []*obidostest.Platform
	turn  int // which of the nodes is asked next
	dead  map[*obidostest.Platform]bool
}

var targets = map[string]string{
	"cloudcontrolapi": "CloudApiService.", "sqs": "AmazonSQS.", "tagging": "ResourceGroupsTaggingAPI_20170126.",
}

// ask asks the next node that lives.
func (a *api) ask(service, operation string, in map[string]any) (status int, out map[string]any) {
	a.t.Helper()
	p := a.nodes[a.turn%len(a.nodes)]
	for a.turn++; a.dead[p]; a.turn++ {
		p = a.nodes[a.turn%len(a.nodes)]
	}
	body, err := json.Marshal(in)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), "POST", obidostest.URL+"/", bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", targets[service]+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
	answer, err := p.Client.Do(r)
	if err != nil {
		a.t.Fatalf("%s: %v", operation, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		a.t.Fatalf("%s: %s: %v", operation, b, err)
	}
	return answer.StatusCode, out
}

// done makes a request and waits for its end, which it answers.
func (a *api) done(operation string, in map[string]any) map[string]any {
	a.t.Helper()
	status, out := a.ask("cloudcontrolapi", operation, in)
	if status != 200 {
		a.t.Fatalf("%s %v: %d %v", operation, in, status, out)
	}
	return a.end(out["ProgressEvent"].(map[string]any)["RequestToken"].(string))
}

func (a *api) end(token string) map[string]any {
	a.t.Helper()
	for range 600 {
		_, out := a.ask("cloudcontrolapi", "GetResourceRequestStatus", input("RequestToken", token))
		e, _ := out["ProgressEvent"].(map[string]any)
		switch e["OperationStatus"] {
		case "SUCCESS", "FAILED", "CANCEL_COMPLETE":
			return e
		}
		time.Sleep(100 * time.Millisecond)
	}
	a.t.Fatalf("request %s does not end", token)
	return nil
}

func (a *api) succeeds(operation string, in map[string]any) (identifier string) {
	a.t.Helper()
	e := a.done(operation, in)
	if e["OperationStatus"] != "SUCCESS" {
		a.t.Fatalf("%s %v: %v", operation, in, e)
	}
	identifier, _ = e["Identifier"].(string)
	return identifier
}

func (a *api) properties(typeName, identifier string) map[string]any {
	a.t.Helper()
	status, out := a.ask("cloudcontrolapi", "GetResource", input("TypeName", typeName, "Identifier", identifier))
	if status != 200 {
		a.t.Fatalf("%s %s: %d %v", typeName, identifier, status, out)
	}
	var p map[string]any
	if err := json.Unmarshal([]byte(out["ResourceDescription"].(map[string]any)["Properties"].(string)), &p); err != nil {
		a.t.Fatal(err)
	}
	return p
}

// queues is one life of queues as resources, whatever it is asked of.
func queues(a *api) {
	t := a.t
	of := func(pairs ...any) map[string]any {
		return input(append([]any{"TypeName", "AWS::SQS::Queue"}, pairs...)...)
	}
	url := a.succeeds("CreateResource", of("DesiredState", `{"QueueName": "q", "DelaySeconds": 5, "Tags": [{"Key": "stage", "Value": "test"}]}`))
	if url != obidostest.URL+"/111111111111/q" {
		t.Errorf("identifier %s", url)
	}
	want := map[string]any{
		"QueueUrl": url, "Arn": "arn:aws:sqs:us-east-1:111111111111:q", "QueueName": "q", "DelaySeconds": 5.0, "MaximumMessageSize": 1048576.0,
		"MessageRetentionPeriod": 345600.0, "ReceiveMessageWaitTimeSeconds": 0.0, "VisibilityTimeout": 30.0, "SqsManagedSseEnabled": true,
		"Tags": []any{map[string]any{"Key": "stage", "Value": "test"}},
	}
	if got := a.properties("AWS::SQS::Queue", url); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if e := a.done("CreateResource", of("DesiredState", `{"QueueName": "q"}`)); e["ErrorCode"] != "AlreadyExists" || e["StatusMessage"] != "Resource of type 'AWS::SQS::Queue' with identifier 'q' already exists." {
		t.Errorf("%v", e)
	}
	a.succeeds("UpdateResource", of("Identifier", url, "PatchDocument",
		`[{"op": "replace", "path": "/DelaySeconds", "value": 7}, {"op": "remove", "path": "/MaximumMessageSize"}, {"op": "add", "path": "/Tags/-", "value": {"Key": "more", "Value": ""}}]`))
	if got := a.properties("AWS::SQS::Queue", url); got["DelaySeconds"] != 7.0 || got["MaximumMessageSize"] != 262144.0 || len(got["Tags"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	if status, out := a.ask("cloudcontrolapi", "UpdateResource", of("Identifier", url, "PatchDocument", `[{"op": "add", "path": "/FifoQueue", "value": true}]`)); status != 400 ||
		out["Message"] != "Invalid patch update: createOnlyProperties [/properties/FifoQueue] cannot be updated" {
		t.Errorf("%d %v", status, out)
	}
	const policy = `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}`
	id := a.succeeds("CreateResource", input("TypeName", "AWS::SQS::QueuePolicy", "DesiredState", `{"PolicyDocument": `+policy+`, "Queues": ["`+url+`"]}`))
	if status, out := a.ask("cloudcontrolapi", "GetResource", input("TypeName", "AWS::SQS::QueuePolicy", "Identifier", id)); status != 400 ||
		out["Message"] != "Resource type AWS::SQS::QueuePolicy does not support READ action" {
		t.Errorf("%d %v", status, out)
	}
	if got := a.properties("AWS::SQS::QueueInlinePolicy", url); got["PolicyDocument"] == nil {
		t.Errorf("%v", got)
	}
	a.succeeds("DeleteResource", input("TypeName", "AWS::SQS::QueuePolicy", "Identifier", id))
	if status, out := a.ask("cloudcontrolapi", "GetResource", input("TypeName", "AWS::SQS::QueueInlinePolicy", "Identifier", url)); status != 400 || out["__type"] != ours+"ResourceNotFoundException" {
		t.Errorf("%d %v", status, out)
	}
	if _, out := a.ask("tagging", "GetResources", input("TagFilters", []any{input("Key", "stage", "Values", []string{"test"})}, "ResourceTypeFilters", []string{"sqs"})); fmt.Sprint(out) !=
		"map[PaginationToken: ResourceTagMappingList:[map[ResourceARN:arn:aws:sqs:us-east-1:111111111111:q Tags:[map[Key:more Value:] map[Key:stage Value:test]]]]]" {
		t.Errorf("%v", out)
	}
	a.ask("tagging", "UntagResources", input("ResourceARNList", []string{"arn:aws:sqs:us-east-1:111111111111:q"}, "TagKeys", []string{"stage", "more"}))
	if _, out := a.ask("tagging", "GetTagKeys", input()); fmt.Sprint(out) != "map[PaginationToken: TagKeys:[]]" {
		t.Errorf("%v", out)
	}
	if _, out := a.ask("cloudcontrolapi", "ListResources", of()); fmt.Sprint(out) != fmt.Sprintf(`map[ResourceDescriptions:[map[Identifier:%s Properties:{"QueueUrl":"%s"}]] TypeName:AWS::SQS::Queue]`, url, url) {
		t.Errorf("%v", out)
	}
	a.succeeds("DeleteResource", of("Identifier", url))
	missing := "Resource of type 'AWS::SQS::Queue' with identifier '" + url + "' was not found."
	if e := a.done("DeleteResource", of("Identifier", url)); e["ErrorCode"] != "NotFound" || e["StatusMessage"] != missing {
		t.Errorf("%v", e)
	}
	_, out := a.ask("cloudcontrolapi", "GetResource", of("Identifier", url))
	if message, _ := out["Message"].(string); !strings.HasPrefix(message, "AWS::SQS::Queue Handler returned status FAILED: "+missing+" (HandlerErrorCode: NotFound, RequestToken: ") {
		t.Errorf("%v", out)
	}
	if _, out := a.ask("cloudcontrolapi", "ListResourceRequests", input()); len(out["ResourceRequestStatusSummaries"].([]any)) != 7 {
		t.Errorf("%v", out)
	}
}

func TestQueuesOnOneNode(t *testing.T) {
	for name, o := range map[string]memory.Options{"memory": {}, "hostile": {Hostile: memory.Hostile{Seed: 7}}} {
		synctest.Test(t, func(t *testing.T) {
			t.Log(name)
			queues(&api{t: t, nodes: []*obidostest.Platform{obidostest.Start(t)}})
			engine := memory.New(o)
			defer engine.Close()
			queues(&api{t: t, nodes: obidostest.ClusterOn(t, engine, 1).Nodes})
		})
	}
}

func TestQueuesOnTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queues(&api{t: t, nodes: obidostest.Cluster(t, 2).Nodes})
	})
}

// Requests that a node had under way when it died are carried out by the other, once.
func TestNodeDiesWithRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var engine store.Engine = memory.New(memory.Options{})
		defer engine.Close()
		c := obidostest.ClusterOn(t, engine, 2)
		a := &api{t: t, nodes: c.Nodes, dead: map[*obidostest.Platform]bool{}}
		var tokens []string
		for i := range 40 {
			_, out := a.ask("cloudcontrolapi", "CreateResource", input("TypeName", "AWS::SQS::Queue", "DesiredState", fmt.Sprintf(`{"QueueName": "q-%02d"}`, i)))
			tokens = append(tokens, out["ProgressEvent"].(map[string]any)["RequestToken"].(string))
			if i == 20 {
				a.dead[c.Nodes[0]] = true
				c.Kill(0)
			}
		}
		for _, token := range tokens {
			if e := a.end(token); e["OperationStatus"] != "SUCCESS" {
				t.Errorf("%v", e)
			}
		}
		_, out := a.ask("cloudcontrolapi", "ListResources", input("TypeName", "AWS::SQS::Queue"))
		var names []string
		for _, d := range out["ResourceDescriptions"].([]any) {
			names = append(names, d.(map[string]any)["Identifier"].(string))
		}
		if slices.Sort(names); len(slices.Compact(names)) != 40 {
			t.Errorf("%d queues: %v", len(names), names)
		}
	})
}

// What was answered is there after the process was ended and begun again.
func TestQueuesOnDisk(t *testing.T) {
	dir := t.TempDir()
	p := obidostest.Start(t, obidostest.Data(dir))
	a := &api{t: t, nodes: []*obidostest.Platform{p}}
	url := a.succeeds("CreateResource", input("TypeName", "AWS::SQS::Queue", "DesiredState", `{}`))
	_, out := a.ask("cloudcontrolapi", "DeleteResource", input("TypeName", "AWS::SQS::Queue", "Identifier", url))
	token := out["ProgressEvent"].(map[string]any)["RequestToken"].(string)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	a.nodes[0] = obidostest.Start(t, obidostest.Data(dir))
	if e := a.end(token); e["OperationStatus"] != "SUCCESS" || e["Identifier"] != url {
		t.Errorf("%v", e)
	}
}
