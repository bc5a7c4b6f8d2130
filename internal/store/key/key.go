// Package key encodes tuples so that their bytes sort as the tuples do, part by part: what keys of the store are made of.
//
// It promises: bytes.Compare of two encodings is [Compare] of the tuples; a tuple sorts before those that continue it,
// and [End] of it after them all; what is encoded can be taken apart again. Integers of all types are one kind, so
// it does not matter which type a number has when it is written and when it is looked for.
package key

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"time"
)

// The first byte of each part: its kind, and the order of kinds. It is never 0x00, which ends bytes and strings, nor
// 0xFF, which escapes a zero within them. Integers have a byte for each length: 0x14 is zero, those above are
// positive with 1 to 8 bytes, those below are negative. These bytes are on disk: they never change.
const (
	kindBytes  = 0x01
	kindString = 0x02
	kindMinInt = 0x0c
	kindZero   = 0x14
	kindMaxInt = 0x1c
	kindFalse  = 0x26
	kindTrue   = 0x27
	kindID     = 0x30
	kindTime   = 0x33
)

// Append appends the encoding of parts to dst. A part is a string, []byte, bool, int, int64, int32, uint64, uint32, uint16,
// uint8, time.Time (an instant, to the nanosecond) or [16]byte; anything else is a bug, and panics.
func Append(dst []byte, parts ...any) []byte {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			dst = AppendString(dst, p)
		case []byte:
			dst = append(dst, kindBytes)
			dst = appendEscaped(dst, p)
		case bool:
			if p {
				dst = append(dst, kindTrue)
			} else {
				dst = append(dst, kindFalse)
			}
		case int:
			dst = AppendInt(dst, int64(p))
		case int64:
			dst = AppendInt(dst, p)
		case int32:
			dst = AppendInt(dst, int64(p))
		case uint64:
			dst = AppendUint(dst, p)
		case uint32:
			dst = AppendUint(dst, uint64(p))
		case uint16:
			dst = AppendUint(dst, uint64(p))
		case uint8:
			dst = AppendUint(dst, uint64(p))
		case time.Time:
			dst = append(dst, kindTime)
			dst = binary.BigEndian.AppendUint64(dst, uint64(p.Unix())^1<<63)
			dst = binary.BigEndian.AppendUint32(dst, uint32(p.Nanosecond()))
		case [16]byte:
			dst = append(dst, kindID)
			dst = append(dst, p[:]...)
		default: // not the value itself, which would then be allocated at every call
			panic(fmt.Sprintf("store: a part of a key cannot be a %v", reflect.TypeOf(p)))
		}
	}
	return dst
}

// AppendString appends the encoding of a string.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, kindString)
	return appendEscaped(dst, s)
}

// AppendInt appends the encoding of an integer.
func AppendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return AppendUint(dst, uint64(v))
	}
	n := (bits.Len64(uint64(-v)) + 7) / 8
	dst = append(dst, byte(kindZero-n))
	return appendLow(dst, ^uint64(-v), n)
}

// AppendUint appends the encoding of an integer that is not negative: the same as AppendInt's.
func AppendUint(dst []byte, v uint64) []byte {
	n := (bits.Len64(v) + 7) / 8
	dst = append(dst, byte(kindZero+n))
	return appendLow(dst, v, n)
}

func appendLow(dst []byte, v uint64, n int) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return append(dst, b[8-n:]...)
}

// appendEscaped appends s with 00 written as 00 FF, and ends it with 00.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			dst = append(dst, s[from:i+1]...)
			dst = append(dst, 0xff)
			from = i + 1
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, 0)
}

// End appends what turns the encoding of a tuple into the end of the range of all tuples that continue it.
func End(dst []byte) []byte { return append(dst, 0xff) }

// Compare is the order of tuples: by the first part that differs, a kind at a time (bytes, strings, integers, booleans, ids,
// times); a tuple comes before those that continue it.
func Compare(a, b Tuple) int { return bytes.Compare(a, b) }
