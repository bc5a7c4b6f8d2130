package crash

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// serveVariable has this test's own program be the server, its value the data directory and listenVariable the address.
const (
	serveVariable  = "OBIDOS_CRASH_SERVE"
	listenVariable = "OBIDOS_CRASH_LISTEN"
	storeVariable  = "OBIDOS_CRASH_STORE" // then it is a node of a cluster over that, of the name that serveVariable says
	smallVariable  = "OBIDOS_CRASH_SMALL" // it counts the disk as full with less than smallRoom MiB free
	smallRoom      = 32

	formatsVariable = "OBIDOS_CRASH_FORMATS" // the newest and the oldest it knows, and the version it says it is: "2 1 v2"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVariable); dir != "" {
		if err := serve(dir, os.Getenv(listenVariable)); err != nil {
			fmt.Fprintln(os.Stderr, "serve:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve is what obidos start does.
func serve(dir, address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	o := platform.Options{Data: dir}
	if store := os.Getenv(storeVariable); store != "" {
		o = platform.Options{
			Node: dir, Cluster: &platform.Cluster{Name: "crash", Store: store},
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
	}
	if formats := os.Getenv(formatsVariable); formats != "" {
		if _, err := fmt.Sscan(formats, &o.Cluster.Formats.Newest, &o.Cluster.Formats.Oldest, &o.Version); err != nil {
			return fmt.Errorf("%s: %w", formatsVariable, err)
		}
	}
	if os.Getenv(smallVariable) != "" {
		e, err := pebble.Open(dir, pebble.Options{
			Room: pebble.RoomOptions{Free: smallRoom << 20, Percent: -1, Ballast: 4 << 20}, MemTable: 1 << 20,
		})
		if err != nil {
			return err
		}
		defer e.Close()
		o.Data, o.Engine = "", e
	}
	p, err := platform.Open(o)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Run(ctx, l)
}

// server is a process with obidos in it, one after the other over the same directory and at the same address.
type server struct {
	data    string // the data directory; of a node its name
	store   string // of a node, where it keeps everything
	small   bool
	formats string // of a node, see formatsVariable
	binary  string // what is run, where it is not as OBIDOS_BIN says
	address string
	cmd     *exec.Cmd
	out     *output
	ended   chan error
}

func newServer(t *testing.T, data string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return &server{data: data, address: l.Addr().String(), out: &output{}}
}

// start starts a process, and returns before it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	if binary := cmp.Or(s.binary, os.Getenv("OBIDOS_BIN")); binary != "" && !s.small && s.formats == "" {
		s.cmd = exec.Command(binary, "start", "--listen", s.address, "--data", s.data)
		if s.store != "" {
			s.cmd = exec.Command(binary, "start", "--listen", s.address, "--store", s.store, "--cluster", "crash", "--node", s.data)
		}
	} else {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		s.cmd = exec.Command(self)
		s.cmd.Env = append(os.Environ(), serveVariable+"="+s.data, listenVariable+"="+s.address)
		if s.store != "" {
			s.cmd.Env = append(s.cmd.Env, storeVariable+"="+s.store)
		}
		if s.formats != "" {
			s.cmd.Env = append(s.cmd.Env, formatsVariable+"="+s.formats)
		}
		if s.small {
			s.cmd.Env = append(s.cmd.Env, smallVariable+"=1")
		}
	}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan error, 1)
	s.ended = ended
	go func() { ended <- cmd.Wait() }() // ends with the process, which kill ends
}

// kill ends the process as a power cut would, were it not for the disk's cache.
func (s *server) kill(t *testing.T) {
	t.Helper()
	s.cmd.Process.Kill()
	<-s.ended
	if s.cmd.ProcessState.Exited() && runtime.GOOS != "windows" { // there a killed process has a code of its own
		t.Errorf("the server had ended by itself: %v\n%s", s.cmd.ProcessState, s.out.last())
	}
	if text := s.out.last(); strings.Contains(text, "panic:") || strings.Contains(text, "DATA RACE") {
		t.Errorf("the server said:\n%s", text)
	}
}

// ready waits until the server answers the door, and says how long that took.
func (s *server) ready(ctx context.Context, t *testing.T, d *door) time.Duration {
	t.Helper()
	start := time.Now()
	for time.Since(start) < 30*time.Second {
		if err := d.call(ctx, "ListQueues", object{"MaxResults": 1}, nil); err == nil {
			return time.Since(start)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("the server is not ready after half a minute:\n%s", s.out.last())
	return 0
}

// pass is time going by for the platform.
func (s *server) pass(ctx context.Context, t *testing.T, d *door) func(time.Duration) {
	return func(by time.Duration) {
		if err := d.admin(ctx, "/_obidos/clock", `{"advance":"`+by.String()+`"}`); err != nil {
			t.Errorf("advance the clock: %v", err)
		}
	}
}

// query sends a message to q by the old query protocol.
func query(ctx context.Context, t *testing.T, s *server, q *queue) (answer string, status int) {
	t.Helper()
	form := url.Values{"Action": {"SendMessage"}, "QueueUrl": {q.url()}, "MessageBody": {"by query"}, "Version": {"2012-11-05"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), resp.StatusCode
}

// newClient is a client of one process, whose connections end with it.
func (s *server) newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second}
}

func (s *server) url() string { return "http://" + s.address }

// output keeps the end of what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() > 1<<20 {
		o.text.Reset()
	}
	return o.text.Write(p)
}

func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text.String()
	return text[max(0, len(text)-8<<10):]
}
