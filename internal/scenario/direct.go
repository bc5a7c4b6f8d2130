package scenario

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/model"
)

// Direct is a target that calls operations of api through invoker, with nothing between. Advance and settle are the target's.
func Direct(api *model.Service, invoker model.Invoker, advance func(context.Context, time.Duration) error, settle func()) Target {
	return direct{api, invoker, advance, settle}
}

type direct struct {
	api     *model.Service
	invoker model.Invoker
	advance func(context.Context, time.Duration) error
	settle  func()
}

func (d direct) Advance(ctx context.Context, by time.Duration) error { return d.advance(ctx, by) }
func (d direct) Settle()                                             { d.settle() }

func (d direct) Call(ctx context.Context, operation string, body json.RawMessage) (json.RawMessage, error) {
	for i := range d.api.Operations {
		op := &d.api.Operations[i]
		if op.Name != operation || !op.Served() {
			continue
		}
		in := op.New()
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, err
		}
		if err := decode(reflect.ValueOf(in).Elem(), v); err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		out, err := d.invoker.Invoke(ctx, op, in)
		if err != nil {
			return nil, err
		}
		answer, err := encode(reflect.ValueOf(out).Elem())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		return json.Marshal(answer)
	}
	return nil, fmt.Errorf("models/%s.ops lists no operation %s", d.api.Name, operation)
}

// memberName is the name of a structure's member on the wire.
func memberName(f reflect.StructField) string {
	if n := f.Tag.Get("n"); n != "" {
		return n
	}
	return f.Name
}

// isOpt reports whether t is an aws.Opt.
func isOpt(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "Opt[")
}

// decode puts a value as encoding/json decodes it into a member of a generated structure.
func decode(dst reflect.Value, v any) error {
	if v == nil {
		return nil
	}
	t := dst.Type()
	switch {
	case isOpt(t):
		dst.FieldByName("Set").SetBool(true)
		return decode(dst.FieldByName("V"), v)
	case t == reflect.TypeFor[time.Time]():
		s, _ := v.(string)
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return fmt.Errorf("%v is no time as 2006-01-02T15:04:05Z", v)
		}
		dst.Set(reflect.ValueOf(at))
	case t == reflect.TypeFor[io.Reader]():
		s, _ := v.(string)
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return err
		}
		dst.Set(reflect.ValueOf(bytes.NewReader(b)))
	case t.Kind() == reflect.Pointer:
		dst.Set(reflect.New(t.Elem()))
		return decode(dst.Elem(), v)
	case t.Kind() == reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no structure", v)
		}
		known := 0
		for i := range t.NumField() {
			if one, there := m[memberName(t.Field(i))]; there && t.Field(i).IsExported() {
				known++
				if err := decode(dst.Field(i), one); err != nil {
					return err
				}
			}
		}
		if known != len(m) {
			return fmt.Errorf("a member of %v is none of %s", v, t.Name())
		}
	case t.Kind() == reflect.Map:
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no map", v)
		}
		dst.Set(reflect.MakeMap(t))
		for k, one := range m {
			e := reflect.New(t.Elem()).Elem()
			if err := decode(e, one); err != nil {
				return err
			}
			dst.SetMapIndex(reflect.ValueOf(k).Convert(t.Key()), e)
		}
	case t == reflect.TypeFor[[]byte]():
		s, _ := v.(string)
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return err
		}
		dst.SetBytes(b)
	case t.Kind() == reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%v is no list", v)
		}
		dst.Set(reflect.MakeSlice(t, len(list), len(list)))
		for i, one := range list {
			if err := decode(dst.Index(i), one); err != nil {
				return err
			}
		}
	default:
		r := reflect.ValueOf(v)
		if !r.CanConvert(t) || (r.Kind() == reflect.String) != (t.Kind() == reflect.String) {
			return fmt.Errorf("%v is no %s", v, t)
		}
		dst.Set(r.Convert(t))
	}
	return nil
}

// encode is a generated structure as encoding/json would have decoded it; what is absent is left out.
func encode(v reflect.Value) (any, error) {
	t := v.Type()
	switch {
	case isOpt(t):
		if !v.FieldByName("Set").Bool() {
			return nil, nil
		}
		return encode(v.FieldByName("V"))
	case t == reflect.TypeFor[time.Time]():
		return v.Interface().(time.Time).UTC().Format(time.RFC3339Nano), nil
	case t == reflect.TypeFor[io.Reader]():
		if v.IsNil() {
			return nil, nil
		}
		b, err := io.ReadAll(v.Interface().(io.Reader))
		return base64.StdEncoding.EncodeToString(b), err
	case t == reflect.TypeFor[[]byte]():
		if v.IsNil() {
			return nil, nil
		}
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	case t.Kind() == reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return encode(v.Elem())
	case t.Kind() == reflect.Struct:
		m := map[string]any{}
		for i := range t.NumField() {
			if !t.Field(i).IsExported() {
				continue
			}
			one, err := encode(v.Field(i))
			if err != nil {
				return nil, err
			}
			if one != nil {
				m[memberName(t.Field(i))] = one
			}
		}
		return m, nil
	case t.Kind() == reflect.Map:
		if v.IsNil() {
			return nil, nil
		}
		m := map[string]any{}
		for k, value := range v.Seq2() {
			one, err := encode(value)
			if err != nil {
				return nil, err
			}
			m[k.String()] = one
		}
		return m, nil
	case t.Kind() == reflect.Slice:
		if v.IsNil() {
			return nil, nil
		}
		list := []any{}
		for i := range v.Len() {
			one, err := encode(v.Index(i))
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		return list, nil
	}
	return v.Interface(), nil
}
