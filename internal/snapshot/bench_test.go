package snapshot_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/datadir"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// What it takes to save, to fork and to begin with that, to stage, hand on to and forget a state of a million records of 200 bytes, in a data directory below TMPDIR.
func BenchmarkMillion(b *testing.B) {
	dir, err := datadir.Open(b.TempDir(), datadir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close()
	open := func(path string) (store.Engine, error) { return pebble.Open(path, pebble.Options{}) }
	e, err := open(dir.Store())
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for n := range uint64(1000) {
		if err := e.Update(b.Context(), store.UpdateOptions{Owned: true, Lazy: true}, func(tx store.Txn) error {
			for i := range uint64(1000) {
				tx.Set(binary.BigEndian.AppendUint64([]byte("sqs\x00\x07"), n*1000+i), make([]byte, 200))
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	k, st := snapshot.NewDirectory(dir, open), &store.Store{Engine: e, Clock: clock.New()}
	var save, fork, begin, stage, hand, drop, empty time.Duration
	n := 0
	timed := func(sum *time.Duration, fn func() error) {
		began := time.Now()
		if err := fn(); err != nil {
			b.Fatal(err)
		}
		*sum += time.Since(began)
	}
	for b.Loop() {
		name := fmt.Sprintf("s%d", n)
		n++
		timed(&save, func() error { _, err := snapshot.Save(b.Context(), k, st, name, "bench"); return err })
		var other *datadir.Dir
		timed(&fork, func() (err error) { other, err = snapshot.Fork(dir.Path(), name); return err })
		var forked store.Engine
		timed(&begin, func() (err error) { forked, err = open(other.Store()); return err })
		if err := errors.Join(forked.Close(), other.Discard()); err != nil {
			b.Fatal(err)
		}
		var s *snapshot.Staged
		timed(&stage, func() (err error) { s, err = k.Stage(name); return err })
		next := &store.Store{Engine: s.Engine, Clock: clock.New()}
		timed(&hand, func() error { return snapshot.Succeed(b.Context(), st, next) })
		timed(&empty, func() error { return snapshot.Empty(b.Context(), next) })
		timed(&drop, func() error { return s.Drop() })
		if err := k.Delete(name); err != nil {
			b.Fatal(err)
		}
	}
	for what, sum := range map[string]time.Duration{"save": save, "fork": fork, "begin": begin, "stage": stage, "succeed": hand, "empty": empty, "drop": drop} {
		b.ReportMetric(float64(sum.Microseconds())/1000/float64(n), what+"-ms")
	}
}
