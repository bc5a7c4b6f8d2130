package platform_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/blob/blobtest"
	"github.com/obidos-cloud/obidos/internal/blob/file"
	"github.com/obidos-cloud/obidos/internal/blob/s3/s3test"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/transfer"
)

// state is a store with its blobs, outside of any platform.
type state struct {
	*store.Store
	blobs *file.Store
}

func newState(t *testing.T) *state {
	t.Helper()
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	b, err := file.Open("blobs", file.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	return &state{&store.Store{Engine: e, Clock: clock.New()}, b}
}

// exported is an export of a state that names one blob.
func exported(t *testing.T, content []byte) (id blob.ID, export []byte) {
	t.Helper()
	s := newState(t)
	id = blobtest.Write(t, s.blobs, content)
	space := s.Space(shelf.SpaceName)
	account := shelf.New(space, s.blobs, shelf.Options{Alone: true})
	if _, err := store.Update(t.Context(), space, func(tx *store.Tx) (any, error) {
		account.Put(tx, id)
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	var to bytes.Buffer
	if err := transfer.Export(t.Context(), s.Store, s.blobs, "test", &to); err != nil {
		t.Fatal(err)
	}
	return id, to.Bytes()
}

// member is a node of a cluster that keeps its blobs at an address.
func member(e store.Engine, name, blobs string) platform.Options {
	return platform.Options{Engine: e, Node: name, Cluster: &platform.Cluster{Name: "test", Blobs: blobs}}
}

// What is imported into a cluster with its blobs in a bucket comes out of each of its nodes, over a line that is bad.
func TestNodesShareBlobsInABucket(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("all that is too large "), 1<<16)
	id, export := exported(t, content)
	server := s3test.Start(t)
	var asked atomic.Int64
	server.Set(func(*http.Request) s3test.Fault { return s3test.Fault(asked.Add(1) % 5) }) // of all kinds but the worst
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	importing := open(t, member(e, "importing", server.URL()))
	if err := importing.Import(t.Context(), bytes.NewReader(export)); err != nil {
		t.Fatal(err)
	}
	if err := importing.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		n := serve(t, open(t, member(e, name, server.URL())))
		var back bytes.Buffer
		if err := n.Export(t.Context(), &back); err != nil {
			t.Fatal(err)
		}
		to := newState(t)
		if err := transfer.Import(t.Context(), to.Store, to.blobs, &back); err != nil {
			t.Fatal(err)
		}
		if got := blobtest.Read(t, to.blobs, id); !bytes.Equal(got, content) {
			t.Errorf("node %s gives %d bytes that are not those", name, len(got))
		}
	}
}

func TestBlobsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	key, secret := server.Credentials()
	for blobs, want := range map[string]string{
		"ftp://host/x": "ftp://…", "s3://": "bucket's name", server.With(key, secret, "none"): "create it",
	} {
		e := memory.New(memory.Options{})
		t.Cleanup(func() { e.Close() })
		p, err := platform.Open(told(t, member(e, "n", blobs)))
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--blobs") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", blobs, err)
		}
	}
	_, export := exported(t, []byte("content"))
	e := memory.New(memory.Options{})
	t.Cleanup(func() { e.Close() })
	p, err := platform.Open(told(t, member(e, "n", "")))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Import(t.Context(), bytes.NewReader(export)); err == nil || !strings.Contains(err.Error(), "--blobs") {
		t.Errorf("a blob was imported into a cluster that has nowhere for it: %v", err)
	}
}
