package lane

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// response is the http.ResponseWriter of one request after another. A small answer leaves in one write, when the handler has
// returned; what is flushed or long leaves as it comes.
//
// The head is made when the handler has said the status, but for what frames the body. While the length of that is not
// known it is collected apart. Once it is, or the body is too long to wait for it, the head is completed ("framed").
type response struct {
	k      *conn
	header http.Header // the handler's
	keys   []string    // for sorting

	isHEAD      bool
	wantsClose  bool // the client, or the handler
	ownDeadline bool // the handler has set one for writes

	timed    bool // k.now is the time
	wrote    bool // the handler has said the status
	framed   bool // the head is complete
	chunked  bool
	hasType  bool
	hasDate  bool
	encoded  bool     // the handler has said a Content-Encoding
	identity bool     // the end of the connection ends the body
	hop      []string // the handler's Connection header
	trailers []string // names of trailers that it announced
	prefixed bool     // it announced some in the way of http.TrailerPrefix
	status   int
	length   int64 // of the body, -1 where it is not known
	written  int64
	out      []byte // to be sent: begins in held, may outgrow it
	body     []byte // collected; begins in collected
	err      error  // of the connection

	held, collected *buffer
}

// begin makes w ready for a request.
func (w *response) begin(r *http.Request) {
	header, keys := w.header, w.keys
	if header == nil {
		header = make(http.Header, 8)
	}
	*w = response{k: w.k, header: header, keys: keys, length: -1, isHEAD: r.Method == http.MethodHead, wantsClose: r.Close}
}

// end gives back what w holds.
func (w *response) end() {
	if w.held != nil {
		w.k.s.release(w.held)
	}
	if w.collected != nil {
		w.k.s.release(w.collected)
	}
	w.held, w.collected, w.out, w.body = nil, nil, nil, nil
	if w.ownDeadline {
		w.k.writeBy = time.Time{}
	}
	if len(w.header) > 16 {
		w.header = nil
	} else {
		clear(w.header)
	}
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

func bodyAllowed(status int) bool { return status >= 200 && status != 204 && status != 304 }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.k.state.Load() == taken {
		w.k.s.logf("http: response.WriteHeader on hijacked connection from %s", w.k.template.RemoteAddr)
		return
	}
	if w.wrote {
		w.k.s.logf("http: superfluous response.WriteHeader call for a request of %s", w.k.template.RemoteAddr)
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.held == nil {
		w.held = w.k.s.smallBuffer()
		w.out = w.held.b[:0]
	}
	w.out = appendStatus(w.out, status)
	if status < 200 && status != http.StatusSwitchingProtocols {
		for _, name := range w.names() {
			if name != "Content-Length" && name != "Transfer-Encoding" {
				w.field(name, w.header[name])
			}
		}
		w.out = append(w.out, "\r\n"...)
		w.send(nil)
		return
	}
	w.wrote, w.status = true, status
	for _, name := range w.names() {
		values := w.header[name]
		switch name {
		case "Content-Length":
			w.announceLength(values)
			continue
		case "Transfer-Encoding":
			if len(values) > 0 {
				w.identity = values[0] == "identity"
				w.chunked = !w.identity && values[0] != ""
			}
			continue
		case "Connection":
			w.hop = slices.Clone(values)
			w.wantsClose = w.wantsClose || len(values) > 0 && values[0] == "close"
			continue
		case "Content-Type":
			if w.hasType = true; status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			w.encoded = len(values) > 0 && values[0] != ""
		case "Date":
			w.hasDate = true
		case "Trailer":
			w.announceTrailers(values)
		default:
			if strings.HasPrefix(name, http.TrailerPrefix) {
				w.prefixed = true
				continue
			}
		}
		w.field(name, values)
	}
}

// names are those of the header, in order.
func (w *response) names() []string {
	w.keys = w.keys[:0]
	for name := range w.header {
		w.keys = append(w.keys, name)
	}
	slices.Sort(w.keys)
	return w.keys
}

// field adds the lines of one header. What cannot be sent is left out, as net/http does.
func (w *response) field(name string, values []string) {
	if name == "" || !all(name, inName) {
		return
	}
	for _, v := range values {
		w.out = append(w.out, name...)
		w.out = append(w.out, ": "...)
		if strings.ContainsAny(v, "\r\n") {
			v = newlines.Replace(v)
		}
		w.out = append(w.out, trim(v)...)
		w.out = append(w.out, "\r\n"...)
	}
}

var newlines = strings.NewReplacer("\n", " ", "\r", " ")

func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "status code "...)
		b = strconv.AppendInt(b, int64(status), 10)
	}
	return append(b, "\r\n"...)
}

func (w *response) announceLength(values []string) {
	if len(values) == 0 || values[0] == "" {
		return
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n < 0 {
		w.k.s.logf("http: invalid Content-Length of %q", values[0])
		return
	}
	w.length = n
}

func (w *response) announceTrailers(values []string) {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if name = http.CanonicalHeaderKey(textproto.TrimString(name)); validTrailer(name) {
				w.trailers = append(w.trailers, name)
			}
		}
	}
}

// validTrailer reports whether a header may be a trailer: those that say how the message is to be read may not.
func validTrailer(name string) bool {
	switch name {
	case "", "Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
		"Expect", "Host", "Keep-Alive", "Max-Forwards", "Pragma", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Range", "Realm", "Te", "Trailer", "Transfer-Encoding", "Www-Authenticate":
		return false
	}
	return !strings.HasPrefix(name, "If-")
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	if w.k.state.Load() == taken {
		return 0, http.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	if w.err != nil {
		return 0, w.err
	}
	if !w.framed {
		if w.length < 0 || w.chunked {
			if w.collected == nil {
				w.collected = w.k.s.smallBuffer()
				w.body = w.collected.b[:0]
			}
			if len(w.body)+len(p) <= cap(w.body) {
				w.body = append(w.body, p...)
				return len(p), nil
			}
		}
		w.frame(p, false)
	}
	w.add(p)
	return len(p), w.err
}

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// frame completes the head. next is what of the body follows what is collected; done that there will be no more.
func (w *response) frame(next []byte, done bool) {
	w.framed = true
	allowed := bodyAllowed(w.status)
	te := w.chunked || w.identity
	if done && w.length < 0 && allowed && !te && !w.prefixed && w.trailers == nil && (!w.isHEAD || w.written > 0) {
		w.length = w.written
	}
	if w.chunked && w.length >= 0 {
		w.k.s.logf("http: WriteHeader called with both a Transfer-Encoding and a Content-Length of %d", w.length)
		w.length = -1
	}
	if first := w.body; allowed && !w.hasType && !w.encoded && !te {
		if len(first) == 0 {
			first = next
		}
		if len(first) > 0 {
			w.field("Content-Type", []string{http.DetectContentType(first)})
		}
	}
	w.chunked = false
	switch {
	case !allowed:
	case w.length >= 0:
		w.out = append(w.out, "Content-Length: "...)
		w.out = strconv.AppendInt(w.out, w.length, 10)
		w.out = append(w.out, "\r\n"...)
	case w.isHEAD:
	case w.identity:
		w.wantsClose = true
	default:
		w.chunked = true
		w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	}
	w.k.now, w.timed = time.Now(), true
	if !w.hasDate {
		w.out = append(w.out, "Date: "...)
		w.out = append(w.out, w.k.s.dateAt(w.k.now)...)
		w.out = append(w.out, "\r\n"...)
	}
	if w.k.s.closing.Load() {
		w.wantsClose = true
	}
	if w.wantsClose && w.status != http.StatusSwitchingProtocols {
		w.out = append(w.out, "Connection: close\r\n"...)
	} else {
		w.field("Connection", w.hop)
	}
	w.out = append(w.out, "\r\n"...)
	if first := w.body; len(first) > 0 {
		w.body = nil
		w.add(first)
	}
}

// add sends p, a part of the body, now or with what follows it.
func (w *response) add(p []byte) {
	if w.isHEAD || len(p) == 0 {
		return
	}
	if w.chunked {
		w.out = strconv.AppendInt(w.out, int64(len(p)), 16)
		w.out = append(w.out, "\r\n"...)
	}
	if len(w.out)+len(p)+2 <= smallBuffer {
		w.out = append(w.out, p...)
	} else {
		w.send(p)
	}
	if w.chunked {
		w.out = append(w.out, "\r\n"...)
	}
}

// send sends what is to be sent, and p.
func (w *response) send(p []byte) {
	if w.err == nil && len(w.out)+len(p) > 0 {
		if !w.timed || w.k.slow.Load() {
			w.k.now = time.Now()
		}
		w.timed = false // the next may be much later
		if w.err = w.k.write(w.out, p); w.err != nil {
			w.k.at.cancel()
		}
	}
	w.out = w.held.b[:0]
}

// finish sends what is left when the handler has returned. It reports whether the connection is good for another request.
func (w *response) finish() bool {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed {
		w.frame(nil, true)
	}
	if w.chunked {
		w.out = append(w.out, "0\r\n"...)
		w.finalTrailers()
		w.out = append(w.out, "\r\n"...)
	}
	w.send(nil)
	if w.length >= 0 && !w.isHEAD && bodyAllowed(w.status) && w.written != w.length {
		return false
	}
	return w.err == nil && !w.wantsClose
}

func (w *response) finalTrailers() {
	for _, name := range w.names() {
		if after, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			w.field(after, w.header[name])
		}
	}
	for _, name := range w.trailers {
		w.field(name, w.header[name])
	}
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() } // the next Write tells

// FlushError sends what has been written so far; http.ResponseController calls it.
func (w *response) FlushError() error {
	if w.k.state.Load() == taken {
		return http.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed {
		w.frame(nil, false)
	}
	w.send(nil)
	return w.err
}

// SetReadDeadline implements what http.ResponseController calls. The body is here already: nothing that a handler may read
// can take long.
func (w *response) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements what http.ResponseController calls. It holds until the handler returns.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.ownDeadline = true
	return w.k.c.SetWriteDeadline(t)
}

// EnableFullDuplex implements what http.ResponseController calls: the body can be read whatever was written.
func (w *response) EnableFullDuplex() error { return nil }

// Hijack implements http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	k := w.k
	k.unwatch()
	if !k.state.CompareAndSwap(serving, taken) {
		return nil, nil, http.ErrHijacked
	}
	if w.held != nil {
		w.send(nil)
	}
	rest := slices.Clone(k.in.b[k.r+k.at.size : k.w])
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(rest), k.c), max(len(rest), 4<<10))
	if _, err := r.Peek(len(rest)); err != nil { // so that it is buffered, where callers look for it
		return nil, nil, err
	}
	k.c.SetDeadline(time.Time{})
	return k.c, bufio.NewReadWriter(r, bufio.NewWriter(k.c)), nil
}
