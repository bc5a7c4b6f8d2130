package platform

import (
	"context"
	"fmt"
	"net/url"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/store/postgres"
)

// openShared opens the store that the nodes of a cluster share.
func (p *Platform) openShared(ctx context.Context) error {
	c := p.o.Cluster
	u, err := url.Parse(c.Store)
	if err != nil {
		return fmt.Errorf("--store is no URL like postgres://user:password@host/database") // the reason would print the password
	}
	switch u.Scheme {
	case "postgres", "postgresql":
	default:
		return fmt.Errorf("--store %s://…: obidos keeps a cluster's state in PostgreSQL: postgres://user:password@host/database", u.Scheme)
	}
	if p.engine, err = postgres.Open(ctx, c.Store, postgres.Options{Cluster: c.Name, Relaxed: p.o.Relaxed}); err != nil {
		return fmt.Errorf("open the store %s: %w", redacted(c.Store), err)
	}
	return nil
}

// openSharedBlobs opens where the nodes of a cluster keep what is too large for the store.
func (p *Platform) openSharedBlobs() error {
	where := p.o.Cluster.Blobs
	if where == "" { // no service that is served yet keeps any
		return p.openBlobs("blobs", file.Options{FS: vfs.NewMem()})
	}
	if u, err := url.Parse(where); err == nil && u.Scheme != "" && u.Scheme != "file" && len(u.Scheme) > 1 {
		return fmt.Errorf("--blobs %s://…: this version keeps the blobs of a cluster in a folder that all nodes see", u.Scheme)
	} else if err == nil && u.Scheme == "file" {
		where = u.Path
	}
	return p.openBlobs(where, file.Options{})
}
