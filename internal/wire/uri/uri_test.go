package uri_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/wire/uri"
)

func shelves() *uri.Routes[string] {
	var r uri.Routes[string]
	for _, line := range strings.Split(`List GET /shelves
Get GET /shelves/{id}
Parts GET /shelves/{id}?parts
Part GET /shelves/{id}?parts&number
Default GET /shelves/default
Things GET /shelves/{id}/things/{thing}
Object GET /{bucket}/{key+}
Acl GET /{bucket}/{key+}/acl
Bucket PUT /{bucket}
Old PUT /{bucket}`, "\n") {
		f := strings.Fields(line)
		r.Add(f[1], uri.Parse(f[2]), f[0], f[0] == "Old", f[0])
	}
	return &r
}

func TestFind(t *testing.T) {
	r := shelves()
	for _, c := range []struct{ method, path, query, want string }{
		{"GET", "/shelves", "", "List"},
		{"GET", "/shelves/", "", "List"},
		{"GET", "/shelves/a%2Fb", "", "Get"},
		{"GET", "/shelves/default", "", "Default"},
		{"GET", "/shelves/a", "x=1&parts", "Parts"},
		{"GET", "/shelves/a", "parts=&number=3", "Part"},
		{"GET", "/shelves/a/things/b", "", "Things"},
		{"GET", "/%73helves/a", "", "Get"},
		{"GET", "/b/k", "", "Object"},
		{"GET", "/b/k/l//m/", "", "Object"},
		{"GET", "/b/k/l/acl", "", "Acl"},
		{"PUT", "/b", "", "Bucket"},
		{"PUT", "/b", "x-id=Old", "Old"},
		{"PUT", "/b/k", "", ""},
		{"GET", "/", "", ""},
	} {
		if got, _ := r.Find(c.method, c.path, c.query); got != c.want {
			t.Errorf("%s %s?%s: %q, want %q", c.method, c.path, c.query, got, c.want)
		}
	}
	if r.Known("/") || !r.Known("/shelves/x/y") {
		t.Error("Known")
	}
}

func TestLabels(t *testing.T) {
	tpl := uri.Parse("/a/{x}/b/{y+}/c?z")
	got := map[string]string{}
	tpl.Labels("/a/1%2F2/b/3/4/c", func(name, value string) bool { got[name] = value; return true })
	if got["x"] != "1%2F2" || got["y"] != "3/4" || !tpl.Wants("z") {
		t.Errorf("%v", got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("GET", "/shelves//%2", "&&=&parts")
	f.Add("PUT", "///", "x-id")
	r := shelves()
	f.Fuzz(func(t *testing.T, method, path, query string) {
		r.Find(method, path, query)
		for _, u := range []string{"/{a}/{b+}/c", "/{a+}", "/x/{a}"} {
			tpl := uri.Parse(u)
			tpl.Labels(path, func(string, string) bool { return true })
		}
	})
}

// A form is read as the standard library reads it, but for what that refuses: semicolons.
func FuzzForm(f *testing.F) {
	f.Add("a=b+c&d=%41%zz")
	f.Add("=&a&&b==c")
	f.Fuzz(func(t *testing.T, s string) {
		params, ok := uri.ParseForm(nil, s)
		want, err := url.ParseQuery(s)
		if strings.Contains(s, ";") {
			return
		}
		if ok != (err == nil) {
			t.Fatalf("%q: %v, the standard library says %v", s, ok, err)
		}
		if !ok {
			return
		}
		for _, p := range params {
			values := want[p.Key]
			if len(values) == 0 || values[0] != p.Value {
				t.Fatalf("%q: %s is %q, the standard library says %q", s, p.Key, p.Value, values)
			}
			want[p.Key] = values[1:]
			if back, ok := uri.Unescape(uri.Escape(p.Value, false), false); !ok || back != p.Value {
				t.Fatalf("%q came back as %q", p.Value, back)
			}
		}
	})
}
