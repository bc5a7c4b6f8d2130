package provider

import (
	"context"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxSAML     = 100 // of an account
	maxSAMLKeys = 2
)

// SAMLProvider is a SAML provider that an account trusts.
type SAMLProvider struct {
	ARN       string
	Name      string
	UUID      string
	Metadata  string // XML: who issues assertions, and the certificates that check them
	Until     time.Time
	Encrypted bool     // assertions must be
	Keys      []string // to decrypt them with; PEM
}

// SAMLProvider is the provider of an ARN; ok is false where there is none.
func (s *Providers) SAMLProvider(ctx context.Context, arn string) (p *SAMLProvider, ok bool, err error) {
	a, _ := aws.ParseARN(arn)
	h := form.Home{Account: a.Account, Partition: a.Partition}
	p, err = store.View(ctx, s.space, func(tx *store.Tx) (*SAMLProvider, error) {
		r, err := s.samlProvider(tx, h, arn)
		if err != nil {
			return nil, nil
		}
		text, err := form.Unpack(r.Metadata)
		if err != nil {
			return nil, err
		}
		p := &SAMLProvider{ARN: arn, Name: r.Name, UUID: r.ID, Metadata: string(text), Until: form.At(r.Until), Encrypted: r.Mode == "Required"}
		for _, k := range r.Keys {
			p.Keys = append(p.Keys, k.Key)
		}
		return p, nil
	})
	return p, p != nil, err
}

// samlProvider is the provider of an ARN.
func (s *Providers) samlProvider(tx *store.Tx, h form.Home, arn string) (samlRecord, error) {
	a, ok := aws.ParseARN(arn)
	name, isProvider := strings.CutPrefix(a.Resource, "saml-provider/")
	if !ok || a.Service != "iam" || !isProvider {
		return samlRecord{}, form.Invalid("Invalid ARN:  Could not be parsed!")
	}
	if r, ok := s.tables.saml.Get(tx, h.Account, form.Fold(name)); ok && a.Account == h.Account && r.Name == name {
		return r, nil
	}
	return samlRecord{}, iamapi.NoSuchEntityException("Manifest not found for arn %s", arn)
}

func (r *samlRecord) arn(h form.Home) string { return h.ARN("saml-provider/" + r.Name) }

// setSAML makes r the provider of that name, nil to delete it, and tells of it.
func (s *Providers) setSAML(ctx context.Context, tx *store.Tx, h form.Home, name string, r *samlRecord) {
	if s.changes.Watched(samlType) {
		before := ""
		if was, ok := s.tables.saml.Get(tx, h.Account, form.Fold(name)); ok {
			before = was.properties(h)
		}
		s.changes.Became(ctx, tx, samlType, h.ARN("saml-provider/"+name), before, r.properties(h))
	}
	if r == nil {
		s.tables.saml.Delete(tx, h.Account, form.Fold(name))
	} else {
		s.tables.saml.Set(tx, *r, h.Account, form.Fold(name))
	}
}

const samlType = "AWS::IAM::SAMLProvider"

// properties are a provider's as a declared resource's, as JSON; empty where there is none.
func (r *samlRecord) properties(h form.Home) string {
	if r == nil {
		return ""
	}
	text, err := form.Unpack(r.Metadata)
	if err != nil {
		text = nil // whoever reads the provider is told
	}
	return resource.Text(struct {
		Arn, Name, SamlMetadataDocument, SamlProviderUUID string
		AssertionEncryptionMode                           string     `json:",omitempty"`
		Tags                                              []form.Tag `json:",omitempty"`
	}{r.arn(h), r.Name, string(text), r.ID, r.Mode, r.Tags})
}

// describe takes in a metadata document, where there is one, and a private key.
func (r *samlRecord) describe(document aws.Opt[string], mode aws.Opt[iamapi.AssertionEncryptionModeType], key aws.Opt[string], now time.Time) error {
	if document.Set {
		m, err := federation.ReadProvider(document.V)
		if err != nil {
			return iamapi.InvalidInputException("Could not parse metadata")
		}
		r.Metadata = form.Pack([]byte(document.V))
		if len(r.Metadata) > form.MaxPacked {
			return iamapi.LimitExceededException("Cannot exceed quota for SAMLMetadataDocument: it is too large")
		}
		r.Until = now.AddDate(100, 0, 0).Unix() // where it does not say
		if !m.Until.IsZero() {
			r.Until = m.Until.Unix()
		}
	}
	if key.Set {
		if _, err := keys.PrivateKey(key.V); err != nil {
			return iamapi.InvalidInputException("Private key could not be parsed")
		}
		if len(r.Keys) >= maxSAMLKeys {
			return form.OverQuota("PrivateKeysPerSAMLProvider", maxSAMLKeys)
		}
		r.Keys = append(r.Keys[:len(r.Keys):len(r.Keys)], samlKey{ID: form.NewID("")[:11] + form.NewID("")[:11], Key: key.V, Added: now.Unix()})
	}
	if mode.Set {
		if err := form.CheckEnum("assertionEncryptionMode", mode.V); err != nil {
			return err
		}
		r.Mode = string(mode.V)
	}
	if r.Mode == "Required" && len(r.Keys) == 0 {
		return iamapi.InvalidInputException("A private key is required for assertion encryption mode Required")
	}
	return nil
}

// CreateSAMLProvider has an account trust a provider.
func (s *Providers) CreateSAMLProvider(ctx context.Context, in *iamapi.CreateSAMLProviderInput) (*iamapi.CreateSAMLProviderOutput, error) {
	if strings.ContainsAny(in.Name, "+=,@") || form.CheckName("name", in.Name) != nil {
		return nil, form.Invalid("The specified value for name is invalid. It must contain only alphanumeric characters and/or the following: ._-")
	}
	tags, err := form.AddTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	id := form.NewID("")[:11] + form.NewID("")[:11]
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.CreateSAMLProviderOutput, error) {
		r := samlRecord{Name: in.Name, ID: id, Created: form.Seconds(tx), Tags: tags}
		if err := r.describe(aws.Some(in.SAMLMetadataDocument), in.AssertionEncryptionMode, in.AddPrivateKey, tx.Now()); err != nil {
			return nil, err
		}
		if s.tables.saml.Has(tx, h.Account, form.Fold(r.Name)) {
			return nil, iamapi.EntityAlreadyExistsException("SAMLProvider %s already exists.", r.arn(h))
		}
		has := 0
		for range s.tables.saml.Keys(tx, store.ScanOptions{}, h.Account) {
			has++
		}
		if has >= maxSAML {
			return nil, form.OverQuota("SAMLProvidersPerAccount", maxSAML)
		}
		s.setSAML(ctx, tx, h, r.Name, &r)
		return &iamapi.CreateSAMLProviderOutput{SAMLProviderArn: aws.Some(r.arn(h)), Tags: form.Tags(tags)}, nil
	})
}

// UpdateSAMLProvider changes a provider's metadata, and the keys that decrypt its assertions.
func (s *Providers) UpdateSAMLProvider(ctx context.Context, in *iamapi.UpdateSAMLProviderInput) (*iamapi.UpdateSAMLProviderOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UpdateSAMLProviderOutput, error) {
		r, err := s.samlProvider(tx, h, in.SAMLProviderArn)
		if err != nil {
			return nil, err
		}
		if in.RemovePrivateKey.Set {
			var left []samlKey
			for _, k := range r.Keys {
				if k.ID != in.RemovePrivateKey.V {
					left = append(left, k)
				}
			}
			if len(left) == len(r.Keys) {
				return nil, iamapi.NoSuchEntityException("Private key %s not found", in.RemovePrivateKey.V)
			}
			r.Keys = left
		}
		if err := r.describe(in.SAMLMetadataDocument, in.AssertionEncryptionMode, in.AddPrivateKey, tx.Now()); err != nil {
			return nil, err
		}
		s.setSAML(ctx, tx, h, r.Name, &r)
		return &iamapi.UpdateSAMLProviderOutput{SAMLProviderArn: aws.Some(in.SAMLProviderArn)}, nil
	})
}

// GetSAMLProvider tells all of a provider but its keys.
func (s *Providers) GetSAMLProvider(ctx context.Context, in *iamapi.GetSAMLProviderInput) (*iamapi.GetSAMLProviderOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetSAMLProviderOutput, error) {
		r, err := s.samlProvider(tx, h, in.SAMLProviderArn)
		if err != nil {
			return nil, err
		}
		text, err := form.Unpack(r.Metadata)
		if err != nil {
			return nil, err
		}
		out := &iamapi.GetSAMLProviderOutput{
			SAMLProviderUUID: aws.Some(r.ID), SAMLMetadataDocument: aws.Some(string(text)), CreateDate: aws.Some(form.At(r.Created)),
			ValidUntil: aws.Some(form.At(r.Until)), Tags: form.Tags(r.Tags), AssertionEncryptionMode: aws.NonZero(iamapi.AssertionEncryptionModeType(r.Mode)),
		}
		for _, k := range r.Keys {
			out.PrivateKeyList = append(out.PrivateKeyList, iamapi.SAMLPrivateKey{KeyId: aws.Some(k.ID), Timestamp: aws.Some(form.At(k.Added))})
		}
		return out, nil
	})
}

// ListSAMLProviders lists the account's.
func (s *Providers) ListSAMLProviders(ctx context.Context, _ *iamapi.ListSAMLProvidersInput) (*iamapi.ListSAMLProvidersOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListSAMLProvidersOutput, error) {
		out := &iamapi.ListSAMLProvidersOutput{SAMLProviderList: []iamapi.SAMLProviderListEntry{}}
		for _, r := range s.tables.saml.Scan(tx, store.ScanOptions{}, h.Account) {
			out.SAMLProviderList = append(out.SAMLProviderList, iamapi.SAMLProviderListEntry{
				Arn: aws.Some(r.arn(h)), ValidUntil: aws.Some(form.At(r.Until)), CreateDate: aws.Some(form.At(r.Created)),
			})
		}
		return out, nil
	})
}

// DeleteSAMLProvider deletes the account's.
func (s *Providers) DeleteSAMLProvider(ctx context.Context, in *iamapi.DeleteSAMLProviderInput) (*iamapi.DeleteSAMLProviderOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteSAMLProviderOutput, error) {
		r, err := s.samlProvider(tx, h, in.SAMLProviderArn)
		if err != nil {
			return nil, err
		}
		s.setSAML(ctx, tx, h, r.Name, nil)
		return &iamapi.DeleteSAMLProviderOutput{}, nil
	})
}

// samlTags are the tags of the provider of an ARN.
func (s *Providers) samlTags(ctx context.Context, arn string) form.Find {
	return func(tx *store.Tx, h form.Home) (form.Tagged, error) {
		r, err := s.samlProvider(tx, h, arn)
		return form.Tagged{Tags: r.Tags, Save: func(tags []form.Tag) { r.Tags = tags; s.setSAML(ctx, tx, h, r.Name, &r) }}, err
	}
}

// TagSAMLProvider tags a provider.
func (s *Providers) TagSAMLProvider(ctx context.Context, in *iamapi.TagSAMLProviderInput) (*iamapi.TagSAMLProviderOutput, error) {
	return &iamapi.TagSAMLProviderOutput{}, s.samlTags(ctx, in.SAMLProviderArn).Add(ctx, s.space, in.Tags)
}

// UntagSAMLProvider takes tags from a provider.
func (s *Providers) UntagSAMLProvider(ctx context.Context, in *iamapi.UntagSAMLProviderInput) (*iamapi.UntagSAMLProviderOutput, error) {
	return &iamapi.UntagSAMLProviderOutput{}, s.samlTags(ctx, in.SAMLProviderArn).Remove(ctx, s.space, in.TagKeys)
}

// ListSAMLProviderTags lists the tags of a provider.
func (s *Providers) ListSAMLProviderTags(ctx context.Context, in *iamapi.ListSAMLProviderTagsInput) (*iamapi.ListSAMLProviderTagsOutput, error) {
	tags, p, err := s.samlTags(ctx, in.SAMLProviderArn).List(ctx, s.space, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListSAMLProviderTagsOutput{Tags: tags, IsTruncated: p.Truncated(), Marker: p.Marker()}, nil
}
