package credential

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
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
func (s *Credentials) CreateServiceSpecificCredential(ctx context.Context, in *iamapi.CreateServiceSpecificCredentialInput) (*iamapi.CreateServiceSpecificCredentialOutput, error) {
	password, hash := newPassword()
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.CreateServiceSpecificCredentialOutput, error) {
		u, err := s.user(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		keyed, ok := loginService(in.ServiceName)
		if !ok {
			return nil, noService(in.ServiceName)
		}
		if in.CredentialAgeDays.Set && !keyed {
			return nil, form.Invalid("CredentialAgeDays is not supported for service %s", in.ServiceName)
		}
		taken := map[string]bool{}
		for _, l := range s.tables.logins.Scan(tx, store.ScanOptions{}, h.Account, u.ID) {
			if l.Service == in.ServiceName {
				taken[l.Name] = true
			}
		}
		if len(taken) >= maxLogins {
			return nil, form.OverQuota("ServiceSpecificCredentialsPerUser", maxLogins)
		}
		l := loginRecord{Service: in.ServiceName, Hash: hash, Created: form.Seconds(tx)}
		if keyed {
			l.Name = u.Name + "-at-" + h.Account + "-" + form.NewID("")[:8]
			if in.CredentialAgeDays.Set {
				l.Expires = l.Created + int64(in.CredentialAgeDays.V)*24*60*60
			}
		} else {
			l.Name = u.Name + "-at-" + h.Account
			for n := 1; taken[l.Name]; n++ {
				l.Name = u.Name + "+" + strconv.Itoa(n) + "-at-" + h.Account
			}
		}
		id := form.NewID(loginID)
		s.tables.logins.Set(tx, l, h.Account, u.ID, id)
		return &iamapi.CreateServiceSpecificCredentialOutput{ServiceSpecificCredential: loginShape(&u, id, &l, password)}, nil
	})
}

func loginShape(u *User, id string, l *loginRecord, password string) *iamapi.ServiceSpecificCredential {
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

func loginMetadata(u *User, id string, l *loginRecord) iamapi.ServiceSpecificCredentialMetadata {
	out := iamapi.ServiceSpecificCredentialMetadata{
		UserName: u.Name, Status: form.Status(l.Inactive), CreateDate: form.At(l.Created), ServiceSpecificCredentialId: id, ServiceName: l.Service,
	}
	if keyed, _ := loginService(l.Service); keyed {
		out.ServiceCredentialAlias = aws.Some(l.Name)
	} else {
		out.ServiceUserName = aws.Some(l.Name)
	}
	if l.Expires != 0 {
		out.ExpirationDate = aws.Some(form.At(l.Expires))
	}
	return out
}

// ListServiceSpecificCredentials lists those of a user, or of all users, for all services, or for one.
func (s *Credentials) ListServiceSpecificCredentials(ctx context.Context, in *iamapi.ListServiceSpecificCredentialsInput) (*iamapi.ListServiceSpecificCredentialsOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ListServiceSpecificCredentialsOutput, error) {
		var u User
		var err error
		prefix := []any{h.Account}
		if in.AllUsers.V {
			if in.UserName.Set {
				return nil, form.Invalid("UserName and AllUsers cannot be specified together.")
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
		p, err := form.NewPage(in.Marker, in.MaxItems)
		if err != nil {
			return nil, err
		}
		o := store.ScanOptions{}
		if user, id, ok := strings.Cut(p.After, "/"); ok { // of all users
			o.After = []any{user, id}
		} else if p.After != "" {
			o.After = []any{p.After}
		}
		out := &iamapi.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []iamapi.ServiceSpecificCredentialMetadata{}}
		for k, l := range s.tables.logins.Scan(tx, o, prefix...) {
			if in.ServiceName.Set && in.ServiceName.V != l.Service {
				continue
			}
			user, id := k.String(1), k.String(2)
			key := id
			if in.AllUsers.V {
				key = user + "/" + id
			}
			if !p.Add(key) {
				break
			}
			if user != u.ID {
				shown, _ := s.users.Shown(tx, h, user)
				u = User{user, shown.UserName.V}
			}
			out.ServiceSpecificCredentials = append(out.ServiceSpecificCredentials, loginMetadata(&u, id, &l))
		}
		if in.AllUsers.V || p.More {
			out.IsTruncated = p.Truncated()
		}
		out.Marker = p.Marker()
		return out, nil
	})
}

// login is a user's credential of that id.
func (s *Credentials) login(ctx context.Context, tx *store.Tx, h form.Home, user aws.Opt[string], id string) (User, loginRecord, error) {
	u, err := s.holder(ctx, tx, h, user)
	if err != nil {
		return u, loginRecord{}, err
	}
	l, ok := s.tables.logins.Get(tx, h.Account, u.ID, id)
	if !ok {
		return u, l, iamapi.NoSuchEntityException("No such credential %s exists", id)
	}
	return u, l, nil
}

// UpdateServiceSpecificCredential makes a credential active or inactive.
func (s *Credentials) UpdateServiceSpecificCredential(ctx context.Context, in *iamapi.UpdateServiceSpecificCredentialInput) (*iamapi.UpdateServiceSpecificCredentialOutput, error) {
	inactive, err := form.Inactive(in.Status)
	if err != nil {
		return nil, err
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UpdateServiceSpecificCredentialOutput, error) {
		u, l, err := s.login(ctx, tx, h, in.UserName, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		l.Inactive = inactive
		s.tables.logins.Set(tx, l, h.Account, u.ID, in.ServiceSpecificCredentialId)
		return &iamapi.UpdateServiceSpecificCredentialOutput{}, nil
	})
}

// ResetServiceSpecificCredential gives a credential another password, and tells it this once.
func (s *Credentials) ResetServiceSpecificCredential(ctx context.Context, in *iamapi.ResetServiceSpecificCredentialInput) (*iamapi.ResetServiceSpecificCredentialOutput, error) {
	password, hash := newPassword()
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.ResetServiceSpecificCredentialOutput, error) {
		u, l, err := s.login(ctx, tx, h, in.UserName, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		l.Hash = hash
		s.tables.logins.Set(tx, l, h.Account, u.ID, in.ServiceSpecificCredentialId)
		return &iamapi.ResetServiceSpecificCredentialOutput{ServiceSpecificCredential: loginShape(&u, in.ServiceSpecificCredentialId, &l, password)}, nil
	})
}

// DeleteServiceSpecificCredential deletes a user's.
func (s *Credentials) DeleteServiceSpecificCredential(ctx context.Context, in *iamapi.DeleteServiceSpecificCredentialInput) (*iamapi.DeleteServiceSpecificCredentialOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteServiceSpecificCredentialOutput, error) {
		u, _, err := s.login(ctx, tx, h, in.UserName, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		s.tables.logins.Delete(tx, h.Account, u.ID, in.ServiceSpecificCredentialId)
		return &iamapi.DeleteServiceSpecificCredentialOutput{}, nil
	})
}
