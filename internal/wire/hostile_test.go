package wire_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Requests that are small for what they ask us to make of them. Each is refused before it has cost much memory or time.
// These do not run in parallel: what each allocates is counted.

func TestRequestsThatSwell(t *testing.T) {
	if raced {
		t.Skip("the race detector has allocations of its own")
	}
	const count = 2 << 20
	for _, c := range []struct {
		name     string
		protocol model.Protocol
		target   string
		body     string
		header   string
	}{
		{"JSON, structures of nothing", model.JSON11, "/", `{"Parts":[{}` + strings.Repeat(",{}", count) + `]}`, "X-Amz-Target: Shop_shop.Make"},
		{"JSON, a document", model.JSON11, "/", `{"Doc":[{}` + strings.Repeat(",{}", count) + `]}`, "X-Amz-Target: Shop_shop.Make"},
		{"CBOR, structures of nothing", model.CBOR, "/service/Shop_shop/operation/Make", "\xa1\x65Parts\x9f" + strings.Repeat("\xa0", count) + "\xff", "Smithy-Protocol: rpc-v2-cbor"},
		{"XML, structures of nothing", model.RestXML, "/shelves/s/things", "<a><Parts>" + strings.Repeat("<a/>", count) + "</Parts></a>", signed("shop")},
		{"query, parameters of nothing", model.Query, "/", "Action=Make" + strings.Repeat("&a", count), signed("shop")},
	} {
		w := wire.New(shopAPI("shop", c.protocol))
		r := request("POST", c.target, c.body, c.header, form)
		grew := allocated(func() {
			if _, in, rec := exchange(t, w, r); in != nil || rec.Code/100 != 4 {
				t.Errorf("%s: answered %d, decoded %t", c.name, rec.Code, in != nil)
			} else if rec.Body.Len() > 256<<10 {
				t.Errorf("%s: answered with %d bytes", c.name, rec.Body.Len())
			}
		})
		if grew > 640<<20 { // most of it thrown away, as the lists grow
			t.Errorf("%s: allocated %d MiB for a body of %d MiB", c.name, grew>>20, len(c.body)>>20)
		}
	}
}

// allocated is how much fn allocates, kept or not.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestTextInManyPieces(t *testing.T) {
	w := wire.New(shopAPI("shop", model.RestXML))
	began := time.Now()
	_, in, rec := exchange(t, w, request("POST", "/shelves/s/things", "<a><count>1</count><token>"+strings.Repeat("x<!---->", 1<<20)+"</token></a>", signed("shop")))
	if in == nil {
		t.Fatal(rec.Body)
	}
	if got := in.(*makeInput); len(got.Token.V) != 1<<20 {
		t.Errorf("a text of %d bytes", len(got.Token.V))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("reading it took %v", took)
	}
}

// A service is spoken to only in the protocols it has.
func TestProtocolsThatAServiceHasNot(t *testing.T) {
	w := wire.New(api.All()...)
	for _, c := range []struct{ name, target, header, kind string }{
		{"rpc-v2-cbor", "/service/AmazonSQS/operation/ListQueues", "Smithy-Protocol: rpc-v2-cbor", "application/cbor"},
		{"x-amz-cbor-1.1", "/", "X-Amz-Target: AmazonSQS.ListQueues", "application/x-amz-cbor-1.1"},
	} {
		_, in, rec := exchange(t, w, request("POST", c.target, "\xa0", c.header, "Content-Type: "+c.kind))
		if in != nil || rec.Code != 400 || !strings.Contains(rec.Body.String(), "UnknownOperationException") {
			t.Errorf("%s: answered %d %q, decoded %v", c.name, rec.Code, rec.Body, in)
		}
	}
}
