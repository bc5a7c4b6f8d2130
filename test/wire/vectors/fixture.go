package vectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// ours is what we call the services that the SDK names otherwise.
var ours = map[string]string{
	"cloudwatchlogs": "logs", "configservice": "config", "elasticloadbalancingv2": "elbv2", "eventbridge": "events",
}

// snapshot is a message as the SDK's fixtures keep it: a first line, headers, a body.
type snapshot struct {
	first  string
	header http.Header
	body   []byte
}

func readSnapshot(file string) (snapshot, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{header: http.Header{}}
	first, rest, _ := bytes.Cut(b, []byte("\n"))
	s.first = string(first)
	rest = bytes.TrimPrefix(rest, []byte("\n"))
	for {
		line, more, ok := bytes.Cut(rest, []byte("\n"))
		rest = more
		name, value, is := strings.Cut(string(line), ": ")
		if !is {
			break
		}
		s.header.Add(name, value)
		if !ok {
			break
		}
	}
	s.body = rest
	return s, nil
}

// fixtures runs the SDK's fixtures of one service.
func (r *Result) fixtures(name, dir string, services []*model.Service) error {
	own := name
	if n := ours[name]; n != "" {
		own = n
	}
	i := slices.IndexFunc(services, func(s *model.Service) bool { return s.Name == own })
	if i < 0 {
		return fmt.Errorf("no model of %s", own)
	}
	s := services[i]
	w := wire.Trusting(services...) // all of them: a request has to find its own
	count := 0
	for _, kind := range []struct {
		pattern, suffix string
		run             func(w *wire.Wire, s *model.Service, name string, snap snapshot) error
	}{
		{"request_snapshot/*.request.snap", ".request.snap", requestFixture},
		{"response_snapshot/*.response.snap", ".response.snap", responseFixture},
		{"response_snapshot/*.error.snap", ".error.snap", errorFixture},
	} {
		files, err := filepath.Glob(filepath.Join(dir, kind.pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			count++
			base := strings.TrimSuffix(filepath.Base(file), kind.suffix)
			id := own + "/" + base + strings.TrimSuffix(kind.suffix, ".snap")
			snap, err := readSnapshot(file)
			if err != nil {
				return err
			}
			switch err := recovered(func() error { return kind.run(w, s, base, snap) }); {
			case err == nil:
				r.pass("Go SDK " + strings.Trim(strings.TrimSuffix(kind.suffix, ".snap"), "."))
			case errors.Is(err, errUnmodelled):
				r.Unmodel = append(r.Unmodel, id)
			default:
				r.fail(id, "%v", err)
			}
		}
	}
	r.Services = append(r.Services, fmt.Sprintf("%s %d", own, count))
	return nil
}

var errUnmodelled = errors.New("not in our model")

func recovered(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return fn()
}

const endpoint = "http://vectors.test"

// requestFixture decodes the SDK's request as the server does and makes it again as the client does: every member it has must have
// survived.
func requestFixture(w *wire.Wire, s *model.Service, name string, snap snapshot) error {
	op := s.Operation(name)
	if op == nil || op.Input == nil { // of EC2, models/ has only the names of most operations
		return errUnmodelled
	}
	method, target, _ := strings.Cut(snap.first, " ")
	req, err := request(s, method, target, snap.header, snap.body)
	if err != nil {
		return err
	}
	m, in, e := decode(w, req, snap.body)
	if e != nil {
		return fmt.Errorf("refused: %w", e)
	}
	if m.Operation != op {
		return fmt.Errorf("taken for %s", m.Operation.Action())
	}
	again, err := w.EncodeRequest(context.Background(), op, m.Protocol, endpoint, in)
	if err != nil {
		return err
	}
	if s.Name == "s3" { // the SDK has the bucket in the host's name
		again.URL.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(again.URL.Path, "/bucket"), "/")
		again.URL.RawPath = ""
	}
	return sameRequest(method, target, snap.header, snap.body, again, true)
}

func request(s *model.Service, method, target string, h http.Header, body []byte) (*http.Request, error) {
	u, err := url.Parse(endpoint + target)
	if err != nil {
		return nil, err
	}
	req := &http.Request{Method: method, URL: u, Header: h.Clone(), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	req.Host = s.EndpointPrefix + ".us-east-1.amazonaws.com"
	if s.Name == "s3" {
		req.Host = "bucket.s3.us-east-1.amazonaws.com"
		if strings.Contains(target, "x-id=ListBuckets") || strings.Contains(target, "x-id=ListDirectoryBuckets") || target == "/WriteGetObjectResponse" {
			req.Host = "s3.us-east-1.amazonaws.com"
		}
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/"+s.SigningName+"/aws4_request, SignedHeaders=host, Signature=0")
	return req, nil
}

func decode(w *wire.Wire, req *http.Request, body []byte) (wire.Match, any, error) {
	m, e := w.Route(req, func() ([]byte, error) { return body, nil })
	if e != nil {
		return m, nil, e
	}
	in, e := m.Decode(req, body)
	if e != nil {
		return m, nil, e
	}
	return m, in, nil
}

// responseFixture decodes the SDK's answer as a client does and answers it again as the server does.
func responseFixture(w *wire.Wire, s *model.Service, name string, snap snapshot) error {
	op := s.Operation(name)
	if op == nil || op.Input == nil {
		return errUnmodelled
	}
	p := protocolOf(s, snap.header)
	out, err := w.DecodeResponse(op, p, response(snap))
	if err != nil {
		return err
	}
	m, err := w.For(op, p)
	if err != nil {
		return err
	}
	rec := httptest.NewRecorder()
	if err := m.WriteOutput(rec, "id", out); err != nil {
		return err
	}
	return sameBody(p, snap.body, rec.Body.Bytes())
}

func protocolOf(s *model.Service, h http.Header) model.Protocol {
	switch {
	case h.Get("Smithy-Protocol") != "":
		return model.CBOR
	case strings.HasPrefix(h.Get("Content-Type"), "application/x-amz-json-1.0"):
		return model.JSON10
	case strings.HasPrefix(h.Get("Content-Type"), "application/x-amz-json-1.1"):
		return model.JSON11
	}
	return s.Protocols[0]
}

func response(snap snapshot) *http.Response {
	status, _ := strconv.Atoi(snap.first)
	return &http.Response{StatusCode: status, Header: snap.header.Clone(), Body: io.NopCloser(bytes.NewReader(snap.body))}
}

// errorFixture decodes the SDK's error and answers it again.
func errorFixture(w *wire.Wire, s *model.Service, name string, snap snapshot) error {
	if !slices.ContainsFunc(s.Errors, func(e model.Error) bool { return e.Code == name }) {
		return errUnmodelled
	}
	p := protocolOf(s, snap.header)
	op := &s.Operations[0]
	_, err := w.DecodeResponse(op, p, response(snap))
	e, ok := errors.AsType[*aws.Error](err)
	if !ok {
		return fmt.Errorf("no error of AWS's: %w", err)
	}
	if e.Code != name {
		return fmt.Errorf("taken for %s", e.Code)
	}
	m, err := w.For(op, p)
	if err != nil {
		return err
	}
	rec := httptest.NewRecorder()
	if err := m.WriteError(rec, "id", e); err != nil {
		return err
	}
	return sameError(p, snap.body, rec.Body.Bytes())
}
