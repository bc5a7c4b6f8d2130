package wire_test

import (
	"reflect"
	"testing"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

func TestBetweenNodesNothingIsLost(t *testing.T) {
	s := shopAPI("shop", model.Query) // which has no place for much of it
	v := wire.New(s).Between()
	op := v.Operation("shop", "Make")
	if op == nil || v.Operation("shop", "Sweep") != nil || v.Operation("shop", "None") != nil || v.Operation("none", "Make") != nil {
		t.Fatal("operations are found by their names, where they are served")
	}
	if v.Streams(op) || !v.Streams(v.Operation("shop", "Load")) {
		t.Error("what streams does not fit between nodes")
	}
	in := everything(true)
	in.Sparse, in.Doc = []aws.Opt[string]{aws.Some("a"), {}, aws.Some("")}, map[string]any{"a": []any{"x", true, nil}}
	in.Nested.Name = "not\xffUTF-8"
	in.Count = 99 // beyond what the model allows: whoever took it in has seen to that
	text, err := v.AppendInput(nil, op, in)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.ReadInput(op, text); err != nil || !reflect.DeepEqual(got, in) {
		t.Errorf("%v, read\n%+v\nwant\n%+v", err, got, in)
	}
	if _, err := v.ReadInput(op, text[:len(text)-2]); err == nil {
		t.Error("half of it was read")
	}
	out := &makeOutput{ID: "1", Parts: in.Parts, Labels: in.Labels, When: in.When, Trace: aws.Some("t"), Code: aws.Some(int32(202))}
	if text, err = v.AppendOutput(nil, op, out); err != nil {
		t.Fatal(err)
	}
	if got, err := v.ReadOutput(op, text); err != nil || !reflect.DeepEqual(got, out) {
		t.Errorf("%v, read\n%+v\nwant\n%+v", err, got, out)
	}
}

func TestBetweenNodesAnErrorKeepsItsShape(t *testing.T) {
	v := wire.New(shopAPI("shop", model.JSON10)).Between()
	op := v.Operation("shop", "Make")
	other := &aws.ErrorShape{Code: "Odd", Status: 418}
	for _, want := range []*aws.Error{
		errBroken.New("shelf %d", 7).With(&brokenMembers{Shelf: aws.Some("a"), Seconds: aws.Some(int32(9))}),
		errBroken.New("alone"),
		other.New("of none of ours"),
	} {
		members, err := v.AppendMembers(nil, op, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.ReadError(op, *want.ErrorShape, want.Message, members)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: read %+v, want %+v", err, got, want)
		}
		if want.ErrorShape == errBroken && got.ErrorShape != errBroken {
			t.Error("a modelled error is not known again")
		}
	}
}
