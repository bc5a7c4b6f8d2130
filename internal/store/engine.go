// Package store keeps everything obidos must not lose: one ordered key space, changed in serializable transactions.
//
// Two contracts stand here. [Engine] and [Txn] are the low one: bytes under bytes, which each engine (pebble, memory,
// postgres) implements and storetest holds them to. [Space], [Tx] and [Table] are the one services use: typed records in
// a private part of the key space, scoped to the account and region of the request.
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Limits of a transaction and of what it writes. An engine refuses what is beyond them.
const (
	MaxKey       = 2600          // bytes of an encoded key
	MaxValue     = 1<<20 + 4<<10 // bytes of a value; what is larger is a blob
	MaxTxnWrites = 1000          // keys one transaction sets or deletes
	MaxTxnBytes  = 4 << 20       // bytes one transaction writes

	MaxTxnTime = 2 * time.Millisecond // a closure runs; longer work is a task that pages
)

// Engine is an ordered key-value store with serializable transactions. Keys are ordered as bytes.Compare orders them.
type Engine interface {
	// Update runs fn in a transaction that is serializable, scans included, and commits what it wrote. fn may run
	// several times and must touch only the transaction and variables of its own. An error of fn is returned as it is and
	// nothing is written; then, and where fn writes nothing, Update returns once what fn read is durable.
	//
	// A nil result means: committed, and durable unless o.Lazy or the engine's mode says otherwise. ErrUnknown: it may
	// or may not have happened. ErrFenced: a fence of o does not hold and never will. A *DiskFullError, or an error that
	// wraps ErrLimit: nothing happened. Conflicts are retried inside: a read that meets one reports an error, which fn
	// returns as it is. Where ctx ends before the commit begins its error is returned and nothing happened. A panic of
	// fn passes through; nothing is written and the engine goes on.
	Update(ctx context.Context, o UpdateOptions, fn func(Txn) error) error

	// View runs fn on a snapshot that holds every acknowledged write and none that a power cut could take back.
	// It never waits.
	View(ctx context.Context, fn func(Reader) error) error

	// Close ends the engine: it waits for transactions under way, syncs, and releases what it holds.
	Close() error
}

// UpdateOptions say how a transaction commits.
type UpdateOptions struct {
	Name      string  // what it is for, in metrics, logs and faults: "sqs.CreateQueue"
	Partition uint16  // a hint: transactions of different partitions seldom touch the same keys
	Lazy      bool    // return when applied: Updates see it; it becomes durable, and Views see it, with the next synced commit
	Owned     bool    // a batch of many callers' writes, exempt from the limits of a single transaction
	Frees     bool    // little, and for getting things done or deleted: on a disk that fills up it is refused last
	Fences    []Fence // must hold at the commit, in the state it is applied to: what fn itself writes there does not count
}

// Fence is a row that must still say what the writer believes: the epoch of something it owns. The value is any byte (a
// record's format), then the epoch in eight bytes, big-endian, then anything. [Table.Fence] makes one.
type Fence struct {
	Key   []byte
	Epoch uint64
}

// CheckFences returns ErrFenced unless all fences hold in r, the state that the commit is applied to. Engines call it
// inside their commit, also where fn wrote nothing.
func CheckFences(r Reader, fences []Fence) error {
	for _, f := range fences {
		v, err := r.Get(f.Key)
		if err != nil {
			return err
		}
		if len(v) < 9 || binary.BigEndian.Uint64(v[1:]) != f.Epoch {
			return ErrFenced
		}
	}
	return nil
}

// Reader reads a consistent state. Slices it returns belong to the engine: they are valid until fn returns and must not
// be changed.
type Reader interface {
	// Get is the value of key, nil where there is none. A present value of no bytes is an empty slice, not nil.
	Get(key []byte) ([]byte, error)
	// GetMany is Get for several keys at once, in their order: one round trip where there are any.
	GetMany(keys [][]byte) ([][]byte, error)
	// Scan calls fn with each key of r in order until fn returns false. Key and value are valid during that call only. fn may
	// read and write through the transaction: the scan goes on over what was there when it began.
	Scan(r Range, fn func(key, value []byte) bool) error
}

// Txn is a transaction under way. It sees its own writes, scans included. Its writes are buffered: they report no
// errors, the commit does. What they are given is copied.
type Txn interface {
	Reader
	Set(key, value []byte)
	Delete(key []byte)
	DeleteRange(lo, hi []byte) // lo ≤ key < hi; nothing where lo ≥ hi
}

// Range is lo ≤ key < hi in ascending order, or descending where Reverse. An empty Hi means to the end.
type Range struct {
	Lo, Hi   []byte
	Reverse  bool
	Limit    int  // at most so many; 0 = all
	KeysOnly bool // values are not needed
}

// The outcomes of a commit that are neither success nor a fault of the disk.
var (
	// ErrUnknown: the commit may or may not have happened. Whoever wrote must read again, after raising its epoch where
	// it owns what it wrote.
	ErrUnknown = errors.New("store: outcome of the commit is unknown")
	// ErrFenced: another node owns what was written. Nothing happened.
	ErrFenced = errors.New("store: fenced: another node owns it")
	// ErrLimit: a key, a value or a transaction is over its limit. Nothing happened.
	ErrLimit = errors.New("store: over a limit")
	// ErrClosed: the engine is closed. Nothing happened.
	ErrClosed = errors.New("store: closed")
	// ErrReadOnly: a write in a View. Nothing happened.
	ErrReadOnly = errors.New("store: write in a View")
)

// DiskFullError refuses a write because the disk has too little room. Reads and deletes go on, and for much longer what
// [UpdateOptions] says Frees.
type DiskFullError struct {
	Path       string
	Free, Need int64 // bytes
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("disk full: %s has %d MiB free, %d MiB are needed: free at least %d MiB there",
		e.Path, e.Free>>20, e.Need>>20, (e.Need-e.Free+(1<<20)-1)>>20)
}
