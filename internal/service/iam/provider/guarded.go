package provider

import (
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
