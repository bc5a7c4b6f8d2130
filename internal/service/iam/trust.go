package iam

import (
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/store"
)

// A trust policy means the users and roles it named when it was written, not whoever is called so later: so AWS has it, and takes
// none that names one who is not there. A principal that was renamed is told by its new name, one that was deleted by its unique
// id, which nobody has again. Of other accounts' nothing is known: they may be AWS's own.

// trusted is a user or role of the account that a trust policy names.
type trusted struct {
	ARN string `cbor:"1,keyasint"` // as the policy has it
	ID  string `cbor:"2,keyasint"`
}

// setTrust gives a role a trust policy.
func (s *Service) setTrust(tx *store.Tx, h home, r *roleRecord, document string) error {
	p, err := policy.Read(document)
	if err != nil {
		return err
	}
	r.Trust, r.Trusted = document, nil
	for _, n := range p.Principals() {
		if n.Type != "AWS" {
			continue
		}
		k, name, err := sourceOf(h, n.Value)
		if err != nil {
			continue
		}
		is, ok := s.byName(tx, h, k, name)
		if !ok || !strings.HasSuffix(n.Value, ":"+k.traits().arn+is.Path+is.Name) {
			return iamapi.MalformedPolicyDocumentException("%s", policy.InvalidPrincipal(n).Message)
		}
		r.Trusted = append(r.Trusted, trusted{n.Value, is.ID})
	}
	return nil
}

// trustNow is the trust policy of a role as it is meant now.
func (s *Service) trustNow(tx *store.Tx, h home, r *roleRecord) string {
	if len(r.Trusted) == 0 {
		return r.Trust
	}
	text, err := policy.ReplacePrincipals(r.Trust, func(n policy.PrincipalName) string {
		for _, t := range r.Trusted {
			if n.Type == "AWS" && n.Value == t.ARN {
				return s.calledNow(tx, h, t)
			}
		}
		return n.Value
	})
	if err != nil {
		return r.Trust // which is no policy, and lets nobody in
	}
	return text
}

// calledNow is how a trusted user or role is called now: by its unique id where it is deleted.
func (s *Service) calledNow(tx *store.Tx, h home, t trusted) string {
	k := aUser
	if strings.HasPrefix(t.ID, roleID) {
		k = aRole
	}
	n, ok := s.byID(tx, h, k, t.ID)
	if !ok {
		return t.ID
	}
	a, _ := aws.ParseARN(t.ARN)
	return homeIn(h.account, a.Partition).arnOf(k, n)
}
