// Package logtransform is the language of CloudWatch Logs' transformers: a list of processors that make JSON of a log event, one after
// the other. A transformer is compiled once from the JSON that PutTransformer and account policies are given, and then applied to
// single events.
//
// An event begins as its message. The first processor is a parser, and what it finds is the first of the document that the others
// change: its members keep the order in which they were made. The names of fields are paths whose parts stand between dots, three
// at most.
//
// What it promises: a transformer that was compiled can be applied to any message, in time and memory that grow with the message. Where
// AWS does not say: a processor passes over fields that an event does not have; a parser that does not understand what it is given, a
// value that cannot be converted, and a date that fits none of its patterns fail the event. What stands between the patterns of grok is
// taken as it is written, and grok matches the whole of its source.
package logtransform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Error is a transformer that cannot be compiled.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func fail(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// AWS's limits.
const (
	maxProcessors = 20
	maxParsers    = 5
	maxNested     = 3
	maxMessage    = 512 << 10 // of an event, in bytes
)

// Event is what is transformed, and where it comes from. What is empty of that copyValue passes over.
type Event struct {
	Message                        string
	Group, Stream, Account, Region string
}

// Transformer is compiled processors. It is immutable and may be used by several goroutines.
type Transformer struct{ steps []step }

// step is one processor.
type step func(d *document) error

// document is an event while it is transformed.
type document struct {
	event Event
	root  *value
}

// Apply makes the transformed message of an event.
func (t *Transformer) Apply(e Event) (string, error) {
	if len(e.Message) > maxMessage {
		return "", errors.New("the log event is larger than 512 KB")
	}
	d := &document{event: e, root: &value{}}
	for _, s := range t.steps {
		if err := s(d); err != nil {
			return "", err
		}
	}
	return string(d.root.write(nil)), nil
}

// processor is a processor as it is written: one member is set.
type processor struct {
	AddKeys           *entries[addEntry]        `json:"addKeys"`
	CopyValue         *entries[moveEntry]       `json:"copyValue"`
	CSV               *csv                      `json:"csv"`
	DateTimeConverter *dateTimeConverter        `json:"dateTimeConverter"`
	DeleteKeys        *keys                     `json:"deleteKeys"`
	Grok              *grok                     `json:"grok"`
	ListToMap         *listToMap                `json:"listToMap"`
	LowerCaseString   *keys                     `json:"lowerCaseString"`
	MoveKeys          *entries[moveEntry]       `json:"moveKeys"`
	ParseCloudfront   *vended                   `json:"parseCloudfront"`
	ParseJSON         *parseJSON                `json:"parseJSON"`
	ParseKeyValue     *parseKeyValue            `json:"parseKeyValue"`
	ParsePostgres     *vended                   `json:"parsePostgres"`
	ParseRoute53      *vended                   `json:"parseRoute53"`
	ParseToOCSF       *json.RawMessage          `json:"parseToOCSF"`
	ParseVPC          *vended                   `json:"parseVPC"`
	ParseWAF          *vended                   `json:"parseWAF"`
	RenameKeys        *entries[renameEntry]     `json:"renameKeys"`
	SplitString       *entries[splitEntry]      `json:"splitString"`
	SubstituteString  *entries[substituteEntry] `json:"substituteString"`
	TrimString        *keys                     `json:"trimString"`
	TypeConverter     *entries[typeEntry]       `json:"typeConverter"`
	UpperCaseString   *keys                     `json:"upperCaseString"`
}

type entries[E any] struct {
	Entries []E `json:"entries"`
}

type keys struct {
	WithKeys []string `json:"withKeys"`
}

// Parse compiles a transformer. Its error is an *Error.
func Parse(config []byte) (*Transformer, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(config, &raw); err != nil {
		return nil, fail("The transformer is not a list of processors in JSON.")
	}
	if len(raw) == 0 || len(raw) > maxProcessors {
		return nil, fail("A transformer must have from 1 to %d processors.", maxProcessors)
	}
	t := &Transformer{}
	seen := map[string]int{}
	parsers, builtIn := 0, 0
	for i, r := range raw {
		names := map[string]json.RawMessage{}
		if err := json.Unmarshal(r, &names); err != nil {
			return nil, fail("Processor %d is not an object.", i+1)
		}
		p := processor{}
		d := json.NewDecoder(bytes.NewReader(r))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
			return nil, fail("Processor %d is not understood: %s.", i+1, strings.TrimPrefix(err.Error(), "json: "))
		}
		if len(names) != 1 {
			return nil, fail("Processor %d must name exactly one processor.", i+1)
		}
		name := ""
		for name = range names {
		}
		s, parser, err := p.compile(i == 0)
		if err != nil {
			return nil, fail("Processor %d, %s: %s.", i+1, name, err.Error())
		}
		if s == nil {
			return nil, fail("Processor %d, %s, has no configuration.", i+1, name)
		}
		if seen[name]++; seen[name] > 1 && (name == "grok" || name == "addKeys" || name == "copyValue") {
			return nil, fail("A transformer can have only one %s processor.", name)
		}
		switch parser {
		case builtInParser:
			builtIn++
			if i > 0 {
				return nil, fail("The processor %s must be the first of a transformer.", name)
			}
			fallthrough
		case configurable:
			parsers++
		case noParser:
			if i == 0 {
				return nil, fail("The first processor of a transformer must be a parser.")
			}
		}
		t.steps = append(t.steps, s)
	}
	if parsers > maxParsers {
		return nil, fail("A transformer can have at most %d parsers.", maxParsers)
	}
	return t, nil
}

// What a processor is.
const (
	noParser = iota
	configurable
	builtInParser
)

// compile makes a step of the member that is set.
func (p *processor) compile(first bool) (s step, parser int, err error) {
	switch {
	case p.ParseJSON != nil:
		s, err = p.ParseJSON.compile(first)
		return s, configurable, err
	case p.Grok != nil:
		s, err = p.Grok.compile(first)
		return s, configurable, err
	case p.CSV != nil:
		s, err = p.CSV.compile(first)
		return s, configurable, err
	case p.ParseKeyValue != nil:
		s, err = p.ParseKeyValue.compile(first)
		return s, configurable, err
	case p.ParseCloudfront != nil:
		s, err = p.ParseCloudfront.compile(cloudfront)
		return s, builtInParser, err
	case p.ParsePostgres != nil:
		s, err = p.ParsePostgres.compile(postgres)
		return s, builtInParser, err
	case p.ParseRoute53 != nil:
		s, err = p.ParseRoute53.compile(route53)
		return s, builtInParser, err
	case p.ParseVPC != nil:
		s, err = p.ParseVPC.compile(vpc)
		return s, builtInParser, err
	case p.ParseWAF != nil:
		s, err = p.ParseWAF.compile(waf)
		return s, builtInParser, err
	case p.ParseToOCSF != nil:
		return nil, builtInParser, errors.New("it is not served")
	case p.AddKeys != nil:
		s, err = compileEach(p.AddKeys, 5, addEntry.compile)
	case p.CopyValue != nil:
		s, err = compileEach(p.CopyValue, 5, moveEntry.compileCopy)
	case p.MoveKeys != nil:
		s, err = compileEach(p.MoveKeys, 5, moveEntry.compileMove)
	case p.RenameKeys != nil:
		s, err = compileEach(p.RenameKeys, 5, renameEntry.compile)
	case p.SplitString != nil:
		s, err = compileEach(p.SplitString, 10, splitEntry.compile)
	case p.SubstituteString != nil:
		s, err = compileEach(p.SubstituteString, 10, substituteEntry.compile)
	case p.TypeConverter != nil:
		s, err = compileEach(p.TypeConverter, 5, typeEntry.compile)
	case p.DeleteKeys != nil:
		s, err = p.DeleteKeys.compile(5, func(d *document, at path) { d.remove(at) })
	case p.LowerCaseString != nil:
		s, err = p.LowerCaseString.compile(10, changing(strings.ToLower))
	case p.UpperCaseString != nil:
		s, err = p.UpperCaseString.compile(10, changing(strings.ToUpper))
	case p.TrimString != nil:
		s, err = p.TrimString.compile(10, changing(strings.TrimSpace))
	case p.ListToMap != nil:
		s, err = p.ListToMap.compile()
	case p.DateTimeConverter != nil:
		s, err = p.DateTimeConverter.compile()
	}
	return s, noParser, err
}

// compileEach makes one step of the steps of entries.
func compileEach[E any](in *entries[E], limit int, compile func(E) (step, error)) (step, error) {
	if len(in.Entries) == 0 || len(in.Entries) > limit {
		return nil, fmt.Errorf("it must have from 1 to %d entries", limit)
	}
	var steps []step
	for _, e := range in.Entries {
		s, err := compile(e)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return func(d *document) error {
		for _, s := range steps {
			if err := s(d); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func (k *keys) compile(limit int, change func(d *document, at path)) (step, error) {
	if len(k.WithKeys) == 0 || len(k.WithKeys) > limit {
		return nil, fmt.Errorf("withKeys must have from 1 to %d keys", limit)
	}
	var paths []path
	for _, key := range k.WithKeys {
		at, err := pathOf(key, "withKeys")
		if err != nil {
			return nil, err
		}
		paths = append(paths, at)
	}
	return func(d *document) error {
		for _, at := range paths {
			change(d, at)
		}
		return nil
	}, nil
}

// changing changes what is a string.
func changing(change func(string) string) func(*document, path) {
	return func(d *document, at path) {
		if v := d.get(at); v != nil && v.kind == text {
			v.text = change(v.text)
		}
	}
}

// path names a field.
type path []string

func pathOf(s, member string) (path, error) {
	if s == "" || len(s) > 128 {
		return nil, fmt.Errorf("%s must have from 1 to 128 characters", member)
	}
	parts := strings.Split(s, ".")
	if len(parts) > maxNested {
		return nil, fmt.Errorf("%s is nested more than %d keys deep: %s", member, maxNested, s)
	}
	for _, p := range parts {
		if p == "" {
			return nil, fmt.Errorf("%s is not the path of a field: %s", member, s)
		}
	}
	return parts, nil
}

// get is the value of a field, or nil.
func (d *document) get(at path) *value {
	v := d.root
	for _, key := range at {
		v = v.get(key)
	}
	return v
}

// put sets a field, and makes what it is in where that is not there. What is there and no object is replaced only if overwrite is true;
// it is false where nothing was set.
func (d *document) put(at path, v *value, overwrite bool) bool {
	in := d.root
	for _, key := range at[:len(at)-1] {
		next := in.get(key)
		if next == nil || next.kind != object && overwrite {
			next = &value{}
			in.set(key, next)
		}
		if next.kind != object {
			return false
		}
		in = next
	}
	last := at[len(at)-1]
	if !overwrite && in.find(last) >= 0 {
		return false
	}
	in.set(last, v)
	return true
}

func (d *document) remove(at path) {
	if in := d.get(at[:len(at)-1]); in != nil && in.kind == object {
		in.remove(at[len(at)-1])
	}
}

// source is what a parser reads: the message, or a field.
type source struct{ at path }

const messageKey = "@message"

func sourceOf(s string, first bool) (source, error) {
	if s == "" || s == messageKey {
		return source{}, nil
	}
	if first {
		return source{}, errors.New("the source of the first processor of a transformer must be @message")
	}
	at, err := pathOf(s, "source")
	return source{at}, err
}

// read is false where the event has no such field.
func (s source) read(d *document) (string, bool) {
	if s.at == nil {
		return d.event.Message, true
	}
	v := d.get(s.at)
	if v == nil || v.kind == null {
		return "", false
	}
	return v.shown(), true
}

// into is where a parser puts what it finds: an object, which is made where it is not there.
func (d *document) into(at path) *value {
	if at == nil {
		return d.root
	}
	if v := d.get(at); v != nil && v.kind == object {
		return v
	}
	v := &value{}
	d.put(at, v, true)
	return v
}

func destinationOf(s string) (path, error) {
	if s == "" {
		return nil, nil
	}
	return pathOf(s, "destination")
}

// regex compiles what somebody wrote, in Java's syntax as far as both have it.
func regex(s string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("the regular expression is not understood: %s", s)
	}
	return re, nil
}
