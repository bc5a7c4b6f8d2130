package federation_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/federation/federationtest"
)

func verify(ctx context.Context, i *federation.Issuers, token string, thumbprints ...string) (*federation.Token, error) {
	t, err := federation.ReadToken(token)
	if err != nil {
		return nil, err
	}
	return t, i.Verify(ctx, t, thumbprints)
}

func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	issuer := federationtest.StartIssuer(t, false)
	good := issuer.Token(nil)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	symmetric := federationtest.Sign(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "1", map[string]any{"iss": issuer.URL})
	for _, bad := range []string{"", "a", "a.b.c", good[1:], unsigned, symmetric, `{"payload":"e30","signatures":[]}`, issuer.Token(map[string]any{"exp": "soon"}), issuer.Token(map[string]any{"iat": 1.5}), issuer.Token(map[string]any{"aud": []any{1}})} {
		if _, err := federation.ReadToken(bad); !errors.Is(err, federation.ErrMalformed) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
	for _, claim := range []string{"iss", "sub", "aud", "exp", "iat"} {
		_, err := federation.ReadToken(issuer.Token(map[string]any{claim: nil}))
		if missing, ok := errors.AsType[*federation.MissingError](err); !ok || missing.Claim != claim {
			t.Errorf("without %s: %v", claim, err)
		}
	}
}

func TestTokensThatDoNotHold(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	issuer, other := federationtest.StartIssuer(t, false), federationtest.StartIssuer(t, false)
	issuers := federation.NewIssuers(federation.Options{HTTP: true})
	good := issuer.Token(nil)
	parts := strings.Split(good, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	altered := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "user-1", "user-2", 1))) + "." + parts[2]
	now := time.Now().Unix()
	for _, bad := range []struct {
		why, token string
		want       error
	}{
		{"signed by another", other.Token(map[string]any{"iss": issuer.URL}), federation.ErrSignature},
		{"altered", altered, federation.ErrSignature},
		{"over", issuer.Token(map[string]any{"iat": now - 7200, "exp": now - 1}), federation.ErrExpired},
		{"issued in an hour", issuer.Token(map[string]any{"iat": now + 3600, "exp": now + 7200}), federation.ErrEarly},
		{"not before in an hour", issuer.Token(map[string]any{"nbf": now + 3600}), federation.ErrEarly},
		{"of an issuer that is not there", issuer.Token(map[string]any{"iss": "http://127.0.0.1:1"}), federation.ErrUnreachable},
		{"of an issuer that is called otherwise", issuer.Token(map[string]any{"iss": issuer.URL + "/"}), federation.ErrUnreachable},
		{"of no URL", issuer.Token(map[string]any{"iss": "file:///etc/passwd"}), federation.ErrUnreachable},
	} {
		if _, err := verify(ctx, issuers, bad.token); !errors.Is(err, bad.want) {
			t.Errorf("%s: %v, want %v", bad.why, err, bad.want)
		}
	}
	if _, err := verify(ctx, federation.NewIssuers(federation.Options{}), good); !errors.Is(err, federation.ErrUnreachable) || issuer.Asked() > 2 {
		t.Errorf("without TLS, which is not allowed: %v", err)
	}
	if _, err := verify(ctx, issuers, good); err != nil {
		t.Error(err)
	}
}

func TestAnswersOfIssuers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	issuer := federationtest.StartIssuer(t, false)
	for why, bad := range map[string][2]string{
		"no JSON":            {"hello", ""},
		"another's":          {`{"issuer":"https://accounts.example","jwks_uri":"` + issuer.URL + `/keys"}`, ""},
		"keys in a file":     {`{"issuer":"` + issuer.URL + `","jwks_uri":"file:///keys"}`, ""},
		"keys not there":     {`{"issuer":"` + issuer.URL + `","jwks_uri":"` + issuer.URL + `/none"}`, ""},
		"endless":            {strings.Repeat(" ", 2<<20), ""},
		"keys that are none": {"", "[]"},
		"too many keys":      {"", `{"keys":[` + strings.Repeat("{},", 200) + `{}]}`},
	} {
		var about, keys []byte
		if bad[0] != "" {
			about = []byte(bad[0])
		}
		if bad[1] != "" {
			keys = []byte(bad[1])
		}
		issuer.Answer(about, keys)
		if _, err := verify(ctx, federation.NewIssuers(federation.Options{HTTP: true}), issuer.Token(nil)); !errors.Is(err, federation.ErrUnreachable) {
			t.Errorf("%s: %v", why, err)
		}
	}
	// A key of a kind nobody knows does not hide the others; a secret one is no key to verify with.
	issuer.Answer(nil, nil)
	own := issuer.Keys()
	issuer.Answer(nil, []byte(strings.Replace(string(own), `{"keys":[`, `{"keys":[{"kty":"XYZ"},{"kty":"oct","k":"AAAA"},`, 1)))
	if _, err := verify(ctx, federation.NewIssuers(federation.Options{HTTP: true}), issuer.Token(nil)); err != nil {
		t.Error(err)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	issuer := federationtest.StartIssuer(t, true)
	issuers := federation.NewIssuers(federation.Options{})
	for _, thumbprints := range [][]string{nil, {strings.Repeat("0", 40)}, {""}} {
		if _, err := verify(ctx, issuers, issuer.Token(nil), thumbprints...); !errors.Is(err, federation.ErrCertificate) {
			t.Errorf("pinned %v: %v", thumbprints, err)
		}
	}
	got, err := verify(ctx, issuers, issuer.Token(map[string]any{"azp": "party", "aud": []string{"a", "b"}, "email": "a@example.com"}), "00", strings.ToUpper(issuer.Thumbprint))
	if err != nil {
		t.Fatal(err)
	}
	if got.Issuer != issuer.URL || got.Subject != "user-1" || len(got.Audience) != 2 || got.Party != "party" || got.Claims["email"] != "a@example.com" {
		t.Errorf("%+v", got)
	}
}

func TestAlgorithmsAndNewKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	issuer := federationtest.StartIssuer(t, false)
	var mu sync.Mutex
	now := time.Now()
	issuers := federation.NewIssuers(federation.Options{HTTP: true, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512} {
		issuer.Rotate(alg)
		mu.Lock()
		now = now.Add(20 * time.Second)
		mu.Unlock()
		if _, err := verify(ctx, issuers, issuer.Token(nil)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		asked := issuer.Asked()
		if _, err := verify(ctx, issuers, issuer.Token(nil)); err != nil || issuer.Asked() != asked {
			t.Errorf("%s again: %v, asked %d times", alg, err, issuer.Asked()-asked)
		}
	}
	// Keys that are not there are not asked for over and over.
	issuer.Answer(nil, issuer.Keys())
	issuer.Rotate(jose.ES256)
	asked := issuer.Asked()
	for range 5 {
		if _, err := verify(ctx, issuers, issuer.Token(nil)); !errors.Is(err, federation.ErrSignature) {
			t.Error(err)
		}
	}
	if n := issuer.Asked() - asked; n > 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestPinnedKeys(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public()}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := federation.CheckKeys(set); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "{}", `{"keys":[{"kty":"oct","k":"AAAA"}]}`} {
		if federation.CheckKeys([]byte(bad)) == nil {
			t.Errorf("%s is taken for keys", bad)
		}
	}
	issuers := federation.NewIssuers(federation.Options{Pinned: map[string][]byte{"https://issuer.invalid": set}})
	now := time.Now().Unix()
	token := federationtest.Sign(t, jose.ES256, key, "any", map[string]any{"iss": "https://issuer.invalid", "sub": "s", "aud": "a", "iat": now, "exp": now + 60})
	if _, err := verify(t.Context(), issuers, token); err != nil {
		t.Error(err)
	}
}

func FuzzReadToken(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYiIsImF1ZCI6ImMiLCJleHAiOjEsImlhdCI6MX0.AAAA")
	f.Add("eyJhbGciOiJFUzI1NiJ9.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := federation.ReadToken(text)
		if err == nil && (token.Issuer == "" || token.Subject == "" || len(token.Audience) == 0) {
			t.Errorf("%q is %+v", text, token)
		}
	})
}
