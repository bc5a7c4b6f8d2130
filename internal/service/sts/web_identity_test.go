package sts_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation/federationtest"
	"github.com/obidos-cloud/obidos/internal/service/sts"
)

// trusting is a house whose account trusts an issuer that is really asked; it answers the provider's ARN.
func trusting(t *testing.T, mode auth.Mode, secure bool) (*house, *federationtest.Issuer, string) {
	h, issuer := start(t, mode), federationtest.StartIssuer(t, secure)
	host := issuer.URL[strings.Index(issuer.URL, "://")+3:]
	arn := "arn:aws:iam::" + account + ":oidc-provider/" + host
	h.openID[account+" "+issuer.URL] = sts.OpenIDProvider{ARN: arn, Clients: []string{"client", "party"}, Thumbprints: []string{issuer.Thumbprint}}
	return h, issuer, arn
}

func web(role, token string) *stsapi.AssumeRoleWithWebIdentityInput {
	return &stsapi.AssumeRoleWithWebIdentityInput{RoleArn: role, RoleSessionName: "pod-1", WebIdentityToken: token}
}

func TestWebIdentitiesThatAreNone(t *testing.T) {
	t.Parallel()
	h, issuer, arn := trusting(t, auth.IAM, true)
	ctx := as(t.Context(), aws.Principal{})
	stranger := federationtest.StartIssuer(t, false)
	gone := federationtest.StartIssuer(t, false)
	h.openID[account+" "+gone.URL] = sts.OpenIDProvider{ARN: arn, Clients: []string{"client"}}
	away := gone.Token(nil)
	gone.Close()
	unpinned := federationtest.StartIssuer(t, true)
	h.openID[account+" "+unpinned.URL] = sts.OpenIDProvider{ARN: arn, Clients: []string{"client"}}
	host := strings.TrimPrefix(issuer.URL, "https://")
	role := h.role(account, "pod", trust(`{"Federated":"`+arn+`"}`, `"StringEquals":{"`+host+`:sub":"user-1","`+host+`:aud":"client"}`, "sts:AssumeRoleWithWebIdentity"))
	untrusting := h.role(account, "closed", trust(`{"AWS":"`+account+`"}`, "", "sts:AssumeRole"))
	elsewhere := h.role(other, "elsewhere", trust(`{"Federated":"`+arn+`"}`, "", "sts:AssumeRoleWithWebIdentity"))
	now := time.Now().Unix()
	for _, c := range []struct{ name, role, token, want string }{
		{"no token", role, "token", "InvalidIdentityToken: The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"},
		{"no subject", role, issuer.Token(map[string]any{"sub": nil}), "InvalidIdentityToken: Missing a required claim: sub"},
		{"a secret of both", role, federationtest.Sign(t, jose.HS256, []byte(strings.Repeat("k", 32)), "1", map[string]any{"iss": issuer.URL}), "InvalidIdentityToken: The ID Token…"},
		{"of a stranger", role, stranger.Token(nil), "InvalidIdentityToken: No OpenIDConnect provider found in your account for " + stranger.URL},
		{"of a stranger in another account", elsewhere, issuer.Token(nil), "InvalidIdentityToken: No OpenIDConnect provider found in your account for " + issuer.URL},
		{"for another", role, issuer.Token(map[string]any{"aud": "other"}), "InvalidIdentityToken: Incorrect token audience"},
		{"by another party", role, issuer.Token(map[string]any{"azp": "other"}), "InvalidIdentityToken: Incorrect token audience"},
		{"signed by a stranger", role, stranger.Token(map[string]any{"iss": issuer.URL}), "InvalidIdentityToken: …"},
		{"over", role, issuer.Token(map[string]any{"iat": now - 100, "exp": now - 10}), "ExpiredTokenException: Token expired: current date/time …"},
		{"of an issuer that is away", role, away, "InvalidIdentityToken: Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"},
		{"of an issuer with another certificate", role, unpinned.Token(nil), "InvalidIdentityToken: OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"},
		{"of somebody else", role, issuer.Token(map[string]any{"sub": "user-2"}), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"by the right party, which the role does not trust", role, issuer.Token(map[string]any{"azp": "party"}), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"for a role that trusts others", untrusting, issuer.Token(nil), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"for a role that is not there", "arn:aws:iam::" + account + ":role/missing", issuer.Token(nil), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"for no role", "not-an-arn-of-anything", issuer.Token(nil), "ValidationError: not-an-arn-of-anything is invalid"},
		{"with tags, which the role does not trust to", role, issuer.Token(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}}), "AccessDenied: Not authorized to perform sts:TagSession"},
		{"with tags that are none", role, issuer.Token(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": 7.5, "b": []string{"c", "d"}}}}), "InvalidIdentityToken: …"},
		{"with a tag twice", role, issuer.Token(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": "1", "A": "2"}}}), "InvalidParameterValue: Duplicate tag keys found. …"},
		{"with a source identity", role, issuer.Token(map[string]any{"https://aws.amazon.com/source_identity": "alice"}), "AccessDenied: Not authorized to perform sts:SetSourceIdentity"},
		{"with a source identity that is none", role, issuer.Token(map[string]any{"https://aws.amazon.com/source_identity": "a b"}), `InvalidIdentityToken: Source Identity must match …`},
	} {
		out, err := h.AssumeRoleWithWebIdentity(ctx, web(c.role, c.token))
		if err == nil {
			t.Errorf("%s: %+v", c.name, out)
			continue
		}
		fails(t, c.name, err, c.want)
	}
	in := web(role, issuer.Token(nil))
	in.ProviderId = aws.Some("graph.facebook.com")
	_, err := h.AssumeRoleWithWebIdentity(ctx, in)
	fails(t, "an access token", err, "NotImplemented: …")
	in = web(role, issuer.Token(nil))
	in.DurationSeconds = aws.Some[int32](7201)
	_, err = h.AssumeRoleWithWebIdentity(ctx, in)
	fails(t, "too long", err, "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
}

func TestWebIdentity(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		h, issuer, arn := trusting(t, auth.IAM, secure)
		host := arn[strings.Index(arn, "oidc-provider/")+len("oidc-provider/"):]
		role := h.role(account, "pod", trust(`{"Federated":"`+arn+`"}`,
			`"StringEquals":{"`+host+`:sub":"user-1","`+host+`:aud":"party","`+host+`:email":"a@example.com","aws:RequestTag/Team":"a","sts:SourceIdentity":"alice","sts:RoleSessionName":"pod-1","aws:FederatedProvider":"`+arn+`"},
			"ForAnyValue:StringEquals":{"`+host+`:amr":"mfa"}`, "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"))
		token := issuer.Token(map[string]any{
			"azp": "party", "aud": []string{"x", "y"}, "email": "a@example.com", "amr": []string{"pwd", "mfa"}, "https://aws.amazon.com/source_identity": "alice",
			"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Team": []string{"a"}, "Cost": "7"}, "transitive_tag_keys": []string{"Team"}},
		})
		out, err := h.AssumeRoleWithWebIdentity(as(t.Context(), aws.Principal{}), web(role, token))
		if err != nil {
			t.Fatal(err)
		}
		if out.Provider.V != arn || out.Audience.V != "party" || out.SubjectFromWebIdentityToken.V != "user-1" || out.SourceIdentity.V != "alice" || out.AssumedRoleUser.Arn != "arn:aws:sts::"+account+":assumed-role/pod/pod-1" {
			t.Errorf("%+v", out)
		}
		s := h.bearer(out.Credentials).Session
		if s.Provider != arn || s.Claims[host+":sub"] != "user-1" || s.Tags["Team"] != "a" || s.Tags["Cost"] != "7" || len(s.TransitiveTags) != 1 || s.SourceIdentity != "alice" || s.Chained {
			t.Errorf("%+v", s)
		}
		// The other form of tags.
		token = issuer.Token(map[string]any{
			"azp": "party", "email": "a@example.com", "amr": "mfa", "https://aws.amazon.com/source_identity": "alice",
			"https://aws.amazon.com/tags/principal_tags/Team": []string{"a"}, "https://aws.amazon.com/tags/transitive_tag_keys": []string{"Team"},
		})
		out, err = h.AssumeRoleWithWebIdentity(as(t.Context(), h.bob()), web(role, token)) // whoever signs it does not matter
		if err != nil {
			t.Fatal(err)
		}
		if s := h.bearer(out.Credentials).Session; s.Tags["Team"] != "a" || len(s.TransitiveTags) != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// Where nobody is asked, a token is verified all the same; whom a role trusts is not.
func TestWebIdentityInOpenMode(t *testing.T) {
	t.Parallel()
	h, issuer, _ := trusting(t, auth.Open, false)
	ctx := as(t.Context(), h.root())
	if out, err := h.AssumeRoleWithWebIdentity(ctx, web("arn:aws:iam::"+account+":role/missing", issuer.Token(nil))); err != nil || h.bearer(out.Credentials).ARN != "arn:aws:sts::"+account+":assumed-role/missing/pod-1" {
		t.Errorf("%+v, %v", out, err)
	}
	_, err := h.AssumeRoleWithWebIdentity(ctx, web("arn:aws:iam::"+account+":role/missing", federationtest.StartIssuer(t, false).Token(nil)))
	fails(t, "a stranger", err, "InvalidIdentityToken: No OpenIDConnect provider found…")
}

const entity = "https://idp.example/saml"

func withSAML(t *testing.T) (h *house, p *federationtest.Provider, arn string) {
	h, p = start(t, auth.IAM), federationtest.NewProvider(t, entity)
	arn = "arn:aws:iam::" + account + ":saml-provider/idp"
	h.saml[arn] = sts.SAMLProvider{Metadata: p.Metadata}
	return h, p, arn
}

const attribute = "https://aws.amazon.com/SAML/Attributes/"

func asserted(pairs ...string) map[string][]string {
	m := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i]
		if !strings.Contains(name, ":oid:") {
			name = attribute + name
		}
		m[name] = append(m[name], pairs[i+1])
	}
	return m
}

func TestAssertionsThatAreRefused(t *testing.T) {
	t.Parallel()
	h, p, arn := withSAML(t)
	ctx := as(t.Context(), aws.Principal{})
	role := h.role(account, "staff", trust(`{"Federated":"`+arn+`"}`, `"StringEquals":{"saml:aud":"https://signin.aws.amazon.com/saml"}`, "sts:AssumeRoleWithSAML"))
	pair := role + "," + arn
	broken, sealed, keyless := arn+"-broken", arn+"-sealed", arn+"-keyless"
	h.saml[broken], h.saml[sealed], h.saml[keyless] = sts.SAMLProvider{Metadata: "<a/>"}, sts.SAMLProvider{Metadata: p.Metadata, Encrypted: true}, sts.SAMLProvider{Metadata: p.Metadata, Keys: []string{"x"}}
	denied := "AccessDenied: Not authorized to perform sts:AssumeRoleWithSAML"
	for _, c := range []struct {
		name     string
		provider string
		r        federationtest.Response
		want     string
	}{
		{"of no provider", "not-an-arn-of-anything", federationtest.Response{}, "ValidationError: not-an-arn-of-anything is invalid"},
		{"of a provider that is not there", arn + "x", federationtest.Response{}, "InvalidIdentityToken: Specified provider doesn't exist."},
		{"of a provider whose metadata is none", broken, federationtest.Response{}, "InvalidIdentityToken: The metadata…"},
		{"not encrypted", sealed, federationtest.Response{}, "InvalidIdentityToken: Your request included an invalid SAML response."},
		{"of a provider whose key is none", keyless, federationtest.Response{}, "InvalidIdentityToken: A private key…"},
		{"unsigned", arn, federationtest.Response{Unsigned: true}, "InvalidIdentityToken: Response signature invalid"},
		{"of another", arn, federationtest.Response{Issuer: "https://other.example"}, "InvalidIdentityToken: Issuer not present in specified provider"},
		{"old", arn, federationtest.Response{Issued: time.Now().Add(-6 * time.Minute)}, "ExpiredTokenException: Token must be redeemed within 5 minutes of issuance"},
		{"failed", arn, federationtest.Response{Status: "no"}, "InvalidIdentityToken: Your request included an invalid SAML response."},
		{"for others", arn, federationtest.Response{Audience: "https://signin.aws.amazon.com.evil.example/saml"}, "InvalidIdentityToken: Response does not contain the required audience."},
		{"for no role", arn, federationtest.Response{Attributes: asserted("RoleSessionName", "alice")}, denied},
		{"for another role", arn, federationtest.Response{Attributes: asserted("RoleSessionName", "alice", "Role", role+"x,"+arn)}, denied},
		{"by another provider", arn, federationtest.Response{Attributes: asserted("RoleSessionName", "alice", "Role", role+","+arn+"x")}, denied},
		{"for nobody", arn, federationtest.Response{Attributes: asserted("Role", pair)}, "InvalidIdentityToken: RoleSessionName is required in AuthnResponse"},
		{"for somebody without a name", arn, federationtest.Response{Attributes: asserted("Role", pair, "RoleSessionName", "a b")}, "InvalidIdentityToken: RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"},
		{"with a bad source identity", arn, federationtest.Response{Attributes: asserted("Role", pair, "RoleSessionName", "alice", "SourceIdentity", "aws:x")}, `InvalidIdentityToken: Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`},
		{"for a moment", arn, federationtest.Response{Attributes: asserted("Role", pair, "RoleSessionName", "alice", "SessionDuration", "10")}, "InvalidIdentityToken: SessionDuration…"},
		{"for too long", arn, federationtest.Response{Attributes: asserted("Role", pair, "RoleSessionName", "alice", "SessionDuration", "7201")}, "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"with tags, which the role does not trust to", arn, federationtest.Response{Attributes: asserted("Role", pair, "RoleSessionName", "alice", "PrincipalTag:a", "b")}, "AccessDenied: Not authorized to perform sts:TagSession"},
		{"for another place", arn, federationtest.Response{Recipient: "https://eu-west-1.signin.aws.amazon.com/saml", Attributes: asserted("Role", pair, "RoleSessionName", "alice")}, denied},
		{"of a session that is over", arn, federationtest.Response{Ends: time.Now().Add(-time.Second), Attributes: asserted("Role", pair, "RoleSessionName", "alice")}, "ExpiredTokenException: …"},
	} {
		_, err := h.AssumeRoleWithSAML(ctx, &stsapi.AssumeRoleWithSAMLInput{RoleArn: role, PrincipalArn: c.provider, SAMLAssertion: p.Sign(c.r)})
		fails(t, c.name, err, c.want)
	}
}

func TestAssumeRoleWithSAML(t *testing.T) {
	t.Parallel()
	h, p, arn := withSAML(t)
	ctx := as(t.Context(), aws.Principal{})
	role := h.role(account, "staff", trust(`{"Federated":"`+arn+`"}`,
		`"StringEquals":{"saml:aud":"https://signin.aws.amazon.com/saml","saml:sub":"alice","saml:sub_type":"persistent","saml:iss":"`+entity+`","saml:doc":"`+account+`/idp","aws:RequestTag/Team":"a"},
		"ForAnyValue:StringEquals":{"saml:edupersonaffiliation":"staff"}`, "sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"))
	response := p.Sign(federationtest.Response{Attributes: asserted(
		"Role", "arn:aws:iam::111111111111:role/x,"+arn, "Role", arn+" , "+role, "RoleSessionName", "alice@example.com", "SessionDuration", "7200", "SourceIdentity", "alice",
		"PrincipalTag:Team", "a", "PrincipalTag:Cost", "7", "TransitiveTagKeys", "Team", "urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "member", "urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "staff",
	)})
	out, err := h.AssumeRoleWithSAML(ctx, &stsapi.AssumeRoleWithSAMLInput{RoleArn: role, PrincipalArn: arn, SAMLAssertion: response})
	if err != nil {
		t.Fatal(err)
	}
	if out.Subject.V != "alice" || out.SubjectType.V != "persistent" || out.Issuer.V != entity || out.Audience.V != "https://signin.aws.amazon.com/saml" || out.NameQualifier.V == "" || out.SourceIdentity.V != "alice" {
		t.Errorf("%+v", out)
	}
	if !out.Credentials.Expiration.Equal(h.clock.Now().Add(2 * time.Hour)) {
		t.Errorf("ends %v", out.Credentials.Expiration)
	}
	s := h.bearer(out.Credentials).Session
	if s.Name != "alice@example.com" || s.Tags["Team"] != "a" || s.Tags["Cost"] != "7" || len(s.TransitiveTags) != 1 || s.Provider != arn || s.Claims["saml:sub"] != "alice" {
		t.Errorf("%+v", s)
	}
	// Encrypted, where the provider has the key.
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h.saml[arn] = sts.SAMLProvider{Metadata: p.Metadata, Encrypted: true, Keys: []string{string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))}}
	response = p.Sign(federationtest.Response{For: &key.PublicKey, Attributes: asserted("Role", role+","+arn, "RoleSessionName", "alice", "PrincipalTag:Team", "a", "urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "staff")})
	if _, err = h.AssumeRoleWithSAML(ctx, &stsapi.AssumeRoleWithSAMLInput{RoleArn: role, PrincipalArn: arn, SAMLAssertion: response}); err != nil {
		t.Error(err)
	}
	h.saml[arn] = sts.SAMLProvider{Metadata: p.Metadata}
	// No longer than the provider's own session.
	response = p.Sign(federationtest.Response{Ends: time.Now().Add(30 * time.Minute), Attributes: asserted("Role", role+","+arn, "RoleSessionName", "alice", "PrincipalTag:Team", "a", "urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "staff")})
	out, err = h.AssumeRoleWithSAML(ctx, &stsapi.AssumeRoleWithSAMLInput{RoleArn: role, PrincipalArn: arn, SAMLAssertion: response})
	if err != nil || out.Credentials.Expiration.After(h.clock.Now().Add(31*time.Minute)) {
		t.Errorf("%+v, %v", out, err)
	}
}

// A session that came from a provider is known by it in later decisions.
func TestProvidersInLaterDecisions(t *testing.T) {
	t.Parallel()
	h, issuer, arn := trusting(t, auth.IAM, false)
	host := strings.TrimPrefix(issuer.URL, "http://")
	role := h.role(account, "pod", trust(`{"Federated":"`+arn+`"}`, "", "sts:AssumeRoleWithWebIdentity"))
	next := h.role(account, "next", trust(`{"AWS":"`+account+`"}`, `"StringEquals":{"`+host+`:sub":"user-1"}`, "sts:AssumeRole"))
	out, err := h.AssumeRoleWithWebIdentity(as(t.Context(), aws.Principal{}), web(role, issuer.Token(nil)))
	if err != nil {
		t.Fatal(err)
	}
	p := h.bearer(out.Credentials)
	if _, err := h.AssumeRole(as(t.Context(), p), assume(next)); err != nil {
		t.Error(err)
	}
}
