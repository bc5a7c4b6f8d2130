package pebble

import "sync"

// turn is the mutex of commits. Other than a sync.Mutex it can be waited for in vain: who holds it may be stuck in a file
// system that is full or broken, and those behind must be told rather than wait for ever. And whoever is about to sync
// goes before all others, so that the disk does not idle while they queue.
type turn struct {
	mu     sync.Mutex
	free   sync.Cond // for those who wait to commit
	first  sync.Cond // for those who wait to sync
	taken  bool
	urgent int // so many wait to sync
}

func (t *turn) init() { t.free.L, t.first.L = &t.mu, &t.mu }

// take waits for the turn, or until refused says why not.
func (t *turn) take(refused func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.taken || t.urgent > 0 {
		if err := refused(); err != nil {
			return err
		}
		t.free.Wait()
	}
	t.taken = true
	return nil
}

// takeFirst is take for who is about to sync.
func (t *turn) takeFirst(refused func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.urgent++
	defer func() { t.urgent-- }()
	for t.taken {
		if err := refused(); err != nil {
			return err
		}
		t.first.Wait()
	}
	t.taken = true
	return nil
}

func (t *turn) give() {
	t.mu.Lock()
	t.taken = false
	if t.urgent > 0 {
		t.first.Signal()
	} else {
		t.free.Signal()
	}
	t.mu.Unlock()
}

// wake has all who wait ask again whether they are refused.
func (t *turn) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free.Broadcast()
	t.first.Broadcast()
}
