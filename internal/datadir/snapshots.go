package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Snapshots are directories below snapshots/: SNAPSHOT says what it is, store/ is the engine's. One is made under another
// name and takes its own when it is whole; one that is deleted loses its name first.
const (
	snapshots = "snapshots"
	label     = "SNAPSHOT"
	unnamed   = ".new"  // ends the names of those being made
	dropped   = ".gone" // and of those being deleted
)

var snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// CheckSnapshotName refuses a name that no snapshot can have.
func CheckSnapshotName(name string) error {
	if !snapshotName.MatchString(name) {
		return fmt.Errorf("%q cannot name a snapshot: use up to 63 letters, digits, - and _, with a letter or a digit first", name)
	}
	return nil
}

func (d *Dir) snapshot(name string) string { return d.fs.PathJoin(d.path, snapshots, name) }

// SnapshotStore is the engine's directory in a snapshot.
func (d *Dir) SnapshotStore(name string) string { return d.fs.PathJoin(d.snapshot(name), "store") }

// AddSnapshot makes a snapshot: fill writes the engine's directory, which is not there yet, durably, and answers the text
// that says what the snapshot is.
func (d *Dir) AddSnapshot(name string, fill func(store string) (text []byte, err error)) (err error) {
	if err := CheckSnapshotName(name); err != nil {
		return err
	}
	base, making := d.fs.PathJoin(d.path, snapshots), d.snapshot(name+unnamed)
	if err := d.fs.RemoveAll(making); err != nil {
		return fmt.Errorf("make a snapshot: %w", err)
	}
	if err := d.fs.MkdirAll(making, 0o700); err != nil {
		return fmt.Errorf("make a snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.fs.RemoveAll(making))
		}
	}()
	text, err := fill(d.fs.PathJoin(making, "store"))
	if err != nil {
		return err
	}
	if err := writeFile(d.fs, d.fs.PathJoin(making, label), text); err != nil {
		return err
	}
	for _, dir := range []string{making, d.path} {
		if err := syncDir(d.fs, dir); err != nil {
			return err
		}
	}
	if err := d.fs.Rename(making, d.snapshot(name)); err != nil {
		return fmt.Errorf("name the snapshot: %w", err)
	}
	return syncDir(d.fs, base)
}

// Snapshots are the names of those there are, and the text of each.
func (d *Dir) Snapshots() (map[string][]byte, error) {
	names, err := d.fs.List(d.fs.PathJoin(d.path, snapshots))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the snapshots: %w", err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		if !snapshotName.MatchString(name) {
			continue
		}
		text, err := d.snapshotText(name)
		if err != nil {
			return nil, fmt.Errorf("read snapshot %s: %w", name, err)
		}
		all[name] = text
	}
	return all, nil
}

// DropSnapshot deletes a snapshot: all of it, or, where it cannot, none or its name.
func (d *Dir) DropSnapshot(name string) error {
	if err := CheckSnapshotName(name); err != nil {
		return err
	}
	if err := d.fs.RemoveAll(d.snapshot(name + dropped)); err != nil {
		return fmt.Errorf("delete a snapshot: %w", err)
	}
	if err := d.fs.Rename(d.snapshot(name), d.snapshot(name+dropped)); err != nil {
		return fmt.Errorf("delete a snapshot: %w", err)
	}
	if err := syncDir(d.fs, d.fs.PathJoin(d.path, snapshots)); err != nil {
		return err
	}
	if err := d.fs.RemoveAll(d.snapshot(name + dropped)); err != nil {
		return fmt.Errorf("delete a snapshot: %w", err)
	}
	return nil
}

// tidySnapshots removes what was left half made or half deleted.
func (d *Dir) tidySnapshots() error {
	names, err := d.fs.List(d.fs.PathJoin(d.path, snapshots))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if strings.HasSuffix(name, unnamed) || strings.HasSuffix(name, dropped) {
			err = errors.Join(err, d.fs.RemoveAll(d.snapshot(name)))
		}
	}
	return err
}

func syncDir(disk vfs.FS, dir string) error {
	f, err := disk.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

func readFile(disk vfs.FS, name string) ([]byte, error) {
	f, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<16))
	return text, errors.Join(err, f.Close())
}

func writeFile(disk vfs.FS, name string, text []byte) error {
	f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(append([]byte(nil), text...))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
