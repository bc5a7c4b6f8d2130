package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/storetest"
)

func TestUnknownOutcomesAreFoundOut(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: seed + 1, Unknown: 0.3, Fenced: 0.05}})
		t.Cleanup(func() { e.Close() })
		storetest.Sure(t, e)
	}
}

// Whoever empties the store takes the receipts along; updates go on.
func TestUpdatesGoOnWhenTheirReceiptsAreGone(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1, Unknown: 0.2}})
	t.Cleanup(func() { e.Close() })
	st := &store.Store{Engine: e, Clock: fixed(noon)}
	s := st.Space("s")
	table := store.NewTable[uint64](s, 1, "t", store.Global)
	for i := range 50 {
		update(t, t.Context(), s, func(tx *store.Tx) { table.Set(tx, uint64(i), "x") })
		if i%10 == 9 {
			for {
				err := e.Update(t.Context(), store.UpdateOptions{}, func(tx store.Txn) error { tx.DeleteRange(nil, []byte{0xff}); return nil })
				if !errors.Is(err, store.ErrUnknown) {
					break
				}
			}
		}
	}
}

// stuck is an engine whose commits are lost, each of them, and that then answers nothing more.
type stuck struct {
	store.Engine
	mu   sync.Mutex
	lost bool
}

func (e *stuck) Unsure() bool { return true }

func (e *stuck) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost {
		return fmt.Errorf("away")
	}
	err := e.Engine.Update(ctx, o, fn)
	if err == nil && len(o.Fences) > 0 {
		e.lost = true
		return store.ErrUnknown
	}
	return err
}

func TestOutcomeThatCannotBeFoundOutIsUnknown(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	s := (&store.Store{Engine: &stuck{Engine: e}, Clock: fixed(noon)}).Space("s")
	table := store.NewTable[uint64](s, 1, "t", store.Global)
	told := false
	_, err := store.Update(t.Context(), s, func(tx *store.Tx) (struct{}, error) {
		table.Set(tx, 1, "x")
		tx.OnUnknown(func() { told = true })
		return struct{}{}, nil
	})
	if !errors.Is(err, store.ErrUnknown) || !told {
		t.Errorf("got %v, told %v", err, told)
	}
}
