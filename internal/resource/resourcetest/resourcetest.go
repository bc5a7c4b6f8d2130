// Package resourcetest is what every type of resource must do: a suite that its service runs for it.
package resourcetest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// Case is a type and examples of its properties.
type Case struct {
	Type    resource.Type
	Context func() context.Context // of a new request
	Desired string                 // properties to make a resource with
	Changed string                 // those it is then to have: at least one less, one other and one more
	Named   bool                   // Desired names the resource: there can be one of that name
	Missing string                 // an identifier of a resource that is not there
}

// Run holds the type to the suite. It works in the bubble of a synctest.
func Run(t *testing.T, c Case) {
	t.Helper()
	everyPropertyIsKnown(t, &c)
	examplesAreValid(t, &c)
	whatIsMissing(t, &c)
	life(t, &c)
	if c.Type.Tags != nil {
		tags(t, &c)
	}
}

// everyPropertyIsKnown: a property of the schema that the type's model has no field for would be dropped in silence.
func everyPropertyIsKnown(t *testing.T, c *Case) {
	model := reflect.TypeOf(c.Type.New()).Elem()
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(model) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		known[name] = true
	}
	for name := range c.Type.Schema().Properties {
		if !known[name] {
			t.Errorf("%s has no field for the property %s", model, name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("%s has a field %s, which the schema does not know", model, name)
	}
	for _, action := range []string{"create", "read", "update", "delete", "list"} {
		if _, ok := c.Type.Schema().Handlers[action]; ok && !c.Type.Can(action) {
			t.Errorf("AWS can %s it, and this type cannot", action)
		}
	}
	if c.Type.Schema().Tagging.Taggable != (c.Type.Tags != nil) {
		t.Errorf("AWS says taggable: %v, the type has tags: %v", c.Type.Schema().Tagging.Taggable, c.Type.Tags != nil)
	}
}

func examplesAreValid(t *testing.T, c *Case) {
	id, err := c.Type.Identify(c.Missing)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []resource.Properties{parse(t, c.Desired), with(parse(t, c.Changed), id)} {
		if problems := c.Type.Schema().Validate(p); len(problems) > 0 {
			t.Errorf("%s: %s", p, strings.Join(problems, "; "))
		}
	}
}

func whatIsMissing(t *testing.T, c *Case) {
	id, err := c.Type.Identify(c.Missing)
	if err != nil {
		t.Fatal(err)
	}
	ctx := c.Context()
	if c.Type.Read != nil {
		if p, err := c.Type.Read(ctx, id); !resource.Is(err, resource.NotFound) {
			t.Errorf("read: %v, %v, want NotFound", p, err)
		}
	}
	if c.Type.Update != nil {
		if _, err := c.Type.Update(ctx, request("missing"), id, with(parse(t, c.Changed), id)); !resource.Is(err, resource.NotFound) {
			t.Errorf("update: %v, want NotFound", err)
		}
	}
	if err := c.Type.Delete(ctx, request("missing"), id); !resource.Is(err, resource.NotFound) {
		t.Errorf("delete: %v, want NotFound", err)
	}
	again := request("missing")
	again.Again = true
	if err := c.Type.Delete(ctx, again, id); err != nil {
		t.Errorf("a delete that may have been done before: %v", err)
	}
}

func request(token string) resource.Request { return resource.Request{Token: token} }

func parse(t *testing.T, text string) resource.Properties {
	t.Helper()
	p, err := resource.ParseProperties(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// with is p and what is in q.
func with(p, q resource.Properties) resource.Properties {
	all := resource.Properties{}
	for _, from := range []resource.Properties{p, q} {
		for name, v := range from {
			all[name] = v
		}
	}
	return all
}

// life makes a resource, looks at it, changes it and deletes it, each step twice.
func life(t *testing.T, c *Case) {
	desired := parse(t, c.Desired)
	id := create(t, c, "life", desired)
	name, _ := c.Type.Identifier(id)
	shows(t, c, id, desired)
	if c.Type.List != nil && !lists(t, c, id, name) {
		t.Errorf("%s is not listed", name)
	}

	if c.Type.Update != nil {
		changed := with(parse(t, c.Changed), id)
		before := with(desired, id)
		if c.Type.Read != nil {
			var err error
			if before, err = c.Type.Read(c.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		for _, again := range []bool{false, true} {
			r := resource.Request{Token: "update", Again: again}
			if _, err := c.Type.Update(c.Context(), r, before, changed); err != nil {
				t.Errorf("update, again %v: %v", again, err)
			}
			shows(t, c, id, changed)
		}
		if c.Type.Read != nil {
			now, err := c.Type.Read(c.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for property, was := range desired {
				if _, kept := changed[property]; !kept && (resource.Properties{property: was}).Equal(resource.Properties{property: now[property]}) &&
					!slices.Contains(c.Type.Schema().CreateOnly, "/properties/"+property) {
					t.Errorf("%s was taken away, and is still %v", property, was)
				}
			}
		}
	}

	if err := c.Type.Delete(c.Context(), request("delete"), id); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := c.Type.Delete(c.Context(), resource.Request{Token: "delete", Again: true}, id); err != nil {
		t.Errorf("delete, again: %v", err)
	}
	if err := c.Type.Delete(c.Context(), request("delete twice"), id); !resource.Is(err, resource.NotFound) {
		t.Errorf("delete what is deleted: %v, want NotFound", err)
	}
	if c.Type.Read != nil {
		if _, err := c.Type.Read(c.Context(), id); !resource.Is(err, resource.NotFound) {
			t.Errorf("read what is deleted: %v, want NotFound", err)
		}
	}
	if c.Type.List != nil && lists(t, c, id, name) {
		t.Errorf("%s is listed after it was deleted", name)
	}
}

// create makes a resource twice, as after a crash, and answers what identifies it.
func create(t *testing.T, c *Case, token string, desired resource.Properties) resource.Properties {
	t.Helper()
	var ids []string
	for _, again := range []bool{false, true} {
		made, err := c.Type.Create(c.Context(), resource.Request{Token: token, Again: again}, desired)
		if err != nil {
			t.Fatalf("create, again %v: %v", again, err)
		}
		id, ok := c.Type.Identifier(made)
		if !ok {
			t.Fatalf("create answered %s, which does not identify it", made)
		}
		ids = append(ids, id)
	}
	if ids[0] != ids[1] {
		t.Errorf("created %s, and again %s", ids[0], ids[1])
	}
	if c.Named {
		if _, err := c.Type.Create(c.Context(), request(token+" twice"), desired); !resource.Is(err, resource.AlreadyExists) {
			t.Errorf("create what is there: %v, want AlreadyExists", err)
		}
	}
	id, err := c.Type.Identify(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// shows checks that reading the resource tells all that it is to have, and all that can only be told.
func shows(t *testing.T, c *Case, id, wants resource.Properties) {
	t.Helper()
	if c.Type.Read == nil {
		return
	}
	p, err := c.Type.Read(c.Context(), id)
	if err != nil {
		t.Errorf("read: %v", err)
		return
	}
	for name, v := range wants.Without(c.Type.Schema().WriteOnly) {
		if got := p[name]; !(resource.Properties{"": got}).Equal(resource.Properties{"": v}) {
			t.Errorf("%s is %v, want %v", name, got, v)
		}
	}
	for _, pointer := range c.Type.Schema().PrimaryIdentifier {
		if len(p.At(pointer)) != 1 {
			t.Errorf("%s is not told", pointer)
		}
	}
	if hidden := p.Differ(p.Without(c.Type.Schema().WriteOnly), c.Type.Schema().WriteOnly); len(hidden) > 0 {
		t.Errorf("%v must not be told", hidden)
	}
	if problems := c.Type.Schema().Validate(p); len(problems) > 0 {
		t.Errorf("what is told is not of the schema: %s", strings.Join(problems, "; "))
	}
}

// lists reports whether the resource is in the list, page by page.
func lists(t *testing.T, c *Case, like resource.Properties, name string) bool {
	t.Helper()
	page := resource.Page{Limit: 1}
	for range 1000 {
		list, next, err := c.Type.List(c.Context(), like, page)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, p := range list {
			if id, _ := c.Type.Identifier(p); id == name {
				return true
			}
		}
		if next == "" {
			return false
		}
		page.After = next
	}
	t.Fatal("the list has no end")
	return false
}

// tags adds, finds and removes tags by ARN.
func tags(t *testing.T, c *Case) {
	id := create(t, c, "tags", parse(t, c.Desired).Without([]string{c.Type.Schema().Tagging.Property}))
	defer func() {
		if err := c.Type.Delete(c.Context(), request("untagged"), id); err != nil {
			t.Error(err)
		}
	}()
	p, err := c.Type.Read(c.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := p["Arn"].(string)
	text = strings.TrimSuffix(text, ":*") // a log group's means all that is in it; the group alone has tags
	arn, ok := aws.ParseARN(text)
	if !ok {
		t.Fatalf("no ARN in %s", p)
	}
	if !c.Type.Tags.Match(arn) || c.Type.Tags.Service != arn.Service {
		t.Errorf("%s does not match its own type", arn)
	}
	nowhere := arn
	nowhere.Resource += "-none"
	if err := c.Type.Tags.Add(c.Context(), nowhere, map[string]string{"k": "v"}); err == nil {
		t.Error("tags were added to what is not there")
	}
	if _, err := c.Type.Tags.Get(c.Context(), nowhere); !resource.Is(err, resource.NotFound) {
		t.Errorf("the tags of what is not there: %v, want NotFound", err)
	}

	check := func(want map[string]string) {
		t.Helper()
		got, err := c.Type.Tags.Get(c.Context(), arn)
		if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("tags %v, %v, want %v", got, err, want)
		}
		var listed map[string]string
		after := ""
		for {
			list, err := c.Type.Tags.List(c.Context(), after, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			if after = list[0].ARN; after == text {
				listed = list[0].Tags
			}
		}
		if len(listed) != len(want) || len(want) > 0 && !reflect.DeepEqual(listed, want) {
			t.Errorf("listed with tags %v, want %v", listed, want)
		}
	}
	check(nil)
	if err := c.Type.Tags.Add(c.Context(), arn, map[string]string{"a": "1", "b": ""}); err != nil {
		t.Error(err)
	}
	check(map[string]string{"a": "1", "b": ""})
	if err := c.Type.Tags.Remove(c.Context(), arn, []string{"a", "none"}); err != nil {
		t.Error(err)
	}
	check(map[string]string{"b": ""})
	if err := c.Type.Tags.Remove(c.Context(), arn, []string{"b"}); err != nil {
		t.Error(err)
	}
	check(nil)
}
