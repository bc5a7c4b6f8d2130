package platform

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/service/logs/tail"
)

// tails is how a node's hub of Live Tail reaches the others; nil where there are none.
func (p *Platform) tails(l *life) tail.Others {
	switch {
	case p.o.Neighbours != nil:
		return tailsNear{p.o.Neighbours, p.o.Node}
	case p.network != nil:
		return tailsFar{p.network, l}
	}
	return nil
}

type tailsNear struct {
	*Neighbours
	node string
}

// Tell implements tail.Others.
func (n tailsNear) Tell(_ context.Context, node string, body []byte) {
	for id, l := range n.named(n.node) {
		if node == "" || node == id {
			_ = l.tails.Hear(body) // it is a hint
		}
	}
}

type tailsFar struct {
	*network
	life *life
}

// Tell implements tail.Others.
func (n tailsFar) Tell(ctx context.Context, node string, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if node == "" {
		n.toAll(ctx, n.life, "tails", body) //nolint:errcheck // it is a hint
		return
	}
	n.Ask(ctx, node, "tails", body) //nolint:errcheck // it is a hint
}
