package jsonpatch_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/jsonpatch"
)

func document(t testing.TB, s string) (v any) {
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func text(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRefused(t *testing.T) {
	for _, patch := range []string{
		``, `{}`, `null x`, `[1]`, `[{}]`, `[] []`,
		`[{"op":"add","path":"/a"}]`,
		`[{"op":"add","path":"a","value":1}]`,
		`[{"op":"add","path":"/~2","value":1}]`,
		`[{"op":"add","path":"/a~","value":1}]`,
		`[{"op":"add","path":null,"value":1}]`,
		`[{"op":"merge","path":"/a","value":1}]`,
		`[{"op":"move","path":"/a"}]`,
		`[{"op":"move","from":"/a","path":"/a/b"}]`,
		`[{"op":3,"path":"/a"}]`,
	} {
		if p, err := jsonpatch.Parse([]byte(patch)); err == nil {
			t.Errorf("%s was read as %v", patch, p)
		}
	}
}

func TestNotApplied(t *testing.T) {
	for _, c := range []struct{ doc, patch string }{
		{`{}`, `[{"op":"remove","path":"/a"}]`},
		{`{}`, `[{"op":"replace","path":"/a","value":1}]`},
		{`{}`, `[{"op":"add","path":"/a/b","value":1}]`},
		{`{"a":1}`, `[{"op":"add","path":"/a/b","value":1}]`},
		{`[1]`, `[{"op":"add","path":"/2","value":1}]`},
		{`[1]`, `[{"op":"remove","path":"/-"}]`},
		{`[1]`, `[{"op":"replace","path":"/01","value":1}]`},
		{`[1]`, `[{"op":"replace","path":"/-1","value":1}]`},
		{`{"a":1}`, `[{"op":"test","path":"/a","value":"1"}]`},
		{`{"a":1}`, `[{"op":"test","path":"/a","value":{}}]`},
		{`{"a":1}`, `[{"op":"replace","path":"/a","value":2},{"op":"test","path":"/b","value":null}]`},
		{`{}`, `[{"op":"copy","from":"/x","path":"/y"}]`},
		{`{}`, `[{"op":"move","from":"/x","path":"/y"}]`},
	} {
		p, err := jsonpatch.Parse([]byte(c.patch))
		if err != nil {
			t.Errorf("%s: %v", c.patch, err)
			continue
		}
		doc := document(t, c.doc)
		if got, err := p.Apply(doc); err == nil {
			t.Errorf("%s on %s gave %s", c.patch, c.doc, text(t, got))
		}
		if text(t, doc) != c.doc {
			t.Errorf("%s changed %s to %s", c.patch, c.doc, text(t, doc))
		}
	}
}

func TestApplied(t *testing.T) {
	for _, c := range []struct{ doc, patch, want string }{
		{`{}`, `[]`, `{}`},
		{`{"a":1}`, `[{"op":"add","path":"/b","value":[2]}]`, `{"a":1,"b":[2]}`},
		{`{"a":1}`, `[{"op":"add","path":"/a","value":null}]`, `{"a":null}`},
		{`{"a":1}`, `[{"op":"replace","path":"","value":7}]`, `7`},
		{`{"a":1}`, `[{"op":"remove","path":"/a"}]`, `{}`},
		{`[1,3]`, `[{"op":"add","path":"/1","value":2}]`, `[1,2,3]`},
		{`[1]`, `[{"op":"add","path":"/-","value":2},{"op":"add","path":"/-","value":3}]`, `[1,2,3]`},
		{`[1,2,3]`, `[{"op":"remove","path":"/0"},{"op":"replace","path":"/0","value":"x"}]`, `["x",3]`},
		{`{"a":{"b":1},"c":[]}`, `[{"op":"move","from":"/a/b","path":"/c/0"}]`, `{"a":{},"c":[1]}`},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/c/b","value":2}]`, `{"a":{"b":1},"c":{"b":2}}`},
		{`{"a/b":1,"m~n":2}`, `[{"op":"remove","path":"/a~1b"},{"op":"test","path":"/m~0n","value":2.0}]`, `{"m~n":2}`},
		{`{"":1}`, `[{"op":"replace","path":"/","value":2}]`, `{"":2}`},
		{`{"a":[1,{"b":1e1}]}`, `[{"op":"test","path":"/a","value":[1,{"b":10}]}]`, `{"a":[1,{"b":1e1}]}`},
		{`{"a":1}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1}`},
	} {
		p, err := jsonpatch.Parse([]byte(c.patch))
		if err != nil {
			t.Errorf("%s: %v", c.patch, err)
			continue
		}
		if got, err := p.Apply(document(t, c.doc)); err != nil || text(t, got) != c.want {
			t.Errorf("%s on %s: %s, %v, want %s", c.patch, c.doc, text(t, got), err, c.want)
		}
	}
}

// TestBomb: a patch that doubles the document in each step ends.
func TestBomb(t *testing.T) {
	patch := `[{"op":"add","path":"/a","value":[1,1,1,1,1,1,1,1]}`
	for range 100 {
		patch += `,{"op":"copy","from":"/a","path":"/a/-"}`
	}
	p, err := jsonpatch.Parse([]byte(patch + "]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(document(t, `{}`)); err == nil {
		t.Error("it was applied")
	}
}

// FuzzApply: whatever is read can be applied or refused, and leaves the document alone.
func FuzzApply(f *testing.F) {
	f.Add(`{"a":[1,{"b":2}]}`, `[{"op":"move","from":"/a/1","path":"/c"},{"op":"copy","from":"/c/b","path":"/a/-"}]`)
	f.Add(`[]`, `[{"op":"add","path":"/-","value":{"~":1}},{"op":"test","path":"/0/~0","value":1e0}]`)
	f.Add(`null`, `[{"op":"replace","path":"","value":{}},{"op":"remove","path":""}]`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		var v any
		d := json.NewDecoder(bytes.NewReader([]byte(doc)))
		d.UseNumber()
		if d.Decode(&v) != nil {
			t.Skip()
		}
		p, err := jsonpatch.Parse([]byte(patch))
		if err != nil {
			t.Skip()
		}
		before := text(t, v)
		if _, err := p.Apply(v); err == nil {
			for _, o := range p {
				if again, err := jsonpatch.ParsePointer(o.Path.String()); err != nil || again.String() != o.Path.String() {
					t.Errorf("%q is read as %q, %v", o.Path, again, err)
				}
			}
		}
		if after := text(t, v); after != before {
			t.Errorf("%s became %s", before, after)
		}
	})
}
