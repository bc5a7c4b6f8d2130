package store

import (
	"fmt"
	"iter"
	"reflect"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store/key"
)

// Table is a set of records of type V in a space, each under a tuple of key parts (string, []byte, bool, integers,
// time.Time, [16]byte), ordered by it part by part. It is scoped: a transaction sees the records of its own account and
// region, unless the table is Global.
//
// V is a value; [Unknown] says what a struct needs and how it is encoded, [Recorder] how it brings its own codec.
type Table[V any] struct{ *table }

type table struct {
	name   string
	prefix []byte
	global bool
	codec  *codec
}

// TableOption is a choice made once for a table.
type TableOption func(*table)

// Global is for tables whose records belong to no account and region, or name them in their keys.
func Global(t *table) { t.global = true }

// Key is the key of a record without what names the table and the scope: part 0 is the first that Set was given. One
// that a scan gives is valid during that step only; Clone it to keep it.
type Key = key.Tuple

// NewTable declares a table. id tells it from the others of the space; it is part of every key and must never change, nor
// be used again. A type that cannot be a record is a bug, and panics.
func NewTable[V any](s Space, id uint8, name string, o ...TableOption) Table[V] {
	if s.store == nil {
		panic("store: table " + name + " of no space")
	}
	t := &table{name: s.name + "." + name}
	for _, f := range o {
		f(t)
	}
	t.prefix = append(append([]byte(s.name), 0), id)
	s.store.declare(t)
	t.codec = newCodec(t.name, reflect.TypeFor[V](), func() any { return &cell{record: new(V)} })
	return Table[V]{t}
}

// Get is the record under key, and whether there is one.
func (t Table[V]) Get(tx *Tx, key ...any) (v V, ok bool) {
	if value := t.read(tx, key); value != nil {
		return t.value(tx, value)
	}
	return v, false
}

// value is the record stored as src.
func (t Table[V]) value(tx *Tx, src []byte) (v V, ok bool) {
	if t.codec.empty {
		return v, true
	}
	c := t.codec.cells.Get().(*cell)
	p := c.record.(*V)
	if ok = t.parse(tx, c, src); ok {
		v = *p
	}
	var zero V
	*p = zero
	t.codec.put(c)
	return v, ok
}

// Set makes v the record under key.
func (t Table[V]) Set(w Writer, v V, key ...any) {
	c := t.codec.cells.Get().(*cell)
	p := c.record.(*V)
	*p = v
	t.write(w, c, key)
	var zero V
	*p = zero
	t.codec.put(c)
}

// ScanOptions choose among the records under a prefix and their order. From, After and Before are tuples that continue the
// prefix; the zero value is all records, in ascending order.
type ScanOptions struct {
	From    []any // not those before it
	After   []any // not those up to it, nor those whose keys continue it
	Before  []any // only those before it
	Reverse bool  // descending
	Limit   int   // at most so many; 0 = all
}

// Scan gives the records whose keys begin with prefix. The loop may read and write through tx: it goes on over what
// was there when it began.
func (t Table[V]) Scan(tx *Tx, o ScanOptions, prefix ...any) iter.Seq2[Key, V] {
	r, skip := t.rangeOf(tx.scope, o, prefix)
	r.KeysOnly = t.codec.empty
	return func(yield func(Key, V) bool) {
		tx.scan(r, func(k, value []byte) bool {
			v, ok := t.value(tx, value)
			return ok && yield(Key(k[skip:]), v) && tx.err == nil
		})
	}
}

// What follows knows nothing of a record's type, so that it is there once and not again for every kind of record.

// read is what is stored under key, nil where nothing is.
func (t *table) read(tx *Tx, key []any) []byte {
	b := tx.buf
	b.key = t.appendKey(b.key[:0], tx.scope, key)
	return tx.get(b.key)
}

// parse sets c's record, which is zero, to what is stored as src.
func (t *table) parse(tx *Tx, c *cell, src []byte) bool {
	err := t.codec.decode(src, c.record)
	if err != nil {
		tx.spoil(fmt.Errorf("read %s: %w", t.name, err))
	}
	return err == nil
}

// write makes c's record the one under key.
func (t *table) write(w Writer, c *cell, key []any) {
	b := w.buffers()
	b.key = t.appendKey(b.key[:0], w.Scope(), key)
	var err error
	if b.value, err = t.codec.append(b.value[:0], c); err != nil {
		w.spoil(fmt.Errorf("write %s: %w", t.name, err))
		return
	}
	w.set(b.key, b.value)
}

// Has reports whether there is a record under key.
func (t *table) Has(tx *Tx, key ...any) bool { return t.read(tx, key) != nil }

// Delete removes the record under key, if there is one.
func (t *table) Delete(w Writer, key ...any) {
	b := w.buffers()
	b.key = t.appendKey(b.key[:0], w.Scope(), key)
	w.delete(b.key)
}

// DeleteAll removes all records whose keys begin with prefix, the one under prefix itself too: one write, however many they are.
func (t *table) DeleteAll(w Writer, prefix ...any) {
	b := w.buffers()
	b.key = t.appendKey(b.key[:0], w.Scope(), prefix)
	b.end = key.End(append(b.end[:0], b.key...))
	w.deleteRange(b.key, b.end)
}

// Keys gives the keys that begin with prefix, without reading the records.
func (t *table) Keys(tx *Tx, o ScanOptions, prefix ...any) iter.Seq[Key] {
	r, skip := t.rangeOf(tx.scope, o, prefix)
	r.KeysOnly = true
	return func(yield func(Key) bool) {
		tx.scan(r, func(k, _ []byte) bool { return yield(Key(k[skip:])) && tx.err == nil })
	}
}

// Fence is the fence that the record under key, whose codec writes an epoch of eight bytes, big-endian, first, still has
// this epoch. The table must be Global.
func (t *table) Fence(epoch uint64, key ...any) Fence {
	if !t.global || !t.codec.hot {
		panic("store: " + t.name + " cannot hold fences: it must be global and its records bring their codec")
	}
	return Fence{t.appendKey(nil, aws.Scope{}, key), epoch}
}

func (t *table) appendKey(dst []byte, s aws.Scope, parts []any) []byte {
	dst = t.appendScope(dst, s)
	return key.Append(dst, parts...)
}

// appendScope appends what all keys of the table have in front in scope s. An account is a number, which is a third of its digits.
func (t *table) appendScope(dst []byte, s aws.Scope) []byte {
	dst = append(dst, t.prefix...)
	if t.global {
		return dst
	}
	if n, err := strconv.ParseUint(s.Account, 10, 64); err == nil && len(s.Account) == 12 {
		dst = key.AppendUint(dst, n)
	} else {
		dst = key.AppendString(dst, s.Account)
	}
	return key.AppendString(dst, s.Region)
}

// rangeOf is the range of keys, and how many bytes of each name the table and the scope.
func (t *table) rangeOf(s aws.Scope, o ScanOptions, prefix []any) (r Range, skip int) {
	b := t.appendScope(make([]byte, 0, 128), s)
	skip = len(b)
	b = key.Append(b, prefix...)
	n := len(b)

	b = key.Append(b, o.From...)
	if o.After != nil {
		b = key.End(key.Append(b[:n], o.After...))
	}
	r.Lo = b[:len(b):len(b)]

	hi := append(make([]byte, 0, n+32), b[:n]...)
	if o.Before != nil {
		hi = key.Append(hi, o.Before...)
	} else {
		hi = key.End(hi)
	}
	r.Hi, r.Reverse, r.Limit = hi, o.Reverse, o.Limit
	return r, skip
}
