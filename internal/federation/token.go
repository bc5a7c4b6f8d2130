// Package federation verifies what others say of a caller: tokens of OpenID Connect issuers and assertions of SAML providers. It
// is where obidos asks the outside world who somebody is.
//
// An issuer's keys are found by discovery over HTTPS, with a certificate that the system trusts or that was pinned, or given
// beforehand. What is asked is bounded in time and size and remembered for a while. An assertion is believed only as far as
// its signature reaches: what is read is the signed text, parsed again, never the document around it.
//
// It judges by the clock it is given, which is the world's and not the platform's: others do not know how far that was moved.
package federation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What is wrong with a token or an assertion.
var (
	ErrMalformed   = errors.New("it is not in the form it must have")
	ErrSignature   = errors.New("its signature is not one of the issuer's")
	ErrExpired     = errors.New("it has expired")
	ErrEarly       = errors.New("it is not valid yet")
	ErrUnreachable = errors.New("the issuer's keys cannot be had")
	ErrCertificate = errors.New("the issuer's certificate is neither trusted nor pinned")
	ErrIssuer      = errors.New("it is another issuer's")
)

// skew is how far ahead the clocks of others may be.
const skew = 5 * time.Minute

// The algorithms AWS takes.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// Token is what an OpenID Connect token says.
type Token struct {
	Issuer   string // "https://accounts.google.com", as the token writes it
	Subject  string
	Audience []string
	Party    string // authorized party; empty where the token names none
	Issued   time.Time
	Expires  time.Time
	Claims   map[string]any // all of them, numbers as json.Number

	signed *jose.JSONWebSignature
}

// MissingError says that a token lacks a claim it must have.
type MissingError struct{ Claim string }

func (e *MissingError) Error() string { return "it lacks the claim " + e.Claim }

// ReadToken reads a token without believing it: to find out whose it says it is. The error is ErrMalformed or a MissingError.
func ReadToken(text string) (*Token, error) {
	signed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	t := &Token{signed: signed}
	return t, t.read(signed.UnsafePayloadWithoutVerification())
}

func (t *Token) read(payload []byte) error {
	d := json.NewDecoder(strings.NewReader(string(payload)))
	d.UseNumber()
	if err := d.Decode(&t.Claims); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if t.Claims == nil || d.More() {
		return ErrMalformed
	}
	var ok bool
	for _, c := range []struct {
		name string
		set  func(any) bool
	}{
		{"iss", func(v any) bool { t.Issuer, ok = v.(string); return ok && t.Issuer != "" }},
		{"sub", func(v any) bool { t.Subject, ok = v.(string); return ok && t.Subject != "" }},
		{"aud", func(v any) bool { t.Audience, ok = list(v); return ok && len(t.Audience) > 0 }},
		{"exp", func(v any) bool { t.Expires, ok = seconds(v); return ok }},
		{"iat", func(v any) bool { t.Issued, ok = seconds(v); return ok }},
	} {
		v, there := t.Claims[c.name]
		if !there {
			return &MissingError{c.name}
		}
		if !c.set(v) {
			return fmt.Errorf("%w: claim %s", ErrMalformed, c.name)
		}
	}
	t.Party, _ = t.Claims["azp"].(string)
	return nil
}

// list is a claim that is a string or several.
func list(v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case []any:
		all := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return nil, false
			}
			all[i] = s
		}
		return all, true
	}
	return nil, false
}

// seconds is a claim that is a time: a whole number of seconds since 1970.
func seconds(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	s, err := n.Int64()
	return time.Unix(s, 0).UTC(), err == nil
}

// Verify proves that t was signed by its issuer and holds now. thumbprints pin certificates of the issuer's host, as SHA-1 in
// hexadecimal: they are trusted beside what the system trusts. The errors are those of the package.
func (i *Issuers) Verify(ctx context.Context, t *Token, thumbprints []string) error {
	header := t.signed.Signatures[0].Protected
	keys, err := i.keys(ctx, t.Issuer, header.KeyID, thumbprints)
	if err != nil {
		return err
	}
	if !signedByOneOf(t.signed, header, keys) {
		return ErrSignature
	}
	now := i.o.Now()
	if !now.Before(t.Expires) {
		return ErrExpired
	}
	if t.Issued.After(now.Add(skew)) {
		return ErrEarly
	}
	if v, there := t.Claims["nbf"]; there {
		if from, ok := seconds(v); !ok {
			return fmt.Errorf("%w: claim nbf", ErrMalformed)
		} else if from.After(now.Add(skew)) {
			return ErrEarly
		}
	}
	return nil
}

func signedByOneOf(signed *jose.JSONWebSignature, header jose.Header, keys []jose.JSONWebKey) bool {
	for i := range keys {
		k := &keys[i]
		if header.KeyID != "" && k.KeyID != "" && k.KeyID != header.KeyID || k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		if _, err := signed.Verify(k.Key); err == nil {
			return true
		}
	}
	return false
}
