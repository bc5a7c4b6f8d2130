package logfilter

import "strings"

// Selector names one value of the messages of a filter: what a metric counts, or what a dimension is.
type Selector struct {
	field string // $name or $number, of a line
	of    *Filter
	json  *jsonFilter // of JSON: with one node that is asked for
}

// Selector reads what refers to a value: $.a.property of a filter of JSON, $name or $number of one of fields. Whether the
// pattern has a field of that name does not matter to AWS. It is false where text refers to nothing, as with a wildcard.
func (f *Filter) Selector(text string) (*Selector, bool) {
	text = strings.Clone(text)
	switch f.kind {
	case JSON:
		parts, err := tokens(JSON, text)
		if err != nil || len(parts) != 1 || parts[0].part != selector {
			return nil, false
		}
		for _, s := range parts[0].path {
			if s.any {
				return nil, false
			}
		}
		j := &jsonFilter{root: &node{}, conditions: []condition{{op: exists}}, denied: []bool{false}}
		at := j.root.walk(parts[0].path, 0)
		at.leaves = []int{0}
		return &Selector{json: j}, true
	case Delimited:
		name, ok := strings.CutPrefix(text, "$")
		if !ok || name == "" || !isName(name) || strings.IndexFunc(name, func(r rune) bool { return r > 0x7f || !isWord(byte(r)) && r != '-' }) >= 0 {
			return nil, false
		}
		return &Selector{field: text, of: f}, true
	}
	return nil, false
}

// Value is the string or number that s names in message, as it is written; false where there is none.
func (s *Selector) Value(message string) (string, bool) {
	if s.json == nil {
		values, ok := s.of.Extract(message)
		value, there := values[s.field]
		return value, ok && there
	}
	var value string
	read := scan{text: message, filter: s.json, wanted: &value}
	if !read.document(s.json.root) || !read.given {
		return "", false
	}
	return value, true
}
