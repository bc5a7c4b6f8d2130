package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/obidos-cloud/obidos/internal/call"
)

// The nodes of a cluster have one time: the machines', moved forward by one offset, which the store keeps. One node at a time
// leads: it moves all to where the earliest timer of any of them is due, waits until none has work left, and goes on.

// clockMove is what nodes ask each other about their clocks.
type clockMove struct {
	By int64 `json:"by,omitempty"` // "clock/advance": nanoseconds
	To int64 `json:"to,omitempty"` // "clock/to": the offset
}

// clockRest is what a node answers once it has come to rest.
type clockRest struct {
	Begun int64 `json:"begun"` // how much work it has ever begun
	Due   int64 `json:"due"`   // its earliest timer, in Unix nanoseconds
}

// moved does to this node's clock what the leader asks for.
func (n *network) moved(ctx context.Context, l *life, subject string, in clockMove) (out clockRest, err error) {
	switch subject {
	case "clock/advance":
		return out, n.lead(ctx, l, time.Duration(in.By))
	case "clock/to":
		return out, n.moveTo(ctx, l, time.Duration(in.To))
	}
	if out.Begun, err = l.clock.Rest(ctx); err != nil {
		return out, err
	}
	out.Due = math.MaxInt64
	if at, ok := l.clock.Due(); ok {
		out.Due = at.UnixNano()
	}
	return out, nil
}

// moveTo moves this node's clock to an offset, where it is not there yet.
func (n *network) moveTo(ctx context.Context, l *life, to time.Duration) error {
	select {
	case n.moving <- struct{}{}:
		defer func() { <-n.moving }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.advance(ctx, max(to-l.clock.Offset(), 0))
}

// advance moves all nodes' clocks by d. The node that owns the first partition leads.
func (n *network) advance(ctx context.Context, l *life, d time.Duration) error {
	leader := l.node.Holder(0)
	if leader == "" || leader == n.p.o.Node {
		return n.lead(ctx, l, d)
	}
	body, err := json.Marshal(clockMove{By: int64(d)})
	if err != nil {
		return err
	}
	if _, err = n.Ask(ctx, leader, "clock/advance", body); errors.Is(err, call.ErrUnreachable) {
		return n.lead(ctx, l, d)
	}
	return err
}

func (n *network) lead(ctx context.Context, l *life, d time.Duration) error {
	select {
	case n.advancing <- struct{}{}:
		defer func() { <-n.advancing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	space := n.p.over(n.p.current()).Space("platform")
	kept, err := readOffset(ctx, space)
	if err != nil {
		return err
	}
	at := max(kept, l.clock.Offset())
	end := at + d
	for step := 1; ; step++ {
		due, err := n.settle(ctx, l)
		if err != nil {
			return err
		}
		now := time.Now().UnixNano() + int64(at)
		if at >= end && due > now {
			return nil
		}
		if due < now+int64(end-at) {
			at = max(at, time.Duration(due-time.Now().UnixNano()))
			if step > manySteps {
				at += d / manySteps
			}
			at = min(at, end)
		} else {
			at = end
		}
		if err := saveOffset(ctx, space, at); err != nil {
			return fmt.Errorf("save the clock: %w", err)
		}
		body, err := json.Marshal(clockMove{To: int64(at)})
		if err != nil {
			return err
		}
		if _, err := n.toAll(ctx, l, "clock/to", body); err != nil {
			return err
		}
		if err := n.moveTo(ctx, l, at); err != nil {
			return err
		}
	}
}

// manySteps is after how many the clock goes on in strides, of which there are as many: each node still takes its own timers one
// after the other, but those of different nodes within a stride come in no order. A step costs each node some questions, and the
// store a commit; a day in which thousands of messages fall due is not to take minutes.
const manySteps = 64

// manyRounds is after how many the clock goes on although the nodes still give each other work: clients call all the time.
const manyRounds = 5

// settle waits until no node has work, nor has handed any on, and says when the earliest timer of all is due.
func (n *network) settle(ctx context.Context, l *life) (due int64, err error) {
	for round, before := 0, int64(-1); ; round++ {
		here, err := n.moved(ctx, l, "clock/rest", clockMove{})
		if err != nil {
			return 0, err
		}
		answers, err := n.toAll(ctx, l, "clock/rest", []byte("{}"))
		if err != nil {
			return 0, err
		}
		begun := here.Begun
		due = here.Due
		for id, a := range answers {
			var there clockRest
			if err := json.Unmarshal(a, &there); err != nil {
				return 0, fmt.Errorf("node %s: %w", id, err)
			}
			begun += there.Begun
			due = min(due, there.Due)
		}
		if begun == before || round >= manyRounds {
			return due, nil
		}
		before = begun
	}
}

// catchUp moves this node's clock to where the others' have come, as the store has it.
func (n *network) catchUp(ctx context.Context, l *life) {
	kept, err := readOffset(ctx, n.p.over(n.p.current()).Space("platform"))
	if err == nil && kept > l.clock.Offset() {
		err = n.moveTo(ctx, l, kept)
	}
	if err != nil && ctx.Err() == nil {
		n.p.log.Warn("this node's clock may be behind those of the others", "reason", err)
	}
}
