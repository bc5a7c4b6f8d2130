package gateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Authority issues the certificates that we answer TLS with: one for each name a client asks for, signed by a root of our own
// that the user may choose to trust. It is made when first needed and kept in the data directory.
type Authority struct {
	root *x509.Certificate
	key  crypto.Signer
	pem  []byte
	leaf *ecdsa.PrivateKey // shared by all names: making keys costs more than signing

	mu     sync.Mutex                  // guards issued
	issued map[string]*tls.Certificate // by name
}

// maxIssued bounds what clients who ask for ever new names can make us keep.
const maxIssued = 1000

// OpenAuthority reads the authority kept in dir, or makes one and keeps it there. An empty dir keeps it in memory only.
func OpenAuthority(dir string) (*Authority, error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	if dir != "" {
		a, err := readAuthority(certFile, keyFile)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return a, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a CA key: %w", err)
	}
	now := time.Now()
	host, _ := os.Hostname()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "obidos local CA " + host, Organization: []string{"obidos"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a CA certificate: %w", err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if dir != "" {
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("encode the CA key: %w", err)
		}
		// The key first: a certificate without its key would stop the next start.
		if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
			return nil, fmt.Errorf("keep the CA: %w", err)
		}
		if err := os.WriteFile(certFile, certPEM, 0o644); err != nil {
			return nil, fmt.Errorf("keep the CA: %w", err)
		}
	}
	return newAuthority(certPEM, key)
}

func readAuthority(certFile, keyFile string) (*Authority, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("the CA in %s cannot be used (delete ca.pem and ca-key.pem there to have a new one made): %w", filepath.Dir(certFile), err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the CA key %s cannot sign", keyFile)
	}
	return newAuthority(certPEM, key)
}

func newAuthority(certPEM []byte, key crypto.Signer) (*Authority, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, errors.New("the CA certificate is not PEM")
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the CA certificate: %w", err)
	}
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &Authority{root: root, key: key, pem: certPEM, leaf: leaf, issued: map[string]*tls.Certificate{}}, nil
}

// PEM is the root certificate, for trust stores.
func (a *Authority) PEM() []byte { return a.pem }

// certificate is one for the name the client asks for, or for the address it connected to.
func (a *Authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if name == "" {
		name = "localhost"
		if hello.Conn != nil {
			if host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String()); err == nil {
				name = host
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now() // TLS is on real time
	if c := a.issued[name]; c != nil && now.Before(c.Leaf.NotAfter.AddDate(0, 0, -1)) {
		return c, nil
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(0, 3, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(name) > 64 {
		template.Subject.CommonName = "obidos"
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
		template.DNSNames = []string{"localhost"}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, a.leaf.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der, a.root.Raw}, PrivateKey: a.leaf, Leaf: parsed}
	if len(a.issued) >= maxIssued {
		clear(a.issued)
	}
	a.issued[name] = c
	return c, nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic("no randomness: " + err.Error())
	}
	return n
}

// Certificates are where TLS gets its certificate from: files of the user's, or an authority of our own that is opened when
// the first client asks for TLS.
type Certificates struct {
	Dir      string // keeps the authority; in memory where empty
	CertFile string // of the user's own certificate, instead
	KeyFile  string

	once sync.Once
	ca   *Authority
	err  error
}

// Authority is our own CA, opened or made when first asked for.
func (c *Certificates) Authority() (*Authority, error) {
	c.once.Do(func() { c.ca, c.err = OpenAuthority(c.Dir) })
	return c.ca, c.err
}

// config is how TLS is spoken.
func (c *Certificates) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("the certificate of --tls-cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
		return config, nil
	}
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		ca, err := c.Authority()
		if err != nil {
			return nil, err
		}
		return ca.certificate(hello)
	}
	return config, nil
}
