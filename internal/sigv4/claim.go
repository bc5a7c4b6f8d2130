// Package sigv4 makes and verifies the signatures of AWS requests: Signature Version 4 in the Authorization header, in
// the query (presigned URLs) and over aws-chunked bodies with their trailers.
//
// Reading a [Claim] costs no allocation and trusts nothing: it is what a request says of itself, enough to route it and to
// find its account. [Verifier.Verify] proves the claim with the secret key; a body that is read as a stream is proven
// while it is read. The package keeps nothing but a bounded cache of derived signing keys.
//
// Not verified, and said so with an [Error] of reason [Unsupported]: SigV4A (ECDSA), the signature versions before 4, and
// signed event streams.
package sigv4

import (
	"net/http"
	"net/url"
	"strings"
)

// Scheme is how a request is signed.
type Scheme uint8

// The schemes.
const (
	Unsigned  Scheme = iota
	V4               // AWS4-HMAC-SHA256
	V4A              // AWS4-ECDSA-P256-SHA256, valid in a set of regions
	V2               // the signatures before 4: "AWS key:signature", AWSAccessKeyId=
	Malformed        // begins as one of AWS's schemes, but has no readable credential
)

// The names of the algorithms on the wire.
const (
	algorithmV4  = "AWS4-HMAC-SHA256"
	algorithmV4A = "AWS4-ECDSA-P256-SHA256"
	terminator   = "aws4_request"
)

// Claim is what a request says about who signed it. Its strings are parts of the request's own.
type Claim struct {
	Scheme    Scheme
	Presigned bool // in the query, not in the Authorization header

	AccessKey string
	Date      string // "20150830"
	Region    string // of V4A: the first of its region set that is no pattern, or empty
	Service   string

	SignedHeaders string // "host;x-amz-date"
	Signature     string // hexadecimal
}

// Scope is the credential scope: "20150830/us-east-1/iam/aws4_request".
func (c Claim) Scope() string {
	if c.Scheme == V4A {
		return c.Date + "/" + c.Service + "/" + terminator
	}
	return c.Date + "/" + c.Region + "/" + c.Service + "/" + terminator
}

// Token is the session token that came with r; empty where none did.
func (c Claim) Token(r *http.Request) string {
	token := r.Header.Get("X-Amz-Security-Token")
	if token == "" && c.Presigned {
		token = queryValue(r.URL.RawQuery, "X-Amz-Security-Token")
	}
	return token
}

// Read is the claim of a request. It never fails: a request without a signature is Unsigned, one whose signature cannot
// be read Malformed with what could be read.
func Read(r *http.Request) Claim {
	if h := r.Header["Authorization"]; len(h) > 0 {
		if c := ReadHeader(h[0]); c.Scheme != Unsigned {
			if c.Scheme == V4A {
				c.Region = firstRegion(r.Header.Get("X-Amz-Region-Set"))
			}
			return c
		}
	}
	if r.URL != nil && len(r.URL.RawQuery) > 0 {
		return ReadQuery(r.URL.RawQuery)
	}
	return Claim{}
}

// ReadHeader is the claim of an Authorization header; Unsigned where it holds none of AWS's schemes.
func ReadHeader(s string) Claim {
	scheme, rest, ok := strings.Cut(s, " ")
	if !ok {
		if s == algorithmV4 || s == algorithmV4A {
			return Claim{Scheme: Malformed}
		}
		return Claim{}
	}
	var c Claim
	switch scheme {
	case algorithmV4:
		c.Scheme = V4
	case algorithmV4A:
		c.Scheme = V4A
	case "AWS":
		key, signature, ok := strings.Cut(rest, ":")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return Claim{Scheme: Malformed}
		}
		return Claim{Scheme: V2, AccessKey: key, Signature: signature, Service: "s3"}
	default:
		if strings.HasPrefix(scheme, "AWS4-") {
			return Claim{Scheme: Malformed}
		}
		return Claim{}
	}
	for len(rest) > 0 {
		part := rest
		if i := strings.IndexByte(rest, ','); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		part = strings.Trim(part, " \t")
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "Credential":
			c.setCredential(value)
		case "SignedHeaders":
			c.SignedHeaders = value
		case "Signature":
			c.Signature = value
		}
	}
	if c.AccessKey == "" {
		c.Scheme = Malformed
	}
	return c
}

// ReadQuery is the claim of a presigned request's query string.
func ReadQuery(query string) Claim {
	// Few requests have a query and fewer are signed by it, so one search decides.
	if !strings.Contains(query, "X-Amz-Credential=") && !strings.Contains(query, "X-Amz-Algorithm=") {
		if strings.Contains(query, "AWSAccessKeyId=") && strings.Contains(query, "Signature=") {
			return readV2(query)
		}
		return Claim{}
	}
	c := Claim{Scheme: V4, Presigned: true}
	credential := "" // its form depends on the algorithm, which may stand behind it
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "X-Amz-Algorithm":
			switch value {
			case algorithmV4:
			case algorithmV4A:
				c.Scheme = V4A
			default:
				c.Scheme = Malformed
			}
		case "X-Amz-Credential":
			credential = value
		case "X-Amz-SignedHeaders":
			c.SignedHeaders = unescape(value)
		case "X-Amz-Signature":
			c.Signature = value
		case "X-Amz-Region-Set":
			c.Region = firstRegion(unescape(value))
		}
	}
	c.setCredential(unescape(credential))
	if c.AccessKey == "" {
		c.Scheme = Malformed
	}
	return c
}

func readV2(query string) Claim {
	c := Claim{Scheme: V2, Presigned: true, Service: "s3"}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "AWSAccessKeyId":
			c.AccessKey = unescape(value)
		case "Signature":
			c.Signature = value
		case "SignatureVersion": // the query services' own form
			c.Service = ""
		}
	}
	if c.AccessKey == "" {
		c.Scheme = Malformed
	}
	return c
}

// setCredential takes "KEY/20150830/us-east-1/iam/aws4_request" apart from its end, since tests and tools use access keys
// with slashes in them. A V4A credential has no region.
func (c *Claim) setCredential(s string) {
	rest, ok := strings.CutSuffix(s, "/"+terminator)
	if !ok {
		return
	}
	cut := func() string {
		i := strings.LastIndexByte(rest, '/')
		if i < 0 {
			ok = false
			return ""
		}
		part := rest[i+1:]
		rest = rest[:i]
		return part
	}
	service := cut()
	region := c.Region
	if c.Scheme != V4A {
		region = cut()
	}
	date := cut()
	if ok {
		c.AccessKey, c.Date, c.Region, c.Service = rest, date, region, service
	}
}

// firstRegion is the first region of a V4A region set that names one.
func firstRegion(set string) string {
	for r := range strings.SplitSeq(set, ",") {
		if r = strings.TrimSpace(r); r != "" && !strings.ContainsRune(r, '*') {
			return r
		}
	}
	return ""
}

// unescape allocates only where there is something to take out; what cannot be unescaped stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if t, err := url.QueryUnescape(s); err == nil {
		return t
	}
	return s
}
