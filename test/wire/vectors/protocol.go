package vectors

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Suite is one of botocore's protocol tests: a model of its own, and cases of one operation each.
type Suite struct {
	Description string                     `json:"description"`
	Metadata    map[string]json.RawMessage `json:"metadata"`
	Shapes      json.RawMessage            `json:"shapes"`
	Cases       []Case                     `json:"cases"`

	Endpoint string `json:"clientEndpoint"`
}

// Case is one vector: Params and Serialized of a request, or Result and Response.
type Case struct {
	ID         string          `json:"id"`
	Given      json.RawMessage `json:"given"`
	Params     map[string]any  `json:"params"`
	Serialized *struct {
		Method         string            `json:"method"`
		URI            string            `json:"uri"`
		Body           string            `json:"body"`
		Headers        map[string]string `json:"headers"`
		ForbidHeaders  []string          `json:"forbidHeaders"`
		RequireHeaders []string          `json:"requireHeaders"`
	} `json:"serialized"`
	Result       map[string]any `json:"result"`
	Error        map[string]any `json:"error"`
	ErrorCode    string         `json:"errorCode"`
	ErrorMessage string         `json:"errorMessage"`
	Response     *struct {
		Status  int               `json:"status_code"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"response"`
}

// SuiteName is what the i-th suite of a file becomes as a service.
func SuiteName(file string, i int) string {
	kind, name := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".json")
	return fmt.Sprintf("%s%sx%02d", kind, strings.NewReplacer("-", "", "_", "").Replace(name), i)
}

// SuiteFiles lists the files of protocol tests.
func SuiteFiles(dir string) ([]string, error) {
	in, err := filepath.Glob(filepath.Join(dir, "input", "*.json"))
	if err != nil {
		return nil, err
	}
	out, err := filepath.Glob(filepath.Join(dir, "output", "*.json"))
	return append(in, out...), err
}

// ReadSuites reads a file of them.
func ReadSuites(file string) (suites []Suite, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return suites, d.Decode(&suites)
}

func (r *Result) protocols(dir string, services []*model.Service) error {
	files, err := SuiteFiles(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		suites, err := ReadSuites(file)
		if err != nil {
			return err
		}
		for i, s := range suites {
			name := SuiteName(file, i)
			at := slices.IndexFunc(services, func(s *model.Service) bool { return s.Name == name })
			if at < 0 {
				return fmt.Errorf("no contract of %s", name)
			}
			kind := name[:strings.LastIndexByte(name, 'x')]
			for n, c := range s.Cases {
				id := kind + "/" + c.ID
				if c.ID == "" {
					id = fmt.Sprintf("%s/%d", name, n)
				}
				if _, twice := r.Failed[id]; twice {
					id += fmt.Sprintf("/%d.%d", i, n)
				}
				err := recovered(func() error { return c.run(services[at], s.Endpoint) })
				if err != nil {
					r.fail(id, "%v", err)
				} else {
					r.pass("botocore " + kind)
				}
			}
		}
	}
	return nil
}

func (c *Case) run(s *model.Service, base string) error {
	var given struct{ Name string }
	if err := json.Unmarshal(c.Given, &given); err != nil {
		return err
	}
	op := s.Operation(given.Name)
	if op == nil {
		return fmt.Errorf("no operation %s", given.Name)
	}
	w := wire.Trusting(s)
	p := s.Protocols[0]
	if c.Serialized != nil {
		return c.request(w, s, op, p, base)
	}
	return c.response(w, s, op, p)
}

// request makes the request of the case, and reads it.
func (c *Case) request(w *wire.Wire, s *model.Service, op *model.Operation, p model.Protocol, base string) error {
	want := reflect.New(op.Input)
	if err := set(s, want.Elem(), nil, c.Params); err != nil {
		return err
	}
	header := http.Header{}
	for k, v := range c.Serialized.Headers {
		header.Set(k, v)
	}
	if p == model.JSON10 || p == model.JSON11 {
		header.Set("X-Amz-Target", s.TargetPrefix+"."+op.Name) // some cases leave it out
	}
	body := []byte(c.Serialized.Body)
	if p == model.CBOR {
		var err error
		if body, err = base64.StdEncoding.DecodeString(c.Serialized.Body); err != nil {
			return err
		}
	}
	sent := clone(want)
	at := endpoint
	if u, err := url.Parse(base); err == nil {
		at += strings.TrimSuffix(u.Path, "/")
	}
	got, err := w.EncodeRequest(context.Background(), op, p, at, sent.Interface())
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	filled := strings.HasSuffix(c.ID, "IdempotencyTokenAutoFill")
	if filled { // ours is random
		if err := fixToken(got); err != nil {
			return err
		}
	}
	method := c.Serialized.Method
	if method == "" {
		method = http.MethodPost
	}
	if err := sameRequest(method, c.Serialized.URI, header, body, got, true); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	for _, h := range c.Serialized.ForbidHeaders {
		if got.Header.Get(h) != "" {
			return fmt.Errorf("client: header %s is there", h)
		}
	}
	uri := "/" + strings.TrimPrefix(strings.TrimPrefix(c.Serialized.URI, strings.TrimPrefix(at, endpoint)), "/")
	req, err := request(s, method, uri, header, body)
	if err != nil {
		return err
	}
	_, in, e := decode(w, req, body)
	if e != nil {
		return fmt.Errorf("server: refused: %w", e)
	}
	decoded := reflect.ValueOf(in).Elem()
	if filled {
		want.Elem().Set(decoded)
	}
	for i, f := range s.StructOf(op.Input).Fields { // a server puts every parameter there, also those that other members take
		if f.At != model.QueryMap {
			continue
		}
		got, want := decoded.Field(s.StructOf(op.Input).Fields[i].Index), want.Elem().Field(f.Index)
		for _, k := range got.MapKeys() {
			if !want.MapIndex(k).IsValid() {
				got.SetMapIndex(k, reflect.Value{})
			}
		}
	}
	if where := unequal("", want.Elem(), decoded); where != "" {
		return fmt.Errorf("server: decoded %s", where)
	}
	return nil
}

var uuid = regexp.MustCompile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

// fixToken puts the token that the cases expect in place of the one that was made.
func fixToken(r *http.Request) error {
	const token = "00000000-0000-4000-8000-000000000000"
	r.URL.RawQuery = uuid.ReplaceAllString(r.URL.RawQuery, token)
	if r.Body == nil {
		return nil
	}
	b, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(uuid.ReplaceAll(b, []byte(token))))
	return err
}

// clone copies the top of a structure, so that a filled token does not show in the original.
func clone(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type().Elem())
	c.Elem().Set(v.Elem())
	for i := range c.Elem().NumField() {
		if !c.Elem().Type().Field(i).IsExported() {
			continue
		}
		if b, ok := c.Elem().Field(i).Interface().(*memoryStream); ok && b != nil {
			c.Elem().Field(i).Set(reflect.ValueOf(&memoryStream{bytes.NewReader(b.all), b.all}))
		}
	}
	return c
}

// memoryStream is a stream whose content is known.
type memoryStream struct {
	*bytes.Reader
	all []byte
}

// response reads the answer of the case, and answers it.
func (c *Case) response(w *wire.Wire, s *model.Service, op *model.Operation, p model.Protocol) error {
	body := []byte(c.Response.Body)
	if p == model.CBOR {
		var err error
		if body, err = base64.StdEncoding.DecodeString(c.Response.Body); err != nil {
			return err
		}
	}
	header := http.Header{}
	for k, v := range c.Response.Headers {
		header.Set(k, v)
	}
	status := c.Response.Status
	if status == 0 {
		status = 200
	}
	answer := func(status int, h http.Header, body []byte) *http.Response {
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader(body))}
	}
	m, err := w.For(op, p)
	if err != nil {
		return err
	}
	out, err := w.DecodeResponse(op, p, answer(status, header, body))
	if c.Error != nil || c.ErrorCode != "" {
		check := func(who string, err error) error {
			e, ok := errors.AsType[*aws.Error](err)
			if !ok {
				return fmt.Errorf("%s: no error: %w", who, err)
			}
			if c.ErrorMessage == "" {
				for _, k := range []string{"message", "Message"} {
					if m, ok := c.Error[k].(string); ok {
						c.ErrorMessage = m
					}
				}
			}
			if code := e.Code; code != c.ErrorCode && e.WireCode() != c.ErrorCode && c.ErrorCode != "" || e.Message != c.ErrorMessage && c.ErrorMessage != "" {
				return fmt.Errorf("%s: %s %q, want %s %q", who, code, e.Message, c.ErrorCode, c.ErrorMessage)
			}
			if e.Members == nil {
				return nil
			}
			members := reflect.ValueOf(e.Members)
			want := reflect.New(members.Type().Elem())
			rest := map[string]any{}
			for k, v := range c.Error {
				if !strings.EqualFold(k, "message") {
					rest[k] = v
				}
			}
			if err := set(s, want.Elem(), nil, rest); err != nil {
				return err
			}
			if where := unequal("", want.Elem(), members.Elem()); where != "" {
				return fmt.Errorf("%s: decoded %s", who, where)
			}
			return nil
		}
		if err := check("client", err); err != nil {
			return err
		}
		e, _ := errors.AsType[*aws.Error](err)
		rec := httptest.NewRecorder()
		if err := m.WriteError(rec, "foo-id", e); err != nil {
			return err
		}
		_, err = w.DecodeResponse(op, p, rec.Result())
		return check("server", err)
	}
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	want := reflect.New(op.Output)
	if err := set(s, want.Elem(), nil, c.Result); err != nil {
		return err
	}
	if where := unequal("", want.Elem(), reflect.ValueOf(out).Elem()); where != "" {
		return fmt.Errorf("client: decoded %s", where)
	}
	// The same from our server must be read as the same.
	rec := httptest.NewRecorder()
	if err := m.WriteOutput(rec, "foo-id", clone(want).Interface()); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	again, err := w.DecodeResponse(op, p, rec.Result())
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	if where := unequal("", want.Elem(), reflect.ValueOf(again).Elem()); where != "" {
		return fmt.Errorf("server: %s in %.300q", where, rec.Body)
	}
	return nil
}

// set puts params, as the vectors write them, into v: blobs are texts, timestamps seconds or ISO 8601.
func set(s *model.Service, v reflect.Value, n *model.Value, param any) error {
	t := v.Type()
	if n != nil && n.Form == model.Optional {
		if param == nil {
			return nil
		}
		v.Field(1).SetBool(true)
		v = v.Field(0)
	} else if n != nil && n.Form == model.Pointer {
		if param == nil {
			return nil
		}
		v.Set(reflect.New(t.Elem()))
		v = v.Elem()
	}
	kind := model.Structure
	if n != nil {
		kind = n.Kind
	}
	switch p := param.(type) {
	case nil:
		return nil
	case map[string]any:
		switch kind {
		case model.Document:
			v.Set(reflect.ValueOf(plainNumbers(p)))
			return nil
		case model.Map:
			m := reflect.MakeMap(v.Type())
			for k, e := range p {
				elem := reflect.New(v.Type().Elem()).Elem()
				if err := set(s, elem, n.Elem, e); err != nil {
					return err
				}
				m.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), elem)
			}
			v.Set(m)
			return nil
		}
		st := s.StructOf(v.Type())
		for k, e := range p {
			i := slices.IndexFunc(st.Fields, func(f model.Field) bool { return strings.EqualFold(f.Name, k) || f.Wire == k })
			if i < 0 {
				if k == "__type" {
					continue
				}
				return fmt.Errorf("%s has no member %s", v.Type(), k)
			}
			f := &st.Fields[i]
			if err := set(s, v.Field(f.Index), &f.Value, e); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
		return nil
	case []any:
		if kind == model.Document {
			v.Set(reflect.ValueOf(plainNumbers(p)))
			return nil
		}
		list := reflect.MakeSlice(v.Type(), len(p), len(p))
		for i, e := range p {
			if err := set(s, list.Index(i), n.Elem, e); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	case bool:
		if kind == model.Document {
			v.Set(reflect.ValueOf(p))
			return nil
		}
		v.SetBool(p)
		return nil
	case json.Number:
		f, err := p.Float64()
		if err != nil {
			return err
		}
		switch kind {
		case model.Document:
			v.Set(reflect.ValueOf(f))
		case model.Time:
			v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
		case model.Int32, model.Int64:
			i, err := p.Int64()
			if err != nil {
				i = int64(f)
			}
			v.SetInt(i)
		case model.Float32, model.Float64:
			v.SetFloat(f)
		default:
			return fmt.Errorf("a number for %s", v.Type())
		}
		return nil
	case string:
		switch kind {
		case model.String:
			v.SetString(p)
		case model.Blob:
			v.SetBytes([]byte(p))
		case model.Stream:
			v.Set(reflect.ValueOf(&memoryStream{bytes.NewReader([]byte(p)), []byte(p)}))
		case model.Document:
			v.Set(reflect.ValueOf(p))
		case model.Time:
			t, err := time.Parse(time.RFC3339Nano, p)
			if err != nil {
				return err
			}
			v.Set(reflect.ValueOf(t.UTC()))
		case model.Float32, model.Float64:
			v.SetFloat(map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[p])
		default:
			return fmt.Errorf("a text for %s", v.Type())
		}
		return nil
	}
	return fmt.Errorf("%T for %s", param, t)
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plainNumbers(e)
		}
		return list
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plainNumbers(e)
		}
		return m
	}
	return v
}

// unequal says where two values differ, "" where they do not. Streams are read; times are compared to the millisecond.
func unequal(path string, a, b reflect.Value) string {
	if a.Kind() == reflect.Interface && a.Type() == reflect.TypeFor[io.Reader]() {
		read := func(v reflect.Value) string {
			r, _ := v.Interface().(io.Reader)
			if r == nil {
				return ""
			}
			if m, ok := r.(*memoryStream); ok {
				return string(m.all)
			}
			b, _ := io.ReadAll(r)
			return string(b)
		}
		if x, y := read(a), read(b); x != y {
			return fmt.Sprintf("%s: %q, want %q", path, y, x)
		}
		return ""
	}
	if t, ok := a.Interface().(time.Time); ok {
		if u := b.Interface().(time.Time); t.UnixMilli() != u.UnixMilli() {
			return fmt.Sprintf("%s: %s, want %s", path, u, t)
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).Name == "_" {
				continue
			}
			if where := unequal(path+"/"+a.Type().Field(i).Name, a.Field(i), b.Field(i)); where != "" {
				return where
			}
		}
		return ""
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			if a.IsNil() != b.IsNil() {
				return fmt.Sprintf("%s: nil %v, want nil %v", path, b.IsNil(), a.IsNil())
			}
			return ""
		}
		return unequal(path, a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() { // whether an empty one is there most protocols cannot say

			return fmt.Sprintf("%s: %v, want %v", path, b, a)
		}
		for i := range a.Len() {
			if where := unequal(fmt.Sprintf("%s/%d", path, i), a.Index(i), b.Index(i)); where != "" {
				return where
			}
		}
		return ""
	case reflect.Map:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %v, want %v", path, b, a)
		}
		for _, k := range a.MapKeys() {
			if e := b.MapIndex(k); !e.IsValid() {
				return fmt.Sprintf("%s/%s: missing", path, k)
			} else if where := unequal(path+"/"+k.String(), a.MapIndex(k), e); where != "" {
				return where
			}
		}
		return ""
	case reflect.Float32, reflect.Float64:
		if a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float()) {
			return ""
		}
	default:
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			return ""
		}
	}
	return fmt.Sprintf("%s: %v, want %v", path, b, a)
}
