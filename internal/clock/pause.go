package clock

import (
	"context"
	"time"
)

// Pause returns after d of the machine's time, which nobody moves, or with ctx's error when ctx ends before.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
