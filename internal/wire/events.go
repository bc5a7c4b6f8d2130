package wire

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"reflect"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/xmltext"
)

// Event streams: a body that is messages, each an event that is told apart by its headers. In front of them the protocols that have
// nowhere else to put it send the rest of the input or output as a message of its own; the REST ones have headers for that.

var typeEvents = []string{"application/vnd.amazon.eventstream"}

// What messages say of themselves.
const (
	messageType   = ":message-type"
	eventType     = ":event-type"
	exceptionType = ":exception-type"
	contentType   = ":content-type"
	errorCode     = ":error-code"
	errorMessage  = ":error-message"

	initialRequest  = "initial-request"
	initialResponse = "initial-response"
)

// bound reports whether the protocol is one that has places for members outside a body.
func (m *Match) bound() bool { return m.Protocol == model.RestJSON || m.Protocol == model.RestXML }

// documentType is the content type of a structure in a message.
func (m *Match) documentType() string {
	switch m.Protocol {
	case model.CBOR, model.CBOR11:
		return typeCBOR[0]
	case model.RestXML:
		return typeTextXML[0]
	}
	return typeJSON[0]
}

// document appends the structure at p, of its members only fields. Its name is for XML.
func (m *Match) document(b []byte, st *structure, fields []*field, p place, name string) []byte {
	switch m.Protocol {
	case model.CBOR, model.CBOR11:
		w := cborWriter{b: b, millis: m.Protocol == model.CBOR11}
		w.structure(p, fields)
		return w.b
	case model.RestXML:
		w := xmlWriter{b: b, entry: "member", time: model.ISO8601}
		if st.XMLName != "" {
			name = st.XMLName
		}
		w.begin(name, "", "", st, p)
		w.members(p, fields)
		w.close(name)
		return w.b
	}
	w := jsonWriter{b}
	w.structure(p, fields)
	return w.b
}

// readDocument reads what document appended into the structure at p.
func (m *Match) readDocument(body []byte, st *structure, fields []*field, p place, found *findings) *aws.Error {
	if len(body) == 0 {
		return nil
	}
	switch m.Protocol {
	case model.CBOR, model.CBOR11:
		return m.readCBOR(body, found, func(r *cborReader) bool { return r.structure(st, p) })
	case model.RestXML:
		return m.readXML(body, found, func(r *xmlReader, root string) bool { return r.structure(st, p, root, fields) })
	}
	return m.readJSON(body, found, func(r *jsonReader) bool { return r.structure(st, p, fields) })
}

// eventParts are the members of an event by where they stand: the one that is the payload, those in headers, and the rest, which is a
// document where nothing is the payload.
func eventParts(st *structure) (payload *field, headers, rest []*field) {
	for _, f := range st.fields {
		switch {
		case f.EventPayload:
			payload = f
		case f.EventHeader:
			headers = append(headers, f)
		default:
			rest = append(rest, f)
		}
	}
	return payload, headers, rest
}

// event is the message of the event at p, which is of the union st. Its payload lies in b.
func (m *Match) event(b []byte, st *structure, p place) (msg eventstream.Message, err error) {
	for _, f := range st.fields {
		at, ok := f.find(p.at(f.Offset))
		if !ok {
			continue
		}
		msg.Headers = append(msg.Headers, eventstream.TextHeader(eventType, f.Wire))
		payload, headers, rest := eventParts(f.st)
		if payload != nil {
			if in, ok := payload.find(at.at(payload.Offset)); ok {
				kind := m.documentType()
				switch payload.kind {
				case model.Blob:
					kind, msg.Payload = typeBytes[0], *in.blob()
				case model.String:
					kind, msg.Payload = typeText[0], append(b, *in.str()...)
				case model.Structure:
					msg.Payload = m.document(b, payload.st, payload.st.fields, in, payload.typ.Name())
				default:
					return msg, fmt.Errorf("wire: %s.%s cannot be an event's payload", f.Name, payload.Name)
				}
				msg.Headers = append(msg.Headers, eventstream.TextHeader(contentType, kind))
			}
		} else if len(rest) > 0 {
			msg.Headers = append(msg.Headers, eventstream.TextHeader(contentType, m.documentType()))
			msg.Payload = m.document(b, f.st, rest, at, f.Wire)
		}
		msg.Headers = append(msg.Headers, eventstream.TextHeader(messageType, "event"))
		for _, h := range headers {
			in, ok := h.find(at.at(h.Offset))
			if !ok {
				continue
			}
			v, ok := h.eventHeader(in)
			if !ok {
				return msg, fmt.Errorf("wire: %s.%s cannot be an event's header", f.Name, h.Name)
			}
			msg.Headers = append(msg.Headers, eventstream.Header{Name: h.Wire, Value: v})
		}
		return msg, nil
	}
	return msg, errors.New("wire: an event without a member")
}

// eventHeader is the value at p as a header.
func (f *field) eventHeader(p place) (v eventstream.Value, ok bool) {
	switch f.kind {
	case model.Bool:
		v.Type = eventstream.False
		if *p.boolean() {
			v.Type = eventstream.True
		}
	case model.Int32:
		v.Type, v.Int = eventstream.Int, int64(*p.i32())
	case model.Int64:
		v.Type, v.Int = eventstream.Long, *p.i64()
	case model.Time:
		v.Type, v.Int = eventstream.Timestamp, p.time().UnixMilli()
	case model.String:
		v.Type, v.Data = eventstream.Text, []byte(*p.str())
	case model.Blob:
		v.Type, v.Data = eventstream.Bytes, *p.blob()
	default:
		return v, false
	}
	return v, true
}

// setEventHeader reads a header into the member at p, unless it is of another type.
func (f *field) setEventHeader(p place, v eventstream.Value) {
	switch v.Type {
	case eventstream.True, eventstream.False:
		if f.kind == model.Bool {
			*f.present(p).boolean() = v.Type == eventstream.True
		}
	case eventstream.Byte, eventstream.Short, eventstream.Int, eventstream.Long:
		switch {
		case f.kind == model.Int32 && v.Int == int64(int32(v.Int)):
			*f.present(p).i32() = int32(v.Int)
		case f.kind == model.Int64:
			*f.present(p).i64() = v.Int
		}
	case eventstream.Timestamp:
		if f.kind == model.Time {
			*f.present(p).time() = time.UnixMilli(v.Int).UTC()
		}
	case eventstream.Text:
		if f.kind == model.String {
			*f.present(p).str() = string(v.Data)
		}
	case eventstream.Bytes:
		if f.kind == model.Blob {
			*p.blob() = append(make([]byte, 0, len(v.Data)), v.Data...)
		}
	}
}

// readEvent is the event that a message is, a pointer to a value of the union st; nil where it is one that the model does not know.
func (m *Match) readEvent(st *structure, msg *eventstream.Message) (any, error) {
	switch msg.Text(messageType) {
	case "exception":
		return nil, m.streamFault(msg)
	case "error":
		return nil, (&aws.ErrorShape{Code: msg.Text(errorCode), Status: http.StatusInternalServerError, Receiver: true}).New("%s", msg.Text(errorMessage))
	}
	i, ok := st.byWire[msg.Text(eventType)]
	if !ok {
		return nil, nil
	}
	v := reflect.New(st.Go).Interface()
	f := st.fields[i]
	at := f.present(placeOf(v).at(f.Offset))
	payload, headers, rest := eventParts(f.st)
	for _, h := range headers {
		if v, ok := msg.Header(h.Wire); ok {
			h.setEventHeader(at.at(h.Offset), v)
		}
	}
	var bad *aws.Error
	var found findings
	switch {
	case payload == nil:
		bad = m.readDocument(msg.Payload, f.st, rest, at, &found)
	case payload.kind == model.Blob:
		*at.at(payload.Offset).blob() = append(make([]byte, 0, len(msg.Payload)), msg.Payload...)
	case payload.kind == model.String:
		*payload.present(at.at(payload.Offset)).str() = string(msg.Payload)
	case payload.kind == model.Structure:
		bad = m.readDocument(msg.Payload, payload.st, payload.st.fields, payload.present(at.at(payload.Offset)), &found)
	}
	if bad != nil {
		return nil, bad
	}
	return v, nil
}

// streamFault is the error that a message tells.
func (m *Match) streamFault(msg *eventstream.Message) error {
	var found findings
	code, message := msg.Text(exceptionType), ""
	members := func(st *structure, at place) *aws.Error {
		return m.readDocument(msg.Payload, st, st.fields, at, &found)
	}
	var unread *aws.Error
	switch m.Protocol {
	case model.CBOR, model.CBOR11:
		unread = m.readCBOR(msg.Payload, &found, func(r *cborReader) bool {
			v, ok := r.document(0)
			_, message = faultOf(v, code)
			return ok
		})
	case model.RestXML:
		unread = m.readXML(msg.Payload, &found, func(r *xmlReader, root string) bool {
			for {
				child, ok := r.Next(root)
				if !ok {
					return !r.Failed()
				}
				if name := xmltext.Local(child); name == "message" || name == "Message" {
					message, ok = r.Text(child)
				} else {
					ok = r.Skip(child, maxDepth)
				}
				if !ok {
					return false
				}
			}
		})
	default:
		unread = m.readJSON(msg.Payload, &found, func(r *jsonReader) bool {
			v, ok := r.document(0)
			_, message = faultOf(v, code)
			return ok
		})
	}
	e, wrong := m.errorFrom(&http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}}, code, "", message, members)
	if unread == nil {
		unread = wrong
	}
	if unread != nil {
		e = e.Because(unread)
	}
	return e
}

// fault is the message that ends a stream with an error. What is not of the service's model is only named.
func (m *Match) fault(e *aws.Error) eventstream.Message {
	if m.s.errorOf(e.Code) == nil {
		return eventstream.Message{Headers: []eventstream.Header{
			eventstream.TextHeader(errorCode, e.Code), eventstream.TextHeader(errorMessage, short(e.Message)), eventstream.TextHeader(messageType, "error"),
		}}
	}
	msg := eventstream.Message{Headers: []eventstream.Header{
		eventstream.TextHeader(exceptionType, e.Code), eventstream.TextHeader(contentType, m.documentType()), eventstream.TextHeader(messageType, "exception"),
	}}
	members, fields := m.errorMembers(e)
	switch m.Protocol {
	case model.CBOR, model.CBOR11:
		c := cborWriter{millis: m.Protocol == model.CBOR11}
		c.error(m.errorType(e), m.messageName(e), e, members, fields)
		msg.Payload = c.b
	case model.RestXML:
		x := xmlWriter{entry: "member", time: model.ISO8601}
		x.open(e.Code)
		x.element(m.messageName(e), e.Message)
		x.members(members, fields)
		x.close(e.Code)
		msg.Payload = x.b
	default:
		j := jsonWriter{[]byte{'{'}}
		j.message(m.messageName(e), e)
		j.members(members, fields)
		msg.Payload = append(j.b, '}')
	}
	return msg
}

// writeEvents answers with a stream of events, each sent at once. The error is the connection's, or what ended the stream where that
// is not an answer of AWS's.
func (m *Match) writeEvents(w http.ResponseWriter, status int, reqID string, p place) error {
	control := http.NewResponseController(w)
	h := w.Header()
	if m.both {
		if err := control.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) { // not HTTP: it always is
			return err
		}
		h["Connection"] = []string{"close"} // what the client still says belongs to no other request
	}
	h["Content-Type"] = typeEvents
	m.headers(h, reqID)
	w.WriteHeader(status)
	var frame, room []byte
	send := func(msg *eventstream.Message) (err error) {
		if frame, err = eventstream.Append(frame[:0], msg); err != nil {
			return err
		}
		if _, err = w.Write(frame); err != nil {
			return err
		}
		return control.Flush()
	}
	if m.bound() {
		if err := control.Flush(); err != nil {
			return err
		}
	} else if err := send(m.initial(initialResponse, m.op.out, p)); err != nil {
		return err
	}
	f := m.op.out.events
	all := *p.at(f.Offset).events()
	if all == nil {
		return nil
	}
	for v, err := range all {
		if err != nil {
			e, known := errors.AsType[*aws.Error](err)
			if !known {
				e = Failure(err)
			}
			msg := m.fault(e)
			if failed := send(&msg); failed != nil || known {
				return failed
			}
			return err
		}
		msg, err := m.event(room[:0], f.st, placeOf(v))
		if err != nil {
			return err
		}
		if err := send(&msg); err != nil {
			return err
		}
		if cap(msg.Payload) > cap(room) && cap(msg.Payload) <= keep {
			room = msg.Payload[:0:0]
		}
	}
	return nil
}

// initial is the message that has what is not the stream.
func (m *Match) initial(name string, st *structure, p place) *eventstream.Message {
	return &eventstream.Message{
		Headers: []eventstream.Header{
			eventstream.TextHeader(eventType, name), eventstream.TextHeader(contentType, m.documentType()), eventstream.TextHeader(messageType, "event"),
		},
		Payload: m.document(nil, st, st.fields, p, name),
	}
}

// openEvents reads the first message of a stream into the structure at p, and puts what follows there. It is for protocols that
// have such a message.
func (m *Match) openEvents(body io.ReadCloser, first string, st *structure, p place, found *findings) *aws.Error {
	r := eventstream.NewReader(body)
	msg, err := r.Next()
	if err != nil {
		return unreadable(err)
	}
	if kind := msg.Text(eventType); kind != first {
		return serialization.New("The first message of the event stream is %q, not %s", kind, first)
	}
	*p.at(st.events.Offset).events() = m.events(body, r, st.events.st)
	return m.readDocument(msg.Payload, st, st.fields, p, found)
}

// events is the stream that r reads from body, of the union st.
func (m *Match) events(body io.ReadCloser, r *eventstream.Reader, st *structure) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		defer body.Close() // all is read, or nobody wants it
		for {
			msg, err := r.Next()
			if errors.Is(err, io.EOF) || err == nil && len(msg.Headers) == 0 && len(msg.Payload) == 0 {
				return // who signs each message says the end by an empty one
			}
			var v any
			if err != nil {
				err = unreadable(err)
			} else {
				v, err = m.readEvent(st, &msg)
			}
			if err == nil && v == nil {
				continue
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// unreadable is what a stream that cannot be read ends with.
func unreadable(err error) *aws.Error {
	if errors.Is(err, eventstream.ErrMessage) {
		return serialization.New("The event stream cannot be read").Because(err)
	}
	return Incomplete(err)
}

// eventBody is a request's body of events.
func (m *Match) eventBody(p place) io.ReadCloser {
	st := m.op.in
	all := *p.at(st.events.Offset).events()
	if all == nil {
		all = func(func(any, error) bool) {}
	}
	b := &eventBody{m: m}
	b.next, b.stop = iter.Pull2(all)
	if !m.bound() {
		b.err = b.frame(m.initial(initialRequest, st, p))
	}
	return b
}

type eventBody struct {
	m    *Match
	next func() (any, error, bool)
	stop func()
	b    []byte // of a message under way
	rest []byte
	err  error
}

func (b *eventBody) frame(msg *eventstream.Message) (err error) {
	b.b, err = eventstream.Append(b.b[:0], msg)
	b.rest = b.b
	return err
}

func (b *eventBody) Read(p []byte) (int, error) {
	for len(b.rest) == 0 && b.err == nil {
		v, err, ok := b.next()
		if !ok {
			err = io.EOF
		}
		if err == nil {
			var msg eventstream.Message
			if msg, err = b.m.event(nil, b.m.op.in.events.st, placeOf(v)); err == nil {
				err = b.frame(&msg)
			}
		}
		b.err = err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

func (b *eventBody) Close() error {
	b.stop()
	return nil
}
