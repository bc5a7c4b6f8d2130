// Package blob keeps bytes that are too large for the store. A blob is written once, whole and durable before anything
// names it, and never changes; the store alone says which blobs exist.
//
// The life of a blob: [Store.Create], write, [Writer.Finish]; then one transaction that writes its [ID] into a record; then
// [Store.Keep]. Whoever dies in between leaves it to [Store.Pending], which the next start asks, or, where many write to one
// store, anybody who finds it old: what a record names is kept, the rest is freed. When a transaction removes the last record
// that names a blob, a [Sweeper] frees it once nobody can read an older state of the store.
package blob

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// ID names a blob: random, so that two nodes or two tries never choose the same.
type ID [16]byte

// NewID is a new ID.
func NewID() ID {
	var id ID
	rand.Read(id[:])
	return id
}

// String is id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("blob: %q is not an id", s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("blob: %q is not an id", s)
	}
	if id.String() != s {
		return ID{}, fmt.Errorf("blob: %q is not an id", s)
	}
	return id, nil
}

// ErrNotFound: there is no finished blob of that id.
var ErrNotFound = errors.New("blob: not found")

// Store keeps blobs. It may be used by many goroutines at once.
type Store interface {
	// Create begins a blob, which is to be finished before ctx ends.
	Create(ctx context.Context) (Writer, error)
	// Open reads a finished blob, ErrNotFound where there is none. Who has it open reads it to the end, until ctx ends,
	// whether or not it is freed by this process meanwhile; of what other processes free, see [Sweeper].
	Open(ctx context.Context, id ID) (Reader, error)
	// Keep says that records name these blobs, durably: they are pending no longer. Where a crash undoes it they are
	// pending again.
	Keep(ctx context.Context, ids ...ID) error
	// Free removes blobs, durably. What is not there is none the less free.
	Free(ctx context.Context, ids ...ID) error
	// Pending lists what was begun or finished and neither kept nor freed, and not written to for so long: right after a
	// start, what an earlier process left; later also what is being written.
	Pending(ctx context.Context, age time.Duration) ([]ID, error)
}

// Writer writes one blob, by one goroutine.
type Writer interface {
	io.Writer
	// ID is the blob's, from the beginning.
	ID() ID
	// Finish makes the blob durable and readable. It is pending until it is kept.
	Finish() error
	// Abort gives the blob up. After Finish, or a second time, it does nothing: it may be deferred.
	Abort()
}

// Reader reads one blob.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
