// Package schema knows what every public type of resource of the CloudFormation registry looks like: its properties, which
// of them identify it, which may be given when, and which values they take.
//
// It keeps one compressed file of all types, made by update.sh, of which a service's part is read when one of its types is
// first asked for. It tells a type that AWS has from one that nobody has, whether or not obidos serves it.
package schema

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed types.zip
var types []byte

// Schema is what a type of resource looks like. It must not be changed.
type Schema struct {
	Name string `json:"-"` // "AWS::SQS::Queue"
	Node

	Definitions map[string]*Node `json:"definitions"`

	// Where properties of a kind stand, as "/properties/Code/ZipFile".
	PrimaryIdentifier     []string   `json:"primaryIdentifier"`
	AdditionalIdentifiers [][]string `json:"additionalIdentifiers"`
	ReadOnly              []string   `json:"readOnlyProperties"`              // told, never given
	WriteOnly             []string   `json:"writeOnlyProperties"`             // given, never told
	CreateOnly            []string   `json:"createOnlyProperties"`            // given once: another value is another resource
	ConditionalCreateOnly []string   `json:"conditionalCreateOnlyProperties"` // in some cases
	ReplacementStrategy   string     `json:"replacementStrategy"`             // "delete_then_create"; otherwise the other way around

	Handlers map[string]Handler `json:"handlers"` // by "create", "read", "update", "delete", "list"
	Tagging  Tagging            `json:"tagging"`
}

// Handler is an action that AWS has for a type.
type Handler struct {
	Input *Node `json:"handlerSchema"` // what must be given, where that is not the identifier; nil where there is nothing
}

// Tagging is how resources of a type are tagged.
type Tagging struct {
	Taggable  bool   `json:"taggable"`
	OnCreate  bool   `json:"tagOnCreate"`
	Updatable bool   `json:"tagUpdatable"`
	System    bool   `json:"cloudFormationSystemTags"`
	Property  string `json:"tagProperty"` // "/properties/Tags"
}

// Node is a JSON schema of a value.
type Node struct {
	Ref  string     `json:"$ref"`
	Type kinds      `json:"type"`
	Enum []any      `json:"enum"`
	Def  any        `json:"default"`
	All  []*Node    `json:"allOf"`
	Any  []*Node    `json:"anyOf"`
	One  []*Node    `json:"oneOf"`
	Keys nodesOrNot `json:"additionalProperties"`

	Properties        map[string]*Node `json:"properties"`
	PatternProperties patterned        `json:"patternProperties"`
	Required          []string         `json:"required"`
	MinProperties     *int             `json:"minProperties"`
	MaxProperties     *int             `json:"maxProperties"`

	Items          *Node `json:"items"`
	MinItems       *int  `json:"minItems"`
	MaxItems       *int  `json:"maxItems"`
	Unique         bool  `json:"uniqueItems"`
	InsertionOrder *bool `json:"insertionOrder"`

	Pattern   *Pattern `json:"pattern"`
	MinLength *int     `json:"minLength"`
	MaxLength *int     `json:"maxLength"`
	Minimum   *float64 `json:"minimum"`
	Maximum   *float64 `json:"maximum"`
}

// kinds are the JSON types a value may have: one, or several.
type kinds []string

// UnmarshalJSON reads a name or a list of them.
func (k *kinds) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(k))
	}
	*k = kinds{""}
	return json.Unmarshal(b, &(*k)[0])
}

// nodesOrNot is whether there may be properties that are not named, and what those must be.
type nodesOrNot struct {
	Refused bool
	Node    *Node
}

// UnmarshalJSON reads a boolean or a schema.
func (n *nodesOrNot) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false":
		n.Refused = true
		return nil
	case "true":
		return nil
	}
	return json.Unmarshal(b, &n.Node)
}

// Pattern is a regular expression, compiled when it is first asked for.
type Pattern struct {
	Text string

	once sync.Once
	re   *regexp.Regexp
}

// UnmarshalJSON reads its text.
func (p *Pattern) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &p.Text) }

// Matches reports whether s, or a part of it, is as the pattern says. What RE2 has no words for is taken to be.
func (p *Pattern) Matches(s string) bool {
	p.once.Do(func() { p.re, _ = regexp.Compile(p.Text) })
	return p.re == nil || p.re.MatchString(s)
}

// patterned is schemas for properties whose names are as patterns say.
type patterned []struct {
	name *Pattern
	node *Node
}

// UnmarshalJSON reads an object of patterns and schemas.
func (p *patterned) UnmarshalJSON(b []byte) error {
	var all map[string]*Node
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, text := range slices.Sorted(maps.Keys(all)) {
		*p = append(*p, struct {
			name *Pattern
			node *Node
		}{&Pattern{Text: text}, all[text]})
	}
	return nil
}

// Ordered reports whether the order of a list means anything.
func (n *Node) Ordered() bool { return n.InsertionOrder == nil || *n.InsertionOrder }

// library is the file of all types, as far as it has been read.
type library struct {
	mu      sync.Mutex
	files   map[string]*zip.File                  // by service: "AWS::SQS"
	schemas map[string]map[string]json.RawMessage // by service and type
	parsed  map[string]*Schema
}

var all = sync.OnceValue(func() *library {
	z, err := zip.NewReader(bytes.NewReader(types), int64(len(types)))
	if err != nil {
		panic(fmt.Sprintf("schema: types.zip: %v", err))
	}
	l := &library{files: map[string]*zip.File{}, schemas: map[string]map[string]json.RawMessage{}, parsed: map[string]*Schema{}}
	for _, f := range z.File {
		l.files[strings.TrimSuffix(f.Name, ".json")] = f
	}
	return l
})

// Find is the schema of a type, nil where the registry has none of that name.
func Find(name string) *Schema {
	service, ok := serviceOf(name)
	if !ok {
		return nil
	}
	l := all()
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.parsed[name]; s != nil {
		return s
	}
	raw, ok := l.service(service)[name]
	if !ok {
		return nil
	}
	s := &Schema{Name: name}
	if err := json.Unmarshal(raw, s); err != nil {
		panic(fmt.Sprintf("schema: %s: %v", name, err))
	}
	s.Type = kinds{"object"}
	l.parsed[name] = s
	return s
}

// Names are all types of a service, "AWS::SQS", in order.
func Names(service string) []string {
	l := all()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.service(service)))
}

// Services are all services that have types, "AWS::SQS", in order.
func Services() []string { return slices.Sorted(maps.Keys(all().files)) }

// service reads the schemas of a service. l.mu is held.
func (l *library) service(name string) map[string]json.RawMessage {
	if s, ok := l.schemas[name]; ok {
		return s
	}
	f := l.files[name]
	if f == nil {
		return nil
	}
	schemas, err := read(f)
	if err != nil {
		panic(fmt.Sprintf("schema: types.zip: %s: %v", f.Name, err))
	}
	l.schemas[name] = schemas
	return schemas
}

func read(f *zip.File) (map[string]json.RawMessage, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var schemas map[string]json.RawMessage
	return schemas, json.Unmarshal(b, &schemas)
}

// serviceOf is "AWS::SQS" of "AWS::SQS::Queue".
func serviceOf(name string) (string, bool) {
	i := strings.LastIndex(name, "::")
	if i < 0 || strings.Count(name, "::") < 2 {
		return "", false
	}
	// A module's types have four parts; so far the registry has none.
	return name[:i], true
}

// At is the node that a pointer of the schema names, references followed; nil where there is none. A '*' in it is any item
// of a list.
func (s *Schema) At(pointer string) *Node {
	n := &s.Node
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i := 0; i < len(parts) && n != nil; i++ {
		n = s.follow(n)
		switch p := parts[i]; {
		case p == "properties" && i+1 < len(parts):
			i++
			n = n.Properties[parts[i]]
		case p == "items", p == "*":
			n = n.Items
		default:
			n = n.Properties[p]
		}
	}
	return s.follow(n)
}

// Within reports whether a way into a resource's properties leads to what one of the pointers names, or below it.
func (s *Schema) Within(way, pointers []string) bool {
	for _, pointer := range pointers {
		parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(pointer, "/"), "properties/"), "/")
		parts = slices.DeleteFunc(parts, func(p string) bool { return p == "properties" })
		if len(parts) > len(way) {
			continue
		}
		within := true
		for i, p := range parts {
			within = within && (p == way[i] || p == "*" || p == "items")
		}
		if within {
			return true
		}
	}
	return false
}

// follow is what n refers to.
func (s *Schema) follow(n *Node) *Node {
	for range 32 { // references may go in circles
		if n == nil || n.Ref == "" {
			return n
		}
		if name, ok := strings.CutPrefix(n.Ref, "#/definitions/"); ok {
			n = s.Definitions[name]
		} else if name, ok := strings.CutPrefix(n.Ref, "#/properties/"); ok {
			n = s.Properties[name]
		} else {
			return nil
		}
	}
	return nil
}

// Property is what a property looks like, references followed; nil where the type has none of that name.
func (s *Schema) Property(name string) *Node {
	return s.follow(s.Properties[name])
}
