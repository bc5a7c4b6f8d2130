package logfilter_test

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// The slow matcher reads a pattern again for every message, in the plainest way there is. It takes patterns that Parse took.

func slowMatch(pattern, message string) bool {
	pattern = strings.TrimSpace(pattern)
	switch {
	case pattern == "":
		return true
	case pattern[0] == '[':
		_, ok := slowFields(pattern, message)
		return ok
	case pattern[0] == '{':
		return slowJSON(pattern, message)
	}
	return slowTerms(pattern, message)
}

// slowTokens are quoted phrases, expressions, selectors, words and signs.
func slowTokens(text, words, signs string) []string {
	all := regexp.MustCompile(`"(?:[^"\\]|\\["\\]|\\)*"|%[^%]+%|`+signs+`|`+words).FindAllString(text, -1)
	return all
}

func slowPhrase(token string) string {
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(token[1 : len(token)-1])
}

// slowParts are what {, and an escaped blank are looked for outside of: escapes and classes.
var slowParts = regexp.MustCompile(`\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{,[0-9]+\}`)

func slowRegexp(token string) *regexp.Regexp {
	return regexp.MustCompile(slowParts.ReplaceAllStringFunc(token[1:len(token)-1], func(part string) string {
		if strings.HasPrefix(part, "{,") {
			return "{0" + part[1:]
		}
		return strings.ReplaceAll(part, `\ `, " ")
	}))
}

func slowTerms(pattern, message string) bool {
	var required, optional []bool
	may, absent := false, false
	for _, t := range slowTokens(pattern, `[A-Za-z0-9_]+`, `[?-]`) {
		var has bool
		switch {
		case t == "?":
			may = true
			continue
		case t == "-":
			absent = !absent
			continue
		case t[0] == '"':
			has = strings.Contains(message, slowPhrase(t))
		case t[0] == '%':
			has = slowRegexp(t).MatchString(message)
		default:
			has = strings.Contains(message, t)
		}
		if may {
			optional = append(optional, has != absent)
		} else {
			required = append(required, has != absent)
		}
		may, absent = false, false
	}
	for _, has := range required {
		if !has {
			return false
		}
	}
	some := len(required) > 0
	for _, has := range optional {
		some = some || has
	}
	return some
}

// slowCondition compares a string or a number with a token.
func slowCondition(value string, number bool, op, token string) bool {
	if token[0] != '"' && token[0] != '%' && number {
		if b, ok := slowNumber(token); ok {
			a, _ := slowNumber(value)
			return map[string]bool{"=": a.Cmp(b) == 0, "!=": a.Cmp(b) != 0, "<": a.Cmp(b) < 0, "<=": a.Cmp(b) <= 0, ">": a.Cmp(b) > 0, ">=": a.Cmp(b) >= 0}[op]
		}
	}
	if op != "=" && op != "!=" {
		return false
	}
	var same bool
	if token[0] == '%' {
		same = slowRegexp(token).MatchString(value)
	} else {
		if token[0] == '"' {
			token = slowPhrase(token)
		}
		if token == "*" {
			same = true
		} else {
			inner, head := strings.CutPrefix(token, "*")
			inner, end := strings.CutSuffix(inner, "*")
			expression := regexp.QuoteMeta(inner)
			if head {
				expression = `[\s\S]*` + expression
			}
			if end {
				expression += `[\s\S]*`
			}
			same = regexp.MustCompile(`\A` + expression + `\z`).MatchString(value)
		}
	}
	return same == (op == "=")
}

var slowNumberForm = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

func slowNumber(s string) (*big.Float, bool) {
	if !slowNumberForm.MatchString(s) {
		return nil, false
	}
	if f, err := strconv.ParseFloat(s, 64); err != nil || strings.ContainsAny(s, ".eE") {
		return new(big.Float).SetFloat64(f), true
	}
	i, _ := new(big.Int).SetString(strings.TrimPrefix(s, "+"), 10)
	return new(big.Float).SetPrec(8000).SetInt(i), true
}

// slowTree evaluates conditions: leaf takes a condition off the tokens.
func slowTree(tokens *[]string, leaf func(*[]string) bool) bool {
	take := func(t string) bool {
		if len(*tokens) > 0 && (*tokens)[0] == t {
			*tokens = (*tokens)[1:]
			return true
		}
		return false
	}
	one := func() bool {
		if take("(") {
			is := slowTree(tokens, leaf)
			take(")")
			return is
		}
		return leaf(tokens)
	}
	all := func() bool {
		is := one()
		for take("&&") {
			also := one()
			is = is && also
		}
		return is
	}
	is := all()
	for take("||") {
		also := all()
		is = is || also
	}
	return is
}

const (
	slowSigns = `&&|\|\||!=|<=|>=|=|<|>|\(|\)|,`
	slowWords = `[A-Za-z0-9_.*+-]+`
)

var slowBlank = regexp.MustCompile(`^[ \t\r\n]+`)

// slowField splits the next field off a message.
func slowField(message string) (value, left string) {
	for _, form := range []string{`^\[([^\]]*)\]`, `^"([^"]*)"`, `^([^ \t\r\n]+)`} {
		if m := regexp.MustCompile(form).FindStringSubmatch(message); m != nil {
			return m[1], message[len(m[0]):]
		}
	}
	panic("a field of " + message)
}

func slowFields(pattern, message string) (map[string]string, bool) {
	type slot struct{ tokens []string }
	var slots []slot
	if tokens := slowTokens(pattern[1:len(pattern)-1], slowWords, slowSigns); len(tokens) > 0 {
		slots = []slot{{}}
		for _, t := range tokens {
			if t == "," {
				slots = append(slots, slot{})
				continue
			}
			slots[len(slots)-1].tokens = append(slots[len(slots)-1].tokens, t)
		}
	}
	dots := -1
	for i, s := range slots {
		if len(s.tokens) == 1 && s.tokens[0] == "..." {
			dots = i
		}
	}
	var values []string
	left := slowBlank.ReplaceAllString(message, "")
	for left != "" {
		if dots < 0 && len(slots) > 0 && len(values) == len(slots)-1 {
			value, after := slowField(left)
			if strings.Trim(after, " \t\r\n") != "" {
				value = strings.TrimRight(left, " \t\r\n")
			}
			values = append(values, value)
			break
		}
		var value string
		value, left = slowField(left)
		left = slowBlank.ReplaceAllString(left, "")
		values = append(values, value)
	}
	if dots >= 0 {
		if len(values) < len(slots)-1 {
			return nil, false
		}
		var wide []slot
		wide = append(wide, slots[:dots]...)
		for range len(values) - (len(slots) - 1) {
			wide = append(wide, slot{})
		}
		slots = append(wide, slots[dots+1:]...)
	}
	if len(values) < len(slots) {
		return nil, false
	}
	out := map[string]string{}
	for i, value := range values {
		name := strconv.Itoa(i + 1)
		if i < len(slots) && len(slots[i].tokens) > 0 {
			tokens := slots[i].tokens
			for tokens[0] == "(" {
				tokens = tokens[1:]
			}
			name = tokens[0]
			if len(tokens) > 1 {
				tokens = slots[i].tokens
				_, number := slowNumber(value)
				if !slowTree(&tokens, func(t *[]string) bool {
					is := slowCondition(value, number, (*t)[1], (*t)[2])
					*t = (*t)[3:]
					return is
				}) {
					return nil, false
				}
			}
		}
		out["$"+name] = value
	}
	return out, true
}

// slowValues are the values that a path leads to.
func slowValues(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	var all []any
	name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(path[0], "."), "["), "]")
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			switch {
			case name == "*", name == "'"+key+"'", path[0] == "."+key:
				all = append(all, slowValues(member, path[1:])...)
			}
		}
	case []any:
		for i, element := range v {
			if name == "*" || path[0] == "["+name+"]" && slowIndex(name) == i {
				all = append(all, slowValues(element, path[1:])...)
			}
		}
	}
	return all
}

func slowIndex(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

func slowJSON(pattern, message string) bool {
	decoder := json.NewDecoder(strings.NewReader(message))
	decoder.UseNumber()
	var root map[string]any
	if !json.Valid([]byte(message)) || decoder.Decode(&root) != nil || root == nil {
		return false
	}
	const step = `(?:\.\['[^']*'\]|\['[^']*'\]|\[[0-9]+\]|\[\*\]|\.\*|\.[A-Za-z0-9_-]+)`
	tokens := slowTokens(pattern[1:len(pattern)-1], slowWords, `\$`+step+`+|`+slowSigns)
	return slowTree(&tokens, func(t *[]string) bool {
		values := slowValues(root, regexp.MustCompile(step).FindAllString((*t)[0], -1))
		op, token := (*t)[1], (*t)[2]
		*t = (*t)[3:]
		switch strings.ToUpper(op) {
		case "NOT":
			return len(values) == 0
		case "IS":
			want := map[string]any{"NULL": nil, "TRUE": true, "FALSE": false}[strings.ToUpper(token)]
			for _, v := range values {
				if v == nil || v == true || v == false {
					if v == want {
						return true
					}
				}
				if elements, ok := v.([]any); ok && want == nil {
					for _, e := range elements {
						if e == nil {
							return true
						}
					}
				}
			}
			return false
		}
		for _, v := range values {
			switch v := v.(type) {
			case string:
				if slowCondition(v, false, op, token) {
					return true
				}
			case json.Number:
				if slowCondition(v.String(), true, op, token) {
					return true
				}
			}
		}
		return false
	})
}
