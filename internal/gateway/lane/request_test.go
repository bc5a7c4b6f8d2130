package lane_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/gateway/lane"
)

// script is a connection whose client has said all it ever will. Each read brings at most step bytes.
type script struct {
	said   []byte
	step   int
	handed []byte        // what was handed over with it, nil where it was closed
	over   chan struct{} // closed at the end
	seen   []*http.Request
	bodies []string
}

func (c *script) Read(p []byte) (int, error) {
	if len(c.said) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.said)
	c.said = c.said[n:]
	return n, nil
}

func (c *script) Write(p []byte) (int, error)      { return len(p), nil }
func (c *script) Close() error                     { close(c.over); return nil }
func (c *script) LocalAddr() net.Addr              { return address(c, 4566) }
func (c *script) RemoteAddr() net.Addr             { return address(c, 5000) }
func (c *script) SetDeadline(time.Time) error      { return nil }
func (c *script) SetReadDeadline(time.Time) error  { return nil }
func (c *script) SetWriteDeadline(time.Time) error { return nil }

// scripted carries the connection to the handler, which sees it as the local address.
type scripted struct {
	net.TCPAddr
	c *script
}

func address(c *script, port int) net.Addr {
	return &scripted{net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, c}
}

// play has a lane answer a script, and returns when it is over.
func play(s *lane.Server, said []byte, step int) *script {
	c := &script{said: said, step: step, over: make(chan struct{})}
	s.Go(c)
	<-c.over
	return c
}

func newPlayer() *lane.Server {
	return &lane.Server{
		HTTP: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := r.Context().Value(http.LocalAddrContextKey).(*scripted).c
			text, err := io.ReadAll(r.Body)
			c.seen, c.bodies = append(c.seen, r), append(c.bodies, fmt.Sprint(string(text), err))
		})},
		HandOver: func(c net.Conn, received []byte) {
			script := c.(*script)
			script.handed = append(append([]byte{}, received...), script.said...)
			close(script.over)
		},
		Base: context.Background(),
	}
}

const post = "POST /a%2Fb?c=d&e=%zz HTTP/1.1\r\nHost: localhost:4566\r\nContent-Length: 5\r\nx-amz-TARGET: \tA.B \r\nX-A: 1\r\nX-a: 2\r\n\r\nhello"

var requests = []string{
	post,
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	post + post + "\r\n\r\n" + post + "GET",
	post + "\r\n\r\n\r\n" + post,
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\n\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\nY:\r\nZ: \t \r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nhOST: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n",
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
	"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET //b/c?d#e HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET ///b:80@c/../d HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a? HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
	"get / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"\x16\x03\x01\x02\x00",
	"",
	"\r\n" + post,
	"P",
	"HEAD /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: 1234567890\r\n", 1000) + "\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536) + post,
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n" + strings.Repeat("x", 65537) + post,
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8100\r\n\r\n" + strings.Repeat("x", 8100) + post,
}

// FuzzRequest holds the lane to what net/http makes of the same bytes: each request that it takes is the one that
// http.ReadRequest reads and http.Server accepts, and what it hands over is the rest, to the byte.
func FuzzRequest(f *testing.F) {
	for _, r := range requests {
		f.Add([]byte(r), 1<<20)
		if len(r) < 1000 {
			f.Add([]byte(r), 1)
			f.Add([]byte(r), 7)
		}
	}
	s := newPlayer()
	f.Fuzz(func(t *testing.T, said []byte, step int) {
		if step <= 0 {
			step = 1
		}
		got := play(s, said, step)
		left := bytes.NewReader(said)
		truth := bufio.NewReaderSize(left, len(said)+16)
		last, closes := "", false
		for i, r := range got.seen {
			if closes {
				t.Fatalf("request %d was answered after one that closes the connection", i)
			}
			skip(truth, last)
			want, err := http.ReadRequest(truth)
			if err != nil {
				t.Fatalf("request %d was taken as %+v, but: %v", i, r, err)
			}
			text, err := io.ReadAll(want.Body)
			if want := fmt.Sprint(string(text), nil); err != nil || got.bodies[i] != want {
				t.Fatalf("request %d has the body %q, want %q (%v)", i, got.bodies[i], want, err)
			}
			if want.Host == "" || strings.Trim(want.Host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:_[]") != "" || want.ProtoMajor != 1 || want.ProtoMinor != 1 {
				t.Fatalf("request %d is not for the lane: %+v", i, want)
			}
			for name, values := range want.Header {
				switch name {
				case "Expect", "Upgrade", "Transfer-Encoding", "Trailer":
					t.Fatalf("request %d is not for the lane: it has %s", i, name)
				}
				for _, v := range values {
					if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
						t.Fatalf("request %d was taken with the header %s: %q", i, name, v)
					}
				}
			}
			same(t, i, r, want)
			last, closes = want.Method, want.Close
		}
		if got.handed == nil {
			return
		}
		rest, _ := io.ReadAll(truth)
		if !bytes.Equal(rest, got.handed) && !bytes.Equal(rest[newlines(rest, last):], got.handed) {
			t.Fatalf("handed over %q, want %q", got.handed, rest)
		}
	})
}

// newlines are how many bytes at the start of b net/http ignores.
func newlines(b []byte, last string) (n int) {
	for last == "POST" && n < min(4, len(b)) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	return n
}

func skip(r *bufio.Reader, last string) {
	b, _ := r.Peek(4)
	r.Discard(newlines(b, last))
}

func same(t *testing.T, i int, got, want *http.Request) {
	t.Helper()
	if got.RemoteAddr != "127.0.0.1:5000" {
		t.Errorf("request %d comes from %s", i, got.RemoteAddr)
	}
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"Method", got.Method, want.Method},
		{"URL", got.URL, want.URL},
		{"Proto", got.Proto, want.Proto},
		{"ProtoMajor", got.ProtoMajor, want.ProtoMajor},
		{"ProtoMinor", got.ProtoMinor, want.ProtoMinor},
		{"Header", got.Header, want.Header},
		{"ContentLength", got.ContentLength, want.ContentLength},
		{"TransferEncoding", got.TransferEncoding, want.TransferEncoding},
		{"Close", got.Close, want.Close},
		{"Host", got.Host, want.Host},
		{"Trailer", got.Trailer, want.Trailer},
		{"RequestURI", got.RequestURI, want.RequestURI},
		{"Pattern", got.Pattern, want.Pattern},
		{"no body", got.Body == http.NoBody, want.Body == http.NoBody},
	} {
		if !reflect.DeepEqual(f.got, f.want) {
			t.Errorf("request %d: %s is %#v, want %#v", i, f.name, f.got, f.want)
		}
	}
}

func TestWhatIsTaken(t *testing.T) {
	t.Parallel()
	s := newPlayer()
	for _, c := range []struct {
		said  string
		taken int
		left  string // what is handed over, "-" where the connection is just closed
	}{
		{post, 1, "-"},
		{post + post + "GET", 2, "GET"},
		{post + "\r\n\r\n" + post, 2, "-"},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n", 1, "-"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"", 0, "-"},
	} {
		for _, step := range []int{1, 3, 1 << 20} {
			got := play(s, []byte(c.said), step)
			left := "-"
			if got.handed != nil {
				left = string(got.handed)
			}
			if len(got.seen) != c.taken || left != c.left {
				t.Errorf("%.60q, %d bytes at once: took %d and left %.60q, want %d and %.60q", c.said, step, len(got.seen), left, c.taken, c.left)
			}
		}
	}
}

func TestNamesDoNotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	s := newPlayer()
	for i := range 1000 {
		got := play(s, fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: a\r\nX-%d: 1\r\n\r\n", i), 1<<20)
		if name := fmt.Sprintf("X-%d", i); len(got.seen) != 1 || got.seen[0].Header[name][0] != "1" {
			t.Fatalf("%s: %+v", name, got.seen)
		}
	}
}
