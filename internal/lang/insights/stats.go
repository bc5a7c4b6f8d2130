package insights

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// aggregate is a function over the rows of a group.
type aggregate struct {
	name    string
	arg     eval // nil: all rows
	percent float64
}

// cell is what an aggregate knows of a group so far.
type cell struct {
	n        int64
	sum      float64 // of stddev: the mean
	squares  float64
	best     value
	at       float64 // the time that best is of
	distinct *distinct
	sketch   *sketch
}

func aggregateArity(name string) (least int, ok bool) {
	switch name {
	case "count":
		return 0, true
	case "avg", "count_distinct", "max", "min", "stddev", "sum", "earliest", "latest", "sortsfirst", "sortslast", "median":
		return 1, true
	case "pct", "percentile":
		return 2, true
	}
	return 0, false
}

// aggregateCall compiles an aggregate into a cell of the group.
func (c *compiler) aggregateCall(n *node) (eval, error) {
	if c.aggregates == nil || c.inside {
		return nil, c.fail(n.start, n.end, "the function %s can only be used in stats, and not inside another one, at %s", n.name, c.place(n.start))
	}
	want, _ := aggregateArity(n.name)
	a := aggregate{name: n.name}
	wrong := len(n.args) != want || n.star
	switch n.name {
	case "count":
		wrong = len(n.args) > 1 || n.star && len(n.args) > 0
	case "median":
		a.name, a.percent = "pct", 50
	case "pct", "percentile":
		a.name = "pct"
		if !wrong {
			p := n.args[1]
			if p.op != opLiteral || p.literal.kind != number || p.literal.num > 100 {
				return nil, c.fail(p.start, p.end, "%s needs a percentage from 0 to 100 at %s", n.name, c.place(p.start))
			}
			a.percent = p.literal.num
		}
	}
	if wrong {
		return nil, c.fail(n.start, n.end, "wrong number of arguments of the function %s at %s", n.name, c.place(n.start))
	}
	if len(n.args) > 0 {
		c.inside = true
		arg, err := c.eval(n.args[0])
		c.inside = false
		if err != nil {
			return nil, err
		}
		a.arg = arg
	}
	i := len(*c.aggregates)
	*c.aggregates = append(*c.aggregates, a)
	return func(r *row) value { return r.cells[i].result(&a) }, nil
}

func (c *compiler) statsCommand(cmd command) error {
	given := newNames()
	var aggregates []aggregate
	var by []eval
	var bySlots, slots []int
	var outputs []eval
	var shown []output
	give := func(col column, slot int) error {
		if _, ok := given.slots[col.name]; ok {
			return c.fail(col.start, col.end, "ephemeral field %s is already defined at %s", col.name, c.place(col.start))
		}
		given.slots[col.name] = slot
		if !col.alias {
			given.written[c.asWritten(col.expr)] = slot
		}
		shown = append(shown, output{name: col.name, eval: slotEval(slot)})
		return nil
	}
	for _, col := range cmd.by {
		e, err := c.eval(col.expr)
		if err != nil {
			return err
		}
		slot := c.slot()
		by, bySlots = append(by, e), append(bySlots, slot)
		if err := give(col, slot); err != nil {
			return err
		}
	}
	c.aggregates, c.given = &aggregates, given
	defer func() { c.aggregates = nil }()
	for _, col := range cmd.columns {
		before := len(aggregates)
		e, err := c.eval(col.expr)
		if err != nil {
			return err
		}
		if len(aggregates) == before && col.expr.op == opField && !col.alias {
			return c.fail(col.start, col.end, "stats needs an aggregation function, not %s at %s", col.name, c.place(col.start))
		}
		slot := c.slot()
		outputs, slots = append(outputs, e), append(slots, slot)
		if err := give(col, slot); err != nil {
			return err
		}
	}
	if len(aggregates) == 0 {
		return c.fail(cmd.start, cmd.end, "stats needs an aggregation function at %s", c.place(cmd.start))
	}
	c.end(func(r *run) sink {
		return &groups{run: r, by: by, bySlots: bySlots, aggregates: aggregates, outputs: outputs, slots: slots, found: map[string]*group{}}
	})
	c.close("stats")
	c.scope, c.shown = given, shown
	return nil
}

type group struct {
	key   []byte
	by    []value
	cells []cell
	next  int // where it stands among the groups, by when it was first met
}

// groups counts together the rows that agree in what stands behind by.
type groups struct {
	run        *run
	by         []eval
	bySlots    []int
	aggregates []aggregate
	outputs    []eval
	slots      []int

	found map[string]*group
	last  *group // rows of a group often follow each other
	buf   []byte
	vals  []value
}

// appendKey writes a value so that two are written alike only if they are the same.
func appendKey(b []byte, v value) []byte {
	switch v.kind {
	case missing:
		return append(b, 0)
	case instant:
		return binary.BigEndian.AppendUint64(append(b, 1), math.Float64bits(v.num))
	}
	s := v.String()
	b = binary.AppendUvarint(append(b, 2), uint64(len(s)))
	return append(b, s...)
}

func (g *groups) push(r *row) error {
	b := g.buf[:0]
	g.vals = g.vals[:0]
	for _, e := range g.by {
		v := e(r)
		g.vals = append(g.vals, v)
		b = appendKey(b, v)
	}
	g.buf = b
	at := g.last
	if at == nil || !bytes.Equal(at.key, b) {
		if at = g.found[string(b)]; at == nil {
			at = &group{key: bytes.Clone(b), by: slices.Clone(g.vals), cells: make([]cell, len(g.aggregates)), next: len(g.found)}
			for i := range at.by {
				at.by[i].str = strings.Clone(at.by[i].str)
			}
			if err := g.run.keep(200 + 2*len(b) + 96*len(at.cells) + 64*len(at.by)); err != nil {
				return err
			}
			g.found[string(b)] = at
		}
		g.last = at
	}
	for i := range g.aggregates {
		if err := at.cells[i].add(&g.aggregates[i], r, g.run); err != nil {
			return err
		}
	}
	return nil
}

func (g *groups) drain(give func(*row) error) error {
	all := make([]*group, 0, len(g.found))
	for _, one := range g.found {
		all = append(all, one)
	}
	time := -1
	for i := range g.by {
		if len(all) > 0 && slices.IndexFunc(all, func(o *group) bool { return o.by[i].kind != instant }) < 0 {
			time = i
			break
		}
	}
	slices.SortFunc(all, func(x, y *group) int {
		if time >= 0 && x.by[time].num != y.by[time].num {
			if x.by[time].num > y.by[time].num {
				return -1
			}
			return 1
		}
		return x.next - y.next
	})
	r := g.run.newRow()
	for _, one := range all {
		clear(r.slots)
		r.cells = one.cells
		for i, slot := range g.bySlots {
			r.slots[slot] = one.by[i]
		}
		for i, slot := range g.slots {
			r.slots[slot] = g.outputs[i](&r)
		}
		if err := give(&r); err != nil {
			return err
		}
	}
	g.found, g.last = nil, nil
	return nil
}

func (c *cell) add(a *aggregate, r *row, run *run) error {
	if a.arg == nil {
		c.n++
		return nil
	}
	v := a.arg(r)
	if v.kind == missing {
		return nil
	}
	switch a.name {
	case "count":
		c.n++
		return nil
	case "count_distinct":
		if c.distinct == nil {
			c.distinct = &distinct{}
		}
		return run.keep(c.distinct.add(v.String()))
	case "max", "min":
		o := 1
		if c.best.kind != missing {
			o, _ = order(v, c.best)
			if a.name == "min" {
				o = -o
			}
		}
		if o > 0 {
			return c.take(v, run)
		}
		return nil
	case "sortsfirst", "sortslast":
		o := 1
		if c.best.kind != missing {
			o = natural(v, c.best)
			if a.name == "sortsfirst" {
				o = -o
			}
		}
		if o > 0 {
			return c.take(v, run)
		}
		return nil
	case "earliest", "latest":
		at := r.time()
		if c.n++; c.n == 1 || a.name == "earliest" && at < c.at || a.name == "latest" && at >= c.at {
			c.at = at
			return c.take(v, run)
		}
		return nil
	}
	n, ok := v.number()
	if !ok {
		return nil
	}
	c.n++
	switch a.name {
	case "sum", "avg":
		c.sum += n
	case "stddev":
		d := n - c.sum
		c.sum += d / float64(c.n)
		c.squares += d * (n - c.sum)
	case "pct":
		if c.sketch == nil {
			c.sketch = &sketch{}
		}
		return run.keep(c.sketch.add(n))
	}
	return nil
}

// take keeps a value of a row.
func (c *cell) take(v value, run *run) error {
	grown := len(v.str) - len(c.best.str)
	v.str = strings.Clone(v.str)
	c.best = v
	return run.keep(grown)
}

func (c *cell) result(a *aggregate) value {
	switch a.name {
	case "count":
		return numberOf(float64(c.n))
	case "count_distinct":
		if c.distinct == nil {
			return numberOf(0)
		}
		return numberOf(c.distinct.count())
	case "max", "min", "sortsfirst", "sortslast", "earliest", "latest":
		return c.best
	}
	if c.n == 0 {
		return value{}
	}
	switch a.name {
	case "sum":
		return numberOf(c.sum)
	case "avg":
		return numberOf(c.sum / float64(c.n))
	case "stddev":
		if c.n == 1 {
			return numberOf(0)
		}
		return numberOf(math.Sqrt(c.squares / float64(c.n-1)))
	}
	return numberOf(c.sketch.percentile(a.percent))
}

// time is when a row happened; a row of stats has none.
func (r *row) time() float64 {
	if r.event == nil {
		return 0
	}
	return float64(r.event.Time)
}
