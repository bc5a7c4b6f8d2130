package lane

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// verdict is what becomes of bytes received.
type verdict int

const (
	good    verdict = iota // a request of ours
	partial                // the beginning of what may be one
	odd                    // for net/http
	nothing                // no request has begun
	lost                   // the connection is of no use any more
)

// request is one of ours: what http.ReadRequest would have made of the same bytes.
type request struct {
	http *http.Request
	head int // bytes of the head
	size int // bytes of the whole request, once its body is here
	body *body

	cancel context.CancelFunc // ends the request's context
}

// target holds what a request with a body needs, in one piece.
type target struct {
	url  url.URL
	body body
}

var (
	headEnd = []byte("\r\n\r\n")
	version = "HTTP/1.1"
)

// parse reads the head of a request that b begins with. Its strings are copies.
func (k *conn) parse(b []byte) (q request, v verdict) {
	method := methodOf(b)
	if method == "" {
		if len(b) < len("OPTIONS ") && bytes.IndexByte(b, ' ') < 0 && upperCase(b) {
			return q, partial
		}
		return q, odd
	}
	end := bytes.Index(b[:min(len(b), maxHead)], headEnd)
	if end < 0 {
		if len(b) >= maxHead {
			return q, odd
		}
		return q, partial
	}
	head := string(b[:end+2])
	q.head = end + len(headEnd)

	line, rest, _ := strings.Cut(head, "\r\n")
	line = line[len(method)+1:]
	uri, proto, ok := strings.Cut(line, " ")
	if !ok || proto != version || uri == "" || uri[0] != '/' || !all(uri, inTarget) {
		return q, odd
	}
	n := strings.Count(rest, "\n")
	if n > maxHeaders {
		return q, odd
	}
	header, values := make(http.Header, n), make([]string, n)
	var host string
	var seen kind
	length := int64(0)
	wantsClose := false
	for i := range n {
		at := strings.IndexByte(rest, '\n')
		line := rest[:at]
		rest = rest[at+1:]
		colon := strings.IndexByte(line, ':')
		if colon <= 0 || line[len(line)-1] != '\r' {
			return q, odd
		}
		value := trim(line[colon+1 : len(line)-1])
		name := k.s.names.canonical(line[:colon])
		if name.kind&(seen|refused) != 0 || !all(value, inValue) {
			return q, odd
		}
		switch seen |= name.kind; name.kind {
		case hostName:
			if host = value; host == "" || !all(host, inHost) {
				return q, odd
			}
			continue
		case contentLength:
			if length, ok = digits(value); !ok || length > maxBody {
				return q, odd
			}
		case connection:
			if wantsClose = strings.EqualFold(value, "close"); !wantsClose && !strings.EqualFold(value, "keep-alive") {
				return q, odd
			}
		}
		values[i] = value
		if earlier, ok := header[name.canonical]; ok {
			header[name.canonical] = append(earlier, value)
		} else {
			header[name.canonical] = values[i : i+1 : i+1]
		}
	}
	if host == "" {
		return q, odd
	}

	t := &target{}
	if uri == "/" {
		t.url.Path = "/"
	} else {
		u, err := url.ParseRequestURI(uri)
		if err != nil {
			return q, odd
		}
		if u.Host != "" { // "//host/path": the target's host counts, and a Host header with it
			return q, odd
		}
		t.url = *u
	}
	ctx, cancel := context.WithCancel(k.base)
	r := k.template.WithContext(ctx)
	r.Method, r.RequestURI, r.URL = method, uri, &t.url
	r.Header, r.Host, r.ContentLength, r.Close = header, host, length, wantsClose
	if r.Body = http.NoBody; length > 0 {
		r.Body = &t.body
	}
	q.http, q.size, q.body, q.cancel = r, q.head+int(length), &t.body, cancel
	return q, good
}

// methods are those that are taken here, each with the space that follows it.
var methods = [...]string{"POST ", "GET ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH "}

// methodOf is the method that b begins with, empty where it is none of ours.
func methodOf(b []byte) string {
	for _, m := range &methods {
		if len(b) >= len(m) && string(b[:len(m)]) == m {
			return m[:len(m)-1]
		}
	}
	return ""
}

func upperCase(b []byte) bool {
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// digits is the number that s writes in decimal digits, few enough not to overflow.
func digits(s string) (n int64, ok bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// What a byte may be part of.
const (
	inName = 1 << iota
	inValue
	inTarget
	inHost
)

var classes = func() (table [256]uint8) {
	for c := range 256 {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			table[c] = inName | inValue | inTarget | inHost
		case c > ' ' && c < 0x7f:
			table[c] = inValue | inTarget
		case c == ' ', c == '\t', c > 0x7f:
			table[c] = inValue
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		table[c] |= inName
	}
	for _, c := range []byte("-.:_[]") {
		table[c] |= inHost
	}
	return table
}()

func all(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// kind says what a header means to us.
type kind uint8

const (
	hostName kind = 1 << iota // these may come once
	contentLength
	connection
	refused // makes the request net/http's
)

type name struct {
	canonical string
	kind      kind
}

// names remembers how the header names that clients send are written: there are few, and they come with each request.
type names struct {
	known atomic.Pointer[map[string]name] // replaced, never changed

	mu sync.Mutex // serializes replacing it
}

// What is remembered at most, whatever clients send.
const (
	maxNames      = 256
	maxNameLength = 64
)

// canonical is what a header name of a request means.
func (n *names) canonical(sent string) name {
	known := n.known.Load()
	if known != nil {
		if found, ok := (*known)[sent]; ok {
			return found
		}
	}
	if !all(sent, inName) {
		return name{kind: refused}
	}
	found := name{canonical: http.CanonicalHeaderKey(sent)}
	switch found.canonical {
	case "Host":
		found.kind = hostName
	case "Content-Length":
		found.kind = contentLength
	case "Connection":
		found.kind = connection
	case "Transfer-Encoding", "Upgrade", "Expect", "Trailer", "Pragma", "Http2-Settings":
		found.kind = refused
	}
	if len(sent) > maxNameLength {
		return found
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	next := map[string]name{}
	if known = n.known.Load(); known != nil && len(*known) < maxNames { // otherwise all begin anew: those in use come back
		next = maps.Clone(*known)
	}
	sent = strings.Clone(sent) // it is part of a head
	found.canonical = strings.Clone(found.canonical)
	next[sent] = found
	n.known.Store(&next)
	return found
}

// body is what a request carries. It is closed when the handler returns: the bytes belong to the connection.
type body struct {
	mu     sync.Mutex // guards what follows: a handler may have left a reader behind
	b      []byte
	closed bool
}

// Body is the whole body of a request that a lane has taken and nothing has read from, all at once. It is good until the
// handler returns. Where there is none, or something has wrapped it, it is not to be had so.
func Body(r *http.Request) (whole []byte, ok bool) {
	b, ok := r.Body.(*body)
	if !ok {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || int64(len(b.b)) != r.ContentLength {
		return nil, false
	}
	whole, b.b = b.b, nil
	return whole, true
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n := copy(p, b.b)
	b.b = b.b[n:]
	if len(b.b) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.end()
	return nil
}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b, b.closed = nil, true
}
