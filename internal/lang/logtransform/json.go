package logtransform

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// value is a JSON value whose objects keep their members in order.
type value struct {
	kind    kind
	text    string // of a string; of a number, true, false and null what stands there
	list    []*value
	members []member
	index   map[string]int // of the members, where they are many
}

type kind uint8

const (
	object kind = iota
	list
	text
	number
	boolean
	null
)

type member struct {
	key string
	val *value
}

const (
	maxDepth = 100
	indexed  = 16 // members from which on they are looked up in a map
)

var errJSON = errors.New("the value is not valid JSON")

func stringOf(s string) *value { return &value{kind: text, text: s} }

func literal(k kind, s string) *value { return &value{kind: k, text: s} }

// find is where a member stands, or -1.
func (v *value) find(key string) int {
	if v.index != nil {
		if i, ok := v.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range v.members {
		if v.members[i].key == key {
			return i
		}
	}
	return -1
}

func (v *value) get(key string) *value {
	if v == nil || v.kind != object {
		return nil
	}
	if i := v.find(key); i >= 0 {
		return v.members[i].val
	}
	return nil
}

// set puts a member in the place of the one with its name, or at the end.
func (v *value) set(key string, val *value) {
	if i := v.find(key); i >= 0 {
		v.members[i].val = val
		return
	}
	v.members = append(v.members, member{key, val})
	switch {
	case v.index != nil:
		v.index[key] = len(v.members) - 1
	case len(v.members) > indexed:
		v.index = make(map[string]int, 2*len(v.members))
		for i := range v.members {
			v.index[v.members[i].key] = i
		}
	}
}

func (v *value) remove(key string) {
	i := v.find(key)
	if i < 0 {
		return
	}
	v.members = append(v.members[:i], v.members[i+1:]...)
	if v.index != nil {
		delete(v.index, key)
		for ; i < len(v.members); i++ {
			v.index[v.members[i].key] = i
		}
	}
}

// clone is a copy that shares nothing that changes.
func (v *value) clone() *value {
	c := *v
	c.index = nil
	if v.list != nil {
		c.list = make([]*value, len(v.list))
		for i, e := range v.list {
			c.list[i] = e.clone()
		}
	}
	c.members = nil
	for _, m := range v.members {
		c.set(m.key, m.val.clone())
	}
	return &c
}

// parse reads a text that is one JSON value.
func parse(s string) (*value, error) {
	p := parser{s: s}
	v := p.value(0)
	p.space()
	if v == nil || p.at != len(s) {
		return nil, errJSON
	}
	return v, nil
}

type parser struct {
	s  string
	at int
}

func (p *parser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t' || p.s[p.at] == '\n' || p.s[p.at] == '\r') {
		p.at++
	}
}

// take passes over blanks and a character, if that is what follows.
func (p *parser) take(c byte) bool {
	p.space()
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

// value reads a value; nil where there is none.
func (p *parser) value(depth int) *value {
	p.space()
	if p.at == len(p.s) || depth > maxDepth {
		return nil
	}
	switch c := p.s[p.at]; {
	case c == '{':
		p.at++
		v := &value{}
		if p.take('}') {
			return v
		}
		for {
			p.space()
			key, ok := p.string()
			if !ok || !p.take(':') {
				return nil
			}
			m := p.value(depth + 1)
			if m == nil {
				return nil
			}
			v.set(key, m)
			if p.take('}') {
				return v
			}
			if !p.take(',') {
				return nil
			}
		}
	case c == '[':
		p.at++
		v := &value{kind: list}
		if p.take(']') {
			return v
		}
		for {
			e := p.value(depth + 1)
			if e == nil {
				return nil
			}
			v.list = append(v.list, e)
			if p.take(']') {
				return v
			}
			if !p.take(',') {
				return nil
			}
		}
	case c == '"':
		if s, ok := p.string(); ok {
			return stringOf(s)
		}
		return nil
	case c == '-' || c >= '0' && c <= '9':
		start := p.at
		for p.at < len(p.s) && strings.IndexByte("+-.0123456789eE", p.s[p.at]) >= 0 {
			p.at++
		}
		if s := p.s[start:p.at]; isNumber(s) {
			return literal(number, s)
		}
		return nil
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.s[p.at:], word) {
			p.at += len(word)
			if word == "null" {
				return literal(null, word)
			}
			return literal(boolean, word)
		}
	}
	return nil
}

func (p *parser) string() (string, bool) {
	if p.at == len(p.s) || p.s[p.at] != '"' {
		return "", false
	}
	start := p.at
	plain := true
	for i := start + 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.at = i + 1
			if plain {
				return p.s[start+1 : i], true
			}
			var out string
			err := json.Unmarshal([]byte(p.s[start:p.at]), &out)
			return out, err == nil
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			plain = false // encoding/json puts right what is no UTF-8
		}
	}
	return "", false
}

// isNumber reports whether a text is a number as JSON writes it.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() bool {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n > 0
	}
	if strings.HasPrefix(s, "0") {
		s = s[1:]
	} else if !digits() {
		return false
	}
	if strings.HasPrefix(s, ".") {
		if s = s[1:]; !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		if s = s[1:]; s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if !digits() {
			return false
		}
	}
	return s == ""
}

// write appends a value as JSON.
func (v *value) write(b []byte) []byte {
	switch v.kind {
	case object:
		b = append(b, '{')
		for i, m := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(quote(b, m.key), ':')
			b = m.val.write(b)
		}
		return append(b, '}')
	case list:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.write(b)
		}
		return append(b, ']')
	case text:
		return quote(b, v.text)
	}
	return append(b, v.text...)
}

// quote appends a string of JSON.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// shown is a value as a text: a string as it is, anything else as JSON.
func (v *value) shown() string {
	if v.kind == object || v.kind == list {
		return string(v.write(nil))
	}
	return v.text
}
