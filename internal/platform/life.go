package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/cloudcontrolapi"
	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/api/resourcegroupstaggingapi"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/delivery"
	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/cloudcontrol"
	"github.com/obidos-cloud/obidos/internal/service/iam"
	"github.com/obidos-cloud/obidos/internal/service/logs"
	"github.com/obidos-cloud/obidos/internal/service/logs/tail"
	"github.com/obidos-cloud/obidos/internal/service/sqs"
	"github.com/obidos-cloud/obidos/internal/service/tagging"
	"github.com/obidos-cloud/obidos/internal/shelf"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
	"github.com/obidos-cloud/obidos/internal/telemetry"
	"github.com/obidos-cloud/obidos/internal/timer"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// life is the services over an engine, from one start or reset to the next.
type life struct {
	clock    *clock.Clock
	shared   bool // with other nodes: the clock
	node     *owner.Node
	tasks    *task.Runner
	timers   *timer.Timers
	shelf    *shelf.Shelf
	door     *call.Door
	users    *iam.Service
	log      *slog.Logger
	usage    *auth.Usage
	recorder *telemetry.Recorder
	server   *gateway.Server
	runs     []run // what works in the background, in the order it is stopped
	tails    *tail.Hub
	learned  bool // what other nodes know besides the store; only network.run touches it

	ended    chan struct{} // closed when it is to end
	requests *requests
}

type run struct {
	name string
	fn   func(ctx context.Context) error
}

// grace is how long work in the background may take to finish when a life ends. It is safe to cut off: it is done again.
const grace = 3 * time.Second

// begin builds everything. This is the list of all there is: an engine-room part or a service is added here.
func (p *Platform) begin(ctx context.Context) (*life, error) {
	n := p.o.Neighbours
	l := &life{clock: clock.New(), log: p.log, ended: make(chan struct{}), requests: newRequests()}
	if n != nil {
		l.clock, l.shared = n.now(), true
	}
	others := p.network
	st := &store.Store{Engine: p.engine, Clock: l.clock, Overrun: p.o.Overrun}
	switch {
	case others != nil:
		kept, err := readOffset(ctx, st.Space("platform"))
		if err != nil {
			return nil, err
		}
		l.clock.Keep(kept, func(context.Context, time.Duration) error { return nil }) // whoever leads the clocks has saved it
	case !l.shared:
		if err := keepClock(ctx, l.clock, st.Space("platform")); err != nil {
			return nil, err
		}
	}

	// The engine room.
	node := owner.Options{ID: p.o.Node, Alone: n == nil && others == nil, Version: p.o.Version, Formats: p.o.Cluster.formats(), Log: p.log}
	tasks, timers := task.RunnerOptions{Grace: grace, Log: p.log}, timer.Options{Grace: grace, Log: p.log}
	if n != nil {
		node.Bell = &n.bell
	}
	if others != nil {
		node.Address, node.Lease, node.Tell = others.address, lease, others.look
		node.Gone = others.Gone
		node.TellHeirs = func(ctx context.Context, heirs owner.Heirs) { others.tellHeirs(ctx, l, heirs) }
	}
	l.node = owner.New(st.Space("owner"), l.clock, node)
	var hints *hints
	switch {
	case n != nil:
		hints = newHints(l.clock, n.tell(p.o.Node))
	case others != nil:
		hints = newHints(l.clock, func(ctx context.Context, list []hint) { others.hint(ctx, l, list) })
	}
	if hints != nil {
		tasks.Places, timers.Places = places{l.node, hints, false}, places{l.node, hints, true}
	}
	l.tasks = task.NewRunner(st.Space("task"), l.clock, tasks)
	l.timers = timer.New(st.Space("timer"), l.clock, timers)
	l.shelf = shelf.New(st.Space(shelf.SpaceName), p.blobs, shelf.Options{Oldest: p.oldest, Alone: !l.shared && others == nil, Grace: p.grace(), Log: p.log})
	ledger := task.NewLedger(st.Space("task"))
	l.recorder = telemetry.New(telemetry.Options{Clock: l.clock, Archive: telemetry.NewArchive(st.Space("telemetry")), Log: p.log})
	l.door = call.New(call.Options{Mode: p.o.Identity.Mode, Limits: p.o.EnforceLimits, Telemetry: l.recorder, Log: p.log})
	if n != nil {
		l.door.Connect(n)
	}
	if others != nil {
		l.door.Connect(others)
	}

	// The services.
	changes := resource.NewFeed(l.tasks)
	queues := sqs.New(st.Space("sqs"), l.node, l.tasks, l.timers, ledger, sqs.Options{EnforceLimits: p.o.EnforceLimits, URLs: sqs.URLShape(p.o.QueueURLs), Self: l.door, Changes: changes})
	deliveries := delivery.New(l.tasks, l.clock, l.door, delivery.Options{Log: p.log})
	streams := logs.New(st.Space("logs"), l.tasks, l.timers, logs.Options{Changes: changes, Telemetry: l.recorder, Deliveries: deliveries, Clock: l.clock, Node: p.o.Node, Others: p.tails(l)})
	l.door.Register(sqsapi.API(), queues)
	l.door.Register(logsapi.API(), streams)
	l.tails = streams.Tails()

	l.users, l.usage = iam.New(st.Space("iam"), iam.Options{Changes: changes, Alone: !l.shared && others == nil}), auth.NewUsage(l.used)
	sessions := auth.NewSessions(st.Space("auth"))
	l.door.Register(iamapi.API(), l.users)
	guard := auth.NewGuard(auth.GuardOptions{Directory: l.users.Directory(), Clock: l.clock, Guardrails: p.o.Identity.guardrails(), Usage: l.usage, Seal: sessions.Seal})
	l.door.Guard(guard)
	l.door.Register(stsapi.API(), newTokens(p.o.Identity, guard, l.users, sessions, l.clock))
	deliveries.Act(assume(l.door, sessions))
	streams.Act(actingAs(l.door, sessions, "logs.amazonaws.com"))
	if err := p.giveRoot(ctx, l.users); err != nil {
		return nil, fmt.Errorf("give root its access key: %w", err)
	}

	// What they offer as resources, and the services that work on all of those.
	types := resource.NewRegistry(slices.Concat(queues.Types(sqsapi.Client{Invoker: l.door}), l.users.Types(iamapi.Client{Invoker: l.door}),
		streams.Types(logsapi.Client{Invoker: l.door}))...)
	l.door.Register(cloudcontrolapi.API(), cloudcontrol.New(st.Space("cloudcontrol"), l.tasks, l.timers, types))
	l.door.Register(resourcegroupstaggingapi.API(), tagging.New(types, l.clock))

	// The way in.
	l.server = &gateway.Server{
		Wire: wire.New(api.All()...), Door: l,
		Auth:   auth.New(auth.Options{Mode: p.o.Identity.Mode, Region: p.o.Identity.Region, Clock: l.clock, Directory: l.users.Directory(), Sessions: sessions}),
		Access: p.o.Access, PublicURL: p.o.PublicURL, Admin: p.admin, Log: p.log, OpenLocalStack: p.o.LocalStack.Open,
	}

	if p.o.Identity.Mode == auth.IAM {
		l.server.Permit = guard.Permit
	}

	l.runs = []run{
		{"logs", streams.Run}, // its end is that of Live Tail
		{"timer", l.timers.Run},
		{"task", l.tasks.Run},
		{"owner", l.node.Run}, // its end is that of long polls
		{"shelf", l.shelf.Run},
		{"telemetry", l.recorder.Run},
	}
	if hints != nil {
		l.runs = append(l.runs, run{"hints", hints.run})
	}
	if others != nil {
		others.open(l, l.server.Wire)
	}
	if e := p.o.Exporter; e != nil {
		follower := l.recorder.Follow()
		l.runs = append(l.runs, run{"telemetry/otlp", func(ctx context.Context) error { return e.Run(ctx, follower, p.log) }})
	}
	return l, nil
}

var errOver = &aws.ErrorShape{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Receiver: true}

// Invoke implements model.Invoker for requests from outside: what comes after a life waits for those that are under way.
func (l *life) Invoke(ctx context.Context, op *model.Operation, in any) (any, error) {
	if !l.requests.enter() {
		return nil, errOver.New("obidos is stopping or being reset.")
	}
	defer l.requests.leave()
	return l.door.Invoke(ctx, op, in)
}

// advance moves the clock, until the life ends.
func (l *life) advance(ctx context.Context, d time.Duration) error {
	if !l.requests.enter() {
		return errNotRunning
	}
	defer l.requests.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-l.ended:
			cancel(errNotRunning)
		case <-ctx.Done():
		}
	}()
	err := l.clock.Advance(ctx, d)
	if err != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	cancel(nil)
	<-watched
	return err
}

// run works until ctx ends, then stops the parts one after the other, so that each finds below it what it needs to finish.
func (l *life) run(ctx context.Context) error {
	var all sync.WaitGroup
	ends := make([]context.CancelFunc, len(l.runs))
	ended := make([]chan struct{}, len(l.runs))
	errs := make([]error, len(l.runs))
	failed := make(chan struct{}, len(l.runs))
	for i, r := range l.runs {
		living, end := context.WithCancel(context.WithoutCancel(ctx))
		ends[i], ended[i] = end, make(chan struct{})
		all.Go(func() {
			defer close(ended[i])
			if err := r.fn(living); err != nil && !errors.Is(err, context.Canceled) {
				errs[i] = fmt.Errorf("%s: %w", r.name, err)
				failed <- struct{}{}
			}
		})
	}
	select {
	case <-ctx.Done():
	case <-failed:
	}
	close(l.ended)
	for i := range l.runs {
		ends[i]()
		<-ended[i]
	}
	all.Wait()
	if !l.shared {
		l.clock.Close()
	}
	return errors.Join(errs...)
}

// offset is how far the clock was moved forward.
type offset struct {
	store.Unknown
	Nanoseconds int64 `cbor:"1,keyasint"`
}

// readOffset is how far the store has the clock moved forward.
func readOffset(ctx context.Context, space store.Space) (time.Duration, error) {
	table := store.NewTable[offset](space, 1, "clock", store.Global)
	kept, err := store.View(ctx, space, func(tx *store.Tx) (offset, error) {
		o, _ := table.Get(tx)
		return o, nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the clock's offset: %w", err)
	}
	return time.Duration(kept.Nanoseconds), nil
}

func saveOffset(ctx context.Context, space store.Space, d time.Duration) error {
	table := store.NewTable[offset](space, 1, "clock", store.Global)
	_, err := store.Update(ctx, space, func(tx *store.Tx) (struct{}, error) {
		table.Set(tx, offset{Nanoseconds: int64(d)})
		return struct{}{}, nil
	})
	return err
}

// keepClock has the clock's offset kept in the store.
func keepClock(ctx context.Context, c *clock.Clock, space store.Space) error {
	kept, err := readOffset(ctx, space)
	if err != nil {
		return err
	}
	c.Keep(kept, func(ctx context.Context, d time.Duration) error { return saveOffset(ctx, space, d) })
	return nil
}
