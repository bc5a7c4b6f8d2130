// Package emf reads the embedded metric format: events of logs, as JSON, that say which of their members CloudWatch is to
// record as metrics.
//
// It knows the format as AWS specifies it and keeps its limits. A directive, a metric or a set of dimensions that is not as it
// has to be is left out, and told; what else is in the document counts.
package emf

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The format's limits.
const (
	maxMetrics    = 100 // of a directive
	maxValues     = 100 // of a metric
	maxDimensions = 30  // of a set
	maxName       = 1024
	maxDimension  = 250

	maxTold = 10_000 // metrics of a document: AWS names no limit, and each set of dimensions makes all of them anew
)

// Mark is a text that every event in the format has, so that others need not be read.
const Mark = `"_aws"`

// Metric is values of one metric, with one set of dimensions.
type Metric struct {
	Namespace  string
	Name       string
	Unit       string // "None" where the event says none
	Dimensions []Dimension
	Values     []float64
}

// Dimension is a name and a value.
type Dimension struct{ Name, Value string }

// Document is what an event says.
type Document struct {
	Time    int64 // milliseconds
	Metrics []Metric
	Invalid int // directives, metrics and sets of dimensions that are not as they have to be
}

// The errors of Parse.
var (
	ErrNone    = errors.New("emf: the message is not in the embedded metric format")
	ErrParse   = errors.New("emf: the message has the mark of the format and is not JSON")
	ErrInvalid = errors.New("emf: the metadata is not as the format has it")
)

type metadata struct {
	Timestamp         *float64          `json:"Timestamp"`
	CloudWatchMetrics []json.RawMessage `json:"CloudWatchMetrics"`
}

type directive struct {
	Namespace  string            `json:"Namespace"`
	Dimensions [][]string        `json:"Dimensions"`
	Metrics    []json.RawMessage `json:"Metrics"`
}

type definition struct {
	Name              string   `json:"Name"`
	Unit              string   `json:"Unit"`
	StorageResolution *float64 `json:"StorageResolution"`
}

// Parse reads a message. What stands before its first brace is ignored: writers put times and ids there.
func Parse(message string) (*Document, error) {
	at := strings.IndexByte(message, '{')
	if at < 0 || !strings.Contains(message, Mark) || !strings.Contains(message, `"CloudWatchMetrics"`) {
		return nil, ErrNone
	}
	var root map[string]json.RawMessage
	if json.Unmarshal([]byte(message[at:]), &root) != nil {
		return nil, ErrParse
	}
	text, ok := root["_aws"]
	if !ok {
		return nil, ErrNone // the mark is somewhere else in it
	}
	var m metadata
	if json.Unmarshal(text, &m) != nil || m.Timestamp == nil || *m.Timestamp < 0 || *m.Timestamp > 1e15 || m.CloudWatchMetrics == nil {
		return nil, ErrInvalid
	}
	d := &Document{Time: int64(*m.Timestamp)}
	for _, text := range m.CloudWatchMetrics {
		d.directive(root, text)
	}
	return d, nil
}

// directive adds the metrics of one.
func (d *Document) directive(root map[string]json.RawMessage, text json.RawMessage) {
	var v directive
	if json.Unmarshal(text, &v) != nil || v.Namespace == "" || len(v.Namespace) > maxName || v.Dimensions == nil || len(v.Metrics) > maxMetrics {
		d.Invalid++
		return
	}
	var sets [][]Dimension
	for _, names := range v.Dimensions {
		set, ok := dimensions(root, names)
		if !ok {
			d.Invalid++
			continue
		}
		sets = append(sets, set)
	}
	for _, text := range v.Metrics {
		var k definition
		if json.Unmarshal(text, &k) != nil || k.Name == "" || len(k.Name) > maxName || !isUnit(k.Unit) ||
			k.StorageResolution != nil && *k.StorageResolution != 1 && *k.StorageResolution != 60 {
			d.Invalid++
			continue
		}
		values, ok := values(root[k.Name])
		if !ok {
			d.Invalid++
			continue
		}
		if k.Unit == "" {
			k.Unit = "None"
		}
		for _, set := range sets {
			if len(d.Metrics) == maxTold {
				d.Invalid++
				return
			}
			d.Metrics = append(d.Metrics, Metric{Namespace: v.Namespace, Name: k.Name, Unit: k.Unit, Dimensions: set, Values: values})
		}
	}
}

// dimensions are the members of those names, in the order of their names; false where one is missing or no text.
func dimensions(root map[string]json.RawMessage, names []string) ([]Dimension, bool) {
	if len(names) > maxDimensions {
		return nil, false
	}
	set := make([]Dimension, 0, len(names))
	for _, name := range names {
		var value string
		if name == "" || len(name) > maxDimension || json.Unmarshal(root[name], &value) != nil || strings.TrimSpace(value) == "" || len(value) > maxName {
			return nil, false
		}
		set = append(set, Dimension{name, value})
	}
	slices.SortFunc(set, func(a, b Dimension) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(set, func(a, b Dimension) bool { return a.Name == b.Name }), true
}

// values are the number, or the numbers, of a member.
func values(text json.RawMessage) ([]float64, bool) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, false
	}
	if text[0] == '[' {
		var all []*float64
		if json.Unmarshal(text, &all) != nil || len(all) > maxValues {
			return nil, false
		}
		list := make([]float64, len(all))
		for i, v := range all {
			if v == nil {
				return nil, false
			}
			list[i] = *v
		}
		return list, true
	}
	var v *float64
	if json.Unmarshal(text, &v) != nil || v == nil {
		return nil, false
	}
	return []float64{*v}, true
}

// isUnit reports whether CloudWatch has a unit. None is one, and so is not to say any.
func isUnit(s string) bool {
	switch s {
	case "", "None", "Count", "Percent", "Seconds", "Microseconds", "Milliseconds":
		return true
	}
	s = strings.TrimSuffix(s, "/Second")
	if s == "Count" {
		return true
	}
	for _, size := range [...]string{"", "Kilo", "Mega", "Giga", "Tera"} {
		if rest, ok := strings.CutPrefix(s, size); ok && (size == "" && (rest == "Bytes" || rest == "Bits") || size != "" && (rest == "bytes" || rest == "bits")) {
			return true
		}
	}
	return false
}
