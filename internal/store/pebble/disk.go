package pebble

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system as pebble sees it. What finds no room waits for it (see room). Any other fault of a file of the
// store is final: a sync that failed once may say yes the next time and have kept nothing. Pebble would end the process.
// Here the engine fails, and from then on the disk stays as it is: what is written to a log is dropped, so that
// commits under way return and are told; everything else that would change the disk, all of it in the background, stops
// where it is for good.
type disk struct {
	vfs.FS
	e   *Engine
	dir string
}

// Unwrap is for pebble, which asks what is below.
func (d disk) Unwrap() vfs.FS { return d.FS }

// fault answers what becomes of err, met with the file called name.
func (d disk) fault(name string, err error) error {
	if err == nil || !d.own(name) || !d.e.opened.Load() {
		return err
	}
	d.e.fail(err)
	return d.frozen(name)
}

func (d disk) own(name string) bool { return name == d.dir || d.FS.PathDir(name) == d.dir }

var errFrozen = errors.New("the log is not written any more")

// frozen is nil while all is well. Afterwards it answers errFrozen for logs and for the directory, and does not return for
// other files.
func (d disk) frozen(name string) error {
	switch {
	case d.e.failure.Load() == nil || !d.own(name) || !d.e.opened.Load():
		return nil
	case strings.HasSuffix(name, ".log") || name == d.dir:
		return errFrozen
	}
	select {}
}

func (d disk) create(name string, create func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := d.frozen(name)
	if err == nil {
		err = d.e.room.retry(func() (err error) { f, err = create(); return err })
		err = d.fault(name, err)
	}
	if errors.Is(err, errFrozen) {
		f, err = vfs.NewMemFile(nil), nil
	}
	if err != nil {
		return nil, err
	}
	return file{f, name, d}, nil
}

func (d disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.create(name, func() (vfs.File, error) { return d.FS.Create(name, c) })
}

func (d disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.create(name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, c, o...) })
}

func (d disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.create(to, func() (vfs.File, error) { return d.FS.ReuseForWrite(from, to, c) })
}

func (d disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return file{f, name, d}, nil
}

func (d disk) Remove(name string) error {
	if err := d.frozen(name); err != nil {
		return nil
	}
	return d.FS.Remove(name)
}

func (d disk) Link(from, to string) error {
	return d.e.room.retry(func() error { return d.FS.Link(from, to) })
}

func (d disk) Rename(from, to string) error {
	if err := d.frozen(to); err != nil {
		return nil
	}
	return d.fault(to, d.e.room.retry(func() error { return d.FS.Rename(from, to) }))
}

type file struct {
	vfs.File
	name string
	disk disk
}

// change performs what changes the file, unless nothing does any more.
func (f file) change(act func() error) error {
	err := f.disk.frozen(f.name)
	if err == nil {
		err = f.disk.fault(f.name, act())
	}
	if errors.Is(err, errFrozen) {
		return nil
	}
	return err
}

// Write writes all of p: what found room stays, the rest waits.
func (f file) Write(p []byte) (n int, err error) {
	err = f.change(func() error {
		return f.disk.e.room.retry(func() error {
			m, err := f.File.Write(p[n:])
			n += m
			return err
		})
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f file) Sync() error     { return f.change(f.File.Sync) }
func (f file) SyncData() error { return f.change(f.File.SyncData) }

// Close closes the file on a frozen disk, too.
func (f file) Close() error {
	if err := f.disk.fault(f.name, f.File.Close()); !errors.Is(err, errFrozen) {
		return err
	}
	return nil
}

func (f file) SyncTo(n int64) (full bool, err error) {
	err = f.change(func() (err error) { full, err = f.File.SyncTo(n); return err })
	return full, err
}
