// Package pebble is the store's durable engine: an LSM tree (github.com/cockroachdb/pebble) under a thin layer that makes
// its batches serializable transactions.
//
// Closures run one at a time under a mutex, so nothing ever conflicts; a commit is applied unsynced and the wait for the
// disk is shared outside the mutex by all who committed meanwhile. Just before each sync a snapshot is taken, and
// published when the sync returns: that is what a View reads, so a View never waits, holds every acknowledged write and
// shows none that a power cut could take back.
//
// It promises what store.Engine does, on any file system that keeps what it synced. A full disk refuses writes before
// the log fails (see room.go); a log that fails all the same ends writing, never the process.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Options of an engine. The zero value is a durable engine on the operating system's file system.
type Options struct {
	FS      vfs.FS       // where it lives; nil: the operating system's
	Logger  *slog.Logger // told of faults only; nil: nobody
	Relaxed bool         // acknowledge what is applied, sync every 100 ms: a crash loses up to that much
	Room    RoomOptions  // when the disk counts as full

	MemTable int64 // bytes of writes kept in memory before they become a table; 0: 16 MiB
	Cache    int64 // bytes of blocks kept in memory, memtables included; 0: 64 MiB

	// NoSync acknowledges without ever syncing. Only the crash tests set it, to see that they notice.
	NoSync bool
}

// How long a write nobody waits for may stay unsynced where no other commit takes it along.
const (
	lazyDelay    = time.Second
	relaxedDelay = 100 * time.Millisecond
)

// Engine is a store.Engine in one directory.
type Engine struct {
	db      *pebble.DB
	log     *slog.Logger
	relaxed bool
	noSync  bool
	delay   time.Duration // before a write nobody waits for is synced
	room    *room

	gate    gate
	failure atomic.Pointer[error] // why nothing is written any more
	failed  chan struct{}         // closed with it
	opened  atomic.Bool           // until then a fault of the disk is Open's to return

	published atomic.Pointer[snapshot] // what a View reads
	appliedNo atomic.Uint64            // applied, for who does not have the turn
	current   atomic.Pointer[round]    // the sync under way; written by who has the turn
	next      atomic.Pointer[round]    // the sync that waits for it; likewise

	work chan struct{} // a round waits
	late chan struct{} // something was written that nobody waits for
	tidy chan struct{} // something was deleted on a full disk
	quit chan struct{}
	done chan struct{} // closed when the sync loop has ended

	turn    turn   // of the transaction that runs; what is below is touched by who has it
	applied uint64 // number of the last commit
	synced  uint64 // the last commit known to be durable
	syncing bool   // the sync loop is at work, or was told to be
	isLate  bool   // late was signalled and not yet served
	fences  fences
}

// Open opens the engine in dir, which it makes if there is none.
func Open(dir string, o Options) (*Engine, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		log: o.Logger, relaxed: o.Relaxed, noSync: o.NoSync, delay: lazyDelay,
		gate:   gate{idle: make(chan struct{})},
		failed: make(chan struct{}),
		work:   make(chan struct{}, 1), late: make(chan struct{}, 1), tidy: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	if o.Relaxed {
		e.delay = relaxedDelay
	}
	dir = o.FS.PathJoin(dir) // as pebble will spell it
	e.turn.init()
	e.room = newRoom(o.FS, dir, o.Room, e.stalled)
	if err := o.FS.MkdirAll(dir, 0o700); err != nil && !noRoom(err) {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	if err := e.room.toOpen(); err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", dir, err)
	}
	db, err := pebble.Open(dir, tuned(o, disk{o.FS, e, dir}, faults{e}))
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", dir, err)
	}
	e.db = db
	e.opened.Store(true)
	e.room.look()
	e.published.Store(e.newSnapshot(0))
	go e.syncLoop()
	return e, nil
}

// Update runs fn alone and commits what it wrote.
func (e *Engine) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if !e.gate.enter() {
		return store.ErrClosed
	}
	defer e.gate.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.usable(); err != nil {
		return err
	}
	r, err := e.commit(ctx, o, fn)
	if r == nil {
		return err
	}
	if err := e.usable(); err != nil { // whoever ended the waits of all may not have seen r
		r.resolve(fmt.Errorf("%w: %w", store.ErrUnknown, err))
	}
	<-r.done
	if r.err != nil {
		return r.err
	}
	return err
}

// commit runs fn and applies what it wrote. It answers the sync to wait for, nil where there is none.
func (e *Engine) commit(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) (r *round, err error) {
	if err := e.turn.take(e.usable); err != nil {
		return nil, err
	}
	defer e.turn.give()
	t := newTxn(e.db, o.Owned)
	defer t.close()
	if len(o.Fences) > 0 {
		err = store.CheckFences(fenceReader{t, &e.fences}, o.Fences)
	}
	if err == nil {
		err = fn(t)
	}
	if err == nil {
		err = errors.Join(t.bound.Err(), t.err, ctx.Err())
	}
	if err == nil && t.sets > 0 {
		err = e.room.refuse(o.Frees)
	}
	if err != nil || t.batch == nil {
		return e.join(), err
	}
	if err := e.apply(t); err != nil {
		return nil, err
	}
	if (t.sets == 0 || o.Frees) && e.room.short.Load() {
		select {
		case e.tidy <- struct{}{}:
		default:
		}
	}
	if o.Lazy || e.relaxed {
		if !e.isLate {
			e.isLate = true
			e.late <- struct{}{}
		}
		return nil, nil
	}
	return e.join(), nil
}

// apply makes t's writes visible to the transactions after it.
func (e *Engine) apply(t *txn) error {
	e.room.wrote(t.bytes)
	if err := e.db.Apply(t.batch, pebble.NoSync); err != nil {
		e.fail(fmt.Errorf("apply a commit: %w", err))
	}
	if e.failure.Load() != nil { // nobody knows what of t a restart will find
		return e.unknown()
	}
	e.fences.forget(t.ops)
	e.applied++
	e.appliedNo.Store(e.applied)
	return nil
}

// View runs fn on the newest durable snapshot; in relaxed mode, on what is applied.
func (e *Engine) View(ctx context.Context, fn func(store.Reader) error) error {
	if !e.gate.enter() {
		return store.ErrClosed
	}
	defer e.gate.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	s := e.snapshot()
	defer s.release()
	r := newReader(s.snap)
	defer r.close()
	return fn(r)
}

// Checkpoint writes a copy of all that is committed to dir, which must not exist: tables are linked, so it takes
// milliseconds. An engine opens it like any other directory.
func (e *Engine) Checkpoint(dir string) error {
	if !e.gate.enter() {
		return store.ErrClosed
	}
	defer e.gate.leave()
	if err := e.usable(); err != nil {
		return err
	}
	if err := e.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("checkpoint to %s: %w", dir, err)
	}
	return e.brokenError()
}

// Room is nil, or the *store.DiskFullError that a write would be refused with now. Whoever writes beside the engine on
// the same disk asks it first.
func (e *Engine) Room() error {
	if e.room.stalled.Load() {
		return e.room.full()
	}
	return e.room.refuse(false)
}

// Failed is closed when the engine cannot write any more, because its log or its tables could not be written or are
// damaged. Reads go on; Err says why. What is on the disk is intact: the cure is to end the process, mend the disk and open
// it again. Until then one transaction, the one that ran, may be stuck.
func (e *Engine) Failed() <-chan struct{} { return e.failed }

// Err is why nothing is written any more, nil while all is well.
func (e *Engine) Err() error { return e.brokenError() }

// Close waits for transactions under way, syncs what nobody waited for, and releases the directory.
func (e *Engine) Close() error {
	e.room.giveUp()
	if !e.gate.close() {
		return store.ErrClosed
	}
	if !e.drained(e.gate.idle) {
		return e.brokenError()
	}
	close(e.quit)
	if !e.drained(e.done) || e.brokenError() != nil {
		return e.brokenError()
	}
	e.published.Load().release()
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// drained waits for c. Where the disk failed, who was about to change it waits for ever (see disk.go): then the
// engine is left as it is.
func (e *Engine) drained(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-e.failed:
	}
	select {
	case <-c:
		return true
	case <-time.After(time.Second):
		return false
	}
}

// usable is nil, or why no transaction can run.
func (e *Engine) usable() error {
	if err := e.brokenError(); err != nil {
		return err
	}
	if e.room.stalled.Load() {
		return e.room.full()
	}
	return nil
}

func (e *Engine) brokenError() error {
	if why := e.failure.Load(); why != nil {
		return fmt.Errorf("the store writes nothing until it is opened again: %w", *why)
	}
	return nil
}

func (e *Engine) unknown() error {
	return fmt.Errorf("%w: %w", store.ErrUnknown, *e.failure.Load())
}

// fail ends writing for good and tells everybody who waits.
func (e *Engine) fail(why error) {
	if !e.failure.CompareAndSwap(nil, &why) {
		return
	}
	e.log.Error("the store cannot write any more; reads go on; restart once the cause is mended", "error", why)
	close(e.failed)
	e.abandon(e.unknown())
}

// stalled tells everybody who waits for a sync that it does not come before there is room again.
func (e *Engine) stalled() {
	e.log.Error("the disk is full: nothing is written until there is room", "path", e.room.dir)
	e.abandon(fmt.Errorf("%w: %w", store.ErrUnknown, e.room.full()))
}

// abandon ends the waits of all. Whoever joins a round later sees why in failure or room.stalled, which were set before.
func (e *Engine) abandon(err error) {
	for _, r := range []*round{e.current.Load(), e.next.Load()} {
		if r != nil {
			r.resolve(err)
		}
	}
	e.turn.wake()
}

// faults is pebble's logger: it passes on what went wrong and turns its "end the process" into "write no more".
type faults struct{ e *Engine }

func (faults) Infof(string, ...any) {}

func (f faults) Errorf(format string, args ...any) {
	f.e.log.Warn("store: " + fmt.Sprintf(format, args...))
}

func (f faults) Fatalf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.e.fail(err)
			return
		}
	}
	f.e.fail(fmt.Errorf(format, args...))
}

// gate counts who is inside and lets nobody in once closed.
type gate struct {
	n    atomic.Int64
	once sync.Once
	idle chan struct{} // closed when it is closed and all have left
}

func (g *gate) enter() bool {
	if g.n.Add(1) > 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.n.Add(-1) == math.MinInt64 {
		g.once.Do(func() { close(g.idle) })
	}
}

// close answers whether it was open.
func (g *gate) close() bool {
	for {
		n := g.n.Load()
		if n < 0 {
			return false
		}
		if g.n.CompareAndSwap(n, n+math.MinInt64) {
			if n == 0 {
				g.once.Do(func() { close(g.idle) })
			}
			return true
		}
	}
}
