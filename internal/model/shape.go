package model

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// Kind is what a value is on the wire.
type Kind uint8

// The kinds.
const (
	Bool Kind = iota + 1
	Int32
	Int64
	Float32
	Float64
	String
	Time
	Blob
	List
	Map
	Structure
	Stream
	Document
	EventStream // its Struct is the union of events
)

// Form is how a Go value is held in its place.
type Form uint8

// The forms.
const (
	Plain    Form = iota // the value itself; blobs, lists, maps, streams and documents are absent when nil
	Optional             // aws.Opt of it
	Pointer              // a pointer to it, absent when nil
)

// Location is where a member stands in REST protocols.
type Location uint8

// The locations.
const (
	Body Location = iota
	URI
	QueryString
	QueryMap // a map: every query parameter no other member takes
	Header
	Headers // a map: the headers that begin with a prefix
	StatusCode
	Payload // the whole body
)

// TimeFormat is how a timestamp is written.
type TimeFormat uint8

// The formats.
const (
	ProtocolTime TimeFormat = iota // as the protocol has it in that place
	ISO8601
	RFC822
	Unix
)

// Struct is the schema of a Go struct type.
type Struct struct {
	Go          reflect.Type
	Fields      []Field
	Union       bool   // exactly one member is set
	EventStream bool   // a union of events
	XMLName     string // as the root of an XML body that no member names
}

// Field is one member of a structure.
type Field struct {
	Name  string // the Go field's: the model's name with a capital
	Wire  string // in JSON, CBOR
	XML   string // in XML; of a flattened list or map the name of each entry
	Query string // in query requests, where the tags say one; otherwise as XML

	At     Location
	AtName string // of the URI label, query parameter, header; of Headers the prefix

	Attr              bool // an XML attribute
	Text              bool // in XML the text of the structure's own element
	Namespace, Prefix string
	Required          bool
	Idempotency       bool
	JSON              bool
	HostLabel         bool
	EventPayload      bool
	EventHeader       bool
	Index             int     // in the Go struct
	Offset            uintptr // in the Go struct
	Value                     // what it holds
}

// Value is what a member, a list's element, a map's key or value holds in that place.
type Value struct {
	Kind   Kind
	Form   Form
	Go     reflect.Type // of the value itself, without Opt or pointer; []byte for a blob
	Struct *Struct      // Structure, EventStream; its Fields are complete once StructOf has returned

	Elem  *Value // of a List's elements, a Map's values
	Key   *Value // of a Map's keys
	Pairs bool   // a Map that is a slice of Pair

	Flat               bool   // XML, query: no element around the entries
	Item               string // XML, query: a list's entries; "" where the model names none (then "member"; under ec2Query "item")
	KeyName, ValueName string // XML, query: "key" and "value" where the model says nothing

	Min, Max  Bound
	Pattern   *Pattern
	Enum      []string // the allowed values; nil for others than enums
	Sensitive bool
	Time      TimeFormat
}

// Bound is a limit on a length, a count or a value.
type Bound struct {
	Set   bool
	Int   int64 // rounded towards zero for a fraction
	Float float64
	Text  string // as errors show it
}

// Pair is an entry of a map that is held as a slice.
type Pair[T any] struct {
	Key   string
	Value T
}

// Enum is implemented by the generated types of strings that have a fixed set of values.
type Enum interface{ Values() []string }

var (
	timeType   = reflect.TypeFor[time.Time]()
	blobType   = reflect.TypeFor[[]byte]()
	readerType = reflect.TypeFor[io.Reader]()
	enumType   = reflect.TypeFor[Enum]()
	optPackage = reflect.TypeFor[aws.Opt[string]]().PkgPath()

	pairPackage = reflect.TypeFor[Pair[string]]().PkgPath()
)

// StructOf is the schema of a struct type of the service's contract. It is read from the tags once. A type that breaks the
// grammar is a bug, and panics.
func (s *Service) StructOf(t reflect.Type) *Struct {
	s.shapes.Lock()
	defer s.shapes.Unlock()
	return s.structOf(t)
}

func (s *Service) structOf(t reflect.Type) *Struct {
	if st, ok := s.cache[t]; ok {
		return st
	}
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("model: %s is not a struct", t))
	}
	st := &Struct{Go: t}
	if s.cache == nil {
		s.cache = map[reflect.Type]*Struct{}
	}
	s.cache[t] = st // before its fields, which may hold it again
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" {
			st.Union, st.EventStream = sf.Tag.Get("u") != "", sf.Tag.Get("u") == "events"
			for _, p := range parts(sf.Tag.Get("x")) {
				if p.name == "name" {
					st.XMLName = p.value
				}
			}
			continue
		}
		st.Fields = append(st.Fields, s.field(i, sf))
	}
	return st
}

func (s *Service) field(i int, sf reflect.StructField) Field {
	bad := func(what string) { panic(fmt.Sprintf("model: field %s `%s`: %s", sf.Name, sf.Tag, what)) }
	f := Field{Name: sf.Name, Index: i, Offset: sf.Offset, Wire: sf.Name, Query: sf.Tag.Get("q")}
	if n := sf.Tag.Get("n"); n != "" {
		f.Wire = n
	}
	f.XML = f.Wire
	place, name, _ := strings.Cut(sf.Tag.Get("at"), ":")
	f.AtName = name
	switch place {
	case "":
	case "uri":
		f.At = URI
	case "query":
		f.At = QueryString
	case "querymap":
		f.At = QueryMap
	case "header":
		f.At = Header
	case "headers":
		f.At = Headers
	case "status":
		f.At = StatusCode
	case "payload":
		f.At = Payload
	default:
		bad("unknown place " + place)
	}
	for _, p := range parts(sf.Tag.Get("x")) {
		switch p.name {
		case "name":
			f.XML = p.value
		case "attr":
			f.Attr = true
		case "text":
			f.Text = true
		case "ns":
			f.Namespace = p.value
		case "nsprefix":
			f.Prefix = p.value
		}
	}
	for _, p := range parts(sf.Tag.Get("f")) {
		switch p.name {
		case "idempotency":
			f.Idempotency = true
		case "json":
			f.JSON = true
		case "hostlabel":
			f.HostLabel = true
		case "eventpayload":
			f.EventPayload = true
		case "eventheader":
			f.EventHeader = true
		case "sensitive":
		default:
			bad("unknown flag " + p.name)
		}
	}
	for _, p := range parts(sf.Tag.Get("v")) {
		if p.name == "req" {
			f.Required = true
		}
	}
	f.Value = s.value(sf.Type, sf.Tag, "", 0, bad)
	return f
}

// value reads the schema of what stands at depth; mark is "" or "k" for a map's key.
func (s *Service) value(t reflect.Type, tag reflect.StructTag, mark string, depth int, bad func(string)) Value {
	suffix := mark
	if depth > 0 {
		suffix += strconv.Itoa(depth)
	}
	v := Value{Go: t, KeyName: "key", ValueName: "value"}
	switch {
	case t.Kind() == reflect.Pointer:
		v.Form, v.Go = Pointer, t.Elem()
	case t.Kind() == reflect.Struct && t.PkgPath() == optPackage && strings.HasPrefix(t.Name(), "Opt["):
		v.Form, v.Go = Optional, t.Field(0).Type
	}
	switch t := v.Go; t.Kind() {
	case reflect.Bool:
		v.Kind = Bool
	case reflect.Int32:
		v.Kind = Int32
	case reflect.Int64:
		v.Kind = Int64
	case reflect.Float32:
		v.Kind = Float32
	case reflect.Float64:
		v.Kind = Float64
	case reflect.String:
		v.Kind = String
		if t.Implements(enumType) {
			v.Enum = reflect.Zero(t).Interface().(Enum).Values()
		}
	case reflect.Interface:
		v.Kind = Document
		if t == readerType {
			v.Kind = Stream
		}
	case reflect.Struct:
		if t == timeType {
			v.Kind = Time
			break
		}
		if t.PkgPath() == optPackage && strings.HasPrefix(t.Name(), "Events[") {
			v.Kind, v.Struct = EventStream, s.structOf(t.Field(0).Type.Elem())
			break
		}
		v.Kind, v.Struct = Structure, s.structOf(t)
	case reflect.Slice:
		if t == blobType {
			v.Kind = Blob
			break
		}
		if p := t.Elem(); p.Kind() == reflect.Struct && p.PkgPath() == pairPackage && strings.HasPrefix(p.Name(), "Pair[") {
			k, e := s.value(p.Field(0).Type, tag, "k", depth, bad), s.value(p.Field(1).Type, tag, "", depth+1, bad)
			v.Kind, v.Key, v.Elem, v.Pairs = Map, &k, &e, true
			break
		}
		e := s.value(t.Elem(), tag, "", depth+1, bad)
		v.Kind, v.Elem = List, &e
	case reflect.Map:
		k, e := s.value(t.Key(), tag, "k", depth, bad), s.value(t.Elem(), tag, "", depth+1, bad)
		if k.Kind != String {
			bad("the keys of a map are strings")
		}
		v.Kind, v.Key, v.Elem = Map, &k, &e
	default:
		bad("no such kind: " + t.String())
	}
	s.constraints(&v, tag, suffix, bad)
	for _, p := range parts(tag.Get("x" + suffix)) {
		switch p.name {
		case "flat":
			v.Flat = true
		case "item":
			v.Item = p.value
		case "key":
			v.KeyName = p.value
		case "value":
			v.ValueName = p.value
		case "name", "attr", "text", "ns", "nsprefix":
		default:
			bad("unknown XML trait " + p.name)
		}
	}
	return v
}

func (s *Service) constraints(v *Value, tag reflect.StructTag, suffix string, bad func(string)) {
	for _, p := range parts(tag.Get("v" + suffix)) {
		switch p.name {
		case "min":
			v.Min = bound(p.value, bad)
		case "max":
			v.Max = bound(p.value, bad)
		case "pat":
			i, err := strconv.Atoi(p.value)
			if err != nil || i < 0 || i >= len(s.Patterns) {
				bad("no such pattern")
			}
			v.Pattern = s.Patterns[i]
		case "req":
		default:
			bad("unknown constraint " + p.name)
		}
	}
	for _, p := range parts(tag.Get("f" + suffix)) {
		v.Sensitive = v.Sensitive || p.name == "sensitive"
	}
	if v.Kind != Time {
		return
	}
	switch f := tag.Get("t"); f {
	case "":
	case "iso8601":
		v.Time = ISO8601
	case "rfc822":
		v.Time = RFC822
	case "unixTimestamp":
		v.Time = Unix
	default:
		bad("unknown timestamp format " + f)
	}
}

func bound(text string, bad func(string)) Bound {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		bad("not a number: " + text)
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		i = int64(f)
	}
	return Bound{Set: true, Int: i, Float: f, Text: text}
}

type part struct{ name, value string }

// parts splits a tag's "a,b=c".
func parts(tag string) []part {
	if tag == "" {
		return nil
	}
	var list []part
	for p := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(p, "=")
		list = append(list, part{name, value})
	}
	return list
}
