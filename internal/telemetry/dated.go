package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"
)

// dated is what was measured at times that are told with it, which may be long gone or still to come: in events of logs, say.
type dated struct {
	mu   sync.Mutex
	data map[minuteOf]*Datum
}

// minuteOf is a minute of a series.
type minuteOf struct {
	id     SeriesID
	minute int64 // since 1970
}

// AddAt adds a measurement that was made n times, at a time that whoever tells it says. Where it is too old to be kept, or there
// are too many others that are not written yet, it is dropped; the latter is counted.
func (r *Recorder) AddAt(id SeriesID, at time.Time, v float64, n uint64) {
	w := &r.writer
	if w.archive == nil || n == 0 || at.Before(r.clock.Now().AddDate(0, 0, -dataDays+1)) {
		return
	}
	k := minuteOf{id, at.Unix() / 60}
	d := Datum{Count: n, Sum: v * float64(n), Min: v, Max: v}
	if v > 0 {
		d.Buckets = map[uint16]uint64{uint16(bucketOf(v)): n}
	}
	r.dated.mu.Lock()
	known, waiting := r.dated.data[k], len(r.dated.data)
	switch {
	case known != nil:
		known.Merge(d)
	case waiting >= r.maxSeries:
		r.dropped.Add(n)
	default:
		if r.dated.data == nil {
			r.dated.data = map[minuteOf]*Datum{}
		}
		r.dated.data[k] = &d
		waiting++
	}
	r.dated.mu.Unlock()
	w.touch(r)
	if known == nil {
		w.mu.Lock()
		w.hurry(r, waiting)
		w.mu.Unlock()
	}
}

// writeDated writes what AddAt was told since the last time.
func (r *Recorder) writeDated(ctx context.Context, a *Archive) error {
	r.dated.mu.Lock()
	data := r.dated.data
	r.dated.data = nil
	r.dated.mu.Unlock()
	byMinute := map[int64][]measured{}
	for k, d := range data {
		byMinute[k.minute] = append(byMinute[k.minute], measured{k.id, *d})
	}
	var errs []error
	for minute, rows := range byMinute {
		errs = append(errs, a.addData(ctx, time.Unix(minute*60, 0).UTC(), rows))
	}
	return errors.Join(errs...)
}
