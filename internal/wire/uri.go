package wire

import (
	"strings"
)

// routes finds the operation of a REST service by method and path.
type routes struct{ root branch }

// branch is what follows one segment of a path.
type branch struct {
	literal map[string]*branch
	label   *branch // any one segment
	rest    *branch // {Name+}: any number of segments, but for the literal ones that follow it
	after   int     // of rest: how many literal segments follow
	ops     []routed
}

// routed is an operation at the end of a path, and what the query string must have for it.
type routed struct {
	op   *operation
	want []param // with an empty value any will do
}

// template is an operation's URI taken apart.
type template struct {
	segments []segment
	want     []param
}

type segment struct {
	text   string // the literal, or the label's name
	label  bool
	greedy bool
}

func parseTemplate(uri string) template {
	path, query, _ := strings.Cut(uri, "?")
	var t template
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
	t.want, _ = parseForm(nil, query)
	return t
}

func (s *service) compileRoutes() *routes {
	r := &routes{}
	ops := s.ops()
	for i := range ops {
		op := &ops[i]
		t := parseTemplate(op.URI)
		at := &r.root
		for i, seg := range t.segments {
			switch {
			case seg.greedy:
				if at.rest == nil {
					at.rest = &branch{}
				}
				at = at.rest
				at.after = max(at.after, len(t.segments)-i-1)
			case seg.label:
				if at.label == nil {
					at.label = &branch{}
				}
				at = at.label
			default:
				if at.literal == nil {
					at.literal = map[string]*branch{}
				}
				next := at.literal[seg.text]
				if next == nil {
					next = &branch{}
					at.literal[seg.text] = next
				}
				at = next
			}
		}
		at.ops = append(at.ops, routed{op, t.want})
	}
	return r
}

// find is the operation for a request, nil where there is none. Of two that fit, the one with more literals in its path wins, then the one that
// asks for more of the query string.
func (r *routes) find(method, path, query string) *operation {
	return r.root.find(method, strings.TrimPrefix(path, "/"), query)
}

func (b *branch) find(method, path, query string) *operation {
	if path == "" {
		if op := b.choose(method, query); op != nil {
			return op
		}
		return nil
	}
	seg, rest, _ := strings.Cut(path, "/")
	if next := b.literal[seg]; next != nil {
		if op := next.find(method, rest, query); op != nil {
			return op
		}
	} else if strings.Contains(seg, "%") {
		if plain, ok := unescape(seg, false); ok {
			if next := b.literal[plain]; next != nil {
				if op := next.find(method, rest, query); op != nil {
					return op
				}
			}
		}
	}
	if b.label != nil && seg != "" {
		if op := b.label.find(method, rest, query); op != nil {
			return op
		}
	}
	if b.rest != nil {
		for n := b.rest.after; n >= 0; n-- {
			if op := b.rest.find(method, lastSegments(path, n), query); op != nil {
				return op
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

func (b *branch) choose(method, query string) *operation {
	var best *operation
	most := -1
	for _, c := range b.ops {
		if c.op.Method != method || !hasAll(query, c.want) {
			continue
		}
		n := 2 * len(c.want)
		switch {
		case hasParam(query, param{"x-id", c.op.Name}): // SDKs say so
			n += 100
		case c.op.s.quirks.shadowed[c.op.Name]:
			n--
		case best != nil && best.s.quirks.shadowed[best.Name]:
			n++
		}
		if n > most {
			best, most = c.op, n
		}
	}
	return best
}

// hasAll reports whether the query string has every wanted parameter.
func hasAll(query string, want []param) bool {
	for _, p := range want {
		if !hasParam(query, p) {
			return false
		}
	}
	return true
}

func hasParam(query string, want param) bool {
	for query != "" {
		var p string
		p, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(p, "=")
		if key == want.key && (want.value == "" || value == want.value) {
			return true
		}
	}
	return false
}

// methods reports whether any method would have found an operation.
func (r *routes) methods(path string) bool {
	for _, m := range [...]string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"} {
		if r.find(m, path, "") != nil {
			return true
		}
	}
	return false
}

// literal reports whether the operation's path begins with a word of its own, so that it can be told without a signature.
func (op *operation) literal() bool {
	t := parseTemplate(op.URI)
	return len(t.segments) > 0 && !t.segments[0].label && len(t.segments[0].text) > 1
}

// labels calls fn with each label of the template and what the path has in its place, not yet unescaped.
func (t *template) labels(path string, fn func(name, value string) bool) bool {
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
