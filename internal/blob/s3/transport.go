package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

// errStalled ends a request of which no byte has moved for a while.
var errStalled = errors.New("no byte has moved for too long")

// newTransport is the way to the service. What it gives up is tried again above it.
func newTransport(secure bool, stall time.Duration) (http.RoundTripper, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.MaxIdleConnsPerHost = 2 * atOnce
	t.ResponseHeaderTimeout = 0 // see patient
	return patient{t, stall}, nil
}

// patient gives up requests and answers of which no byte has moved for so long: a connection that a firewall has forgotten is
// silent for ever, and how long a whole request may take depends on the line.
type patient struct {
	next  http.RoundTripper
	stall time.Duration
}

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	w := &watch{stall: p.stall, cancel: cancel}
	w.timer = time.AfterFunc(p.stall, func() { cancel(errStalled) })
	watched := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		watched.Body = sent{r.Body, w}
	}
	resp, err := p.next.RoundTrip(watched)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		w.end()
		return nil, err
	}
	w.answered()
	resp.Body = received{resp.Body, w}
	return resp, nil
}

// watch ends a request that stalls.
type watch struct {
	stall  time.Duration
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	asked bool // the answer has begun: what is sent counts no more
}

// moved says that a byte was sent.
func (w *watch) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.asked {
		w.timer.Reset(w.stall)
	}
}

// answered says that the answer has begun. Nobody waits for the rest of it before somebody reads.
func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = true
	w.timer.Stop()
}

// read waits with fn, which reads from the answer.
func (w *watch) read(fn func() (int, error)) (int, error) {
	w.timer.Reset(w.stall)
	defer w.timer.Stop()
	return fn()
}

func (w *watch) end() {
	w.answered()
	w.cancel(nil)
}

// sent is what is sent.
type sent struct {
	io.ReadCloser
	watch *watch
}

func (s sent) Read(p []byte) (int, error) {
	s.watch.moved()
	return s.ReadCloser.Read(p)
}

// received is what is answered.
type received struct {
	io.ReadCloser
	watch *watch
}

func (r received) Read(p []byte) (int, error) {
	return r.watch.read(func() (int, error) { return r.ReadCloser.Read(p) })
}

func (r received) Close() error {
	err := r.ReadCloser.Close()
	r.watch.end()
	return err
}
