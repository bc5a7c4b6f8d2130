package credential

import (
	"iter"
	"strings"

	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// ServerPath is the path and name of the server certificate that is called so.
func (s *Credentials) ServerPath(tx *store.Tx, h form.Home, name string) (path string, ok bool) {
	c, ok := s.tables.servers.Get(tx, h.Account, form.Fold(name))
	return c.Path + c.Name, ok
}

// TagsOf are the tags of the virtual device or server certificate that is a resource of the account: "mfa/path/name".
func (s *Credentials) TagsOf(tx *store.Tx, account, resource string) []form.Tag {
	what, path, _ := strings.Cut(resource, "/")
	switch what {
	case "mfa":
		d, _ := s.tables.devices.Get(tx, account, form.Fold("/"+path))
		return d.Tags
	case "server-certificate":
		c, _ := s.tables.servers.Get(tx, account, form.Fold(path[strings.LastIndexByte(path, '/')+1:]))
		return c.Tags
	}
	return nil
}

// Tagged are all server certificates of an account with their tags, by what ARNs call them.
func (s *Credentials) Tagged(tx *store.Tx, account string) iter.Seq2[string, []form.Tag] {
	return func(yield func(string, []form.Tag) bool) {
		for _, c := range s.tables.servers.Scan(tx, store.ScanOptions{}, account) {
			if !yield("server-certificate"+c.Path+c.Name, c.Tags) {
				return
			}
		}
	}
}
