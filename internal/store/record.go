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
	"unsafe"

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

// codec is how records of type V are encoded.
type codec[V any] struct {
	hot     bool // *V is a Recorder
	empty   bool // V has no content: its keys say all
	unknown int  // the field that is Unknown, -1 where there is none
	known   map[int64]bool
	cells   sync.Pool // of *cell[V]: so that handing out a pointer to a record costs no allocation
}

type cell[V any] struct {
	v   V
	buf bytes.Buffer
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

func newCodec[V any](name string) *codec[V] {
	c := &codec[V]{unknown: -1}
	c.cells.New = func() any { return new(cell[V]) }
	var v V
	if _, c.hot = any(&v).(Recorder); c.hot {
		return c
	}
	t := reflect.TypeFor[V]()
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Interface:
		panic("store: a record of " + name + " must be a value")
	case unsafe.Sizeof(v) == 0:
		c.empty = true
	case t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[cbor.Marshaler]()):
		c.inspect(name, t)
	}
	return c
}

// inspect finds the integer keys of a struct and its Unknown.
func (c *codec[V]) inspect(name string, t reflect.Type) {
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

// append appends v as it is stored.
func (c *codec[V]) append(dst []byte, v V) ([]byte, error) {
	if c.empty {
		return append(dst, formatCBOR), nil
	}
	p := c.cells.Get().(*cell[V])
	p.v = v
	defer c.put(p)
	if c.hot {
		return any(&p.v).(Recorder).AppendRecord(append(dst, formatOwn)), nil
	}
	if err := encoding.MarshalToBuffer(&p.v, &p.buf); err != nil {
		return dst, err
	}
	dst = append(dst, formatCBOR)
	if c.unknown >= 0 {
		if u := c.unknownOf(&p.v); u.n > 0 {
			return u.append(dst, p.buf.Bytes()), nil
		}
	}
	return append(dst, p.buf.Bytes()...), nil
}

func (c *codec[V]) put(p *cell[V]) {
	var zero V
	p.v = zero
	p.buf.Reset()
	if p.buf.Cap() <= 64<<10 {
		c.cells.Put(p)
	}
}

// decode is the record stored as src.
func (c *codec[V]) decode(src []byte) (v V, err error) {
	if c.empty {
		return v, nil
	}
	if len(src) == 0 {
		return v, errors.New("an empty value")
	}
	p := c.cells.Get().(*cell[V])
	defer c.put(p)
	switch format := src[0]; {
	case format == formatOwn && c.hot:
		err = any(&p.v).(Recorder).ParseRecord(src[1:])
	case format == formatCBOR && c.unknown >= 0:
		err = decodingStrict.Unmarshal(src[1:], &p.v)
		if _, ok := errors.AsType[*cbor.UnknownFieldError](err); ok {
			p.v = v
			if err = decoding.Unmarshal(src[1:], &p.v); err == nil {
				err = c.unknownOf(&p.v).collect(src[1:], c.known)
			}
		}
	case format == formatCBOR:
		err = decoding.Unmarshal(src[1:], &p.v)
	default:
		err = fmt.Errorf("format %d is not known: a newer version wrote it", format)
	}
	if err != nil {
		return v, err
	}
	return p.v, nil
}

func (c *codec[V]) unknownOf(v *V) *Unknown {
	return reflect.ValueOf(v).Elem().Field(c.unknown).Addr().Interface().(*Unknown)
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
