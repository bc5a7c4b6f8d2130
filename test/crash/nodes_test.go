package crash

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/obidostest"
)

// Nodes over one store are killed, stopped and started again, at any moment under load; those who are left take over.
func TestKilledNodesLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	messages := 0
	rounds(t, 3, 5, func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { messages += killNodes(t, seed) })
	})
	t.Logf("%d messages", messages)
}

func killNodes(t *testing.T, seed uint64) (messages int) {
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(seed, 4))
	engine := newDisk(rng).open(t)
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	nodes := obidostest.ClusterOn(t, engine, 2+rng.IntN(2))
	alive := make([]bool, len(nodes.Nodes))
	c := newCallers(seed, 300*time.Millisecond)
	lead := func() {
		var clients []*http.Client
		for i, p := range nodes.Nodes {
			if alive[i] {
				clients = append(clients, p.Client)
			}
		}
		c.lead(obidostest.URL, clients...)
	}
	for i := range alive {
		alive[i] = true
	}
	lead()
	c.prepare(ctx, t)
	reached := c.h.aim(1 + rng.IntN(200))
	c.begin(ctx)
	<-reached
	for range 1 + rng.IntN(4) {
		i := rng.IntN(len(alive))
		if alive[i] {
			alive[i] = false
			if rng.IntN(4) > 0 {
				if rng.IntN(2) == 0 { // else callers still try it until it is gone
					lead()
				}
				nodes.Kill(i)
			} else {
				lead()
				if err := nodes.Nodes[i].Stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
			}
		}
		lead()
		time.Sleep(time.Duration(rng.IntN(6000)) * time.Millisecond) // whoever is left may have noticed, or not
		if !alive[i] && (rng.IntN(3) > 0 || len(alive) == 2 || !slices.Contains(alive, true)) {
			nodes.Restart(t, i)
			alive[i] = true
			lead()
		}
		<-c.h.aim(1 + rng.IntN(100))
	}
	c.end()
	c.verify(ctx, t, time.Sleep)
	return len(c.h.fates)
}
