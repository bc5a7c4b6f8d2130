// Package storetest holds engines to the contract of store.Engine: one suite that all of them pass. It asks for nothing
// that a SQL database under SERIALIZABLE could not give.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
)

// Subject is an engine under test, empty when it is opened, and what can be done to it. Who opens it sees to its end (t.Cleanup).
type Subject struct {
	Engine store.Engine
	// Reopen closes the engine and opens it again on what it keeps. Nil where it keeps nothing.
	Reopen func() store.Engine
	// Crash cuts the power, from under calls that are under way, and opens an engine on what is left. Those calls, and later ones on
	// the engine that was, may do anything but be acknowledged and lost. Nil where it cannot be done.
	Crash func() store.Engine
	// Unknown says that Update may answer ErrUnknown, without anything being wrong.
	Unknown bool
}

var seedFlag = flag.Uint64("storetest.seed", 0, "replay what this seed chose; 0 = a new one")

// seed is the seed of a test, printed where it fails.
func seed(t *testing.T) *rand.Rand {
	s := *seedFlag
	if s == 0 {
		s = rand.Uint64() | 1
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -storetest.seed=%d", s)
		}
	})
	return rand.New(rand.NewPCG(s, 1))
}

// Run runs the suite, each test on an engine of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, test := range slices.Concat(readTests, commitTests, viewTests, outcomeTests, concurrencyTests) {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			test.run(&suite{T: t, Subject: s, e: s.Engine})
		})
	}
	t.Run("Model", func(t *testing.T) { model(t, open(t)) })
	t.Run("Sure", func(t *testing.T) { Sure(t, open(t).Engine) })
	t.Run("History", func(t *testing.T) { history(t, open(t)) })
	t.Run("Crash", func(t *testing.T) {
		s := open(t)
		if s.Crash == nil {
			t.Skip("this engine cannot be crashed")
		}
		crash(t, s)
	})
}

type test struct {
	name string
	run  func(s *suite)
}

// suite is one test under way.
type suite struct {
	*testing.T
	Subject
	e store.Engine
}

// update runs fn until its outcome is known: what fn does must be the same when it is done twice.
func (s *suite) update(fn func(store.Txn) error) {
	s.Helper()
	if err := s.updateWith(store.UpdateOptions{}, fn); err != nil {
		s.Fatalf("Update: %v", err)
	}
}

func (s *suite) updateWith(o store.UpdateOptions, fn func(store.Txn) error) error {
	for {
		if err := s.e.Update(context.Background(), o, fn); !s.Unknown || !errors.Is(err, store.ErrUnknown) {
			return err
		}
	}
}

// set commits pairs of keys and values.
func (s *suite) set(pairs ...string) {
	s.Helper()
	s.update(func(tx store.Txn) error {
		for i := 0; i < len(pairs); i += 2 {
			tx.Set([]byte(pairs[i]), []byte(pairs[i+1]))
		}
		return nil
	})
}

// expect says what is committed, all of it, as "key=value" in order.
func (s *suite) expect(want ...string) {
	s.Helper()
	var got []string
	s.update(func(tx store.Txn) (err error) {
		got, err = list(tx, store.Range{})
		return err
	})
	if !slices.Equal(got, want) {
		s.Errorf("the store holds %q, want %q", got, want)
	}
	if err := s.e.View(context.Background(), func(r store.Reader) (err error) {
		got, err = list(r, store.Range{})
		return err
	}); err != nil || !slices.Equal(got, want) {
		s.Errorf("a view shows %q, %v, want %q", got, err, want)
	}
}

// list is what a scan gives, as "key=value".
func list(r store.Reader, o store.Range) (got []string, err error) {
	err = r.Scan(o, func(k, v []byte) bool {
		if o.KeysOnly {
			got = append(got, string(k))
		} else {
			got = append(got, string(k)+"="+string(v))
		}
		return true
	})
	return got, err
}

// have is a check inside a transaction: it fails the test once the transaction is through, whichever run of fn found it.
func have(what string, got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got %q, want %q", what, got, want)
}

func must(errs ...error) error { return errors.Join(errs...) }

var readTests = []test{
	{"GetTellsAbsentFromEmpty", func(s *suite) {
		s.set("empty", "", "full", "x")
		check := func(r store.Reader) error {
			for key, want := range map[string][]byte{"empty": {}, "full": []byte("x"), "none": nil, "emptyy": nil, "e": nil} {
				got, err := r.Get([]byte(key))
				if err != nil {
					return err
				}
				if (got == nil) != (want == nil) || !bytes.Equal(got, want) {
					return fmt.Errorf("%s is %#v, want %#v", key, got, want)
				}
			}
			return nil
		}
		s.update(func(tx store.Txn) error { return check(tx) })
		if err := s.e.View(context.Background(), check); err != nil {
			s.Error(err)
		}
		s.update(func(tx store.Txn) error { // the same of its own writes
			tx.DeleteRange([]byte("a"), []byte("z"))
			tx.Set([]byte("empty"), nil)
			tx.Set([]byte("full"), []byte("x"))
			return check(tx)
		})
	}},
	{"GetManyKeepsTheOrder", func(s *suite) {
		s.set("a", "1", "b", "", "c", "3", "d", "4")
		s.update(func(tx store.Txn) error {
			tx.Delete([]byte("d"))
			tx.Set([]byte("e"), []byte("5"))
			tx.Set([]byte("a"), []byte("one"))
			got, err := tx.GetMany([][]byte{[]byte("c"), []byte("none"), []byte("a"), []byte("c"), []byte("d"), []byte("b"), []byte("e")})
			if want := [][]byte{[]byte("3"), nil, []byte("one"), []byte("3"), nil, {}, []byte("5")}; err == nil && fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
				return fmt.Errorf("got %q, want %q", got, want)
			}
			return err
		})
	}},
	{"KeysAreBytes", func(s *suite) {
		s.set("\x00", "0", "\x00\x00", "00", "a", "1", "a\x00", "2", "a\x00\xff", "3", "a\xff", "4", "\xff", "5", "\xff\xff", "6")
		s.expect("\x00=0", "\x00\x00=00", "a=1", "a\x00=2", "a\x00\xff=3", "a\xff=4", "\xff=5", "\xff\xff=6")
	}},
	{"ScanRanges", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3", "d", "4")
		ranges := []struct {
			r    store.Range
			want []string
		}{
			{store.Range{}, []string{"a=1", "b=2", "c=3", "d=4"}},
			{store.Range{Reverse: true}, []string{"d=4", "c=3", "b=2", "a=1"}},
			{store.Range{Lo: []byte("b"), Hi: []byte("d")}, []string{"b=2", "c=3"}},
			{store.Range{Lo: []byte("b"), Hi: []byte("d"), Reverse: true}, []string{"c=3", "b=2"}},
			{store.Range{Lo: []byte("b")}, []string{"b=2", "c=3", "d=4"}},
			{store.Range{Lo: []byte("b"), Reverse: true}, []string{"d=4", "c=3", "b=2"}},
			{store.Range{Hi: []byte("b\x00")}, []string{"a=1", "b=2"}},
			{store.Range{Hi: []byte("b\x00"), Reverse: true}, []string{"b=2", "a=1"}},
			{store.Range{Lo: []byte("aa"), Hi: []byte("cc"), Reverse: true}, []string{"c=3", "b=2"}},
			{store.Range{Limit: 2}, []string{"a=1", "b=2"}},
			{store.Range{Limit: 2, Reverse: true}, []string{"d=4", "c=3"}},
			{store.Range{Limit: 9}, []string{"a=1", "b=2", "c=3", "d=4"}},
			{store.Range{KeysOnly: true, Limit: 3}, []string{"a", "b", "c"}},
			{store.Range{Lo: []byte("c"), Hi: []byte("c")}, nil},
			{store.Range{Lo: []byte("c"), Hi: []byte("b")}, nil},
			{store.Range{Lo: []byte("c"), Hi: []byte("b"), Reverse: true}, nil},
			{store.Range{Lo: []byte("e")}, nil},
			{store.Range{Hi: []byte("a"), Reverse: true}, nil},
		}
		check := func(r store.Reader) error {
			for _, c := range ranges {
				got, err := list(r, c.r)
				if err := must(err, have(fmt.Sprintf("scan %+v", c.r), got, c.want)); err != nil {
					return err
				}
			}
			return nil
		}
		s.update(func(tx store.Txn) error { return check(tx) })
		if err := s.e.View(context.Background(), check); err != nil {
			s.Error(err)
		}
		s.update(func(tx store.Txn) error { // the same, all of it the transaction's own
			tx.DeleteRange(nil, []byte("z"))
			for _, p := range []string{"d4", "b2", "a1", "c3"} {
				tx.Set([]byte(p[:1]), []byte(p[1:]))
			}
			return check(tx)
		})
	}},
	{"ScansSeeOwnWrites", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3", "d", "4", "e", "5")
		s.update(func(tx store.Txn) error {
			tx.Set([]byte("aa"), []byte("new"))
			tx.Set([]byte("b"), []byte("other"))
			tx.Delete([]byte("c"))
			tx.DeleteRange([]byte("d"), []byte("e"))
			tx.Set([]byte("f"), []byte("new"))
			forward, err1 := list(tx, store.Range{})
			backward, err2 := list(tx, store.Range{Reverse: true})
			some, err3 := list(tx, store.Range{Lo: []byte("aa"), Limit: 2})
			last, err4 := list(tx, store.Range{Reverse: true, Limit: 2, KeysOnly: true})
			return must(err1, err2, err3, err4,
				have("forward", forward, []string{"a=1", "aa=new", "b=other", "e=5", "f=new"}),
				have("backward", backward, []string{"f=new", "e=5", "b=other", "aa=new", "a=1"}),
				have("limited", some, []string{"aa=new", "b=other"}),
				have("last", last, []string{"f", "e"}))
		})
		s.expect("a=1", "aa=new", "b=other", "e=5", "f=new")
	}},
	{"WritesAfterDeleteRangeStay", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3")
		s.update(func(tx store.Txn) error {
			tx.Set([]byte("bb"), []byte("gone"))
			tx.DeleteRange([]byte("a"), []byte("c"))
			tx.Set([]byte("b"), []byte("again"))
			tx.Set([]byte("ab"), []byte("new"))
			forward, err1 := list(tx, store.Range{})
			backward, err2 := list(tx, store.Range{Reverse: true})
			gone, err3 := tx.Get([]byte("bb"))
			if gone != nil {
				err3 = errors.New("a row set before DeleteRange is still there")
			}
			return must(err1, err2, err3,
				have("forward", forward, []string{"ab=new", "b=again", "c=3"}),
				have("backward", backward, []string{"c=3", "b=again", "ab=new"}))
		})
		s.expect("ab=new", "b=again", "c=3")
		s.update(func(tx store.Txn) error {
			tx.DeleteRange([]byte("c"), []byte("b")) // nothing
			tx.DeleteRange([]byte("b"), []byte("b"))
			tx.DeleteRange([]byte("b"), nil)
			tx.Delete([]byte("ab"))
			tx.DeleteRange([]byte("a"), []byte("b"))
			tx.DeleteRange([]byte("a"), []byte("b"))
			return nil
		})
		s.expect("b=again", "c=3")
	}},
	{"AScanGoesOverWhatWasThere", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3", "d", "4")
		for _, reverse := range []bool{false, true} {
			s.update(func(tx store.Txn) error {
				var got []string
				err := tx.Scan(store.Range{Reverse: reverse}, func(k, v []byte) bool {
					got = append(got, string(k)+string(v))
					tx.Delete([]byte("b"))
					tx.DeleteRange([]byte("c"), []byte("cc"))
					tx.Set([]byte("bb"), []byte("new"))
					tx.Set([]byte("d"), []byte("new"))
					tx.Set([]byte("a"), []byte("new"))
					return true
				})
				want := []string{"a1", "b2", "c3", "d4"}
				if reverse {
					slices.Reverse(want)
				}
				after, err2 := list(tx, store.Range{})
				if err := must(err, err2, have("during", got, want), have("after", after, []string{"a=new", "bb=new", "d=new"})); err != nil {
					return err
				}
				for _, p := range []string{"a1", "b2", "c3", "d4"} { // as it was
					tx.Set([]byte(p[:1]), []byte(p[1:]))
				}
				tx.Delete([]byte("bb"))
				return nil
			})
		}
		s.expect("a=1", "b=2", "c=3", "d=4")
	}},
	{"ReadsInsideAScan", func(s *suite) {
		s.set("a", "1", "b", "2", "c", "3")
		check := func(r store.Reader) error {
			var got []string
			var inner error
			err := r.Scan(store.Range{}, func(k, v []byte) bool {
				key, value := string(k), string(v)
				again, err := r.Get(k)
				if err != nil || string(again) != value {
					inner = fmt.Errorf("%s is %q inside a scan, %w", key, again, err)
				}
				rest, err := list(r, store.Range{Lo: []byte(key + "\x00"), Reverse: true})
				if err != nil {
					inner = err
				}
				if string(k) != key || string(v) != value {
					inner = fmt.Errorf("%s=%s became %s=%s by reading inside the scan", key, value, k, v)
				}
				got = append(got, fmt.Sprint(key, rest))
				return true
			})
			return must(err, inner, have("nested", got, []string{"a[c=3 b=2]", "b[c=3]", "c[]"}))
		}
		s.update(func(tx store.Txn) error { return check(tx) })
		s.update(func(tx store.Txn) error {
			tx.Set([]byte("b"), []byte("2"))
			return check(tx)
		})
		if err := s.e.View(context.Background(), check); err != nil {
			s.Error(err)
		}
	}},
	{"ReadsStayValidUntilTheEnd", func(s *suite) {
		s.set("a", "1", "b", "2")
		s.update(func(tx store.Txn) error {
			a, err1 := tx.Get([]byte("a"))
			tx.Set([]byte("a"), []byte("9"))
			own, err2 := tx.Get([]byte("a"))
			tx.Set([]byte("a"), []byte("8"))
			tx.DeleteRange([]byte("a"), []byte("z"))
			b, err3 := tx.Get([]byte("b"))
			tx.Set([]byte("a"), []byte("1"))
			tx.Set([]byte("b"), []byte("2"))
			return must(err1, err2, err3, have("values", []string{string(a), string(own), string(b)}, []string{"1", "9", ""}))
		})
	}},
	{"WhatIsWrittenIsCopied", func(s *suite) {
		s.update(func(tx store.Txn) error {
			buf := []byte("key1value1")
			tx.Set(buf[:4], buf[4:])
			copy(buf, "key2value2")
			tx.Set(buf[:4], buf[4:])
			copy(buf, "key3")
			tx.Delete(buf[:4])
			copy(buf, "zzzzzzzzzz")
			tx.DeleteRange(buf[:1], buf[:2])
			copy(buf, "aaaaaaaaaa")
			got, err := list(tx, store.Range{})
			return must(err, have("inside", got, []string{"key1=value1", "key2=value2"}))
		})
		s.expect("key1=value1", "key2=value2")
	}},
	{"LargeScans", func(s *suite) {
		const n = 3000
		for from := 0; from < n; from += 500 {
			s.update(func(tx store.Txn) error {
				for i := from; i < from+500; i++ {
					tx.Set(fmt.Appendf(nil, "%06d", i), bytes.Repeat([]byte{byte(i)}, i%300))
				}
				return nil
			})
		}
		s.update(func(tx store.Txn) error {
			tx.DeleteRange([]byte("000100"), []byte("002000"))
			tx.Set([]byte("001500"), nil)
			i, seen := -1, 0
			var wrong error
			err := tx.Scan(store.Range{}, func(k, v []byte) bool {
				switch i++; i {
				case 100:
					i = 1500
				case 1501:
					i = 2000
				}
				size := i % 300
				if i == 1500 {
					size = 0
				}
				if string(k) != fmt.Sprintf("%06d", i) || len(v) != size {
					wrong = fmt.Errorf("row %d is %s with %d bytes", i, k, len(v))
				}
				seen++
				return wrong == nil
			})
			if seen != 1101 && wrong == nil {
				wrong = fmt.Errorf("%d rows", seen)
			}
			return must(err, wrong)
		})
	}},
}

// state is all that is committed.
func (s *suite) state() map[string]string {
	s.Helper()
	m, err := stateOf(s.e)
	if err != nil {
		s.Fatal(err)
	}
	return maps.Clone(m)
}

func stateOf(e store.Engine) (m map[string]string, err error) {
	err = e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
		m = make(map[string]string)
		return tx.Scan(store.Range{}, func(k, v []byte) bool {
			m[string(k)] = string(v)
			return true
		})
	})
	return m, err
}
