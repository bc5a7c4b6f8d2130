package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/datadir"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// Directory keeps the snapshots of a data directory, which it has open.
type Directory struct {
	dir    *datadir.Dir
	open   func(path string) (store.Engine, error)
	mu     sync.Mutex      // one change at a time
	staged map[string]bool // engines' directories that may yet be used
	listMu sync.Mutex
	list   map[string]Info // nil until read
}

// NewDirectory keeps snapshots in dir. open opens an engine as that of dir is opened.
func NewDirectory(dir *datadir.Dir, open func(path string) (store.Engine, error)) *Directory {
	return &Directory{dir: dir, open: open, staged: map[string]bool{}}
}

// Save implements Keeper.
func (d *Directory) Save(_ context.Context, e store.Engine, i Info) error {
	of, ok := e.(*pebble.Engine)
	if !ok {
		return fmt.Errorf("save a snapshot: %T keeps none", e)
	}
	if err := of.Room(); err != nil {
		return fmt.Errorf("save a snapshot: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.read()
	if err != nil {
		return err
	}
	if _, ok := all[i.Name]; ok {
		return ErrExists
	}
	if err := d.dir.AddSnapshot(i.Name, func(path string) ([]byte, error) {
		text, err := json.Marshal(i)
		if err != nil {
			return nil, err
		}
		return text, of.Checkpoint(path)
	}); err != nil {
		return fmt.Errorf("save a snapshot: %w", err)
	}
	d.forget()
	return nil
}

// read is what there is. Who changes it forgets it afterwards.
func (d *Directory) read() (map[string]Info, error) {
	d.listMu.Lock()
	defer d.listMu.Unlock()
	if d.list != nil {
		return d.list, nil
	}
	texts, err := d.dir.Snapshots()
	if err != nil {
		return nil, err
	}
	all := make(map[string]Info, len(texts))
	for name, text := range texts {
		var i Info
		if err := json.Unmarshal(text, &i); err != nil {
			return nil, fmt.Errorf("snapshot %s: %w", name, err)
		}
		i.Name = name
		all[name] = i
	}
	d.list = all
	return all, nil
}

func (d *Directory) forget() {
	d.listMu.Lock()
	defer d.listMu.Unlock()
	d.list = nil
}

// Oldest implements Keeper.
func (d *Directory) Oldest() (uint64, error) {
	all, err := d.read()
	if err != nil {
		return 0, err
	}
	oldest := uint64(blob.Nothing)
	for _, i := range all {
		oldest = min(oldest, i.Number)
	}
	// After the snapshots: a fork is known before its snapshot can be deleted.
	texts, err := d.dir.Forks()
	for _, text := range texts {
		var i Info
		if err = errors.Join(err, json.Unmarshal(text, &i)); err == nil {
			oldest = min(oldest, i.Number)
		}
	}
	return oldest, err
}

// Fork makes a data directory that begins as a snapshot of the one at source. It is to be discarded.
func Fork(source, name string) (*datadir.Dir, error) {
	d, err := datadir.Fork(source, name, datadir.Options{}, func(from, to string) error { return pebble.Duplicate(nil, from, to) })
	if errors.Is(err, datadir.ErrNoSnapshot) {
		return nil, ErrNotFound
	}
	return d, err
}

// List implements Keeper.
func (d *Directory) List() ([]Info, error) {
	all, err := d.read()
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, i := range all {
		list = append(list, i)
	}
	return sorted(list), nil
}

// Delete implements Keeper.
func (d *Directory) Delete(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.read()
	if err != nil {
		return err
	}
	if _, ok := all[name]; !ok {
		return ErrNotFound
	}
	defer d.forget()
	return d.dir.DropSnapshot(name)
}

// Stage implements Keeper.
func (d *Directory) Stage(name string) (_ *Staged, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	path, err := d.dir.NewStore()
	if err != nil {
		return nil, err
	}
	disk := d.dir.Disk()
	drop := func() error { return disk.RemoveAll(path) }
	if name != "" {
		if err := datadir.CheckSnapshotName(name); err != nil {
			return nil, err
		}
		err := pebble.Duplicate(disk, d.dir.SnapshotStore(name), path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(ErrNotFound, drop())
		}
		if err != nil {
			return nil, errors.Join(err, drop())
		}
	}
	e, err := d.open(path)
	if err != nil {
		return nil, errors.Join(err, drop())
	}
	d.staged[path] = true
	return &Staged{
		Engine: e,
		Use: func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if err := d.dir.UseStore(path); err != nil {
				return err // nobody knows which counts: both stay
			}
			delete(d.staged, path)
			return nil
		},
		Drop: func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.staged, path)
			return errors.Join(e.Close(), drop())
		},
	}, nil
}

// Tidy implements Keeper.
func (d *Directory) Tidy() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dir.DropStores(func(path string) bool { return d.staged[path] })
}
