package snapshot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// What a fork may still name is kept, though its snapshot and all that names it elsewhere be gone; and freed when the fork is.
func TestForkKeepsItsBlobs(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	k := openKeptAt(t, vfs.Default, path)
	k.write(t, "first", 10)
	want := k.read(t, k.engine)
	k.save(t, "one")
	d, err := snapshot.Fork(path, "one")
	if err != nil {
		t.Fatal(err)
	}
	again, err := snapshot.Fork(path, "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Discard(); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Fork(path, "two"); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("forked what there is not: %v", err)
	}
	k.write(t, "second", 10)
	if err := k.keeper.Delete("one"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	k.sweepUntil(t, func() bool { return time.Since(began) > 200*time.Millisecond })
	e, err := pebble.Open(d.Store(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.read(t, e); got != want {
		t.Errorf("the fork has %s", short(got))
	}
	if err := errors.Join(e.Close(), d.Discard()); err != nil {
		t.Fatal(err)
	}
	blobs := func() (n int) {
		files, err := filepath.Glob(filepath.Join(path, "blobs", "??", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if n := blobs(); n != 2 {
		t.Errorf("with the fork there were %d blobs", n)
	}
	k.sweepUntil(t, func() bool { return blobs() == 1 })
	if n := blobs(); n != 1 {
		t.Errorf("after the fork there are %d blobs", n)
	}
	if left, err := os.ReadDir(filepath.Join(path, "forks")); err != nil || len(left) > 0 {
		t.Errorf("%v is left of the forks, %v", left, err)
	}
	k.close(t)
}
