package cloudcontrol_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/cloudcontrol"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/timer"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// world is the service with a type of resource of the test's own, asked over HTTP.
type world struct {
	t     *testing.T
	clock *clock.Clock
	http  http.Handler
	stop  func()
}

// start runs it over an engine, in the bubble of a synctest.
func start(t *testing.T, e store.Engine, types ...resource.Type) *world {
	w := &world{t: t, clock: clock.New()}
	s := &store.Store{Engine: e, Clock: w.clock}
	tasks := task.NewRunner(s.Space("task"), w.clock, task.RunnerOptions{Log: slog.New(slog.DiscardHandler), Grace: time.Millisecond})
	timers := timer.New(s.Space("timer"), w.clock, timer.Options{})
	door := call.New(call.Options{})
	door.Register(cloudcontrolapi.API(), cloudcontrol.New(s.Space("cloudcontrol"), tasks, timers, resource.NewRegistry(types...)))
	w.http = &gateway.Server{
		Wire: wire.New(cloudcontrolapi.API()), Auth: auth.New(auth.Options{}), Door: door, Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { tasks.Run(ctx) })
	runs.Go(func() { timers.Run(ctx) })
	synctest.Wait()
	w.stop = sync.OnceFunc(func() {
		cancel()
		runs.Wait()
		w.clock.Close()
	})
	t.Cleanup(w.stop)
	return w
}

// ask makes a request and answers what came back, numbers and times left as they are.
func (w *world) ask(operation string, in map[string]any) (status int, out map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "CloudApiService."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/cloudcontrolapi/aws4_request, SignedHeaders=host, Signature=00")
	answer := httptest.NewRecorder()
	w.http.ServeHTTP(answer, r)
	b, _ := io.ReadAll(answer.Body)
	if err := json.Unmarshal(b, &out); err != nil {
		w.t.Fatalf("%s: %s: %v", operation, b, err)
	}
	return answer.Code, out
}

// fails checks that a request is refused, in AWS's words.
func (w *world) fails(operation string, in map[string]any, kind, message string) {
	w.t.Helper()
	status, out := w.ask(operation, in)
	got := out["Message"]
	if strings.HasPrefix(kind, "com.amazon.coral") {
		got = out["message"]
	}
	if status != 400 || out["__type"] != kind || got != message {
		w.t.Errorf("%s %v: %d %v\nwant %s: %s", operation, in, status, out, kind, message)
	}
}

const (
	ours    = "com.amazon.cloudapiservice#"
	invalid = "com.amazon.coral.validate#ValidationException"
)

var token = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// event makes a request and checks the progress event it answers; times and the token are checked for being there.
func (w *world) event(operation string, in, want map[string]any) (requestToken string) {
	w.t.Helper()
	status, out := w.ask(operation, in)
	e, _ := out["ProgressEvent"].(map[string]any)
	requestToken, _ = e["RequestToken"].(string)
	if _, ok := e["EventTime"].(float64); !ok || !token.MatchString(requestToken) || status != 200 || len(out) != 1 {
		w.t.Errorf("%s: %d %v", operation, status, out)
	}
	delete(e, "EventTime")
	delete(e, "RequestToken")
	if !reflect.DeepEqual(e, want) {
		w.t.Errorf("%s: %v, want %v", operation, e, want)
	}
	return requestToken
}

// ends waits until a request has come to its end and checks it.
func (w *world) ends(requestToken string, want map[string]any) {
	w.t.Helper()
	synctest.Wait()
	if again := w.event("GetResourceRequestStatus", map[string]any{"RequestToken": requestToken}, want); again != requestToken {
		w.t.Errorf("the status of %s is %s's", requestToken, again)
	}
}

// bucket is a type of the test's own: buckets in memory.
type bucket struct {
	BucketName              string         `json:",omitempty"`
	Arn                     string         `json:",omitempty"`
	DomainName              string         `json:",omitempty"`
	BucketNamespace         string         `json:",omitempty"`
	AccelerateConfiguration map[string]any `json:",omitempty"`
	Tags                    []any          `json:",omitempty"`
}

type buckets struct {
	mu      sync.Mutex
	all     map[string]bucket
	calls   []resource.Request
	callers []aws.Principal
	before  func(ctx context.Context, r resource.Request) error // asked before each change
}

func (b *buckets) begin(ctx context.Context, r resource.Request) error {
	b.mu.Lock()
	b.calls = append(b.calls, r)
	b.callers = append(b.callers, aws.RequestOf(ctx).Principal)
	before := b.before
	b.mu.Unlock()
	if before != nil {
		return before(ctx, r)
	}
	return nil
}

func (b *buckets) made() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.calls)
}

func (b *buckets) kind() resource.Type {
	if b.all == nil {
		b.all = map[string]bucket{}
	}
	get := func(name string) (bucket, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if one, ok := b.all[name]; ok {
			return one, nil
		}
		return bucket{}, resource.Fail(resource.NotFound, "Bucket not found")
	}
	put := func(one bucket) (bucket, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all[one.BucketName] = one
		return one, nil
	}
	return resource.Kind[bucket]{
		Name: "AWS::S3::Bucket", Service: "S3",
		Create: func(ctx context.Context, r resource.Request, desired bucket) (bucket, error) {
			if desired.BucketName == "" {
				desired.BucketName = strings.ToLower(r.Name(63))
			}
			if err := b.begin(ctx, r); err != nil {
				return desired, err
			}
			if one, err := get(desired.BucketName); err == nil && !r.Again {
				return one, resource.Exists("AWS::S3::Bucket", one.BucketName)
			}
			desired.Arn, desired.DomainName = "arn:aws:s3:::"+desired.BucketName, desired.BucketName+".s3.amazonaws.com"
			return put(desired)
		},
		Read: func(ctx context.Context, id bucket) (bucket, error) { return get(id.BucketName) },
		Update: func(ctx context.Context, r resource.Request, before, desired bucket) (bucket, error) {
			if err := b.begin(ctx, r); err != nil {
				return before, err
			}
			return put(desired)
		},
		Delete: func(ctx context.Context, r resource.Request, was bucket) error {
			if err := b.begin(ctx, r); err != nil {
				return err
			}
			_, err := get(was.BucketName)
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.all, was.BucketName)
			return err
		},
		List: func(_ context.Context, _ bucket, page resource.Page) (list []bucket, next string, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			var names []string
			for name := range b.all {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				if name <= page.After {
					continue
				}
				if len(list) == page.Limit {
					return list, list[len(list)-1].BucketName, nil
				}
				list = append(list, bucket{BucketName: name})
			}
			return list, "", nil
		},
	}.Type()
}

func input(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func of(pairs ...any) map[string]any {
	return input(append([]any{"TypeName", "AWS::S3::Bucket"}, pairs...)...)
}

func in(t *testing.T, test func(t *testing.T, w *world, b *buckets)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &buckets{}
		e := memory.New(memory.Options{})
		w := start(t, e, b.kind())
		test(t, w, b)
		w.stop()
		e.Close()
	})
}

func TestTypesThatAreNotThere(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ *buckets) {
		for operation, with := range map[string]map[string]any{
			"CreateResource": input("DesiredState", "{}"), "GetResource": input("Identifier", "i"), "DeleteResource": input("Identifier", "i"),
			"UpdateResource": input("Identifier", "i", "PatchDocument", "[]"), "ListResources": input(),
		} {
			with["TypeName"] = "AWS::LocalStack::DoesNotExist"
			w.fails(operation, with, ours+"TypeNotFoundException", "The type 'AWS::LocalStack::DoesNotExist' cannot be found.")
			with["TypeName"] = "AWS::EC2::VPC"
			action := strings.ToUpper(strings.TrimSuffix(strings.TrimSuffix(operation, "Resources"), "Resource"))
			if action == "GET" {
				action = "READ"
			}
			w.fails(operation, with, ours+"UnsupportedActionException", "Resource type AWS::EC2::VPC does not support "+action+" action: obidos does not serve this type")
		}
		w.fails("ListResources", input("TypeName", "AWS::IAM::UserToGroupAddition"), ours+"UnsupportedActionException",
			"Resource type AWS::IAM::UserToGroupAddition does not support LIST action")
		w.fails("ListResources", input("TypeName", "no type"), invalid,
			"2 validation errors detected: Value 'no type' at 'typeName' failed to satisfy constraint: Member must have length greater than or equal to 10; "+
				"Value 'no type' at 'typeName' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}")
	})
}

func TestDesiredStatesThatAreWrong(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		for state, want := range map[string]string{
			`{"BucketName": "bucket", "DOESNOTEXIST": "invalidvalue"}`: "Model validation failed (#: extraneous key [DOESNOTEXIST] is not permitted)",
			`{"BucketName": true}`:           "Model validation failed (#/BucketName: expected type: String, found: Boolean)",
			`{"A": 1, "B": 2}`:               "Model validation failed (#: extraneous key [A] is not permitted\n#: extraneous key [B] is not permitted)",
			`{"Arn": "arn:aws:s3:::bucket"}`: "Invalid desired state: readOnlyProperties [/properties/Arn] cannot be set",
			`nonsense`:                       "Invalid desired state: not a JSON object",
			`[]`:                             "Invalid desired state: not a JSON object",
			`null`:                           "Invalid desired state: not a JSON object",
			`{} {}`:                          "Invalid desired state: not a JSON object",
		} {
			w.fails("CreateResource", of("DesiredState", state), invalid, want)
		}
		if _, out := w.ask("ListResourceRequests", input()); fmt.Sprint(out) != "map[ResourceRequestStatusSummaries:[]]" || b.made() > 0 {
			t.Errorf("%v were made", out)
		}
	})
}

func TestLife(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		id := []any{"TypeName", "AWS::S3::Bucket", "Identifier", "bucket"}
		created := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), input(append(id, "Operation", "CREATE", "OperationStatus", "IN_PROGRESS")...))
		w.ends(created, input(append(id, "Operation", "CREATE", "OperationStatus", "SUCCESS")...))
		if p := b.callers[0]; p.Account != "111111111111" || p.ARN != "arn:aws:iam::111111111111:root" {
			t.Errorf("it was done as %+v", p)
		}
		status, out := w.ask("GetResource", of("Identifier", "bucket"))
		want := `map[ResourceDescription:map[Identifier:bucket Properties:{"Arn":"arn:aws:s3:::bucket","BucketName":"bucket","DomainName":"bucket.s3.amazonaws.com"}] TypeName:AWS::S3::Bucket]`
		if fmt.Sprint(out) != want || status != 200 {
			t.Errorf("%d %v, want %s", status, out, want)
		}

		updated := w.event("UpdateResource", of("Identifier", "bucket", "PatchDocument", `[{"op": "add", "path": "/AccelerateConfiguration", "value": {"AccelerationStatus": "Enabled"}}]`),
			input(append(id, "Operation", "UPDATE", "OperationStatus", "IN_PROGRESS")...))
		w.ends(updated, input(append(id, "Operation", "UPDATE", "OperationStatus", "SUCCESS")...))
		if got := fmt.Sprint(b.all["bucket"].AccelerateConfiguration); got != "map[AccelerationStatus:Enabled]" {
			t.Errorf("it was updated to %s", got)
		}

		deleted := w.event("DeleteResource", of("Identifier", "bucket"), input(append(id, "Operation", "DELETE", "OperationStatus", "IN_PROGRESS")...))
		w.ends(deleted, input(append(id, "Operation", "DELETE", "OperationStatus", "SUCCESS")...))
		_, out = w.ask("GetResource", of("Identifier", "bucket"))
		gone := regexp.MustCompile(`^AWS::S3::Bucket Handler returned status FAILED: Bucket not found \(HandlerErrorCode: NotFound, RequestToken: [0-9a-f-]{36}\)$`)
		if message, _ := out["Message"].(string); out["__type"] != ours+"ResourceNotFoundException" || !gone.MatchString(message) {
			t.Errorf("%v", out)
		}
		if _, out := w.ask("UpdateResource", of("Identifier", "bucket", "PatchDocument", `[]`)); out["__type"] != ours+"ResourceNotFoundException" {
			t.Errorf("%v", out)
		}
		again := w.event("DeleteResource", of("Identifier", "bucket"), input(append(id, "Operation", "DELETE", "OperationStatus", "IN_PROGRESS")...))
		w.ends(again, input(append(id, "Operation", "DELETE", "OperationStatus", "FAILED", "ErrorCode", "NotFound", "StatusMessage", "Bucket not found")...))
	})
}

func TestPatchesThatAreWrong(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		b.all["bucket"] = bucket{BucketName: "bucket", Arn: "arn:aws:s3:::bucket"}
		for patch, want := range map[string]string{
			`{}`: "", `[{"op": "add"}]`: "",
			`[{"op": "remove", "path": "/Tags"}]`:                                   "Invalid patch update: operation 0: remove \"/Tags\": there is no such value",
			`[{"op": "replace", "path": "", "value": 1}]`:                           "Invalid patch update: what is left is not an object",
			`[{"op": "replace", "path": "/Arn", "value": "x"}]`:                     "Invalid patch update: readOnlyProperties [/properties/Arn] cannot be updated",
			`[{"op": "add", "path": "/Nonsense", "value": "x"}]`:                    "Model validation failed (#: extraneous key [Nonsense] is not permitted)",
			`[{"op": "add", "path": "/Tags", "value": [{"Key": "k", "Value": 1}]}]`: "Model validation failed (#/Tags/0/Value: expected type: String, found: Integer)",
		} {
			if want == "" {
				if _, out := w.ask("UpdateResource", of("Identifier", "bucket", "PatchDocument", patch)); out["__type"] != invalid {
					t.Errorf("%s: %v", patch, out)
				}
				continue
			}
			w.fails("UpdateResource", of("Identifier", "bucket", "PatchDocument", patch), invalid, want)
		}
		w.fails("UpdateResource", of("Identifier", "bucket", "PatchDocument", `[{"op": "replace", "path": "/BucketName", "value": "other"}]`),
			ours+"NotUpdatableException", "Invalid patch update: createOnlyProperties [/properties/BucketName] cannot be updated")
		if b.made() > 0 {
			t.Error("something was carried out")
		}
	})
}

func TestClientTokens(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		ask := of("DesiredState", `{"BucketName": "bucket"}`, "ClientToken", "client-token")
		first := w.event("CreateResource", ask, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		conflict := "ClientToken client-token is already associated with an existing operation with RequestToken " + first
		w.fails("CreateResource", ask, ours+"ClientTokenConflictException", conflict)
		synctest.Wait()
		time.Sleep(35 * time.Hour)
		w.fails("DeleteResource", of("Identifier", "bucket", "ClientToken", "client-token"), ours+"ClientTokenConflictException", conflict)
		time.Sleep(2 * time.Hour)
		w.event("DeleteResource", of("Identifier", "bucket", "ClientToken", "client-token"), of("Identifier", "bucket", "Operation", "DELETE", "OperationStatus", "IN_PROGRESS"))
	})
}

func TestRequestsAreForgottenAfterSevenDays(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		r := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		time.Sleep(7*24*time.Hour - time.Minute)
		w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "SUCCESS"))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.fails("GetResourceRequestStatus", input("RequestToken", r), ours+"RequestTokenNotFoundException", "Request with token "+r+" was not found")
		w.fails("CancelResourceRequest", input("RequestToken", r), ours+"RequestTokenNotFoundException", "Request with token "+r+" was not found")
		if _, out := w.ask("ListResourceRequests", input()); len(out["ResourceRequestStatusSummaries"].([]any)) != 0 {
			t.Errorf("%v", out)
		}
	})
}

func TestExists(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		b.all["bucket"] = bucket{BucketName: "bucket"}
		r := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "FAILED", "ErrorCode", "AlreadyExists",
			"StatusMessage", "Resource of type 'AWS::S3::Bucket' with identifier 'bucket' already exists."))
	})
}

// A resource without a name gets one, which the answer of the request tells.
func TestNamesAreMadeUp(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		r := w.event("CreateResource", of("DesiredState", `{}`), of("Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		synctest.Wait()
		name := ""
		for name = range b.all {
		}
		w.ends(r, of("Identifier", name, "Operation", "CREATE", "OperationStatus", "SUCCESS"))
		if len(name) != 32 {
			t.Errorf("%q", name)
		}
	})
}

// What may be better the next time is tried again; what is not, in the end, fails.
func TestPassingFailures(t *testing.T) {
	for _, bad := range []int{3, 100} {
		in(t, func(t *testing.T, w *world, b *buckets) {
			b.before = func(_ context.Context, r resource.Request) error {
				if bad--; bad >= 0 {
					return resource.Fail(resource.Throttling, "Rate exceeded")
				}
				return nil
			}
			lasts := bad > 10
			r := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
			time.Sleep(10 * time.Minute)
			if lasts {
				w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "FAILED", "ErrorCode", "Throttling", "StatusMessage", "Rate exceeded"))
			} else {
				w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "SUCCESS"))
			}
		})
	}
}

func TestPanicsAndErrorsOfOurs(t *testing.T) {
	for _, fail := range []func(context.Context, resource.Request) error{
		func(context.Context, resource.Request) error { panic("oh") },
		func(context.Context, resource.Request) error { return errors.New("the disk's own words") },
	} {
		in(t, func(t *testing.T, w *world, b *buckets) {
			b.before = fail
			r := w.event("DeleteResource", of("Identifier", "bucket"), of("Identifier", "bucket", "Operation", "DELETE", "OperationStatus", "IN_PROGRESS"))
			time.Sleep(time.Hour)
			w.ends(r, of("Identifier", "bucket", "Operation", "DELETE", "OperationStatus", "FAILED", "ErrorCode", "InternalFailure", "StatusMessage", "Internal Failure"))
			b.before = nil // nothing is left that holds the resource
			r = w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
			w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "SUCCESS"))
		})
	}
}

// A request that has to wait says when it goes on, and holds its resource meanwhile.
func TestWaiting(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		b.before = func(_ context.Context, r resource.Request) error {
			if len(r.State) < 2 {
				return resource.Wait(30*time.Second, r.State+"x")
			}
			return nil
		}
		r := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		synctest.Wait()
		_, out := w.ask("ListResourceRequests", input("ResourceRequestStatusFilter", input("Operations", []string{"CREATE"}, "OperationStatuses", []string{"IN_PROGRESS"})))
		list := out["ResourceRequestStatusSummaries"].([]any)
		if len(list) != 1 {
			t.Fatalf("%v", out)
		}
		e := list[0].(map[string]any)
		if after := e["RetryAfter"].(float64) - e["EventTime"].(float64); after != 30 || e["RequestToken"] != r || len(e) != 7 {
			t.Errorf("%v", e)
		}
		_, out = w.ask("ListResourceRequests", input("ResourceRequestStatusFilter", input("Operations", []string{"UPDATE"})))
		if fmt.Sprint(out) != "map[ResourceRequestStatusSummaries:[]]" {
			t.Errorf("%v", out)
		}
		w.fails("DeleteResource", of("Identifier", "bucket"), ours+"ConcurrentOperationException",
			"Another operation is in progress for the resource bucket, with RequestToken "+r)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if n := b.made(); n != 2 {
			t.Errorf("%d steps after 59 s", n)
		}
		time.Sleep(2 * time.Second)
		w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "SUCCESS"))
	})
}

func TestCancel(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		b.before = func(_ context.Context, r resource.Request) error { return resource.Wait(time.Hour, "") }
		r := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		synctest.Wait()
		_, out := w.ask("CancelResourceRequest", input("RequestToken", r))
		if e := out["ProgressEvent"].(map[string]any); e["OperationStatus"] != "CANCEL_IN_PROGRESS" {
			t.Errorf("%v", out)
		}
		w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "CANCEL_COMPLETE"))
		w.fails("CancelResourceRequest", input("RequestToken", r), invalid,
			"Request with token "+r+" has status CANCEL_COMPLETE: only requests with status PENDING or IN_PROGRESS can be cancelled")
		if n := b.made(); n != 1 || len(b.all) != 0 {
			t.Errorf("%d steps, %d buckets", n, len(b.all))
		}
	})
}

// A process that ends in the middle of a request leaves it to the next, which knows that it may have had its effect.
func TestEndInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &buckets{}
		e := memory.New(memory.Options{})
		defer e.Close()
		w := start(t, e, b.kind())
		b.before = func(ctx context.Context, _ resource.Request) error { // it is made, and nobody is told
			b.mu.Lock()
			b.all["bucket"] = bucket{BucketName: "bucket"}
			b.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}
		r := w.event("CreateResource", of("DesiredState", `{"BucketName": "bucket"}`), of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "IN_PROGRESS"))
		synctest.Wait()
		w.stop()
		b.before = nil
		w = start(t, e, b.kind())
		w.ends(r, of("Identifier", "bucket", "Operation", "CREATE", "OperationStatus", "SUCCESS"))
		if len(b.calls) != 2 || b.calls[0].Again || !b.calls[1].Again || b.calls[0].Token != b.calls[1].Token {
			t.Errorf("calls %+v", b.calls)
		}
		w.stop()
	})
}

func TestLists(t *testing.T) {
	in(t, func(t *testing.T, w *world, b *buckets) {
		if _, out := w.ask("ListResources", of()); fmt.Sprint(out) != "map[ResourceDescriptions:[] TypeName:AWS::S3::Bucket]" {
			t.Errorf("%v", out)
		}
		var tokens []string
		for _, name := range []string{"aaa", "bbb", "ccc"} {
			tokens = append(tokens, w.event("CreateResource", of("DesiredState", `{"BucketName": "`+name+`"}`), of("Identifier", name, "Operation", "CREATE", "OperationStatus", "IN_PROGRESS")))
			synctest.Wait()
			time.Sleep(time.Second)
		}
		var pages []string
		ask := of("MaxResults", 2)
		for {
			_, out := w.ask("ListResources", ask)
			pages = append(pages, fmt.Sprint(out["ResourceDescriptions"]))
			if ask["NextToken"] = out["NextToken"]; out["NextToken"] == nil {
				break
			}
		}
		if want := []string{
			`[map[Identifier:aaa Properties:{"BucketName":"aaa"}] map[Identifier:bbb Properties:{"BucketName":"bbb"}]]`,
			`[map[Identifier:ccc Properties:{"BucketName":"ccc"}]]`,
		}; !slices.Equal(pages, want) {
			t.Errorf("%v, want %v", pages, want)
		}

		var found []string
		ask = input("MaxResults", 1)
		for {
			_, out := w.ask("ListResourceRequests", ask)
			for _, e := range out["ResourceRequestStatusSummaries"].([]any) {
				found = append(found, e.(map[string]any)["RequestToken"].(string))
			}
			if ask["NextToken"] = out["NextToken"]; out["NextToken"] == nil {
				break
			}
		}
		if slices.Reverse(tokens); !slices.Equal(found, tokens) {
			t.Errorf("requests %v, want %v", found, tokens)
		}
		w.fails("ListResourceRequests", input("NextToken", "abc"), invalid, "Invalid NextToken")
		w.fails("ListResources", of("NextToken", "%"), invalid, "Invalid NextToken")
		w.fails("ListResources", of("ResourceModel", "[]"), invalid, "Invalid resource model: not a JSON object")
	})
}
