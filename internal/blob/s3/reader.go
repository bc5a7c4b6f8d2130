package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/obidos-cloud/obidos/internal/blob"
)

// ahead is how much is asked for at once by who reads in order.
const ahead = 8 << 20

// reader reads ranges. One that ends where the next begins goes on with the same answer of the service.
type reader struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	id     blob.ID
	size   int64

	mu     sync.Mutex
	idle   *answer // nobody reads from it now
	next   int64   // where the last read ended
	closed bool
}

// answer is an answer of the service under way.
type answer struct {
	io.ReadCloser
	at, end int64
}

// Open reads a finished blob.
func (s *Store) Open(ctx context.Context, id blob.ID) (blob.Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	gone := s.doomed[id]
	if !gone {
		s.open[id]++
	}
	s.mu.Unlock()
	if gone {
		return nil, blob.ErrNotFound
	}
	o, err := s.stat(ctx, s.final(id))
	if err != nil {
		s.release(ctx, id)
		if absent(err) {
			return nil, blob.ErrNotFound
		}
		return nil, s.why("open blob "+id.String(), err)
	}
	r := &reader{s: s, id: id, size: o.Size}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r, nil
}

// release ends a reader, and the blob with the last of them where it was freed.
func (s *Store) release(ctx context.Context, id blob.ID) {
	s.mu.Lock()
	last := s.open[id] == 1
	if last {
		delete(s.open, id)
	} else {
		s.open[id]--
	}
	last = last && s.doomed[id]
	s.mu.Unlock()
	if last {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidying)
		defer cancel()
		_ = s.free(ctx, id) // where it fails it has its mark
		s.undoom(id)
	}
}

// Size implements blob.Reader.
func (r *reader) Size() int64 { return r.size }

// ReadAt implements io.ReaderAt.
func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read blob %s at %d: %w", r.id, off, fs.ErrInvalid)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	for tries := 0; n < len(want); {
		m, err := r.read(want[n:], off+int64(n))
		if n += m; m > 0 {
			tries = 0
		}
		if err == nil {
			continue
		}
		if tries++; tries == maxTries || r.ctx.Err() != nil || lasting(err) {
			return n, r.s.why("read blob "+r.id.String(), err)
		}
		select {
		case <-time.After(pause(tries)):
		case <-r.ctx.Done():
			return n, r.ctx.Err()
		}
	}
	if len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}

// read reads some of p, at least a byte or an error.
func (r *reader) read(p []byte, at int64) (int, error) {
	a, err := r.answer(at, int64(len(p)))
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(a, p[:min(int64(len(p)), a.end-a.at)])
	a.at += int64(n)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return n, errors.Join(err, a.Close())
	}
	return n, r.put(a)
}

// answer is one that goes on at a byte.
func (r *reader) answer(at, length int64) (*answer, error) {
	r.mu.Lock()
	idle, inOrder, closed := r.idle, r.next == at, r.closed
	r.idle = nil
	r.mu.Unlock()
	if closed {
		return nil, fs.ErrClosed
	}
	if idle != nil {
		if idle.at == at {
			return idle, nil
		}
		idle.Close()
	}
	if inOrder {
		length = max(length, ahead)
	}
	end := min(at+length, r.size)
	var o minio.GetObjectOptions
	if err := o.SetRange(at, end-1); err != nil {
		return nil, err
	}
	body, _, header, err := r.s.client.GetObject(r.ctx, r.s.place.bucket, r.s.final(r.id), o)
	if err != nil {
		return nil, err
	}
	if want := fmt.Sprintf("bytes %d-%d/%d", at, end-1, r.size); header.Get("Content-Range") != want && (at > 0 || end < r.size) {
		return nil, errors.Join(fmt.Errorf("it was asked for %q and answered with %q", want, header.Get("Content-Range")), body.Close())
	}
	return &answer{body, at, end}, nil
}

// put keeps what is left of an answer for the next read.
func (r *reader) put(a *answer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = a.at
	if a.at < a.end && r.idle == nil && !r.closed {
		r.idle = a
		return nil
	}
	return a.Close()
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.mu.Lock()
	closed, idle := r.closed, r.idle
	r.closed, r.idle = true, nil
	r.mu.Unlock()
	if closed {
		return fmt.Errorf("close blob %s: %w", r.id, fs.ErrClosed)
	}
	r.cancel()
	if idle != nil {
		idle.Close()
	}
	r.s.release(r.ctx, r.id)
	return nil
}
