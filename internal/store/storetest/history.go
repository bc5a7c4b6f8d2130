package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
)

func history(t *testing.T, s Subject) {
	if err := histories(s, seed(t), 25); err != nil {
		t.Fatal(err)
	}
}

// histories runs random transactions at once and checks afterwards that they could have run one by one. Each value is a list
// to which transactions append ids of their own: the final lists tell in which order the writers came, and a list
// that was read tells whom the reader came after and before. An order that goes in a circle is not serial. Keys come into being
// in the middle of ranges that are scanned, so phantoms are found too.
func histories(s Subject, rng *rand.Rand, rounds int) error {
	const workers, transactions = 6, 12
	for round := range rounds {
		h := &run{engine: s.Engine, unknown: s.Unknown, prefix: fmt.Sprintf("h%03d/", round)}
		failed := make(chan error, workers*transactions)
		var wg sync.WaitGroup
		for range workers {
			own := rand.New(rand.NewPCG(rng.Uint64(), 2))
			wg.Go(func() {
				for range transactions {
					if err := h.transact(own); err != nil {
						failed <- err
					}
				}
			})
		}
		wg.Wait()
		select {
		case err := <-failed:
			return err
		default:
		}
		if err := h.check(); err != nil {
			return err
		}
	}
	return nil
}

// historyKeys is how many keys a round has: few, so that transactions meet.
const historyKeys = 5

// run is one round.
type run struct {
	engine  store.Engine
	unknown bool // outcomes may be
	prefix  string
	ids     atomic.Uint32

	mu    sync.Mutex
	done  []*done
	views []map[int][]uint32
}

// done is a transaction that ended.
type done struct {
	id      uint32
	reads   map[int][]uint32 // key → the list, before own appends
	appends []int            // keys; each at most once
	known   bool             // committed; otherwise nobody knows
}

func (h *run) key(i int) []byte { return fmt.Appendf(nil, "%s%d", h.prefix, i) }

func ids(b []byte) (list []uint32) {
	for ; len(b) >= 4; b = b[4:] {
		list = append(list, binary.BigEndian.Uint32(b))
	}
	return list
}

// all reads every key of the round by a scan: those that are not there are empty lists.
func (h *run) all(r store.Reader, reverse bool) (map[int][]uint32, error) {
	reads := make(map[int][]uint32)
	for i := range historyKeys {
		reads[i] = nil
	}
	return reads, r.Scan(store.Range{Lo: []byte(h.prefix), Hi: []byte(h.prefix + "\xff"), Reverse: reverse}, func(k, v []byte) bool {
		reads[int(k[len(k)-1]-'0')] = ids(v)
		return true
	})
}

func (h *run) transact(rng *rand.Rand) error {
	if rng.IntN(6) == 0 {
		return h.engine.View(context.Background(), func(r store.Reader) error {
			reads, err := h.all(r, rng.IntN(2) == 0)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.views = append(h.views, reads)
			return err
		})
	}
	keys := rng.Perm(historyKeys)
	reading, appending := keys[:rng.IntN(3)], keys[2:2+rng.IntN(3)]
	scan, fail, reverse := rng.IntN(3) == 0, rng.IntN(10) == 0, rng.IntN(2) == 0
	d := &done{id: h.ids.Add(1)}
	err := h.engine.Update(context.Background(), store.UpdateOptions{Lazy: rng.IntN(4) == 0}, func(tx store.Txn) (err error) {
		d.reads, d.appends = make(map[int][]uint32), nil
		if scan {
			if d.reads, err = h.all(tx, reverse); err != nil {
				return err
			}
		}
		for _, i := range slices.Concat(reading, appending) {
			v, err := tx.Get(h.key(i))
			if err != nil {
				return err
			}
			d.reads[i] = ids(v)
			runtime.Gosched()
		}
		for _, i := range appending {
			var v []byte
			for _, id := range d.reads[i] {
				v = binary.BigEndian.AppendUint32(v, id)
			}
			tx.Set(h.key(i), binary.BigEndian.AppendUint32(v, d.id))
			d.appends = append(d.appends, i)
		}
		if fail {
			return errOurs
		}
		return nil
	})
	switch {
	case fail && errors.Is(err, errOurs):
		return nil // its id must not be found
	case err == nil && !fail:
		d.known = true
	case errors.Is(err, store.ErrUnknown) && h.unknown:
	default:
		return fmt.Errorf("update: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, d)
	return nil
}

// check finds what no serial order explains.
func (h *run) check() error {
	var final map[int][]uint32
	if err := h.engine.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) (err error) {
		final, err = h.all(tx, false)
		return err
	}); err != nil {
		return err
	}
	byID := make(map[uint32]*done)
	for _, d := range h.done {
		byID[d.id] = d
	}
	for i, list := range final {
		seen := make(map[uint32]bool)
		for _, id := range list {
			if d := byID[id]; d == nil || seen[id] || !slices.Contains(d.appends, i) {
				return fmt.Errorf("key %d holds %v, where %d was aborted, or comes twice", i, list, id)
			}
			seen[id] = true
		}
	}
	there := func(d *done, lists map[int][]uint32) (n int) {
		for _, i := range d.appends {
			if slices.Contains(lists[i], d.id) {
				n++
			}
		}
		return n
	}
	happened := make(map[uint32]*done)
	for _, d := range h.done {
		switch n := there(d, final); {
		case n == len(d.appends) && (d.known || n > 0):
			happened[d.id] = d
		case d.known || n > 0:
			return fmt.Errorf("transaction %d appended to %v, of which %d are there in %v", d.id, d.appends, n, final)
		}
	}
	for _, lists := range h.views {
		for _, d := range happened {
			if n := there(d, lists); n != 0 && n != len(d.appends) {
				return fmt.Errorf("a view shows %d of the %d appends of transaction %d", n, len(d.appends), d.id)
			}
		}
	}

	after := make(map[uint32][]uint32) // edges: who must come after whom
	edge := func(a, b uint32) {
		if a != b {
			after[a] = append(after[a], b)
		}
	}
	for _, list := range final {
		for n := 1; n < len(list); n++ {
			edge(list[n-1], list[n])
		}
	}
	for _, lists := range h.views {
		for i, list := range lists {
			if !isPrefix(list, final[i]) {
				return fmt.Errorf("a view read %v of key %d, which became %v", list, i, final[i])
			}
		}
	}
	for _, d := range happened {
		for i, list := range d.reads {
			if !isPrefix(list, final[i]) {
				return fmt.Errorf("transaction %d read %v of key %d, which became %v", d.id, list, i, final[i])
			}
			if n := len(list); n > 0 {
				edge(list[n-1], d.id)
			}
			if n := len(list); n < len(final[i]) {
				edge(d.id, final[i][n])
			}
		}
	}
	if circle := findCircle(after); circle != nil {
		err := fmt.Errorf("no serial order: each of %v must come before the next, the last before the first", circle)
		for _, id := range circle {
			err = fmt.Errorf("%w\ntransaction %d read %v and appended to %v", err, id, byID[id].reads, byID[id].appends)
		}
		return err
	}
	return nil
}

func isPrefix(a, b []uint32) bool { return len(a) <= len(b) && slices.Equal(a, b[:len(a)]) }

// findCircle is a circle in a graph, nil where there is none.
func findCircle(after map[uint32][]uint32) []uint32 {
	const under, through = 1, 2
	state := make(map[uint32]int)
	var path []uint32
	var visit func(id uint32) []uint32
	visit = func(id uint32) []uint32 {
		switch state[id] {
		case through:
			return nil
		case under:
			return path[slices.Index(path, id):]
		}
		state[id] = under
		path = append(path, id)
		for _, next := range after[id] {
			if circle := visit(next); circle != nil {
				return circle
			}
		}
		path = path[:len(path)-1]
		state[id] = through
		return nil
	}
	for id := range after {
		if circle := visit(id); circle != nil {
			return circle
		}
	}
	return nil
}
