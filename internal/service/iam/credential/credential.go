// Package credential is what the users of an account sign in with beside access keys, and the account's certificates: passwords and
// their policy, virtual MFA devices, signing certificates, SSH keys, service-specific credentials, and server certificates.
//
// # What it keeps
//
// Records by account and the unique id of a user, so that they stay with one who is renamed. A password is kept as a hash
// (argon2id), a service's as a SHA-256; a seed and a private key as they are.
//
// # What it promises
//
//   - A code of an MFA device counts once.
//   - What is uploaded has been read: a certificate is one, a key its certificate's, a chain leads from one to the next.
//
// # Known differences from AWS
//
//   - There is no console: nobody signs in with a password, so none was ever used.
//   - Nothing verifies a signature of a signing certificate.
//   - MFA devices are virtual ones. There are no keys of FIDO, no tokens of hardware.
package credential

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// User is a user, as far as credentials are about one. An account's root has no name, and the account's number for an id.
type User struct{ ID, Name string }

// Users know an account's users.
type Users interface {
	// Holder is the user of that name; without one, the user who calls, or the zero User where that is the account's root.
	Holder(ctx context.Context, tx *store.Tx, h form.Home, name aws.Opt[string]) (User, error)
	// Shown is the user of that id as it is answered; ok is false where there is none.
	Shown(tx *store.Tx, h form.Home, id string) (u iamapi.User, ok bool)
	// Changed says that what somebody of the account may do is no longer what it was.
	Changed(tx *store.Tx, account string)
}

// Credentials are the operations of credentials.
type Credentials struct {
	space   store.Space
	tables  tables
	users   Users
	changes *resource.Feed
}

// New is the operations over IAM's space. changes, which may be nil, is told of every server certificate uploaded, changed and deleted.
func New(space store.Space, users Users, changes *resource.Feed) *Credentials {
	return &Credentials{space, newTables(space), users, changes}
}

// user is the user of that name.
func (s *Credentials) user(ctx context.Context, tx *store.Tx, h form.Home, name string) (User, error) {
	return s.users.Holder(ctx, tx, h, aws.Some(name))
}

// holder is whose credentials a request is about: the user's it names, and where it names none, the caller's.
func (s *Credentials) holder(ctx context.Context, tx *store.Tx, h form.Home, name aws.Opt[string]) (User, error) {
	u, err := s.users.Holder(ctx, tx, h, name)
	if err == nil && u.ID == "" {
		return u, form.Invalid("Must specify userName when calling with non-User credentials")
	}
	return u, err
}

// holderOrRoot is as holder, but that a root who names nobody is itself.
func (s *Credentials) holderOrRoot(ctx context.Context, tx *store.Tx, h form.Home, name aws.Opt[string]) (User, error) {
	u, err := s.users.Holder(ctx, tx, h, name)
	if err == nil && u.ID == "" {
		u.ID = h.Account
	}
	return u, err
}

// Left is the answer to the deletion of a user who still has what must be deleted first; nil where there is nothing.
func (s *Credentials) Left(tx *store.Tx, account, user string) error {
	one := store.ScanOptions{Limit: 1}
	switch t := &s.tables; {
	case t.passwords.Has(tx, account, user):
		return form.Conflict("delete login profile")
	case form.Any(t.userDevices.Keys(tx, one, account, user)):
		return form.Conflict("deactivate MFA device")
	case form.Any(t.certificates.Keys(tx, one, account, user)):
		return form.Conflict("delete signing certificate")
	case form.Any(t.sshKeys.Keys(tx, one, account, user)):
		return form.Conflict("delete SSH public key")
	case form.Any(t.logins.Keys(tx, one, account, user)):
		return form.Conflict("delete service specific credential")
	}
	return nil
}

// MayChange reports whether an account lets all of its users change their own password.
func (s *Credentials) MayChange(tx *store.Tx, account string) bool {
	r := s.rules(tx, account)
	return r != nil && r.Change
}

// Has is what a user has, for reports.
type Has struct {
	Password     bool
	Changed      int64 // when the password was
	Expires      int64 // 0 = never
	MFA          bool
	Certificates []Certificate // the signing certificates
}

// Certificate is a signing certificate, for reports.
type Certificate struct {
	Active   bool
	Uploaded int64
}

// Of is what a user has; an account's root under the account's number.
func (s *Credentials) Of(tx *store.Tx, account, user string) (has Has) {
	if p, ok := s.tables.passwords.Get(tx, account, user); ok {
		has.Password, has.Changed, has.Expires = true, p.Changed, s.rules(tx, account).expires(p.Changed)
	}
	has.MFA = form.Any(s.tables.userDevices.Keys(tx, store.ScanOptions{Limit: 1}, account, user))
	for _, c := range s.tables.certificates.Scan(tx, store.ScanOptions{}, account, user) {
		has.Certificates = append(has.Certificates, Certificate{!c.Inactive, c.Uploaded})
	}
	return has
}

// Count is how many MFA devices an account has, how many of them are somebody's, and how many server certificates it has.
func (s *Credentials) Count(tx *store.Tx, account string) (devices, inUse, servers int) {
	t, all := &s.tables, store.ScanOptions{}
	return form.Count(t.devices.Keys(tx, all, account)), form.Count(t.userDevices.Keys(tx, all, account)), form.Count(t.servers.Keys(tx, all, account))
}
