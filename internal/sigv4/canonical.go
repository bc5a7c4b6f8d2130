package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// ownPath reports whether a service signs the path of its requests as it is: an object's key is not a path, so nothing
// in it is resolved and nothing is escaped twice. All others normalise the path and escape it once more.
func ownPath(service string) bool {
	return strings.HasPrefix(service, "s3")
}

// wirePath is the path of a request as it was, or will be, sent.
func wirePath(r *http.Request) string {
	uri := r.RequestURI // of a request received
	if uri == "" {
		return r.URL.EscapedPath()
	}
	if !strings.HasPrefix(uri, "/") { // to a proxy: "http://host/path"
		if _, rest, ok := strings.Cut(uri, "://"); ok {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				uri = rest[i:]
			} else {
				return "/"
			}
		}
	}
	path, _, _ := strings.Cut(uri, "?")
	return path
}

const upperHex = "0123456789ABCDEF"

// plain are the bytes that are never escaped.
var plain = func() (t [256]bool) {
	for c := range 256 {
		t[c] = 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
	}
	return t
}()

func appendByte(b []byte, c byte) []byte {
	if plain[c] {
		return append(b, c)
	}
	return append(b, '%', upperHex[c>>4], upperHex[c&15])
}

// appendEscaped escapes s once more, but for the slashes between segments.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '/' {
			b = append(b, '/')
		} else {
			b = appendByte(b, s[i])
		}
	}
	return b
}

// appendValue escapes all of s for a query.
func appendValue(b []byte, s string) []byte {
	for i := range len(s) {
		b = appendByte(b, s[i])
	}
	return b
}

// appendReescaped writes s, which is escaped as somebody liked, as AWS would have escaped it. A '+' is a blank in a query.
func appendReescaped(b []byte, s string, query bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = appendByte(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		case c == '+' && query:
			b = append(b, "%20"...)
		case c == '/' && !query:
			b = append(b, c)
		default:
			b = appendByte(b, c)
		}
	}
	return b
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// normalised is path without empty and dot segments.
func normalised(path string) string {
	var out []string
	for s := range strings.SplitSeq(path, "/") {
		switch s {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, s)
		}
	}
	p := "/" + strings.Join(out, "/")
	if len(p) > 1 && (strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")) {
		p += "/"
	}
	return p
}

// crooked reports whether a path is not its own normal form.
func crooked(path string) bool {
	return strings.Contains(path, "//") || strings.Contains(path, "/.")
}

// appendQuery writes a query in canonical order, without the signature itself.
func appendQuery(b []byte, query string) []byte {
	if query == "" {
		return b
	}
	type span struct{ from, eq, to int } // of an escaped pair in text
	var (
		text  []byte
		pairs []span
	)
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if name == "X-Amz-Signature" {
			continue
		}
		p := span{from: len(text)}
		text = appendReescaped(text, name, true)
		p.eq = len(text)
		text = append(text, '=')
		text = appendReescaped(text, value, true)
		p.to = len(text)
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(p, q span) int { // by name, then by value: '=' sorts above some characters of names
		if c := bytes.Compare(text[p.from:p.eq], text[q.from:q.eq]); c != 0 {
			return c
		}
		return bytes.Compare(text[p.eq:p.to], text[q.eq:q.to])
	})
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, text[p.from:p.to]...)
	}
	return b
}

// maxSigned is how many bytes of headers are signed: more than a request may have. A signature can name one many times.
const maxSigned = 256 << 10

// appendHeaders writes the signed headers of r, whose names are in lower case, sorted and separated by semicolons. It ends early where
// they are too long; the signature is another one then.
func appendHeaders(b []byte, r *http.Request, signed string) []byte {
	end := len(b) + maxSigned
	for name := range strings.SplitSeq(signed, ";") {
		if len(b) > end {
			break
		}
		b = append(append(b, name...), ':')
		for i, v := range headerValues(r, name) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendTrimmed(b, v)
		}
		b = append(b, '\n')
	}
	return b
}

// headerValues are the values of a header, those included that net/http keeps elsewhere.
func headerValues(r *http.Request, name string) []string {
	switch name {
	case "host", ":authority":
		if r.Host != "" {
			return []string{r.Host}
		}
		return []string{r.URL.Host}
	}
	v := r.Header.Values(name)
	if len(v) > 0 {
		return v
	}
	switch name {
	case "content-length":
		if r.ContentLength >= 0 {
			return []string{strconv.FormatInt(r.ContentLength, 10)}
		}
	case "transfer-encoding":
		return r.TransferEncoding
	case "trailer":
		names := make([]string, 0, len(r.Trailer))
		for k := range r.Trailer {
			names = append(names, k)
		}
		slices.Sort(names)
		return names
	}
	return nil
}

// appendTrimmed writes v without the blanks around it and with runs of blanks in it made one.
func appendTrimmed(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	for i := range len(v) {
		c := v[i]
		if c == ' ' && b[len(b)-1] == ' ' {
			continue
		}
		b = append(b, c)
	}
	return b
}

// canonicalPaths are the forms of a path that a client may have signed, the most usual first. There are two of crooked
// paths, since some SDKs normalise before they sign and some sign what they send.
func canonicalPaths(r *http.Request, c Claim) []string {
	path := wirePath(r)
	if path == "" {
		return []string{"/"}
	}
	if ownPath(c.Service) {
		once := string(appendReescaped(nil, path, false))
		if once == path {
			return []string{path}
		}
		return []string{once, path}
	}
	twice := string(appendEscaped(nil, path))
	if crooked(path) {
		return []string{twice, string(appendEscaped(nil, normalised(path)))}
	}
	return []string{twice}
}

// appendRequest writes the canonical request.
func appendRequest(b []byte, r *http.Request, c Claim, path, payload string) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(b, path...)
	b = append(b, '\n')
	b = appendQuery(b, r.URL.RawQuery)
	b = append(b, '\n')
	b = appendHeaders(b, r, c.SignedHeaders)
	b = append(b, '\n')
	b = append(append(b, c.SignedHeaders...), '\n')
	return append(b, payload...)
}

// appendToSign writes the string to sign for a canonical request.
func appendToSign(b []byte, c Claim, date string, canonical []byte) []byte {
	b = append(b, algorithmV4+"\n"...)
	b = append(append(b, date...), '\n')
	b = append(append(b, c.Scope()...), '\n')
	sum := sha256.Sum256(canonical)
	return hex.AppendEncode(b, sum[:])
}

// signature is the hexadecimal HMAC of text.
func (k *signingKey) signature(text []byte) [64]byte {
	mac := hmac.New(sha256.New, k[:])
	mac.Write(text)
	var sum [32]byte
	var s [64]byte
	hex.Encode(s[:], mac.Sum(sum[:0]))
	return s
}

// signingKey is a secret key derived for a day, region and service.
type signingKey [32]byte

// keys remembers derived keys: deriving one costs four times as much as using it.
type keys struct {
	mu sync.RWMutex
	m  map[keyName]*signingKey
}

type keyName struct{ secret, date, region, service string }

const maxKeys = 1024

func (k *keys) get(secret string, c Claim) *signingKey {
	name := keyName{secret, c.Date, c.Region, c.Service}
	k.mu.RLock()
	key := k.m[name]
	k.mu.RUnlock()
	if key != nil {
		return key
	}
	key = derive(name)
	// The strings are parts of a request's header.
	name = keyName{strings.Clone(secret), strings.Clone(c.Date), strings.Clone(c.Region), strings.Clone(c.Service)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxKeys {
		k.m = map[keyName]*signingKey{}
	}
	k.m[name] = key
	return key
}

func derive(n keyName) *signingKey {
	var key signingKey
	step := func(with []byte, text string) {
		mac := hmac.New(sha256.New, with)
		mac.Write([]byte(text))
		mac.Sum(key[:0])
	}
	step([]byte("AWS4"+n.secret), n.date)
	step(key[:], n.region)
	step(key[:], n.service)
	step(key[:], terminator)
	return &key
}

// hashOf is the hexadecimal SHA-256 of b.
func hashOf(b []byte) string {
	if len(b) == 0 {
		return emptyHash
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}
