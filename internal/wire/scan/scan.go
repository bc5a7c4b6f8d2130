// Package scan takes the text of a body apart into the words of JSON and the items of CBOR, and writes texts of JSON. What they
// mean is the caller's. Texts are parts of the body's own, copied only where they have escapes.
package scan

// MaxDepth is how deep values may nest in a body. AWS's own limits are lower where it has any.
const MaxDepth = 192

// Body is a body's text, where a decoder is in it, and what it found wrong.
type Body struct {
	S   string
	I   int
	Why string // decoding ended; "" while all is well. AWS often says no more than SerializationException
	Bad bool
}

// Fail ends decoding. The first reason stands.
func (r *Body) Fail(why string) bool {
	if !r.Bad {
		r.Bad, r.Why = true, why
	}
	r.I = len(r.S)
	return false
}
