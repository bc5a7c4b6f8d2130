package sts

import (
	"context"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

const (
	halfADay   = 12 * time.Hour // how long sessions of users last of which nothing is said
	rootsLimit = time.Hour      // how long those of root may
)

// secondFactor reports whether the caller has shown a code of a device of its own. It is an error to show a wrong one.
func (s *Service) secondFactor(ctx context.Context, p aws.Principal, serial, code aws.Opt[string]) (proven bool, err error) {
	if !serial.Set && !code.Set {
		return false, nil
	}
	if !serial.Set || !code.Set {
		return false, errDenied.New("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	if s.o.Devices == nil || p.Session != nil || isRoot(p) {
		return false, errDenied.New("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
	}
	right, err := s.o.Devices.VerifyMFA(ctx, p.ARN, serial.V, code.V)
	if err != nil {
		return false, err
	}
	if !right {
		return false, errDenied.New("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	}
	return true, nil
}

// lasts is how long a session of a user lasts.
func lasts(p aws.Principal, asked aws.Opt[int32]) time.Duration {
	d := halfADay
	if asked.Set {
		d = seconds(asked.V)
	}
	if isRoot(p) {
		d = min(d, rootsLimit)
	}
	return d
}

// GetSessionToken is sts:GetSessionToken.
func (s *Service) GetSessionToken(ctx context.Context, in *stsapi.GetSessionTokenInput) (*stsapi.GetSessionTokenOutput, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if p.Session != nil || p.Service != "" {
		return nil, errDenied.New("Cannot call GetSessionToken with session credentials")
	}
	session := &aws.Session{Kind: aws.UserSession, Account: p.Account, Source: p.ARN, ID: p.UserID}
	proven, err := s.secondFactor(ctx, p, in.SerialNumber, in.TokenCode)
	if err != nil {
		return nil, err
	}
	if proven {
		session.MFA = s.o.Clock.Now()
	}
	i, err := s.issue(ctx, session, lasts(p, in.DurationSeconds), in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &stsapi.GetSessionTokenOutput{Credentials: i.credentials, SessionTokenUtilization: i.utilization, SessionTokenSize: i.size}, nil
}

// GetFederationToken is sts:GetFederationToken.
func (s *Service) GetFederationToken(ctx context.Context, in *stsapi.GetFederationTokenInput) (*stsapi.GetFederationTokenOutput, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if p.Session != nil || p.Service != "" {
		return nil, errDenied.New("Cannot call GetFederationToken with session credentials")
	}
	tags, err := readTags(in.Tags, nil, nil)
	if err != nil {
		return nil, err
	}
	policies, err := s.readPolicies(ctx, p.Account, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	size, err := packed(policies, tags.passed)
	if err != nil {
		return nil, err
	}
	session := &aws.Session{
		Kind: aws.FederatedUser, Account: p.Account, Source: p.ARN, ID: p.UserID, Name: in.Name,
		Policies: policies.documents, PolicyARNs: policies.arns, Tags: tags.all,
	}
	i, err := s.issue(ctx, session, lasts(p, in.DurationSeconds), in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &stsapi.GetFederationTokenOutput{
		Credentials: i.credentials, FederatedUser: &stsapi.FederatedUser{FederatedUserId: i.principal.UserID, Arn: i.principal.ARN},
		PackedPolicySize: aws.Some(size.V), SessionTokenUtilization: i.utilization, SessionTokenSize: i.size,
	}, nil
}

// GetWebIdentityToken is sts:GetWebIdentityToken. It answers what AWS does to an account that never turned the feature on: here
// nothing turns it on (iam:EnableOutboundWebIdentityFederation answers 501), as there is no issuer that others could ask for keys.
func (s *Service) GetWebIdentityToken(ctx context.Context, in *stsapi.GetWebIdentityTokenInput) (*stsapi.GetWebIdentityTokenOutput, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	if in.SigningAlgorithm != "RS256" && in.SigningAlgorithm != "ES384" {
		return nil, errInvalid.New("1 validation error detected: Value '%s' at 'signingAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RS256, ES384]", in.SigningAlgorithm)
	}
	return nil, stsapi.OutboundWebIdentityFederationDisabledException("Outbound web identity federation is disabled for your account.")
}
