package model_test

import (
	"context"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

type colour string

func (colour) Values() []string { return []string{"red", "green"} }

type tree struct {
	_        struct{}             `u:"1" x:"name=Tree"`
	Name     string               `n:"name" at:"uri:Name" v:"req,min=1,max=8,pat=0"`
	Colours  []colour             `x:"name=Colour,flat" x1:"item=c" v:"max=3" v1:"max=5"`
	Tags     map[string]string    `x:"key=Key,value=Value" vk:"min=1" v1:"max=2" f1:"sensitive"`
	Branches []tree               `n:"branches"`
	Parent   *tree                `q:"Up"`
	When     []aws.Opt[time.Time] `t:"rfc822"`
	Body     io.Reader            `at:"payload" f:"sensitive"`
	Weight   aws.Opt[float64]     `v:"min=0.5"`
	Extra    any
	Data     []byte `f:"idempotency"`
}

func TestStructOfRefusesWhatTheGrammarDoesNotKnow(t *testing.T) {
	for name, v := range map[string]any{
		"place": struct {
			A string `at:"nowhere:X"`
		}{},
		"flag": struct {
			A string `f:"whatever"`
		}{},
		"pattern": struct {
			A string `v:"pat=9"`
		}{},
		"bound": struct {
			A string `v:"min=x"`
		}{},
		"xml": struct {
			A []string `x:"flatt"`
		}{},
		"time": struct {
			A time.Time `t:"stardate"`
		}{},
		"kind": struct{ A int }{},
		"key":  struct{ A map[int32]string }{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("read without complaint")
				}
			}()
			new(model.Service).StructOf(reflect.TypeOf(v))
		})
	}
}

func TestStructOf(t *testing.T) {
	s := &model.Service{Patterns: []*model.Pattern{{Text: "[a-z]+"}}}
	st := s.StructOf(reflect.TypeFor[tree]())
	if !st.Union || st.XMLName != "Tree" || len(st.Fields) != 10 {
		t.Fatalf("%+v", st)
	}
	f := func(name string) model.Field {
		for _, f := range st.Fields {
			if f.Name == name {
				return f
			}
		}
		t.Fatalf("no field %s", name)
		return model.Field{}
	}
	if n := f("Name"); n.Wire != "name" || n.At != model.URI || n.AtName != "Name" || !n.Required || n.Max.Int != 8 || n.Pattern != s.Patterns[0] || n.Form != model.Plain {
		t.Errorf("Name: %+v", n)
	}
	if c := f("Colours"); c.XML != "Colour" || c.Wire != "Colours" || !c.Flat || c.Max.Int != 3 || c.Elem.Max.Int != 5 || !reflect.DeepEqual(c.Elem.Enum, []string{"red", "green"}) || c.Elem.Item != "c" {
		t.Errorf("Colours: %+v", c)
	}
	if m := f("Tags"); m.KeyName != "Key" || m.ValueName != "Value" || !m.Key.Min.Set || m.Elem.Max.Text != "2" || !m.Elem.Sensitive || m.Sensitive {
		t.Errorf("Tags: %+v", m)
	}
	if b := f("Branches"); b.Elem.Struct != st || b.Elem.Form != model.Plain {
		t.Errorf("Branches: %+v", b)
	}
	if p := f("Parent"); p.Struct != st || p.Form != model.Pointer || p.Query != "Up" {
		t.Errorf("Parent: %+v", p)
	}
	if w := f("When"); w.Elem.Form != model.Optional || w.Elem.Time != model.RFC822 || w.Elem.Kind != model.Time {
		t.Errorf("When: %+v", w.Elem)
	}
	if b := f("Body"); b.Kind != model.Stream || b.At != model.Payload || !b.Sensitive {
		t.Errorf("Body: %+v", b)
	}
	if w := f("Weight"); w.Form != model.Optional || w.Kind != model.Float64 || w.Min.Float != 0.5 || w.Go != reflect.TypeFor[float64]() {
		t.Errorf("Weight: %+v", w)
	}
	if f("Extra").Kind != model.Document || f("Data").Kind != model.Blob || !f("Data").Idempotency {
		t.Error("Extra, Data")
	}
}

func TestPattern(t *testing.T) {
	p := &model.Pattern{Text: `(?!aws:)[a-z:]{1,3000}`, RE2: `[a-z:]+`, Not: `aws:`, Chars: 3000}
	for v, want := range map[string]bool{"": false, "aws:x": false, "abc": true, "xaws:": true, "a\n": false, "A": false, strings.Repeat("a", 3001): false} {
		if p.Match(v) != want {
			t.Errorf("%.10q: %v", v, !want)
		}
	}
}

type (
	in      struct{}
	out     struct{ A string }
	service interface {
		Go(context.Context, *in) (*out, error)
	}
	silent struct{}
)

func (silent) Go(context.Context, *in) (*out, error) { return nil, nil }

func TestFill(t *testing.T) {
	s := (&model.Service{Name: "x", SigningName: "sx"}).Fill(
		[]model.Operation{model.Op(service.Go, model.Operation{Name: "Go"})}, "Zoo GET /zoo/{A+}?b\nAct\n")
	if len(s.Operations) != 3 || s.Operation("Act") == nil || s.Operation("Nope") != nil {
		t.Fatalf("%+v", s.Operations)
	}
	if z := s.Operation("Zoo"); z.Served() || z.Method != "GET" || z.URI != "/zoo/{A+}?b" || z.Action() != "sx:Zoo" {
		t.Errorf("%+v", z)
	}
	op := s.Operation("Go")
	if _, ok := op.New().(*in); !ok || !op.Served() {
		t.Errorf("%+v", op)
	}
	if o, err := op.Call(t.Context(), silent{}, &in{}); err != nil || o.(*out) == nil {
		t.Errorf("an empty answer is still one: %v, %v", o, err)
	}
}
