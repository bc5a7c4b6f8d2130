package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// memory is what requests hand on to each other: buffers and decoders.
type memory struct {
	buffers sync.Pool // *Buffer
	jsons   sync.Pool // *jsonReader
	queries sync.Pool // *queryReader
	cbors   sync.Pool // *cborReader
	xmls    sync.Pool // *xmlReader
}

// keep is how much memory a buffer may hold and still be handed on.
const keep = 256 << 10

// Buffer holds a body. Release it once nothing refers to its bytes; what Decode returned does not.
type Buffer struct {
	B []byte
	w *Wire
}

func (w *Wire) buffer() *Buffer {
	if b, ok := w.memory.buffers.Get().(*Buffer); ok {
		b.B = b.B[:0]
		return b
	}
	return &Buffer{B: make([]byte, 0, 4<<10), w: w}
}

// Release gives the buffer's memory to the next request.
func (b *Buffer) Release() {
	if b.w != nil && cap(b.B) <= keep {
		b.w.memory.buffers.Put(b)
	}
}

// ReadBody reads the whole body of r, at most limit bytes.
func (w *Wire) ReadBody(r *http.Request, limit int64) (*Buffer, *aws.Error) {
	b := w.buffer()
	if r.Body == nil || r.Body == http.NoBody {
		return b, nil
	}
	if r.ContentLength > limit {
		return b, tooLarge.New("Request size exceeded the limit of %d bytes.", limit)
	}
	if n := r.ContentLength; n > int64(cap(b.B)) && n <= 1<<20 { // longer ones grow as they come: a length is only a claim
		b.B = make([]byte, 0, n+1)
	}
	for {
		if len(b.B) == cap(b.B) {
			b.B = append(b.B, 0)[:len(b.B)]
		}
		n, err := r.Body.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		if int64(len(b.B)) > limit {
			return b, tooLarge.New("Request size exceeded the limit of %d bytes.", limit)
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, bodyError(err)
		}
	}
}

// bodyError is the answer to a body that could not be read.
func bodyError(err error) *aws.Error {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge.New("Request size exceeded the limit of %d bytes.", e.Limit)
	}
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return timedOut.New("Your socket connection to the server was not read from or written to within the timeout period.").Because(err)
	}
	return incompleteBody.New("The request body terminated unexpectedly").Because(err)
}

// unpack is body without its gzip encoding, where it has one.
func unpack(r *http.Request, body []byte, limit int64) ([]byte, *aws.Error) {
	encoding := r.Header["Content-Encoding"]
	if len(encoding) == 0 || len(body) == 0 {
		return body, nil
	}
	last := encoding[len(encoding)-1]
	if i := strings.LastIndexByte(last, ','); i >= 0 {
		last = last[i+1:]
	}
	if !strings.EqualFold(strings.TrimSpace(last), "gzip") {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, serialization.New("").Because(err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, serialization.New("").Because(err)
	}
	if int64(len(plain)) > limit {
		return nil, tooLarge.New("Request size exceeded the limit of %d bytes.", limit)
	}
	return plain, nil
}
