package policy

import (
	"net/netip"
	"strings"
)

// A condition is one key of one operator in a statement's Condition: all of them have to hold.
type condition struct {
	test     test
	negated  bool // …Not…: holds where the test does not
	ifExists bool
	set      quantifier
	key      string // in lower case
	name     string // as the policy writes it
	// The values, compiled as test wants them. One of them has to be met.
	patterns []pattern
	arns     []arnPattern
	numbers  []float64
	dates    []instant
	networks []netip.Prefix
	truth    [2]bool // of null: holds where the key is there, where it is not
}

type quantifier uint8

const (
	noQuantifier quantifier = iota
	forAll
	forAny
)

type test uint8

const (
	testText test = iota // by patterns
	testARN
	testBool
	testBinary
	testIP
	testNull
	testNumberEquals
	testNumberLess
	testNumberLessEquals
	testNumberGreater
	testNumberGreaterEquals
	testDateEquals
	testDateLess
	testDateLessEquals
	testDateGreater
	testDateGreaterEquals
)

// operator is a condition operator by its name without qualifier and IfExists.
type operator struct {
	test    test
	negated bool
	syntax  syntax // of testText; variables wait for the version
}

func operatorOf(name string) (o operator, ok bool) {
	word := syntax{variables: true}
	switch name {
	case "StringEquals":
		return operator{syntax: word}, true
	case "StringNotEquals":
		return operator{syntax: word, negated: true}, true
	case "StringEqualsIgnoreCase":
		return operator{syntax: syntax{variables: true, fold: true}}, true
	case "StringNotEqualsIgnoreCase":
		return operator{syntax: syntax{variables: true, fold: true}, negated: true}, true
	case "StringLike":
		return operator{syntax: syntax{variables: true, wildcards: true}}, true
	case "StringNotLike":
		return operator{syntax: syntax{variables: true, wildcards: true}, negated: true}, true
	case "ArnEquals", "ArnLike":
		return operator{test: testARN}, true
	case "ArnNotEquals", "ArnNotLike":
		return operator{test: testARN, negated: true}, true
	case "NumericEquals":
		return operator{test: testNumberEquals}, true
	case "NumericNotEquals":
		return operator{test: testNumberEquals, negated: true}, true
	case "NumericLessThan":
		return operator{test: testNumberLess}, true
	case "NumericLessThanEquals":
		return operator{test: testNumberLessEquals}, true
	case "NumericGreaterThan":
		return operator{test: testNumberGreater}, true
	case "NumericGreaterThanEquals":
		return operator{test: testNumberGreaterEquals}, true
	case "DateEquals":
		return operator{test: testDateEquals}, true
	case "DateNotEquals":
		return operator{test: testDateEquals, negated: true}, true
	case "DateLessThan":
		return operator{test: testDateLess}, true
	case "DateLessThanEquals":
		return operator{test: testDateLessEquals}, true
	case "DateGreaterThan":
		return operator{test: testDateGreater}, true
	case "DateGreaterThanEquals":
		return operator{test: testDateGreaterEquals}, true
	case "Bool":
		return operator{test: testBool}, true
	case "BinaryEquals":
		return operator{test: testBinary}, true
	case "IpAddress":
		return operator{test: testIP}, true
	case "NotIpAddress":
		return operator{test: testIP, negated: true}, true
	case "Null":
		return operator{test: testNull}, true
	}
	return operator{}, false
}

// newCondition is a condition of an operator's whole name, without its key; ok is false where there is no such operator.
func newCondition(name string) (c condition, y syntax, ok bool) {
	if rest, has := strings.CutPrefix(name, "ForAllValues:"); has {
		c.set, name = forAll, rest
	} else if rest, has := strings.CutPrefix(name, "ForAnyValue:"); has {
		c.set, name = forAny, rest
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	o, ok := operatorOf(name)
	c.test, c.negated = o.test, o.negated
	return c, o.syntax, ok
}

// with is c for a key and the values that it is compared with.
func (c condition) with(key string, values []string, y syntax, variables bool) condition {
	c.name, c.key = key, strings.ToLower(key)
	y.variables = y.variables && variables
	for _, v := range values {
		switch c.test {
		case testText:
			c.patterns = append(c.patterns, y.compile(v))
		case testBool:
			c.patterns = append(c.patterns, syntax{variables: variables, fold: true}.compile(v))
		case testBinary:
			c.patterns = append(c.patterns, syntax{}.compile(v))
		case testARN:
			c.arns = append(c.arns, compileARN(v, variables))
		case testIP:
			if n, ok := parseNetwork(v); ok {
				c.networks = append(c.networks, n)
			}
		case testNull:
			if strings.EqualFold(v, "false") {
				c.truth[0] = true
			} else if strings.EqualFold(v, "true") {
				c.truth[1] = true
			}
		case testNumberEquals, testNumberLess, testNumberLessEquals, testNumberGreater, testNumberGreaterEquals:
			if n, ok := parseNumber(v); ok {
				c.numbers = append(c.numbers, n)
			}
		default:
			if d, ok := parseDate(v); ok {
				c.dates = append(c.dates, d)
			}
		}
	}
	return c
}

// holds reports whether c is met by a request with these keys.
func (c *condition) holds(keys Keys) bool {
	var v Value
	if keys != nil {
		v = keys.Key(c.key)
	}
	if c.test == testNull {
		if v.form == absent || v.form == multi && len(v.many) == 0 {
			return c.truth[1]
		}
		return c.truth[0]
	}
	if v.form == absent {
		return c.ifExists || c.set == forAll || c.set == noQuantifier && c.negated
	}
	if v.form == single {
		if v.one == "" && c.set != noQuantifier {
			return c.set == forAll // an empty string is no value of several
		}
		return c.meets(v.one, keys) != c.negated // of all values as of any
	}
	switch c.set {
	case forAll:
		for _, s := range v.many {
			if c.meets(s, keys) == c.negated {
				return false
			}
		}
		return true
	case forAny:
		for _, s := range v.many {
			if c.meets(s, keys) != c.negated {
				return true
			}
		}
	}
	return false // several values are compared with a qualifier only
}

// meets reports whether s is equal to, like, less than … one of c's values.
func (c *condition) meets(s string, keys Keys) bool {
	switch c.test {
	case testText, testBinary:
		for i := range c.patterns {
			if c.patterns[i].match(s, keys) {
				return true
			}
		}
	case testBool:
		if !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
			return false
		}
		for i := range c.patterns {
			if c.patterns[i].match(s, keys) {
				return true
			}
		}
	case testARN:
		parts, ok := splitValue(s)
		if !ok {
			return false
		}
		for i := range c.arns {
			if c.arns[i].match(s, &parts, keys) {
				return true
			}
		}
	case testIP:
		a, ok := parseAddress(s)
		if !ok {
			return false
		}
		for _, n := range c.networks {
			if n.Contains(a) {
				return true
			}
		}
	case testNumberEquals, testNumberLess, testNumberLessEquals, testNumberGreater, testNumberGreaterEquals:
		return c.meetsNumber(s)
	default:
		return c.meetsDate(s)
	}
	return false
}

func (c *condition) meetsNumber(s string) bool {
	v, ok := parseNumber(s)
	if !ok {
		return false
	}
	for _, n := range c.numbers {
		switch c.test {
		case testNumberEquals:
			ok = v == n
		case testNumberLess:
			ok = v < n
		case testNumberLessEquals:
			ok = v <= n
		case testNumberGreater:
			ok = v > n
		default:
			ok = v >= n
		}
		if ok {
			return true
		}
	}
	return false
}

func (c *condition) meetsDate(s string) bool {
	v, ok := parseDate(s)
	if !ok {
		return false
	}
	for _, d := range c.dates {
		order := v.compare(d)
		switch c.test {
		case testDateEquals:
			ok = order == 0
		case testDateLess:
			ok = order < 0
		case testDateLessEquals:
			ok = order <= 0
		case testDateGreater:
			ok = order > 0
		default:
			ok = order >= 0
		}
		if ok {
			return true
		}
	}
	return false
}

// An arnPattern is compared part by part: a * stays between its colons, but in the last part.
type arnPattern struct {
	parts [6]pattern
	whole *pattern // where all of it is one variable, which has no parts yet
}

func compileARN(text string, variables bool) arnPattern {
	y := syntax{wildcards: true, variables: variables}
	parts, ok := splitARN(text)
	var a arnPattern
	if !ok {
		w := y.compile(text)
		w.never = w.never || len(w.pieces) != 1 || w.pieces[0].kind != variable // too few parts: equal to no ARN
		w.simple = complexly
		a.whole = &w
		return a
	}
	for i, part := range parts {
		a.parts[i] = y.compile(part)
	}
	return a
}

func (a *arnPattern) match(s string, parts *[6]string, keys Keys) bool {
	if a.whole != nil {
		return a.whole.match(s, keys)
	}
	for i := range a.parts {
		if !a.parts[i].match(parts[i], keys) {
			return false
		}
	}
	return true
}

// splitValue is splitARN of a text that has no variables.
func splitValue(s string) (parts [6]string, ok bool) {
	for i := range 5 {
		n := strings.IndexByte(s, ':')
		if n < 0 {
			return parts, false
		}
		parts[i], s = s[:n], s[n+1:]
	}
	parts[5] = s
	return parts, true
}
