// Package metric is what metric filters make of events: which they count, what they count, and under which dimensions.
//
// A filter is compiled once and never changes afterwards. What AWS was seen to do holds where its documentation leaves things
// open: the default value is recorded for each event that the pattern does not match, and for one that it matches and that
// has no value; without one of its dimensions an event is recorded without any of them.
package metric

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/lang/criteria"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
)

// The fields that the system knows of every event.
const (
	Account = "@aws.account"
	Region  = "@aws.region"
	Source  = "@source.log"
)

// maxDimensions is how many a filter may have, those of system fields among them.
const maxDimensions = 3

// Definition is a metric filter as it is told.
type Definition struct {
	Pattern    string
	Value      string // a number, or what refers to one in an event
	Default    *float64
	Dimensions map[string]string // name → what refers to its value
	System     []string          // system fields that are dimensions too
	Criteria   string
}

// Error is what is wrong with a definition, in AWS's words where they are known.
type Error string

func (e Error) Error() string { return string(e) }

func refused(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// Filter is a metric filter.
type Filter struct {
	pattern    *logfilter.Filter
	value      *logfilter.Selector
	constant   float64
	fallback   *float64
	dimensions []dimension
	system     []string // names and values
}

type dimension struct {
	name  string
	value *logfilter.Selector
}

// Place is where the events of a filter come from.
type Place struct{ Account, Region, Group string }

// is reports whether a system field has a value there.
func (p Place) is(field, value string) bool { return p.Field(field) == value }

// Field is the value of a system field.
func (p Place) Field(field string) string {
	switch field {
	case Account:
		return p.Account
	case Region:
		return p.Region
	case Source:
		return p.Account + ":" + p.Group
	}
	return ""
}

// Chosen reports whether events of a place are those that criteria select; all are where there are none. An error says what is
// wrong with the text.
func (p Place) Chosen(text string) (bool, error) {
	if strings.TrimSpace(text) == "" {
		return true, nil
	}
	c, err := criteria.Parse(text)
	if err != nil {
		return false, refused("Invalid fieldSelectionCriteria: %s", err.Error())
	}
	for _, field := range c.Fields() {
		if field != Account && field != Region {
			return false, refused("Invalid fieldSelectionCriteria: %s is not one of %s, %s", field, Account, Region)
		}
	}
	return c.Match(p.is), nil
}

// Compile makes a filter of what is told; nil where its criteria select nothing of the place. Its errors are in AWS's words.
func Compile(d *Definition, at Place) (*Filter, error) {
	pattern, err := logfilter.Parse(d.Pattern)
	if err != nil {
		return nil, err
	}
	f := &Filter{pattern: pattern, fallback: d.Default}
	if f.constant, err = strconv.ParseFloat(d.Value, 64); err != nil || math.IsNaN(f.constant) || math.IsInf(f.constant, 0) || strings.ContainsAny(d.Value, "xXpP_") {
		ok := false
		if f.value, ok = pattern.Selector(d.Value); !ok {
			return nil, refused("Invalid metric transformation: metric value %s must be a valid number", d.Value)
		}
	}
	if len(d.Dimensions) > 0 {
		if k := pattern.Kind(); k != logfilter.JSON && k != logfilter.Delimited {
			return nil, refused("The specified filter pattern does not support dimensions")
		}
		if d.Default != nil {
			return nil, refused("Invalid metric transformation: dimensions and default value are mutually exclusive properties")
		}
	}
	if len(d.Dimensions)+len(d.System) > maxDimensions {
		return nil, refused("Invalid metric transformation: a metric filter can have at most %d dimensions", maxDimensions)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Dimensions)) {
		value, ok := pattern.Selector(d.Dimensions[name])
		if !ok {
			return nil, refused("Invalid metric transformation: dimension value must be valid selector")
		}
		f.dimensions = append(f.dimensions, dimension{name, value})
	}
	for _, field := range slices.Sorted(slices.Values(d.System)) {
		if field != Account && field != Region {
			return nil, refused("Invalid emitSystemFieldDimensions: %s is not one of %s, %s", field, Account, Region)
		}
		if n := len(f.system); n > 0 && f.system[n-2] == field {
			return nil, refused("Invalid emitSystemFieldDimensions: %s is there twice", field)
		}
		f.system = append(f.system, field, at.Field(field))
	}
	chosen, err := at.Chosen(d.Criteria)
	if err != nil || !chosen {
		return nil, err
	}
	return f, nil
}

// Regexes is how many regular expressions the filter has.
func (f *Filter) Regexes() int { return f.pattern.Regexes() }

// Measure is what is to be recorded of an event: a value, and names and values of its dimensions, sorted by name; false where nothing is.
func (f *Filter) Measure(message string) (value float64, dimensions []string, ok bool) {
	if !f.pattern.Match(message) {
		if f.fallback == nil {
			return 0, nil, false
		}
		return *f.fallback, nil, true
	}
	value = f.constant
	if f.value != nil {
		text, there := f.value.Value(message)
		switch {
		case there:
			var err error
			if value, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
				return 0, nil, false
			}
		case f.fallback == nil:
			return 0, nil, false
		default:
			value = *f.fallback
		}
	}
	return value, f.dimensionsOf(message), true
}

func (f *Filter) dimensionsOf(message string) []string {
	if len(f.dimensions) == 0 {
		return f.system
	}
	all := make([]string, 0, 2*maxDimensions)
	for _, d := range f.dimensions {
		value, ok := d.value.Value(message)
		if !ok || strings.TrimSpace(value) == "" {
			return f.system
		}
		all = append(all, d.name, strings.Clone(value))
	}
	return merged(all, f.system)
}

// merged is two lists of names and values, each sorted by name, as one.
func merged(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	var all []string
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			all, a = append(all, a[:2]...), a[2:]
		} else {
			all, b = append(all, b[:2]...), b[2:]
		}
	}
	return append(append(all, a...), b...)
}
