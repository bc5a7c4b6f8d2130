package iam

import (
	"context"
	"errors"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxSSHKeys = 5 // of a user
	sshKeyID   = "APKA"
)

// UploadSSHPublicKey gives a user a key for CodeCommit.
func (s *Service) UploadSSHPublicKey(ctx context.Context, in *iamapi.UploadSSHPublicKeyInput) (*iamapi.UploadSSHPublicKeyOutput, error) {
	key, err := keys.ParseSSH(in.SSHPublicKeyBody)
	if errors.Is(err, keys.ErrShort) {
		return nil, iamapi.InvalidPublicKeyException("The public key must have a length of 2048 bits or more.")
	} else if err != nil {
		return nil, iamapi.InvalidPublicKeyException("The public key must be encoded in ssh-rsa format or PEM format.")
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UploadSSHPublicKeyOutput, error) {
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		k := sshKeyRecord{Body: key.Text(), Uploaded: seconds(tx)}
		has := 0
		for _, other := range s.tables.sshKeys.Scan(tx, store.ScanOptions{}, h.account, u.ID) {
			if other.Body == k.Body {
				return nil, iamapi.DuplicateSSHPublicKeyException("The SSH Public Key is already associated with the user %s.", u.Name)
			}
			has++
		}
		if has >= maxSSHKeys {
			return nil, overQuota("SSHPublicKeysPerUser", maxSSHKeys)
		}
		id := newID(sshKeyID)
		s.tables.sshKeys.Set(tx, k, h.account, u.ID, id)
		return &iamapi.UploadSSHPublicKeyOutput{SSHPublicKey: sshKeyShape(&u, id, &k, key, in.SSHPublicKeyBody)}, nil
	})
}

func sshKeyShape(u *userRecord, id string, k *sshKeyRecord, key *keys.SSH, body string) *iamapi.SSHPublicKey {
	return &iamapi.SSHPublicKey{
		UserName: u.Name, SSHPublicKeyId: id, Fingerprint: key.Fingerprint(), SSHPublicKeyBody: body,
		Status: statusOf[iamapi.StatusType](k.Inactive), UploadDate: aws.Some(at(k.Uploaded)),
	}
}

// sshKey is a user's key of that id.
func (s *Service) sshKey(tx *store.Tx, h home, user, id string) (userRecord, sshKeyRecord, error) {
	u, err := s.user(tx, h, user)
	if err != nil {
		return u, sshKeyRecord{}, err
	}
	k, ok := s.tables.sshKeys.Get(tx, h.account, u.ID, id)
	if !ok {
		return u, k, iamapi.NoSuchEntityException("The SSH Public Key with id %s cannot be found.", id)
	}
	return u, k, nil
}

// GetSSHPublicKey tells a key in the encoding that is asked for.
func (s *Service) GetSSHPublicKey(ctx context.Context, in *iamapi.GetSSHPublicKeyInput) (*iamapi.GetSSHPublicKeyOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetSSHPublicKeyOutput, error) {
		u, k, err := s.sshKey(tx, h, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return nil, err
		}
		key, err := keys.ParseSSH(k.Body)
		if err != nil {
			return nil, err
		}
		body := k.Body
		if in.Encoding == "PEM" {
			if body, err = key.PEM(); err != nil {
				return nil, err
			}
		}
		return &iamapi.GetSSHPublicKeyOutput{SSHPublicKey: sshKeyShape(&u, in.SSHPublicKeyId, &k, key, body)}, nil
	})
}

// ListSSHPublicKeys lists a user's.
func (s *Service) ListSSHPublicKeys(ctx context.Context, in *iamapi.ListSSHPublicKeysInput) (*iamapi.ListSSHPublicKeysOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListSSHPublicKeysOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		p, err := newPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListSSHPublicKeysOutput{SSHPublicKeys: []iamapi.SSHPublicKeyMetadata{}}
		for key, k := range s.tables.sshKeys.Scan(tx, p.options(), h.account, u.ID) {
			if !p.add(key.String(2)) {
				break
			}
			out.SSHPublicKeys = append(out.SSHPublicKeys, iamapi.SSHPublicKeyMetadata{
				UserName: u.Name, SSHPublicKeyId: key.String(2), Status: statusOf[iamapi.StatusType](k.Inactive), UploadDate: at(k.Uploaded),
			})
		}
		out.IsTruncated, out.Marker = p.truncated(), p.marker()
		return out, nil
	})
}

// UpdateSSHPublicKey makes a key active or inactive.
func (s *Service) UpdateSSHPublicKey(ctx context.Context, in *iamapi.UpdateSSHPublicKeyInput) (*iamapi.UpdateSSHPublicKeyOutput, error) {
	inactive, err := inactiveOf(string(in.Status))
	if err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateSSHPublicKeyOutput, error) {
		u, k, err := s.sshKey(tx, h, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return nil, err
		}
		k.Inactive = inactive
		s.tables.sshKeys.Set(tx, k, h.account, u.ID, in.SSHPublicKeyId)
		return &iamapi.UpdateSSHPublicKeyOutput{}, nil
	})
}

// DeleteSSHPublicKey deletes a user's.
func (s *Service) DeleteSSHPublicKey(ctx context.Context, in *iamapi.DeleteSSHPublicKeyInput) (*iamapi.DeleteSSHPublicKeyOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteSSHPublicKeyOutput, error) {
		u, _, err := s.sshKey(tx, h, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return nil, err
		}
		s.tables.sshKeys.Delete(tx, h.account, u.ID, in.SSHPublicKeyId)
		return &iamapi.DeleteSSHPublicKeyOutput{}, nil
	})
}
