// Package s3test runs a service that speaks S3 for tests, in this process and in memory, and stands in its clients' way: it
// refuses, cuts, delays and damages requests as a test says.
//
// With OBIDOS_S3 set to the URL of a bucket, s3://KEY:SECRET@BUCKET?endpoint=http://HOST, tests use that service instead, below
// a prefix of their own that is emptied afterwards.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"github.com/obidos-cloud/obidos/internal/blob"
)

// Fault is what becomes of a request.
type Fault int

// The faults.
const (
	None      Fault = iota
	SlowDown        // it is answered 503 SlowDown, and nothing is done
	Cut             // the connection ends, and nothing is done
	CutAnswer       // it is done, and the connection ends before the answer
	CutMidway       // it is done, and the connection ends in the middle of the answer
	Late            // it is done after a moment
	Hang            // it is never answered
	Damage          // a byte of its body is changed on the way
)

// Way says what becomes of a request. It may be asked by many goroutines.
type Way func(r *http.Request) Fault

// Server is the service.
type Server struct {
	next   http.Handler
	front  *httptest.Server
	ended  chan struct{} // those that hang wait for it
	bucket string
	prefix string
	key    string
	secret string
	direct *minio.Core
	way    atomic.Pointer[Way]
	active atomic.Int64
}

const envOther = "OBIDOS_S3"

// Start starts a service that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{bucket: "blobs", key: "AKIDEXAMPLE", secret: "wJalr/XUtnFEMI+K7MDENG", ended: make(chan struct{})}
	if other := os.Getenv(envOther); other != "" {
		s.inFrontOf(t, other)
	} else {
		memory := s3mem.New()
		if err := memory.CreateBucket(t.Context(), s.bucket); err != nil {
			t.Fatal(err)
		}
		s.next = gofakes3.New(memory, gofakes3.WithV4Auth(map[string]string{s.key: s.secret})).Server()
	}
	s.front = httptest.NewServer(s)
	t.Cleanup(func() { close(s.ended); s.front.CloseClientConnections(); s.front.Close() })
	clean := httptest.NewServer(s.next)
	t.Cleanup(clean.Close)
	var err error
	if s.direct, err = minio.NewCore(strings.TrimPrefix(clean.URL, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(s.key, s.secret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	}); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(envOther) != "" {
		t.Cleanup(func() { s.empty(t) })
	}
	return s
}

// Serve is a service of the test's own making.
func Serve(t testing.TB, h http.Handler) *Server {
	s := &Server{bucket: "blobs", key: "AKIDEXAMPLE", secret: "secret", next: h, ended: make(chan struct{})}
	s.front = httptest.NewServer(s)
	t.Cleanup(s.front.Close)
	return s
}

// inFrontOf passes requests on to another service.
func (s *Server) inFrontOf(t testing.TB, other string) {
	t.Helper()
	u, err := url.Parse(other)
	if err != nil {
		t.Fatal(envOther, " is no URL")
	}
	target, err := url.Parse(u.Query().Get("endpoint"))
	if err != nil || target.Host == "" {
		t.Fatal(envOther, " names no endpoint=")
	}
	s.bucket, s.prefix, s.key = u.Host, "test-"+blob.NewID().String()+"/", u.User.Username()
	s.secret, _ = u.User.Password()
	s.next = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // which is signed
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// URL is where a store keeps its blobs.
func (s *Server) URL() string {
	return s.with(url.Values{"endpoint": {s.front.URL}, "region": {"us-east-1"}}, s.key, s.secret, s.bucket)
}

// With is the URL of another bucket, or with other credentials.
func (s *Server) With(key, secret, bucket string) string {
	return s.with(url.Values{"endpoint": {s.front.URL}, "region": {"us-east-1"}}, key, secret, bucket)
}

func (s *Server) with(q url.Values, key, secret, bucket string) string {
	u := url.URL{Scheme: "s3", User: url.UserPassword(key, secret), Host: bucket, Path: "/" + s.prefix, RawQuery: q.Encode()}
	return u.String()
}

// Credentials are the key and secret that the service knows, and Bucket what it has.
func (s *Server) Credentials() (key, secret string) { return s.key, s.secret }

// Bucket is the name of the service's bucket.
func (s *Server) Bucket() string { return s.bucket }

// Set has requests go that way from now on; nil is straight.
func (s *Server) Set(way Way) {
	if way == nil {
		s.way.Store(nil)
		return
	}
	s.way.Store(&way)
}

// Settle waits until nothing is under way: what a client has given up may still be done.
func (s *Server) Settle() {
	for s.active.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Add(-1)
	fault := None
	if way := s.way.Load(); way != nil {
		fault = (*way)(r)
	}
	switch fault {
	case SlowDown:
		io.Copy(io.Discard, r.Body) //nolint:errcheck // nobody wants it
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
		return
	case Cut:
		panic(http.ErrAbortHandler)
	case Hang:
		select {
		case <-r.Context().Done():
		case <-s.ended:
		}
		panic(http.ErrAbortHandler)
	case CutAnswer, CutMidway:
		answer := httptest.NewRecorder()
		s.next.ServeHTTP(answer, r)
		if fault == CutMidway && r.Method != http.MethodHead {
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			body := answer.Body.Bytes()
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(answer.Code)
			w.Write(body[:len(body)/2])
			http.NewResponseController(w).Flush() //nolint:errcheck // it is cut anyway
		}
		panic(http.ErrAbortHandler)
	case Late:
		time.Sleep(20 * time.Millisecond)
	case Damage:
		content, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if len(content) > 0 {
			content[len(content)/2] ^= 1
		}
		r.Body = io.NopCloser(bytes.NewReader(content))
	}
	s.next.ServeHTTP(w, r)
}

// Names are the names of all objects, and of the uploads that are under way, in order and without the prefix.
func (s *Server) Names(t testing.TB) (objects, uploads []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	for folders := []string{s.prefix}; len(folders) > 0; folders = folders[1:] { // not all at once: there are services that cannot
		for o := range s.direct.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: folders[0]}) {
			switch {
			case o.Err != nil:
				t.Fatal(o.Err)
			case strings.HasSuffix(o.Key, "/"):
				folders = append(folders, o.Key)
			default:
				objects = append(objects, strings.TrimPrefix(o.Key, s.prefix))
			}
		}
	}
	for folders := []string{s.prefix}; len(folders) > 0; folders = folders[1:] {
		list, err := s.direct.ListMultipartUploads(ctx, s.bucket, folders[0], "", "", "/", 1000)
		if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload { // as some say that there is none
			t.Fatal(err)
		}
		for _, p := range list.CommonPrefixes {
			folders = append(folders, p.Prefix)
		}
		for _, u := range list.Uploads {
			uploads = append(uploads, strings.TrimPrefix(u.Key, s.prefix))
		}
	}
	slices.Sort(objects)
	return objects, uploads
}

// empty removes what tests have left at a service that stays.
func (s *Server) empty(t testing.TB) {
	objects, _ := s.Names(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	for _, name := range objects {
		if err := s.direct.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}); err != nil {
			t.Error(err)
		}
	}
}
