package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Queue is one kind of task. T is what such a task carries; it is kept as CBOR, so a struct's fields have integer keys
// that never change (`cbor:"1,keyasint"`).
type Queue[T any] struct {
	q *queue
}

// Options are choices for a queue.
type Options struct {
	Concurrency int           // tasks of one target under way at once; 16 where zero
	Attempts    int           // tries before a task is given up; 20 where zero
	Backoff     time.Duration // before the second try, then twice as long each time; 1 s where zero
	MaxBackoff  time.Duration // 5 min where zero

	// Once says that the function makes one call to another service, which is to have its effect once: its context carries
	// the task's id as the request's Delivery, and the record of a target that keeps a Ledger goes with the task.
	Once bool
}

// Add says how a task is to run.
type Add struct {
	Target string // whose limit it counts against: an ARN, an endpoint
	Key    string // tasks of one target with the same key run one at a time, in order; none where empty
}

// queue is a Queue without its type.
type queue struct {
	runner *Runner
	name   string
	o      Options
	run    func(ctx context.Context, id string, v any) error
	decode func(body []byte) (any, error)
	dead   func(tx *store.Tx, id string, v any, tries int, err error)
}

// NewQueue makes a queue. Its name is part of every task of it: it must never change. fn carries a task out; id is the same
// however often it is tried. The context's request bears the scope the task was added in. An error has it tried again, unless
// it is [Permanent].
func NewQueue[T any](r *Runner, name string, fn func(ctx context.Context, id string, v T) error, o Options) Queue[T] {
	o.Concurrency = cmp.Or(o.Concurrency, 16)
	o.Attempts = cmp.Or(o.Attempts, 20)
	o.Backoff = cmp.Or(o.Backoff, time.Second)
	o.MaxBackoff = max(cmp.Or(o.MaxBackoff, 5*time.Minute), o.Backoff)
	q := &queue{
		runner: r, name: name, o: o,
		run: func(ctx context.Context, id string, v any) error { return fn(ctx, id, v.(T)) },
		decode: func(body []byte) (any, error) {
			var v T
			err := store.Decode(body, &v)
			return v, err
		},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queues[name] != nil {
		panic("task: two queues are named " + name)
	}
	if r.base != nil {
		panic("task: queue " + name + " is made while the runner runs")
	}
	r.queues[name] = q
	return Queue[T]{q}
}

// Dead is a task that is given up.
type Dead[T any] struct {
	ID    string
	Value T
	Tries int
	Err   error // of the last
}

// OnDead has fn called for each task that is given up, in the transaction that removes it. Without it that is only logged.
// It must be called before the runner runs.
func (q Queue[T]) OnDead(fn func(tx *store.Tx, d Dead[T])) {
	q.q.dead = func(tx *store.Tx, id string, v any, tries int, err error) { fn(tx, Dead[T]{id, v.(T), tries, err}) }
}

// Add writes a task. It is begun when w is committed.
func (q Queue[T]) Add(w store.Writer, v T, a Add) (id string) {
	r := q.q.runner
	body, err := store.Encode(v)
	if err != nil { // v's type is the service's own: what CBOR cannot hold is a bug
		panic(fmt.Sprintf("task: %s: %v", q.q.name, err))
	}
	pos := position{lane: hash(q.q.name, a.Target), serial: r.stamp(w.Now()), nonce: r.nonce}
	first := true // no other task with its key is before it
	if a.Key != "" {
		pos.key = max(hash(a.Key), 1)
		first = r.follow(w, &pos)
	}
	scope := w.Scope()
	t := row{
		Queue: q.q.name, Target: a.Target, Account: scope.Account, Region: scope.Region,
		Added: w.Now().UnixNano(), Body: body,
	}
	r.tables.rows.Set(w, t, pos.parts()...)
	looks := r.looksAt(pos.lane).Load()
	w.OnCommit(func() {
		if first {
			r.offer(&item{pos: pos, queue: q.q, row: t, v: v}, looks)
		} else {
			r.miss(pos, q.q)
		}
	})
	w.OnUnknown(func() { r.miss(pos, q.q) })
	return pos.id(0)
}

// follow puts a task with an ordering key behind those the transaction sees, and reports whether there are none. A writer
// that cannot read is an owner's, who alone writes tasks with the key; it cannot tell.
func (r *Runner) follow(w store.Writer, pos *position) bool {
	tx, ok := w.(*store.Tx)
	if !ok {
		return false
	}
	for k := range r.tables.rows.Keys(tx, store.ScanOptions{Reverse: true, Limit: 1}, pos.lane, pos.key) {
		last := positionOf(k)
		pos.serial = max(pos.serial, last.serial+1)
		return false
	}
	return true
}

// Continue replaces the running task by its next step, in the transaction that does this one: for work that goes page by
// page, each page in a transaction of its own. The function then returns nil and is called again with next. An error, which
// it must return, says that the task is not at this step any more: another node has gone on with it.
func (q Queue[T]) Continue(ctx context.Context, tx *store.Tx, next T) error {
	it, t, err := q.current(ctx, tx)
	if err != nil {
		return err
	}
	if t.Body, err = store.Encode(next); err != nil {
		panic(fmt.Sprintf("task: %s: %v", q.q.name, err))
	}
	q.q.forgetEffect(tx, it.pos.id(t.Step))
	t.Step++
	t.Failures, t.NotBefore, t.Error = 0, 0, ""
	q.q.runner.tables.rows.Set(tx, t, it.pos.parts()...)
	tx.OnCommit(func() { it.continued, it.v, it.row = true, next, t })
	return nil
}

// Done removes the running task in the transaction that carries it out: so it is carried out exactly once. An error, which
// the function must return, says that it has been already.
func (q Queue[T]) Done(ctx context.Context, tx *store.Tx) error {
	it, t, err := q.current(ctx, tx)
	if err != nil {
		return err
	}
	q.q.remove(tx, it.pos, t.Step)
	tx.OnCommit(func() { it.done = true })
	return nil
}

// current is the task that ctx belongs to, as the transaction sees it.
func (q Queue[T]) current(ctx context.Context, tx *store.Tx) (*item, row, error) {
	it, ok := ctx.Value(itemKey{}).(*item)
	if !ok || it.queue != q.q {
		panic("task: not in a function of queue " + q.q.name)
	}
	t, ok := q.q.runner.tables.rows.Get(tx, it.pos.parts()...)
	if !ok || t.Step != it.row.Step {
		return nil, row{}, errGone
	}
	return it, t, nil
}

// remove deletes a task and what its target recorded.
func (q *queue) remove(tx *store.Tx, pos position, step uint64) {
	q.runner.tables.rows.Delete(tx, pos.parts()...)
	q.forgetEffect(tx, pos.id(step))
}

func (q *queue) forgetEffect(tx *store.Tx, id string) {
	if q.o.Once {
		q.runner.tables.effects.Delete(tx, id)
	}
}

// Try is what is known of the task that ctx belongs to.
type Try struct {
	Number int       // 1 at the first
	Added  time.Time // by the platform's clock
	Target string
}

// TryOf is the try that ctx belongs to.
func TryOf(ctx context.Context) Try {
	it, ok := ctx.Value(itemKey{}).(*item)
	if !ok {
		return Try{}
	}
	return Try{it.row.Failures + 1, fromNano(it.row.Added), it.row.Target}
}

type itemKey struct{}

// context is what the function is called with.
func (q *queue) context(base context.Context, it *item) (ctx context.Context, id string) {
	id = it.pos.id(it.row.Step)
	req := &aws.Request{Scope: it.row.scope(), ID: id}
	if q.o.Once {
		req.Delivery = id
	}
	return aws.WithRequest(context.WithValue(base, itemKey{}, it), req), id
}

// Permanent marks an error that no further try would mend: the task is given up.
func Permanent(err error) error { return &permanentError{err} }

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// errGone: the task is done or further, by another hand.
var errGone = errors.New("task: it is not at this step any more")
