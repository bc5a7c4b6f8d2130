package shape

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// documentOf is a value of the API as JSON: the members that are set, under the names that the wire has for them.
func documentOf(v any) []byte {
	b, err := json.Marshal(documented(reflect.ValueOf(v)))
	if err != nil {
		panic(err) // it is made of strings, numbers, lists and maps
	}
	return b
}

func documented(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return documented(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = documented(v.Index(i))
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
	case reflect.Struct:
		if isOpt(v.Type()) {
			if !v.Field(1).Bool() {
				return nil
			}
			return documented(v.Field(0))
		}
		members := map[string]any{}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("n"), ",")
			if m := documented(v.Field(i)); m != nil {
				members[name] = m
			}
		}
		return members
	}
	return v.Interface()
}

// isOpt reports whether a type is aws.Opt of something.
func isOpt(t reflect.Type) bool {
	return strings.HasPrefix(t.Name(), "Opt[") && t.NumField() == 2
}

// readDocument is what documentOf was made of. Names of members are found however they are capitalized, since those of resources
// are written so.
func readDocument(text []byte, into any) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return fill(reflect.ValueOf(into).Elem(), v)
}

func fill(into reflect.Value, from any) error {
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return fill(into.Elem(), from)
	case reflect.Slice:
		list, ok := from.([]any)
		if !ok {
			return fmt.Errorf("logs: %v is no list", from)
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, e := range list {
			if err := fill(into.Index(i), e); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		members, ok := from.(map[string]any)
		if !ok {
			return fmt.Errorf("logs: %v is no map", from)
		}
		into.Set(reflect.MakeMapWithSize(into.Type(), len(members)))
		for key, m := range members {
			v := reflect.New(into.Type().Elem()).Elem()
			if err := fill(v, m); err != nil {
				return err
			}
			into.SetMapIndex(reflect.ValueOf(key).Convert(into.Type().Key()), v)
		}
		return nil
	case reflect.Struct:
		if isOpt(into.Type()) {
			into.Field(1).SetBool(true)
			return fill(into.Field(0), from)
		}
		members, ok := from.(map[string]any)
		if !ok {
			return fmt.Errorf("logs: %v is no structure", from)
		}
		known := 0
		for i := range into.NumField() {
			name, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("n"), ",")
			for key, m := range members {
				if strings.EqualFold(key, name) {
					known++
					if err := fill(into.Field(i), m); err != nil {
						return err
					}
				}
			}
		}
		if known < len(members) {
			return errors.New("logs: a structure has members that are not known")
		}
		return nil
	}
	v := reflect.ValueOf(from)
	if !v.IsValid() || !v.CanConvert(into.Type()) || (v.Kind() == reflect.String) != (into.Kind() == reflect.String) {
		return fmt.Errorf("logs: %v is not of the type that is asked for", from)
	}
	into.Set(v.Convert(into.Type()))
	return nil
}
