package storetest

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// snapshots is an engine under snapshot isolation: transactions run at once on what was committed when they began, and two that
// write the same key conflict. It allows write skew and phantoms, which the contract does not.
type snapshots struct {
	store.Engine
	mu        sync.Mutex
	state     reference
	versions  map[string]int
	noCompare bool // not even writes of the same key conflict
}

type snapshotTxn struct {
	reference
	written map[string]bool
}

func (t snapshotTxn) Set(key, value []byte) {
	t.written[string(key)] = true
	t.reference.Set(key, value)
}

func (e *snapshots) Update(_ context.Context, _ store.UpdateOptions, fn func(store.Txn) error) error {
	for {
		e.mu.Lock()
		t := snapshotTxn{make(reference), make(map[string]bool)}
		began := make(map[string]int)
		for k, v := range e.state {
			t.reference[k], began[k] = v, e.versions[k]
		}
		e.mu.Unlock()
		runtime.Gosched()
		if err := fn(t); err != nil {
			return err
		}
		if e.commit(t, began) {
			return nil
		}
	}
}

func (e *snapshots) commit(t snapshotTxn, began map[string]int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k := range t.written {
		if !e.noCompare && e.versions[k] != began[k] {
			return false
		}
	}
	for k := range t.written {
		e.versions[k]++
		e.state[k] = t.reference[k]
	}
	return true
}

func (e *snapshots) View(_ context.Context, fn func(store.Reader) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fn(e.state)
}

func TestHistoriesTellWhatIsNotSerializable(t *testing.T) {
	for name, want := range map[string]string{"snapshot isolation": "no serial order", "lost updates": "appended to"} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			for range 200 {
				e := &snapshots{state: make(reference), versions: make(map[string]int), noCompare: name == "lost updates"}
				if err := histories(Subject{Engine: e}, rng, 1); err != nil {
					if !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "which became") {
						t.Errorf("found %v, want %s", err, want)
					}
					return
				}
			}
			t.Error("not found")
		})
	}
}

func TestHistoriesPassWhatIs(t *testing.T) {
	e := memory.New(memory.Options{})
	defer e.Close()
	if err := histories(Subject{Engine: e}, rand.New(rand.NewPCG(1, 1)), 5); err != nil {
		t.Error(err)
	}
}
