package sigv4

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verifier verifies signatures. The zero Verifier is ready for use.
type Verifier struct {
	keys keys
}

// Secret proves a claim.
type Secret struct {
	Key   string
	Token string // the session token that must come with it; empty for keys that last
}

// MaxSkew is how far the time of a signature may be from now.
const MaxSkew = 15 * time.Minute

// The layouts of AWS's times.
const (
	timeLayout = "20060102T150405Z"
	dateLayout = "20060102"
)

// The special values of X-Amz-Content-Sha256.
const (
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	streaming        = "STREAMING-"
	streamingSigned  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingBare    = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamingEvents  = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
)

// Verify proves claim c of r with its secret, for a request whose body is at hand; body is what was sent, before any
// framing is taken off. now is real time. An error is an [*Error].
func (v *Verifier) Verify(r *http.Request, c Claim, s Secret, now time.Time, body []byte) error {
	declared := payloadOf(r, c)
	if strings.HasPrefix(declared, streaming) {
		return &Error{Reason: Unsupported, Claim: c, Detail: "a body in aws-chunked framing where none is expected"}
	}
	payload := declared
	if payload == "" {
		payload = hashOf(body)
	}
	if _, err := v.head(r, c, s, now, payload); err != nil {
		return err
	}
	if declared != "" && declared != unsignedPayload && !strings.EqualFold(declared, hashOf(body)) {
		return &Error{Reason: PayloadMismatch, Claim: c, Detail: declared}
	}
	return nil
}

// VerifyStream is Verify for a body that is read as a stream: the claim is proven at once, the body while it is read from
// what is returned, which then takes the place of r.Body.
func (v *Verifier) VerifyStream(r *http.Request, c Claim, s Secret, now time.Time) (*Body, error) {
	payload := payloadOf(r, c)
	if payload == "" {
		if r.ContentLength != 0 {
			return nil, &Error{Reason: Incomplete, Claim: c, Detail: "X-Amz-Content-Sha256"}
		}
		payload = emptyHash
	}
	p, err := v.head(r, c, s, now, payload)
	if err != nil {
		return nil, err
	}
	return newBody(r, payload, p)
}

// payloadOf is what the request says of its body's hash; empty where it says nothing.
func payloadOf(r *http.Request, c Claim) string {
	if h := r.Header["X-Amz-Content-Sha256"]; len(h) > 0 {
		return h[0]
	}
	if c.Presigned {
		if v := queryValue(r.URL.RawQuery, "X-Amz-Content-Sha256"); v != "" {
			return v
		}
		if ownPath(c.Service) {
			return unsignedPayload
		}
	}
	return ""
}

// proof is a proven claim, from which the signatures of a body's chunks go on.
type proof struct {
	key       *signingKey
	claim     Claim
	date      string // "20150830T123600Z"
	secret    string
	signature [64]byte
}

// head proves everything but the body.
func (v *Verifier) head(r *http.Request, c Claim, s Secret, now time.Time, payload string) (*proof, error) {
	fail := func(reason Reason, detail string) (*proof, error) {
		return nil, &Error{Reason: reason, Claim: c, Detail: detail}
	}
	switch c.Scheme {
	case V4:
	case Unsigned:
		return fail(Missing, "")
	case Malformed:
		if c.Presigned || !strings.HasPrefix(r.Header.Get("Authorization"), algorithmV4+" ") {
			return fail(Incomplete, "Credential")
		}
	case V4A:
		return fail(Unsupported, "SigV4A ("+algorithmV4A+")")
	default:
		return fail(Unsupported, "a signature version before 4")
	}
	date, at, ok := dateOf(r, c)
	var missing []string
	for _, part := range []struct {
		name  string
		there bool
	}{{"Credential", c.AccessKey != ""}, {"Signature", c.Signature != ""}, {"SignedHeaders", c.SignedHeaders != ""}, {"X-Amz-Date", ok}} {
		if !part.there {
			missing = append(missing, part.name)
		}
	}
	if len(missing) > 0 {
		return fail(Incomplete, strings.Join(missing, ","))
	}
	if date[:8] != c.Date {
		return fail(BadScope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+
			c.Date+"' != '"+date[:8]+"', from '"+date+"'.")
	}
	if reason, detail := timely(r, c, date, at, now); reason != 0 {
		return fail(reason, detail)
	}
	if subtle.ConstantTimeCompare([]byte(c.Token(r)), []byte(s.Token)) != 1 {
		return fail(BadToken, "")
	}
	if name := unbound(r, c); name != "" {
		return fail(Unbound, name)
	}

	p := &proof{key: v.keys.get(s.Key, c), claim: c, date: date, secret: s.Key}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	e := &Error{Reason: Mismatch, Claim: c}
	for _, path := range canonicalPaths(r, c) {
		b := appendRequest((*buffer)[:0], r, c, path, payload)
		n := len(b)
		b = appendToSign(b, c, date, b)
		*buffer = b[:0]
		p.signature = p.key.signature(b[n:])
		if subtle.ConstantTimeCompare(p.signature[:], []byte(c.Signature)) == 1 {
			return p, nil
		}
		if e.StringToSign == "" {
			e.CanonicalRequest, e.StringToSign = string(b[:n]), string(b[n:])
		}
	}
	return nil, e
}

// dateOf is the time of a signature, in AWS's form and as a time.
func dateOf(r *http.Request, c Claim) (string, time.Time, bool) {
	s := ""
	if c.Presigned {
		s = queryValue(r.URL.RawQuery, "X-Amz-Date")
	} else if s = r.Header.Get("X-Amz-Date"); s == "" {
		if s = r.Header.Get("Date"); s != "" {
			if at, err := http.ParseTime(s); err == nil {
				return at.UTC().Format(timeLayout), at, true
			}
		}
	}
	at, err := time.Parse(timeLayout, s)
	return s, at, err == nil && len(s) == len(timeLayout)
}

// timely is why a signature of that time is not valid now; 0 where it is.
func timely(r *http.Request, c Claim, date string, at, now time.Time) (Reason, string) {
	now = now.UTC()
	early := now.Add(MaxSkew)
	if at.After(early) {
		return Skewed, "Signature not yet current: " + date + " is still later than " + early.Format(timeLayout) +
			" (" + now.Format(timeLayout) + " + 15 min.)"
	}
	if !c.Presigned {
		if late := now.Add(-MaxSkew); at.Before(late) {
			return Skewed, "Signature expired: " + date + " is now earlier than " + late.Format(timeLayout) +
				" (" + now.Format(timeLayout) + " - 15 min.)"
		}
		return 0, ""
	}
	seconds := queryValue(r.URL.RawQuery, "X-Amz-Expires")
	if seconds == "" && !ownPath(c.Service) {
		seconds = "900" // S3 alone insists on it
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 1 || n > 604800 {
		return BadExpires, seconds
	}
	if end := at.Add(time.Duration(n) * time.Second); now.After(end) {
		return Expired, "Signature expired: " + date + " is now earlier than " + now.Add(-time.Duration(n)*time.Second).Format(timeLayout) +
			" (" + now.Format(timeLayout) + " - " + seconds + " s.)"
	}
	return 0, ""
}

// unbound is a header that must be signed and is not.
func unbound(r *http.Request, c Claim) string {
	signed := func(name string) bool {
		for s := range strings.SplitSeq(c.SignedHeaders, ";") {
			if s == name {
				return true
			}
		}
		return false
	}
	if !signed("host") && !signed(":authority") {
		return "host"
	}
	if !ownPath(c.Service) {
		const target = "X-Amz-Target" // who is given a URL does not choose what it does; SDKs put it into the query
		if h := r.Header.Get(target); c.Presigned && h != "" && !signed("x-amz-target") && queryValue(r.URL.RawQuery, target) != h {
			return "x-amz-target"
		}
		return ""
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && (!c.Presigned || name != "X-Amz-Content-Sha256") && !signed(strings.ToLower(name)) {
			return strings.ToLower(name)
		}
	}
	return ""
}

// queryValue is the value of a parameter of a query, unescaped.
func queryValue(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, _ := strings.Cut(pair, "="); k == name {
			return unescape(v)
		}
	}
	return ""
}

// Credentials sign requests.
type Credentials struct {
	AccessKey, Secret, Token string
}

// unsignedHeaders are changed on the way by those who carry a request.
var unsignedHeaders = map[string]bool{
	"authorization": true, "user-agent": true, "x-amzn-trace-id": true, "traceparent": true, "tracestate": true,
	"expect": true, "transfer-encoding": true, "connection": true, "accept-encoding": true, "te": true, "upgrade": true,
	"keep-alive": true, "proxy-connection": true, "trailer": true,
}

// UnsignedPayload is the hash to sign with where the body is not to be part of the signature.
const UnsignedPayload = unsignedPayload

// Sign signs r, to be sent at now, for a service in a region. hash is the body's SHA-256 in hexadecimal, see [Hash].
func Sign(r *http.Request, c Credentials, service, region string, now time.Time, hash string) {
	date := now.UTC().Format(timeLayout)
	r.Header.Set("X-Amz-Date", date)
	if c.Token != "" {
		r.Header.Set("X-Amz-Security-Token", c.Token)
	}
	if ownPath(service) || hash == unsignedPayload {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	claim := Claim{Scheme: V4, AccessKey: c.AccessKey, Date: date[:8], Region: region, Service: service}
	names := []string{"host"}
	for name := range r.Header {
		if name = strings.ToLower(name); !unsignedHeaders[name] {
			names = append(names, name)
		}
	}
	claim.SignedHeaders = joinSorted(names)
	signature := sign(r, claim, c.Secret, date, hash)
	r.Header.Set("Authorization", algorithmV4+" Credential="+c.AccessKey+"/"+claim.Scope()+
		", SignedHeaders="+claim.SignedHeaders+", Signature="+signature)
}

// Presign is the URL of r with its signature in the query, valid for a time from now. Headers of r are part of the
// signature and must be sent along.
func Presign(r *http.Request, c Credentials, service, region string, now time.Time, valid time.Duration, hash string) *url.URL {
	date := now.UTC().Format(timeLayout)
	claim := Claim{Scheme: V4, Presigned: true, AccessKey: c.AccessKey, Date: date[:8], Region: region, Service: service}
	names := []string{"host"}
	for name := range r.Header {
		if name = strings.ToLower(name); !unsignedHeaders[name] {
			names = append(names, name)
		}
	}
	claim.SignedHeaders = joinSorted(names)
	u := *r.URL
	add := func(name, value string) {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += name + "=" + string(appendValue(nil, value))
	}
	add("X-Amz-Algorithm", algorithmV4)
	add("X-Amz-Credential", c.AccessKey+"/"+claim.Scope())
	add("X-Amz-Date", date)
	add("X-Amz-Expires", strconv.Itoa(int(valid/time.Second)))
	if c.Token != "" {
		add("X-Amz-Security-Token", c.Token)
	}
	add("X-Amz-SignedHeaders", claim.SignedHeaders)
	if ownPath(service) && hash != unsignedPayload {
		add("X-Amz-Content-Sha256", hash)
	}
	signed := *r
	signed.URL = &u
	add("X-Amz-Signature", sign(&signed, claim, c.Secret, date, hash))
	return &u
}

// Hash is the hash of a body to sign with.
func Hash(body []byte) string { return hashOf(body) }

func joinSorted(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ";")
}

func sign(r *http.Request, c Claim, secret, date, hash string) string {
	canonical := appendRequest(nil, r, c, canonicalPaths(r, c)[0], hash)
	s := derive(keyName{secret, c.Date, c.Region, c.Service}).signature(appendToSign(nil, c, date, canonical))
	return string(s[:])
}
