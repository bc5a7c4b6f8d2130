// Package federationtest is for tests: an OpenID Connect issuer that is really asked, and a SAML provider that really signs.
package federationtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is an OpenID Connect issuer on a port of its own, with TLS of a certificate that nobody trusts unless it is pinned.
type Issuer struct {
	URL        string // what tokens name as their issuer
	Thumbprint string // of its certificate; empty without TLS

	t      testing.TB
	server *httptest.Server

	mu     sync.Mutex
	key    crypto.Signer
	alg    jose.SignatureAlgorithm
	number int
	asked  int
	keys   []byte // instead of its own key set
	about  []byte // instead of its own configuration
}

// StartIssuer starts an issuer, with TLS or without.
func StartIssuer(t testing.TB, secure bool) *Issuer {
	i := &Issuer{t: t}
	i.Rotate(jose.RS256)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked++
		if i.about != nil {
			w.Write(i.about)
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { w.Write(i.Keys()) })
	if secure {
		i.server = httptest.NewTLSServer(mux)
		sum := sha1.Sum(i.server.Certificate().Raw)
		i.Thumbprint = hex.EncodeToString(sum[:])
	} else {
		i.server = httptest.NewServer(mux)
	}
	t.Cleanup(i.server.Close)
	i.URL = i.server.URL
	return i
}

// Rotate has the issuer sign with a new key, for an algorithm.
func (i *Issuer) Rotate(alg jose.SignatureAlgorithm) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var err error
	switch alg {
	case jose.ES256:
		i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		i.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		i.key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		i.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	i.alg = alg
	i.number++
}

// Keys is its key set.
func (i *Issuer) Keys() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys != nil {
		return i.keys
	}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: strconv.Itoa(i.number), Algorithm: string(i.alg), Use: "sig"}}})
	if err != nil {
		i.t.Fatal(err)
	}
	return b
}

// Answer has it answer these instead of its configuration and key set; nil is its own.
func (i *Issuer) Answer(about, keys []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.about, i.keys = about, keys
}

// Asked is how often its configuration was read.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Close stops it.
func (i *Issuer) Close() { i.server.Close() }

// Token signs claims over those of a token of "user-1" for "client" that holds for an hour. A claim that is nil is left out.
func (i *Issuer) Token(claims map[string]any) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Sign(i.t, i.alg, i.key, strconv.Itoa(i.number), i.claims(claims))
}

func (i *Issuer) claims(claims map[string]any) map[string]any {
	now := time.Now().Unix()
	all := map[string]any{"iss": i.URL, "sub": "user-1", "aud": "client", "iat": now, "exp": now + 3600}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// Sign is a token of claims as somebody with key signs it.
func Sign(t testing.TB, alg jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
