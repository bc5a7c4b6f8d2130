package wire

import (
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/scan"
	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

// Decode reads the input of the operation from the request, checks it against the model and fills idempotency tokens. The
// result is a pointer to the operation's Input and holds nothing of body. A streaming operation's body is r's own.
func (m *Match) Decode(r *http.Request, body []byte) (any, *aws.Error) {
	in := m.Operation.New()
	at := placeOf(in)
	m.both = m.op.in.events != nil && r.ProtoMajor == 1
	var err *aws.Error
	if !m.Query() { // whose parameters have been read
		if body, err = unpack(r, body, m.MaxBody()); err != nil {
			return nil, err
		}
	}
	var found findings
	switch {
	case m.op.in.events != nil && !m.bound():
		err = m.openEvents(r.Body, initialRequest, m.op.in, at, &found)
	case m.Protocol == model.JSON10, m.Protocol == model.JSON11:
		err = m.decodeJSON(at, body, &found)
	case m.Protocol == model.CBOR, m.Protocol == model.CBOR11:
		err = m.decodeCBOR(at, body, &found)
	case m.Query():
		err = m.decodeQuery(r, at, &found)
	default:
		err = m.decodeREST(r, at, body, &found)
	}
	if err == nil {
		err = m.check(at, &found)
	}
	if err != nil {
		return nil, err
	}
	fill(m.op.in, at)
	return in, nil
}

// findings are what a decoder noticed that the checks have to know.
type findings struct {
	lacking map[string]bool
	nulls   []string
}

func (f *findings) take(t *trail) {
	f.lacking, f.nulls = t.lacking, t.nulls
}

func (m *Match) decodeJSON(at place, body []byte, found *findings) *aws.Error {
	return m.readJSON(body, found, func(r *jsonReader) bool {
		if r.Next() == 0 && r.I == len(r.S) { // no body at all is an empty object
			r.reader.begin("{}")
		}
		return r.structure(m.op.in, at, m.op.in.fields)
	})
}

// begin makes the reader ready for a text.
func (r *reader) begin(s string) {
	r.S, r.I, r.name, r.Why, r.Bad, r.part, r.seen = s, 0, "", "", false, false, 0
	r.trail.reset()
}

// How many parameters a query request may have, and how many there may have been for their memory to be used again.
const (
	maxParams  = 1 << 18
	keepParams = 1 << 10
)

func (m *Match) decodeQuery(hr *http.Request, at place, found *findings) *aws.Error {
	r, _ := m.w.memory.queries.Get().(*queryReader)
	if r == nil {
		r = &queryReader{}
	}
	defer func() {
		clear(r.params)
		if cap(r.params) > keepParams {
			r.params = nil
		}
		m.w.memory.queries.Put(r)
	}()
	r.reader.begin("")
	if strings.Count(m.query, "&") > maxParams {
		return malformedInput.New("The request has more than %d parameters", maxParams)
	}
	var ok bool
	if r.params, ok = uri.ParseForm(r.params[:0], m.query); !ok {
		return malformedQuery.New("Keys may not contain malformed percent encodings")
	}
	for _, p := range r.params {
		if !utf8.ValidString(p.Key) || !utf8.ValidString(p.Value) {
			return malformedInput.New("The request is not valid UTF-8")
		}
	}
	if m.s.quirks.queueURL && uri.QueuePath(hr.URL.Path) {
		r.params = append(r.params, uri.Param{Key: "QueueUrl", Value: m.requestURL(hr)}) // the first one counts
	}
	r.sort()
	ok = r.structure(m.op.in, at, 0, len(r.params), 0)
	found.take(&r.trail)
	if !ok {
		return malformedInput.New("%s", r.Why)
	}
	return nil
}

// requestURL is the URL the client asked for, without its query.
func (m *Match) requestURL(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + r.URL.Path
}

// fill gives the idempotency tokens the client left out.
func fill(st *structure, p place) {
	for _, f := range st.tokens {
		at := p.at(f.Offset)
		if v, ok := f.find(at); !ok || *v.str() == "" {
			*f.present(at).str() = token()
		}
	}
}

// WriteOutput answers with out, a pointer to the operation's Output. The error is the connection's or the output stream's; nothing more can
// be answered then.
func (m *Match) WriteOutput(w http.ResponseWriter, reqID string, out any) error {
	b := m.w.buffer()
	defer b.release()
	at := placeOf(out)
	status := http.StatusOK
	if m.op.out.events != nil && !m.bound() {
		return m.writeEvents(w, status, reqID, at)
	}
	switch m.Protocol {
	case model.JSON10, model.JSON11:
		e := jsonWriter{b.b}
		e.structure(at, m.op.out.fields)
		b.b = e.b
	case model.CBOR, model.CBOR11:
		e := cborWriter{b: b.b, millis: m.Protocol == model.CBOR11}
		e.structure(at, m.op.out.fields)
		b.b = e.b
	case model.Query:
		if m.json {
			e := queryJSON{jsonWriter{b.b}, m.s.quirks.oldNames}
			e.output(m, reqID, at)
			b.b = e.b
			break
		}
		e := xmlWriter{b: b.b, entry: "member", time: model.ISO8601}
		m.queryOutput(&e, reqID, at)
		b.b = e.b
	case model.EC2:
		e := xmlWriter{b: b.b, entry: "item", time: model.ISO8601}
		m.ec2Output(&e, reqID, at)
		b.b = e.b
	default:
		return m.writeREST(w, reqID, at, b)
	}
	return m.write(w, status, reqID, b.b)
}

func (m *Match) queryOutput(e *xmlWriter, reqID string, at place) {
	e.b = append(e.b, m.s.quirks.xmlHeader...)
	e.b = append(e.b, '<')
	e.b = append(e.b, m.Operation.Name...)
	e.b = append(e.b, `Response xmlns="`...)
	e.b = append(e.b, m.s.XMLNamespace...)
	e.b = append(e.b, `">`...)
	if name := m.Operation.ResultWrapper; name != "" {
		e.open(name)
		empty := len(e.b)
		e.members(at, m.op.out.fields)
		if len(e.b) == empty {
			e.b = append(e.b[:empty-1], `/>`...)
		} else {
			e.close(name)
		}
	} else {
		e.members(at, m.op.out.fields)
	}
	e.open("ResponseMetadata")
	e.element("RequestId", reqID)
	e.close("ResponseMetadata")
	e.b = append(e.b, `</`...)
	e.b = append(e.b, m.Operation.Name...)
	e.b = append(e.b, `Response>`...)
}

func (m *Match) ec2Output(e *xmlWriter, reqID string, at place) {
	e.b = append(e.b, m.s.quirks.xmlHeader...)
	e.b = append(e.b, '<')
	e.b = append(e.b, m.Operation.Name...)
	e.b = append(e.b, `Response xmlns="`...)
	e.b = append(e.b, m.s.XMLNamespace...)
	e.b = append(e.b, `">`...)
	e.element("requestId", reqID)
	e.members(at, m.op.out.fields)
	e.b = append(e.b, `</`...)
	e.b = append(e.b, m.Operation.Name...)
	e.b = append(e.b, `Response>`...)
}

// Header values that never differ. Each slice is full, so that adding to one copies it.
var (
	typeJSON10 = []string{"application/x-amz-json-1.0"}
	typeJSON11 = []string{"application/x-amz-json-1.1"}
	typeJSON   = []string{"application/json"}
	typeCBOR   = []string{"application/cbor"}
	typeCBOR11 = []string{"application/x-amz-cbor-1.1"}
	smithyCBOR = []string{"rpc-v2-cbor"}

	typeXML     = []string{"application/xml"}
	typeTextXML = []string{"text/xml"}
	typeEC2     = []string{"text/xml;charset=UTF-8"}
)

// write sends headers and body.
func (m *Match) write(w http.ResponseWriter, status int, reqID string, body []byte) error {
	h := w.Header()
	length := m.headers(h, reqID)
	if m.s != nil && m.s.quirks.crc32 {
		h["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}
	}
	if _, ok := h["Content-Length"]; !ok {
		length[0] = strconv.Itoa(len(body))
		h["Content-Length"] = length
	}
	w.WriteHeader(status)
	if len(body) == 0 {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// headers sets what every answer carries. It has memory left for the value of one more.
func (m *Match) headers(h http.Header, reqID string) (more []string) {
	if _, ok := h["Content-Type"]; !ok {
		switch m.Protocol {
		case model.JSON10:
			h["Content-Type"] = typeJSON10
		case model.JSON11:
			h["Content-Type"] = typeJSON11
		case model.RestJSON:
			h["Content-Type"] = typeJSON
		case model.CBOR:
			h["Content-Type"] = typeCBOR
		case model.CBOR11:
			h["Content-Type"] = typeCBOR11
		default:
			if m.json {
				h["Content-Type"] = typeJSON
				break
			}
			switch {
			case m.s != nil:
				h["Content-Type"] = m.s.quirks.xmlType
			case m.Query():
				h["Content-Type"] = typeTextXML
			default:
				h["Content-Type"] = typeXML
			}
		}
	}
	if m.Protocol == model.CBOR {
		h["Smithy-Protocol"] = smithyCBOR
	}
	values := []string{reqID, ""}
	id := values[:1:1]
	h["X-Amzn-Requestid"] = id
	if m.s == nil || m.s.quirks.hostID {
		h["X-Amz-Request-Id"], h["X-Amz-Id-2"] = id, id
	}
	return values[1:]
}

// WriteError answers with an error in the protocol the request came in. An error of a handler that is not AWS's goes through Failure
// first. The error returned is the connection's.
func (m *Match) WriteError(w http.ResponseWriter, reqID string, e *aws.Error) error {
	b := m.buffer()
	defer b.release()
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
		if e.Receiver {
			status = http.StatusInternalServerError
		}
	}
	members, fields := m.errorMembers(e)
	h := w.Header()
	h.Del("Content-Type")
	switch m.Protocol {
	case model.Query:
		if e.ErrorShape == notFound { // no action at all
			b.b = append(b.b, "<UnknownOperationException/>\n"...)
			m.json = false
			break
		}
		if m.json {
			j := queryJSON{jsonWriter: jsonWriter{b.b}}
			j.error(e, reqID, members, fields)
			b.b = j.b
			break
		}
		x := xmlWriter{b: b.b, entry: "member", time: model.ISO8601}
		m.queryError(&x, reqID, e, members, fields)
		b.b = x.b
	case model.EC2:
		x := xmlWriter{b: b.b, entry: "item", time: model.ISO8601}
		x.b = append(x.b, utf8XML...)
		x.b = append(x.b, "<Response><Errors><Error>"...)
		x.element("Code", e.WireCode())
		x.element("Message", e.Message)
		x.members(members, fields)
		x.b = append(x.b, "</Error></Errors>"...)
		x.element("RequestID", reqID)
		x.close("Response")
		b.b = x.b
	case model.RestXML, 0:
		fields = m.errorHeaders(h, members, fields)
		x := xmlWriter{b: b.b, entry: "member", time: model.ISO8601}
		m.xmlError(&x, reqID, e, members, fields)
		b.b = x.b
	case model.CBOR, model.CBOR11:
		c := cborWriter{b: b.b, millis: m.Protocol == model.CBOR11}
		c.error(m.errorType(e), m.messageName(e), e, members, fields)
		b.b = c.b
		m.queryHeader(h, e)
	case model.RestJSON:
		h["X-Amzn-Errortype"] = []string{e.Code}
		fields = m.errorHeaders(h, members, fields)
		j := jsonWriter{append(b.b, '{')}
		j.message(m.messageName(e), e)
		j.members(members, fields)
		b.b = append(j.b, '}')
	default:
		j := jsonWriter{append(b.b, `{"__type":`...)}
		j.b = scan.AppendString(j.b, m.errorType(e))
		j.message(m.messageName(e), e)
		j.members(members, fields)
		b.b = append(j.b, '}')
		m.queryHeader(h, e)
	}
	return m.write(w, status, reqID, b.b)
}

func (m *Match) buffer() *buffer {
	if m.w == nil {
		return &buffer{}
	}
	return m.w.buffer()
}

// errorMembers is where an error's members lie, and their plans; none where it has none.
func (m *Match) errorMembers(e *aws.Error) (place, []*field) {
	if m.s == nil {
		return place{}, nil
	}
	if st := m.s.membersOf(e); st != nil {
		return placeOf(e.Members), st.fields
	}
	return place{}, nil
}

// errorType is what __type says: the shape in the model's name space, or in that of AWS's framework.
func (m *Match) errorType(e *aws.Error) string {
	modelled := m.s != nil && m.s.errorOf(e.Code) != nil
	switch {
	case e.ErrorShape == validation, !modelled && e.Code == validation.Code: // services raise it too
		return "com.amazon.coral.validate#" + e.Code
	case !modelled:
		return "com.amazon.coral.service#" + e.Code
	case m.s.ShapePrefix == "":
		return e.Code
	}
	return m.s.ShapePrefix + "#" + e.Code
}

// messageName is the member that carries an error's message.
func (m *Match) messageName(e *aws.Error) string {
	if e.MessageName != "" {
		return e.MessageName
	}
	return "message"
}

// queryHeader tells the caller of a service that once spoke query the code it had there.
func (m *Match) queryHeader(h http.Header, e *aws.Error) {
	if m.s == nil || !m.s.QueryErrors {
		return
	}
	h["X-Amzn-Query-Error"] = []string{e.WireCode() + ";" + fault(e)}
}

func fault(e *aws.Error) string {
	if e.Receiver {
		return "Receiver"
	}
	return "Sender"
}

// message writes the message, unless there is none.
func (w *jsonWriter) message(name string, e *aws.Error) {
	if e.Message == "" {
		return
	}
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = scan.AppendString(w.b, name)
	w.b = append(w.b, ':')
	w.b = scan.AppendString(w.b, e.Message)
}

func (m *Match) queryError(x *xmlWriter, reqID string, e *aws.Error, members place, fields []*field) {
	if m.s != nil {
		x.b = append(x.b, m.s.quirks.xmlHeader...)
	}
	x.b = append(x.b, `<ErrorResponse`...)
	if m.s != nil && m.s.XMLNamespace != "" {
		x.b = append(x.b, ` xmlns="`...)
		x.b = append(x.b, m.s.XMLNamespace...)
		x.b = append(x.b, '"')
	}
	x.b = append(x.b, `><Error>`...)
	x.element("Type", fault(e))
	x.element("Code", e.WireCode())
	if e.Message != "" {
		x.element("Message", e.Message)
	}
	if m.s != nil && m.s.quirks.detail {
		x.b = append(x.b, "<Detail/>"...)
	}
	x.members(members, fields)
	x.close("Error")
	x.element("RequestId", reqID)
	x.close("ErrorResponse")
}

// pump sends a stream and closes it.
func pump(w io.Writer, r io.Reader) error {
	_, err := io.Copy(w, r)
	if c, ok := r.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}
