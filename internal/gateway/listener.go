package gateway

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// sniffing makes one port speak plain HTTP and TLS: the first byte of a TLS connection is 0x16, which no HTTP request
// begins with.
type sniffing struct {
	net.Listener
	config *tls.Config
	ready  chan net.Conn // connections whose first byte is known
	done   chan struct{} // closed when the listener is
	once   sync.Once

	mu      sync.Mutex // guards what follows
	waiting map[net.Conn]struct{}
	closed  bool
	err     error
	accept  sync.WaitGroup
}

// firstByteTimeout is how long a connection may stay silent. Clients open connections ahead of need, so it is long.
const firstByteTimeout = 2 * time.Minute

func sniff(l net.Listener, config *tls.Config) *sniffing {
	s := &sniffing{Listener: l, config: config, ready: make(chan net.Conn), done: make(chan struct{}), waiting: map[net.Conn]struct{}{}}
	s.accept.Go(s.acceptAll)
	return s
}

func (s *sniffing) acceptAll() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			s.once.Do(func() { close(s.done) })
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			continue
		}
		s.waiting[c] = struct{}{}
		s.accept.Go(func() { s.identify(c) })
		s.mu.Unlock()
	}
}

func (s *sniffing) identify(c net.Conn) {
	p := &peeked{Conn: c, r: bufio.NewReaderSize(c, 16)}
	c.SetReadDeadline(time.Now().Add(firstByteTimeout))
	first, err := p.r.Peek(1)
	s.mu.Lock()
	delete(s.waiting, c)
	s.mu.Unlock()
	if err != nil {
		c.Close()
		return
	}
	c.SetReadDeadline(time.Time{})
	var ready net.Conn = p
	if first[0] == 0x16 {
		ready = tls.Server(p, s.config)
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
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err != nil {
			return nil, s.err
		}
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It waits for the goroutines that listen.
func (s *sniffing) Close() error {
	err := s.Listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.waiting {
		c.Close()
	}
	s.mu.Unlock()
	s.once.Do(func() { close(s.done) })
	s.accept.Wait()
	return err
}

// peeked is a connection some of whose first bytes are in r. Once they are taken it reads from the connection itself.
// A client that does not read what it is answered is not waited for: each write has a deadline.
type peeked struct {
	net.Conn
	r       *bufio.Reader
	renewed time.Time // when the deadline of writes was moved last; writers take turns
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
	if p.r != nil {
		if p.r.Buffered() > 0 {
			return p.r.Read(b)
		}
		p.r = nil
	}
	return p.Conn.Read(b)
}
