package wire_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Whatever comes in, decoding must end in an input or in an answer. An input must survive the way back: what our client makes of it
// our server reads as the same.

// roundTrip decodes the request made of target and body, and sends what came out around once more.
func roundTrip(t *testing.T, s *model.Service, p model.Protocol, r *http.Request, body string) {
	w := wire.Trusting(s)
	m, e := w.Route(r, func() ([]byte, error) { return []byte(body), nil })
	if e != nil {
		m.WriteError(httptest.NewRecorder(), "REQ", e)
		return
	}
	in, e := m.Decode(r, []byte(body))
	if e != nil {
		m.WriteError(httptest.NewRecorder(), "REQ", e)
		return
	}
	again, err := w.EncodeRequest(t.Context(), m.Operation, p, "http://127.0.0.1:4566", in)
	if err != nil {
		return // a label that is empty
	}
	again.Header.Set("Authorization", r.Header.Get("Authorization"))
	_, back, rec := exchange(t, w, again)
	if back == nil {
		t.Fatalf("%q became %+v, which was refused: %s", body, in, rec.Body)
	}
	a, b := comparable(t, w, m.Operation, in), comparable(t, w, m.Operation, back)
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%q became\n%s\nand then\n%s", body, a, b)
	}
}

// comparable is an input as JSON, without what not every protocol can tell.
func comparable(t *testing.T, w *wire.Wire, op *model.Operation, in any) []byte {
	if i, ok := in.(*makeInput); ok { // which protocols cannot tell empty lists and maps from none, nor texts XML cannot hold
		i.Parts, i.Labels, i.Stock, i.Sparse, i.Matrix = nonEmpty(i.Parts), nonEmptyMap(i.Labels), nonEmptyMap(i.Stock), nil, nil
		i.Tags, i.Numbers, i.Rest, i.Meta = nonEmpty(i.Tags), nonEmpty(i.Numbers), nonEmptyMap(i.Rest), nonEmptyMap(i.Meta)
		i.Blob = nonEmpty(i.Blob)
		for _, at := range []*time.Time{&i.When.V, &i.Day.V, &i.Since.V} {
			*at = at.Truncate(time.Millisecond) // what AWS's protocols write
		}
		if i.Nested != nil {
			i.Nested.Colors = nonEmpty(i.Nested.Colors)
		}
		for j := range i.Parts {
			i.Parts[j].Colors = nonEmpty(i.Parts[j].Colors)
		}
		for k, v := range i.Stock {
			v.Colors = nonEmpty(v.Colors)
			i.Stock[k] = v
		}
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil // not-a-number
	}
	return b
}

func nonEmpty[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

func nonEmptyMap[K comparableKey, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

type comparableKey interface{ ~string }

func FuzzJSON(f *testing.F) {
	f.Add(`{"shelf":"a","count":1,"Parts":[{"name":"x","Colors":["r"]}],"Labels":{"k":"\ud83d\ude00\u0000"},"When":1.5e9,"Sparse":[null,"a"],"Matrix":[[1],[]],"u":[{}],"Doc":{"a":[1,null,"",{}]}}`)
	f.Add(`{"Choice":{"Part":{"name":""}},"Blob":"AAE=","exact":"NaN","Ratio":-0.0,"long":9223372036854775807}`)
	f.Add(`{"a":tru`)
	f.Add("{\"shelf\":\"\x80\"}")
	s := shopAPI("shop", model.JSON11)
	f.Fuzz(func(t *testing.T, body string) {
		r := request("POST", "/", body, "X-Amz-Target: Shop_shop.Make")
		m, e := wire.Trusting(s).Route(r, nil)
		if e != nil {
			t.Fatal(e)
		}
		if _, e := m.Decode(r, []byte(body)); e == nil && strings.TrimSpace(body) != "" && !json.Valid([]byte(body)) {
			t.Fatalf("%q is no JSON and was taken", body)
		}
		roundTrip(t, s, model.JSON11, r, body)
	})
}

func FuzzCBOR(f *testing.F) {
	f.Add("\xa2\x65shelf\x61a\x65count\x01")
	f.Add("\xbf\x65Parts\x9f\xbf\x64name\x7f\x61a\x61b\xff\xff\xff\x64When\xc1\xfb\x41\xda\xc0\x00\x00\x00\x00\x00\xff")
	f.Add("\xa1\x66Labels\xa1\x61k\xf6")
	f.Add("\xa1\x65exact\xf9\x7e\x00")
	s := shopAPI("shop", model.CBOR)
	f.Fuzz(func(t *testing.T, body string) {
		roundTrip(t, s, model.CBOR, request("POST", "/service/Shop_shop/operation/Make", body, "Smithy-Protocol: rpc-v2-cbor"), body)
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("Action=Make&shelf=a&count=1&Parts.part.2.name=b&Parts.part.1.name=a&Labels.entry.1.key=k&Labels.entry.1.value=v&Nested.Colors.Color.1=%C3%BC+x")
	f.Add("Action=Make&Parts.1=&Parts=&Labels.entry.7.key=&Stock.entry.1.value.name=x&Matrix.member.1.member.2=3&When=2026-01-01T00:00:00Z")
	f.Add("Action=Make&.&..&a.b.c&=&%")
	s := shopAPI("shop", model.Query)
	f.Fuzz(func(t *testing.T, body string) {
		roundTrip(t, s, model.Query, request("POST", "/", body, form, signed("shop")), body)
	})
}

func FuzzEC2(f *testing.F) {
	f.Add("Action=Make&Shelf=a&Count=1&Parts.1.Name=a&Parts.1.Colors.2=x&When=0")
	f.Add("Action=Make&When=8888.8888")
	s := shopAPI("shop", model.EC2)
	f.Fuzz(func(t *testing.T, body string) {
		roundTrip(t, s, model.EC2, request("POST", "/", body, form, signed("shop")), body)
	})
}

func FuzzXML(f *testing.F) {
	f.Add("<MakeRequest><token>&lt;&#x41;&amp;<![CDATA[<x>]]></token><count>1</count><Parts><part><name>a</name></part></Parts><Labels><entry><key>k</key><value>v</value></entry></Labels></MakeRequest>")
	f.Add("<?xml version=\"1.0\"?><!-- c --><a b='c'><count/> <d/></a >")
	f.Add("<a><count>1</count><Nested><Colors><Color>x</Color></Colors></Nested></a>trailing")
	s := shopAPI("shop", model.RestXML)
	f.Fuzz(func(t *testing.T, body string) {
		roundTrip(t, s, model.RestXML, request("POST", "/shelves/s/things", body, signed("shop")), body)
	})
}

func FuzzREST(f *testing.F) {
	f.Add("/shelves/a%2Fb/things?limit=1&tag=a&tag=b", "1, 2", "Sat, 01 Jan 2000 00:00:00 GMT", `{"count":1}`)
	f.Add("/files/a//b/../c?load", `"a", b`, "", "")
	f.Add("/shelves//things?&&=&limit", ",", "x", "{")
	s := shopAPI("shop", model.RestJSON)
	control := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
	f.Fuzz(func(t *testing.T, target, numbers, since, body string) {
		u, err := url.Parse("http://127.0.0.1" + target)
		if err != nil || strings.ContainsFunc(numbers, control) || strings.ContainsFunc(since, control) {
			return // no HTTP server lets such a header in
		}
		r := request("POST", "/", body, signed("shop"))
		r.URL = u
		r.Header["X-Numbers"], r.Header["X-Since"], r.Header["X-Meta-Numbers"] = []string{numbers}, []string{since}, []string{numbers}
		roundTrip(t, s, model.RestJSON, r, body)
	})
}

// FuzzAnswers reads answers as a client does: one node reads another's.
func FuzzAnswers(f *testing.F) {
	f.Add(uint8(0), 200, `{"id":"1","parts":[{"name":"a"}],"when":1}`)
	f.Add(uint8(1), 200, `<MakeResponse><MakeResult><id>1</id></MakeResult></MakeResponse>`)
	f.Add(uint8(2), 400, `<Response><Errors><Error><Code>x</Code></Error></Errors></Response>`)
	f.Add(uint8(3), 500, `<ErrorResponse><Error><Code>Shop.ShelfBroken</Code><Message>m</Message><Shelf>s</Shelf></Error></ErrorResponse>`)
	f.Add(uint8(4), 409, "\xa2\x66__type\x6bShelfBroken\x67Message\x61m")
	protocols := []model.Protocol{model.JSON10, model.Query, model.EC2, model.RestXML, model.CBOR, model.RestJSON, model.CBOR11}
	f.Fuzz(func(t *testing.T, p uint8, status int, body string) {
		s := shopAPI("shop", protocols[int(p)%len(protocols)])
		rec := httptest.NewRecorder()
		if status < 200 || status > 599 {
			return
		}
		rec.WriteHeader(status)
		rec.WriteString(body)
		out, err := wire.New(s).DecodeResponse(s.Operation("Make"), s.Protocols[0], rec.Result())
		if out == nil && err == nil {
			t.Fatal("neither an answer nor an error")
		}
	})
}
