package store

import "fmt"

// Bounds adds up what a transaction writes and holds it to the limits. Engines have one in each transaction: they ask it
// before they take a write, and for its error at the commit.
type Bounds struct {
	Owned bool // as UpdateOptions: the limits of a key and of a value hold, those of the transaction do not

	keys, bytes int
	err         error
}

// Set reports whether key may be set to value. Where it may not the transaction is spoiled: Err says why.
func (b *Bounds) Set(key, value []byte) bool {
	if len(value) > MaxValue {
		b.refuse("a value of %d bytes, at most %d", len(value), MaxValue)
		return false
	}
	return b.Delete(key) && b.add(len(value))
}

// Delete reports whether key may be deleted.
func (b *Bounds) Delete(key []byte) bool {
	if len(key) == 0 || len(key) > MaxKey {
		b.refuse("a key of %d bytes, 1 to %d", len(key), MaxKey)
		return false
	}
	b.keys++
	return b.add(len(key))
}

// DeleteRange reports whether lo to hi may be deleted. It counts as one key: no engine does work for each one in it before the commit.
func (b *Bounds) DeleteRange(lo, hi []byte) bool {
	if len(lo) > MaxKey+1 || len(hi) > MaxKey+1 { // the end of a range is a key and one byte
		b.refuse("a key of %d bytes, at most %d", max(len(lo), len(hi)), MaxKey)
		return false
	}
	b.keys++
	return b.add(len(lo) + len(hi))
}

// Err is why the transaction must not commit, an error that wraps ErrLimit, or nil.
func (b *Bounds) Err() error { return b.err }

func (b *Bounds) add(n int) bool {
	b.bytes += n
	switch {
	case b.Owned || b.err != nil:
	case b.keys > MaxTxnWrites:
		b.refuse("a transaction of more than %d writes", MaxTxnWrites)
	case b.bytes > MaxTxnBytes:
		b.refuse("a transaction of more than %d bytes", MaxTxnBytes)
	}
	return b.err == nil
}

func (b *Bounds) refuse(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
	}
}
