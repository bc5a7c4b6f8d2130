// Package datadir keeps the directory an obidos stores its data in: for one process at a time, for its owner's eyes only,
// and in a format that is known before anything else in it is read.
//
//	FORMAT   "obidos data directory, format 1"
//	LOCK     locked by the process that uses it; PID says which
//	store/   the engine's; or store.2/ …, the one that the file STORE names
//	blobs/   bytes too large for it
//	snapshots/NAME/store/   the engine's at an earlier time; SNAPSHOT beside it says when
//	forks/NAME.1/           a data directory that began as that, of another process
//
// A directory of an earlier format is brought up to date when it is opened, one step after the other. One of a later
// format is refused and left as it is.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is what this binary writes.
const Format = 1

// steps bring a directory from format i+1 to i+2. A step may find its own work half done, by a process that died, and
// does it again. What a step must keep is shown by the directories in testdata, one of each format.
var steps = []step{}

type step func(fs vfs.FS, dir string) error

// Options of a data directory.
type Options struct {
	FS vfs.FS // nil: the operating system's
}

// Dir is a data directory that is open, and locked as long as it is.
type Dir struct {
	fs   vfs.FS
	path string
	lock io.Closer

	store string // the name of the engine's directory
}

// LockedError says that another process uses the directory.
type LockedError struct {
	Path string
	PID  int // 0: unknown
}

func (e *LockedError) Error() string {
	holder := "another process"
	if e.PID > 0 {
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("the data directory %s is used by %s: stop that one, or choose another directory with --data", e.Path, holder)
}

// NewerError says that a later version of obidos wrote the directory.
type NewerError struct {
	Path   string
	Format int
	Known  int // the latest this binary reads
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the data directory %s was written by a newer obidos (format %d, this one knows up to %d): use that version, or choose another directory with --data", e.Path, e.Format, e.Known)
}

// Open opens the directory at path, which it makes if there is none, and brings it up to date.
func Open(path string, o Options) (*Dir, error) { return open(path, o, steps) }

func open(path string, o Options, steps []step) (*Dir, error) {
	d := &Dir{fs: o.FS, path: path, store: "store"}
	if d.fs == nil {
		d.fs = vfs.Default
	}
	if d.onDisk() {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("data directory %s: %w", path, err)
		}
		d.path = abs
	}
	if err := d.make(); err != nil {
		return nil, err
	}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := d.prepare(steps); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// make makes the directory where there is none, so that it is there after a power cut, too.
func (d *Dir) make() error {
	var above []string // directories that name a new one
	for at := d.path; ; at = above[len(above)-1] {
		if _, err := d.fs.Stat(at); err == nil || d.fs.PathDir(at) == at {
			break
		}
		above = append(above, d.fs.PathDir(at))
	}
	if err := d.fs.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	for _, at := range above {
		if err := syncDir(d.fs, at); err != nil && !errors.Is(err, fs.ErrPermission) { // who may not read it made nothing in it
			return err
		}
	}
	return nil
}

// prepare sees that the directory is ours, private and of the newest format.
func (d *Dir) prepare(steps []step) error {
	newest := len(steps) + 1
	format, err := d.format()
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.mustBeEmpty(); err != nil {
			return err
		}
		format, err = newest, d.setFormat(newest)
	}
	if err != nil {
		return err
	}
	if err := d.private(); err != nil {
		return err
	}
	if format > newest {
		return &NewerError{Path: d.path, Format: format, Known: newest}
	}
	for ; format < newest; format++ {
		if err := steps[format-1](d.fs, d.path); err != nil {
			return fmt.Errorf("bring the data directory %s from format %d to %d: %w", d.path, format, format+1, err)
		}
		if err := d.setFormat(format + 1); err != nil {
			return err
		}
	}
	if err := errors.Join(d.findStore(), d.tidySnapshots(), d.dropForks()); err != nil {
		return err
	}
	if err := d.DropStores(nil); err != nil {
		return err
	}
	for _, sub := range []string{d.Store(), d.Blobs()} {
		if err := d.fs.MkdirAll(sub, 0o700); err != nil {
			return fmt.Errorf("make %s: %w", sub, err)
		}
	}
	return d.sync()
}

// Path is the directory itself.
func (d *Dir) Path() string { return d.path }

// Blobs is the directory of blobs.
func (d *Dir) Blobs() string { return d.fs.PathJoin(d.path, "blobs") }

// Close lets another process have the directory. Closing it again does nothing.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	err := d.fs.Remove(d.file("PID"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	err = errors.Join(err, d.lock.Close())
	d.lock = nil
	return err
}

func (d *Dir) file(name string) string { return d.fs.PathJoin(d.path, name) }

func (d *Dir) onDisk() bool { return d.fs == vfs.Default }

// acquire locks the directory. A process that died left its PID behind, but not its lock.
func (d *Dir) acquire() (err error) {
	if d.lock, err = d.fs.Lock(d.file("LOCK")); err != nil {
		if errors.Is(err, fs.ErrPermission) && !d.locked() || errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("lock the data directory: %w", err)
		}
		pid, _ := d.read("PID")
		holder, _ := strconv.Atoi(strings.TrimSpace(pid))
		return &LockedError{Path: d.path, PID: holder}
	}
	if err := d.write("PID", strconv.Itoa(os.Getpid())+"\n"); err != nil {
		return errors.Join(err, d.lock.Close())
	}
	return nil
}

// locked tells a lock that is held, for which some systems say "permission denied", from one that may not be touched.
func (d *Dir) locked() bool {
	f, err := d.fs.OpenReadWrite(d.file("PID"), vfs.WriteCategoryUnspecified)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// private takes the directory from the eyes of others: it holds what the users of all accounts stored.
func (d *Dir) private() error {
	if !d.onDisk() {
		return nil
	}
	info, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		return fmt.Errorf("make the data directory private (chmod 700 %s): %w", d.path, err)
	}
	return nil
}

// mustBeEmpty refuses a directory that holds what is not ours: nobody means to mix the two.
func (d *Dir) mustBeEmpty() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return fmt.Errorf("look into the data directory: %w", err)
	}
	ours := []string{"LOCK", "PID", "FORMAT.new", "lost+found", "obidos.conf", "obidos.log"} // the last two are there before the first start
	for _, name := range names {
		if !slices.Contains(ours, name) && !strings.HasPrefix(name, ".") {
			return fmt.Errorf("%s is not a data directory of obidos and not empty (it holds %s): choose an empty directory, or a new one, with --data", d.path, name)
		}
	}
	return nil
}

const formatText = "obidos data directory, format "

func (d *Dir) format() (int, error) {
	text, err := d.read("FORMAT")
	if err != nil {
		return 0, err
	}
	number, ok := strings.CutPrefix(strings.TrimSpace(text), formatText)
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 {
		return 0, fmt.Errorf("%s says %q, which no obidos wrote", d.file("FORMAT"), text)
	}
	return n, nil
}

// setFormat replaces the format as a whole: a power cut leaves the old one or the new one.
func (d *Dir) setFormat(n int) error {
	if err := d.write("FORMAT.new", formatText+strconv.Itoa(n)+"\n"); err != nil {
		return err
	}
	if err := d.fs.Rename(d.file("FORMAT.new"), d.file("FORMAT")); err != nil {
		return fmt.Errorf("set the format: %w", err)
	}
	return d.sync()
}

func (d *Dir) sync() error {
	f, err := d.fs.OpenDir(d.path)
	if err != nil {
		return fmt.Errorf("sync the data directory: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync the data directory: %w", err)
	}
	return nil
}

func (d *Dir) read(name string) (string, error) {
	f, err := d.fs.Open(d.file(name))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	return string(text), errors.Join(err, f.Close())
}

func (d *Dir) write(name, text string) error {
	f, err := d.fs.Create(d.file(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("write %s: %w", d.file(name), err)
	}
	_, err = f.Write([]byte(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", d.file(name), err)
	}
	return nil
}

// Free is how many bytes may still be written at path.
func Free(path string) (int64, error) {
	u, err := vfs.Default.GetDiskUsage(path)
	if err != nil {
		return 0, fmt.Errorf("free space at %s: %w", path, err)
	}
	return int64(u.AvailBytes), nil
}
