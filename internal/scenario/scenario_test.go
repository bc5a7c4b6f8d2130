package scenario_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/scenario"
)

// counter is a service of one operation, which counts.
type counter struct {
	n      int
	errors string // what it says of a negative number
}

func (c *counter) Advance(context.Context, time.Duration) error { return nil }
func (c *counter) Settle()                                      {}

var errBad = &aws.ErrorShape{Code: "Bad", Status: 400}

func (c *counter) Call(_ context.Context, operation string, in json.RawMessage) (json.RawMessage, error) {
	var ask struct {
		By   int
		Name string
		Of   string `json:"CounterId"`
	}
	if operation != "Count" {
		return nil, errors.New("what?")
	}
	if err := json.Unmarshal(in, &ask); err != nil {
		return nil, err
	}
	if ask.By < 0 {
		return nil, errBad.New("%s", c.errors)
	}
	c.n += ask.By
	return fmt.Appendf(nil, `{"CounterId": "made-up-%d", "Name": %q, "Sum": %d, "At": "2026-01-02T03:04:05Z"}`, os.Getpid(), ask.Name, c.n), nil
}

// What -update makes of a file: it is played by the service's first protocol, then by others.
func TestUpdate(t *testing.T) {
	if err := flag.Set("update", "true"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := flag.Set("update", "false"); err != nil {
			t.Fatal(err)
		}
	}()
	file := filepath.Join(t.TempDir(), "count.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`# Counting.

Count {"By": 2, "Name": "a"}
Count {"By": -1}
Count {"By": -2}
400 Bad: as it was
query 400 Bad: of old
`)
	scenario.Play(t.Context(), t, file, &counter{errors: "negative"}, "")
	scenario.Play(t.Context(), t, file, &counter{errors: "negative"}, "cbor")
	scenario.Play(t.Context(), t, file, &counter{errors: "Negative!"}, "query")
	const want = `# Counting.

Count {"By": 2, "Name": "a"}
200 {"At":"*","CounterId":"$counterId1","Name":"a","Sum":2}
Count {"By": -1}
400 Bad: negative
query 400 Bad: Negative!
Count {"By": -2}
400 Bad: negative
query 400 Bad: Negative!
`
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("written:\n%s\nwant:\n%s", got, want)
	}
	if err := flag.Set("update", "false"); err != nil {
		t.Fatal(err)
	}
	scenario.Play(t.Context(), t, file, &counter{errors: "negative"}, "")
	scenario.Play(t.Context(), t, file, &counter{errors: "Negative!"}, "query")
}

type answering func(in any) (any, error)

func (a answering) Invoke(_ context.Context, _ *model.Operation, in any) (any, error) { return a(in) }

// Times have a form in scenarios, whatever that of the protocol is.
func TestTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	direct := scenario.Direct(cloudcontrolapi.API(), answering(func(any) (any, error) {
		return &cloudcontrolapi.GetResourceRequestStatusOutput{ProgressEvent: &cloudcontrolapi.ProgressEvent{EventTime: aws.Some(at)}}, nil
	}), nil, nil)
	got, err := direct.Call(t.Context(), "GetResourceRequestStatus", json.RawMessage(`{"RequestToken": "r"}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"ProgressEvent":{"EventTime":"2026-01-02T03:04:05Z"}}`; string(got) != want {
		t.Errorf("answered %s, want %s", got, want)
	}
}
