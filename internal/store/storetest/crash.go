package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

const crashWriters = 6

// crash cuts the power again and again under writers and readers. What a writer was told is committed, and what a view or an update
// that writes nothing has shown, must be there afterwards; no transaction may be there in part.
//
// Transaction n of writer w sets w/last to n and three rows of n, removes those of n-4 by a range, every third lazily.
func crash(t *testing.T, s Subject) {
	rng := seed(t)
	e := s.Engine
	var n [crashWriters]int // what the store holds
	for round := range 8 {
		var acked, seen [crashWriters]atomic.Int64
		stop := make(chan struct{})
		running := func() bool {
			select {
			case <-stop:
				return false
			default:
				return true
			}
		}
		var wg sync.WaitGroup
		for w := range crashWriters {
			wg.Go(func() {
				for i := n[w] + 1; running(); i++ {
					lazy := i%3 == 0
					if e.Update(context.Background(), store.UpdateOptions{Lazy: lazy}, crashStep(w, i)) != nil {
						return
					}
					if !lazy {
						acked[w].Store(int64(i))
					}
				}
			})
		}
		read := func(r store.Reader) (last [crashWriters]int, err error) {
			for w := range last {
				v, err := r.Get(fmt.Appendf(nil, "%d/last", w))
				if err != nil {
					return last, err
				}
				_, _ = fmt.Sscan(string(v), &last[w])
			}
			return last, nil
		}
		show := func(last [crashWriters]int) {
			for w, i := range last {
				for old := seen[w].Load(); int64(i) > old && !seen[w].CompareAndSwap(old, int64(i)); old = seen[w].Load() {
				}
			}
		}
		wg.Go(func() {
			for running() {
				var last [crashWriters]int
				if e.View(context.Background(), func(r store.Reader) (err error) { last, err = read(r); return err }) != nil {
					return
				}
				show(last)
			}
		})
		wg.Go(func() {
			for running() {
				var last [crashWriters]int
				if e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) (err error) { last, err = read(tx); return err }) != nil {
					return
				}
				show(last)
			}
		})
		time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)

		var promised [crashWriters]int
		for w := range promised {
			promised[w] = int(max(acked[w].Load(), seen[w].Load()))
		}
		after := s.Crash()
		close(stop)
		wg.Wait()
		e = after

		state, err := stateOf(e)
		if err != nil {
			t.Fatalf("round %d: after the crash: %v", round, err)
		}
		rows := 0
		for w := range n {
			n[w] = 0
			_, _ = fmt.Sscan(state[fmt.Sprintf("%d/last", w)], &n[w])
			if n[w] < promised[w] {
				t.Errorf("round %d: writer %d was told of transaction %d; %d is the last that is left", round, w, promised[w], n[w])
			}
			for i := max(1, n[w]-3); i <= n[w]; i++ {
				for part := range 3 {
					if _, ok := state[string(crashRow(w, i, part))]; !ok {
						t.Errorf("round %d: transaction %d of writer %d, of %d, is torn: part %d is missing", round, i, w, n[w], part)
					}
					rows++
				}
			}
			if n[w] > 0 {
				rows++
			}
		}
		if len(state) != rows {
			t.Errorf("round %d: %d rows are left, want %d", round, len(state), rows)
		}
		if t.Failed() {
			return
		}
	}
}

func crashRow(w, i, part int) []byte { return fmt.Appendf(nil, "%d/row/%09d/%d", w, i, part) }

func crashStep(w, i int) func(store.Txn) error {
	return func(tx store.Txn) error {
		tx.Set(fmt.Appendf(nil, "%d/last", w), fmt.Append(nil, i))
		for part := range 3 {
			tx.Set(crashRow(w, i, part), make([]byte, 10+(i*part)%500))
		}
		tx.DeleteRange(crashRow(w, max(0, i-4), 0), crashRow(w, max(0, i-4), 9))
		return nil
	}
}
