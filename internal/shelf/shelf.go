// Package shelf keeps account of the blobs that the state names: it is where services put blobs and take them away.
//
// The life of a blob on it: [Shelf.Create], write, finish; then [Shelf.Put] in the transaction that writes its id into a
// record; and [Shelf.Take] in the one that removes the last record with it. Everything else follows: what was put is kept,
// what was taken is freed once no saved snapshot can name it any more, what a crash left half done is settled at the next
// start. Whoever reads an id in one transaction and finds no blob under it afterwards reads again: the record has
// changed meanwhile. Where several processes share a store of blobs, time stands in for what one cannot know of another,
// see [Grace].
//
// It keeps, in its own space: named/<id> which blobs records name; grave/<id> those that no record names any more, with
// the number the state had then; number, which rises with every snapshot that is saved, and whenever the state is set
// back to one. A snapshot of number n may name what died at n or later, and names nothing that died before.
//
// It promises that the shelf of the running state knows every blob there is, those that only snapshots name
// included: so setting the state back loses none, and leaves none behind for good.
package shelf

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/store"
)

// SpaceName is the name of the space that a Shelf is given.
const SpaceName = "shelf"

// The ids of the tables. Which blobs are named is part of the state; the rest belongs to this store of blobs.
const (
	NamedTable = iota + 1
	graveTable
	numberTable
)

// NodePrefixes are what the keys of all tables begin with that mean nothing beside another store of blobs.
func NodePrefixes() [][]byte {
	return [][]byte{store.TablePrefix(SpaceName, graveTable), store.TablePrefix(SpaceName, numberTable)}
}

type tables struct {
	named  store.Table[struct{}] // id → a blob that records name
	graves store.Table[grave]    // id → one that none does
	number store.Table[uint64]   // () → the state's number
}

func newTables(s store.Space) tables {
	return tables{
		named:  store.NewTable[struct{}](s, NamedTable, "named", store.Global),
		graves: store.NewTable[grave](s, graveTable, "grave", store.Global),
		number: store.NewTable[uint64](s, numberTable, "number", store.Global),
	}
}

// grave is a blob that died when the state had a number.
type grave struct {
	store.Unknown
	At uint64 `cbor:"1,keyasint"`
}

// current is the state's number: 1 at first.
func (t tables) current(tx *store.Tx) uint64 {
	n, _ := t.number.Get(tx)
	return max(n, 1)
}

// Options of a shelf.
type Options struct {
	// Oldest is the number of the oldest snapshot that is kept, blob.Nothing where there is none. Nil: there never is one.
	Oldest func() uint64
	// Alone says that nobody else writes blobs to the store: what is pending when Run begins was left by a crash.
	Alone bool
	// Grace is for a store that others write to and read; it is not set where Alone is.
	Grace Grace
	Log   *slog.Logger // may be nil
}

// Grace is how long is waited for what other processes may be doing. Zero is for ever.
type Grace struct {
	// Begun is how long ago what is pending must have been begun, or written to last, before it counts as left by a crash.
	// Whoever has finished a blob must have put it by then.
	Begun time.Duration
	// Read is how long what is dead is kept, for those who have begun to read it.
	Read time.Duration
}

// Shelf is the account of one store of blobs.
type Shelf struct {
	space   store.Space
	tables  tables
	blobs   blob.Store
	sweeper *blob.Sweeper
	alone   bool
	grace   Grace
	log     *slog.Logger
	look    chan struct{} // there is something to keep or to sweep; holds one

	mu    sync.Mutex
	named []blob.ID // put, and to be kept

	begin sync.RWMutex     // held for writing while what was left pending is listed
	begun map[blob.ID]bool // by this process, while that has not been settled; nil afterwards
}

// New is a shelf over blobs.
func New(space store.Space, blobs blob.Store, o Options) *Shelf {
	oldest := func() uint64 { return blob.Nothing }
	if o.Oldest != nil {
		oldest = func() uint64 {
			if n := o.Oldest(); n != blob.Nothing {
				return n - 1 // what died at n itself may be named by it
			}
			return blob.Nothing
		}
	}
	s := &Shelf{
		space: space, tables: newTables(space), blobs: blobs, sweeper: blob.NewSweeper(blobs, oldest),
		alone: o.Alone, grace: o.Grace, log: o.Log, look: make(chan struct{}, 1), begun: map[blob.ID]bool{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Create begins a blob.
func (s *Shelf) Create(ctx context.Context) (blob.Writer, error) {
	s.begin.RLock()
	defer s.begin.RUnlock()
	w, err := s.blobs.Create(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun != nil {
		s.begun[w.ID()] = true
	}
	return w, nil
}

// Open reads a blob that a record names.
func (s *Shelf) Open(ctx context.Context, id blob.ID) (blob.Reader, error) {
	return s.blobs.Open(ctx, id)
}

// Put says, in the transaction that writes id into a record, that it is named.
func (s *Shelf) Put(w store.Writer, id blob.ID) {
	s.tables.named.Set(w, struct{}{}, [16]byte(id))
	w.OnCommit(func() {
		s.mu.Lock()
		s.named = append(s.named, id)
		s.mu.Unlock()
		s.Look()
	})
}

// Take says, in the transaction that removes the last record with id, that nothing names it any more.
func (s *Shelf) Take(tx *store.Tx, id blob.ID) {
	at := s.tables.current(tx)
	s.tables.named.Delete(tx, [16]byte(id))
	s.tables.graves.Set(tx, grave{At: at}, [16]byte(id))
	tx.OnCommit(func() {
		s.sweeper.Bury(blob.Grave{ID: id, At: at, Until: s.until()})
		s.Look()
	})
}

// until is when what dies now may be freed.
func (s *Shelf) until() time.Time {
	if s.grace.Read == 0 {
		return time.Time{}
	}
	return time.Now().Add(s.grace.Read)
}

// Hold keeps all blobs that are named now, until it is released: for who reads names over a long time.
func (s *Shelf) Hold() *blob.Pin { return s.sweeper.Pin(0) }

// Look has Run look at what can be freed: a snapshot is gone.
func (s *Shelf) Look() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// Advance gives the state the next number and answers it: that of a snapshot about to be saved.
func Advance(ctx context.Context, space store.Space) (uint64, error) {
	t := newTables(space)
	return store.UpdateWith(ctx, space, store.UpdateOptions{Name: "shelf.advance", Frees: true}, func(tx *store.Tx) (uint64, error) {
		n := t.current(tx) + 1
		t.number.Set(tx, n)
		return n, nil
	})
}

// Named are the blobs that the state of tx names, in the order of their ids.
func Named(tx *store.Tx, space store.Space) iter.Seq[blob.ID] {
	return func(yield func(blob.ID) bool) {
		for k := range newTables(space).named.Keys(tx, store.ScanOptions{}) {
			if !yield(blob.ID(k.ID(0))) {
				return
			}
		}
	}
}

// Run keeps and frees what is to be, until ctx ends.
func (s *Shelf) Run(ctx context.Context) error {
	var settle time.Time // when what others have left is looked for
	var again *time.Timer
	defer func() {
		if again != nil {
			again.Stop()
		}
	}()
	for {
		var failed error
		if !settle.After(time.Now()) {
			failed = s.settle(ctx)
			if failed != nil && s.alone && ctx.Err() == nil {
				return failed
			}
			settle = time.Now().Add(s.grace.Begun)
			if s.grace.Begun == 0 {
				settle = never
			}
			if failed != nil {
				settle = time.Time{}
			}
		}
		if failed = errors.Join(failed, s.tidy(ctx)); failed != nil && ctx.Err() == nil {
			s.log.Warn("cannot tidy up blobs; it is tried again", "error", failed)
		}
		next := settle
		if due, ok := s.sweeper.Next(); ok && due.Before(next) {
			next = due
		}
		if failed != nil {
			next = time.Now().Add(retry)
		}
		if again != nil {
			again.Stop()
		}
		if next != never {
			again = time.AfterFunc(time.Until(next), s.Look)
		}
		select {
		case <-s.look:
		case <-ctx.Done():
			return nil
		}
	}
}

const (
	retry = 5 * time.Second
	page  = 500 // ids of one transaction
)

// never comes after all there is to wait for.
var never = time.Unix(1<<40, 0)

// settle finds what an earlier process left, or another one that is no more.
func (s *Shelf) settle(ctx context.Context) error {
	if s.alone || s.grace.Begun > 0 {
		pending, err := s.left(ctx)
		if err != nil {
			return fmt.Errorf("look for blobs left half done: %w", err)
		}
		for ids := range slices.Chunk(pending, page) {
			known, err := s.known(ctx, ids)
			if err != nil {
				return err
			}
			unknown := slices.DeleteFunc(slices.Clone(ids), func(id blob.ID) bool { return slices.Contains(known, id) })
			if err := errors.Join(s.blobs.Keep(ctx, known...), s.blobs.Free(ctx, unknown...)); err != nil {
				return fmt.Errorf("settle blobs left half done: %w", err)
			}
		}
	}
	until := s.until()
	graves, err := store.View(ctx, s.space, func(tx *store.Tx) ([]blob.Grave, error) {
		var all []blob.Grave
		for k, g := range s.tables.graves.Scan(tx, store.ScanOptions{}) {
			all = append(all, blob.Grave{ID: blob.ID(k.ID(0)), At: g.At, Until: until})
		}
		return all, nil
	})
	if err != nil {
		return fmt.Errorf("read which blobs are dead: %w", err)
	}
	s.sweeper.Bury(graves...)
	return nil
}

// left are the blobs that are pending and were not begun by this process, or so long ago that nobody is at them any more.
func (s *Shelf) left(ctx context.Context) ([]blob.ID, error) {
	s.begin.Lock()
	defer s.begin.Unlock()
	pending, err := s.blobs.Pending(ctx, s.grace.Begun)
	s.mu.Lock()
	defer s.mu.Unlock()
	pending = slices.DeleteFunc(pending, func(id blob.ID) bool { return s.begun[id] })
	s.begun = nil
	return pending, err
}

// known are those of ids that the shelf knows, alive or dead.
func (s *Shelf) known(ctx context.Context, ids []blob.ID) ([]blob.ID, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) ([]blob.ID, error) {
		var known []blob.ID
		for _, id := range ids {
			if s.tables.named.Has(tx, [16]byte(id)) || s.tables.graves.Has(tx, [16]byte(id)) {
				known = append(known, id)
			}
		}
		return known, nil
	})
}

// tidy keeps what was put, and frees what is dead.
func (s *Shelf) tidy(ctx context.Context) error {
	s.mu.Lock()
	named := s.named
	s.named = nil
	s.mu.Unlock()
	if err := s.blobs.Keep(ctx, named...); err != nil { // what is not kept stays pending
		s.mu.Lock()
		s.named = append(named, s.named...)
		s.mu.Unlock()
		return err
	}
	freed, err := s.sweeper.Sweep(ctx)
	if err != nil {
		return err
	}
	for ids := range slices.Chunk(freed, page) {
		if _, err := store.UpdateWith(ctx, s.space, store.UpdateOptions{Name: "shelf.swept", Lazy: true, Frees: true}, func(tx *store.Tx) (struct{}, error) {
			for _, id := range ids {
				s.tables.graves.Delete(tx, [16]byte(id))
			}
			return struct{}{}, nil
		}); err != nil {
			return err // their rows are found at the next start, and freed again
		}
	}
	return nil
}
