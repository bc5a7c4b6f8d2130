package iam

import (
	"context"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/federation"
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
func (s *Service) SAMLProvider(ctx context.Context, arn string) (p *SAMLProvider, ok bool, err error) {
	a, _ := aws.ParseARN(arn)
	h := home{a.Account, a.Partition}
	p, err = store.View(ctx, s.space, func(tx *store.Tx) (*SAMLProvider, error) {
		r, err := s.samlProvider(tx, h, arn)
		if err != nil {
			return nil, nil
		}
		text, err := unpack(r.Metadata)
		if err != nil {
			return nil, err
		}
		p := &SAMLProvider{ARN: arn, Name: r.Name, UUID: r.ID, Metadata: string(text), Until: at(r.Until), Encrypted: r.Mode == "Required"}
		for _, k := range r.Keys {
			p.Keys = append(p.Keys, k.Key)
		}
		return p, nil
	})
	return p, p != nil, err
}

// samlProvider is the provider of an ARN.
func (s *Service) samlProvider(tx *store.Tx, h home, arn string) (samlRecord, error) {
	a, ok := aws.ParseARN(arn)
	name, isProvider := strings.CutPrefix(a.Resource, "saml-provider/")
	if !ok || a.Service != "iam" || !isProvider {
		return samlRecord{}, invalid("Invalid ARN:  Could not be parsed!")
	}
	if r, ok := s.tables.saml.Get(tx, h.account, fold(name)); ok && a.Account == h.account && r.Name == name {
		return r, nil
	}
	return samlRecord{}, iamapi.NoSuchEntityException("Manifest not found for arn %s", arn)
}

func (h home) samlARN(r *samlRecord) string { return h.arn("saml-provider/" + r.Name) }

// describe takes in a metadata document, where there is one, and a private key.
func (r *samlRecord) describe(document aws.Opt[string], mode aws.Opt[iamapi.AssertionEncryptionModeType], key aws.Opt[string], now time.Time) error {
	if document.Set {
		m, err := federation.ReadProvider(document.V)
		if err != nil {
			return iamapi.InvalidInputException("Could not parse metadata")
		}
		r.Metadata = pack([]byte(document.V))
		if len(r.Metadata) > maxPacked {
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
			return overQuota("PrivateKeysPerSAMLProvider", maxSAMLKeys)
		}
		r.Keys = append(r.Keys[:len(r.Keys):len(r.Keys)], samlKey{ID: newID("")[:11] + newID("")[:11], Key: key.V, Added: now.Unix()})
	}
	if mode.Set {
		r.Mode = string(mode.V)
	}
	if r.Mode == "Required" && len(r.Keys) == 0 {
		return iamapi.InvalidInputException("A private key is required for assertion encryption mode Required")
	}
	return nil
}

// CreateSAMLProvider has an account trust a provider.
func (s *Service) CreateSAMLProvider(ctx context.Context, in *iamapi.CreateSAMLProviderInput) (*iamapi.CreateSAMLProviderOutput, error) {
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	id := newID("")[:11] + newID("")[:11]
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateSAMLProviderOutput, error) {
		r := samlRecord{Name: in.Name, ID: id, Created: seconds(tx), Tags: tags}
		if err := r.describe(aws.Some(in.SAMLMetadataDocument), in.AssertionEncryptionMode, in.AddPrivateKey, tx.Now()); err != nil {
			return nil, err
		}
		if s.tables.saml.Has(tx, h.account, fold(r.Name)) {
			return nil, iamapi.EntityAlreadyExistsException("SAMLProvider %s already exists.", h.samlARN(&r))
		}
		has := 0
		for range s.tables.saml.Keys(tx, store.ScanOptions{}, h.account) {
			has++
		}
		if has >= maxSAML {
			return nil, overQuota("SAMLProvidersPerAccount", maxSAML)
		}
		s.tables.saml.Set(tx, r, h.account, fold(r.Name))
		return &iamapi.CreateSAMLProviderOutput{SAMLProviderArn: aws.Some(h.samlARN(&r)), Tags: tagList(tags)}, nil
	})
}

// UpdateSAMLProvider changes a provider's metadata, and the keys that decrypt its assertions.
func (s *Service) UpdateSAMLProvider(ctx context.Context, in *iamapi.UpdateSAMLProviderInput) (*iamapi.UpdateSAMLProviderOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateSAMLProviderOutput, error) {
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
		s.tables.saml.Set(tx, r, h.account, fold(r.Name))
		return &iamapi.UpdateSAMLProviderOutput{SAMLProviderArn: aws.Some(in.SAMLProviderArn)}, nil
	})
}

// GetSAMLProvider tells all of a provider but its keys.
func (s *Service) GetSAMLProvider(ctx context.Context, in *iamapi.GetSAMLProviderInput) (*iamapi.GetSAMLProviderOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetSAMLProviderOutput, error) {
		r, err := s.samlProvider(tx, h, in.SAMLProviderArn)
		if err != nil {
			return nil, err
		}
		text, err := unpack(r.Metadata)
		if err != nil {
			return nil, err
		}
		out := &iamapi.GetSAMLProviderOutput{
			SAMLProviderUUID: aws.Some(r.ID), SAMLMetadataDocument: aws.Some(string(text)), CreateDate: aws.Some(at(r.Created)),
			ValidUntil: aws.Some(at(r.Until)), Tags: tagList(r.Tags), AssertionEncryptionMode: aws.NonZero(iamapi.AssertionEncryptionModeType(r.Mode)),
		}
		for _, k := range r.Keys {
			out.PrivateKeyList = append(out.PrivateKeyList, iamapi.SAMLPrivateKey{KeyId: aws.Some(k.ID), Timestamp: aws.Some(at(k.Added))})
		}
		return out, nil
	})
}

// ListSAMLProviders lists the account's.
func (s *Service) ListSAMLProviders(ctx context.Context, _ *iamapi.ListSAMLProvidersInput) (*iamapi.ListSAMLProvidersOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListSAMLProvidersOutput, error) {
		out := &iamapi.ListSAMLProvidersOutput{SAMLProviderList: []iamapi.SAMLProviderListEntry{}}
		for _, r := range s.tables.saml.Scan(tx, store.ScanOptions{}, h.account) {
			out.SAMLProviderList = append(out.SAMLProviderList, iamapi.SAMLProviderListEntry{
				Arn: aws.Some(h.samlARN(&r)), ValidUntil: aws.Some(at(r.Until)), CreateDate: aws.Some(at(r.Created)),
			})
		}
		return out, nil
	})
}

// DeleteSAMLProvider deletes the account's.
func (s *Service) DeleteSAMLProvider(ctx context.Context, in *iamapi.DeleteSAMLProviderInput) (*iamapi.DeleteSAMLProviderOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteSAMLProviderOutput, error) {
		r, err := s.samlProvider(tx, h, in.SAMLProviderArn)
		if err != nil {
			return nil, err
		}
		s.tables.saml.Delete(tx, h.account, fold(r.Name))
		return &iamapi.DeleteSAMLProviderOutput{}, nil
	})
}

// samlTags are the tags of the provider of an ARN.
func (s *Service) samlTags(arn string) tagsOf {
	return func(tx *store.Tx, h home) (labels, error) {
		r, err := s.samlProvider(tx, h, arn)
		return labels{r.Tags, func(tags []tag) { r.Tags = tags; s.tables.saml.Set(tx, r, h.account, fold(r.Name)) }}, err
	}
}

// TagSAMLProvider tags a provider.
func (s *Service) TagSAMLProvider(ctx context.Context, in *iamapi.TagSAMLProviderInput) (*iamapi.TagSAMLProviderOutput, error) {
	return &iamapi.TagSAMLProviderOutput{}, s.label(ctx, s.samlTags(in.SAMLProviderArn), in.Tags)
}

// UntagSAMLProvider takes tags from a provider.
func (s *Service) UntagSAMLProvider(ctx context.Context, in *iamapi.UntagSAMLProviderInput) (*iamapi.UntagSAMLProviderOutput, error) {
	return &iamapi.UntagSAMLProviderOutput{}, s.unlabel(ctx, s.samlTags(in.SAMLProviderArn), in.TagKeys)
}

// ListSAMLProviderTags lists the tags of a provider.
func (s *Service) ListSAMLProviderTags(ctx context.Context, in *iamapi.ListSAMLProviderTagsInput) (*iamapi.ListSAMLProviderTagsOutput, error) {
	tags, p, err := s.labels(ctx, s.samlTags(in.SAMLProviderArn), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iamapi.ListSAMLProviderTagsOutput{Tags: tags, IsTruncated: p.truncated(), Marker: p.marker()}, nil
}
