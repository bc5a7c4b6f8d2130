package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/obidos-cloud/obidos/internal/blob"
)

// writer fills one part while the one before is under way.
type writer struct {
	s      *Store
	ctx    context.Context
	id     blob.ID
	size   int64
	buf    []byte // what has not been sent
	spare  []byte // the memory of the part before
	upload string // "" before there is more than a part
	parts  []minio.CompletePart
	flying chan error // the part under way; nil where there is none
	marked time.Time  // when the mark was written; zero before
	unsure bool       // something may be there, or still come to be
	over   bool
	err    error // the first that failed
}

// refresh is how old a mark becomes while its blob is being written.
const refresh = time.Hour

// Create begins a blob. Nothing is sent before it is known whether it fits into one part.
func (s *Store) Create(ctx context.Context) (blob.Writer, error) {
	return s.CreateAs(ctx, blob.NewID())
}

// CreateAs begins a blob under the id that it has in another store: there is none of it here.
func (s *Store) CreateAs(ctx context.Context, id blob.ID) (blob.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.isDoomed(id) {
		return nil, fmt.Errorf("create blob %s: one of that id was freed and is still read", id)
	}
	return &writer{s: s, ctx: ctx, id: id}, nil
}

func (w *writer) ID() blob.ID { return w.id }

func (w *writer) Write(p []byte) (n int, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.over:
		return 0, fmt.Errorf("write blob %s: %w", w.id, fs.ErrClosed)
	}
	for len(p) > 0 {
		if len(w.buf) == w.s.part { // and there is more
			if w.err = w.send(); w.err != nil {
				return n, w.err
			}
		}
		m := min(len(p), w.s.part-len(w.buf))
		w.buf = append(w.buf, p[:m]...)
		n, p, w.size = n+m, p[m:], w.size+int64(m)
	}
	return n, nil
}

// mark has Pending tell of the blob, as one that is being written.
func (w *writer) mark() error {
	if !w.marked.IsZero() && time.Since(w.marked) < refresh {
		return nil
	}
	w.marked = time.Now() // whether or not it succeeds
	if err := w.s.put(w.ctx, w.s.mark(w.id), nil); err != nil {
		w.unsure = true
		return w.s.why("begin a blob", err)
	}
	return nil
}

// landed waits for the part under way.
func (w *writer) landed() error {
	if w.flying == nil {
		return nil
	}
	err := <-w.flying
	w.flying = nil
	return err
}

// send sends what is there as the next part.
func (w *writer) send() error {
	if err := errors.Join(w.landed(), w.mark()); err != nil {
		return err
	}
	if w.upload == "" {
		err := again(w.ctx, func() (err error) {
			w.upload, err = w.s.client.NewMultipartUpload(w.ctx, w.s.place.bucket, w.s.final(w.id), minio.PutObjectOptions{})
			return err
		})
		if err != nil {
			w.unsure = true
			return w.s.why("begin an upload", err)
		}
	}
	if len(w.parts) == maxParts {
		return fmt.Errorf("write blob %s: it is larger than %d bytes", w.id, int64(maxParts)*int64(w.s.part))
	}
	number, content := len(w.parts)+1, w.buf
	w.parts = append(w.parts, minio.CompletePart{PartNumber: number})
	w.flying = make(chan error, 1)
	go func(landed chan<- error, to *minio.CompletePart) {
		md5sum, sha := sums(content)
		err := again(w.ctx, func() error {
			p, err := w.s.client.PutObjectPart(w.ctx, w.s.place.bucket, w.s.final(w.id), w.upload, number,
				bytes.NewReader(content), int64(len(content)), minio.PutObjectPartOptions{Md5Base64: md5sum, Sha256Hex: sha})
			to.ETag = p.ETag
			return err
		})
		if err != nil {
			err = w.s.why(fmt.Sprintf("write part %d", number), err)
		}
		landed <- err
	}(w.flying, &w.parts[number-1])
	w.buf, w.spare = w.spare[:0], content
	return nil
}

// Finish makes the blob readable, in one step.
func (w *writer) Finish() error {
	if w.err != nil {
		return w.err
	}
	if w.over {
		return fmt.Errorf("finish blob %s: %w", w.id, fs.ErrClosed)
	}
	if w.err = w.finish(); w.err != nil {
		return w.err
	}
	w.over, w.buf, w.spare = true, nil, nil
	return nil
}

func (w *writer) finish() error {
	if w.upload == "" {
		if err := w.mark(); err != nil {
			return err
		}
		if err := w.s.put(w.ctx, w.s.final(w.id), w.buf); err != nil {
			w.unsure = true
			return w.s.why("write a blob", err)
		}
		return nil
	}
	if err := w.send(); err != nil {
		return err
	}
	if err := errors.Join(w.landed(), w.mark()); err != nil {
		return err
	}
	err := again(w.ctx, func() error {
		_, err := w.s.client.CompleteMultipartUpload(w.ctx, w.s.place.bucket, w.s.final(w.id), w.upload, w.parts, minio.PutObjectOptions{})
		return err
	})
	if absent(err) && w.completed() {
		return nil
	}
	if err != nil {
		w.unsure = true
		return w.s.why("complete an upload", err)
	}
	return nil
}

// completed reports whether the blob is there: a request that was repeated, because its answer was lost, finds no upload any more.
func (w *writer) completed() bool {
	o, err := w.s.stat(w.ctx, w.s.final(w.id))
	return err == nil && o.Size == w.size
}

// Abort gives up what there is. Where an answer never came, so that something may still come to be, the mark stays: somebody
// finds it when it is old.
func (w *writer) Abort() {
	if w.over {
		return
	}
	w.over = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), tidying)
	defer cancel()
	if err := w.landed(); err != nil {
		w.unsure = true
	}
	w.buf, w.spare = nil, nil
	if w.err == nil {
		w.err = fmt.Errorf("blob %s was given up: %w", w.id, fs.ErrClosed)
	}
	if w.upload != "" {
		if err := w.s.client.AbortMultipartUpload(ctx, w.s.place.bucket, w.s.final(w.id), w.upload); err != nil && !absent(err) {
			w.unsure = true
		}
	}
	if !w.marked.IsZero() && !w.unsure {
		_ = w.s.remove(ctx, w.s.mark(w.id)) // where it fails the blob stays pending
	}
}
