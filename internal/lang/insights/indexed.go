package insights

import (
	"strconv"
	"strings"
)

// Indexed is what the message of every event has that a query can match: a field with one of several values. An index of fields can
// tell where none is.
type Indexed struct {
	Field string
	Keys  []string // of the values, as Picker gives them: an event with one of the values has one of these
	Only  bool     // filterIndex: only events are wanted for which there is an index of the field
}

// Indexed are those of the query. With a Mask it is the masked message that has them.
func (q *Query) Indexed() []Indexed { return q.program.indexed }

// indexedBy adds what a condition asks of fields; only says that it has to ask nothing else.
func (c *compiler) indexedBy(n *node, only bool) error {
	switch n.op {
	case opAnd:
		for _, arg := range n.args {
			if err := c.indexedBy(arg, only); err != nil {
				return err
			}
		}
		return nil
	case opEqual, opIn:
		field, rest := n.args[0], n.args[1:]
		if n.op == opEqual && field.op == opLiteral {
			field, rest = n.args[1], n.args[:1]
		}
		if field.op != opField || !c.discovered(field.name) {
			break
		}
		x := Indexed{Field: field.name, Only: only}
		for _, v := range rest {
			if v.op != opLiteral {
				if only {
					return c.notIndexed(n)
				}
				return nil
			}
			x.Keys = append(x.Keys, keysOf(v.literal)...)
		}
		c.program.indexed = append(c.program.indexed, x)
		return nil
	}
	if only {
		return c.notIndexed(n)
	}
	return nil
}

func (c *compiler) notIndexed(n *node) error {
	return c.fail(n.start, n.end, "filterIndex compares fields of events with = or in, joined by and, at %s", c.place(n.start))
}

// discovered reports whether a name is that of a field of messages, or of their place, and none that the query has given.
func (c *compiler) discovered(name string) bool {
	if len(c.phases) > 0 || c.closed != "" || strings.HasPrefix(name, "@") && name != "@logStream" && name != "@log" {
		return false
	}
	for slot := range c.scope.slots {
		if slot == name || strings.HasPrefix(name, slot+".") {
			return false
		}
	}
	return true
}

// keysOf are texts of a value of which two values share one where they are equal. The first letter says what it is compared as.
func keysOf(v value) []string {
	switch v.kind {
	case missing:
		return nil
	case truth:
		word := "tfalse"
		if v.num != 0 {
			word = "ttrue"
		}
		return []string{"n" + v.String(), "t" + v.String(), word}
	}
	keys := []string{"t" + v.String()}
	if n, ok := v.number(); ok {
		keys = append(keys, "n"+strconv.FormatFloat(n+0, 'g', -1, 64)) // -0 is 0
	}
	return keys
}

// Picker finds the values of some fields in messages, as a query that compares them does.
type Picker struct {
	fields []string
	row    row
}

// NewPicker finds the values of fields. It is for one goroutine at a time.
func NewPicker(fields []string) *Picker {
	p := &program{names: newTrie("")}
	c := &compiler{program: p}
	for _, f := range fields {
		c.leaf(f)
	}
	return &Picker{fields: fields, row: row{fields: make([]value, len(p.fields)), program: p}}
}

// Pick calls found with the keys of each field that an event has, by its place among the fields.
func (p *Picker) Pick(e *Event, found func(field int, keys []string)) {
	p.row.event, p.row.scanned = e, false
	p.row.scan()
	for i := range p.fields {
		if v := p.row.fields[i]; v.kind != missing {
			found(i, keysOf(v))
		}
	}
	p.row.event = nil
}
