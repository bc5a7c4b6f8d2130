package provider

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxOIDC    = 100 // of an account
	maxClients = 100 // of a provider
	maxPrints  = 5
)

// OIDCProvider is an OpenID Connect provider that an account trusts.
type OIDCProvider struct {
	ARN         string
	Issuer      string   // with its scheme
	ClientIDs   []string // those a token may be for
	Thumbprints []string // SHA-1, in hexadecimal, of certificates that its servers may show
}

// OIDCProvider is the provider an account has for an issuer; ok is false where it has none.
func (s *Providers) OIDCProvider(ctx context.Context, account, issuer string) (p *OIDCProvider, ok bool, err error) {
	scheme, name, _ := strings.Cut(issuer, "://")
	h := form.Home{Account: account, Partition: aws.Partition(aws.RequestOf(ctx).Region)}
	p, err = store.View(ctx, s.space, func(tx *store.Tx) (*OIDCProvider, error) {
		r, ok := s.tables.oidc.Get(tx, account, name)
		if !ok || r.scheme() != scheme {
			return nil, nil
		}
		return &OIDCProvider{h.ARN("oidc-provider/" + name), issuer, r.Clients, r.Prints}, nil
	})
	return p, p != nil, err
}

func (r *oidcRecord) scheme() string {
	if r.Plain {
		return "http"
	}
	return "https"
}

func noOIDC(arn string) error {
	return iamapi.NoSuchEntityException("OpenIDConnect Provider not found for arn %s", arn)
}

// oidcProvider is the provider of an ARN, and its key.
func (s *Providers) oidcProvider(tx *store.Tx, h form.Home, arn string) (oidcRecord, string, error) {
	a, ok := aws.ParseARN(arn)
	name, isProvider := strings.CutPrefix(a.Resource, "oidc-provider/")
	if !ok || a.Service != "iam" || !isProvider {
		return oidcRecord{}, "", form.Invalid("Invalid ARN:  Could not be parsed!")
	}
	if a.Account == h.Account {
		if r, ok := s.tables.oidc.Get(tx, h.Account, name); ok {
			return r, name, nil
		}
	}
	return oidcRecord{}, "", noOIDC(arn)
}

// setOIDC makes r the provider of that name, nil to delete it, and tells of it.
func (s *Providers) setOIDC(ctx context.Context, tx *store.Tx, h form.Home, name string, r *oidcRecord) {
	arn := h.ARN("oidc-provider/" + name)
	if s.changes.Watched(oidcType) {
		before := ""
		if was, ok := s.tables.oidc.Get(tx, h.Account, name); ok {
			before = was.properties(arn, name)
		}
		s.changes.Became(ctx, tx, oidcType, arn, before, r.properties(arn, name))
	}
	if r == nil {
		s.tables.oidc.Delete(tx, h.Account, name)
	} else {
		s.tables.oidc.Set(tx, *r, h.Account, name)
	}
}

const oidcType = "AWS::IAM::OIDCProvider"

// properties are a provider's as a declared resource's, as JSON; empty where there is none.
func (r *oidcRecord) properties(arn, name string) string {
	if r == nil {
		return ""
	}
	return resource.Text(struct {
		Arn, Url                     string
		ClientIdList, ThumbprintList []string   `json:",omitempty"`
		Tags                         []form.Tag `json:",omitempty"`
	}{arn, r.scheme() + "://" + name, r.Clients, r.Prints, r.Tags})
}

// checkPrints checks thumbprints that are to be given.
func checkPrints(prints []string) error {
	if len(prints) > maxPrints {
		return iamapi.InvalidInputException("Thumbprint list must contain fewer than %d entries.", maxPrints)
	}
	for _, p := range prints {
		if len(p) != 40 || strings.Trim(p, "0123456789abcdefABCDEF") != "" {
			return iamapi.InvalidInputException("Thumbprint must be 40 hexadecimal characters.")
		}
	}
	return nil
}

// checkClients checks client ids that are to be given.
func checkClients(clients []string) error {
	if len(clients) > maxClients {
		return form.OverQuota("ClientIdsPerOpenIdConnectProvider", maxClients)
	}
	return nil
}

// providerName is a provider's URL without its scheme, which is how it is named.
func providerName(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", form.Invalid("Invalid Open ID Connect Provider URL")
	}
	return u.Host + u.EscapedPath(), nil
}

// CreateOpenIDConnectProvider has an account trust a provider. AWS takes https alone; a provider of a test is often found at http, on
// this machine.
func (s *Providers) CreateOpenIDConnectProvider(ctx context.Context, in *iamapi.CreateOpenIDConnectProviderInput) (*iamapi.CreateOpenIDConnectProviderOutput, error) {
	name, err := providerName(in.Url)
	if err != nil {
		return nil, err
	}
	if err := checkPrints(in.ThumbprintList); err != nil {
		return nil, err
	}
	if err := checkClients(in.ClientIDList); err != nil {
		return nil, err
	}
	tags, err := form.AddTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.CreateOpenIDConnectProviderOutput, error) {
		if s.tables.oidc.Has(tx, h.Account, name) {
			return nil, iamapi.EntityAlreadyExistsException("Provider with url %s already exists.", in.Url)
		}
		has := 0
		for range s.tables.oidc.Keys(tx, store.ScanOptions{}, h.Account) {
			has++
		}
		if has >= maxOIDC {
			return nil, form.OverQuota("OpenIdConnectProvidersPerAccount", maxOIDC)
		}
		r := oidcRecord{Plain: strings.HasPrefix(in.Url, "http:"), Clients: unique(in.ClientIDList), Prints: in.ThumbprintList, Created: form.Seconds(tx), Tags: tags}
		s.setOIDC(ctx, tx, h, name, &r)
		return &iamapi.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: aws.Some(h.ARN("oidc-provider/" + name)), Tags: form.Tags(tags)}, nil
	})
}

func unique(list []string) (out []string) {
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// GetOpenIDConnectProvider tells all of a provider. Its URL has no scheme, as on AWS.
func (s *Providers) GetOpenIDConnectProvider(ctx context.Context, in *iamapi.GetOpenIDConnectProviderInput) (*iamapi.GetOpenIDConnectProviderOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetOpenIDConnectProviderOutput, error) {
		r, name, err := s.oidcProvider(tx, h, in.OpenIDConnectProviderArn)
		if err != nil {
			return nil, err
		}
		return &iamapi.GetOpenIDConnectProviderOutput{
			Url: aws.Some(name), ClientIDList: append([]string{}, r.Clients...), ThumbprintList: append([]string{}, r.Prints...),
			CreateDate: aws.Some(form.At(r.Created)), Tags: form.Tags(r.Tags),
		}, nil
	})
}

// ListOpenIDConnectProviders lists the account's.
func (s *Providers) ListOpenIDConnectProviders(ctx context.Context, _ *iamapi.ListOpenIDConnectProvidersInput) (*iamapi.ListOpenIDConnectProvidersOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListOpenIDConnectProvidersOutput, error) {
		out := &iamapi.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: []iamapi.OpenIDConnectProviderListEntry{}}
		for k := range s.tables.oidc.Keys(tx, store.ScanOptions{}, h.Account) {
			out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList,
				iamapi.OpenIDConnectProviderListEntry{Arn: aws.Some(h.ARN("oidc-provider/" + k.String(1)))})
		}
		return out, nil
	})
}

// DeleteOpenIDConnectProvider deletes a provider; one that is not there is no error.
func (s *Providers) DeleteOpenIDConnectProvider(ctx context.Context, in *iamapi.DeleteOpenIDConnectProviderInput) (*iamapi.DeleteOpenIDConnectProviderOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteOpenIDConnectProviderOutput, error) {
		_, name, err := s.oidcProvider(tx, h, in.OpenIDConnectProviderArn)
		if e, ok := err.(*aws.Error); ok && e.ErrorShape != iamapi.ErrNoSuchEntityException { //nolint:errorlint // made right here
			return nil, err
		} else if err == nil {
			s.setOIDC(ctx, tx, h, name, nil)
		}
		return &iamapi.DeleteOpenIDConnectProviderOutput{}, nil
	})
}

// changeOIDC changes a provider.
func (s *Providers) changeOIDC(ctx context.Context, arn string, change func(r *oidcRecord) error) error {
	_, err := form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (struct{}, error) {
		r, name, err := s.oidcProvider(tx, h, arn)
		if err != nil {
			return struct{}{}, err
		}
		if err := change(&r); err != nil {
			return struct{}{}, err
		}
		s.setOIDC(ctx, tx, h, name, &r)
		return struct{}{}, nil
	})
	return err
}

// AddClientIDToOpenIDConnectProvider adds a client id; one that is there already is no error.
func (s *Providers) AddClientIDToOpenIDConnectProvider(ctx context.Context, in *iamapi.AddClientIDToOpenIDConnectProviderInput) (*iamapi.AddClientIDToOpenIDConnectProviderOutput, error) {
	return &iamapi.AddClientIDToOpenIDConnectProviderOutput{}, s.changeOIDC(ctx, in.OpenIDConnectProviderArn, func(r *oidcRecord) error {
		r.Clients = unique(append(slices.Clone(r.Clients), in.ClientID))
		return checkClients(r.Clients)
	})
}

// RemoveClientIDFromOpenIDConnectProvider removes a client id; one that is not there is no error.
func (s *Providers) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, in *iamapi.RemoveClientIDFromOpenIDConnectProviderInput) (*iamapi.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	return &iamapi.RemoveClientIDFromOpenIDConnectProviderOutput{}, s.changeOIDC(ctx, in.OpenIDConnectProviderArn, func(r *oidcRecord) error {
		r.Clients = slices.DeleteFunc(slices.Clone(r.Clients), func(id string) bool { return id == in.ClientID })
		return nil
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces all thumbprints.
func (s *Providers) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, in *iamapi.UpdateOpenIDConnectProviderThumbprintInput) (*iamapi.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	return &iamapi.UpdateOpenIDConnectProviderThumbprintOutput{}, s.changeOIDC(ctx, in.OpenIDConnectProviderArn, func(r *oidcRecord) error {
		r.Prints = in.ThumbprintList
		return checkPrints(in.ThumbprintList)
	})
}

// oidcTags are the tags of the provider of an ARN.
func (s *Providers) oidcTags(ctx context.Context, arn string) form.Find {
	return func(tx *store.Tx, h form.Home) (form.Tagged, error) {
		r, name, err := s.oidcProvider(tx, h, arn)
		return form.Tagged{Tags: r.Tags, Save: func(tags []form.Tag) { r.Tags = tags; s.setOIDC(ctx, tx, h, name, &r) }}, err
	}
}

// TagOpenIDConnectProvider tags a provider.
func (s *Providers) TagOpenIDConnectProvider(ctx context.Context, in *iamapi.TagOpenIDConnectProviderInput) (*iamapi.TagOpenIDConnectProviderOutput, error) {
	return &iamapi.TagOpenIDConnectProviderOutput{}, s.oidcTags(ctx, in.OpenIDConnectProviderArn).Add(ctx, s.space, in.Tags)
}

// UntagOpenIDConnectProvider takes tags from a provider.
func (s *Providers) UntagOpenIDConnectProvider(ctx context.Context, in *iamapi.UntagOpenIDConnectProviderInput) (*iamapi.UntagOpenIDConnectProviderOutput, error) {
	return &iamapi.UntagOpenIDConnectProviderOutput{}, s.oidcTags(ctx, in.OpenIDConnectProviderArn).Remove(ctx, s.space, in.TagKeys)
}

// ListOpenIDConnectProviderTags lists the tags of a provider.
func (s *Providers) ListOpenIDConnectProviderTags(ctx context.Context, in *iamapi.ListOpenIDConnectProviderTagsInput) (*iamapi.ListOpenIDConnectProviderTagsOutput, error) {
	tags, p, err := s.oidcTags(ctx, in.OpenIDConnectProviderArn).List(ctx, s.space, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListOpenIDConnectProviderTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}
