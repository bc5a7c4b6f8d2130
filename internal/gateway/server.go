// Package gateway is HTTP in: it takes every request of every AWS protocol on one port, plain or TLS, HTTP/1.1 or HTTP/2, finds
// out what is asked and by whom, has it performed through the one door, and writes the answer.
//
// The plain, small request, which is nearly every one, is read and answered by [lane]; all others by net/http.
//
// It promises that a web page cannot drive obidos (see [Access]), that a client that is slow or sends garbage costs a
// bounded amount and gets AWS's error or a closed connection, and that each failure is logged once, with its request id.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/gateway/lane"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/sigv4"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Server answers requests. Its fields are set before the first one.
type Server struct {
	Wire      *wire.Wire
	Auth      *auth.Authenticator
	Door      model.Invoker
	Access    Access
	PublicURL string // what URLs begin with; where empty, what the request was sent to
	Admin     http.Handler
	Log       *slog.Logger

	// Permit says whether the principal of ctx's request may use our own endpoints in a way: "obidos:ChangeClock". Where it is nil
	// everybody on this machine may.
	Permit func(ctx context.Context, action string) error

	OpenLocalStack bool // other machines too may use the endpoints of LocalStack's that change something
}

// How long a client may take to send what it announced: a fixed time, and more for long bodies.
const (
	bodyTimeout   = 20 * time.Second
	slowestUpload = 16 << 10 // bytes a second
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := s.Access.refusal(r); why != "" {
		s.Log.Warn("refused", "reason", why, "host", r.Host, "origin", r.Header.Get("Origin"), "path", r.URL.Path)
		http.Error(w, "obidos refuses this request: "+why, http.StatusForbidden)
		return
	}
	if s.Access.cors(w, r) {
		return
	}
	if ownPath(r.URL.Path) {
		if !toldToAll(r) && !fromHere(r) && !(s.OpenLocalStack && strings.HasPrefix(r.URL.Path, "/_localstack/")) {
			http.Error(w, "obidos refuses this request: "+r.URL.Path+" is for callers on its own machine; run the obidos command there (in its container: docker exec)", http.StatusForbidden)
			return
		}
		if s.Permit != nil && !toldToAll(r) {
			if err := s.admit(r); err != nil {
				s.Log.Warn("refused", "path", r.URL.Path, "reason", err)
				http.Error(w, "obidos refuses this request: "+err.Error(), http.StatusForbidden)
				return
			}
		}
		s.Admin.ServeHTTP(w, r)
		return
	}
	s.serveAPI(w, r)
}

// toldToAll reports whether one of our own endpoints only tells what anybody may know who reaches the port: health checks and
// Prometheus come from other machines.
func toldToAll(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.Path {
	case "/_localstack/health", "/_localstack/init", "/_localstack/info", "/_obidos/health", "/_obidos/metrics", "/_obidos/ca.pem":
		return true
	}
	return false
}

// fromHere reports whether a request comes from this machine.
func fromHere(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// ownPath reports whether a path is one of our own endpoints, not AWS's.
func ownPath(path string) bool {
	return len(path) > 2 && path[1] == '_' && (strings.HasPrefix(path, "/_obidos/") || strings.HasPrefix(path, "/_localstack/"))
}

// exchange is one request of an AWS API under way.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	match   wire.Match
	request aws.Request
	text    []byte // the body, once it is read
	read    bool
	buffer  *[]byte // that text lies in, from buffers; nil where it lies elsewhere
}

// buffers hold bodies while they are decoded; what is decoded has copies of its own.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// maxXRay is how long an X-Amzn-Trace-Id header may be that is passed on as it is.
const maxXRay = 1 << 10

// keptBuffer is the largest buffer that goes back to the pool.
const keptBuffer = 64 << 10

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	x := exchange{s: s, w: w, r: r}
	x.request.ID = telemetry.NewRequestID()
	start := time.Time{}
	if s.Log.Enabled(r.Context(), slog.LevelDebug) {
		start = time.Now()
	}
	err := x.serve()
	if x.buffer != nil && cap(*x.buffer) <= keptBuffer {
		*x.buffer = (*x.buffer)[:0]
		buffers.Put(x.buffer)
	}
	answered := err == nil || x.fail(err)
	if !start.IsZero() {
		x.log(start, err)
	}
	if !answered {
		panic(http.ErrAbortHandler) // to return would answer 200
	}
}

// serve answers the request unless it returns an error.
func (x *exchange) serve() error {
	var routed *aws.Error
	x.match, routed = x.s.Wire.Route(x.r, x.body)
	if routed != nil {
		return routed
	}
	caller, err := x.s.Auth.Identify(x.r.Context(), x.r)
	if err != nil {
		return auth.Answer(x.match.Service, err)
	}
	body, err := x.proven(&caller)
	if err != nil {
		return err
	}
	x.request.Scope = caller.Scope
	x.request.Principal = caller.Principal
	if caller.Known() {
		x.request.AccessKey = caller.Claim.AccessKey
	}
	x.request.Endpoint = x.endpoint()
	x.request.SourceIP = sourceIP(x.r.RemoteAddr)
	x.request.UserAgent = header(x.r, "User-Agent")
	x.request.Secure = x.r.TLS != nil
	x.request.Query = x.match.Query()
	if v := x.r.Header[telemetry.XRayHeader]; len(v) > 0 {
		if _, ok := telemetry.ParseXRay(v[0]); ok && len(v[0]) <= maxXRay {
			x.request.XRay = v[0]
		}
	}
	in, bad := x.match.Decode(x.r, body)
	if bad != nil {
		return bad
	}
	ctx := aws.WithRequest(x.r.Context(), &x.request)
	if t := telemetry.ReadTrace(x.r.Header); t.Known() {
		ctx = telemetry.WithTrace(ctx, t)
	}
	out, err := x.s.Door.Invoke(ctx, x.match.Operation, in)
	if err != nil {
		return err
	}
	if err := x.match.WriteOutput(x.w, x.request.ID, out); err != nil {
		// The answer is under way and cannot be taken back. The client is gone, as a rule.
		x.s.Log.Info("answer not sent", "request", x.request.ID, "operation", x.match.Operation.Name, "error", err)
	}
	return nil
}

// proven is the body of a request whose signature is good, where its key is one that we know. A body that the operation
// reads itself stays where it is, and is proven while it is read.
func (x *exchange) proven(caller *auth.Caller) ([]byte, error) {
	if caller.Known() {
		if err := caller.For(x.match.Service); err != nil {
			return nil, auth.Answer(x.match.Service, err)
		}
	}
	if x.match.Streams() {
		stream, err := x.s.Auth.VerifyStream(x.r, caller)
		if err != nil {
			return nil, auth.Answer(x.match.Service, err)
		}
		x.r.Body = &streamed{stream, x.match.Service}
		return nil, nil
	}
	body, err := x.body()
	if err == nil && caller.Known() {
		err = auth.Answer(x.match.Service, x.s.Auth.Verify(x.r, caller, body))
	}
	return body, err
}

// streamed is a body that is proven while it is read. What is wrong with its signature is AWS's answer to that.
type streamed struct {
	*sigv4.Body
	api *model.Service
}

func (s *streamed) Read(p []byte) (int, error) {
	n, err := s.Body.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, auth.Answer(s.api, err)
}

// body reads the whole request body, once.
func (x *exchange) body() ([]byte, error) {
	if x.read {
		return x.text, nil
	}
	length := x.r.ContentLength
	if length == 0 {
		x.read = true
		return nil, nil
	}
	limit := x.match.MaxBody()
	if length > limit {
		return nil, wire.TooLarge(limit)
	}
	if x.text, x.read = lane.Body(x.r); x.read {
		return x.text, nil
	}
	x.buffer = buffers.Get().(*[]byte)
	control := http.NewResponseController(x.w)
	control.SetReadDeadline(time.Now().Add(bodyTimeout + time.Duration(max(length, 0)/slowestUpload)*time.Second)) // where the connection can
	b, err := readAll((*x.buffer)[:0], x.r.Body, length, limit)
	*x.buffer = b
	if err != nil {
		return nil, err
	}
	control.SetReadDeadline(time.Time{})
	x.text, x.read = b, true
	return b, nil
}

// believed is how much memory is set aside for a body that is announced: anybody can announce, few send.
const believed = 256 << 10

// readAll appends the body to b. length is what was announced, -1 where nothing was.
func readAll(b []byte, r io.Reader, length, limit int64) ([]byte, error) {
	if length > 0 && int64(cap(b)) < length {
		b = make([]byte, 0, min(length, believed))
	}
	for {
		if length > 0 && int64(len(b)) == length {
			return b, nil
		}
		if len(b) == cap(b) {
			size := 2 * int64(cap(b))
			if length > 0 {
				size = min(size, length)
			}
			b = append(make([]byte, 0, size), b...)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return b, wire.TooLarge(limit)
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, wire.Incomplete(err)
		}
	}
}

// endpoint is what URLs that we hand out begin with.
func (x *exchange) endpoint() string {
	if x.s.PublicURL != "" {
		return x.s.PublicURL
	}
	scheme := "http://"
	if x.r.TLS != nil {
		scheme = "https://"
	}
	host := x.r.Host
	if host == "" {
		if a, ok := x.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			host = a.String()
		}
	}
	return scheme + host
}

func sourceIP(remote string) string {
	if host, _, ok := strings.Cut(remote, ":"); ok && host != "" && strings.Trim(host, "0123456789.") == "" {
		return host // IPv4, as nearly always
	}
	if a, err := netip.ParseAddrPort(remote); err == nil {
		return a.Addr().Unmap().String()
	}
	return remote
}

// fail answers with an error in the protocol of the request, unless the client has ended it: then nobody knows what became of it.
func (x *exchange) fail(err error) (answered bool) {
	var e *aws.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
			return false
		}
		e = wire.Failure(err)
	}
	switch {
	case e.Status == http.StatusServiceUnavailable: // for a while, and the client is told why
		x.s.Log.Warn("refused", "request", x.request.ID, "operation", x.operation(), "error", err)
	case e.Receiver && e.Status != http.StatusNotImplemented:
		x.s.Log.Error("failed", "request", x.request.ID, "operation", x.operation(), "error", err)
	}
	if err := x.match.WriteError(x.w, x.request.ID, e); err != nil {
		x.s.Log.Debug("error not sent", "request", x.request.ID, "error", err)
	}
	return true
}

func (x *exchange) operation() string {
	switch {
	case x.match.Operation != nil:
		return x.match.Operation.Action()
	case x.match.Service != nil:
		return x.match.Service.Name
	}
	return x.r.Method + " " + x.r.URL.Path
}

// log writes the line that each request has at debug level.
func (x *exchange) log(start time.Time, err error) {
	attrs := []any{
		"operation", x.operation(), "took", time.Since(start).Round(time.Microsecond).String(), "account", x.request.Account,
		"region", x.request.Region, "request", x.request.ID,
	}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	x.s.Log.Debug("request", attrs...)
}

// HTTP is how connections are served: HTTP/1.1, HTTP/2 with prior knowledge, and both under TLS.
func HTTP(handler http.Handler, log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: bodyTimeout,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 1000},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // complaints about single connections
	}
}

// Serve answers what comes in at l until ctx ends, then lets the requests under way finish for a while. It closes l.
func Serve(ctx context.Context, l net.Listener, h *http.Server, certificates *Certificates) error {
	config, err := certificates.config()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	listener := sniff(ctx, l, config, h)
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	// Requests are not cut off: long polls were told to end by whoever ended ctx, the rest is short.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	emptied := make(chan struct{})
	go func() {
		defer close(emptied)
		_ = listener.lane.Shutdown(grace) // it cuts off what is left
	}()
	if h.Shutdown(grace) != nil {
		h.Close()
	}
	<-emptied
	if err == nil {
		err = <-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	} else {
		err = fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return errors.Join(err, ignoreClosed(listener.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
