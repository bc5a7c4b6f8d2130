package iam

import (
	"context"
	"errors"
	"slices"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// An account's root is there from the beginning. On AWS it gets its first access key in a browser; here whoever runs obidos
// gives or takes it, beside the API.

// RootKey is an access key of an account's root.
type RootKey struct {
	Account string `json:"account"`
	ID      string `json:"accessKeyId"`
	Secret  string `json:"secretAccessKey"`
}

// MakeRootKey makes the first access key of an account's root; ok is false where it has one, whose secret is not told again.
func (s *Service) MakeRootKey(ctx context.Context, account string) (k RootKey, ok bool, err error) {
	has, err := store.View(ctx, s.space, func(tx *store.Tx) (bool, error) { return len(s.rootKeys(tx, account).keys) > 0, nil })
	if has || err != nil {
		return k, false, err
	}
	k, err = store.Update(ctx, s.space, func(tx *store.Tx) (RootKey, error) {
		ring := s.rootKeys(tx, account)
		if len(ring.keys) > 0 { // another node was first
			return RootKey{}, nil
		}
		k := RootKey{Account: account, ID: auth.NewAccessKeyID(auth.LastingKey, account), Secret: newSecret()}
		s.setRootKey(tx, ring, k, false)
		return k, nil
	})
	return k, k.ID != "", err
}

// GiveRootKey gives an account's root an access key that was chosen elsewhere, in the place of the one that was given before.
func (s *Service) GiveRootKey(ctx context.Context, k RootKey) error {
	same, err := store.View(ctx, s.space, func(tx *store.Tx) (bool, error) {
		old, _ := s.tables.keys.Get(tx, k.ID)
		return old.Given && old.Account == k.Account && old.User == "" && !old.Inactive && old.Secret == k.Secret, nil
	})
	if same || err != nil {
		return err
	}
	_, err = store.Update(ctx, s.space, func(tx *store.Tx) (any, error) {
		if old, ok := s.tables.keys.Get(tx, k.ID); ok && (old.Account != k.Account || old.User != "") {
			return nil, iamapi.EntityAlreadyExistsException("The access key %s is somebody else's: give root another.", k.ID)
		}
		ring := s.rootKeys(tx, k.Account)
		ring.keys = slices.DeleteFunc(slices.Clone(ring.keys), func(id string) bool {
			old, _ := s.tables.keys.Get(tx, id)
			if !old.Given || id == k.ID {
				return false
			}
			s.tables.keys.Delete(tx, id)
			s.tables.keyUses.Delete(tx, id)
			return true
		})
		s.setRootKey(tx, ring, k, true)
		return nil, nil
	})
	return err
}

// KeepRootKeys gives an account's root the keys it had in a state that is gone, unless it has others.
func (s *Service) KeepRootKeys(ctx context.Context, account string, keys []RootKey) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (any, error) {
		if len(s.rootKeys(tx, account).keys) > 0 {
			return nil, nil
		}
		for _, k := range keys {
			if !s.tables.keys.Has(tx, k.ID) {
				s.setRootKey(tx, s.rootKeys(tx, account), k, false)
			}
		}
		return nil, nil
	})
	return err
}

// RootKeys are the active access keys of an account's root.
func (s *Service) RootKeys(ctx context.Context, account string) ([]RootKey, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (all []RootKey, err error) {
		for _, id := range s.rootKeys(tx, account).keys {
			if k, ok := s.tables.keys.Get(tx, id); ok && !k.Inactive {
				all = append(all, RootKey{Account: account, ID: id, Secret: k.Secret})
			}
		}
		return all, nil
	})
}

func (s *Service) setRootKey(tx *store.Tx, ring keyring, k RootKey, given bool) {
	s.tables.keys.Set(tx, keyRecord{Account: k.Account, Secret: k.Secret, Created: form.Seconds(tx), Given: given}, k.ID)
	if !slices.Contains(ring.keys, k.ID) {
		ring.keys = append(ring.keys, k.ID)
	}
	ring.write(tx, ring.keys)
	s.changed(tx, k.Account)
}

// CheckRootKey says what is wrong with an access key that was chosen elsewhere.
func CheckRootKey(id, secret string) error {
	if len(id) < 16 || len(id) > 128 || slices.ContainsFunc([]byte(id), func(c byte) bool {
		return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
	}) {
		return errors.New("an access key id has 16 to 128 letters, digits and underscores")
	}
	if len(secret) < 16 {
		return errors.New("a secret access key has 16 characters or more")
	}
	return nil
}
