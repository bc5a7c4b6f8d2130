// Package file keeps blobs in files of one directory:
//
//	new/<id>    begun, or finished and not kept yet
//	<aa>/<id>   finished; aa are the first two digits of the id
//
// A blob is created under its first name, written, synced, linked to its second, and each directory is synced before the next
// step: what is under a second name is whole after any power cut, and what nobody kept still has its first name.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
)

// Options of a store.
type Options struct {
	FS vfs.FS // nil: the operating system's

	// Room is asked before a blob is begun and every few MiB: an error, which says that the disk is full, refuses the
	// write. Nil: there is always room.
	Room func() error
}

// Store is a blob.Store in one directory.
type Store struct {
	fs   vfs.FS
	dir  string
	room func() error

	mu   sync.Mutex
	made map[string]bool // second directories that are durable
}

const (
	begun     = "new"
	roomEvery = 4 << 20
)

// Open opens the blobs in dir, which it makes if there is none.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{fs: o.FS, dir: dir, room: o.Room, made: make(map[string]bool)}
	if s.fs == nil {
		s.fs = vfs.Default
	}
	if s.room == nil {
		s.room = func() error { return nil }
	}
	if err := s.fs.MkdirAll(s.fs.PathJoin(dir, begun), 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	// What an earlier process made and did not sync becomes durable here.
	for _, d := range []string{s.fs.PathDir(dir), dir} {
		if err := s.sync(d); err != nil {
			return nil, err
		}
	}
	names, err := s.fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		s.made[name] = true
	}
	return s, nil
}

func (s *Store) first(id blob.ID) string { return s.fs.PathJoin(s.dir, begun, id.String()) }
func (s *Store) place(id blob.ID) string { return s.fs.PathJoin(s.dir, id.String()[:2]) }
func (s *Store) final(id blob.ID) string { return s.fs.PathJoin(s.place(id), id.String()) }

// Create begins a blob.
func (s *Store) Create(ctx context.Context) (blob.Writer, error) {
	return s.CreateAs(ctx, blob.NewID())
}

// CreateAs begins a blob under the id that it has in another store: there is none of it here.
func (s *Store) CreateAs(ctx context.Context, id blob.ID) (blob.Writer, error) {
	if err := errors.Join(ctx.Err(), s.room()); err != nil {
		return nil, err
	}
	w := &writer{s: s, id: id}
	f, err := s.fs.Create(s.first(w.id), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create a blob: %w", s.why(err))
	}
	w.f = f
	return w, nil
}

// why is err, or what Room says of it: a disk that is full is told in its words.
func (s *Store) why(err error) error {
	if vfs.IsNoSpaceError(err) {
		return errors.Join(s.room(), err)
	}
	return err
}

// Open reads a finished blob.
func (s *Store) Open(ctx context.Context, id blob.ID) (blob.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.fs.Open(s.final(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, blob.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", id, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open blob %s: %w", id, err), f.Close())
	}
	return reader{f, info.Size()}, nil
}

// Keep takes the first names away.
func (s *Store) Keep(_ context.Context, ids ...blob.ID) error {
	for _, id := range ids {
		if err := s.remove(s.first(id)); err != nil {
			return err
		}
	}
	return nil
}

// Free removes the second names, durably, and then the first, which would tell of them if the power failed in between.
func (s *Store) Free(_ context.Context, ids ...blob.ID) error {
	var places []string
	for _, id := range ids {
		if err := s.remove(s.final(id)); err != nil {
			return err
		}
		if s.has(id.String()[:2]) {
			places = append(places, s.place(id))
		}
	}
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		if err := s.sync(place); err != nil {
			return err
		}
	}
	return s.Keep(context.Background(), ids...)
}

// Pending lists the first names.
func (s *Store) Pending(_ context.Context, age time.Duration) ([]blob.ID, error) {
	names, err := s.fs.List(s.fs.PathJoin(s.dir, begun))
	if err != nil {
		return nil, fmt.Errorf("list pending blobs: %w", err)
	}
	var ids []blob.ID
	for _, name := range names {
		id, err := blob.ParseID(name)
		if err != nil {
			continue
		}
		if age > 0 {
			info, err := s.fs.Stat(s.first(id))
			if errors.Is(err, fs.ErrNotExist) {
				continue // kept or freed meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("list pending blobs: %w", err)
			}
			if at := info.ModTime(); at.IsZero() || time.Since(at) < age { // no time is told of a file that nothing was written to yet
				continue
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (s *Store) remove(name string) error {
	if err := s.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a blob: %w", err)
	}
	return nil
}

func (s *Store) sync(dir string) error {
	f, err := s.fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

func (s *Store) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made[name]
}

// makePlace makes the directory of a second name durable, once.
func (s *Store) makePlace(id blob.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := id.String()[:2]
	if s.made[name] {
		return nil
	}
	if err := s.fs.MkdirAll(s.place(id), 0o700); err != nil {
		return fmt.Errorf("make %s: %w", s.place(id), err)
	}
	if err := s.sync(s.dir); err != nil {
		return err
	}
	s.made[name] = true
	return nil
}

type writer struct {
	s     *Store
	id    blob.ID
	f     vfs.File // nil once finished or aborted
	asked int      // bytes written since Room was asked
	err   error    // the first write that failed
}

func (w *writer) ID() blob.ID { return w.id }

func (w *writer) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.f == nil:
		return 0, fmt.Errorf("write blob %s: %w", w.id, fs.ErrClosed)
	case len(p) == 0:
		return 0, nil
	}
	if w.asked += len(p); w.asked >= roomEvery {
		w.asked = 0
		if w.err = w.s.room(); w.err != nil {
			return 0, w.err
		}
	}
	n, err := writeCopy(w.f, p)
	if err != nil {
		w.err = fmt.Errorf("write blob %s: %w", w.id, w.s.why(err))
	}
	return n, w.err
}

// writeCopy writes p and leaves it as it is: a vfs.File may change what it is given, an io.Writer may not.
func writeCopy(f vfs.File, p []byte) (n int, err error) {
	var b [32 << 10]byte
	for len(p) > 0 && err == nil {
		var m int
		c := copy(b[:], p)
		m, err = f.Write(b[:c])
		n, p = n+m, p[c:]
	}
	return n, err
}

// Finish makes the blob durable under both names.
func (w *writer) Finish() error {
	if w.err != nil {
		return w.err
	}
	if w.f == nil {
		return fmt.Errorf("finish blob %s: %w", w.id, fs.ErrClosed)
	}
	if err := w.finish(); err != nil {
		w.err = fmt.Errorf("finish blob %s: %w", w.id, w.s.why(err))
		return w.err
	}
	w.f = nil
	return nil
}

func (w *writer) finish() error {
	if err := w.f.Sync(); err != nil {
		return err
	}
	if err := w.s.sync(w.s.fs.PathJoin(w.s.dir, begun)); err != nil {
		return err
	}
	if err := w.s.makePlace(w.id); err != nil {
		return err
	}
	if err := w.s.fs.Link(w.s.first(w.id), w.s.final(w.id)); err != nil {
		return err
	}
	if err := w.s.sync(w.s.place(w.id)); err != nil {
		return err
	}
	return w.f.Close()
}

// Abort removes what there is. What a power cut brings back is pending.
func (w *writer) Abort() {
	if w.f == nil {
		return
	}
	_ = w.f.Close()
	w.f = nil
	_ = w.s.Free(context.Background(), w.id) // where it fails the blob stays pending
}

type reader struct {
	vfs.File
	size int64
}

func (r reader) Size() int64 { return r.size }
