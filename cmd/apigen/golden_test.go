package main

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// generate runs apigen over the made-up models and returns the directory it filled.
func generate(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	args = append(args, "-models", "testdata/models", "-out", filepath.Join(dir, "api"), "-base", "api", "-module", "example.com/m", "-docs", filepath.Join(dir, "services.md"))
	if err := run(args); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		m[filepath.ToSlash(strings.TrimSuffix(name, ".golden"))], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGolden(t *testing.T) {
	got := read(t, generate(t))
	if *update {
		if err := os.RemoveAll("testdata/golden"); err != nil {
			t.Fatal(err)
		}
		for name, data := range got {
			path := filepath.Join("testdata/golden", name+".golden")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := read(t, "testdata/golden")
	for name, data := range got {
		if !bytes.Equal(data, want[name]) {
			t.Errorf("%s differs from testdata/golden; go test ./cmd/apigen -update shows what in git diff", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

func TestAllGeneratesEveryOperation(t *testing.T) {
	got := read(t, generate(t, "-all"))
	if s := string(got["api/idleapi/service_gen.go"]); !strings.Contains(s, "Rest(context.Context, *RestInput) (*RestOutput, error)") {
		t.Errorf("idle has no operation:\n%s", s)
	}
	if _, ok := got["services.md"]; ok {
		t.Error("a page of what is served was written")
	}
}

func TestCheckReportsAChangeAndWritesNothing(t *testing.T) {
	dir := generate(t)
	args := []string{"-check", "-models", "testdata/models", "-out", filepath.Join(dir, "api"), "-base", "api", "-module", "example.com/m", "-docs", filepath.Join(dir, "services.md")}
	if err := run(args); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
	stray := filepath.Join(dir, "api", "goneapi", "service_gen.go")
	if err := os.MkdirAll(filepath.Dir(stray), 0o755); err != nil {
		t.Fatal(err)
	}
	edited := filepath.Join(dir, "api", "toyapi", "shapes_gen.go")
	for _, path := range []string{stray, edited} {
		if err := os.WriteFile(path, []byte("package x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err := run(args)
	if err == nil || !strings.Contains(err.Error(), stray) || !strings.Contains(err.Error(), edited) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(edited); err != nil || string(b) != "package x" {
		t.Errorf("-check wrote: %s, %v", b, err)
	}
	if err := run(args[1:]); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stray); !os.IsNotExist(err) {
		t.Errorf("a contract no model has is still there: %v", err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	toy, err := os.ReadFile("testdata/models/toy.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, model, ops, overlay, want string }{
		{"unknown operation", "", "Juggle\n", "", "toy.ops: the model has no operation Juggle"},
		{"operation of which only the name is kept", "", "DropToys\n", "", "toy.ops: the model has no operation DropToys, or only its name"},
		{"inert member", "", "GetToy\ninert GetToyInput.Colour why\n", "", "inert GetToyInput.Colour: no such member"},
		{"inert without a reason", "", "GetToy\ninert GetToyInput.Id\n", "", "toy.ops:2"},
		{"broken model", "{", "", "", "toy.json"},
		{"broken overlay", "", "", "{]", "overlay/toy.json"},
		{"unknown protocol", "", "", `{"metadata":{"protocols":["soap"]}}`, "unknown protocol soap"},
		{"unknown shape", "", "GetToy\n", `{"shapes":{"GetToyRequest":{"members":{"id":{"shape":"Nope"}}}}}`, "GetToyInput.id: no shape Nope"},
		{"unknown type", "", "GetToy\n", `{"shapes":{"Id":{"type":"quaternion"}}}`, `unknown type "quaternion"`},
		{"unknown location", "", "GetToy\n", `{"shapes":{"GetToyRequest":{"members":{"id":{"location":"moon"}}}}}`, "unknown location moon"},
		{"two members of one name", "", "GetToy\n", `{"shapes":{"GetToyRequest":{"members":{"Id":{"shape":"Id"}}}}}`, "two members Id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "overlay"), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.model == "" {
				c.model = string(toy)
			}
			if c.overlay == "" {
				c.overlay = "{}"
			}
			for name, data := range map[string]string{"toy.json": c.model, "toy.ops": c.ops, "overlay/toy.json": c.overlay} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := run([]string{"-models", dir, "-out", filepath.Join(dir, "out"), "-docs", ""})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
