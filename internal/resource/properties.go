package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/obidos-cloud/obidos/internal/lang/jsonpatch"
)

// Properties are what a resource is, by the names of its type's schema, as encoding/json decodes them: numbers are
// json.Number.
type Properties map[string]any

// ParseProperties reads an object.
func ParseProperties(text string) (Properties, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var p Properties
	if err := d.Decode(&p); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	if p == nil {
		return nil, errors.New("it is not an object")
	}
	return p, nil
}

// String is the properties as JSON, in the order of their names.
func (p Properties) String() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any(p)); err != nil { // it came out of JSON
		panic(fmt.Sprintf("resource: properties: %v", err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// At is what a schema's pointer leads to, "/properties/Rules/*/Id": none, one, or many where it goes through a list.
func (p Properties) At(pointer string) []any {
	return find(map[string]any(p), parts(pointer))
}

// parts are the names on a pointer's way. Pointers of schemas begin with "/properties" and have it, or "items", between names
// in some.
func parts(pointer string) []string {
	list := strings.Split(strings.TrimPrefix(strings.TrimPrefix(pointer, "/"), "properties/"), "/")
	kept := list[:0]
	for i, part := range list {
		switch {
		case part == "properties" && i+1 < len(list):
		case part == "items":
			kept = append(kept, "*")
		default:
			kept = append(kept, part)
		}
	}
	return kept
}

func find(v any, way []string) (list []any) {
	if len(way) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		if m, ok := v[way[0]]; ok {
			return find(m, way[1:])
		}
	case []any:
		rest := way
		if way[0] == "*" {
			rest = way[1:]
		}
		for _, item := range v {
			list = append(list, find(item, rest)...)
		}
	}
	return list
}

func (p Properties) set(pointer string, v any) {
	way := parts(pointer)
	m := map[string]any(p)
	for _, name := range way[:len(way)-1] {
		next, ok := m[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[name] = next
		}
		m = next
	}
	m[way[len(way)-1]] = v
}

// Without is the properties less those that the pointers name.
func (p Properties) Without(pointers []string) Properties {
	out := map[string]any(p)
	for _, pointer := range pointers {
		if v, ok := without(out, parts(pointer)); ok {
			out, _ = v.(map[string]any)
		}
	}
	return out
}

// without is v less what way leads to; ok is false where that is nothing.
func without(v any, way []string) (out any, ok bool) {
	switch v := v.(type) {
	case map[string]any:
		below, has := v[way[0]]
		if !has {
			return v, false
		}
		if len(way) > 1 {
			if below, ok = without(below, way[1:]); !ok {
				return v, false
			}
		}
		less := maps.Clone(v)
		if len(way) > 1 {
			less[way[0]] = below
		} else {
			delete(less, way[0])
		}
		return less, true
	case []any:
		if way[0] == "*" {
			way = way[1:]
		}
		if len(way) == 0 {
			return v, false
		}
		list := make([]any, len(v))
		for i, item := range v {
			var changed bool
			list[i], changed = without(item, way)
			ok = ok || changed
		}
		return list, ok
	}
	return v, false
}

// Differ are those of the pointers whose values are not the same in p and q.
func (p Properties) Differ(q Properties, pointers []string) (list []string) {
	for _, pointer := range pointers {
		if !jsonpatch.Equal(p.At(pointer), q.At(pointer)) {
			list = append(list, pointer)
		}
	}
	return list
}

// Equal reports whether both are the same; numbers are by what they are worth.
func (p Properties) Equal(q Properties) bool {
	return jsonpatch.Equal(map[string]any(p), map[string]any(q))
}

// JSON is a property that may be given as an object or as its text, policies are, as text; empty where it is neither.
func JSON(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// Object is the other way around: text that is an object as one, and any other as it is.
func Object(text string) any {
	if p, err := ParseProperties(text); err == nil {
		return map[string]any(p)
	}
	return text
}

// Text is a struct of properties as JSON, as a Change has them.
func Text[M any](m M) string {
	p, err := plain(m, nil)
	if err != nil { // a model is plain data
		panic("resource: " + err.Error())
	}
	return p.String()
}
