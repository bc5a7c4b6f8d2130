package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// structName is the Go name of a structure, which is made where it was not yet.
func (r *reader) structName(shape string) (string, error) {
	n := r.name(shape)
	if r.made[shape] {
		return n, nil
	}
	r.made[shape] = true // before its members, which may hold it again
	return n, r.structure(n, r.shapes.get(shape), nil)
}

// structure makes a struct of s, without the members of skip.
func (r *reader) structure(name string, s *tree, skip map[string]bool) error {
	st := structure{Name: name}
	switch {
	case s.is("eventstream"):
		st.Tag = `u:"events"`
	case s.is("union"):
		st.Tag = `u:"1"`
	}
	if n := s.text("locationName"); n != "" && r.speaks("RestXML") {
		st.Tag = strings.TrimSpace(st.Tag + ` x:"name=` + n + `"`)
	}
	required := map[string]bool{}
	for _, n := range s.texts("required") {
		required[n] = true
	}
	taken := map[string]bool{}
	for _, m := range s.get("members").members() {
		if skip[m] || s.is("eventstream") && r.shapes.get(s.text("members", m, "shape")).is("exception") {
			continue // a stream's exceptions are errors of the service
		}
		f, err := r.member(s, m, required[m])
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, m, err)
		}
		if taken[f.Name] {
			return fmt.Errorf("%s has two members %s", name, f.Name)
		}
		taken[f.Name] = true
		st.Members = append(st.Members, f)
	}
	r.Structs = append(r.Structs, st)
	return nil
}

// tags of a field, by key. They are printed in one order.
type tags map[string][]string

func (t tags) add(key, value string) { t[key] = append(t[key], value) }

func (t tags) String() string {
	order := []string{"n", "at", "x", "q", "v", "t", "f"} // that of model's documentation
	rank := func(key string) int { return slices.Index(order, strings.TrimRight(key, "k0123456789")) }
	keys := slices.SortedFunc(maps.Keys(t), func(a, b string) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a, b)) })
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s:%s ", k, strconv.Quote(strings.Join(t[k], ",")))
	}
	return strings.TrimRight(b.String(), " ")
}

func (r *reader) member(s *tree, name string, required bool) (member, error) {
	ref := s.get("members", name)
	target := r.shapes.get(ref.text("shape"))
	if target == nil {
		return member{}, fmt.Errorf("no shape %s", ref.text("shape"))
	}
	m := member{Name: export(name)}
	t := tags{}
	wire := cmp.Or(ref.text("locationName"), name)
	switch place := ref.text("location"); {
	case place == "":
		if wire != m.Name {
			t.add("n", wire)
		}
		if s.text("payload") == name {
			t.add("at", "payload")
		}
	case place == "uri":
		t.add("at", "uri:"+wire)
	case place == "querystring" && target.text("type") == "map":
		t.add("at", "querymap")
	case place == "querystring":
		t.add("at", "query:"+wire)
	case place == "header":
		t.add("at", "header:"+wire)
	case place == "headers":
		t.add("at", "headers:"+ref.text("locationName"))
	case place == "statusCode":
		t.add("at", "status")
	default:
		return m, fmt.Errorf("unknown location %s", place)
	}
	if required {
		t.add("v", "req")
	}
	if r.xml() && ref.text("location") == "" {
		r.elementName(t, s, name, wire, ref, target)
	}
	for key, flag := range map[string]string{"idempotencyToken": "idempotency", "jsonvalue": "json", "hostLabel": "hostlabel", "eventpayload": "eventpayload", "eventheader": "eventheader"} {
		if ref.is(key) {
			t.add("f", flag)
		}
	}
	stream := streams(s, name, ref, target)
	var err error
	m.Type, err = r.place(t, ref, place{required: required, stream: stream})
	if slices.Sort(t["f"]); len(t["f"]) == 0 {
		delete(t, "f")
	}
	m.Tag = t.String()
	return m, err
}

// xml reports whether the service speaks a protocol in which names of elements matter.
func (r *reader) xml() bool {
	return r.speaks("Query") || r.speaks("EC2") || r.speaks("RestXML")
}

// elementName adds the name of a member's element and of its query parameter, where they are not the wire name.
func (r *reader) elementName(t tags, s *tree, name, wire string, ref, target *tree) {
	element := cmp.Or(ref.text("xmlName"), wire)
	if flat := ref.is("flattened") || target.is("flattened"); flat && target.text("type") == "list" && !ref.has("xmlName") && !r.speaks("RestXML") {
		element = cmp.Or(target.text("member", "locationName"), element)
	}
	if s.text("payload") == name && target.text("type") == "structure" {
		element = cmp.Or(ref.text("locationName"), target.text("locationName"), ref.text("shape"))
	}
	if element != wire {
		t.add("x", "name="+element)
	}
	if q := ref.text("queryName"); q != "" && q != element && (!r.speaks("EC2") || q != strings.ToUpper(element[:1])+element[1:]) {
		t.add("q", q)
	}
	if ref.is("xmlAttribute") {
		t.add("x", "attr")
	}
	if ref.is("xmlText") {
		t.add("x", "text")
	}
	ns := ref.get("xmlNamespace")
	if ns == nil {
		ns = target.get("xmlNamespace")
	}
	if ns == nil {
		return
	}
	uri, prefix := cmp.Or(ns.text("uri"), ns.text()), ns.text("prefix")
	if prefix != "" {
		t.add("x", "ns="+uri)
		t.add("x", "nsprefix="+prefix)
	} else if uri != r.XMLNamespace { // the service's own is on the root anyway
		t.add("x", "ns="+uri)
	}
}

// place says where a value stands.
type place struct {
	depth    int
	key      bool // of a map
	inside   bool // a list or map that is not sparse
	required bool
	stream   bool
}

func (p place) tag(key string) string {
	if p.key {
		key += "k"
	}
	if p.depth > 0 {
		key += strconv.Itoa(p.depth)
	}
	return key
}

// in is the place of what p's list or map holds.
func (p place) in(sparse bool) place { return place{depth: p.depth + 1, inside: !sparse} }

// place is the Go type of what ref refers to, its schema added to t.
func (r *reader) place(t tags, ref *tree, p place) (string, error) {
	shape := ref.text("shape")
	s := r.shapes.get(shape)
	if s == nil {
		return "", fmt.Errorf("no shape %s", shape)
	}
	scalar := func(name string) string {
		if p.required || p.inside || p.key {
			return name
		}
		return "aws.Opt[" + name + "]"
	}
	r.constraints(t, s, p)
	switch kind := s.text("type"); kind {
	case "string":
		if s.has("enum") {
			return scalar(r.enum(shape, s)), nil
		}
		return scalar("string"), nil
	case "boolean":
		return scalar("bool"), nil
	case "integer":
		return scalar("int32"), nil
	case "long":
		return scalar("int64"), nil
	case "float":
		return scalar("float32"), nil
	case "double":
		return scalar("float64"), nil
	case "timestamp":
		if f := cmp.Or(ref.text("timestampFormat"), s.text("timestampFormat")); f != "" {
			t.add("t", f)
		}
		return scalar("time.Time"), nil
	case "blob":
		if p.stream {
			return "io.Reader", nil
		}
		return "[]byte", nil
	case "structure":
		if s.is("document") {
			return "any", nil
		}
		n, err := r.structName(shape)
		if s.is("eventstream") {
			return "aws.Events[" + n + "]", err
		}
		if !p.inside {
			n = "*" + n
		}
		return n, err
	case "list":
		if r.xml() {
			flat := s.is("flattened") || ref.is("flattened")
			if flat {
				t.add(p.tag("x"), "flat")
			} else if item := s.text("member", "locationName"); item != "" {
				t.add(p.tag("x"), "item="+item)
			}
		}
		elem, err := r.place(t, s.get("member"), p.in(s.is("sparse")))
		return "[]" + elem, err
	case "map":
		if r.xml() {
			if s.is("flattened") || ref.is("flattened") {
				t.add(p.tag("x"), "flat")
			}
			for _, side := range []string{"key", "value"} {
				if n := cmp.Or(s.text(side, "xmlName"), s.text(side, "locationName"), side); n != side {
					t.add(p.tag("x"), side+"="+n)
				}
			}
		}
		key, err := r.place(t, s.get("key"), place{depth: p.depth, key: true})
		if err != nil {
			return "", err
		}
		elem, err := r.place(t, s.get("value"), p.in(s.is("sparse")))
		return "map[" + key + "]" + elem, err
	default:
		return "", fmt.Errorf("shape %s is of unknown type %q", shape, kind)
	}
}

func (r *reader) enum(shape string, s *tree) string {
	n := r.name(shape)
	if !r.made[shape] {
		r.made[shape] = true
		var values []string // the model repeats some
		for _, v := range s.texts("enum") {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		r.Enums = append(r.Enums, enum{Name: n, Values: values})
	}
	return n
}

func (r *reader) constraints(t tags, s *tree, p place) {
	number := slices.Contains([]string{"integer", "long", "float", "double"}, s.text("type"))
	if v := s.text("min"); v != "" && (number || v != "0") {
		t.add(p.tag("v"), "min="+v)
	}
	if v := s.text("max"); v != "" {
		t.add(p.tag("v"), "max="+v)
	}
	if v := s.text("pattern"); v != "" && !matchesAll[v] {
		t.add(p.tag("v"), "pat="+strconv.Itoa(r.pattern(v)))
	}
	if s.is("sensitive") {
		t.add(p.tag("f"), "sensitive")
	}
}

// matchesAll are patterns that refuse nothing.
var matchesAll = map[string]bool{`[\s\S]*`: true, `^[\s\S]*$`: true, `[\S\s]*`: true}

func (r *reader) pattern(text string) int {
	i, ok := r.patterns[text]
	if !ok {
		i = len(r.Patterns)
		r.patterns[text] = i
		p, ok := r.rewrites[text]
		if !ok {
			p = pattern{RE2: mechanical(text)}
			if p.RE2 == text {
				p.RE2 = ""
			}
		}
		p.Text = text
		r.Patterns = append(r.Patterns, p)
	}
	return i
}

var (
	unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
	// surrogates is how Java's patterns say "and everything beyond the basic plane".
	surrogates = `\uD800\uDC00-\uDBFF\uDFFF`
	posix      = strings.NewReplacer(`\p{Print}`, `[\x20-\x7E]`, `\p{XDigit}`, `[0-9A-Fa-f]`, surrogates, `\x{10000}-\x{10FFFF}`)
)

// mechanical is a pattern in RE2's words, as far as rewriting words does it.
func mechanical(text string) string {
	return unicodeEscape.ReplaceAllString(posix.Replace(text), `\x{$1}`)
}
