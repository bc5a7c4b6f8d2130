package arch_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/arch"
)

const module = "github.com/obidos-cloud/obidos/"

// source is one Go file of the module.
type source struct {
	path    string // slash-separated, from the module's root
	imports []string
	lines   int
	made    bool // by a generator
}

func (s source) dir() string { return path.Dir(s.path) }
func (s source) test() bool  { return strings.HasSuffix(s.path, "_test.go") }

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func sources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && p != root {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s := source{path: filepath.ToSlash(rel), lines: bytes.Count(text, []byte("\n")), made: generated.Match(text)}
		for _, i := range file.Imports {
			s.imports = append(s.imports, strings.Trim(i.Path.Value, `"`))
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("found %d Go files below %s: the walk is broken", len(all), root)
	}
	return all
}

// layer is where a package of internal/ stands, -1 where the plan does not name it.
func layer(pkg string) int {
	for n, names := range arch.Layers {
		for _, name := range names {
			if tree, ok := strings.CutSuffix(name, "/..."); ok && (pkg == tree || strings.HasPrefix(pkg, tree+"/")) || pkg == name {
				return n
			}
		}
	}
	return -1
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		pkg, inside := strings.CutPrefix(s.dir(), "internal/")
		if !inside || pkg == "arch" {
			continue
		}
		own, support := arch.TestSupport[pkg]
		if !support {
			if own = layer(pkg); own < 0 {
				t.Errorf("%s: package %s has no place in arch.Layers", s.path, pkg)
				continue
			}
		}
		for _, i := range s.imports {
			target, ours := strings.CutPrefix(i, module+"internal/")
			if !ours || target == pkg {
				continue
			}
			if strings.HasPrefix(i, module+"cmd/") {
				t.Errorf("%s imports %s: nothing imports a command", s.path, i)
			}
			if _, ok := arch.TestSupport[target]; ok {
				if !s.test() && !support {
					t.Errorf("%s imports %s, which is for tests", s.path, i)
				}
				continue
			}
			if s.test() {
				continue // a test may stand on the whole house
			}
			if in := layer(target); in >= own && !strings.HasPrefix(target, pkg+"/") && !parents(pkg, target) {
				t.Errorf("%s (layer %d) imports %s (layer %d): imports go down, never sideways", s.path, own, target, in)
			}
		}
	}
}

// parents reports whether target holds pkg: a sub-package may speak its parent's contract, as store/pebble does store's.
func parents(pkg, target string) bool { return strings.HasPrefix(pkg, target+"/") }

func TestNothingOutgrowsItsRoom(t *testing.T) {
	t.Parallel()
	packages := map[string]int{}
	for _, s := range sources(t) {
		if s.made {
			continue
		}
		if s.lines > arch.MaxFileLines {
			t.Errorf("%s has %d lines, more than %d: it holds two subjects", s.path, s.lines, arch.MaxFileLines)
		}
		if !s.test() {
			packages[s.dir()] += s.lines
		}
	}
	for dir, lines := range packages {
		if lines > arch.MaxPackageLines {
			t.Errorf("package %s has %d lines, more than %d: split it by noun", dir, lines, arch.MaxPackageLines)
		}
	}
}

// forbidden names say nothing about what is inside.
var forbidden = regexp.MustCompile(`(^|/)(util|utils|common|manager|handler|handlers|impl|helpers|misc|base)(/|\.go$|$)`)

func TestNamesSayWhatIsInside(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !s.made && forbidden.MatchString(s.path) {
			t.Errorf("%s: the name says nothing about what is inside", s.path)
		}
	}
}
