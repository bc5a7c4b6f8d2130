package wire

import (
	"net/http"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

type cborReader struct{}
type cborWriter struct {
	b      []byte
	millis bool
}

func (w *cborWriter) structure(place, []*field)                 {}
func (w *cborWriter) error(string, *aws.Error, place, []*field) {}
func (m *Match) decodeCBOR(place, []byte, *findings) *aws.Error {
	return model.Unserved(m.Service.Title, m.Operation.Name)
}
func (m *Match) decodeREST(*http.Request, place, []byte, *findings) *aws.Error {
	return model.Unserved(m.Service.Title, m.Operation.Name)
}
func (m *Match) writeREST(w http.ResponseWriter, reqID string, at place, b *Buffer) error {
	return m.write(w, 200, reqID, nil)
}
func (m *Match) errorHeaders(h http.Header, p place, f []*field) []*field { return f }
func (m *Match) xmlError(x *xmlWriter, reqID string, e *aws.Error, p place, f []*field) {
	m.queryError(x, reqID, e, p, f)
}
func (m *Match) routeS3(s *service, r *http.Request) (Match, *aws.Error) {
	m.s, m.Service, m.Protocol = s, s.Service, model.RestXML
	return *m, model.Unserved(s.Title, r.Method)
}
