package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

var errOurs = errors.New("the closure's own error")

var commitTests = []test{
	{"ErrorsWriteNothing", func(s *suite) {
		s.set("a", "1")
		err := s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error {
			tx.Set([]byte("a"), []byte("2"))
			tx.Set([]byte("b"), []byte("2"))
			tx.DeleteRange([]byte("a"), []byte("z"))
			return errOurs
		})
		if err != errOurs { //nolint:errorlint // not wrapped either
			s.Errorf("Update returned %v, not the closure's error as it is", err)
		}
		if err := s.e.View(context.Background(), func(store.Reader) error { return errOurs }); err != errOurs { //nolint:errorlint
			s.Errorf("View returned %v, not the closure's error as it is", err)
		}
		s.expect("a=1")
	}},
	{"PanicsWriteNothing", func(s *suite) {
		s.set("a", "1")
		panics := func(name string, f func()) {
			defer func() {
				if p := recover(); p != "ours" {
					s.Errorf("%s: recovered %v", name, p)
				}
			}()
			f()
		}
		panics("Update", func() {
			_ = s.e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
				tx.Set([]byte("a"), []byte("2"))
				panic("ours")
			})
		})
		panics("View", func() { _ = s.e.View(context.Background(), func(store.Reader) error { panic("ours") }) })
		panics("Scan", func() {
			_ = s.e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
				return tx.Scan(store.Range{}, func(_, _ []byte) bool { panic("ours") })
			})
		})
		s.expect("a=1")
		s.set("b", "2")
		s.expect("a=1", "b=2")
	}},
	{"AContextThatEnded", func(s *suite) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.e.Update(ctx, store.UpdateOptions{}, func(tx store.Txn) error {
			tx.Set([]byte("a"), []byte("1"))
			return nil
		}); !errors.Is(err, context.Canceled) {
			s.Errorf("Update: %v", err)
		}
		s.expect()
	}},
	{"LimitsOfKeysAndValues", func(s *suite) {
		key := func(n int) []byte { return bytes.Repeat([]byte("k"), n) }
		value := func(n int) []byte { return bytes.Repeat([]byte("v"), n) }
		for _, owned := range []bool{false, true} {
			o := store.UpdateOptions{Owned: owned}
			for name, write := range map[string]func(store.Txn){
				"a key too long to set":    func(tx store.Txn) { tx.Set(key(store.MaxKey+1), nil) },
				"a key too long to delete": func(tx store.Txn) { tx.Delete(key(store.MaxKey + 1)) },
				"no key to set":            func(tx store.Txn) { tx.Set(nil, nil) },
				"a value too large":        func(tx store.Txn) { tx.Set(key(1), value(store.MaxValue+1)) },
			} {
				err := s.updateWith(o, func(tx store.Txn) error {
					tx.Set([]byte("a"), []byte("1"))
					write(tx)
					tx.Set([]byte("b"), []byte("1"))
					return nil
				})
				if !errors.Is(err, store.ErrLimit) {
					s.Errorf("%s: %v, owned %v", name, err, owned)
				}
			}
		}
		s.expect()
		if err := s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error {
			tx.Set(key(store.MaxKey), value(store.MaxValue))
			return nil
		}); err != nil {
			s.Fatal(err)
		}
		s.update(func(tx store.Txn) error {
			got, err := tx.Get(key(store.MaxKey))
			if len(got) != store.MaxValue {
				return fmt.Errorf("the largest value came back with %d bytes, %w", len(got), err)
			}
			keys, err := list(tx, store.Range{Lo: key(store.MaxKey), Hi: append(key(store.MaxKey), 0xff), KeysOnly: true})
			return must(err, have("keys", keys, []string{string(key(store.MaxKey))}))
		})
		s.update(func(tx store.Txn) error {
			tx.Set([]byte("kept"), nil)
			tx.DeleteRange(key(store.MaxKey), append(key(store.MaxKey), 0xff)) // the range below the longest key
			return nil
		})
		s.expect("kept=")
	}},
	{"KeysOf2600BytesStayApart", func(s *suite) {
		long := bytes.Repeat([]byte{0xff}, store.MaxKey)
		s.update(func(tx store.Txn) error {
			for i := range 5 {
				long[len(long)-1] = byte(i)
				tx.Set(long, []byte{byte(i)})
			}
			return nil
		})
		s.update(func(tx store.Txn) error {
			for i := range 5 {
				long[len(long)-1] = byte(i)
				if v, err := tx.Get(long); err != nil || len(v) != 1 || v[0] != byte(i) {
					return fmt.Errorf("key %d has value %x, %w", i, v, err)
				}
			}
			return nil
		})
	}},
	{"LimitsOfATransaction", func(s *suite) {
		writes := func(n int) func(store.Txn) error {
			return func(tx store.Txn) error {
				for i := range n {
					tx.Set(fmt.Appendf(nil, "%06d", i), nil)
				}
				return nil
			}
		}
		large := func(tx store.Txn) error {
			for i := range 5 {
				tx.Set(fmt.Appendf(nil, "%06d", i), make([]byte, 1<<20))
			}
			return nil
		}
		if err := s.updateWith(store.UpdateOptions{}, writes(store.MaxTxnWrites+1)); !errors.Is(err, store.ErrLimit) {
			s.Errorf("too many writes: %v", err)
		}
		if err := s.updateWith(store.UpdateOptions{}, large); !errors.Is(err, store.ErrLimit) {
			s.Errorf("too many bytes: %v", err)
		}
		s.expect()
		for name, err := range map[string]error{
			"the most writes":          s.updateWith(store.UpdateOptions{}, writes(store.MaxTxnWrites)),
			"an owner's many writes":   s.updateWith(store.UpdateOptions{Owned: true}, writes(5*store.MaxTxnWrites)),
			"an owner's many bytes":    s.updateWith(store.UpdateOptions{Owned: true}, large),
			"deleting a range of them": s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error { tx.DeleteRange([]byte("0"), []byte("1")); return nil }),
		} {
			if err != nil {
				s.Errorf("%s: %v", name, err)
			}
		}
	}},
	{"FencesHoldOrNothingHappens", func(s *suite) {
		epoch := func(n uint64) []byte { return append(binary.BigEndian.AppendUint64([]byte{2}, n), "node"...) }
		s.update(func(tx store.Txn) error {
			tx.Set([]byte("own/1"), epoch(7))
			tx.Set([]byte("own/2"), epoch(1 << 63)[:9])
			tx.Set([]byte("own/bad"), []byte("short"))
			return nil
		})
		one, two := store.Fence{Key: []byte("own/1"), Epoch: 7}, store.Fence{Key: []byte("own/2"), Epoch: 1 << 63}
		n := 0
		commit := func(fences ...store.Fence) error {
			n++
			return s.updateWith(store.UpdateOptions{Fences: fences}, func(tx store.Txn) error {
				tx.Set([]byte("row"), fmt.Append(nil, n))
				return nil
			})
		}
		for name, fences := range map[string][]store.Fence{
			"an older epoch":       {two, {Key: one.Key, Epoch: 6}},
			"a newer epoch":        {{Key: one.Key, Epoch: 8}, two},
			"a row that is absent": {one, {Key: []byte("own/3"), Epoch: 0}},
			"no epoch in the row":  {{Key: []byte("own/bad"), Epoch: 7}},
		} {
			if err := commit(fences...); !errors.Is(err, store.ErrFenced) {
				s.Errorf("%s: %v", name, err)
			}
		}
		if _, ok := s.state()["row"]; ok {
			s.Error("a fenced commit wrote")
		}
		if err := commit(one, two); err != nil {
			s.Errorf("fences that hold: %v", err)
		}
		// Taking over raises the epoch under the fence of the old one: what a transaction writes does not fence it.
		if err := s.e.Update(context.Background(), store.UpdateOptions{Fences: []store.Fence{one}}, func(tx store.Txn) error {
			tx.Set(one.Key, epoch(8))
			return nil
		}); err != nil && !errors.Is(err, store.ErrUnknown) {
			s.Errorf("a transaction that raises the epoch: %v", err)
		}
		s.update(func(tx store.Txn) error { tx.Set(one.Key, epoch(8)); return nil }) // where the outcome was unknown
		if err := commit(one); !errors.Is(err, store.ErrFenced) {
			s.Errorf("the old epoch after that: %v", err)
		}
		// A fence is checked also where nothing is written: a read that must not be stale.
		if err := s.e.Update(context.Background(), store.UpdateOptions{Fences: []store.Fence{one}}, func(store.Txn) error { return nil }); !errors.Is(err, store.ErrFenced) {
			s.Errorf("a fenced read: %v", err)
		}
		// An engine may remember a fence that held, but not past a write that changes it.
		for name, change := range map[string]func(tx store.Txn){
			"set":                      func(tx store.Txn) { tx.Set(two.Key, epoch(3)) },
			"deleted":                  func(tx store.Txn) { tx.Delete(two.Key) },
			"in a range that is gone":  func(tx store.Txn) { tx.DeleteRange([]byte("own/"), []byte("own0")) },
			"set by whoever it fences": nil,
		} {
			s.update(func(tx store.Txn) error { tx.Set(two.Key, epoch(1<<63)); return nil })
			if err := commit(two); err != nil {
				s.Errorf("a fence that holds: %v", err)
			}
			if change != nil {
				s.update(func(tx store.Txn) error { change(tx); return nil })
			} else if err := s.updateWith(store.UpdateOptions{Fences: []store.Fence{two}}, func(tx store.Txn) error {
				tx.Set(two.Key, epoch(4))
				return nil
			}); err != nil && !errors.Is(err, store.ErrFenced) { // written, and seen by the retry of an unknown outcome
				s.Errorf("a transaction that raises the epoch: %v", err)
			}
			if err := commit(two); !errors.Is(err, store.ErrFenced) {
				s.Errorf("a fence whose row was %s: %v", name, err)
			}
		}
	}},
	{"ADeposedOwnerWritesNothing", func(s *suite) {
		row := func(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{2}, n) }
		s.update(func(tx store.Txn) error { tx.Set([]byte("own"), row(1)); return nil })
		for epoch := uint64(1); epoch <= 20; epoch++ {
			var wg sync.WaitGroup
			for range 3 { // each writes the epoch it owns as fast as it can, until it is fenced
				wg.Go(func() {
					for {
						err := s.updateWith(store.UpdateOptions{Owned: true, Fences: []store.Fence{{Key: []byte("own"), Epoch: epoch}}}, func(tx store.Txn) error {
							tx.Set([]byte("by"), row(epoch))
							return nil
						})
						if errors.Is(err, store.ErrFenced) {
							return
						}
						if err != nil {
							s.Errorf("owner: %v", err)
							return
						}
					}
				})
			}
			runtime.Gosched()
			s.update(func(tx store.Txn) error {
				tx.Set([]byte("own"), row(epoch+1))
				tx.Set([]byte("by"), row(epoch+1))
				return nil
			})
			wg.Wait()
			if got := s.state()["by"]; got != string(row(epoch+1)) {
				s.Fatalf("after the takeover to epoch %d the row is %x", epoch+1, got)
			}
		}
	}},
	{"LazyWritesAreSeenByUpdates", func(s *suite) {
		for i := range 50 {
			if err := s.updateWith(store.UpdateOptions{Lazy: true}, func(tx store.Txn) error {
				tx.Set([]byte("lazy"), fmt.Append(nil, i))
				return nil
			}); err != nil {
				s.Fatal(err)
			}
			if got := s.state()["lazy"]; got != fmt.Sprint(i) {
				s.Fatalf("an update after lazy write %d reads %s", i, got)
			}
		}
		s.set("synced", "1")
		s.expect("lazy=49", "synced=1")
	}},
	{"WhatIsCommittedOutlivesTheEngine", func(s *suite) {
		s.set("a", "1", "b", "2")
		s.update(func(tx store.Txn) error { tx.Delete([]byte("a")); return nil })
		if err := s.updateWith(store.UpdateOptions{Lazy: true}, func(tx store.Txn) error { tx.Set([]byte("lazy"), nil); return nil }); err != nil {
			s.Fatal(err)
		}
		if s.Reopen == nil {
			if err := s.e.Close(); err != nil {
				s.Fatalf("Close: %v", err)
			}
		} else {
			old := s.e
			s.e = s.Reopen()
			s.expect("b=2", "lazy=")
			s.e = old
		}
		if err := s.e.Update(context.Background(), store.UpdateOptions{}, func(store.Txn) error { return nil }); !errors.Is(err, store.ErrClosed) {
			s.Errorf("Update of a closed engine: %v", err)
		}
		if err := s.e.View(context.Background(), func(store.Reader) error { return nil }); !errors.Is(err, store.ErrClosed) {
			s.Errorf("View of a closed engine: %v", err)
		}
	}},
}

var viewTests = []test{
	{"AViewDoesNotWaitAndSeesNothingUncommitted", func(s *suite) {
		s.set("a", "1")
		entered, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		done := make(chan error)
		go func() {
			done <- s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error {
				tx.Set([]byte("a"), []byte("2"))
				tx.Set([]byte("b"), []byte("2"))
				once.Do(func() { close(entered) })
				<-release
				return nil
			})
		}()
		<-entered
		for range 3 {
			if err := s.e.View(context.Background(), func(r store.Reader) error {
				got, err := list(r, store.Range{})
				return must(err, have("during the update", got, []string{"a=1"}))
			}); err != nil {
				s.Error(err)
			}
		}
		close(release)
		if err := <-done; err != nil {
			s.Error(err)
		}
		s.expect("a=2", "b=2")
	}},
	{"AViewIsOneState", func(s *suite) {
		s.set("a", "0", "b", "0")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				s.set("a", fmt.Sprint(i), "b", fmt.Sprint(i))
			}
		})
		for range 300 {
			if err := s.e.View(context.Background(), func(r store.Reader) error {
				a, err1 := r.Get([]byte("a"))
				first := string(a)
				runtime.Gosched()
				b, err2 := r.Get([]byte("b"))
				all, err3 := list(r, store.Range{})
				if first != string(b) || string(a) != first {
					return fmt.Errorf("a is %s, b is %s", first, b)
				}
				return must(err1, err2, err3, have("the same by scan", all, []string{"a=" + first, "b=" + first}))
			}); err != nil {
				s.Error(err)
				break
			}
		}
		close(stop)
		wg.Wait()
	}},
	{"AViewHoldsWhatWasAcknowledged", func(s *suite) {
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				key := fmt.Appendf(nil, "w%d", w)
				for i := range 100 {
					want := fmt.Sprint(i)
					if err := s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error { tx.Set(key, []byte(want)); return nil }); err != nil {
						s.Errorf("Update: %v", err)
						return
					}
					if err := s.e.View(context.Background(), func(r store.Reader) error {
						got, err := r.Get(key)
						return must(err, have("a view after the update", []string{string(got)}, []string{want}))
					}); err != nil {
						s.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}},
}

var outcomeTests = []test{
	// A read after an unknown outcome tells the truth: all of it happened or nothing, and that does not change any more.
	{"UnknownOutcomesAreOneOrTheOther", func(s *suite) {
		if !s.Unknown {
			s.Skip("outcomes of this subject are known")
		}
		happened, not := 0, 0
		for i := 0; i < 2000 && (happened < 5 || not < 5); i++ {
			a, b := fmt.Appendf(nil, "%06d/a", i), fmt.Appendf(nil, "%06d/b", i)
			err := s.e.Update(context.Background(), store.UpdateOptions{Lazy: i%3 == 0}, func(tx store.Txn) error {
				tx.Set(a, []byte("1"))
				tx.Set(b, []byte("1"))
				tx.Set([]byte("last"), fmt.Append(nil, i))
				return nil
			})
			if err != nil && !errors.Is(err, store.ErrUnknown) {
				s.Fatal(err)
			}
			first := s.state()
			_, hasA := first[string(a)]
			_, hasB := first[string(b)]
			if hasA != hasB || hasA != (first["last"] == fmt.Sprint(i)) {
				s.Fatalf("update %d was torn: %v %v, last %s", i, hasA, hasB, first["last"])
			}
			if err == nil && !hasA {
				s.Fatalf("update %d was acknowledged and is not there", i)
			}
			s.set("after", fmt.Sprint(i))
			if _, still := s.state()[string(a)]; still != hasA {
				s.Fatalf("update %d: there %v, later %v", i, hasA, still)
			}
			if err != nil && hasA {
				happened++
			} else if err != nil {
				not++
			}
		}
		if happened == 0 || not == 0 {
			s.Errorf("of the unknown outcomes %d happened, %d did not", happened, not)
		}
	}},
}

var concurrencyTests = []test{
	{"NoLostUpdates", func(s *suite) {
		var known, maybe atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					err := s.e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
						n := 0
						v, err := tx.Get([]byte("n"))
						_, _ = fmt.Sscan(string(v), &n)
						runtime.Gosched()
						tx.Set([]byte("n"), fmt.Append(nil, n+1))
						return err
					})
					switch {
					case err == nil:
						known.Add(1)
					case errors.Is(err, store.ErrUnknown) && s.Unknown:
						maybe.Add(1)
					default:
						s.Errorf("Update: %v", err)
					}
				}
			})
		}
		wg.Wait()
		n := int64(0)
		_, _ = fmt.Sscan(s.state()["n"], &n)
		if n < known.Load() || n > known.Load()+maybe.Load() {
			s.Errorf("the counter is %d after %d updates and %d unknown ones", n, known.Load(), maybe.Load())
		}
	}},
	{"NoWriteSkew", func(s *suite) {
		for round := range 30 {
			on := [2][]byte{fmt.Appendf(nil, "%d/a", round), fmt.Appendf(nil, "%d/b", round)}
			s.set(string(on[0]), "on", string(on[1]), "on")
			var wg sync.WaitGroup
			for me := range 2 {
				wg.Go(func() { // each goes off call if the other is on
					if err := s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error {
						other, err := tx.Get(on[1-me])
						runtime.Gosched()
						if string(other) == "on" {
							tx.Set(on[me], []byte("off"))
						}
						return err
					}); err != nil {
						s.Errorf("Update: %v", err)
					}
				})
			}
			wg.Wait()
			if m := s.state(); m[string(on[0])] == "off" && m[string(on[1])] == "off" {
				s.Fatal("both are off call")
			}
		}
	}},
	{"NoPhantoms", func(s *suite) {
		for round := range 30 {
			prefix := fmt.Sprintf("%03d/", round)
			var wg sync.WaitGroup
			for me := range 3 {
				reverse := me == 1
				wg.Go(func() { // each takes the only seat if it finds none taken, under a key of its own
					if err := s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error {
						taken, err := list(tx, store.Range{Lo: []byte(prefix), Hi: []byte(prefix + "\xff"), Reverse: reverse, Limit: 1, KeysOnly: true})
						runtime.Gosched()
						if len(taken) == 0 {
							tx.Set(fmt.Appendf(nil, "%s%d", prefix, me), nil)
						}
						return err
					}); err != nil {
						s.Errorf("Update: %v", err)
					}
				})
			}
			wg.Wait()
			if n := len(s.state()); n != round+1 {
				s.Fatalf("%d seats are taken after %d rounds", n, round+1)
			}
		}
	}},
	{"CloseWaitsForTransactions", func(s *suite) {
		entered, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var committed atomic.Bool
		done := make(chan error)
		go func() {
			err := s.updateWith(store.UpdateOptions{}, func(tx store.Txn) error {
				tx.Set([]byte("a"), []byte("1"))
				once.Do(func() { close(entered) })
				<-release
				return nil
			})
			committed.Store(true)
			done <- err
		}()
		<-entered
		closed := make(chan error)
		go func() { closed <- s.e.Close() }()
		select {
		case err := <-closed:
			close(release)
			s.Fatalf("Close returned %v while a transaction was under way, which ended in %v", err, <-done)
		case <-time.After(5 * time.Millisecond):
		}
		close(release)
		if err := <-done; err != nil && !errors.Is(err, store.ErrClosed) { // it may have been a run that is not the last
			s.Errorf("the transaction under way: %v", err)
		}
		if err := <-closed; err != nil {
			s.Errorf("Close: %v", err)
		}
	}},
}
