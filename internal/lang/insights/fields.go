package insights

import "strings"

// MaxFields is how many fields are discovered in an event.
const MaxFields = 200

// Fields are all fields of an event: those that every event has, and those that are discovered in its message, maps and lists taken
// apart: a.b.0. Their order is that of the message.
func Fields(e Event) []Field {
	at := func(ms int64) string { return value{kind: instant, num: float64(ms)}.String() }
	out := []Field{
		{"@ptr", e.Ptr}, {"@timestamp", at(e.Time)}, {"@ingestionTime", at(e.Ingested)}, {"@log", e.Group}, {"@logStream", e.Stream}, {"@message", e.Message},
	}
	rest := MaxFields
	add := func(name string, v value) bool {
		if v.kind == missing {
			return true
		}
		out = append(out, Field{Name: name, Value: v.String()})
		rest--
		return rest > 0
	}
	add(failureField, ofFailure(&e))
	for _, name := range lambdaNames() {
		add(name, ofLambda(&e, name))
	}
	if doc := document(&e); doc != "" {
		s := scanner{text: doc}
		s.flatten("", 0, func(name string, v value) bool {
			if strings.HasPrefix(name, "@") {
				name = "@" + name // so that it is none of those that are generated
			}
			return add(name, v)
		})
		return out
	}
	names := ""
	switch {
	case isFlow(e.Message):
		names = flowNames
	case isQuery(e.Message):
		names = queryNames
	}
	for name := range strings.FieldsSeq(names) {
		add(name, discover(e.Message, name))
	}
	return out
}

// flatten finds every leaf of a value. It is false when there is nothing more to find.
func (s *scanner) flatten(name string, depth int, found func(string, value) bool) bool {
	s.blank()
	if s.at == len(s.text) || depth > maxDepth {
		return false
	}
	below := func(key string) string {
		if name == "" {
			return key
		}
		return name + "." + key
	}
	switch open := s.text[s.at]; open {
	case '{', '[':
		closing := open + 2 // in ASCII
		s.at++
		if s.take(closing) {
			return true
		}
		for i := 0; ; i++ {
			key := formatNumber(float64(i))
			if open == '{' {
				s.blank()
				if s.at == len(s.text) || s.text[s.at] != '"' {
					return false
				}
				raw, escaped, ok := s.quoted()
				if !ok || !s.take(':') {
					return false
				}
				if key = raw; escaped {
					key = unescape(raw)
				}
			}
			if !s.flatten(below(key), depth+1, found) {
				return false
			}
			if s.take(closing) {
				return true
			}
			if !s.take(',') {
				return false
			}
		}
	}
	leaf := newTrie("")
	leaf.leaf = 0
	var out [1]value
	from := *s
	from.out, from.left = out[:], 2 // one more than there is, so that it goes on
	if !from.value(leaf, depth) {
		return false
	}
	s.at = from.at
	return found(name, out[0])
}
