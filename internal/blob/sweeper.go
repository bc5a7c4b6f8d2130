package blob

import (
	"context"
	"math"
	"sync"
	"time"
)

// Grave is a blob no record names since commit At: a number of the caller's that grows with every commit that matters, and
// in which the states of the store can be told apart.
type Grave struct {
	ID ID
	At uint64
	// Until is when it may be freed at the earliest, by the machine's clock: until then other processes may read it, of which
	// this one knows nothing. The zero value is for a blob that nobody else reads.
	Until time.Time
}

// Sweeper frees dead blobs once no state of the store that names them can be read any more. It remembers graves for as long
// as the process lives; callers keep them in records that the transaction of the death writes, and bury them again after a
// start.
type Sweeper struct {
	blobs  Store
	oldest func() uint64

	mu     sync.Mutex
	graves map[ID]Grave
	pins   map[*Pin]uint64
}

// NewSweeper sweeps blobs. oldest answers the commit of the oldest state that is kept to be read again, a saved snapshot;
// math.MaxUint64 where there is none.
func NewSweeper(blobs Store, oldest func() uint64) *Sweeper {
	return &Sweeper{blobs: blobs, oldest: oldest, graves: make(map[ID]Grave), pins: make(map[*Pin]uint64)}
}

// Pin holds back the sweeper from what died after a commit.
type Pin struct{ s *Sweeper }

// Pin is taken before reading names at commit at, and released once the blobs they name are open.
func (s *Sweeper) Pin(at uint64) *Pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Pin{s}
	s.pins[p] = at
	return p
}

// Release lets the sweeper go on. Releasing again does nothing.
func (p *Pin) Release() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	delete(p.s.pins, p)
}

// Bury has blobs freed by a later Sweep. What is buried stays as it was buried first.
func (s *Sweeper) Bury(graves ...Grave) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range graves {
		if _, known := s.graves[g.ID]; !known {
			s.graves[g.ID] = g
		}
	}
}

// Next is when time alone will let some be freed; false where it will not.
func (s *Sweeper) Next() (next time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, g := range s.graves {
		if g.Until.After(now) && (!ok || g.Until.Before(next)) {
			next, ok = g.Until, true
		}
	}
	return next, ok
}

// Sweep frees what can be freed and answers it, so that its records can go. What could not be freed stays buried.
func (s *Sweeper) Sweep(ctx context.Context) ([]ID, error) {
	free := s.takeFree()
	if len(free) == 0 {
		return nil, nil
	}
	ids := make([]ID, len(free))
	for i, g := range free {
		ids[i] = g.ID
	}
	if err := s.blobs.Free(ctx, ids...); err != nil {
		s.Bury(free...)
		return nil, err
	}
	return ids, nil
}

// takeFree takes out the graves that no state anybody reads is older than, and whose time has come.
func (s *Sweeper) takeFree() []Grave {
	oldest := s.oldest()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.pins {
		oldest = min(oldest, at)
	}
	var free []Grave
	now := time.Now()
	for id, g := range s.graves {
		if g.At <= oldest && !g.Until.After(now) {
			free = append(free, g)
			delete(s.graves, id)
		}
	}
	return free
}

// Nothing is what oldest answers where no state is kept.
const Nothing = math.MaxUint64
