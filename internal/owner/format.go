package owner

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Formats are what a node understands of what nodes write for each other: the rows in the store, and what goes over the
// network between them.
type Formats struct {
	Newest uint32 // 1 where zero
	Oldest uint32 // reads and writes from this one on; Newest where zero
}

// FormatError says why a node cannot join the others.
type FormatError struct{ text string }

func (e *FormatError) Error() string { return e.text }

// format is what the rows of this store are written in. It rises when every living node understands the next.
type format struct {
	store.Unknown
	Number  uint32 `cbor:"1,keyasint"`
	Version string `cbor:"2,keyasint"` // that raised it
	Emptied uint64 `cbor:"3,keyasint"` // how often the store was, see Renew
}

func (f *Formats) settle() {
	f.Newest = cmp.Or(f.Newest, 1)
	f.Oldest = cmp.Or(f.Oldest, f.Newest)
}

// fits reports why a node of this version cannot work on the store beside the members, nil where it can.
func (o *Options) fits(now format, members map[string]member) error {
	version := cmp.Or(o.Version, "this version")
	switch f := o.Formats; {
	case now.Number > f.Newest:
		return &FormatError{fmt.Sprintf("the cluster's store is written in format %d, by obidos %s; obidos %s knows up to %d: start the version that the other nodes run",
			now.Number, now.Version, version, f.Newest)}
	case now.Number != 0 && now.Number < f.Oldest:
		return &FormatError{fmt.Sprintf("the cluster's store is written in format %d, by obidos %s; obidos %s reads from %d on: upgrade by way of a version in between, on all nodes",
			now.Number, now.Version, version, f.Oldest)}
	}
	ids := make([]string, 0, len(members))
	for id := range members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if m := members[id]; id != o.ID && (m.Newest < o.Formats.Oldest || m.Oldest > o.Formats.Newest) {
			return &FormatError{fmt.Sprintf("node %s runs obidos %s, whose formats (%d to %d) do not fit those of obidos %s (%d to %d): upgrade by way of a version in between",
				id, m.Version, m.Oldest, m.Newest, version, o.Formats.Oldest, o.Formats.Newest)}
		}
	}
	return nil
}

// Check reports a *FormatError where the node could not join. It changes nothing.
func (n *Node) Check(ctx context.Context) error {
	_, err := store.View(ctx, n.space, func(tx *store.Tx) (struct{}, error) {
		now, _ := n.rows.format.Get(tx)
		return struct{}{}, n.o.fits(now, n.rows.all(tx))
	})
	return err
}

// agree notes the format the store is in from now on: the newest that all members know.
func (n *Node) agree(tx *store.Tx, now format, members map[string]member) {
	common := n.o.Formats.Newest
	for id, m := range members {
		if id != n.o.ID {
			common = min(common, m.Newest)
		}
	}
	if common > now.Number {
		now.Number, now.Version = common, n.o.Version
		n.rows.format.Set(tx, now)
	}
}
