package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Validate says how properties (as encoding/json decodes them, numbers as json.Number) are not as the type's are: in the
// words of AWS, one line each; none where nothing is wrong. AWS's words name no values, which may be secret.
func (s *Schema) Validate(properties map[string]any) []string {
	p := s.check(&s.Node, properties, "#", 0)
	if p == nil {
		return nil
	}
	return p.lines(nil)
}

// ValidateInput is Validate for what AWS's handler of an action asks to be given; it needs nothing where that is not said.
func (s *Schema) ValidateInput(action string, properties map[string]any) []string {
	h := s.Handlers[action]
	if h.Input == nil {
		return nil
	}
	p := s.check(h.Input, properties, "#", 0)
	if p == nil {
		return nil
	}
	return p.lines(nil)
}

// problem is what is wrong with a value. One that only sums up others has causes and no text.
type problem struct {
	text   string
	causes []*problem
}

func (p *problem) lines(to []string) []string {
	if p.text != "" {
		to = append(to, p.text)
	}
	for _, c := range p.causes {
		to = c.lines(to)
	}
	return to
}

func join(list []*problem) *problem {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &problem{causes: list}
}

// maxDepth bounds how deep schemas that refer to themselves are followed.
const maxDepth = 64

func (s *Schema) check(n *Node, v any, at string, depth int) *problem {
	if n = s.follow(n); n == nil || depth > maxDepth {
		return nil
	}
	// What a schema says beside the type counts, with it, as so many schemas that must all hold.
	var parts []*problem
	total := 0
	add := func(p *problem) {
		total++
		if p != nil {
			parts = append(parts, p)
		}
	}
	if len(n.Enum) > 0 {
		add(s.enum(n, v, at))
	}
	if n.typed() {
		add(s.kinds(n, v, at, depth))
	}
	for _, c := range n.All {
		add(s.check(c, v, at, depth+1))
	}
	if len(n.Any) > 0 {
		add(s.any(n.Any, v, at, depth))
	}
	if len(n.One) > 0 {
		add(s.one(n.One, v, at, depth))
	}
	switch {
	case len(parts) == 0:
		return nil
	case total == 1:
		return parts[0]
	}
	return &problem{fmt.Sprintf("%s: #: only %d subschema matches out of %d", at, total-len(parts), total), parts}
}

// typed reports whether n says anything about a value of some JSON type.
func (n *Node) typed() bool {
	return len(n.Type) > 0 || n.Properties != nil || n.Required != nil || n.Items != nil || n.Keys.Refused || n.Pattern != nil
}

func (s *Schema) enum(n *Node, v any, at string) *problem {
	for _, e := range n.Enum {
		if fmt.Sprint(e) == fmt.Sprint(v) {
			return nil
		}
	}
	return &problem{text: failed(at, "enum")}
}

func failed(at, keyword string) string {
	return at + ": failed validation constraint for keyword [" + keyword + "]"
}

func (s *Schema) any(list []*Node, v any, at string, depth int) *problem {
	var causes []*problem
	for _, c := range list {
		p := s.check(c, v, at, depth+1)
		if p == nil {
			return nil
		}
		causes = append(causes, p)
	}
	return &problem{fmt.Sprintf("%s: #: no subschema matched out of the total %d subschemas", at, len(list)), causes}
}

func (s *Schema) one(list []*Node, v any, at string, depth int) *problem {
	var causes []*problem
	matched := 0
	for _, c := range list {
		if p := s.check(c, v, at, depth+1); p != nil {
			causes = append(causes, p)
		} else {
			matched++
		}
	}
	if matched == 1 {
		return nil
	}
	return &problem{fmt.Sprintf("%s: #: %d subschemas matched instead of one", at, matched), causes}
}

// kinds checks v against the one of the types it may have that it has.
func (s *Schema) kinds(n *Node, v any, at string, depth int) *problem {
	if len(n.Type) == 0 { // keywords of other types do not concern it
		return s.typedAs(n, kindOf(v), v, at, depth)
	}
	var wrong []*problem
	for _, k := range n.Type {
		if k == kindOf(v) || k == "number" && kindOf(v) == "integer" {
			return s.typedAs(n, k, v, at, depth)
		}
		wrong = append(wrong, &problem{text: fmt.Sprintf("%s: expected type: %s, found: %s", at, words[k], found(v))})
	}
	if len(wrong) == 1 {
		return wrong[0]
	}
	return &problem{fmt.Sprintf("%s: #: no subschema matched out of the total %d subschemas", at, len(wrong)), wrong}
}

// words are AWS's for the types.
var words = map[string]string{
	"string": "String", "boolean": "Boolean", "integer": "Integer", "number": "Number", "object": "JSONObject", "array": "JSONArray", "null": "Null",
}

func found(v any) string {
	switch n := v.(type) {
	case json.Number:
		if kindOf(v) != "integer" {
			return "BigDecimal"
		}
		if _, err := strconv.ParseInt(n.String(), 10, 32); err != nil {
			return "Long"
		}
	}
	return words[kindOf(v)]
}

// kindOf is the JSON type of v.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

func (s *Schema) typedAs(n *Node, kind string, v any, at string, depth int) *problem {
	switch kind {
	case "string":
		return s.text(n, v.(string), at)
	case "integer", "number":
		return s.number(n, v.(json.Number), at)
	case "array":
		return s.list(n, v.([]any), at, depth)
	case "object":
		if m, ok := v.(map[string]any); ok {
			return s.object(n, m, at, depth)
		}
	}
	return nil
}

func (s *Schema) text(n *Node, v, at string) *problem {
	var list []*problem
	length := utf8.RuneCountInString(v)
	if n.MinLength != nil && length < *n.MinLength {
		list = append(list, &problem{text: fmt.Sprintf("%s: expected minLength: %d, actual: %d", at, *n.MinLength, length)})
	}
	if n.MaxLength != nil && length > *n.MaxLength {
		list = append(list, &problem{text: fmt.Sprintf("%s: expected maxLength: %d, actual: %d", at, *n.MaxLength, length)})
	}
	if n.Pattern != nil && !n.Pattern.Matches(v) {
		list = append(list, &problem{text: failed(at, "pattern")})
	}
	return join(list)
}

func (s *Schema) number(n *Node, v json.Number, at string) *problem {
	var list []*problem
	f, ok := new(big.Float).SetString(v.String())
	if !ok {
		return nil
	}
	if n.Minimum != nil && f.Cmp(big.NewFloat(*n.Minimum)) < 0 {
		list = append(list, &problem{text: failed(at, "minimum")})
	}
	if n.Maximum != nil && f.Cmp(big.NewFloat(*n.Maximum)) > 0 {
		list = append(list, &problem{text: failed(at, "maximum")})
	}
	return join(list)
}

func (s *Schema) list(n *Node, v []any, at string, depth int) *problem {
	var list []*problem
	if n.MinItems != nil && len(v) < *n.MinItems {
		list = append(list, &problem{text: fmt.Sprintf("%s: expected minimum item count: %d, found: %d", at, *n.MinItems, len(v))})
	}
	if n.MaxItems != nil && len(v) > *n.MaxItems {
		list = append(list, &problem{text: fmt.Sprintf("%s: expected maximum item count: %d, found: %d", at, *n.MaxItems, len(v))})
	}
	if n.Unique && repeated(v) {
		list = append(list, &problem{text: at + ": array items are not unique"})
	}
	if n.Items != nil {
		for i, item := range v {
			if p := s.check(n.Items, item, at+"/"+strconv.Itoa(i), depth+1); p != nil {
				list = append(list, p)
			}
		}
	}
	return join(list)
}

func repeated(list []any) bool {
	for i := range list {
		if slices.ContainsFunc(list[:i], func(o any) bool { return reflect.DeepEqual(o, list[i]) }) {
			return true
		}
	}
	return false
}

func (s *Schema) object(n *Node, v map[string]any, at string, depth int) *problem {
	var list []*problem
	for _, name := range n.Required {
		if _, ok := v[name]; !ok {
			list = append(list, &problem{text: at + ": required key [" + name + "] not found"})
		}
	}
	if n.MinProperties != nil && len(v) < *n.MinProperties {
		list = append(list, &problem{text: fmt.Sprintf("%s: minimum size: [%d], found: [%d]", at, *n.MinProperties, len(v))})
	}
	if n.MaxProperties != nil && len(v) > *n.MaxProperties {
		list = append(list, &problem{text: fmt.Sprintf("%s: maximum size: [%d], found: [%d]", at, *n.MaxProperties, len(v))})
	}
	names := sorted(v)
	if n.Keys.Refused {
		for _, name := range names {
			if n.Properties[name] == nil && len(n.matching(name)) == 0 {
				list = append(list, &problem{text: at + ": extraneous key [" + name + "] is not permitted"})
			}
		}
	}
	for _, name := range names {
		below := at + "/" + escape.Replace(name)
		nodes := n.matching(name)
		if p := n.Properties[name]; p != nil {
			nodes = append(nodes, p)
		} else if len(nodes) == 0 && n.Keys.Node != nil {
			nodes = append(nodes, n.Keys.Node)
		}
		for _, node := range nodes {
			if p := s.check(node, v[name], below, depth+1); p != nil {
				list = append(list, p)
			}
		}
	}
	return join(list)
}

// matching are the schemas of the patterns that name has.
func (n *Node) matching(name string) (list []*Node) {
	for _, p := range n.PatternProperties {
		if p.name.Matches(name) {
			list = append(list, p.node)
		}
	}
	return list
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")
