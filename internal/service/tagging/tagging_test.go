package tagging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/resourcegroupstaggingapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/tagging"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// world is the service with types of resource of the test's own, asked over HTTP.
type world struct {
	t    *testing.T
	http *gateway.Server
}

// things are resources of one type, in memory.
type things struct {
	service, kind string
	tags          map[string]map[string]string // by resource part of the ARN
	refuses       error                        // what a change is answered
}

type model struct{}

func (th *things) kindOf(typeName string) resource.Type {
	arn := func(name string) string { return "arn:aws:" + th.service + ":us-east-1:111111111111:" + name }
	noThing := &aws.ErrorShape{Code: "NoSuchThing", Status: 404}
	change := func(arn aws.ARN, do func(tags map[string]string)) error {
		tags, ok := th.tags[arn.Resource]
		switch {
		case th.refuses != nil:
			return th.refuses
		case !ok:
			return noThing.New("no %s", arn.Resource)
		}
		do(tags)
		return nil
	}
	return resource.Kind[model]{
		Name:   typeName,
		Create: func(context.Context, resource.Request, model) (model, error) { return model{}, nil },
		Delete: func(context.Context, resource.Request, model) error { return nil },
		Tags: &resource.Tags{
			Service: th.service, Kind: th.kind,
			Match: func(a aws.ARN) bool { return strings.HasPrefix(a.Resource, th.kind) },
			List: func(_ context.Context, after string, limit int) (list []resource.Tagged, err error) {
				var names []string
				for name := range th.tags {
					names = append(names, name)
				}
				slices.Sort(names)
				for _, name := range names {
					if arn(name) > after && len(th.tags[name]) > 0 && len(list) < limit {
						list = append(list, resource.Tagged{ARN: arn(name), Tags: th.tags[name]})
					}
				}
				return list, nil
			},
			Get: func(_ context.Context, a aws.ARN) (map[string]string, error) {
				if tags, ok := th.tags[a.Resource]; ok {
					return tags, nil
				}
				return nil, resource.Missing(typeName, a.Resource)
			},
			Add: func(_ context.Context, a aws.ARN, more map[string]string) error {
				return change(a, func(tags map[string]string) {
					for k, v := range more {
						tags[k] = v
					}
				})
			},
			Remove: func(_ context.Context, a aws.ARN, keys []string) error {
				return change(a, func(tags map[string]string) {
					for _, k := range keys {
						delete(tags, k)
					}
				})
			},
		},
	}.Type()
}

func in(t *testing.T, test func(t *testing.T, w *world, topics, keys *things)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		topics := &things{service: "sns", kind: "topic", tags: map[string]map[string]string{}}
		keys := &things{service: "kms", kind: "key", tags: map[string]map[string]string{}}
		c := clock.New()
		defer c.Close()
		door := call.New(call.Options{})
		door.Register(resourcegroupstaggingapi.API(), tagging.New(resource.NewRegistry(topics.kindOf("AWS::SNS::Topic"), keys.kindOf("AWS::KMS::Key")), c))
		test(t, &world{t, &gateway.Server{Wire: wire.New(resourcegroupstaggingapi.API()), Auth: auth.New(auth.Options{}), Door: door, Log: slog.New(slog.DiscardHandler)}}, topics, keys)
	})
}

func (w *world) ask(operation, in string) (int, map[string]any) {
	w.t.Helper()
	r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", bytes.NewReader([]byte(in)))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "ResourceGroupsTaggingAPI_20170126."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/tagging/aws4_request, SignedHeaders=host, Signature=00")
	answer := httptest.NewRecorder()
	w.http.ServeHTTP(answer, r)
	b, _ := io.ReadAll(answer.Body)
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		w.t.Fatalf("%s: %s: %v", operation, b, err)
	}
	return answer.Code, out
}

// answers checks what a request is answered.
func (w *world) answers(operation, in, want string) {
	w.t.Helper()
	status, out := w.ask(operation, in)
	if got := fmt.Sprint(status, " ", out); got != want {
		w.t.Errorf("%s %s:\n%s\nwant\n%s", operation, in, got, want)
	}
}

func TestRefused(t *testing.T) {
	in(t, func(t *testing.T, w *world, topics, _ *things) {
		for in, want := range map[string]string{
			`{"ResourceARNList": ["nonsense"]}`: "nonsense is not a valid ARN.",
			`{"ResourceARNList": ["arn:aws:sns:us-east-1:111111111111:x"], "TagFilters": [{"Key": "a"}]}`:  "ResourceARNList and TagFilters cannot be specified in the same request.",
			`{"ResourceARNList": ["arn:aws:sns:us-east-1:111111111111:x"], "ResourceTypeFilters": ["s3"]}`: "ResourceARNList and ResourceTypeFilters cannot be specified in the same request.",
			`{"ResourceARNList": ["arn:aws:sns:us-east-1:111111111111:x"], "ResourcesPerPage": 3}`:         "ResourceARNList and pagination parameters cannot be specified in the same request.",
			`{"ResourcesPerPage": 0}`:                                             "ResourcesPerPage must be between 1 and 100.",
			`{"ResourcesPerPage": 101}`:                                           "ResourcesPerPage must be between 1 and 100.",
			`{"TagsPerPage": 99}`:                                                 "TagsPerPage must be between 100 and 500.",
			`{"ExcludeCompliantResources": true}`:                                 "ExcludeCompliantResources can be used only if IncludeComplianceDetails is true.",
			`{"TagFilters": [{"Values": ["x"]}]}`:                                 "Each tag filter must contain a key.",
			`{"TagFilters": [{"Key": "a"}, {"Key": "a"}]}`:                        "The key a is in more than one tag filter.",
			`{"ResourceTypeFilters": ["sns:"]}`:                                   "sns: is not a valid resource type filter: service[:resourceType] is expected.",
			`{"PaginationToken": "nonsense"}`:                                     "Invalid PaginationToken.",
			`{"PaginationToken": "eyJvIjoiR2V0VGFnS2V5cyIsImEiOiIiLCJ1IjowfQ=="}`: "Invalid PaginationToken.",
		} {
			w.answers("GetResources", in, "400 map[Message:"+want+" __type:InvalidParameterException]")
		}
		w.answers("TagResources", `{"ResourceARNList": ["x"], "Tags": {"a": "b"}}`, "400 map[Message:x is not a valid ARN. __type:InvalidParameterException]")
		w.answers("TagResources", `{"ResourceARNList": ["arn:aws:sns:us-east-1:111111111111:topic"], "Tags": {"AWS:a": "b"}}`,
			"400 map[Message:Tag keys starting with aws: are reserved for system use. __type:InvalidParameterException]")
		if status, out := w.ask("StartReportCreation", `{"S3Bucket": "b"}`); status != 501 {
			t.Errorf("reports: %d %v", status, out)
		}
	})
}

func TestChangeAndFind(t *testing.T) {
	in(t, func(t *testing.T, w *world, topics, keys *things) {
		topics.tags["topic-a"], keys.tags["key/1"] = map[string]string{}, map[string]string{}
		const topic, key = `"arn:aws:sns:us-east-1:111111111111:topic-a"`, `"arn:aws:kms:us-east-1:111111111111:key/1"`
		w.answers("GetResources", `{}`, "200 map[PaginationToken: ResourceTagMappingList:[]]")
		w.answers("TagResources", `{"ResourceARNList": [`+topic+`, `+key+`], "Tags": {"test": "test"}}`, "200 map[FailedResourcesMap:map[]]")
		w.answers("GetResources", `{"ResourceTypeFilters": ["sns"]}`,
			"200 map[PaginationToken: ResourceTagMappingList:[map[ResourceARN:arn:aws:sns:us-east-1:111111111111:topic-a Tags:[map[Key:test Value:test]]]]]")
		w.answers("UntagResources", `{"ResourceARNList": [`+key+`], "TagKeys": ["test", "none"]}`, "200 map[FailedResourcesMap:map[]]")
		w.answers("GetResources", `{"ResourceARNList": [`+key+`, `+topic+`, `+topic+`, "arn:aws:sns:us-east-1:111111111111:topic-none"], "IncludeComplianceDetails": true}`,
			"200 map[PaginationToken: ResourceTagMappingList:[map[ComplianceDetails:map[ComplianceStatus:true] ResourceARN:arn:aws:sns:us-east-1:111111111111:topic-a Tags:[map[Key:test Value:test]]]]]")
		w.answers("GetResources", `{"IncludeComplianceDetails": true, "ExcludeCompliantResources": true}`, "200 map[PaginationToken: ResourceTagMappingList:[]]")
	})
}

func TestFailures(t *testing.T) {
	in(t, func(t *testing.T, w *world, topics, _ *things) {
		topics.tags["topic"] = map[string]string{}
		status, out := w.ask("TagResources", `{"Tags": {"a": "b"}, "ResourceARNList": ["arn:aws:sns:us-east-1:111111111111:topic", "arn:aws:sns:us-east-1:111111111111:topic-none",
			"arn:aws:sns:eu-west-1:111111111111:topic", "arn:aws:sns:us-east-1:222222222222:topic", "arn:aws:ec2:us-east-1:111111111111:vpc/v"]}`)
		want := map[string]string{
			"arn:aws:sns:us-east-1:111111111111:topic-none": "map[ErrorCode:InvalidParameterException ErrorMessage:no topic-none StatusCode:404]",
			"arn:aws:sns:eu-west-1:111111111111:topic":      "map[ErrorCode:InvalidParameterException ErrorMessage:The resource is not in this account and region. StatusCode:400]",
			"arn:aws:sns:us-east-1:222222222222:topic":      "map[ErrorCode:InvalidParameterException ErrorMessage:The resource is not in this account and region. StatusCode:400]",
			"arn:aws:ec2:us-east-1:111111111111:vpc/v":      "map[ErrorCode:InternalServiceException ErrorMessage:Resources of this type are not supported. StatusCode:500]",
		}
		failed, _ := out["FailedResourcesMap"].(map[string]any)
		if status != 200 || len(failed) != len(want) {
			t.Errorf("%d %v", status, out)
		}
		for arn, w := range want {
			if got := fmt.Sprint(failed[arn]); got != w {
				t.Errorf("%s: %s, want %s", arn, got, w)
			}
		}
		if topics.tags["topic"]["a"] != "b" {
			t.Error("the one that could be tagged was not")
		}
		topics.refuses = (&aws.ErrorShape{Code: "AccessDeniedException", Status: 403}).New("no")
		w.answers("UntagResources", `{"TagKeys": ["a"], "ResourceARNList": ["arn:aws:sns:us-east-1:111111111111:topic"]}`,
			"200 map[FailedResourcesMap:map[arn:aws:sns:us-east-1:111111111111:topic:map[ErrorCode:AccessDeniedException ErrorMessage:no StatusCode:403]]]")
	})
}

// all are the ARNs of every page, and how many were on each.
func (w *world) all(in map[string]any) (arns []string, pages []int) {
	w.t.Helper()
	for {
		b, _ := json.Marshal(in)
		status, out := w.ask("GetResources", string(b))
		if status != 200 {
			w.t.Fatalf("%d %v", status, out)
		}
		list := out["ResourceTagMappingList"].([]any)
		for _, r := range list {
			arns = append(arns, r.(map[string]any)["ResourceARN"].(string))
		}
		pages = append(pages, len(list))
		if in["PaginationToken"] = out["PaginationToken"]; out["PaginationToken"] == "" {
			return arns, pages
		}
	}
}

func TestPagesAndFilters(t *testing.T) {
	in(t, func(t *testing.T, w *world, topics, keys *things) {
		for i := range 220 {
			topics.tags[fmt.Sprintf("topic-%03d", i)] = map[string]string{"i": fmt.Sprint(i % 2), "all": ""}
		}
		for i := range 22 {
			keys.tags[fmt.Sprintf("key/%02d", i)] = map[string]string{
				"k0": "", "k1": "", "k2": "", "k3": "", "k4": "", "k5": "", "k6": "", "k7": "", "k8": "", "k9": "",
			}
		}
		for _, c := range []struct {
			in    string
			count int
			pages string
		}{
			{`{}`, 242, "[50 50 50 50 42]"},
			{`{"ResourcesPerPage": 100}`, 242, "[100 100 42]"},
			{`{"ResourcesPerPage": 100, "TagFilters": [{"Key": "i", "Values": ["1", "7"]}]}`, 110, "[100 10]"},
			{`{"ResourcesPerPage": 100, "TagFilters": [{"Key": "i", "Values": ["1"]}, {"Key": "k1"}]}`, 0, "[0]"},
			{`{"ResourcesPerPage": 100, "TagFilters": [{"Key": "i", "Values": ["1"]}, {"Key": "all"}]}`, 110, "[100 10]"},
			{`{"TagsPerPage": 100, "ResourceTypeFilters": ["kms"]}`, 22, "[10 10 2]"},
			{`{"ResourceTypeFilters": ["kms:key"]}`, 22, "[22]"},
			{`{"ResourceTypeFilters": ["kms:alias", "ec2"]}`, 0, "[0]"},
		} {
			var in map[string]any
			if err := json.Unmarshal([]byte(c.in), &in); err != nil {
				t.Fatal(err)
			}
			arns, pages := w.all(in)
			slices.Sort(arns)
			if fmt.Sprint(pages) != c.pages || len(slices.Compact(arns)) != c.count {
				t.Errorf("%s: %d in pages of %v, want %d in %s", c.in, len(arns), pages, c.count, c.pages)
			}
		}
		_, out := w.ask("GetResources", `{}`)
		time.Sleep(16 * time.Minute)
		w.answers("GetResources", fmt.Sprintf(`{"PaginationToken": %q}`, out["PaginationToken"]), "400 map[Message:PaginationToken has expired. __type:PaginationTokenExpiredException]")
	})
}

func TestKeysAndValues(t *testing.T) {
	in(t, func(t *testing.T, w *world, topics, keys *things) {
		w.answers("GetTagKeys", `{}`, "200 map[PaginationToken: TagKeys:[]]")
		topics.tags["topic-a"] = map[string]string{"b": "2", "a": ""}
		topics.tags["topic-b"] = map[string]string{"b": "1"}
		keys.tags["key/1"] = map[string]string{"c": "9", "b": "2"}
		w.answers("GetTagKeys", `{}`, "200 map[PaginationToken: TagKeys:[a b c]]")
		w.answers("GetTagValues", `{"Key": "b"}`, "200 map[PaginationToken: TagValues:[1 2]]")
		w.answers("GetTagValues", `{"Key": "a"}`, "200 map[PaginationToken: TagValues:[]]")
		w.answers("GetTagValues", `{"Key": "none"}`, "200 map[PaginationToken: TagValues:[]]")
		for i := range 2500 {
			topics.tags[fmt.Sprintf("topic-%d", i)] = map[string]string{"n": fmt.Sprint(i)}
		}
		var found []string
		token := ""
		for {
			_, out := w.ask("GetTagValues", fmt.Sprintf(`{"Key": "n", "PaginationToken": %q}`, token))
			for _, v := range out["TagValues"].([]any) {
				found = append(found, v.(string))
			}
			if token = out["PaginationToken"].(string); token == "" {
				break
			}
		}
		if !slices.IsSorted(found) || len(slices.Compact(found)) != 2500 {
			t.Errorf("%d values", len(found))
		}
	})
}
