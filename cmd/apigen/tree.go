package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// tree is a JSON value that remembers the order of its members: the order of a structure's members is that of the generated struct and of
// XML answers. A nil tree is an absent value, and may be asked anything.
type tree struct {
	keys   []string
	object map[string]*tree
	array  []*tree
	raw    json.RawMessage // a scalar
}

func parseTree(data []byte) (*tree, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	t, err := readTree(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return t, nil
}

func readTree(d *json.Decoder) (*tree, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		t := &tree{object: map[string]*tree{}}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readTree(d)
			if err != nil {
				return nil, err
			}
			t.set(key.(string), v)
		}
		_, err = d.Token()
		return t, err
	case json.Delim('['):
		t := &tree{array: []*tree{}}
		for d.More() {
			v, err := readTree(d)
			if err != nil {
				return nil, err
			}
			t.array = append(t.array, v)
		}
		_, err = d.Token()
		return t, err
	}
	raw, err := marshal(token)
	return &tree{raw: raw}, err
}

// marshal is json.Marshal without escapes for HTML, so that models read as they were.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

func (t *tree) append(dst []byte) []byte {
	switch {
	case t.object != nil:
		dst = append(dst, '{')
		for i, k := range t.keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			name, _ := marshal(k)
			dst = append(append(dst, name...), ':')
			dst = t.object[k].append(dst)
		}
		return append(dst, '}')
	case t.array != nil:
		dst = append(dst, '[')
		for i, v := range t.array {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.append(dst)
		}
		return append(dst, ']')
	}
	return append(dst, t.raw...)
}

func (t *tree) get(path ...string) *tree {
	for _, p := range path {
		if t == nil {
			return nil
		}
		t = t.object[p]
	}
	return t
}

func (t *tree) set(key string, v *tree) {
	if _, ok := t.object[key]; !ok {
		t.keys = append(t.keys, key)
	}
	t.object[key] = v
}

func (t *tree) remove(key string) {
	delete(t.object, key)
	t.keys = slices.DeleteFunc(t.keys, func(k string) bool { return k == key })
}

// members are the keys of an object in their order.
func (t *tree) members() []string {
	if t == nil {
		return nil
	}
	return t.keys
}

func (t *tree) list(path ...string) []*tree {
	if t = t.get(path...); t == nil {
		return nil
	}
	return t.array
}

func (t *tree) text(path ...string) string {
	t = t.get(path...)
	if t == nil {
		return ""
	}
	var s string
	if json.Unmarshal(t.raw, &s) != nil {
		return string(t.raw)
	}
	return s
}

// number is 0 where there is none.
func (t *tree) number(path ...string) int {
	n, _ := strconv.Atoi(t.text(path...))
	return n
}

func (t *tree) texts(path ...string) []string {
	var list []string
	for _, v := range t.list(path...) {
		list = append(list, v.text())
	}
	return list
}

func (t *tree) is(path ...string) bool {
	t = t.get(path...)
	return t != nil && string(t.raw) == "true"
}

func (t *tree) has(key string) bool { return t.get(key) != nil }

// patch is t changed by p as RFC 7396 says: objects are merged, null takes a member away, anything else replaces.
func patch(t, p *tree) *tree {
	if p.object == nil {
		return p
	}
	if t == nil || t.object == nil {
		t = &tree{object: map[string]*tree{}}
	}
	for _, k := range p.keys {
		if v := p.object[k]; string(v.raw) == "null" {
			t.remove(k)
		} else {
			t.set(k, patch(t.object[k], v))
		}
	}
	return t
}
