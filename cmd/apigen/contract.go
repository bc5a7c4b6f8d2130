package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

// contract is a service as it will be printed: the intermediate form between a model and Go.
type contract struct {
	Name, ID, Title, SigningName, EndpointPrefix, TargetPrefix, ShapePrefix, Version, XMLNamespace string

	Package     string // "sqsapi"
	Protocols   []string
	QueryErrors bool
	Operations  []operation // the served ones, sorted by name
	Unserved    []row       // all others, sorted
	Structs     []structure
	Aliases     []alias
	Enums       []enum
	Errors      []errorShape
	Patterns    []pattern
	Inert       []inert

	Authorization *authmap.Map
}

type operation struct {
	Name, Method, URI, HostPrefix, ResultWrapper, InputName, InputNS, OutputName string

	Status int
	Flags  []string
	Errors []string // names of errors of the contract
	Index  int      // in the table of all operations
}

type row struct{ Name, Method, URI string }

type structure struct {
	Name    string
	Tag     string // of its blank field
	Members []member
}

type member struct{ Name, Type, Tag string }

type alias struct{ Name, Of string }

type enum struct {
	Name   string
	Values []string
	Consts []string // a constant's name for each value; none where there are too many values to be of use
}

type errorShape struct {
	Name, Code, QueryCode, MessageName string

	Status   int
	Receiver bool
	Members  string // the struct of what it carries beyond the message
}

// pattern is a regular expression and, where RE2 cannot read it, the same in its words. See model.Pattern.
type pattern struct {
	Text, RE2, Not string

	Chars int
}

// manyValues is the number of values from which an enum has no constants: nobody writes an instance type by its constant.
const manyValues = 150

// reader builds a contract from a model.
type reader struct {
	contract
	shapes   *tree
	protocol string // the model's main one
	rewrites map[string]pattern

	served   map[string]bool // operations
	data     map[string]bool // those on data
	uses     map[string]int  // how many operations have the shape as their input or output, and 2 for each other use
	names    map[string]bool // Go names taken
	goNames  map[string]string
	made     map[string]bool
	patterns map[string]int
}

// names of every contract package.
var reserved = []string{"Service", "Client", "Unimplemented", "API"}

func newContract(name string, model *tree, allow *allowList, rewrites map[string]pattern) (*contract, error) {
	r := &reader{
		shapes: model.get("shapes"), rewrites: rewrites, data: allow.data, served: map[string]bool{}, uses: map[string]int{},
		names: map[string]bool{}, goNames: map[string]string{}, made: map[string]bool{}, patterns: map[string]int{},
	}
	for _, n := range reserved {
		r.names[n] = true
	}
	r.Name, r.Package = name, strings.TrimSuffix(name, "api")+"api"
	if err := r.metadata(model.get("metadata")); err != nil {
		return nil, err
	}
	operations := model.get("operations")
	for _, n := range allow.operations {
		o := operations.get(n)
		if o == nil || !o.has("input") && !o.has("output") && !o.has("errors") {
			return nil, fmt.Errorf("%s.ops: the model has no operation %s, or only its name", name, n)
		}
		r.served[n] = true
	}
	if allow.all {
		for _, n := range operations.members() {
			o := operations.get(n)
			r.served[n] = o.has("input") || o.has("output") || o.has("errors")
		}
	}
	if err := r.operations(operations); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.Inert = allow.inert
	for _, i := range allow.inert {
		if !r.knows(i.Path) {
			return nil, fmt.Errorf("%s.ops: inert %s: no such member", name, i.Path)
		}
	}
	return &r.contract, nil
}

func (r *reader) metadata(m *tree) error {
	r.protocol = m.text("protocol")
	r.ID, r.Title, r.Version = m.text("serviceId"), m.text("serviceFullName"), m.text("apiVersion")
	r.EndpointPrefix, r.TargetPrefix, r.ShapePrefix = m.text("endpointPrefix"), m.text("targetPrefix"), m.text("shapePrefix")
	r.SigningName = cmp.Or(m.text("signingName"), r.EndpointPrefix)
	r.QueryErrors = m.has("awsQueryCompatible")
	if ns := m.get("xmlNamespace"); ns != nil {
		r.XMLNamespace = cmp.Or(ns.text("uri"), ns.text())
	}
	protocols := m.texts("protocols")
	if len(protocols) == 0 {
		protocols = []string{r.protocol}
	}
	for _, p := range protocols {
		switch p {
		case "json":
			p = map[string]string{"1.0": "JSON10", "1.1": "JSON11"}[m.text("jsonVersion")]
		case "query":
			p = "Query"
		case "ec2":
			p = "EC2"
		case "rest-json":
			p = "RestJSON"
		case "rest-xml":
			p = "RestXML"
		case "smithy-rpc-v2-cbor":
			p = "CBOR"
		case "x-amz-cbor-1.1":
			p = "CBOR11"
		default:
			return fmt.Errorf("%s: unknown protocol %s", r.Name, p)
		}
		r.Protocols = append(r.Protocols, "model."+p)
	}
	return nil
}

func (r *reader) speaks(protocol string) bool { return slices.Contains(r.Protocols, "model."+protocol) }

func (r *reader) rest() bool { return r.speaks("RestJSON") || r.speaks("RestXML") }

func (r *reader) operations(operations *tree) error {
	names := slices.Sorted(slices.Values(operations.members()))
	for _, n := range names { // first all names, so that no shape takes an operation's
		if r.served[n] {
			r.count(operations.get(n))
			r.names[export(n)+"Input"], r.names[export(n)+"Output"] = true, true
		}
	}
	errors := map[string]bool{}
	for _, n := range r.shapes.members() {
		if r.shapes.get(n).is("exception") { // all of them: services answer errors that their operations do not list
			errors[n] = true
		}
	}
	for n := range errors {
		r.names[errorName(n)], r.names["Err"+errorName(n)] = true, true
	}
	for i, n := range names {
		o := operations.get(n)
		if !r.served[n] {
			u := row{Name: n}
			if r.rest() {
				u.Method, u.URI = o.text("http", "method"), r.uri(operations, n)
			}
			r.Unserved = append(r.Unserved, u)
			continue
		}
		op, err := r.operation(n, o)
		if err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
		if r.rest() {
			op.URI = r.uri(operations, n)
		}
		op.Index = i
		r.Operations = append(r.Operations, op)
	}
	if len(r.Operations) > 0 {
		if err := r.errors(errors); err != nil {
			return err
		}
	}
	slices.SortFunc(r.Structs, func(a, b structure) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Aliases, func(a, b alias) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Enums, func(a, b enum) int { return cmp.Compare(a.Name, b.Name) })
	r.constants()
	return nil
}

// count notes who uses the shapes of an operation, so that one which only this operation has as input or output becomes its Input or
// Output, and one used elsewhere too keeps its name.
func (r *reader) count(o *tree) {
	seen := map[string]bool{}
	var inside func(shape string)
	inside = func(shape string) {
		if seen[shape] {
			return
		}
		seen[shape] = true
		s := r.shapes.get(shape)
		for _, m := range s.get("members").members() {
			r.uses[s.text("members", m, "shape")] += 2
			inside(s.text("members", m, "shape"))
		}
		for _, k := range []string{"member", "value"} {
			if s.has(k) {
				r.uses[s.text(k, "shape")] += 2
				inside(s.text(k, "shape"))
			}
		}
	}
	for _, k := range []string{"input", "output"} {
		if s := o.text(k, "shape"); s != "" {
			r.uses[s]++
			inside(s)
		}
	}
}

func (r *reader) operation(name string, o *tree) (operation, error) {
	op := operation{Name: name, ResultWrapper: o.text("output", "resultWrapper"), HostPrefix: o.text("endpoint", "hostPrefix")}
	if r.rest() {
		op.Method = o.text("http", "method")
		if op.Status = o.number("http", "responseCode"); op.Status == 200 {
			op.Status = 0
		}
	}
	in, out := o.text("input", "shape"), o.text("output", "shape")
	if r.speaks("Query") && r.protocol != "query" && out != "" && op.ResultWrapper == "" {
		op.ResultWrapper = name + "Result" // models of services that left the query protocol behind do not say
	}
	if r.speaks("RestXML") {
		if in != "" {
			op.InputName = cmp.Or(o.text("input", "locationName"), r.shapes.text(in, "locationName"))
			ns := o.get("input", "xmlNamespace")
			if ns == nil {
				ns = r.shapes.get(in, "xmlNamespace")
			}
			if ns != nil {
				if uri := cmp.Or(ns.text("uri"), ns.text()); uri != r.XMLNamespace {
					op.InputNS = uri
				}
			}
		}
		if out != "" {
			op.OutputName = cmp.Or(o.text("output", "locationName"), r.shapes.text(out, "locationName"), out)
		}
	}
	if o.is("readonly") || reads(name) {
		op.Flags = append(op.Flags, "ReadOnly")
	}
	if r.data[name] {
		op.Flags = append(op.Flags, "DataPlane")
	}
	switch o.text("authtype") {
	case "none":
		op.Flags = append(op.Flags, "NoAuth")
	case "v4-unsigned-body":
		op.Flags = append(op.Flags, "UnsignedPayload")
	}
	if o.is("unsignedPayload") {
		op.Flags = append(op.Flags, "UnsignedPayload")
	}
	if o.is("httpChecksumRequired") || o.is("httpChecksum", "requestChecksumRequired") {
		op.Flags = append(op.Flags, "Checksum")
	}
	op.Flags = slices.Compact(op.Flags)
	for _, side := range []struct{ shape, name, way string }{{in, export(name) + "Input", "In"}, {out, export(name) + "Output", "Out"}} {
		stream, err := r.side(side.shape, side.name)
		if err != nil {
			return op, err
		}
		if stream != "" {
			op.Flags = append(op.Flags, stream+side.way)
		}
	}
	for _, e := range o.list("errors") {
		if n := e.text("shape"); r.shapes.get(n).is("exception") {
			op.Errors = append(op.Errors, errorName(n))
		}
	}
	slices.Sort(op.Errors)
	return op, nil
}

// uri is an operation's URI. Where another has the same, the query parameters it cannot do without tell them apart.
func (r *reader) uri(operations *tree, name string) string {
	o := operations.get(name)
	uri := o.text("http", "requestUri")
	for _, other := range operations.members() {
		p := operations.get(other)
		if other == name || p.text("http", "method") != o.text("http", "method") || strings.TrimSuffix(p.text("http", "requestUri"), "/") != strings.TrimSuffix(uri, "/") {
			continue
		}
		in := r.shapes.get(o.text("input", "shape"))
		for _, m := range in.list("required") {
			if in.text("members", m.text(), "location") == "querystring" {
				mark := "?"
				if strings.Contains(uri, "?") {
					mark = "&"
				}
				uri += mark + in.text("members", m.text(), "locationName")
			}
		}
		break
	}
	return uri
}

// reads reports whether an operation of that name only reads, as AWS names them.
func reads(name string) bool {
	for _, p := range []string{"Get", "List", "Describe", "Head", "BatchGet", "Lookup"} {
		if rest, ok := strings.CutPrefix(name, p); ok && rest != "" && unicode.IsUpper(rune(rest[0])) {
			return true
		}
	}
	return false
}

// side makes the struct of an operation's input or output. stream is "Stream" or "EventStream" where its payload is one.
func (r *reader) side(shape, name string) (stream string, err error) {
	if shape == "" {
		r.Structs = append(r.Structs, structure{Name: name})
		return "", nil
	}
	s := r.shapes.get(shape)
	if s == nil {
		return "", fmt.Errorf("no shape %s", shape)
	}
	for _, m := range s.get("members").members() {
		ref := s.get("members", m)
		target := r.shapes.get(ref.text("shape"))
		switch {
		case target.is("eventstream"):
			stream = "EventStream"
		case streams(s, m, ref, target):
			stream = "Stream"
		}
	}
	if r.uses[shape] > 1 {
		shared, err := r.structName(shape)
		if err != nil {
			return "", err
		}
		if shared != name {
			r.Aliases = append(r.Aliases, alias{Name: name, Of: shared})
		}
		return stream, nil
	}
	r.goNames[shape], r.made[shape] = name, true
	return stream, r.structure(name, s, nil)
}

// streams reports whether member m of s is a body too large to hold.
func streams(s *tree, m string, ref, target *tree) bool {
	return target.text("type") == "blob" && (ref.is("streaming") || target.is("streaming")) && s.text("payload") == m
}

// name gives a shape its Go name: the model's, or the nearest that is free.
func (r *reader) name(shape string) string {
	if n, ok := r.goNames[shape]; ok {
		return n
	}
	n := r.free(export(shape), "Shape")
	r.goNames[shape] = n
	return n
}

func (r *reader) free(name, suffix string) string {
	for r.names[name] {
		name += suffix
	}
	r.names[name] = true
	return name
}

// export is a name of the model as an exported Go identifier.
func export(name string) string {
	var b strings.Builder
	upper := true
	for _, c := range name {
		switch {
		case c == '_' || !unicode.IsLetter(c) && !unicode.IsDigit(c):
			upper = true
		case upper:
			b.WriteRune(unicode.ToUpper(c))
			upper = false
		default:
			b.WriteRune(c)
		}
	}
	n := b.String()
	if n == "" || unicode.IsDigit(rune(n[0])) {
		n = "V" + n
	}
	return n
}

// errorName is the Go name of an error's constructor; its ErrorShape has Err before it.
func errorName(shape string) string { return export(shape) }

func (r *reader) errors(shapes map[string]bool) error {
	for _, n := range slices.Sorted(maps.Keys(shapes)) {
		s := r.shapes.get(n)
		e := errorShape{Name: errorName(n), Code: n, Receiver: s.is("fault"), Status: 400}
		if e.Receiver {
			e.Status = 500
		}
		e.Status = cmp.Or(s.number("error", "httpStatusCode"), e.Status)
		e.Receiver = e.Receiver || e.Status >= 500
		if c := s.text("error", "code"); c != n {
			e.QueryCode = c
		}
		skip := map[string]bool{}
		for _, m := range s.get("members").members() {
			if strings.EqualFold(m, "message") {
				skip[m] = true
				if wire := cmp.Or(s.text("members", m, "locationName"), m); wire != "message" {
					e.MessageName = wire
				}
			}
		}
		if len(s.get("members").members()) > len(skip) {
			e.Members = r.free(e.Name+"Members", "Shape")
			if err := r.structure(e.Members, s, skip); err != nil {
				return err
			}
		}
		r.Errors = append(r.Errors, e)
	}
	return nil
}

// constants names the constants of all enums, once all types have their names.
func (r *reader) constants() {
	for i := range r.Enums {
		e := &r.Enums[i]
		if len(e.Values) > manyValues {
			continue
		}
		for _, v := range e.Values {
			e.Consts = append(e.Consts, r.free(e.Name+constant(v), "2"))
		}
	}
}

// constant is an enum's value as the end of an identifier.
func constant(value string) string {
	if value == "" {
		return "Empty"
	}
	if value == "*" {
		return "Any"
	}
	n := export(value)
	if unicode.IsDigit(rune(value[0])) {
		n = strings.TrimPrefix(n, "V")
	}
	return n
}

// knows reports whether a path "CreateQueueInput.Attributes.KmsMasterKeyId" begins with a struct and a member of the contract.
func (r *reader) knows(path string) bool {
	parts := strings.Split(path, ".")
	for _, a := range r.Aliases {
		if a.Name == parts[0] {
			parts[0] = a.Of
		}
	}
	for _, s := range r.Structs {
		if s.Name == parts[0] && len(parts) > 1 {
			return slices.ContainsFunc(s.Members, func(m member) bool { return m.Name == parts[1] })
		}
	}
	return false
}
