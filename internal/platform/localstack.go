package platform

import (
	"net/http"

	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/localstack"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// LocalStack is what a platform does for those who come from LocalStack. The zero value answers its endpoints to callers on this
// machine, and runs no hooks.
type LocalStack struct {
	Hooks *localstack.Hooks // to be reported; whoever made them runs them
	Eager bool              // services count as running before their first request
	Open  bool              // the endpoints answer other machines too
}

// endpoints are those of our own, and those that LocalStack's users know.
func (p *Platform) endpoints() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_obidos/", gateway.NewAdmin(p))
	p.stateEndpoints(mux)
	p.identityEndpoints(mux)
	mux.HandleFunc("GET /_obidos/cluster", p.serveCluster)
	mux.Handle("/_localstack/", &localstack.Endpoints{
		Platform: asLocalStack{p}, Hooks: p.o.LocalStack.Hooks, Eager: p.o.LocalStack.Eager,
		Session: telemetry.NewRequestID(), Started: p.started,
	})
	return mux
}

// asLocalStack is a platform as package localstack asks for it.
type asLocalStack struct{ *Platform }

// Version implements localstack.Platform.
func (p asLocalStack) Version() string { return p.o.Version }

// Kept implements localstack.Platform.
func (p asLocalStack) Kept() bool { return p.o.Data != "" || p.o.Engine != nil }

// Services implements localstack.Platform.
func (p asLocalStack) Services() map[string]uint64 {
	requests := map[string]uint64{}
	for _, name := range servedNames() {
		requests[name] = 0
	}
	if l := p.life.Load(); l != nil {
		l.recorder.CountCalls(requests)
	}
	return requests
}
