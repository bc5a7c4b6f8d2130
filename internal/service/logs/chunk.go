package logs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/zstd"
)

// event is an event of a stream.
type event struct {
	time     int64 // milliseconds
	ingested int64
	seq      uint64 // its number in the stream
	message  string
}

// compare is the order of a stream's events.
func (e event) compare(o event) int {
	return cmp.Or(cmp.Compare(e.time, o.time), cmp.Compare(e.seq, o.seq))
}

// perEvent is what AWS counts for an event beside its message.
const perEvent = 26

// chunkRecord is events of a stream that stand together, in the order of their times and numbers: those of one batch, or of many
// that were merged. Beside them it says what they begin with; a head in an index says when they are, so that a reader who wants
// none of them need not read it.
type chunkRecord struct {
	count    uint64
	seq      uint64 // of the first event
	time     int64  // of the first
	ingested int64  // of the first
	merged   bool   // numbers and times of ingestion are those of each event
	packed   bool   // body is compressed
	columns  uint64 // bytes of what is said of each event, before the messages
	raw      uint64 // bytes of body before it was compressed
	body     []byte
}

var errChunk = errors.New("logs: a chunk is damaged")

const (
	chunkMerged = 1 << iota
	chunkPacked
)

// AppendRecord implements store.Recorder.
func (c *chunkRecord) AppendRecord(dst []byte) []byte {
	flags := byte(0)
	if c.merged {
		flags |= chunkMerged
	}
	if c.packed {
		flags |= chunkPacked
	}
	dst = append(dst, 1, flags)
	for _, v := range [...]uint64{c.count, c.seq, uint64(c.time), uint64(c.ingested), c.columns, c.raw} {
		dst = binary.AppendUvarint(dst, v)
	}
	return append(dst, c.body...)
}

// ParseRecord implements store.Recorder.
func (c *chunkRecord) ParseRecord(src []byte) error {
	if len(src) < 2 || src[0] != 1 {
		return errChunk
	}
	c.merged, c.packed = src[1]&chunkMerged != 0, src[1]&chunkPacked != 0
	p := numbers{rest: src[2:]}
	c.count, c.seq, c.time, c.ingested, c.columns, c.raw = p.next(), p.next(), int64(p.next()), int64(p.next()), p.next(), p.next()
	if p.bad || c.columns > c.raw || c.raw > maxRaw || c.count > c.columns || !c.packed && uint64(len(p.rest)) != c.raw {
		return errChunk
	}
	c.body = append([]byte(nil), p.rest...)
	return nil
}

// maxRaw is more than any chunk has.
const maxRaw = 4 << 20

// numbers reads numbers of varying length.
type numbers struct {
	rest []byte
	bad  bool
}

func (p *numbers) next() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *numbers) signed() int64 {
	v, n := binary.Varint(p.rest)
	if n <= 0 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

// packer makes chunks and reads them. Its parts are made when they are first needed, and belong to a service: they hold channels.
type packer struct {
	encoder func() *zstd.Encoder
	decoder func() *zstd.Decoder
	buffers sync.Pool // of *[]byte
}

func newPacker() *packer {
	p := &packer{
		encoder: sync.OnceValue(func() *zstd.Encoder {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
			if err != nil {
				panic(err) // the options are constants
			}
			return e
		}),
		decoder: sync.OnceValue(func() *zstd.Decoder {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2*maxRaw))
			if err != nil {
				panic(err)
			}
			return d
		}),
	}
	p.buffers.New = func() any { return new([]byte) }
	return p
}

// small is what is not worth compressing: merged with what follows it is, and smaller than alone.
const small = 2 << 10

// pack makes a chunk of events that are in order. first is told of what the events begin with: the number and the time of
// ingestion of an event of a batch are known only when it is committed, so they are set then.
func (p *packer) pack(n int, merged bool, at func(i int) event) (c chunkRecord, terms termFilter) {
	room := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(room)
	b := (*room)[:0]
	first := at(0)
	before := first
	for i := range n {
		e := at(i)
		b = binary.AppendUvarint(b, uint64(e.time-before.time))
		b = binary.AppendUvarint(b, uint64(len(e.message)))
		if merged {
			b = binary.AppendVarint(b, int64(e.seq-before.seq))
			b = binary.AppendVarint(b, e.ingested-before.ingested)
		}
		before = e
	}
	columns := len(b)
	for i := range n {
		b = append(b, at(i).message...)
	}
	*room = b
	c = chunkRecord{
		count: uint64(n), seq: first.seq, time: first.time, ingested: first.ingested, merged: merged,
		columns: uint64(columns), raw: uint64(len(b)),
	}
	if len(b) >= indexed {
		terms = newTermFilter(b[columns:])
	}
	if len(b) >= small {
		if packed := p.encoder().EncodeAll(b, make([]byte, 0, len(b)/4)); len(packed) < len(b) {
			c.packed, c.body = true, packed
			return c, terms
		}
	}
	c.body = append([]byte(nil), b...)
	return c, terms
}

// each calls fn with the events of a chunk until it returns false. Their messages are valid during that call only: who keeps one clones it.
func (p *packer) each(c *chunkRecord, fn func(e event) bool) error {
	room := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(room)
	body, err := p.unpack(c, room)
	if err != nil {
		return err
	}
	return c.events(body, fn)
}

// unpack is a chunk's body as it was before it was compressed: in room, which is made larger where it must be, or its own.
func (p *packer) unpack(c *chunkRecord, room *[]byte) ([]byte, error) {
	body := c.body
	if c.packed {
		var err error
		if body, err = p.decoder().DecodeAll(c.body, (*room)[:0]); err != nil {
			return nil, errors.Join(errChunk, err)
		}
		*room = body
	}
	if uint64(len(body)) != c.raw {
		return nil, errChunk
	}
	return body, nil
}

// events calls fn with the events of a chunk, whose body is unpacked, until it returns false. Their messages lie in body.
func (c *chunkRecord) events(body []byte, fn func(e event) bool) error {
	if c.count == 0 {
		return nil
	}
	columns, messages := numbers{rest: body[:c.columns]}, body[c.columns:]
	e := event{time: c.time, ingested: c.ingested, seq: c.seq}
	for i := range c.count {
		e.time += int64(columns.next())
		length := columns.next()
		if c.merged {
			e.seq += uint64(columns.signed())
			e.ingested += columns.signed()
		} else if i > 0 {
			e.seq++
		}
		if columns.bad || length > uint64(len(messages)) {
			return errChunk
		}
		e.message = ""
		if length > 0 {
			e.message = unsafe.String(&messages[0], length)
		}
		messages = messages[length:]
		if !fn(e) {
			return nil
		}
	}
	return nil
}

// indexed is from how many bytes on a chunk has a filter of its terms.
const indexed = 32 << 10

// termFilter tells which texts cannot be in a chunk: a bit for every four bytes that stand together in its messages.
type termFilter []byte

const gram = 4

func newTermFilter(messages []byte) termFilter {
	if len(messages) < gram {
		return nil
	}
	order := min(max(bits.Len(uint(len(messages)))-2, 12), 18)
	f := make(termFilter, 1<<order/8)
	shift := 32 - order
	v := binary.LittleEndian.Uint32(messages)
	for i := gram; ; i++ {
		h := v * gramHash >> shift
		f[h>>3] |= 1 << (h & 7)
		if i == len(messages) {
			return f
		}
		v = v>>8 | uint32(messages[i])<<24
	}
}

const gramHash = 0x9E3779B1

// mayHave reports whether all terms may be in the chunk.
func (f termFilter) mayHave(terms []string) bool {
	if len(f) == 0 {
		return true
	}
	shift := 32 - (bits.Len(uint(len(f))) - 1 + 3)
	for _, t := range terms {
		for i := 0; i+gram <= len(t); i++ {
			v := uint32(t[i]) | uint32(t[i+1])<<8 | uint32(t[i+2])<<16 | uint32(t[i+3])<<24
			if h := v * gramHash >> shift; f[h>>3]&(1<<(h&7)) == 0 {
				return false
			}
		}
	}
	return true
}

// AppendRecord implements store.Recorder.
func (f *termFilter) AppendRecord(dst []byte) []byte { return append(append(dst, 1), *f...) }

// ParseRecord implements store.Recorder.
func (f *termFilter) ParseRecord(src []byte) error {
	if len(src) < 1 || src[0] != 1 || bits.OnesCount(uint(len(src)-1)) > 1 {
		return errChunk
	}
	*f = append(termFilter(nil), src[1:]...)
	return nil
}

// headRecord is what the index of a group says of a chunk.
type headRecord struct {
	stream string
	latest int64
	bytes  int64 // of its events, as AWS counts them
	terms  bool  // it has a filter
	index  bool  // it has an index of fields
}

// AppendRecord implements store.Recorder.
func (h *headRecord) AppendRecord(dst []byte) []byte {
	flag := byte(0)
	if h.terms {
		flag = 1
	}
	if h.index {
		flag |= 2
	}
	dst = append(dst, 1, flag)
	dst = binary.AppendUvarint(dst, uint64(h.latest))
	dst = binary.AppendUvarint(dst, uint64(h.bytes))
	return append(dst, h.stream...)
}

// ParseRecord implements store.Recorder.
func (h *headRecord) ParseRecord(src []byte) error {
	if len(src) < 2 || src[0] != 1 {
		return errChunk
	}
	h.terms, h.index = src[1]&1 != 0, src[1]&2 != 0
	p := numbers{rest: src[2:]}
	h.latest, h.bytes = int64(p.next()), int64(p.next())
	h.stream = string(p.rest)
	if p.bad {
		return errChunk
	}
	return nil
}
