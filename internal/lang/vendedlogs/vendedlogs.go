// Package vendedlogs knows the logs that services deliver of their resources: of which resources, of which types, with which
// fields and in which formats, as AWS does (templates.txt, made by update.sh). It writes their records as text.
package vendedlogs

import (
	_ "embed"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Template is one type of log of one kind of resource.
type Template struct {
	Service      string // as ARNs have it: "events"
	Resource     string // "event-bus"
	Type         string // "ERROR_LOGS"
	Destinations []Destination
	Fields       []Field
}

// Destination is a kind of destination that a log can be delivered to, and in which formats.
type Destination struct {
	Type    string // "S3", "CWL", "FH", "XRAY"
	Formats []string
}

// Field is a field of a log's records.
type Field struct {
	Name      string
	Mandatory bool // whoever chooses fields must have it among them
}

//go:embed templates.txt
var text string

var templates = sync.OnceValue(func() []Template {
	var all []Template
	for line := range strings.Lines(text) {
		head, fields, _ := strings.Cut(line, ":")
		words := strings.Fields(head)
		t := Template{Service: words[0], Resource: words[1], Type: words[2]}
		for _, w := range words[3:] {
			kind, formats, _ := strings.Cut(w, "=")
			d := Destination{Type: kind}
			if formats != "" {
				d.Formats = strings.Split(formats, ",")
			}
			t.Destinations = append(t.Destinations, d)
		}
		for f := range strings.FieldsSeq(fields) {
			name, must := strings.CutPrefix(f, "!")
			t.Fields = append(t.Fields, Field{name, must})
		}
		all = append(all, t)
	}
	return all
})

// All are all templates, ordered by service, resource and type. They are not to be changed.
func All() iter.Seq[*Template] {
	return func(yield func(*Template) bool) {
		all := templates()
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
}

// Knows reports whether the service, as ARNs have it, delivers logs.
func Knows(service string) bool {
	for t := range All() {
		if t.Service == service {
			return true
		}
	}
	return false
}

// Find is the template of a service's log type: that of the resource, the last part of an ARN, where there is one of its kind, and
// else one of another kind. It is nil where the service has no such type.
func Find(service, resource, logType string) (found *Template) {
	kind := resource
	if i := strings.IndexAny(kind, ":/"); i >= 0 {
		kind = kind[:i]
	}
	for t := range All() {
		if t.Service != service || t.Type != logType {
			continue
		}
		if t.Resource == kind {
			return t
		}
		if found == nil {
			found = t
		}
	}
	return found
}

// Formats are the formats in which the log can be delivered to destinations of that kind; false where it cannot.
func (t *Template) Formats(destination string) ([]string, bool) {
	for _, d := range t.Destinations {
		if d.Type == destination {
			return d.Formats, true
		}
	}
	return nil, false
}

// Names are the names of all fields, in their order.
func (t *Template) Names() []string {
	names := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		names[i] = f.Name
	}
	return names
}

// Lacks is a mandatory field that is not among those chosen; empty where there is none.
func (t *Template) Lacks(chosen []string) string {
	for _, f := range t.Fields {
		if f.Mandatory && !slices.Contains(chosen, f.Name) {
			return f.Name
		}
	}
	return ""
}

// Unknown is a field among those chosen that the log does not have; empty where there is none.
func (t *Template) Unknown(chosen []string) string {
	for _, name := range chosen {
		if !slices.ContainsFunc(t.Fields, func(f Field) bool { return f.Name == name }) {
			return name
		}
	}
	return ""
}
