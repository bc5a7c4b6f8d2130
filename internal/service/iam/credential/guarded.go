package credential

import (
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// ServerPath is the path and name of the server certificate that is called so.
func (s *Credentials) ServerPath(tx *store.Tx, h form.Home, name string) (path string, ok bool) {
	c, ok := s.tables.servers.Get(tx, h.Account, form.Fold(name))
	return c.Path + c.Name, ok
}
