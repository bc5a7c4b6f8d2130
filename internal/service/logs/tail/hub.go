// Package tail is CloudWatch Logs' Live Tail: sessions that are told of events when they have been committed.
//
// A session is in the memory of the node that its client is connected to, and ends with it. The nodes tell each other which groups
// their sessions are about, and who commits events of one hands them on; so nothing is looked for in the store, and where nobody
// tails, to know that costs one load of a pointer.
//
// It promises that an event which was committed is on its way to its sessions before the writer has its answer, that a session holds a
// bounded number of events however slow its client is, and that it says so when events were left out.
package tail

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// How a session ends by itself, and why there is none.
var (
	ErrTimeout = errors.New("tail: the session has lasted three hours")
	ErrStopped = errors.New("tail: this node is stopping")
	ErrMany    = errors.New("tail: there are as many sessions as there may be")
)

// MaxSessions is how many sessions AWS lets an account have at a time.
const MaxSessions = 15

// Written is an event of a batch.
type Written struct {
	Time    int64  `json:"t"`
	Message string `json:"m"`
}

// Batch is events of one stream that were committed together. Its texts are its caller's.
type Batch struct {
	Group    uint64
	Stream   string
	Ingested int64
	Events   []Written
}

// Hub knows all sessions.
type Hub struct {
	clock *clock.Clock
	peers *peers        // nil where there are no other nodes
	ended chan struct{} // closed when the service ends

	tailed atomic.Pointer[map[uint64]*listeners] // by group; nil where nobody tails; replaced, never changed

	mu       sync.Mutex // guards what follows
	sessions map[*Session]struct{}
	stopped  bool
}

// listeners are who is to be told of a group's events.
type listeners struct {
	sessions []*Session
	nodes    []string
}

// New is a hub of a node. others may be nil.
func New(c *clock.Clock, node string, others Others) *Hub {
	h := &Hub{clock: c, ended: make(chan struct{}), sessions: map[*Session]struct{}{}}
	if others != nil {
		h.peers = newPeers(h, node, others)
	}
	return h
}

// Wanted reports whether anybody is to be told of a group's events.
func (h *Hub) Wanted(group uint64) bool {
	all := h.tailed.Load()
	return all != nil && (*all)[group] != nil
}

// Tell tells whoever wants to know of a batch. It does not wait for anybody.
func (h *Hub) Tell(b *Batch) {
	all := h.tailed.Load()
	if all == nil || (*all)[b.Group] == nil {
		return
	}
	l := (*all)[b.Group]
	for _, s := range l.sessions {
		s.offer(b)
	}
	for _, node := range l.nodes {
		h.peers.hand(node, b)
	}
}

// hear tells this node's sessions of a batch that another committed.
func (h *Hub) hear(b *Batch, lost bool) {
	all := h.tailed.Load()
	if all == nil || (*all)[b.Group] == nil {
		return
	}
	for _, s := range (*all)[b.Group].sessions {
		s.offer(b)
		if lost {
			s.mu.Lock()
			s.lost = true
			s.mu.Unlock()
		}
	}
}

// Open begins a session. Those of one owner are counted together.
func (h *Hub) Open(owner string, c Choice) (*Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return nil, ErrStopped
	}
	n := 0
	for s := range h.sessions {
		if s.owner == owner {
			n++
		}
	}
	if h.peers != nil {
		n += h.peers.sessionsOf(owner)
	}
	if n >= MaxSessions {
		return nil, ErrMany
	}
	now := h.clock.Now()
	s := &Session{hub: h, owner: owner, choice: c, wake: make(chan struct{}, 1)}
	s.tick = h.clock.AfterFunc(now.Add(everySecond), func() {
		s.mu.Lock()
		s.due = true
		s.mu.Unlock()
		s.ring()
	})
	s.limit = h.clock.AfterFunc(now.Add(longest), func() { s.end(ErrTimeout) })
	h.sessions[s] = struct{}{}
	h.arrange()
	if h.peers != nil {
		h.peers.announce()
	}
	return s, nil
}

func (h *Hub) remove(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	h.arrange()
	if h.peers != nil {
		h.peers.announce()
	}
}

// arrange makes known who is to be told of what. Its caller holds mu.
func (h *Hub) arrange() {
	all := map[uint64]*listeners{}
	of := func(group uint64) *listeners {
		if all[group] == nil {
			all[group] = &listeners{}
		}
		return all[group]
	}
	for s := range h.sessions {
		for _, g := range s.choice.Groups {
			of(g).sessions = append(of(g).sessions, s)
		}
	}
	if h.peers != nil {
		for node, groups := range h.peers.wanted(h.clock.Now()) {
			for _, g := range groups {
				of(g).nodes = append(of(g).nodes, node)
			}
		}
	}
	if len(all) == 0 {
		h.tailed.Store(nil)
		return
	}
	h.tailed.Store(&all)
}

// own are this node's sessions as the others are told of them. Its caller holds mu.
func (h *Hub) own() (list []announced) {
	for s := range h.sessions {
		list = append(list, announced{s.owner, s.choice.Groups})
	}
	return list
}

// stop ends all sessions.
func (h *Hub) stop() {
	h.mu.Lock()
	h.stopped = true
	sessions := slices.Collect(maps.Keys(h.sessions))
	h.mu.Unlock()
	close(h.ended)
	for _, s := range sessions {
		s.Close()
	}
}

const (
	announceEvery = 20 * time.Second
	forgetAfter   = time.Minute // a node that says nothing any more
)
