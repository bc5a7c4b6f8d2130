package logs

import (
	"cmp"
	"context"
	"iter"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/store"
)

// cut is a place between two events of a group: the event with these is the first behind it.
type cut struct {
	time     int64
	ingested int64
	stream   uint64
	seq      uint64
}

func (c cut) compare(o cut) int {
	return cmp.Or(cmp.Compare(c.time, o.time), cmp.Compare(c.ingested, o.ingested), cmp.Compare(c.stream, o.stream), cmp.Compare(c.seq, o.seq))
}

// found is an event and the stream it is in.
type found struct {
	event
	stream uint64
	name   string // of the stream
}

// at is the place before an event, in what the query reads. In one stream what came later has the higher number, so there places
// need not say when it came.
func (q *query) at(f *found) cut {
	if q.stream != 0 {
		return cut{f.time, 0, f.stream, f.seq}
	}
	return cut{f.time, f.ingested, f.stream, f.seq}
}

// behind is the place behind an event.
func (q *query) behind(f *found) cut {
	c := q.at(f)
	c.seq++
	return c
}

// query is which events to read.
type query struct {
	group    uint64
	stream   uint64                 // 0 = of all that the next says
	name     string                 // of the stream
	streams  func(name string) bool // nil = all
	span     int64                  // what the times of a chunk differ by, at most
	from, to int64                  // times, both inclusive
	after    cut                    // those from here on; where backward, those before
	backward bool
	limit    int
	match    func(message string) bool                   // nil = all
	mask     func(ingested int64, message string) string // what hides a part of messages; nil = nothing
	terms    []string                                    // which every match has
	escaped  bool                                        // or writes as escapes of JSON
}

const (
	maxPage = 10000   // events
	maxRead = 1 << 20 // bytes of a page
	maxScan = 2 << 30 // bytes that are looked at for a page
)

// page is events in their order, or where backward against it until it is done.
type page struct {
	q      *query
	events []found
	bytes  int
	full   bool // there may be more than is here
	end    cut  // where the next goes on, if full
	loose  bool // what is here is not in order
}

func (p *page) before(a, b *found) int {
	if p.q.backward {
		return p.q.at(b).compare(p.q.at(a))
	}
	return p.q.at(a).compare(p.q.at(b))
}

// wants reports whether an event belongs to the page as far as is known.
func (p *page) wants(f *found) bool {
	if f.time < p.q.from || f.time > p.q.to {
		return false
	}
	at := p.q.at(f)
	if p.q.backward {
		return at.compare(p.q.after) < 0 && (!p.full || at.compare(p.end) >= 0)
	}
	return at.compare(p.q.after) >= 0 && (!p.full || at.compare(p.end) < 0)
}

// add adds an event whose message is its own.
func (p *page) add(f found) {
	p.events = append(p.events, f)
	p.bytes += len(f.message) + perEvent
	p.loose = true
	if len(p.events) >= 2*p.q.limit || p.bytes >= 2*maxRead {
		p.trim()
	}
}

// trim takes away what is beyond the limits of a page. At least one event stays.
func (p *page) trim() {
	if !p.loose {
		return
	}
	slices.SortFunc(p.events, func(a, b found) int { return p.before(&a, &b) })
	p.loose = false
	n, bytes := 0, 0
	for n < len(p.events) && n < p.q.limit {
		size := len(p.events[n].message) + perEvent
		if n > 0 && bytes+size > maxRead {
			break
		}
		bytes += size
		n++
	}
	if n < p.q.limit && n == len(p.events) {
		return
	}
	p.full = true
	clear(p.events[n:])
	p.events, p.bytes = p.events[:n], bytes
	last := &p.events[n-1]
	if p.end = p.q.behind(last); p.q.backward {
		p.end = p.q.at(last)
	}
}

// candidate is a chunk that may have something for a page.
type candidate struct {
	stream, seq  uint64
	name         string
	from, latest int64
	bytes        int64
	terms, index bool // it may have them
}

// candidates are the chunks that reach into the time of a query, in the order of their first events, or against it.
func (s *Service) candidates(tx *store.Tx, q *query) iter.Seq[candidate] {
	low, high := q.from, q.to
	if q.backward {
		high = min(high, q.after.time)
	} else {
		low = max(low, q.after.time)
	}
	o := store.ScanOptions{Reverse: q.backward, From: []any{max(0, low-q.span)}}
	if high < math.MaxInt64 {
		o.Before = []any{high + 1}
	}
	return func(yield func(candidate) bool) {
		if q.stream != 0 {
			for k, latest := range s.tables.lanes.Scan(tx, o, q.group, q.stream) {
				if latest >= low && !yield(candidate{stream: q.stream, seq: k.Uint64(3), name: q.name, from: k.Int64(2), latest: latest, terms: true, index: true}) {
					return
				}
			}
			return
		}
		for k, h := range s.tables.heads.Scan(tx, o, q.group) {
			if h.latest < low || q.streams != nil && !q.streams(h.stream) {
				continue
			}
			if !yield(candidate{k.Uint64(2), k.Uint64(3), h.stream, k.Int64(1), h.latest, h.bytes, h.terms, h.index}) {
				return
			}
		}
	}
}

// wave is how many chunks are looked through at a time.
func wave() int { return max(2, min(8, 2*runtime.GOMAXPROCS(0))) }

// read is a page. Chunks are taken in the order of their first events, a few at a time, until the page is full and no chunk
// behind has anything that comes before its end: so memory holds a page and a few chunks, however much there is.
func (s *Service) read(ctx context.Context, tx *store.Tx, q *query) (*page, error) {
	p := &page{q: q}
	width := 1
	if q.match != nil {
		width = wave()
	}
	var pending []chunkOf
	scanned := int64(0)
	flush := func() error {
		err := s.look(p, pending)
		pending = pending[:0]
		if len(p.events) >= q.limit || p.bytes >= maxRead {
			p.trim()
		}
		return err
	}
	for c := range s.candidates(tx, q) {
		if p.full && (q.backward && c.from+q.span < p.end.time || !q.backward && c.from > p.end.time) {
			break
		}
		if p.full && q.backward && c.latest < p.end.time {
			continue
		}
		if c.terms && len(q.terms) > 0 {
			if f, ok := s.tables.terms.Get(tx, q.group, c.stream, c.seq); ok && !f.mayHave(q.terms) && !(q.escaped && f.mayHave([]string{`\u00`})) {
				continue
			}
		}
		if scanned > maxScan && !q.backward && c.from > max(q.from, q.after.time) {
			if err := flush(); err != nil {
				return nil, err
			}
			p.stop(cut{time: c.from})
			break
		}
		record, ok := s.tables.chunks.Get(tx, q.group, c.stream, c.seq)
		if !ok {
			continue // its stream was deleted
		}
		scanned += int64(record.raw)
		if pending = append(pending, chunkOf{c, record}); len(pending) == width {
			if err := flush(); err != nil {
				return nil, err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	p.trim()
	if q.backward {
		slices.Reverse(p.events)
	}
	return p, nil
}

// stop ends a page at a place, since enough was looked at for it.
func (p *page) stop(at cut) {
	p.trim()
	if p.full && p.end.compare(at) <= 0 {
		return
	}
	p.full, p.end = true, at
	p.events = slices.DeleteFunc(p.events, func(f found) bool { return p.q.at(&f).compare(at) >= 0 })
}

type chunkOf struct {
	candidate
	record chunkRecord
}

// look adds what chunks have for a page.
func (s *Service) look(p *page, chunks []chunkOf) error {
	if len(chunks) < 2 {
		for i := range chunks {
			if err := s.through(p, &chunks[i], p.add); err != nil {
				return err
			}
		}
		return nil
	}
	var all sync.WaitGroup
	pages, errs := make([]page, len(chunks)), make([]error, len(chunks))
	for i := range chunks {
		pages[i] = page{q: p.q, full: p.full, end: p.end}
		all.Go(func() { errs[i] = s.through(&pages[i], &chunks[i], pages[i].add) })
	}
	all.Wait()
	for i := range chunks {
		if errs[i] != nil {
			return errs[i]
		}
		for _, f := range pages[i].events {
			if p.wants(&f) {
				p.add(f)
			}
		}
		if pages[i].full && (!p.full || p.q.backward == (pages[i].end.compare(p.end) > 0)) {
			p.cap(pages[i].end) // it has left out what is behind
		}
	}
	return nil
}

// cap makes at the end of a page, unless it ends before.
func (p *page) cap(at cut) {
	p.full, p.end = true, at
	p.events = slices.DeleteFunc(p.events, func(f found) bool { return !p.wants(&f) })
	p.bytes = 0
	for i := range p.events {
		p.bytes += len(p.events[i].message) + perEvent
	}
}

// through gives what a chunk has for a page.
func (s *Service) through(p *page, c *chunkOf, add func(found)) error {
	return s.packer.each(&c.record, func(e event) bool {
		f := found{e, c.stream, c.name}
		if !p.wants(&f) {
			return true
		}
		if p.q.mask != nil {
			e.message = p.q.mask(e.ingested, e.message)
		}
		if p.q.match == nil || p.q.match(e.message) {
			f.message = strings.Clone(e.message)
			add(f)
		}
		return true
	})
}
