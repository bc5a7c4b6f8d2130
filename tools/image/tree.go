package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tree is the files of a layer. What it writes depends on nothing but them: names are sorted, and all have one time.
type tree map[string]entry

type entry struct {
	header tar.Header
	open   func() (io.ReadCloser, error)
}

func (t tree) add(name string, h tar.Header, open func() (io.ReadCloser, error)) {
	name = strings.Trim(path.Clean("/"+name), "/")
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, there := t[dir]; !there {
			t[dir] = entry{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
		}
	}
	t[name] = entry{header: h, open: open}
}

func (t tree) dir(name string, mode int64) {
	t.add(name, tar.Header{Typeflag: tar.TypeDir, Mode: mode}, nil)
}

func (t tree) link(name, target string) {
	t.add(name, tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, nil)
}

func (t tree) file(name string, mode int64, contents []byte) {
	t.add(name, tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(contents))}, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(contents)), nil
	})
}

// copy adds a file of this machine.
func (t tree) copy(name string, mode int64, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	t.add(name, tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: info.Size()}, func() (io.ReadCloser, error) { return os.Open(from) })
	return nil
}

// below adds all that is below root and that skip does not name, with its owners and modes.
func (t tree) below(root string, skip func(name string) bool) error {
	first := map[uint64]string{} // of each file with several names
	return filepath.WalkDir(root, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, from)
		if err != nil || name == "." {
			return err
		}
		if skip(name) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(from); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		e := tar.Header{Typeflag: h.Typeflag, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() && stat.Nlink > 1 {
			if other, seen := first[stat.Ino]; seen {
				e.Typeflag, e.Linkname, e.Size = tar.TypeLink, other, 0
			} else {
				first[stat.Ino] = name
			}
		}
		var open func() (io.ReadCloser, error)
		if e.Typeflag == tar.TypeReg {
			open = func() (io.ReadCloser, error) { return os.Open(from) }
		}
		t.add(name, e, open)
		return nil
	})
}

// layer packs the tree into a file, compressed once.
func (t tree) layer(to string, at time.Time) (v1.Layer, error) {
	f, err := os.Create(to)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(t.write(z, at), z.Close(), f.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(to, tarball.WithMediaType(types.OCILayer))
}

func (t tree) write(w io.Writer, at time.Time) error {
	out := tar.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		e := t[name]
		h := e.header
		h.Name, h.ModTime = name, at
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		if err := out.WriteHeader(&h); err != nil {
			return err
		}
		if e.open == nil {
			continue
		}
		in, err := e.open()
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return out.Close()
}
