package resource_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

// permission is of a type whose identifier has two parts.
type permission struct {
	FunctionName string
	Id           string
	Action       string `json:",omitempty"`
}

func permissions(err error) resource.Type {
	return resource.Kind[permission]{
		Name: "AWS::Lambda::Permission", Service: "Lambda",
		Create: func(_ context.Context, _ resource.Request, desired permission) (permission, error) {
			return desired, err
		},
		Delete: func(context.Context, resource.Request, permission) error { return err },
	}.Type()
}

func properties(t testing.TB, text string) resource.Properties {
	t.Helper()
	p, err := resource.ParseProperties(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestIdentifiersThatAreWrong(t *testing.T) {
	permission := permissions(nil)
	for _, id := range []string{"", "a", "a|b|c", "{", `{"Id": "a"}`, `{"FunctionName": "a", "Id": "b"} x`, `[]`} {
		if p, err := permission.Identify(id); err == nil {
			t.Errorf("%q is %v", id, p)
		}
	}
	for _, p := range []string{`{}`, `{"Id": "a"}`, `{"Id": null, "FunctionName": "f"}`} {
		if id, ok := permission.Identifier(properties(t, p)); ok {
			t.Errorf("%s is %q", p, id)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	permission := permissions(nil)
	for _, id := range []string{"f|p", `{"FunctionName": "f", "Id": "p"}`} {
		p, err := permission.Identify(id)
		if err != nil || p.String() != `{"FunctionName":"f","Id":"p"}` {
			t.Errorf("%s: %v, %v", id, p, err)
		}
		if got, _ := permission.Identifier(p); got != "f|p" {
			t.Errorf("%s: %s", id, got)
		}
	}
}

// Errors of services are told as AWS's handlers tell them; what is ours is not told.
func TestFailures(t *testing.T) {
	ctx := aws.WithRequest(t.Context(), &aws.Request{ID: "request-1"})
	of := func(code string, status int) error {
		return (&aws.ErrorShape{Code: code, Status: status}).New("the words")
	}
	const told = "the words (Service: Lambda, Status Code: %d, Request ID: request-1)"
	for _, c := range []struct {
		err     error
		code    resource.Code
		message string
	}{
		{of("ResourceNotFoundException", 404), resource.NotFound, fmt.Sprintf(told, 404)},
		{of("AccessDeniedException", 403), resource.AccessDenied, fmt.Sprintf(told, 403)},
		{of("TooManyRequestsException", 429), resource.Throttling, fmt.Sprintf(told, 429)},
		{of("ResourceConflictException", 409), resource.ResourceConflict, fmt.Sprintf(told, 409)},
		{of("CodeStorageExceededException", 400), resource.InvalidRequest, fmt.Sprintf(told, 400)},
		{of("NotImplemented", 501), resource.InvalidRequest, fmt.Sprintf(told, 501)},
		{of("ServiceUnavailable", 503), resource.ServiceInternalError, fmt.Sprintf(told, 503)},
		{resource.Fail(resource.NotStabilized, "took %d s", 9), resource.NotStabilized, "took 9 s"},
		{errors.New("the disk's own words"), resource.InternalFailure, "Internal Failure"},
	} {
		_, err := permissions(c.err).Create(ctx, resource.Request{}, resource.Properties{})
		f, ok := errors.AsType[*resource.Failure](err)
		if !ok || f.Code != c.code || f.Message != c.message {
			t.Errorf("%v: %v, want %s: %s", c.err, err, c.code, c.message)
		}
		if err := permissions(c.err).Delete(ctx, resource.Request{}, resource.Properties{}); !resource.Is(err, c.code) {
			t.Errorf("%v: %v, want %s", c.err, err, c.code)
		}
	}
	if _, err := permissions(nil).Create(ctx, resource.Request{}, properties(t, `{"Id": 7}`)); !resource.Is(err, resource.InvalidRequest) {
		t.Errorf("a property of another type: %v", err)
	}
}

func TestWithoutAndDiffer(t *testing.T) {
	p := properties(t, `{"A": {"B": 1, "C": 2}, "L": [{"S": "x", "T": 1}, {"T": 2}], "N": 1.0}`)
	before := p.String()
	for _, c := range []struct{ without, want string }{
		{"/properties/None", before},
		{"/properties/A", `{"L":[{"S":"x","T":1},{"T":2}],"N":1.0}`},
		{"/properties/A/B", `{"A":{"C":2},"L":[{"S":"x","T":1},{"T":2}],"N":1.0}`},
		{"/properties/L/*/S", `{"A":{"B":1,"C":2},"L":[{"T":1},{"T":2}],"N":1.0}`},
		{"/properties/L/items/properties/T", `{"A":{"B":1,"C":2},"L":[{"S":"x"},{}],"N":1.0}`},
	} {
		if got := p.Without([]string{c.without}).String(); got != c.want || p.String() != before {
			t.Errorf("without %s: %s, want %s", c.without, got, c.want)
		}
	}
	q := properties(t, `{"A": {"B": 1, "C": 3}, "L": [{"S": "x", "T": 1}, {"T": 9}], "N": 1}`)
	all := []string{"/properties/A/B", "/properties/A/C", "/properties/L/*/S", "/properties/L/*/T", "/properties/N", "/properties/None"}
	if got := p.Differ(q, all); !slices.Equal(got, []string{"/properties/A/C", "/properties/L/*/T"}) {
		t.Errorf("they differ in %v", got)
	}
}

func TestNamesMadeUp(t *testing.T) {
	for _, c := range []struct {
		stem  string
		limit int
	}{{"", 80}, {"", 8}, {"stack-Queue", 80}, {"stack-" + strings.Repeat("Queue", 30), 64}} {
		r := resource.Request{Token: "t", Stem: c.stem}
		name := r.Name(c.limit)
		if len(name) > c.limit || name != r.Name(c.limit) || name == (resource.Request{Token: "u", Stem: c.stem}).Name(c.limit) {
			t.Errorf("%+v: %q", c, name)
		}
		if c.stem != "" && !strings.HasPrefix(name, c.stem[:10]) {
			t.Errorf("%+v: %q", c, name)
		}
	}
}

// world is a store with tasks.
type world struct {
	store *store.Store
	tasks *task.Runner
	run   func() (stop func())
}

func newWorld(e store.Engine) *world {
	c := clock.New()
	w := &world{store: &store.Store{Engine: e, Clock: c}}
	w.tasks = task.NewRunner(w.store.Space("task"), c, task.RunnerOptions{})
	w.run = func() func() {
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { w.tasks.Run(ctx) })
		synctest.Wait()
		return func() { cancel(); done.Wait(); c.Close() }
	}
	return w
}

func note(t *testing.T, w *world, f *resource.Feed, changes ...resource.Change) {
	t.Helper()
	ctx := aws.WithRequest(t.Context(), &aws.Request{
		Scope: aws.Scope{Account: "111111111111", Region: "eu-west-1"}, ID: "request-1", Principal: aws.Principal{ARN: "arn:alice"}, SourceIP: "10.0.0.1",
	})
	for _, c := range changes {
		_, err := store.Update(ctx, w.store.Space("service"), func(tx *store.Tx) (struct{}, error) {
			f.Note(ctx, tx, c)
			return struct{}{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A change that nobody could be told of, because the process ended, is told by the next; those of one resource in their order.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 3}})
		defer e.Close()
		var want []string
		{
			w := newWorld(e)
			f := resource.NewFeed(w.tasks)
			if f.Watched("AWS::SQS::Queue") {
				t.Error("nobody watches")
			}
			f.Subscribe("config", func(context.Context, string, resource.Change) error { return nil })
			f.Subscribe("topics", func(context.Context, string, resource.Change) error { return nil }, "AWS::SNS::Topic")
			if !f.Watched("AWS::SQS::Queue") {
				t.Error("config watches")
			}
			for i := range 20 { // nothing runs yet
				after := fmt.Sprintf(`{"n":%d}`, i)
				note(t, w, f, resource.Change{Type: "AWS::SQS::Queue", ARN: fmt.Sprintf("arn:q-%d", i%3), Action: resource.Updated, After: after})
				want = append(want, fmt.Sprintf("arn:q-%d %s", i%3, after))
			}
		}
		w := newWorld(e)
		f := resource.NewFeed(w.tasks)
		var mu sync.Mutex
		var told []resource.Change
		fails := 5
		f.Subscribe("config", func(_ context.Context, id string, c resource.Change) error {
			mu.Lock()
			defer mu.Unlock()
			if fails--; fails > 0 {
				return errors.New("not now")
			}
			told = append(told, c)
			return nil
		})
		f.Subscribe("topics", func(context.Context, string, resource.Change) error {
			t.Error("told of a queue")
			return nil
		}, "AWS::SNS::Topic")
		stop := w.run()
		time.Sleep(time.Hour) // tries that fail are made again
		synctest.Wait()
		stop()
		if len(told) != 20 {
			t.Fatalf("told %d changes", len(told))
		}
		for _, name := range []string{"arn:q-0", "arn:q-1", "arn:q-2"} {
			of := func(list []string) (out []string) {
				for _, s := range list {
					if strings.HasPrefix(s, name) {
						out = append(out, s)
					}
				}
				return out
			}
			var got []string
			for _, c := range told {
				got = append(got, c.ARN+" "+c.After)
			}
			if !slices.Equal(of(got), of(want)) {
				t.Errorf("told %v, want %v", of(got), of(want))
			}
		}
		if c := told[0]; c.Account != "111111111111" || c.Region != "eu-west-1" || c.Request != "request-1" || c.By.ARN != "arn:alice" || c.SourceIP != "10.0.0.1" || c.Time.IsZero() {
			t.Errorf("%+v", c)
		}
	})
}

// FuzzProperties: whatever is read can be taken apart and written, and stays as it was.
func FuzzProperties(f *testing.F) {
	f.Add(`{"A": {"B": [1, {"C": null}]}, "FunctionName": "f", "Id": "p"}`, "/properties/A/B/*/C")
	f.Add(`{"": {"~": 1e400}}`, "/")
	f.Add(`{"L": [[{"S": 1}], 2]}`, "/properties/L/*/*/S")
	permission := permissions(nil)
	f.Fuzz(func(t *testing.T, text, pointer string) {
		if id, err := permission.Identify(text); err == nil {
			if _, ok := permission.Identifier(id); !ok {
				t.Errorf("%q is %v, which has no identifier", text, id)
			}
		}
		p, err := resource.ParseProperties(text)
		if err != nil {
			t.Skip()
		}
		before := p.String()
		p.At(pointer)
		less := p.Without([]string{pointer})
		if !p.Equal(p) || len(p.Differ(p, []string{pointer})) > 0 {
			t.Errorf("%s is not the same as itself", before)
		}
		if _, err := resource.ParseProperties(less.String()); err != nil || p.String() != before {
			t.Errorf("%s without %q is %s, %v", p, pointer, less, err)
		}
	})
}
