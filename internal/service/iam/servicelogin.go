package iam

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	maxLogins = 2 // of a user, for a service
	loginID   = "ACCA"
)

// loginServices are the services that take such credentials. Where keyed, what is given is a key that may expire, not a name
// and a password.
func loginService(name string) (keyed, ok bool) {
	switch name {
	case "codecommit.amazonaws.com", "cassandra.amazonaws.com":
		return false, true
	case "bedrock.amazonaws.com", "logs.amazonaws.com":
		return true, true
	}
	return false, false
}

func noService(name string) error {
	return iamapi.NoSuchEntityException("No such service %s is supported for Service Specific Credentials", name)
}

// newPassword is a password, or a key, and what is kept of it.
func newPassword() (password string, hash []byte) {
	b := make([]byte, 32)
	rand.Read(b)
	password = base64.StdEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(password))
	return password, sum[:]
}

// CreateServiceSpecificCredential gives a user a name and a password for a service. The password is told this once.
func (s *Service) CreateServiceSpecificCredential(ctx context.Context, in *iamapi.CreateServiceSpecificCredentialInput) (*iamapi.CreateServiceSpecificCredentialOutput, error) {
	password, hash := newPassword()
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateServiceSpecificCredentialOutput, error) {
		u, err := s.user(tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		keyed, ok := loginService(in.ServiceName)
		if !ok {
			return nil, noService(in.ServiceName)
		}
		if in.CredentialAgeDays.Set && !keyed {
			return nil, invalid("CredentialAgeDays is not supported for service %s", in.ServiceName)
		}
		taken := map[string]bool{}
		for _, l := range s.tables.serviceLogins.Scan(tx, store.ScanOptions{}, h.account, u.ID) {
			if l.Service == in.ServiceName {
				taken[l.Name] = true
			}
		}
		if len(taken) >= maxLogins {
			return nil, overQuota("ServiceSpecificCredentialsPerUser", maxLogins)
		}
		l := loginRecord{Service: in.ServiceName, Hash: hash, Created: seconds(tx)}
		if keyed {
			l.Name = u.Name + "-at-" + h.account + "-" + newID("")[:8]
			if in.CredentialAgeDays.Set {
				l.Expires = l.Created + int64(in.CredentialAgeDays.V)*24*60*60
			}
		} else {
			l.Name = u.Name + "-at-" + h.account
			for n := 1; taken[l.Name]; n++ {
				l.Name = u.Name + "+" + strconv.Itoa(n) + "-at-" + h.account
			}
		}
		id := newID(loginID)
		s.tables.serviceLogins.Set(tx, l, h.account, u.ID, id)
		return &iamapi.CreateServiceSpecificCredentialOutput{ServiceSpecificCredential: loginShape(&u, id, &l, password)}, nil
	})
}

func loginShape(u *userRecord, id string, l *loginRecord, password string) *iamapi.ServiceSpecificCredential {
	m := loginMetadata(u, id, l)
	out := &iamapi.ServiceSpecificCredential{
		CreateDate: m.CreateDate, ExpirationDate: m.ExpirationDate, ServiceName: m.ServiceName, ServiceUserName: m.ServiceUserName,
		ServiceCredentialAlias: m.ServiceCredentialAlias, ServiceSpecificCredentialId: id, UserName: u.Name, Status: m.Status,
	}
	if m.ServiceUserName.Set {
		out.ServicePassword = aws.Some(password)
	} else {
		out.ServiceCredentialSecret = aws.Some(password)
	}
	return out
}

func loginMetadata(u *userRecord, id string, l *loginRecord) iamapi.ServiceSpecificCredentialMetadata {
	out := iamapi.ServiceSpecificCredentialMetadata{
		UserName: u.Name, Status: statusOf[iamapi.StatusType](l.Inactive), CreateDate: at(l.Created), ServiceSpecificCredentialId: id, ServiceName: l.Service,
	}
	if keyed, _ := loginService(l.Service); keyed {
		out.ServiceCredentialAlias = aws.Some(l.Name)
	} else {
		out.ServiceUserName = aws.Some(l.Name)
	}
	if l.Expires != 0 {
		out.ExpirationDate = aws.Some(at(l.Expires))
	}
	return out
}

// ListServiceSpecificCredentials lists those of a user, or of all users, for all services, or for one.
func (s *Service) ListServiceSpecificCredentials(ctx context.Context, in *iamapi.ListServiceSpecificCredentialsInput) (*iamapi.ListServiceSpecificCredentialsOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.ListServiceSpecificCredentialsOutput, error) {
		var u userRecord
		var err error
		prefix := []any{h.account}
		if in.AllUsers.V {
			if in.UserName.Set {
				return nil, invalid("UserName and AllUsers cannot be specified together.")
			}
		} else {
			if u, err = s.holder(ctx, tx, h, in.UserName); err != nil {
				return nil, err
			}
			prefix = append(prefix, u.ID)
		}
		if _, ok := loginService(in.ServiceName.V); in.ServiceName.Set && !ok {
			return nil, noService(in.ServiceName.V)
		}
		p, err := newPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		o := store.ScanOptions{}
		if user, id, ok := strings.Cut(p.after, "/"); ok { // of all users
			o.After = []any{user, id}
		} else if p.after != "" {
			o.After = []any{p.after}
		}
		out := &iamapi.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []iamapi.ServiceSpecificCredentialMetadata{}}
		for k, l := range s.tables.serviceLogins.Scan(tx, o, prefix...) {
			if in.ServiceName.Set && in.ServiceName.V != l.Service {
				continue
			}
			user, id := k.String(1), k.String(2)
			key := id
			if in.AllUsers.V {
				key = user + "/" + id
			}
			if !p.add(key) {
				break
			}
			if user != u.ID {
				u, _ = s.tables.users.Get(tx, h.account, user)
			}
			out.ServiceSpecificCredentials = append(out.ServiceSpecificCredentials, loginMetadata(&u, id, &l))
		}
		if in.AllUsers.V || p.more {
			out.IsTruncated = p.truncated()
		}
		out.Marker = p.marker()
		return out, nil
	})
}

// login is a user's credential of that id.
func (s *Service) login(ctx context.Context, tx *store.Tx, h home, user aws.Opt[string], id string) (userRecord, loginRecord, error) {
	u, err := s.holder(ctx, tx, h, user)
	if err != nil {
		return u, loginRecord{}, err
	}
	l, ok := s.tables.serviceLogins.Get(tx, h.account, u.ID, id)
	if !ok {
		return u, l, iamapi.NoSuchEntityException("No such credential %s exists", id)
	}
	return u, l, nil
}

// UpdateServiceSpecificCredential makes a credential active or inactive.
func (s *Service) UpdateServiceSpecificCredential(ctx context.Context, in *iamapi.UpdateServiceSpecificCredentialInput) (*iamapi.UpdateServiceSpecificCredentialOutput, error) {
	inactive, err := inactiveOf(string(in.Status))
	if err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.UpdateServiceSpecificCredentialOutput, error) {
		u, l, err := s.login(ctx, tx, h, in.UserName, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		l.Inactive = inactive
		s.tables.serviceLogins.Set(tx, l, h.account, u.ID, in.ServiceSpecificCredentialId)
		return &iamapi.UpdateServiceSpecificCredentialOutput{}, nil
	})
}

// ResetServiceSpecificCredential gives a credential another password, and tells it this once.
func (s *Service) ResetServiceSpecificCredential(ctx context.Context, in *iamapi.ResetServiceSpecificCredentialInput) (*iamapi.ResetServiceSpecificCredentialOutput, error) {
	password, hash := newPassword()
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.ResetServiceSpecificCredentialOutput, error) {
		u, l, err := s.login(ctx, tx, h, in.UserName, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		l.Hash = hash
		s.tables.serviceLogins.Set(tx, l, h.account, u.ID, in.ServiceSpecificCredentialId)
		return &iamapi.ResetServiceSpecificCredentialOutput{ServiceSpecificCredential: loginShape(&u, in.ServiceSpecificCredentialId, &l, password)}, nil
	})
}

// DeleteServiceSpecificCredential deletes a user's.
func (s *Service) DeleteServiceSpecificCredential(ctx context.Context, in *iamapi.DeleteServiceSpecificCredentialInput) (*iamapi.DeleteServiceSpecificCredentialOutput, error) {
	return write(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteServiceSpecificCredentialOutput, error) {
		u, _, err := s.login(ctx, tx, h, in.UserName, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		s.tables.serviceLogins.Delete(tx, h.account, u.ID, in.ServiceSpecificCredentialId)
		return &iamapi.DeleteServiceSpecificCredentialOutput{}, nil
	})
}
