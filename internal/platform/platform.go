// Package platform builds all of obidos out of its parts and runs it. It is the one place that sees them all; it keeps no
// rules of any of them.
//
// A platform has one engine and, over it, one [life] after another: the services, what runs them, and the clock. Resetting
// ends a life, empties the engine and begins the next, inside the process and while it listens; setting the state back to a
// snapshot does, too, with another engine.
package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
	"github.com/obidos-cloud/obidos/internal/datadir"
	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/snapshot"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/telemetry/otlp"
)

// Options of a platform. The zero value is one in memory.
type Options struct {
	Data          string        // the directory that keeps everything; in memory where empty
	Fork          *Fork         // instead of Data: a snapshot to begin with
	Relaxed       bool          // sync every 100 ms instead of before each answer
	SyncDelay     time.Duration // added to each sync: for benchmarks
	EnforceLimits bool          // AWS's throttling and waits
	Identity      Identity      // who may do what
	PublicURL     string        // what URLs begin with; where empty, what each request was sent to
	QueueURLs     string        // their shape, by LocalStack's names: "standard"; plain where empty
	Access        gateway.Access
	TLSCert       string
	TLSKey        string
	Logger        *slog.Logger
	Version       string
	Exporter      *otlp.Exporter // sends our own spans to a collector; nil where nobody asked for it
	Stop          func()         // ends the program, when asked to over HTTP
	LocalStack    LocalStack     // what is done for those who come from there

	Engine     store.Engine // used instead of Data, and not closed: for tests, and for nodes that share one
	Node       string       // this node's id among those that share the store; where empty, "node", or in a cluster one that no other has
	Neighbours *Neighbours  // the other nodes in this process; nil where there are none
	Cluster    *Cluster     // the other nodes, each a process of its own; nil where there are none

	Overrun func(name string, keys int, took time.Duration) // is told of transactions that hold everybody up, see store.Store; may be nil
}

// Platform is a whole obidos.
type Platform struct {
	o            Options
	log          *slog.Logger
	engine       store.Engine    // changed under mu, by Run alone
	dir          *datadir.Dir    // nil in memory
	keeper       snapshot.Keeper // nil where the engine is not ours
	blobs        blob.Store
	network      *network // nil without Options.Cluster
	certificates *gateway.Certificates
	admin        http.Handler
	started      time.Time

	life    atomic.Pointer[life] // nil before Run, after it, and while being reset
	changes chan *change         // what is to be done between this life and the next
	ending  chan struct{}        // closed when Run is about to return

	mu      sync.Mutex    // guards what follows
	begun   chan struct{} // closed when a life begins, and replaced when it ends
	url     string        // where it listens
	rootKey iam.RootKey   // made when it began
	lived   bool          // a life has begun before

	rootKeys []iam.RootKey // of the root of the default account, when the last life ended
	waiting  []io.Closer   // connections of those who wait for the end
}

// ErrBroken ends Run when nothing can be written any more. What was answered is kept; a transaction may be stuck, so that
// the platform cannot be closed: the process is to end.
var ErrBroken = errors.New("the store cannot be written any more")

// Open makes a platform over what Data keeps. It must be closed.
func Open(o Options) (*Platform, error) {
	p := &Platform{
		o: o, log: o.Logger, started: time.Now(),
		changes: make(chan *change), ending: make(chan struct{}), begun: make(chan struct{}),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case p.o.Node != "":
	case o.Cluster != nil:
		p.o.Node = nodeName()
	default:
		p.o.Node = "node"
	}
	opening := context.Background()
	p.certificates = &gateway.Certificates{CertFile: o.TLSCert, KeyFile: o.TLSKey}
	switch {
	case o.Engine != nil:
		p.engine = o.Engine
	case o.Cluster != nil:
		if err := p.openShared(opening); err != nil {
			return nil, err
		}
	case o.Fork != nil:
		if err := p.openFork(); err != nil {
			return nil, err
		}
	case o.Data == "":
		p.engine = memory.New(memory.Options{})
	default:
		if err := p.openData(); err != nil {
			return nil, err
		}
	}
	if err := p.openState(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.admin = p.endpoints()
	if o.Cluster != nil {
		if err := p.openNetwork(opening); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.admin = p.amongAll(p.admin)
	}
	if o.Neighbours != nil {
		o.Neighbours.join(p.o.Node, p)
	}
	return p, nil
}

func (p *Platform) openData() (err error) {
	if p.dir, err = datadir.Open(p.o.Data, datadir.Options{}); err != nil {
		return err
	}
	p.certificates.Dir = p.dir.Path()
	if p.engine, err = p.openStore(p.dir.Store()); err != nil {
		return errors.Join(err, p.dir.Close())
	}
	return nil
}

// Close releases the engine and the data directory. Run must have returned.
func (p *Platform) Close() error {
	var err error
	if p.o.Engine == nil {
		err = p.engine.Close()
	}
	switch {
	case p.dir != nil && p.o.Fork != nil:
		err = errors.Join(err, p.dir.Discard())
	case p.dir != nil:
		err = errors.Join(err, p.dir.Close())
	}
	if p.network != nil {
		p.network.listener.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.waiting {
		c.Close()
	}
	return err
}

// Run serves what comes in at l until ctx ends, then stops cleanly: requests under way are finished or refused, and all
// that was answered is kept. Without a listener it only runs the services, for those in this process. It is called once.
func (p *Platform) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { close(p.ending) })
	var all sync.WaitGroup
	var served, told error
	if l != nil {
		p.mu.Lock()
		p.url = urlOf(l.Addr())
		p.mu.Unlock()
		all.Go(func() {
			defer cancel()
			served = gateway.Serve(ctx, l, gateway.HTTP(p, p.log), p.certificates)
		})
	}
	if l != nil && p.dir != nil {
		all.Go(func() {
			if told = p.serveSocket(ctx); told != nil {
				cancel()
			}
		})
	}
	var reached error
	var found sync.WaitGroup
	beside, apart := context.WithCancel(context.WithoutCancel(ctx)) // the other nodes are served until the last life is over
	defer apart()
	if p.network != nil {
		found.Go(func() {
			defer cancel()
			reached = p.network.run(beside)
		})
	}
	lived := p.live(ctx)
	cancel()
	apart()
	found.Wait()
	all.Wait()
	return errors.Join(lived, served, told, reached)
}

// urlOf is where this machine reaches an address that is listened on.
func urlOf(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// live runs one life after another until ctx ends.
func (p *Platform) live(ctx context.Context) error {
	if err := p.whole(ctx); err != nil {
		return err
	}
	for {
		l, err := p.begin(ctx)
		if err != nil {
			return err
		}
		asked, err := p.lead(ctx, l)
		if errors.Is(err, owner.ErrEmptied) { // by another node, which this one did not hear
			p.log.Warn("the store was emptied by another node: beginning anew")
			err = nil
			if asked == nil {
				continue
			}
		}
		if asked == nil {
			return err
		}
		p.keepRoot(context.WithoutCancel(ctx), l)
		if err == nil {
			err = asked.do(context.WithoutCancel(ctx))
		}
		asked.done <- err
		if _, torn := errors.AsType[tornError](err); torn {
			return err
		}
	}
}

// lead runs a life until ctx ends, or a new one is asked for: then asked is where to tell what came of it.
func (p *Platform) lead(ctx context.Context, l *life) (asked *change, err error) {
	living, end := context.WithCancel(context.WithoutCancel(ctx)) // it goes on until what this node owns is handed over
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- l.run(living) }()
	p.enter(l)
	defer p.leave()
	var broken <-chan struct{}
	if e, ok := p.engine.(interface{ Failed() <-chan struct{} }); ok {
		broken = e.Failed()
	}
	select {
	case <-ctx.Done():
	case asked = <-p.changes:
	case err = <-ended:
		if err == nil {
			err = errors.New("the services ended by themselves")
		}
		if errors.Is(err, owner.ErrEmptied) {
			p.leave()
			p.depart(l)
		}
		return nil, err
	case <-broken:
		err = ErrBroken
		if e, ok := p.engine.(interface{ Err() error }); ok {
			err = fmt.Errorf("%w: %w", ErrBroken, e.Err())
		}
		return nil, err // without waiting for what may be stuck
	}
	if p.network != nil {
		p.network.leave(ctx, l)
	}
	p.leave() // requests from now on wait for the next life
	end()
	err = <-ended
	p.depart(l)
	return asked, err
}

// depart returns when nobody uses a life any more that has ended.
func (p *Platform) depart(l *life) {
	if p.network != nil {
		p.network.Open(nil)
		p.network.Close() // the long polls that others hold for clients here
	}
	l.requests.drain()
}

// enter begins a life: requests are answered from now on.
func (p *Platform) enter(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life.Store(l)
	close(p.begun)
}

// leave ends it: requests wait for the next.
func (p *Platform) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Swap(nil) != nil {
		p.begun = make(chan struct{})
	}
}

// waitForLife is how long a request waits for obidos to start or be reset.
const waitForLife = 5 * time.Second

// ServeHTTP implements http.Handler.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l := p.await(r.Context())
	if l == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, errNotRunning.Error(), http.StatusServiceUnavailable)
		return
	}
	l.server.ServeHTTP(w, r)
}

// await is the life under way, or the next where one is about to begin; nil where there will be none soon.
func (p *Platform) await(ctx context.Context) *life {
	if l := p.life.Load(); l != nil {
		return l
	}
	ctx, cancel := context.WithTimeout(ctx, waitForLife)
	defer cancel()
	if p.Ready(ctx) != nil {
		return nil
	}
	return p.life.Load()
}

// Ready returns once the services answer.
func (p *Platform) Ready(ctx context.Context) error {
	p.mu.Lock()
	begun := p.begun
	p.mu.Unlock()
	select {
	case <-begun:
		return nil
	case <-p.ending:
		return errNotRunning
	case <-ctx.Done():
		return ctx.Err()
	}
}
