package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// built is what the last commit gives when it is built in a directory that nobody built in before.
func built(t *testing.T) (out string) {
	t.Helper()
	b := build{source: t.TempDir(), out: t.TempDir(), repository: "obidos"}
	if text, err := exec.Command("git", "clone", "-q", "--shared", filepath.Join("..", ".."), b.source).CombinedOutput(); err != nil {
		t.Skipf("this test builds the last commit, and there is none: %v\n%s", err, text)
	}
	if err := b.run(t.Context(), "linux/amd64,linux/arm64"); err != nil {
		if _, ok := errors.AsType[*aptError](err); ok {
			t.Skipf("this test needs Debian's packages: %v", err)
		}
		t.Fatal(err)
	}
	return b.out
}

func files(t *testing.T, root string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err == nil {
			all[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whoever builds a commit gets the images that everybody else gets, byte for byte; and each platform gets its own.
func TestSameCommitSameImages(t *testing.T) {
	first, second := built(t), built(t)
	before, after := files(t, first), files(t, second)
	if len(before) != len(after) {
		t.Errorf("%d files and %d files", len(before), len(after))
	}
	for name, contents := range before {
		if !bytes.Equal(contents, after[name]) {
			t.Errorf("%s is another in the second build", name)
		}
	}

	path, err := layout.FromPath(filepath.Join(first, "obidos-latest-oci"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	listed, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(listed.Manifests) != 1 || listed.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "latest" || !listed.Manifests[0].MediaType.IsIndex() {
		t.Fatalf("the layout lists %+v", listed.Manifests)
	}
	index, err := outer.ImageIndex(listed.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if m.Platform == nil || m.Platform.OS != "linux" || config.OS != "linux" || m.Platform.Architecture != config.Architecture {
			t.Errorf("the index says %v, the configuration %s/%s", m.Platform, config.OS, config.Architecture)
		}
		for _, program := range []string{"usr/local/bin/obidos", "usr/bin/busybox", "usr/bin/bash"} {
			if got := machine(t, image, program); got != want[config.Architecture] {
				t.Errorf("%s of %s is for %v", program, config.Architecture, got)
			}
		}
		delete(want, config.Architecture)
	}
	if len(want) > 0 {
		t.Errorf("there is none for %v", want)
	}
}

// machine is what a program in an image runs on.
func machine(t *testing.T, image v1.Image, program string) elf.Machine {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for in := tar.NewReader(r); ; {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Name != program {
				continue
			}
			contents, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			f, err := elf.NewFile(bytes.NewReader(contents))
			if err != nil {
				t.Fatal(err)
			}
			return f.Machine
		}
	}
	t.Fatalf("there is no %s", program)
	return 0
}
