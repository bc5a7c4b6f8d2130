package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
)

// A stream of signed events is messages of an event stream, each the payload of another that says when it was signed and how. The last
// is empty. Each signature covers the one before, so messages cannot change places; the first goes on from the request's.

const (
	eventDate      = ":date"
	eventSignature = ":chunk-signature"
)

// readEvents reads the messages without what they were signed with.
func (b *Body) readEvents(p []byte) (int, error) {
	for len(b.event) == 0 {
		m, err := b.events.Next()
		if errors.Is(err, io.EOF) && b.proof == nil {
			return 0, io.EOF
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, b.truncated("the body ends before the end of its events")
		}
		if errors.Is(err, eventstream.ErrMessage) {
			return 0, b.fail(BadChunk, err.Error())
		}
		if err != nil {
			return 0, err
		}
		if err := b.proveEvent(&m); err != nil {
			return 0, err
		}
		if len(m.Payload) == 0 {
			return 0, io.EOF
		}
		b.event = m.Payload
	}
	n := copy(p, b.event)
	b.event = b.event[n:]
	return n, nil
}

// proveEvent proves one message.
func (b *Body) proveEvent(m *eventstream.Message) error {
	if b.proof == nil {
		return nil
	}
	date, dated := m.Header(eventDate)
	signature, signed := m.Header(eventSignature)
	if !dated || date.Type != eventstream.Timestamp || !signed || signature.Type != eventstream.Bytes {
		return b.fail(BadChunk, "an event is not signed")
	}
	want, text, err := b.proof.event(time.UnixMilli(date.Int).UTC(), m.Payload)
	if err != nil {
		return b.fail(BadChunk, err.Error())
	}
	if subtle.ConstantTimeCompare(want, signature.Data) != 1 {
		e := b.fail(Mismatch, "of an event")
		e.StringToSign = string(text)
		return e
	}
	return nil
}

// event is the signature of a message's payload, after those before. A long stream goes on into the next day, whose key is another.
func (p *proof) event(at time.Time, payload []byte) (signature, text []byte, err error) {
	headers, err := eventstream.AppendHeaders(nil, []eventstream.Header{eventstream.TimeHeader(eventDate, at)})
	if err != nil {
		return nil, nil, err
	}
	claim := p.claim
	if day := at.Format("20060102"); day != claim.Date {
		claim.Date = day
		p.claim = claim
		p.key = derive(keyName{p.secret, claim.Date, claim.Region, claim.Service})
	}
	for _, s := range []string{"AWS4-HMAC-SHA256-PAYLOAD", at.Format("20060102T150405Z"), claim.Scope(), string(p.signature[:])} {
		text = append(append(text, s...), '\n')
	}
	for i, part := range [][]byte{headers, payload} {
		sum := sha256.Sum256(part)
		if i > 0 {
			text = append(text, '\n')
		}
		text = hex.AppendEncode(text, sum[:])
	}
	p.signature = p.key.signature(text)
	signature, err = hex.DecodeString(string(p.signature[:]))
	return signature, text, err
}

// Events writes a stream of signed events.
type Events struct {
	to    io.Writer
	proof *proof
	now   func() time.Time
}

// SignEvents signs r, whose body will be events that are then written through the Events.
func SignEvents(r *http.Request, c Credentials, service, region string, now func() time.Time) *Events {
	r.Header.Set("X-Amz-Content-Sha256", streamingEvents)
	Sign(r, c, service, region, now(), streamingEvents)
	claim := ReadHeader(r.Header.Get("Authorization"))
	p := &proof{key: derive(keyName{c.Secret, claim.Date, region, service}), claim: claim, secret: c.Secret}
	copy(p.signature[:], claim.Signature)
	return &Events{proof: p, now: now}
}

// To sets where the events go. It must be called before the first Write.
func (e *Events) To(w io.Writer) { e.to = w }

// Write writes p, one whole message, as one that is signed.
func (e *Events) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // an empty one is the end
	}
	if err := e.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (e *Events) write(p []byte) error {
	at := e.now().UTC().Truncate(time.Millisecond)
	signature, _, err := e.proof.event(at, p)
	if err != nil {
		return err
	}
	b, err := eventstream.Append(nil, &eventstream.Message{Payload: p, Headers: []eventstream.Header{
		eventstream.TimeHeader(eventDate, at), {Name: eventSignature, Value: eventstream.Value{Type: eventstream.Bytes, Data: signature}},
	}})
	if err != nil {
		return err
	}
	_, err = e.to.Write(b)
	return err
}

// Close writes the end.
func (e *Events) Close() error { return e.write(nil) }
