package credential

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// UpdateAccountPasswordPolicy makes all of the policy anew: what is not given is as if there were no policy.
func (s *Credentials) UpdateAccountPasswordPolicy(ctx context.Context, in *iamapi.UpdateAccountPasswordPolicyInput) (*iamapi.UpdateAccountPasswordPolicyOutput, error) {
	r := passwordRules{
		Length: in.MinimumPasswordLength.Or(6), Symbols: in.RequireSymbols.V, Numbers: in.RequireNumbers.V,
		Uppercase: in.RequireUppercaseCharacters.V, Lowercase: in.RequireLowercaseCharacters.V, Change: in.AllowUsersToChangePassword.V,
		MaxAge: in.MaxPasswordAge.V, History: in.PasswordReusePrevention.V,
	}
	if in.HardExpiry.Set {
		r.Hard = &in.HardExpiry.V
	}
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.UpdateAccountPasswordPolicyOutput, error) {
		s.tables.rules.Set(tx, r, h.Account)
		s.users.Changed(tx, h.Account)
		return &iamapi.UpdateAccountPasswordPolicyOutput{}, nil
	})
}

// GetAccountPasswordPolicy answers an error where the account has none of its own.
func (s *Credentials) GetAccountPasswordPolicy(ctx context.Context, _ *iamapi.GetAccountPasswordPolicyInput) (*iamapi.GetAccountPasswordPolicyOutput, error) {
	return form.View(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.GetAccountPasswordPolicyOutput, error) {
		r := s.rules(tx, h.Account)
		if r == nil {
			return nil, iamapi.NoSuchEntityException("The Password Policy with domain name %s cannot be found.", h.Account)
		}
		p := &iamapi.PasswordPolicy{
			MinimumPasswordLength: aws.Some(r.Length), RequireSymbols: aws.Some(r.Symbols), RequireNumbers: aws.Some(r.Numbers),
			RequireUppercaseCharacters: aws.Some(r.Uppercase), RequireLowercaseCharacters: aws.Some(r.Lowercase),
			AllowUsersToChangePassword: aws.Some(r.Change), ExpirePasswords: aws.Some(r.MaxAge > 0),
			MaxPasswordAge: aws.NonZero(r.MaxAge), PasswordReusePrevention: aws.NonZero(r.History),
		}
		if r.Hard != nil {
			p.HardExpiry = aws.Some(*r.Hard)
		}
		return &iamapi.GetAccountPasswordPolicyOutput{PasswordPolicy: p}, nil
	})
}

// DeleteAccountPasswordPolicy puts AWS's own rules in force again.
func (s *Credentials) DeleteAccountPasswordPolicy(ctx context.Context, _ *iamapi.DeleteAccountPasswordPolicyInput) (*iamapi.DeleteAccountPasswordPolicyOutput, error) {
	return form.Update(ctx, s.space, func(tx *store.Tx, h form.Home) (*iamapi.DeleteAccountPasswordPolicyOutput, error) {
		if s.rules(tx, h.Account) == nil {
			return nil, iamapi.NoSuchEntityException("The account policy with name PasswordPolicy cannot be found.")
		}
		s.tables.rules.Delete(tx, h.Account)
		s.users.Changed(tx, h.Account)
		return &iamapi.DeleteAccountPasswordPolicyOutput{}, nil
	})
}

// rules are an account's own; nil where it has none.
func (s *Credentials) rules(tx *store.Tx, account string) *passwordRules {
	if r, ok := s.tables.rules.Get(tx, account); ok {
		return &r
	}
	return nil
}

// symbols are what counts as a symbol in a password.
const symbols = "!@#$%^&*()_+-=[]{}|'"

// check answers what is wrong with a password; r is nil where the account has no rules of its own.
func (r *passwordRules) check(password, user string) error {
	for _, c := range password {
		if c > 0xff || c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return form.Invalid("The specified value for password is invalid. It must contain only characters of the Latin alphabet, numbers and symbols.")
		}
	}
	var upper, lower, number, symbol bool
	for _, c := range password {
		upper = upper || c >= 'A' && c <= 'Z'
		lower = lower || c >= 'a' && c <= 'z'
		number = number || c >= '0' && c <= '9'
		symbol = symbol || strings.ContainsRune(symbols, c)
	}
	wrong := func(what string) error {
		return iamapi.PasswordPolicyViolationException("Password should have %s", what)
	}
	if r == nil { // at least eight characters of three kinds, and not the user's name
		kinds := 0
		for _, has := range []bool{upper, lower, number, symbol} {
			if has {
				kinds++
			}
		}
		switch {
		case len(password) < 8:
			return iamapi.PasswordPolicyViolationException("Password should have a minimum length of %d", 8)
		case kinds < 3:
			return wrong("at least three of the following character types: uppercase letters, lowercase letters, numbers, symbols")
		case strings.EqualFold(password, user):
			return iamapi.PasswordPolicyViolationException("Password should not be identical to the user name")
		}
		return nil
	}
	switch {
	case len([]rune(password)) < int(r.Length):
		return iamapi.PasswordPolicyViolationException("Password should have a minimum length of %d", r.Length)
	case r.Uppercase && !upper:
		return wrong("at least one uppercase letter")
	case r.Lowercase && !lower:
		return wrong("at least one lowercase letter")
	case r.Numbers && !number:
		return wrong("at least one number")
	case r.Symbols && !symbol:
		return wrong("at least one symbol")
	}
	return nil
}

// expires is when a password that was changed then expires; 0 = never.
func (r *passwordRules) expires(changed int64) int64 {
	if r == nil || r.MaxAge == 0 {
		return 0
	}
	return changed + int64(r.MaxAge)*24*60*60
}
