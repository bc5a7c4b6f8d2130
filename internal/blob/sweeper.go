package blob

import (
	"context"
	"math"
	"slices"
	"sync"
)

// Grave is a blob no record names since commit At: a number of the caller's that grows with every commit that matters, and
// in which the states of the store can be told apart.
type Grave struct {
	ID ID
	At uint64
}

// Sweeper frees dead blobs once no state of the store that names them can be read any more. It remembers graves for as long
// as the process lives; callers keep them in records that the transaction of the death writes, and bury them again after a
// start.
type Sweeper struct {
	blobs  Store
	oldest func() uint64

	mu     sync.Mutex
	graves []Grave
	pins   map[*Pin]uint64
}

// NewSweeper sweeps blobs. oldest answers the commit of the oldest state that is kept to be read again, a saved snapshot;
// math.MaxUint64 where there is none.
func NewSweeper(blobs Store, oldest func() uint64) *Sweeper {
	return &Sweeper{blobs: blobs, oldest: oldest, pins: make(map[*Pin]uint64)}
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

// Bury has blobs freed by a later Sweep.
func (s *Sweeper) Bury(graves ...Grave) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graves = append(s.graves, graves...)
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

// takeFree takes out the graves that no state anybody reads is older than.
func (s *Sweeper) takeFree() []Grave {
	oldest := s.oldest()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.pins {
		oldest = min(oldest, at)
	}
	var free []Grave
	s.graves = slices.DeleteFunc(s.graves, func(g Grave) bool {
		if g.At > oldest {
			return false
		}
		free = append(free, g)
		return true
	})
	return free
}

// Nothing is what oldest answers where no state is kept.
const Nothing = math.MaxUint64
