package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/blobtest"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/transfer"
)

type place struct {
	*store.Store
	blobs blob.Store
}

func over(t testing.TB, e store.Engine) place {
	t.Helper()
	b, err := file.Open("blobs", file.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	return place{&store.Store{Engine: e, Clock: clock.New()}, b}
}

func inMemory(t testing.TB) place { return over(t, memory.New(memory.Options{})) }

func onDisk(t testing.TB) place {
	t.Helper()
	e, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return over(t, e)
}

// fill writes records, blobs and what stays behind.
func (p place) fill(t testing.TB, records int) {
	t.Helper()
	for n := range records {
		if err := p.Engine.Update(t.Context(), store.UpdateOptions{Lazy: true}, func(tx store.Txn) error {
			tx.Set(fmt.Appendf(nil, "sqs\x00\x07%06d", n), bytes.Repeat([]byte{byte(n)}, n%3000))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Engine.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
		tx.Set([]byte("owner\x00\x01stays"), []byte("x"))
		tx.Set([]byte("z"), nil)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{nil, []byte("small"), bytes.Repeat([]byte("large "), 400_000)} {
		id := blobtest.Write(t.(*testing.T), p.blobs, content)
		s := shelf.New(p.Space(shelf.SpaceName), p.blobs, shelf.Options{})
		if _, err := store.Update(t.Context(), p.Space(shelf.SpaceName), func(tx *store.Tx) (any, error) { s.Put(tx, id); return nil, nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// all is a full read of what goes along.
func (p place) all(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Engine.View(t.Context(), func(r store.Reader) error {
		return r.Scan(store.Range{}, func(k, v []byte) bool {
			if !bytes.HasPrefix(k, []byte("owner\x00")) {
				fmt.Fprintf(&b, "%x=%x\n", k, v)
			}
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	space := p.Space(shelf.SpaceName)
	ids, err := store.View(t.Context(), space, func(tx *store.Tx) (ids []blob.ID, _ error) {
		for id := range shelf.Named(tx, space) {
			ids = append(ids, id)
		}
		return ids, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		r, err := p.blobs.Open(t.Context(), id)
		if err != nil {
			t.Fatalf("blob %s: %v", id, err)
		}
		text := make([]byte, r.Size())
		if _, err := r.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		r.Close()
		fmt.Fprintf(&b, "%s: %x\n", id, text)
	}
	return b.String()
}

func (p place) export(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := transfer.Export(t.Context(), p.Store, p.blobs, "test", &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (p place) take(ctx context.Context, text []byte) error {
	return transfer.Import(ctx, p.Store, p.blobs, bytes.NewReader(text))
}

// A state that went to another store and back is what it was.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	here, there, back := onDisk(t), inMemory(t), onDisk(t)
	here.fill(t, 3000)
	want := here.all(t)
	if err := there.take(t.Context(), here.export(t)); err != nil {
		t.Fatal(err)
	}
	if there.all(t) != want {
		t.Error("the other store reads differently")
	}
	if err := back.take(t.Context(), there.export(t)); err != nil {
		t.Fatal(err)
	}
	if back.all(t) != want {
		t.Error("what came back reads differently")
	}
	if unfinished, err := transfer.Unfinished(t.Context(), back.Engine); unfinished || err != nil {
		t.Errorf("unfinished: %v, %v", unfinished, err)
	}
	if err := back.take(t.Context(), there.export(t)); !errors.Is(err, transfer.ErrNotEmpty) {
		t.Errorf("a store that holds a state took another: %v", err)
	}
}

// Whatever is cut off or altered is refused, the place named; the store is not taken for a whole one, and the whole file finishes it.
func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	from := inMemory(t)
	from.fill(t, 1500)
	text, want := from.export(t), from.all(t)
	step := max(1, len(text)/16)
	for at := 0; at < len(text); at += step {
		for name, bad := range map[string][]byte{
			"cut":     text[:at],
			"altered": append(append(bytes.Clone(text[:at]), text[at]^0x40), text[at+1:]...),
		} {
			to := inMemory(t)
			err := to.take(t.Context(), bad)
			if damage, ok := errors.AsType[*transfer.DamageError](err); err == nil || at > 20 && !ok || ok && (damage.Byte > int64(at) || damage.Chunk == 0) {
				t.Fatalf("%s at %d of %d: %v", name, at, len(text), err)
			}
			unfinished, uerr := transfer.Unfinished(t.Context(), to.Engine)
			if uerr != nil || !unfinished && to.all(t) != "" {
				t.Fatalf("%s at %d: a part is taken for the whole", name, at)
			}
			if err := to.take(t.Context(), text); err != nil || to.all(t) != want {
				t.Fatalf("%s at %d: the whole file did not finish it: %v", name, at, err)
			}
		}
	}
	if err := inMemory(t).take(t.Context(), append(bytes.Clone(text), 0)); err == nil {
		t.Error("a byte after the end was taken")
	}
}

// An import that was begun with one file is not finished with another.
func TestAnotherFileDoesNotFinish(t *testing.T) {
	t.Parallel()
	from, to := inMemory(t), inMemory(t)
	from.fill(t, 1500)
	first, second := from.export(t), from.export(t)
	if err := to.take(t.Context(), first[:len(first)-5]); err == nil {
		t.Fatal("a file cut short was taken")
	}
	if err := to.take(t.Context(), second); err == nil {
		t.Error("another file was taken up")
	}
}

func FuzzImport(f *testing.F) {
	var b bytes.Buffer
	from := inMemory(f)
	if err := from.Engine.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error { tx.Set([]byte("a"), []byte("1")); return nil }); err != nil {
		f.Fatal(err)
	}
	if err := transfer.Export(context.Background(), from.Store, from.blobs, "test", &b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("obidos export 1\nH"))
	f.Add([]byte("obidos export 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		to := inMemory(t)
		if err := to.take(t.Context(), text); err == nil && to.all(t) != from.all(t) && !bytes.HasPrefix(text, []byte("obidos export 1\n")) {
			t.Errorf("took %q", text)
		}
	})
}
