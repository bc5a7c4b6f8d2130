package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// part brings its own codec.
type part struct {
	Epoch uint64
	Node  string
}

func (p *part) AppendRecord(dst []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, p.Epoch), p.Node...)
}

func (p *part) ParseRecord(src []byte) error {
	if len(src) < 8 {
		return errors.New("short")
	}
	p.Epoch, p.Node = binary.BigEndian.Uint64(src), string(src[8:])
	return nil
}

func TestRecordsThatAreNone(t *testing.T) {
	space := newStore(t, memory.Options{}).Space("sqs")
	for want, declare := range map[string]func(){
		"embed store.Unknown": func() {
			store.NewTable[struct {
				A int `cbor:"1,keyasint"`
			}](space, 1, "t")
		},
		"field B of": func() {
			store.NewTable[struct {
				store.Unknown
				A int `cbor:"1,keyasint"`
				B int
			}](space, 1, "t")
		},
		"field C of": func() {
			store.NewTable[struct {
				store.Unknown
				A int `cbor:"1,keyasint"`
				C int `cbor:"1,keyasint"`
			}](space, 1, "t")
		},
		"field D of": func() {
			store.NewTable[struct {
				store.Unknown
				D int `cbor:"name"`
			}](space, 1, "t")
		},
		"must be a value": func() { store.NewTable[*queue](space, 1, "t") },
		"have the same id": func() {
			store.NewTable[queue](space, 9, "t")
			store.NewTable[queue](space, 9, "other")
		},
		"of no space": func() { store.NewTable[queue](store.Space{}, 1, "t") },
	} {
		func() {
			defer func() {
				if p, ok := recover().(string); !ok || !strings.Contains(p, want) {
					t.Errorf("panicked with %q, want %q", p, want)
				}
			}()
			declare()
		}()
	}
}

// rewrite sets a record in one table and gets it from another of the same keys.
func rewrite[A, B any](t *testing.T, v A) (got B) {
	t.Helper()
	st := newStore(t, memory.Options{Hostile: memory.Hostile{Seed: 5}})
	space := st.Space("sqs")
	a, b := store.NewTable[A](space, 1, "a"), store.NewTable[B](again(st, "sqs"), 1, "b")
	update(t, t.Context(), space, func(tx *store.Tx) { a.Set(tx, v, "k") })
	got, err := store.View(t.Context(), space, func(tx *store.Tx) (B, error) {
		v, ok := b.Get(tx, "k")
		if !ok {
			t.Error("absent")
		}
		return v, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	type nested struct {
		A int               `cbor:"1,keyasint,omitempty"`
		M map[string][]byte `cbor:"2,keyasint,omitempty"`
	}
	type record struct {
		store.Unknown
		S string         `cbor:"1,keyasint"`
		B []byte         `cbor:"2,keyasint"`
		N int64          `cbor:"3,keyasint"`
		U uint64         `cbor:"4,keyasint"`
		F float64        `cbor:"5,keyasint"`
		T time.Time      `cbor:"6,keyasint"`
		L []nested       `cbor:"7,keyasint"`
		P *nested        `cbor:"8,keyasint"`
		D time.Duration  `cbor:"9,keyasint"`
		I [16]byte       `cbor:"10,keyasint"`
		M map[string]int `cbor:"-1,keyasint"`
		_ int            // not exported: no part of the record
	}
	full := record{
		S: "not UTF-8: \xff\x00", B: []byte{}, N: -1 << 63, U: 1<<64 - 1, F: 0.1, T: noon.Add(1), L: []nested{{}, {A: 1}}, P: &nested{M: map[string][]byte{"k": {1}}},
		D: time.Hour, I: [16]byte{1, 2}, M: map[string]int{"a": 1, "b": 2},
	}
	for _, r := range []record{full, {}} {
		if got := rewrite[record, record](t, r); !reflect.DeepEqual(got, r) {
			t.Errorf("got  %#v\nwant %#v", got, r)
		}
	}
	if got := rewrite[part, part](t, part{1 << 60, "n1"}); got != (part{1 << 60, "n1"}) {
		t.Errorf("got %v", got)
	}
	if got := rewrite[string, string](t, ""); got != "" {
		t.Errorf("got %q", got)
	}
	rewrite[struct{}, struct{}](t, struct{}{})
}

func TestFieldsOfANewerVersionSurviveARewrite(t *testing.T) {
	type newer struct {
		store.Unknown
		Name    string            `cbor:"1,keyasint"`
		Created time.Time         `cbor:"2,keyasint,omitzero"`
		Limit   int               `cbor:"9,keyasint"`
		Labels  map[string]string `cbor:"30,keyasint"`
		Policy  []byte            `cbor:"-7,keyasint"`
	}
	st := newStore(t, memory.Options{Hostile: memory.Hostile{Seed: 6}})
	space := st.Space("sqs")
	now, before := store.NewTable[newer](space, 1, "now"), store.NewTable[queue](again(st, "sqs"), 1, "before")
	want := newer{Name: "a", Limit: 77, Labels: map[string]string{"x": "y"}, Policy: []byte("p")}
	update(t, t.Context(), space, func(tx *store.Tx) { now.Set(tx, want, "k") })
	for range 3 { // an older version rewrites it
		update(t, t.Context(), space, func(tx *store.Tx) {
			q, _ := before.Get(tx, "k")
			q.Name += "b"
			q.Tags = append(q.Tags, "t")
			before.Set(tx, q, "k")
		})
	}
	got, err := store.View(t.Context(), space, func(tx *store.Tx) (newer, error) {
		v, _ := now.Get(tx, "k")
		return v, nil
	})
	want.Name = "abbb"
	got.Unknown = store.Unknown{} // the older's Tags
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v, %v\nwant %#v", got, err, want)
	}
}

func TestManyFieldsOfANewerVersionSurvive(t *testing.T) {
	type few struct {
		store.Unknown
		A int `cbor:"1,keyasint"`
	}
	many := make(map[int]int)
	for i := range 300 {
		many[i+1] = i
	}
	st := newStore(t, memory.Options{})
	space := st.Space("sqs")
	all, some := store.NewTable[map[int]int](space, 1, "all"), store.NewTable[few](again(st, "sqs"), 1, "few")
	for _, n := range []int{1, 2, 23, 24, 25, 255, 256, 257, 300} {
		m := make(map[int]int)
		for i := range n {
			m[i+1] = i
		}
		update(t, t.Context(), space, func(tx *store.Tx) {
			all.Set(tx, m, n)
			f, ok := some.Get(tx, n)
			f.A = 5
			some.Set(tx, f, n)
			m[1] = 5
			if got, _ := all.Get(tx, n); !ok || !reflect.DeepEqual(got, m) {
				t.Errorf("of %d fields %d are left", n, len(got))
			}
		})
	}
}

func TestARecordMayGetItsOwnCodecLater(t *testing.T) {
	// What was written as CBOR is read, whatever the record's own codec is now.
	got := rewrite[map[string]any, part](t, map[string]any{"Epoch": 7, "Node": "n"})
	if got != (part{7, "n"}) {
		t.Errorf("got %v", got)
	}
}

// FuzzRecord decodes what may stand on a damaged disk: an error or a record that comes back as it was.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{1, 0xa1, 1, 0x61, 'a'})
	f.Add([]byte{1, 0xa2, 1, 0x61, 'a', 9, 0x81, 1})
	f.Add([]byte{1, 0xbf, 1, 0x61, 'a', 9, 0x81, 1, 0xff})
	f.Add([]byte{1, 0xa1, 9, 0xbf, 0xff})
	f.Add([]byte{1, 0xa2, 2, 0, 3, 0x80}) // a time and an empty list as we would not write them
	f.Add([]byte{2, 1})
	f.Add([]byte{1})
	f.Add([]byte{})
	space := newStore(f, memory.Options{}).Space("s")
	queues := store.NewTable[queue](space, 1, "queues", store.Global)
	key := []byte("s\x00\x01\x02k\x00")
	f.Fuzz(func(t *testing.T, value []byte) {
		e := memory.New(memory.Options{})
		s := (&store.Store{Engine: e, Clock: fixed(noon)}).Space("s")
		if err := e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error { tx.Set(key, value); return nil }); err != nil {
			t.Skip()
		}
		get := func(tx *store.Tx) (queue, error) { q, _ := queues.Get(tx, "k"); return q, nil }
		first, err := store.View(t.Context(), s, get)
		if y := first.Created.UTC().Year(); err != nil || y < 0 || y > 9999 {
			return // what was not of ours, or a time that no record can hold
		}
		update(t, t.Context(), s, func(tx *store.Tx) { queues.Set(tx, first, "k") })
		second, err := store.View(t.Context(), s, get)
		first.Created = first.Created.UTC() // only what we wrote is sure to be
		if len(first.Tags) == 0 {
			first.Tags = nil // omitempty
		}
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%x: %#v became %#v, %v", value, first, second, err)
		}
	})
}

func TestHotPathAllocations(t *testing.T) {
	if racing {
		t.Skip("allocations cannot be counted")
	}
	space := newStore(t, memory.Options{}).Space("sqs")
	parts := store.NewTable[part](space, 1, "parts")
	name := strings.Repeat("q", 30)
	id := uint64(1) << 41
	ctx := scoped("000000000001", "us-east-1")
	measure := func(what string, want float64, run func(tx *store.Tx)) {
		t.Helper()
		update(t, ctx, space, func(tx *store.Tx) {
			parts.Set(tx, part{1, "node"}, name, id)
			if got := testing.AllocsPerRun(100, func() { run(tx) }); got > want {
				t.Errorf("%s: %v allocations, want %v", what, got, want)
			}
		})
	}
	measure("Get", 1, func(tx *store.Tx) { // the string in the record
		if _, ok := parts.Get(tx, name, id); !ok {
			t.Error("absent")
		}
	})
	measure("Has", 0, func(tx *store.Tx) { parts.Has(tx, name, id) })
	measure("Delete", 1, func(tx *store.Tx) { parts.Delete(tx, name, id+1) })          // the key
	measure("Set", 2, func(tx *store.Tx) { parts.Set(tx, part{1, "node"}, name, id) }) // the row in the tree, key and value
	w := store.NewWrites(space, ctxScope(ctx))
	p := part{1, strings.Repeat("x", 400)}
	if got := testing.AllocsPerRun(100, func() {
		w.Reset(ctxScope(ctx))
		for i := range 10 {
			parts.Set(w, p, name, id+uint64(i))
			parts.Delete(w, name, i)
		}
	}); got != 0 {
		t.Errorf("recorded writes: %v allocations", got)
	}
}

func TestKeysOnDiskDoNotChange(t *testing.T) {
	st := newStore(t, memory.Options{})
	space := st.Space("sqs")
	parts := store.NewTable[part](space, 7, "parts")
	global := store.NewTable[queue](space, 8, "global", store.Global)
	update(t, scoped("000000000258", "us-east-1"), space, func(tx *store.Tx) {
		parts.Set(tx, part{3, "n"}, "a", 300, noon)
		global.Set(tx, queue{Name: "x", Created: noon}, []byte{0})
	})
	var got bytes.Buffer
	if err := st.Engine.View(t.Context(), func(r store.Reader) error {
		return r.Scan(store.Range{}, func(k, v []byte) bool {
			got.WriteString(strings.Join([]string{hex(k), hex(v)}, " ") + "\n")
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	want := "7371730007" + "160102" + "0275732d656173742d3100" + "026100" + "16012c" + "33800000006b042ac000000001" + " 02" + "0000000000000003" + "6e\n"
	want += "7371730008" + "0100ff00" + " 01a2016178" + "02781e" + hex([]byte("2026-11-23T12:00:00.000000001Z")) + "\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func hex(b []byte) string { return fmt.Sprintf("%x", b) }

func ctxScope(ctx context.Context) aws.Scope { return aws.RequestOf(ctx).Scope }

func BenchmarkUpdate(b *testing.B) {
	space := newStore(b, memory.Options{}).Space("sqs")
	parts := store.NewTable[part](space, 1, "parts")
	ctx := scoped("000000000001", "us-east-1")
	for from := 0; from < 10_000; from += 1000 {
		update(b, ctx, space, func(tx *store.Tx) {
			for i := from; i < from+1000; i++ {
				parts.Set(tx, part{1, "node"}, i)
			}
		})
	}
	run := func(name string, fn func(tx *store.Tx, i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i*7919 + 1) % 10_000
				if _, err := store.Update(ctx, space, func(tx *store.Tx) (int, error) { fn(tx, i); return 0, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("empty", func(*store.Tx, int) {})
	run("get", func(tx *store.Tx, i int) { parts.Get(tx, i) })
	run("get and set", func(tx *store.Tx, i int) {
		p, _ := parts.Get(tx, i)
		p.Epoch++
		parts.Set(tx, p, i)
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i = (i*7919 + 1) % 10_000
			if _, err := store.View(ctx, space, func(tx *store.Tx) (bool, error) { return parts.Has(tx, i), nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
