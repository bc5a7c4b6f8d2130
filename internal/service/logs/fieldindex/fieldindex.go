// Package fieldindex tells which values of some fields may be in a chunk of log events, so that a query for one of them need not read
// the others. An index is a filter of bits for each field: it may say that there is what is not, and never the other way round.
package fieldindex

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

// Index is what there is of fields in a chunk. It is never changed.
type Index struct{ fields []field }

type field struct {
	name string
	bits []byte // a power of two of them; none where no event has the field
}

const (
	perValue = 12      // bits
	probes   = 4       // of them are set for each value
	maxBits  = 1 << 17 // of a field
)

// hash is the same on all nodes, for ever.
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return h ^ h>>32
}

// New is an index of fields over n events.
func New(fields []string, n int, at func(i int) string) *Index {
	p := insights.NewPicker(fields)
	seen := make([]map[uint64]struct{}, len(fields))
	for i := range n {
		p.Pick(&insights.Event{Message: at(i)}, func(f int, keys []string) {
			if seen[f] == nil {
				seen[f] = map[uint64]struct{}{}
			}
			for _, k := range keys {
				seen[f][hash(k)] = struct{}{}
			}
		})
	}
	x := &Index{fields: make([]field, len(fields))}
	for i, name := range fields {
		x.fields[i] = field{name: name, bits: filter(seen[i])}
	}
	return x
}

func filter(values map[uint64]struct{}) []byte {
	if len(values) == 0 {
		return nil
	}
	size := min(max(64, 1<<bits.Len(uint(len(values)*perValue-1))), maxBits)
	b := make([]byte, size/8)
	for h := range values {
		for range probes {
			b[h%uint64(size)>>3] |= 1 << (h & 7)
			h = h*0x9E3779B97F4A7C15 + 1
			h = bits.RotateLeft64(h, 23)
		}
	}
	return b
}

// Has reports whether there is an index of a field.
func (x *Index) Has(name string) bool {
	return x != nil && slices.ContainsFunc(x.fields, func(f field) bool { return f.name == name })
}

// Fields are those of which there is an index.
func (x *Index) Fields() (names []string) {
	if x == nil {
		return nil
	}
	for _, f := range x.fields {
		names = append(names, f.name)
	}
	return names
}

// Seen are those that events have.
func (x *Index) Seen() (names []string) {
	for _, f := range x.fields {
		if len(f.bits) > 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// May reports whether an event may have one of the keys of a field. It may where there is no index of it.
func (x *Index) May(name string, keys []string) bool {
	for i := range x.fields {
		if f := &x.fields[i]; f.name == name {
			return slices.ContainsFunc(keys, f.may)
		}
	}
	return true
}

func (f *field) may(key string) bool {
	size := uint64(len(f.bits)) * 8
	if size == 0 {
		return false
	}
	h := hash(key)
	for range probes {
		if f.bits[h%size>>3]&(1<<(h&7)) == 0 {
			return false
		}
		h = h*0x9E3779B97F4A7C15 + 1
		h = bits.RotateLeft64(h, 23)
	}
	return true
}

var errIndex = errors.New("fieldindex: an index is damaged")

// AppendRecord implements store.Recorder.
func (x *Index) AppendRecord(dst []byte) []byte {
	dst = append(dst, 1)
	for _, f := range x.fields {
		dst = binary.AppendUvarint(dst, uint64(len(f.name)))
		dst = append(dst, f.name...)
		dst = binary.AppendUvarint(dst, uint64(len(f.bits)))
		dst = append(dst, f.bits...)
	}
	return dst
}

// ParseRecord implements store.Recorder.
func (x *Index) ParseRecord(src []byte) error {
	if len(src) == 0 || src[0] != 1 {
		return errIndex
	}
	src = src[1:]
	x.fields = nil
	take := func() ([]byte, bool) {
		n, w := binary.Uvarint(src)
		if w <= 0 || n > uint64(len(src)-w) {
			return nil, false
		}
		b := src[w : w+int(n)]
		src = src[w+int(n):]
		return b, true
	}
	for len(src) > 0 {
		name, ok := take()
		if !ok {
			return errIndex
		}
		b, ok := take()
		if !ok || len(b) != 0 && (len(b) < 8 || len(b) > maxBits/8 || bits.OnesCount(uint(len(b))) != 1) {
			return errIndex
		}
		x.fields = append(x.fields, field{string(name), slices.Clone(b)})
	}
	return nil
}
