package tail

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// Others reaches the hubs of the other nodes.
type Others interface {
	// Tell has a node's hub Hear body; all others', where node is empty. It is a hint: nobody is told again who did not hear it.
	Tell(ctx context.Context, node string, body []byte)
}

// announced is a session of another node.
type announced struct {
	Owner  string   `json:"o"`
	Groups []uint64 `json:"g"`
}

// message is what nodes tell each other.
type message struct {
	From     string      `json:"from"`
	Asks     bool        `json:"asks,omitempty"` // what the others' sessions are
	Tells    bool        `json:"tells,omitempty"`
	Sessions []announced `json:"sessions,omitempty"`

	Group    uint64    `json:"group,omitempty"`
	Stream   string    `json:"stream,omitempty"`
	Ingested int64     `json:"ingested,omitempty"`
	Events   []Written `json:"events,omitempty"`
	Lost     bool      `json:"lost,omitempty"` // some before it were not handed on
}

// maxWaiting is how many bytes of events may wait to be handed on.
const maxWaiting = 16 << 20

// peers is what the hubs of the other nodes have said, and what they are to be told.
type peers struct {
	hub    *Hub
	node   string
	others Others
	some   chan struct{} // holds one
	renew  *clock.Timer

	mu      sync.Mutex // guards what follows
	known   map[string]*known
	waiting []letter
	bytes   int
	lost    map[string]bool // nodes that were not handed everything
}

// known is what a node has said of its sessions.
type known struct {
	sessions []announced
	until    time.Time
}

type letter struct {
	node string // all where empty
	message
}

func newPeers(h *Hub, node string, others Others) *peers {
	p := &peers{hub: h, node: node, others: others, some: make(chan struct{}, 1), known: map[string]*known{}, lost: map[string]bool{}}
	p.renew = h.clock.AfterFunc(h.clock.Now().Add(announceEvery), p.again)
	p.renew.Stop()
	return p
}

// again says once more which sessions there are, and forgets who has not for long.
func (p *peers) again() {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.hub.arrange()
	if len(p.hub.sessions) > 0 {
		p.announce()
	} else {
		p.renewLater()
	}
}

// announce has the others told of this node's sessions. Its caller holds the hub's mu.
func (p *peers) announce() {
	p.post(letter{message: message{From: p.node, Tells: true, Sessions: p.hub.own()}})
	p.renewLater()
}

// renewLater has again called, where there is a use. Its caller holds the hub's mu.
func (p *peers) renewLater() {
	p.mu.Lock()
	known := len(p.known)
	p.mu.Unlock()
	if len(p.hub.sessions)+known > 0 && !p.hub.stopped {
		p.renew.Reset(p.hub.clock.Now().Add(announceEvery))
	} else {
		p.renew.Stop()
	}
}

// post has a letter sent.
func (p *peers) post(l letter) {
	p.mu.Lock()
	p.waiting = append(p.waiting, l)
	p.mu.Unlock()
	select {
	case p.some <- struct{}{}:
	default:
	}
}

// hand has a node told of a batch.
func (p *peers) hand(node string, b *Batch) {
	m := message{From: p.node, Group: b.Group, Stream: b.Stream, Ingested: b.Ingested, Events: make([]Written, len(b.Events))}
	bytes := 0
	for i, e := range b.Events {
		bytes += len(e.Message)
		m.Events[i] = e
	}
	p.mu.Lock()
	if p.bytes+bytes > maxWaiting {
		p.lost[node] = true
		p.mu.Unlock()
		return
	}
	p.bytes += bytes
	m.Lost = p.lost[node]
	delete(p.lost, node)
	p.mu.Unlock()
	for i := range m.Events {
		m.Events[i].Message = strings.Clone(m.Events[i].Message)
	}
	m.Stream = strings.Clone(b.Stream)
	p.post(letter{node, m})
}

// wanted are the groups that each node has sessions about. Who has not been heard of for long is forgotten.
func (p *peers) wanted(now time.Time) map[string][]uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string][]uint64{}
	for node, k := range p.known {
		if now.After(k.until) {
			delete(p.known, node)
			continue
		}
		for _, s := range k.sessions {
			for _, g := range s.Groups {
				if !slices.Contains(all[node], g) {
					all[node] = append(all[node], g)
				}
			}
		}
	}
	return all
}

// sessionsOf is how many sessions an owner has on other nodes.
func (p *peers) sessionsOf(owner string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.known {
		for _, s := range k.sessions {
			if s.Owner == owner {
				n++
			}
		}
	}
	return n
}

// Hear takes in what another node's hub says.
func (h *Hub) Hear(body []byte) error {
	if h.peers == nil {
		return nil
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil || m.From == "" {
		return fmt.Errorf("tail: what another node says is no message: %w", err)
	}
	if len(m.Events) > 0 {
		h.hear(&Batch{Group: m.Group, Stream: m.Stream, Ingested: m.Ingested, Events: m.Events}, m.Lost)
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.peers
	if m.Tells {
		p.mu.Lock()
		if len(m.Sessions) == 0 {
			delete(p.known, m.From)
		} else {
			p.known[m.From] = &known{m.Sessions, h.clock.Now().Add(forgetAfter)}
		}
		p.mu.Unlock()
		h.arrange()
		p.renewLater()
	}
	if m.Asks && len(h.sessions) > 0 {
		p.post(letter{m.From, message{From: p.node, Tells: true, Sessions: h.own()}})
	}
	return nil
}

// Ask asks the other nodes which sessions they have: this one is new among them.
func (h *Hub) Ask() {
	if h.peers != nil {
		h.peers.post(letter{message: message{From: h.peers.node, Asks: true}})
	}
}

// Run tells the other nodes what there is to tell, until ctx ends. Then all sessions end.
func (h *Hub) Run(ctx context.Context) error {
	defer h.stop()
	if h.peers == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-h.peers.some:
			h.peers.send(ctx)
		case <-ctx.Done():
			h.peers.mu.Lock()
			h.peers.renew.Stop()
			h.peers.mu.Unlock()
			return nil
		}
	}
}

// send sends what waits: to each node one after the other, to all nodes at once.
func (p *peers) send(ctx context.Context) {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting, p.bytes = nil, 0
	p.mu.Unlock()
	var all sync.WaitGroup
	for _, node := range slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for i := range waiting {
			if !yield(waiting[i].node) {
				return
			}
		}
	})) {
		all.Go(func() {
			for i := range waiting {
				if waiting[i].node != node {
					continue
				}
				if body, err := json.Marshal(&waiting[i].message); err == nil {
					p.others.Tell(ctx, node, body)
				}
			}
		})
	}
	all.Wait()
}
