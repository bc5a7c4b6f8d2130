// Package sts is the AWS Security Token Service: who a caller is, and credentials that last for a while.
//
// # What it keeps
//
// Nothing. A session is sealed into its token ([auth.Sessions]); what its bearer may do is looked up with each request.
//
// # What it promises
//
//   - A role is assumed by whom its trust policy allows it, on what the call says (external id, session name, tags, source
//     identity), on a code of a device that was right, or on what a provider vouches for: tokens and assertions are verified, in every mode.
//   - A session ends by the platform's clock, which can be moved. Tokens and assertions of others are judged by the world's.
//
// # Where nobody is asked what they may do (--auth=open)
//
// Nobody is asked here either: trust policies refuse nobody, root may assume roles, and a role that is not there is taken at its word as
// an account is: it has a session, whose unique id follows from the role's name. What AWS checks of a call is checked all the same,
// and a role that is there holds its longest session. With --auth=iam all this is AWS's: a role that is not there is
// denied as one that does not trust the caller, and root assumes none.
//
// # Known differences from AWS
//
//   - How much room policies and tags take packed is our own measure: AWS does not tell its own.
//   - GetDelegatedAccessToken is not served; GetWebIdentityToken answers that the feature is off; AssumeRoot is denied, as there are no organizations; access tokens
//     of OAuth 2.0 (ProviderId) and context assertions (ProvidedContexts) are not taken.
package sts

import (
	"context"
	"errors"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

// Directory knows roles, policies and keys.
type Directory interface {
	AccessKey(ctx context.Context, id string) (auth.AccessKey, bool, error)
	Identity(ctx context.Context, arn string) (*auth.Identity, bool, error)
	Policy(ctx context.Context, arn string) (policy.Source, bool, error)
}

// Guard decides who may assume which role.
type Guard interface {
	Assume(ctx context.Context, a *auth.Assumption) error
}

// Providers knows whom an account has others vouch for its callers.
type Providers interface {
	// OpenIDProvider is the provider that an account has for an issuer ("https://accounts.example/realm"); ok is false where it has none.
	OpenIDProvider(ctx context.Context, account, issuer string) (p OpenIDProvider, ok bool, err error)
	// SAMLProvider is the provider of an ARN.
	SAMLProvider(ctx context.Context, arn string) (p SAMLProvider, ok bool, err error)
}

// OpenIDProvider is an OpenID Connect provider of an account.
type OpenIDProvider struct {
	ARN         string
	Clients     []string // whom its tokens may be for
	Thumbprints []string // of certificates of its host
}

// SAMLProvider is a SAML provider of an account.
type SAMLProvider struct {
	Metadata  string
	Encrypted bool     // nothing is taken of it that is not
	Keys      []string // to decrypt with; PEM
}

// Devices knows the second factors of users.
type Devices interface {
	// VerifyMFA reports whether code is what the user's device of that serial number shows now. user is an ARN. A code is right once.
	VerifyMFA(ctx context.Context, user, serial, code string) (bool, error)
}

// Options of the service.
type Options struct {
	Mode      auth.Mode
	Guard     Guard // not asked in open mode
	Directory Directory
	Sessions  *auth.Sessions
	Providers Providers           // nil: there are none
	Devices   Devices             // nil: there are none
	Issuers   *federation.Issuers // nil: no issuer is asked
	Clock     auth.Clock          // the platform's
	World     func() time.Time    // what the clocks of others show
}

// Service implements stsapi.Service.
type Service struct {
	stsapi.Unimplemented // GetDelegatedAccessToken

	o Options
}

var _ stsapi.Service = (*Service)(nil)

// New is the service.
func New(o Options) *Service { return &Service{o: o} }

// The errors that AWS answers and the model does not name.
var (
	errDenied    = &aws.ErrorShape{Code: "AccessDenied", Status: 403}
	errInvalid   = &aws.ErrorShape{Code: "ValidationError", Status: 400}
	errParameter = &aws.ErrorShape{Code: "InvalidParameterValue", Status: 400}
)

// Asks implements call.Asker: whether a role may be assumed its trust policy says, on keys that only the service knows.
func (s *Service) Asks(op *model.Operation) bool {
	switch op.Name {
	case "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity":
		return true
	}
	return false
}

// operation is an operation of the model.
func operation(name string) *model.Operation { return stsapi.API().Operation(name) }

// caller is who calls. That nobody is asked whether they may does not mean that anybody need not say who they are.
func caller(ctx context.Context) (aws.Principal, error) {
	p := aws.RequestOf(ctx).Principal
	if p.ARN == "" && p.Service == "" {
		return p, auth.Anonymous(stsapi.API())
	}
	return p, nil
}

// GetCallerIdentity is sts:GetCallerIdentity. AWS lets everybody ask who they are, whatever their policies say.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *stsapi.GetCallerIdentityInput) (*stsapi.GetCallerIdentityOutput, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return &stsapi.GetCallerIdentityOutput{UserId: aws.Some(p.UserID), Account: aws.Some(p.Account), Arn: aws.Some(p.ARN)}, nil
}

// GetAccessKeyInfo is sts:GetAccessKeyInfo. The account is part of the id; whether there is such a key is not asked.
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *stsapi.GetAccessKeyInfoInput) (*stsapi.GetAccessKeyInfoOutput, error) {
	account, ok := auth.AccountOfAccessKey(in.AccessKeyId)
	if !ok {
		k, found, err := s.o.Directory.AccessKey(ctx, in.AccessKeyId) // root's may have been given any id
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, errInvalid.New("%s is no access key id of an account", in.AccessKeyId)
		}
		account = k.Account
	}
	return &stsapi.GetAccessKeyInfoOutput{Account: aws.Some(account)}, nil
}

// DecodeAuthorizationMessage is sts:DecodeAuthorizationMessage.
func (s *Service) DecodeAuthorizationMessage(ctx context.Context, in *stsapi.DecodeAuthorizationMessageInput) (*stsapi.DecodeAuthorizationMessageOutput, error) {
	text, err := s.o.Sessions.Unseal(ctx, aws.RequestOf(ctx).Account, in.EncodedMessage)
	if errors.Is(err, auth.ErrBadToken) {
		return nil, stsapi.InvalidAuthorizationMessageException("Message is not valid")
	}
	if err != nil {
		return nil, err
	}
	return &stsapi.DecodeAuthorizationMessageOutput{DecodedMessage: aws.Some(string(text))}, nil
}

// AssumeRoot is sts:AssumeRoot. It is for the management account of an organization, and there are none: AWS denies it to all others.
func (s *Service) AssumeRoot(ctx context.Context, in *stsapi.AssumeRootInput) (*stsapi.AssumeRootOutput, error) {
	r := aws.RequestOf(ctx)
	target := in.TargetPrincipal
	if aws.IsAccount(target) {
		target = "arn:" + aws.Partition(r.Region) + ":iam::" + target + ":root"
	}
	return nil, auth.Denied(operation("AssumeRoot"), "sts:AssumeRoot", r.Principal, []string{target}, "")
}
