package wire

import (
	"fmt"
	"reflect"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

// Between nodes an operation's input, output and error go as they are in memory, whatever protocol the client speaks: CBOR
// maps by the members' names, without what locates them in HTTP. What a node does not know of a later one's is left out.

// Values encodes what goes between nodes.
type Values struct{ w *Wire }

// Between is the encoding that nodes over the same contracts speak among themselves. What it reads is not held to the model: it was,
// when it came in.
func (w *Wire) Between() Values { return Values{w} }

// Operation is one by the names of its service and its own; nil where this node does not serve it.
func (v Values) Operation(service, name string) *model.Operation {
	s := v.w.service(service)
	if s == nil {
		return nil
	}
	if o := s.operation(name); o != nil && o.Served() {
		return o.Operation
	}
	return nil
}

// Streams reports whether the operation reads or writes a stream, which does not fit in a message.
func (v Values) Streams(op *model.Operation) bool {
	return op.Flags&(model.StreamIn|model.StreamOut|model.EventStreamIn|model.EventStreamOut) != 0
}

// AppendInput appends in, a pointer to the operation's Input.
func (v Values) AppendInput(dst []byte, op *model.Operation, in any) ([]byte, error) {
	m, err := v.w.For(op, model.CBOR11)
	if err != nil {
		return dst, err
	}
	return appendValue(dst, m.op.in, in), nil
}

// AppendOutput appends out, a pointer to the operation's Output.
func (v Values) AppendOutput(dst []byte, op *model.Operation, out any) ([]byte, error) {
	m, err := v.w.For(op, model.CBOR11)
	if err != nil {
		return dst, err
	}
	return appendValue(dst, m.op.out, out), nil
}

// AppendMembers appends the members that an error of the operation's service has beyond its message; nothing where it has none.
func (v Values) AppendMembers(dst []byte, op *model.Operation, e *aws.Error) ([]byte, error) {
	m, err := v.w.For(op, model.CBOR11)
	if err != nil {
		return dst, err
	}
	if st := m.s.membersOf(e); st != nil {
		dst = appendValue(dst, st, e.Members)
	}
	return dst, nil
}

func appendValue(dst []byte, st *structure, value any) []byte {
	w := cborWriter{b: dst, millis: true, asIs: true}
	w.structure(placeOf(value), st.fields)
	return w.b
}

// ReadInput is what AppendInput appended.
func (v Values) ReadInput(op *model.Operation, body []byte) (any, error) {
	return v.read(op, body, func(m *Match) (*structure, reflect.Type) { return m.op.in, op.Input })
}

// ReadOutput is what AppendOutput appended.
func (v Values) ReadOutput(op *model.Operation, body []byte) (any, error) {
	return v.read(op, body, func(m *Match) (*structure, reflect.Type) { return m.op.out, op.Output })
}

// ReadError is an error of the operation, of its contract's own shape where that has one of the code and status, and else of one like it.
func (v Values) ReadError(op *model.Operation, like aws.ErrorShape, message string, members []byte) (*aws.Error, error) {
	m, err := v.w.For(op, model.CBOR11)
	if err != nil {
		return nil, err
	}
	modelled := m.s.errorOf(like.Code)
	shape := &like
	if modelled != nil && *modelled.ErrorShape == like {
		shape = modelled.ErrorShape
	}
	e := &aws.Error{ErrorShape: shape, Message: message}
	if len(members) == 0 || modelled == nil || modelled.Members == nil {
		return e, nil
	}
	e.Members, err = v.read(op, members, func(m *Match) (*structure, reflect.Type) {
		return m.s.plans.structure(modelled.Members), modelled.Members
	})
	return e, err
}

func (v Values) read(op *model.Operation, body []byte, as func(*Match) (*structure, reflect.Type)) (any, error) {
	m, err := v.w.For(op, model.CBOR11)
	if err != nil {
		return nil, err
	}
	st, t := as(m)
	value := reflect.New(t).Interface()
	var found findings
	if bad := m.readCBOR(body, &found, func(r *cborReader) bool {
		r.asIs = true
		return r.structure(st, placeOf(value))
	}); bad != nil {
		return nil, fmt.Errorf("wire: what another node says of %s: %s", op.Name, bad.Message)
	}
	return value, nil
}
