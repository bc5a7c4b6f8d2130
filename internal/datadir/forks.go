package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Forks are data directories of their own below forks/ of the one they come from, named for the snapshot they began with:
// forks/NAME.1, forks/NAME.2 … Each is there for as long as its process. The file FORK in it is the text of the snapshot, by
// which the directory it comes from knows which blobs it may still name, though the snapshot be deleted meanwhile.
const (
	forks    = "forks"
	forkText = "FORK"
)

// ErrNoSnapshot: there is none of that name to fork.
var ErrNoSnapshot = errors.New("there is no snapshot of that name")

// Fork makes a data directory that begins as a snapshot of the one at source does, whether or not that is in use. fill copies the
// engine's directory. It is to be given up by Discard; where its process is killed, who forks or opens source next removes it.
func Fork(source, name string, o Options, fill func(from, to string) error) (_ *Dir, err error) {
	if err := CheckSnapshotName(name); err != nil {
		return nil, err
	}
	of := &Dir{fs: o.FS, path: source}
	if of.fs == nil {
		of.fs = vfs.Default
	}
	format, err := of.format()
	if err != nil {
		return nil, fmt.Errorf("fork a snapshot of %s: %w", source, err)
	}
	if format != Format {
		return nil, fmt.Errorf("fork a snapshot: the data directory %s is of format %d, and is to be opened by this obidos (format %d) first", source, format, Format)
	}
	if err := of.dropForks(); err != nil {
		return nil, err
	}
	text, err := of.snapshotText(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSnapshot
	}
	if err != nil {
		return nil, err
	}
	var d *Dir
	for n := 1; d == nil; n++ {
		path := of.fs.PathJoin(source, forks, name+"."+strconv.Itoa(n))
		if _, err := of.fs.Stat(path); err == nil {
			continue
		}
		if d, err = Open(path, o); err != nil {
			if _, locked := errors.AsType[*LockedError](err); locked { // another was as quick
				continue
			}
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Discard())
		}
	}()
	// From here on the blobs stay.
	if err := writeFile(d.fs, d.file(forkText), text); err != nil {
		return nil, err
	}
	if err := fill(of.SnapshotStore(name), d.Store()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := of.snapshotText(name); err != nil { // it was deleted before they did
		return nil, errors.Join(ErrNoSnapshot, err)
	}
	return d, nil
}

// Discard closes and removes a fork.
func (d *Dir) Discard() error {
	err := d.fs.RemoveAll(d.Store()) // while it is locked: who finds it half removed leaves it alone
	return errors.Join(err, d.fs.RemoveAll(d.Blobs()), d.Close(), d.fs.RemoveAll(d.path))
}

// Forks are the texts of the snapshots that forks come from, which may still be in use.
func (d *Dir) Forks() (texts [][]byte, err error) {
	names, err := d.fs.List(d.file(forks))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the forks: %w", err)
	}
	for _, name := range names {
		text, err := readFile(d.fs, d.fs.PathJoin(d.path, forks, name, forkText))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it begins, and its snapshot is there, or it ends
		}
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// dropForks removes the forks whose processes were killed.
func (d *Dir) dropForks() error {
	names, err := d.fs.List(d.file(forks))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the forks: %w", err)
	}
	for _, name := range names {
		path := d.fs.PathJoin(d.path, forks, name)
		lock, err := d.fs.Lock(d.fs.PathJoin(path, "LOCK"))
		if err != nil {
			continue // it is in use
		}
		left := &Dir{fs: d.fs, path: path, store: "store", lock: lock}
		if err := left.Discard(); err != nil {
			return fmt.Errorf("remove what a fork has left: %w", err)
		}
	}
	return nil
}

func (d *Dir) snapshotText(name string) ([]byte, error) {
	return readFile(d.fs, d.fs.PathJoin(d.snapshot(name), label))
}
