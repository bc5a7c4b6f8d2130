package logs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/service/logs/filter"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
	"github.com/obidos-cloud/obidos/internal/store"
)

// filtered is a group as its filters know it.
func (g *groupRecord) filtered() filter.Group { return filter.Group{Number: g.Number, Class: g.Class} }

// filteredGroups implements filter.Groups.
type filteredGroups struct{ *Service }

func (s filteredGroups) Filtered(tx *store.Tx, name string) (filter.Group, bool) {
	g, ok := s.tables.groups.Get(tx, name)
	return g.filtered(), ok
}

// Observe implements filter.Groups.
func (s filteredGroups) Observe(tx *store.Tx) { s.tables.Observe(tx) }

// Batch reads the events of a batch, which may be in a chunk with others by now.
func (s filteredGroups) Batch(tx *store.Tx, name string, of filter.Group, stream string, number, first, last uint64, shaped bool, fn func(e filter.Event) error) error {
	g := groupRecord{Number: of.Number, Class: of.Class}
	veil, err := s.VeilOf(tx, g.ruled())
	if err != nil {
		return err
	}
	var sh shape.Forms
	if shaped {
		if sh, err = s.formsOf(tx, name, &g); err != nil {
			return err
		}
	}
	for _, c := range s.tables.chunks.Scan(tx, store.ScanOptions{Before: []any{first + 1}, Reverse: true, Limit: 1}, of.Number, number) {
		var failed error
		err := s.packer.each(&c, func(e event) bool {
			if e.seq >= first && e.seq <= last {
				message, _ := sh.Apply(stream, e.message, e.ingested)
				failed = fn(filter.Event{ID: eventID(e.time, number, e.seq), Time: e.time, Message: veil.Mask(e.ingested, message)})
			}
			return failed == nil
		})
		if err != nil {
			return err
		}
		return failed
	}
	return nil
}

// looked has the filters of a group look at a batch: at what may be shown of it, and at what has become of that where they ask for it.
func (s *Service) looked(ctx context.Context, in *logsapi.PutLogEventsInput, w *filter.Watch, sh *shape.Forms, veil *rules.Veil, events, shown []logsapi.InputLogEvent, terms termFilter) filter.Seen {
	mayHave := func(text string) bool { return len(terms) == 0 || terms.mayHave([]string{text}) }
	var shaped func(i int) string
	if !sh.None() {
		now := s.space.Now().UnixMilli()
		shaped = func(i int) string {
			message, _ := sh.Apply(in.LogStreamName, events[i].Message, now)
			return veil.Mask(now, message)
		}
	}
	return s.Filters.Look(ctx, in.LogGroupName, w, shown, mayHave, shaped)
}

// destinationLabels are the tags of destinations.
func (s *Service) destinationLabels() *form.Labels {
	return &form.Labels{Get: s.DestinationTags, Set: s.SetDestinationTags, Policy: s.DestinationPolicy, Missing: filter.NoDestination}
}
