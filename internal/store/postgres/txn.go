package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/obidos-cloud/obidos/internal/store"
)

// reader reads one snapshot. It takes a connection with its first read, which brings BEGIN along.
type reader struct {
	e       *Engine
	ctx     context.Context
	begin   statement
	c       *conn // nil before the first read
	failure error // of a read: nothing comes of the transaction
	arena   arena
}

// read runs a statement and gives each of its rows to row, in which they are valid.
func (r *reader) read(s statement, row func(values [][]byte), params ...[]byte) error {
	if r.failure != nil {
		return r.failure
	}
	if err := r.ctx.Err(); err != nil {
		r.failure = err
		return err
	}
	r.failure = r.tryRead(s, row, params)
	return r.failure
}

func (r *reader) tryRead(s statement, row func(values [][]byte), params [][]byte) error {
	first := r.c == nil
	for try := 0; ; try++ {
		var b pgconn.Batch
		n := 0
		if first {
			c, err := r.e.pool.take(r.ctx)
			if err != nil {
				return err
			}
			r.c = c
			b.ExecStatement(c.prepared[r.begin], nil, nil, nil)
			n = 1
		}
		b.ExecStatement(r.c.prepared[s], params, binary1, binary1)
		r.c.extend(1)
		rows := 0
		err := r.c.send(&b, n, func(values [][]byte) { rows++; row(values) })
		if err == nil {
			return nil
		}
		err = explain(r.c, err)
		if first && rows == 0 && try < 3 && errors.Is(err, errGone) { // no snapshot was seen yet: another connection does as well
			r.end()
			continue
		}
		return err
	}
}

// end ends the transaction, if it was begun and not committed.
func (r *reader) end() {
	c := r.c
	if c == nil {
		return
	}
	r.c = nil
	if !c.bad && c.pg.TxStatus() != 'I' {
		_ = c.exec(`rollback`) // who fails is not used again
	}
	r.e.pool.give(c)
}

// Get reads one key.
func (r *reader) Get(key []byte) (value []byte, err error) {
	if len(key) == 0 { // there is none, but for the format
		return nil, nil
	}
	err = r.read(get, func(values [][]byte) { value = r.arena.copy(values[0]) }, key)
	return value, err
}

// GetMany reads several keys.
func (r *reader) GetMany(keys [][]byte) ([][]byte, error) {
	out := make([][]byte, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	found := make(map[string][]byte, len(keys))
	var a array
	a.reset(32 * len(keys))
	for _, k := range keys {
		if len(k) > 0 {
			a.add(k)
		}
	}
	if err := r.read(getMany, func(values [][]byte) { found[string(values[0])] = r.arena.copy(values[1]) }, a.bytes()); err != nil {
		return nil, err
	}
	for i, k := range keys {
		out[i] = found[string(k)]
	}
	return out, nil
}

// Scan reads a range.
func (r *reader) Scan(g store.Range, fn func(key, value []byte) bool) error {
	lo, hi := limits(g)
	return r.scan(g, lo, hi, overlay{}, fn)
}

// limits are g's, where none is open: the empty key is not for transactions.
func limits(g store.Range) (lo, hi []byte) {
	lo, hi = g.Lo, g.Hi
	if len(lo) == 0 {
		lo = firstKey
	}
	if len(hi) == 0 {
		hi = afterAll
	}
	return lo, hi
}

// Pages of a scan: the first is small, the next as large as such rows allow.
const (
	firstPage = 32
	maxPage   = 2000
	pageBytes = 256 << 10
)

// scan merges what is stored with own, page by page.
func (r *reader) scan(g store.Range, lo, hi []byte, own overlay, fn func(key, value []byte) bool) error {
	if bytes.Compare(lo, hi) >= 0 {
		return nil
	}
	s := scanUp
	switch {
	case g.KeysOnly && g.Reverse:
		s = keysDown
	case g.KeysOnly:
		s = keysUp
	case g.Reverse:
		s = scanDown
	}
	n := 0
	emit := func(key, value []byte) bool {
		n++
		return fn(key, value) && (g.Limit == 0 || n < g.Limit)
	}
	size := firstPage
	for {
		if g.Limit > 0 && len(own.rows) == 0 && len(own.ranges) == 0 {
			size = min(size, g.Limit-n)
		}
		var (
			page []byte // keys and values
			at   []int  // where each of them ends
		)
		if err := r.read(s, func(values [][]byte) {
			for _, v := range values {
				page = append(page, v...)
				at = append(at, len(page))
			}
		}, lo, hi, int8s(int64(size))); err != nil {
			return err
		}
		columns := 2
		if g.KeysOnly {
			columns = 1
		}
		start := 0
		for i := 0; i < len(at); i += columns {
			k := page[start:at[i]:at[i]]
			start = at[i]
			var v []byte
			if !g.KeysOnly {
				v = page[start:at[i+1]:at[i+1]]
				start = at[i+1]
			}
			goOn, same := own.before(k, g.Reverse, emit)
			if !goOn {
				return nil
			}
			if !same && !erased(own.ranges, k) && !emit(k, v) {
				return nil
			}
			if i+columns == len(at) { // the next page begins behind this key
				if g.Reverse {
					hi = bytes.Clone(k)
				} else {
					lo = append(bytes.Clone(k), 0)
				}
			}
		}
		rows := len(at) / columns
		if rows < size {
			own.before(nil, g.Reverse, emit)
			return nil
		}
		size = min(max(pageBytes/max(len(page)/rows, 1), 8), maxPage)
	}
}

// before emits the own rows that come before key in the order of the scan, all where it is nil. same says that key itself is
// among them; goOn that the scan goes on.
func (o *overlay) before(key []byte, reverse bool, emit func(key, value []byte) bool) (goOn, same bool) {
	for len(o.rows) > 0 {
		own := o.rows[0]
		if key != nil {
			order := bytes.Compare(own.key, key)
			if reverse {
				order = -order
			}
			if order > 0 {
				break
			}
			same = same || order == 0
		}
		o.rows = o.rows[1:]
		if own.value != nil && !emit(own.key, own.value) {
			return false, same
		}
	}
	return true, same
}

// txn is an Update under way.
type txn struct {
	reader
	writes writes
	bounds store.Bounds
	bytes  int
}

func newTxn(e *Engine, ctx context.Context, o store.UpdateOptions) *txn {
	t := &txn{reader: reader{e: e, ctx: ctx, begin: beginUpdate}, bounds: store.Bounds{Owned: o.Owned}}
	t.writes.init()
	return t
}

// Get reads one key, as written here or as stored.
func (t *txn) Get(key []byte) ([]byte, error) {
	if v, ok := t.writes.find(key); ok {
		return v, t.failure
	}
	return t.reader.Get(key)
}

// GetMany reads several keys.
func (t *txn) GetMany(keys [][]byte) ([][]byte, error) {
	out := make([][]byte, len(keys))
	var others [][]byte
	var where []int
	for i, k := range keys {
		if v, ok := t.writes.find(k); ok {
			out[i] = v
		} else {
			others, where = append(others, k), append(where, i)
		}
	}
	stored, err := t.reader.GetMany(others)
	if err != nil {
		return nil, err
	}
	for i, v := range stored {
		out[where[i]] = v
	}
	return out, nil
}

// Scan reads a range as it is when the scan begins: what fn writes, the next scan sees.
func (t *txn) Scan(g store.Range, fn func(key, value []byte) bool) error {
	lo, hi := limits(g)
	return t.scan(g, lo, hi, t.writes.overlay(lo, hi, g.Reverse), fn)
}

// Set writes a value.
func (t *txn) Set(key, value []byte) {
	if t.bounds.Set(key, value) {
		t.bytes += len(key) + len(value)
		t.writes.set(key, value)
	}
}

// Delete removes a key.
func (t *txn) Delete(key []byte) {
	if t.bounds.Delete(key) {
		t.bytes += len(key)
		t.writes.erase(key)
	}
}

// DeleteRange removes lo ≤ key < hi.
func (t *txn) DeleteRange(lo, hi []byte) {
	if bytes.Compare(lo, hi) < 0 && t.bounds.DeleteRange(lo, hi) {
		if len(lo) == 0 {
			lo = firstKey
		}
		t.writes.eraseRange(lo, hi)
	}
}

// longer is how many times the usual time it takes to erase ranges: nobody knows how much is in them.
const longer = 60

// commit sends what was written and COMMIT, in one round trip.
func (t *txn) commit(fences []store.Fence) error {
	var b pgconn.Batch
	if t.c == nil {
		c, err := t.e.pool.take(t.ctx)
		if err != nil {
			return err
		}
		t.c = c
		b.ExecStatement(c.prepared[t.begin], nil, nil, nil)
	}
	c := t.c
	var keys, values array
	if len(fences) > 0 {
		keys.reset(64 * len(fences))
		values.reset(16 * len(fences))
		for _, f := range fences {
			keys.add(f.Key)
			values.add(binary.BigEndian.AppendUint64(nil, f.Epoch))
		}
		b.ExecStatement(c.prepared[fence], [][]byte{keys.bytes(), values.bytes(), int8s(int64(len(fences)))}, binary1, binary1)
	}
	for _, s := range t.writes.ranges {
		b.ExecStatement(c.prepared[eraseRange], [][]byte{s.lo, s.hi}, binary1, nil)
	}
	// In the order of keys, so that two transactions do not wait for each other.
	keys.reset(t.bytes/4 + 64)
	values.reset(t.bytes + 64)
	var gone array
	gone.reset(64)
	t.writes.rows.Scan(func(r row) bool {
		if r.value == nil {
			gone.add(r.key)
		} else {
			keys.add(r.key)
			values.add(r.value)
		}
		return true
	})
	if gone.n > 0 {
		b.ExecStatement(c.prepared[erase], [][]byte{gone.bytes()}, binary1, nil)
	}
	if keys.n > 0 {
		b.ExecStatement(c.prepared[set], [][]byte{keys.bytes(), values.bytes()}, binary1, nil)
	}
	b.ExecStatement(c.prepared[commit], nil, nil, nil)
	if len(t.writes.ranges) > 0 {
		c.extend(longer)
	} else {
		c.extend(1)
	}
	err := c.send(&b, -1, nil)
	switch {
	case t.writes.empty(): // whatever became of it, nothing happened
		if err != nil {
			return explain(c, err)
		}
	case err == nil && c.doubt:
		c.bad = true
		return fmt.Errorf("%w: it was cancelled while it waited for the standby", store.ErrUnknown)
	case err != nil:
		err = outcome(c, err)
		if errors.Is(err, store.ErrUnknown) && len(fences) == 0 {
			t.e.settle(c)
		}
	}
	return err
}
