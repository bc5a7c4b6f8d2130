package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/obidos-cloud/obidos/internal/gateway/lane"
)

// sniffing is what comes in at one port that is not plain, small HTTP/1.1: the lane answers that, and hands on the rest. The
// first byte of a TLS connection is 0x16, which no HTTP request begins with.
type sniffing struct {
	net.Listener
	config *tls.Config
	lane   *lane.Server
	ready  chan net.Conn // connections for net/http
	done   chan struct{} // closed when the listener is
	once   sync.Once
	err    error // why it was; set before done is closed
	accept sync.WaitGroup
}

// firstByteTimeout is how long a connection may stay silent. Clients open connections ahead of need, so it is long.
const firstByteTimeout = 2 * time.Minute

// acceptPause is how long new connections wait when the process cannot have more.
const acceptPause = 50 * time.Millisecond

func sniff(ctx context.Context, l net.Listener, config *tls.Config, h *http.Server) *sniffing {
	s := &sniffing{Listener: l, config: config, ready: make(chan net.Conn), done: make(chan struct{})}
	s.lane = &lane.Server{
		HTTP: h, HandOver: s.take, Base: context.WithoutCancel(ctx),
		FirstByteTimeout: firstByteTimeout, WriteTimeout: writeTimeout,
	}
	s.accept.Go(s.acceptAll)
	return s
}

func (s *sniffing) acceptAll() {
	for {
		c, err := s.Listener.Accept()
		if err == nil {
			s.lane.Go(c)
			continue
		}
		if e, ok := errors.AsType[syscall.Errno](err); !ok || !e.Temporary() {
			s.end(err)
			return
		}
		select { // too many open files: until some are closed
		case <-time.After(acceptPause):
		case <-s.done:
		}
	}
}

func (s *sniffing) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.done)
	})
}

// take has net/http serve a connection that is not for the lane.
func (s *sniffing) take(c net.Conn, received []byte) {
	var ready net.Conn = &peeked{Conn: c, received: received}
	if len(received) > 0 && received[0] == 0x16 {
		ready = tls.Server(ready, s.config)
	}
	select {
	case s.ready <- ready:
	case <-s.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (s *sniffing) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case <-s.done:
		return nil, s.err
	}
}

// Close implements net.Listener. The lane is shut down by who called sniff.
func (s *sniffing) Close() error {
	err := s.Listener.Close()
	s.end(net.ErrClosed)
	s.accept.Wait()
	return err
}

// peeked is a connection of which some bytes are received already. Once they are taken it reads from the connection itself.
// A client that does not read what it is answered is not waited for: each write has a deadline.
type peeked struct {
	net.Conn
	received []byte
	renewed  time.Time // when the deadline of writes was moved last; writers take turns
}

// How long a write may take, and how often its deadline is moved.
const (
	writeTimeout  = time.Minute
	writeDeadline = 10 * time.Second
)

func (p *peeked) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.renewed) > writeDeadline {
		p.renewed = now
		if err := p.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
			return 0, err
		}
	}
	return p.Conn.Write(b)
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.received) > 0 {
		n := copy(b, p.received)
		if p.received = p.received[n:]; len(p.received) == 0 {
			p.received = nil
		}
		return n, nil
	}
	return p.Conn.Read(b)
}
