package insights

import "strings"

func lower(s string) string { return strings.ToLower(s) }

// reserved words are no names unless they stand in backticks.
func reserved(t token) bool {
	if t.kind != word {
		return false
	}
	switch lower(t.text) {
	case "and", "or", "not", "in", "like", "as", "by", "asc", "desc":
		return true
	}
	return false
}

func (p *parser) expression() (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail(p.tok.start, p.tok.end, "the query is nested too deeply at %s", p.place(p.tok.start))
	}
	defer func() { p.depth-- }()
	return p.chain(opOr, "or", func() (*node, error) {
		return p.chain(opAnd, "and", p.negation)
	})
}

func (p *parser) chain(op operator, keyword string, operand func() (*node, error)) (*node, error) {
	left, err := operand()
	for err == nil && p.tok.keyword(keyword) {
		if err = p.next(); err != nil {
			break
		}
		var right *node
		if right, err = operand(); err == nil {
			left = &node{op: op, start: left.start, end: right.end, args: []*node{left, right}}
		}
	}
	return left, err
}

func (p *parser) negation() (*node, error) {
	nots := 0
	start := p.tok.start
	for p.tok.keyword("not") {
		nots++
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	n, err := p.comparison()
	if err == nil && nots > 0 {
		if nots%2 == 1 {
			n = &node{op: opNot, start: start, end: n.end, args: []*node{n}}
		} else { // twice not is a condition still
			inner := &node{op: opNot, start: start, end: n.end, args: []*node{n}}
			n = &node{op: opNot, start: start, end: n.end, args: []*node{inner}}
		}
	}
	return n, err
}

func (p *parser) comparison() (*node, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	not := p.tok.keyword("not")
	if not {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	var n *node
	switch {
	case p.tok.keyword("like"), p.tok.is("=~"):
		n, err = p.like(left)
	case p.tok.keyword("in"):
		n, err = p.in(left)
	case not:
		return nil, p.unexpected()
	default:
		op, ok := comparator(p.tok)
		if !ok {
			return left, nil
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		right, err := p.sum()
		if err != nil {
			return nil, err
		}
		return &node{op: op, start: left.start, end: right.end, args: []*node{left, right}}, nil
	}
	if err == nil && not {
		n = &node{op: opNot, start: n.start, end: n.end, args: []*node{n}}
	}
	return n, err
}

func comparator(t token) (operator, bool) {
	if t.kind != symbol {
		return 0, false
	}
	switch t.text {
	case "=":
		return opEqual, true
	case "!=":
		return opUnequal, true
	case "<":
		return opLess, true
	case "<=":
		return opAtMost, true
	case ">":
		return opMore, true
	case ">=":
		return opAtLeast, true
	}
	return 0, false
}

func (p *parser) like(left *node) (*node, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	n := &node{op: opLike, start: left.start, args: []*node{left}}
	switch {
	case p.tok.is("/"):
		var err error
		if n.re, err = p.regex(); err != nil {
			return nil, err
		}
	case p.tok.kind == textToken:
		n.name = p.tok.text
		if err := p.next(); err != nil {
			return nil, err
		}
	default:
		return nil, p.unexpected()
	}
	n.end = p.last
	return n, nil
}

func (p *parser) in(left *node) (*node, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	if !p.tok.is("[") {
		return nil, p.unexpected()
	}
	n := &node{op: opIn, start: left.start, args: []*node{left}}
	for {
		if err := p.next(); err != nil {
			return nil, err
		}
		item, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, item)
		if !p.tok.is(",") {
			break
		}
	}
	if !p.tok.is("]") {
		return nil, p.unexpected()
	}
	n.end = p.tok.end
	return n, p.next()
}

func (p *parser) sum() (*node, error) {
	return p.operators(p.product, func(t token) (operator, bool) {
		switch {
		case t.is("+"):
			return opAdd, true
		case t.is("-"):
			return opSubtract, true
		}
		return 0, false
	})
}

func (p *parser) product() (*node, error) {
	return p.operators(p.power, func(t token) (operator, bool) {
		switch {
		case t.is("*"):
			return opMultiply, true
		case t.is("/"):
			return opDivide, true
		case t.is("%"):
			return opRemainder, true
		}
		return 0, false
	})
}

func (p *parser) operators(operand func() (*node, error), which func(token) (operator, bool)) (*node, error) {
	left, err := operand()
	for err == nil {
		op, ok := which(p.tok)
		if !ok {
			break
		}
		if err = p.next(); err != nil {
			break
		}
		var right *node
		if right, err = operand(); err == nil {
			left = &node{op: op, start: left.start, end: right.end, args: []*node{left, right}}
		}
	}
	return left, err
}

func (p *parser) power() (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.fail(p.tok.start, p.tok.end, "the query is nested too deeply at %s", p.place(p.tok.start))
	}
	defer func() { p.depth-- }()
	if p.tok.is("-") || p.tok.is("+") {
		start, minus := p.tok.start, p.tok.is("-")
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.power()
		if err != nil {
			return nil, err
		}
		if !minus {
			n.start = start
			return n, nil
		}
		return &node{op: opNegate, start: start, end: n.end, args: []*node{n}}, nil
	}
	base, err := p.postfix()
	if err != nil || !p.tok.is("^") {
		return base, err
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	exponent, err := p.power()
	if err != nil {
		return nil, err
	}
	return &node{op: opPower, start: base.start, end: exponent.end, args: []*node{base, exponent}}, nil
}

// postfix reads a value and what is taken out of it: list[0], map["key"].
func (p *parser) postfix() (*node, error) {
	n, err := p.primary()
	for err == nil && p.tok.is("[") {
		if err = p.next(); err != nil {
			break
		}
		key := p.tok
		if key.kind != textToken && (key.kind != numberToken || strings.Trim(key.text, "0123456789") != "") {
			return nil, p.unexpected()
		}
		if err = p.next(); err != nil {
			break
		}
		if !p.tok.is("]") {
			return nil, p.unexpected()
		}
		n = &node{op: opIndex, name: key.text, start: n.start, end: p.tok.end, args: []*node{n}}
		err = p.next()
	}
	return n, err
}

func (p *parser) primary() (*node, error) {
	t := p.tok
	n := &node{start: t.start, end: t.end}
	switch {
	case t.kind == numberToken:
		n.op, n.literal = opLiteral, value{kind: number, num: t.number, str: t.text}
		return n, p.next()
	case t.kind == textToken:
		n.op, n.literal = opLiteral, textOf(t.text)
		return n, p.next()
	case t.kind == periodToken:
		n.op, n.period = opPeriod, t.period
		return n, p.next()
	case t.is("("):
		if err := p.next(); err != nil {
			return nil, err
		}
		inner, err := p.expression()
		if err != nil {
			return nil, err
		}
		if !p.tok.is(")") {
			return nil, p.unexpected()
		}
		inner.start, inner.end = t.start, p.tok.end
		return inner, p.next()
	case t.kind != word && t.kind != quotedWord, reserved(t):
		return nil, p.unexpected()
	}
	n.name = t.text
	if err := p.next(); err != nil {
		return nil, err
	}
	if t.kind == word && p.tok.is("(") {
		return p.call(n)
	}
	if t.kind == word && (t.keyword("true") || t.keyword("false")) {
		n.op, n.literal = opLiteral, truthOf(t.keyword("true"))
	}
	return n, nil
}

func (p *parser) call(n *node) (*node, error) {
	n.op, n.name = opCall, lower(n.name)
	if err := p.next(); err != nil {
		return nil, err
	}
	switch {
	case p.tok.is(")"):
		n.end = p.tok.end
		return n, p.next()
	case p.tok.is("*"):
		n.star = true
		if err := p.next(); err != nil {
			return nil, err
		}
	default:
		for {
			arg, err := p.expression()
			if err != nil {
				return nil, err
			}
			// 5 minutes is written in two words
			if arg.op == opLiteral && arg.literal.kind == number && p.tok.kind == word && !reserved(p.tok) {
				if unit, ok := newPeriod(arg.literal.num, p.tok.text); ok {
					arg = &node{op: opPeriod, period: unit, start: arg.start, end: p.tok.end}
					if err := p.next(); err != nil {
						return nil, err
					}
				}
			}
			n.args = append(n.args, arg)
			if !p.tok.is(",") {
				break
			}
			if err := p.next(); err != nil {
				return nil, err
			}
		}
	}
	if !p.tok.is(")") {
		return nil, p.unexpected()
	}
	n.end = p.tok.end
	return n, p.next()
}
