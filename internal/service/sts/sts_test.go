package sts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/sts"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

const (
	account = "111111111111"
	other   = "222222222222"
)

// tick is a clock that stands until it is moved.
type tick struct {
	mu  sync.Mutex
	now time.Time
}

func (c *tick) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *tick) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is the service with a directory of its own.
type house struct {
	stsapi.Client
	t          testing.TB
	service    *sts.Service
	clock      *tick
	guard      *auth.Guard
	sessions   *auth.Sessions
	identities map[string]*auth.Identity
	openID     map[string]sts.OpenIDProvider // by account and issuer
	saml       map[string]sts.SAMLProvider
	codes      map[string]bool // "user serial code" that are right
}

// start is the service in a mode, with the users alice (who may do anything) and bob (who may do nothing).
func start(t testing.TB, mode auth.Mode) *house {
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	h := &house{t: t, clock: &tick{now: time.Now().UTC().Truncate(time.Second)}, identities: map[string]*auth.Identity{}, openID: map[string]sts.OpenIDProvider{}, saml: map[string]sts.SAMLProvider{}, codes: map[string]bool{}}
	h.Client = stsapi.Client{Invoker: h}
	space := (&store.Store{Engine: e, Clock: h.clock}).Space("auth")
	h.sessions = auth.NewSessions(space)
	h.guard = auth.NewGuard(auth.GuardOptions{Directory: h, Clock: h.clock})
	h.service = sts.New(sts.Options{
		Mode: mode, Guard: h.guard, Directory: h, Sessions: h.sessions, Providers: h, Devices: h,
		Issuers: federation.NewIssuers(federation.Options{HTTP: true}), Clock: h.clock, World: time.Now,
	})
	for _, a := range []string{account, other} {
		h.add(&auth.Identity{Kind: auth.Root, Account: a, ARN: "arn:aws:iam::" + a + ":root", ID: a})
	}
	h.user("alice", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	h.user("bob", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	return h
}

func (h *house) add(i *auth.Identity) { h.identities[i.ARN] = i }

func (h *house) user(name, document string) *auth.Identity {
	p, err := policy.Parse(document, policy.Identity)
	if err != nil {
		h.t.Fatal(err)
	}
	i := &auth.Identity{Kind: auth.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, ID: "AIDA" + strings.ToUpper(name), Name: name, Policies: []policy.Source{{Name: "p", Policy: p}}, Tags: map[string]string{"team": name}}
	h.add(i)
	return i
}

// role makes a role whose trust policy has these statements.
func (h *house) role(of, name string, statements ...string) string {
	p, err := policy.Parse(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`, policy.Trust)
	if err != nil {
		h.t.Fatal(err)
	}
	all, err := policy.Parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, policy.Identity)
	if err != nil {
		h.t.Fatal(err)
	}
	arn := "arn:aws:iam::" + of + ":role/team/" + name
	h.add(&auth.Identity{
		Kind: auth.Role, Account: of, ARN: arn, ID: "AROA" + strings.ToUpper(name), Name: name, Path: "/team/", Trust: p, MaxSession: 2 * time.Hour,
		Policies: []policy.Source{{Name: "all", Policy: all}},
	})
	return arn
}

// trust is a statement that lets principal take actions, on conditions.
func trust(principal, conditions string, actions ...string) string {
	if conditions != "" {
		conditions = `,"Condition":{` + conditions + `}`
	}
	return fmt.Sprintf(`{"Effect":"Allow","Principal":%s,"Action":["%s"]%s}`, principal, strings.Join(actions, `","`), conditions)
}

func (h *house) AccessKey(_ context.Context, id string) (auth.AccessKey, bool, error) {
	return auth.AccessKey{Account: other}, id == "root-key-of-222222222222", nil
}

func (h *house) Identity(_ context.Context, arn string) (*auth.Identity, bool, error) {
	i, ok := h.identities[arn]
	return i, ok, nil
}

func (h *house) Policy(_ context.Context, arn string) (policy.Source, bool, error) {
	return policy.Source{}, arn == "arn:aws:iam::aws:policy/ReadOnlyAccess" || strings.HasSuffix(arn, ":policy/own"), nil
}

func (h *house) OpenIDProvider(_ context.Context, of, issuer string) (sts.OpenIDProvider, bool, error) {
	p, ok := h.openID[of+" "+issuer]
	return p, ok, nil
}

func (h *house) SAMLProvider(_ context.Context, arn string) (sts.SAMLProvider, bool, error) {
	p, ok := h.saml[arn]
	return p, ok, nil
}

func (h *house) VerifyMFA(_ context.Context, user, serial, code string) (bool, error) {
	k := user + " " + serial + " " + code
	right := h.codes[k]
	delete(h.codes, k)
	return right, nil
}

// Invoke calls the service as the principal in the context; nobody where there is none.
func (h *house) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	return op.Call(ctx, h.service, in)
}

// as is a context of a request of p.
func as(ctx context.Context, p aws.Principal) context.Context {
	a := p.Account
	if a == "" {
		a = aws.DefaultAccount
	}
	return aws.WithRequest(ctx, &aws.Request{Scope: aws.Scope{Account: a, Region: "us-east-1"}, Principal: p, SourceIP: "192.0.2.1"})
}

func (h *house) of(arn string) aws.Principal {
	i := h.identities[arn]
	return aws.Principal{Account: i.Account, ARN: i.ARN, UserID: i.ID}
}

func (h *house) alice() aws.Principal { return h.of("arn:aws:iam::" + account + ":user/alice") }
func (h *house) bob() aws.Principal   { return h.of("arn:aws:iam::" + account + ":user/bob") }
func (h *house) root() aws.Principal  { return h.of("arn:aws:iam::" + account + ":root") }

// bearer is who comes with credentials, as the door would know it.
func (h *house) bearer(c *stsapi.Credentials) aws.Principal {
	h.t.Helper()
	bearer, secret, err := h.sessions.Open(h.t.Context(), c.AccessKeyId, c.SessionToken)
	if err != nil || secret != c.SecretAccessKey || !bearer.Session.Expires.Equal(c.Expiration) {
		h.t.Fatalf("%+v: %v", c, err)
	}
	return bearer
}

// fails holds err to "Code: text"; a text that ends in … may go on.
func fails(t testing.TB, what string, err error, want string) {
	t.Helper()
	e, ok := errors.AsType[*aws.Error](err)
	if !ok {
		t.Errorf("%s: %v, want %s", what, err, want)
		return
	}
	got := e.WireCode() + ": " + e.Message
	if begin, cut := strings.CutSuffix(want, "…"); got != want && (!cut || !strings.HasPrefix(got, begin)) {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func assume(arn string, edit ...func(*stsapi.AssumeRoleInput)) *stsapi.AssumeRoleInput {
	in := &stsapi.AssumeRoleInput{RoleArn: arn, RoleSessionName: "job-1"}
	for _, f := range edit {
		f(in)
	}
	return in
}

func tags(pairs ...string) func(*stsapi.AssumeRoleInput) {
	return func(in *stsapi.AssumeRoleInput) {
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, stsapi.Tag{Key: pairs[i], Value: pairs[i+1]})
		}
	}
}

func transitive(keys ...string) func(*stsapi.AssumeRoleInput) {
	return func(in *stsapi.AssumeRoleInput) { in.TransitiveTagKeys = keys }
}

func lasting(seconds int32) func(*stsapi.AssumeRoleInput) {
	return func(in *stsapi.AssumeRoleInput) { in.DurationSeconds = aws.Some(seconds) }
}

func code(serial, digits string) func(*stsapi.AssumeRoleInput) {
	return func(in *stsapi.AssumeRoleInput) {
		in.SerialNumber, in.TokenCode = aws.NonZero(serial), aws.NonZero(digits)
	}
}

func sourceIdentity(s string) func(*stsapi.AssumeRoleInput) {
	return func(in *stsapi.AssumeRoleInput) { in.SourceIdentity = aws.Some(s) }
}

func TestRolesThatMayNotBeAssumed(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	everyone := `{"AWS":"` + account + `"}`
	mine := h.role(account, "mine", trust(everyone, "", "sts:AssumeRole", "sts:TagSession"))
	theirs := h.role(other, "theirs", trust(everyone, `"StringEquals":{"sts:ExternalId":"secret"}`, "sts:AssumeRole"))
	named := h.role(account, "named", trust(everyone, `"StringLike":{"sts:RoleSessionName":"${aws:username}"}`, "sts:AssumeRole"))
	guarded := h.role(account, "guarded", trust(everyone, `"Bool":{"aws:MultiFactorAuthPresent":"true"}`, "sts:AssumeRole"))
	closed := h.role(account, "closed", trust(everyone, "", "sts:AssumeRole"), `{"Effect":"Deny","Principal":{"AWS":"`+h.bob().ARN+`"},"Action":"sts:AssumeRole"}`)
	bobs := h.role(account, "bobs", trust(`{"AWS":"`+h.bob().ARN+`"}`, "", "sts:AssumeRole"))
	missing := "arn:aws:iam::" + account + ":role/missing"
	no := func(p aws.Principal, action, role string) string {
		return "AccessDenied: User: " + p.ARN + " is not authorized to perform: sts:" + action + " on resource: " + role
	}
	mfa := "arn:aws:iam::" + account + ":mfa/alice"
	for _, c := range []struct {
		name string
		who  aws.Principal
		in   *stsapi.AssumeRoleInput
		want string
	}{
		{"by nobody", aws.Principal{}, assume(mine), "MissingAuthenticationToken: Request is missing Authentication Token"},
		{"by root", h.root(), assume(mine), "AccessDenied: Roles may not be assumed by root accounts."},
		{"that is not there", h.alice(), assume(missing), no(h.alice(), "AssumeRole", missing)},
		{"that is a user", h.alice(), assume(h.bob().ARN), no(h.alice(), "AssumeRole", h.bob().ARN)},
		{"that trusts the account, by who may not", h.bob(), assume(mine), no(h.bob(), "AssumeRole", mine)},
		{"that trusts another", h.alice(), assume(bobs), no(h.alice(), "AssumeRole", bobs)},
		{"that denies him", h.bob(), assume(closed), no(h.bob(), "AssumeRole", closed) + " with an explicit deny in the role trust policy"},
		{"without the external id", h.alice(), assume(theirs), no(h.alice(), "AssumeRole", theirs)},
		{"with another external id", h.alice(), assume(theirs, func(in *stsapi.AssumeRoleInput) { in.ExternalId = aws.Some("guess") }), no(h.alice(), "AssumeRole", theirs)},
		{"under another name", h.alice(), assume(named), no(h.alice(), "AssumeRole", named)},
		{"without a code", h.alice(), assume(guarded), no(h.alice(), "AssumeRole", guarded)},
		{"with half a code", h.alice(), assume(guarded, code(mfa, "")), "AccessDenied: MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."},
		{"with a wrong code", h.alice(), assume(guarded, code(mfa, "123456")), "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code. "},
		{"with tags, which is not allowed", h.alice(), assume(bobs, tags("a", "b")), no(h.alice(), "AssumeRole", bobs)},
		{"with tags, which it does not trust to", h.bob(), assume(bobs, tags("a", "b")), no(h.bob(), "TagSession", bobs)},
		{"with a source identity, which it does not trust to", h.alice(), assume(mine, sourceIdentity("alice")), no(h.alice(), "SetSourceIdentity", mine)},
		{"with a reserved source identity", h.alice(), assume(mine, sourceIdentity("aws:x")), "ValidationError: Source Identity must not begin with \"aws:\""},
		{"for too long", h.alice(), assume(mine, lasting(7201)), "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"for too long, by who may not", h.bob(), assume(mine, lasting(7201)), no(h.bob(), "AssumeRole", mine)},
		{"with tags twice", h.alice(), assume(mine, tags("a", "b", "A", "c")), "InvalidParameterValue: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"with tags handed down that are none", h.alice(), assume(mine, tags("a", "b"), transitive("c")), "InvalidParameterValue: The specified transitive tag key must be included in the requested tags."},
		{"with reserved tags", h.alice(), assume(mine, tags("aws:a", "b")), "InvalidParameterValue: …"},
		{"with a policy that is none", h.alice(), assume(mine, func(in *stsapi.AssumeRoleInput) { in.Policy = aws.Some("{") }), "MalformedPolicyDocument: …"},
		{"with a policy that names principals", h.alice(), assume(mine, func(in *stsapi.AssumeRoleInput) {
			in.Policy = aws.Some(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)
		}), "MalformedPolicyDocument: …"},
		{"with a managed policy that is not there", h.alice(), assume(mine, func(in *stsapi.AssumeRoleInput) {
			in.PolicyArns = []stsapi.PolicyDescriptorType{{Arn: aws.Some("arn:aws:iam::111111111111:policy/none")}}
		}), "InvalidParameterValue: Policy arn:aws:iam::111111111111:policy/none does not exist or is not attachable."},
		{"with a managed policy of another account", h.alice(), assume(mine, func(in *stsapi.AssumeRoleInput) {
			in.PolicyArns = []stsapi.PolicyDescriptorType{{Arn: aws.Some("arn:aws:iam::aws:policy/ReadOnlyAccess")}, {Arn: aws.Some("arn:aws:iam::" + other + ":policy/own")}}
		}), "InvalidParameterValue: Policy arn:aws:iam::" + other + ":policy/own does not exist or is not attachable."},
		{"with contexts", h.alice(), assume(mine, func(in *stsapi.AssumeRoleInput) { in.ProvidedContexts = []stsapi.ProvidedContext{{}} }), "NotImplemented: …"},
	} {
		_, err := h.AssumeRole(as(ctx, c.who), c.in)
		fails(t, c.name, err, c.want)
	}
	for _, arn := range []string{"nothing-valid-in-here", "arn:a:::something/test-role", "arn:a::::something/test-role", "arn::b:::something/test-role", "arn:a:a::aaaaaaaaaa:"} {
		_, err := h.AssumeRole(as(ctx, h.alice()), assume(arn))
		fails(t, arn, err, "ValidationError: "+arn+" is invalid")
	}
	if out, err := h.AssumeRole(as(ctx, h.bob()), assume(bobs)); err != nil || out.PackedPolicySize.Set { // named by the role: it needs no policy of its own
		t.Errorf("%+v, %v", out, err)
	}
}

func TestTooMuchToPack(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.Open), t.Context()
	noise := func(n, seed int) string {
		b := make([]byte, n)
		x := uint32(seed)*2654435761 + 1
		for i := range b {
			x = x*1664525 + 1013904223
			b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[x>>26]
		}
		return string(b)
	}
	var pairs []string
	for i := range 50 {
		pairs = append(pairs, noise(128, i), noise(256, i+100))
	}
	role := "arn:aws:iam::" + account + ":role/any"
	_, err := h.AssumeRole(as(ctx, h.root()), assume(role, tags(pairs...)))
	fails(t, "tags", err, "PackedPolicyTooLarge: Packed size of session tags consumes …")
	_, err = h.AssumeRole(as(ctx, h.root()), assume(role, func(in *stsapi.AssumeRoleInput) {
		in.Policy = aws.Some(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::` + noise(4000, 7) + `"}}`)
	}))
	fails(t, "policy", err, "PackedPolicyTooLarge: Packed policy consumes …")
	out, err := h.AssumeRole(as(ctx, h.root()), assume(role, tags("Project", "Automation"), func(in *stsapi.AssumeRoleInput) {
		in.PolicyArns = []stsapi.PolicyDescriptorType{{Arn: aws.Some("arn:aws:iam::aws:policy/ReadOnlyAccess")}, {Arn: aws.Some("arn:aws:iam::" + account + ":policy/own")}}
	}))
	if err != nil || out.PackedPolicySize.V < 1 || out.PackedPolicySize.V > 10 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	everyone := `{"AWS":"` + account + `"}`
	role := h.role(other, "worker",
		trust(everyone, `"StringEquals":{"sts:ExternalId":"secret","sts:SourceIdentity":"alice","aws:RequestTag/Team":"a"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["team"]},"NumericLessThan":{"aws:MultiFactorAuthAge":"60"}`,
			"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"))
	serial := "arn:aws:iam::" + account + ":mfa/alice"
	h.codes[h.alice().ARN+" "+serial+" 123456"] = true
	in := assume(role, tags("Team", "a", "Cost", "7"), transitive("team"), lasting(7200), code(serial, "123456"), sourceIdentity("alice"), func(in *stsapi.AssumeRoleInput) {
		in.ExternalId = aws.Some("secret")
		in.Policy = aws.Some(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}`)
	})
	out, err := h.AssumeRole(as(ctx, h.alice()), in)
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sts::" + other + ":assumed-role/worker/job-1"
	if out.AssumedRoleUser.Arn != arn || out.AssumedRoleUser.AssumedRoleId != "AROAWORKER:job-1" || out.SourceIdentity.V != "alice" || !out.PackedPolicySize.Set || out.SessionTokenSize.Set {
		t.Errorf("%+v", out)
	}
	if c := out.Credentials; !c.Expiration.Equal(h.clock.Now().Add(2*time.Hour)) || !strings.HasPrefix(c.AccessKeyId, "ASIA") {
		t.Errorf("%+v", c)
	}
	p := h.bearer(out.Credentials)
	s := p.Session
	if p.ARN != arn || p.Account != other || s.Source != role || s.Tags["Team"] != "a" || s.Tags["Cost"] != "7" || !slices.Equal(s.TransitiveTags, []string{"Team"}) || s.SourceIdentity != "alice" || len(s.Policies) != 1 || s.Chained || !s.MFA.IsZero() {
		t.Errorf("%+v", s)
	}
	me, err := h.GetCallerIdentity(as(ctx, p), &stsapi.GetCallerIdentityInput{})
	if err != nil || me.Arn.V != arn || me.UserId.V != "AROAWORKER:job-1" || me.Account.V != other {
		t.Errorf("%+v, %v", me, err)
	}
	if _, err := h.AssumeRole(as(ctx, h.alice()), in); err == nil {
		t.Error("a code was right twice")
	}
}

// What a session hands down, and what it may not be given otherwise.
func TestChains(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	everyone := `{"AWS":"` + account + `"}`
	all := []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}
	first := h.role(account, "first", trust(everyone, "", all...))
	second := h.role(account, "second", trust(everyone, `"StringEquals":{"aws:PrincipalTag/team":"a"}`, all...))
	plain := h.role(account, "plain", trust(everyone, "", "sts:AssumeRole"))
	out, err := h.AssumeRole(as(ctx, h.alice()), assume(first, tags("Team", "a", "Cost", "7"), transitive("Team"), sourceIdentity("alice")))
	if err != nil {
		t.Fatal(err)
	}
	one := h.bearer(out.Credentials)
	conflict := "InvalidParameterValue: One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
	for _, c := range []struct {
		name string
		in   *stsapi.AssumeRoleInput
		want string
	}{
		{"a tag that was handed down", assume(second, tags("Team", "b"), transitive("Team")), conflict},
		{"in another case", assume(second, tags("TEAM", "b"), transitive("TEAM")), conflict},
		{"not to be handed on", assume(second, tags("team", "b")), conflict},
		{"for longer than an hour", assume(second, lasting(3601)), "ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"},
		{"as another", assume(second, sourceIdentity("mallory")), "AccessDenied: User: " + one.ARN + " is not authorized to perform: sts:SetSourceIdentity on resource: " + second},
		{"where no source identity may be set", assume(plain), "AccessDenied: User: " + one.ARN + " is not authorized to perform: sts:SetSourceIdentity on resource: " + plain},
		{"with a device", assume(second, code("arn:aws:iam::111111111111:mfa/alice", "123456")), "AccessDenied: MultiFactorAuthentication failed, unable to validate MFA code. …"},
	} {
		_, err := h.AssumeRole(as(ctx, one), c.in)
		fails(t, c.name, err, c.want)
	}
	out, err = h.AssumeRole(as(ctx, one), assume(second, tags("Cost", "8", "More", "x"), transitive("More")))
	if err != nil {
		t.Fatal(err)
	}
	s := h.bearer(out.Credentials).Session
	slices.Sort(s.TransitiveTags)
	if !s.Chained || s.SourceIdentity != "alice" || len(s.Tags) != 3 || s.Tags["Team"] != "a" || s.Tags["Cost"] != "8" || !slices.Equal(s.TransitiveTags, []string{"More", "Team"}) {
		t.Errorf("%+v", s)
	}
	_, err = h.GetSessionToken(as(ctx, one), &stsapi.GetSessionTokenInput{})
	fails(t, "GetSessionToken", err, "AccessDenied: Cannot call GetSessionToken with session credentials")
	_, err = h.GetFederationToken(as(ctx, one), &stsapi.GetFederationTokenInput{Name: "x"})
	fails(t, "GetFederationToken", err, "AccessDenied: Cannot call GetFederationToken with session credentials")
	delete(h.identities, first)
	_, err = h.AssumeRole(as(ctx, one), assume(second))
	fails(t, "the role is gone", err, "InvalidClientTokenId: The security token included in the request is invalid.")
}

func TestSessionsOfUsers(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	serial := "arn:aws:iam::" + account + ":mfa/alice"
	guarded := h.role(account, "guarded", trust(`{"AWS":"`+account+`"}`, `"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}`, "sts:AssumeRole"))
	_, err := h.GetSessionToken(as(ctx, aws.Principal{}), &stsapi.GetSessionTokenInput{})
	fails(t, "nobody", err, "MissingAuthenticationToken: …")
	_, err = h.GetSessionToken(as(ctx, h.alice()), &stsapi.GetSessionTokenInput{SerialNumber: aws.Some(serial), TokenCode: aws.Some("000000")})
	fails(t, "a wrong code", err, "AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code. ")

	plain, err := h.GetSessionToken(as(ctx, h.alice()), &stsapi.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	p := h.bearer(plain.Credentials)
	if p.ARN != h.alice().ARN || p.UserID != h.alice().UserID || !plain.Credentials.Expiration.Equal(h.clock.Now().Add(12*time.Hour)) {
		t.Errorf("%+v", p)
	}
	if _, err := h.AssumeRole(as(ctx, p), assume(guarded)); err == nil {
		t.Error("assumed without a second factor")
	}
	h.codes[h.alice().ARN+" "+serial+" 654321"] = true
	strong, err := h.GetSessionToken(as(ctx, h.alice()), &stsapi.GetSessionTokenInput{SerialNumber: aws.Some(serial), TokenCode: aws.Some("654321"), DurationSeconds: aws.Some[int32](129600), MinimumSessionTokenSize: aws.Some[int32](2000)})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strong.Credentials.SessionToken); n < 2000 || int(strong.SessionTokenSize.V) != n || strong.SessionTokenUtilization.V < 49 {
		t.Errorf("%d characters, %+v", n, strong)
	}
	p = h.bearer(strong.Credentials)
	if _, err := h.AssumeRole(as(ctx, p), assume(guarded)); err != nil {
		t.Error(err)
	}
	h.clock.advance(11 * time.Minute)
	if _, err := h.AssumeRole(as(ctx, p), assume(guarded)); err == nil {
		t.Error("assumed with a second factor of eleven minutes ago")
	}
	roots, err := h.GetSessionToken(as(ctx, h.root()), &stsapi.GetSessionTokenInput{DurationSeconds: aws.Some[int32](129600)})
	if err != nil || !roots.Credentials.Expiration.Equal(h.clock.Now().Add(time.Hour)) || h.bearer(roots.Credentials).ARN != h.root().ARN {
		t.Errorf("%+v, %v", roots, err)
	}
	_, err = h.AssumeRole(as(ctx, h.bearer(roots.Credentials)), assume(guarded))
	fails(t, "root's session", err, "AccessDenied: Roles may not be assumed by root accounts.")
}

func TestFederatedUsers(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	_, err := h.GetFederationToken(as(ctx, h.alice()), &stsapi.GetFederationTokenInput{Name: "carol", Policy: aws.Some("x")})
	fails(t, "no policy", err, "MalformedPolicyDocument: …")
	out, err := h.GetFederationToken(as(ctx, h.alice()), &stsapi.GetFederationTokenInput{Name: "carol", Tags: []stsapi.Tag{{Key: "a", Value: "b"}}, DurationSeconds: aws.Some[int32](900)})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sts::" + account + ":federated-user/carol"
	if out.FederatedUser.Arn != arn || out.FederatedUser.FederatedUserId != account+":carol" || out.PackedPolicySize.V == 0 || !out.Credentials.Expiration.Equal(h.clock.Now().Add(15*time.Minute)) {
		t.Errorf("%+v", out)
	}
	p := h.bearer(out.Credentials)
	me, err := h.GetCallerIdentity(as(ctx, p), &stsapi.GetCallerIdentityInput{})
	if err != nil || me.Arn.V != arn || me.UserId.V != account+":carol" || p.Session.Source != h.alice().ARN || p.Session.Tags["a"] != "b" {
		t.Errorf("%+v, %v", me, err)
	}
	out, err = h.GetFederationToken(as(ctx, h.root()), &stsapi.GetFederationTokenInput{Name: "dave"})
	if err != nil || out.PackedPolicySize != aws.Some[int32](0) || !out.Credentials.Expiration.Equal(h.clock.Now().Add(time.Hour)) {
		t.Errorf("%+v, %v", out, err)
	}
}

// Where nobody is asked, root is a role as anybody else is, and roles are taken at their word.
func TestOpenMode(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, mode := range []auth.Mode{auth.Open, auth.Log} {
		h := start(t, mode)
		closed := h.role(account, "closed", trust(`{"AWS":"`+other+`"}`, "", "sts:AssumeRole"))
		out, err := h.AssumeRole(as(ctx, h.root()), assume(closed))
		if err != nil || out.AssumedRoleUser.AssumedRoleId != "AROACLOSED:job-1" {
			t.Errorf("%s: %+v, %v", mode, out, err)
		}
		_, err = h.AssumeRole(as(ctx, h.root()), assume(closed, lasting(7201)))
		fails(t, "for too long", err, "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		_, err = h.AssumeRole(as(ctx, h.root()), assume(h.bob().ARN))
		fails(t, "a user", err, "AccessDenied: User: "+h.root().ARN+" is not authorized to perform: sts:AssumeRole on resource: "+h.bob().ARN)
		missing := "arn:aws:iam::" + other + ":role/deploy/missing"
		first, err := h.AssumeRole(as(ctx, h.root()), assume(missing, lasting(43200)))
		if err != nil {
			t.Fatal(err)
		}
		second, err := h.AssumeRole(as(ctx, h.bearer(first.Credentials)), assume(missing))
		if err != nil || first.AssumedRoleUser.AssumedRoleId != second.AssumedRoleUser.AssumedRoleId || len(first.AssumedRoleUser.AssumedRoleId) != len("AROA12345678901234567:job-1") {
			t.Errorf("%s: %+v, %+v, %v", mode, first, second, err)
		}
		if p := h.bearer(second.Credentials); p.ARN != "arn:aws:sts::"+other+":assumed-role/missing/job-1" || p.Account != other {
			t.Errorf("%s: %+v", mode, p)
		}
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.Open), t.Context()
	out, err := h.AssumeRole(as(ctx, h.root()), assume("arn:aws-cn:iam::"+account+":role/any"))
	if err != nil || out.AssumedRoleUser.Arn != "arn:aws-cn:sts::"+account+":assumed-role/any/job-1" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestServicesAssumeRoles(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	role := h.role(account, "function", trust(`{"Service":"lambda.amazonaws.com"}`, "", "sts:AssumeRole"))
	lambda := aws.Principal{Account: account, Service: "lambda.amazonaws.com"}
	if _, err := h.AssumeRole(as(ctx, lambda), assume(role)); err != nil {
		t.Error(err)
	}
	_, err := h.AssumeRole(as(ctx, aws.Principal{Account: account, Service: "ecs-tasks.amazonaws.com"}), assume(role))
	fails(t, "another service", err, "AccessDenied: Service: ecs-tasks.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "+role)
}

func TestWhatIsAskedOfKeysAndMessages(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.IAM), t.Context()
	me := as(ctx, h.alice())
	for id, want := range map[string]string{auth.NewAccessKeyID(auth.LastingKey, other): other, "root-key-of-222222222222": other} {
		if out, err := h.GetAccessKeyInfo(me, &stsapi.GetAccessKeyInfoInput{AccessKeyId: id}); err != nil || out.Account.V != want {
			t.Errorf("%s: %+v, %v", id, out, err)
		}
	}
	_, err := h.GetAccessKeyInfo(me, &stsapi.GetAccessKeyInfoInput{AccessKeyId: "AKIAIOSFODNN7EXAMPLE"})
	fails(t, "of no account", err, "ValidationError: …")

	_, err = h.DecodeAuthorizationMessage(me, &stsapi.DecodeAuthorizationMessageInput{EncodedMessage: "AAAA"})
	fails(t, "no message", err, "InvalidAuthorizationMessageException: …")
	message, err := h.sessions.Seal(ctx, account, []byte(`{"allowed":false}`))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := h.DecodeAuthorizationMessage(me, &stsapi.DecodeAuthorizationMessageInput{EncodedMessage: message}); err != nil || out.DecodedMessage.V != `{"allowed":false}` {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = h.AssumeRoot(me, &stsapi.AssumeRootInput{TargetPrincipal: other, TaskPolicyArn: &stsapi.PolicyDescriptorType{}})
	fails(t, "AssumeRoot", err, "AccessDenied: User: "+h.alice().ARN+" is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::"+other+":root")
	_, err = h.GetCallerIdentity(as(ctx, aws.Principal{}), &stsapi.GetCallerIdentityInput{})
	fails(t, "nobody", err, "MissingAuthenticationToken: …")
}

// The door finds the role in the call, for traces and the audit trail, and leaves the question whether it may be assumed to the service.
func TestWhatTheDoorIsTold(t *testing.T) {
	t.Parallel()
	h, ctx := start(t, auth.Open), t.Context()
	role := "arn:aws:iam::" + account + ":role/any"
	for _, in := range []any{assume(role), &stsapi.AssumeRoleWithSAMLInput{RoleArn: role}, web(role, "")} {
		if got := h.service.Resources(ctx, nil, in); !slices.Equal(got, []string{role}) {
			t.Errorf("%T is about %v", in, got)
		}
	}
	for _, in := range []any{assume("nothing"), &stsapi.GetSessionTokenInput{}} {
		if got := h.service.Resources(ctx, nil, in); got != nil {
			t.Errorf("%T is about %v", in, got)
		}
	}
	for i := range stsapi.API().Operations {
		op := &stsapi.API().Operations[i]
		if asks := strings.HasPrefix(op.Name, "AssumeRole"); h.service.Asks(op) != asks {
			t.Errorf("the service asks for %s: %v", op.Name, !asks)
		}
	}
}
