package insights

import "strings"

// eval computes a value of a row, condition whether a row passes, step changes a row or drops it.
type (
	eval      func(*row) value
	condition func(*row) bool
	step      func(*row) bool
)

// output is a column of the result.
type output struct {
	name string
	eval eval
}

// program is a compiled query: phases that rows pass one after the other. A phase works row by row and ends in a sink, which
// collects them until all are there.
type program struct {
	phases  []phase
	columns []output
	names   *trie    // of the fields looked for in messages
	fields  []string // by leaf
	slots   int      // of values that a row carries along
	terms   []string
	indexed []Indexed
	diff    string
	unmask  bool
	events  bool // the result's rows are events: they have a @ptr
	screen  int  // how many of the first phase's steps end with a filter
	filters bool // all of them are filters
	lookups []Lookup
	matched []int // how many of a lookup's columns are to match
}

type phase struct {
	steps []step
	sink  func(*run) sink
}

// compiler turns commands into a program. Names are looked up in slots first, which hold what commands before have computed.
type compiler struct {
	parser
	*program
	scope    names
	closed   string // after which command events are gone
	steps    []step
	keys     []sortKey
	shown    []output // by fields
	display  []output
	selected bool // fields has said what to show
	sorted   bool // rows come in an order that a command gave them

	limited  bool // the query has a limit of its own
	paired   bool // the diff that follows a pattern is part of it
	arranged bool // the last phase has put its rows in order

	aggregates *[]aggregate // while the columns of a stats command are compiled
	inside     bool         // an aggregate's argument
	given      names        // what the stats command being compiled has given so far
}

// names tell which slots hold what: by the name it was given, and by how it was written where stats gave it none.
type names struct{ slots, written map[string]int }

func newNames() names { return names{slots: map[string]int{}, written: map[string]int{}} }

// visible are the names that an expression can use.
func (c *compiler) visible() names {
	if c.aggregates != nil && !c.inside {
		return c.given
	}
	return c.scope
}

func compile(text string) (*program, error) {
	c := &compiler{program: &program{names: newTrie(""), events: true}, scope: newNames()}
	c.text = text
	commands, err := c.query()
	if err != nil {
		return nil, err
	}
	for i, cmd := range commands {
		if err := c.carry(cmd, commands[i+1:]); err != nil {
			return nil, err
		}
	}
	if !c.arranged || len(c.steps) > 0 || len(c.keys) > 0 {
		limit := 0
		if c.limited {
			limit = MaxLimit
		}
		c.arrange(limit, nil, false)
	}
	c.program.columns = c.result()
	return c.program, nil
}

// carry compiles one command; rest are those after it.
func (c *compiler) carry(cmd command, rest []command) error {
	switch cmd.name {
	case "fields", "display":
		return c.fieldsCommand(cmd)
	case "filter":
		pass, err := c.condition(cmd.expr)
		if err != nil {
			return err
		}
		if cmd.modifier != "" && len(c.phases) > 0 {
			return c.notIndexed(cmd.expr)
		}
		if len(c.phases) == 0 {
			c.terms = append(c.terms, c.termsOf(cmd.expr)...)
			if err := c.indexedBy(cmd.expr, cmd.modifier != ""); err != nil {
				return err
			}
		}
		if len(c.phases) == 0 {
			c.filters = len(c.steps) == 0 || c.filters && c.screen == len(c.steps)
			c.screen = len(c.steps) + 1
		}
		c.steps = append(c.steps, step(pass))
	case "parse":
		return c.parseCommand(cmd)
	case "stats":
		return c.statsCommand(cmd)
	case "sort":
		var keys []sortKey
		for _, col := range cmd.columns {
			slot, err := c.compute(col.expr)
			if err != nil {
				return err
			}
			if col.alias {
				if err := c.define(col, slot); err != nil {
					return err
				}
			}
			keys = append(keys, sortKey{slot: slot, desc: col.desc})
		}
		c.keys = append(keys, c.keys...) // the last sort decides, those before it where it does not
	case "limit", "head":
		c.limited = true
		c.arrange(cmd.count, nil, false)
	case "tail":
		c.limited = true
		c.arrange(cmd.count, nil, true)
	case "dedup":
		var by []eval
		for _, col := range cmd.columns {
			e, err := c.eval(col.expr)
			if err != nil {
				return err
			}
			by = append(by, e)
		}
		limit := 0
		for _, next := range rest {
			if next.name != "limit" {
				return c.fail(next.start, next.end, "only limit may follow dedup, not %s at %s", next.name, c.place(next.start))
			}
			if limit == 0 {
				limit = next.count
			}
		}
		c.arrange(limit, by, false)
	case "unmask":
		for _, col := range cmd.columns {
			e, err := c.eval(&node{op: opCall, name: "unmask", args: []*node{col.expr}, start: col.start, end: col.end})
			if err != nil {
				return err
			}
			c.shown, c.selected = show(c.shown, output{name: col.name, eval: e}), true
		}
	case "lookup":
		return c.lookupCommand(cmd)
	case "pattern":
		return c.patternCommand(cmd.expr, rest)
	case "diff":
		if c.paired {
			c.paired = false // with the pattern before it
			return nil
		}
		if c.diff != "" || c.closed != "" || len(c.phases) > 0 {
			return c.fail(cmd.start, cmd.end, "diff can only follow commands that work on single events, and pattern, at %s", c.place(cmd.start))
		}
		err := c.patternCommand(&node{op: opField, name: "@message", start: cmd.start, end: cmd.end}, append([]command{cmd}, rest...))
		c.paired = false
		return err
	}
	return nil
}

// slot makes room for a value in every row.
func (c *compiler) slot() int {
	c.slots++
	return c.slots - 1
}

// compute gives an expression a slot, and a step that fills it.
func (c *compiler) compute(n *node) (int, error) {
	if n.op == opField {
		if slot, ok := c.scope.slots[n.name]; ok {
			return slot, nil
		}
	}
	e, err := c.eval(n)
	if err != nil {
		return 0, err
	}
	slot := c.slot()
	c.steps = append(c.steps, func(r *row) bool {
		r.slots[slot] = e(r)
		return true
	})
	return slot, nil
}

// define gives a slot a name.
func (c *compiler) define(col column, slot int) error {
	if _, ok := c.scope.slots[col.name]; ok {
		return c.fail(col.start, col.end, "ephemeral field %s is already defined at %s", col.name, c.place(col.start))
	}
	c.scope.slots[col.name] = slot
	return nil
}

// show adds a column, or puts it in the place of the one that has its name.
func show(list []output, o output) []output {
	for i, have := range list {
		if have.name == o.name {
			list[i] = o
			return list
		}
	}
	return append(list, o)
}

func (c *compiler) fieldsCommand(cmd command) error {
	list := &c.shown
	if cmd.name == "display" {
		list, c.display = &c.display, []output{}
	} else {
		c.selected = true
	}
	for _, col := range cmd.columns {
		if col.alias {
			slot, err := c.compute(col.expr)
			if err != nil {
				return err
			}
			if err := c.define(col, slot); err != nil {
				return err
			}
			*list = show(*list, output{name: col.name, eval: slotEval(slot)})
			continue
		}
		e, err := c.eval(col.expr)
		if err != nil {
			return err
		}
		*list = show(*list, output{name: col.name, eval: e})
	}
	return nil
}

func slotEval(slot int) eval { return func(r *row) value { return r.slots[slot] } }

func (c *compiler) parseCommand(cmd command) error {
	source, err := c.eval(cmd.expr)
	if err != nil {
		return err
	}
	slots := make([]int, len(cmd.into))
	for i, into := range cmd.into {
		slots[i] = c.slot()
		if err := c.define(into, slots[i]); err != nil {
			return err
		}
		c.shown = show(c.shown, output{name: into.name, eval: slotEval(slots[i])})
	}
	clear := func(r *row) {
		for _, s := range slots {
			r.slots[s] = value{}
		}
	}
	if cmd.re == nil {
		glob := cmd.glob
		c.steps = append(c.steps, func(r *row) bool {
			if !match(source(r).String(), glob, slots, r.slots) {
				clear(r)
			}
			return true
		})
		return nil
	}
	re, groups := cmd.re, []int{}
	for i, name := range re.SubexpNames() {
		if name != "" {
			groups = append(groups, i)
		}
	}
	required := requiredText(re.String())
	c.steps = append(c.steps, func(r *row) bool {
		clear(r)
		s := source(r).String()
		if required != "" && !strings.Contains(s, required) {
			return true
		}
		found := re.FindStringSubmatchIndex(s)
		for i, g := range groups {
			if found != nil && found[2*g] >= 0 {
				r.slots[slots[i]] = textOf(s[found[2*g]:found[2*g+1]])
			}
		}
		return true
	})
	return nil
}

// match takes out of a text what stands for the asterisks between the parts of a glob. The first part may stand anywhere.
func match(s string, glob []string, slots []int, into []value) bool {
	i := strings.Index(s, glob[0])
	if i < 0 {
		return false
	}
	s = s[i+len(glob[0]):]
	for k, slot := range slots {
		part := glob[k+1]
		if part == "" { // the rest of the text; between two asterisks nothing is left for the first
			if k == len(slots)-1 {
				into[slot] = textOf(s)
				return true
			}
			into[slot] = textOf("")
			continue
		}
		j := strings.Index(s, part)
		if j < 0 {
			return false
		}
		into[slot] = textOf(s[:j])
		s = s[j+len(part):]
	}
	return true
}

// end closes a phase with a sink.
func (c *compiler) end(s func(*run) sink) {
	c.phases = append(c.phases, phase{steps: c.steps, sink: s})
	c.steps, c.keys, c.arranged = nil, nil, false
}

// arrange closes a phase with rows in order, at most limit of them; 0 means as many as the result may have.
func (c *compiler) arrange(limit int, by []eval, tail bool) {
	keys := c.keys
	newest := len(keys) == 0 && !c.sorted && c.closed == ""
	c.end(func(r *run) sink {
		n := limit
		if n == 0 {
			n = r.limit
		}
		return &arranger{run: r, keys: keys, newest: newest, limit: n, by: by, tail: tail}
	})
	c.sorted, c.arranged = true, true
}

// close ends what can be said about events: from here on only these slots have names.
func (c *compiler) close(by string) {
	c.closed, c.events, c.sorted, c.limited = by, false, true, false
	c.scope = newNames()
	c.shown, c.display = nil, nil
}

// result lists the columns of the answer.
func (c *compiler) result() []output {
	if c.display != nil {
		return c.display
	}
	if c.closed != "" {
		return c.shown
	}
	if !c.selected {
		return append([]output{{"@timestamp", timestamp}, {"@message", message}}, c.shown...)
	}
	return c.shown
}

func timestamp(r *row) value { return value{kind: instant, num: float64(r.event.Time)} }
func message(r *row) value   { return textOf(r.event.Message) }
