package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

func TestForkGoesItsOwnWay(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	put := func(e store.Engine, key, value string) {
		t.Helper()
		if err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error { tx.Set([]byte(key), []byte(value)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	read := func(e store.Engine) (all string) {
		t.Helper()
		if err := e.View(t.Context(), func(r store.Reader) error {
			return r.Scan(store.Range{}, func(k, v []byte) bool { all += string(k) + "=" + string(v) + " "; return true })
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	put(e, "a", "1")
	f := e.Fork()
	put(e, "a", "2")
	put(f, "b", "3")
	g := f.Fork()
	if err := f.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error { tx.DeleteRange(nil, []byte{0xff}); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(read(e), "| ", read(f), "| ", read(g)); got != "a=2 | | a=1 b=3 " {
		t.Errorf("they hold %s", got)
	}
}

// Forgetting everything takes no longer for a million rows than for few.
func TestDeletingAllIsQuick(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	for n := range 50 {
		if err := e.Update(t.Context(), store.UpdateOptions{Owned: true}, func(tx store.Txn) error {
			for i := range 4000 {
				tx.Set(fmt.Appendf(nil, "%d/%d", n, i), nil)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	view := e.Fork()
	began := time.Now()
	if err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
		tx.DeleteRange(nil, []byte{0xff})
		tx.Set([]byte("kept"), nil)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Millisecond {
		t.Errorf("deleting 200,000 rows took %v", took)
	}
	count := func(e *memory.Engine) (n int) {
		if err := e.View(t.Context(), func(r store.Reader) error {
			return r.Scan(store.Range{KeysOnly: true}, func(_, _ []byte) bool { n++; return true })
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if e, v := count(e), count(view); e != 1 || v != 200_000 {
		t.Errorf("%d rows are left, and %d in the copy made before", e, v)
	}
}
