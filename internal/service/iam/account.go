package iam

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/service/iam/credential"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// CreateAccountAlias gives an account a name that no other has. It has one: another takes its place.
func (s *Service) CreateAccountAlias(ctx context.Context, in *iamapi.CreateAccountAliasInput) (*iamapi.CreateAccountAliasOutput, error) {
	if a := in.AccountAlias; strings.Trim(a, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || a[0] == '-' || a[len(a)-1] == '-' || strings.Contains(a, "--") {
		return nil, form.Invalid("The specified value for accountAlias is invalid. It must contain only digits, lowercase letters, and hyphens (-), but cannot begin or end with a hyphen.")
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateAccountAliasOutput, error) {
		if _, ok := s.tables.aliases.Get(tx, in.AccountAlias); ok {
			return nil, iamapi.EntityAlreadyExistsException("The account alias %s already exists.", in.AccountAlias)
		}
		settings, _ := s.tables.settings.Get(tx, h.account)
		if settings.Alias != "" {
			s.tables.aliases.Delete(tx, settings.Alias)
		}
		settings.Alias = in.AccountAlias
		s.tables.settings.Set(tx, settings, h.account)
		s.tables.aliases.Set(tx, h.account, in.AccountAlias)
		return &iamapi.CreateAccountAliasOutput{}, nil
	})
}

// DeleteAccountAlias takes an account's alias away.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *iamapi.DeleteAccountAliasInput) (*iamapi.DeleteAccountAliasOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteAccountAliasOutput, error) {
		settings, _ := s.tables.settings.Get(tx, h.account)
		if settings.Alias != in.AccountAlias {
			return nil, iamapi.NoSuchEntityException("The account alias with name %s cannot be found.", in.AccountAlias)
		}
		s.tables.aliases.Delete(tx, settings.Alias)
		settings.Alias = ""
		s.tables.settings.Set(tx, settings, h.account)
		return &iamapi.DeleteAccountAliasOutput{}, nil
	})
}

// ListAccountAliases lists the one an account has.
func (s *Service) ListAccountAliases(ctx context.Context, in *iamapi.ListAccountAliasesInput) (*iamapi.ListAccountAliasesOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListAccountAliasesOutput, error) {
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: p.Truncated()}
		if settings, _ := s.tables.settings.Get(tx, h.account); settings.Alias != "" {
			out.AccountAliases = append(out.AccountAliases, settings.Alias)
		}
		return out, nil
	})
}

// SetSecurityTokenServicePreferences keeps which tokens the global endpoint gives. Ours hold in all regions anyway.
func (s *Service) SetSecurityTokenServicePreferences(ctx context.Context, in *iamapi.SetSecurityTokenServicePreferencesInput) (*iamapi.SetSecurityTokenServicePreferencesOutput, error) {
	if err := form.CheckEnum("globalEndpointTokenVersion", in.GlobalEndpointTokenVersion); err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.SetSecurityTokenServicePreferencesOutput, error) {
		settings, _ := s.tables.settings.Get(tx, h.account)
		settings.TokensV2 = in.GlobalEndpointTokenVersion == "v2Token"
		s.tables.settings.Set(tx, settings, h.account)
		return &iamapi.SetSecurityTokenServicePreferencesOutput{}, nil
	})
}

// GetAccountSummary counts what there is, and tells how much there may be.
func (s *Service) GetAccountSummary(ctx context.Context, _ *iamapi.GetAccountSummaryInput) (*iamapi.GetAccountSummaryOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetAccountSummaryOutput, error) {
		t, account := &s.tables, h.account
		a, _ := t.accounts.Get(tx, account)
		settings, _ := t.settings.Get(tx, account)
		m := map[iamapi.SummaryKeyType]int32{
			"AccessKeysPerUserQuota": 2, "AttachedPoliciesPerGroupQuota": 10, "AttachedPoliciesPerRoleQuota": 10, "AttachedPoliciesPerUserQuota": 10,
			"AssumeRolePolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "UserPolicySizeQuota": 2048,
			"PolicySizeQuota": 6144, "VersionsPerPolicyQuota": 5, "PolicyVersionsInUseQuota": 10000, "GroupsPerUserQuota": 10,
			"SigningCertificatesPerUserQuota": credential.MaxSigning, "ServerCertificatesQuota": credential.MaxServers, "GlobalEndpointTokenVersion": 1,
			"AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountAccessKeysPresent": 0, "AccountSigningCertificatesPresent": 0,
			"Users": int32(a.Counts[aUser]), "Groups": int32(a.Counts[aGroup]), "Roles": int32(a.Counts[aRole]),
			"Policies": int32(a.Counts[aPolicy]), "InstanceProfiles": int32(a.Counts[aProfile]),
		}
		for k, key := range map[kind]iamapi.SummaryKeyType{
			aUser: "UsersQuota", aGroup: "GroupsQuota", aRole: "RolesQuota", aPolicy: "PoliciesQuota", aProfile: "InstanceProfilesQuota",
		} {
			m[key] = int32(k.traits().most)
		}
		if settings.TokensV2 {
			m["GlobalEndpointTokenVersion"] = 2
		}
		if len(a.Keys) > 0 {
			m["AccountAccessKeysPresent"] = 1
		}
		if len(s.Of(tx, account, account).Certificates) > 0 {
			m["AccountSigningCertificatesPresent"] = 1
		}
		devices, inUse, servers := s.Credentials.Count(tx, account)
		m["MFADevices"], m["MFADevicesInUse"], m["ServerCertificates"] = int32(devices), int32(inUse), int32(servers)
		m["Providers"] = int32(s.Providers.Count(tx, account))
		m["PolicyVersionsInUse"] = 0
		for _, c := range t.counts.Scan(tx, store.ScanOptions{}, account) {
			if c.Attached > 0 {
				m["PolicyVersionsInUse"]++
			}
		}
		return &iamapi.GetAccountSummaryOutput{SummaryMap: m}, nil
	})
}

// What an account that is in no organization is answered where AWS would ask the organization.
func noOrganization() error {
	return iamapi.OrganizationNotFoundException("The request failed because your organization could not be found. The account is not a member of an organization.")
}

// ListOrganizationsFeatures needs an organization.
func (s *Service) ListOrganizationsFeatures(context.Context, *iamapi.ListOrganizationsFeaturesInput) (*iamapi.ListOrganizationsFeaturesOutput, error) {
	return nil, noOrganization()
}

// EnableOrganizationsRootCredentialsManagement needs an organization.
func (s *Service) EnableOrganizationsRootCredentialsManagement(context.Context, *iamapi.EnableOrganizationsRootCredentialsManagementInput) (*iamapi.EnableOrganizationsRootCredentialsManagementOutput, error) {
	return nil, noOrganization()
}

// DisableOrganizationsRootCredentialsManagement needs an organization.
func (s *Service) DisableOrganizationsRootCredentialsManagement(context.Context, *iamapi.DisableOrganizationsRootCredentialsManagementInput) (*iamapi.DisableOrganizationsRootCredentialsManagementOutput, error) {
	return nil, noOrganization()
}

// EnableOrganizationsRootSessions needs an organization.
func (s *Service) EnableOrganizationsRootSessions(context.Context, *iamapi.EnableOrganizationsRootSessionsInput) (*iamapi.EnableOrganizationsRootSessionsOutput, error) {
	return nil, noOrganization()
}

// DisableOrganizationsRootSessions needs an organization.
func (s *Service) DisableOrganizationsRootSessions(context.Context, *iamapi.DisableOrganizationsRootSessionsInput) (*iamapi.DisableOrganizationsRootSessionsOutput, error) {
	return nil, noOrganization()
}

// GenerateOrganizationsAccessReport is for the management account of an organization: every path it could be given is another's.
func (s *Service) GenerateOrganizationsAccessReport(_ context.Context, in *iamapi.GenerateOrganizationsAccessReportInput) (*iamapi.GenerateOrganizationsAccessReportOutput, error) {
	return nil, iamapi.InvalidInputException("Invalid entity path %s: the account is not the management account of an organization.", in.EntityPath)
}

// GetOrganizationsAccessReport finds no report: none can be made.
func (s *Service) GetOrganizationsAccessReport(_ context.Context, in *iamapi.GetOrganizationsAccessReportInput) (*iamapi.GetOrganizationsAccessReportOutput, error) {
	return nil, noJob(in.JobId)
}

func noJob(id string) error {
	return iamapi.NoSuchEntityException("The Job with id %s does not exist.", id)
}

// Outbound web identity federation is off, and nothing turns it on: STS gives no tokens to others.

// GetOutboundWebIdentityFederationInfo answers what AWS does where it was never turned on.
func (s *Service) GetOutboundWebIdentityFederationInfo(context.Context, *iamapi.GetOutboundWebIdentityFederationInfoInput) (*iamapi.GetOutboundWebIdentityFederationInfoOutput, error) {
	return nil, federationOff()
}

// DisableOutboundWebIdentityFederation answers what AWS does where it was never turned on.
func (s *Service) DisableOutboundWebIdentityFederation(context.Context, *iamapi.DisableOutboundWebIdentityFederationInput) (*iamapi.DisableOutboundWebIdentityFederationOutput, error) {
	return nil, federationOff()
}

func federationOff() error {
	return iamapi.FeatureDisabledException("Outbound web identity federation is disabled for your account.")
}

// Requests to delegate come from AWS's partners, of whom there are none here.

// ListDelegationRequests finds none.
func (s *Service) ListDelegationRequests(_ context.Context, in *iamapi.ListDelegationRequestsInput) (*iamapi.ListDelegationRequestsOutput, error) {
	p, err := form.NewPage(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListDelegationRequestsOutput{DelegationRequests: []iamapi.DelegationRequest{}, IsTruncated: p.Truncated()}, nil
}

// GetDelegationRequest finds none.
func (s *Service) GetDelegationRequest(_ context.Context, in *iamapi.GetDelegationRequestInput) (*iamapi.GetDelegationRequestOutput, error) {
	return nil, iamapi.NoSuchEntityException("The delegation request with id %s cannot be found.", in.DelegationRequestId)
}
