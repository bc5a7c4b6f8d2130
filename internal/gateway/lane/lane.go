// Package lane answers the plain, small, common HTTP/1.1 request on a loop of its own, at about half of what net/http's server
// costs. It calls the same handler, and hands each connection that brings anything else, with every byte that was read
// of it, to who takes it over: net/http, whose behaviour stays the truth.
//
// It keeps no memory for a connection that waits but the connection itself. It promises that a request it takes is exactly
// the one that http.ReadRequest would have made of the same bytes, that no byte is lost or answered twice when it hands
// over, and that a client that goes away ends the context of a request that takes its time.
//
// What a handler is given is good until it returns: then the body is closed, and the response belongs to the next request.
package lane

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves connections. Its exported fields are set before the first one.
type Server struct {
	HTTP     *http.Server                      // whose Handler, IdleTimeout and ErrorLog are used
	HandOver func(c net.Conn, received []byte) // takes c over; received was read from it already
	Base     context.Context                   // what the contexts of requests derive from; it never ends

	// How long a new connection may stay silent.
	FirstByteTimeout time.Duration
	// How long the client may take to read what one write sends it.
	WriteTimeout time.Duration

	small sync.Pool // *buffer of smallBuffer bytes
	large sync.Pool // *buffer of largeBuffer bytes
	names names
	date  atomic.Pointer[date]

	closing atomic.Bool    // no request is begun any more
	all     sync.WaitGroup // the connections

	mu    sync.Mutex // guards what follows
	conns map[*conn]struct{}
}

// How much a request taken here may be.
const (
	maxHead     = 8 << 10
	maxBody     = 64 << 10
	maxHeaders  = 64
	smallBuffer = 8 << 10
	largeBuffer = maxHead + maxBody + 1<<10
)

const (
	// patience is how long the rest of a request may take before net/http waits for it instead.
	patience = 200 * time.Millisecond
	// quick is how long a handler may take before anybody looks whether its client is still there.
	quick = 50 * time.Millisecond
)

// buffer holds bytes of one connection for a while.
type buffer struct{ b []byte }

func (s *Server) smallBuffer() *buffer {
	if b, ok := s.small.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, smallBuffer)}
}

func (s *Server) largeBuffer() *buffer {
	if b, ok := s.large.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, largeBuffer)}
}

func (s *Server) release(b *buffer) {
	switch cap(b.b) {
	case smallBuffer:
		s.small.Put(b)
	case largeBuffer:
		s.large.Put(b)
	}
}

// Go serves c until it is closed or handed over. It does not wait for that: Shutdown does.
func (s *Server) Go(c net.Conn) {
	k := newConn(s, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		c.Close()
		return
	}
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[k] = struct{}{}
	s.all.Go(k.serve)
}

func (s *Server) forget(k *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, k)
}

// Shutdown closes the connections that wait for a request, and waits until the requests under way are answered. Those that
// are not when ctx ends are cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing.Store(true)
	for k := range s.conns {
		if k.state.CompareAndSwap(waiting, closed) {
			k.c.Close()
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.all.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for k := range s.conns {
		if k.state.Load() != taken {
			k.c.Close()
		}
	}
	s.mu.Unlock()
	return ctx.Err()
}

func (s *Server) logf(format string, args ...any) {
	if l := s.HTTP.ErrorLog; l != nil {
		l.Printf(format, args...)
	} else {
		log.Printf(format, args...)
	}
}

// date is the Date header of the answers of one second.
type date struct {
	second int64
	text   string
}

func (s *Server) dateAt(now time.Time) string {
	d := s.date.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &date{second, now.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
