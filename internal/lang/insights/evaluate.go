package insights

import (
	"math"
	"slices"
	"strings"
)

// eval compiles an expression.
func (c *compiler) eval(n *node) (eval, error) {
	if slot, ok := c.known(n); ok {
		return slotEval(slot), nil
	}
	switch n.op {
	case opLiteral:
		v := n.literal
		return func(*row) value { return v }, nil
	case opField:
		return c.field(n)
	case opPeriod:
		return nil, c.fail(n.start, n.end, "a period is only understood by bin, datefloor and dateceil at %s", c.place(n.start))
	case opCall:
		return c.call(n)
	case opIndex:
		return c.index(n)
	case opNot, opAnd, opOr, opEqual, opUnequal, opLess, opAtMost, opMore, opAtLeast, opLike, opIn:
		pass, err := c.condition(n)
		if err != nil {
			return nil, err
		}
		return func(r *row) value { return truthOf(pass(r)) }, nil
	}
	args, err := c.evals(n.args)
	if err != nil {
		return nil, err
	}
	if n.op == opNegate {
		return numeric(args[0], func(a float64) float64 { return -a }), nil
	}
	f := arithmetic(n.op)
	a, b := args[0], args[1]
	return func(r *row) value {
		x, ok := a(r).number()
		y, ok2 := b(r).number()
		if !ok || !ok2 {
			return value{}
		}
		return numberOf(f(x, y))
	}, nil
}

func arithmetic(op operator) func(a, b float64) float64 {
	switch op {
	case opAdd:
		return func(a, b float64) float64 { return a + b }
	case opSubtract:
		return func(a, b float64) float64 { return a - b }
	case opMultiply:
		return func(a, b float64) float64 { return a * b }
	case opDivide:
		return func(a, b float64) float64 { return a / b }
	case opRemainder:
		return math.Mod
	}
	return math.Pow
}

func numeric(arg eval, f func(float64) float64) eval {
	return func(r *row) value {
		x, ok := arg(r).number()
		if !ok {
			return value{}
		}
		return numberOf(f(x))
	}
}

func (c *compiler) evals(nodes []*node) ([]eval, error) {
	out := make([]eval, len(nodes))
	for i, n := range nodes {
		e, err := c.eval(n)
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

// asWritten is an expression without what does not matter in it.
func (c *compiler) asWritten(n *node) string {
	return strings.Join(strings.Fields(lower(c.text[n.start:n.end])), "")
}

// known finds the column of a stats command that an expression repeats.
func (c *compiler) known(n *node) (int, bool) {
	written := c.visible().written
	if len(written) == 0 || n.end <= n.start || n.op == opLiteral {
		return 0, false
	}
	slot, ok := written[c.asWritten(n)]
	return slot, ok
}

// field finds out what a name stands for.
func (c *compiler) field(n *node) (eval, error) {
	slots := c.visible().slots
	if slot, ok := slots[n.name]; ok {
		return slotEval(slot), nil
	}
	for i := len(n.name) - 1; i > 0; i-- { // map.attribute
		if n.name[i] != '.' {
			continue
		}
		if slot, ok := slots[n.name[:i]]; ok {
			return path(slotEval(slot), n.name[i+1:]), nil
		}
	}
	if c.closed != "" || c.aggregates != nil && !c.inside {
		after := c.closed
		if after == "" || c.aggregates != nil {
			after = "stats"
		}
		return nil, c.fail(n.start, n.end, "Unknown symbols found in or after %s: %s", after, n.name)
	}
	switch n.name {
	case "@timestamp":
		return timestamp, nil
	case "@message":
		return message, nil
	case "@ingestionTime":
		return func(r *row) value { return value{kind: instant, num: float64(r.event.Ingested)} }, nil
	case "@logStream":
		return func(r *row) value { return textOf(r.event.Stream) }, nil
	case "@log":
		return func(r *row) value { return textOf(r.event.Group) }, nil
	case "@ptr":
		return func(r *row) value { return textOf(r.event.Ptr) }, nil
	case failureField:
		return func(r *row) value { return ofFailure(r.event) }, nil
	}
	name := n.name
	if slices.Contains(lambdaNames(), name) {
		return func(r *row) value { return ofLambda(r.event, name) }, nil
	}
	if strings.HasPrefix(name, "@@") { // shown with one more than the message has
		name = name[1:]
	}
	leaf := c.leaf(name)
	return func(r *row) value {
		if !r.scanned {
			r.scan()
		}
		return r.fields[leaf]
	}, nil
}

// leaf is the number of a field of messages.
func (c *compiler) leaf(name string) int {
	for i, f := range c.fields {
		if f == name {
			return i
		}
	}
	c.fields = append(c.fields, name)
	c.names.add(name, len(c.fields)-1)
	return len(c.fields) - 1
}

func (c *compiler) index(n *node) (eval, error) {
	of, err := c.eval(n.args[0])
	if err != nil {
		return nil, err
	}
	return path(of, n.name), nil
}

func path(of eval, name string) eval {
	names := newTrie("")
	names.add(name, 0)
	return func(r *row) value { return member(of(r), names) }
}

// condition compiles an expression that rows pass or not.
func (c *compiler) condition(n *node) (condition, error) {
	if _, ok := c.known(n); ok {
		return c.holds(n)
	}
	switch n.op {
	case opNot:
		pass, err := c.condition(n.args[0])
		if err != nil {
			return nil, err
		}
		return func(r *row) bool { return !pass(r) }, nil
	case opAnd, opOr:
		a, err := c.condition(n.args[0])
		if err != nil {
			return nil, err
		}
		b, err := c.condition(n.args[1])
		if err != nil {
			return nil, err
		}
		if n.op == opAnd {
			return func(r *row) bool { return a(r) && b(r) }, nil
		}
		return func(r *row) bool { return a(r) || b(r) }, nil
	case opEqual, opUnequal, opLess, opAtMost, opMore, opAtLeast:
		return c.compare(n)
	case opLike:
		return c.like(n)
	case opIn:
		args, err := c.evals(n.args)
		if err != nil {
			return nil, err
		}
		of, items := args[0], args[1:]
		return func(r *row) bool {
			v := of(r)
			for _, item := range items {
				if equal(v, item(r)) {
					return true
				}
			}
			return false
		}, nil
	}
	return c.holds(n)
}

func (c *compiler) holds(n *node) (condition, error) {
	e, err := c.eval(n)
	if err != nil {
		return nil, err
	}
	return func(r *row) bool { return e(r).holds() }, nil
}

func (c *compiler) compare(n *node) (condition, error) {
	args, err := c.evals(n.args)
	if err != nil {
		return nil, err
	}
	a, b := args[0], args[1]
	switch n.op {
	case opEqual, opUnequal:
		want := n.op == opEqual
		if lit := n.args[1]; lit.op == opLiteral {
			if of := n.args[0]; of.op == opField && want {
				if pass := c.fieldIs(of.name, a, lit.literal); pass != nil {
					return pass, nil
				}
			}
			v := lit.literal
			return func(r *row) bool { return equal(a(r), v) == want }, nil
		}
		return func(r *row) bool { return equal(a(r), b(r)) == want }, nil
	case opLess:
		return func(r *row) bool { o, ok := order(a(r), b(r)); return ok && o < 0 }, nil
	case opAtMost:
		return func(r *row) bool { o, ok := order(a(r), b(r)); return ok && o <= 0 }, nil
	case opMore:
		return func(r *row) bool { o, ok := order(a(r), b(r)); return ok && o > 0 }, nil
	}
	return func(r *row) bool { o, ok := order(a(r), b(r)); return ok && o >= 0 }, nil
}

// fieldIs compares a field of messages with a string. Most messages do not have that string anywhere, and are known by that, unless
// a backslash may hide it.
func (c *compiler) fieldIs(name string, of eval, v value) condition {
	if _, ok := c.scope.slots[name]; ok || name[0] == '@' || c.closed != "" || v.kind != text || v.str == "" || v.str == "true" || v.str == "false" {
		return nil
	}
	if _, ok := parseNumber(v.str); ok {
		return nil
	}
	for i := range name {
		if _, ok := c.scope.slots[name[:i]]; ok {
			return nil // inside a map
		}
	}
	want := v.str
	return func(r *row) bool {
		if !r.scanned && !strings.Contains(r.event.Message, want) && strings.IndexByte(r.event.Message, '\\') < 0 {
			return false
		}
		return equal(of(r), v)
	}
}
