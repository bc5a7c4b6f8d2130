// Package snapshot saves states of the store under names, and makes engines of them again.
//
// A [Keeper] keeps the snapshots of one store: [Directory] those of a data directory, where the tables of the engine are
// linked, so that saving takes milliseconds however much there is; [Memory] those of an engine in memory, for as long as
// the process lives. Blobs are not copied: what a snapshot names is not freed while it is kept (see package shelf).
//
// Setting the state back is done in three steps, so that a crash leaves the old state or the new one and never a mix:
// [Keeper.Stage] makes an engine of the snapshot, beside the one in use; [Succeed] gives it what must not be set back (see
// owner.Floors and shelf.Account); [Staged.Use] makes it the one that counts.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/datadir"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// Info is what is known of a snapshot.
type Info struct {
	Name    string    `json:"name"`
	Saved   time.Time `json:"saved"` // by the machine's clock
	Number  uint64    `json:"number"`
	Version string    `json:"version"` // of the obidos that saved it
}

// Staged is an engine beside the one in use.
type Staged struct {
	Engine store.Engine

	Use  func() error // makes it the one that counts, durably
	Drop func() error // closes and removes it, where it is not used
}

// Keeper keeps the snapshots of one store. It may be used by many goroutines.
type Keeper interface {
	// Save saves the state of e, the engine in use, whose number is given.
	Save(ctx context.Context, e store.Engine, i Info) error
	List() ([]Info, error)
	// Oldest is the number of the oldest snapshot that anybody may still begin with, or has begun with and is not done;
	// blob.Nothing where there is none.
	Oldest() (uint64, error)
	Delete(name string) error
	// Stage makes an engine of a snapshot, or an empty one where name is empty.
	Stage(name string) (*Staged, error)
	// Tidy removes engines that are no longer in use.
	Tidy() error
}

// The ways in which a command about a snapshot can be wrong.
var (
	ErrNotFound = errors.New("there is no snapshot of that name; `obidos snapshot list` names those there are")
	ErrExists   = errors.New("there is a snapshot of that name: delete it first, or choose another")
)

// Oldest is k's. Where that cannot be read nothing must be freed: then it is 1.
func Oldest(k Keeper) uint64 {
	n, err := k.Oldest()
	if err != nil {
		return 1
	}
	return n
}

// Save saves the state that st is of under a name.
func Save(ctx context.Context, k Keeper, st *store.Store, name, version string) (Info, error) {
	if err := datadir.CheckSnapshotName(name); err != nil {
		return Info{}, err
	}
	number, err := shelf.Advance(ctx, st.Space(shelf.SpaceName))
	if err != nil {
		return Info{}, fmt.Errorf("save a snapshot: %w", err)
	}
	i := Info{Name: name, Saved: time.Now().UTC().Truncate(time.Millisecond), Number: number, Version: version}
	return i, k.Save(ctx, st.Engine, i)
}

// Succeed gives the state in next, which is to take the place of that in old, what must not be set back: nothing any node
// has under way in old can be committed in next, no number that was given out is given again, and no blob is forgotten.
func Succeed(ctx context.Context, old, next *store.Store) error {
	type past struct {
		floors  owner.Floors
		account shelf.Account
	}
	nodes, blobs := old.Space(owner.SpaceName), old.Space(shelf.SpaceName)
	// An Update, which sees what was written and is not durable yet.
	p, err := store.Update(ctx, nodes, func(tx *store.Tx) (past, error) {
		return past{owner.ReadFloors(tx, nodes), shelf.Read(tx, blobs)}, nil
	})
	if err != nil {
		return fmt.Errorf("read what goes on from the state before: %w", err)
	}
	nodes, blobs = next.Space(owner.SpaceName), next.Space(shelf.SpaceName)
	if _, err := store.UpdateWith(ctx, nodes, store.UpdateOptions{Name: "snapshot.succeed", Owned: true, Frees: true}, func(tx *store.Tx) (any, error) {
		floors := owner.ReadFloors(tx, nodes)
		floors.Join(p.floors)
		owner.Forget(tx, nodes)
		floors.Raise(tx, nodes)
		p.account.HandOn(tx, blobs)
		return nil, nil
	}); err != nil {
		return fmt.Errorf("write what goes on from the state before: %w", err)
	}
	return nil
}

// Empty forgets the state of st in one transaction, but what must not be set back, and what keep writes again, which may also refuse. Nodes that take
// part can commit nothing of what they have under way, nor join again: see owner.ErrEmptied.
func Empty(ctx context.Context, st *store.Store, keep ...func(tx *store.Tx, w *store.Writes) error) error {
	nodes, blobs := st.Space(owner.SpaceName), st.Space(shelf.SpaceName)
	for {
		err := st.Empty(ctx, "platform.reset", func(tx *store.Tx, w *store.Writes) error {
			owner.ReadFloors(tx, nodes).Raise(w, nodes)
			owner.Renew(tx, w, nodes)
			shelf.Read(tx, blobs).Bury(w, blobs)
			for _, also := range keep {
				if err := also(tx, w); err != nil {
					return err
				}
			}
			return nil
		})
		if !errors.Is(err, store.ErrUnknown) || ctx.Err() != nil { // twice comes to the same
			return err
		}
	}
}

// Memory keeps snapshots of memory engines. The zero value is ready.
type Memory struct {
	mu  sync.Mutex
	all map[string]remembered
}

type remembered struct {
	Info
	engine *memory.Engine
}

// Save implements Keeper.
func (m *Memory) Save(_ context.Context, e store.Engine, i Info) error {
	of, ok := e.(*memory.Engine)
	if !ok {
		return fmt.Errorf("save a snapshot: %T keeps none", e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.all[i.Name]; ok {
		return ErrExists
	}
	if m.all == nil {
		m.all = make(map[string]remembered)
	}
	m.all[i.Name] = remembered{i, of.Fork()}
	return nil
}

// List implements Keeper.
func (m *Memory) List() ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Info
	for _, s := range m.all {
		list = append(list, s.Info)
	}
	return sorted(list), nil
}

// Oldest implements Keeper.
func (m *Memory) Oldest() (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := uint64(blob.Nothing)
	for _, s := range m.all {
		oldest = min(oldest, s.Number)
	}
	return oldest, nil
}

// Delete implements Keeper.
func (m *Memory) Delete(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.all[name]; !ok {
		return ErrNotFound
	}
	delete(m.all, name)
	return nil
}

// Stage implements Keeper.
func (m *Memory) Stage(name string) (*Staged, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := memory.New(memory.Options{})
	if name != "" {
		s, ok := m.all[name]
		if !ok {
			return nil, ErrNotFound
		}
		e = s.engine.Fork()
	}
	return &Staged{Engine: e, Use: func() error { return nil }, Drop: e.Close}, nil
}

// Tidy implements Keeper.
func (m *Memory) Tidy() error { return nil }

// sorted is list, the oldest first.
func sorted(list []Info) []Info {
	slices.SortFunc(list, func(a, b Info) int {
		if c := a.Saved.Compare(b.Saved); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}
