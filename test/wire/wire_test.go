// Package wire runs AWS's own wire vectors against internal/wire, with contracts of every operation of every model. It is a module of its own so
// that what it downloads burdens nobody else.
package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/test/wire/vectors"
)

var update = flag.Bool("update", false, "write the differences found to differences.txt; reasons are kept, new ones have to be written")

const (
	generated = "testdata/generated"
	program   = "package main\n\nimport (\n\tservices %q\n\tsuites %q\n\n\t\"github.com/obidos-cloud/obidos/test/wire/vectors\"\n)\n\n" +
		"func main() { vectors.Run(services.All(), suites.All()) }\n"
	module   = "github.com/obidos-cloud/obidos/test/wire/" + generated
	botocore = "1.44.5" // the release models/ are made of
)

// TestOfficialVectors fails where a vector fails that differences.txt does not list, and where one listed passes.
func TestOfficialVectors(t *testing.T) {
	if testing.Short() {
		t.Skip("generates and compiles contracts of every operation of every service")
	}
	config := vectors.Config{Modules: modules(t), Protocols: protocolTests(t)}
	generate(t, config.Protocols)
	stdin, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "./"+generated)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r vectors.Result
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	report(t, r)
}

func report(t *testing.T, r vectors.Result) {
	passed := 0
	for _, kind := range slices.Sorted(maps.Keys(r.Passed)) {
		t.Logf("%-28s %5d passed", kind, r.Passed[kind])
		passed += r.Passed[kind]
	}
	t.Logf("fixtures of the SDK: %s", strings.Join(r.Services, ", "))
	t.Logf("not in our models, and so not counted: %d of the SDK's newer operations and errors", len(r.Unmodel))
	t.Logf("%d of %d, %.2f %%", passed, passed+len(r.Failed), 100*float64(passed)/float64(passed+len(r.Failed)))
	known, err := readDifferences()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeDifferences(t, r.Failed, known)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(r.Failed)) {
		if known[id] == "" {
			t.Errorf("%s: %s", id, r.Failed[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if r.Failed[id] == "" {
			t.Errorf("%s passes and is still listed in differences.txt", id)
		}
	}
	if passed*100 < (passed+len(r.Failed))*99 {
		t.Errorf("fewer than 99 of 100 vectors pass")
	}
}

// differences.txt has a line for each vector known to fail: its name, two spaces, why.
func readDifferences() (map[string]string, error) {
	b, err := os.ReadFile("differences.txt")
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, why, ok := strings.Cut(line, "  ")
		if !ok {
			return nil, fmt.Errorf("differences.txt: %q gives no reason", line)
		}
		known[id] = strings.TrimSpace(why)
	}
	return known, nil
}

func writeDifferences(t *testing.T, failed, known map[string]string) {
	var b strings.Builder
	b.WriteString("# Vectors that fail, and why. The test holds to this list: what is not here must pass, what is here must fail.\n")
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		why := known[id]
		if why == "" || strings.HasPrefix(why, "REASON?") {
			why = "REASON? " + failed[id]
		}
		fmt.Fprintf(&b, "%s  %s\n", id, why)
	}
	if err := os.WriteFile("differences.txt", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// modules fetches the SDK's modules that modules.txt names.
func modules(t *testing.T) map[string]string {
	b, err := os.ReadFile("modules.txt")
	if err != nil {
		t.Fatal(err)
	}
	args, sums := []string{"mod", "download", "-json"}, map[string]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 {
			args, sums[f[0]] = append(args, f[0]+"@"+f[1]), f[2]
		}
	}
	m := map[string]string{}
	d := json.NewDecoder(strings.NewReader(run(t, ".", "go", args...)))
	for d.More() {
		var mod struct{ Path, Dir, Sum, Error string }
		if err := d.Decode(&mod); err != nil {
			t.Fatal(err)
		}
		if mod.Error != "" || mod.Sum != sums[mod.Path] {
			t.Fatalf("%s: %s, sum %s, want %s", mod.Path, mod.Error, mod.Sum, sums[mod.Path])
		}
		m[filepath.Base(mod.Path)] = mod.Dir
	}
	return m
}

// protocolTests unpacks those of botocore's source release, which pip fetches; without pip they are left out.
func protocolTests(t *testing.T) string {
	dir := filepath.Join("testdata", "botocore-"+botocore, "tests", "unit", "protocols")
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := exec.Command("python3", "-m", "pip", "--version").Run(); err != nil {
		t.Skip("no pip: ", err)
	}
	tmp := t.TempDir()
	run(t, ".", "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=botocore", "--dest", tmp, "botocore=="+botocore)
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, ".", "tar", "-xzf", filepath.Join(tmp, "botocore-"+botocore+".tar.gz"), "-C", "testdata", "botocore-"+botocore+"/tests/unit/protocols")
	return dir
}

// generate makes contracts of all models and of the protocol tests' own, and the program that runs the vectors with them.
func generate(t *testing.T, protocols string) {
	if err := os.RemoveAll(generated); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) {
		name = filepath.Join(generated, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := vectors.SuiteFiles(protocols)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		suites, err := vectors.ReadSuites(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range suites {
			name := vectors.SuiteName(file, i)
			write("models/"+name+".json", suiteModel(t, name, s))
			write("models/"+name+".ops", nil)
			write("models/"+name+".auth", nil) // nobody is asked what they may do
		}
	}
	write("models/overlay/patterns.json", []byte("{}"))
	root := filepath.Join(here, "..", "..")
	run(t, root, "go", "run", "./cmd/apigen", "-all", "-out", filepath.Join(here, generated, "api"), "-base", "test/wire/"+generated+"/api")
	run(t, root, "go", "run", "./cmd/apigen", "-all", "-models", filepath.Join(here, generated, "models"),
		"-out", filepath.Join(here, generated, "suites"), "-base", "test/wire/"+generated+"/suites")
	write("main.go", fmt.Appendf(nil, program, module+"/api", module+"/suites"))
}

// suiteModel is the model of a suite, as apigen reads models.
func suiteModel(t *testing.T, name string, s vectors.Suite) []byte {
	type object = map[string]any
	metadata := object{"serviceId": name, "serviceFullName": s.Description, "endpointPrefix": name, "signingName": name}
	for k, v := range s.Metadata {
		if _, ok := metadata[k]; !ok {
			metadata[k] = v
		}
	}
	protocol := strings.Trim(string(s.Metadata["protocol"]), `"`)
	operations, shapes := object{}, object{}
	if err := json.Unmarshal(s.Shapes, &shapes); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cases {
		var op object
		if err := json.Unmarshal(c.Given, &op); err != nil {
			t.Fatal(err)
		}
		operation, _ := op["name"].(string)
		delete(op, "documentation")
		if out, ok := op["output"].(object); ok && protocol == "query" {
			out["resultWrapper"] = operation + "Result" // as botocore's own test does
		}
		for _, side := range []string{"input", "output"} {
			if op[side] == nil { // without either, apigen takes an operation for one of which only the name is kept
				shapes["Empty"+side] = object{"type": "structure", "members": object{}}
				op[side] = object{"shape": "Empty" + side}
			}
		}
		operations[operation] = op
	}
	b, err := json.Marshal(object{"metadata": metadata, "operations": operations, "shapes": shapes})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func run(t *testing.T, dir string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return out.String()
}
