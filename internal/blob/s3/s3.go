// Package s3 keeps blobs in a bucket of a service that speaks S3: Amazon's, MinIO, Ceph, SeaweedFS, Garage, R2 and their like.
//
//	new/<id>    an empty mark: begun, or finished and not kept yet
//	<aa>/<id>   finished; aa are the first two digits of the id
//
// The mark is there before anything else of the blob is. What is under the second name is whole: one request puts it there, or,
// where the blob is larger than one part, completes an upload in parts; each comes with its checksums, and the service refuses
// what does not match them. A crash leaves a mark, and perhaps a blob or an upload that only the mark tells of.
//
// It asks of the service that what was written is there for whoever asks next, as all those do, and needs a bucket without
// versions, whose deletes would keep everything. What fails for the moment (an overloaded service, a connection that breaks or
// goes silent) is tried again for some seconds.
package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/obidos-cloud/obidos/internal/blob"
)

// Options of a store.
type Options struct {
	// PartSize is how much is sent at once: 16 MiB where it is 0. A blob has 10,000 parts at most, and a writer keeps two in
	// memory. Services refuse parts below 5 MiB.
	PartSize int
	// Stall is how long nothing may move before a request is tried again: a minute where it is 0.
	Stall time.Duration
}

// Store is a blob.Store in one bucket.
type Store struct {
	place  place
	client *minio.Core
	part   int

	mu     sync.Mutex
	open   map[blob.ID]int  // how many readers of this process read it
	doomed map[blob.ID]bool // freed, or being freed: those that are open go when the last reader does
}

const (
	begun    = "new/"
	maxParts = 10_000

	// atOnce is how many requests of one Keep or Free are under way.
	atOnce = 8

	// tidying bounds what is done for somebody who waits no more.
	tidying = 30 * time.Second
)

// Open opens the blobs that are where the URL says, s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION&path-style=true, and
// makes sure that they can be written, read, listed and removed there.
func Open(ctx context.Context, at string, o Options) (*Store, error) {
	p, err := parse(at)
	if err != nil {
		return nil, err
	}
	p.fromSurroundings()
	s := &Store{place: p, part: o.PartSize, open: make(map[blob.ID]int), doomed: make(map[blob.ID]bool)}
	if s.part == 0 {
		s.part = 16 << 20
	}
	if o.Stall == 0 {
		o.Stall = time.Minute
	}
	way, err := newTransport(!p.plain, o.Stall)
	if err != nil {
		return nil, err
	}
	style := minio.BucketLookupDNS
	if p.pathStyle {
		style = minio.BucketLookupPath
	}
	if s.client, err = minio.NewCore(p.host, &minio.Options{
		Creds: newCredentials(p), Secure: !p.plain, Region: p.region, BucketLookup: style, Transport: way,
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return s, s.try(ctx)
}

// try does once all that will be done later.
func (s *Store) try(ctx context.Context) error {
	name := s.mark(blob.NewID()) // where a crash leaves it, it is found when it is old
	if err := s.put(ctx, name, nil); err != nil {
		return s.why("write", err)
	}
	body, _, _, err := s.client.GetObject(ctx, s.place.bucket, name, minio.GetObjectOptions{})
	if err == nil {
		err = body.Close()
	}
	if err != nil {
		err = s.why("read", err)
	} else if _, err = s.list(ctx, name); err == nil {
		err = s.abortAll(ctx, name)
	}
	return errors.Join(err, s.remove(ctx, name))
}

func (s *Store) mark(id blob.ID) string { return s.place.prefix + begun + id.String() }

func (s *Store) final(id blob.ID) string {
	return s.place.prefix + id.String()[:2] + "/" + id.String()
}

// put writes an object in one request.
func (s *Store) put(ctx context.Context, name string, content []byte) error {
	md5sum, sha := sums(content)
	return again(ctx, func() error {
		_, err := s.client.PutObject(ctx, s.place.bucket, name, bytes.NewReader(content), int64(len(content)), md5sum, sha, minio.PutObjectOptions{})
		return err
	})
}

// list lists the objects whose names begin so and have no further slash.
func (s *Store) list(ctx context.Context, prefix string) (all []minio.ObjectInfo, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = again(ctx, func() error {
		all = nil
		for o := range s.client.ListObjectsIter(ctx, s.place.bucket, minio.ListObjectsOptions{Prefix: prefix}) {
			if o.Err != nil {
				return o.Err
			}
			all = append(all, o)
		}
		return nil
	})
	if err != nil {
		err = s.why("list", err)
	}
	return all, err
}

// stat looks whether there is an object.
func (s *Store) stat(ctx context.Context, name string) (o minio.ObjectInfo, err error) {
	err = again(ctx, func() error {
		o, err = s.client.StatObject(ctx, s.place.bucket, name, minio.StatObjectOptions{})
		return err
	})
	return o, err
}

// again does what the library does not try again: an answer that ends too soon. What the service refuses stays refused.
func again(ctx context.Context, do func() error) error {
	for tries := 1; ; tries++ {
		err := do()
		if err == nil || tries == maxTries || ctx.Err() != nil || lasting(err) {
			return err
		}
		select {
		case <-time.After(pause(tries)):
		case <-ctx.Done():
			return err
		}
	}
}

// maxTries is how often something is tried that the library has tried already.
const maxTries = 6

func pause(tries int) time.Duration { return 50 * time.Millisecond << tries }

// lasting reports whether trying again is of no use: what is of some the library has tried already.
func lasting(err error) bool {
	_, answered := errors.AsType[minio.ErrorResponse](err)
	_, unreached := errors.AsType[*url.Error](err)
	return answered || unreached || errors.Is(err, fs.ErrClosed) || errors.Is(err, errNoCredentials)
}

// sums are what the service checks content against: the one that all of them know, and the one that is signed.
func sums(content []byte) (md5sum, sha string) {
	m, h := md5.Sum(content), sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(m[:]), hex.EncodeToString(h[:])
}

// remove removes an object; one that is not there is removed.
func (s *Store) remove(ctx context.Context, name string) error {
	if err := s.client.RemoveObject(ctx, s.place.bucket, name, minio.RemoveObjectOptions{}); err != nil && !absent(err) {
		return s.why("remove", err)
	}
	return nil
}

// Keep takes the marks away.
func (s *Store) Keep(ctx context.Context, ids ...blob.ID) error {
	return each(ctx, ids, func(id blob.ID) error { return s.remove(ctx, s.mark(id)) })
}

// Free removes blobs, what is left of uploads, and their marks last. One that is read in this process gets a mark again, and
// goes when it is closed; if that never comes, the mark tells of it.
func (s *Store) Free(ctx context.Context, ids ...blob.ID) error {
	return each(ctx, ids, func(id blob.ID) error {
		if s.doom(id) {
			if err := s.put(ctx, s.mark(id), nil); err != nil {
				return s.why("mark a blob that is read", err)
			}
			return nil
		}
		defer s.undoom(id)
		return s.free(ctx, id)
	})
}

func (s *Store) free(ctx context.Context, id blob.ID) error {
	if err := s.remove(ctx, s.final(id)); err != nil {
		return err
	}
	_, err := s.stat(ctx, s.mark(id))
	if absent(err) {
		return nil // it was kept: nothing of it was under way
	}
	if err != nil {
		return s.why("look at a blob", err)
	}
	if err := s.abortAll(ctx, s.final(id)); err != nil {
		return err
	}
	return s.remove(ctx, s.mark(id))
}

// abortAll ends all uploads of an object.
func (s *Store) abortAll(ctx context.Context, name string) error {
	var key, upload string
	for {
		var list minio.ListMultipartUploadsResult
		err := again(ctx, func() (err error) {
			list, err = s.client.ListMultipartUploads(ctx, s.place.bucket, name, key, upload, "/", 1000)
			return err
		})
		if absent(err) {
			return nil // as some say that there is none
		}
		if err != nil {
			return s.why("list uploads", err)
		}
		for _, u := range list.Uploads {
			if u.Key != name {
				continue
			}
			if err := s.client.AbortMultipartUpload(ctx, s.place.bucket, u.Key, u.UploadID); err != nil && !absent(err) {
				return s.why("end an upload", err)
			}
		}
		if !list.IsTruncated || list.NextUploadIDMarker == upload {
			return nil
		}
		key, upload = list.NextKeyMarker, list.NextUploadIDMarker
	}
}

// Pending lists the marks.
func (s *Store) Pending(ctx context.Context, age time.Duration) ([]blob.ID, error) {
	prefix := s.place.prefix + begun
	marks, err := s.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var ids []blob.ID
	for _, o := range marks {
		// The service's clock and ours are never far apart: it refuses requests of another time.
		id, err := blob.ParseID(strings.TrimPrefix(o.Key, prefix))
		if err != nil || age > 0 && time.Since(o.LastModified) < age || s.isDoomed(id) {
			continue
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// doom says that a blob goes, and whether somebody still reads it.
func (s *Store) doom(id blob.ID) (read bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doomed[id] = true
	return s.open[id] > 0
}

func (s *Store) undoom(id blob.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.doomed, id)
}

func (s *Store) isDoomed(id blob.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doomed[id]
}

// each does something about all ids, a few at once, and stops at the first failure.
func each(ctx context.Context, ids []blob.ID, do func(blob.ID) error) error {
	if len(ids) == 1 {
		return do(ids[0])
	}
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed error
		next   int
	)
	take := func() (id blob.ID, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = ctx.Err()
		}
		if failed != nil || next == len(ids) {
			return id, false
		}
		next++
		return ids[next-1], true
	}
	for range min(atOnce, len(ids)) {
		all.Go(func() {
			for id, ok := take(); ok; id, ok = take() {
				if err := do(id); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return failed
}
