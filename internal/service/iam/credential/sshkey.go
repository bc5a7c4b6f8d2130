package credential

import (
	"context"
	"errors"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/keys"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxSSHKeys = 5 // of a user
	sshKeyID   = "APKA"
)

// UploadSSHPublicKey gives a user a key for CodeCommit.
func (s *Credentials) UploadSSHPublicKey(ctx context.Context, in *iamapi.UploadSSHPublicKeyInput) (*iamapi.UploadSSHPublicKeyOutput, error) {
	key, err := keys.ParseSSH(in.SSHPublicKeyBody)
	if errors.Is(err, keys.ErrShort) {
		return nil, iamapi.InvalidPublicKeyException("The public key must have a length of 2048 bits or more.")
	} else if err != nil {
		return nil, iamapi.InvalidPublicKeyException("The public key must be encoded in ssh-rsa format or PEM format.")
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UploadSSHPublicKeyOutput, error) {
		u, err := s.user(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		k := sshKeyRecord{Body: key.Text(), Uploaded: form.Seconds(tx)}
		has := 0
		for _, other := range s.tables.sshKeys.Scan(tx, store.ScanOptions{}, h.Account, u.ID) {
			if other.Body == k.Body {
				return nil, iamapi.DuplicateSSHPublicKeyException("The SSH Public Key is already associated with the user %s.", u.Name)
			}
			has++
		}
		if has >= maxSSHKeys {
			return nil, form.OverQuota("SSHPublicKeysPerUser", maxSSHKeys)
		}
		id := form.NewID(sshKeyID)
		s.tables.sshKeys.Set(tx, k, h.Account, u.ID, id)
		return &iamapi.UploadSSHPublicKeyOutput{SSHPublicKey: sshKeyShape(&u, id, &k, key, in.SSHPublicKeyBody)}, nil
	})
}

func sshKeyShape(u *User, id string, k *sshKeyRecord, key *keys.SSH, body string) *iamapi.SSHPublicKey {
	return &iamapi.SSHPublicKey{
		UserName: u.Name, SSHPublicKeyId: id, Fingerprint: key.Fingerprint(), SSHPublicKeyBody: body,
		Status: form.Status(k.Inactive), UploadDate: aws.Some(form.At(k.Uploaded)),
	}
}

// sshKey is a user's key of that id.
func (s *Credentials) sshKey(ctx context.Context, tx *store.Tx, h form.Home, user, id string) (User, sshKeyRecord, error) {
	u, err := s.user(ctx, tx, h, user)
	if err != nil {
		return u, sshKeyRecord{}, err
	}
	k, ok := s.tables.sshKeys.Get(tx, h.Account, u.ID, id)
	if !ok {
		return u, k, iamapi.NoSuchEntityException("The SSH Public Key with id %s cannot be found.", id)
	}
	return u, k, nil
}

// GetSSHPublicKey tells a key in the encoding that is asked for.
func (s *Credentials) GetSSHPublicKey(ctx context.Context, in *iamapi.GetSSHPublicKeyInput) (*iamapi.GetSSHPublicKeyOutput, error) {
	if err := form.CheckEnum("encoding", in.Encoding); err != nil {
		return nil, err
	}
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetSSHPublicKeyOutput, error) {
		u, k, err := s.sshKey(ctx, tx, h, in.UserName, in.SSHPublicKeyId)
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
func (s *Credentials) ListSSHPublicKeys(ctx context.Context, in *iamapi.ListSSHPublicKeysInput) (*iamapi.ListSSHPublicKeysOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListSSHPublicKeysOutput, error) {
		u, err := s.holderOrRoot(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		out := &iamapi.ListSSHPublicKeysOutput{SSHPublicKeys: []iamapi.SSHPublicKeyMetadata{}}
		for key, k := range s.tables.sshKeys.Scan(tx, p.Options(), h.Account, u.ID) {
			if !p.Add(key.String(2)) {
				break
			}
			out.SSHPublicKeys = append(out.SSHPublicKeys, iamapi.SSHPublicKeyMetadata{
				UserName: u.Name, SSHPublicKeyId: key.String(2), Status: form.Status(k.Inactive), UploadDate: form.At(k.Uploaded),
			})
		}
		out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
		return out, nil
	})
}

// UpdateSSHPublicKey makes a key active or inactive.
func (s *Credentials) UpdateSSHPublicKey(ctx context.Context, in *iamapi.UpdateSSHPublicKeyInput) (*iamapi.UpdateSSHPublicKeyOutput, error) {
	inactive, err := form.Inactive(in.Status)
	if err != nil {
		return nil, err
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UpdateSSHPublicKeyOutput, error) {
		u, k, err := s.sshKey(ctx, tx, h, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return nil, err
		}
		k.Inactive = inactive
		s.tables.sshKeys.Set(tx, k, h.Account, u.ID, in.SSHPublicKeyId)
		return &iamapi.UpdateSSHPublicKeyOutput{}, nil
	})
}

// DeleteSSHPublicKey deletes a user's.
func (s *Credentials) DeleteSSHPublicKey(ctx context.Context, in *iamapi.DeleteSSHPublicKeyInput) (*iamapi.DeleteSSHPublicKeyOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteSSHPublicKeyOutput, error) {
		u, _, err := s.sshKey(ctx, tx, h, in.UserName, in.SSHPublicKeyId)
		if err != nil {
			return nil, err
		}
		s.tables.sshKeys.Delete(tx, h.Account, u.ID, in.SSHPublicKeyId)
		return &iamapi.DeleteSSHPublicKeyOutput{}, nil
	})
}
