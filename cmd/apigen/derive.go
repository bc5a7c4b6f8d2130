package main

import (
	"slices"
	"strings"
	"unicode"

	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

// deriver finds which members of an operation's input say what an action is about and fill its condition keys. The reference does not
// tell: it goes by names, and claims nothing that they do not say.
type deriver struct {
	service, operation string

	model *tree
	ref   *reference
	top   []inputMember
}

// inputMember is a member at the top of an input.
type inputMember struct {
	name  string
	plain string // in lower case, letters and digits only
	shape string
	kind  string // the shape's type
}

func (d *deriver) members(input string) {
	s := d.model.get("shapes", input)
	for _, name := range s.get("members").members() {
		shape := s.text("members", name, "shape")
		d.top = append(d.top, inputMember{name, lettersOf(name), shape, d.model.text("shapes", shape, "type")})
	}
}

// lettersOf is a name as names are compared.
func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// find is the first member that is called as one of names and is a text, or a list of texts; the path of it.
func (d *deriver) find(lists bool, names ...string) (path string, ok bool) {
	for _, n := range names {
		for _, m := range d.top {
			if m.plain != n {
				continue
			}
			if m.kind == "string" {
				return m.name, true
			}
			if lists && m.kind == "list" && d.model.text("shapes", d.model.text("shapes", m.shape, "member", "shape"), "type") == "string" {
				return m.name + "[]", true
			}
		}
	}
	return "", false
}

func (d *deriver) action(ref refAction) authmap.Action {
	a := authmap.Action{Name: d.ref.prefix + ":" + ref.Name}
	keys := slices.Clone(ref.ConditionKeys)
	known := 0
	for _, t := range ref.ResourceTypes {
		keys = append(keys, t.ConditionKeys...)
		r, ok := d.ref.resources[strings.ToLower(t.Name)]
		if !ok {
			for _, other := range d.ref.resources {
				if other.Key == t.Name {
					r, ok = other, true
				}
			}
		}
		if !ok {
			continue
		}
		target, full := d.target(r)
		if full {
			known++
		}
		if !t.Required {
			if !full {
				continue
			}
			target.Optional = true
		}
		a.Targets = append(a.Targets, target)
	}
	// A member that holds the ARN of whichever kind of resource it is about: tagging, resource policies.
	if path, ok := d.find(true, "resourcearn", "resourcearns", "resourceid", "arn"); ok && len(ref.ResourceTypes) > 0 && known == 0 && !strings.HasSuffix(path, "Id") {
		a.Targets = []authmap.Target{{Alternatives: []authmap.Choice{{Whole: strings.TrimSuffix(path, "[]")}}}}
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		a.Keys = append(a.Keys, d.key(k)...)
	}
	return a
}

// target is how the input names a resource of type r; full is false where it does not say all of its ARN.
func (d *deriver) target(r refResource) (t authmap.Target, full bool) {
	kind := resourceName(r.Key)
	pieces, err := authmap.Template(strings.ReplaceAll(r.ARN, " ", ""))
	if err != nil {
		return authmap.Target{Alternatives: []authmap.Choice{{Resource: kind, Unknown: true}}}, false
	}
	var variables []string
	for _, p := range pieces {
		if p.Variable && p.Text != "Partition" && p.Text != "Region" && p.Text != "Account" {
			variables = append(variables, p.Text)
		}
	}
	if len(variables) == 0 {
		return authmap.Target{Alternatives: []authmap.Choice{{Resource: kind}}}, true
	}
	plainKind, last := lettersOf(r.Key), variables[len(variables)-1]
	wholes := []string{plainKind + "arn", stem(last) + "arn", plainKind + "arns", stem(last) + "arns"}
	if path, ok := d.find(true, wholes...); ok {
		t.Alternatives = append(t.Alternatives, authmap.Choice{Resource: kind, Whole: strings.TrimSuffix(path, "[]")})
		full = true
	}
	if path, ok := d.find(false, stem(last)+"url"); ok && len(variables) == 1 {
		t.Alternatives = append(t.Alternatives, authmap.Choice{Resource: kind, Binds: []authmap.Bind{{Variable: last, Kind: authmap.URLPart, Path: path}}})
		return t, true
	}
	c := authmap.Choice{Resource: kind}
	bound, lists := 0, 0
	for i, v := range variables {
		b := authmap.Bind{Variable: v, Kind: authmap.Unknown}
		if path, ok := d.variable(r, v, i == len(variables)-1); ok && (lists == 0 || !strings.HasSuffix(path, "[]")) {
			b.Kind, b.Path = authmap.Member, strings.TrimSuffix(path, "[]")
			bound++
			if strings.HasSuffix(path, "[]") {
				b.Path = path
				lists++
			}
		}
		c.Binds = append(c.Binds, b)
	}
	switch {
	case bound == len(variables):
		t.Alternatives, full = append(t.Alternatives, c), true
	case bound > 0:
		t.Alternatives = append(t.Alternatives, c)
	case len(t.Alternatives) == 0:
		t.Alternatives = []authmap.Choice{{Resource: kind, Unknown: true}}
	}
	return t, full
}

// stem is a variable without what says that it is a name.
func stem(variable string) string {
	v := lettersOf(variable)
	for _, end := range []string{"withpath", "name", "identifier", "id", "resource"} {
		if s := strings.TrimSuffix(v, end); s != "" {
			v = s
		}
	}
	return v
}

// variable is the member that a variable of r's ARN is; last is the variable that names the resource itself.
func (d *deriver) variable(r refResource, v string, last bool) (path string, ok bool) {
	plain := lettersOf(v)
	kind := lettersOf(r.Key)
	s := stem(v)
	names := []string{plain, s + "name", s + "id", s + "identifier", s}
	if s == "" || plain == "id" || plain == "name" || plain == "resourceid" || plain == "identifier" || plain == "uuid" {
		names = []string{plain}
		if !last {
			return "", false
		}
	}
	if last {
		names = append(names, kind+"name", kind+"id", kind+"identifier", kind)
		if noun := lettersOf(withoutVerb(d.operation)); noun == kind || noun == s || noun == kind+"s" {
			names = append(names, "name", "id", "identifier")
		} else if plain == "id" || plain == "name" || plain == "identifier" {
			names = names[1:]
		}
	}
	return d.find(last, append(names, s+"names", s+"ids", kind+"names", kind+"ids")...)
}

// withoutVerb is "Queue" of "CreateQueue".
func withoutVerb(operation string) string {
	for i, c := range operation {
		if i > 0 && unicode.IsUpper(c) {
			return operation[i:]
		}
	}
	return operation
}

// tagMembers are what inputs call the tags they bring.
var tagMembers = []string{"tags", "tag", "taglist", "tagset", "tagstoadd", "tagspecifications", "tagspecification", "resourcetags", "userpooltags", "hostedzonetags"}

// untagMembers are what they call the keys of tags that go.
var untagMembers = []string{"tagkeys", "tagkeylist", "untagkeys", "tagstoremove", "removetagkeys"}

// tags is the path of the tags in the input; of structures with a key and a value, or of a map.
func (d *deriver) tags() (path string, ok bool) {
	for _, n := range tagMembers {
		for _, m := range d.top {
			if m.plain != n {
				continue
			}
			switch m.kind {
			case "map":
				return m.name, true
			case "list":
				element := d.model.get("shapes", d.model.text("shapes", m.shape, "member", "shape"))
				switch {
				case element.get("members", "Tags") != nil:
					return m.name + "[].Tags", true
				case hasMember(element, "key", "tagkey") && hasMember(element, "value", "tagvalue"):
					return m.name, true
				}
			}
		}
	}
	return "", false
}

func hasMember(shape *tree, names ...string) bool {
	return slices.ContainsFunc(shape.get("members").members(), func(m string) bool { return slices.Contains(names, strings.ToLower(m)) })
}

// key is a condition key with the member that fills it; nothing for keys that only a token of another identity provider fills.
func (d *deriver) key(name string) []authmap.Key {
	prefix, own, _ := strings.Cut(name, ":")
	k := authmap.Key{Name: name}
	switch {
	case strings.Contains(prefix, ".") || strings.ContainsAny(name, "() ='"):
		return nil
	case strings.EqualFold(name, "aws:RequestTag/${TagKey}"):
		k.Path, _ = d.tags()
	case strings.EqualFold(name, "aws:TagKeys"):
		if path, ok := d.tags(); ok {
			k.Path = path
		} else if path, ok := d.find(true, untagMembers...); ok {
			k.Path = strings.TrimSuffix(path, "[]")
		}
	case prefix == d.ref.prefix && !strings.Contains(own, "$"):
		kind := d.ref.keys[strings.ToLower(name)].Type
		for _, m := range d.top {
			if m.plain != lettersOf(own) || strings.HasSuffix(kind, "ARN") && !strings.HasSuffix(m.plain, "arn") && !strings.HasSuffix(m.plain, "arns") {
				continue
			}
			list := m.kind == "list" && isScalar(d.model.text("shapes", d.model.text("shapes", m.shape, "member", "shape"), "type"))
			if isScalar(m.kind) || list {
				k.Path = m.name
			}
		}
	}
	return []authmap.Key{k}
}

func isScalar(kind string) bool {
	return slices.Contains([]string{"string", "boolean", "integer", "long", "float", "double"}, kind)
}

// passes are the services that a role is passed to, where that is not the service's own name in IAM.
var passes = map[string]string{
	"cloudcontrol": "cloudformation.amazonaws.com", "cloudwatch": "streams.metrics.cloudwatch.amazonaws.com", "ecs": "ecs-tasks.amazonaws.com",
	"rds": "monitoring.rds.amazonaws.com", "s3control": "s3.amazonaws.com", "synthetics": "lambda.amazonaws.com", "apigatewayv2": "apigateway.amazonaws.com",
	"opensearch": "es.amazonaws.com",
}

// dependents are the permissions besides its own that an operation needs: those of the reference, and that to pass each role which the
// input names for the service to act as.
func (d *deriver) dependents(ref refAction) []authmap.Action {
	var list []authmap.Action
	others := slices.Clone(ref.DependentActions)
	slices.Sort(others)
	for _, name := range slices.Compact(others) {
		if name != "iam:PassRole" && strings.Contains(name, ":") && !strings.ContainsAny(name, "* ") {
			list = append(list, authmap.Action{Mark: '+', Name: name})
		}
	}
	if d.service == "iam" || d.service == "sts" || strings.HasPrefix(d.operation, "Remove") {
		return list
	}
	to := passes[d.service]
	if to == "" {
		to = d.ref.prefix + ".amazonaws.com"
	}
	for _, path := range d.roles() {
		list = append(list, authmap.Action{
			Mark: '+', Name: "iam:PassRole",
			Targets: []authmap.Target{{Alternatives: []authmap.Choice{{Whole: path}}}},
			Keys:    []authmap.Key{{Name: "iam:PassedToService", Literal: to}},
		})
	}
	return list
}

// roles are the paths of the members that name a role for the service to act as: at the top of the input, and in its structures.
func (d *deriver) roles() []string {
	var list []string
	var look func(shape *tree, before string, depth int)
	look = func(shape *tree, before string, depth int) {
		for _, name := range shape.get("members").members() {
			s := d.model.get("shapes", shape.text("members", name, "shape"))
			switch p := lettersOf(name); s.text("type") {
			case "string":
				if strings.HasSuffix(p, "rolearn") || strings.HasSuffix(p, "role") && !strings.HasSuffix(p, "backendrole") && p != "targetrole" {
					list = append(list, before+name)
				}
			case "structure":
				if depth < 4 && !strings.Contains(p, "override") {
					look(s, before+name+".", depth+1)
				}
			}
		}
	}
	look(d.model.get("shapes", d.model.text("operations", d.operation, "input", "shape")), "", 0)
	return list
}
