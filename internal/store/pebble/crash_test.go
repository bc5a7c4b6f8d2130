package pebble_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/pebble/slowsync"
)

// crashes is how often the power is cut: OBIDOS_CRASHES times, or few enough for an ordinary run. OBIDOS_SEED replays one.
func crashes(ordinary int) int {
	if n, err := strconv.Atoi(os.Getenv("OBIDOS_CRASHES")); err == nil {
		return n
	}
	return ordinary
}

func seeds(t *testing.T, ordinary int, run func(t *testing.T, seed uint64)) {
	if s := os.Getenv("OBIDOS_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		run(t, seed)
		return
	}
	first := rand.Uint64() >> 12
	for i := range uint64(crashes(ordinary)) {
		if run(t, first+i); t.Failed() {
			t.Fatalf("replay with OBIDOS_SEED=%d", first+i)
		}
	}
}

const crashWriters = 6

// What each writer does, over and over: transaction n sets last/w to n and the rows w/n/0…2 to n, and erases those of n-3,
// one by one or as a range. So what a restart finds says how far the writer came, and whether a transaction was torn.

func lastKey(w int) []byte                 { return fmt.Appendf(nil, "last/%d", w) }
func rowKey(w int, n uint64, i int) []byte { return fmt.Appendf(nil, "row/%d/%012d/%d", w, n, i) }

const keptRows = 3

func crashStep(w int, n uint64, rng *rand.Rand) func(store.Txn) error {
	pad := make([]byte, 8+rng.IntN(600))
	if rng.IntN(50) == 0 {
		pad = make([]byte, 30<<10)
	}
	binary.BigEndian.PutUint64(pad, n)
	byRange := rng.IntN(2) == 0
	return func(tx store.Txn) error {
		v, err := tx.Get(lastKey(w))
		if err != nil {
			return err
		}
		if len(v) >= 8 && binary.BigEndian.Uint64(v) != n-1 {
			return fmt.Errorf("writer %d finds transaction %d before its %d", w, binary.BigEndian.Uint64(v), n)
		}
		tx.Set(lastKey(w), pad[:8])
		for i := range 3 {
			tx.Set(rowKey(w, n, i), pad)
		}
		if n <= keptRows {
			return nil
		}
		if byRange {
			tx.DeleteRange(rowKey(w, n-keptRows, 0), rowKey(w, n-keptRows, 9))
			return nil
		}
		for i := range 3 {
			tx.Delete(rowKey(w, n-keptRows, i))
		}
		return nil
	}
}

// progress reads how far each writer came and holds the state to what every state must be: whole transactions only.
func progress(r store.Reader) (last [crashWriters]uint64, err error) {
	for w := range last {
		v, err := r.Get(lastKey(w))
		if err != nil {
			return last, err
		}
		if v == nil {
			continue
		}
		n := binary.BigEndian.Uint64(v)
		last[w] = n
		rows := 0
		lo := fmt.Appendf(nil, "row/%d/", w)
		err = r.Scan(store.Range{Lo: lo, Hi: append(lo[:len(lo)-1:len(lo)-1], '0')}, func(k, v []byte) bool {
			rows++
			at := binary.BigEndian.Uint64(v)
			if string(k) != string(rowKey(w, at, (rows-1)%3)) || at > n || at+keptRows <= n {
				err = fmt.Errorf("writer %d at %d, torn: %s holds %d", w, n, k, at)
			}
			return err == nil
		})
		if err != nil {
			return last, err
		}
		if want := 3 * int(min(n, keptRows)); rows != want {
			return last, fmt.Errorf("writer %d at %d, torn: %d rows, want %d", w, n, rows, want)
		}
	}
	return last, nil
}

// cut runs writers and a reader, cuts the power at some moment, and answers what a restart must at least hold, what it
// does hold, and the disk after the crash.
func cut(t *testing.T, seed uint64, o pebble.Options) (acked, viewed, found [crashWriters]uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewCrashableMem()
	o.FS = slowsync.With(fs, func() { // from an idle disk to one that gathers many commits
		for range seed % 7 * 40 {
			runtime.Gosched()
		}
	})
	o.MemTable = 256 << 10
	e, err := pebble.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	var (
		done    = make(chan struct{})
		wg      sync.WaitGroup
		acks    [crashWriters]atomic.Uint64
		views   [crashWriters]atomic.Uint64
		total   atomic.Uint64
		enough  = 1 + rng.Uint64N(300)
		reached = make(chan struct{})
		once    sync.Once
	)
	for w := range crashWriters {
		rng := rand.New(rand.NewPCG(seed, uint64(w)+2))
		wg.Go(func() {
			unacked := uint64(0) // a lazy write, durable with the next that is not
			for n := uint64(1); ; n++ {
				select {
				case <-done:
					return
				default:
				}
				u := store.UpdateOptions{Lazy: rng.IntN(8) == 0}
				if err := e.Update(context.Background(), u, crashStep(w, n, rng)); err != nil {
					t.Errorf("write: %v", err)
					once.Do(func() { close(reached) })
					return
				}
				if unacked = n; !u.Lazy {
					acks[w].Store(unacked)
				}
				if total.Add(1) == enough {
					once.Do(func() { close(reached) })
				}
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			before := [crashWriters]uint64{}
			for w := range before {
				before[w] = max(views[w].Load(), acks[w].Load())
			}
			err := e.View(context.Background(), func(r store.Reader) error {
				seen, err := progress(r)
				for w := range seen {
					if err == nil && seen[w] < before[w] {
						err = fmt.Errorf("a view shows %d where %d was shown or acknowledged", seen[w], before[w])
					}
					views[w].Store(seen[w])
				}
				return err
			})
			if err != nil {
				t.Errorf("view: %v", err)
				return
			}
			time.Sleep(200 * time.Microsecond)
		}
	})
	<-reached
	if rng.IntN(2) == 0 {
		time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
	}
	for w := range acked { // before the crash: what comes in between may be there or not
		acked[w], viewed[w] = acks[w].Load(), views[w].Load()
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70}[rng.IntN(3)], RNG: rng})
	close(done)
	wg.Wait()
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}

	if seed%3 == 0 { // the power fails again as soon as it has started
		e, err := pebble.Open("store", pebble.Options{FS: crashed})
		if err != nil {
			t.Fatalf("seed %d: open after the crash: %v", seed, err)
		}
		again := crashed.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rng})
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		crashed = again
	}
	e, err = pebble.Open("store", pebble.Options{FS: crashed})
	if err != nil {
		t.Fatalf("seed %d: open after the crash: %v", seed, err)
	}
	defer e.Close()
	err = e.View(t.Context(), func(r store.Reader) (err error) { found, err = progress(r); return err })
	if err != nil {
		t.Errorf("seed %d: after the crash: %v", seed, err)
	}
	return acked, viewed, found
}

// A power cut at any point loses no acknowledged transaction, tears none, and takes back nothing a View has shown.
func TestCrashLosesNothing(t *testing.T) {
	total := uint64(0)
	seeds(t, 200, func(t *testing.T, seed uint64) {
		acked, viewed, found := cut(t, seed, pebble.Options{})
		for w := range acked {
			total += acked[w]
			if found[w] < acked[w] {
				t.Errorf("seed %d, writer %d: acknowledged up to %d, found %d", seed, w, acked[w], found[w])
			}
			if found[w] < viewed[w] {
				t.Errorf("seed %d, writer %d: shown up to %d, found %d", seed, w, viewed[w], found[w])
			}
		}
	})
	t.Logf("%d acknowledged transactions survived", total)
}

// In relaxed mode a crash loses the last writes, but never the middle of one.
func TestCrashWhenRelaxedTearsNothing(t *testing.T) {
	seeds(t, 15, func(t *testing.T, seed uint64) { cut(t, seed, pebble.Options{Relaxed: true}) })
}

// With syncs off the same test must see losses: otherwise it would prove nothing.
func TestCrashWithoutSyncLoses(t *testing.T) {
	for seed := range uint64(15) {
		acked, _, found := cut(t, seed, pebble.Options{NoSync: true})
		for w := range acked {
			if found[w] < acked[w] {
				return
			}
		}
	}
	t.Error("nothing was ever lost without syncs: the crash test does not notice losses")
}
