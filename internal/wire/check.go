package wire

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

// checker holds an input to its model's constraints and says what is wrong as AWS's framework does.
type checker struct {
	findings
	loose    bool
	hidden   bool // values are not shown
	steps    []step
	problems []string
	said     int // bytes of problems
}

// check holds the input at p to its model.
func (m *Match) check(p place, found *findings) *aws.Error {
	st := m.op.in
	if !st.checked && found.nulls == nil || m.w.trusting {
		return nil
	}
	if text := m.s.quirks.missing; text != "" {
		for _, f := range st.fields {
			if f.Required && (f.bit != 0 || !m.s.quirks.own) && lacks(f, p, found, f.lower) {
				return missingRequired.New(text, f.Name)
			}
		}
	}
	if m.s.quirks.own {
		return nil
	}
	var room [8]step
	c := checker{findings: *found, loose: m.s.quirks.loose, hidden: m.s.quirks.hidden, steps: room[:0]}
	for _, f := range st.fields {
		if at, ok := f.find(p.at(f.Offset)); ok && m.s.quirks.names && (f.lower == "logGroupName" || f.lower == "logStreamName") && utf8.RuneCountInString(*at.str()) > 512 {
			return badParameter.New("Invalid LogGroup or LogStream, both must have length less than or equal to 512.")
		}
	}
	c.structure(st, p)
	for _, path := range found.nulls {
		if !c.enough() {
			c.add("Value null at '" + path + "' failed to satisfy constraint: Member must not be null")
		}
	}
	if len(c.problems) == 0 {
		return nil
	}
	if m.s.quirks.inputShape {
		for i, s := range c.problems {
			c.problems[i] = strings.Replace(s, " at '", " at '"+lowerFirst(m.op.Input.Name())+".", 1)
		}
	}
	noun := " validation error"
	if len(c.problems) > 1 {
		noun += "s"
	}
	shape := validation
	has := func(s *aws.ErrorShape) bool {
		return slices.ContainsFunc(m.op.Errors, func(e *aws.ErrorShape) bool { return e.Code == s.Code })
	}
	if m.s.quirks.parameter && (has(badParameter) || !has(validation)) {
		shape = badParameter
	}
	return shape.New("%s", strconv.Itoa(len(c.problems))+noun+" detected: "+strings.Join(c.problems, "; "))
}

// lacks reports whether the required member f of the structure at p is not there.
func lacks(f *field, p place, found *findings, path string) bool {
	if f.bit != 0 {
		return found.lacking[path]
	}
	_, ok := f.find(p.at(f.Offset))
	return !ok
}

func (c *checker) path() string { return pathOf(c.steps) }

// What an answer says at most of what is wrong: there may be as many mistakes as a body has bytes.
const (
	maxProblems = 64 << 10 // bytes of the answer, from which on nothing more is looked for
	maxShown    = 16 << 10 // bytes of one value
)

func (c *checker) add(problem string) {
	c.problems = append(c.problems, problem)
	c.said += len(problem)
}

// enough is whether it is no use to look further.
func (c *checker) enough() bool { return c.said > maxProblems }

func (c *checker) structure(st *structure, p place) {
	if !st.checked || c.enough() {
		return
	}
	if st.Union && !st.EventStream {
		set := 0
		for _, f := range st.fields {
			if _, ok := f.find(p.at(f.Offset)); ok {
				set++
			}
		}
		if set != 1 {
			c.add("Value at '" + c.path() + "' failed to satisfy constraint: Exactly one member must be set")
		}
	}
	c.steps = append(c.steps, step{})
	last := len(c.steps) - 1
	for _, f := range st.fields {
		if !f.Required && !f.checked {
			continue
		}
		c.steps[last] = step{f: f}
		at, ok := f.find(p.at(f.Offset))
		if f.bit != 0 && c.lacking != nil && c.lacking[c.path()] {
			ok = false
		}
		if !ok {
			if f.Required && f.Idempotency {
				continue // filled in
			}
			if f.Required {
				c.add("Value null at '" + c.path() + "' failed to satisfy constraint: Member must not be null")
			}
			continue
		}
		if f.checked {
			c.value(f.node, at)
		}
	}
	c.steps = c.steps[:last]
}

// value checks what lies at p and everything inside it.
func (c *checker) value(n *node, p place) {
	if s := c.broken(n.schema, n, p); s != nil {
		for _, s := range s {
			c.problem(n, p, s)
		}
	}
	switch n.kind {
	case model.Structure:
		c.structure(n.st, p)
	case model.List:
		if !n.elem.checked {
			return
		}
		if deep(n.elem) {
			c.steps = append(c.steps, step{})
			last := len(c.steps) - 1
			for i := range p.length() {
				if c.enough() {
					break
				}
				c.steps[last] = step{i: i + 1}
				if at, ok := n.elem.find(p.item(i, n.elem.size)); ok {
					c.value(n.elem, at)
				}
			}
			c.steps = c.steps[:last]
			return
		}
		for i := range p.length() {
			if at, ok := n.elem.find(p.item(i, n.elem.size)); ok && c.broken(n.elem.schema, n.elem, at) != nil {
				c.problem(n, p, "Member must satisfy constraint: ["+strings.Join(c.all(n.elem.schema), ", ")+"]")
				return
			}
		}
	case model.Map:
		if k := n.schema.Key; k.Min.Set || k.Max.Set || k.Pattern != nil || k.Enum != nil {
			bad := false
			n.ordered(p, func(_ int, key string, _ place) {
				bad = bad || c.brokenText(k, key) != nil
			})
			if bad {
				c.problem(n, p, "Map keys must satisfy constraint: ["+strings.Join(c.all(k), ", ")+"]")
			}
		}
		if !n.elem.checked {
			return
		}
		bad := false
		c.steps = append(c.steps, step{})
		last := len(c.steps) - 1
		n.ordered(p, func(_ int, key string, elem place) {
			c.steps[last] = step{k: key}
			at, ok := n.elem.find(elem)
			switch {
			case !ok || c.enough():
			case deep(n.elem):
				c.value(n.elem, at)
			default:
				bad = bad || c.broken(n.elem.schema, n.elem, at) != nil
			}
		})
		c.steps = c.steps[:last]
		if bad {
			c.problem(n, p, "Map value must satisfy constraint: ["+strings.Join(append(c.all(n.elem.schema), "Member must not be null"), ", ")+"]")
		}
	}
}

// deep reports whether what is wrong inside n is told by its own path.
func deep(n *node) bool {
	return n.kind == model.Structure || n.kind == model.List || n.kind == model.Map
}

func (c *checker) problem(n *node, p place, constraint string) {
	var b strings.Builder
	b.WriteString("Value ")
	if !n.schema.Sensitive && !c.hidden {
		b.WriteByte('\'')
		show(&b, n, p)
		b.WriteString("' ")
	}
	b.WriteString("at '")
	b.WriteString(c.path())
	b.WriteString("' failed to satisfy constraint: ")
	b.WriteString(constraint)
	c.add(b.String())
}

// broken lists the constraints that the value at p does not satisfy.
func (c *checker) broken(v *model.Value, n *node, p place) []string {
	if !v.Min.Set && !v.Max.Set && v.Pattern == nil && v.Enum == nil {
		return nil
	}
	switch n.kind {
	case model.String:
		return c.brokenText(v, *p.str())
	case model.Blob, model.List:
		return outside(v, int64(p.length()))
	case model.Map:
		return outside(v, int64(n.entries(p)))
	case model.Int32:
		return outsideValue(v, float64(*p.i32()))
	case model.Int64:
		return outsideValue(v, float64(*p.i64()))
	case model.Float32:
		return outsideValue(v, float64(*p.f32()))
	case model.Float64:
		return outsideValue(v, *p.f64())
	}
	return nil
}

func (c *checker) brokenText(v *model.Value, s string) (list []string) {
	if v.Min.Set || v.Max.Set {
		list = outside(v, int64(utf8.RuneCountInString(s)))
	}
	if c.loose {
		return list
	}
	if v.Pattern != nil && !v.Pattern.Match(s) {
		list = append(list, "Member must satisfy regular expression pattern: "+v.Pattern.Text)
	}
	if v.Enum != nil && !slices.Contains(v.Enum, s) {
		list = append(list, "Member must satisfy enum value set: ["+strings.Join(v.Enum, ", ")+"]")
	}
	return list
}

func outside(v *model.Value, n int64) (list []string) {
	if v.Max.Set && n > v.Max.Int {
		list = append(list, "Member must have length less than or equal to "+v.Max.Text)
	}
	if v.Min.Set && n < v.Min.Int {
		list = append(list, "Member must have length greater than or equal to "+v.Min.Text)
	}
	return list
}

func outsideValue(v *model.Value, f float64) (list []string) {
	if v.Max.Set && f > v.Max.Float {
		list = append(list, "Member must have value less than or equal to "+v.Max.Text)
	}
	if v.Min.Set && f < v.Min.Float {
		list = append(list, "Member must have value greater than or equal to "+v.Min.Text)
	}
	return list
}

// all lists every constraint of v, as it is shown for what stands inside a list or map.
func (c *checker) all(v *model.Value) (list []string) {
	what := "length"
	switch v.Kind {
	case model.Int32, model.Int64, model.Float32, model.Float64:
		what = "value"
	}
	if v.Max.Set {
		list = append(list, "Member must have "+what+" less than or equal to "+v.Max.Text)
	}
	if v.Min.Set {
		list = append(list, "Member must have "+what+" greater than or equal to "+v.Min.Text)
	}
	if v.Pattern != nil {
		list = append(list, "Member must satisfy regular expression pattern: "+v.Pattern.Text)
	}
	if v.Enum != nil {
		list = append(list, "Member must satisfy enum value set: ["+strings.Join(v.Enum, ", ")+"]")
	}
	return list
}

// show writes a value as Java's toString does, or the beginning of it where it is long.
func show(b *strings.Builder, n *node, p place) {
	if b.Len() > maxShown {
		return
	}
	switch n.kind {
	case model.String:
		s := *p.str()
		b.WriteString(s[:min(len(s), maxShown)])
	case model.Structure:
		b.WriteString(n.typ.Name())
		b.WriteByte('(')
		fields := n.st.fields
		if n.typ.Name() == "MetricTransformation" { // its dimensions are last in AWS's code, and not in its model
			fields = slices.Concat(fields[:4], fields[5:], fields[4:5])
		}
		for i, f := range fields {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.lower)
			b.WriteByte('=')
			if at, ok := f.find(p.at(f.Offset)); !ok {
				b.WriteString("null")
			} else if f.schema.Sensitive {
				b.WriteString("***Sensitive Data Redacted***")
			} else {
				show(b, f.node, at)
			}
		}
		b.WriteByte(')')
	case model.List:
		b.WriteByte('[')
		for i := range p.length() {
			if b.Len() > maxShown {
				break
			}
			if i > 0 {
				b.WriteString(", ")
			}
			if at, ok := n.elem.find(p.item(i, n.elem.size)); ok {
				show(b, n.elem, at)
			} else {
				b.WriteString("null")
			}
		}
		b.WriteByte(']')
	case model.Map:
		b.WriteByte('{')
		n.ordered(p, func(i int, key string, elem place) {
			if b.Len() > maxShown {
				return
			}
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(key[:min(len(key), maxShown)])
			b.WriteByte('=')
			if at, ok := n.elem.find(elem); ok {
				show(b, n.elem, at)
			} else {
				b.WriteString("null")
			}
		})
		b.WriteByte('}')
	case model.Blob:
		b.WriteString("java.nio.HeapByteBuffer[pos=0 lim=" + strconv.Itoa(p.length()) + " cap=" + strconv.Itoa(p.length()) + "]")
	case model.Document, model.Stream:
		b.WriteString("document")
	default:
		b.Write(n.appendScalar(nil, p, model.ISO8601))
	}
}
