package timer

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/partition"
	"github.com/obidos-cloud/obidos/internal/store"
)

var errStranger = errors.New("nobody made its set")

// call calls a timer's function. A panic is that timer's failure: it must not end the process at every start.
func (ts *Timers) call(d due) (err error) {
	s := ts.sets[d.place.set] // not changed since Run
	if s == nil {
		return errStranger
	}
	defer func() {
		if p := recover(); p != nil {
			ts.log.Error("a timer panicked", "set", d.place.set, "key", d.place.key, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.call(aws.WithRequest(ts.base, &aws.Request{Scope: d.place.scope}), d.row.Body)
}

// conclude writes down what came of a timer that fired: it is gone, unless it was set anew meanwhile, or due again later.
func (ts *Timers) conclude(d due, err error) {
	if err != nil && ts.base.Err() != nil {
		return // it was cut short, and fires after the next start
	}
	log := ts.log.With("set", d.place.set, "key", d.place.key)
	failures := d.row.Failures + 1
	wait := partition.Backoff(failures, err, onceMore, atMost)
	switch {
	case errors.Is(err, errStranger):
		wait = strangers
		ts.mu.Lock()
		if !ts.unknown[d.place.set] {
			ts.unknown[d.place.set] = true
			log.Error("timers of an unknown set wait")
		}
		ts.mu.Unlock()
	case err != nil:
		log.Warn("a timer failed and fires again", "failures", failures, "in", wait, "error", err)
	}
	// It need not be durable at once: after a power cut the timer fires again, as it would had the cut come a moment earlier.
	o := store.UpdateOptions{Name: "timer.settle", Partition: d.place.partition, Lazy: true}
	partition.Commit(ts.base, ts.at(), o, func(tx *store.Tx) struct{} {
		if e, ok := ts.tables.dues.Get(tx, d.place.entry(d.row.At)...); ok && e.Stamp == d.row.Stamp {
			ts.tables.dues.Delete(tx, d.place.entry(d.row.At)...)
		}
		now, ok := ts.tables.rows.Get(tx, d.place.parts()...)
		switch {
		case !ok || now.Stamp != d.row.Stamp:
		case err == nil:
			ts.tables.rows.Delete(tx, d.place.parts()...)
		default:
			s := err.Error()
			ts.tables.dues.Delete(tx, d.place.entry(now.At)...) // another time, where the commit before was of unknown outcome
			now.At, now.Failures, now.Error = tx.Now().Add(wait), failures, s[:min(len(s), 1000)]
			ts.tables.put(tx, d.place, now)
			tx.OnCommit(func() { ts.set(d.place.partition, nanoseconds(now.At)) })
		}
		return struct{}{}
	})
}
