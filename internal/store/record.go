package store

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// Recorder is a pointer to a record that brings its own codec: for the handful that are written with every message.
// Neither method keeps its receiver, and ParseRecord keeps nothing of src. ParseRecord is given a zero value; it must
// accept what AppendRecord of any version wrote, and should be fuzzed.
type Recorder interface {
	AppendRecord(dst []byte) []byte
	ParseRecord(src []byte) error
}

// Unknown keeps the fields that a newer version wrote in a record, so that a rewrite by this one does not lose them. Every
// record that is a struct embeds it, unless it brings its own codec. Its fields have integer keys that never change:
//
//	type queue struct {
//		store.Unknown
//		Name    string    `cbor:"1,keyasint"`
//		Created time.Time `cbor:"2,keyasint"`
//	}
//
// Structs inside a record have no such care: what a later version adds goes to the record itself.
type Unknown struct {
	pairs string // encoded keys and values
	n     int    // how many
}

// The first byte of a value, on disk: it never changes.
const (
	formatCBOR = 1
	formatOwn  = 2 // the record's own codec
)

// codec is how records of a type are encoded.
type codec struct {
	hot     bool // a pointer to one is a Recorder
	empty   bool // it has no content: its keys say all
	unknown int  // the field that is Unknown, -1 where there is none
	known   map[int64]bool
	cells   sync.Pool // of *cell: so that handing out a pointer to a record costs no allocation
}

// cell is a record on its way in or out; it lies in the pool as the zero value.
type cell struct {
	record any // a pointer to it
	buf    bytes.Buffer
}

// The house's CBOR: deterministic; times in UTC to the nanosecond; strings as they are, since AWS takes some that are not UTF-8.
var (
	encoding = must(cbor.EncOptions{
		Sort: cbor.SortCoreDeterministic, Time: cbor.TimeRFC3339NanoUTC,
	}.UserBufferEncMode())
	decoding       = must(decOptions.DecMode())
	decodingStrict = must(func() cbor.DecOptions {
		o := decOptions
		o.ExtraReturnErrors = cbor.ExtraDecErrorUnknownField
		return o
	}().DecMode())
	decOptions = cbor.DecOptions{
		UTF8: cbor.UTF8DecodeInvalid, MaxNestedLevels: 256, MaxArrayElements: MaxValue, MaxMapPairs: MaxValue,
	}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Encode is v in the encoding of records, for a record that carries what only others know the type of.
func Encode(v any) ([]byte, error) { return encoding.Marshal(v) }

// Decode sets what v points to to what Encode encoded.
func Decode(b []byte, v any) error { return decoding.Unmarshal(b, v) }

func newCodec(name string, t reflect.Type, newCell func() any) *codec {
	c := &codec{unknown: -1}
	c.cells.New = newCell
	if c.hot = reflect.PointerTo(t).Implements(reflect.TypeFor[Recorder]()); c.hot {
		return c
	}
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Interface:
		panic("store: a record of " + name + " must be a value")
	case t.Size() == 0:
		c.empty = true
	case t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[cbor.Marshaler]()):
		c.inspect(name, t)
	}
	return c
}

// inspect finds the integer keys of a struct and its Unknown.
func (c *codec) inspect(name string, t reflect.Type) {
	c.known = make(map[int64]bool)
	for _, f := range reflect.VisibleFields(t) {
		if f.Type == reflect.TypeFor[Unknown]() && f.Anonymous && len(f.Index) == 1 {
			c.unknown = f.Index[0]
		}
		tag := f.Tag.Get("cbor")
		if f.Anonymous && tag == "" || !f.IsExported() || tag == "-" {
			continue
		}
		number, rest, _ := strings.Cut(tag, ",")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || !slices.Contains(strings.Split(rest, ","), "keyasint") || c.known[n] {
			panic(fmt.Sprintf("store: field %s of a record of %s needs an integer key of its own: `cbor:\"1,keyasint\"`", f.Name, name))
		}
		c.known[n] = true
	}
	if c.unknown < 0 {
		panic(fmt.Sprintf("store: %s, a record of %s, must embed store.Unknown, which keeps the fields of newer versions", t, name))
	}
}

// append appends p's record as it is stored.
func (c *codec) append(dst []byte, p *cell) ([]byte, error) {
	if c.empty {
		return append(dst, formatCBOR), nil
	}
	if c.hot {
		return p.record.(Recorder).AppendRecord(append(dst, formatOwn)), nil
	}
	if err := encoding.MarshalToBuffer(p.record, &p.buf); err != nil {
		return dst, err
	}
	dst = append(dst, formatCBOR)
	if c.unknown >= 0 {
		if u := c.unknownOf(p.record); u.n > 0 {
			return u.append(dst, p.buf.Bytes()), nil
		}
	}
	return append(dst, p.buf.Bytes()...), nil
}

// put returns a cell whose record is zero again.
func (c *codec) put(p *cell) {
	p.buf.Reset()
	if p.buf.Cap() <= 64<<10 {
		c.cells.Put(p)
	}
}

// decode sets a record, which is zero, to the one stored as src.
func (c *codec) decode(src []byte, record any) (err error) {
	if len(src) == 0 {
		return errors.New("an empty value")
	}
	switch format := src[0]; {
	case format == formatOwn && c.hot:
		return record.(Recorder).ParseRecord(src[1:])
	case format == formatCBOR && c.unknown >= 0:
		err = decodingStrict.Unmarshal(src[1:], record)
		if _, ok := errors.AsType[*cbor.UnknownFieldError](err); ok {
			reflect.ValueOf(record).Elem().SetZero()
			if err = decoding.Unmarshal(src[1:], record); err == nil {
				err = c.unknownOf(record).collect(src[1:], c.known)
			}
		}
		return err
	case format == formatCBOR:
		return decoding.Unmarshal(src[1:], record)
	default:
		return fmt.Errorf("format %d is not known: a newer version wrote it", format)
	}
}

func (c *codec) unknownOf(record any) *Unknown {
	return reflect.ValueOf(record).Elem().Field(c.unknown).Addr().Interface().(*Unknown)
}

// collect takes from an encoded map the pairs whose keys are not known.
func (u *Unknown) collect(src []byte, known map[int64]bool) error {
	var all map[int64]cbor.RawMessage
	if err := decoding.Unmarshal(src, &all); err != nil {
		return err
	}
	rest := make(map[int64]cbor.RawMessage)
	for k, v := range all {
		if !known[k] {
			rest[k] = v
		}
	}
	var buf bytes.Buffer
	if err := encoding.MarshalToBuffer(rest, &buf); err != nil {
		return err
	}
	_, n := mapHeader(buf.Bytes())
	u.pairs, u.n = string(buf.Bytes()[n:]), len(rest)
	return nil
}

// append appends the encoded map with the unknown pairs added.
func (u *Unknown) append(dst, encoded []byte) []byte {
	count, n := mapHeader(encoded)
	count += u.n
	switch {
	case count < 24:
		dst = append(dst, 0xa0|byte(count))
	case count < 1<<8:
		dst = append(dst, 0xb8, byte(count))
	default:
		dst = append(dst, 0xb9, byte(count>>8), byte(count))
	}
	dst = append(dst, encoded[n:]...)
	return append(dst, u.pairs...)
}

// mapHeader is the number of pairs in an encoded map of ours and the length of its header.
func mapHeader(b []byte) (count, n int) {
	switch b[0] {
	case 0xb8:
		return int(b[1]), 2
	case 0xb9:
		return int(b[1])<<8 | int(b[2]), 3
	}
	return int(b[0] & 0x1f), 1
}
