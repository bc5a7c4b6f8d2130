package sigv4

import "strconv"

// Reason is why a request is not taken for what it claims to be.
type Reason uint8

// The reasons. Those of the access key are found by whoever looks it up.
const (
	Missing         Reason = iota + 1 // no signature at all
	Incomplete                        // a part of the signature is missing or unreadable
	Unsupported                       // signed in a way that is not verified here
	UnknownKey                        // nobody has this access key
	BadToken                          // the session token is missing or another one
	ExpiredToken                      // the session token has expired
	Expired                           // a presigned request past its time
	Skewed                            // signed at a time too far from now
	Mismatch                          // the signature is another one
	Unbound                           // a header that must be signed is not
	PayloadMismatch                   // the body is not the one that was signed
	BadChunk                          // the framing of an aws-chunked body is broken
	Truncated                         // the body ended early, or is longer than was said
	BadScope                          // the credential scope is not one of this request
	BadExpires                        // X-Amz-Expires is not between 1 second and a week
)

var reasons = [...]string{
	Missing: "no signature", Incomplete: "incomplete signature", Unsupported: "unsupported signature", UnknownKey: "unknown access key",
	BadToken: "wrong session token", ExpiredToken: "expired session token", Expired: "expired", Skewed: "signed at another time",
	Mismatch: "wrong signature", Unbound: "unsigned header", PayloadMismatch: "body does not match its hash", BadChunk: "broken aws-chunked framing",
	Truncated: "body of another length", BadScope: "wrong credential scope", BadExpires: "invalid X-Amz-Expires",
}

func (r Reason) String() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return reasons[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// Error is a request that is not what it claims to be. What the client is told of it differs between services and
// protocols and is the matter of package auth.
type Error struct {
	Reason Reason
	Claim  Claim
	Detail string // what differs: the header, the time; the missing parts, by commas

	// What was computed, of a Mismatch: S3 tells the client, so that it can find its mistake.
	CanonicalRequest string
	StringToSign     string
}

func (e *Error) Error() string {
	s := "sigv4: " + e.Reason.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}
