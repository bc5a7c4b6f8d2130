package datadir_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/datadir"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DATADIR_HOLD"); dir != "" { // the other process of TestOneProcessAtATime
		d, err := datadir.Open(dir, datadir.Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = os.Stdin.Read(make([]byte, 1))
		d.Close()
		return
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestOneProcessAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "DATADIR_HOLD="+dir)
	in, _ := other.StdinPipe()
	out, _ := other.StdoutPipe()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 100)
	n, _ := out.Read(said)
	if string(said[:n]) != "held\n" {
		t.Fatalf("the other process says %q", said[:n])
	}
	_, err := datadir.Open(dir, datadir.Options{})
	var locked *datadir.LockedError
	if !errors.As(err, &locked) || locked.PID != other.Process.Pid {
		t.Errorf("opened beside process %d: %v", other.Process.Pid, err)
	} else if !strings.Contains(err.Error(), strconv.Itoa(other.Process.Pid)) || !strings.Contains(err.Error(), dir) {
		t.Errorf("who holds it is not said: %v", err)
	}
	in.Close()
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	mine := open(t, dir)
	if _, err := datadir.Open(dir, datadir.Options{}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("opened twice by one process: %v", err)
	}
	if err := mine.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := datadir.Open(dir, datadir.Options{})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	again.Close()
}

func TestKilledHolderLeavesNoLock(t *testing.T) {
	dir := t.TempDir()
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "DATADIR_HOLD="+dir)
	other.StdinPipe()
	out, _ := other.StdoutPipe()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 100))
	other.Process.Kill()
	other.Wait()
	open(t, dir)
}

func TestForeignDirectoriesAreRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(dir, datadir.Options{}); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("a directory of somebody else: %v", err)
	}
	left, _ := os.ReadDir(dir)
	for _, f := range left {
		if f.Name() != "thesis.tex" && f.Name() != "LOCK" {
			t.Errorf("%s was left in it", f.Name())
		}
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	if os.PathSeparator == '\\' {
		t.Skip("Windows has no permission bits")
	}
	made := filepath.Join(t.TempDir(), "a", "b")
	open(t, made)
	found := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(found, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, found)
	for _, dir := range []string{made, found} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

func TestNewerFormatIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	text := []byte("obidos data directory, format 999\n")
	if err := os.WriteFile(filepath.Join(dir, "FORMAT"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := datadir.Open(dir, datadir.Options{})
	var newer *datadir.NewerError
	if !errors.As(err, &newer) || newer.Format != 999 || newer.Known != datadir.Format {
		t.Fatalf("opened with %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "FORMAT")); string(got) != string(text) {
		t.Errorf("the format now reads %q", got)
	}
	for _, nonsense := range []string{"", "1", "obidos data directory, format -1", "obidos data directory, format x"} {
		if err := os.WriteFile(filepath.Join(dir, "FORMAT"), []byte(nonsense), 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := datadir.Open(dir, datadir.Options{}); err == nil {
			d.Close()
			t.Errorf("opened with the format %q", nonsense)
		}
	}
}

var update = flag.Bool("update", false, "write the kept data directory of the newest format")

// Every format there ever was is kept in testdata, as an obidos of its time wrote it: a table, a log and what was deleted.
func TestEveryFormatOpens(t *testing.T) {
	newest := filepath.Join("testdata", fmt.Sprintf("format-%d", datadir.Format))
	if *update {
		keep(t, newest)
	}
	for format := 1; format <= datadir.Format; format++ {
		t.Run(strconv.Itoa(format), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", fmt.Sprintf("format-%d", format)))); err != nil {
				t.Fatal(err)
			}
			d := open(t, dir)
			e, err := pebble.Open(d.Store(), pebble.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			err = e.View(t.Context(), func(r store.Reader) error {
				var got []string
				err := r.Scan(store.Range{}, func(k, v []byte) bool { got = append(got, fmt.Sprintf("%s=%s", k, v)); return true })
				if want := "[in the log=3 in the table=1]"; fmt.Sprint(got) != want {
					t.Errorf("it holds %v, want %s", got, want)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			keptSnapshot(t, d)
		})
	}
}

// keptSnapshot fails unless the snapshot in a kept data directory can be made an engine of.
func keptSnapshot(t *testing.T, d *datadir.Dir) {
	t.Helper()
	texts, err := d.Snapshots()
	if err != nil || string(texts["kept"]) != `{"number":2}` {
		t.Fatalf("its snapshots are %q, %v", texts, err)
	}
	path, err := d.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	if err := pebble.Duplicate(nil, d.SnapshotStore("kept"), path); err != nil {
		t.Fatal(err)
	}
	e, err := pebble.Open(path, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.View(t.Context(), func(r store.Reader) error {
		v, err := r.Get([]byte("in the log"))
		if string(v) != "3" {
			t.Errorf("the snapshot holds %q", v)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func keep(t *testing.T, dir string) {
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	d, err := datadir.Open(dir, datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, write := range []func(tx store.Txn){
		func(tx store.Txn) {
			tx.Set([]byte("in the table"), []byte("1"))
			tx.Set([]byte("deleted"), []byte("2"))
		},
		func(tx store.Txn) { tx.Set([]byte("in the log"), []byte("3")); tx.Delete([]byte("deleted")) },
	} {
		// Opening writes the log of the time before to a table.
		e, err := pebble.Open(d.Store(), pebble.Options{Room: pebble.RoomOptions{Ballast: -1}})
		if err != nil {
			t.Fatal(err)
		}
		err = e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error { write(tx); return nil })
		if i == 1 {
			err = errors.Join(err, d.AddSnapshot("kept", func(path string) ([]byte, error) { return []byte(`{"number":2}`), e.Checkpoint(path) }))
		}
		if err := errors.Join(err, e.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "LOCK"))
	os.Remove(filepath.Join(dir, "store", "LOCK"))
}
