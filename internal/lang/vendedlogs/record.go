package vendedlogs

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
)

// Record is a record of a log: the values of its fields, as JSON has them.
type Record map[string]json.RawMessage

// Set sets a field to a value that can be written as JSON.
func (r Record) Set(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what is set are strings, numbers and lists of them
	}
	r[name] = b
}

// JSON is the record as an object of those of the fields that it has, in their order.
func (r Record) JSON(fields []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, f := range fields {
		v, ok := r[f]
		if !ok {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(f) // a string always can be
		b.Write(name)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.String()
}

// Plain is the record as the values of the fields with the delimiter between them: a dash for one that it has not, and in quotes what
// would else be taken for something else.
func (r Record) Plain(fields []string, delimiter string) string {
	values := make([]string, len(fields))
	for i, f := range fields {
		values[i] = plain(r[f], delimiter)
	}
	return strings.Join(values, delimiter)
}

func plain(v json.RawMessage, delimiter string) string {
	if len(v) == 0 || bytes.Equal(v, []byte("null")) {
		return "-"
	}
	s := string(v)
	if v[0] == '"' && json.Unmarshal(v, &s) != nil {
		return string(v)
	}
	ambiguous := s == "" || s == "-" || s[0] == '"' || strings.ContainsFunc(s, unicode.IsControl) || delimiter != "" && strings.Contains(s, delimiter)
	if v[0] == '"' && ambiguous {
		return string(v)
	}
	return s
}
