package call

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// audit records a control-plane call.
func (d *Door) audit(ctx context.Context, o *operation, q *aws.Request, start time.Time, in, out any, err error) {
	e := telemetry.Event{
		ID:        telemetry.NewRequestID(),
		Time:      start,
		Service:   o.Service.Name,
		Operation: o.Name,
		ReadOnly:  o.Flags&model.ReadOnly != 0,
		Scope:     aws.Scope{Account: strings.Clone(q.Account), Region: strings.Clone(q.Region)},
		Principal: q.Principal,
		Request:   q.ID,
		SourceIP:  q.SourceIP,
		UserAgent: strings.Clone(q.UserAgent),
		Secure:    q.Secure,
		Resources: o.about(ctx, in),
		Input:     document(in),
	}
	if err != nil {
		_, e.Code = outcome(err)
		if known, ok := errors.AsType[*aws.Error](err); ok {
			e.Message = known.Message
		}
	} else if !e.ReadOnly {
		e.Output = document(out)
	}
	d.telemetry.Audit(e)
}

const maxDocument = 32 << 10 // bytes of an input or output that the audit trail keeps

// document is v, a pointer to a generated structure, as JSON with the names of its model. Members that are sensitive or
// streams are left out; nil where there is nothing to show, or too much.
func document(v any) []byte {
	if v == nil {
		return nil
	}
	doc, ok := plain(reflect.ValueOf(v), 0)
	if !ok {
		return nil
	}
	b, err := json.Marshal(doc)
	if err != nil || len(b) > maxDocument {
		return nil
	}
	return b
}

// presence is implemented by aws.Opt of any type, by the names of its fields.
func optional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() == 2 && t.Field(0).Name == "V" && t.Field(1).Name == "Set"
}

// plain is v as maps, slices and scalars; ok is false where it is absent.
func plain(v reflect.Value, depth int) (any, bool) {
	if depth > 32 {
		return nil, false
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, false
		}
		if _, ok := v.Interface().(io.Reader); ok {
			return nil, false
		}
		return plain(v.Elem(), depth)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t, true
		}
		if optional(v.Type()) {
			if !v.Field(1).Bool() {
				return nil, false
			}
			return plain(v.Field(0), depth)
		}
		members := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || slices.Contains(strings.Split(f.Tag.Get("f"), ","), "sensitive") {
				continue
			}
			if m, ok := plain(v.Field(i), depth+1); ok {
				name := f.Tag.Get("n")
				if name == "" {
					name = f.Name
				}
				members[name] = m
			}
		}
		return members, true
	case reflect.Slice:
		if v.IsNil() {
			return nil, false
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes(), true
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i], _ = plain(v.Index(i), depth+1)
		}
		return list, true
	case reflect.Map:
		if v.IsNil() {
			return nil, false
		}
		entries := map[string]any{}
		for k, e := range v.Seq2() {
			entries[k.String()], _ = plain(e, depth+1)
		}
		return entries, true
	case reflect.Chan, reflect.Func:
		return nil, false
	}
	return v.Interface(), true
}

// texts are the strings that stand directly in v, a pointer to a generated structure.
func texts(v any) (list []string) {
	s := reflect.Indirect(reflect.ValueOf(v))
	if s.Kind() != reflect.Struct {
		return nil
	}
	for i := range s.NumField() {
		f := s.Field(i)
		if optional(f.Type()) {
			f = f.Field(0)
		}
		if f.Kind() == reflect.String && f.Len() > 0 {
			list = append(list, f.String())
		}
	}
	return list
}
