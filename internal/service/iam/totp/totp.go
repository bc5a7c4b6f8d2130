// Package totp is the arithmetic of virtual MFA devices: time-based one-time passwords (RFC 6238) of six digits and thirty
// seconds, and the picture that an authenticator app reads the seed from. It keeps nothing and knows no clock.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what RFC 6238 and all authenticator apps use
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"

	"rsc.io/qr"
)

// Digits is the length of a code.
const Digits = 6

// step is how long a code holds, in seconds.
const step = 30

// seedSize is the length of a seed in bytes: 64 characters of base32.
const seedSize = 40

// NewSeed is a new seed.
func NewSeed() []byte {
	seed := make([]byte, seedSize)
	rand.Read(seed)
	return seed
}

// Base32 is a seed as people type it.
func Base32(seed []byte) string { return base32.StdEncoding.EncodeToString(seed) }

// Step is the number of the step that t is in.
func Step(t time.Time) int64 { return t.Unix() / step }

// Code is what a device shows all through a step.
func Code(seed []byte, n int64) string {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(n))
	h := hmac.New(sha1.New, seed)
	h.Write(at[:])
	sum := h.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000)
}

// Find is the step from first to last that shows code, the one nearest to the middle where several do; ok is false where none does.
func Find(seed []byte, code string, first, last int64) (n int64, ok bool) {
	middle := first + (last-first)/2
	for d := int64(0); middle-d >= first || middle+d <= last; d++ {
		for _, n := range [...]int64{middle - d, middle + d} {
			if n >= first && n <= last && hmac.Equal([]byte(Code(seed, n)), []byte(code)) {
				return n, true
			}
		}
	}
	return 0, false
}

// FindPair is the second of two steps in a row, from first to last, that show these codes.
func FindPair(seed []byte, code, next string, first, last int64) (n int64, ok bool) {
	for n := first; n <= last; n++ {
		if hmac.Equal([]byte(Code(seed, n)), []byte(next)) && hmac.Equal([]byte(Code(seed, n-1)), []byte(code)) {
			return n, true
		}
	}
	return 0, false
}

// URL is what the picture of a device says.
func URL(device, account string, seed []byte) string {
	label := url.PathEscape("Amazon Web Services:" + device + "@" + account)
	return "otpauth://totp/" + label + "?secret=" + Base32(seed) + "&issuer=" + url.PathEscape("Amazon Web Services")
}

// PNG is the picture of a text, a QR code.
func PNG(text string) ([]byte, error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return c.PNG(), nil
}
