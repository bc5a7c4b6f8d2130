package tail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/service/logs/tail"
)

// wires connect hubs in this process.
type wires struct {
	from string
	hubs map[string]*tail.Hub
}

func (w wires) Tell(_ context.Context, node string, body []byte) {
	for id, h := range w.hubs {
		if id != w.from && (node == "" || node == id) {
			_ = h.Hear(body)
		}
	}
}

// hubs are running hubs of as many nodes.
func hubs(t *testing.T, n int) (list []*tail.Hub, c *clock.Clock, stop func()) {
	c = clock.New()
	all := map[string]*tail.Hub{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, n)
	for i := range n {
		id := fmt.Sprint("node", i)
		var others tail.Others
		if n > 1 {
			others = wires{id, all}
		}
		h := tail.New(c, id, others)
		list, all[id] = append(list, h), h
	}
	for _, h := range list {
		go func() { done <- h.Run(ctx) }()
	}
	return list, c, func() {
		cancel()
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		c.Close()
	}
}

func batch(group uint64, stream string, messages ...string) *tail.Batch {
	b := &tail.Batch{Group: group, Stream: stream, Ingested: 7}
	for i, m := range messages {
		b.Events = append(b.Events, tail.Written{Time: int64(i), Message: m})
	}
	return b
}

func open(t *testing.T, h *tail.Hub, c tail.Choice) *tail.Session {
	t.Helper()
	s, err := h.Open("owner", c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next is the messages of the next update.
func next(t *testing.T, s *tail.Session) (messages []string, sampled bool) {
	t.Helper()
	u, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range u.Events {
		messages = append(messages, e.Message)
	}
	return messages, u.Sampled
}

func TestASessionIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _, stop := hubs(t, 1)
		defer stop()
		h := all[0]
		if h.Wanted(1) {
			t.Error("nobody wants to know")
		}
		s := open(t, h, tail.Choice{Groups: []uint64{1, 2}, Prefixes: []string{"web"}, Match: func(m string) bool { return m != "no" }})
		began := time.Now()
		for _, b := range []*tail.Batch{batch(3, "web", "another group"), batch(1, "db", "another stream"), batch(1, "web", "no")} {
			h.Tell(b)
		}
		if h.Tell(batch(2, "web-1", "a", "no", "b")); !h.Wanted(2) || h.Wanted(3) {
			t.Error("who is wanted")
		}
		if got, sampled := next(t, s); fmt.Sprint(got) != "[a b]" || sampled {
			t.Errorf("told %v, sampled %v", got, sampled)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("told after %v", d)
		}
		for range 3 { // and that nothing came, each second
			if got, sampled := next(t, s); len(got) != 0 || sampled {
				t.Errorf("told %v", got)
			}
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("three empty updates after %v", d)
		}
		s.Close()
		s.Close()
		if h.Wanted(1) {
			t.Error("a group is wanted by nobody")
		}
	})
}

func TestManyEventsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _, stop := hubs(t, 1)
		defer stop()
		s := open(t, all[0], tail.Choice{Groups: []uint64{1}})
		defer s.Close()
		many := make([]string, 2000)
		for i := range many {
			many[i] = fmt.Sprint(i)
		}
		all[0].Tell(batch(1, "s", many...))
		got, sampled := next(t, s)
		if len(got) != tail.PerUpdate || !sampled || got[0] != "0" || got[1] != "4" || got[499] != "1996" {
			t.Errorf("%d events, sampled %v: %v", len(got), sampled, got)
		}
		all[0].Tell(batch(1, "s", "too many in this second"))
		if got, sampled := next(t, s); len(got) != 0 || !sampled {
			t.Errorf("told %v, sampled %v", got, sampled)
		}
		all[0].Tell(batch(1, "s", "in the next"))
		if got, sampled := next(t, s); len(got) != 1 || sampled {
			t.Errorf("told %v, sampled %v", got, sampled)
		}
		for i := range 20 { // nobody reads
			time.Sleep(time.Second)
			all[0].Tell(batch(1, "s", many[i*100:i*100+100]...))
			all[0].Tell(batch(1, "s", many...))
		}
		n, lost := 0, false
		for {
			got, sampled := next(t, s)
			if len(got) == 0 {
				break
			}
			n, lost = n+len(got), lost || sampled
		}
		if n != 10*tail.PerUpdate || !lost {
			t.Errorf("a slow client has %d events, sampled %v", n, lost)
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _, stop := hubs(t, 1)
		var sessions []*tail.Session
		for range tail.MaxSessions {
			sessions = append(sessions, open(t, all[0], tail.Choice{Groups: []uint64{1}}))
		}
		if _, err := all[0].Open("owner", tail.Choice{Groups: []uint64{1}}); !errors.Is(err, tail.ErrMany) {
			t.Errorf("one too many: %v", err)
		}
		if s, err := all[0].Open("another", tail.Choice{Groups: []uint64{1}}); err != nil {
			t.Errorf("another's: %v", err)
		} else {
			s.Close()
		}
		began := time.Now()
		var err error
		for err == nil {
			_, err = sessions[0].Next(t.Context())
		}
		if d := time.Since(began); !errors.Is(err, tail.ErrTimeout) || d != 3*time.Hour {
			t.Errorf("after %v: %v", d, err)
		}
		sessions[0].Close()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for err = nil; err == nil; {
			_, err = sessions[1].Next(gone)
		}
		if !errors.Is(err, context.Canceled) && !errors.Is(err, tail.ErrTimeout) {
			t.Errorf("the client is gone: %v", err)
		}
		s := open(t, all[0], tail.Choice{Groups: []uint64{1}})
		ended := make(chan error)
		go func() {
			_, err := s.Next(t.Context())
			ended <- err
		}()
		stop()
		if err := <-ended; !errors.Is(err, tail.ErrStopped) {
			t.Errorf("the node stops: %v", err)
		}
		if _, err := all[0].Open("owner", tail.Choice{}); !errors.Is(err, tail.ErrStopped) {
			t.Errorf("after that: %v", err)
		}
	})
}

func TestOtherNodesHandOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _, stop := hubs(t, 3)
		defer stop()
		s := open(t, all[0], tail.Choice{Groups: []uint64{1}, Match: func(m string) bool { return strings.HasPrefix(m, "x") }})
		synctest.Wait()
		for i, h := range all {
			if !h.Wanted(1) {
				t.Errorf("node %d does not know", i)
			}
			h.Tell(batch(1, "s", fmt.Sprint("x", i), "y"))
		}
		synctest.Wait()
		var got []string
		for len(got) < 3 {
			list, _ := next(t, s)
			got = append(got, list...)
		}
		if len(got) != 3 || got[0] != "x0" {
			t.Errorf("told %v", got)
		}
		time.Sleep(time.Hour) // which is said again all the while
		if !all[1].Wanted(1) {
			t.Error("forgotten")
		}
		for range tail.MaxSessions - 1 {
			open(t, all[1], tail.Choice{Groups: []uint64{2}})
		}
		synctest.Wait()
		if _, err := all[2].Open("owner", tail.Choice{Groups: []uint64{1}}); !errors.Is(err, tail.ErrMany) {
			t.Errorf("those of other nodes count: %v", err)
		}
		s.Close()
		synctest.Wait()
		if all[1].Wanted(1) || !all[0].Wanted(2) {
			t.Error("what is not wanted any more")
		}
	})
}

func TestANodeThatIsNewOrGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		all := map[string]*tail.Hub{}
		all["old"] = tail.New(c, "old", wires{"old", all})
		ctx, cancel := context.WithCancel(t.Context())
		old, die := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- all["old"].Run(old) }()
		s := open(t, all["old"], tail.Choice{Groups: []uint64{1}})
		defer s.Close()
		synctest.Wait()
		h := tail.New(c, "new", wires{"new", all})
		all["new"] = h
		go func() { done <- h.Run(ctx) }()
		h.Ask()
		synctest.Wait()
		if !h.Wanted(1) {
			t.Error("who is new does not know")
		}
		die() // it says nothing any more
		<-done
		time.Sleep(2 * time.Minute)
		if h.Wanted(1) {
			t.Error("who is gone is not forgotten")
		}
		if err := h.Hear([]byte("[]")); err == nil {
			t.Error("what is no message was taken")
		}
		cancel()
		<-done
	})
}
