package key

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
)

// Tuple is an encoded tuple. Its methods take it apart; asking for a part that is not there, or that is of another kind, is a
// bug and panics.
type Tuple []byte

// Clone is a copy: for keeping one beyond the step of a scan that gave it.
func (t Tuple) Clone() Tuple { return slices.Clone(t) }

// Len is the number of parts.
func (t Tuple) Len() int {
	n := 0
	for rest := []byte(t); len(rest) > 0; n++ {
		_, rest = next(rest)
		if rest == nil {
			panic("store: malformed key")
		}
	}
	return n
}

// String is part i, a string.
func (t Tuple) String(i int) string {
	p := t.part(i, "string")
	if p[0] != kindString {
		panic(wrong(i, "string", p))
	}
	return string(unescape(p))
}

// Bytes is a copy of part i, bytes.
func (t Tuple) Bytes(i int) []byte {
	p := t.part(i, "[]byte")
	if p[0] != kindBytes {
		panic(wrong(i, "[]byte", p))
	}
	return slices.Clone(unescape(p))
}

// Int64 is part i, an integer. It panics where it does not fit.
func (t Tuple) Int64(i int) int64 {
	p := t.part(i, "integer")
	v, negative := integer(i, p)
	if negative {
		if v < 1<<63 {
			panic(wrong(i, "int64", p))
		}
		return int64(v)
	}
	if v > math.MaxInt64 {
		panic(wrong(i, "int64", p))
	}
	return int64(v)
}

// Int is part i, an integer.
func (t Tuple) Int(i int) int { return int(t.Int64(i)) }

// Uint64 is part i, an integer that is not negative.
func (t Tuple) Uint64(i int) uint64 {
	p := t.part(i, "integer")
	v, negative := integer(i, p)
	if negative {
		panic(wrong(i, "uint64", p))
	}
	return v
}

// Bool is part i, a boolean.
func (t Tuple) Bool(i int) bool {
	p := t.part(i, "bool")
	if p[0] != kindTrue && p[0] != kindFalse {
		panic(wrong(i, "bool", p))
	}
	return p[0] == kindTrue
}

// Time is part i, an instant, in UTC.
func (t Tuple) Time(i int) time.Time {
	p := t.part(i, "time.Time")
	if p[0] != kindTime {
		panic(wrong(i, "time.Time", p))
	}
	return instant(p)
}

// ID is part i, sixteen bytes.
func (t Tuple) ID(i int) [16]byte {
	p := t.part(i, "[16]byte")
	if p[0] != kindID {
		panic(wrong(i, "[16]byte", p))
	}
	return [16]byte(p[1:])
}

// Parts takes the whole tuple apart: strings, []byte, bool, int64 (uint64 where it does not fit), time.Time, [16]byte.
func (t Tuple) Parts() ([]any, error) {
	var parts []any
	for rest := []byte(t); len(rest) > 0; {
		p, r := next(rest)
		if r == nil {
			return nil, fmt.Errorf("store: malformed key: part %d of %x", len(parts), []byte(t))
		}
		rest = r
		switch p[0] {
		case kindBytes:
			parts = append(parts, slices.Clone(unescape(p)))
		case kindString:
			parts = append(parts, string(unescape(p)))
		case kindTrue, kindFalse:
			parts = append(parts, p[0] == kindTrue)
		case kindID:
			parts = append(parts, [16]byte(p[1:]))
		case kindTime:
			parts = append(parts, instant(p))
		default:
			if v, negative := integer(0, p); negative || v <= math.MaxInt64 {
				parts = append(parts, int64(v))
			} else {
				parts = append(parts, v)
			}
		}
	}
	return parts, nil
}

// part is the encoding of part i.
func (t Tuple) part(i int, want string) []byte {
	rest := []byte(t)
	for n := 0; len(rest) > 0; n++ {
		var p []byte
		if p, rest = next(rest); rest == nil {
			panic("store: malformed key")
		}
		if n == i {
			return p
		}
	}
	panic(fmt.Sprintf("store: a key has no part %d (%s)", i, want))
}

// next splits the first part off; rest is nil where b does not begin with a part in its only encoding.
func next(b []byte) (part, rest []byte) {
	n := 0
	switch k := b[0]; {
	case k == kindBytes, k == kindString:
		for n = 1; ; n++ {
			if n >= len(b) {
				return nil, nil
			}
			if b[n] == 0 {
				if n+1 < len(b) && b[n+1] == 0xff {
					n++
					continue
				}
				n++
				break
			}
		}
	case k == kindTrue, k == kindFalse:
		n = 1
	case k == kindID:
		n = 17
	case k == kindTime:
		n = 13
		if len(b) >= n && binary.BigEndian.Uint32(b[9:]) >= 1e9 {
			return nil, nil
		}
	case kindMinInt <= k && k < kindZero:
		n = 1 + int(kindZero-k)
		if len(b) >= n && !shortest(b[1:n], 0xff) {
			return nil, nil
		}
	case kindZero <= k && k <= kindMaxInt:
		n = 1 + int(k-kindZero)
		if len(b) >= n && n > 1 && !shortest(b[1:n], 0) {
			return nil, nil
		}
	default:
		return nil, nil
	}
	if n > len(b) {
		return nil, nil
	}
	return b[:n], b[n:len(b):len(b)]
}

// shortest reports whether an integer's bytes, padded with pad, could not be fewer. A negative one of eight bytes must be an int64.
func shortest(b []byte, pad byte) bool {
	if pad == 0xff && len(b) == 8 && binary.BigEndian.Uint64(b) < 1<<63-1 {
		return false
	}
	return b[0] != pad
}

// integer is the value of an encoded integer, in two's complement where it is negative.
func integer(i int, p []byte) (v uint64, negative bool) {
	if p[0] < kindMinInt || p[0] > kindMaxInt {
		panic(wrong(i, "integer", p))
	}
	negative = p[0] < kindZero
	if negative {
		v = math.MaxUint64
	}
	for _, c := range p[1:] {
		v = v<<8 | uint64(c)
	}
	if negative {
		v++ // the encoding is the ones' complement of the magnitude
	}
	return v, negative
}

func instant(p []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(p[1:])^1<<63), int64(binary.BigEndian.Uint32(p[9:]))).UTC()
}

// unescape is the content of encoded bytes or of a string; it is p's own memory where nothing is escaped.
func unescape(p []byte) []byte {
	p = p[1 : len(p)-1]
	for i := 0; i < len(p); i++ {
		if p[i] == 0 {
			out := append(make([]byte, 0, len(p)), p[:i]...)
			for ; i < len(p); i++ {
				out = append(out, p[i])
				if p[i] == 0 {
					i++ // the FF
				}
			}
			return out
		}
	}
	return p
}

func wrong(i int, want string, p []byte) string {
	return fmt.Sprintf("store: part %d of a key is not a %s: %x", i, want, p)
}
