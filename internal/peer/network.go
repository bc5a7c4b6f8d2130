// Package peer is the network between the nodes of a cluster: a request that reached a node and is about what another owns
// goes there as a whole, and what one node has to tell the others it tells at once.
//
// Nodes speak HTTP/2 over TLS 1.3, each with a certificate of the cluster's own [Authority], on a port of its own. (The
// clients' port would do as well; but then whoever may reach that one, through balancers and other people's networks, could
// also knock at this door. So it can be shut off from everybody but the nodes.)
//
// What it promises: who has no certificate of this cluster is not heard, and a node that answers is the one that was meant.
// A request is authorized before it comes here, and not again. It runs once at most: a failure of the network is
// [call.ErrUnreachable] only where the other node cannot have begun. When the caller goes, so does the request there. An
// error arrives as what it was. A node that has stopped moving is noticed within two seconds, by the requests it has.
package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	door "github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Options of a node's place on the network.
type Options struct {
	ID        string
	Authority *Authority
	Log       *slog.Logger // may be nil
}

// Local is what the other nodes find here.
type Local struct {
	Node interface { // an *owner.Node
		At(node string) (address string, ok bool)
	}
	Values wire.Values
	Accept func(ctx context.Context, op *model.Operation, in any) (any, error)    // performs what was handed on
	Answer func(ctx context.Context, subject string, body []byte) ([]byte, error) // to what else nodes ask each other
}

// Network is a node's place on the network. It must be run.
type Network struct {
	o     Options
	own   tls.Certificate
	local atomic.Pointer[Local] // nil while there is nothing to be found here

	mu     sync.Mutex      // guards what follows
	ending context.Context // of requests under way to others
	end    context.CancelFunc
	links  map[string]*link // by the node's id
}

// link is the way to another node.
type link struct {
	address string
	client  *http.Client
	way     *http.Transport
	ending  context.Context // of the network, as it was when this was made
	living  context.Context // of requests under way there
	cut     context.CancelFunc
}

// New is a place on the network of the cluster that the authority is of.
func New(o Options) (*Network, error) {
	own, err := o.Authority.issue(o.ID)
	if err != nil {
		return nil, fmt.Errorf("a certificate for node %s: %w", o.ID, err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Network{o: o, own: own, links: map[string]*link{}}
	n.ending, n.end = context.WithCancel(context.Background())
	return n, nil
}

// Open lets others find l here, or nothing any more where it is nil.
func (n *Network) Open(l *Local) {
	n.mu.Lock()
	if l != nil && n.ending.Err() != nil { // it was closed: l is another life's
		n.ending, n.end = context.WithCancel(context.Background())
	}
	n.mu.Unlock()
	n.local.Store(l)
}

// What a connection between nodes may do.
const (
	connectTimeout = time.Second
	quietBefore    = 500 * time.Millisecond // a connection that says nothing is asked whether it lives
	quietAfter     = 1500 * time.Millisecond
	streams        = 10_000 // requests at a time: long polls are many
	closingGrace   = 2 * time.Second
)

// Serve answers the other nodes that come to l until ctx ends. Then it lets what is under way finish for a while, here
// and elsewhere.
func (n *Network) Serve(ctx context.Context, l net.Listener) error {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	h := &http.Server{
		Handler: http.HandlerFunc(n.serve), Protocols: &protocols, TLSConfig: n.o.Authority.serving(n.own),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams, SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(n.o.Log.Handler(), slog.LevelDebug), // strangers who knock
	}
	ended := make(chan error, 1)
	go func() { ended <- h.ServeTLS(l, "", "") }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingGrace)
	defer cancel()
	if h.Shutdown(grace) != nil {
		h.Close()
	}
	n.Close()
	if err == nil {
		err = <-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the other nodes at %s: %w", l.Addr(), err)
}

// Close ends the requests that are under way to other nodes.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.end()
	for id, l := range n.links {
		l.way.CloseIdleConnections()
		delete(n.links, id)
	}
}

// Gone ends the requests that are under way to a node that is no member any more: one that has stopped moving answers none, and
// whoever is answered by it late is answered by nobody's owner.
func (n *Network) Gone(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.links[id]; l != nil {
		delete(n.links, id)
		l.cut()
		l.way.CloseIdleConnections()
	}
}

// to is the way to a node at an address.
func (n *Network) to(id, address string) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[id]
	if l != nil && l.address == address {
		return l
	}
	if l != nil {
		l.cut()
		l.way.CloseIdleConnections()
	}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	way := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSClientConfig:     n.o.Authority.reaching(n.own, id),
		TLSHandshakeTimeout: connectTimeout,
		Protocols:           &protocols,
		DisableCompression:  true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: quietBefore, PingTimeout: quietAfter},
	}
	l = &link{address: address, client: &http.Client{Transport: way}, way: way, ending: n.ending}
	l.living, l.cut = context.WithCancel(n.ending)
	n.links[id] = l
	return l
}

// bounded is ctx that ends when the link does.
func (l *link) bounded(ctx context.Context) (bound context.Context, done context.CancelFunc) {
	bound, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.living, cancel)
	return bound, func() {
		stop()
		cancel()
	}
}

// lost answers for a request that was under way on a node when that was lost. Clients try again.
var lost = &aws.ErrorShape{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Receiver: true}

// errEnded answers for requests to another node that this node's end has cut off.
var errEnded = errors.New("peer: this node is stopping")

// post sends a message to a node, and reads the answer. Where the node cannot have begun the error is call.ErrUnreachable.
func (n *Network) post(ctx context.Context, id, address, path string, message []byte) ([]byte, error) {
	l := n.to(id, address)
	bound, done := l.bounded(ctx)
	defer done()
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(bound, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r, err := http.NewRequestWithContext(traced, http.MethodPost, "https://"+address+path, bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("%w: node %s: %w", door.ErrUnreachable, id, err)
	}
	answer, err := n.exchange(l.client, r)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case l.ending.Err() != nil && connected.Load():
		return nil, errEnded
	case !connected.Load():
		return nil, fmt.Errorf("%w: node %s at %s: %w", door.ErrUnreachable, id, address, err)
	}
	return nil, lost.New("The node that was asked went away meanwhile: whether it did what was asked is not known.").Because(fmt.Errorf("peer: node %s at %s was lost: %w", id, address, err))
}

func (n *Network) exchange(client *http.Client, r *http.Request) ([]byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := readAll(resp.Body, resp.ContentLength)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s: %s", resp.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}

func readAll(r io.Reader, length int64) ([]byte, error) {
	if length > maxMessage {
		return nil, errMessage
	}
	if length >= 0 {
		b := make([]byte, length)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err == nil && len(b) > maxMessage {
		err = errMessage
	}
	return b, err
}

// Ask puts a question to another node, which has its Local answer it.
func (n *Network) Ask(ctx context.Context, node, subject string, body []byte) ([]byte, error) {
	address, ok := n.at(node)
	if !ok {
		return nil, fmt.Errorf("%w: there is no node %s", door.ErrUnreachable, node)
	}
	return n.post(ctx, node, address, "/ask/"+subject, body)
}

func (n *Network) at(node string) (address string, ok bool) {
	l := n.local.Load()
	if l == nil {
		return "", false
	}
	return l.Node.At(node)
}

// Forward implements call.Peers.
func (n *Network) Forward(ctx context.Context, node string, op *model.Operation, in any) (any, error) {
	l := n.local.Load()
	if l == nil {
		return nil, fmt.Errorf("%w: this node is stopping", door.ErrUnreachable)
	}
	address, ok := l.Node.At(node)
	if !ok {
		return nil, fmt.Errorf("%w: there is no node %s", door.ErrUnreachable, node)
	}
	if l.Values.Streams(op) {
		return nil, fmt.Errorf("peer: %s streams, and cannot be handed on to node %s", op.Action(), node)
	}
	head := call{Service: op.Service.Name, Operation: op.Name}
	head.carry(aws.RequestOf(ctx), telemetry.TraceOf(ctx))
	message, err := begin(make([]byte, 0, 1024), asksCall, &head)
	if err == nil {
		message, err = l.Values.AppendInput(message, op, in)
	}
	if err != nil {
		return nil, err
	}
	answer, err := n.post(ctx, node, address, "/call", message)
	if err == nil {
		return readAnswer(l.Values, node, op, answer)
	}
	if errors.Is(err, errEnded) {
		return nil, fmt.Errorf("%w (asking node %s)", owner.ErrStopped, node)
	}
	return nil, err
}

// readAnswer is what a node answered to a call: its output, or its error.
func readAnswer(v wire.Values, node string, op *model.Operation, answer []byte) (any, error) {
	k, head, rest, err := split(answer)
	if err != nil {
		return nil, err
	}
	switch k {
	case hasOutput:
		return v.ReadOutput(op, rest)
	case hasError:
		var f fault
		if err := readHead(head, &f); err != nil {
			return nil, err
		}
		e, err := v.ReadError(op, f.shape(), f.Message, rest)
		if err != nil {
			return nil, err
		}
		return nil, e
	case elsewhere:
		var p place
		if err := readHead(head, &p); err != nil {
			return nil, err
		}
		return nil, p.err()
	case notBegun, hasFailed:
		var r reason
		if err := readHead(head, &r); err != nil {
			return nil, err
		}
		if k == notBegun {
			return nil, fmt.Errorf("%w: node %s says: %s", door.ErrUnreachable, node, r.Text)
		}
		return nil, fmt.Errorf("peer: on node %s: %s", node, r.Text)
	}
	return nil, errMessage
}
