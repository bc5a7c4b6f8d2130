package platform_test

import (
	"context"
	"fmt"
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
					var first *node
					for i := range nodes {
						n := serve(t, open(t, platform.Options{
							Node: fmt.Sprint("n", i+1), Cluster: &platform.Cluster{Store: server.URL(), Name: cluster}, Version: "test",
							EnforceLimits: strings.HasSuffix(file, "limits.txt"),
						}))
						if first == nil {
							first = n
						}
						all = append(all, scenario.HTTP(w, service.Protocols[0], http.DefaultClient, n.url, aws.Scope{Account: "111111111111", Region: "us-east-1"}))
					}
					if nodes > 1 {
						settled(t, first, nodes)
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
