package sts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/federation/federationtest"
	"github.com/obidos-cloud/obidos/internal/service/sts"
)

// Issuers that are not asked, as their keys are known: Google, which needs no provider, and GitHub, whose claims are condition keys.
func TestIssuersOfPinnedKeys(t *testing.T) {
	t.Parallel()
	const google, github = "https://accounts.google.com", "https://token.actions.githubusercontent.com"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, auth.IAM)
	h.service = sts.New(sts.Options{
		Mode: auth.IAM, Guard: h.guard, Directory: h, Sessions: h.sessions, Providers: h, Clock: h.clock, World: time.Now,
		Issuers: federation.NewIssuers(federation.Options{Pinned: map[string][]byte{google: set, github: set}}),
	})
	token := func(issuer string, claims map[string]any) string {
		all := map[string]any{"iss": issuer, "sub": "user-1", "aud": "client", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60}
		maps.Copy(all, claims)
		return federationtest.Sign(t, jose.ES256, key, "1", all)
	}
	provider := "arn:aws:iam::" + account + ":oidc-provider/token.actions.githubusercontent.com"
	h.openID[account+" "+github] = sts.OpenIDProvider{ARN: provider, Clients: []string{"sts.amazonaws.com"}}
	mail := h.role(account, "mail", trust(`{"Federated":"accounts.google.com"}`, `"StringEquals":{"accounts.google.com:aud":"app","accounts.google.com:oaud":"client","accounts.google.com:sub":"user-1"}`, "sts:AssumeRoleWithWebIdentity"))
	build := h.role(account, "build", trust(`{"Federated":"`+provider+`"}`, `"StringEquals":{"token.actions.githubusercontent.com:repository":"o/r"},"StringLike":{"token.actions.githubusercontent.com:sub":"repo:o/*"}`, "sts:AssumeRoleWithWebIdentity"))
	ctx := as(t.Context(), aws.Principal{})
	for _, c := range []struct{ name, role, token, want string }{
		{"Google, another app", mail, token(google, nil), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"GitHub, another repository", build, token(github, map[string]any{"aud": "sts.amazonaws.com", "sub": "repo:o/x:ref", "repository": "o/x"}), "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"GitHub, for another", build, token(github, map[string]any{"sub": "repo:o/r:ref", "repository": "o/r"}), "InvalidIdentityToken: Incorrect token audience"},
		{"Google", mail, token(google, map[string]any{"azp": "app"}), ""},
		{"GitHub", build, token(github, map[string]any{"aud": []string{"x", "sts.amazonaws.com"}, "sub": "repo:o/r:ref", "repository": "o/r"}), ""},
	} {
		out, err := h.AssumeRoleWithWebIdentity(ctx, web(c.role, c.token))
		switch {
		case c.want != "":
			fails(t, c.name, err, c.want)
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.role == mail && (out.Provider.V != "accounts.google.com" || out.Audience.V != "app"):
			t.Errorf("%s: %+v", c.name, out)
		}
	}
}
