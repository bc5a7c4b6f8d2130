package federation

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// XML's namespaces.
const (
	protocolSpace  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionSpace = "urn:oasis:names:tc:SAML:2.0:assertion"
	metadataSpace  = "urn:oasis:names:tc:SAML:2.0:metadata"
)

const (
	success = "urn:oasis:names:tc:SAML:2.0:status:Success"
	bearer  = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

// Provider is what a SAML provider's metadata says of it.
type Provider struct {
	Entity       string // its entityID
	Certificates []*x509.Certificate
	Until        time.Time // when what it says ends; zero where it does not say

	// What the metadata does not say:
	Keys      []*rsa.PrivateKey // to decrypt assertions with
	Encrypted bool              // assertions must be
}

// ReadProvider reads the metadata of a SAML provider. The error is ErrMalformed.
func ReadProvider(metadata string) (*Provider, error) {
	var entity struct {
		XMLName xml.Name
		ID      string `xml:"entityID,attr"`
		Until   string `xml:"validUntil,attr"`
		Roles   []struct {
			Keys []struct {
				Use          string   `xml:"use,attr"`
				Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
	}
	if err := xml.Unmarshal([]byte(metadata), &entity); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if entity.XMLName != (xml.Name{Space: metadataSpace, Local: "EntityDescriptor"}) || entity.ID == "" {
		return nil, fmt.Errorf("%w: metadata is an EntityDescriptor with an entityID", ErrMalformed)
	}
	p := &Provider{Entity: entity.ID}
	if entity.Until != "" {
		until, err := time.Parse(time.RFC3339Nano, entity.Until)
		if err != nil {
			return nil, fmt.Errorf("%w: validUntil: %w", ErrMalformed, err)
		}
		p.Until = until
	}
	for _, role := range entity.Roles {
		for _, k := range role.Keys {
			if k.Use != "" && k.Use != "signing" {
				continue
			}
			for _, text := range k.Certificates {
				der, err := base64.StdEncoding.DecodeString(unspaced(text))
				if err != nil {
					return nil, fmt.Errorf("%w: certificate: %w", ErrMalformed, err)
				}
				c, err := x509.ParseCertificate(der)
				if err != nil {
					return nil, fmt.Errorf("%w: certificate: %w", ErrMalformed, err)
				}
				p.Certificates = append(p.Certificates, c)
			}
		}
	}
	if len(p.Certificates) == 0 {
		return nil, fmt.Errorf("%w: metadata names no certificate that signs", ErrMalformed)
	}
	return p, nil
}

func unspaced(s string) string { return strings.Join(strings.Fields(s), "") }

// Assertion is what a SAML assertion says.
type Assertion struct {
	Issuer     string
	Subject    string // the NameID
	Format     string // of the NameID
	Recipient  string
	Audience   []string // empty where it is for everybody
	Issued     time.Time
	Ends       time.Time // SessionNotOnOrAfter; zero where it says none
	Attributes map[string][]string
}

// Verify reads an authentication response (in base64) whose response or assertion p has signed. The errors are those of the package.
func (p *Provider) Verify(response string, now time.Time) (*Assertion, error) {
	text, err := base64.StdEncoding.DecodeString(unspaced(response))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, t := range doc.Child {
		if _, ok := t.(*etree.Directive); ok {
			return nil, fmt.Errorf("%w: a document type", ErrMalformed)
		}
	}
	root := doc.Root()
	if root == nil || !is(root, protocolSpace, "Response") {
		return nil, fmt.Errorf("%w: not a Response", ErrMalformed)
	}
	if status := descend(root, protocolSpace, "Status", "StatusCode"); status == nil || status.SelectAttrValue("Value", "") != success {
		return nil, fmt.Errorf("%w: its status is not success", ErrMalformed)
	}
	signed, err := p.signedAssertion(root, now)
	if err != nil {
		return nil, err
	}
	return p.read(signed, now)
}

// signedAssertion is the one assertion of a response, as it was signed: parsed from the very bytes that the signature covers.
func (p *Provider) signedAssertion(root *etree.Element, now time.Time) (*etree.Element, error) {
	if signed, err := p.verified(root, now); err == nil {
		return p.only(signed)
	}
	assertion, err := p.only(root)
	if err != nil {
		return nil, err
	}
	around, err := etreeutils.NSBuildParentContext(assertion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	alone, err := etreeutils.NSDetatch(around, assertion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	signed, err := p.verified(alone, now)
	if err != nil {
		return nil, err
	}
	if !is(signed, assertionSpace, "Assertion") {
		return nil, ErrSignature
	}
	return signed, nil
}

// only is the assertion of a response, decrypted where it is not plain: there must be one and no other.
func (p *Provider) only(response *etree.Element) (*etree.Element, error) {
	if !is(response, protocolSpace, "Response") {
		return nil, ErrSignature
	}
	plain, sealed := children(response, assertionSpace, "Assertion"), children(response, assertionSpace, "EncryptedAssertion")
	switch {
	case len(plain)+len(sealed) != 1:
		return nil, fmt.Errorf("%w: %d assertions", ErrMalformed, len(plain)+len(sealed))
	case len(sealed) == 1:
		return p.decrypt(sealed[0])
	case p.Encrypted:
		return nil, fmt.Errorf("%w: its assertion is not encrypted", ErrMalformed)
	}
	return plain[0], nil
}

// verified is e as one of p's certificates signed it. What the signature says of its key is not asked: only p's keys count.
func (p *Provider) verified(e *etree.Element, now time.Time) (*etree.Element, error) {
	var signature *etree.Element
	e = e.Copy()
	for _, c := range e.ChildElements() {
		if is(c, dsig.Namespace, "Signature") {
			if signature != nil {
				return nil, ErrSignature
			}
			signature = c
		}
	}
	if signature == nil {
		return nil, fmt.Errorf("%w: not signed", ErrSignature)
	}
	for _, c := range signature.ChildElements() {
		if c.Tag == "KeyInfo" {
			signature.RemoveChild(c)
		}
	}
	err := error(ErrSignature)
	for _, c := range p.Certificates {
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		v.Clock = dsig.NewFakeClockAt(now)
		var signed *etree.Element
		if signed, err = v.Validate(e); err == nil && signed != nil {
			return signed, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrSignature, err)
}

// read is what a signed assertion says, where it holds now.
func (p *Provider) read(e *etree.Element, now time.Time) (*Assertion, error) {
	a := &Assertion{Issuer: text(child(e, assertionSpace, "Issuer")), Attributes: map[string][]string{}}
	if a.Issuer != p.Entity {
		return nil, fmt.Errorf("%w: %s", ErrIssuer, a.Issuer)
	}
	var err error
	if a.Issued, err = moment(e, "IssueInstant"); err != nil || a.Issued.IsZero() {
		return nil, fmt.Errorf("%w: IssueInstant", ErrMalformed)
	}
	if a.Issued.After(now.Add(skew)) {
		return nil, ErrEarly
	}
	if now.Sub(a.Issued) > skew {
		return nil, ErrExpired
	}
	if c := child(e, assertionSpace, "Conditions"); c != nil {
		if err := within(c, now); err != nil {
			return nil, err
		}
		for _, r := range children(c, assertionSpace, "AudienceRestriction") {
			for _, to := range children(r, assertionSpace, "Audience") {
				a.Audience = append(a.Audience, text(to))
			}
		}
	}
	subject := child(e, assertionSpace, "Subject")
	if subject == nil {
		return nil, fmt.Errorf("%w: no subject", ErrMalformed)
	}
	if id := child(subject, assertionSpace, "NameID"); id != nil {
		a.Subject, a.Format = text(id), id.SelectAttrValue("Format", "")
	}
	if a.Recipient, err = confirmed(subject, now); err != nil {
		return nil, err
	}
	for _, s := range children(e, assertionSpace, "AuthnStatement") {
		if a.Ends, err = moment(s, "SessionNotOnOrAfter"); err != nil {
			return nil, err
		}
	}
	for _, s := range children(e, assertionSpace, "AttributeStatement") {
		for _, attribute := range children(s, assertionSpace, "Attribute") {
			name := attribute.SelectAttrValue("Name", "")
			for _, v := range children(attribute, assertionSpace, "AttributeValue") {
				a.Attributes[name] = append(a.Attributes[name], text(v))
			}
		}
	}
	return a, nil
}

// confirmed is for whom a bearer of the assertion may use it, where one of its confirmations holds now.
func confirmed(subject *etree.Element, now time.Time) (recipient string, err error) {
	err = fmt.Errorf("%w: no bearer is confirmed", ErrMalformed)
	for _, c := range children(subject, assertionSpace, "SubjectConfirmation") {
		data := child(c, assertionSpace, "SubjectConfirmationData")
		if data == nil || c.SelectAttrValue("Method", "") != bearer || data.SelectAttrValue("NotOnOrAfter", "") == "" {
			continue
		}
		if err = within(data, now); err == nil {
			return data.SelectAttrValue("Recipient", ""), nil
		}
	}
	return "", err
}

// within holds now to the NotBefore and NotOnOrAfter of e.
func within(e *etree.Element, now time.Time) error {
	from, err := moment(e, "NotBefore")
	if err != nil {
		return err
	}
	if from.After(now.Add(skew)) {
		return ErrEarly
	}
	to, err := moment(e, "NotOnOrAfter")
	if err != nil {
		return err
	}
	if !to.IsZero() && !now.Before(to) {
		return ErrExpired
	}
	return nil
}

// moment is an attribute that is a time, zero where it is not there.
func moment(e *etree.Element, name string) (time.Time, error) {
	s := e.SelectAttrValue(name, "")
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
	return t, nil
}

func is(e *etree.Element, space, tag string) bool { return e.Tag == tag && e.NamespaceURI() == space }

func children(e *etree.Element, space, tag string) (all []*etree.Element) {
	for _, c := range e.ChildElements() {
		if is(c, space, tag) {
			all = append(all, c)
		}
	}
	return all
}

// child is the first such child, nil where there is none.
func child(e *etree.Element, space, tag string) *etree.Element {
	if all := children(e, space, tag); len(all) > 0 {
		return all[0]
	}
	return nil
}

func descend(e *etree.Element, space string, tags ...string) *etree.Element {
	for _, tag := range tags {
		if e = child(e, space, tag); e == nil {
			return nil
		}
	}
	return e
}

// text is all of the text in e: a comment in the middle of a name must not cut it short.
func text(e *etree.Element) string {
	if e == nil {
		return ""
	}
	var b strings.Builder
	for _, t := range e.Child {
		if c, ok := t.(*etree.CharData); ok {
			b.WriteString(c.Data)
		}
	}
	return strings.TrimSpace(b.String())
}
