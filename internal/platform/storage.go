package platform

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/blob/s3"
	"github.com/obidos-cloud/obidos/internal/shelf"
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
func (p *Platform) openSharedBlobs() (err error) {
	where := p.o.Cluster.Blobs
	scheme, _, isURL := strings.Cut(where, "://")
	switch {
	case where == "":
		p.blobs = nowhere{}
	case !isURL:
		err = p.openBlobs(where, file.Options{})
	case scheme == "file":
		var u *url.URL
		if u, err = url.Parse(where); err == nil {
			err = p.openBlobs(u.Path, file.Options{})
		}
	case scheme == "s3":
		ctx, cancel := context.WithTimeout(context.Background(), askForBlobs)
		defer cancel()
		if p.blobs, err = s3.Open(ctx, where, s3.Options{}); err == nil {
			return nil
		}
	default:
		err = fmt.Errorf("%s://…: the nodes of a cluster keep blobs in a folder that all of them see, or in s3://BUCKET/PREFIX", scheme)
	}
	if err != nil {
		return fmt.Errorf("open the store of blobs (--blobs): %w", err)
	}
	return nil
}

// askForBlobs bounds how long a start waits for a service that does not answer.
const askForBlobs = 20 * time.Second

// grace is how long blobs are left to the other nodes. A client may send one for a day, and read one for an hour after it was
// deleted.
func (p *Platform) grace() shelf.Grace {
	if p.o.Cluster == nil {
		return shelf.Grace{}
	}
	return shelf.Grace{Begun: 24 * time.Hour, Read: time.Hour}
}

// nowhere keeps no blobs: what one node kept for itself the others would not find.
type nowhere struct{}

var errNowhere = errors.New("this cluster has no place for what is too large for its store: start all nodes with --blobs, the same for each")

func (nowhere) Create(context.Context) (blob.Writer, error)            { return nil, errNowhere }
func (nowhere) CreateAs(context.Context, blob.ID) (blob.Writer, error) { return nil, errNowhere }
func (nowhere) Open(context.Context, blob.ID) (blob.Reader, error)     { return nil, errNowhere }
func (nowhere) Keep(context.Context, ...blob.ID) error                 { return nil }
func (nowhere) Free(context.Context, ...blob.ID) error                 { return nil }

func (nowhere) Pending(context.Context, time.Duration) ([]blob.ID, error) { return nil, nil }
