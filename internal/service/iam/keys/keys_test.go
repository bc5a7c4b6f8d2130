package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
)

// ssh is a key that ssh-keygen made; ssh-keygen -l -E md5 tells its fingerprint.
const (
	ssh         = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDB1gbZ2OcmGDYs/C7PBx5dC7JRBI+P9qYbYl9Zmp0rT0zPifttvELz9NVXxWmiB0YiYVGkfbTAWjMQemNnCN4sehOZvruNHHsWAzcrAE6FjGG9olk+l7rnXXkQaXoY17/VgS46GgLbm+KoJapXtZnwivnJ54qiRCJk+YBvRg6qws7nCFG6QUbJwlPVHZOPqvKMENMmi2B9egtE0TuOyoa4jFqr6Tf049qOgQuo9fE1PFeMWd8EdLSAmwhRfDqO4N559wtSnTAXlxXWFfqoktUkzbZxcRLP8OP00EhwkE81qzYoSr962rZU8/l9307R028ZWnFFH4/Z4/rIzo5CTZaj"
	fingerprint = "43:cd:4f:fc:30:c2:d6:c4:3f:17:32:40:26:90:33:ed"
)

func TestParseSSH(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa !", "ssh-ed25519 " + ssh[8:], ssh + "\n" + ssh,
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", strings.Replace(ssh, "AAAAB3", "AAAAB4", 1),
	} {
		if _, err := keys.ParseSSH(text); !errors.Is(err, keys.ErrSSH) {
			t.Errorf("%q: %v", text, err)
		}
	}
	k, err := keys.ParseSSH(ssh + " alice@example.com\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Fingerprint(); got != fingerprint {
		t.Errorf("its fingerprint is %s", got)
	}
	text, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	if k, err = keys.ParseSSH(text); err != nil || k.Text() != ssh {
		t.Errorf("through PEM it is %v, %v", k, err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.ParseSSH(write("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&short.PublicKey))); !errors.Is(err, keys.ErrShort) {
		t.Errorf("a key of 1024 bits: %v", err)
	}
}

func write(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// issue makes a certificate of name, signed by another or itself.
func issue(t *testing.T, name string, by *x509.Certificate, byKey crypto.Signer) (*x509.Certificate, *ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	if by == nil {
		by, byKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), byKey)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c, key, write("CERTIFICATE", der)
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	root, rootKey, rootText := issue(t, "root", nil, nil)
	middle, middleKey, middleText := issue(t, "middle", root, rootKey)
	leaf, leafKey, leafText := issue(t, "leaf", middle, middleKey)
	for text, want := range map[string]error{
		"": keys.ErrCertificate, "hello": keys.ErrCertificate, leafText + "hello": keys.ErrCertificate,
		write("CERTIFICATE", []byte("hello")): keys.ErrCertificate, write("PUBLIC KEY", leaf.Raw): keys.ErrCertificate,
		leafText + middleText: keys.ErrSeveral,
	} {
		if _, err := keys.Certificate(text); !errors.Is(err, want) {
			t.Errorf("%.50q: %v", text, err)
		}
	}
	var broken *keys.ChainError
	if err := keys.Chain(leaf, []*x509.Certificate{root}); !errors.As(err, &broken) || broken.Index != -1 {
		t.Errorf("a chain without its first: %v", err)
	}
	if err := keys.Chain(leaf, []*x509.Certificate{middle, leaf}); !errors.As(err, &broken) || broken.Index != 0 {
		t.Errorf("a chain that goes wrong: %v", err)
	}
	chain, err := keys.Certificates(middleText + rootText)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Chain(leaf, chain); err != nil {
		t.Error(err)
	}
	if err := keys.Pair(leaf, middleKey); !errors.Is(err, keys.ErrMismatch) {
		t.Errorf("another's key: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.PrivateKey(write("PRIVATE KEY", der))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Pair(leaf, key); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]error{
		"": keys.ErrKey, leafText: keys.ErrKey, write("PRIVATE KEY", nil): keys.ErrKey,
		write("ENCRYPTED PRIVATE KEY", der): keys.ErrEncrypted,
	} {
		if _, err := keys.PrivateKey(text); !errors.Is(err, want) {
			t.Errorf("%.50q: %v", text, err)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(ssh)
	f.Add(write("CERTIFICATE", []byte{0x30, 0x03, 0x02, 0x01, 0x00}))
	f.Add(write("RSA PUBLIC KEY", []byte{0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x03}))
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = keys.Certificate(text)
		_, _ = keys.PrivateKey(text)
		k, err := keys.ParseSSH(text)
		if err != nil {
			return
		}
		again, err := keys.ParseSSH(k.Text())
		if err != nil || again.Fingerprint() != k.Fingerprint() || len(k.Fingerprint()) != 47 {
			t.Errorf("%q becomes %v, %v", k.Text(), again, err)
		}
		text, err = k.PEM()
		if again, _ := keys.ParseSSH(text); err != nil || again == nil || again.Text() != k.Text() {
			t.Errorf("%q through PEM: %v", k.Text(), err)
		}
	})
}
