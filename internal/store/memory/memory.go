// Package memory is the store's engine that keeps nothing: a copy-on-write B-tree, for tests and for --memory.
//
// Transactions run one at a time and write to the tree when they commit. Views read a copy that shares with the tree
// what has not changed since, so nobody waits for a closure but another update. In its hostile mode the engine does all that
// the contract of store.Engine allows, so that code which only works on a friendly engine is found out.
package memory

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Options of an engine. The zero value is a friendly one.
type Options struct {
	Hostile Hostile
}

// Engine is the engine. New makes one.
type Engine struct {
	closed  atomic.Bool
	hostile *hostile // nil where it is friendly

	turn sync.Mutex // held by the update under way

	mu   sync.Mutex // after turn; held for no longer than a commit takes
	live *tree      // what is committed: changes only under both
	view *tree      // what views read, never changed; nil = a copy of live, once it is asked for
}

type tree = btree.BTreeG[*row]

// row is a key and its value; never changed.
type row struct{ key, value []byte }

// New is an empty engine.
func New(o Options) *Engine {
	return &Engine{
		hostile: newHostile(o.Hostile),
		live: btree.NewBTreeGOptions(func(a, b *row) bool { return bytes.Compare(a.key, b.key) < 0 },
			btree.Options{NoLocks: true}),
	}
}

// Update is store.Engine's.
func (e *Engine) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if e.hostile != nil {
		return e.hostile.update(ctx, e, o, fn)
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.ready(ctx); err != nil {
		return err
	}
	t := e.begin(o)
	if err := t.run(fn, o.Fences); err != nil {
		return err
	}
	e.commit(t)
	return nil
}

// begin is a transaction on what is committed, for who has the turn.
func (e *Engine) begin(o store.UpdateOptions) *txn {
	return &txn{reader: reader{tree: e.live}, engine: e, bounds: store.Bounds{Owned: o.Owned}}
}

// commit makes what t wrote the state that all others see.
func (e *Engine) commit(t *txn) {
	if !t.changed() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	apply(t.tree, t.pending)
	e.live, e.view = t.tree, nil
}

// snapshot is what views read.
func (e *Engine) snapshot() *tree {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.view == nil {
		e.view = e.live.Copy()
	}
	return e.view
}

// copy is a tree of one's own that holds what is committed.
func (e *Engine) copy() *tree {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live.Copy()
}

// Fork is an engine of its own that begins with what is committed here: it shares with this one what neither changes, so it
// takes no time, however much that is.
func (e *Engine) Fork() *Engine {
	return &Engine{live: e.copy()}
}

// Unsure implements store.Unsure.
func (e *Engine) Unsure() bool { return e.hostile != nil && e.hostile.Unknown > 0 }

// View is store.Engine's.
func (e *Engine) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	r := &reader{tree: e.snapshot()}
	if e.hostile == nil {
		return fn(r)
	}
	g := guard{reader: r}
	defer g.scribble()
	return fn(&g)
}

// Close is store.Engine's.
func (e *Engine) Close() error {
	e.closed.Store(true)
	if e.hostile != nil {
		e.hostile.calls.Lock()
		defer e.hostile.calls.Unlock()
	}
	e.turn.Lock() // until the transaction under way is through
	defer e.turn.Unlock()
	return nil
}

func (e *Engine) ready(ctx context.Context) error {
	if e.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}
