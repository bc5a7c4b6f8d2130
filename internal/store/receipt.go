package store

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Unsure is an engine that may answer ErrUnknown in ordinary use: one behind a network.
type Unsure interface{ Unsure() bool }

// receipts tell of updates that no owner answers for whether they were committed. Each takes one for its time: a row with a
// number, which is its fence, and which it raises in its own commit. So where the outcome is unknown the row tells: it was raised,
// or it is raised now, and the commit that was lost under way is shut out for good.
type receipts struct {
	mu    sync.Mutex
	store *Store // whose they are; nil before the first
	table Table[receiptRow]
	owner string // this process
	made  uint64
	free  []*receipt
}

// receipt is used by one update at a time.
type receipt struct {
	id     uint64
	number uint64 // the row has it
	signed bool   // in the last run
}

// receiptRow is a receipt in the store. What a process leaves there when it ends is deleted by another, after a while.
type receiptRow struct {
	number uint64
	at     int64 // Unix seconds when it was last used
}

func (r *receiptRow) AppendRecord(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, r.number), uint64(r.at))
}

func (r *receiptRow) ParseRecord(src []byte) error {
	if len(src) < 16 {
		return errors.New("store: a receipt is too short")
	}
	r.number, r.at = binary.BigEndian.Uint64(src), int64(binary.BigEndian.Uint64(src[8:]))
	return nil
}

const (
	receiptsLast = 24 * time.Hour // since they were used
	oldReceipts  = 500            // are deleted at a time
	settleTries  = 5
	settleTime   = 15 * time.Second
)

// unsure reports that an update needs a receipt.
func (s *Store) unsure(o UpdateOptions) bool {
	e, ok := s.Engine.(Unsure)
	return ok && !o.Owned && !o.Lazy && len(o.Fences) == 0 && e.Unsure()
}

// surely runs an update until it is known what came of it.
func (s *Store) surely(ctx context.Context, o UpdateOptions, run func(UpdateOptions, *receipt) error) error {
	for {
		r, err := s.receipt(ctx)
		if err != nil {
			return err
		}
		o.Fences = []Fence{s.receipts.table.Fence(r.number, s.receipts.owner, r.id)}
		err = run(o, r)
		switch {
		case errors.Is(err, ErrFenced): // it was deleted: the store was emptied, or this process stood still for long
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		case errors.Is(err, ErrUnknown):
			happened, known := s.settle(ctx, r)
			if !known {
				return err
			}
			s.receipts.give(r)
			if happened {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		case err == nil && r.signed:
			r.number++
		}
		s.receipts.give(r)
		return err
	}
}

// sign raises the receipt in the update that a has just run, where that writes anything.
func (r *receipt) sign(s *Store, a *attempt) {
	r.signed = a.wrote > 0 && a.wrote < MaxTxnWrites && a.err == nil
	if r.signed {
		s.receipts.table.Set(&a.root, receiptRow{r.number + 1, a.now.Unix()}, s.receipts.owner, r.id)
	}
}

// settle finds out what became of the update that r was for. Where it did not happen, it never will.
func (s *Store) settle(ctx context.Context, r *receipt) (happened, known bool) {
	if !r.signed {
		return false, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	space := Space{s, receiptSpace}
	for range settleTries {
		found, err := directly(ctx, space, func(tx *Tx) (found uint64) {
			row, _ := s.receipts.table.Get(tx, s.receipts.owner, r.id)
			if row.number == r.number {
				s.receipts.table.Set(tx, receiptRow{r.number + 2, tx.now.Unix()}, s.receipts.owner, r.id)
				return r.number + 2
			}
			return row.number
		})
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil || found != r.number+1 && found != r.number+2 {
			return false, false
		}
		happened = found == r.number+1
		r.number = found
		return happened, true
	}
	return false, false
}

// receiptSpace is the name of the space that receipts are in.
const receiptSpace = "receipt"

// directly is Update without a receipt, of what may be done twice.
func directly[T any](ctx context.Context, s Space, fn func(tx *Tx) T) (out T, err error) {
	a := attempt{buf: newBuffers()}
	a.root = Tx{attempt: &a}
	defer a.end()
	err = s.store.Engine.Update(ctx, UpdateOptions{Name: receiptSpace, Frees: true}, func(txn Txn) error {
		a.begin(txn, txn, s.Now())
		out = fn(&a.root)
		return a.err
	})
	return out, err
}

// receipt is one that is in nobody's use, made where there is none.
func (s *Store) receipt(ctx context.Context) (*receipt, error) {
	c := &s.receipts
	space := Space{s, receiptSpace}
	c.mu.Lock()
	first := c.store == nil
	if first {
		c.store, c.table, c.owner = s, NewTable[receiptRow](space, 1, "receipt", Global), newUUID()
	}
	if n := len(c.free) - 1; n >= 0 {
		r := c.free[n]
		c.free = c.free[:n]
		c.mu.Unlock()
		return r, nil
	}
	c.mu.Unlock()
	for try := 0; ; try++ {
		c.mu.Lock()
		c.made++
		r := &receipt{id: c.made, number: 1}
		c.mu.Unlock()
		_, err := directly(ctx, space, func(tx *Tx) struct{} {
			c.table.Set(tx, receiptRow{r.number, tx.now.Unix()}, c.owner, r.id)
			if first {
				c.tidy(tx)
			}
			return struct{}{}
		})
		if !errors.Is(err, ErrUnknown) || try == settleTries { // else it may still come, and set back what is made of it: another
			return r, err
		}
	}
}

// tidy deletes receipts that nobody has used for long.
func (c *receipts) tidy(tx *Tx) {
	for k, row := range c.table.Scan(tx, ScanOptions{Limit: oldReceipts}) {
		if tx.now.Unix()-row.at > int64(receiptsLast/time.Second) {
			c.table.Delete(tx, k.String(0), k.Uint64(1))
		}
	}
}

func (c *receipts) give(r *receipt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, r)
}
