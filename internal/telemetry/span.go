package telemetry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Span is one call of an operation, as a trace shows it.
type Span struct {
	Trace     TraceID
	ID        SpanID
	Parent    SpanID
	Sampled   bool
	Decided   bool // whoever called from outside decided about Sampled
	Inner     bool // called by a service of ours, not from outside
	Start     time.Time
	Took      time.Duration
	Service   string // "sqs"
	Operation string // "SendMessage"
	Scope     aws.Scope
	Principal string // ARN
	Request   string // request id
	Resource  string // ARN, where known
	Status    int
	Code      string // of the error, where it is one
}

// Active is the context of a call under way: it carries the call's place in its trace to whatever is called within.
type Active struct {
	context.Context
	Span Span

	place    Trace // as TraceOf answers it
	recorder *Recorder
}

// Value is the trace for whoever asks for it, and else what the surrounding context holds.
func (a *Active) Value(key any) any {
	if key == (traceKey{}) {
		return &a.place
	}
	return a.Context.Value(key)
}

// Begin begins the span of a call. The context it returns is the one to run the call with; End ends it.
func (c *Calls) Begin(ctx context.Context, q *aws.Request, start time.Time) *Active {
	op := c.Operation
	a := &Active{Context: ctx, recorder: c.recorder, place: TraceOf(ctx)}
	inner := a.place.inside
	if !a.place.Known() {
		a.place = NewTrace(start)
	}
	if !inner && !a.place.Decided {
		// Of traces nobody decided about, the first of every ten seconds and operation is kept.
		turn := start.Unix() / 10
		last := c.sampled.Load()
		a.place.Sampled = last != turn && c.sampled.CompareAndSwap(last, turn)
	}
	a.place.inside = true
	parent := a.place.Span
	a.place.Span = newSpanID()
	a.Span = Span{
		Trace: a.place.ID, ID: a.place.Span, Parent: parent, Sampled: a.place.Sampled, Decided: a.place.Decided, Inner: inner,
		Start: start, Service: op.Service.Name, Operation: op.Name,
		Scope: q.Scope, Principal: q.Principal.ARN, Request: q.ID,
	}
	return a
}

// End ends the span and counts the call.
func (c *Calls) End(a *Active, status int, code string, took time.Duration) {
	a.Span.Status, a.Span.Code, a.Span.Took = status, code, took
	if status >= 500 {
		a.Span.Sampled = true // what went wrong here is always worth keeping
	}
	at := c.in(a.Span.Scope)
	if at.scope == a.Span.Scope {
		a.Span.Scope = at.scope
	} else {
		a.Span.Scope = own(a.Span.Scope)
	}
	r := c.recorder
	r.spans.add(&a.Span)
	if f := r.follower.Load(); f != nil {
		f.tell()
	}
	if a.Span.Sampled {
		r.writer.keepSpan(r, &a.Span)
	}
	c.add(at, status, took)
}

// ring remembers the last spans. Each place has a lock of its own, held for one copy, so that writers meet only after a
// whole round.
type ring struct {
	mask  uint64
	next  atomic.Uint64 // how many spans were ever added
	parts []atomic.Pointer[ringPart]
}

const ringPartLength = 512 // memory is taken in parts, as spans come

type ringPart [ringPartLength]struct {
	mu   sync.Mutex
	n    uint64 // which span it is, counted from 1; 0 where there is none yet
	span Span
}

func (r *ring) init(n int) {
	size := uint64(ringPartLength)
	for size < uint64(n) {
		size *= 2
	}
	r.mask = size - 1
	r.parts = make([]atomic.Pointer[ringPart], size/ringPartLength)
}

func (r *ring) add(s *Span) {
	n := r.next.Add(1)
	at := (n - 1) & r.mask
	p := r.parts[at/ringPartLength].Load()
	if p == nil {
		r.parts[at/ringPartLength].CompareAndSwap(nil, &ringPart{})
		p = r.parts[at/ringPartLength].Load()
	}
	slot := &p[at%ringPartLength]
	slot.mu.Lock()
	if slot.n < n { // a writer that was held up for a whole round does not overwrite a newer span
		slot.n, slot.span = n, *s
	}
	slot.mu.Unlock()
}

// read calls fn with each span after number from that is still there, oldest first, and returns the number to go on from
// and how many were overwritten before they could be read.
func (r *ring) read(from uint64, fn func(*Span)) (next, lost uint64) {
	end := r.next.Load()
	if end-from > r.mask+1 {
		lost = end - from - (r.mask + 1)
		from = end - (r.mask + 1)
	}
	for n := from + 1; n <= end; n++ {
		at := (n - 1) & r.mask
		p := r.parts[at/ringPartLength].Load()
		if p == nil {
			return n - 1, lost // taken by a writer that has not come so far
		}
		slot := &p[at%ringPartLength]
		slot.mu.Lock()
		have, s := slot.n, slot.span
		slot.mu.Unlock()
		switch {
		case have == n:
			fn(&s)
		case have < n:
			return n - 1, lost
		default:
			lost++
		}
	}
	return end, lost
}

// Follower reads spans as they come: an exporter. While there is none, recording a span pays one load for it.
type Follower struct {
	// Wake is sent to when there is something to read.
	Wake chan struct{}

	recorder *Recorder
	read     uint64
}

// Follow begins following the spans recorded from now on. There is one follower at most: it takes the place of an earlier one.
func (r *Recorder) Follow() *Follower {
	f := &Follower{Wake: make(chan struct{}, 1), recorder: r, read: r.spans.next.Load()}
	r.follower.Store(f)
	return f
}

// Stop ends following.
func (f *Follower) Stop() { f.recorder.follower.CompareAndSwap(f, nil) }

func (f *Follower) tell() {
	if len(f.Wake) == 0 {
		select {
		case f.Wake <- struct{}{}:
		default:
		}
	}
}

// Read calls fn with each span recorded since the last Read, and answers how many were overwritten before they could be read.
func (f *Follower) Read(fn func(*Span)) (lost uint64) {
	f.read, lost = f.recorder.spans.read(f.read, fn)
	return lost
}

// Spans are the spans remembered in memory, oldest first.
func (r *Recorder) Spans() []Span {
	var out []Span
	r.spans.read(0, func(s *Span) { out = append(out, *s) })
	return out
}
