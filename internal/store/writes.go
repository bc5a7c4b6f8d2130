package store

import (
	"encoding/binary"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Writes are writes recorded without a transaction, to join another's commit by [Tx.Apply]: an owner gathers those of
// many callers in one. They see nothing of the store. Not for concurrent use.
type Writes struct {
	space     Space
	scope     aws.Scope
	now       time.Time
	log       []byte // each: operation, length of key, key, length of value or end, value or end
	bounds    Bounds
	err       error
	onCommit  []func()
	onUnknown []func()
	buf       buffers
}

const (
	opSet = iota + 1
	opDelete
	opDeleteRange
)

// NewWrites are no writes yet, at the platform's time now.
func NewWrites(s Space, scope aws.Scope) *Writes {
	return &Writes{space: s, scope: scope, now: s.Now(), bounds: Bounds{Owned: true}}
}

// Reset forgets what is recorded and begins again, now, keeping the memory.
func (w *Writes) Reset(scope aws.Scope) {
	clear(w.onCommit)
	clear(w.onUnknown)
	w.scope, w.now, w.bounds, w.err = scope, w.space.Now(), Bounds{Owned: true}, nil
	w.log, w.onCommit, w.onUnknown = w.log[:0], w.onCommit[:0], w.onUnknown[:0]
}

// Empty reports whether nothing is recorded.
func (w *Writes) Empty() bool { return len(w.log) == 0 && w.err == nil }

// Size is the number of bytes recorded.
func (w *Writes) Size() int { return len(w.log) }

// Err is what spoiled the writes: a record that cannot be encoded, a key or a value over its limit. Applying them
// reports it too; who joins those of many callers asks first, so that one cannot spoil the others'.
func (w *Writes) Err() error { return w.err }

// Now is the platform's time when the writes were begun.
func (w *Writes) Now() time.Time { return w.now }

// NewID is a new random UUID.
func (w *Writes) NewID() string { return newUUID() }

// Scope is the account and region that tables are scoped to.
func (w *Writes) Scope() aws.Scope { return w.scope }

// OnCommit has fn called after the commit that the writes join.
func (w *Writes) OnCommit(fn func()) { w.onCommit = append(w.onCommit, fn) }

// OnUnknown has fn called where the outcome of that commit is unknown.
func (w *Writes) OnUnknown(fn func()) { w.onUnknown = append(w.onUnknown, fn) }

func (w *Writes) set(key, value []byte) {
	if w.bounds.Set(key, value) {
		w.record(opSet, key, value)
	} else {
		w.spoil(w.bounds.Err())
	}
}

func (w *Writes) delete(key []byte) {
	if w.bounds.Delete(key) {
		w.record(opDelete, key, nil)
	} else {
		w.spoil(w.bounds.Err())
	}
}

func (w *Writes) deleteRange(lo, hi []byte) {
	if w.bounds.DeleteRange(lo, hi) {
		w.record(opDeleteRange, lo, hi)
	} else {
		w.spoil(w.bounds.Err())
	}
}

func (w *Writes) buffers() *buffers { return &w.buf }

func (w *Writes) spoil(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *Writes) record(op byte, a, b []byte) {
	w.log = append(w.log, op)
	w.log = binary.AppendUvarint(w.log, uint64(len(a)))
	w.log = append(w.log, a...)
	w.log = binary.AppendUvarint(w.log, uint64(len(b)))
	w.log = append(w.log, b...)
}

// replay makes the recorded writes on to.
func (w *Writes) replay(to *Tx) {
	for rest := w.log; len(rest) > 0; {
		var a, b []byte
		op := rest[0]
		a, rest = field(rest[1:])
		b, rest = field(rest)
		switch op {
		case opSet:
			to.set(a, b)
		case opDelete:
			to.delete(a)
		case opDeleteRange:
			to.deleteRange(a, b)
		}
	}
}

func field(b []byte) (f, rest []byte) {
	n, w := binary.Uvarint(b)
	return b[w : w+int(n)], b[w+int(n):]
}
