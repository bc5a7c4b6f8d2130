// Package awslocal is a small stand-in for the AWS CLI, for init scripts in images that are too small to hold that: it performs
// the operations that obidos serves, one request each, with the AWS CLI's options and ways to write values.
//
// It promises to say so where the AWS CLI could do more: pages are not fetched on, --query takes plain paths only, and commands
// that are no operations (s3 cp, configure, waiters) are not there. It never does something else instead.
package awslocal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Command performs operations.
type Command struct {
	Services    []*model.Service
	Endpoint    string // "http://127.0.0.1:4566"
	Region      string
	Credentials sigv4.Credentials
	Client      *http.Client
	Out         io.Writer
}

// UsageError says that a command line is not understood, or asks for what only the AWS CLI can do.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

func usage(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...) + " (this is obidos' small stand-in for the AWS CLI; images with the AWS CLI have that instead)"}
}

// Run performs what a command line asks for: SERVICE OPERATION, with options before, between and after.
func (c *Command) Run(ctx context.Context, args []string) error {
	line, err := c.parse(args)
	if err != nil {
		return err
	}
	in, err := c.input(line)
	if err != nil {
		return err
	}
	out, err := c.perform(ctx, line, in)
	if err != nil {
		if e, ok := errors.AsType[*aws.Error](err); ok {
			return fmt.Errorf("an error occurred (%s) when calling the %s operation: %s", e.WireCode(), line.op.Name, e.Message)
		}
		return err
	}
	return line.print(c.Out, out)
}

// input is the operation's input made from the values of a command line.
func (c *Command) input(l *line) (any, error) {
	text, err := json.Marshal(l.values)
	if err != nil {
		return nil, err
	}
	m, err := wire.New(c.Services...).For(l.op, model.JSON10)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, "/", nil)
	if err != nil {
		return nil, err
	}
	in, bad := m.Decode(r, text)
	if bad != nil {
		return nil, bad
	}
	return in, nil
}

// perform asks obidos, in the service's own protocol; what comes back is turned into the JSON that the AWS CLI prints.
func (c *Command) perform(ctx context.Context, l *line, in any) (map[string]any, error) {
	w := wire.New(c.Services...)
	r, err := w.EncodeRequest(ctx, l.op, 0, l.endpoint, in)
	if err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	sigv4.Sign(r, c.Credentials, l.op.Service.SigningName, l.region, time.Now(), sigv4.Hash(body))
	resp, err := c.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := w.DecodeResponse(l.op, 0, resp)
	if err != nil {
		return nil, err
	}
	m, err := w.For(l.op, model.JSON10)
	if err != nil {
		return nil, err
	}
	text := answer{header: http.Header{}}
	if err := m.WriteOutput(&text, "", out); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(&text.body)
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, err
	}
	return values, nil
}

// answer is where an answer is written to be read again.
type answer struct {
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(int)             {}

// operation finds an operation by the AWS CLI's names: "sqs" and "create-queue".
func (c *Command) operation(service, name string) (*model.Operation, error) {
	for _, s := range c.Services {
		if s.Name != service {
			continue
		}
		for i := range s.Operations {
			if op := &s.Operations[i]; kebab(op.Name) == name {
				if !op.Served() {
					return nil, model.Unserved(service, op.Name)
				}
				return op, nil
			}
		}
		return nil, usage("%s has no operation %s", service, name)
	}
	return nil, usage("there is no service %s", service)
}

// kebab is the AWS CLI's way to write a name: DeadLetterSourceQueues is dead-letter-source-queues, AWSAccountIds aws-account-ids.
func kebab(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		upper := c >= 'A' && c <= 'Z'
		if upper && i > 0 {
			before := name[i-1]
			lowerBefore := before < 'A' || before > 'Z'
			lowerAfter := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
			if lowerBefore || lowerAfter {
				b.WriteByte('-')
			}
		}
		if upper {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
