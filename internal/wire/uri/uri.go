// Package uri takes paths, query strings and forms apart as AWS's services do, and finds what a path stands for. Nothing is unescaped
// before it is known to be one value: keys and ARNs have slashes of their own. It knows too which service a host name means.
package uri

import "strings"

// Template is an operation's URI taken apart: "/shelves/{shelf}/{key+}?acl".
type Template struct {
	segments []segment
	Want     []Param // what the query string must have; with an empty value any will do
}

type segment struct {
	text   string // the literal, or the label's name
	label  bool
	greedy bool
}

// Parse takes a URI of a model apart.
func Parse(uri string) Template {
	path, query, _ := strings.Cut(uri, "?")
	var t Template
	for s := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if s == "" {
			continue
		}
		seg := segment{text: s}
		if name, ok := strings.CutPrefix(s, "{"); ok && strings.HasSuffix(name, "}") {
			seg.label = true
			seg.text, seg.greedy = strings.CutSuffix(name[:len(name)-1], "+")
		}
		t.segments = append(t.segments, seg)
	}
	t.Want, _ = ParseForm(nil, query)
	return t
}

// Wants reports whether the query string must have the parameter.
func (t *Template) Wants(key string) bool {
	for _, p := range t.Want {
		if p.Key == key {
			return true
		}
	}
	return false
}

// Literal reports whether the path begins with a word of its own, so that it can be told without knowing the service.
func (t *Template) Literal() bool {
	return len(t.segments) > 0 && !t.segments[0].label && len(t.segments[0].text) > 1
}

// Labels calls fn with each label and what the path has in its place, not yet unescaped, until fn is false.
func (t *Template) Labels(path string, fn func(name, value string) bool) bool {
	path = strings.TrimPrefix(path, "/")
	for i, seg := range t.segments {
		var value string
		if seg.greedy {
			tail := lastSegments(path, len(t.segments)-i-1)
			value = path[:len(path)-len(tail)]
			if tail != "" {
				value = strings.TrimSuffix(value, "/")
			}
			path = tail
		} else {
			value, path, _ = strings.Cut(path, "/")
		}
		if seg.label && !fn(seg.text, value) {
			return false
		}
	}
	return true
}

// Routes finds a T by method, path and query string. The zero value has none.
type Routes[T any] struct{ root branch[T] }

// branch is what follows one segment of a path.
type branch[T any] struct {
	literal map[string]*branch[T]
	label   *branch[T] // any one segment
	rest    *branch[T] // {Name+}: any number of segments, but for the literal ones that follow it
	after   int        // of rest: how many segments may follow
	ends    []end[T]
}

// end is what a path stands for.
type end[T any] struct {
	method, name string
	want         []Param
	shadowed     bool
	value        T
}

// Add makes a template with a method stand for v. The query parameter x-id, where it is sent, chooses by name; what is shadowed is chosen
// where nothing else fits.
func (r *Routes[T]) Add(method string, t Template, name string, shadowed bool, v T) {
	at := &r.root
	for i, seg := range t.segments {
		switch {
		case seg.greedy:
			if at.rest == nil {
				at.rest = &branch[T]{}
			}
			at.after = max(at.after, len(t.segments)-i-1)
			at = at.rest
		case seg.label:
			if at.label == nil {
				at.label = &branch[T]{}
			}
			at = at.label
		default:
			if at.literal == nil {
				at.literal = map[string]*branch[T]{}
			}
			next := at.literal[seg.text]
			if next == nil {
				next = &branch[T]{}
				at.literal[seg.text] = next
			}
			at = next
		}
	}
	at.ends = append(at.ends, end[T]{method, name, t.Want, shadowed, v})
}

// Find is what a request is for. Of two that fit, the one with more literals in its path wins, then the one that asks for more of the query
// string.
func (r *Routes[T]) Find(method, path, query string) (v T, ok bool) {
	if e := r.root.find(method, strings.TrimPrefix(path, "/"), query); e != nil {
		return e.value, true
	}
	return v, false
}

// Known reports whether some method would have found something.
func (r *Routes[T]) Known(path string) bool {
	for _, m := range [...]string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"} {
		if _, ok := r.Find(m, path, ""); ok {
			return true
		}
	}
	return false
}

func (b *branch[T]) find(method, path, query string) *end[T] {
	if path == "" {
		return b.choose(method, query)
	}
	seg, rest, _ := strings.Cut(path, "/")
	if next := b.literal[seg]; next != nil {
		if e := next.find(method, rest, query); e != nil {
			return e
		}
	} else if strings.Contains(seg, "%") {
		if plain, ok := Unescape(seg, false); ok {
			if next := b.literal[plain]; next != nil {
				if e := next.find(method, rest, query); e != nil {
					return e
				}
			}
		}
	}
	if b.label != nil && seg != "" {
		if e := b.label.find(method, rest, query); e != nil {
			return e
		}
	}
	if b.rest != nil {
		for n := b.after; n >= 0; n-- {
			if e := b.rest.find(method, lastSegments(path, n), query); e != nil {
				return e
			}
		}
	}
	return nil
}

// lastSegments is what the last n segments of path are; "" for none.
func lastSegments(path string, n int) string {
	i := len(path)
	for ; n > 0; n-- {
		if i = strings.LastIndexByte(path[:i], '/'); i < 0 {
			return path
		}
	}
	if i == len(path) {
		return ""
	}
	return path[i+1:]
}

func (b *branch[T]) choose(method, query string) *end[T] {
	var best *end[T]
	most := -2
	for i := range b.ends {
		e := &b.ends[i]
		if e.method != method || !hasAll(query, e.want) {
			continue
		}
		n := 2 * len(e.want)
		if e.shadowed {
			n--
		}
		if has(query, Param{"x-id", e.name}) {
			n += 1000
		}
		if n > most {
			best, most = e, n
		}
	}
	return best
}

// hasAll reports whether the query string has every wanted parameter.
func hasAll(query string, want []Param) bool {
	for _, p := range want {
		if !has(query, p) {
			return false
		}
	}
	return true
}

func has(query string, want Param) bool {
	for query != "" {
		var p string
		p, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(p, "=")
		if key == want.Key && (want.Value == "" || value == want.Value) {
			return true
		}
	}
	return false
}
