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
	buffers sync.Pool // *buffer
	jsons   sync.Pool // *jsonReader
	queries sync.Pool // *queryReader
	cbors   sync.Pool // *cborReader
	xmls    sync.Pool // *xmlReader
}

// keep is how much memory a buffer may hold and still be handed on.
const keep = 256 << 10

// buffer holds an answer's body while it is made.
type buffer struct {
	b []byte
	w *Wire
}

func (w *Wire) buffer() *buffer {
	if b, ok := w.memory.buffers.Get().(*buffer); ok {
		b.b = b.b[:0]
		return b
	}
	return &buffer{b: make([]byte, 0, 4<<10), w: w}
}

// release gives the buffer's memory to the next request.
func (b *buffer) release() {
	if b.w != nil && cap(b.b) <= keep {
		b.w.memory.buffers.Put(b)
	}
}

// TooLarge is the answer to a body of more than limit bytes.
func TooLarge(limit int64) *aws.Error {
	return tooLarge.New("Request size exceeded the limit of %d bytes.", limit)
}

// Incomplete is the answer to a body that could not be read to its end.
func Incomplete(err error) *aws.Error {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return e
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
		return nil, TooLarge(limit)
	}
	return plain, nil
}
