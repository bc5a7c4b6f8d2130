package key_test

import (
	"bytes"
	"cmp"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/key"
)

// samples are parts in ascending order.
var samples = []any{
	[]byte{},
	[]byte{0},
	[]byte{0, 0},
	[]byte{0, 0xff},
	[]byte{1},
	[]byte{0xff},
	[]byte{0xff, 0},
	"", "\x00", "\x00\x00", "\x00\xff", "a", "a\x00", "a\x00b", "a\x01", "aa", "b", "\xff",
	int64(math.MinInt64), int64(math.MinInt64 + 1), int64(-1 << 56), int64(-1<<56 + 1), -65537, -65536, -65535, -257, -256, -255, -2, -1,
	0, uint8(1), 2, 255, uint16(256), 257, uint32(65535), 65536, int64(1) << 40, int64(math.MaxInt64), uint64(1) << 63, uint64(math.MaxUint64),
	false, true,
	[16]byte{},
	[16]byte{1},
	[16]byte{1, 2},
	[16]byte{0xff},
	time.Time{},
	time.Unix(-1, 999_999_999), time.Unix(0, 0), time.Unix(0, 1), time.Unix(1, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
}

func TestMalformedTuplesAreRefused(t *testing.T) {
	for _, b := range []string{
		"\x00", "\xff", "\x03", "\x01", "\x02a", "\x02a\x00\xff", "\x15", "\x15\x00", "\x16\x00\x01", "\x13", "\x13\xff", "\x0c\x00",
		"\x0c\x00\x00\x00\x00\x00\x00\x00\x00", "\x0c\x7f\xff\xff\xff\xff\xff\xff\xfe", "\x30abc", "\x33\x80\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff", "\x33",
	} {
		if parts, err := key.Tuple(b).Parts(); err == nil {
			t.Errorf("%x was taken for %v", b, parts)
		}
	}
}

func TestAskingForTheWrongPartPanics(t *testing.T) {
	k := key.Tuple(key.Append(nil, "a", -1, uint64(1)<<63, []byte("b")))
	for name, ask := range map[string]func(){
		"beyond the end":      func() { k.String(4) },
		"string as integer":   func() { k.Int64(0) },
		"integer as string":   func() { k.String(1) },
		"negative as uint64":  func() { k.Uint64(1) },
		"too large for int64": func() { k.Int64(2) },
		"bytes as string":     func() { k.String(3) },
		"string as bytes":     func() { k.Bytes(0) },
		"string as time":      func() { k.Time(0) },
		"string as id":        func() { k.ID(0) },
		"string as bool":      func() { k.Bool(0) },
		"another type":        func() { key.Append(nil, struct{}{}) },
		"nil":                 func() { key.Append(nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil || !strings.HasPrefix(p.(string), "store: ") {
					t.Errorf("panicked with %v", p)
				}
			}()
			ask()
		})
	}
}

func TestPartsSortAsTheirValues(t *testing.T) {
	for i, a := range samples {
		for j, b := range samples {
			if got, want := bytes.Compare(key.Append(nil, a), key.Append(nil, b)), cmp.Compare(i, j); got != want {
				t.Errorf("%#v and %#v compare as %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestTuplesSortBeforeThoseThatContinueThem(t *testing.T) {
	for _, a := range samples {
		one := key.Append(nil, a)
		end := key.End(bytes.Clone(one))
		for _, b := range samples {
			two := key.Append(nil, a, b)
			if bytes.Compare(one, two) >= 0 || bytes.Compare(two, end) >= 0 {
				t.Errorf("(%#v, %#v) is not between (%#v) and its end", a, b, a)
			}
		}
		for _, b := range samples {
			if other := key.Append(nil, b); !bytes.Equal(one, other) && bytes.Compare(one, other) < 0 && bytes.Compare(other, end) < 0 {
				t.Errorf("(%#v) is between (%#v) and its end", b, a)
			}
		}
	}
}

func TestIntegersOfAllTypesAreOneKind(t *testing.T) {
	want := key.Append(nil, 200)
	for _, p := range []any{int32(200), int64(200), uint8(200), uint16(200), uint32(200), uint64(200)} {
		if got := key.Append(nil, p); !bytes.Equal(got, want) {
			t.Errorf("%T is %x, int is %x", p, got, want)
		}
	}
}

func TestAccessors(t *testing.T) {
	id, at := [16]byte{1, 2, 3}, time.Unix(1_700_000_000, 123_456_789).UTC()
	k := key.Tuple(key.Append(nil, "a\x00b", []byte("c\x00\x00d"), -77, uint64(math.MaxUint64), true, id, at, math.MinInt64, 5))
	got := []any{k.String(0), k.Bytes(1), k.Int64(2), k.Uint64(3), k.Bool(4), k.ID(5), k.Time(6), k.Int64(7), k.Int(8), k.Uint64(8), k.Len()}
	want := []any{"a\x00b", []byte("c\x00\x00d"), int64(-77), uint64(math.MaxUint64), true, id, at, int64(math.MinInt64), 5, uint64(5), 9}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// tupleOf makes a tuple of what a fuzzer found.
func tupleOf(src []byte) []any {
	var parts []any
	take := func(n int) []byte {
		n = min(n, len(src))
		b := src[:n]
		src = src[n:]
		return b
	}
	number := func(n int) (v uint64) {
		for _, c := range take(n) {
			v = v<<8 | uint64(c)
		}
		return v
	}
	for len(src) > 0 && len(parts) < 6 {
		kind := take(1)[0]
		size := int(kind >> 4)
		switch kind & 0x0f % 7 {
		case 0:
			parts = append(parts, string(take(size)))
		case 1:
			parts = append(parts, append([]byte{}, take(size)...))
		case 2:
			parts = append(parts, int64(number(size%9)))
		case 3:
			if v := number(size % 9); v > math.MaxInt64 {
				parts = append(parts, v)
			} else {
				parts = append(parts, -int64(v))
			}
		case 4:
			parts = append(parts, size&1 == 1)
		case 5:
			var id [16]byte
			copy(id[:], take(size))
			parts = append(parts, id)
		case 6:
			parts = append(parts, time.Unix(int64(number(size%6)), int64(number(4)%1e9)).UTC())
		}
	}
	return parts
}

// compare is the order that the encoding must have, written without it.
func compare(a, b []any) int {
	for i := range min(len(a), len(b)) {
		if c := comparePart(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func comparePart(a, b any) int {
	rank := func(v any) int {
		switch v.(type) {
		case []byte:
			return 0
		case string:
			return 1
		case int64, uint64:
			return 2
		case bool:
			return 3
		case [16]byte:
			return 4
		}
		return 5
	}
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case []byte:
		return bytes.Compare(a, b.([]byte))
	case string:
		return strings.Compare(a, b.(string))
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
		return -1
	case uint64: // beyond int64
		if b, ok := b.(uint64); ok {
			return cmp.Compare(a, b)
		}
		return 1
	case bool:
		switch {
		case a == b.(bool):
			return 0
		case a:
			return 1
		}
		return -1
	case [16]byte:
		b := b.([16]byte)
		return bytes.Compare(a[:], b[:])
	}
	return a.(time.Time).Compare(b.(time.Time))
}

func FuzzOrderAndRoundTrip(f *testing.F) {
	f.Add([]byte("0a@bcd"), []byte("0a@bce"))
	f.Add([]byte{0x10, 0}, []byte{0x20, 0, 0xff})
	f.Add([]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{0x12, 1})
	f.Add([]byte{0x83, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{0x83, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x56, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []byte{0x14, 0x04})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, b := tupleOf(x), tupleOf(y)
		ea, eb := key.Append(nil, a...), key.Append(nil, b...)
		if got, want := key.Compare(ea, eb), compare(a, b); got != want {
			t.Errorf("%#v and %#v compare as %d, want %d", a, b, got, want)
		}
		back, err := key.Tuple(ea).Parts()
		if err != nil || compare(back, a) != 0 {
			t.Errorf("%#v came back as %#v, %v", a, back, err)
		}
	})
}

func FuzzParts(f *testing.F) {
	f.Add(key.Append(nil, samples...))
	f.Add([]byte("\x02a\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if parts, err := key.Tuple(b).Parts(); err == nil && !bytes.Equal(key.Append(nil, parts...), b) {
			t.Errorf("%x is %#v, which is encoded otherwise", b, parts)
		}
	})
}

func TestEncodingAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 256)
	name, n, at, id, raw := strings.Repeat("q", 40), uint64(1)<<50, time.Unix(1, 2), [16]byte{9}, []byte("raw")
	if got := testing.AllocsPerRun(100, func() {
		dst = key.Append(dst[:0], name, n, at, id, raw, int(n), true)
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkAppend(b *testing.B) {
	dst, name := make([]byte, 0, 256), strings.Repeat("q", 20)
	n := uint64(1) << 44
	b.ReportAllocs()
	for b.Loop() {
		dst = key.Append(dst[:0], name, n)
	}
}
