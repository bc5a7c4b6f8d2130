package call

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// audited reports whether a call that ended with code goes into the audit trail: those that are to change a resource, and
// those that were denied. Mere reads would bury them, and fill the disk.
func (o *operation) audited(code string) bool {
	return o.Flags&(model.DataPlane|model.ReadOnly) == 0 || strings.HasPrefix(code, "AccessDenied") || code == "UnauthorizedOperation"
}

// audit records a control-plane call. Its answer stands, whatever happens here.
func (d *Door) audit(ctx context.Context, o *operation, q *aws.Request, start time.Time, in, out any, err error) {
	var none any
	var lost error
	defer d.caught(ctx, o, &none, &lost)
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
		Input:     o.document(in),
	}
	if err != nil {
		_, e.Code = outcome(err)
		if known, ok := errors.AsType[*aws.Error](err); ok {
			e.Message = known.Message
		}
	} else if !e.ReadOnly {
		e.Output = o.document(out)
	}
	d.telemetry.Audit(e)
}

const maxDocument = 32 << 10 // bytes of an input or output that the audit trail keeps

// document is v, a pointer to a structure of the operation's contract, as JSON with the names of its model. Members that
// are sensitive or streams are left out; nil where there is nothing to show, or too much.
func (o *operation) document(v any) []byte {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Struct {
		return nil
	}
	b, err := json.Marshal(members(p.Elem(), o.Service.StructOf(p.Elem().Type())))
	if err != nil || len(b) > maxDocument {
		return nil
	}
	return b
}

func members(v reflect.Value, s *model.Struct) map[string]any {
	m := map[string]any{}
	for i := range s.Fields {
		f := &s.Fields[i]
		if x, ok := shown(v.Field(f.Index), &f.Value); ok {
			m[f.Wire] = x
		}
	}
	return m
}

// shown is v as maps, slices and scalars; ok is false where it is absent or not to be shown.
func shown(v reflect.Value, as *model.Value) (x any, ok bool) {
	if as.Sensitive || as.Kind == model.Stream || as.Struct != nil && as.Struct.EventStream {
		return nil, false
	}
	switch as.Form {
	case model.Optional:
		if !v.Field(1).Bool() {
			return nil, false
		}
		v = v.Field(0)
	case model.Pointer:
		if v.IsNil() {
			return nil, false
		}
		v = v.Elem()
	}
	switch as.Kind {
	case model.Structure:
		return members(v, as.Struct), true
	case model.List:
		if v.IsNil() {
			return nil, false
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i], _ = shown(v.Index(i), as.Elem)
		}
		return list, true
	case model.Map:
		if v.IsNil() || as.Key.Sensitive {
			return nil, false
		}
		entries := map[string]any{}
		for k, e := range v.Seq2() {
			entries[k.String()], _ = shown(e, as.Elem)
		}
		return entries, true
	case model.Blob, model.Document:
		return v.Interface(), !v.IsNil()
	}
	return v.Interface(), true
}

// texts are the strings that stand directly in the input v.
func (o *operation) texts(v any) (list []string) {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Struct {
		return nil
	}
	s := o.Service.StructOf(p.Elem().Type())
	for i := range s.Fields {
		f := p.Elem().Field(s.Fields[i].Index)
		if s.Fields[i].Form == model.Optional {
			f = f.Field(0)
		}
		if s.Fields[i].Kind == model.String && f.Kind() == reflect.String && f.Len() > 0 {
			list = append(list, f.String())
		}
	}
	return list
}
