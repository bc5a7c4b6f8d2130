package task

import (
	"context"
	"errors"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Ledger is where a target whose state is in our store writes down which deliveries it has taken, in the commit that takes
// them: so a task that runs twice, after a crash or on two nodes at once, has its effect once. The record goes with
// the task; and a delivery whose task is gone has been taken, for nobody else could have removed it.
//
// A delivery is named by aws.Request.Delivery; it is empty for calls from outside, which are always taken.
type Ledger struct {
	space  store.Space
	tables tables
}

// NewLedger is the ledger of the runners over space.
func NewLedger(space store.Space) Ledger { return Ledger{space, newTables(space)} }

// Take records in tx that the delivery is taken, with a note of what came of it, an id say. taken says that it was
// already, and note is then that of the first time (empty where the task is gone); the effect must not be repeated.
func (l Ledger) Take(tx *store.Tx, delivery, note string) (before string, taken bool) {
	if delivery == "" {
		return "", false
	}
	if before, state := l.state(tx, delivery); state != open {
		return before, true
	}
	l.tables.effects.Set(tx, effect{Note: note}, delivery)
	return "", false
}

// Pending is the part of a ledger that an owned object keeps in its memory: deliveries whose commit is under way. The zero
// value is ready. It is guarded by the object's lock and dropped with its memory.
type Pending map[string]time.Time

// ErrPending answers a delivery that is just being taken: it must be tried again, to hear that it has been.
var ErrPending = errors.New("task: the delivery is being taken by another call")

// After so long the commit of a delivery is not under way any more: it was refused.
const pendingAtMost = 30 * time.Second

// Batch is an owner's batch: writes that join a commit, and Then, called under the object's lock after it.
type Batch interface {
	store.Writer
	Then(fn func())
}

// Taken is, for an owned object, whether it has taken the delivery already, and the note of that. It reads the store, for
// deliveries only. A delivery that was not taken is to be given to Record by the same call.
func (l Ledger) Taken(ctx context.Context, p Pending, delivery string) (note string, taken bool, err error) {
	if delivery == "" {
		return "", false, nil
	}
	if at, ok := p[delivery]; ok && l.space.Now().Sub(at) < pendingAtMost {
		return "", false, ErrPending
	}
	ask := func(tx *store.Tx) (state standing, err error) {
		note, state = l.state(tx, delivery)
		return state, nil
	}
	state, err := store.View(ctx, l.space, ask)
	if err == nil && state == gone {
		// The newest durable state may be older than a task that was written lazily. Lazily read, too: the object's lock is
		// held, and must not be for as long as a sync takes. What is answered on that is forgotten with what was read.
		state, err = store.UpdateWith(ctx, l.space, store.UpdateOptions{Name: "task.taken", Lazy: true}, ask)
	}
	return note, state != open, err
}

// Record records with the effect, in its batch, that the delivery is taken.
func (l Ledger) Record(p *Pending, b Batch, delivery, note string) {
	if delivery == "" {
		return
	}
	if *p == nil {
		*p = Pending{}
	}
	pending := *p
	pending[delivery] = b.Now()
	b.Then(func() { delete(pending, delivery) })
	l.tables.effects.Set(b, effect{Note: note}, delivery)
}

// standing is what is known of a delivery.
type standing uint8

const (
	open  standing = iota // its task waits for it
	taken                 // it is recorded
	gone                  // its task is gone, or a step further
)

func (l Ledger) state(tx *store.Tx, delivery string) (note string, s standing) {
	if e, ok := l.tables.effects.Get(tx, delivery); ok {
		return e.Note, taken
	}
	pos, step, ok := parseID(delivery)
	if !ok {
		return "", gone
	}
	if t, ok := l.tables.rows.Get(tx, pos.parts()...); !ok || t.Step != step {
		return "", gone
	}
	return "", open
}
