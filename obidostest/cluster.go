package obidostest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// Nodes are several nodes of one obidos over one store. Each can be asked anything; a request goes to the node that owns what
// it is about. They have one clock: that of any of them moves that of all. All are in this process and reach each other by calls:
// what a network between processes adds (certificates, connections that break) is not tried by them.
type Nodes struct {
	Nodes []*Platform

	neighbours *platform.Neighbours
	engine     store.Engine
	options    []Option
	ways       []*way
}

// Cluster runs so many nodes over one store in memory until the test ends.
func Cluster(t testing.TB, nodes int, options ...Option) *Nodes {
	t.Helper()
	engine := memory.New(memory.Options{})
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return ClusterOn(t, engine, nodes, options...)
}

// ClusterOn is Cluster over an engine of the caller's, who closes it afterwards.
func ClusterOn(t testing.TB, engine store.Engine, nodes int, options ...Option) *Nodes {
	t.Helper()
	neighbours, err := platform.NewNeighbours(t.Context(), engine)
	if err != nil {
		t.Fatalf("start obidos: %v", err)
	}
	t.Cleanup(neighbours.Close)
	c := &Nodes{neighbours: neighbours, engine: engine, options: options, Nodes: make([]*Platform, nodes), ways: make([]*way, nodes)}
	for i := range nodes {
		c.Restart(t, i)
	}
	return c
}

// Restart runs a node again that was stopped or killed.
func (c *Nodes) Restart(t testing.TB, i int) {
	t.Helper()
	w := &way{Engine: c.engine}
	p, err := start(t, append(c.options[:len(c.options):len(c.options)], func(o *platform.Options) {
		o.Engine, o.Node, o.Neighbours = w, name(i), c.neighbours
	}))
	if err != nil {
		t.Fatalf("start %s of obidos: %v", name(i), err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil && !w.cut.Load() {
			t.Errorf("stop %s of obidos: %v", name(i), err)
		}
	})
	c.Nodes[i], c.ways[i] = p, w
}

func name(i int) string { return fmt.Sprintf("node-%d", i+1) }

// Kill ends a node as if its process had died: what it has under way may or may not have happened, its clients lose their
// connections, and the other nodes find out by themselves and take over what it owned, within seconds.
func (c *Nodes) Kill(i int) {
	c.ways[i].cut.Store(true)
	c.neighbours.Leave(name(i))
	c.Nodes[i].cut()
	c.Nodes[i].Stop() //nolint:errcheck // it cannot say goodbye
}

// way is a node's way to the engine, which can be cut.
type way struct {
	store.Engine
	cut atomic.Bool
}

var errCut = fmt.Errorf("%w: this node was killed", store.ErrClosed)

func (w *way) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if w.cut.Load() {
		return errCut
	}
	err := w.Engine.Update(ctx, o, fn)
	if w.cut.Load() {
		return errors.Join(store.ErrUnknown, errCut)
	}
	return err
}

func (w *way) View(ctx context.Context, fn func(store.Reader) error) error {
	if w.cut.Load() {
		return errCut
	}
	return w.Engine.View(ctx, fn)
}
