package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The engine's directory can be exchanged as a whole: the file STORE names the one that counts, "store" where there is no such
// file. It is replaced in one step, so that whatever happens, one or the other is there, whole. What else is called
// store… is left over, and removed when the directory is opened.
const pointer = "STORE"

// Store is the engine's directory.
func (d *Dir) Store() string { return d.file(d.store) }

// NewStore is a directory for an engine that may take the place of this one. It is not there yet.
func (d *Dir) NewStore() (string, error) {
	names, err := d.fs.List(d.path)
	if err != nil {
		return "", fmt.Errorf("look into the data directory: %w", err)
	}
	highest := 0
	for _, name := range names {
		if n, ok := storeNumber(name); ok {
			highest = max(highest, n)
		}
	}
	return d.file("store." + strconv.Itoa(highest+1)), nil
}

// UseStore makes the engine at path, a NewStore that is whole and on the disk, the one that counts.
func (d *Dir) UseStore(path string) error {
	name := d.fs.PathBase(path)
	if _, ok := storeNumber(name); !ok {
		return fmt.Errorf("%s is no directory for a store", path)
	}
	if err := d.sync(); err != nil { // that it is there
		return err
	}
	if err := d.write(pointer+".new", name+"\n"); err != nil {
		return err
	}
	if err := d.fs.Rename(d.file(pointer+".new"), d.file(pointer)); err != nil {
		return fmt.Errorf("exchange the store: %w", err)
	}
	d.store = name
	return d.sync()
}

// DropStores removes the engines' directories that do not count, but those that keep, where not nil, says are to stay.
func (d *Dir) DropStores(keep func(path string) bool) error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return fmt.Errorf("look into the data directory: %w", err)
	}
	for _, name := range names {
		if _, ok := storeNumber(name); ok && name != d.store && (keep == nil || !keep(d.file(name))) {
			err = errors.Join(err, d.fs.RemoveAll(d.file(name)))
		}
	}
	return err
}

// findStore reads which store counts.
func (d *Dir) findStore() error {
	d.store = "store"
	text, err := d.read(pointer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	name := strings.TrimSpace(text)
	if _, ok := storeNumber(name); !ok {
		return fmt.Errorf("%s says %q, which no obidos wrote", d.file(pointer), text)
	}
	if _, err := d.fs.Stat(d.file(name)); err != nil {
		return fmt.Errorf("%s names a store that is not there: %w", d.file(pointer), err)
	}
	d.store = name
	return nil
}

// storeNumber is which engine's directory name is: 0 for "store".
func storeNumber(name string) (int, bool) {
	if name == "store" {
		return 0, true
	}
	number, ok := strings.CutPrefix(name, "store.")
	n, err := strconv.Atoi(number)
	return n, ok && err == nil && n > 0
}

// Disk is the file system that the directory is on.
func (d *Dir) Disk() vfs.FS { return d.fs }
