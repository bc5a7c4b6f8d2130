package logs

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/service/logs/fieldindex"
	"github.com/obidos-cloud/obidos/internal/store"
)

const (
	largeChunk = 64 << 10  // bytes from which on a chunk stays as it is
	wholeChunk = 768 << 10 // bytes a chunk is merged up to; with what is said of each event it fits into a value
	mergeAt    = 64        // small chunks of a stream have it merged
	mergeMany  = 200       // chunks are merged at once, at most: a transaction deletes them
)

// mergeTask has the small chunks of a stream be merged into larger ones, so that a page is few reads.
type mergeTask struct {
	Group  uint64 `cbor:"1,keyasint"`
	Name   string `cbor:"2,keyasint"`
	Stream uint64 `cbor:"3,keyasint"`
}

func streamKey(group, stream uint64) string {
	return strconv.FormatUint(group, 10) + "/" + strconv.FormatUint(stream, 10)
}

// run is chunks of a stream that follow each other.
type run struct {
	behind uint64 // the stream's mark when it was read
	passed uint64 // the mark before the run: what is up to it is large already
	events []event
	old    []place  // of the chunks that become one; fewer than two where there is nothing to merge
	last   uint64   // the last chunk of the run
	fields []string // that one of them has an index of
	bytes  int64
	more   bool // it ends for another reason than that there are no more
}

type place struct {
	time  int64
	seq   uint64
	terms bool // it has a filter of terms
	index bool // it has an index of fields
}

// merge carries a task out, run by run.
func (s *Service) merge(ctx context.Context, _ string, t mergeTask) error {
	for {
		r, err := s.runOf(ctx, t)
		if err != nil {
			return err
		}
		if err := s.replace(ctx, t, r); err != nil || !r.more {
			return err
		}
	}
}

// runOf reads the next run of a stream.
func (s *Service) runOf(ctx context.Context, t mergeTask) (run, error) {
	return store.View(ctx, s.space, func(tx *store.Tx) (out run, _ error) {
		r, ok := s.tables.streams.Get(tx, t.Group, t.Name)
		if !ok || r.number != t.Stream {
			return out, nil
		}
		out.behind, out.passed = r.merged, r.merged
		from, to, read := int64(0), int64(0), 0
		for k, c := range s.tables.chunks.Scan(tx, store.ScanOptions{From: []any{r.merged + 1}}, t.Group, t.Stream) {
			seq, bytes := k.Uint64(2), int64(c.raw-c.columns)+int64(c.count)*perEvent
			large := bytes >= largeChunk
			if read++; large && len(out.old) == 0 && read < mergeMany {
				out.passed = seq
				continue
			}
			if large || len(out.old) == mergeMany || out.bytes+bytes > wholeChunk {
				out.more = true
				break
			}
			n, latest := len(out.events), c.time
			if err := s.packer.each(&c, func(e event) bool {
				latest = e.time
				e.message = strings.Clone(e.message)
				out.events = append(out.events, e)
				return true
			}); err != nil {
				return out, err
			}
			// No chunk reaches over more than a day: readers rely on it.
			if n > 0 && max(to, latest)-min(from, c.time) > day {
				out.events, out.more = out.events[:n], true
				break
			}
			if n == 0 {
				from, to = c.time, latest
			}
			from, to = min(from, c.time), max(to, latest)
			index, has := s.tables.indexes.Get(tx, t.Group, t.Stream, seq)
			if has {
				out.fields = append(out.fields, index.Fields()...)
			}
			out.old = append(out.old, place{c.time, seq, c.raw >= indexed, has})
			out.last = seq
			out.bytes += bytes
		}
		return out, nil
	})
}

// replace makes one chunk of a run, where nobody else has done so, and nothing of it has expired, meanwhile.
func (s *Service) replace(ctx context.Context, t mergeTask, r run) error {
	var c chunkRecord
	var terms termFilter
	var index *fieldindex.Index
	h := headRecord{stream: t.Name, bytes: r.bytes}
	merged := len(r.old) > 1
	if merged {
		slices.SortFunc(r.events, event.compare)
		c, terms = s.packer.pack(len(r.events), true, func(i int) event { return r.events[i] })
		h.latest = r.events[len(r.events)-1].time
		if slices.Sort(r.fields); len(r.fields) > 0 {
			index = fieldindex.New(slices.Compact(r.fields), len(r.events), func(i int) string { return r.events[i].message })
		}
	}
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		is, ok := s.tables.streams.Get(tx, t.Group, t.Name)
		if !ok || is.number != t.Stream || is.merged != r.behind {
			return struct{}{}, nil
		}
		for _, p := range r.old {
			if !s.tables.lanes.Has(tx, t.Group, t.Stream, p.time, p.seq) {
				return struct{}{}, nil // it is gone: the next task sees what is there then
			}
		}
		if merged {
			for _, p := range r.old {
				s.tables.dropChunk(tx, t.Group, t.Stream, p.time, p.seq, p.terms, p.index)
			}
			s.tables.putChunk(tx, t.Group, t.Stream, r.old[0].seq, c, h, terms, index)
			is.span = max(is.span, h.latest-c.time)
		}
		is.merged = r.passed
		if r.more || r.bytes >= largeChunk {
			is.merged = max(r.passed, r.last)
			is.small -= min(is.small, uint64(len(r.old)))
		} else if merged {
			is.small -= min(is.small, uint64(len(r.old)-1)) // what it became is merged again with what follows
		}
		s.tables.streams.Set(tx, is, t.Group, t.Name)
		return struct{}{}, nil
	})
	return err
}
