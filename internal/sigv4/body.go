package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
)

// Body is the body of a request as it was meant: without the framing of aws-chunked, and proven against what was signed
// while it is read. A Read that fails with an [*Error] says that what was read so far is not to be believed: whoever keeps
// it must throw it away.
type Body struct {
	length  int64 // of the body without framing; -1 where unknown
	left    int64 // of it, where known
	source  io.ReadCloser
	trailer http.Header
	err     error // what the next Read answers

	sum  hash.Hash // of the whole body, or of the chunk under way; nil where nobody wants to know
	want string    // the whole body's, in hexadecimal

	// Of aws-chunked.
	in      *bufio.Reader // nil where there is no framing
	chunk   int64         // bytes left of the chunk under way
	begun   bool          // a chunk was read and its end is still to come
	signed  string        // the signature the chunk under way came with
	proof   *proof        // nil where chunks are not to be proven
	chunked framing

	// Of a stream of signed events.
	events *eventstream.Reader // nil where it is none
	event  []byte              // what is left of the one under way
}

type framing struct{ signatures, trailers bool }

// NewBody is r's body without its framing, unproven.
func NewBody(r *http.Request) (*Body, error) {
	payload := ""
	if h := r.Header["X-Amz-Content-Sha256"]; len(h) > 0 {
		payload = h[0]
	}
	if !strings.HasPrefix(payload, streaming) {
		payload = unsignedPayload
	}
	return newBody(r, payload, nil)
}

// Framed reports whether a request's body is in aws-chunked framing.
func Framed(r *http.Request) bool {
	h := r.Header["X-Amz-Content-Sha256"]
	return len(h) > 0 && strings.HasPrefix(h[0], streaming)
}

func newBody(r *http.Request, payload string, p *proof) (*Body, error) {
	b := &Body{source: r.Body, length: r.ContentLength, left: -1}
	if b.source == nil {
		b.source = http.NoBody
	}
	var claim Claim
	if p != nil {
		claim = p.claim
	}
	switch {
	case payload == unsignedPayload:
		return b, nil
	case !strings.HasPrefix(payload, streaming):
		b.want = strings.ToLower(payload)
		b.sum = sha256.New()
		return b, nil
	case payload == streamingSigned:
		b.chunked = framing{signatures: true}
	case payload == streamingTrailer:
		b.chunked = framing{signatures: true, trailers: true}
	case payload == streamingBare:
		b.chunked = framing{trailers: true}
	case payload == streamingEvents, p == nil && strings.HasSuffix(payload, "-EVENTS"):
		b.events, b.proof, b.length = eventstream.NewReader(b.source), p, -1
		return b, nil
	case p == nil && strings.HasSuffix(payload, "-PAYLOAD"), p == nil && strings.HasSuffix(payload, "-PAYLOAD-TRAILER"):
		// Signed in a way that is not verified here: the framing is the same.
		b.chunked = framing{signatures: true, trailers: strings.HasSuffix(payload, "-TRAILER")}
	default:
		return nil, &Error{Reason: Unsupported, Claim: claim, Detail: payload}
	}
	length := r.Header.Get("X-Amz-Decoded-Content-Length")
	if length == "" {
		b.length = -1
	} else if n, err := strconv.ParseInt(length, 10, 64); err != nil || n < 0 {
		return nil, &Error{Reason: BadChunk, Claim: claim, Detail: "X-Amz-Decoded-Content-Length: " + length}
	} else {
		b.length = n
	}
	b.left = b.length
	b.in = bufio.NewReader(b.source)
	if p != nil && b.chunked.signatures {
		b.proof, b.sum = p, sha256.New()
	}
	return b, nil
}

// Length is how long the body is without framing; -1 where the request does not say.
func (b *Body) Length() int64 { return b.length }

// Trailer is the trailing headers of an aws-chunked body, once it has been read to its end.
func (b *Body) Trailer() http.Header { return b.trailer }

// Close closes the request's body.
func (b *Body) Close() error { return b.source.Close() }

// Read reads the body.
func (b *Body) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	switch {
	case b.events != nil:
		n, err = b.readEvents(p)
	case b.in == nil:
		n, err = b.readWhole(p)
	default:
		n, err = b.readChunk(p)
	}
	b.err = err
	return n, err
}

func (b *Body) readWhole(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if b.sum == nil {
		return n, err
	}
	b.sum.Write(p[:n])
	if err == io.EOF {
		var sum [32]byte
		if hex.EncodeToString(b.sum.Sum(sum[:0])) != b.want {
			return n, &Error{Reason: PayloadMismatch, Detail: b.want}
		}
	}
	return n, err
}

func (b *Body) readChunk(p []byte) (int, error) {
	for b.chunk == 0 {
		if b.begun {
			if err := b.endChunk(); err != nil {
				return 0, err
			}
		}
		if err := b.beginChunk(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > b.chunk {
		p = p[:b.chunk]
	}
	n, err := b.in.Read(p)
	b.chunk -= int64(n)
	if b.left >= 0 {
		b.left -= int64(n)
	}
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	if errors.Is(err, io.EOF) {
		err = b.truncated("the body ends within a chunk")
	}
	return n, err
}

func (b *Body) truncated(detail string) error { return b.fail(Truncated, detail) }

func (b *Body) fail(reason Reason, detail string) *Error {
	e := &Error{Reason: reason, Detail: detail}
	if b.proof != nil {
		e.Claim = b.proof.claim
	}
	return e
}

// maxChunkHeader bounds a chunk's header and a trailer line.
const maxChunkHeader = 4096

// line reads a line without its end.
func (b *Body) line() (string, error) {
	s, err := b.in.ReadSlice('\n')
	switch {
	case err == io.EOF:
		return "", b.truncated("the body ends before its last chunk")
	case errors.Is(err, bufio.ErrBufferFull) || err == nil && len(s) > maxChunkHeader:
		return "", b.fail(BadChunk, "a line is too long")
	case err != nil:
		return "", err
	}
	s = s[:len(s)-1]
	if len(s) > 0 && s[len(s)-1] == '\r' {
		s = s[:len(s)-1]
	}
	return string(s), nil
}

// beginChunk reads a chunk's header: "10000;chunk-signature=ad80c7…". The last chunk is empty; the body ends with it.
func (b *Body) beginChunk() error {
	line, err := b.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 62)
	if err != nil || size[0] == '+' {
		return b.fail(BadChunk, "a chunk begins with "+strconv.Quote(cut(line, 40)))
	}
	b.signed = ""
	if s, ok := strings.CutPrefix(extension, "chunk-signature="); ok {
		b.signed = s
	}
	if b.left >= 0 && int64(n) > b.left {
		return b.truncated("the body is longer than X-Amz-Decoded-Content-Length")
	}
	b.chunk = int64(n)
	b.begun = true
	if n > 0 {
		return nil
	}
	if err := b.prove(); err != nil {
		return err
	}
	if b.left > 0 {
		return b.truncated("the body is shorter than X-Amz-Decoded-Content-Length")
	}
	if err := b.trailers(); err != nil {
		return err
	}
	return io.EOF
}

// endChunk reads the end of a chunk and proves it.
func (b *Body) endChunk() error {
	b.begun = false
	var end [2]byte
	if _, err := io.ReadFull(b.in, end[:]); err != nil {
		return b.truncated("the body ends after a chunk")
	}
	if end != [2]byte{'\r', '\n'} {
		return b.fail(BadChunk, "a chunk is longer than it says")
	}
	return b.prove()
}

// prove proves the chunk just read. Its signature covers the one before, so chunks cannot change places.
func (b *Body) prove() error {
	if b.proof == nil {
		return nil
	}
	var sum [32]byte
	text := b.chain("AWS4-HMAC-SHA256-PAYLOAD")
	text = append(text, emptyHash+"\n"...)
	text = hex.AppendEncode(text, b.sum.Sum(sum[:0]))
	b.sum.Reset()
	return b.check(text, b.signed)
}

// chain begins a string to sign that goes on from the signature before.
func (b *Body) chain(algorithm string) []byte {
	p := b.proof
	text := make([]byte, 0, 400)
	for _, s := range []string{algorithm, p.date, p.claim.Scope(), string(p.signature[:])} {
		text = append(append(text, s...), '\n')
	}
	return text
}

func (b *Body) check(text []byte, signature string) error {
	b.proof.signature = b.proof.key.signature(text)
	if subtle.ConstantTimeCompare(b.proof.signature[:], []byte(signature)) != 1 {
		e := b.fail(Mismatch, "of a chunk")
		e.StringToSign = string(text)
		return e
	}
	return nil
}

// maxTrailers bounds the trailing headers.
const maxTrailers = 16 << 10

// trailers reads what follows the last chunk: trailing headers where there are to be any, and an empty line, without which
// some clients end.
func (b *Body) trailers() error {
	var (
		canonical bytes.Buffer
		signature string
	)
	for {
		if _, err := b.in.Peek(1); err == io.EOF {
			break
		}
		line, err := b.line()
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !b.chunked.trailers {
			return b.fail(BadChunk, "after the last chunk stands "+strconv.Quote(cut(line, 40)))
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "x-amz-trailer-signature" {
			signature = value
			continue
		}
		if canonical.WriteString(name + ":" + value + "\n"); canonical.Len() > maxTrailers {
			return b.fail(BadChunk, "the trailing headers are too long")
		}
		if b.trailer == nil {
			b.trailer = http.Header{}
		}
		b.trailer.Add(name, value)
	}
	if b.proof == nil || !b.chunked.trailers {
		return nil
	}
	text := b.chain("AWS4-HMAC-SHA256-TRAILER")
	sum := sha256.Sum256(canonical.Bytes())
	return b.check(hex.AppendEncode(text, sum[:]), signature)
}

func cut(s string, n int) string { return s[:min(len(s), n)] }
