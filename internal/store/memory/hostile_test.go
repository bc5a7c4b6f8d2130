package memory_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

func epochRow(n uint64) []byte { return append(binary.BigEndian.AppendUint64([]byte{2}, n), "node"...) }

// A fence that is lost is truly lost: the row says so, and the old epoch never holds again.
func TestLostFencesStayLost(t *testing.T) {
	e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 7, Fenced: 0.2}})
	defer e.Close()
	own := []byte("own")
	commit := func(o store.UpdateOptions, fn func(store.Txn)) error {
		return e.Update(t.Context(), o, func(tx store.Txn) error { fn(tx); return nil })
	}
	if err := commit(store.UpdateOptions{}, func(tx store.Txn) { tx.Set(own, epochRow(255)) }); err != nil {
		t.Fatal(err)
	}
	epoch, lost := uint64(255), 0
	for range 300 {
		o := store.UpdateOptions{Fences: []store.Fence{{Key: own, Epoch: epoch}}}
		err := commit(o, func(tx store.Txn) { tx.Set([]byte("row"), nil) })
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrFenced) {
			t.Fatal(err)
		}
		lost++
		if err := commit(o, func(store.Txn) {}); !errors.Is(err, store.ErrFenced) {
			t.Fatalf("the fence of epoch %d holds again: %v", epoch, err)
		}
		var row []byte
		if err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
			v, err := tx.Get(own)
			row = append([]byte{}, v...)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		now := binary.BigEndian.Uint64(row[1:])
		if now <= epoch || string(row) != string(epochRow(now)) {
			t.Fatalf("after losing epoch %d the row is %x", epoch, row)
		}
		epoch = now
	}
	if lost == 0 {
		t.Error("no fence was lost")
	}
}

// What a hostile engine does to a closure, it does: each of these is a bug that a friendly one hides.
func TestHostilityFindsBugs(t *testing.T) {
	e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 8}})
	defer e.Close()
	again, conflicts, kept := 0, 0, 0
	for range 200 {
		runs := 0
		var value []byte
		if err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error {
			runs++
			tx.Set([]byte("a"), []byte("1"))
			v, err := tx.Get([]byte("a"))
			if err != nil {
				conflicts++
			}
			value = v
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if runs > 1 {
			again++
		}
		if string(value) == "1" {
			kept++
		}
	}
	if again == 0 || conflicts == 0 || kept > 0 {
		t.Errorf("of 200 closures %d ran again, %d met a conflict, %d kept what they had read", again, conflicts, kept)
	}
}
