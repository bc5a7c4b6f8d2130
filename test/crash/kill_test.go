package crash

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A process is killed at any moment, while it starts too, and started again on what it left.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	var took []time.Duration
	ctx := t.Context()
	s := newServer(t, t.TempDir())
	c := newCallers(0, 0)
	c.lead(s.url(), s.newClient())
	s.start(t)
	defer func() { s.kill(t) }()
	s.ready(ctx, t, c.door)
	c.prepare(ctx, t)
	pass := s.pass(ctx, t, c.door)
	rounds(t, 4, 10, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 3))
		c.seed = seed
		c.begin(ctx)
		time.Sleep(time.Duration(20+rng.IntN(400)) * time.Millisecond)
		s.kill(t)
		s.start(t)
		for rng.IntN(4) == 0 { // again before it is well awake
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
			s.kill(t)
			s.start(t)
		}
		took = append(took, s.ready(ctx, t, c.door))
		if rng.IntN(2) == 0 {
			time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		}
		c.end()
		if rng.IntN(3) > 0 {
			c.verify(ctx, t, pass)
		} else {
			c.h.report(t)
		}
	})
	c.verify(ctx, t, pass)
	slices.Sort(took)
	if len(took) > 0 {
		t.Logf("%d messages; ready again after %v (median), %v (most)", len(c.h.fates), took[len(took)/2], took[len(took)-1])
	}
}
