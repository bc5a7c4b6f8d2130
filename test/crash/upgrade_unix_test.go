//go:build unix

package crash

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
)

// The nodes of a cluster are replaced, one at a time and under load, by those of a version that knows another format; one is put
// back half way. Nothing is lost. Once all are replaced the store rises to the new format: then the old version is refused, as is
// one too new at any time.
func TestUpgradeOneByOne(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute; go test without -short runs it")
	}
	t.Parallel()
	ctx := t.Context()
	const older, newer, tooNew = "1 1 v1", "2 1 v2", "3 3 v3"
	real := os.Getenv("OBIDOS_OLD_BIN") // two binaries, both of the formats they have
	database := pgtest.Start(t)
	be := func(s *server, formats string) {
		s.formats, s.binary = formats, ""
		if real != "" {
			if s.formats = ""; formats == older {
				s.binary = real
			}
		}
		s.start(t)
	}
	var nodes []*server
	var clients []*http.Client
	for i := range 3 {
		s := newServer(t, fmt.Sprintf("node-%d", i+1))
		s.store = database.URL()
		be(s, older)
		t.Cleanup(func() { s.kill(t) })
		nodes, clients = append(nodes, s), append(clients, s.client())
	}
	ready := func(i int) {
		t.Helper()
		d := &door{}
		d.lead(clusterURL, clients[i])
		nodes[i].ready(ctx, t, d)
	}
	c := newCallers(7, 0)
	c.lead(clusterURL, clients...)
	for i := range nodes {
		ready(i)
	}
	c.prepare(ctx, t)
	p := newProbes(ctx, t, c.door, 20*time.Millisecond)
	c.begin(ctx)
	replace := func(i int, formats string) {
		t.Helper()
		s := nodes[i]
		s.signal(t, syscall.SIGINT)
		<-s.ended
		if !s.cmd.ProcessState.Success() {
			t.Errorf("%s ended with %v:\n%s", s.data, s.cmd.ProcessState, s.out.last())
		}
		be(s, formats)
		ready(i)
		time.Sleep(2 * time.Second)
	}
	refused := func(formats, says string) {
		t.Helper()
		if real != "" {
			return
		}
		s := newServer(t, "node-4")
		s.store, s.formats = database.URL(), formats
		s.start(t)
		select {
		case <-s.ended:
			if text := s.out.last(); s.cmd.ProcessState.Success() || !strings.Contains(text, says) {
				t.Errorf("formats %q: it ended with %v and said:\n%s", formats, s.cmd.ProcessState, text)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("formats %q: it joined", formats)
			s.kill(t)
		}
	}
	replace(0, newer)
	refused(tooNew, "reads from 3 on")
	replace(1, newer)
	replace(1, older) // side by side, there is a way back
	replace(1, newer)
	replace(2, newer)
	if gap := p.longest(); gap > 10*time.Second {
		t.Errorf("a queue could not be sent to for %v", gap)
	} else {
		t.Logf("the longest a queue could not be sent to: %v", gap)
	}
	refused(older, "written in format 2")
	refused(tooNew, "reads from 3 on")
	c.end()
	p.end()
	for _, client := range clients {
		client.Timeout = time.Minute
	}
	c.verify(ctx, t, nodes[0].pass(ctx, t, c.door))
	if t.Failed() {
		for _, s := range nodes {
			t.Logf("%s said last:\n%s", s.data, s.out.last())
		}
	}
	t.Logf("%d messages", len(c.h.fates))
}
