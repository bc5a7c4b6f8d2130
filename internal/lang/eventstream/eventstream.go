// Package eventstream is AWS's framing of messages that follow each other over one connection, application/vnd.amazon.eventstream:
// each has headers with types, a payload, and two checksums. What the headers and payloads mean is not known here.
//
// It promises: what was written is read as it was; a message that was changed on the way, or that says what cannot be, is
// refused; and to read takes memory for what has come, not for what is announced.
package eventstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"
)

// Type is that of a header's value.
type Type uint8

// The types.
const (
	True Type = iota
	False
	Byte
	Short
	Int
	Long
	Bytes
	Text
	Timestamp
	UUID
)

// AWS's limits of a message.
const (
	MaxHeaders = 128 << 10
	MaxPayload = 16 << 20

	maxName  = 255
	maxValue = 1<<15 - 1
)

const (
	preludeSize = 12 // two lengths and their checksum
	frameSize   = preludeSize + 4
)

// ErrMessage is what all errors of reading are that are not the connection's.
var ErrMessage = errors.New("not a message of an event stream")

// Value is a header's value: a number in Int, all else in Data. A timestamp is in milliseconds.
type Value struct {
	Type Type
	Int  int64
	Data []byte
}

// Header is one of a message's headers.
type Header struct {
	Name  string
	Value Value
}

// Message is one message.
type Message struct {
	Headers []Header
	Payload []byte
}

// TextHeader is a header that holds a text.
func TextHeader(name, value string) Header {
	return Header{name, Value{Type: Text, Data: []byte(value)}}
}

// TimeHeader is a header that holds a time.
func TimeHeader(name string, t time.Time) Header {
	return Header{name, Value{Type: Timestamp, Int: t.UnixMilli()}}
}

// Text is the text of the header of that name; empty where there is none, or it holds no text.
func (m *Message) Text(name string) string {
	if v, ok := m.Header(name); ok && v.Type == Text {
		return string(v.Data)
	}
	return ""
}

// Header is the value of the header of that name.
func (m *Message) Header(name string) (Value, bool) {
	for i := range m.Headers {
		if m.Headers[i].Name == name {
			return m.Headers[i].Value, true
		}
	}
	return Value{}, false
}

// Append appends a message as it goes over the wire. It fails where that cannot say what the message has.
func Append(dst []byte, m *Message) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, preludeSize)...)
	dst, err := AppendHeaders(dst, m.Headers)
	if err != nil {
		return dst[:start], err
	}
	headers := len(dst) - start - preludeSize
	if headers > MaxHeaders || len(m.Payload) > MaxPayload {
		return dst[:start], fmt.Errorf("%w: %d bytes of headers and %d of payload are too many", ErrMessage, headers, len(m.Payload))
	}
	dst = append(dst, m.Payload...)
	frame := dst[start:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)+4))
	binary.BigEndian.PutUint32(frame[4:], uint32(headers))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(frame)), nil
}

// AppendHeaders appends headers alone, as a message has them: what is signed of it.
func AppendHeaders(dst []byte, headers []Header) ([]byte, error) {
	for i := range headers {
		h := &headers[i]
		if len(h.Name) == 0 || len(h.Name) > maxName {
			return dst, fmt.Errorf("%w: the name of a header has %d bytes", ErrMessage, len(h.Name))
		}
		dst = append(append(append(dst, byte(len(h.Name))), h.Name...), byte(h.Value.Type))
		n := h.Value.Int
		switch h.Value.Type {
		case True, False:
		case Byte:
			dst = append(dst, byte(n))
		case Short:
			dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		case Int:
			dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		case Long, Timestamp:
			dst = binary.BigEndian.AppendUint64(dst, uint64(n))
		case Bytes, Text:
			if len(h.Value.Data) > maxValue {
				return dst, fmt.Errorf("%w: header %s has %d bytes", ErrMessage, h.Name, len(h.Value.Data))
			}
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(h.Value.Data)))
			dst = append(dst, h.Value.Data...)
		case UUID:
			if len(h.Value.Data) != 16 {
				return dst, fmt.Errorf("%w: header %s is no UUID", ErrMessage, h.Name)
			}
			dst = append(dst, h.Value.Data...)
		default:
			return dst, fmt.Errorf("%w: header %s is of type %d", ErrMessage, h.Name, h.Value.Type)
		}
	}
	return dst, nil
}

// Parse reads the message that frame is. What it answers is part of frame.
func Parse(frame []byte) (m Message, err error) {
	if len(frame) < frameSize {
		return m, fmt.Errorf("%w: %d bytes are too few", ErrMessage, len(frame))
	}
	total, headers, err := prelude(frame)
	if err != nil {
		return m, err
	}
	if total != len(frame) {
		return m, fmt.Errorf("%w: it has %d bytes and says %d", ErrMessage, len(frame), total)
	}
	end := total - 4
	if binary.BigEndian.Uint32(frame[end:]) != crc32.ChecksumIEEE(frame[:end]) {
		return m, fmt.Errorf("%w: its checksum is not right", ErrMessage)
	}
	if m.Headers, err = parseHeaders(frame[preludeSize : preludeSize+headers]); err != nil {
		return Message{}, err
	}
	m.Payload = frame[preludeSize+headers : end]
	return m, nil
}

// prelude is what a message says of its own length and that of its headers.
func prelude(frame []byte) (total, headers int, err error) {
	if binary.BigEndian.Uint32(frame[8:]) != crc32.ChecksumIEEE(frame[:8]) {
		return 0, 0, fmt.Errorf("%w: the checksum of its lengths is not right", ErrMessage)
	}
	t, h := binary.BigEndian.Uint32(frame), binary.BigEndian.Uint32(frame[4:])
	if h > MaxHeaders || t > MaxHeaders+MaxPayload+frameSize || t < frameSize+h || t-frameSize-h > MaxPayload {
		return 0, 0, fmt.Errorf("%w: it says %d bytes, of headers %d", ErrMessage, t, h)
	}
	return int(t), int(h), nil
}

// fixed is how many bytes a value has, -1 where it says so itself.
var fixed = [...]int{True: 0, False: 0, Byte: 1, Short: 2, Int: 4, Long: 8, Bytes: -1, Text: -1, Timestamp: 8, UUID: 16}

func parseHeaders(b []byte) (list []Header, err error) {
	cut := func(n int) (part []byte) {
		if n > len(b) {
			err = fmt.Errorf("%w: a header ends before its end", ErrMessage)
			b = nil
			return make([]byte, n)
		}
		part, b = b[:n], b[n:]
		return part
	}
	for len(b) > 0 {
		h := Header{Name: string(cut(int(cut(1)[0])))}
		h.Value.Type = Type(cut(1)[0])
		if err == nil && (h.Name == "" || int(h.Value.Type) >= len(fixed)) {
			err = fmt.Errorf("%w: a header %q of type %d", ErrMessage, h.Name, h.Value.Type)
		}
		if err != nil {
			return nil, err
		}
		size := fixed[h.Value.Type]
		if size < 0 {
			size = int(binary.BigEndian.Uint16(cut(2)))
		}
		if size > maxValue {
			return nil, fmt.Errorf("%w: header %s has %d bytes", ErrMessage, h.Name, size)
		}
		v := cut(size)
		if err != nil {
			return nil, err
		}
		switch h.Value.Type {
		case Byte:
			h.Value.Int = int64(int8(v[0]))
		case Short:
			h.Value.Int = int64(int16(binary.BigEndian.Uint16(v)))
		case Int:
			h.Value.Int = int64(int32(binary.BigEndian.Uint32(v)))
		case Long, Timestamp:
			h.Value.Int = int64(binary.BigEndian.Uint64(v))
		case Bytes, Text, UUID:
			h.Value.Data = v
		}
		if slices.ContainsFunc(list, func(o Header) bool { return o.Name == h.Name }) {
			return nil, fmt.Errorf("%w: header %s is there twice", ErrMessage, h.Name)
		}
		if list = append(list, h); len(list) > maxHeaders {
			return nil, fmt.Errorf("%w: it has more than %d headers", ErrMessage, maxHeaders)
		}
	}
	return list, nil
}

// maxHeaders is how many a message may have here: AWS's have a handful.
const maxHeaders = 256

// Reader reads messages one after another.
type Reader struct {
	from io.Reader
	b    []byte
}

// NewReader reads messages from r.
func NewReader(r io.Reader) *Reader { return &Reader{from: r} }

// believed is how much memory is set aside for a message that is announced.
const believed = 64 << 10

// Next is the next message, valid until the one after it is read. The error is io.EOF where the stream ends behind a message, and
// io.ErrUnexpectedEOF where it ends within one.
func (r *Reader) Next() (m Message, err error) {
	if cap(r.b) > believed {
		r.b = nil // one large message is no reason to keep so much
	}
	if err := r.read(0, preludeSize); err != nil {
		return m, err
	}
	total, _, err := prelude(r.b)
	if err != nil {
		return m, err
	}
	for at := preludeSize; at < total; {
		to := min(total, at+max(at, believed)) // no more than twice of what has come
		if err := r.read(at, to); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return m, err
		}
		at = to
	}
	return Parse(r.b)
}

// read fills the buffer from one place to another.
func (r *Reader) read(from, to int) error {
	r.b = slices.Grow(r.b[:from], to-from)[:to]
	_, err := io.ReadFull(r.from, r.b[from:])
	return err
}
