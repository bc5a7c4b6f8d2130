package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
)

// message is one message as it is kept: what its sender gave, and what became of it in queues it was in before.
type message struct {
	id      [16]byte
	sent    int64 // milliseconds; what retention counts from
	bodyMD5 [md5.Size]byte
	body    string
	sender  string

	group  string // MessageGroupId
	dedup  string // MessageDeduplicationId, given or made of the content
	trace  string // AWSTraceHeader
	source string // the ARN of the queue it was dead-lettered from

	first    int64  // when it was first received, in queues it was in before; milliseconds
	receives uint32 // how often, there

	attributes []attribute // sorted by name
}

// attribute is one message attribute.
type attribute struct {
	name, kind string // kind is the DataType, custom label and all
	binary     bool
	value      string
}

// record is an encoded message: the bytes under its key, kept as they are so that a message that is in memory when it is
// received is neither read nor copied again. What is parsed out of it shares its memory.
type record string

// The format of a record: a format byte, a byte of flags, the fixed part, then the parts that flags announce. Strings have
// their length in front as a uvarint.
const (
	recordFormat = 1

	hasGroup      = 1 << 0
	hasDedup      = 1 << 1
	hasTrace      = 1 << 2
	hasSource     = 1 << 3
	hasHistory    = 1 << 4
	hasAttributes = 1 << 5

	recordFixed = 2 + 8 + 16 + md5.Size
)

var errRecord = errors.New("sqs: a message record is damaged")

// size is an upper bound of the encoded length.
func (m *message) size() int {
	n := recordFixed + 16*binary.MaxVarintLen32 + len(m.body) + len(m.sender) + len(m.group) + len(m.dedup) + len(m.trace) + len(m.source)
	for i := range m.attributes {
		a := &m.attributes[i]
		n += 3*binary.MaxVarintLen32 + 1 + len(a.name) + len(a.kind) + len(a.value)
	}
	return n
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendTo encodes m, and notes the MD5 of its body on the way, where the bytes stand in memory already.
func (m *message) appendTo(dst []byte) []byte {
	flags := byte(0)
	flag := func(f byte, on bool) {
		if on {
			flags |= f
		}
	}
	flag(hasGroup, m.group != "")
	flag(hasDedup, m.dedup != "")
	flag(hasTrace, m.trace != "")
	flag(hasSource, m.source != "")
	flag(hasHistory, m.receives != 0)
	flag(hasAttributes, len(m.attributes) > 0)

	dst = append(dst, recordFormat, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.sent))
	dst = append(dst, m.id[:]...)
	sum := len(dst)
	dst = append(dst, m.bodyMD5[:]...)
	dst = appendString(dst, m.body)
	if m.bodyMD5 == ([md5.Size]byte{}) {
		m.bodyMD5 = md5.Sum(dst[len(dst)-len(m.body):])
		copy(dst[sum:], m.bodyMD5[:])
	}
	dst = appendString(dst, m.sender)
	if m.group != "" {
		dst = appendString(dst, m.group)
	}
	if m.dedup != "" {
		dst = appendString(dst, m.dedup)
	}
	if m.trace != "" {
		dst = appendString(dst, m.trace)
	}
	if m.source != "" {
		dst = appendString(dst, m.source)
	}
	if m.receives != 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(m.first))
		dst = binary.AppendUvarint(dst, uint64(m.receives))
	}
	if len(m.attributes) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(m.attributes)))
		for i := range m.attributes {
			a := &m.attributes[i]
			dst = appendString(dst, a.name)
			dst = appendString(dst, a.kind)
			if a.binary {
				dst = append(dst, 1)
			} else {
				dst = append(dst, 0)
			}
			dst = appendString(dst, a.value)
		}
	}
	return dst
}

// AppendRecord is the store's: a record is its own encoding.
func (r *record) AppendRecord(dst []byte) []byte { return append(dst, *r...) }

// ParseRecord is the store's.
func (r *record) ParseRecord(src []byte) error {
	if len(src) < recordFixed || src[0] != recordFormat {
		return errRecord
	}
	*r = record(src)
	return nil
}

// sent is when the message was sent, without parsing the rest.
func (r record) sent() int64 { return int64(be64(string(r[2:10]))) }

// grouped reports whether the message has a group.
func (r record) grouped() bool { return r[1]&hasGroup != 0 }

// group is the message's group, empty where it has none.
func (r record) group() string {
	if !r.grouped() {
		return ""
	}
	p := parser{rest: string(r[recordFixed:])}
	p.string() // the body
	p.string() // the sender
	return p.string()
}

func be64(s string) uint64 {
	_ = s[7]
	return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
		uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
}

// parser takes a record apart from the front; once something is missing it yields nothing more and bad is set.
type parser struct {
	rest string
	bad  bool
}

func (p *parser) fail() { p.rest, p.bad = "", true }

func (p *parser) take(n int) string {
	if n > len(p.rest) {
		p.fail()
		return ""
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *parser) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(p.rest) && i < binary.MaxVarintLen64; i++ {
		c := p.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			p.rest = p.rest[i+1:]
			return v
		}
	}
	p.fail()
	return 0
}

func (p *parser) uint64() uint64 {
	s := p.take(8)
	if p.bad {
		return 0
	}
	return be64(s)
}

func (p *parser) byte() byte {
	s := p.take(1)
	if p.bad {
		return 0
	}
	return s[0]
}

func (p *parser) string() string {
	n := p.uvarint()
	if n > uint64(len(p.rest)) {
		p.fail()
		return ""
	}
	return p.take(int(n))
}

// parse is the message a record holds.
func (r record) parse() (message, error) {
	var m message
	if len(r) < recordFixed || r[0] != recordFormat {
		return m, errRecord
	}
	flags := r[1]
	p := parser{rest: string(r[2:])}
	m.sent = int64(p.uint64())
	copy(m.id[:], p.take(len(m.id)))
	copy(m.bodyMD5[:], p.take(md5.Size))
	m.body = p.string()
	m.sender = p.string()
	if flags&hasGroup != 0 {
		m.group = p.string()
	}
	if flags&hasDedup != 0 {
		m.dedup = p.string()
	}
	if flags&hasTrace != 0 {
		m.trace = p.string()
	}
	if flags&hasSource != 0 {
		m.source = p.string()
	}
	if flags&hasHistory != 0 {
		m.first = int64(p.uint64())
		n := p.uvarint()
		if n > math.MaxUint32 {
			p.fail()
		}
		m.receives = uint32(n)
	}
	if flags&hasAttributes != 0 {
		n := p.uvarint()
		if n > uint64(len(p.rest)/4+1) { // an attribute has four bytes at least
			p.fail()
		}
		if !p.bad && n > 0 {
			m.attributes = make([]attribute, 0, n)
		}
		for range n {
			a := attribute{name: p.string(), kind: p.string(), binary: p.byte() == 1, value: p.string()}
			if p.bad {
				break
			}
			m.attributes = append(m.attributes, a)
		}
	}
	if p.bad {
		return message{}, errRecord
	}
	return m, nil
}

// newID is what aws.UUID makes the id of a message of: a process's own generator is quick enough to be asked once a message.
func newID() (id [16]byte) {
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// digest is the MD5 of message attributes as SQS defines it: of each in the order of names its name, type, transport
// type and value, with lengths in front. Attributes are sorted. It is empty where there are none.
func digest(attributes []attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	n := 0
	for i := range attributes {
		n += 13 + len(attributes[i].name) + len(attributes[i].kind) + len(attributes[i].value)
	}
	b := make([]byte, 0, n)
	part := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for i := range attributes {
		a := &attributes[i]
		part(a.name)
		part(a.kind)
		if a.binary {
			b = append(b, 2)
		} else {
			b = append(b, 1)
		}
		part(a.value)
	}
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// attributeFilter is what a receive asks for: names, prefixes ("bar.*" and "bar*"), or all.
type attributeFilter struct {
	all      bool
	names    []string
	prefixes []string
}

func newAttributeFilter(names []string) (f attributeFilter) {
	for _, n := range names {
		switch {
		case n == "All" || n == ".*":
			f.all = true
		case strings.HasSuffix(n, ".*"):
			f.prefixes = append(f.prefixes, strings.TrimSuffix(n, ".*"))
		case strings.HasSuffix(n, "*"):
			f.prefixes = append(f.prefixes, strings.TrimSuffix(n, "*"))
		default:
			f.names = append(f.names, n)
		}
	}
	return f
}

func (f *attributeFilter) empty() bool { return !f.all && len(f.names) == 0 && len(f.prefixes) == 0 }

func (f *attributeFilter) wants(name string) bool {
	if f.all {
		return true
	}
	for _, n := range f.names {
		if n == name {
			return true
		}
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// pick is the attributes the filter wants, still sorted.
func (f *attributeFilter) pick(attributes []attribute) []attribute {
	if f.all || len(attributes) == 0 {
		return attributes
	}
	if f.empty() {
		return nil
	}
	var picked []attribute
	for _, a := range attributes {
		if f.wants(a.name) {
			picked = append(picked, a)
		}
	}
	return picked
}
