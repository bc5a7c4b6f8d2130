package datadir

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// written makes a file that a step of the test leaves.
func written(fs vfs.FS, name string) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, "done")
	return errors.Join(err, f.Sync(), f.Close())
}

// A directory goes through every step it lacks, in order, and a power cut at any moment leaves one that the next start
// brings to the same end.
func TestStepsSurvivePowerCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for cutAt := range 12 {
		fs := vfs.NewCrashableMem()
		d, err := open("data", Options{FS: fs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		sync(t, fs, "/")
		sync(t, fs, "data")

		var ran []int
		moment := 0
		var crashed *vfs.MemFS
		tick := func() {
			if moment++; moment == cutAt {
				crashed = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
			}
		}
		leave := func(n int) step {
			return func(fs vfs.FS, dir string) error {
				ran = append(ran, n)
				tick()
				if err := written(fs, fs.PathJoin(dir, fmt.Sprintf("step-%d", n))); err != nil {
					return err
				}
				tick()
				f, err := fs.OpenDir(dir)
				if err != nil {
					return err
				}
				err = errors.Join(f.Sync(), f.Close())
				tick()
				return err
			}
		}
		all := []step{leave(1), leave(2), leave(3)}
		if d, err = open("data", Options{FS: fs}, all); err != nil {
			t.Fatal(err)
		}
		d.Close()
		if fmt.Sprint(ran) != "[1 2 3]" {
			t.Fatalf("ran steps %v", ran)
		}
		if crashed == nil {
			continue
		}
		ran = nil
		if d, err = open("data", Options{FS: crashed}, all); err != nil {
			t.Fatalf("cut at %d: %v", cutAt, err)
		}
		if n, err := d.format(); n != 4 || err != nil {
			t.Errorf("cut at %d: format %d, %v", cutAt, n, err)
		}
		for n := 1; n <= 3; n++ {
			if _, err := crashed.Stat(fmt.Sprintf("data/step-%d", n)); err != nil {
				t.Errorf("cut at %d: step %d is lost; %v ran again", cutAt, n, ran)
			}
		}
		d.Close()
	}
}

func sync(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	f, err := fs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestStepThatFailsLeavesTheFormat(t *testing.T) {
	fs := vfs.NewMem()
	d, err := open("data", Options{FS: fs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	no := errors.New("no")
	if _, err = open("data", Options{FS: fs}, []step{func(vfs.FS, string) error { return no }}); !errors.Is(err, no) {
		t.Fatalf("opened with %v", err)
	}
	if d, err = open("data", Options{FS: fs}, nil); err != nil {
		t.Errorf("the version before cannot open it any more: %v", err)
	} else {
		d.Close()
	}
}
