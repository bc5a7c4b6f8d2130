package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A layer is the same bytes whatever order its files were added in and whenever they were written.
func TestLayerDependsOnContentsOnly(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	var first []byte
	for _, order := range [][]string{{"etc/a", "usr/bin/b", "c"}, {"c", "usr/bin/b", "etc/a"}} {
		made := tree{}
		for _, name := range order {
			made.file(name, 0o644, []byte(name))
		}
		path := filepath.Join(t.TempDir(), "layer")
		if _, err := made.layer(path, at); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(first, got) {
			t.Errorf("order %v gives other bytes", order)
		}
	}
}

// What lies on a disk comes through whole: modes, links of both kinds, and nothing that was to be left out.
func TestTreeOfADirectory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(filepath.Join(root, "usr", "bin"), 0o755))
	check(os.WriteFile(filepath.Join(root, "usr", "bin", "perl"), []byte("x"), 0o755))
	check(os.Link(filepath.Join(root, "usr", "bin", "perl"), filepath.Join(root, "usr", "bin", "perl5")))
	check(os.Symlink("usr/bin", filepath.Join(root, "bin")))
	check(os.MkdirAll(filepath.Join(root, "proc", "1"), 0o755))
	check(os.WriteFile(filepath.Join(root, "etc.old"), nil, 0o644))

	made := tree{}
	check(made.below(root, func(name string) bool { return filepath.Dir(name) == "proc" || name == "etc.old" }))
	var out bytes.Buffer
	check(made.write(&out, time.Unix(0, 0)))

	want := map[string]tar.Header{
		"bin":           {Typeflag: tar.TypeSymlink, Linkname: "usr/bin"},
		"proc/":         {Typeflag: tar.TypeDir},
		"usr/":          {Typeflag: tar.TypeDir},
		"usr/bin/":      {Typeflag: tar.TypeDir},
		"usr/bin/perl":  {Typeflag: tar.TypeReg, Size: 1},
		"usr/bin/perl5": {Typeflag: tar.TypeLink, Linkname: "usr/bin/perl"},
	}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(err)
		w, ok := want[h.Name]
		if !ok {
			t.Errorf("%s should not be there", h.Name)
		}
		if h.Typeflag != w.Typeflag || h.Linkname != w.Linkname || h.Size != w.Size {
			t.Errorf("%s is %q → %q of %d bytes", h.Name, h.Typeflag, h.Linkname, h.Size)
		}
		delete(want, h.Name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}
