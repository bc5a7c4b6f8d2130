package blob_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/blobtest"
	"github.com/obidos-cloud/obidos/internal/blob/file"
)

func TestSweeperWaitsForOlderStates(t *testing.T) {
	s, err := file.Open("blobs", file.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	saved := uint64(blob.Nothing)
	w := blob.NewSweeper(s, func() uint64 { return saved })
	a, b, c := blobtest.Write(t, s, []byte("a")), blobtest.Write(t, s, []byte("b")), blobtest.Write(t, s, []byte("c"))
	sweep := func(when string, want ...blob.ID) {
		t.Helper()
		got, err := w.Sweep(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: freed %v, %v; want %v", when, got, err, want)
		}
		for _, id := range want {
			if _, err := s.Open(t.Context(), id); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s: %s is still there: %v", when, id, err)
			}
		}
	}
	pin := w.Pin(4) // reads the state of commit 4
	saved = 8       // and a snapshot was saved at commit 8
	w.Bury(blob.Grave{ID: a, At: 3}, blob.Grave{ID: b, At: 5}, blob.Grave{ID: c, At: 9})
	sweep("a reader at 4", a)
	sweep("still reading")
	pin.Release()
	pin.Release()
	sweep("a snapshot at 8", b)
	saved = blob.Nothing
	sweep("nothing older", c)
	sweep("all swept")
}

// broken frees nothing.
type broken struct{ blob.Store }

var errBroken = errors.New("broken")

func (broken) Free(context.Context, ...blob.ID) error { return errBroken }

func TestSweeperTriesAgain(t *testing.T) {
	w := blob.NewSweeper(broken{}, func() uint64 { return blob.Nothing })
	w.Bury(blob.Grave{ID: blob.NewID(), At: 1})
	for range 2 {
		if ids, err := w.Sweep(t.Context()); len(ids) > 0 || !errors.Is(err, errBroken) {
			t.Errorf("freed %v, %v", ids, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("")
	f.Add(blob.ID{1, 255}.String())
	f.Add("0123456789ABCDEF0123456789abcdef")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := blob.ParseID(s); err == nil && id.String() != s {
			t.Errorf("%q is read as %s", s, id)
		}
	})
}
