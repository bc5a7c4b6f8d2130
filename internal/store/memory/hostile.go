package memory

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Hostile says how an engine treats those who use it: only as the contract allows, but all of that. Closures run several
// times, some of them on a state that is no longer the newest, some with reads that meet a conflict, several at once; lazy
// writes are hidden from views; what reads gave is overwritten once it is no longer valid.
type Hostile struct {
	Seed uint64 // of what happens; 0 = friendly

	Unknown float64       // share of commits that answer ErrUnknown: half of these happened
	Owners  bool          // only commits of owners do, who look into it; other callers are answered an error then
	Fenced  float64       // share of fenced commits before which another takes the fenced object over
	Delay   time.Duration // an Update waits up to so long before each attempt
}

type hostile struct {
	Hostile
	calls sync.RWMutex // held by Updates for reading: Close waits for them

	mu     sync.Mutex // after Engine.turn, before Engine.mu
	rng    *rand.Rand
	recent []*tree // committed states, the newest last, to be copied under mu
}

// errConflict is the error of a read that an attempt of the engine's choice cannot go on from.
var errConflict = errors.New("store/memory: conflict")

func newHostile(h Hostile) *hostile {
	if h.Seed == 0 {
		return nil
	}
	return &hostile{Hostile: h, rng: rand.New(rand.NewPCG(h.Seed, 0))}
}

// plan is what happens to one Update.
type plan struct {
	doomed  []attempt
	delay   time.Duration
	fenced  bool
	unknown bool
	happens bool // where unknown
}

// attempt is a run of the closure that is not committed.
type attempt struct {
	delay     time.Duration
	state     *tree
	conflicts int // the read that meets a conflict; 0 = none
}

func (h *hostile) plan(e *Engine) plan {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := plan{
		delay:   h.delay(),
		fenced:  h.rng.Float64() < h.Fenced,
		unknown: h.rng.Float64() < h.Unknown,
		happens: h.rng.IntN(2) == 0,
	}
	h.recent = append(h.recent, e.copy())
	h.recent = slices.Delete(h.recent, 0, max(0, len(h.recent)-8))
	for range h.rng.IntN(3) {
		a := attempt{delay: h.delay(), state: h.recent[h.rng.IntN(len(h.recent))].Copy()}
		if h.rng.IntN(2) == 0 {
			a.conflicts = 1 + h.rng.IntN(6)
		}
		p.doomed = append(p.doomed, a)
	}
	return p
}

func (h *hostile) delay() time.Duration {
	if h.Delay == 0 {
		return 0
	}
	return time.Duration(h.rng.Int64N(int64(h.Delay)))
}

func (h *hostile) update(ctx context.Context, e *Engine, o store.UpdateOptions, fn func(store.Txn) error) error {
	h.calls.RLock()
	defer h.calls.RUnlock()
	p := h.plan(e)
	p.unknown = p.unknown && (o.Owned || !h.Owners)
	for _, a := range p.doomed {
		wait(ctx, a.delay)
		if err := e.ready(ctx); err != nil {
			return err
		}
		t := &txn{reader: reader{tree: a.state}, own: true, bounds: store.Bounds{Owned: o.Owned}}
		// Whatever comes of it, the attempt is in conflict with another.
		_ = t.run(guarded(fn, a.conflicts), nil)
	}
	wait(ctx, p.delay)

	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.ready(ctx); err != nil {
		return err
	}
	if p.fenced {
		h.takeOver(e, o.Fences)
	}
	t := e.begin(o)
	err := t.run(guarded(fn, 0), o.Fences)
	switch {
	case err != nil || !t.changed():
		e.publish() // what fn read is durable now
		return err
	case p.unknown && !p.happens:
		return store.ErrUnknown
	case o.Lazy:
		before := e.snapshot()
		e.commit(t)
		e.mu.Lock()
		e.view = before
		e.mu.Unlock()
	default:
		e.commit(t)
	}
	if p.unknown {
		return store.ErrUnknown
	}
	return nil
}

// publish shows views what lazy writes there are.
func (e *Engine) publish() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.view = nil
}

// takeOver raises the epoch of a fence, as another node does when it takes over what the fence guards.
func (h *hostile) takeOver(e *Engine, fences []store.Fence) {
	if len(fences) == 0 {
		return
	}
	h.mu.Lock()
	f := fences[h.rng.IntN(len(fences))]
	h.mu.Unlock()
	t := e.begin(store.UpdateOptions{Owned: true})
	row, _ := t.Get(f.Key)
	if len(row) < 9 {
		return
	}
	row = slices.Clone(row)
	for i := 8; i > 0; i-- { // one more, big-endian
		if row[i]++; row[i] != 0 {
			break
		}
	}
	t.Set(f.Key, row)
	e.commit(t)
}

// wait is a pause, cut short where ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// guarded is fn in a transaction whose reads give copies, gone when it is over. The read of that number, counted from 1, and
// those after it meet a conflict.
func guarded(fn func(store.Txn) error, conflicts int) func(store.Txn) error {
	return func(tx store.Txn) error {
		g := guardedTxn{guard{reader: tx, conflicts: conflicts}, tx}
		defer g.scribble()
		return fn(&g)
	}
}

// guard is a reader that gives copies and overwrites them when they are no longer valid.
type guard struct {
	reader    store.Reader
	conflicts int
	reads     int
	given     [][]byte
}

type guardedTxn struct {
	guard
	txn store.Txn
}

func (g *guardedTxn) Set(key, value []byte)     { g.txn.Set(key, value) }
func (g *guardedTxn) Delete(key []byte)         { g.txn.Delete(key) }
func (g *guardedTxn) DeleteRange(lo, hi []byte) { g.txn.DeleteRange(lo, hi) }

func (g *guard) read() error {
	if g.reads++; g.conflicts > 0 && g.reads >= g.conflicts {
		return errConflict
	}
	return nil
}

func (g *guard) give(v []byte) []byte {
	if v == nil {
		return nil
	}
	v = append([]byte{}, v...)
	g.given = append(g.given, v)
	return v
}

func (g *guard) Get(key []byte) ([]byte, error) {
	if err := g.read(); err != nil {
		return nil, err
	}
	v, err := g.reader.Get(key)
	return g.give(v), err
}

func (g *guard) GetMany(keys [][]byte) ([][]byte, error) {
	if err := g.read(); err != nil {
		return nil, err
	}
	values, err := g.reader.GetMany(keys)
	for i, v := range values {
		values[i] = g.give(v)
	}
	return values, err
}

func (g *guard) Scan(r store.Range, fn func(key, value []byte) bool) error {
	conflict := g.read()
	if conflict != nil {
		return conflict
	}
	err := g.reader.Scan(r, func(key, value []byte) bool {
		if conflict = g.read(); conflict != nil {
			return false
		}
		key, value = slices.Clone(key), slices.Clone(value)
		defer overwrite(key)
		defer overwrite(value)
		if r.KeysOnly {
			return fn(key, nil)
		}
		return fn(key, value)
	})
	if conflict != nil {
		return conflict
	}
	return err
}

func (g *guard) scribble() {
	for _, v := range g.given {
		overwrite(v)
	}
}

func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
