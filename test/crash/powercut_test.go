package crash

import (
	"context"
	"math/rand/v2"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
	"github.com/obidos-cloud/obidos/obidostest"
)

// disk is a disk in memory, whose power can fail.
type disk struct {
	*vfs.MemFS
	rng    *rand.Rand
	noSync bool
}

func newDisk(rng *rand.Rand) *disk { return &disk{MemFS: vfs.NewCrashableMem(), rng: rng} }

// open opens the store on the disk, whose syncs let the others run for a while: so calls gather behind them. (They must not
// sleep: pebble holds locks meanwhile, and a bubble's time stands still while anybody waits for one.)
func (d *disk) open(t testing.TB) *pebble.Engine {
	t.Helper()
	turns := d.rng.IntN(7) * 40
	wait := func() {
		for range turns {
			runtime.Gosched()
		}
	}
	e, err := pebble.Open("store", pebble.Options{FS: slowsync.With(d.MemFS, wait), MemTable: 1 << 20, NoSync: d.noSync})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return e
}

// cut is the disk as it is after the power failed just now: what was not synced is there in parts.
func (d *disk) cut() *disk {
	rng := rand.New(rand.NewPCG(d.rng.Uint64(), 1))
	after := d.MemFS.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70}[rng.IntN(3)], RNG: rng})
	return &disk{after, rng, d.noSync}
}

// The power fails at any moment under load, as often as three times in a row; each time everything is as it was answered.
func TestPowerCutLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	messages := 0
	rounds(t, 5, 1, func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) { messages += cutPower(t, seed, false) })
	})
	t.Logf("%d messages", messages)
}

// With syncs off losses must be seen: otherwise the test would prove nothing.
func TestPowerCutWithoutSyncIsNoticed(t *testing.T) {
	for seed := range uint64(10) {
		noticed := false
		t.Run("", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { cutPower(&notes{t, &noticed}, seed, true) })
		})
		if noticed {
			return
		}
	}
	t.Error("nothing was ever lost without syncs: the test does not notice losses")
}

func cutPower(t testing.TB, seed uint64, noSync bool) (messages int) {
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(seed, 2))
	d := newDisk(rng)
	d.noSync = noSync
	c := newCallers(seed, 3*time.Millisecond)
	nodes := 1 + rng.IntN(4)/3
	end := c.live(t, d.open(t), nodes)
	c.prepare(ctx, t)
	if rng.IntN(2) == 0 { // the same queues, full of life before it begins
		c.run(ctx, 1+rng.IntN(300))
	}
	for range 1 + rng.IntN(3) {
		reached := c.h.aim(1 + rng.IntN(500))
		c.begin(ctx)
		<-reached
		c.h.cut()
		d = d.cut()
		c.lead("") // who called goes on, and finds nobody for a while
		end()
		end = c.live(t, d.open(t), nodes)
		c.h.revive()
		if rng.IntN(4) > 0 {
			<-c.h.aim(1 + rng.IntN(200))
		}
		c.end()
	}
	c.verify(ctx, t, time.Sleep)
	end()
	return len(c.h.fates)
}

// run has the callers call until so many calls were acknowledged.
func (c *callers) run(ctx context.Context, calls int) {
	reached := c.h.aim(calls)
	c.begin(ctx)
	<-reached
	c.end()
}

// live starts so many nodes over the engine, for the callers to call, and returns how to stop them and it.
func (c *callers) live(t testing.TB, engine *pebble.Engine, nodes int) (end func()) {
	t.Helper()
	var running []*obidostest.Platform
	if nodes == 1 {
		running = append(running, obidostest.Start(t, obidostest.On(engine)))
	} else {
		running = obidostest.ClusterOn(t, engine, nodes).Nodes
	}
	var clients []*http.Client
	for _, p := range running {
		clients = append(clients, p.Client)
	}
	c.lead(obidostest.URL, clients...)
	return func() {
		for _, p := range running {
			if err := p.Stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
		if err := engine.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	}
}

// notes are failures that fail nothing.
type notes struct {
	testing.TB
	made *bool
}

func (n *notes) Errorf(string, ...any)     { *n.made = true }
func (n *notes) Error(...any)              { *n.made = true }
func (n *notes) Failed() bool              { return *n.made }
func (n *notes) Fatalf(f string, a ...any) { *n.made = true; n.TB.Skipf(f, a...) }
