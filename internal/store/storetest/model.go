package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/obidos-cloud/obidos/internal/store"
)

// model runs random transactions, one after the other, against the engine and against a map.
func model(t *testing.T, s Subject) {
	rapid.Check(t, func(t *rapid.T) {
		want := make(reference)
		if err := s.retry(func(tx store.Txn) error { tx.DeleteRange([]byte{0}, bytes.Repeat([]byte{0xff}, 10)); return nil }); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 6).Draw(t, "transactions") {
			steps := rapid.SliceOfN(rapid.Custom(drawStep), 0, 12).Draw(t, "steps")
			fails := rapid.IntRange(0, 4).Draw(t, "fails") == 0
			lazy := rapid.Bool().Draw(t, "lazy")

			var got []string
			err := s.Engine.Update(context.Background(), store.UpdateOptions{Lazy: lazy}, func(tx store.Txn) error {
				got = nil
				for _, step := range steps {
					answer, err := step.run(tx)
					if err != nil {
						return err
					}
					got = append(got, answer)
				}
				if fails {
					return errOurs
				}
				return nil
			})
			next, expect := maps.Clone(want), []string(nil)
			for _, step := range steps {
				answer, _ := step.run(next)
				expect = append(expect, answer)
			}
			for i := range min(len(got), len(expect)) {
				if got[i] != expect[i] {
					t.Fatalf("%v answered %s, want %s", steps[i], got[i], expect[i])
				}
			}
			committed, rerr := stateOf(s.Engine)
			if rerr != nil {
				t.Fatal(rerr)
			}
			switch {
			case fails && errors.Is(err, errOurs):
			case !fails && err == nil:
				want = next
			case !fails && s.Unknown && errors.Is(err, store.ErrUnknown):
				if !maps.Equal(committed, want) {
					want = next
				}
			default:
				t.Fatalf("Update: %v", err)
			}
			if !maps.Equal(committed, want) {
				t.Fatalf("the store holds %q, want %q", committed, want)
			}
		}
		if err := s.retry(func(tx store.Txn) error { tx.Set([]byte("synced"), nil); return nil }); err != nil {
			t.Fatal(err)
		}
		want["synced"] = ""
		if err := s.Engine.View(context.Background(), func(r store.Reader) error {
			for _, reverse := range []bool{false, true} {
				all := step{op: opScan, reverse: reverse}
				got, err := all.answer(r)
				expect, _ := all.answer(want)
				if err := must(err, have("view", []string{got}, []string{expect})); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func (s Subject) retry(fn func(store.Txn) error) error {
	for {
		if err := s.Engine.Update(context.Background(), store.UpdateOptions{}, fn); !s.Unknown || !errors.Is(err, store.ErrUnknown) {
			return err
		}
	}
}

// step is one thing a transaction does.
type step struct {
	op       int
	a, b     []byte // key and value, or a range
	limit    int
	stop     int // a scan ends itself after so many; 0 = not
	reverse  bool
	keysOnly bool
}

const (
	opGet = iota
	opGetMany
	opScan
	opSet
	opDelete
	opDeleteRange
	ops
)

func (s step) String() string {
	return fmt.Sprintf("%s %q %q reverse=%v limit=%d stop=%d", [...]string{"get", "get many", "scan", "set", "delete", "delete range"}[s.op], s.a, s.b, s.reverse, s.limit, s.stop)
}

// drawKey draws keys that are close to each other.
var drawKey = rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xff}), 1, 3)

func drawStep(t *rapid.T) step {
	return step{
		op:       rapid.IntRange(0, ops-1).Draw(t, "op"),
		a:        drawKey.Draw(t, "a"),
		b:        drawKey.Draw(t, "b"),
		limit:    rapid.IntRange(0, 3).Draw(t, "limit"),
		stop:     rapid.IntRange(0, 4).Draw(t, "stop"),
		reverse:  rapid.Bool().Draw(t, "reverse"),
		keysOnly: rapid.Bool().Draw(t, "keys only"),
	}
}

// run does the step and answers what it saw.
func (s step) run(tx store.Txn) (string, error) {
	switch s.op {
	case opSet:
		tx.Set(s.a, s.b)
	case opDelete:
		tx.Delete(s.a)
	case opDeleteRange:
		tx.DeleteRange(s.a, s.b)
	}
	return s.answer(tx)
}

func (s step) answer(r store.Reader) (string, error) {
	switch s.op {
	case opGet:
		v, err := r.Get(s.a)
		return fmt.Sprintf("%q, %v", v, v == nil), err
	case opGetMany:
		v, err := r.GetMany([][]byte{s.a, s.b, s.a})
		return fmt.Sprintf("%q", v), err
	case opScan:
		o := store.Range{Lo: s.a, Hi: s.b, Reverse: s.reverse, Limit: s.limit, KeysOnly: s.keysOnly}
		var got []string
		err := r.Scan(o, func(k, v []byte) bool {
			if o.KeysOnly {
				v = nil
			}
			got = append(got, fmt.Sprintf("%q=%q", k, v))
			return len(got) != s.stop
		})
		return fmt.Sprint(got), err
	}
	return "", nil
}

// reference is the plainest of engines.
type reference map[string]string

func (m reference) Get(key []byte) ([]byte, error) {
	if v, ok := m[string(key)]; ok {
		return []byte(v), nil
	}
	return nil, nil
}

func (m reference) GetMany(keys [][]byte) (values [][]byte, err error) {
	for _, k := range keys {
		v, _ := m.Get(k)
		values = append(values, v)
	}
	return values, nil
}

func (m reference) Scan(r store.Range, fn func(key, value []byte) bool) error {
	keys := slices.Sorted(maps.Keys(m))
	if r.Reverse {
		slices.Reverse(keys)
	}
	n := 0
	for _, k := range keys {
		if k < string(r.Lo) || len(r.Hi) > 0 && k >= string(r.Hi) {
			continue
		}
		if n++; !fn([]byte(k), []byte(m[k])) || n == r.Limit {
			return nil
		}
	}
	return nil
}

func (m reference) Set(key, value []byte) { m[string(key)] = string(value) }
func (m reference) Delete(key []byte)     { delete(m, string(key)) }
func (m reference) DeleteRange(lo, hi []byte) {
	maps.DeleteFunc(m, func(k, _ string) bool { return k >= string(lo) && k < string(hi) })
}
