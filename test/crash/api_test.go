package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// door is where callers call. Where it leads changes when what it led to has died.
type door struct {
	to   atomic.Pointer[ways]
	turn atomic.Uint64
}

// ways are clients, each of a node. Calls alternate between them.
type ways struct {
	url     string
	clients []*http.Client
}

func (d *door) lead(url string, clients ...*http.Client) { d.to.Store(&ways{url, clients}) }

// refusal is an answer that says no.
type refusal struct {
	Status  int
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Message) }

// refused reports that nothing was done: the caller was told so.
func refused(err error) bool {
	e, ok := errors.AsType[*refusal](err)
	return ok && (e.Status < 500 || isFull(err))
}

// isFull reports that the disk was said to be full.
func isFull(err error) bool {
	e, ok := errors.AsType[*refusal](err)
	return ok && e.Status == http.StatusServiceUnavailable && strings.Contains(e.Message, "disk full")
}

var errNowhere = errors.New("nothing is running")

// call makes one awsJson call of SQS.
func (d *door) call(ctx context.Context, operation string, in, out any) error {
	return d.json(ctx, "AmazonSQS."+operation, in, out)
}

// logs makes one of CloudWatch Logs.
func (d *door) logs(ctx context.Context, operation string, in, out any) error {
	return d.json(ctx, "Logs_20140328."+operation, in, out)
}

func (d *door) json(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return d.do(ctx, "/", target, body, out)
}

// admin makes a call of obidos' own.
func (d *door) admin(ctx context.Context, path, body string) error {
	return d.do(ctx, path, "", []byte(body), nil)
}

func (d *door) do(ctx context.Context, path, target string, body []byte, out any) error {
	w := d.to.Load()
	if w == nil || len(w.clients) == 0 {
		return errNowhere
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
		service, version := "sqs", "1.0"
		if strings.HasPrefix(target, "Logs") {
			service, version = "logs", "1.1"
		}
		r.Header.Set("Content-Type", "application/x-amz-json-"+version)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	}
	resp, err := w.clients[d.turn.Add(1)%uint64(len(w.clients))].Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		e := &refusal{Status: resp.StatusCode}
		if json.Unmarshal(answer, e) != nil {
			e.Message = string(answer)
		}
		e.Status = resp.StatusCode
		return e
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// What calls give and answer, as far as it matters here.

type object = map[string]any

type sent struct {
	Id, MessageId, SequenceNumber string
}

type message struct {
	MessageId, ReceiptHandle, Body string
	Attributes                     map[string]string
}

// A body is its name, a space, padding, and a sum of both.

func bodyOf(name string, padding int) string {
	return sealed(name + " " + strings.Repeat("x", padding))
}

func sealed(s string) string { return s + sum(s) }

func (m *message) name() string {
	name, _, _ := strings.Cut(m.Body, " ")
	return name
}

// tail is how the body must end.
func (m *message) tail() string {
	if len(m.Body) < 8 {
		return "?"
	}
	return sum(m.Body[:len(m.Body)-8])
}

func sum(s string) string {
	f := fnv.New32a()
	io.WriteString(f, s)
	return fmt.Sprintf("%08x", f.Sum32())
}
