package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/transfer"
)

// Fork has a platform begin as a snapshot of a data directory does, which may be in use. What it writes is its own and goes with
// it; tables are linked and blobs read where they are, so it begins at once however much there is.
type Fork struct {
	Data     string // the directory that has the snapshot
	Snapshot string
}

// openFork opens the data directory of a fork.
func (p *Platform) openFork() (err error) {
	source, err := filepath.Abs(p.o.Fork.Data)
	if err != nil {
		return fmt.Errorf("data directory %s: %w", p.o.Fork.Data, err)
	}
	if p.dir, err = snapshot.Fork(source, p.o.Fork.Snapshot); err != nil {
		return err
	}
	p.certificates.Dir = source // clients trust one authority
	if p.engine, err = p.openStore(p.dir.Store()); err != nil {
		return errors.Join(err, p.dir.Discard())
	}
	return nil
}

// layBlobs lays the fork's blobs over those of the directory it comes from.
func (p *Platform) layBlobs() error {
	below, err := file.Open(filepath.Join(p.o.Fork.Data, "blobs"), file.Options{})
	if err != nil {
		return err
	}
	p.blobs = blob.Layer{Store: p.blobs, Below: below}
	return nil
}

// ExportSnapshot writes the state of a snapshot to w, as Export writes the platform's.
func (p *Platform) ExportSnapshot(ctx context.Context, name string, w io.Writer) error {
	l := p.await(ctx)
	switch {
	case p.keeper == nil:
		return errNoSnapshots
	case name == "":
		return snapshot.ErrNotFound
	case l == nil || !l.requests.enter():
		return errNotRunning
	}
	defer l.requests.leave()
	hold := l.shelf.Hold() // also where it is deleted meanwhile
	defer hold.Release()
	s, err := p.keeper.Stage(name)
	if err != nil {
		return err
	}
	return errors.Join(transfer.Export(ctx, p.over(s.Engine), p.blobs, p.o.Version, w), s.Drop())
}

// serveSnapshot streams a snapshot. What goes wrong before anything is written is told, the rest as by serveExport.
func (p *Platform) serveSnapshot(w http.ResponseWriter, r *http.Request) {
	begun := &begunAnswer{ResponseWriter: w}
	w.Header().Set("Content-Type", "application/octet-stream")
	switch err := p.ExportSnapshot(r.Context(), r.PathValue("name"), begun); {
	case err != nil && begun.some:
		p.log.Warn("the export of a snapshot ended early", "error", err)
		panic(http.ErrAbortHandler)
	case err != nil:
		tell(w, nil, err)
	}
}

// begunAnswer knows whether anything of an answer was written.
type begunAnswer struct {
	http.ResponseWriter
	some bool
}

func (b *begunAnswer) Write(text []byte) (int, error) {
	b.some = true
	return b.ResponseWriter.Write(text)
}
