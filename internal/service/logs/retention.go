package logs

import (
	"context"
	"strconv"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/task"
)

// sweepTask has what has expired of a group be deleted, chunk by chunk. Readers do not show it from the moment it expires.
type sweepTask struct {
	Name   string `cbor:"1,keyasint"`
	Number uint64 `cbor:"2,keyasint"`
}

const sweepMany = 100 // chunks are deleted at once, at most

func dueKey(g *groupRecord) string { return strconv.FormatUint(g.Number, 10) }

// due is when a chunk whose last event is of that time expires.
func (g *groupRecord) due(latest int64) time.Time {
	return time.UnixMilli(latest + int64(g.Retention)*day + 1)
}

// expireLater sees to it that a timer is set for a group that something was written to, the last event of it at that time. One that
// is set already finds the next itself, when it fires.
func (s *Service) expireLater(tx *store.Tx, name string, g *groupRecord, latest int64) {
	if g.Retention == 0 {
		return
	}
	if _, set := s.dues.Due(tx, dueKey(g)); !set {
		s.dues.At(tx, g.due(latest), dueKey(g), sweepTask{name, g.Number})
	}
}

// retentionBecame has a group looked at whose retention is another now.
func (s *Service) retentionBecame(tx *store.Tx, name string, g *groupRecord) {
	s.dues.Cancel(tx, dueKey(g))
	if g.Retention != 0 {
		s.sweeps.Add(tx, sweepTask{name, g.Number}, task.Add{Target: dueKey(g), Key: "sweep"})
	}
}

// sweepDue adds the task at its time.
func (s *Service) sweepDue(ctx context.Context, t sweepTask) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		s.sweeps.Add(tx, t, task.Add{Target: strconv.FormatUint(t.Number, 10), Key: "sweep"})
		return struct{}{}, nil
	})
	return err
}

// sweep deletes what has expired, page by page, and sets the timer for what expires next.
func (s *Service) sweep(ctx context.Context, _ string, t sweepTask) error {
	for {
		more, err := store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (more bool, _ error) {
			g, ok := s.tables.groups.Get(tx, t.Name)
			if !ok || g.Number != t.Number || g.Retention == 0 {
				return false, nil
			}
			expiry, next, n := g.expiry(tx.Now()), int64(0), 0
			for k, h := range s.tables.heads.Scan(tx, store.ScanOptions{}, g.Number) {
				at, stream, seq := k.Int64(1), k.Uint64(2), k.Uint64(3)
				if h.latest >= expiry {
					if next == 0 || h.latest < next {
						next = h.latest
					}
					if at >= expiry {
						break
					}
					continue
				}
				if n == sweepMany {
					return true, nil
				}
				n++
				s.tables.dropChunk(tx, g.Number, stream, at, seq, h.terms, h.index)
				if r, ok := s.tables.streams.Get(tx, g.Number, h.stream); ok && r.number == stream {
					r.bytes -= h.bytes
					s.tables.streams.Set(tx, r, g.Number, h.stream)
					s.tables.grow(tx, g.Number, stream, -h.bytes)
				}
			}
			if next == 0 {
				s.dues.Cancel(tx, dueKey(&g))
			} else {
				s.dues.At(tx, g.due(next), dueKey(&g), t)
			}
			return false, nil
		})
		if err != nil || !more {
			return err
		}
	}
}

// clearTask has what a deleted stream left in the indexes be removed.
type clearTask struct {
	Group  uint64 `cbor:"1,keyasint"`
	Stream uint64 `cbor:"2,keyasint"`
}

const clearMany = 200

func (s *Service) clear(ctx context.Context, _ string, t clearTask) error {
	for {
		more, err := store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (bool, error) {
			n := 0
			for k := range s.tables.lanes.Scan(tx, store.ScanOptions{Limit: clearMany}, t.Group, t.Stream) {
				s.tables.dropChunk(tx, t.Group, t.Stream, k.Int64(2), k.Uint64(3), true, true)
				n++
			}
			return n == clearMany, nil
		})
		if err != nil || !more {
			return err
		}
	}
}
