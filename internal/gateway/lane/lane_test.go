package lane_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/gateway/lane"
)

// port is a lane behind a real socket, which hands over to a real net/http.
type port struct {
	t      testing.TB
	s      *lane.Server
	l      net.Listener
	others *httptest.Server
	handed chan struct{} // gets a value for each connection handed over
	log    buffer
	accept sync.WaitGroup
}

// received is a connection of which bytes were read already.
type received struct {
	net.Conn
	r io.Reader
}

func (c *received) Read(p []byte) (int, error) { return c.r.Read(p) }

// passed is the listener of net/http: what the lane hands over.
type passed struct {
	net.Listener
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *passed) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *passed) Close() error {
	p.once.Do(func() { close(p.done) })
	return p.Listener.Close()
}

// buffer is a text that is written while it is read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// open serves h until the test ends; then all of the lane's goroutines have.
func open(t testing.TB, h http.HandlerFunc) *port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{t: t, l: l, handed: make(chan struct{}, 100)}
	p.others = httptest.NewUnstartedServer(h)
	rest := &passed{Listener: p.others.Listener, conns: make(chan net.Conn), done: make(chan struct{})}
	p.others.Listener = rest
	p.others.Start()
	p.s = &lane.Server{
		HTTP: &http.Server{Handler: h, IdleTimeout: time.Minute, ErrorLog: log.New(&p.log, "", 0)},
		HandOver: func(c net.Conn, first []byte) {
			p.handed <- struct{}{}
			rest.conns <- &received{c, io.MultiReader(bytes.NewReader(first), c)}
		},
		Base: context.Background(), FirstByteTimeout: time.Minute, WriteTimeout: 10 * time.Second,
	}
	p.accept.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.s.Go(c)
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.accept.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		if err := p.s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("shutdown took %v with idle connections only", took)
		}
		p.others.Close()
	})
	return p
}

func (p *port) dial() net.Conn {
	p.t.Helper()
	c, err := net.Dial("tcp", p.l.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %v", r.Method, r.URL, text, err)
}

func read(t testing.TB, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("the answer breaks off: %v", err)
	}
	return resp, string(text)
}

func ask(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestRequestsFollowEachOther(t *testing.T) {
	t.Parallel()
	p := open(t, echo)
	const n = 50
	var all strings.Builder
	for i := range n {
		all.WriteString(ask(fmt.Sprint("/", i), strings.Repeat("x", i*i*20))) // up to 48 KB
	}
	for name, send := range map[string]func(c net.Conn){
		"at once": func(c net.Conn) { io.WriteString(c, all.String()) },
		"byte by byte": func(c net.Conn) {
			for _, part := range []byte(all.String()[:3000]) {
				c.Write([]byte{part})
			}
			io.WriteString(c, all.String()[3000:])
		},
		"in pieces": func(c net.Conn) {
			for text := all.String(); text != ""; {
				n := min(len(text), 7919)
				io.WriteString(c, text[:n])
				text = text[n:]
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := p.dial()
			go send(c)
			r := bufio.NewReader(c)
			for i := range n {
				if _, got := read(t, r, "POST"); got != fmt.Sprintf("POST /%d %s <nil>", i, strings.Repeat("x", i*i*20)) {
					t.Fatalf("request %d was answered with %.100q", i, got)
				}
			}
		})
	}
	if len(p.handed) > 0 {
		t.Errorf("%d connections were handed over", len(p.handed))
	}
}

func TestTheUnusualIsHandedOver(t *testing.T) {
	t.Parallel()
	p := open(t, echo)
	chunked := "POST /2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	long := strings.Repeat("x", 200_000)
	for _, second := range []struct{ said, answer string }{
		{chunked, "POST /2 hello <nil>"},
		{ask("/2", long), "POST /2 " + long + " <nil>"},
		{"GET /2 HTTP/1.1\r\nHost: localhost\r\nPragma: no-cache\r\n\r\n", "GET /2  <nil>"},
		{"GET /2 HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 10_000) + "\r\n\r\n", "GET /2  <nil>"},
	} {
		c := p.dial()
		go io.WriteString(c, ask("/1", "first")+second.said+ask("/3", "third"))
		r := bufio.NewReader(c)
		for i, want := range []string{"POST /1 first <nil>", second.answer, "POST /3 third <nil>"} {
			if _, got := read(t, r, "POST"); got != want {
				t.Errorf("%.80q: answer %d is %.100q", second.said, i, got)
			}
		}
		select {
		case <-p.handed:
		default:
			t.Errorf("%.80q was not handed over", second.said)
		}
	}
}

func TestASlowBodyIsHandedOver(t *testing.T) {
	t.Parallel()
	p := open(t, echo)
	c := p.dial()
	text := ask("/", "hello")
	io.WriteString(c, text[:len(text)-3])
	<-p.handed
	io.WriteString(c, text[len(text)-3:])
	if _, got := read(t, bufio.NewReader(c), "POST"); got != "POST / hello <nil>" {
		t.Errorf("answered %q", got)
	}
}

func TestAClientThatSaysNoMoreIsAnswered(t *testing.T) {
	t.Parallel()
	p := open(t, echo)
	c := p.dial()
	io.WriteString(c, ask("/", "hello"))
	c.(*net.TCPConn).CloseWrite()
	r := bufio.NewReader(c)
	if _, got := read(t, r, "POST"); got != "POST / hello <nil>" {
		t.Errorf("answered %q", got)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("then %v, want the end", err)
	}
}

func TestALongRequestEndsWithItsClient(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	p := open(t, func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-r.Context().Done():
			ended <- r.Context().Err()
		case <-time.After(20 * time.Second):
			ended <- nil
		}
	})
	for _, after := range []time.Duration{0, 200 * time.Millisecond} {
		c := p.dial()
		io.WriteString(c, ask("/", "hello"))
		<-began
		time.Sleep(after)
		c.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("closed after %v, the context ended with %v", after, err)
		}
	}
}

func TestWhatComesDuringALongRequestIsNotLost(t *testing.T) {
	t.Parallel()
	p := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(150 * time.Millisecond)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the context ended with %v", err)
			}
		}
		echo(w, r)
	})
	for _, pause := range []time.Duration{0, 20 * time.Millisecond, 48 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond, 250 * time.Millisecond} {
		for _, cut := range []int{1, 30, 1 << 20} {
			t.Run(fmt.Sprint(pause, cut), func(t *testing.T) {
				t.Parallel()
				c := p.dial()
				r := bufio.NewReader(c)
				for range 3 {
					io.WriteString(c, ask("/slow", "one"))
					time.Sleep(pause)
					next := ask("/next", "two")
					cut := min(cut, len(next))
					io.WriteString(c, next[:cut])
					time.Sleep(5 * time.Millisecond)
					io.WriteString(c, next[cut:])
					if _, got := read(t, r, "POST"); got != "POST /slow one <nil>" {
						t.Fatalf("answered %q", got)
					}
					if _, got := read(t, r, "POST"); got != "POST /next two <nil>" {
						t.Fatalf("answered %q", got)
					}
				}
			})
		}
	}
}

func TestAnAnswerIsWhatNetHTTPAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 5000)
	handlers := map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"text":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"json": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"application/json"}
			w.Header()["Content-Length"] = []string{"2"}
			w.WriteHeader(201)
			io.WriteString(w, "{}")
			w.Header().Set("X-Late", "too late")
		},
		"no type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "x")
		},
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "x")
		},
		"204": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(204)
			io.WriteString(w, "x")
		},
		"304": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			w.Header().Set("ETag", "x")
			w.WriteHeader(304)
		},
		"999": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) },
		"close": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, "x")
		},
		"odd headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-A"] = []string{"1", " 2\r\nX-Evil: 1 ", ""}
			w.Header()["X B"] = []string{"1"}
			w.Header()["x-c"] = []string{"1"}
			w.Header().Set("Date", "yesterday")
			io.WriteString(w, "x")
		},
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			if _, err := io.WriteString(w, "he"); err != nil {
				panic(err)
			}
			if _, err := io.WriteString(w, "llo"); !errors.Is(err, http.ErrContentLength) {
				panic(err)
			}
		},
		"long": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, long) },
		"long, its length known": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(long)))
			for i := range 16 {
				io.WriteString(w, long[i*5000:][:5000])
			}
		},
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3 {
				fmt.Fprint(w, i)
				w.(http.Flusher).Flush()
			}
		},
		"flushed first": func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			io.WriteString(w, "x")
		},
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.Header().Set("X-A", "1")
			io.WriteString(w, "x")
		},
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, Content-Length")
			io.WriteString(w, "x")
			w.Header().Set("X-Sum", "1")
		},
		"late trailers": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
		},
		"identity": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Transfer-Encoding", "identity")
			io.WriteString(w, "x")
		},
		"twice": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(202)
			w.WriteHeader(500)
		},
		"panic": func(http.ResponseWriter, *http.Request) { panic("oh") },
		"abort": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"panic, late": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic("oh")
		},
		"deadlines": func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			fmt.Fprint(w, c.SetReadDeadline(time.Now().Add(time.Second)), c.SetWriteDeadline(time.Now().Add(time.Second)), c.EnableFullDuplex())
		},
		"hijack": func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			rest := make([]byte, rw.Reader.Buffered())
			io.ReadFull(rw, rest)
			fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(rest), rest)
			rw.Flush()
		},
	}
	h := func(w http.ResponseWriter, r *http.Request) { handlers[r.Header.Get("Name")](w, r) }
	p := open(t, h)
	truth := httptest.NewUnstartedServer(http.HandlerFunc(h))
	truth.Config.ErrorLog = log.New(io.Discard, "", 0)
	truth.Start()
	defer truth.Close()
	for name := range handlers {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			got := exchange(t, p.l.Addr().String(), method, name)
			want := exchange(t, truth.Listener.Addr().String(), method, name)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s %s:\n got %.600s\nwant %.600s", method, name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		}
	}
	if len(p.handed) > 0 {
		t.Errorf("%d connections were handed over", len(p.handed))
	}
	if got := p.log.String(); strings.Count(got, "http: panic serving") != 6 || strings.Contains(got, "abort") {
		t.Errorf("the log says\n%s", got)
	}
}

// exchange is what comes back for two requests sent at once.
func exchange(t *testing.T, address, method, name string) (all []string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	request := fmt.Sprintf("%s / HTTP/1.1\r\nHost: localhost\r\nName: %s\r\n\r\n", method, name)
	io.WriteString(c, request+request)
	r := bufio.NewReader(c)
	for range 3 {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return append(all, "closed")
		}
		text, err := io.ReadAll(resp.Body)
		if d := resp.Header["Date"]; len(d) == 1 && strings.HasSuffix(d[0], " GMT") {
			resp.Header["Date"] = []string{"now"}
		}
		all = append(all, fmt.Sprint(resp.Status, resp.Header, resp.ContentLength, resp.TransferEncoding, resp.Close, resp.Trailer, err, string(text)))
		if resp.StatusCode >= 200 && len(all) > 1 && !strings.Contains(name, "hints") {
			break
		}
	}
	return all
}

func TestShutdownWaitsForAnswers(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}), make(chan struct{})
	p := open(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-end
		echo(w, r)
	})
	idle, busy := p.dial(), p.dial()
	io.WriteString(busy, ask("/", "hello"))
	<-began
	ended := make(chan error, 1)
	go func() { ended <- p.s.Shutdown(context.Background()) }()
	if n, err := idle.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("the connection that waits: %v", err)
	}
	select {
	case err := <-ended:
		t.Fatalf("shutdown ended with %v before the answer", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(end)
	resp, text := read(t, bufio.NewReader(busy), "POST")
	if text != "POST / hello <nil>" || !resp.Close {
		t.Errorf("answered %q, close %t", text, resp.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}), make(chan struct{})
	p := open(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(end)
	})
	c := p.dial()
	io.WriteString(c, ask("/", "hello"))
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := p.s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown ended with %v", err)
	}
	<-end
}

// TestConnectionsThatWaitAreCheap measures what one holds. Ten thousand of them hold as much each.
func TestConnectionsThatWaitAreCheap(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(2_000, int(limit.Cur)/2-200)
	p := open(t, echo)
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	conns := make([]net.Conn, n)
	request, answer := []byte(ask("/", strings.Repeat("x", 1000))), make([]byte, 4<<10)
	for i := range conns {
		c, err := net.Dial("tcp", p.l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
		c.Write(request)
		if _, err := c.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	each := (memory() - before) / uint64(n)
	t.Logf("%d connections, %d bytes each with the client's side", n, each)
	if each > 12<<10 && !raced {
		t.Errorf("a connection that waits holds %d bytes", each)
	}
	for _, c := range conns {
		c.Close()
	}
}

func BenchmarkRequest(b *testing.B) {
	answer := []byte(`{"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e","MessageId":"00000000-0000-4000-8000-000000000000"}`)
	h := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/x-amz-json-1.0"}
		w.Header()["Content-Length"] = []string{fmt.Sprint(len(answer))}
		w.Write(answer)
	}
	request := []byte("POST / HTTP/1.1\r\nHost: localhost:4566\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessage\r\nX-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0000000000000000000000000000000000000000000000000000000000000000\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	p := open(b, h)
	truth := httptest.NewServer(http.HandlerFunc(h))
	defer truth.Close()
	for name, address := range map[string]string{"lane": p.l.Addr().String(), "net-http": truth.Listener.Addr().String()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				c, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				defer c.Close()
				in := make([]byte, 4<<10)
				for pb.Next() {
					c.Write(request)
					if _, err := c.Read(in); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func TestABodyIsHadAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, func(w http.ResponseWriter, r *http.Request) {
		whole, ok := lane.Body(r)
		again, twice := lane.Body(r)
		rest, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %t, %s %t, %s %v", whole, ok, again, twice, rest, err)
	})
	c := p.dial()
	io.WriteString(c, ask("/", "hello"))
	r := bufio.NewReader(c)
	if _, got := read(t, r, "POST"); got != "hello true,  false,  <nil>" {
		t.Errorf("answered %q", got)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, got := read(t, r, "GET"); got != " false,  false,  <nil>" {
		t.Errorf("without a body answered %q", got)
	}
}
