package sts

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// attribute is the prefix of the attributes by which a provider says what the session is to be like.
const attribute = "https://aws.amazon.com/SAML/Attributes/"

// attributeKeys are the condition keys of attributes, by what follows urn:oid: in their names.
func attributeKeys() map[string]string {
	keys := map[string]string{"2.5.4.3": "saml:cn"}
	for i, name := range []string{
		"affiliation", "nickname", "orgdn", "orgunitdn", "primaryaffiliation", "principalname", "entitlement", "primaryorgunitdn", "scopedaffiliation", "targetedid", "assurance",
	} {
		keys["1.3.6.1.4.1.5923.1.1.1."+strconv.Itoa(i+1)] = "saml:eduperson" + name
	}
	for i, name := range []string{"homepageuri", "identityauthnpolicyuri", "legalname", "superioruri", "whitepagesuri"} {
		keys["1.3.6.1.4.1.5923.1.2.1."+strconv.Itoa(i+2)] = "saml:eduorg" + name
	}
	return keys
}

// AssumeRoleWithSAML is sts:AssumeRoleWithSAML.
func (s *Service) AssumeRoleWithSAML(ctx context.Context, in *stsapi.AssumeRoleWithSAMLInput) (*stsapi.AssumeRoleWithSAMLOutput, error) {
	a := &assumption{operation: operation("AssumeRoleWithSAML"), lasts: in.DurationSeconds, size: in.MinimumSessionTokenSize}
	var err error
	if a.role, err = s.findRole(ctx, in.RoleArn); err != nil {
		return nil, err
	}
	provider, ok := aws.ParseARN(in.PrincipalArn)
	if !ok {
		return nil, errInvalid.New("%s is invalid", in.PrincipalArn)
	}
	if a.policies, err = s.readPolicies(ctx, a.role.arn.Account, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	said, err := s.verifyAssertion(ctx, in.PrincipalArn, in.SAMLAssertion)
	if err != nil {
		return nil, err
	}
	a.bearer = &policy.Principal{Kind: policy.SAML, Provider: in.PrincipalArn}
	if !mayBe(said.Attributes[attribute+"Role"], in.RoleArn, in.PrincipalArn) {
		return nil, s.denied(ctx, a, a.operation.Action())
	}
	if err := a.trustAssertion(said, in.PrincipalArn, provider); err != nil {
		return nil, err
	}
	i, size, err := s.assume(ctx, a)
	if err != nil {
		return nil, err
	}
	text := func(key string) aws.Opt[string] { return aws.NonZero(a.session.Claims[key]) }
	return &stsapi.AssumeRoleWithSAMLOutput{
		Credentials: i.credentials, AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: i.principal.UserID, Arn: i.principal.ARN},
		Subject: text("saml:sub"), SubjectType: text("saml:sub_type"), Issuer: text("saml:iss"), Audience: text("saml:aud"), NameQualifier: text("saml:namequalifier"),
		PackedPolicySize: size, SourceIdentity: aws.NonZero(a.source), SessionTokenUtilization: i.utilization, SessionTokenSize: i.size,
	}, nil
}

// verifyAssertion proves an authentication response with what the account knows of its provider.
func (s *Service) verifyAssertion(ctx context.Context, arn, response string) (*federation.Assertion, error) {
	var (
		provider SAMLProvider
		ok       bool
		err      error
	)
	if s.o.Providers != nil {
		if provider, ok, err = s.o.Providers.SAMLProvider(ctx, arn); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, stsapi.InvalidIdentityTokenException("Specified provider doesn't exist.")
	}
	p, err := federation.ReadProvider(provider.Metadata)
	if err != nil {
		return nil, stsapi.InvalidIdentityTokenException("The metadata of the specified provider cannot be read.").Because(err)
	}
	p.Encrypted = provider.Encrypted
	for _, text := range provider.Keys {
		k, err := federation.ReadPrivateKey(text)
		if err != nil {
			return nil, stsapi.InvalidIdentityTokenException("A private key of the specified provider cannot be read.").Because(err)
		}
		p.Keys = append(p.Keys, k)
	}
	said, err := p.Verify(response, s.o.World())
	switch {
	case err == nil:
	case errors.Is(err, federation.ErrSignature):
		return nil, stsapi.InvalidIdentityTokenException("Response signature invalid").Because(err)
	case errors.Is(err, federation.ErrIssuer):
		return nil, stsapi.InvalidIdentityTokenException("Issuer not present in specified provider").Because(err)
	case errors.Is(err, federation.ErrExpired):
		return nil, stsapi.ExpiredTokenException("Token must be redeemed within 5 minutes of issuance").Because(err)
	default:
		return nil, stsapi.InvalidIdentityTokenException("Your request included an invalid SAML response.").Because(err)
	}
	if !slices.ContainsFunc(said.Audience, isAudience) {
		return nil, stsapi.InvalidIdentityTokenException("Response does not contain the required audience.")
	}
	return said, nil
}

// isAudience reports whether s is a name of AWS as a relying party: of all of it, of a region or of one provider.
func isAudience(s string) bool {
	if s == "urn:amazon:webservices" || strings.HasPrefix(s, "urn:amazon:webservices:") {
		return true
	}
	rest, ok := strings.CutPrefix(s, "https://")
	host, path, _ := strings.Cut(rest, "/")
	if !ok || path != "saml" && !strings.HasPrefix(path, "saml/") {
		return false
	}
	for _, name := range []string{"signin.aws.amazon.com", "signin.amazonaws.cn", "signin.amazonaws-us-gov.com"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}

// mayBe reports whether one of the pairs that the provider has for its user is that role and that provider, in either order.
func mayBe(pairs []string, role, provider string) bool {
	for _, pair := range pairs {
		a, b, _ := strings.Cut(pair, ",")
		a, b = strings.TrimSpace(a), strings.TrimSpace(b)
		if a == role && b == provider || a == provider && b == role {
			return true
		}
	}
	return false
}

// trustAssertion is what the assertion says for the trust policy and the session.
func (a *assumption) trustAssertion(said *federation.Assertion, arn string, provider aws.ARN) error {
	names := said.Attributes[attribute+"RoleSessionName"]
	if len(names) != 1 {
		return stsapi.InvalidIdentityTokenException("RoleSessionName is required in AuthnResponse")
	}
	if a.name = names[0]; !isName(a.name) {
		return stsapi.InvalidIdentityTokenException("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
	}
	if v := said.Attributes[attribute+"SourceIdentity"]; len(v) > 0 {
		if len(v) != 1 || !isSourceIdentity(v[0]) {
			return stsapi.InvalidIdentityTokenException(badSource)
		}
		a.source = v[0]
	}
	if v := said.Attributes[attribute+"SessionDuration"]; len(v) > 0 && !a.lasts.Set {
		n, err := strconv.ParseInt(v[0], 10, 32)
		if err != nil || len(v) != 1 || n < 900 || n > 43200 {
			return stsapi.InvalidIdentityTokenException("SessionDuration in AuthnResponse must be between 900 and 43200 seconds")
		}
		a.lasts = aws.Some(int32(n))
	}
	a.until = said.Ends

	name := provider.Resource[strings.IndexByte(provider.Resource, '/')+1:]
	kind := said.Format
	for _, short := range []string{"persistent", "transient"} {
		if strings.HasSuffix(kind, ":"+short) {
			kind = short
		}
	}
	qualifier := sha1.Sum([]byte(said.Issuer + provider.Account + "/" + name))
	claims := map[string]string{
		"saml:aud": said.Recipient, "saml:iss": said.Issuer, "saml:sub": said.Subject, "saml:sub_type": kind,
		"saml:namequalifier": base64.StdEncoding.EncodeToString(qualifier[:]), "saml:doc": provider.Account + "/" + name,
	}
	maps.DeleteFunc(claims, func(_, v string) bool { return v == "" })
	a.session.Provider, a.session.Claims = arn, claims
	a.keys = map[string]policy.Value{"aws:federatedprovider": policy.One(arn)}
	for k, v := range claims {
		a.keys[k] = policy.One(v)
	}

	keys := attributeKeys()
	var tags []stsapi.Tag
	for name, values := range said.Attributes {
		if oid, ok := strings.CutPrefix(name, "urn:oid:"); ok && keys[oid] != "" {
			a.keys[keys[oid]] = policy.Many(values)
		}
		if key, ok := strings.CutPrefix(name, attribute+"PrincipalTag:"); ok {
			if len(values) != 1 {
				return stsapi.InvalidIdentityTokenException("The session tag %s has not one value", key)
			}
			tags = append(tags, stsapi.Tag{Key: key, Value: values[0]})
		}
	}
	return a.tag(tags, said.Attributes[attribute+"TransitiveTagKeys"])
}
