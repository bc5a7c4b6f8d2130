package insights

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

type kind uint8

const (
	missing   kind = iota
	number         // num; str as it was written, empty when computed
	truth          // num is 1 or 0
	instant        // num in milliseconds since 1970
	text           // str
	structure      // str is the JSON of a map or list
)

type value struct {
	str  string
	num  float64
	kind kind
}

func numberOf(n float64) value {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return value{}
	}
	return value{kind: number, num: n}
}

func truthOf(b bool) value {
	if b {
		return value{kind: truth, num: 1}
	}
	return value{kind: truth}
}

func textOf(s string) value { return value{kind: text, str: s} }

// number reads a value as a number.
func (v value) number() (float64, bool) {
	switch v.kind {
	case number, truth, instant:
		return v.num, true
	case text:
		return parseNumber(v.str)
	}
	return 0, false
}

// parseNumber reads the numbers that JSON and people write, and nothing else.
func parseNumber(s string) (float64, bool) {
	if s == "" || len(s) > 64 {
		return 0, false
	}
	i := 0
	if s[0] == '-' || s[0] == '+' {
		i = 1
	}
	if i == len(s) || (s[i] < '0' || s[i] > '9') && s[i] != '.' {
		return 0, false
	}
	n := int64(0)
	for j := i; j < len(s); j++ {
		c := s[j]
		if c < '0' || c > '9' {
			if c != '.' && c != 'e' && c != 'E' {
				return 0, false
			}
			f, err := strconv.ParseFloat(s, 64)
			return f, err == nil && strings.Trim(s[j:], "0123456789.eE+-") == ""
		}
		if j-i >= 15 {
			f, err := strconv.ParseFloat(s, 64)
			return f, err == nil && strings.Trim(s[j:], "0123456789.eE+-") == ""
		}
		n = n*10 + int64(c-'0')
	}
	if s[0] == '-' {
		n = -n
	}
	return float64(n), true
}

const clock = "2006-01-02 15:04:05.000"

// String is the value as a result shows it.
func (v value) String() string {
	switch v.kind {
	case number:
		if v.str != "" {
			return v.str
		}
		return formatNumber(v.num)
	case truth:
		if v.num != 0 {
			return "1"
		}
		return "0"
	case instant:
		return time.UnixMilli(int64(v.num)).UTC().Format(clock)
	}
	return v.str
}

func formatNumber(n float64) string {
	if math.Abs(n) >= 1e21 {
		return strconv.FormatFloat(n, 'E', -1, 64)
	}
	if n == math.Trunc(n) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	s := strings.TrimRight(strconv.FormatFloat(n, 'f', 4, 64), "0")
	if s = strings.TrimSuffix(s, "."); s == "-0" {
		return "0"
	}
	return s
}

// holds tells whether a value counts as true where a condition is asked for.
func (v value) holds() bool {
	switch v.kind {
	case number, truth:
		return v.num != 0
	case instant:
		return true
	case text:
		if n, ok := parseNumber(v.str); ok {
			return n != 0
		}
		return strings.EqualFold(v.str, "true")
	}
	return v.kind != missing
}

// equal compares as = does.
func equal(a, b value) bool {
	if a.kind == missing || b.kind == missing {
		return false
	}
	if a.kind == truth && b.kind == text {
		a, b = b, a
	}
	if b.kind == truth && a.kind == text {
		if n, ok := parseNumber(a.str); ok {
			return n == b.num
		}
		return a.str == "true" && b.num == 1 || a.str == "false" && b.num == 0
	}
	if a.kind >= text && b.kind >= text {
		return a.str == b.str
	}
	x, ok := a.number()
	y, ok2 := b.number()
	if ok && ok2 {
		return x == y
	}
	return a.String() == b.String()
}

// order compares as < does; it is false where the values have no order.
func order(a, b value) (int, bool) {
	if a.kind == missing || b.kind == missing {
		return 0, false
	}
	x, ok := a.number()
	y, ok2 := b.number()
	if ok && ok2 {
		return cmp.Compare(x, y), true
	}
	return strings.Compare(a.String(), b.String()), true
}

// natural is the order of sort: what is missing, then what is no number, chunk by chunk, then numbers.
func natural(a, b value) int {
	if a.kind == missing || b.kind == missing {
		return cmp.Compare(min(a.kind, 1), min(b.kind, 1))
	}
	x, ok := a.number()
	y, ok2 := b.number()
	switch {
	case ok && ok2:
		return cmp.Compare(x, y)
	case ok:
		return 1
	case ok2:
		return -1
	}
	return chunks(a.str, b.str)
}

// chunks compares runs of digits by their length, then their figures, and the rest by code points.
func chunks(a, b string) int {
	digit := func(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if digit(a, i) && digit(b, j) {
			m, n := i, j
			for digit(a, m) {
				m++
			}
			for digit(b, n) {
				n++
			}
			x, y := strings.TrimLeft(a[i:m], "0"), strings.TrimLeft(b[j:n], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
			i, j = m, n
			continue
		}
		if c := cmp.Compare(a[i], b[j]); c != 0 {
			return c
		}
		i++
		j++
	}
	return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), strings.Compare(a, b))
}
