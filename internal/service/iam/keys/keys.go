// Package keys reads the certificates and public keys that are uploaded to IAM, and refuses what AWS refuses. It keeps nothing.
package keys

import (
	"bytes"
	"crypto"
	"crypto/md5" //nolint:gosec // the fingerprint of SSH keys that AWS tells
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// What is wrong with what was uploaded.
var (
	ErrCertificate = errors.New("keys: no certificate in PEM")
	ErrSeveral     = errors.New("keys: more than one certificate")
	ErrKey         = errors.New("keys: no private key in PEM")
	ErrEncrypted   = errors.New("keys: the private key is encrypted")
	ErrMismatch    = errors.New("keys: the private key is another certificate's")
	ErrSSH         = errors.New("keys: no public key of RSA")
	ErrShort       = errors.New("keys: the key has less than 2048 bits")
)

// ChainError tells which certificate of a chain does not fit.
type ChainError struct{ Index int }

func (e *ChainError) Error() string {
	return fmt.Sprintf("keys: certificate %d of the chain did not sign the one before it", e.Index)
}

// Certificates reads all certificates of a PEM text, which holds nothing else.
func Certificates(text string) (out []*x509.Certificate, err error) {
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			if len(out) == 0 || len(bytes.TrimSpace(rest)) > 0 {
				return nil, ErrCertificate
			}
			return out, nil
		}
		if b.Type != "CERTIFICATE" {
			return nil, ErrCertificate
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, errors.Join(ErrCertificate, err)
		}
		out = append(out, c)
	}
}

// Certificate reads the one certificate of a PEM text.
func Certificate(text string) (*x509.Certificate, error) {
	all, err := Certificates(text)
	if err == nil && len(all) > 1 {
		return nil, ErrSeveral
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// PrivateKey reads the private key of a PEM text, in any of the usual forms.
func PrivateKey(text string) (crypto.Signer, error) {
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return nil, ErrKey
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
			return nil, ErrEncrypted
		}
		var key any
		var err error
		switch b.Type {
		case "EC PARAMETERS": // openssl writes them before the key
			continue
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(b.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		default:
			return nil, ErrKey
		}
		if signer, ok := key.(crypto.Signer); err == nil && ok {
			return signer, nil
		}
		return nil, errors.Join(ErrKey, err)
	}
}

// Pair checks that a private key is a certificate's.
func Pair(c *x509.Certificate, key crypto.Signer) error {
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(c.PublicKey) {
		return ErrMismatch
	}
	return nil
}

// Chain checks that each certificate of a chain signed the one before it, the first of them c.
func Chain(c *x509.Certificate, chain []*x509.Certificate) error {
	for i, by := range chain {
		if !bytes.Equal(c.RawIssuer, by.RawSubject) || by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
			return &ChainError{i - 1}
		}
		c = by
	}
	return nil
}

// SSH is a public key that was uploaded for SSH.
type SSH struct{ key *rsa.PublicKey }

// minBits is how short a key may be.
const minBits = 2048

// ParseSSH reads a public key of RSA as OpenSSH ("ssh-rsa AAAA… comment") or PEM writes it.
func ParseSSH(text string) (*SSH, error) {
	var key *rsa.PublicKey
	if b, rest := pem.Decode([]byte(text)); b != nil && len(bytes.TrimSpace(rest)) == 0 {
		switch b.Type {
		case "PUBLIC KEY":
			k, err := x509.ParsePKIXPublicKey(b.Bytes)
			if err != nil {
				return nil, errors.Join(ErrSSH, err)
			}
			key, _ = k.(*rsa.PublicKey)
		case "RSA PUBLIC KEY":
			k, err := x509.ParsePKCS1PublicKey(b.Bytes)
			if err != nil {
				return nil, errors.Join(ErrSSH, err)
			}
			key = k
		}
	} else if fields := strings.Fields(text); len(fields) >= 2 && fields[0] == "ssh-rsa" && !strings.Contains(strings.TrimSpace(text), "\n") {
		blob, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			return nil, errors.Join(ErrSSH, err)
		}
		key = parseBlob(blob)
	}
	switch {
	case key == nil || key.E < 3 || key.E&1 == 0:
		return nil, ErrSSH
	case key.N.BitLen() < minBits:
		return nil, ErrShort
	}
	return &SSH{key}, nil
}

// parseBlob reads a key as RFC 4253 writes it; nil where it is none.
func parseBlob(b []byte) *rsa.PublicKey {
	name, b := field(b)
	e, b := field(b)
	n, b := field(b)
	if string(name) != "ssh-rsa" || len(b) > 0 || len(e) == 0 || len(e) > 4 || len(n) == 0 || n[0]&0x80 != 0 || e[0]&0x80 != 0 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

func field(b []byte) (value, rest []byte) {
	if len(b) < 4 {
		return nil, nil
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil
	}
	return b[4 : 4+n], b[4+n:]
}

// blob is the key as RFC 4253 writes it.
func (k *SSH) blob() (b []byte) {
	for _, part := range [][]byte{[]byte("ssh-rsa"), positive(big.NewInt(int64(k.key.E))), positive(k.key.N)} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	return b
}

// positive is n with a zero before it where its first bit would make it negative.
func positive(n *big.Int) []byte {
	b := n.Bytes()
	if b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

// Text is the key in one line, as OpenSSH writes it.
func (k *SSH) Text() string { return "ssh-rsa " + base64.StdEncoding.EncodeToString(k.blob()) }

// PEM is the key in PEM.
func (k *SSH) PEM() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return "", fmt.Errorf("write public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// Fingerprint is the MD5 of the key in hexadecimal: "1d:4c:…".
func (k *SSH) Fingerprint() string {
	sum := md5.Sum(k.blob())
	out := make([]byte, 0, len(sum)*3)
	for _, b := range sum {
		out = append(hex.AppendEncode(out, []byte{b}), ':')
	}
	return string(out[:len(out)-1])
}
