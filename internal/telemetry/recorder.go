// Package telemetry keeps what obidos can tell about its own work: measurements added up minute by minute, spans of the
// calls it served, and who changed what.
//
// Recording is lock-free or nearly so, takes no memory beyond fixed bounds, and never waits for a disk: request paths only
// count. One writer ([Recorder.Run]) carries what was recorded to the store, outside every request's transaction and only
// while there is something to carry. CloudWatch, X-Ray, CloudTrail and the console only read: the store for what is past,
// the rings for the last moments.
//
// What is promised is bounded loss, not none: a crash loses at most the minute under way, a flood of calls overwrites the
// oldest spans, and both are counted.
package telemetry

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// Options of a Recorder. The zero Options keep everything in memory only.
type Options struct {
	Clock     *clock.Clock // the platform's; the machine's where nil. Durations are measured in real time
	Archive   *Archive     // where the writer writes; nothing is written where nil
	Log       *slog.Logger // what the writer could not do
	Spans     int          // how many spans are remembered in memory, rounded up to a power of two; 8,192 where 0
	Audit     int          // how many changes are remembered in memory; 1,024 where 0
	MaxSeries int          // how many series are kept apart; 20,000 where 0. Beyond, measurements are dropped and counted
}

// Recorder is where everything is recorded.
type Recorder struct {
	clock *clock.Clock
	log   *slog.Logger

	spans    ring
	follower atomic.Pointer[Follower]
	audit    auditRing
	writer   writer
	dated    dated

	dropped   atomic.Uint64 // measurements of series beyond the bound
	maxSeries int

	mu     sync.RWMutex
	series map[SeriesID]*Series
	calls  []*Calls // in the order they were made
}

// New is a recorder that has recorded nothing.
func New(o Options) *Recorder {
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Spans <= 0 {
		o.Spans = 8192
	}
	if o.Audit <= 0 {
		o.Audit = 1024
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = 20_000
	}
	r := &Recorder{
		clock:     o.Clock,
		log:       o.Log,
		maxSeries: o.MaxSeries,
		series:    map[SeriesID]*Series{},
	}
	r.spans.init(o.Spans)
	r.audit.size = o.Audit
	r.writer.archive = o.Archive
	return r
}
