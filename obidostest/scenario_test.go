package obidostest_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/scenario"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/wire"
	"github.com/obidos-cloud/obidos/obidostest"
)

// on is a kind of platform: its nodes, and what is done to them between two calls.
type on struct {
	nodes   func() []*obidostest.Platform
	between func()
	settle  func() // returns when everything has come to rest
}

func just(p *obidostest.Platform) on {
	return on{func() []*obidostest.Platform { return []*obidostest.Platform{p} }, func() {}, synctest.Wait}
}

// The scenarios of every service, over every protocol it speaks and on every kind of platform there is.
func TestScenarios(t *testing.T) {
	where := map[string]func(testing.TB, ...obidostest.Option) on{
		"memory": func(t testing.TB, o ...obidostest.Option) on { return just(obidostest.Start(t, o...)) },
		"hostile": func(t testing.TB, o ...obidostest.Option) on {
			e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1, Unknown: 0.05, Owners: true}})
			t.Cleanup(func() { e.Close() })
			return just(obidostest.Start(t, append(o, obidostest.On(e))...))
		},
		"pebble": func(t testing.TB, o ...obidostest.Option) on {
			e, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
			return just(obidostest.Start(t, append(o, obidostest.On(e))...))
		},
		"two nodes": func(t testing.TB, o ...obidostest.Option) on {
			c := obidostest.Cluster(t, 2, o...)
			return on{func() []*obidostest.Platform { return c.Nodes }, func() {}, synctest.Wait}
		},
		// Every few calls a node ends, and begins again: so everything changes hands, and nothing that counts is in memory only.
		"coming and going": func(t testing.TB, o ...obidostest.Option) on {
			c := obidostest.Cluster(t, 2, o...)
			calls := 0
			return on{func() []*obidostest.Platform { return c.Nodes }, func() {
				if calls++; calls%4 != 0 {
					return
				}
				i := calls / 4 % 2
				if err := c.Nodes[i].Stop(); err != nil {
					t.Error(err)
				}
				c.Restart(t, i)
				time.Sleep(time.Millisecond) // which passes when it has what is to be its own
			}, func() {
				time.Sleep(10 * time.Millisecond) // a call may wait for a node
				synctest.Wait()
			}}
		},
	}
	variants := map[model.Protocol]string{
		model.JSON10: "json", model.JSON11: "json", model.Query: "query", model.EC2: "query",
		model.CBOR: "cbor", model.CBOR11: "cbor", model.RestJSON: "rest", model.RestXML: "rest",
	}
	w := wire.New(api.All()...)
	for _, service := range api.All() {
		files, err := filepath.Glob("../internal/service/" + service.Name + "/testdata/*.txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := service.Name + "/" + strings.TrimSuffix(filepath.Base(file), ".txt")
			for kind, start := range where {
				if scenario.Updating() && kind != "memory" {
					continue // one at a time, and in the order of the protocols
				}
				for i, protocol := range service.Protocols {
					variant := variants[protocol]
					if i == 0 {
						variant = "" // answers are written in the first's words
					}
					t.Run(name+"/"+kind+"/"+variants[protocol], func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							var options []obidostest.Option
							if strings.HasSuffix(name, "/limits") {
								options = append(options, obidostest.EnforceLimits())
							}
							p := &played{on: start(t, options...), through: func(n *obidostest.Platform) model.Invoker {
								return scenario.HTTP(w, protocol, n.Client, obidostest.URL, aws.Scope{Account: "111111111111", Region: "us-east-1"})
							}}
							target := scenario.Direct(service, p, func(_ context.Context, d time.Duration) error {
								p.nodes()[0].Advance(t, d)
								return nil
							}, p.settle)
							scenario.Play(t.Context(), t, file, target, variant)
						})
					})
				}
			}
		}
	}
}

// played invokes operations through one node after the other.
type played struct {
	on
	through func(*obidostest.Platform) model.Invoker

	mu      sync.Mutex
	turn    int
	waiting int // calls under way: while there are any, nodes are left alone
}

func (p *played) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	p.mu.Lock()
	if p.waiting == 0 {
		p.between()
	}
	nodes := p.nodes()
	at := p.through(nodes[p.turn%len(nodes)])
	p.turn++
	p.waiting++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiting--
		p.mu.Unlock()
	}()
	return at.Invoke(ctx, op, in)
}
