package main

import (
	"bytes"
	"testing"
)

func TestPatch(t *testing.T) {
	for _, c := range []struct{ tree, patch, want string }{
		{`{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"c":null,"e":[1]},"f":"x"}`, `{"a":1,"b":{"d":3,"e":[1]},"f":"x"}`},
		{`{"a":{"b":1}}`, `{"a":[]}`, `{"a":[]}`},
		{`{"a":1}`, `{"a":{"b":{"c":null,"d":2}}}`, `{"a":{"b":{"d":2}}}`},
		{`{"z":1,"a":"<p>"}`, `{}`, `{"z":1,"a":"<p>"}`},
	} {
		a, err := parseTree([]byte(c.tree))
		if err != nil {
			t.Fatal(err)
		}
		p, err := parseTree([]byte(c.patch))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(patch(a, p).append(nil)); got != c.want {
			t.Errorf("%s patched by %s is %s, want %s", c.tree, c.patch, got, c.want)
		}
	}
}

func FuzzTree(f *testing.F) {
	for _, s := range []string{"", "{", "null", `{"a":[1,2.50,{"b":null}],"c":"\u2028<&>"}`, `{"a":1}{}`, `{"a":1,"a":2}`, "[]", `"x`, "[1,]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := parseTree(data)
		if err != nil {
			return
		}
		text := tr.append(nil)
		again, err := parseTree(text)
		if err != nil {
			t.Fatalf("%s was written as %s: %v", data, text, err)
		}
		if b := again.append(nil); !bytes.Equal(b, text) {
			t.Errorf("%s, read again %s", text, b)
		}
	})
}
