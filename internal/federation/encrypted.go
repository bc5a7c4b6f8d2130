package federation

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/beevik/etree"
)

const (
	encryptionSpace = "http://www.w3.org/2001/04/xmlenc#"
	signatureSpace  = "http://www.w3.org/2000/09/xmldsig#"
)

// ReadPrivateKey reads an RSA key in PEM, as providers are given them to have assertions encrypted for. The error is ErrMalformed.
func ReadPrivateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("%w: not PEM", ErrMalformed)
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	k, ok := any.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: not an RSA key", ErrMalformed)
	}
	return k, nil
}

// decrypt is the assertion in an EncryptedAssertion. Whatever goes wrong has the same error as a wrong signature: who sends altered
// texts in must not learn from the answer what they became.
func (p *Provider) decrypt(e *etree.Element) (*etree.Element, error) {
	plain, err := p.open(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(plain); err != nil || doc.Root() == nil || !is(doc.Root(), assertionSpace, "Assertion") {
		return nil, fmt.Errorf("%w: what was encrypted is no assertion", ErrSignature)
	}
	return doc.Root(), nil
}

func (p *Provider) open(e *etree.Element) ([]byte, error) {
	data := child(e, encryptionSpace, "EncryptedData")
	if data == nil {
		return nil, errors.New("no encrypted data")
	}
	sealed := child(e, encryptionSpace, "EncryptedKey") // beside the data, or in what is said of its key
	if info := child(data, signatureSpace, "KeyInfo"); info != nil {
		if k := child(info, encryptionSpace, "EncryptedKey"); k != nil {
			sealed = k
		}
	}
	if sealed == nil {
		return nil, errors.New("no encrypted key")
	}
	wrapped, err := cipherValue(sealed)
	if err != nil {
		return nil, err
	}
	o, err := wrapping(child(sealed, encryptionSpace, "EncryptionMethod"))
	if err != nil {
		return nil, err
	}
	text, err := cipherValue(data)
	if err != nil {
		return nil, err
	}
	err = errors.New("no key to decrypt with")
	for _, k := range p.Keys {
		var key, plain []byte
		if key, err = k.Decrypt(nil, wrapped, o); err != nil {
			continue
		}
		if plain, err = unseal(algorithm(child(data, encryptionSpace, "EncryptionMethod")), key, text); err == nil {
			return plain, nil
		}
	}
	return nil, err
}

func algorithm(e *etree.Element) string {
	if e == nil {
		return ""
	}
	return e.SelectAttrValue("Algorithm", "")
}

func cipherValue(e *etree.Element) ([]byte, error) {
	v := descend(e, encryptionSpace, "CipherData", "CipherValue")
	if v == nil {
		return nil, errors.New("no cipher value")
	}
	return base64.StdEncoding.DecodeString(unspaced(text(v)))
}

// wrapping is how a key was encrypted. PKCS #1 of version 1.5 is not taken, here nor by AWS.
func wrapping(method *etree.Element) (*rsa.OAEPOptions, error) {
	o := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	switch algorithm(method) {
	case encryptionSpace + "rsa-oaep-mgf1p":
	case "http://www.w3.org/2009/xmlenc11#rsa-oaep":
		if mgf := algorithm(child(method, "http://www.w3.org/2009/xmlenc11#", "MGF")); mgf != "" {
			h, ok := map[string]crypto.Hash{
				"http://www.w3.org/2009/xmlenc11#mgf1sha1": crypto.SHA1, "http://www.w3.org/2009/xmlenc11#mgf1sha256": crypto.SHA256,
				"http://www.w3.org/2009/xmlenc11#mgf1sha384": crypto.SHA384, "http://www.w3.org/2009/xmlenc11#mgf1sha512": crypto.SHA512,
			}[mgf]
			if !ok {
				return nil, fmt.Errorf("mask generation %s is not known", mgf)
			}
			o.MGFHash = h
		}
	default:
		return nil, fmt.Errorf("key encryption %q is not known", algorithm(method))
	}
	if digest := algorithm(child(method, signatureSpace, "DigestMethod")); digest != "" {
		h, ok := map[string]crypto.Hash{
			signatureSpace + "sha1": crypto.SHA1, encryptionSpace + "sha256": crypto.SHA256,
			"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384, encryptionSpace + "sha512": crypto.SHA512,
		}[digest]
		if !ok {
			return nil, fmt.Errorf("digest %s is not known", digest)
		}
		o.Hash = h
	}
	return o, nil
}

// unseal decrypts data that begins with its initial vector or nonce.
func unseal(method string, key, text []byte) ([]byte, error) {
	sizes := map[string]int{
		encryptionSpace + "aes128-cbc": 16, encryptionSpace + "aes192-cbc": 24, encryptionSpace + "aes256-cbc": 32,
		"http://www.w3.org/2009/xmlenc11#aes128-gcm": 16, "http://www.w3.org/2009/xmlenc11#aes192-gcm": 24, "http://www.w3.org/2009/xmlenc11#aes256-gcm": 32,
	}
	if sizes[method] == 0 || len(key) != sizes[method] {
		return nil, fmt.Errorf("encryption %q with a key of %d bytes is not known", method, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if method[len(method)-3:] == "gcm" {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		if len(text) < aead.NonceSize() {
			return nil, errors.New("too short")
		}
		return aead.Open(nil, text[:aead.NonceSize()], text[aead.NonceSize():], nil)
	}
	if len(text) < 2*aes.BlockSize || len(text)%aes.BlockSize != 0 {
		return nil, errors.New("not whole blocks")
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, text[:aes.BlockSize]).CryptBlocks(plain, text[aes.BlockSize:])
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, errors.New("not padded")
	}
	return plain[:len(plain)-padding], nil
}
