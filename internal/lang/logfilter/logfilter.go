// Package logfilter is the language of CloudWatch Logs' filter patterns, as metric filters, subscription filters,
// FilterLogEvents and Live Tail take them: terms, [fields of a line], and { conditions on JSON }.
//
// A pattern is compiled once into a Filter, which never changes afterwards and may be used by any number of goroutines.
// What is refused is refused with AWS's texts, and what the documentation leaves open is as AWS was seen to do it: question
// marks are ignored beside other terms, the last named field takes the rest of a line, IS NULL holds for an array with a
// null in it, of a key written twice the last one counts.
//
// It promises that a message takes time in proportion to its length; that looking at one that does not match allocates
// nothing, but where a string of JSON is compared that has escapes, if it is a long one or compared with a regular
// expression; and that nothing but the pattern and the message matters.
package logfilter

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is which of the three languages a pattern is written in.
type Kind uint8

const (
	Everything Kind = iota // an empty pattern
	Terms                  // words, phrases and regular expressions anywhere in a message
	Delimited              // [fields] separated by blanks
	JSON                   // { conditions on properties }
)

// Error is what is wrong with a pattern, in AWS's words: the message of an InvalidParameterException.
type Error struct {
	Message string // of PutMetricFilter and TestMetricFilter
	Search  string // of everything else, which is told less where it is the grammar that is not kept
}

func (e *Error) Error() string { return e.Message }

// maxPattern is how many characters a pattern may have; services refuse longer ones before.
const maxPattern = 1024

// ungrammatical is a pattern whose tokens are in order and whose order of tokens is not.
func ungrammatical() error {
	return &Error{Message: "Invalid metric filter pattern", Search: "Invalid filter pattern"}
}

func refused(message string) error { return &Error{Message: message, Search: message} }

// Filter is a compiled pattern.
type Filter struct {
	kind    Kind
	regexes int
	terms   termFilter
	fields  fieldFilter
	json    jsonFilter
}

// Parse compiles a pattern. Its errors are *Error.
func Parse(pattern string) (*Filter, error) {
	if utf8.RuneCountInString(pattern) > maxPattern {
		return nil, ungrammatical()
	}
	text := strings.TrimSpace(strings.Clone(pattern)) // parts of it are kept
	f := &Filter{}
	var err error
	switch {
	case text == "":
		return f, nil
	case text[0] == '{':
		if len(text) < 2 || text[len(text)-1] != '}' {
			return nil, refused("If a filter pattern starts with '{' it must end with '}'")
		}
		f.kind = JSON
		f.regexes, err = f.json.parse(text[1 : len(text)-1])
	case text[0] == '[':
		if len(text) < 2 || text[len(text)-1] != ']' {
			return nil, refused("If a filter pattern starts with '[' it must end with ']'")
		}
		f.kind = Delimited
		f.regexes, err = f.fields.parse(text[1 : len(text)-1])
	default:
		f.kind = Terms
		f.regexes, err = f.terms.parse(text)
	}
	if err != nil {
		return nil, err
	}
	if f.regexes > 2 {
		return nil, refused("Your input has exceeded the maximum of 2 regular expressions per filter pattern.")
	}
	return f, nil
}

// Kind is which language the pattern is written in.
func (f *Filter) Kind() Kind { return f.kind }

// Regexes is how many regular expressions the pattern has: a log group may have five filters with any.
func (f *Filter) Regexes() int { return f.regexes }

// Match reports whether the filter lets message through.
func (f *Filter) Match(message string) bool {
	switch f.kind {
	case Terms:
		return f.terms.match(message)
	case Delimited:
		return f.fields.match(message)
	case JSON:
		return f.json.match(message)
	}
	return true
}

// Extract is Match, and the values that TestMetricFilter answers for a match: the fields of a line by $name, or by $number
// where they have none. Other kinds of patterns extract nothing.
func (f *Filter) Extract(message string) (map[string]string, bool) {
	if !f.Match(message) {
		return nil, false
	}
	if f.kind != Delimited {
		return map[string]string{}, true
	}
	return f.fields.extract(message), true
}

// Terms are substrings that every message has that matches, the most telling ones first; none where the pattern asks for
// none. A message of JSON may write its letters as escapes and match a pattern of kind JSON without: see Disguised.
func (f *Filter) Terms() []string {
	switch f.kind {
	case Terms:
		return f.terms.needed()
	case Delimited:
		return slices.Clone(f.fields.need)
	case JSON:
		return slices.Clone(f.json.need)
	}
	return nil
}

// Disguised reports whether message may write letters, digits and the like as escapes of JSON (\u0041). Whoever skips
// messages by Terms of a filter of kind JSON does not skip one of these.
func Disguised(message string) bool {
	at := strings.IndexByte(message, '\\')
	return at >= 0 && strings.Contains(message[at:], `\u00`)
}

// containsAll reports whether every one of need is in message.
func containsAll(message string, need []string) bool {
	for _, n := range need {
		if !strings.Contains(message, n) {
			return false
		}
	}
	return true
}

// telling puts the substrings first that are found in the fewest messages, as far as their lengths tell, each once.
func telling(need []string) []string {
	slices.SortStableFunc(need, func(a, b string) int { return len(b) - len(a) })
	var kept []string
	for _, n := range need {
		if n != "" && !slices.ContainsFunc(kept, func(k string) bool { return strings.Contains(k, n) }) {
			kept = append(kept, n)
		}
	}
	return kept
}

// common are the substrings that both sides of an "or" need.
func common(a, b []string) []string {
	var both []string
	for _, n := range a {
		if slices.Contains(b, n) {
			both = append(both, n)
		}
	}
	return both
}
