package model

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// path is how a member is reached from an input.
type path struct {
	steps []step
	many  bool // through a list or a map's keys
	end   end

	required bool // a string that has to be there
	key      int  // Tags of structs: the index of their key
	val      int
}

type end uint8

const (
	scalar  end = iota
	tagList     // structs with a key and a value
	tagMap
	other // a structure: it can only be there or not
)

type step struct {
	kind  stepKind
	index int
}

type stepKind uint8

const (
	field stepKind = iota
	elements
	keys
)

// pathOf finds a path in the type of an input.
func pathOf(t reflect.Type, text string) (*path, error) {
	p := &path{}
	if t == nil {
		return p, nil // of an operation that is not served
	}
	for part := range strings.SplitSeq(text, ".") {
		name, list := strings.CutSuffix(part, "[]")
		name, mapKeys := strings.CutSuffix(name, "{}")
		if t.Kind() != reflect.Struct {
			return nil, fmt.Errorf("%s: %s is not in a structure", text, name)
		}
		i := fieldOf(t, name)
		if i < 0 {
			return nil, fmt.Errorf("%s: no member %s", text, name)
		}
		p.steps = append(p.steps, step{field, i})
		p.required = t.Field(i).Type.Kind() == reflect.String
		t = plainType(t.Field(i).Type)
		switch {
		case list && t.Kind() == reflect.Slice:
			p.steps = append(p.steps, step{kind: elements})
			p.many = true
			t = plainType(t.Elem())
		case mapKeys && t.Kind() == reflect.Map:
			p.steps = append(p.steps, step{kind: keys})
			p.many = true
			t = t.Key()
		case list || mapKeys:
			return nil, fmt.Errorf("%s: %s is no list or map", text, name)
		}
	}
	switch {
	case t == timeType:
	case t.Kind() == reflect.Map:
		p.end = tagMap
	case t.Kind() == reflect.Slice && t != blobType && plainType(t.Elem()).Kind() == reflect.Struct:
		e := plainType(t.Elem())
		p.key, p.val = max(fieldOf(e, "Key"), fieldOf(e, "TagKey")), max(fieldOf(e, "Value"), fieldOf(e, "TagValue"))
		p.end = tagList
		if p.key < 0 || p.val < 0 {
			p.end = other
		}
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Interface, t == blobType:
		p.end = other
	}
	return p, nil
}

// fieldOf is the index of a member by its name in the model, -1 where there is none.
func fieldOf(t reflect.Type, name string) int {
	for i := range t.NumField() {
		if strings.EqualFold(t.Field(i).Name, name) {
			return i
		}
	}
	return -1
}

// plainType is a member's type without what says that it may be absent.
func plainType(t reflect.Type) reflect.Type {
	switch {
	case t.Kind() == reflect.Pointer:
		return t.Elem()
	case optional(t):
		return t.Field(0).Type
	}
	return t
}

func optional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == optPackage && strings.HasPrefix(t.Name(), "Opt[")
}

// plainValue is a member's value; ok is false where it is absent.
func plainValue(v reflect.Value) (reflect.Value, bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice, reflect.Map, reflect.Interface:
		return v, !v.IsNil()
	case reflect.Struct:
		if optional(v.Type()) {
			return v.Field(0), v.Field(1).Bool()
		}
	}
	return v, true
}

// walk calls yield with what the path leads to until it returns false; it reports whether it never did.
func walk(v reflect.Value, steps []step, yield func(reflect.Value) bool) bool {
	for i, s := range steps {
		var ok bool
		switch s.kind {
		case field:
			if v, ok = plainValue(v.Field(s.index)); !ok {
				return true
			}
		case elements:
			for j := range v.Len() {
				if e, ok := plainValue(v.Index(j)); ok && !walk(e, steps[i+1:], yield) {
					return false
				}
			}
			return true
		case keys:
			for it := v.MapRange(); it.Next(); {
				if !walk(it.Key(), steps[i+1:], yield) {
					return false
				}
			}
			return true
		}
	}
	return yield(v)
}

// reach is what a path leads to that goes through no list.
func (p *path) reach(v reflect.Value) (reflect.Value, bool) {
	if len(p.steps) == 0 || !v.IsValid() {
		return v, false
	}
	for _, s := range p.steps {
		var ok bool
		if v, ok = plainValue(v.Field(s.index)); !ok {
			return v, false
		}
	}
	return v, true
}

// first is the first value there, as text.
func (p *path) first(v reflect.Value) (s string, ok bool) {
	if !p.many {
		if v, ok = p.reach(v); !ok {
			return "", false
		}
		if v.Kind() == reflect.Slice && v.Type() != blobType {
			if v.Len() == 0 {
				return "", false
			}
			v = v.Index(0)
		}
		return text(v), true
	}
	p.each(v, func(each string) {
		if !ok {
			s, ok = each, true
		}
	})
	return s, ok
}

// each calls yield with all values there, as text.
func (p *path) each(v reflect.Value, yield func(string)) {
	if len(p.steps) == 0 || !v.IsValid() {
		return
	}
	walk(v, p.steps, func(v reflect.Value) bool {
		if v.Kind() == reflect.Slice && v.Type() != blobType {
			for i := range v.Len() {
				yield(text(v.Index(i)))
			}
			return true
		}
		yield(text(v))
		return true
	})
}

// present reports whether the member is there. One that has to be and is an empty string nobody has set.
func (p *path) present(v reflect.Value) bool {
	if !p.many {
		end, ok := p.reach(v)
		return ok && (!p.required || end.Len() > 0)
	}
	return len(p.steps) > 0 && v.IsValid() && !walk(v, p.steps, func(reflect.Value) bool { return false })
}

// value is the member for a condition key.
func (p *path) value(v reflect.Value) (one string, many []string, ok bool) {
	if !p.many {
		if v, ok = p.reach(v); !ok {
			return "", nil, false
		}
		switch {
		case p.end == tagList:
			many = make([]string, v.Len())
			for i := range many {
				e, _ := plainValue(v.Index(i))
				many[i] = member(e, p.key)
			}
			return "", many, true
		case p.end == tagMap:
			many = make([]string, 0, v.Len())
			for it := v.MapRange(); it.Next(); {
				many = append(many, text(it.Key()))
			}
			return "", many, true
		case p.end == other:
			return "", nil, false
		case v.Kind() == reflect.Slice && v.Type() != blobType:
			if list, is := v.Interface().([]string); is {
				return "", list, true
			}
			many = make([]string, v.Len())
			for i := range many {
				many[i] = text(v.Index(i))
			}
			return "", many, true
		}
		return text(v), nil, true
	}
	if len(p.steps) == 0 || !v.IsValid() {
		return "", nil, false
	}
	walk(v, p.steps, func(v reflect.Value) bool {
		switch {
		case p.end == tagList:
			for i := range v.Len() {
				e, _ := plainValue(v.Index(i))
				many = append(many, member(e, p.key))
			}
		case p.end == scalar && v.Kind() == reflect.Slice && v.Type() != blobType:
			for i := range v.Len() {
				many = append(many, text(v.Index(i)))
			}
		case p.end == scalar:
			many = append(many, text(v))
		}
		return true
	})
	return "", many, many != nil
}

// tag is the value of the tag of that key, whose case is of no meaning.
func (p *path) tag(v reflect.Value, key string) (value string, ok bool) {
	if len(p.steps) == 0 || !v.IsValid() {
		return "", false
	}
	if !p.many {
		if v, ok = p.reach(v); !ok {
			return "", false
		}
		return p.tagIn(v, key)
	}
	walk(v, p.steps, func(v reflect.Value) bool {
		value, ok = p.tagIn(v, key)
		return !ok
	})
	return value, ok
}

func (p *path) tagIn(v reflect.Value, key string) (string, bool) {
	switch p.end {
	case tagList:
		for i := range v.Len() {
			if e, ok := plainValue(v.Index(i)); ok && strings.EqualFold(member(e, p.key), key) {
				return member(e, p.val), true
			}
		}
	case tagMap:
		for it := v.MapRange(); it.Next(); {
			if strings.EqualFold(it.Key().String(), key) {
				return text(it.Value()), true
			}
		}
	}
	return "", false
}

func member(v reflect.Value, index int) string {
	v, ok := plainValue(v.Field(index))
	if !ok {
		return ""
	}
	return text(v)
}

// text is a scalar as policies write it.
func text(v reflect.Value) string {
	v, ok := plainValue(v)
	if !ok {
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t.UTC().Format(time.RFC3339)
		}
	case reflect.Slice:
		return string(v.Bytes())
	}
	return ""
}
