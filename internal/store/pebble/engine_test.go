package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// open is an engine in memory that the test closes.
func open(t testing.TB, o pebble.Options) *pebble.Engine {
	t.Helper()
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	e, err := pebble.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

func put(ctx context.Context, e store.Engine, o store.UpdateOptions, pairs ...string) error {
	return e.Update(ctx, o, func(tx store.Txn) error {
		for i := 0; i < len(pairs); i += 2 {
			tx.Set([]byte(pairs[i]), []byte(pairs[i+1]))
		}
		return nil
	})
}

// all is everything a View sees, "key=value key=value".
func all(t testing.TB, e store.Engine) (s string) {
	t.Helper()
	err := e.View(t.Context(), func(r store.Reader) error {
		return r.Scan(store.Range{}, func(k, v []byte) bool { s += fmt.Sprintf("%s=%s ", k, v); return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommitsAreSeenAndOutliveTheEngine(t *testing.T) {
	fs := vfs.NewMem()
	e := open(t, pebble.Options{FS: fs})
	if err := put(t.Context(), e, store.UpdateOptions{}, "a", "1", "b", "2"); err != nil {
		t.Fatal(err)
	}
	if got := all(t, e); got != "a=1 b=2 " {
		t.Errorf("seen: %q", got)
	}
	if err := put(t.Context(), e, store.UpdateOptions{Lazy: true}, "c", "3"); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), e, store.UpdateOptions{}, "d", "4"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("written after Close: %v", err)
	}
	if got := all(t, open(t, pebble.Options{FS: fs})); got != "a=1 b=2 c=3 " {
		t.Errorf("after reopening: %q", got)
	}
}
