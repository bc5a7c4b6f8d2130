package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

// The claims by which an issuer says what the session is to be like.
const (
	claimTags       = "https://aws.amazon.com/tags"
	claimSource     = "https://aws.amazon.com/source_identity"
	claimPrincipal  = claimTags + "/principal_tags"
	claimTransitive = claimTags + "/transitive_tag_keys"
)

// google is the issuer that AWS knows without a provider in the account.
const google = "accounts.google.com"

// AssumeRoleWithWebIdentity is sts:AssumeRoleWithWebIdentity.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, in *stsapi.AssumeRoleWithWebIdentityInput) (*stsapi.AssumeRoleWithWebIdentityOutput, error) {
	if in.ProviderId.Set {
		return nil, model.Unserved("sts", "AssumeRoleWithWebIdentity with ProviderId")
	}
	a := &assumption{
		operation: operation("AssumeRoleWithWebIdentity"), name: in.RoleSessionName, lasts: in.DurationSeconds, size: in.MinimumSessionTokenSize,
	}
	var err error
	if a.role, err = s.findRole(ctx, in.RoleArn); err != nil {
		return nil, err
	}
	if a.policies, err = s.readPolicies(ctx, a.role.arn.Account, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	token, err := federation.ReadToken(in.WebIdentityToken)
	if err != nil {
		return nil, refused(err)
	}
	provider, audience, err := s.verify(ctx, a.role.arn.Account, token)
	if err != nil {
		return nil, err
	}
	if err := a.trustToken(token, provider, audience); err != nil {
		return nil, err
	}
	i, size, err := s.assume(ctx, a)
	if err != nil {
		return nil, err
	}
	return &stsapi.AssumeRoleWithWebIdentityOutput{
		Credentials: i.credentials, AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: i.principal.UserID, Arn: i.principal.ARN},
		SubjectFromWebIdentityToken: aws.Some(token.Subject), Provider: aws.Some(provider), Audience: aws.Some(audience),
		PackedPolicySize: size, SourceIdentity: aws.NonZero(a.source), SessionTokenUtilization: i.utilization, SessionTokenSize: i.size,
	}, nil
}

// verify proves a token with what the account knows of its issuer. provider is how policies name that, audience whom the token is for.
func (s *Service) verify(ctx context.Context, account string, t *federation.Token) (provider, audience string, err error) {
	host := hostOf(t.Issuer)
	var (
		p  OpenIDProvider
		ok bool
	)
	if s.o.Providers != nil {
		if p, ok, err = s.o.Providers.OpenIDProvider(ctx, account, t.Issuer); err != nil {
			return "", "", err
		}
	}
	audience = t.Party
	switch {
	case ok && audience == "":
		i := slices.IndexFunc(t.Audience, func(a string) bool { return slices.Contains(p.Clients, a) })
		if i < 0 {
			return "", "", stsapi.InvalidIdentityTokenException("Incorrect token audience")
		}
		audience = t.Audience[i]
	case ok && !slices.Contains(p.Clients, audience):
		return "", "", stsapi.InvalidIdentityTokenException("Incorrect token audience")
	case !ok && host != google:
		return "", "", stsapi.InvalidIdentityTokenException("No OpenIDConnect provider found in your account for %s", t.Issuer)
	case audience == "":
		audience = t.Audience[0]
	}
	if s.o.Issuers == nil {
		return "", "", refused(federation.ErrUnreachable)
	}
	if err := s.o.Issuers.Verify(ctx, t, p.Thumbprints); err != nil {
		if errors.Is(err, federation.ErrExpired) {
			return "", "", stsapi.ExpiredTokenException("Token expired: current date/time %d must be before the expiration date/time %d", s.o.World().Unix(), t.Expires.Unix())
		}
		return "", "", refused(err)
	}
	if provider = p.ARN; !ok {
		provider = google
	}
	return provider, audience, nil
}

// hostOf is an issuer as providers and condition keys name it: without its scheme.
func hostOf(issuer string) string {
	_, host, ok := strings.Cut(issuer, "://")
	if !ok {
		host = issuer
	}
	return host
}

// refused is AWS's answer to a token that federation does not take.
func refused(err error) error {
	missing, isMissing := errors.AsType[*federation.MissingError](err)
	var text string
	switch {
	case isMissing:
		text = "Missing a required claim: " + missing.Claim
	case errors.Is(err, federation.ErrMalformed):
		text = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
	case errors.Is(err, federation.ErrCertificate):
		text = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
	case errors.Is(err, federation.ErrUnreachable):
		text = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
	case errors.Is(err, federation.ErrSignature):
		text = "Provided token's signature is invalid"
	case errors.Is(err, federation.ErrEarly):
		text = "Token is not valid yet"
	default:
		return err
	}
	return stsapi.InvalidIdentityTokenException("%s", text).Because(err)
}

// oneValue are the claims with one value that AWS makes condition keys of: fewer than tokens have.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
func oneValue(host string) []string {
	names := []string{"sub", "email"}
	if host == "token.actions.githubusercontent.com" {
		names = append(names, "actor", "actor_id", "job_workflow_ref", "repository", "repository_id", "workflow", "ref", "environment", "enterprise_id")
	}
	return names
}

// trustToken is what the token says for the trust policy and the session.
func (a *assumption) trustToken(t *federation.Token, provider, audience string) error {
	host := strings.ToLower(hostOf(t.Issuer))
	a.bearer = &policy.Principal{Kind: policy.WebIdentity, Provider: provider}
	claims := map[string]string{host + ":aud": audience}
	for _, name := range oneValue(host) {
		if v, ok := t.Claims[name].(string); ok {
			claims[host+":"+name] = v
		}
	}
	if host == google && t.Party != "" {
		claims[host+":oaud"] = t.Audience[0]
	}
	a.session.Provider, a.session.Claims = provider, claims
	a.keys = map[string]policy.Value{"aws:federatedprovider": policy.One(provider)}
	for k, v := range claims {
		a.keys[k] = policy.One(v)
	}
	if amr, ok := texts(t.Claims["amr"]); ok {
		a.keys[host+":amr"] = policy.Many(amr)
	}
	if v, there := t.Claims[claimSource]; there {
		text, ok := v.(string)
		if !ok || !isSourceIdentity(text) {
			return stsapi.InvalidIdentityTokenException(badSource)
		}
		a.source = text
	}
	tags, transitive, err := claimedTags(t.Claims)
	if err != nil {
		return stsapi.InvalidIdentityTokenException("%s", err.Error()).Because(err)
	}
	return a.tag(tags, transitive)
}

// tag gives the session the tags that a provider has for it.
func (a *assumption) tag(tags []stsapi.Tag, transitive []string) error {
	if len(tags) > 50 {
		return stsapi.InvalidIdentityTokenException("The maximum number of session tags is 50")
	}
	for _, t := range tags {
		if t.Key == "" || len([]rune(t.Key)) > 128 || len([]rune(t.Value)) > 256 {
			return stsapi.InvalidIdentityTokenException("A session tag's key has 1 to 128 characters, its value 256 at most: %s", t.Key)
		}
	}
	var err error
	a.passing = transitive
	a.tags, err = readTags(tags, transitive, nil)
	return err
}

// claimedTags are the tags of a token, in either form that AWS takes: one claim of an object, or a claim for each.
func claimedTags(claims map[string]any) (tags []stsapi.Tag, transitive []string, err error) {
	var principal map[string]any
	keys := claims[claimTransitive]
	if v, there := claims[claimTags]; there {
		both, ok := v.(map[string]any)
		if !ok {
			return nil, nil, fmt.Errorf("the claim %s is no object", claimTags)
		}
		if principal, ok = both["principal_tags"].(map[string]any); !ok && both["principal_tags"] != nil {
			return nil, nil, fmt.Errorf("principal_tags of the claim %s is no object", claimTags)
		}
		keys = both["transitive_tag_keys"]
	}
	add := func(key string, v any) error {
		values, ok := texts(v)
		if !ok || len(values) != 1 {
			return fmt.Errorf("the session tag %s has not one value", key)
		}
		tags = append(tags, stsapi.Tag{Key: key, Value: values[0]})
		return nil
	}
	for key, v := range principal {
		if err := add(key, v); err != nil {
			return nil, nil, err
		}
	}
	for name, v := range claims {
		if key, ok := strings.CutPrefix(name, claimPrincipal+"/"); ok {
			if err := add(key, v); err != nil {
				return nil, nil, err
			}
		}
	}
	if keys != nil {
		var ok bool
		if transitive, ok = texts(keys); !ok {
			return nil, nil, errors.New("transitive tag keys are no list of texts")
		}
	}
	return tags, transitive, nil
}

// texts is a claim that is a text or several.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case json.Number:
		return []string{v.String()}, true
	case []any:
		all := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return nil, false
			}
			all[i] = s
		}
		return all, true
	}
	return nil, false
}

// badSource is AWS's text for a source identity that is none.
const badSource = `Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`

func isSourceIdentity(s string) bool {
	return isName(s) && !strings.HasPrefix(strings.ToLower(s), "aws:")
}

// isName reports whether s is in the form of session names: [a-zA-Z_0-9+=,.@-]{2,64}.
func isName(s string) bool {
	if len(s) < 2 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_+=,.@-", rune(c)) {
			return false
		}
	}
	return true
}
