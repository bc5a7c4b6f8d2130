// Package slowsync is a file system whose syncs take longer: the same disk on every machine, for benchmarks and for tests
// that want many commits to gather behind one sync. What it promises is what the file system below does.
package slowsync

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// New is fs with delay added to each sync of a file or directory. It is spent inside the kernel, as a disk's is: time.Sleep
// takes up to twice as long in a busy process, and keeps no thread.
func New(fs vfs.FS, delay time.Duration) vfs.FS {
	return With(fs, func() { sleep(delay) })
}

// With is fs with wait called before each sync.
func With(fs vfs.FS, wait func()) vfs.FS { return slowFS{fs, wait} }

type slowFS struct {
	vfs.FS
	wait func()
}

func (s slowFS) Unwrap() vfs.FS { return s.FS }

func (s slowFS) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return slowFile{f, s.wait}, nil
}

func (s slowFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return s.file(s.FS.Create(name, c))
}

func (s slowFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return s.file(s.FS.OpenReadWrite(name, c, o...))
}

func (s slowFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return s.file(s.FS.ReuseForWrite(from, to, c))
}

func (s slowFS) OpenDir(name string) (vfs.File, error) { return s.file(s.FS.OpenDir(name)) }

type slowFile struct {
	vfs.File
	wait func()
}

func (f slowFile) Sync() error {
	f.wait()
	return f.File.Sync()
}

func (f slowFile) SyncData() error {
	f.wait()
	return f.File.SyncData()
}

func (f slowFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	if full {
		f.wait()
	}
	return full, err
}
