//go:build unix

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

// Three processes over one PostgreSQL, with a standby: in each round every node is killed, one is stopped in its tracks and goes
// on after the others took its place, one ends as it should, and the primary is killed and its standby promoted.
func TestKilledClusterLosesNothingAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute; go test without -short runs it")
	}
	t.Parallel()
	worst := map[string]time.Duration{}
	messages, runs := 0, 0
	rounds(t, 1, 20, func(t *testing.T, seed uint64) {
		messages += killCluster(t, seed, worst)
		runs++
	})
	t.Logf("%d runs, %d messages; the longest a queue could not be sent to: %v", runs, messages, worst)
}

func killCluster(t *testing.T, seed uint64, worst map[string]time.Duration) (messages int) {
	ctx, rng := t.Context(), rand.New(rand.NewPCG(seed, 5))
	primary := pgtest.Start(t)
	standby := primary.Standby()
	var nodes []*server
	for i := range 3 {
		s := newServer(t, fmt.Sprintf("node-%d", i+1))
		s.store = pgtest.URL(primary, standby)
		s.start(t)
		t.Cleanup(func() { s.kill(t) })
		nodes = append(nodes, s)
	}
	c := newCallers(seed, 0)
	var clients []*http.Client
	for _, s := range nodes {
		clients = append(clients, s.client())
	}
	c.lead(clusterURL, clients...)
	for i, s := range nodes {
		d := &door{}
		d.lead(clusterURL, clients[i])
		s.ready(ctx, t, d)
	}
	c.prepare(ctx, t)
	p := newProbes(ctx, t, c.door, 20*time.Millisecond)
	c.begin(ctx)
	time.Sleep(time.Second)

	events := []struct {
		name string
		fn   func()
	}{
		{"a primary killed", func() {
			primary.Kill()
			standby.Promote()
		}},
		{"a node stopped and going on", func() {
			s := nodes[rng.IntN(len(nodes))]
			s.signal(t, syscall.SIGSTOP)
			time.Sleep(4500 * time.Millisecond)
			s.signal(t, syscall.SIGCONT)
		}},
		{"a node ended in order", func() {
			s := nodes[rng.IntN(len(nodes))]
			s.signal(t, syscall.SIGINT)
			<-s.ended
			if !s.cmd.ProcessState.Success() {
				t.Errorf("it ended with %v:\n%s", s.cmd.ProcessState, s.out.last())
			}
			time.Sleep(time.Second)
			s.start(t)
		}},
	}
	for _, s := range nodes {
		events = append(events, struct {
			name string
			fn   func()
		}{"a node killed", func() {
			s.kill(t)
			time.Sleep(4 * time.Second)
			s.start(t)
		}})
	}
	rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for _, e := range events {
		p.begin()
		e.fn()
		time.Sleep(2 * time.Second)
		worst[e.name] = max(worst[e.name], p.longest())
		if t.Failed() {
			break
		}
	}
	c.end()
	p.end()
	for i, s := range nodes {
		d := &door{}
		d.lead(clusterURL, clients[i])
		s.ready(ctx, t, d)
	}
	for _, client := range clients {
		client.Timeout = time.Minute // nothing is stopped any more, and much falls due
	}
	c.verify(ctx, t, nodes[0].pass(ctx, t, c.door))
	if t.Failed() {
		for _, s := range nodes {
			t.Logf("%s said last:\n%s", s.data, s.out.last())
		}
	}
	return len(c.h.fates)
}

// clusterURL is what callers call; their clients know where that is.
const clusterURL = "http://obidos:4566"

// client is one of this process, whatever it is told to call. It gives up on a process that has stopped.
func (s *server) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", s.address)
			},
		},
		Timeout: 5 * time.Second,
	}
}

func (s *server) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Error(err)
	}
}

// probes send to queues of their own all the time, to see how long one cannot be sent to. Each asks at all nodes at once, as
// clients behind a balancer do together.
type probes struct {
	all  sync.WaitGroup
	stop chan struct{}

	mu   sync.Mutex
	last []time.Time // when each queue was sent to the last time
	gaps []time.Duration
}

func newProbes(ctx context.Context, t *testing.T, d *door, pause time.Duration) *probes {
	const queues = 6
	p := &probes{stop: make(chan struct{}), last: make([]time.Time, queues), gaps: make([]time.Duration, queues)}
	for i := range queues {
		q := &queue{name: fmt.Sprintf("probe-%d", i)}
		if err := d.call(ctx, "CreateQueue", object{"QueueName": q.name}, nil); err != nil {
			t.Fatal(err)
		}
		for _, client := range d.to.Load().clients {
			own := &door{}
			own.lead(clusterURL, client)
			p.all.Go(func() {
				for {
					select {
					case <-p.stop:
						return
					case <-time.After(pause):
					}
					if own.call(ctx, "SendMessage", object{"QueueUrl": q.url(), "MessageBody": "x"}, nil) == nil {
						p.sent(i)
					}
				}
			})
		}
	}
	return p
}

func (p *probes) sent(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.last[i].IsZero() {
		p.gaps[i] = max(p.gaps[i], now.Sub(p.last[i]))
	}
	p.last[i] = now
}

func (p *probes) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.gaps)
}

// longest is the longest gap since begin.
func (p *probes) longest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Max(p.gaps).Round(time.Millisecond)
}

func (p *probes) end() {
	close(p.stop)
	p.all.Wait()
}
