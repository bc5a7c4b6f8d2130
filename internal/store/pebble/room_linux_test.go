package pebble_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// smallDisk is a directory on a disk of so many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("needs root: a disk small enough to fill is a tmpfs, and mounting one says: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// crowd writes rows until each of its writers was refused, and remembers what was acknowledged and what may be there.
type crowd struct {
	e       *pebble.Engine
	next    atomic.Uint64
	mu      sync.Mutex
	acked   map[uint64]bool
	refused error // the first refusal
	unknown int
}

func (c *crowd) key(n uint64) []byte { return fmt.Appendf(nil, "row/%012d", n) }

func (c *crowd) write(t *testing.T, until func(n uint64, err error) bool) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			value, noise := make([]byte, 16<<10), rand.NewChaCha8([32]byte{1})
			for {
				n := c.next.Add(1)
				noise.Read(value) // not to be compressed away
				binary.BigEndian.PutUint64(value, n)
				err := c.e.Update(t.Context(), store.UpdateOptions{Name: "test"}, func(tx store.Txn) error {
					tx.Set(c.key(n), value)
					return nil
				})
				c.mu.Lock()
				var full *store.DiskFullError
				switch {
				case err == nil:
					c.acked[n] = true
				case errors.Is(err, store.ErrUnknown):
					c.unknown++
				case errors.As(err, &full):
					if c.refused == nil {
						c.refused = err
					}
				default:
					t.Errorf("write %d: %v", n, err)
				}
				c.mu.Unlock()
				if until(n, err) {
					return
				}
				if err != nil {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

func (c *crowd) check(t *testing.T, when string) {
	t.Helper()
	err := c.e.View(t.Context(), func(r store.Reader) error {
		for n := range c.acked {
			v, err := r.Get(c.key(n))
			if err != nil {
				return err
			}
			if len(v) < 8 || binary.BigEndian.Uint64(v) != n {
				return fmt.Errorf("row %d was acknowledged and is lost", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", when, err)
	}
}

func TestFullDiskRefusesWritesAndGoesOnWhenThereIsRoom(t *testing.T) {
	dir := smallDisk(t, 160)
	o := pebble.Options{Room: pebble.RoomOptions{Free: 32 << 20, Percent: -1, Ballast: 4 << 20}}
	e, err := pebble.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{e: e, acked: map[uint64]bool{}}
	c.write(t, func(_ uint64, err error) bool { return err != nil })

	var full *store.DiskFullError
	if !errors.As(c.refused, &full) {
		t.Fatalf("refused with %v", c.refused)
	}
	if full.Path != dir || full.Need != 32<<20 || full.Free >= full.Need {
		t.Errorf("refused with %+v", full)
	}
	if c.unknown > 0 {
		t.Errorf("%d writes of unknown outcome, although nothing ran out of room", c.unknown)
	}
	if err := e.Room(); !errors.As(err, &full) {
		t.Errorf("Room answers %v", err)
	}
	t.Logf("%d rows until: %v", len(c.acked), c.refused)
	c.check(t, "full")

	// Deletes go on, and give room back.
	rows := 0
	for n := range c.acked {
		if n%8 == 0 {
			continue
		}
		err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error { tx.Delete(c.key(n)); return nil })
		if err != nil {
			t.Fatalf("delete on a full disk: %v", err)
		}
		delete(c.acked, n)
		rows++
	}
	end := time.Now().Add(20 * time.Second)
	for e.Room() != nil && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := e.Room(); err != nil {
		t.Fatalf("%d rows deleted, and still: %v", rows, err)
	}
	stop := c.next.Load() + 200
	c.write(t, func(n uint64, err error) bool { return n >= stop })
	c.check(t, "room again")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if c.e, err = pebble.Open(dir, o); err != nil {
		t.Fatal(err)
	}
	c.check(t, "opened again")
	if err := c.e.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDiskFilledByOthersStopsNothingForGood(t *testing.T) {
	dir := smallDisk(t, 96)
	o := pebble.Options{MemTable: 1 << 20, Room: pebble.RoomOptions{Free: 1 << 20, Percent: -1, Ballast: 4 << 20}}
	e, err := pebble.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{e: e, acked: map[uint64]bool{}}
	hog := filepath.Join(dir, "hog")
	var filled atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		f, err := os.Create(hog)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		block := make([]byte, 1<<20)
		for err == nil {
			_, err = f.Write(block)
		}
		for range 100 { // what the ballast and the tables give back, too
			f.Write(block)
			time.Sleep(3 * time.Millisecond)
		}
		filled.Store(true)
	})
	c.write(t, func(_ uint64, err error) bool { return filled.Load() && err != nil })
	wg.Wait()
	c.check(t, "filled")
	if err := e.Err(); err != nil {
		t.Fatalf("the engine gave up: %v", err)
	}
	t.Logf("%d rows acknowledged, %d unknown; refused: %v", len(c.acked), c.unknown, c.refused)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(20 * time.Second)
	for e.Room() != nil && time.Now().Before(end) {
		time.Sleep(10 * time.Millisecond)
	}
	before := len(c.acked)
	stop := c.next.Load() + 500
	c.write(t, func(n uint64, err error) bool { return n >= stop })
	if got := len(c.acked) - before; got < 500 {
		t.Errorf("%d of 500 writes succeed with room again", got)
	}
	c.check(t, "room again")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if c.e, err = pebble.Open(dir, o); err != nil {
		t.Fatal(err)
	}
	c.check(t, "opened again")
	if err := c.e.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill leaves no byte free.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

func TestFullDiskIsSaidByOpen(t *testing.T) {
	dir := smallDisk(t, 32)
	o := pebble.Options{MemTable: 1 << 20, Room: pebble.RoomOptions{Free: 1 << 20, Percent: -1, Ballast: -1}}
	hog := filepath.Join(dir, "hog")
	fill(t, hog)
	var full *store.DiskFullError
	if e, err := pebble.Open(filepath.Join(dir, "store"), o); !errors.As(err, &full) {
		t.Errorf("a new store on a full disk: %v, %v", e, err)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	e, err := pebble.Open(filepath.Join(dir, "store"), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), e, store.UpdateOptions{}, "a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, hog)
	if e, err := pebble.Open(filepath.Join(dir, "store"), o); !errors.As(err, &full) {
		t.Errorf("a store on a full disk: %v, %v", e, err)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	if e, err = pebble.Open(filepath.Join(dir, "store"), o); err != nil {
		t.Fatal(err)
	}
	if got := all(t, e); got != "a=1 " {
		t.Errorf("it holds %q", got)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
