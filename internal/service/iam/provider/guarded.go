package provider

import (
	"iter"
	"strings"

	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// TagsOf are the tags of the provider that is a resource of the account: "saml-provider/name".
func (s *Providers) TagsOf(tx *store.Tx, account, resource string) []form.Tag {
	if name, ok := strings.CutPrefix(resource, "oidc-provider/"); ok {
		r, _ := s.tables.oidc.Get(tx, account, name)
		return r.Tags
	}
	if name, ok := strings.CutPrefix(resource, "saml-provider/"); ok {
		r, _ := s.tables.saml.Get(tx, account, form.Fold(name))
		return r.Tags
	}
	return nil
}

// Tagged are all providers of an account with their tags, by what ARNs call them.
func (s *Providers) Tagged(tx *store.Tx, account string) iter.Seq2[string, []form.Tag] {
	return func(yield func(string, []form.Tag) bool) {
		for k, r := range s.tables.oidc.Scan(tx, store.ScanOptions{}, account) {
			if !yield("oidc-provider/"+k.String(1), r.Tags) {
				return
			}
		}
		for _, r := range s.tables.saml.Scan(tx, store.ScanOptions{}, account) {
			if !yield("saml-provider/"+r.Name, r.Tags) {
				return
			}
		}
	}
}
