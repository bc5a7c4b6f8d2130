// Package memory is the store's engine that keeps nothing: a copy-on-write B-tree, for tests and for --memory.
//
// Transactions run one at a time on a copy that shares what they leave alone, and commit by putting it in the place of the
// original; so views read a finished state without waiting. In its hostile mode the engine does all that the
// contract of store.Engine allows, so that code which only works on a friendly engine is found out.
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

	turn    sync.Mutex           // held by the transaction under way
	current atomic.Pointer[tree] // what is committed: replaced under turn, never changed
	view    atomic.Pointer[tree] // what views read: current, without lazy writes where the engine is hostile
}

type tree = btree.BTreeG[*row]

// row is a key and its value; never changed.
type row struct{ key, value []byte }

// degree of the tree: a transaction copies the nodes on the way to what it changes, so they are smaller than for speed of reading alone.
const degree = 16

// New is an empty engine.
func New(o Options) *Engine {
	e := &Engine{hostile: newHostile(o.Hostile)}
	e.publish(btree.NewBTreeGOptions(func(a, b *row) bool { return bytes.Compare(a.key, b.key) < 0 },
		btree.Options{Degree: degree, NoLocks: true}))
	return e
}

// Update is store.Engine's.
func (e *Engine) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if e.hostile != nil {
		return e.hostile.update(ctx, e, o, fn)
	}
	return e.update(ctx, o, fn)
}

func (e *Engine) update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.ready(ctx); err != nil {
		return err
	}
	t := txn{reader: reader{tree: e.current.Load()}, bounds: store.Bounds{Owned: o.Owned}}
	if err := t.run(fn, o.Fences); err != nil {
		return err
	}
	if t.changed {
		e.publish(t.tree)
	}
	return nil
}

// publish makes t what is committed and what is seen.
func (e *Engine) publish(t *tree) {
	e.current.Store(t)
	e.view.Store(t)
}

// View is store.Engine's.
func (e *Engine) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	r := &reader{tree: e.view.Load()}
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
