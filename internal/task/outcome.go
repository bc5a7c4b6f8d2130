package task

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

// outcome is what becomes of a task after a try.
type outcome struct {
	again bool      // it runs on
	at    time.Time // it is tried again then
	// neither: it is done with
}

// perform tries a task and settles what comes of it.
func (r *Runner) perform(l *lane, it *item) {
	o := r.settle(it, r.try(it))
	r.mu.Lock()
	defer r.mu.Unlock()
	l.running--
	r.running--
	served := r.served[partitionOf(l.id)] && !r.stopped
	switch {
	case o.again && served:
		l.known[it.pos] = false
		r.push(l, it)
	case !o.at.IsZero() && served:
		l.known[it.pos] = false
		r.delay(l, it.pos, o.at)
	default:
		r.finish(l, it.pos)
	}
	r.drive(l)
	r.serveLine()
}

// try calls the function. A panic is the task's failure: one poisoned task must not end the process at every start.
func (r *Runner) try(it *item) (err error) {
	if it.bad != nil {
		return fmt.Errorf("read the task: %w", it.bad)
	}
	ctx, id := it.queue.context(r.base, it)
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a task panicked", "queue", it.queue.name, "task", id, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return it.queue.run(ctx, id, it.v)
}

// settle is conclude, which calls code of the service too. Where that panics nothing was written, and the task is tried again
// in a while.
func (r *Runner) settle(it *item, err error) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("the end of a task panicked", "queue", it.queue.name, "task", it.pos.id(it.row.Step), "panic", p, "stack", string(debug.Stack()))
			o = outcome{at: r.clock.Now().Add(it.queue.o.MaxBackoff)}
		}
	}()
	return r.conclude(it, err)
}

// conclude writes down what came of a try.
func (r *Runner) conclude(it *item, err error) outcome {
	continued := it.continued
	it.continued = false
	switch {
	case it.done, errors.Is(err, errGone):
		return outcome{}
	case err == nil && continued:
		return outcome{again: true}
	case err == nil:
		return r.commit(it, func(tx *store.Tx) outcome {
			it.queue.remove(tx, it.pos, it.row.Step)
			return outcome{}
		})
	case r.base.Err() != nil: // it was cut short, and is tried again after the next start
		return outcome{}
	}
	_, permanent := errors.AsType[*permanentError](err)
	failures := it.row.Failures + 1
	dead := it.bad == nil && (permanent || failures >= it.queue.o.Attempts)
	var (
		now    row
		buried bool
	)
	o := r.commit(it, func(tx *store.Tx) outcome {
		var ok bool
		buried = false
		if now, ok = r.tables.rows.Get(tx, it.pos.parts()...); !ok {
			return outcome{}
		}
		if now.Step != it.row.Step { // the commit of a Continue whose outcome was unknown
			return outcome{again: true}
		}
		if dead {
			if it.queue.dead != nil {
				it.queue.dead(tx, it.pos.id(it.row.Step), it.v, failures, err)
			}
			it.queue.remove(tx, it.pos, it.row.Step)
			buried = true
			return outcome{}
		}
		at := tx.Now().Add(partition.Backoff(failures, err, it.queue.o.Backoff, it.queue.o.MaxBackoff))
		now.Failures, now.NotBefore, now.Error = failures, at.UnixNano(), brief(err)
		r.tables.rows.Set(tx, now, it.pos.parts()...)
		return outcome{at: at}
	})
	log := r.log.With("queue", it.queue.name, "target", it.row.Target, "task", it.pos.id(it.row.Step), "try", failures, "error", err)
	switch {
	case o.again:
		it.row = now
		it.v, it.bad = it.queue.decode(now.Body)
	case !o.at.IsZero():
		log.Debug("a task failed and is tried again", "at", o.at)
	case buried:
		log.Warn("a task is given up")
	}
	return o
}

// commit writes what fn says about a task, where it is still ours. It need not be durable at once: after a power cut
// the task runs again, as it would had the cut come a moment earlier.
func (r *Runner) commit(it *item, fn func(tx *store.Tx) outcome) outcome {
	ctx := aws.WithRequest(r.base, &aws.Request{Scope: it.row.scope()})
	o := store.UpdateOptions{Name: "task." + it.queue.name, Partition: partitionOf(it.pos.lane), Lazy: true, Frees: true}
	out, _ := partition.Commit(ctx, r.at(), o, fn)
	return out
}

// brief is an error as a row keeps it.
func brief(err error) string {
	s := err.Error()
	return s[:min(len(s), 1000)]
}
