package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// fixed is a clock that stands.
type fixed time.Time

func (c fixed) Now() time.Time { return time.Time(c) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 1, time.UTC)

func newStore(tb testing.TB, o memory.Options) *store.Store {
	e := memory.New(o)
	tb.Cleanup(func() { e.Close() })
	return &store.Store{Engine: e, Clock: fixed(noon)}
}

// again is a space of the same engine as another program declares it.
func again(st *store.Store, name string) store.Space {
	return (&store.Store{Engine: st.Engine, Clock: st.Clock}).Space(name)
}

func scoped(account, region string) context.Context {
	return aws.WithRequest(context.Background(), &aws.Request{Scope: aws.Scope{Account: account, Region: region}})
}

// update runs fn and fails the test on an error.
func update(tb testing.TB, ctx context.Context, s store.Space, fn func(tx *store.Tx)) {
	tb.Helper()
	if _, err := store.Update(ctx, s, func(tx *store.Tx) (struct{}, error) {
		fn(tx)
		return struct{}{}, nil
	}); err != nil {
		tb.Fatal(err)
	}
}

type queue struct {
	store.Unknown
	Name    string    `cbor:"1,keyasint"`
	Created time.Time `cbor:"2,keyasint,omitzero"`
	Tags    []string  `cbor:"3,keyasint,omitempty"`
}

var errOurs = errors.New("ours")

// failing is an engine whose reads fail after some.
type failing struct {
	store.Engine
	good int
}

type failingTxn struct {
	store.Txn
	left *int
}

func (t failingTxn) err() error {
	if *t.left--; *t.left < 0 {
		return errOurs
	}
	return nil
}

func (t failingTxn) Get(key []byte) ([]byte, error) {
	if err := t.err(); err != nil {
		return nil, err
	}
	return t.Txn.Get(key)
}

func (t failingTxn) Scan(r store.Range, fn func(k, v []byte) bool) error {
	if err := t.err(); err != nil {
		return err
	}
	return t.Txn.Scan(r, fn)
}

func (e failing) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	left := e.good
	return e.Engine.Update(ctx, o, func(tx store.Txn) error { return fn(failingTxn{tx, &left}) })
}

func TestAReadThatFailsSpoilsTheTransaction(t *testing.T) {
	st := newStore(t, memory.Options{})
	space := st.Space("sqs")
	queues := store.NewTable[queue](space, 1, "queues")
	update(t, t.Context(), space, func(tx *store.Tx) { queues.Set(tx, queue{Name: "a"}, "a") })

	st.Engine = failing{st.Engine, 1}
	ran := false
	_, err := store.Update(t.Context(), space, func(tx *store.Tx) (int, error) {
		if _, ok := queues.Get(tx, "a"); !ok {
			t.Error("the read before the fault answered absent")
		}
		if _, ok := queues.Get(tx, "a"); ok {
			t.Error("the read that failed answered present")
		}
		for range queues.Scan(tx, store.ScanOptions{}) {
			t.Error("a scan after it gave a record")
		}
		queues.Set(tx, queue{Name: "b"}, "b")
		tx.OnCommit(func() { ran = true })
		return 1, errors.New("what the closure makes of it")
	})
	if err != errOurs {
		t.Errorf("Update returned %v", err)
	}
	if ran {
		t.Error("OnCommit was called")
	}
	st.Engine = st.Engine.(failing).Engine
	update(t, t.Context(), space, func(tx *store.Tx) {
		if queues.Has(tx, "b") {
			t.Error("the spoiled transaction wrote")
		}
	})
}

func TestAViewWritesNothing(t *testing.T) {
	space := newStore(t, memory.Options{}).Space("sqs")
	queues := store.NewTable[queue](space, 1, "queues")
	for name, write := range map[string]func(tx *store.Tx){
		"set":        func(tx *store.Tx) { queues.Set(tx, queue{}, "a") },
		"delete":     func(tx *store.Tx) { queues.Delete(tx, "a") },
		"delete all": func(tx *store.Tx) { queues.DeleteAll(tx) },
	} {
		if _, err := store.View(t.Context(), space, func(tx *store.Tx) (int, error) { write(tx); return 0, nil }); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARecordThatCannotBeReadSpoils(t *testing.T) {
	st := newStore(t, memory.Options{})
	space := st.Space("sqs")
	queues := store.NewTable[queue](space, 1, "queues", store.Global)
	names := store.NewTable[string](again(st, "sqs"), 1, "names", store.Global)
	update(t, t.Context(), space, func(tx *store.Tx) { names.Set(tx, "a", "a") })
	if _, err := store.View(t.Context(), space, func(tx *store.Tx) (int, error) {
		if _, ok := queues.Get(tx, "a"); ok {
			t.Error("a record that is none was read")
		}
		return 0, nil
	}); err == nil || !strings.Contains(err.Error(), "sqs.queues") {
		t.Errorf("View returned %v", err)
	}
	if _, err := store.View(t.Context(), space, func(tx *store.Tx) (int, error) {
		for range queues.Scan(tx, store.ScanOptions{}) {
			t.Error("a record that is none was read")
		}
		return 0, nil
	}); err == nil {
		t.Error("the scan reported nothing")
	}
}

func TestATransactionKeptBeyondItsEndPanics(t *testing.T) {
	space := newStore(t, memory.Options{}).Space("sqs")
	queues := store.NewTable[queue](space, 1, "queues")
	var kept *store.Tx
	update(t, t.Context(), space, func(tx *store.Tx) { kept = tx })
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	queues.Get(kept, "a")
}

func TestRecordsAreScoped(t *testing.T) {
	space := newStore(t, memory.Options{}).Space("sqs")
	queues := store.NewTable[queue](space, 1, "queues")
	limits := store.NewTable[int](space, 2, "limits", store.Global)
	scopes := []aws.Scope{
		{Account: "000000000000", Region: "us-east-1"},
		{Account: "000000000000", Region: "us-east-2"},
		{Account: "000000000001", Region: "us-east-1"},
		{Account: "99", Region: "us-east-1"},
		{},
		{Account: "999999999999", Region: ""},
	}
	for i, s := range scopes {
		update(t, scoped(s.Account, s.Region), space, func(tx *store.Tx) {
			queues.Set(tx, queue{Name: fmt.Sprint(i)}, "q")
			limits.Set(tx, i, "last")
		})
	}
	for i, s := range scopes {
		update(t, t.Context(), space, func(tx *store.Tx) {
			if tx := tx.In(s); tx.Scope() != s || !queues.Has(tx, "q") {
				t.Errorf("nothing in scope %v", tx.Scope())
			}
			n := 0
			for k, q := range queues.Scan(tx.In(s), store.ScanOptions{}) {
				if n++; q.Name != fmt.Sprint(i) || k.String(0) != "q" || k.Len() != 1 {
					t.Errorf("scope %v holds %v under %x", s, q, []byte(k))
				}
			}
			if last, _ := limits.Get(tx, "last"); n != 1 || last != len(scopes)-1 {
				t.Errorf("scope %v: %d records; the global one is %d", s, n, last)
			}
			queues.DeleteAll(tx.In(s))
		})
	}
	update(t, t.Context(), space, func(tx *store.Tx) {
		if !limits.Has(tx, "last") {
			t.Error("DeleteAll reached another table")
		}
	})
}

func TestScans(t *testing.T) {
	space := newStore(t, memory.Options{Hostile: memory.Hostile{Seed: 3}}).Space("sqs")
	messages := store.NewTable[string](space, 1, "messages")
	other := store.NewTable[string](space, 2, "others")
	update(t, t.Context(), space, func(tx *store.Tx) {
		for i := range 5 {
			messages.Set(tx, fmt.Sprint("m", i), "q", i)
		}
		messages.Set(tx, "root", "q")
		messages.Set(tx, "before", "p", 9)
		messages.Set(tx, "after", "qq", 0)
		messages.Set(tx, "deep", "q", 2, "x")
		other.Set(tx, "other", "q", 1)
	})
	parts := func(p ...any) []any { return p }
	for _, c := range []struct {
		o      store.ScanOptions
		prefix []any
		want   string
	}{
		{store.ScanOptions{}, parts("q"), "root m0 m1 m2 deep m3 m4"},
		{store.ScanOptions{}, parts("q", 2), "m2 deep"},
		{store.ScanOptions{}, nil, "before root m0 m1 m2 deep m3 m4 after"},
		{store.ScanOptions{Reverse: true}, parts("q"), "m4 m3 deep m2 m1 m0 root"},
		{store.ScanOptions{Limit: 2}, parts("q"), "root m0"},
		{store.ScanOptions{From: parts(2)}, parts("q"), "m2 deep m3 m4"},
		{store.ScanOptions{After: parts(2)}, parts("q"), "m3 m4"},
		{store.ScanOptions{After: parts(2, "w")}, parts("q"), "deep m3 m4"},
		{store.ScanOptions{After: parts(1), Limit: 1}, parts("q"), "m2"},
		{store.ScanOptions{Before: parts(2)}, parts("q"), "root m0 m1"},
		{store.ScanOptions{Before: parts(3), Reverse: true, Limit: 2}, parts("q"), "deep m2"},
		{store.ScanOptions{From: parts(1), Before: parts(3)}, parts("q"), "m1 m2 deep"},
		{store.ScanOptions{After: parts(4)}, parts("q"), ""},
		{store.ScanOptions{After: parts("q")}, nil, "after"},
		{store.ScanOptions{}, parts("r"), ""},
	} {
		got, err := store.Update(t.Context(), space, func(tx *store.Tx) (got [2][]string, err error) {
			for k, m := range messages.Scan(tx, c.o, c.prefix...) {
				got[0] = append(got[0], m)
				got[1] = append(got[1], fmt.Sprintf("%x", []byte(k)))
			}
			for k := range messages.Keys(tx, c.o, c.prefix...) {
				if len(got[1]) == 0 || got[1][0] != fmt.Sprintf("%x", []byte(k)) {
					return got, fmt.Errorf("Keys gives %x where Scan gives %s", []byte(k), got[1])
				}
				got[1] = got[1][1:]
			}
			return got, nil
		})
		if err != nil || strings.Join(got[0], " ") != c.want || len(got[1]) != 0 {
			t.Errorf("%+v of %v: %q, %v, want %q", c.o, c.prefix, got, err, c.want)
		}
	}
	seen, err := store.Update(t.Context(), space, func(tx *store.Tx) (seen []string, err error) {
		for k, m := range messages.Scan(tx, store.ScanOptions{}, "q") { // the loop may read and write
			root, _ := messages.Get(tx, "q")
			if k.Len() == 2 && k.Int(1) > 2 {
				seen = append(seen, fmt.Sprint(root, k.String(0), k.Uint64(1), m))
				messages.Delete(tx, "q", k.Int(1))
			}
		}
		messages.DeleteAll(tx, "q", 2)
		return seen, nil
	})
	if want := []string{"rootq3m3", "rootq4m4"}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("the loop saw %q, %v, want %q", seen, err, want)
	}
	left, err := store.View(t.Context(), space, func(tx *store.Tx) (left []string, err error) {
		for _, m := range messages.Scan(tx, store.ScanOptions{}) {
			if left = append(left, m); len(left) == 4 {
				break
			}
		}
		return left, nil
	})
	if want := []string{"before", "root", "m0", "m1"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, %v, want %q", left, err, want)
	}
}

func TestOnCommit(t *testing.T) {
	st := newStore(t, memory.Options{})
	space := st.Space("sqs")
	var calls []string
	note := func(s string) func() { return func() { calls = append(calls, s) } }
	run := func(err error) error {
		calls = nil
		_, got := store.Update(t.Context(), space, func(tx *store.Tx) (int, error) {
			tx.OnCommit(note("committed"))
			tx.In(aws.Scope{}).OnCommit(note("in another scope"))
			tx.OnUnknown(note("unknown"))
			w := store.NewWrites(space, aws.Scope{})
			w.OnCommit(note("joined"))
			w.OnUnknown(note("joined unknown"))
			tx.Apply(w)
			return 0, err
		})
		return got
	}
	if err := run(errOurs); err != errOurs || len(calls) > 0 {
		t.Errorf("a failed update: %v, called %v", err, calls)
	}
	if err := run(nil); err != nil || !slices.Equal(calls, []string{"committed", "in another scope", "joined"}) {
		t.Errorf("an update: %v, called %v", err, calls)
	}
	st.Engine = unknown{st.Engine}
	if err := run(nil); !errors.Is(err, store.ErrUnknown) || !slices.Equal(calls, []string{"unknown", "joined unknown"}) {
		t.Errorf("an unknown outcome: %v, called %v", err, calls)
	}
}

type unknown struct{ store.Engine }

func (e unknown) Update(ctx context.Context, o store.UpdateOptions, fn func(store.Txn) error) error {
	if err := e.Engine.Update(ctx, o, fn); err != nil {
		return err
	}
	return fmt.Errorf("%w: the connection broke", store.ErrUnknown)
}

func TestWritesJoinATransaction(t *testing.T) {
	space := newStore(t, memory.Options{Hostile: memory.Hostile{Seed: 4}}).Space("sqs")
	queues := store.NewTable[queue](space, 1, "queues")
	scope := aws.Scope{Account: "000000000007", Region: "eu-west-1"}
	w := store.NewWrites(space, scope)
	if !w.Empty() || w.Scope() != scope || !w.Now().Equal(noon) {
		t.Errorf("new writes: %v %v %v", w.Empty(), w.Scope(), w.Now())
	}
	for i := range 5 {
		queues.Set(w, queue{Name: fmt.Sprint(i)}, "q", i)
	}
	queues.Delete(w, "q", 1)
	queues.DeleteAll(w, "q", 3)
	queues.Set(w, queue{Name: "again"}, "q", 3)
	list := func(tx *store.Tx) (names []string) {
		for _, q := range queues.Scan(tx.In(scope), store.ScanOptions{}, "q") {
			names = append(names, q.Name)
		}
		return names
	}
	want := []string{"0", "2", "again", "4"}
	if got, err := store.Update(scoped("000000000001", "us-east-1"), space, func(tx *store.Tx) ([]string, error) {
		tx.Apply(w)
		return list(tx), nil
	}); err != nil || !slices.Equal(got, want) {
		t.Errorf("in the transaction: %q, %v, want %q", got, err, want)
	}
	w.Reset(aws.Scope{})
	if !w.Empty() || w.Size() != 0 {
		t.Error("not empty after Reset")
	}
	if got, err := store.View(t.Context(), space, func(tx *store.Tx) ([]string, error) { return list(tx), nil }); err != nil || !slices.Equal(got, want) {
		t.Errorf("after it: %q, %v, want %q", got, err, want)
	}

	names := store.NewTable[string](space, 2, "names")
	for what, write := range map[string]func(){
		"a value": func() { names.Set(w, strings.Repeat("v", store.MaxValue), "k") },
		"a key":   func() { names.Set(w, "", strings.Repeat("k", store.MaxKey)) },
	} {
		w.Reset(aws.Scope{})
		if write(); !errors.Is(w.Err(), store.ErrLimit) {
			t.Errorf("%s over its limit: %v", what, w.Err())
		}
	}
	w.Reset(aws.Scope{})
	bad := store.NewTable[any1](space, 3, "bad")
	bad.Set(w, any1{V: func() {}}, "a")
	if w.Err() == nil {
		t.Error("a record that cannot be encoded spoiled nothing")
	}
	if _, err := store.Update(t.Context(), space, func(tx *store.Tx) (int, error) { tx.Apply(w); return 0, nil }); !errors.Is(err, w.Err()) {
		t.Errorf("applying it: %v", err)
	}
}

type any1 struct {
	store.Unknown
	V any `cbor:"1,keyasint"`
}

func TestFencesOfATable(t *testing.T) {
	space := newStore(t, memory.Options{}).Space("owner")
	parts := store.NewTable[part](space, 1, "partitions", store.Global)
	ctx := scoped("000000000001", "us-east-1")
	update(t, ctx, space, func(tx *store.Tx) { parts.Set(tx, part{7, "n1"}, 12) })
	for epoch, want := range map[uint64]error{7: nil, 8: store.ErrFenced} {
		o := store.UpdateOptions{Fences: []store.Fence{parts.Fence(epoch, 12)}}
		if _, err := store.UpdateWith(ctx, space, o, func(tx *store.Tx) (int, error) { return 0, nil }); !errors.Is(err, want) {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
}

func TestOverruns(t *testing.T) {
	st := newStore(t, memory.Options{})
	space := st.Space("sqs")
	names := store.NewTable[string](space, 1, "names")
	update(t, t.Context(), space, func(tx *store.Tx) {
		for i := range 600 {
			names.Set(tx, "", i)
		}
	})
	var overruns []string
	st.Overrun = func(name string, keys int, took time.Duration) {
		overruns = append(overruns, fmt.Sprint(name, " ", keys > store.MaxTxnWrites, took > store.MaxTxnTime))
	}
	update(t, t.Context(), space, func(tx *store.Tx) {
		for range names.Keys(tx, store.ScanOptions{}) {
		}
		for range names.Keys(tx, store.ScanOptions{}) {
		}
		time.Sleep(2 * store.MaxTxnTime)
	})
	if want := []string{"sqs true true"}; !slices.Equal(overruns, want) {
		t.Errorf("got %q, want %q", overruns, want)
	}
}
