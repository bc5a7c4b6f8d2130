package credential

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// How hard a password is to guess from its hash (argon2id): 19 MiB, twice over, as OWASP recommends.
const (
	hashMemory = 19 << 10 // KiB
	hashTimes  = 2
	hashSize   = 32
	saltSize   = 16
)

// hashPassword is what is kept of a password. It takes some 20 ms and is never called in a transaction.
func hashPassword(password string) string {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	sum := argon2.IDKey([]byte(password), salt, hashTimes, hashMemory, 1, hashSize)
	return "argon2id$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(sum)
}

// isPassword reports whether a hash is of that password.
func isPassword(hash, password string) bool {
	kind, rest, _ := strings.Cut(hash, "$")
	salt64, sum64, _ := strings.Cut(rest, "$")
	salt, err := base64.RawStdEncoding.DecodeString(salt64)
	sum, err2 := base64.RawStdEncoding.DecodeString(sum64)
	if kind != "argon2id" || err != nil || err2 != nil {
		return false
	}
	return subtle.ConstantTimeCompare(sum, argon2.IDKey([]byte(password), salt, hashTimes, hashMemory, 1, hashSize)) == 1
}

func noProfile(user string) error {
	return iamapi.NoSuchEntityException("Login Profile for User %s cannot be found.", user)
}

func profileShape(u *User, p *passwordRecord) *iamapi.LoginProfile {
	return &iamapi.LoginProfile{UserName: u.Name, CreateDate: form.At(p.Created), PasswordResetRequired: aws.Some(p.Reset)}
}

// CreateLoginProfile gives a user a password.
func (s *Credentials) CreateLoginProfile(ctx context.Context, in *iamapi.CreateLoginProfileInput) (*iamapi.CreateLoginProfileOutput, error) {
	if !in.Password.Set {
		return nil, form.Invalid("Password must be specified.")
	}
	if _, err := form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (struct{}, error) { return struct{}{}, s.mayHave(ctx, tx, h, in) }); err != nil {
		return nil, err // before the work of making a hash
	}
	hash := hashPassword(in.Password.V)
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.CreateLoginProfileOutput, error) {
		if err := s.mayHave(ctx, tx, h, in); err != nil {
			return nil, err
		}
		u, err := s.holder(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		now := form.Seconds(tx)
		p := passwordRecord{Created: now, Changed: now, Hash: hash, Reset: in.PasswordResetRequired.V}
		s.tables.passwords.Set(tx, p, h.Account, u.ID)
		return &iamapi.CreateLoginProfileOutput{LoginProfile: profileShape(&u, &p)}, nil
	})
}

// mayHave checks that a user has no password yet and that the one it is to have keeps to the rules.
func (s *Credentials) mayHave(ctx context.Context, tx *store.Tx, h form.Home, in *iamapi.CreateLoginProfileInput) error {
	u, err := s.holder(ctx, tx, h, in.UserName)
	if err != nil {
		return err
	}
	if s.tables.passwords.Has(tx, h.Account, u.ID) {
		return iamapi.EntityAlreadyExistsException("Login Profile for user %s already exists.", u.Name)
	}
	return s.rules(tx, h.Account).check(in.Password.V, u.Name)
}

// GetLoginProfile tells whether a user has a password.
func (s *Credentials) GetLoginProfile(ctx context.Context, in *iamapi.GetLoginProfileInput) (*iamapi.GetLoginProfileOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetLoginProfileOutput, error) {
		u, err := s.holder(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		p, ok := s.tables.passwords.Get(tx, h.Account, u.ID)
		if !ok {
			return nil, noProfile(u.Name)
		}
		return &iamapi.GetLoginProfileOutput{LoginProfile: profileShape(&u, &p)}, nil
	})
}

// UpdateLoginProfile changes a user's password on somebody else's word.
func (s *Credentials) UpdateLoginProfile(ctx context.Context, in *iamapi.UpdateLoginProfileInput) (*iamapi.UpdateLoginProfileOutput, error) {
	err := s.changePassword(ctx, aws.Some(in.UserName), in.Password, func(_ *passwordRules, p *passwordRecord, _ int64) error {
		if in.PasswordResetRequired.Set {
			p.Reset = in.PasswordResetRequired.V
		}
		return nil
	})
	return &iamapi.UpdateLoginProfileOutput{}, err
}

// ChangePassword changes the caller's own password, who must know it.
func (s *Credentials) ChangePassword(ctx context.Context, in *iamapi.ChangePasswordInput) (*iamapi.ChangePasswordOutput, error) {
	who, _ := form.Caller(ctx)
	if who == "" {
		return nil, iamapi.InvalidUserTypeException("Only IAM Users can change their own password.")
	}
	checked := "" // the hash that the old password was held against
	right := false
	err := s.changePassword(ctx, aws.Some(who), aws.Some(in.NewPassword), func(r *passwordRules, p *passwordRecord, now int64) error {
		if checked != p.Hash {
			checked, right = p.Hash, isPassword(p.Hash, in.OldPassword)
		}
		if e := r.expires(p.Changed); !right {
			return errDenied.New("The old password was incorrect.")
		} else if r != nil && r.Hard != nil && *r.Hard && e != 0 && e <= now {
			return errDenied.New("The password has expired. An administrator must reset it.")
		}
		p.Reset = false
		return nil
	})
	return &iamapi.ChangePasswordOutput{}, err
}

var errDenied = &aws.ErrorShape{Code: "AccessDenied", Status: 403}

// changePassword gives a user another password, where there is one, once may has agreed. The hashes are made and compared outside
// of the transaction, which begins anew where the user's password is no longer the one they were compared with.
func (s *Credentials) changePassword(ctx context.Context, name, password aws.Opt[string], may func(r *passwordRules, p *passwordRecord, now int64) error) error {
	type state struct {
		rules *passwordRules
		user  User
		is    passwordRecord
		now   int64
	}
	read := func(tx *store.Tx, h form.Home) (st state, err error) {
		if st.user, err = s.holder(ctx, tx, h, name); err != nil {
			return st, err
		}
		var ok bool
		if st.is, ok = s.tables.passwords.Get(tx, h.Account, st.user.ID); !ok {
			return st, noProfile(st.user.Name)
		}
		st.rules, st.now = s.rules(tx, h.Account), form.Seconds(tx)
		return st, nil
	}
	for {
		st, err := form.View(ctx, s.space, read)
		if err != nil {
			return err
		}
		to := st.is
		if err := may(st.rules, &to, st.now); err != nil {
			return err
		}
		if password.Set {
			if err := st.rules.check(password.V, st.user.Name); err != nil {
				return err
			}
			if st.rules != nil && st.rules.History > 0 {
				had := slices.Concat([]string{st.is.Hash}, st.is.Before)
				for _, hash := range had[:min(len(had), int(st.rules.History))] {
					if isPassword(hash, password.V) {
						return iamapi.PasswordPolicyViolationException("Password was used before; the last %d cannot be used again", st.rules.History)
					}
				}
			}
			to.Before = slices.Insert(slices.Clone(to.Before), 0, to.Hash)
			to.Before = to.Before[:min(len(to.Before), maxHistory)]
			to.Hash = hashPassword(password.V)
		}
		done, err := form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (bool, error) {
			is, err := read(tx, h)
			if err != nil || is.user.ID != st.user.ID || is.is.Hash != st.is.Hash {
				return false, err
			}
			if password.Set {
				to.Changed = form.Seconds(tx)
			}
			s.tables.passwords.Set(tx, to, h.Account, is.user.ID)
			return true, nil
		})
		if done || err != nil {
			return err
		}
	}
}

// maxHistory is how many passwords back a policy can reach.
const maxHistory = 24

// DeleteLoginProfile takes a user's password away.
func (s *Credentials) DeleteLoginProfile(ctx context.Context, in *iamapi.DeleteLoginProfileInput) (*iamapi.DeleteLoginProfileOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteLoginProfileOutput, error) {
		u, err := s.holder(ctx, tx, h, in.UserName)
		if err != nil {
			return nil, err
		}
		if !s.tables.passwords.Has(tx, h.Account, u.ID) {
			return nil, noProfile(u.Name)
		}
		s.tables.passwords.Delete(tx, h.Account, u.ID)
		return &iamapi.DeleteLoginProfileOutput{}, nil
	})
}
