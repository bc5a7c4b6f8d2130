// Package postgres is the store's engine for more than one node: one table of keys and values in PostgreSQL.
//
// A transaction is one of PostgreSQL's under SERIALIZABLE. What it writes is gathered here and sent with the commit; BEGIN
// rides with its first read. So one that reads nothing, as an owner's batch, is a single round trip: fences, writes and COMMIT.
// Conflicts are retried. A view is a REPEATABLE READ snapshot: PostgreSQL shows a commit to others only when it is on disk, and
// at the synchronous standbys where there are any, so nothing a view shows can be taken back.
//
// A connection that breaks after COMMIT was sent leaves the outcome unknown; one that breaks before is replaced, at whichever
// of the URL's hosts takes writes, for as long as Options.Patience. Lazy commits are as durable as others.
//
// Nothing is used that other databases of PostgreSQL's wire and language lack, but where it can be gone without: no LISTEN,
// no advisory locks, no functions.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Options of an engine.
type Options struct {
	// Cluster names what is kept together: one database may hold several clusters, each in a table of its own. It is of
	// letters, digits, - and _; "main" where it is empty.
	Cluster string
	// Connections is how many there are at most: 20 where it is 0 and the URL has no pool_max_conns.
	Connections int
	// Patience is how long a transaction waits for a server that is away, or does not answer: 10 s where it is 0.
	Patience time.Duration
	// Relaxed takes a server that does not sync (fsync=off) and asks the others not to wait for it. A power cut then loses
	// the last commits.
	Relaxed bool
}

// Engine is the engine. Open makes one.
type Engine struct {
	options Options
	pool    *pool
	table   string     // quoted
	crowd   sync.Mutex // held by an Update that met several conflicts: such ones go one by one

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// Open connects to the database that url names (postgres://user@host1,host2/database) and makes the cluster's table where
// there is none.
func Open(ctx context.Context, url string, o Options) (*Engine, error) {
	if o.Cluster == "" {
		o.Cluster = "main"
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	table, err := tableName(o.Cluster)
	if err != nil {
		return nil, err
	}
	e := &Engine{options: o, table: table}
	if e.pool, err = newPool(url, &e.options, table); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := e.prepare(ctx); err != nil {
		e.pool.close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return e, nil
}

// enter counts a call in, unless the engine is closed.
func (e *Engine) enter(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e.calls.Add(1)
	return nil
}

// Close is store.Engine's.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.calls.Wait()
	e.pool.close()
	return nil
}

// Unsure implements store.Unsure.
func (e *Engine) Unsure() bool { return true }

// View is store.Engine's.
func (e *Engine) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.calls.Done()
	r := reader{e: e, ctx: ctx, begin: beginView}
	defer r.end()
	err := fn(&r)
	if r.failure != nil && err == nil {
		err = r.failure // fn hid it
	}
	return err
}

// Transactions that have met so many conflicts go one by one.
const manyConflicts = 3

// Update is store.Engine's.
func (e *Engine) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.calls.Done()
	var blocked time.Time // when it first was, or when something was done about it
	for try := 0; ; try++ {
		if try == manyConflicts {
			e.crowd.Lock()
			defer e.crowd.Unlock()
		}
		again, err := e.attempt(ctx, o, fn)
		if !again {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case !errors.Is(err, errBlocked):
			blocked = time.Time{}
		case blocked.IsZero():
			blocked = time.Now()
		case time.Since(blocked) > frozen:
			e.evict(ctx)
			blocked = time.Now()
		}
		if err := pause(ctx, rand.N(time.Millisecond<<min(try, 5))); err != nil {
			return err
		}
	}
}

// attempt runs fn once and commits. It says whether nothing happened and it may be tried again.
func (e *Engine) attempt(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) (again bool, _ error) {
	t := newTxn(e, ctx, o)
	defer t.end()
	err := fn(t)
	if t.failure != nil {
		if retryable(t.failure) {
			return true, t.failure
		}
		if err == nil {
			err = t.failure
		}
		return false, err
	}
	own := err // fn's: what it read counts only if it was part of a serial order
	if err == nil {
		err = t.bounds.Err()
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		t.writes.reset()
		if t.c == nil {
			return false, err
		}
		if failed := t.commit(nil); failed != nil && retryable(failed) && ctx.Err() == nil {
			return true, failed
		} else if failed != nil && own == nil {
			return false, failed
		}
		return false, err
	}
	if t.c == nil && t.writes.empty() && len(o.Fences) == 0 {
		return false, nil
	}
	err = t.commit(o.Fences)
	if err != nil && retryable(err) {
		return true, err
	}
	return false, err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
