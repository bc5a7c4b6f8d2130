//go:build unix

package crash

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

// How long queues cannot be sent to when the node that owns them goes, with little else to do. The bounds are far from what is
// logged: the machine may be busy.
func TestOthersTakeOverSoon(t *testing.T) {
	if os.Getenv("OBIDOS_CRASHES") == "" {
		t.Skip("a measurement, which a busy machine spoils: OBIDOS_CRASHES=1 runs it")
	}
	ctx := t.Context()
	database := pgtest.Start(t)
	var nodes []*server
	var clients []*http.Client
	for i := range 3 {
		s := newServer(t, fmt.Sprintf("node-%d", i+1))
		s.store = database.URL()
		s.start(t)
		t.Cleanup(func() { s.kill(t) })
		nodes, clients = append(nodes, s), append(clients, s.client())
	}
	all := &door{}
	all.lead(clusterURL, clients...)
	for i, s := range nodes {
		d := &door{}
		d.lead(clusterURL, clients[i])
		s.ready(ctx, t, d)
	}
	p := newProbes(ctx, t, all, 10*time.Millisecond)
	defer p.end()
	const settling = 2 * time.Second // partitions move back to who has come back
	time.Sleep(settling)
	for _, way := range []struct {
		name  string
		bound time.Duration
		fn    func(s *server)
	}{
		{"nothing happens", time.Second, func(*server) { time.Sleep(settling) }},
		{"ended in order", time.Second, func(s *server) {
			s.signal(t, syscall.SIGINT)
			<-s.ended
			time.Sleep(settling)
		}},
		{"killed", 4 * time.Second, func(s *server) {
			s.kill(t)
			time.Sleep(4 * time.Second)
		}},
		{"stopped in its tracks", 4 * time.Second, func(s *server) {
			s.signal(t, syscall.SIGSTOP)
			time.Sleep(4 * time.Second)
			s.kill(t)
		}},
	} {
		var gaps []time.Duration
		rounds(t, 1, 15, func(t *testing.T, _ uint64) {
			for _, s := range nodes { // some queue is somebody's
				p.begin()
				way.fn(s)
				gaps = append(gaps, p.longest())
				if s.cmd.ProcessState != nil {
					s.start(t)
				}
				time.Sleep(settling)
			}
		})
		slices.Sort(gaps)
		t.Logf("%s: %v", way.name, gaps)
		if worst := gaps[len(gaps)-1]; worst > way.bound {
			t.Errorf("%s: a queue could not be sent to for %v", way.name, worst)
		}
	}
}
