package platform

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// change is what is done between two lives.
type change struct {
	do   func(ctx context.Context) error
	done chan error
}

// tornError says that nobody knows which state the next start will find: no life may begin on either.
type tornError struct{ error }

func (e tornError) Unwrap() error { return e.error }

// between ends the life, does what is to be done while nobody uses the engine, and begins the next.
func (p *Platform) between(ctx context.Context, do func(ctx context.Context) error) error {
	asked := &change{do, make(chan error, 1)}
	select {
	case p.changes <- asked:
	case <-p.ending:
		return errNotRunning
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-asked.done:
		return errors.Join(err, p.Ready(ctx))
	case <-p.ending:
		return errNotRunning
	}
}

// over is the store over an engine, for what is done outside a life.
func (p *Platform) over(e store.Engine) *store.Store {
	return &store.Store{Engine: e, Clock: clock.New()}
}

// current is the engine in use.
func (p *Platform) current() store.Engine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.engine
}

var errNoSnapshots = errors.New("snapshots are kept of a data directory or of memory, not of a store that is shared: `obidos export` and `import` move its state")

// SaveSnapshot implements gateway.States.
func (p *Platform) SaveSnapshot(ctx context.Context, name string) (snapshot.Info, error) {
	l := p.await(ctx)
	switch {
	case p.keeper == nil:
		return snapshot.Info{}, errNoSnapshots
	case l == nil || !l.requests.enter():
		return snapshot.Info{}, errNotRunning
	}
	defer l.requests.leave() // no change of the engine meanwhile
	hold := l.shelf.Hold()
	defer hold.Release()
	return snapshot.Save(ctx, p.keeper, p.over(p.current()), name, p.o.Version)
}

// Snapshots implements gateway.States.
func (p *Platform) Snapshots() ([]snapshot.Info, error) {
	if p.keeper == nil {
		return nil, errNoSnapshots
	}
	return p.keeper.List()
}

// DeleteSnapshot implements gateway.States. What only it named is freed by and by.
func (p *Platform) DeleteSnapshot(name string) error {
	if p.keeper == nil {
		return errNoSnapshots
	}
	if err := p.keeper.Delete(name); err != nil {
		return err
	}
	if l := p.life.Load(); l != nil {
		l.shelf.Look()
	}
	return nil
}

// RestoreSnapshot implements gateway.States.
func (p *Platform) RestoreSnapshot(ctx context.Context, name string) error {
	if p.keeper == nil {
		return errNoSnapshots
	}
	if name == "" {
		return snapshot.ErrNotFound
	}
	s, err := p.keeper.Stage(name)
	if err != nil {
		return err
	}
	return p.exchange(ctx, s, nil)
}

// exchange puts a staged engine in the place of the one in use, between two lives. ready may refuse that then.
func (p *Platform) exchange(ctx context.Context, s *snapshot.Staged, ready func(ctx context.Context) error) error {
	used := false
	err := p.between(ctx, func(ctx context.Context) error {
		if ready != nil {
			if err := ready(ctx); err != nil {
				return err
			}
		}
		if err := snapshot.Succeed(ctx, p.over(p.engine), p.over(s.Engine)); err != nil {
			return err
		}
		if err := s.Use(); err != nil {
			return tornError{err}
		}
		used = true
		old := p.engine
		p.mu.Lock()
		p.engine = s.Engine
		p.mu.Unlock()
		return old.Close()
	})
	if !used {
		if _, torn := errors.AsType[tornError](err); torn || errors.Is(err, errNotRunning) {
			return err // what is left over is removed at the next start
		}
		return errors.Join(err, s.Drop())
	}
	return errors.Join(err, p.keeper.Tidy())
}

// openState opens what keeps snapshots and blobs. The engine is open.
func (p *Platform) openState() error {
	switch {
	case p.o.Cluster != nil:
		return p.openSharedBlobs()
	case p.o.Engine != nil:
		return p.openBlobs("blobs", file.Options{FS: vfs.NewMem()})
	case p.dir == nil:
		p.keeper = &snapshot.Memory{}
		return p.openBlobs("blobs", file.Options{FS: vfs.NewMem()})
	}
	p.keeper = snapshot.NewDirectory(p.dir, p.openStore)
	if err := p.openBlobs(p.dir.Blobs(), file.Options{Room: func() error {
		if e, ok := p.current().(*pebble.Engine); ok {
			return e.Room()
		}
		return nil
	}}); err != nil || p.o.Fork == nil {
		return err
	}
	return p.layBlobs()
}

func (p *Platform) openBlobs(dir string, o file.Options) (err error) {
	p.blobs, err = file.Open(dir, o)
	return err
}

// openStore opens an engine in the data directory.
func (p *Platform) openStore(path string) (store.Engine, error) {
	o := pebble.Options{Logger: p.log, Relaxed: p.o.Relaxed}
	if p.o.SyncDelay > 0 {
		o.FS = slowed(p.o.SyncDelay)
	}
	e, err := pebble.Open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", path, err)
	}
	return e, nil
}

// oldest is the number of the oldest snapshot.
func (p *Platform) oldest() uint64 {
	if p.keeper == nil {
		return blob.Nothing
	}
	return snapshot.Oldest(p.keeper)
}
