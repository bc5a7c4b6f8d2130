package pebble_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// sizedFS is a file system on a disk of that size with so much free.
type sizedFS struct {
	vfs.FS
	total, free uint64
}

func (fs sizedFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{TotalBytes: fs.total, AvailBytes: fs.free, UsedBytes: fs.total - fs.free}, nil
}

func TestRoomThatIsKeptFree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		total, free uint64
		need        int64 // 0: writes are taken
	}{
		"a small disk, too full":              {20 << 30, 511 << 20, 512 << 20},
		"a small disk with room":              {20 << 30, 513 << 20, 0},
		"two hundredths of one in the middle": {40 << 30, 800 << 20, 40 << 30 / 100 * 2},
		"a large disk with room":              {4 << 40, 1<<30 + 1, 0},
		"a large disk, too full":              {4 << 40, 1<<30 - 1, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := pebble.Open("store", pebble.Options{FS: sizedFS{vfs.NewMem(), c.total, c.free}, Room: pebble.RoomOptions{Ballast: -1}})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			err = e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error { tx.Set([]byte("k"), nil); return nil })
			full, isFull := errors.AsType[*store.DiskFullError](err)
			switch {
			case c.need == 0 && err != nil:
				t.Errorf("refused: %v", err)
			case c.need > 0 && (!isFull || full.Need != c.need):
				t.Errorf("answers %v, not that %d bytes are needed", err, c.need)
			}
		})
	}
}
