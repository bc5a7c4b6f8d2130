package wire_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// A made-up service that has everything a model can say, in every protocol.
type (
	size string

	part struct {
		Name   string `n:"name" v:"req,min=1,max=8,pat=0"`
		Weight aws.Opt[float64]
		Colors []string `x:"item=Color" v:"max=3" v1:"min=2"`
	}
	choice struct {
		_     struct{} `u:"1"`
		Text  aws.Opt[string]
		Whole aws.Opt[int64]
		Part  *part
	}
	makeInput struct {
		Shelf   string          `n:"shelf" at:"uri:shelf" v:"req"`
		Token   aws.Opt[string] `n:"token" f:"idempotency"`
		Size    aws.Opt[size]   `n:"size"`
		Count   int32           `n:"count" v:"req,min=1,max=10"`
		Long    aws.Opt[int64]  `n:"long"`
		Ratio   aws.Opt[float32]
		Exact   aws.Opt[float64] `n:"exact"`
		On      aws.Opt[bool]    `n:"on"`
		When    aws.Opt[time.Time]
		Day     aws.Opt[time.Time] `t:"iso8601"`
		Blob    []byte
		Parts   []part            `x:"item=part"`
		Labels  map[string]string `v:"max=2" vk:"max=5" v1:"max=5"`
		Stock   map[string]part
		Secret  aws.Opt[string] `v:"max=3" f:"sensitive"`
		Nested  *part
		Choice  *choice
		Sparse  []aws.Opt[string]
		Matrix  [][]int32
		Doc     any
		Limit   aws.Opt[int32] `at:"query:limit"`
		Tags    []string       `at:"query:tag"`
		Rest    map[string]string
		Trace   aws.Opt[string]    `at:"header:X-Trace"`
		Since   aws.Opt[time.Time] `at:"header:X-Since"`
		Numbers []int32            `at:"header:X-Numbers"`
		Meta    map[string]string  `at:"headers:x-meta-"`
	}
	makeOutput struct {
		ID     string             `n:"id" v:"req"`
		Parts  []part             `n:"parts" x:"item=part"`
		Labels map[string]string  `n:"labels"`
		When   aws.Opt[time.Time] `n:"when"`
		Trace  aws.Opt[string]    `at:"header:X-Trace"`
		Code   aws.Opt[int32]     `at:"status"`
	}
	loadInput struct {
		Path string    `at:"uri:path" v:"req"`
		Body io.Reader `at:"payload"`
	}
	loadOutput struct {
		Kind aws.Opt[string] `at:"header:Content-Type"`
		Body io.Reader       `at:"payload"`
	}
	brokenMembers struct {
		Shelf   aws.Opt[string]
		Seconds aws.Opt[int32] `at:"header:Retry-After"`
	}

	shop interface {
		Make(context.Context, *makeInput) (*makeOutput, error)
		Load(context.Context, *loadInput) (*loadOutput, error)
	}
)

func (size) Values() []string { return []string{"small", "large"} }

var errBroken = &aws.ErrorShape{Code: "ShelfBroken", QueryCode: "Shop.ShelfBroken", Status: 409, MessageName: "Message"}

func shopAPI(name string, p ...model.Protocol) *model.Service {
	s := &model.Service{
		Name: name, Title: "Shop", SigningName: name, EndpointPrefix: name, TargetPrefix: "Shop_" + name, ShapePrefix: "com.example.shop", Version: "2026-01-01",
		Protocols: p, XMLNamespace: "https://shop.example/", QueryErrors: true,
		Patterns: []*model.Pattern{{Text: "[a-z]+"}},
		Errors:   []model.Error{{ErrorShape: errBroken, Members: reflect.TypeFor[brokenMembers]()}},
	}
	return s.Fill([]model.Operation{
		model.Op(shop.Make, model.Operation{Name: "Make", Method: "POST", URI: "/shelves/{shelf}/things", Status: 201, ResultWrapper: "MakeResult"}),
		model.Op(shop.Load, model.Operation{Name: "Load", Method: "PUT", URI: "/files/{path+}?load", Flags: model.StreamIn | model.StreamOut}),
	}, "Sweep DELETE /shelves/{shelf}\n")
}

// everything is an input with each member set. What only REST has places for is left out where rest is false.
func everything(rest bool) *makeInput {
	in := &makeInput{
		Shelf: "a/b c%", Token: aws.Some("t"), Size: aws.Some(size("large")), Count: 3, Long: aws.Some(int64(-1 << 40)), Ratio: aws.Some(float32(0.25)), Exact: aws.Some(1e-9), On: aws.Some(false),
		When: aws.Some(time.UnixMilli(1795415280123).UTC()), Day: aws.Some(time.Unix(1795415280, 0).UTC()), Blob: []byte{0, 255, 1},
		Parts:  []part{{Name: "one", Weight: aws.Some(2.5), Colors: []string{"red", "öß<&>\""}}, {Name: "two"}, {Name: "three"}},
		Labels: map[string]string{"k": "v", "a b": "c=d&e"}, Stock: map[string]part{"x": {Name: "ex"}, "y": {Name: "why", Colors: []string{"teal"}}},
		Nested: &part{Name: "in"}, Choice: &choice{Whole: aws.Some(int64(7))}, Matrix: [][]int32{{1, 2}, {3}},
	}
	if rest {
		in.Limit, in.Tags, in.Trace, in.Since = aws.Some(int32(5)), []string{"p", "q&r"}, aws.Some("abc"), aws.Some(time.Unix(1795415280, 0).UTC())
		in.Numbers, in.Meta = []int32{1, 2, 3}, map[string]string{"owner": "me"}
	}
	return in
}

func TestEveryProtocolCarriesEverything(t *testing.T) {
	for p, name := range map[model.Protocol]string{
		model.JSON10: "json10", model.JSON11: "json11", model.CBOR: "cbor", model.CBOR11: "cbor11",
		model.Query: "query", model.EC2: "ec2", model.RestJSON: "restjson", model.RestXML: "restxml",
	} {
		s := shopAPI("shop", p)
		w := wire.New(s)
		want := everything(p == model.RestJSON || p == model.RestXML)
		if p == model.JSON10 || p == model.CBOR {
			want.Sparse = []aws.Opt[string]{aws.Some("a"), {}, aws.Some("")}
			want.Doc = map[string]any{"a": []any{1.5, "x", true, nil, map[string]any{}}, "b": ""}
		}
		r, err := w.EncodeRequest(t.Context(), s.Operation("Make"), p, "http://127.0.0.1:4566", want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.Header.Set("Authorization", strings.TrimPrefix(signed("shop"), "Authorization: "))
		m, in, rec := exchange(t, w, r)
		if in == nil {
			t.Errorf("%s: %s", name, rec.Body)
			continue
		}
		if !reflect.DeepEqual(in, want) {
			t.Errorf("%s: decoded\n%+v\nwant\n%+v", name, in, want)
		}
		out := &makeOutput{ID: "1", Parts: want.Parts, Labels: want.Labels, When: want.When}
		if p == model.RestJSON || p == model.RestXML {
			out.Trace, out.Code = aws.Some("t"), aws.Some(int32(202))
		}
		if err := m.WriteOutput(rec, "REQ", out); err != nil {
			t.Fatal(err)
		}
		resp := rec.Result()
		if resp.Header.Get("X-Amzn-Requestid") != "REQ" || resp.Header.Get("Content-Type") == "" {
			t.Errorf("%s: headers %v", name, resp.Header)
		}
		got, err := w.DecodeResponse(m.Operation, p, resp)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, out) {
			t.Errorf("%s: the client read\n%+v\nwant\n%+v", name, got, out)
		}
		rec = httptest.NewRecorder()
		fault := errBroken.New("shelf %d", 7).With(&brokenMembers{Shelf: aws.Some("a"), Seconds: aws.Some(int32(9))})
		if err := m.WriteError(rec, "REQ", fault); err != nil {
			t.Fatal(err)
		}
		if rec.Code != 409 {
			t.Errorf("%s: status %d", name, rec.Code)
		}
		_, err = w.DecodeResponse(m.Operation, p, rec.Result())
		e, ok := errors.AsType[*aws.Error](err)
		if !ok || e.ErrorShape != errBroken || e.Message != "shelf 7" || !reflect.DeepEqual(e.Members, fault.Members) {
			t.Errorf("%s: the client read %#v from %s", name, e, rec.Body)
		}
	}
}

func TestStreamsPassThrough(t *testing.T) {
	s := shopAPI("shop", model.RestJSON)
	w := wire.New(s)
	m, in, rec := exchange(t, w, request("PUT", "/files/a/b%20c/d?load", "", signed("shop")))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if got := in.(*loadInput).Path; got != "a/b c/d" || !m.Streams() {
		t.Errorf("path %q", got)
	}
	closed := &closing{Reader: strings.NewReader("content")}
	if err := m.WriteOutput(rec, "REQ", &loadOutput{Kind: aws.Some("text/x"), Body: closed}); err != nil {
		t.Fatal(err)
	}
	if rec.Body.String() != "content" || rec.Header().Get("Content-Type") != "text/x" || !closed.done {
		t.Errorf("answered %v %q, closed %v", rec.Header(), rec.Body, closed.done)
	}
}

type closing struct {
	io.Reader
	done bool
}

func (c *closing) Close() error { c.done = true; return nil }

// The texts are those of AWS's framework, to the letter.
func TestConstraintErrors(t *testing.T) {
	w := wire.New(shopAPI("shop", model.JSON11))
	for _, c := range []struct{ body, want string }{
		{`{"count":1}`, `1 validation error detected: Value null at 'shelf' failed to satisfy constraint: Member must not be null`},
		{`{"shelf":"s","count":11}`, `1 validation error detected: Value '11' at 'count' failed to satisfy constraint: Member must have value less than or equal to 10`},
		{`{"shelf":"s","size":"huge"}`, `2 validation errors detected: Value 'huge' at 'size' failed to satisfy constraint: Member must satisfy enum value set: [small, large]; ` +
			`Value null at 'count' failed to satisfy constraint: Member must not be null`},
		{`{"shelf":"s","count":1,"Parts":[{"name":"a"},{"name":"B1"},{}]}`, `2 validation errors detected: Value 'B1' at 'parts.2.member.name' failed to satisfy constraint: ` +
			`Member must satisfy regular expression pattern: [a-z]+; Value null at 'parts.3.member.name' failed to satisfy constraint: Member must not be null`},
		{`{"shelf":"s","count":1,"Nested":{"name":"abcdefghi"}}`, `1 validation error detected: Value 'abcdefghi' at 'nested.name' failed to satisfy constraint: Member must have length less than or equal to 8`},
		{`{"shelf":"s","count":1,"Nested":{"name":"a","Colors":["x","yy"]}}`, `1 validation error detected: Value '[x, yy]' at 'nested.colors' failed to satisfy constraint: ` +
			`Member must satisfy constraint: [Member must have length greater than or equal to 2]`},
		{`{"shelf":"s","count":1,"Labels":{"toolong":"v"}}`, `1 validation error detected: Value '{toolong=v}' at 'labels' failed to satisfy constraint: ` +
			`Map keys must satisfy constraint: [Member must have length less than or equal to 5]`},
		{`{"shelf":"s","count":1,"Labels":{"k":"toolong"}}`, `1 validation error detected: Value '{k=toolong}' at 'labels' failed to satisfy constraint: ` +
			`Map value must satisfy constraint: [Member must have length less than or equal to 5, Member must not be null]`},
		{`{"shelf":"s","count":1,"Stock":{"x":{}}}`, `1 validation error detected: Value null at 'stock.x.member.name' failed to satisfy constraint: Member must not be null`},
		{`{"shelf":"s","count":1,"Secret":"hidden"}`, `1 validation error detected: Value at 'secret' failed to satisfy constraint: Member must have length less than or equal to 3`},
		{`{"shelf":"s","count":1,"Nested":{"name":"a","Colors":[null]}}`, `1 validation error detected: Value null at 'nested.colors.1.member' failed to satisfy constraint: Member must not be null`},
	} {
		_, in, rec := exchange(t, w, request("POST", "/", c.body, "X-Amz-Target: Shop_shop.Make"))
		var e struct {
			Type    string `json:"__type"`
			Message string
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || in != nil {
			t.Errorf("%s: answered %q", c.body, rec.Body)
			continue
		}
		if rec.Code != 400 || e.Type != "com.amazon.coral.validate#ValidationException" || e.Message != c.want {
			t.Errorf("%s: %s\n%s\nwant\n%s", c.body, e.Type, e.Message, c.want)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	deep := strings.Repeat(`{"Part":`, 300) + "1" + strings.Repeat("}", 300)
	bomb := packed(t, strings.Repeat(" ", 20<<20)+`{}`)
	for _, c := range []struct {
		name     string
		protocol model.Protocol
		request  *http.Request
		status   int
		code     string
	}{
		{"a JSON list", model.JSON11, request("POST", "/", `[]`, "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"two JSON values", model.JSON11, request("POST", "/", `{} {}`, "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"JSON that ends early", model.JSON11, request("POST", "/", `{"shelf":"a`, "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"JSON that is no UTF-8", model.JSON11, request("POST", "/", "{\"shelf\":\"\xff\"}", "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"a fraction for a whole number", model.JSON11, request("POST", "/", `{"count":1.5}`, "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"too deep", model.JSON11, request("POST", "/", `{"Unknown":`+deep+`}`, "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"no base64", model.JSON11, request("POST", "/", `{"Blob":"*"}`, "X-Amz-Target: Shop_shop.Make"), 400, "SerializationException"},
		{"a union of two", model.JSON11, request("POST", "/", `{"shelf":"s","count":1,"Choice":{"Text":"a","Whole":1}}`, "X-Amz-Target: Shop_shop.Make"), 400, "ValidationException"},
		{"no gzip", model.JSON11, request("POST", "/", `{}`, "X-Amz-Target: Shop_shop.Make", "Content-Encoding: gzip"), 400, "SerializationException"},
		{"a gzip bomb", model.JSON11, request("POST", "/", bomb, "X-Amz-Target: Shop_shop.Make", "Content-Encoding: gzip"), 413, "RequestEntityTooLargeException"},
		{"CBOR that ends early", model.CBOR, request("POST", "/service/Shop_shop/operation/Make", "\xa1\x65she", "Smithy-Protocol: rpc-v2-cbor"), 400, "SerializationException"},
		{"CBOR of absurd length", model.CBOR, request("POST", "/service/Shop_shop/operation/Make", "\xa1\x65shelf\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "Smithy-Protocol: rpc-v2-cbor"), 400, "SerializationException"},
		{"XML that does not end", model.RestXML, request("POST", "/shelves/s/things", "<a><count>1</count>", signed("shop")), 400, "MalformedInput"},
		{"XML with a document type", model.RestXML, request("POST", "/shelves/s/things", `<!DOCTYPE a [<!ENTITY x "y">]><a/>`, signed("shop")), 400, "MalformedInput"},
		{"a path that is no text", model.RestJSON, request("POST", "/shelves/%ff/things", "{}", signed("shop")), 400, "SerializationException"},
		{"another method", model.RestJSON, request("PATCH", "/shelves/s/things", "{}", signed("shop")), 405, "MethodNotAllowedException"},
		{"another path", model.RestJSON, request("GET", "/nothing", "", signed("shop")), 404, "UnknownOperationException"},
		{"not served", model.RestJSON, request("DELETE", "/shelves/s", "", signed("shop")), 501, "NotImplemented"},
		{"not served, by target", model.JSON11, request("POST", "/", "{}", "X-Amz-Target: Shop_shop.Sweep"), 501, "NotImplemented"},
		{"not served, query", model.Query, request("POST", "/", "Action=Sweep", form, signed("shop")), 501, "NotImplemented"},
		{"no action", model.Query, request("POST", "/", "Act=Sweep", form, signed("shop")), 400, "MissingAction"},
		{"a broken escape", model.Query, request("POST", "/", "Action=Make&Labels=%zz", form, signed("shop")), 404, "MalformedQueryString"},
		{"a text for a number", model.Query, request("POST", "/", "Action=Make&count=many", form, signed("shop")), 400, "MalformedInput"},
		{"a service nobody modelled", model.JSON11, request("POST", "/clusters", "{}", signed("braket")), 501, "NotImplemented"},
	} {
		_, in, rec := exchange(t, wire.New(shopAPI("shop", c.protocol)), c.request)
		if body := rec.Body.String() + rec.Header().Get("X-Amzn-Errortype"); in != nil || rec.Code != c.status || !strings.Contains(body, c.code) {
			t.Errorf("%s: answered %d %s, want %d %s", c.name, rec.Code, rec.Body, c.status, c.code)
		}
	}
}

func packed(t *testing.T, s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMemberSentTwice(t *testing.T) {
	w := wire.New(shopAPI("shop", model.JSON11))
	_, in, rec := exchange(t, w, request("POST", "/", `{"shelf":"s","count":1,"count":2,"Matrix":[[1],[2]],"Matrix":[[3]]}`, "X-Amz-Target: Shop_shop.Make"))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if got := in.(*makeInput); got.Count != 2 || !reflect.DeepEqual(got.Matrix, [][]int32{{3}}) {
		t.Errorf("decoded %+v", got)
	}
}

func TestPackedBodyIsUnpacked(t *testing.T) {
	w := wire.New(shopAPI("shop", model.JSON11))
	_, in, rec := exchange(t, w, request("POST", "/", packed(t, `{"shelf":"s","count":1}`), "X-Amz-Target: Shop_shop.Make", "Content-Encoding: gzip"))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if got := in.(*makeInput); got.Shelf != "s" || len(got.Token.V) != 36 {
		t.Errorf("decoded %+v", got)
	}
}

func TestTimestampsAndNumbersInEveryForm(t *testing.T) {
	w := wire.New(shopAPI("shop", model.JSON11))
	want := time.UnixMilli(1795415280500).UTC()
	for _, text := range []string{`1795415280.5`, `1.7954152805E9`, `"2026-11-23T06:28:00.5Z"`, `"2026-11-23T07:28:00.500+01:00"`} {
		_, in, rec := exchange(t, w, request("POST", "/", `{"shelf":"s","count":1.0,"Ratio":"NaN","exact":"-Infinity","long":1e3,"When":`+text+`}`, "X-Amz-Target: Shop_shop.Make"))
		if in == nil {
			t.Errorf("%s: %s", text, rec.Body)
			continue
		}
		got := in.(*makeInput)
		if !got.When.V.Equal(want) || got.Count != 1 || got.Long.V != 1000 || got.Ratio.V == got.Ratio.V || got.Exact.V > -1e308 {
			t.Errorf("%s: decoded %+v", text, got)
		}
	}
}

// What an error carries that its service's model does not know under that code (another service's error, passed on) is left out.
func TestErrorWithMembersOfAnother(t *testing.T) {
	w := wire.New(shopAPI("shop", model.JSON11))
	m, in, rec := exchange(t, w, request("POST", "/", `{"shelf":"s","count":1}`, "X-Amz-Target: Shop_shop.Make"))
	if in == nil {
		t.Fatal(rec.Body)
	}
	other := &part{Name: "secret", Weight: aws.Some(math.Float64frombits(0x0101))}
	if err := m.WriteError(rec, "REQ", errBroken.New("no").With(other)); err != nil {
		t.Fatal(err)
	}
	if got, want := rec.Body.String(), `{"__type":"com.example.shop#ShelfBroken","Message":"no"}`; got != want {
		t.Errorf("answered %s, want %s", got, want)
	}
}
