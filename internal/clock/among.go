package clock

import (
	"context"
	"time"
)

// A clock among those of several processes, which move together, is led by one of them: it asks each in turn to come to rest,
// moves all to where the earliest timer of any is due, and so on. Each fires what is its own.

// Rest waits until all work here has ended or waits for a timer, and says how much has ever begun: where that is the same twice,
// nothing has been handed on meanwhile.
func (c *Clock) Rest(ctx context.Context) (begun int64, err error) {
	select {
	case c.advancing <- struct{}{}:
		defer func() { <-c.advancing }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer c.release()
	err = c.rest(ctx)
	return c.begun.Load(), err
}

// Due is when the earliest timer is due; false where none waits.
func (c *Clock) Due() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.timers.first()
	if t == nil {
		return time.Time{}, false
	}
	return time.Unix(0, t.at).UTC(), true
}
