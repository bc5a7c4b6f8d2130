package insights

import (
	"math"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// call compiles a function.
func (c *compiler) call(n *node) (eval, error) {
	least, most, ok := arity(n.name)
	if _, is := aggregateArity(n.name); is {
		return c.aggregateCall(n)
	}
	if !ok {
		return nil, c.fail(n.start, n.end, "unknown function %s at %s", n.name, c.place(n.start))
	}
	if n.star || len(n.args) < least || len(n.args) > most {
		return nil, c.fail(n.start, n.end, "wrong number of arguments of the function %s at %s", n.name, c.place(n.start))
	}
	switch n.name {
	case "bin", "datefloor", "dateceil":
		return c.dateFunction(n)
	case "isipinsubnet", "isipv4insubnet", "isipv6insubnet":
		return c.subnetFunction(n)
	case "if":
		pass, err := c.condition(n.args[0])
		if err != nil {
			return nil, err
		}
		args, err := c.evals(n.args[1:])
		if err != nil {
			return nil, err
		}
		return func(r *row) value {
			if pass(r) {
				return args[0](r)
			}
			return args[1](r)
		}, nil
	}
	args, err := c.evals(n.args)
	if err != nil {
		return nil, err
	}
	if f := numberFunction(n.name, args); f != nil {
		return f, nil
	}
	if n.name == "unmask" {
		c.unmask = true
	}
	return plainFunction(n.name, args), nil
}

const unbounded = 1000

// arity tells how many arguments a function takes.
func arity(name string) (least, most int, ok bool) {
	switch name {
	case "now":
		return 0, 0, true
	case "abs", "ceil", "floor", "log", "sqrt", "ispresent", "isempty", "isblank", "strlen", "toupper", "tolower",
		"frommillis", "tomillis", "jsonparse", "jsonstringify", "isvalidip", "isvalidipv4", "isvalidipv6", "bin", "unmask":
		return 1, 1, true
	case "greatest", "least", "coalesce", "concat":
		return 1, unbounded, true
	case "ltrim", "rtrim", "trim":
		return 1, 2, true
	case "substr":
		return 2, 3, true
	case "strcontains", "datefloor", "dateceil", "isipinsubnet", "isipv4insubnet", "isipv6insubnet":
		return 2, 2, true
	case "replace", "if":
		return 3, 3, true
	}
	return 0, 0, false
}

func numberFunction(name string, args []eval) eval {
	switch name {
	case "abs":
		return numeric(args[0], math.Abs)
	case "ceil":
		return numeric(args[0], math.Ceil)
	case "floor":
		return numeric(args[0], math.Floor)
	case "log":
		return numeric(args[0], math.Log)
	case "sqrt":
		return numeric(args[0], math.Sqrt)
	case "greatest":
		return extreme(args, 1)
	case "least":
		return extreme(args, -1)
	}
	return nil
}

// extreme is the largest (or smallest) of the arguments that are numbers.
func extreme(args []eval, sign float64) eval {
	return func(r *row) value {
		var best value
		for _, a := range args {
			v := a(r)
			n, ok := v.number()
			if !ok {
				continue
			}
			if v.kind == text {
				v = value{kind: number, num: n, str: v.str}
			}
			if best.kind == missing || (n-best.num)*sign > 0 {
				best = v
			}
		}
		return best
	}
}

// plainFunction is a function whose arguments are all values.
func plainFunction(name string, args []eval) eval {
	ofText := func(f func(string) value) eval {
		return func(r *row) value {
			v := args[0](r)
			if v.kind == missing {
				return value{}
			}
			return f(v.String())
		}
	}
	ofAddress := func(f func(netip.Addr) bool) eval {
		return func(r *row) value {
			a, err := netip.ParseAddr(args[0](r).String())
			return truthOf(err == nil && a.Zone() == "" && f(a))
		}
	}
	switch name {
	case "ispresent":
		return func(r *row) value { return truthOf(args[0](r).kind != missing) }
	case "isempty":
		return func(r *row) value { return truthOf(args[0](r).String() == "") }
	case "isblank":
		return func(r *row) value { return truthOf(strings.TrimSpace(args[0](r).String()) == "") }
	case "coalesce":
		return func(r *row) value {
			for _, a := range args {
				if v := a(r); v.kind != missing {
					return v
				}
			}
			return value{}
		}
	case "concat":
		return func(r *row) value {
			var b strings.Builder
			for _, a := range args {
				b.WriteString(a(r).String())
			}
			return textOf(b.String())
		}
	case "strlen":
		return ofText(func(s string) value { return numberOf(float64(utf8.RuneCountInString(s))) })
	case "toupper":
		return ofText(func(s string) value { return textOf(strings.ToUpper(s)) })
	case "tolower":
		return ofText(func(s string) value { return textOf(strings.ToLower(s)) })
	case "ltrim":
		return trim(args, strings.TrimLeft, func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) })
	case "rtrim":
		return trim(args, strings.TrimRight, func(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) })
	case "trim":
		return trim(args, strings.Trim, strings.TrimSpace)
	case "substr":
		return func(r *row) value { return substring(args, r) }
	case "strcontains":
		return func(r *row) value {
			v, w := args[0](r), args[1](r)
			return truthOf(v.kind != missing && w.kind != missing && strings.Contains(v.String(), w.String()))
		}
	case "replace":
		return func(r *row) value {
			v, from := args[0](r), args[1](r).String()
			if v.kind == missing {
				return v
			}
			if from == "" {
				return textOf(v.String())
			}
			return textOf(strings.ReplaceAll(v.String(), from, args[2](r).String()))
		}
	case "now": // in seconds
		return func(r *row) value { return numberOf(float64(r.now / 1000)) }
	case "frommillis":
		return func(r *row) value {
			n, ok := args[0](r).number()
			if !ok || math.Abs(n) > 1e15 {
				return value{}
			}
			return value{kind: instant, num: math.Trunc(n)}
		}
	case "tomillis":
		return func(r *row) value {
			if v := args[0](r); v.kind == instant || v.kind == number {
				return numberOf(v.num)
			}
			return value{}
		}
	case "jsonparse":
		return func(r *row) value { return parseJSON(args[0](r)) }
	case "jsonstringify":
		return func(r *row) value {
			v := args[0](r)
			if v.kind != structure {
				return value{}
			}
			return textOf(v.str)
		}
	case "isvalidip":
		return ofAddress(func(netip.Addr) bool { return true })
	case "isvalidipv4":
		return ofAddress(netip.Addr.Is4)
	case "isvalidipv6":
		return ofAddress(netip.Addr.Is6)
	}
	return func(r *row) value { return r.unmasked(args[0]) } // unmask
}

func trim(args []eval, set func(s, cut string) string, space func(string) string) eval {
	return func(r *row) value {
		v := args[0](r)
		if v.kind == missing {
			return v
		}
		if len(args) == 1 {
			return textOf(space(v.String()))
		}
		return textOf(set(v.String(), args[1](r).String()))
	}
}

// substring counts code points.
func substring(args []eval, r *row) value {
	v := args[0](r)
	from, ok := args[1](r).number()
	if v.kind == missing || !ok {
		return value{}
	}
	length := math.Inf(1)
	if len(args) == 3 {
		if length, ok = args[2](r).number(); !ok {
			return value{}
		}
	}
	from = max(from, 0)
	s := v.String()
	start, end, n := len(s), len(s), 0.0
	for i := range s {
		if n >= from && i < start {
			start = i
		}
		if n >= from+max(length, 0) {
			end = i
			break
		}
		n++
	}
	if start > end {
		start = end
	}
	return textOf(s[start:end])
}

func (c *compiler) dateFunction(n *node) (eval, error) {
	last := n.args[len(n.args)-1]
	if last.op != opPeriod {
		return nil, c.fail(last.start, last.end, "%s needs a period such as 5m at %s", n.name, c.place(last.start))
	}
	p := last.period
	of := n.args[0]
	if n.name == "bin" {
		of = &node{op: opField, name: "@timestamp", start: n.start, end: n.start}
	}
	e, err := c.eval(of)
	if err != nil {
		return nil, err
	}
	round := p.floor
	if n.name == "dateceil" {
		round = p.ceil
	}
	return func(r *row) value {
		v := e(r)
		if v.kind != instant && v.kind != number || math.Abs(v.num) > 1e15 {
			return value{}
		}
		return value{kind: instant, num: float64(round(int64(v.num)))}
	}, nil
}

func (c *compiler) subnetFunction(n *node) (eval, error) {
	of, err := c.eval(n.args[0])
	if err != nil {
		return nil, err
	}
	subnet, err := c.eval(n.args[1])
	if err != nil {
		return nil, err
	}
	parse := func(s string) (netip.Prefix, bool) {
		p, err := netip.ParsePrefix(s)
		if err != nil || n.name == "isipv4insubnet" && !p.Addr().Is4() || n.name == "isipv6insubnet" && !p.Addr().Is6() {
			return netip.Prefix{}, false
		}
		return p.Masked(), true
	}
	var fixed netip.Prefix
	if lit := n.args[1]; lit.op == opLiteral {
		var ok bool
		if fixed, ok = parse(lit.literal.String()); !ok {
			return nil, c.fail(lit.start, lit.end, "%s needs a subnet such as 192.0.2.0/24 at %s", n.name, c.place(lit.start))
		}
	}
	return func(r *row) value {
		p, ok := fixed, fixed.IsValid()
		if !ok {
			p, ok = parse(subnet(r).String())
		}
		a, err := netip.ParseAddr(of(r).String())
		return truthOf(ok && err == nil && p.Contains(a))
	}, nil
}
