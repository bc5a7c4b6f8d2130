package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/peer"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// Cluster says that this is one node of several, each a process of its own, over one store.
type Cluster struct {
	Store     string        // the URL of the store, postgres://…; not read where Options.Engine is given
	Name      string        // one database may hold several clusters
	Advertise string        // host:port under which the other nodes reach this one; where it, or part of it, is empty: what fits the store
	Formats   owner.Formats // what is read and written of what nodes tell each other, where not as this version does: to try upgrades
	Blobs     string        // s3://BUCKET/PREFIX (see package blob/s3), or a folder that all nodes see; none where empty
}

// lease is how old a node's heartbeat is when the others take its place: within three seconds of its death all is theirs.
const lease = 1800 * time.Millisecond

// formats are what this version reads and writes of what nodes tell each other. They rise with what nodes keep in the store, and
// say on the network, that an older one would not understand; a version reads at least the one before.
var formats = owner.Formats{Newest: 1, Oldest: 1}

func (c *Cluster) formats() owner.Formats {
	if c == nil || c.Formats == (owner.Formats{}) {
		return formats
	}
	return c.Formats
}

// network is the other nodes, each a process of its own.
type network struct {
	*peer.Network
	p        *Platform
	listener net.Listener
	address  string // where the others reach it

	looks     chan struct{} // the others are to look at the store; holds one
	rests     chan rest     // this node is to rest while all are reset; holds one
	resets    atomic.Int64  // that this node was asked for and are under way
	advancing chan struct{} // holds the one who leads the clocks
	moving    chan struct{} // holds the one who moves this node's
}

// openNetwork has this node found by the others. The engine is open.
func (p *Platform) openNetwork(ctx context.Context) error {
	c, space := p.o.Cluster, func(name string) store.Space { return p.over(p.engine).Space(name) }
	listen, advertised, err := reachedAt(c.Advertise, c.Store)
	if err != nil {
		return err
	}
	n := &network{p: p, looks: make(chan struct{}, 1), rests: make(chan rest, 1), advancing: make(chan struct{}, 1), moving: make(chan struct{}, 1)}
	if n.listener, err = net.Listen("tcp", listen); err != nil {
		return fmt.Errorf("listen for the other nodes (--advertise): %w", err)
	}
	_, port, err := net.SplitHostPort(n.listener.Addr().String())
	if err != nil {
		return errors.Join(err, n.listener.Close())
	}
	n.address = net.JoinHostPort(advertised, port)
	// Before anything is read that an older version may not understand.
	watching := owner.New(space(owner.SpaceName), clock.New(), owner.Options{ID: p.o.Node, Version: p.o.Version, Formats: c.formats()})
	if err := watching.Check(ctx); err != nil {
		return errors.Join(fmt.Errorf("this node cannot join the cluster: %w", err), n.listener.Close())
	}
	authority, err := peer.OpenAuthority(ctx, space(peerSpace))
	if err == nil {
		n.Network, err = peer.New(peer.Options{ID: p.o.Node, Authority: authority, Log: p.log})
	}
	if err != nil {
		return errors.Join(err, n.listener.Close())
	}
	p.network = n
	return nil
}

// reachedAt is where to listen for the other nodes, and the host under which they reach that: the address by which this machine
// reaches the store, where nobody says otherwise.
func reachedAt(advertise, storeURL string) (listen, host string, err error) {
	port := "0"
	if advertise != "" {
		if host, port, err = net.SplitHostPort(advertise); err != nil {
			return "", "", fmt.Errorf("--advertise %q is not of the form HOST:PORT: %w", advertise, err)
		}
	}
	if host == "" {
		host = "127.0.0.1"
		if u, err := url.Parse(storeURL); err == nil && u.Host != "" {
			first, _, _ := strings.Cut(u.Host, ",")
			if h, _, err := net.SplitHostPort(first); err == nil {
				first = h
			}
			if c, err := net.Dial("udp", net.JoinHostPort(first, "9")); err == nil { // nothing is sent
				host, _, _ = net.SplitHostPort(c.LocalAddr().String())
				c.Close()
			}
		}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return net.JoinHostPort(host, port), host, nil
	}
	return net.JoinHostPort("", port), host, nil
}

// run serves the other nodes, and tells them things, until ctx ends.
func (n *network) run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { n.resting(ctx) })
	all.Go(func() {
		var again <-chan time.Time
		var pause time.Duration
		for {
			select {
			case <-ctx.Done():
				return
			case <-again: // who has not met this node yet could not answer it
				if l := n.p.life.Load(); l != nil {
					l.tails.Ask()
				}
				if again, pause = nil, 4*pause; pause < 10*time.Second {
					again = time.After(pause)
				}
			case <-n.looks:
				if l := n.p.life.Load(); l != nil {
					n.toAll(ctx, l, "look", nil) //nolint:errcheck // it is a hint
					n.catchUp(ctx, l)
					n.learn(ctx, l)
					l.tails.Ask()
					pause = 250 * time.Millisecond
					again = time.After(pause)
				}
			}
		}
	})
	err := n.Serve(ctx, n.listener)
	all.Wait()
	return err
}

// look has the others look at the store.
func (n *network) look() {
	select {
	case n.looks <- struct{}{}:
	default:
	}
}

// tellHeirs tells the others who was given which partitions.
func (n *network) tellHeirs(ctx context.Context, l *life, heirs owner.Heirs) {
	if body, err := json.Marshal(heirs); err == nil {
		n.toAll(ctx, l, "heirs", body) //nolint:errcheck // who does not hear it looks
	}
}

// askTimeout bounds short questions to other nodes.
const askTimeout = 2 * time.Second

// toAll puts a question to all other nodes at once.
func (n *network) toAll(ctx context.Context, l *life, subject string, body []byte) (answers map[string][]byte, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	answers = map[string][]byte{}
	for _, id := range l.node.Others() {
		all.Go(func() {
			a, failed := n.Ask(ctx, id, subject, body)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("ask node %s: %w", id, failed))
				return
			}
			answers[id] = a
		})
	}
	all.Wait()
	return answers, err
}

// open lets the others find a life here.
func (n *network) open(l *life, w *wire.Wire) {
	n.Open(&peer.Local{
		Node: l.node, Values: w.Between(),
		Accept: func(ctx context.Context, op *model.Operation, in any) (any, error) {
			if !l.requests.enter() {
				return nil, owner.ErrStopped
			}
			defer l.requests.leave()
			return l.door.Accept(ctx, op, in)
		},
		Answer: func(ctx context.Context, subject string, body []byte) ([]byte, error) {
			return n.answer(ctx, l, subject, body)
		},
	})
}

// leaveTimeout bounds the hand-over: the store may be away.
const leaveTimeout = 3 * time.Second

// leave hands over what this node owns, while it goes on passing on what it is asked.
func (n *network) leave(ctx context.Context, l *life) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := l.node.Leave(ctx); err != nil {
		n.p.log.Warn("the other nodes take over by themselves", "reason", err)
	}
}

// answer is what this node says to what another asks.
func (n *network) answer(ctx context.Context, l *life, subject string, body []byte) ([]byte, error) {
	switch subject {
	case "look":
		l.node.Look()
		return nil, nil
	case "heirs":
		var heirs owner.Heirs
		if err := json.Unmarshal(body, &heirs); err != nil {
			return nil, err
		}
		l.node.Inherit(heirs)
		return nil, nil
	case "rest":
		return nil, n.toRest(body)
	case "wake":
		var list []hint
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, err
		}
		served := make([]bool, len(list))
		for i, w := range list {
			served[i] = w.wake(l)
		}
		return json.Marshal(served)
	case "tails":
		return nil, l.tails.Hear(body)
	case "clock/advance", "clock/to", "clock/rest":
		var in clockMove
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		out, err := n.moved(ctx, l, subject, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	case "faults/list":
		return json.Marshal(l.door.Faults.List())
	case "faults":
		var in faultChange
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return nil, in.apply(&l.door.Faults)
	}
	return nil, fmt.Errorf("this version knows no %s", subject)
}

// hint tells each to the node that should serve its partition, and where that does not, to all.
func (n *network) hint(ctx context.Context, l *life, list []hint) {
	at := map[string][]hint{}
	for _, one := range list {
		holder := l.node.Holder(one.Partition)
		at[holder] = append(at[holder], one)
	}
	rest := at[""]
	for id, list := range at {
		if id == "" || id == n.p.o.Node {
			continue // where it has become this node, it has read what is there
		}
		body, err := json.Marshal(list)
		if err != nil {
			continue
		}
		var served []bool
		answer, err := n.Ask(ctx, id, "wake", body)
		if err != nil || json.Unmarshal(answer, &served) != nil || len(served) != len(list) {
			rest = append(rest, list...)
			continue
		}
		for i, ok := range served {
			if !ok {
				rest = append(rest, list[i])
			}
		}
	}
	if body, err := json.Marshal(rest); err == nil && len(rest) > 0 {
		n.toAll(ctx, l, "wake", body) //nolint:errcheck // whoever serves it later reads what is there
	}
}

// nodeName is this process's name where nobody gives one.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	return fmt.Sprintf("%s-%06x", host, time.Now().UnixNano()/1000&0xffffff^int64(os.Getpid())<<8&0xffffff)
}
