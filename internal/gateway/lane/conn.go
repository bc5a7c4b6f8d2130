package lane

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What a connection is doing, as far as who shuts down needs to know.
const (
	waiting int32 = iota // for a request, or the rest of one
	serving              // a request
	closed
	taken // by somebody else
)

// conn is one connection and what its requests share. All but what is said otherwise belongs to the goroutine that serves it.
type conn struct {
	s        *Server
	c        net.Conn
	raw      syscall.RawConn // nil where there is none
	tryRead  func(fd uintptr) bool
	base     context.Context // what those of requests derive from
	template http.Request
	state    atomic.Int32

	in     *buffer // nil while nothing is received
	r, w   int     // what is received lies in in.b[r:w]
	n      int     // of the last read
	err    error   // of the last read
	begun  bool    // something was received
	broken error   // what ended reading while a handler ran

	now     time.Time // when the last answer was sent
	readBy  time.Time // the deadline of reads
	writeBy time.Time // the deadline of writes

	forgiven int     // newlines that may still come between requests
	at       request // the one being served
	out      response

	timer   *time.Timer   // sets off look
	watched bool          // look may run
	looked  chan struct{} // gets a value when it has ended

	slow atomic.Bool // look has begun

	mu      sync.Mutex // guards what follows
	looking bool       // look is reading
	over    bool       // the handler has returned
}

func newConn(s *Server, c net.Conn) *conn {
	k := &conn{s: s, c: c}
	if r, ok := c.(syscall.Conn); ok && rawReads {
		if raw, err := r.SyscallConn(); err == nil {
			k.raw, k.tryRead = raw, k.readFrom
		}
	}
	k.base = context.WithValue(context.WithValue(s.Base, http.ServerContextKey, s.HTTP), http.LocalAddrContextKey, c.LocalAddr())
	k.template = http.Request{Proto: version, ProtoMajor: 1, ProtoMinor: 1}
	if a := c.RemoteAddr(); a != nil {
		k.template.RemoteAddr = a.String()
	}
	k.out.k = k
	return k
}

// serve answers requests until the connection is closed or not ours any more.
func (k *conn) serve() {
	defer func() {
		k.s.forget(k)
		k.free()
		if k.state.Load() != taken {
			k.c.Close()
		}
	}()
	for k.await() {
		q, v := k.receive()
		if v == nothing {
			k.free()
			continue
		}
		if v != good {
			if q.cancel != nil {
				q.cancel()
			}
			if v == odd {
				k.handOver()
			}
			return
		}
		if !k.state.CompareAndSwap(waiting, serving) {
			q.cancel()
			return
		}
		if !k.answer(q) || !k.state.CompareAndSwap(serving, waiting) || k.s.closing.Load() {
			return
		}
		if k.r += q.size; k.r == k.w {
			k.free()
		}
	}
}

// free gives the buffer back: a connection that waits needs none.
func (k *conn) free() {
	if k.in != nil {
		k.s.release(k.in)
		k.in, k.r, k.w = nil, 0, 0
	}
}

// await waits until there is something to read. It reports whether there is.
func (k *conn) await() bool {
	if k.w > k.r {
		return true
	}
	if k.broken != nil {
		return false
	}
	idle := k.s.HTTP.IdleTimeout
	if !k.begun {
		idle = k.s.FirstByteTimeout
	}
	if k.now.IsZero() {
		k.now = time.Now()
	}
	// The deadline is not moved for each request, but when a fifth of its time is over.
	if idle <= 0 {
		if !k.readBy.IsZero() && !k.deadline(time.Time{}) {
			return false
		}
	} else if k.readBy.Sub(k.now) < idle-idle/5 && !k.deadline(k.now.Add(idle)) {
		return false
	}
	return k.read() == nil
}

func (k *conn) deadline(t time.Time) bool {
	k.readBy = t
	return k.c.SetReadDeadline(t) == nil
}

// read receives more.
func (k *conn) read() error {
	if k.raw != nil {
		if err := k.raw.Read(k.tryRead); err != nil {
			return err
		}
	} else {
		if k.in == nil {
			k.in = k.s.smallBuffer()
		}
		k.n, k.err = k.c.Read(k.in.b[k.w:])
	}
	k.w += k.n
	if k.n > 0 {
		k.begun = true
		return nil
	}
	return k.err
}

// receive reads a whole request.
func (k *conn) receive() (q request, v verdict) {
	renewed := false
	for {
		if q.http == nil {
			k.skipNewlines()
			if k.r == k.w {
				return q, nothing
			}
			if q, v = k.parse(k.in.b[k.r:k.w]); v == odd {
				return q, odd
			}
		}
		if q.http != nil && k.w-k.r >= q.size {
			q.body.b = k.in.b[k.r+q.head : k.r+q.size]
			return q, good
		}
		k.makeRoom(q.size)
		if k.broken != nil {
			return q, odd // whoever reads on sees it too
		}
		if !renewed {
			if renewed = true; !k.deadline(time.Now().Add(patience)) {
				return q, lost
			}
		}
		if err := k.read(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
				return q, odd
			}
			return q, lost
		}
	}
}

// skipNewlines forgives what old clients send after the body of a POST, as net/http does.
func (k *conn) skipNewlines() {
	for k.forgiven > 0 && k.w > k.r && (k.in.b[k.r] == '\r' || k.in.b[k.r] == '\n') {
		k.r++
		k.forgiven--
	}
}

// makeRoom has room for more of a request of size bytes, 0 where that is not known.
func (k *conn) makeRoom(size int) {
	if size = max(size, maxHead); k.r+size > len(k.in.b) || k.w == len(k.in.b) {
		if size > len(k.in.b) {
			b := k.s.largeBuffer()
			k.w = copy(b.b, k.in.b[k.r:k.w])
			k.s.release(k.in)
			k.in = b
		} else {
			k.w = copy(k.in.b, k.in.b[k.r:k.w])
		}
		k.r = 0
	}
}

// handOver gives the connection away, with what is received of it.
func (k *conn) handOver() {
	var received []byte
	if k.in != nil {
		received = append(received, k.in.b[k.r:k.w]...)
	}
	k.free()
	if !k.state.CompareAndSwap(waiting, taken) {
		return
	}
	k.s.forget(k)
	k.c.SetDeadline(time.Time{})
	k.s.HandOver(k.c, received)
}

// answer has the handler answer q. It reports whether another request may follow.
func (k *conn) answer(q request) (again bool) {
	k.at = q
	k.out.begin(q.http)
	defer func() {
		k.unwatch()
		q.cancel()
		q.body.end()
		k.out.end()
		k.at = request{}
	}()
	k.forgiven = 0
	if q.http.Method == http.MethodPost {
		k.forgiven = 4
	}
	k.watch()
	return k.call(q.http) && k.state.Load() == serving && k.out.finish()
}

// call calls the handler. It reports whether that returned as it should.
func (k *conn) call(r *http.Request) (returned bool) {
	defer func() {
		v := recover()
		if err, ok := v.(error); v != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
			k.s.logf("http: panic serving %v: %v\n%s", k.template.RemoteAddr, v, debug.Stack())
		}
	}()
	k.s.HTTP.Handler.ServeHTTP(&k.out, r)
	return true
}

// watch has somebody look after the client if the handler takes long.
func (k *conn) watch() {
	if k.w == len(k.in.b) || k.broken != nil {
		k.slow.Store(true) // as far as anybody knows
		return             // what was received already has to be answered first
	}
	k.watched, k.looking, k.over = true, false, false
	k.slow.Store(false)
	if k.timer == nil {
		k.looked = make(chan struct{}, 1)
		k.timer = time.AfterFunc(quick, k.look)
	} else {
		k.timer.Reset(quick)
	}
}

// look reads what comes while the handler runs: the end of the connection, which ends the request, or the next request.
func (k *conn) look() {
	defer func() { k.looked <- struct{}{} }()
	k.slow.Store(true)
	k.mu.Lock()
	if k.over {
		k.mu.Unlock()
		return
	}
	k.looking = true
	k.c.SetReadDeadline(time.Time{})
	k.mu.Unlock()
	n, err := k.c.Read(k.in.b[k.w:])
	k.w += n
	if n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		k.broken = err
		k.at.cancel()
	}
}

// unwatch ends what watch began, and waits for it.
func (k *conn) unwatch() {
	if !k.watched {
		return
	}
	if k.watched = false; k.timer.Stop() {
		return // nobody had to look
	}
	k.mu.Lock()
	k.over = true
	if k.looking {
		k.c.SetReadDeadline(time.Unix(1, 0))
	}
	k.mu.Unlock()
	<-k.looked
	k.deadline(time.Time{})
}

// write sends b, and what follows it.
func (k *conn) write(b, more []byte) error {
	now := k.now
	if t := k.s.WriteTimeout; t > 0 && !k.out.ownDeadline && k.writeBy.Sub(now) < t-t/5 {
		k.writeBy = now.Add(t)
		if err := k.c.SetWriteDeadline(k.writeBy); err != nil {
			return err
		}
	}
	var err error
	if len(more) == 0 {
		_, err = k.c.Write(b)
	} else {
		both := net.Buffers{b, more}
		_, err = both.WriteTo(k.c)
	}
	return err
}
