package sts

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

const (
	anHour     = time.Hour // how long a session lasts of which nothing is said, and how long a chained one may
	longestAny = 12 * time.Hour
)

// role is the role of an ARN: what is known of it, and whether it is there.
type role struct {
	arn      aws.ARN
	text     string
	identity *auth.Identity // nil where there is none
}

// findRole is the role of an ARN.
func (s *Service) findRole(ctx context.Context, text string) (role, error) {
	arn, ok := aws.ParseARN(text)
	if !ok {
		return role{}, errInvalid.New("%s is invalid", text)
	}
	r := role{arn: arn, text: text}
	if !r.canBe() {
		return r, nil
	}
	i, ok, err := s.o.Directory.Identity(ctx, text)
	if err != nil {
		return r, err
	}
	if ok && i.Kind == auth.Role {
		r.identity = i
	}
	return r, nil
}

// canBe reports whether the ARN is in the form of a role's.
func (r *role) canBe() bool {
	name, ok := strings.CutPrefix(r.arn.Resource, "role/")
	return r.arn.Service == "iam" && r.arn.Region == "" && aws.IsAccount(r.arn.Account) && ok && name != "" && !strings.HasSuffix(name, "/")
}

// supposed is what is taken of a role that is not there, where nobody is asked: its id follows from its name, so that all
// its sessions are of the same.
func (r *role) supposed() *auth.Identity {
	sum := sha256.Sum256([]byte(r.text))
	return &auth.Identity{
		Kind: auth.Role, Account: r.arn.Account, ARN: r.text, ID: "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17],
		Name: r.text[strings.LastIndexByte(r.text, '/')+1:], MaxSession: longestAny,
	}
}

// Resources implements call.Resourcer: what is assumed is a role.
func (s *Service) Resources(_ context.Context, _ *model.Operation, in any) []string {
	var arn string
	switch in := in.(type) {
	case *stsapi.AssumeRoleInput:
		arn = in.RoleArn
	case *stsapi.AssumeRoleWithSAMLInput:
		arn = in.RoleArn
	case *stsapi.AssumeRoleWithWebIdentityInput:
		arn = in.RoleArn
	}
	if _, ok := aws.ParseARN(arn); !ok {
		return nil
	}
	return []string{strings.Clone(arn)}
}

// assumption is what is asked of a role by whoever wants to be it.
type assumption struct {
	operation *model.Operation
	role      role
	name      string // of the session
	lasts     aws.Opt[int32]
	size      aws.Opt[int32]
	policies  sessionPolicies
	tags      sessionTags
	keys      map[string]policy.Value
	source    string            // source identity
	bearer    *policy.Principal // nil for the caller of the request
	session   aws.Session       // what more the session says
	until     time.Time         // when it ends at the provider's; zero where that says nothing
	chained   bool
	passing   []string // keys of tags that are to be transitive
}

// assume decides and issues.
func (s *Service) assume(ctx context.Context, a *assumption) (out issued, size aws.Opt[int32], err error) {
	if size, err = packed(a.policies, a.tags.passed); err != nil {
		return out, size, err
	}
	if a.chained && a.lasts.Set && seconds(a.lasts.V) > anHour {
		return out, size, errInvalid.New("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if a.keys == nil {
		a.keys = map[string]policy.Value{}
	}
	a.keys["sts:rolesessionname"] = policy.One(a.name)
	if a.source != "" {
		a.keys["sts:sourceidentity"] = policy.One(a.source)
	}
	a.tags.keys(a.keys, a.passing)
	actions := []string{a.operation.Action()}
	if len(a.tags.passed) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if a.source != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		if err := s.allow(ctx, a, action); err != nil {
			return out, size, err
		}
	}
	r := a.role.identity
	if r == nil {
		r = a.role.supposed()
	}
	lasts := anHour
	if a.lasts.Set {
		lasts = seconds(a.lasts.V)
	}
	if lasts > max(r.MaxSession, anHour) {
		return out, size, errInvalid.New("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if !a.until.IsZero() {
		if lasts = min(lasts, a.until.Sub(s.o.World())); lasts <= 0 {
			return out, size, stsapi.ExpiredTokenException("The session at the identity provider has ended")
		}
	}
	a.session.Kind, a.session.Account, a.session.Source, a.session.ID, a.session.Name = aws.AssumedRole, r.Account, a.role.text, r.ID, a.name
	a.session.Policies, a.session.PolicyARNs = a.policies.documents, a.policies.arns
	a.session.Tags, a.session.TransitiveTags = a.tags.all, a.tags.transitive
	a.session.SourceIdentity, a.session.Chained = a.source, a.chained
	out, err = s.issue(ctx, &a.session, lasts, a.size)
	return out, size, err
}

// allow asks whether the role may be assumed so. With --auth=log what is denied is noted, and done.
func (s *Service) allow(ctx context.Context, a *assumption, action string) error {
	if !a.role.canBe() {
		return s.denied(ctx, a, action)
	}
	if s.o.Mode == auth.Open {
		return nil
	}
	err := s.o.Guard.Assume(ctx, &auth.Assumption{
		Operation: a.operation, Action: action, Role: a.role.identity, ARN: a.role.text, Keys: a.keys, Bearer: a.bearer,
	})
	if _, ok := errors.AsType[*aws.Error](err); ok && s.o.Mode == auth.Log {
		return nil
	}
	return err
}

// denied is the answer to who may not do action on the role.
func (s *Service) denied(ctx context.Context, a *assumption, action string) error {
	if a.bearer != nil {
		return errDenied.New("Not authorized to perform %s", action)
	}
	return auth.Denied(a.operation, action, aws.RequestOf(ctx).Principal, []string{a.role.text}, "")
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// AssumeRole is sts:AssumeRole.
func (s *Service) AssumeRole(ctx context.Context, in *stsapi.AssumeRoleInput) (*stsapi.AssumeRoleOutput, error) {
	if in.ProvidedContexts != nil {
		return nil, model.Unserved("sts", "AssumeRole with ProvidedContexts")
	}
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	a := &assumption{
		operation: operation("AssumeRole"), name: in.RoleSessionName, lasts: in.DurationSeconds, size: in.MinimumSessionTokenSize,
		source: in.SourceIdentity.V, keys: map[string]policy.Value{}, passing: in.TransitiveTagKeys,
		chained: p.Session != nil && p.Session.Kind == aws.AssumedRole,
	}
	if a.role, err = s.findRole(ctx, in.RoleArn); err != nil {
		return nil, err
	}
	if a.tags, err = readTags(in.Tags, in.TransitiveTagKeys, p.Session); err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.ToLower(a.source), "aws:") {
		return nil, errInvalid.New("Source Identity must not begin with \"aws:\"")
	}
	if a.policies, err = s.readPolicies(ctx, a.role.arn.Account, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	if s.o.Mode == auth.IAM && isRoot(p) {
		return nil, errDenied.New("Roles may not be assumed by root accounts.")
	}
	if p.Session != nil && p.Session.SourceIdentity != "" {
		if a.source != "" && a.source != p.Session.SourceIdentity {
			return nil, s.denied(ctx, a, "sts:SetSourceIdentity") // who it once is it stays
		}
		a.source = p.Session.SourceIdentity
	}
	if in.ExternalId.Set {
		a.keys["sts:externalid"] = policy.One(in.ExternalId.V)
	}
	proven, err := s.secondFactor(ctx, p, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	if proven {
		a.keys["aws:multifactorauthpresent"], a.keys["aws:multifactorauthage"] = policy.One("true"), policy.One("0")
	}
	i, size, err := s.assume(ctx, a)
	if err != nil {
		return nil, err
	}
	return &stsapi.AssumeRoleOutput{
		Credentials: i.credentials, AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: i.principal.UserID, Arn: i.principal.ARN},
		PackedPolicySize: size, SourceIdentity: aws.NonZero(a.source), SessionTokenUtilization: i.utilization, SessionTokenSize: i.size,
	}, nil
}

// isRoot reports whether p is the root of an account, by its key or by a session of its own.
func isRoot(p aws.Principal) bool {
	return p.Service == "" && strings.HasSuffix(p.ARN, ":root") && (p.Session == nil || p.Session.Kind == aws.UserSession)
}
