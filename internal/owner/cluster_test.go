package owner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// gate is how one node reaches the engine that it shares with others. It can be shut for a while, as for a process that
// is stopped, or for ever, as for one that is killed: then what is under way may still have happened.
type gate struct {
	engine store.Engine

	mu     sync.Mutex
	killed bool
	paused chan struct{} // closed when it goes on; nil while it is open
}

func (g *gate) pass() error {
	g.mu.Lock()
	killed, paused := g.killed, g.paused
	g.mu.Unlock()
	if paused != nil {
		<-paused
	}
	if killed {
		return store.ErrClosed
	}
	return nil
}

func (g *gate) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if err := g.pass(); err != nil {
		return err
	}
	err := g.engine.Update(ctx, o, fn)
	if g.pass() != nil {
		return store.ErrUnknown
	}
	return err
}

func (g *gate) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := g.pass(); err != nil {
		return err
	}
	return g.engine.View(ctx, fn)
}

func (g *gate) Close() error { return nil }

func (g *gate) pause() (resume func()) {
	c := make(chan struct{})
	g.mu.Lock()
	g.paused = c
	g.mu.Unlock()
	return func() {
		g.mu.Lock()
		g.paused = nil
		g.mu.Unlock()
		close(c)
	}
}

func (g *gate) kill() {
	g.mu.Lock()
	g.killed = true
	g.mu.Unlock()
}

// cluster is nodes over one engine, and clients who find their way among them as package call does.
type cluster struct {
	t      *testing.T
	engine store.Engine
	bell   *owner.Bell

	mu    sync.Mutex
	nodes map[string]*peer
}

type peer struct {
	*counters
	gate *gate
	stop func()
}

func newCluster(t *testing.T, e store.Engine, ids ...string) *cluster {
	c := &cluster{t: t, engine: e, bell: &owner.Bell{}, nodes: map[string]*peer{}}
	for _, id := range ids {
		c.start(id)
	}
	return c
}

func (c *cluster) start(id string, options ...owner.Option[*counter]) *peer {
	g := &gate{engine: c.engine}
	w := newWorld(c.t, g)
	w.bell = c.bell
	n, stop := w.start(c.t, owner.Options{ID: id, Address: "at-" + id}, options...)
	p := &peer{n, g, stop}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id] = p
	return p
}

func (c *cluster) node(id string) *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id]
}

// kill ends a node as kill -9 does: it tells nobody.
func (c *cluster) kill(id string) {
	p := c.node(id)
	p.gate.kill()
	c.mu.Lock()
	delete(c.nodes, id)
	c.mu.Unlock()
	p.stop()
}

// halt ends a node as it should end.
func (c *cluster) halt(id string) {
	p := c.node(id)
	c.mu.Lock()
	delete(c.nodes, id)
	c.mu.Unlock()
	p.stop()
}

func (c *cluster) any(r *rand.Rand) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for _, id := range []string{"a", "b", "c"} {
			if c.nodes[id] != nil && r.IntN(2) == 0 {
				return id
			}
		}
		if len(c.nodes) == 0 {
			return ""
		}
	}
}

var errNobody = errors.New("no node served it")

// ask has fn done by whoever owns the object, beginning at a node. An error that is not errNobody leaves open whether
// it was done.
func ask[T any](ctx context.Context, c *cluster, at string, do func(ctx context.Context, p *peer) (T, error)) (T, error) {
	var zero T
	for range 50 {
		p := c.node(at)
		if p == nil {
			return zero, errNobody
		}
		v, err := do(ctx, p)
		elsewhere, ok := errors.AsType[*owner.ElsewhereError](err)
		if !ok {
			if errors.Is(err, owner.ErrStopped) {
				return zero, errNobody
			}
			return v, err
		}
		if q := c.node(elsewhere.Node); q != nil {
			v, err = do(owner.Forwarded(ctx), q)
			if again, ok := errors.AsType[*owner.ElsewhereError](err); !ok && !errors.Is(err, owner.ErrStopped) {
				return v, err
			} else if ok && again.Address != "at-"+again.Node {
				c.t.Errorf("address %q of %s", again.Address, again.Node)
			}
		}
		elsewhere.Doubt()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return zero, errNobody
		}
	}
	return zero, errNobody
}

func (c *cluster) add(ctx context.Context, at, id string, wishes ...func(*owner.Batch)) (uint64, error) {
	return ask(ctx, c, at, func(ctx context.Context, p *peer) (uint64, error) { return p.add(ctx, id, wishes...) })
}

func (c *cluster) get(ctx context.Context, at, id string, wishes ...func(*owner.Batch)) (uint64, error) {
	return ask(ctx, c, at, func(ctx context.Context, p *peer) (uint64, error) { return p.get(ctx, id, wishes...) })
}

// ownerOf is the node that does what is asked of an object.
func (c *cluster) ownerOf(id string) string {
	c.t.Helper()
	for range 20 {
		for name, p := range c.nodes {
			_, err := p.get(c.t.Context(), id)
			if err == nil {
				return name
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatal("nobody owns ", id)
	return ""
}

func other(id string) string { return map[string]string{"a": "b", "b": "a"}[id] }

func TestObjectsAreSpreadAndOwnedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b", "c")
		time.Sleep(5 * time.Second)
		share := map[string]int{}
		for i := range 300 {
			id, owners := fmt.Sprint("q", i), 0
			for name, p := range c.nodes {
				_, err := p.get(t.Context(), id)
				if err == nil {
					owners++
					share[name]++
				} else if e, ok := errors.AsType[*owner.ElsewhereError](err); !ok || e.Node == name {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if owners != 1 {
				t.Fatalf("%s has %d owners", id, owners)
			}
		}
		for name, n := range share {
			if n < 50 {
				t.Errorf("%s owns only %d of 300", name, n)
			}
		}
	})
}

func TestCleanStopHandsOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b")
		time.Sleep(5 * time.Second)
		first := c.ownerOf("x")
		next := other(first)
		if _, err := c.add(t.Context(), next, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.add(t.Context(), next, "x", (*owner.Batch).Lazy); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c.halt(first)
		n, err := c.add(t.Context(), next, "x")
		if n != 3 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if loads := c.node(next).loads; loads != 1 {
			t.Errorf("loaded %d times", loads)
		}
	})
}

func TestKilledNodeIsReplacedAfterItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b")
		time.Sleep(5 * time.Second)
		first := c.ownerOf("x")
		next := other(first)
		if _, err := c.add(t.Context(), next, "x"); err != nil {
			t.Fatal(err)
		}
		c.kill(first)
		began := time.Now()
		if _, err := c.add(t.Context(), next, "x"); !errors.Is(err, errNobody) {
			t.Errorf("within the lease: %v", err)
		}
		for time.Since(began) < 10*time.Second {
			if n, err := c.add(t.Context(), next, "x"); err == nil {
				if n != 2 {
					t.Errorf("counted %d", n)
				}
				break
			}
		}
		if took := time.Since(began); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A node started again under its name need not wait: its earlier process is gone.
func TestSameNameStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a")
		if _, err := c.add(t.Context(), "a", "x"); err != nil {
			t.Fatal(err)
		}
		c.kill("a")
		c.start("a")
		began := time.Now()
		if n, err := c.add(t.Context(), "a", "x"); n != 2 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("took %v", took)
		}
	})
}

// A node that is stopped for longer than its lease, and goes on, writes nothing and says nothing that is no longer so.
func TestPausedOwnerIsHarmless(t *testing.T) {
	for _, wish := range []struct {
		name  string
		batch func(*owner.Batch)
	}{{"relying on the lease", func(*owner.Batch) {}}, {"relying on a commit", (*owner.Batch).MustOwn}, {"lazily", (*owner.Batch).Lazy}} {
		t.Run(wish.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, memory.New(memory.Options{}), "a", "b")
				time.Sleep(5 * time.Second)
				id := c.ownerOf("x")
				old, next := c.node(id), other(id)
				if _, err := c.add(t.Context(), id, "x"); err != nil {
					t.Fatal(err)
				}
				resume := old.gate.pause()
				failed := make(chan error)
				go func() {
					_, err := old.add(t.Context(), "x") // under way while the world goes on
					failed <- err
				}()
				time.Sleep(5 * time.Second)
				if n, err := c.node(next).add(t.Context(), "x"); n != 2 || err != nil {
					t.Fatalf("the next owner: %d, %v", n, err)
				}
				go func() {
					n, err := old.get(t.Context(), "x", wish.batch)
					if err == nil && n != 3 {
						err = fmt.Errorf("answered %d", n)
					}
					failed <- err
				}()
				if wish.name == "lazily" {
					go func() {
						n, err := old.add(t.Context(), "x", wish.batch)
						if err == nil {
							err = fmt.Errorf("wrote %d", n)
						}
						failed <- err
					}()
				} else {
					go func() { failed <- &owner.ElsewhereError{} }()
				}
				time.Sleep(time.Second)
				keep := c.node(next).gate.pause() // so that the old owner does not get it back meanwhile
				resume()
				for range 3 {
					if err := <-failed; err != nil {
						if _, ok := errors.AsType[*owner.ElsewhereError](err); !ok {
							t.Errorf("the old owner: %v", err)
						}
					} else {
						t.Error("the old owner answered")
					}
				}
				keep()
				time.Sleep(10 * time.Second)
				if n, err := c.add(t.Context(), next, "x"); n != 3 || err != nil {
					t.Errorf("in the end: %d, %v", n, err)
				}
			})
		})
	}
}

// Whatever happens to nodes and commits, an increment that was acknowledged is counted, and none is counted twice.
func TestNothingIsLostOrDoneTwice(t *testing.T) {
	seeds := uint64(4)
	if raced {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testChaos(t, seed+1) })
		})
	}
}

func testChaos(t *testing.T, seed uint64) {
	o := memory.Options{Hostile: memory.Hostile{Seed: seed, Unknown: 0.05, Fenced: 0.02, Delay: 10 * time.Millisecond}}
	c := newCluster(t, memory.New(o), "a", "b", "c")
	length := time.Minute
	if raced {
		length /= 4
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	const keys = 6
	type tally struct {
		given map[uint64]int
		acked uint64
		open  uint64
	}
	var (
		mu      sync.Mutex
		tallies = [keys]tally{}
		clients sync.WaitGroup
	)
	for i := range tallies {
		tallies[i].given = map[uint64]int{}
	}
	for i := range 12 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			last := [keys]uint64{}
			for ctx.Err() == nil {
				k, at := r.IntN(keys), c.any(r)
				if r.IntN(4) == 0 {
					// What one client has seen acknowledged, it sees in every later answer.
					if n, err := c.get(ctx, at, fmt.Sprint(k)); err == nil && n < last[k] {
						t.Errorf("read %d of %d after %d", n, k, last[k])
					}
					continue
				}
				n, err := c.add(ctx, at, fmt.Sprint(k))
				mu.Lock()
				switch y := &tallies[k]; {
				case err == nil:
					y.acked++
					y.given[n]++
					if n <= last[k] {
						t.Errorf("counted %d of %d after %d", n, k, last[k])
					}
					last[k] = n
				case !errors.Is(err, errNobody):
					y.open++
				}
				mu.Unlock()
				if err != nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, 1000))
	for ctx.Err() == nil {
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
		id := []string{"a", "b", "c"}[r.IntN(3)]
		switch p := c.node(id); {
		case p == nil:
			c.start(id)
		case r.IntN(3) == 0:
			c.kill(id)
		case r.IntN(2) == 0:
			c.halt(id)
		default:
			resume := p.gate.pause()
			time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
			resume()
		}
	}
	clients.Wait()
	for id := range c.nodes {
		c.halt(id)
	}
	last := c.start("a")
	acked, open := uint64(0), uint64(0)
	for k := range tallies {
		y := &tallies[k]
		n, err := last.get(t.Context(), fmt.Sprint(k))
		for tries := 0; err != nil && tries < 100; tries++ { // one that was killed still seems alive
			time.Sleep(100 * time.Millisecond)
			n, err = last.get(t.Context(), fmt.Sprint(k))
		}
		if err != nil {
			t.Fatal(err)
		}
		if n < y.acked || n > y.acked+y.open {
			t.Errorf("%d: counted %d, acknowledged %d, unknown %d", k, n, y.acked, y.open)
		}
		for v, times := range y.given {
			if times > 1 {
				t.Errorf("%d: %d was given %d times", k, v, times)
			}
		}
		acked += y.acked
		open += y.open
	}
	if acked < 200 {
		t.Errorf("only %d were acknowledged", acked)
	}
	t.Logf("%d acknowledged, %d open", acked, open)
}
