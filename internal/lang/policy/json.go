package policy

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// node is one value of a JSON text, with where it stands.
type node struct {
	kind       nodeKind
	text       string // of a string, decoded; of a number and a boolean, as it is written
	members    []member
	elements   []node
	start, end int // offsets in the text; end is just behind
}

type nodeKind uint8

const (
	jsonNull nodeKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

type member struct {
	name  string
	value node
}

const maxDepth = 16 // a policy needs five

var errJSON = errors.New("not JSON")

// readJSON reads one value that is all of text. Members keep their order, and come twice where they are written twice.
func readJSON(text string) (node, error) {
	r := reader{text: text}
	n, ok := r.value(0)
	if r.space(); !ok || r.at != len(text) {
		return node{}, errJSON
	}
	return n, nil
}

type reader struct {
	text string
	at   int
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// take takes c, and the space in front of it.
func (r *reader) take(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) word(w string) bool {
	if len(r.text)-r.at >= len(w) && r.text[r.at:r.at+len(w)] == w {
		r.at += len(w)
		return true
	}
	return false
}

func (r *reader) value(depth int) (n node, ok bool) {
	if r.space(); r.at == len(r.text) || depth > maxDepth {
		return n, false
	}
	n.start = r.at
	switch c := r.text[r.at]; {
	case c == '{':
		n.kind, ok = jsonObject, r.object(&n, depth)
	case c == '[':
		n.kind, ok = jsonArray, r.array(&n, depth)
	case c == '"':
		n.kind = jsonString
		n.text, ok = r.quoted()
	case c == '-' || c >= '0' && c <= '9':
		n.kind, ok = jsonNumber, r.number()
		n.text = r.text[n.start:r.at]
	case r.word("true"), r.word("false"):
		n.kind, ok, n.text = jsonBool, true, r.text[n.start:r.at]
	case r.word("null"):
		ok = true
	}
	n.end = r.at
	return n, ok
}

func (r *reader) object(n *node, depth int) bool {
	r.at++
	if r.take('}') {
		return true
	}
	for {
		r.space()
		name, ok := r.quoted()
		if !ok || !r.take(':') {
			return false
		}
		v, ok := r.value(depth + 1)
		if !ok {
			return false
		}
		n.members = append(n.members, member{name, v})
		if r.take('}') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *reader) array(n *node, depth int) bool {
	r.at++
	if r.take(']') {
		return true
	}
	for {
		v, ok := r.value(depth + 1)
		if !ok {
			return false
		}
		n.elements = append(n.elements, v)
		if r.take(']') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *reader) digits() bool {
	from := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > from
}

func (r *reader) number() bool {
	r.word("-")
	if !r.word("0") && !r.digits() {
		return false
	}
	if r.word(".") && !r.digits() {
		return false
	}
	if r.word("e") || r.word("E") {
		if !r.word("+") {
			r.word("-")
		}
		return r.digits()
	}
	return true
}

// quoted reads a string. Halves of surrogate pairs and bytes that are no UTF-8 become U+FFFD, as in encoding/json.
func (r *reader) quoted() (string, bool) {
	if !r.word(`"`) {
		return "", false
	}
	from := r.at
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			s := r.text[from:r.at]
			r.at++
			return s, true
		case c < ' ':
			return "", false
		case c == '\\' || c >= utf8.RuneSelf:
			return r.escaped(append(make([]byte, 0, 2*(r.at-from)+16), r.text[from:r.at]...))
		}
	}
	return "", false
}

// escaped reads the rest of a string behind b.
func (r *reader) escaped(b []byte) (string, bool) {
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return string(b), true
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			v, n := utf8.DecodeRuneInString(r.text[r.at:])
			b = utf8.AppendRune(b, v)
			r.at += n
			continue
		}
		r.at++
		if c != '\\' {
			b = append(b, c)
			continue
		}
		if r.at == len(r.text) {
			return "", false
		}
		c = r.text[r.at]
		r.at++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			v, ok := r.hex()
			if !ok {
				return "", false
			}
			if utf16.IsSurrogate(v) {
				low, back := rune(0), r.at
				if r.word(`\u`) {
					if low, ok = r.hex(); !ok {
						return "", false
					}
				}
				if v = utf16.DecodeRune(v, low); v == utf8.RuneError {
					r.at = back
				}
			}
			b = utf8.AppendRune(b, v)
		default:
			return "", false
		}
	}
	return "", false
}

func (r *reader) hex() (rune, bool) {
	if len(r.text)-r.at < 4 {
		return 0, false
	}
	for _, c := range []byte(r.text[r.at : r.at+4]) {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' {
			continue
		}
		return 0, false
	}
	v, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
	r.at += 4
	return rune(v), err == nil
}
