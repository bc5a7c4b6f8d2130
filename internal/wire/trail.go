package wire

import (
	"strconv"
	"strings"
)

// trail is the way from the input's structure to where a decoder is. Keeping it costs a store per value; it becomes text only
// where something is wrong.
type trail struct {
	depth   int
	steps   [maxDepth + 1]step
	lacking map[string]bool // paths of required members that were not there
	nulls   []string        // paths of entries that were null and may not be
	room    int             // how many bytes what is decoded may still take, beside its texts
}

// A few bytes of a body can ask for a structure of hundreds.
const (
	maxRoom  = 128 << 20 // bytes that the lists, maps and structures of one body may take
	perEntry = 48        // bytes that an entry of a map takes, beside its value
	perValue = 64        // bytes that a value of a document takes

	maxLacking = 1000 // paths of members and entries inside others that are remembered: the request is refused for the first
	maxKey     = 1024 // bytes of a key that a path shows
)

// step is one of: a member, an entry's number, a key.
type step struct {
	f *field
	i int
	k string
}

func (t *trail) in() bool {
	if t.depth >= maxDepth {
		return false
	}
	t.depth++
	return true
}

// take is whether there is room for n bytes more.
func (t *trail) take(n int) bool {
	t.room -= n
	return t.room >= 0
}

func (t *trail) out()           { t.depth-- }
func (t *trail) field(f *field) { t.steps[t.depth] = step{f: f} }
func (t *trail) index(i int)    { t.steps[t.depth] = step{i: i} }
func (t *trail) key(k string)   { t.steps[t.depth] = step{k: k} }

// reset forgets all but the memory.
func (t *trail) reset() {
	t.depth, t.lacking, t.nulls, t.room = 0, nil, nil, maxRoom
	for i := range t.steps {
		if t.steps[i] == (step{}) && i > 0 {
			break
		}
		t.steps[i] = step{}
	}
}

// lack notes that the members of st with these bits are missing from the structure the decoder is in.
func (t *trail) lack(st *structure, bits uint64) {
	if t.lacking == nil {
		t.lacking = map[string]bool{}
	}
	if t.depth > 1 && len(t.lacking) >= maxLacking {
		return
	}
	t.depth--
	path := t.path()
	t.depth++
	for _, f := range st.fields {
		if f.bit&bits != 0 {
			t.lacking[join(path, f.lower)] = true
		}
	}
}

// null notes that the entry the decoder is at was null.
func (t *trail) null() {
	if len(t.nulls) < maxLacking {
		t.nulls = append(t.nulls, t.path())
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (t *trail) path() string { return pathOf(t.steps[1 : t.depth+1]) }

// pathOf is a way as Coral writes it: "targets.1.member.id".
func pathOf(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		switch {
		case s.f != nil:
			b.WriteString(s.f.lower)
		case s.i > 0:
			b.WriteString(strconv.Itoa(s.i))
			b.WriteString(".member")
		default:
			b.WriteString(s.k[:min(len(s.k), maxKey)])
			b.WriteString(".member")
		}
	}
	return b.String()
}
