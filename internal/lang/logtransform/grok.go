package logtransform

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

type grok struct {
	Source string `json:"source"`
	Match  string `json:"match"`
}

// book is the patterns by name.
var book = sync.OnceValue(func() map[string]pattern {
	all := map[string]pattern{}
	for _, p := range patterns() {
		all[p.name] = p
	}
	return all
})

// captured is a group of a match, and the field it goes into.
type captured struct {
	group  int
	at     path
	name   string
	number bool
	time   bool
	quoted bool
	dash   bool // - means that there is none
}

// matcher is a match that is being compiled.
type matcher struct {
	regex    strings.Builder
	groups   int
	captures []captured
	used     map[string]int
	greedy   int
}

const maxPatterns = 20

func (g *grok) compile(first bool) (step, error) {
	from, err := sourceOf(g.Source, first)
	if err != nil {
		return nil, err
	}
	if g.Match == "" || len(g.Match) > 512 {
		return nil, errors.New("match must have from 1 to 512 characters")
	}
	m := &matcher{used: map[string]int{}}
	m.regex.WriteString(`\A(?:`)
	if err := m.read(g.Match); err != nil {
		return nil, err
	}
	m.regex.WriteString(`)\n?\z`)
	re, err := regexp.Compile(m.regex.String())
	if err != nil {
		return nil, fmt.Errorf("the grok pattern is not understood: %s", g.Match)
	}
	return func(d *document) error {
		s, ok := from.read(d)
		if !ok {
			return nil
		}
		found := re.FindStringSubmatchIndex(s)
		if found == nil {
			return errors.New("grok: the value does not match the pattern")
		}
		for _, c := range m.captures {
			if found[2*c.group] < 0 {
				continue
			}
			v, err := c.value(s[found[2*c.group]:found[2*c.group+1]])
			if err != nil {
				return err
			}
			if v != nil {
				d.put(c.at, v, true)
			}
		}
		return nil
	}, nil
}

// read takes a match apart: %{PATTERN:field} is a pattern, anything else stands for itself.
func (m *matcher) read(s string) error {
	patterns, whole := 0, ""
	for s != "" {
		before, rest, ok := strings.Cut(s, "%{")
		m.text(before)
		if !ok {
			break
		}
		if whole == "" && patterns == 0 && strings.TrimSpace(before) != "" {
			whole = "-" // no format of a whole line may follow
		}
		inside, behind, ok := strings.Cut(rest, "}")
		if !ok {
			return errors.New("a grok pattern is not closed")
		}
		s = behind
		name, field, named := strings.Cut(inside, ":")
		if strings.Contains(field, ":") {
			return fmt.Errorf("grok patterns do not convert types: %%{%s}", inside)
		}
		if named && field == "" {
			return fmt.Errorf("a grok pattern has an empty field name: %%{%s}", inside)
		}
		if patterns++; patterns > maxPatterns {
			return fmt.Errorf("at most %d grok patterns can be combined", maxPatterns)
		}
		if l := line(name); l != "" {
			if patterns > 1 || whole != "" {
				return fmt.Errorf("the grok pattern %s must be the first, and the only one of its kind", name)
			}
			if named {
				return fmt.Errorf("the grok pattern %s has no field name", name)
			}
			whole = name
			m.expand(l, nil)
			continue
		}
		p, ok := book()[name]
		if !ok || p.limit == 0 {
			return fmt.Errorf("there is no grok pattern %s", name)
		}
		if whole != "" && whole != "-" && (patterns > 2 || name != "DATA" && name != "GREEDYDATA" && name != "GREEDYDATA_MULTILINE") {
			return fmt.Errorf("the grok pattern %s can be followed only by one DATA, GREEDYDATA or GREEDYDATA_MULTILINE", whole)
		}
		if m.used[name]++; m.used[name] > p.limit {
			return fmt.Errorf("the grok pattern %s can be used at most %d times", name, p.limit)
		}
		if greedy(name) {
			if m.greedy++; m.greedy > greedyLimit {
				return fmt.Errorf("the grok patterns URI, URIPARAM, URIPATHPARAM, SPACE, DATA, GREEDYDATA and GREEDYDATA_MULTILINE can be used at most %d times", greedyLimit)
			}
		}
		var at path
		if named {
			var err error
			if at, err = pathOf(field, "the field name of a grok pattern"); err != nil {
				return err
			}
			m.groups++
			m.captures = append(m.captures, captured{group: m.groups, at: at, quoted: name == "QUOTEDSTRING"})
			m.regex.WriteString("(")
		} else {
			m.regex.WriteString("(?:")
		}
		m.expand(p.regex, at)
		m.regex.WriteString(")")
	}
	return nil
}

// text is what stands for itself. A backslash in front of a sign is not seen.
func (m *matcher) text(s string) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && s[i+1] < unicode.MaxASCII && (unicode.IsPunct(rune(s[i+1])) || unicode.IsSymbol(rune(s[i+1]))) {
			i++
		}
		m.regex.WriteString(regexp.QuoteMeta(s[i : i+1]))
	}
}

// expand writes the regular expression of a pattern, with those it is made of, and notes what it captures: only where the pattern
// itself is captured, or is a whole line.
func (m *matcher) expand(s string, at path) {
	whole := strings.HasPrefix(s, `(?P<remote_host>`) || strings.HasPrefix(s, `<(?P<pri#>`)
	for s != "" {
		i := strings.IndexAny(s, "{(")
		if i < 0 {
			m.regex.WriteString(s)
			return
		}
		if i > 0 && s[i-1] == '\\' {
			m.regex.WriteString(s[:i+1])
			s = s[i+1:]
			continue
		}
		m.regex.WriteString(s[:i])
		s = s[i:]
		if s[0] == '{' {
			name, rest, _ := strings.Cut(s[1:], "}")
			if p, ok := book()[name]; ok {
				m.regex.WriteString("(?:")
				m.expand(p.regex, nil)
				m.regex.WriteString(")")
				s = rest
				continue
			}
		} else if rest, ok := strings.CutPrefix(s, "(?P<"); ok {
			name, behind, _ := strings.Cut(rest, ">")
			s = behind
			if at == nil && !whole {
				m.regex.WriteString("(?:")
				continue
			}
			m.groups++
			c := captured{group: m.groups, dash: whole}
			name, c.number = strings.CutSuffix(name, "#")
			name, c.time = strings.CutSuffix(name, "@")
			c.name, c.at = name, path{name}
			m.captures = append(m.captures, c)
			m.regex.WriteString("(")
			continue
		}
		m.regex.WriteByte(s[0])
		s = s[1:]
	}
}

// value is what a field gets; nil where that is nothing.
func (c *captured) value(s string) (*value, error) {
	switch {
	case c.dash && s == "-":
		return nil, nil
	case c.quoted:
		s = s[1 : len(s)-1]
	case c.time:
		t, err := time.Parse("2/Jan/2006:15:04:05 -0700", s)
		if err != nil {
			return nil, fmt.Errorf("grok: %s is no time", s)
		}
		return stringOf(t.UTC().Format("2006-01-02T15:04:05Z")), nil
	case c.number:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return literal(number, strconv.FormatInt(n, 10)), nil
		}
	}
	return stringOf(s), nil
}
