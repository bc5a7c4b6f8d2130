package insights

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxDepth of JSON that is looked into.
const maxDepth = 64

// trie holds the names of fields that a query asks for, so that one walk over a message finds them all. A dot in a name goes one
// level deeper, and so does a dot in a key of the message.
type trie struct {
	key   string
	index int // of an array, -1 when key is no number
	leaf  int // the number of the field that ends here, -1
	next  []*trie
	deep  bool // names go on below next
}

func newTrie(key string) *trie {
	t := &trie{key: key, index: -1, leaf: -1}
	if n, err := strconv.Atoi(key); err == nil && n >= 0 && strconv.Itoa(n) == key {
		t.index = n
	}
	return t
}

func (t *trie) add(name string, leaf int) {
	t.deep = t.deep || strings.Contains(name, ".")
	for part := range strings.SplitSeq(name, ".") {
		n := t.child(part)
		if n == nil {
			n = newTrie(part)
			t.next = append(t.next, n)
		}
		_, name, _ = strings.Cut(name, ".")
		n.deep = n.deep || strings.Contains(name, ".")
		t = n
	}
	t.leaf = leaf
}

func (t *trie) child(key string) *trie {
	for _, n := range t.next {
		if n.key == key {
			return n
		}
	}
	return nil
}

func (t *trie) item(i int) *trie {
	for _, n := range t.next {
		if n.index == i {
			return n
		}
	}
	return nil
}

// walk follows a key, which may have dots of its own.
func (t *trie) walk(key string) *trie {
	if n := t.child(key); n != nil || !t.deep {
		return n
	}
	for {
		first, rest, dotted := strings.Cut(key, ".")
		if !dotted {
			return t.child(key)
		}
		if t = t.child(first); t == nil {
			return nil
		}
		key = rest
	}
}

// scanner walks over JSON without building anything. It is lenient with what it passes over: its answer to a text that is no JSON
// is whatever it found before it noticed.
type scanner struct {
	text string
	at   int
	left int     // fields not found yet
	out  []value // by leaf
	all  bool    // maps and lists are values too
}

// scan fills in the fields of a message that is JSON.
func scan(message string, names *trie, count int, out []value) {
	s := scanner{text: message, left: count, out: out}
	s.value(names, 0)
}

func (s *scanner) blank() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	s.blank()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// quoted reads a string, still escaped; the current byte is its opening quote.
func (s *scanner) quoted() (raw string, escaped, ok bool) {
	start := s.at + 1
	if !s.pass() {
		return "", false, false
	}
	raw = s.text[start : s.at-1]
	return raw, strings.IndexByte(raw, '\\') >= 0, true
}

// pass goes behind a string.
func (s *scanner) pass() bool {
	start := s.at + 1
	for from := start; ; {
		i := strings.IndexByte(s.text[from:], '"')
		if i < 0 {
			return false
		}
		i += from
		s.at = i + 1
		if i == start || s.text[i-1] != '\\' {
			return true
		}
		slashes := 1
		for j := i - 2; j >= start && s.text[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		from = i + 1
	}
}

func unescape(raw string) string {
	var out string
	if json.Unmarshal([]byte(`"`+raw+`"`), &out) != nil {
		return raw
	}
	return out
}

// skip passes over a value.
func (s *scanner) skip() bool {
	s.blank()
	if s.at == len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '"':
		return s.pass()
	case '{', '[':
		depth := 0
		for s.at < len(s.text) {
			switch s.text[s.at] {
			case '"':
				if !s.pass() {
					return false
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					s.at++
					return true
				}
			}
			s.at++
		}
		return false
	}
	return s.plain() != ""
}

// plain reads a number or a word.
func (s *scanner) plain() string {
	start := s.at
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ',', '}', ']', ' ', '\t', '\n', '\r', '"', '{', '[', ':':
			return s.text[start:s.at]
		}
		s.at++
	}
	return s.text[start:]
}

// value reads a value that names lead to. It is false when there is nothing more to find.
func (s *scanner) value(names *trie, depth int) bool {
	s.blank()
	if s.at == len(s.text) || depth > maxDepth {
		return false
	}
	start := s.at
	var v value
	switch s.text[s.at] {
	case '"':
		raw, escaped, ok := s.quoted()
		if !ok {
			return false
		}
		if names.leaf >= 0 && escaped {
			raw = unescape(raw)
		}
		v = textOf(raw)
	case '{':
		if len(names.next) == 0 {
			if !s.skip() {
				return false
			}
		} else if !s.object(names, depth) {
			return false
		}
		if s.all {
			v = value{kind: structure, str: s.text[start:s.at]}
		}
	case '[':
		if len(names.next) == 0 {
			if !s.skip() {
				return false
			}
		} else if !s.array(names, depth) {
			return false
		}
		if s.all {
			v = value{kind: structure, str: s.text[start:s.at]}
		}
	default:
		switch word := s.plain(); word {
		case "true":
			v = truthOf(true)
		case "false":
			v = truthOf(false)
		case "null":
		default:
			if word == "" || word[0] != '-' && (word[0] < '0' || word[0] > '9') {
				return false
			}
			v = textOf(word) // too long or too large for a number
			if n, ok := parseNumber(word); ok {
				v = value{kind: number, num: n, str: word}
			}
		}
	}
	if names.leaf >= 0 && v.kind != missing && s.out[names.leaf].kind == missing {
		s.out[names.leaf] = v
		s.left--
	}
	return s.left > 0
}

func (s *scanner) object(names *trie, depth int) bool {
	s.at++
	if s.take('}') {
		return true
	}
	for {
		s.blank()
		if s.at == len(s.text) || s.text[s.at] != '"' {
			return false
		}
		key, escaped, ok := s.quoted()
		if !ok || !s.take(':') {
			return false
		}
		if escaped {
			key = unescape(key)
		}
		if n := names.walk(key); n != nil {
			if !s.value(n, depth+1) {
				return false
			}
		} else if !s.skip() {
			return false
		}
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) array(names *trie, depth int) bool {
	s.at++
	if s.take(']') {
		return true
	}
	for i := 0; ; i++ {
		if n := names.item(i); n != nil {
			if !s.value(n, depth+1) {
				return false
			}
		} else if !s.skip() {
			return false
		}
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// member reads what is at a path inside a map or list.
func member(v value, names *trie) value {
	if v.kind != structure {
		return value{}
	}
	var out [1]value
	s := scanner{text: v.str, left: 1, out: out[:], all: true}
	s.value(names, 0)
	return out[0]
}

// parseJSON makes a map or list of its text.
func parseJSON(v value) value {
	if v.kind == structure {
		return v
	}
	s := strings.TrimSpace(v.str)
	if v.kind != text || s == "" || s[0] != '{' && s[0] != '[' || !json.Valid([]byte(s)) {
		return value{}
	}
	return value{kind: structure, str: s}
}
