package wire_test

import (
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Plans are compiled by whoever comes first, and buffers and decoders go from one request to the next: under the race detector this
// shows whether anything of a request is left behind, or seen before it is finished.
func TestManyAtOnce(t *testing.T) {
	protocols := []model.Protocol{model.JSON10, model.CBOR, model.Query, model.EC2, model.RestJSON, model.RestXML}
	services := make([]*model.Service, len(protocols))
	wires := make([]*wire.Wire, len(protocols))
	for i, p := range protocols {
		services[i] = shopAPI("shop", p)
		wires[i] = wire.New(services[i])
	}
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for n := range 20 {
				i := (g + n) % len(protocols)
				w, p := wires[i], protocols[i]
				want := everything(p == model.RestJSON || p == model.RestXML)
				want.Nested.Name = string(rune('a' + g))
				r, err := w.EncodeRequest(t.Context(), services[i].Operation("Make"), p, "http://127.0.0.1", want)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", signed("shop")[len("Authorization: "):])
				m, in, rec := exchange(t, w, r)
				if in == nil || !reflect.DeepEqual(in, want) {
					t.Errorf("protocol %d: decoded %+v, %s", p, in, rec.Body)
					return
				}
				rec = httptest.NewRecorder()
				out := &makeOutput{ID: want.Nested.Name, Parts: want.Parts}
				if err := m.WriteOutput(rec, "REQ", out); err != nil {
					t.Error(err)
				}
				if got, err := w.DecodeResponse(m.Operation, p, rec.Result()); err != nil || got.(*makeOutput).ID != out.ID {
					t.Errorf("protocol %d: the client read %+v, %v", p, got, err)
				}
			}
		})
	}
	all.Wait()
}
