package logs

import (
	"math"
	"slices"
	"unsafe"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/service/logs/fieldindex"
	"github.com/obidos-cloud/obidos/internal/store"
)

// reading gives a query of Insights the events of its groups. Chunks are unpacked, and looked through for what the query's filters let
// pass, side by side and ahead of the query, which takes their events one after the other.
type reading struct {
	s       *Service
	tx      *store.Tx
	terms   []string                            // which every match has
	screen  func() func(e *insights.Event) bool // the query's; nil: none
	indexed []insights.Indexed                  // what every match has in fields
	masked  bool                                // what a query sees may not be what was sent
	skipped int64                               // bytes of chunks that cannot have a match
	left    insights.Statistics                 // of events that no filter let pass
}

// events gives the events of a group until the query wants no more. Chunks that cannot have what all of its matches have are skipped.
func (r *reading) events(group string, from, to int64, yield func(insights.Event) bool) (more bool, err error) {
	s, tx := r.s, r.tx
	g, ok := s.tables.groups.Get(tx, group)
	if !ok {
		return true, nil // it was deleted meanwhile
	}
	sh, err := s.formsOf(tx, group, &g)
	if err != nil {
		return false, err
	}
	terms, look := r.terms, r.indexed
	if !r.wanted(group, &g) {
		return true, nil
	}
	q := &query{group: g.Number, span: day, from: max(from, g.expiry(tx.Now())), to: to, limit: math.MaxInt}
	ahead := unpacking{packer: s.packer}
	defer ahead.close()
	each := func(n *unpacked, only []uint64, fn func(i int, e *insights.Event) bool) error {
		e := insights.Event{Stream: n.name, Group: tx.Scope().Account + ":" + group}
		ptr := ptrPrefix(group, g.Number, n.stream)
		prefix, i := len(ptr), -1
		return n.record.events(n.body, func(of event) bool {
			if i++; of.time < q.from || of.time > q.to || only != nil && only[i/64]>>(i%64)&1 == 0 {
				return true
			}
			ptr = ptrOf(ptr[:prefix], of.time, of.seq)
			e.Time, e.Ingested, e.Message, e.Passed = of.time, of.ingested, of.message, only != nil
			e.Ptr = unsafe.String(&ptr[0], len(ptr)) // what is kept of it is copied
			return fn(i, &e)
		})
	}
	if !sh.None() { // what a transformed message has need not be in the one that was sent
		terms, yield = nil, sh.Yield(yield)
		look = nil
	} else if r.screen != nil && r.screen() != nil {
		ahead.look = func(n *unpacked) error {
			pass := r.screen()
			n.passed = make([]uint64, n.record.count/64+1)
			return each(n, nil, func(i int, e *insights.Event) bool {
				if pass(e) {
					n.passed[i/64] |= 1 << (i % 64)
				} else {
					n.left.RecordsScanned++
					n.left.BytesScanned += float64(len(e.Message))
				}
				return true
			})
		}
	}
	give := func() (bool, error) {
		n, err := ahead.next()
		if err != nil {
			return false, err
		}
		r.left.RecordsScanned += n.left.RecordsScanned
		r.left.BytesScanned += n.left.BytesScanned
		more := true
		err = each(n, n.passed, func(_ int, e *insights.Event) bool {
			more = yield(*e)
			return more
		})
		return more, err
	}
	for c := range s.candidates(tx, q) {
		if c.terms && len(terms) > 0 {
			if f, ok := s.tables.terms.Get(tx, q.group, c.stream, c.seq); ok && !f.mayHave(terms) {
				r.skipped += c.bytes
				continue
			}
		}
		if len(look) > 0 && !r.may(look, q.group, &c) {
			r.skipped += c.bytes
			continue
		}
		record, ok := s.tables.chunks.Get(tx, q.group, c.stream, c.seq)
		if !ok {
			continue
		}
		if ahead.add(chunkOf{c, record}); ahead.len() == wave() {
			if more, err := give(); err != nil || !more {
				return false, err
			}
		}
	}
	for ahead.len() > 0 {
		if more, err := give(); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// wanted reports whether a query wants a group: filterIndex does not where there is no index.
func (r *reading) wanted(name string, g *groupRecord) bool {
	var fields []string
	for i, x := range r.indexed {
		if i == 0 {
			fields = r.s.IndexedFields(r.tx, name, g.ruled())
		}
		if x.Only && x.Field[0] != '@' && !slices.Contains(fields, x.Field) {
			return false
		}
	}
	return true
}

// may reports whether a chunk may have what a query looks for, as far as indexes tell. What is masked they do not know.
func (r *reading) may(look []insights.Indexed, group uint64, c *candidate) bool {
	var index fieldindex.Index
	has, got := false, false
	for i := range look {
		switch x := &look[i]; x.Field {
		case "@logStream":
			if !slices.Contains(x.Keys, "t"+c.name) {
				return false
			}
		case "@log":
		default:
			if !got && c.index {
				index, has = r.s.tables.indexes.Get(r.tx, group, c.stream, c.seq)
			}
			got = true
			if x.Only && !(has && index.Has(x.Field)) || has && !r.masked && !index.May(x.Field, x.Keys) {
				return false
			}
		}
	}
	return true
}

// unpacking is chunks that are unpacked side by side, ahead of who reads them one after the other. Close waits for what is still
// at it.
type unpacking struct {
	packer *packer
	look   func(n *unpacked) error // what is done with each beside; nil: nothing
	queue  []*unpacked
	shown  *unpacked // what next gave last
}

type unpacked struct {
	chunkOf
	room   *[]byte
	body   []byte
	passed []uint64            // a bit for each event that the query's filters let pass; nil where they were not asked
	left   insights.Statistics // of the others
	err    error
	done   chan struct{} // closed once all the rest is set
}

// add has a chunk be unpacked.
func (u *unpacking) add(c chunkOf) {
	n := &unpacked{chunkOf: c, room: u.packer.buffers.Get().(*[]byte), done: make(chan struct{})}
	u.queue = append(u.queue, n)
	go func() {
		defer close(n.done)
		if n.body, n.err = u.packer.unpack(&n.record, n.room); n.err == nil && u.look != nil {
			n.err = u.look(n)
		}
	}()
}

// len is how many chunks were added that next has not given yet.
func (u *unpacking) len() int { return len(u.queue) }

// next is the chunk that was added first. Its body is valid until next or close is called again.
func (u *unpacking) next() (*unpacked, error) {
	u.release()
	n := u.queue[0]
	u.queue = u.queue[1:]
	<-n.done
	u.shown = n
	return n, n.err
}

func (u *unpacking) release() {
	if u.shown != nil {
		u.packer.buffers.Put(u.shown.room)
		u.shown = nil
	}
}

func (u *unpacking) close() {
	u.release()
	for _, n := range u.queue {
		<-n.done
		u.packer.buffers.Put(n.room)
	}
	u.queue = nil
}
