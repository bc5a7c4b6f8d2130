// Package dataprotection is the language in which CloudWatch Logs is told which sensitive data to look for in log events: policies,
// the data identifiers that they name, and what is found of those in a text.
//
// AWS describes its identifiers (the keywords that have to stand near, the check digits, which numbers do not count) but does not
// publish their patterns: those here are ours. What AWS finds by learned models, names of people and addresses, is not found here,
// and a policy that asks for it is refused rather than taken at its word.
//
// A policy and a Finder are immutable and may be used by several goroutines. Finding takes time in proportion to the text.
package dataprotection

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Policy is a data protection policy.
type Policy struct {
	Name         string
	Identifiers  []string // as its statements name them: managed ones by their names, custom ones by theirs
	Destinations Destinations

	custom map[string]string // name → regular expression
}

// Destinations are where findings are sent to; empty where they are not.
type Destinations struct{ LogGroup, Bucket, Stream string }

// Error is what is wrong with a policy.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// AWS's limits.
const (
	maxPolicy     = 30_720 // characters
	maxCustom     = 10
	maxCustomName = 128
	maxExpression = 200
)

const version = "2021-06-01"

// document is a policy as it is written.
type document struct {
	Name          string
	Description   string
	Version       string
	Configuration *struct {
		CustomDataIdentifier []struct{ Name, Regex string }
	}
	Statement []statement
}

type statement struct {
	Sid            string
	DataIdentifier []string
	Operation      struct {
		Audit *struct {
			FindingsDestination *struct {
				CloudWatchLogs *struct{ LogGroup string }
				Firehose       *struct{ DeliveryStream string }
				S3             *struct{ Bucket string }
			}
		}
		Deidentify *struct{ MaskConfig *json.RawMessage }
	}
}

// Parse reads a policy. Its errors are *Error.
func Parse(text string) (*Policy, error) {
	if n := utf8.RuneCountInString(text); n > maxPolicy {
		return nil, wrong("The data protection policy has %d characters, more than %d.", n, maxPolicy)
	}
	var d document
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil || dec.More() {
		if err == nil {
			return nil, wrong("The data protection policy is not valid: there is something behind it.")
		}
		return nil, wrong("The data protection policy is not valid: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.Version != version {
		return nil, wrong("The data protection policy needs the Version %s.", version)
	}
	p := &Policy{Name: d.Name, custom: map[string]string{}}
	if err := p.configure(&d); err != nil {
		return nil, err
	}
	var audit, mask *statement
	for i := range d.Statement {
		switch s := &d.Statement[i]; {
		case (s.Operation.Audit == nil) == (s.Operation.Deidentify == nil):
			return nil, wrong("A statement of a data protection policy needs an Operation that is either Audit or Deidentify.")
		case s.Operation.Audit != nil && audit == nil:
			audit = s
		case s.Operation.Deidentify != nil && mask == nil:
			mask = s
		default:
			return nil, wrong("A data protection policy has one statement that audits and one that deidentifies.")
		}
	}
	if audit == nil || mask == nil {
		return nil, wrong("A data protection policy needs a statement that audits and one that deidentifies.")
	}
	if config := mask.Operation.Deidentify.MaskConfig; config == nil || !isEmptyObject(*config) {
		return nil, wrong("Deidentify needs a MaskConfig that is empty.")
	}
	if !slices.Equal(audit.DataIdentifier, mask.DataIdentifier) {
		return nil, wrong("The statements that audit and deidentify need the same DataIdentifier.")
	}
	if err := p.name(audit.DataIdentifier); err != nil {
		return nil, err
	}
	to := audit.Operation.Audit.FindingsDestination
	if to == nil {
		return nil, wrong("Audit needs a FindingsDestination; it may be empty.")
	}
	if to.CloudWatchLogs != nil {
		p.Destinations.LogGroup = to.CloudWatchLogs.LogGroup
	}
	if to.S3 != nil {
		p.Destinations.Bucket = to.S3.Bucket
	}
	if to.Firehose != nil {
		p.Destinations.Stream = to.Firehose.DeliveryStream
	}
	if to.CloudWatchLogs != nil && p.Destinations.LogGroup == "" || to.S3 != nil && p.Destinations.Bucket == "" || to.Firehose != nil && p.Destinations.Stream == "" {
		return nil, wrong("A destination of findings needs a name.")
	}
	return p, nil
}

func isEmptyObject(m json.RawMessage) bool {
	m = bytes.TrimSpace(m)
	return len(m) >= 2 && m[0] == '{' && len(bytes.TrimSpace(m[1:len(m)-1])) == 0
}

// configure reads the custom identifiers.
func (p *Policy) configure(d *document) error {
	if d.Configuration == nil {
		return nil
	}
	if n := len(d.Configuration.CustomDataIdentifier); n > maxCustom {
		return wrong("A data protection policy can have %d custom data identifiers, not %d.", maxCustom, n)
	}
	for _, c := range d.Configuration.CustomDataIdentifier {
		switch _, again := p.custom[c.Name]; {
		case c.Name == "" || len(c.Name) > maxCustomName || !has(c.Name, "_-"):
			return wrong("The name of a custom data identifier has up to %d letters, digits, _ and -: %s", maxCustomName, c.Name)
		case again || find(c.Name) != nil || unserved(c.Name):
			return wrong("There is a data identifier %s already.", c.Name)
		case c.Regex == "" || len(c.Regex) > maxExpression || !has(c.Regex, `_#=@/;,- ^$?[]{}|\*+.`):
			return wrong("The Regex of the custom data identifier %s is not supported: it has up to %d letters, digits, spaces and %s", c.Name, maxExpression, `_#=@/;,-^$?[]{}|\*+.`)
		}
		if re, err := regexp.Compile(c.Regex); err != nil {
			return wrong("The Regex of the custom data identifier %s is not valid: %s", c.Name, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		} else if re.MatchString("") {
			return wrong("The Regex of the custom data identifier %s finds nothing anywhere.", c.Name)
		}
		p.custom[c.Name] = c.Regex
	}
	return nil
}

// has reports whether a text has only letters, digits and some others.
func has(text, others string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// name reads what the statements are about.
func (p *Policy) name(identifiers []string) error {
	if len(identifiers) == 0 {
		return wrong("A statement of a data protection policy needs a DataIdentifier.")
	}
	used := map[string]bool{}
	for _, id := range identifiers {
		name := id
		if _, ok := p.custom[id]; !ok {
			rest, is := strings.CutPrefix(id, "arn:aws")
			_, name, is = cutIf(rest, ":dataprotection::aws:data-identifier/", is)
			switch {
			case is && unserved(name):
				return wrong("The data identifier %s is not served: what it stands for cannot be told by a pattern.", name)
			case !is || find(name) == nil:
				return wrong("There is no data identifier %s.", id)
			}
		}
		if used[name] {
			return wrong("The data identifier %s is named twice.", id)
		}
		used[name] = true
		p.Identifiers = append(p.Identifiers, name)
	}
	for name := range p.custom {
		if !used[name] {
			return wrong("The custom data identifier %s is not used by the statements.", name)
		}
	}
	return nil
}

func cutIf(s, sep string, is bool) (before, after string, found bool) {
	if !is {
		return s, "", false
	}
	return strings.Cut(s, sep)
}
