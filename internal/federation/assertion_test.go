package federation_test

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/federation/federationtest"
)

const entity = "https://idp.example/saml"

func provider(t testing.TB) (*federationtest.Provider, *federation.Provider) {
	signing := federationtest.NewProvider(t, entity)
	p, err := federation.ReadProvider(signing.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	return signing, p
}

func TestMetadataThatIsNone(t *testing.T) {
	t.Parallel()
	good := federationtest.NewProvider(t, entity).Metadata
	for _, bad := range []string{
		"", "x", "<a/>", `<EntityDescriptor entityID="x"/>`,
		strings.Replace(good, `entityID=`, `id=`, 1),
		strings.Replace(good, `use="signing"`, `use="encryption"`, 1),
		strings.Replace(good, "<ds:X509Certificate>", "<ds:X509Certificate>AAAA", 1),
		strings.Replace(good, "<ds:X509Certificate>", "<ds:X509Certificate>!", 1),
	} {
		if p, err := federation.ReadProvider(bad); !errors.Is(err, federation.ErrMalformed) {
			t.Errorf("%.80q: %+v, %v", bad, p, err)
		}
	}
}

func TestAssertionsThatDoNotHold(t *testing.T) {
	t.Parallel()
	signing, p := provider(t)
	stranger, _ := provider(t)
	now := time.Now()
	for _, bad := range []struct {
		why  string
		r    federationtest.Response
		want error
	}{
		{"unsigned", federationtest.Response{Unsigned: true}, federation.ErrSignature},
		{"of another issuer", federationtest.Response{Issuer: "https://other.example"}, federation.ErrIssuer},
		{"old", federationtest.Response{Issued: now.Add(-6 * time.Minute), Lasts: time.Hour}, federation.ErrExpired},
		{"over", federationtest.Response{Issued: now.Add(-2 * time.Minute), Lasts: time.Minute}, federation.ErrExpired},
		{"of tomorrow", federationtest.Response{Issued: now.Add(24 * time.Hour)}, federation.ErrEarly},
		{"refused", federationtest.Response{Status: "urn:oasis:names:tc:SAML:2.0:status:Responder"}, federation.ErrMalformed},
		{"altered", federationtest.Response{Wrap: func(_, a *etree.Element) { a.FindElement("//saml:NameID").SetText("root") }}, federation.ErrSignature},
		{"altered, the response signed", federationtest.Response{Whole: true, Wrap: func(_, a *etree.Element) { a.FindElement("//saml:NameID").SetText("root") }}, federation.ErrSignature},
		{"without a confirmation", federationtest.Response{Edit: func(a *etree.Element) {
			s := a.FindElement("//saml:Subject")
			s.RemoveChild(s.FindElement("./saml:SubjectConfirmation"))
		}}, federation.ErrMalformed},
		{"confirmed otherwise", federationtest.Response{Edit: func(a *etree.Element) {
			a.FindElement("//saml:SubjectConfirmation").CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
		}}, federation.ErrMalformed},
	} {
		if a, err := p.Verify(signing.Sign(bad.r), now); !errors.Is(err, bad.want) {
			t.Errorf("%s: %+v, %v, want %v", bad.why, a, err, bad.want)
		}
	}
	if _, err := p.Verify(stranger.Sign(federationtest.Response{}), now); !errors.Is(err, federation.ErrSignature) {
		t.Errorf("signed by a stranger: %v", err)
	}
	for _, bad := range []string{"", "!", "AAAA", base64.StdEncoding.EncodeToString([]byte("<a/>")), base64.StdEncoding.EncodeToString([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))} {
		if _, err := p.Verify(bad, now); !errors.Is(err, federation.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A signed assertion somewhere in a document does not vouch for another one.
func TestWrappedAssertions(t *testing.T) {
	t.Parallel()
	signing, p := provider(t)
	evil := func(a *etree.Element) *etree.Element {
		e := a.Copy()
		e.CreateAttr("ID", "_evil")
		e.FindElement("//saml:NameID").SetText("root")
		if s := e.FindElement("./ds:Signature"); s != nil {
			e.RemoveChild(s)
		}
		return e
	}
	for why, wrap := range map[string]func(response, assertion *etree.Element){
		"before it": func(r, a *etree.Element) { r.InsertChildAt(a.Index(), evil(a)) },
		"behind it": func(r, a *etree.Element) { r.AddChild(evil(a)) },
		"around it": func(r, a *etree.Element) { e := evil(a); r.RemoveChild(a); e.AddChild(a); r.AddChild(e) },
		"in extensions": func(r, a *etree.Element) {
			e := evil(a)
			r.RemoveChild(a)
			r.CreateElement("samlp:Extensions").AddChild(a)
			r.AddChild(e)
		},
		"with its signature": func(r, a *etree.Element) {
			e := evil(a)
			s := a.FindElement("./ds:Signature").Copy()
			e.AddChild(s)
			r.RemoveChild(a)
			s.CreateElement("ds:Object").AddChild(a)
			r.AddChild(e)
		},
		"with its id": func(r, a *etree.Element) {
			e := evil(a)
			e.CreateAttr("ID", "_assertion")
			s := a.FindElement("./ds:Signature").Copy()
			e.AddChild(s)
			r.RemoveChild(a)
			s.CreateElement("ds:Object").AddChild(a)
			r.AddChild(e)
		},
		"in place of it": func(r, a *etree.Element) {
			e := evil(a)
			e.AddChild(a.FindElement("./ds:Signature").Copy())
			r.RemoveChild(a)
			r.AddChild(e)
		},
	} {
		for _, whole := range []bool{false, true} {
			if whole && strings.Contains(why, "signature") || whole && (why == "with its id" || why == "in place of it") {
				continue // there the response has it
			}
			a, err := p.Verify(signing.Sign(federationtest.Response{Whole: whole, Wrap: wrap}), time.Now())
			if err == nil || a != nil {
				t.Errorf("%s: %+v, %v", why, a, err)
			}
		}
	}
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	signing, p := provider(t)
	ends := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	for _, whole := range []bool{false, true} {
		a, err := p.Verify(signing.Sign(federationtest.Response{Whole: whole, Ends: ends, Attributes: map[string][]string{"Role": {"a", " b "}, "empty": {""}}}), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if a.Issuer != entity || a.Subject != "alice" || a.Format != "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" || a.Recipient != "https://signin.aws.amazon.com/saml" ||
			len(a.Audience) != 1 || !a.Ends.Equal(ends) || strings.Join(a.Attributes["Role"], ",") != "a,b" || len(a.Attributes["empty"]) != 1 {
			t.Errorf("%+v", a)
		}
	}
	// A comment does not cut a name short, and what stands behind the signature in its place does not count.
	a, err := p.Verify(signing.Sign(federationtest.Response{Wrap: func(_, a *etree.Element) {
		id := a.FindElement("//saml:NameID")
		id.SetText("")
		id.CreateText("al")
		id.CreateComment("x")
		id.CreateText("ice")
	}}), time.Now())
	if err != nil || a.Subject != "alice" {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzVerifyAssertion(f *testing.F) {
	signing, p := provider(f)
	key := rsaKey(f)
	p.Keys = []*rsa.PrivateKey{key}
	for _, r := range []federationtest.Response{{}, {For: &key.PublicKey}} {
		text, _ := base64.StdEncoding.DecodeString(signing.Sign(r))
		f.Add(text)
	}
	f.Add([]byte(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></samlp:Response>`))
	at := time.Now()
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := p.Verify(base64.StdEncoding.EncodeToString(text), at)
		if err == nil && (a.Subject != "alice" || a.Issuer != entity) {
			t.Errorf("%s: %+v", text, a)
		}
	})
}

func FuzzReadProvider(f *testing.F) {
	f.Add(federationtest.NewProvider(f, entity).Metadata)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := federation.ReadProvider(text); err == nil && (p.Entity == "" || len(p.Certificates) == 0) {
			t.Errorf("%q: %+v", text, p)
		}
	})
}
