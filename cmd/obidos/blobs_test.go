//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob/s3/s3test"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

// beside is another home.
func (h *home) beside() *home {
	h.t.Helper()
	dir, err := os.MkdirTemp("", "obidos-")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	defer l.Close()
	b := &home{t: h.t, dir: dir, data: filepath.Join(dir, "data"), listen: l.Addr().String()}
	b.env = []string{asObidos + "=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "OBIDOS_LISTEN=" + b.listen, "OBIDOS_DATA=" + b.data}
	return b
}

// Two processes over one PostgreSQL and one bucket; and what is wrong with the bucket is said at the start.
func TestClusterWithBlobsInABucket(t *testing.T) {
	one := newHome(t)
	other := one.beside()
	database, server := pgtest.Start(t), s3test.Start(t)
	key, secret := server.Credentials()
	with := func(blobs string) []string {
		return []string{"--store", database.URL(), "--cluster", "blobs", "--blobs", blobs}
	}
	out, code := one.run(append([]string{"start"}, with(server.With(key, secret, "missing"))...)...)
	if code == 0 || !strings.Contains(out, "create it") || strings.Contains(out, secret) {
		t.Errorf("without its bucket it ended with %d:\n%s", code, out)
	}
	if out := one.must(append([]string{"config"}, with(server.URL())...)...); strings.Contains(out, secret) {
		t.Errorf("config tells the secret:\n%s", out)
	}
	a, b := one.start(with(server.URL())...), other.start(with(server.URL())...)
	for _, h := range []*home{one, other} {
		h.must("export", "state.obidos")
	}
	a.stop(syscall.SIGTERM, 10*time.Second)
	b.stop(syscall.SIGTERM, 10*time.Second)
	if objects, _ := server.Names(t); len(objects) > 0 {
		t.Errorf("starts left %q in the bucket", objects)
	}
}
