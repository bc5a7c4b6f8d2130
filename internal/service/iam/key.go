package iam

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// maxKeys is how many access keys a user may have, and a root.
const maxKeys = 2

// newSecret is a new secret of an access key: forty characters.
func newSecret() string {
	var b [30]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// keyring is a user or an account's root, as far as it has access keys.
type keyring struct {
	user  string // name; empty for root
	id    string // of the user; empty for root
	keys  []string
	write func(tx *store.Tx, keys []string)
}

// keyring is who a request for access keys is about: the user it names, or who calls.
func (s *Service) keyring(ctx context.Context, tx *store.Tx, h home, name aws.Opt[string]) (keyring, error) {
	u, err := s.userOr(ctx, tx, h, name)
	if err != nil {
		return keyring{}, err
	}
	if u.ID == "" {
		return s.rootKeys(tx, h.account), nil
	}
	return keyring{u.Name, u.ID, u.Keys, func(tx *store.Tx, keys []string) {
		u.Keys = keys
		s.tables.users.Set(tx, u, h.account, u.ID)
	}}, nil
}

// rootKeys is the keyring of an account's root.
func (s *Service) rootKeys(tx *store.Tx, account string) keyring {
	a, _ := s.tables.accounts.Get(tx, account)
	return keyring{"", "", a.Keys, func(tx *store.Tx, keys []string) {
		a.Keys = keys
		if a.Created == 0 {
			a.Created = form.Seconds(tx)
		}
		s.tables.accounts.Set(tx, a, account)
	}}
}

// key is a key of a keyring.
func (s *Service) key(tx *store.Tx, ring keyring, id string) (keyRecord, error) {
	if k, ok := s.tables.keys.Get(tx, id); ok && slices.Contains(ring.keys, id) {
		return k, nil
	}
	return keyRecord{}, iamapi.NoSuchEntityException("The Access Key with id %s cannot be found.", id)
}

// CreateAccessKey is iam:CreateAccessKey. The secret is told here and never again.
func (s *Service) CreateAccessKey(ctx context.Context, in *iamapi.CreateAccessKeyInput) (*iamapi.CreateAccessKeyOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateAccessKeyOutput, error) {
		ring, err := s.keyring(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		if len(ring.keys) >= maxKeys {
			return nil, form.OverQuota("AccessKeysPerUser", maxKeys)
		}
		id := auth.NewAccessKeyID(auth.LastingKey, h.account)
		for s.tables.keys.Has(tx, id) {
			id = auth.NewAccessKeyID(auth.LastingKey, h.account)
		}
		k := keyRecord{Account: h.account, User: ring.id, Secret: newSecret(), Created: form.Seconds(tx)}
		s.tables.keys.Set(tx, k, id)
		ring.write(tx, append(ring.keys, id))
		return &iamapi.CreateAccessKeyOutput{AccessKey: &iamapi.AccessKey{
			UserName: ring.user, AccessKeyId: id, Status: iamapi.StatusTypeActive, SecretAccessKey: k.Secret, CreateDate: aws.Some(form.At(k.Created)),
		}}, nil
	})
}

// ListAccessKeys is iam:ListAccessKeys.
func (s *Service) ListAccessKeys(ctx context.Context, in *iamapi.ListAccessKeysInput) (*iamapi.ListAccessKeysOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListAccessKeysOutput, error) {
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		ring, err := s.keyring(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListAccessKeysOutput{AccessKeyMetadata: []iamapi.AccessKeyMetadata{}}
		for _, id := range form.Slice(p, slices.Sorted(slices.Values(ring.keys)), func(id string) string { return id }) {
			if k, ok := s.tables.keys.Get(tx, id); ok {
				out.AccessKeyMetadata = append(out.AccessKeyMetadata, iamapi.AccessKeyMetadata{
					UserName: aws.NonZero(ring.user), AccessKeyId: aws.Some(id), Status: aws.Some(form.Status(k.Inactive)), CreateDate: aws.Some(form.At(k.Created)),
				})
			}
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// UpdateAccessKey is iam:UpdateAccessKey: an inactive key is as if it were not there, until it is active again.
func (s *Service) UpdateAccessKey(ctx context.Context, in *iamapi.UpdateAccessKeyInput) (*iamapi.UpdateAccessKeyOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateAccessKeyOutput, error) {
		if in.Status != iamapi.StatusTypeActive && in.Status != iamapi.StatusTypeInactive {
			return nil, form.Invalid("1 validation error detected: Value at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]")
		}
		ring, err := s.keyring(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		k, err := s.key(tx, ring, in.AccessKeyId)
		if err != nil {
			return nil, err
		}
		k.Inactive = in.Status == iamapi.StatusTypeInactive
		s.tables.keys.Set(tx, k, in.AccessKeyId)
		return nil, nil
	})
}

// DeleteAccessKey is iam:DeleteAccessKey.
func (s *Service) DeleteAccessKey(ctx context.Context, in *iamapi.DeleteAccessKeyInput) (*iamapi.DeleteAccessKeyOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteAccessKeyOutput, error) {
		ring, err := s.keyring(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		if _, err := s.key(tx, ring, in.AccessKeyId); err != nil {
			return nil, err
		}
		s.tables.keys.Delete(tx, in.AccessKeyId)
		s.tables.keyUses.Delete(tx, in.AccessKeyId)
		ring.write(tx, slices.DeleteFunc(ring.keys, func(id string) bool { return id == in.AccessKeyId }))
		return nil, nil
	})
}

// GetAccessKeyLastUsed is iam:GetAccessKeyLastUsed. It reads in an update, which sees what Used has written before that is synced.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *iamapi.GetAccessKeyLastUsedInput) (*iamapi.GetAccessKeyLastUsedOutput, error) {
	h := homeOf(ctx)
	return store.Update(ctx, s.space, func(tx *store.Tx) (*iamapi.GetAccessKeyLastUsedOutput, error) {
		k, ok := s.tables.keys.Get(tx, in.AccessKeyId)
		if !ok || k.Account != h.account {
			return nil, denied(ctx, "GetAccessKeyLastUsed", "access key "+in.AccessKeyId)
		}
		u, _ := s.tables.users.Get(tx, h.account, k.User)
		out := &iamapi.GetAccessKeyLastUsedOutput{UserName: aws.NonZero(u.Name), AccessKeyLastUsed: &iamapi.AccessKeyLastUsed{ServiceName: "N/A", Region: "N/A"}}
		if use, ok := s.tables.keyUses.Get(tx, in.AccessKeyId); ok {
			out.AccessKeyLastUsed = &iamapi.AccessKeyLastUsed{LastUsedDate: aws.Some(form.At(use.Time)), ServiceName: use.Service, Region: use.Region}
		}
		return out, nil
	})
}

// usesEvery is how exact the last use of a key or a role is: what is used all the time is not written all the time.
const usesEvery = time.Minute

// fresh reports whether a use is worth writing, and remembers that it is written.
func (s *Service) fresh(what string, use useRecord) bool {
	s.usedMu.Lock()
	defer s.usedMu.Unlock()
	last, ok := s.used[what]
	if ok && last.Service == use.Service && last.Region == use.Region && use.Time-last.Time < int64(usesEvery/time.Second) {
		return false
	}
	if len(s.used) > 10_000 {
		clear(s.used)
	}
	use.Service, use.Region = strings.Clone(use.Service), strings.Clone(use.Region)
	s.used[strings.Clone(what)] = use
	return true
}

// Used notes that an access key was used, to about a minute. It is written with the next commit that is synced: a power cut may forget it.
func (s *Service) Used(ctx context.Context, id, service, region string, when time.Time) error {
	use := useRecord{Time: when.Unix(), Service: service, Region: region}
	if !s.fresh(id, use) {
		return nil
	}
	_, err := store.UpdateWith(ctx, s.space, store.UpdateOptions{Lazy: true}, func(tx *store.Tx) (struct{}, error) {
		if s.tables.keys.Has(tx, id) {
			s.tables.keyUses.Set(tx, use, id)
		}
		return struct{}{}, nil
	})
	return err
}

// UsedRole notes that a role was used, as Used does for a key. id is the role's.
func (s *Service) UsedRole(ctx context.Context, account, id, region string, when time.Time) error {
	use := useRecord{Time: when.Unix(), Region: region}
	if !s.fresh(id, use) {
		return nil
	}
	_, err := store.UpdateWith(ctx, s.space, store.UpdateOptions{Lazy: true}, func(tx *store.Tx) (struct{}, error) {
		if s.tables.roles.Has(tx, account, id) {
			s.tables.roleUses.Set(tx, use, account, id)
		}
		return struct{}{}, nil
	})
	return err
}
