package obidostest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// direct answers requests by calling a handler: HTTP without a network, so that it works inside a synctest bubble.
type direct struct {
	handler http.Handler
	living  context.Context // its end refuses requests, and cuts off those under way

	requests sync.WaitGroup
}

var errRefused = errors.New("connection refused: this obidos has stopped")

// RoundTrip implements http.RoundTripper.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.living.Err() != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errRefused}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	cut := context.AfterFunc(d.living, func() { cancel(io.ErrUnexpectedEOF) })
	in := r.Clone(ctx)
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, out := io.Pipe()
	hangUp := context.AfterFunc(ctx, func() { body.CloseWithError(context.Cause(ctx)) })
	w := &answer{header: http.Header{}, out: out, ready: make(chan *http.Response, 1), body: body, request: r}
	d.requests.Go(func() {
		defer cancel(nil)
		defer cut()
		defer in.Body.Close()
		end := d.serve(w, in)
		if end == nil {
			w.WriteHeader(http.StatusOK)
		}
		hangUp()
		out.CloseWithError(end)
	})
	select {
	case resp := <-w.ready:
		return resp, nil
	case <-ctx.Done():
		select {
		case resp := <-w.ready: // both at once: it was answered
			return resp, nil
		default:
			return nil, context.Cause(ctx)
		}
	}
}

// serve calls the handler. Its error is how the answer breaks off, as the handler wants it.
func (d *direct) serve(w http.ResponseWriter, r *http.Request) (end error) {
	defer func() {
		v := recover()
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			end = io.ErrUnexpectedEOF
		} else if v != nil {
			panic(v)
		}
	}()
	d.handler.ServeHTTP(w, r)
	return nil
}

// answer is the writer that the handler is given. The response is ready when its header is.
type answer struct {
	header  http.Header
	out     *io.PipeWriter
	body    *io.PipeReader
	request *http.Request
	ready   chan *http.Response
	once    sync.Once
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	w.once.Do(func() {
		length, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64)
		if err != nil {
			length = -1
		}
		w.ready <- &http.Response{
			Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: w.header.Clone(), Body: w.body, ContentLength: length, Request: w.request,
		}
	})
}

func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.out.Write(b)
}

func (w *answer) Flush() { w.WriteHeader(http.StatusOK) }
