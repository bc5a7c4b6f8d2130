package store

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Writer is what can be written through: a transaction, or [Writes] that join another's commit.
type Writer interface {
	// Now is the platform's time, the same all through one transaction.
	Now() time.Time
	// NewID is a new random UUID.
	NewID() string
	// Scope is the account and region that tables are scoped to.
	Scope() aws.Scope
	// OnCommit has fn called once the writes are committed (and durable, where they are to be): a hint to wake somebody,
	// never a source of truth, since a process may die in between.
	OnCommit(fn func())
	// OnUnknown has fn called where it is unknown whether the writes were committed: for those who keep in memory what
	// is written here, and who must then read it again.
	OnUnknown(fn func())

	set(key, value []byte)
	delete(key []byte)
	deleteRange(lo, hi []byte)
	spoil(err error)
	buffers() *buffers
}

// Tx is a transaction as services use it. A read that fails answers "absent" and spoils the transaction: Update or View
// then report why. So code reads on without checking each read. It is valid until the function it was given to returns.
type Tx struct {
	*attempt
	scope aws.Scope
}

// attempt is one run of a transaction's function, shared by the Tx of all scopes.
type attempt struct {
	reader    Reader
	txn       Txn // nil in a View
	now       time.Time
	err       error // the first that spoiled it
	touched   int   // keys read and written
	wrote     int   // those written
	onCommit  []func()
	onUnknown []func()
	buf       *buffers
	root      Tx
}

func (a *attempt) begin(r Reader, txn Txn, now time.Time) {
	a.reader, a.txn, a.now, a.err, a.touched, a.wrote = r, txn, now, nil, 0, 0
	a.onCommit, a.onUnknown = a.onCommit[:0], a.onUnknown[:0]
}

func (a *attempt) end() {
	a.reader, a.txn = ended{}, ended{}
	a.buf.free()
	a.buf = nil
}

// watch tells of an attempt that began at start and took or touched too much. A batch of many callers may touch many keys.
func (a *attempt) watch(overrun func(name string, keys int, took time.Duration), o UpdateOptions, start time.Time) {
	if took := time.Since(start); took > MaxTxnTime || a.touched > MaxTxnWrites && !o.Owned {
		overrun(o.Name, a.touched, took)
	}
}

// Now is the platform's time, the same all through the transaction.
func (tx *Tx) Now() time.Time { return tx.now }

// NewID is a new random UUID.
func (tx *Tx) NewID() string { return newUUID() }

// OnCommit has fn called after the commit.
func (tx *Tx) OnCommit(fn func()) { tx.onCommit = append(tx.onCommit, fn) }

// OnUnknown has fn called after a commit whose outcome is unknown.
func (tx *Tx) OnUnknown(fn func()) { tx.onUnknown = append(tx.onUnknown, fn) }

// Scope is the account and region that tables of this transaction are scoped to.
func (tx *Tx) Scope() aws.Scope { return tx.scope }

// In is the same transaction, scoped to another account and region: for work on behalf of a resource whose ARN names them.
func (tx *Tx) In(s aws.Scope) *Tx { return &Tx{tx.attempt, s} }

// Apply writes what w has recorded, in its order, and takes its OnCommit and OnUnknown over.
func (tx *Tx) Apply(w *Writes) {
	if w.err != nil {
		tx.spoil(w.err)
		return
	}
	w.replay(tx)
	tx.onCommit = append(tx.onCommit, w.onCommit...)
	tx.onUnknown = append(tx.onUnknown, w.onUnknown...)
}

func (tx *Tx) set(key, value []byte) {
	if tx.writable() {
		tx.txn.Set(key, value)
	}
}

func (tx *Tx) delete(key []byte) {
	if tx.writable() {
		tx.txn.Delete(key)
	}
}

func (tx *Tx) deleteRange(lo, hi []byte) {
	if tx.writable() {
		tx.txn.DeleteRange(lo, hi)
	}
}

func (tx *Tx) writable() bool {
	if tx.txn == nil {
		tx.spoil(ErrReadOnly)
	}
	tx.touched++
	tx.wrote++
	return tx.err == nil
}

func (tx *Tx) spoil(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

func (tx *Tx) buffers() *buffers { return tx.buf }

// get is the value of key in the engine's own memory, nil where there is none or the transaction is spoiled.
func (tx *Tx) get(key []byte) []byte {
	if tx.err != nil {
		return nil
	}
	tx.touched++
	v, err := tx.reader.Get(key)
	if err != nil {
		tx.err = err
		return nil
	}
	return v
}

func (tx *Tx) scan(r Range, fn func(key, value []byte) bool) {
	if tx.err != nil {
		return
	}
	if err := tx.reader.Scan(r, func(key, value []byte) bool {
		tx.touched++
		return fn(key, value)
	}); err != nil {
		tx.spoil(err)
	}
}

// ended stands in for the transaction once it is over, so that a Tx kept beyond it is found out.
type ended struct{}

func (ended) Get([]byte) ([]byte, error)                     { panic(afterEnd) }
func (ended) GetMany([][]byte) ([][]byte, error)             { panic(afterEnd) }
func (ended) Scan(Range, func(key, value []byte) bool) error { panic(afterEnd) }
func (ended) Set(_, _ []byte)                                { panic(afterEnd) }
func (ended) Delete([]byte)                                  { panic(afterEnd) }
func (ended) DeleteRange(_, _ []byte)                        { panic(afterEnd) }

const afterEnd = "store: a transaction used after its end"

// buffers are where keys and values are encoded before an engine, or Writes, copy them.
type buffers struct{ key, end, value []byte }

var bufferPool = sync.Pool{New: func() any {
	return &buffers{make([]byte, 0, 256), make([]byte, 0, 256), make([]byte, 0, 2048)}
}}

func newBuffers() *buffers { return bufferPool.Get().(*buffers) }

func (b *buffers) free() {
	if cap(b.value) <= 64<<10 { // a rare large value must not stay
		bufferPool.Put(b)
	}
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return aws.UUID(b)
}
