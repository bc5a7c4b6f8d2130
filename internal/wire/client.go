package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
	"github.com/obidos-cloud/obidos/internal/wire/xmltext"
)

// The other side: requests made and answers read, from the same plans.

// For is the match of an operation that is known without a request, in the service's own protocol where p is 0. It fails where the operation has
// no types, or belongs to no service of the wire.
func (w *Wire) For(op *model.Operation, p model.Protocol) (*Match, error) {
	for _, s := range w.services {
		if s.Service == op.Service {
			c := s.operation(op.Name)
			if c == nil || c.Input == nil {
				return nil, fmt.Errorf("wire: %s has no types", op.Name)
			}
			if p == 0 {
				p = s.Protocols[0]
			}
			return &Match{Service: s.Service, Operation: c.Operation, Protocol: p, w: w, s: s, op: c.compiled()}, nil
		}
	}
	return nil, fmt.Errorf("wire: no service %s", op.Service.Name)
}

// EncodeRequest is the request that performs op with in, a pointer to its Input, at the endpoint ("http://host:port"). It is not signed. The protocol
// is the service's own where p is 0.
func (w *Wire) EncodeRequest(ctx context.Context, op *model.Operation, p model.Protocol, endpoint string, in any) (*http.Request, error) {
	m, err := w.For(op, p)
	if err != nil {
		return nil, err
	}
	at, st := placeOf(in), m.op.in
	fill(st, at)
	h := http.Header{}
	method, target := http.MethodPost, "/"
	var body []byte
	var stream io.Reader
	if st.events != nil {
		stream = m.eventBody(at)
	}
	switch m.Protocol {
	case model.JSON10, model.JSON11:
		h.Set("Content-Type", "application/x-amz-json-1.0")
		if m.Protocol == model.JSON11 {
			h.Set("Content-Type", "application/x-amz-json-1.1")
		}
		h.Set("X-Amz-Target", m.s.TargetPrefix+"."+op.Name)
		if m.s.QueryErrors {
			h.Set("X-Amzn-Query-Mode", "true")
		}
		e := jsonWriter{}
		e.structure(at, st.fields)
		body = e.b
	case model.CBOR11:
		h.Set("Content-Type", "application/x-amz-cbor-1.1")
		h.Set("X-Amz-Target", m.s.TargetPrefix+"."+op.Name)
		e := cborWriter{millis: true}
		e.structure(at, st.fields)
		body = e.b
	case model.CBOR:
		target = "/service/" + m.s.TargetPrefix + "/operation/" + op.Name
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		h.Set("Accept", "application/cbor")
		if m.s.QueryErrors {
			h.Set("X-Amzn-Query-Mode", "true")
		}
		h.Set("Content-Type", "application/cbor")
		e := cborWriter{}
		e.structure(at, st.fields)
		body = e.b
	case model.Query, model.EC2:
		h.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		e := queryWriter{ec2: m.Protocol == model.EC2}
		e.param("Action", op.Name)
		e.param("Version", m.s.Version)
		e.structure("", st, at)
		body = e.b
	default:
		method = op.Method
		if target, err = m.target(at); err != nil {
			return nil, err
		}
		for _, f := range st.bound {
			if at, ok := f.find(at.at(f.Offset)); ok && (f.At == model.Header || f.At == model.Headers) {
				f.setHeader(h, at)
			}
		}
		if f := st.payload; f != nil && f.kind == model.Stream {
			if at, ok := f.find(at.at(f.Offset)); ok {
				stream = *at.reader()
			}
		} else if st.events == nil && (f != nil || len(st.body) > 0) {
			body = m.restBody(nil, h, st, st.body, at, op.InputName, op.Name+"Request", op.InputNS)
		}
		if len(body) > 0 && h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/json")
			if m.Protocol == model.RestXML {
				h.Set("Content-Type", "application/xml")
			}
		}
	}
	if st.events != nil {
		h.Set("Content-Type", typeEvents[0])
	} else if stream == nil && body != nil {
		stream = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(endpoint, "/")+target, stream)
	if err != nil {
		return nil, err
	}
	r.Header = h
	return r, nil
}

// target is the path and query string of a REST request.
func (m *Match) target(p place) (string, error) {
	st := m.op.in
	path, query, _ := strings.Cut(m.Operation.URI, "?")
	for _, f := range st.bound {
		if f.At != model.URI {
			continue
		}
		at, ok := f.find(p.at(f.Offset))
		text := ""
		if ok {
			text = string(f.appendScalar(nil, at, model.ISO8601))
		}
		if text == "" {
			return "", fmt.Errorf("wire: %s needs %s", m.Operation.Name, f.Name)
		}
		path = strings.ReplaceAll(path, "{"+f.AtName+"}", uri.Escape(text, false))
		path = strings.ReplaceAll(path, "{"+f.AtName+"+}", uri.Escape(text, true))
	}
	var b []byte
	add := func(name, value string) {
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, uri.Escape(name, false)...), '='), uri.Escape(value, false)...)
	}
	constants, _ := uri.ParseForm(nil, query)
	for _, c := range constants {
		switch {
		case st.queries[c.Key] != nil: // a member says it
		case c.Value != "":
			add(c.Key, c.Value)
		default:
			if len(b) > 0 {
				b = append(b, '&')
			}
			b = append(b, c.Key...)
		}
	}
	for _, f := range st.bound {
		at, ok := f.find(p.at(f.Offset))
		if !ok {
			continue
		}
		switch f.At {
		case model.QueryString:
			if f.kind == model.List {
				for i := range at.length() {
					if at, ok := f.elem.find(at.item(i, f.elem.size)); ok {
						add(f.AtName, string(f.elem.appendScalar(nil, at, model.ISO8601)))
					}
				}
				continue
			}
			add(f.AtName, string(f.appendScalar(nil, at, model.ISO8601)))
		case model.QueryMap:
			f.ordered(at, func(_ int, key string, elem place) {
				if st.queries[key] != nil {
					return
				}
				if f.elem.kind == model.List {
					for i := range elem.length() {
						add(key, *elem.item(i, f.elem.elem.size).str())
					}
				} else if at, ok := f.elem.find(elem); ok {
					add(key, *at.str())
				}
			})
		}
	}
	if len(b) > 0 {
		path += "?" + string(b)
	}
	return path, nil
}

// queryWriter encodes places as parameters.
type queryWriter struct {
	b   []byte
	ec2 bool
}

func (w *queryWriter) param(name, value string) {
	if len(w.b) > 0 {
		w.b = append(w.b, '&')
	}
	w.b = append(append(append(w.b, url.QueryEscape(name)...), '='), url.QueryEscape(value)...)
}

func (w *queryWriter) structure(prefix string, st *structure, p place) {
	for _, f := range st.fields {
		if at, ok := f.find(p.at(f.Offset)); ok {
			w.value(prefix+f.query, f.node, at, f.entry)
		}
	}
}

// value writes what lies at p. entry is what a list's or map's name is followed by in front of an entry's number.
func (w *queryWriter) value(name string, n *node, p place, entry string) {
	switch n.kind {
	case model.Structure:
		w.structure(name+".", n.st, p)
	case model.List:
		if p.length() == 0 && !w.ec2 {
			w.param(name, "")
		}
		for i := range p.length() {
			if at, ok := n.elem.find(p.item(i, n.elem.size)); ok {
				w.value(name+entry+"."+strconv.Itoa(i+1), n.elem, at, w.entry(n.elem))
			}
		}
	case model.Map:
		n.ordered(p, func(i int, key string, elem place) {
			prefix := name + entry + "." + strconv.Itoa(i+1) + "."
			w.param(prefix+n.schema.KeyName, key)
			if at, ok := n.elem.find(elem); ok {
				w.value(prefix+n.schema.ValueName, n.elem, at, w.entry(n.elem))
			}
		})
	default:
		w.param(name, string(n.appendScalar(nil, p, model.ISO8601)))
	}
}

// entry is what stands in front of an entry's number where the list or map is no member.
func (w *queryWriter) entry(n *node) string {
	if n.schema.Flat || w.ec2 {
		return ""
	}
	switch n.kind {
	case model.List:
		return "." + n.itemName("member")
	case model.Map:
		return ".entry"
	}
	return ""
}

// DecodeResponse reads the answer to a request of EncodeRequest: out is a pointer to the operation's Output, or err an *aws.Error that the
// service answered. A streaming answer's body stays open, to be closed by who reads it; any other is read and closed.
func (w *Wire) DecodeResponse(op *model.Operation, p model.Protocol, resp *http.Response) (out any, err error) {
	m, err := w.For(op, p)
	if err != nil {
		return nil, err
	}
	st := m.op.out
	streams := (st.events != nil || st.payload != nil && st.payload.kind == model.Stream) && resp.StatusCode < 300
	var body []byte
	if !streams {
		body, err = io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, fmt.Errorf("read the answer of %s: %w", op.Name, err)
		}
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified {
		return nil, m.decodeError(resp, body)
	}
	v := reflect.New(m.op.Output).Interface()
	at := placeOf(v)
	var found findings
	var bad *aws.Error
	switch {
	case st.events != nil && !m.bound():
		if bad = m.openEvents(resp.Body, initialResponse, st, at, &found); bad != nil {
			_ = resp.Body.Close() // it is of no use
		}
	case m.Protocol == model.JSON10, m.Protocol == model.JSON11:
		if len(bytes.TrimSpace(body)) > 0 {
			bad = m.readJSON(body, &found, func(r *jsonReader) bool { return r.structure(st, at, st.fields) })
		}
	case m.Protocol == model.CBOR, m.Protocol == model.CBOR11:
		if len(body) > 0 {
			bad = m.readCBOR(body, &found, func(r *cborReader) bool { return r.structure(st, at) })
		}
	case m.Query():
		if len(body) > 0 {
			bad = m.readXML(body, &found, func(r *xmlReader, root string) bool { return m.queryResult(r, root, at) })
		}
	default:
		bad = m.restResult(resp, at, body, &found)
	}
	if bad != nil {
		return nil, fmt.Errorf("decode the answer of %s: %w", op.Name, bad)
	}
	return v, nil
}

// queryResult reads the result in the response's element; ec2 has none between.
func (m *Match) queryResult(r *xmlReader, root string, at place) bool {
	wrapper := m.Operation.ResultWrapper
	if m.Protocol == model.EC2 || wrapper == "" {
		return r.structure(m.op.out, at, root, nil)
	}
	if r.Closed {
		return true
	}
	for {
		child, ok := r.Next(root)
		if !ok {
			return !r.Failed()
		}
		if xmltext.Local(child) == wrapper {
			ok = r.structure(m.op.out, at, child, nil)
		} else {
			ok = r.Skip(child, maxDepth)
		}
		if !ok {
			return false
		}
	}
}

func (m *Match) restResult(resp *http.Response, at place, body []byte, found *findings) *aws.Error {
	st := m.op.out
	if _, ok := bindHeaders(st, at, resp.Header); !ok {
		return m.malformed("a header")
	}
	for _, f := range st.bound {
		if f.At == model.StatusCode {
			f.setNumber(f.present(at.at(f.Offset)), strconv.Itoa(resp.StatusCode))
		}
	}
	if f := st.payload; f != nil {
		return m.decodePayload(&http.Request{Body: resp.Body}, f, at.at(f.Offset), body, found)
	}
	if len(st.answer) == 0 {
		return nil
	}
	_, err := m.decodeMembers(st, st.answer, at, body, found)
	return err
}

// decodeError reads an answer that is an error.
func (m *Match) decodeError(resp *http.Response, body []byte) *aws.Error {
	h := resp.Header
	code, message, queryCode := h.Get("X-Amzn-Errortype"), "", ""
	if v := h.Get("X-Amzn-Query-Error"); v != "" {
		queryCode, _, _ = strings.Cut(v, ";")
	}
	var found findings
	var unread *aws.Error // what could not be read of it, for the log
	var members func(*structure, place) *aws.Error
	switch m.Protocol {
	case model.Query, model.EC2, model.RestXML:
		var e xmlFault
		unread = m.readXML(body, &found, e.read)
		code, message, queryCode = e.code, e.message, ""
		members = func(st *structure, at place) *aws.Error {
			return m.readXML(body, &found, func(r *xmlReader, root string) bool {
				return inError(r, root, func(name string) bool { return r.structure(st, at, name, nil) })
			})
		}
	case model.CBOR, model.CBOR11:
		unread = m.readCBOR(body, &found, func(r *cborReader) bool {
			v, ok := r.document(0)
			code, message = faultOf(v, code)
			return ok
		})
		members = func(st *structure, at place) *aws.Error {
			return m.readCBOR(body, &found, func(r *cborReader) bool { return r.structure(st, at) })
		}
	default:
		unread = m.readJSON(body, &found, func(r *jsonReader) bool {
			v, ok := r.document(0)
			code, message = faultOf(v, code)
			return ok
		})
		members = func(st *structure, at place) *aws.Error {
			return m.readJSON(body, &found, func(r *jsonReader) bool { return r.structure(st, at, st.fields) })
		}
	}
	e, wrong := m.errorFrom(resp, code, queryCode, message, members)
	if unread == nil {
		unread = wrong
	}
	if unread != nil {
		e = e.Because(unread)
	}
	return e
}

// faultOf takes code and message from a decoded error. A header's code counts before the body's.
func faultOf(v any, code string) (string, string) {
	o, _ := v.(map[string]any)
	text := func(names ...string) string {
		for _, n := range names {
			if s, ok := o[n].(string); ok {
				return s
			}
		}
		return ""
	}
	if code == "" {
		code = text("__type", "code", "Code")
	}
	return code, text("message", "Message", "errorMessage")
}

// errorFrom makes the error, with the shape and members of the service's model where it has them; wrong is why members could not be read.
func (m *Match) errorFrom(resp *http.Response, code, queryCode, message string, members func(*structure, place) *aws.Error) (e, wrong *aws.Error) {
	code, _, _ = strings.Cut(code, ":") // "Foo:http://internal.amazon.com/…"
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	shape := m.s.errorOf(code)
	for i := range m.s.Errors {
		if shape == nil && m.Protocol != model.JSON10 && m.Protocol != model.JSON11 && code != "" && m.s.Errors[i].WireCode() == code {
			shape = &m.s.Errors[i]
		}
	}
	if shape == nil {
		s := &aws.ErrorShape{Code: code, QueryCode: queryCode, Status: resp.StatusCode, Receiver: resp.StatusCode >= 500}
		if s.Code == "" {
			s.Code = strconv.Itoa(resp.StatusCode)
		}
		if s.QueryCode == s.Code {
			s.QueryCode = ""
		}
		return s.New("%s", message), nil
	}
	e = shape.ErrorShape.New("%s", message)
	if shape.Members != nil {
		v := reflect.New(shape.Members).Interface()
		st := m.s.plans.structure(shape.Members)
		at := placeOf(v)
		wrong = members(st, at)
		if _, ok := bindHeaders(st, at, resp.Header); !ok && wrong == nil {
			wrong = m.malformed("a header")
		}
		e.Members = v
	}
	return e, wrong
}

// xmlFault is what all XML errors have.
type xmlFault struct{ code, message string }

func (f *xmlFault) read(r *xmlReader, root string) bool {
	return inError(r, root, func(name string) bool {
		for {
			child, ok := r.Next(name)
			if !ok {
				return !r.Failed()
			}
			switch xmltext.Local(child) {
			case "Code":
				f.code, ok = r.Text(child)
			case "Message", "message":
				f.message, ok = r.Text(child)
			default:
				ok = r.Skip(child, maxDepth)
			}
			if !ok {
				return false
			}
		}
	})
}

// inError finds the Error element: the root itself, or inside ErrorResponse, or inside Response and Errors.
func inError(r *xmlReader, name string, fn func(name string) bool) bool {
	if xmltext.Local(name) == "Error" {
		return r.Closed || fn(name)
	}
	if r.Closed {
		r.Closed = false
		return true
	}
	for {
		child, ok := r.Next(name)
		if !ok {
			return !r.Failed()
		}
		switch xmltext.Local(child) {
		case "Error", "Errors":
			ok = inError(r, child, fn)
		default:
			ok = r.Skip(child, maxDepth)
		}
		if !ok {
			return false
		}
	}
}
