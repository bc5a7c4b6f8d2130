package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// writer carries what was recorded to the archive. It wakes at the end of a minute in which something was recorded, and at
// once where much is waiting; else it sleeps.
type writer struct {
	archive *Archive // nil where nothing is written

	dirty atomic.Bool // something was recorded since it last looked

	flushing sync.Mutex // held while it writes
	pruned   uint32     // the day on which it last threw old records away; guarded by flushing

	mu      sync.Mutex // guards all below
	base    context.Context
	running bool
	timer   *clock.Timer
	minute  time.Time // the one under way
	spans   []Span    // to be written
	events  []Event
	lost    uint64 // spans and events there was no room for
}

// Bounds of what waits to be written, and how much of it makes the writer write at once.
const (
	maxWaiting  = 8192
	manyWaiting = 1024
)

// touch says that there is something to write. On the hot path it is one load.
func (w *writer) touch(r *Recorder) {
	if !w.dirty.Load() && w.dirty.CompareAndSwap(false, true) {
		w.mu.Lock()
		w.arm(r)
		w.mu.Unlock()
	}
}

// arm sets the timer for the end of the minute under way. w.mu is held.
func (w *writer) arm(r *Recorder) {
	if !w.running {
		return
	}
	w.minute = r.clock.Now().Truncate(time.Minute)
	w.at(r, w.minute.Add(time.Minute))
}

// at sets the timer. w.mu is held.
func (w *writer) at(r *Recorder, t time.Time) {
	if w.timer == nil {
		w.timer = r.clock.AfterFunc(t, func() { r.flush() })
	} else {
		w.timer.Reset(t)
	}
}

func (w *writer) keepSpan(r *Recorder, s *Span) {
	if w.archive == nil {
		return
	}
	w.mu.Lock()
	if len(w.spans) < maxWaiting {
		w.spans = append(w.spans, *s)
		last := &w.spans[len(w.spans)-1]
		last.Start = last.Start.Add(r.clock.Offset()) // it was timed by the machine's clock
	} else {
		w.lost++
	}
	w.hurry(r, len(w.spans))
	w.mu.Unlock()
	w.touch(r)
}

func (w *writer) keepEvent(r *Recorder, e Event) {
	if w.archive == nil {
		return
	}
	w.mu.Lock()
	if len(w.events) < maxWaiting {
		e.Time = e.Time.Add(r.clock.Offset())
		w.events = append(w.events, e)
	} else {
		w.lost++
	}
	w.hurry(r, len(w.events))
	w.mu.Unlock()
	w.touch(r)
}

// hurry writes at once where exactly so many wait that it is time. w.mu is held.
func (w *writer) hurry(r *Recorder, n int) {
	if n == manyWaiting && w.running {
		w.at(r, r.clock.Now())
	}
}

// Run writes what is recorded to the archive until ctx ends, and then what is left. Without an archive it only waits.
func (r *Recorder) Run(ctx context.Context) error {
	w := &r.writer
	if w.archive == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	w.mu.Lock()
	w.base, w.running = context.WithoutCancel(ctx), true
	if w.dirty.Load() {
		w.arm(r)
	}
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.running = false
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	r.flush()
	return ctx.Err()
}

// flushTime bounds how long one flush waits for the store.
const flushTime = 10 * time.Second

// A series that was silent for so many flushes is let go.
const longSilence = 60

// flush writes what was recorded since the last flush.
func (r *Recorder) flush() {
	w := &r.writer
	w.flushing.Lock()
	defer w.flushing.Unlock()
	w.dirty.Store(false) // before the harvest: whatever comes later wakes the writer anew

	w.mu.Lock()
	base, minute, spans, events, lost := w.base, w.minute, w.spans, w.events, w.lost
	w.spans, w.events, w.lost = nil, nil, 0
	w.mu.Unlock()
	if minute.IsZero() { // recorded before Run began
		minute = r.clock.Now().Truncate(time.Minute)
	}

	ctx, cancel := context.WithTimeout(base, flushTime)
	defer cancel()
	err := errors.Join(
		w.archive.addData(ctx, minute, r.harvest()),
		r.writeDated(ctx, w.archive),
		w.archive.addSpans(ctx, spans),
		w.archive.addEvents(ctx, events),
	)
	if today := day(r.clock.Now()); today != w.pruned {
		if e := w.archive.prune(ctx, today); e != nil {
			err = errors.Join(err, e)
		} else {
			w.pruned = today
		}
	}
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d spans and audit events came too fast to be kept", lost))
	}
	if err != nil {
		r.log.Warn("telemetry is incomplete", "minute", minute, "error", err)
	}
}

// measured is what one series measured in a minute.
type measured struct {
	id    SeriesID
	datum Datum
}

// harvest takes what all series measured since the last harvest, and lets go of those that fell silent.
func (r *Recorder) harvest() []measured {
	r.mu.RLock()
	series := make([]*Series, 0, len(r.series))
	for _, s := range r.series {
		series = append(series, s)
	}
	r.mu.RUnlock()
	var data []measured
	var silent []*Series
	for _, s := range series {
		if d, ok := s.harvest(); ok {
			data = append(data, measured{s.ID, d})
			s.silent = 0
		} else if s.silent++; s.silent >= longSilence {
			silent = append(silent, s)
		}
	}
	if len(silent) > 0 {
		r.mu.Lock()
		for _, s := range silent {
			s.silent = 0
			s.detached.Store(true)
			delete(r.series, s.ID)
		}
		r.mu.Unlock()
	}
	return data
}
