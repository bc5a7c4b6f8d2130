package blob

import (
	"context"
	"errors"
)

// Layer is a store of blobs over another, which it only reads: what is written and freed is of the upper one.
type Layer struct {
	Store       // the upper one
	Below Store // never changed
}

// Open reads a blob of either.
func (l Layer) Open(ctx context.Context, id ID) (Reader, error) {
	r, err := l.Store.Open(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return l.Below.Open(ctx, id)
	}
	return r, err
}
