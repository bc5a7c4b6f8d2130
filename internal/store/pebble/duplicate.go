package pebble

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Duplicate makes, at to, a copy of an engine's directory that nobody has open, durably: what never changes is linked, so it
// takes no room. Each can be opened and changed without the other.
func Duplicate(fs vfs.FS, from, to string) error {
	if fs == nil {
		fs = vfs.Default
	}
	names, err := fs.List(from)
	if err != nil {
		return fmt.Errorf("copy the store in %s: %w", from, err)
	}
	if err := fs.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("copy the store to %s: %w", to, err)
	}
	for _, name := range names {
		switch {
		case name == "LOCK", name == "ballast":
			continue
		case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".blob"):
			err = vfs.LinkOrCopy(fs, fs.PathJoin(from, name), fs.PathJoin(to, name))
		default:
			err = vfs.Copy(fs, fs.PathJoin(from, name), fs.PathJoin(to, name)) // and syncs it
		}
		if err != nil {
			return fmt.Errorf("copy %s of the store in %s: %w", name, from, err)
		}
	}
	for _, dir := range []string{to, fs.PathDir(to)} {
		f, err := fs.OpenDir(dir)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return fmt.Errorf("copy the store to %s: %w", to, err)
		}
	}
	return nil
}
