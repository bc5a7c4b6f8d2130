package platform

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/obidos-cloud/obidos/internal/transfer"
)

// Export writes the state to w, for Import into a store of any kind.
func (p *Platform) Export(ctx context.Context, w io.Writer) error {
	l := p.await(ctx)
	if l == nil || !l.requests.enter() {
		return errNotRunning
	}
	defer l.requests.leave()
	hold := l.shelf.Hold()
	defer hold.Release()
	return transfer.Export(ctx, p.over(p.current()), p.blobs, p.o.Version, w)
}

// Import fills the platform's empty store, before Run: nobody is served by a part of a state. Where it is interrupted, Run
// refuses, and the same export goes on where it ended.
func (p *Platform) Import(ctx context.Context, r io.Reader) error {
	if err := p.deserted(ctx); err != nil {
		return err
	}
	return transfer.Import(ctx, p.over(p.engine), p.blobs, r)
}

// whole refuses a store that an import has not filled whole.
func (p *Platform) whole(ctx context.Context) error {
	unfinished, err := transfer.Unfinished(ctx, p.engine)
	if err == nil && unfinished {
		err = errors.New("an import into this store was begun and not finished: run `obidos import` with the same file again, or `obidos reset`")
	}
	return err
}

// serveExport streams an export. One that fails half way lacks its end, by which every import notices.
func (p *Platform) serveExport(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := p.Export(r.Context(), w); err != nil {
		p.log.Warn("an export ended early", "error", err)
		panic(http.ErrAbortHandler)
	}
}
