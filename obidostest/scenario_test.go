package obidostest_test

import (
	"context"
	"path/filepath"
	"strings"
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

// The scenarios of every service, over every protocol it speaks and on every kind of platform there is.
func TestScenarios(t *testing.T) {
	where := map[string]func(testing.TB, ...obidostest.Option) []*obidostest.Platform{
		"memory": func(t testing.TB, o ...obidostest.Option) []*obidostest.Platform {
			return []*obidostest.Platform{obidostest.Start(t, o...)}
		},
		"hostile": func(t testing.TB, o ...obidostest.Option) []*obidostest.Platform {
			e := memory.New(memory.Options{Hostile: memory.Hostile{Seed: 1, Unknown: 0.05, Owners: true}})
			t.Cleanup(func() { e.Close() })
			return []*obidostest.Platform{obidostest.Start(t, append(o, obidostest.On(e))...)}
		},
		"pebble": func(t testing.TB, o ...obidostest.Option) []*obidostest.Platform {
			e, err := pebble.Open("data", pebble.Options{FS: vfs.NewMem()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
			return []*obidostest.Platform{obidostest.Start(t, append(o, obidostest.On(e))...)}
		},
		"two nodes": func(t testing.TB, o ...obidostest.Option) []*obidostest.Platform {
			return obidostest.Cluster(t, 2, o...).Nodes
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
							nodes := start(t, options...)
							var all []model.Invoker
							for _, n := range nodes {
								all = append(all, scenario.HTTP(w, protocol, n.Client, obidostest.URL, aws.Scope{Account: "111111111111", Region: "us-east-1"}))
							}
							target := scenario.Direct(service, scenario.Alternating(all...), func(_ context.Context, d time.Duration) error {
								nodes[0].Advance(t, d)
								return nil
							}, synctest.Wait)
							scenario.Play(t.Context(), t, file, target, variant)
						})
					})
				}
			}
		}
	}
}
