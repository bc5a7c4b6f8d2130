package logs

import "github.com/obidos-cloud/obidos/internal/store"

// exported is what exports read.
type exported struct{ *Service }

// Class implements export.Logs.
func (e exported) Class(tx *store.Tx, name string) (class string, ok bool) {
	g, ok := e.tables.groups.Get(tx, name)
	return g.Class, ok
}
