package federation

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Options of Issuers.
type Options struct {
	// HTTP allows issuers that are reached without TLS: anybody on the way could give them other keys.
	HTTP bool
	// Pinned are key sets (RFC 7517) by issuer. An issuer that has one is never asked.
	Pinned map[string][]byte
	// Now is what the clocks of others show; time.Now where nil.
	Now func() time.Time
}

// Issuers knows the keys of OpenID Connect issuers.
type Issuers struct {
	o Options

	mu    sync.Mutex
	known map[string]*keySet // by issuer and thumbprints
}

// keySet is the keys of one issuer, as those who pin the same certificates see it.
type keySet struct {
	mu    sync.Mutex // held while the issuer is asked: others wait for its answer
	keys  []jose.JSONWebKey
	asked time.Time // zero before
	err   error
}

const (
	askTime     = 5 * time.Second  // all that asking an issuer may take
	answerSize  = 1 << 20          // of one of its answers
	keysHold    = 10 * time.Minute // until they are asked for again
	askPause    = 10 * time.Second // between two askings for a key that was not there
	issuersKept = 256
	keysPerSet  = 100
)

// NewIssuers asks nobody yet.
func NewIssuers(o Options) *Issuers {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Issuers{o: o, known: map[string]*keySet{}}
}

// keys are an issuer's. They are asked for again where they are old or lack the one of that id.
func (i *Issuers) keys(ctx context.Context, issuer, id string, thumbprints []string) ([]jose.JSONWebKey, error) {
	s := i.set(issuer, thumbprints)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := i.o.Now()
	age := now.Sub(s.asked)
	switch {
	case s.asked.IsZero(), age < 0, age > keysHold:
	case s.err == nil && (id == "" || slices.ContainsFunc(s.keys, func(k jose.JSONWebKey) bool { return k.KeyID == id || k.KeyID == "" })):
		return s.keys, nil
	case age < askPause:
		return s.keys, s.err
	}
	keys, err := i.ask(ctx, issuer, thumbprints)
	if ctx.Err() != nil {
		return nil, ctx.Err() // which says nothing of the issuer
	}
	s.keys, s.err, s.asked = keys, err, now
	return keys, err
}

func (i *Issuers) set(issuer string, thumbprints []string) *keySet {
	name := issuer + "\x00" + strings.Join(thumbprints, " ")
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.known[name]
	if s == nil {
		if len(i.known) >= issuersKept {
			clear(i.known) // whoever makes up so many issuers may wait for them
		}
		s = &keySet{}
		i.known[name] = s
	}
	return s
}

func (i *Issuers) ask(ctx context.Context, issuer string, thumbprints []string) ([]jose.JSONWebKey, error) {
	if pinned, ok := i.o.Pinned[issuer]; ok {
		return readKeys(pinned)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	text, err := i.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", thumbprints)
	if err != nil {
		return nil, err
	}
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return nil, fmt.Errorf("%w: read the issuer's configuration: %w", ErrUnreachable, err)
	}
	if about.Issuer != issuer {
		return nil, fmt.Errorf("%w: the configuration of %s is that of %s", ErrUnreachable, issuer, about.Issuer)
	}
	text, err = i.get(ctx, about.Keys, thumbprints)
	if err != nil {
		return nil, err
	}
	return readKeys(text)
}

// get is what a URL answers.
func (i *Issuers) get(ctx context.Context, text string, thumbprints []string) ([]byte, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !i.o.HTTP) || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%w: %s is not reached over HTTPS", ErrUnreachable, text)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r.Header.Set("Accept", "application/json")
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			InsecureSkipVerify: true, // VerifyConnection does, and knows what is pinned
			VerifyConnection: func(c tls.ConnectionState) error {
				return trusted(c.PeerCertificates, u.Hostname(), thumbprints, i.o.Now())
			},
		},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		if errors.Is(err, ErrCertificate) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s answers %s", ErrUnreachable, text, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if len(body) > answerSize {
		return nil, fmt.Errorf("%w: %s answers more than %d bytes", ErrUnreachable, text, answerSize)
	}
	return body, nil
}

// trusted reports whether a host that shows these certificates is host: they lead to one the system trusts, or to one that is pinned.
func trusted(shown []*x509.Certificate, host string, thumbprints []string, now time.Time) error {
	if len(shown) == 0 {
		return ErrCertificate
	}
	o := x509.VerifyOptions{DNSName: host, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range shown[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := shown[0].Verify(o)
	if err == nil {
		return nil
	}
	pinned := false
	o.Roots = x509.NewCertPool()
	for _, c := range shown {
		sum := sha1.Sum(c.Raw)
		if slices.ContainsFunc(thumbprints, func(t string) bool { return strings.EqualFold(t, hex.EncodeToString(sum[:])) }) {
			o.Roots.AddCert(c)
			pinned = true
		}
	}
	if pinned {
		if _, err = shown[0].Verify(o); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", ErrCertificate, err)
}

// CheckKeys reports what is wrong with a key set that is to be pinned: it must have a key that verifies signatures.
func CheckKeys(text []byte) error {
	keys, err := readKeys(text)
	if err == nil && len(keys) == 0 {
		err = errors.New("no public key of a kind that is known")
	}
	return err
}

// readKeys reads a key set. Keys of kinds that are not known, or not for signatures, are passed over.
func readKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("%w: read the issuer's keys: %w", ErrUnreachable, err)
	}
	if len(set.Keys) > keysPerSet {
		return nil, fmt.Errorf("%w: the issuer has %d keys", ErrUnreachable, len(set.Keys))
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(raw); err == nil && k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") {
			keys = append(keys, k)
		}
	}
	return keys, nil
}
