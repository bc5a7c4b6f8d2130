package logs

import (
	"iter"

	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
	"github.com/obidos-cloud/obidos/internal/store"
)

// shaped is what package shape knows of groups and queries. It implements shape.Host.
type shaped struct {
	space  store.Space
	tables *tables
}

func (h shaped) group(g *groupRecord) shape.Group {
	return shape.Group{Number: g.Number, Class: g.Class, Expired: g.expiry(h.space.Now())}
}

func (h shaped) Group(tx *store.Tx, name string) (shape.Group, bool) {
	g, ok := h.tables.groups.Get(tx, name)
	return h.group(&g), ok
}

func (h shaped) Groups(tx *store.Tx, after string) iter.Seq2[string, shape.Group] {
	o := store.ScanOptions{}
	if after != "" {
		o.After = []any{after}
	}
	return func(yield func(string, shape.Group) bool) {
		for k, g := range h.tables.groups.Scan(tx, o) {
			if !yield(k.String(0), h.group(&g)) {
				return
			}
		}
	}
}

func (h shaped) Query(tx *store.Tx, id string) (status string, running, ok bool) {
	q, ok := h.tables.queries.Get(tx, id)
	return q.Status, q.running(), ok
}

func (h shaped) Rows(tx *store.Tx, id string) (rows [][][2]string) {
	for _, r := range h.tables.results.Scan(tx, store.ScanOptions{}, id) {
		rows = append(rows, r.Rows...)
	}
	return rows
}

// formsOf are what was done to the events of a group.
func (s *Service) formsOf(tx *store.Tx, name string, g *groupRecord) (shape.Forms, error) {
	return s.Shapes.Of(tx, name, shape.Group{Number: g.Number, Class: g.Class})
}
