package peer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Authority is a cluster's own: whoever has a certificate of it is a node of the cluster. It is made once, by the first node, and
// kept in the store: who can read that can read and write everything anyway.
type Authority struct {
	root *x509.Certificate
	key  crypto.Signer
}

// authority is the record of it.
type authority struct {
	store.Unknown
	Certificate []byte `cbor:"1,keyasint"` // DER
	Key         []byte `cbor:"2,keyasint"` // PKCS #8
}

// OpenAuthority reads the cluster's authority from space, or makes it there.
func OpenAuthority(ctx context.Context, space store.Space) (*Authority, error) {
	table := store.NewTable[authority](space, 1, "authority", store.Global)
	kept, err := store.View(ctx, space, func(tx *store.Tx) (authority, error) {
		a, _ := table.Get(tx)
		return a, nil
	})
	for err == nil && len(kept.Certificate) == 0 {
		var made authority
		if made, err = newAuthority(); err != nil {
			break
		}
		kept, err = store.Update(ctx, space, func(tx *store.Tx) (authority, error) {
			if a, ok := table.Get(tx); ok { // another node was first
				return a, nil
			}
			table.Set(tx, made)
			return made, nil
		})
		if errors.Is(err, store.ErrUnknown) { // what is there now is it
			kept, err = authority{}, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the cluster's certificate authority: %w", err)
	}
	root, err := x509.ParseCertificate(kept.Certificate)
	if err != nil {
		return nil, fmt.Errorf("the cluster's certificate authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(kept.Key)
	if err != nil {
		return nil, fmt.Errorf("the key of the cluster's certificate authority: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key of the cluster's certificate authority cannot sign")
	}
	return &Authority{root, signer}, nil
}

// Keep writes the authority again, in a transaction that empties the store: the nodes go on as a cluster.
func Keep(tx *store.Tx, w store.Writer, space store.Space) {
	table := store.NewTable[authority](space, 1, "authority", store.Global)
	if a, ok := table.Get(tx); ok {
		table.Set(w, a)
	}
}

// validYears is how long certificates are good for. Those of nodes live no longer than the process that had them made.
const validYears = 50

func newAuthority() (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "obidos cluster", Organization: []string{"obidos"}},
		NotBefore:             now.AddDate(0, 0, -1), // the nodes' clocks differ
		NotAfter:              now.AddDate(validYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	return authority{Certificate: der, Key: text}, err
}

// anyNode is the name that every node's certificate bears beside the node's own.
const anyNode = "node.obidos.internal"

// issue makes a node's certificate, whose key stays in this process.
func (a *Authority) issue(id string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: id},
		DNSNames:     []string{anyNode},
		NotBefore:    a.root.NotBefore,
		NotAfter:     a.root.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// pool is what makes a certificate one of the cluster's.
func (a *Authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.root)
	return p
}

// serving is how a node lets others in: only with a certificate of the cluster's.
func (a *Authority) serving(own tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool(), NextProtos: []string{"h2"},
	}
}

// reaching is how a node reaches another, and makes sure that it is that one.
func (a *Authority) reaching(own tls.Certificate, id string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		RootCAs: a.pool(), ServerName: anyNode, NextProtos: []string{"h2"},
		VerifyConnection: func(s tls.ConnectionState) error {
			if name := s.PeerCertificates[0].Subject.CommonName; name != id {
				return fmt.Errorf("node %s answers in the place of %s", name, id)
			}
			return nil
		},
	}
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic("no randomness: " + err.Error())
	}
	return n
}
