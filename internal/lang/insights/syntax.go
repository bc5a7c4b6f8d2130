package insights

import (
	"regexp"
	"strings"
)

type operator uint8

const (
	opField operator = iota
	opLiteral
	opPeriod
	opCall
	opNegate
	opNot
	opAnd
	opOr
	opAdd
	opSubtract
	opMultiply
	opDivide
	opRemainder
	opPower
	opEqual
	opUnequal
	opLess
	opAtMost
	opMore
	opAtLeast
	opLike
	opIn
	opIndex
)

// node is an expression.
type node struct {
	op         operator
	start, end int    // bytes of the query
	name       string // of a field or function; the substring of like
	literal    value
	period     period
	args       []*node
	re         *regexp.Regexp
	star       bool // count(*)
}

// column is an expression with a name.
type column struct {
	expr       *node
	name       string // the alias, or the expression as it is written
	alias      bool
	start, end int // of the alias
	desc       bool
}

// command is one step of a query.
type command struct {
	name       string
	start, end int
	columns    []column // of fields, display, stats, sort
	by         []column
	expr       *node // of filter, parse and pattern
	glob       []string
	re         *regexp.Regexp
	into       []column // names that parse gives
	count      int
	modifier   string
	table      string // of lookup
}

const maxNesting = 100

type parser struct {
	lexer
	depth int
}

// unserved tells of commands that AWS has and this package does not why they are refused.
func unserved(name string) string {
	switch name {
	case "anomaly":
		return "it looks for anomalies with machine learning"
	case "source":
		return "name the log groups in the request instead"
	case "search":
		return "use filter @message like instead"
	case "unnest":
		return "take the items of a list by their number instead"
	case "join":
		return "a query reads its log groups as one"
	case "addtotals":
		return "use stats sum() instead"
	case "logcompare":
		return "use diff instead"
	}
	return ""
}

func (p *parser) query() ([]command, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	var out []command
	for {
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		c.end = p.last
		out = append(out, c)
		if p.tok.kind == end {
			return out, nil
		}
		if !p.tok.is("|") {
			return nil, p.unexpected()
		}
		if err := p.next(); err != nil {
			return nil, err
		}
	}
}

// command reads one command, its name being the current token.
func (p *parser) command() (command, error) {
	c := command{name: lower(p.tok.text), start: p.tok.start}
	t := p.tok
	if t.kind == end {
		return c, p.unexpected()
	}
	if t.kind == word {
		if reason := unserved(c.name); reason != "" {
			return c, p.fail(t.start, t.end, "the command %s is not served at %s: %s", t.text, p.place(t.start), reason)
		}
		if err := p.next(); err != nil {
			return c, err
		}
		switch c.name {
		case "fields", "display":
			return c, p.columns(&c.columns, true, false)
		case "filter", "where", "filterindex":
			var err error
			if c.modifier = c.name; c.name != "filterindex" {
				c.modifier = ""
			}
			c.name = "filter"
			c.expr, err = p.expression()
			return c, err
		case "stats":
			return c, p.stats(&c)
		case "sort", "order":
			c.name = "sort"
			if p.tok.keyword("by") {
				if err := p.next(); err != nil {
					return c, err
				}
			}
			return c, p.columns(&c.columns, true, true)
		case "dedup":
			return c, p.columns(&c.columns, false, false)
		case "unmask":
			return c, p.columns(&c.columns, false, false)
		case "limit", "head", "tail":
			return c, p.limit(&c)
		case "parse":
			return c, p.parse(&c)
		case "lookup":
			return c, p.readLookup(&c)
		case "pattern":
			var err error
			c.expr, err = p.expression()
			return c, err
		case "diff":
			c.modifier = "previous"
			if p.tok.kind == word {
				switch m := lower(p.tok.text); m {
				case "previousday", "previousweek", "previousmonth":
					c.modifier = m
				default:
					return c, p.unexpected()
				}
				return c, p.next()
			}
			return c, nil
		}
	}
	return c, p.fail(t.start, t.end, "mismatched input '%s' expecting {K_PARSE, K_SEARCH, K_FIELDS, K_DISPLAY, K_FILTER, K_STATS, K_SORT, K_ORDER, K_HEAD, K_LIMIT, K_TAIL}", p.text[t.start:t.end])
}

func (p *parser) columns(into *[]column, aliases, sorted bool) error {
	for {
		expr, err := p.expression()
		if err != nil {
			return err
		}
		c := column{expr: expr, name: p.nameOf(expr), start: expr.start, end: expr.end}
		if aliases && p.tok.keyword("as") {
			if err := p.next(); err != nil {
				return err
			}
			if err := p.alias(&c); err != nil {
				return err
			}
		}
		if sorted && (p.tok.keyword("asc") || p.tok.keyword("desc")) {
			c.desc = p.tok.keyword("desc")
			if err := p.next(); err != nil {
				return err
			}
		}
		*into = append(*into, c)
		if !p.tok.is(",") {
			return nil
		}
		if err := p.next(); err != nil {
			return err
		}
	}
}

// nameOf is the name of a column that was given none.
func (p *parser) nameOf(n *node) string {
	if n.op == opField {
		return n.name
	}
	return p.text[n.start:n.end]
}

func (p *parser) alias(c *column) error {
	if p.tok.kind != word && p.tok.kind != quotedWord || reserved(p.tok) {
		return p.unexpected()
	}
	c.name, c.alias, c.start, c.end = p.tok.text, true, p.tok.start, p.tok.end
	return p.next()
}

func (p *parser) stats(c *command) error {
	if err := p.columns(&c.columns, true, false); err != nil {
		return err
	}
	if !p.tok.keyword("by") {
		return nil
	}
	if err := p.next(); err != nil {
		return err
	}
	return p.columns(&c.by, true, false)
}

func (p *parser) limit(c *command) error {
	t := p.tok
	if t.kind != numberToken {
		return p.unexpected()
	}
	if t.number < 1 || t.number > MaxLimit || t.number != float64(int(t.number)) {
		return p.fail(t.start, t.end, "%s must be a whole number from 1 to %d at %s", c.name, MaxLimit, p.place(t.start))
	}
	c.count = int(t.number)
	return p.next()
}

func (p *parser) parse(c *command) error {
	var err error
	if c.expr, err = p.postfix(); err != nil {
		return err
	}
	t := p.tok
	switch {
	case t.is("/"):
		if c.re, err = p.regex(); err != nil {
			return err
		}
		for _, name := range c.re.SubexpNames() {
			if name != "" {
				c.into = append(c.into, column{name: name, alias: true, start: t.start, end: p.last})
			}
		}
		if len(c.into) == 0 {
			return p.fail(t.start, p.last, "the regular expression of parse needs a named capturing group, such as (?<name>.*), at %s", p.place(t.start))
		}
		return nil
	case t.kind == textToken:
		c.glob = strings.Split(strings.ReplaceAll(t.text, "\\*", "\x00"), "*")
		for i := range c.glob {
			c.glob[i] = strings.ReplaceAll(c.glob[i], "\x00", "*")
		}
		if err := p.next(); err != nil {
			return err
		}
	default:
		return p.unexpected()
	}
	if !p.tok.keyword("as") {
		return p.unexpected()
	}
	for {
		if err := p.next(); err != nil {
			return err
		}
		var into column
		if err := p.alias(&into); err != nil {
			return err
		}
		c.into = append(c.into, into)
		if !p.tok.is(",") {
			break
		}
	}
	if len(c.into) != len(c.glob)-1 {
		return p.fail(t.start, p.last, "parse has %d asterisks and %d names at %s", len(c.glob)-1, len(c.into), p.place(t.start))
	}
	return nil
}
