package insights

import "strings"

// Table is a lookup table: rows of texts under the names of columns. It is immutable.
type Table struct {
	Columns []string
	Rows    [][]string // each as long as Columns
}

// column is where a column stands, or -1.
func (t *Table) column(name string) int {
	for i, c := range t.Columns {
		if c == name {
			return i
		}
	}
	return -1
}

// Lookup is what a query needs of a lookup table, and where it says so.
type Lookup struct {
	Table      string
	Columns    []string
	Start, End int // as in Error
}

// Lookups are the tables that the query looks into. Their rows are Options.Tables when it runs; in a table that is not there, or lacks a
// column, nothing is found.
func (q *Query) Lookups() []Lookup { return q.program.lookups }

// readLookup reads what follows lookup: TABLE COLUMN [as FIELD], … OUTPUT|OUTPUTNEW COLUMN, ….
func (p *parser) readLookup(c *command) error {
	name := func(into *string) error {
		if p.tok.kind != word && p.tok.kind != quotedWord || reserved(p.tok) {
			return p.unexpected()
		}
		*into = p.tok.text
		return p.next()
	}
	if err := name(&c.table); err != nil {
		return err
	}
	for {
		m := column{start: p.tok.start, end: p.tok.end}
		if err := name(&m.name); err != nil {
			return err
		}
		m.expr = &node{op: opField, name: m.name, start: m.start, end: m.end}
		if p.tok.keyword("as") {
			if err := p.next(); err != nil {
				return err
			}
			var err error
			if m.expr, err = p.postfix(); err != nil {
				return err
			}
		}
		c.columns = append(c.columns, m)
		if !p.tok.is(",") {
			break
		}
		if err := p.next(); err != nil {
			return err
		}
	}
	switch {
	case p.tok.keyword("output"):
		c.modifier = "output"
	case p.tok.keyword("outputnew"):
		c.modifier = "outputnew"
	default:
		return p.unexpected()
	}
	for {
		if err := p.next(); err != nil {
			return err
		}
		into := column{alias: true, start: p.tok.start, end: p.tok.end}
		if err := name(&into.name); err != nil {
			return err
		}
		c.into = append(c.into, into)
		if !p.tok.is(",") {
			return nil
		}
	}
}

// lookupCommand adds columns of a lookup table to rows.
func (c *compiler) lookupCommand(cmd command) error {
	l := Lookup{Table: cmd.table, Start: location(c.text, cmd.start), End: location(c.text, cmd.end)}
	var matches []eval
	for _, m := range cmd.columns {
		e, err := c.eval(m.expr)
		if err != nil {
			return err
		}
		matches = append(matches, e)
		l.Columns = append(l.Columns, m.name)
	}
	slots, before := make([]int, len(cmd.into)), make([]eval, len(cmd.into))
	for i, into := range cmd.into {
		if cmd.modifier == "outputnew" && c.closed == "" {
			e, err := c.eval(&node{op: opField, name: into.name, start: into.start, end: into.end})
			if err != nil {
				return err
			}
			before[i] = e
		} else if slot, ok := c.scope.slots[into.name]; ok && cmd.modifier == "outputnew" {
			before[i] = slotEval(slot)
		}
		l.Columns = append(l.Columns, into.name)
	}
	for i, into := range cmd.into { // not before all that is read by name is compiled
		slots[i] = c.slot()
		c.scope.slots[into.name] = slots[i]
		out := output{name: into.name, eval: slotEval(slots[i])}
		c.shown = show(c.shown, out)
		if c.display != nil {
			c.display = show(c.display, out)
		}
	}
	number := len(c.lookups)
	c.lookups, c.matched = append(c.lookups, l), append(c.matched, len(matches))
	c.steps = append(c.steps, func(r *row) bool {
		found := r.joins[number].find(r, matches)
		for i, slot := range slots {
			v := value{}
			if before[i] != nil {
				v = before[i](r)
			}
			if v.kind == missing && found != nil {
				v = textOf(found[i])
			}
			r.slots[slot] = v
		}
		return true
	})
	return nil
}

// join is a table as a run looks into it: the columns that are given by those that are to match.
type join struct {
	rows map[string][]string
	key  []byte
}

// find is what a row matches; nil where that is nothing.
func (j *join) find(r *row, matches []eval) []string {
	if len(j.rows) == 0 {
		return nil
	}
	j.key = j.key[:0]
	for _, m := range matches {
		v := m(r)
		if v.kind == missing {
			return nil
		}
		j.key = append(append(j.key, v.String()...), 0)
	}
	return j.rows[string(j.key)]
}

// join makes what a lookup looks into. The first of rows that are alike counts.
func (r *run) join(l Lookup, keys int) (*join, error) {
	t := r.options.Tables[l.Table]
	if t == nil {
		return &join{}, nil
	}
	var columns []int
	for _, name := range l.Columns {
		i := t.column(name)
		if i < 0 {
			return &join{}, nil
		}
		columns = append(columns, i)
	}
	j := &join{rows: make(map[string][]string, len(t.Rows))}
	for _, row := range t.Rows {
		var key strings.Builder
		for _, i := range columns[:keys] {
			key.WriteString(row[i])
			key.WriteByte(0)
		}
		if _, ok := j.rows[key.String()]; ok {
			continue
		}
		given := make([]string, 0, len(columns)-keys)
		for _, i := range columns[keys:] {
			given = append(given, row[i])
		}
		if err := r.keep(100 + key.Len() + 16*len(given)); err != nil {
			return nil, err
		}
		j.rows[key.String()] = given
	}
	return j, nil
}
