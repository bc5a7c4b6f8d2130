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
	wire  string // its header, query parameter or label, in lower case; empty where it has none
	shape string
	kind  string // the shape's type
}

func (d *deriver) members(input string) {
	s := d.model.get("shapes", input)
	for _, name := range s.get("members").members() {
		shape := s.text("members", name, "shape")
		d.top = append(d.top, inputMember{name, lettersOf(name), strings.ToLower(s.text("members", name, "locationName")), shape, d.model.text("shapes", shape, "type")})
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
		if i := slices.IndexFunc(a.Targets, func(t authmap.Target) bool { return t.Optional == target.Optional && sameEnd(t, target) }); i >= 0 {
			both := append(a.Targets[i].Alternatives, target.Alternatives...)
			if both[0].Whole != "" { // whatever kind the ARN is of
				both = []authmap.Choice{{Whole: both[0].Whole}}
			}
			slices.SortStableFunc(both, func(a, b authmap.Choice) int { return len(b.Binds) - len(a.Binds) })
			a.Targets[i].Alternatives = both
			continue
		}
		a.Targets = append(a.Targets, target)
	}
	if len(a.Targets) == 0 && len(ref.ResourceTypes) > 0 {
		a.Targets = []authmap.Target{{Optional: true, Alternatives: []authmap.Choice{{Resource: resourceName(ref.ResourceTypes[0].Name), Unknown: true}}}}
	}
	// A member that holds the ARN of whichever kind of resource it is about: tagging, resource policies.
	if path, ok := d.find(true, "resourcearn", "resourcearns", "arn"); ok && len(ref.ResourceTypes) > 0 && known == 0 {
		a.Targets = []authmap.Target{{Alternatives: []authmap.Choice{{Whole: strings.TrimSuffix(path, "[]")}}}}
	}
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		a.Keys = append(a.Keys, d.key(k)...)
	}
	return a
}

// sameEnd reports whether one member names both resources: then a call is about the one or the other.
func sameEnd(a, b authmap.Target) bool {
	x, y := ownBinds(a.Alternatives[0]), ownBinds(b.Alternatives[0])
	if x.Whole != "" || y.Whole != "" {
		return x.Whole == y.Whole
	}
	return len(x.Binds) > 0 && len(y.Binds) > 0 && x.Binds[len(x.Binds)-1].Path != "" && x.Binds[len(x.Binds)-1].Path == y.Binds[len(y.Binds)-1].Path
}

// ownBinds is c without what says whose it is.
func ownBinds(c authmap.Choice) authmap.Choice {
	if n := len(c.Binds); n > 0 && c.Binds[n-1].Variable == "Account" {
		c.Binds = c.Binds[:n-1]
	}
	return c
}

// target is how the input names a resource of type r; full is false where it does not say all of its ARN.
func (d *deriver) target(r refResource) (t authmap.Target, full bool) {
	kind := resourceName(r.Key)
	pieces, err := authmap.Template(r.ARN)
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
		if path, ok := d.variable(r, v, len(variables) == 1, i == len(variables)-1); ok && (lists == 0 || !strings.HasSuffix(path, "[]")) {
			b.Kind, b.Path = authmap.Member, path
			if loose[d.service][v] {
				b.Kind = authmap.Suffix
			}
			bound++
			if strings.HasSuffix(path, "[]") {
				lists++
			}
			if strings.HasSuffix(v, "WithPath") {
				b.Kind = authmap.Suffix
				if prefix, ok := d.find(false, "path"); ok {
					b.Kind, b.Prefix = authmap.Joined, prefix
				}
			}
		}
		c.Binds = append(c.Binds, b)
	}
	for i, b := range c.Binds {
		if b.Path != "" && slices.ContainsFunc(c.Binds[:i], func(before authmap.Bind) bool { return before.Path == b.Path }) {
			c, bound = authmap.Choice{Resource: kind, Whole: b.Path}, len(variables) // one member for two variables: an ARN, or the service knows
			break
		}
	}
	if owner := owners[d.service]; owner != "" && c.Whole == "" && bound > 0 && strings.Contains(r.ARN, "${Account}") {
		if path, ok := d.find(false, owner); ok {
			c.Binds = append(c.Binds, authmap.Bind{Variable: "Account", Path: path})
		}
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

// variable is the member that a variable of r's ARN is: the resource's own name where it is the only one or the last. What is called a name
// is never taken for an identifier, nor the other way round: the service alone knows which identifier has which name.
func (d *deriver) variable(r refResource, v string, only, last bool) (path string, ok bool) {
	plain, kind, s := lettersOf(strings.TrimSuffix(v, "WithPath")), lettersOf(r.Key), stem(v)
	ends := []string{""}
	switch {
	case strings.HasSuffix(plain, "name"):
		ends = append(ends, "name", "identifier")
	case strings.HasSuffix(plain, "id"), strings.HasSuffix(plain, "identifier"):
		ends = append(ends, "id", "identifier")
	case only:
		ends = append(ends, "name", "id", "identifier")
	}
	if alias := aliases[d.service][v]; alias != "" {
		return d.find(last, strings.Fields(alias)...)
	}
	if strings.HasSuffix(plain, "resourceid") && plain != "resourceid" { // what the service made up
		return d.find(last, plain)
	}
	generic := plain == "id" || plain == "name" || plain == "identifier" || plain == "resourceid"
	if generic && !last {
		return "", false
	}
	var names []string
	if !generic {
		names = append(names, plain)
		for _, end := range ends {
			names = append(names, s+end)
		}
	}
	if last {
		noun := lettersOf(withoutVerb(d.operation))
		rest, own := strings.CutPrefix(noun, kind)
		if !own {
			rest, own = strings.CutPrefix(noun, s)
		}
		own = own && slices.Contains([]string{"", "s", "state", "execution", "runs", "dryrun", "comment", "history", "version", "versions"}, rest)
		for _, end := range ends {
			if only || s == kind || end != "" {
				names = append(names, kind+end)
			}
			if own && end != "" {
				names = append(names, end)
			}
		}
		for _, end := range ends[1:] {
			names = append(names, s+end+"s", kind+end+"s")
			if own && rest != "" {
				names = append(names, end+"s")
			}
		}
	}
	return d.find(last, names...)
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
	case prefix == d.ref.prefix && strings.Contains(own, "${"):
		before, _, _ := strings.Cut(own, "${")
		for _, m := range d.top {
			if m.kind == "map" && m.plain == lettersOf(before) {
				k.Path = m.name
			}
		}
	case prefix == d.ref.prefix && !strings.Contains(own, "$"):
		kind := d.ref.keys[strings.ToLower(name)].Type
		for _, m := range d.top {
			if m.plain != lettersOf(own) && m.wire != strings.ToLower(own) || strings.HasSuffix(kind, "ARN") && !strings.HasSuffix(m.plain, "arn") && !strings.HasSuffix(m.plain, "arns") {
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

// ofVersion is the action that takes the place of an S3 action where the input names a version.
func (d *deriver) ofVersion(ref refAction) (refAction, bool) {
	if _, ok := d.find(false, "versionid"); !ok || d.service != "s3" || strings.Contains(ref.Name, "Version") {
		return refAction{}, false
	}
	of, ok := d.ref.actions[strings.ToLower(strings.Replace(ref.Name, "Object", "ObjectVersion", 1))]
	return of, ok
}

// tagging is the permission to tag what an operation makes with tags. EC2 asks for each kind of resource that is made, which the input
// does not say.
func (d *deriver) tagging(own authmap.Action) []authmap.Action {
	path, ok := d.tags()
	if !ok || d.service == "cloudformation" || d.service == "ec2" || d.service == "sts" || strings.Contains(own.Name, "Tag") {
		return nil
	}
	when := strings.TrimSuffix(path, "[].Tags")
	for _, name := range []string{"tag" + strings.ToLower(withoutVerb(d.operation)), "tagresource", "addtagstoresource", "addtags", "addtagstocertificate", "createtags"} {
		tag, ok := d.ref.actions[name]
		if !ok {
			continue
		}
		keys := []authmap.Key{{Name: "aws:RequestTag/${TagKey}", Path: path}, {Name: "aws:TagKeys", Path: path}}
		if slices.ContainsFunc(tag.ConditionKeys, func(k string) bool { return strings.EqualFold(k, d.ref.prefix+":CreateAction") }) {
			keys = append(keys, authmap.Key{Name: d.ref.prefix + ":CreateAction", Literal: d.operation})
		}
		return []authmap.Action{{Mark: '?', Name: d.ref.prefix + ":" + tag.Name, When: when, Targets: own.Targets, Keys: keys}}
	}
	return nil
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

// byMethod is what IAM is asked by API Gateway: the HTTP method, about the path.
func (d *deriver) byMethod(types []refResource) authmap.Operation {
	http := d.model.get("operations", d.operation, "http")
	uri, _, _ := strings.Cut(http.text("requestUri"), "?")
	uri = strings.TrimPrefix(uri, "/v2")
	a := authmap.Action{Name: "apigateway:" + http.text("method")}
	for _, r := range types {
		pieces, err := authmap.Template(r.ARN)
		if _, path, ok := strings.Cut(r.ARN, "::"); err != nil || !ok || anonymous(path, "${") != anonymous(uri, "{") {
			continue
		}
		c := authmap.Choice{Resource: resourceName(r.Key)}
		labels := labelsOf(uri)
		for _, p := range pieces {
			if !p.Variable || p.Text == "Partition" || p.Text == "Region" {
				continue
			}
			b := authmap.Bind{Variable: p.Text, Kind: authmap.Unknown}
			for _, m := range d.top {
				if m.wire == strings.ToLower(labels[0]) || m.name == labels[0] {
					b.Kind, b.Path = authmap.Member, m.name
				}
			}
			if p.Text == "UrlEncodedResourceARN" {
				b = authmap.Bind{Variable: p.Text, Kind: authmap.Unknown}
			}
			labels = labels[1:]
			c.Binds = append(c.Binds, b)
		}
		a.Targets = []authmap.Target{{Alternatives: []authmap.Choice{c}}}
		break
	}
	for _, k := range []string{"aws:RequestTag/${TagKey}", "aws:TagKeys"} {
		if keys := d.key(k); keys[0].Path != "" {
			a.Keys = append(a.Keys, keys...)
		}
	}
	o := authmap.Operation{Name: d.operation, Actions: []authmap.Action{a}}
	return o
}

// anonymous is a path without the names of what begins with open and ends with a brace.
func anonymous(path, open string) string {
	var b strings.Builder
	for {
		before, behind, ok := strings.Cut(path, open)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteString("{}")
		_, path, _ = strings.Cut(behind, "}")
	}
}

// labelsOf are the names of a URI's labels.
func labelsOf(uri string) []string {
	var list []string
	for part := range strings.SplitSeq(uri, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			list = append(list, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "+"))
		}
	}
	return list
}
