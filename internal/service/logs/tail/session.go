package tail

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// AWS's limits of a session.
const (
	PerUpdate   = 500 // events, and of a second
	maxPending  = 10 * PerUpdate
	everySecond = time.Second
	longest     = 3 * time.Hour
)

// Event is an event of a log group.
type Event struct {
	Group    uint64
	Stream   string
	Time     int64
	Ingested int64
	Message  string
}

// Choice is which events a session is told of.
type Choice struct {
	Groups   []uint64
	Streams  []string                  // all where empty
	Prefixes []string                  // of streams
	Match    func(message string) bool // all where nil
}

func (c *Choice) stream(name string) bool {
	if len(c.Streams) == 0 && len(c.Prefixes) == 0 {
		return true
	}
	return slices.Contains(c.Streams, name) || slices.ContainsFunc(c.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Update is what a session is told at once.
type Update struct {
	Events  []Event
	Sampled bool // there were more since the last
}

// Session is told of events. It ends when it is closed.
type Session struct {
	hub    *Hub
	owner  string // whose sessions are counted together
	choice Choice
	wake   chan struct{} // holds one
	tick   *clock.Timer  // when an update is due, if there is nothing to tell
	limit  *clock.Timer

	mu      sync.Mutex // guards what follows
	pending []Event
	second  time.Time // in which the events were taken that taken counts
	taken   int
	lost    bool // some were left out since the last update
	due     bool
	over    error
	closed  bool
}

func (s *Session) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for the next update: at once where there are events, and at the latest a second after the last. The error is
// ErrTimeout after three hours, ErrStopped where the service ends, or that of ctx.
func (s *Session) Next(ctx context.Context) (Update, error) {
	for {
		if u, ok, err := s.take(); ok || err != nil {
			return u, err
		}
		select {
		case <-s.wake:
		case <-s.hub.ended:
			return Update{}, ErrStopped
		case <-ctx.Done():
			return Update{}, ctx.Err()
		}
	}
}

func (s *Session) take() (u Update, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := min(len(s.pending), PerUpdate); n > 0 {
		u.Events = slices.Clone(s.pending[:n])
		s.pending = slices.Delete(s.pending, 0, n)
	} else if s.over != nil {
		return u, false, s.over
	} else if !s.due {
		return u, false, nil
	}
	u.Sampled, s.lost, s.due = s.lost, false, false
	if !s.closed {
		s.tick.Reset(s.hub.clock.Now().Add(everySecond))
	}
	return u, true, nil
}

// end has the session end with an error, once what it has was told.
func (s *Session) end(err error) {
	s.mu.Lock()
	s.over = err
	s.mu.Unlock()
	s.ring()
}

// Close ends the session. It may be closed again.
func (s *Session) Close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return
	}
	s.tick.Stop()
	s.limit.Stop()
	s.hub.remove(s)
}

// offer takes over what the session wants of a batch, up to as many events as it may be told of in a second: of more, a part that is
// spread over all of them.
func (s *Session) offer(b *Batch) {
	if !s.choice.stream(b.Stream) {
		return
	}
	var wanted []int
	for i := range b.Events {
		if s.choice.Match == nil || s.choice.Match(b.Events[i].Message) {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	s.mu.Lock()
	if now := s.hub.clock.Now(); now.Sub(s.second) >= everySecond || now.Before(s.second) {
		s.second, s.taken = now, 0
	}
	room := min(PerUpdate-s.taken, len(wanted))
	if room < len(wanted) {
		s.lost = true
	}
	for i := range room {
		e := &b.Events[wanted[i*len(wanted)/room]]
		s.pending = append(s.pending, Event{b.Group, strings.Clone(b.Stream), e.Time, b.Ingested, strings.Clone(e.Message)})
	}
	s.taken += room
	if over := len(s.pending) - maxPending; over > 0 { // its client is slower than that
		s.pending, s.lost = slices.Delete(s.pending, 0, over), true
	}
	s.mu.Unlock()
	if room > 0 {
		s.ring()
	}
}
