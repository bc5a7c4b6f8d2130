package federationtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Provider is a SAML provider.
type Provider struct {
	Entity   string
	Metadata string

	t   testing.TB
	key *ecdsa.PrivateKey
	der []byte
}

// NewProvider is a provider with a key of its own.
func NewProvider(t testing.TB, entity string) *Provider {
	p := &Provider{Entity: entity, t: t}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: entity},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
	if p.der, err = x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key); err != nil {
		t.Fatal(err)
	}
	p.Metadata = fmt.Sprintf(`<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID=%q>
 <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>
%s
  </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
  <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/sso"/>
 </md:IDPSSODescriptor>
</md:EntityDescriptor>`, entity, base64.StdEncoding.EncodeToString(p.der))
	return p
}

// Response is what an authentication response says. The zero value is one of "alice" for AWS, issued now, that holds for five minutes.
type Response struct {
	Issuer     string // the provider's where empty
	Subject    string
	Format     string
	Audience   string
	Recipient  string
	Issued     time.Time
	Lasts      time.Duration
	Ends       time.Time // of the session; none where zero
	Status     string
	Attributes map[string][]string
	Whole      bool // the response is signed, not the assertion
	Unsigned   bool
	For        *rsa.PublicKey                           // the assertion is encrypted for it
	Cipher     string                                   // "aes256-gcm" where empty, or "aes128-cbc"
	Edit       func(assertion *etree.Element)           // before it is signed
	Wrap       func(response, assertion *etree.Element) // after it was signed
}

func or(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// Sign is r in base64.
func (p *Provider) Sign(r Response) string {
	issued := r.Issued
	if issued.IsZero() {
		issued = time.Now()
	}
	if r.Lasts == 0 {
		r.Lasts = 5 * time.Minute
	}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	var b strings.Builder
	fmt.Fprintf(&b, `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" IssueInstant="%s" Destination="https://signin.aws.amazon.com/saml">`, at(issued))
	fmt.Fprintf(&b, `<saml:Issuer>%s</saml:Issuer><samlp:Status><samlp:StatusCode Value="%s"/></samlp:Status>`, or(r.Issuer, p.Entity), or(r.Status, "urn:oasis:names:tc:SAML:2.0:status:Success"))
	fmt.Fprintf(&b, `<saml:Assertion ID="_assertion" Version="2.0" IssueInstant="%s"><saml:Issuer>%s</saml:Issuer>`, at(issued), or(r.Issuer, p.Entity))
	fmt.Fprintf(&b, `<saml:Subject><saml:NameID Format="%s">%s</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`, or(r.Format, "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"), or(r.Subject, "alice"))
	fmt.Fprintf(&b, `<saml:SubjectConfirmationData NotOnOrAfter="%s" Recipient="%s"/></saml:SubjectConfirmation></saml:Subject>`, at(issued.Add(r.Lasts)), or(r.Recipient, "https://signin.aws.amazon.com/saml"))
	fmt.Fprintf(&b, `<saml:Conditions NotBefore="%s" NotOnOrAfter="%s"><saml:AudienceRestriction><saml:Audience>%s</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
		at(issued.Add(-time.Minute)), at(issued.Add(r.Lasts)), or(r.Audience, "urn:amazon:webservices"))
	ends := ""
	if !r.Ends.IsZero() {
		ends = fmt.Sprintf(` SessionNotOnOrAfter="%s"`, at(r.Ends))
	}
	fmt.Fprintf(&b, `<saml:AuthnStatement AuthnInstant="%s"%s/><saml:AttributeStatement>`, at(issued), ends)
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		fmt.Fprintf(&b, `<saml:Attribute Name="%s">`, name)
		for _, v := range r.Attributes[name] {
			fmt.Fprintf(&b, `<saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">%s</saml:AttributeValue>`, v)
		}
		b.WriteString(`</saml:Attribute>`)
	}
	b.WriteString(`</saml:AttributeStatement></saml:Assertion></samlp:Response>`)
	doc := etree.NewDocument()
	if err := doc.ReadFromString(b.String()); err != nil {
		p.t.Fatal(err)
	}
	response := doc.Root()
	assertion := response.ChildElements()[2]
	if r.Edit != nil {
		r.Edit(assertion)
	}
	if r.For != nil && r.Whole {
		p.encrypt(r, response, assertion)
	}
	switch {
	case r.Unsigned:
	case r.Whole:
		response = p.sign(response)
		doc.SetRoot(response)
		if r.For == nil {
			assertion = response.FindElement("./saml:Assertion")
		}
	default:
		at := assertion.Index()
		response.RemoveChildAt(at)
		assertion.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
		assertion = p.sign(assertion)
		response.InsertChildAt(at, assertion)
	}
	if r.For != nil && !r.Whole {
		p.encrypt(r, response, assertion)
	}
	if r.Wrap != nil {
		r.Wrap(response, assertion)
	}
	text, err := doc.WriteToBytes()
	if err != nil {
		p.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func (p *Provider) sign(e *etree.Element) *etree.Element {
	c, err := dsig.NewSigningContext(p.key, [][]byte{p.der})
	if err != nil {
		p.t.Fatal(err)
	}
	c.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := c.SetSignatureMethod(dsig.ECDSASHA256SignatureMethod); err != nil {
		p.t.Fatal(err)
	}
	signed, err := c.SignEnveloped(e)
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

// encrypt puts the assertion's encrypted form in its place.
func (p *Provider) encrypt(r Response, response, assertion *etree.Element) {
	doc := etree.NewDocument()
	alone := assertion.Copy()
	alone.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:2.0:assertion")
	doc.SetRoot(alone)
	plain, err := doc.WriteToBytes()
	if err != nil {
		p.t.Fatal(err)
	}
	method, key, text := "http://www.w3.org/2009/xmlenc11#aes256-gcm", make([]byte, 32), make([]byte, 12)
	if r.Cipher == "aes128-cbc" {
		method, key, text = "http://www.w3.org/2001/04/xmlenc#aes128-cbc", key[:16], make([]byte, 16)
	}
	rand.Read(key)
	rand.Read(text)
	block, err := aes.NewCipher(key)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.Cipher == "aes128-cbc" {
		n := 16 - len(plain)%16
		plain = append(plain, bytes.Repeat([]byte{byte(n)}, n)...)
		sealed := make([]byte, len(plain))
		cipher.NewCBCEncrypter(block, text).CryptBlocks(sealed, plain)
		text = append(text, sealed...)
	} else {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			p.t.Fatal(err)
		}
		text = aead.Seal(text, text, plain, nil)
	}
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, r.For, key, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString
	doc = etree.NewDocument()
	if err := doc.ReadFromString(`<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="` + method + `"/>` +
		`<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"/><xenc:CipherData><xenc:CipherValue>` + encoded(wrapped) +
		`</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>` + encoded(text) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>`); err != nil {
		p.t.Fatal(err)
	}
	at := assertion.Index()
	response.RemoveChildAt(at)
	response.InsertChildAt(at, doc.Root())
}
