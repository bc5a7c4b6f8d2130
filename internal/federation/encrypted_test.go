package federation_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/federation/federationtest"
)

func rsaKey(t testing.TB) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestPrivateKeysThatAreNone(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := federation.ReadPrivateKey(bad); !errors.Is(err, federation.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	k := rsaKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: pkcs8}, {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}} {
		if got, err := federation.ReadPrivateKey(string(pem.EncodeToMemory(b))); err != nil || !got.Equal(k) {
			t.Errorf("%s: %v", b.Type, err)
		}
	}
}

func TestEncryptedAssertions(t *testing.T) {
	t.Parallel()
	signing, p := provider(t)
	old, key := rsaKey(t), rsaKey(t)
	p.Keys, p.Encrypted = []*rsa.PrivateKey{old, key}, true
	stranger := federationtest.NewProvider(t, entity)
	now := time.Now()
	alter := func(path string) func(r, _ *etree.Element) {
		return func(r, _ *etree.Element) {
			v := r.FindElement(path)
			raw, _ := base64.StdEncoding.DecodeString(v.Text())
			raw[len(raw)-1] ^= 1
			v.SetText(base64.StdEncoding.EncodeToString(raw))
		}
	}
	text, wrapped := "//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue", "//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue"
	for _, bad := range []struct {
		why      string
		response string
		want     error
	}{
		{"plain", signing.Sign(federationtest.Response{}), federation.ErrMalformed},
		{"for another", signing.Sign(federationtest.Response{For: &rsaKey(t).PublicKey}), federation.ErrSignature},
		{"by a stranger", stranger.Sign(federationtest.Response{For: &key.PublicKey}), federation.ErrSignature},
		{"not signed", signing.Sign(federationtest.Response{For: &key.PublicKey, Unsigned: true}), federation.ErrSignature},
		{"altered", signing.Sign(federationtest.Response{For: &key.PublicKey, Wrap: alter(text)}), federation.ErrSignature},
		{"altered, in blocks", signing.Sign(federationtest.Response{For: &key.PublicKey, Cipher: "aes128-cbc", Wrap: alter(text)}), federation.ErrSignature},
		{"its key altered", signing.Sign(federationtest.Response{For: &key.PublicKey, Wrap: alter(wrapped)}), federation.ErrSignature},
		{"altered in a signed response", signing.Sign(federationtest.Response{For: &key.PublicKey, Whole: true, Cipher: "aes128-cbc", Wrap: alter(text)}), federation.ErrSignature},
		{"with a plain one beside it", signing.Sign(federationtest.Response{For: &key.PublicKey, Wrap: func(r, a *etree.Element) { r.AddChild(a.Copy()) }}), federation.ErrMalformed},
		{"in a way nobody knows", signing.Sign(federationtest.Response{For: &key.PublicKey, Wrap: func(r, _ *etree.Element) {
			r.FindElement("//xenc:EncryptedKey/xenc:EncryptionMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmlenc#rsa-1_5")
		}}), federation.ErrSignature},
		{"without its key", signing.Sign(federationtest.Response{For: &key.PublicKey, Wrap: func(r, _ *etree.Element) {
			info := r.FindElement("//xenc:EncryptedData/ds:KeyInfo")
			info.Parent().RemoveChild(info)
		}}), federation.ErrSignature},
	} {
		if a, err := p.Verify(bad.response, now); !errors.Is(err, bad.want) {
			t.Errorf("%s: %+v, %v, want %v", bad.why, a, err, bad.want)
		}
	}
	for _, r := range []federationtest.Response{{}, {Whole: true}, {Cipher: "aes128-cbc"}, {Cipher: "aes128-cbc", Whole: true}} {
		r.For, r.Attributes = &key.PublicKey, map[string][]string{"Role": {"a"}}
		response := signing.Sign(r)
		if raw, _ := base64.StdEncoding.DecodeString(response); strings.Contains(string(raw), "alice") {
			t.Fatal("it is not encrypted")
		}
		if a, err := p.Verify(response, now); err != nil || a.Subject != "alice" || len(a.Attributes["Role"]) != 1 {
			t.Errorf("%+v: %+v, %v", r, a, err)
		}
	}
}
