// Package transfer moves a state between stores of any kind: a laptop's to a cluster's, and back.
//
// A file holds the records of one moment, under their keys and as they are stored, and the blobs that they name. What belongs to
// the nodes of one store stays behind: who takes part, terms, marks, and what is dead. How often each partition was
// taken goes along, since the numbers of messages begin with it. docs/design/040-moving-state.md describes the format.
//
// It promises: a file that is read whole is what was written, byte for byte; one that is cut short or altered is refused,
// naming the place; and a store that was not filled whole is never taken for one that was (see [Unfinished]).
package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// magic begins every file, and ends its first line. The number is the format's version.
const magic = "obidos export 1\n"

// The kinds of chunks, in the order they come: one head, epochs, blobs, records, one end.
const (
	kindHead    = 'H' // JSON
	kindEpochs  = 'E' // partition and epoch, two uvarints each
	kindBlob    = 'B' // an id; the bytes follow in as many kindBytes as it takes, up to the next other kind
	kindBytes   = 'b'
	kindRecords = 'R' // length of key, key, length of value, value; in the order of keys, through all chunks
	kindEnd     = 'Z' // how many records and blobs there were, two uvarints
)

const (
	chunkGoal  = 1 << 20 // bytes of a chunk, about
	chunkLimit = 4 << 20 // and at most
	headerSize = 9       // kind, size, size as stored
	checkSize  = 16
)

// A DamageError says that a file is not what was written, and where.
type DamageError struct {
	Chunk int   // counted from 1; 0 is before the first
	Byte  int64 // where it begins
	What  string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("the export is damaged at chunk %d, byte %d: %s", e.Chunk, e.Byte, e.What)
}

// writer writes chunks. Each ends with a check of all bytes of the file before it.
type writer struct {
	w   io.Writer
	sum hash.Hash
	zip *zstd.Encoder
	buf []byte
}

func newWriter(to io.Writer) (*writer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	w := &writer{w: to, sum: sha256.New(), zip: zip}
	return w, w.put([]byte(magic))
}

func (w *writer) put(b []byte) error {
	w.sum.Write(b)
	_, err := w.w.Write(b)
	return err
}

func (w *writer) chunk(kind byte, body []byte) error {
	w.buf = append(w.buf[:0], make([]byte, headerSize)...)
	w.buf = w.zip.EncodeAll(body, w.buf)
	w.buf[0] = kind
	binary.BigEndian.PutUint32(w.buf[1:], uint32(len(body)))
	binary.BigEndian.PutUint32(w.buf[5:], uint32(len(w.buf)-headerSize))
	if err := w.put(w.buf); err != nil {
		return err
	}
	return w.put(w.sum.Sum(nil)[:checkSize])
}

// reader reads them.
type reader struct {
	r     *bufio.Reader
	sum   hash.Hash
	zip   *zstd.Decoder
	chunk int
	at    int64 // where the chunk begins
	next  int64
	buf   []byte
	body  []byte
}

func newReader(from io.Reader) (*reader, error) {
	zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*chunkLimit))
	if err != nil {
		return nil, err
	}
	r := &reader{r: bufio.NewReaderSize(from, 64<<10), sum: sha256.New(), zip: zip}
	first := make([]byte, len(magic))
	if _, err := io.ReadFull(r.r, first); err != nil || string(first) != magic {
		r.close()
		if bytes.HasPrefix(first, []byte(magic[:len(magic)-2])) {
			return nil, fmt.Errorf("the export is of a format that this obidos does not know (%q): a newer one wrote it", first)
		}
		return nil, errors.New("this is no export of obidos")
	}
	r.sum.Write(first)
	r.next = int64(len(first))
	return r, nil
}

func (r *reader) close() { r.zip.Close() }

// damaged is the error that names the chunk being read.
func (r *reader) damaged(format string, args ...any) error {
	return &DamageError{r.chunk, r.at, fmt.Sprintf(format, args...)}
}

func (r *reader) take(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.next += int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return r.damaged("it ends here, at byte %d", r.next)
	case err != nil:
		return fmt.Errorf("read the export: %w", err)
	}
	return nil
}

// read is the next chunk; its body is valid until the next.
func (r *reader) read() (kind byte, body []byte, err error) {
	r.chunk++
	r.at = r.next
	var header [headerSize]byte
	if err := r.take(header[:]); err != nil {
		return 0, nil, err
	}
	size, stored := binary.BigEndian.Uint32(header[1:]), binary.BigEndian.Uint32(header[5:])
	if size > chunkLimit || stored > chunkLimit+chunkLimit/8 {
		return 0, nil, r.damaged("a chunk of %d bytes", max(size, stored))
	}
	r.buf = append(r.buf[:0], make([]byte, int(stored)+checkSize)...)
	if err := r.take(r.buf); err != nil {
		return 0, nil, err
	}
	r.sum.Write(header[:])
	r.sum.Write(r.buf[:stored])
	check := r.sum.Sum(nil)[:checkSize]
	if !bytes.Equal(check, r.buf[stored:]) {
		return 0, nil, r.damaged("its checksum is another")
	}
	r.sum.Write(check)
	if r.body, err = r.zip.DecodeAll(r.buf[:stored], r.body[:0]); err != nil || len(r.body) != int(size) {
		return 0, nil, r.damaged("it cannot be expanded to %d bytes", size)
	}
	return header[0], r.body, nil
}

// field takes one of a chunk's fields of a known length.
func (r *reader) field(body []byte) (f, rest []byte, err error) {
	n, w := binary.Uvarint(body)
	if w <= 0 || n > uint64(len(body)-w) {
		return nil, nil, r.damaged("a field is longer than the chunk")
	}
	return body[w : w+int(n)], body[w+int(n):], nil
}

// number takes a number.
func (r *reader) number(body []byte) (n uint64, rest []byte, err error) {
	n, w := binary.Uvarint(body)
	if w <= 0 {
		return 0, nil, r.damaged("a number is cut short")
	}
	return n, body[w:], nil
}

// end refuses what follows the last chunk.
func (r *reader) end() error {
	r.at = r.next
	if _, err := r.r.ReadByte(); err == nil {
		return r.damaged("something follows the end")
	}
	return nil
}
