package policy

import (
	"encoding/json"
	"errors"
	"strings"
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
	if !json.Valid([]byte(text)) {
		return node{}, errJSON
	}
	r := reader{text: text}
	n, ok := r.value(0)
	if !ok {
		return node{}, errJSON
	}
	return n, nil
}

// reader goes through a text that is JSON.
type reader struct {
	text string
	at   int
}

func (r *reader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

// take takes c, where it is next but for space.
func (r *reader) take(c byte) bool {
	if r.space(); r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// value is false where the text is nested too deep.
func (r *reader) value(depth int) (n node, ok bool) {
	if depth > maxDepth {
		return n, false
	}
	r.space()
	n.start, ok = r.at, true
	switch r.text[r.at] {
	case '{':
		n.kind, ok = jsonObject, r.object(&n, depth)
	case '[':
		n.kind, ok = jsonArray, r.array(&n, depth)
	case '"':
		n.kind, n.text = jsonString, r.quoted()
	case 't', 'f':
		n.kind, n.text = jsonBool, r.word()
	case 'n':
		r.word()
	default:
		n.kind, n.text = jsonNumber, r.word()
	}
	n.end = r.at
	return n, ok
}

func (r *reader) object(n *node, depth int) bool {
	r.at++
	for !r.take('}') {
		r.take(',')
		r.space()
		name := r.quoted()
		r.take(':')
		v, ok := r.value(depth + 1)
		if !ok {
			return false
		}
		n.members = append(n.members, member{name, v})
	}
	return true
}

func (r *reader) array(n *node, depth int) bool {
	r.at++
	for !r.take(']') {
		r.take(',')
		v, ok := r.value(depth + 1)
		if !ok {
			return false
		}
		n.elements = append(n.elements, v)
	}
	return true
}

// word is a number, true, false or null.
func (r *reader) word() string {
	rest := r.text[r.at:]
	if end := strings.IndexAny(rest, ",]} \t\r\n"); end >= 0 {
		rest = rest[:end]
	}
	r.at += len(rest)
	return rest
}

// quoted is what a string means. Halves of surrogate pairs and bytes that are no UTF-8 become U+FFFD.
func (r *reader) quoted() (s string) {
	from, plain := r.at, true
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			plain = false
			r.at++
		}
	}
	r.at++
	if s = r.text[from+1 : r.at-1]; plain && utf8.ValidString(s) {
		return s
	}
	_ = json.Unmarshal([]byte(r.text[from:r.at]), &s) // a string of a text that is JSON
	return s
}
