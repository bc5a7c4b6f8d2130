package insights

import (
	"slices"
	"strings"
)

type sortKey struct {
	slot int
	desc bool
}

// kept is a row that may be in the answer.
type kept struct {
	event Event
	raw   string
	slots []value
	seq   int
	key   string // what dedup compares, "" for a row that has no equal
	size  int
}

// arranger keeps the first rows in an order: by keys, newest first, or as they came. It lets twice as many gather as it is asked for
// and then throws the worse half away, so that a row costs little whatever order they come in. With by it keeps one row for each of
// its values.
type arranger struct {
	run    *run
	keys   []sortKey
	newest bool
	limit  int
	by     []eval
	tail   bool // the last rows instead of the first

	rows  []kept
	seen  map[string]int // by key, where it is in rows
	worst *kept          // of as many rows as are asked for
	seq   int
	buf   []byte
}

func (a *arranger) compare(x, y *kept) int {
	c := 0
	for _, k := range a.keys {
		if c = natural(x.slots[k.slot], y.slots[k.slot]); c != 0 {
			if k.desc {
				c = -c
			}
			break
		}
	}
	if c == 0 && a.newest && x.event.Time != y.event.Time {
		c = 1
		if x.event.Time > y.event.Time {
			c = -1
		}
	}
	if c == 0 {
		c = x.seq - y.seq
	}
	if a.tail {
		return -c
	}
	return c
}

func (a *arranger) push(r *row) error {
	a.seq++
	if len(a.keys) == 0 && !a.newest && !a.tail && len(a.by) == 0 && len(a.rows) >= a.limit {
		return nil // as they came, and enough of them
	}
	probe := kept{slots: r.slots, seq: a.seq}
	if r.event != nil {
		probe.event = *r.event
	}
	if a.worst != nil && a.compare(&probe, a.worst) > 0 {
		return nil
	}
	at := -1
	if len(a.by) > 0 {
		key, whole := a.identity(r)
		if whole {
			if i, ok := a.seen[string(key)]; ok {
				if a.compare(&probe, &a.rows[i]) > 0 {
					return nil
				}
				at = i
			}
			probe.key = string(key)
		}
	}
	if err := a.copy(&probe, r); err != nil {
		return err
	}
	if at >= 0 {
		a.run.memory += a.rows[at].size
		a.rows[at] = probe
		return nil
	}
	if probe.key != "" {
		if a.seen == nil {
			a.seen = map[string]int{}
		}
		a.seen[probe.key] = len(a.rows)
	}
	a.rows = append(a.rows, probe)
	if len(a.rows) >= 2*a.limit {
		a.prune()
	}
	return nil
}

// identity is what dedup compares; rows without one of its values have none.
func (a *arranger) identity(r *row) (key []byte, whole bool) {
	a.buf = a.buf[:0]
	for _, e := range a.by {
		v := e(r)
		if v.kind == missing {
			return nil, false
		}
		a.buf = appendKey(a.buf, v)
	}
	return a.buf, true
}

// copy makes a row independent of the events, whose strings end. All of them go into one piece of memory.
func (a *arranger) copy(k *kept, r *row) error {
	n := 0
	each := func(f func(*string)) {
		if r.event != nil {
			f(&k.event.Message)
			f(&k.event.Stream)
			f(&k.event.Group)
			f(&k.event.Ptr)
		}
		if a.run.program.unmask {
			f(&k.raw)
		}
		for i := range k.slots {
			f(&k.slots[i].str)
		}
	}
	k.raw, k.slots = r.raw, slices.Clone(r.slots)
	each(func(s *string) { n += len(*s) })
	k.size = 160 + 32*len(r.slots) + len(k.key) + n
	if err := a.run.keep(k.size); err != nil {
		return err
	}
	var b strings.Builder
	b.Grow(n)
	each(func(s *string) {
		from := b.Len()
		b.WriteString(*s)
		*s = b.String()[from:]
	})
	if !a.run.program.unmask {
		k.raw = ""
	}
	return nil
}

// prune sorts the rows and throws away those that cannot be in the answer.
func (a *arranger) prune() {
	slices.SortFunc(a.rows, func(x, y kept) int { return a.compare(&x, &y) })
	if len(a.rows) >= a.limit {
		for i := a.limit; i < len(a.rows); i++ {
			a.run.memory += a.rows[i].size
		}
		clear(a.rows[a.limit:])
		a.rows = a.rows[:a.limit]
		worst := a.rows[a.limit-1]
		a.worst = &worst
	}
	if a.seen != nil {
		clear(a.seen)
		for i := range a.rows {
			if a.rows[i].key != "" {
				a.seen[a.rows[i].key] = i
			}
		}
	}
}

func (a *arranger) drain(give func(*row) error) error {
	a.prune()
	if a.tail {
		slices.Reverse(a.rows)
	}
	r := a.run.newRow()
	for i := range a.rows {
		k := &a.rows[i]
		r.event, r.raw, r.slots, r.scanned = &k.event, k.raw, k.slots, false
		if err := give(&r); err != nil {
			return err
		}
		a.run.memory += k.size
		*k = kept{}
	}
	a.rows, a.seen = nil, nil
	return nil
}
