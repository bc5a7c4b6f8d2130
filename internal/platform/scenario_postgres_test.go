package platform_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// The scenarios of every service on PostgreSQL, by one node and by two that are asked in turn over the network.
func TestScenariosOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server, w := pgtest.Start(t), wire.New(api.All()...)
	played := 0
	for _, service := range api.All() {
		files, err := filepath.Glob("../service/" + service.Name + "/testdata/*.txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for nodes := 1; nodes <= 2; nodes++ {
				played++
				cluster := fmt.Sprint("scenario-", played)
				t.Run(fmt.Sprintf("%s/%s/%d", service.Name, strings.TrimSuffix(filepath.Base(file), ".txt"), nodes), func(t *testing.T) {
					var all []model.Invoker
					var first *platform.Platform
					for i := range nodes {
						p, url := startOver(t, server.URL(), cluster, fmt.Sprint("n", i+1), strings.HasSuffix(file, "limits.txt"))
						if first == nil {
							first = p
						}
						all = append(all, scenario.HTTP(w, service.Protocols[0], http.DefaultClient, url, aws.Scope{Account: "111111111111", Region: "us-east-1"}))
					}
					if nodes > 1 {
						settled(t, &node{Platform: first}, nodes)
					}
					settle := func() { // a call under way is seen nowhere: it must have come
						time.Sleep(200 * time.Millisecond)
						if err := first.Advance(t.Context(), 0); err != nil {
							t.Error(err)
						}
					}
					scenario.Play(t.Context(), t, file, scenario.Direct(service, &inTurn{of: all}, first.Advance, settle), "")
				})
			}
		}
	}
	if played == 0 {
		t.Error("there are no scenarios")
	}
}

// inTurn asks one after the other.
type inTurn struct {
	of   []model.Invoker
	next atomic.Uint64
}

func (x *inTurn) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	return x.of[x.next.Add(1)%uint64(len(x.of))].Invoke(ctx, op, in)
}

// startOver runs a node of a cluster over a database until the test ends.
func startOver(t *testing.T, database, cluster, name string, limits bool) (p *platform.Platform, url string) {
	t.Helper()
	p, err := platform.Open(platform.Options{
		Node: name, Cluster: &platform.Cluster{Store: database, Name: cluster}, EnforceLimits: limits, Version: "test", PublicURL: "http://obidos.test",
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, p.Close()); err != nil {
			t.Errorf("%s ended: %v", name, err)
		}
	})
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, "http://" + l.Addr().String()
}
