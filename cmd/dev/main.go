// Command dev runs what the Makefile promises: the tests, the checks before a commit, and the fuzz targets. It installs
// nothing outside Go's own caches and says plainly what it had to leave out.
//
//	go run ./cmd/dev test|check|crash|fuzz [flags]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	run := map[string]func([]string) error{"test": test, "check": check, "crash": crash, "fuzz": fuzz}
	if len(os.Args) < 2 || run[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run ./cmd/dev test|check|crash|fuzz [flags]")
		os.Exit(2)
	}
	if err := run[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "dev "+os.Args[1]+":", err)
		os.Exit(1)
	}
}

// test runs every test, with the race detector where there is a C compiler for it to be linked with.
func test(args []string) error {
	return goTest(append([]string{"-shuffle=on", "-timeout=30m"}, append(args, "./...")...), nil)
}

// crash runs the tests that cut the power, kill processes and fill disks, with many more rounds than an ordinary run. They
// run without the race detector, which would change what happens at once.
func crash(args []string) error {
	flags := flag.NewFlagSet("crash", flag.ExitOnError)
	rounds := flags.Int("rounds", 1000, "simulated power cuts; a tenth as many real kills, a twentieth as many of clusters")
	binary := flags.String("obidos", "bin/obidos", "the binary to kill")
	if err := flags.Parse(args); err != nil {
		return err
	}
	env := []string{fmt.Sprintf("OBIDOS_CRASHES=%d", *rounds)}
	if path, err := filepath.Abs(*binary); err == nil {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("make build makes it: %w", err)
		}
		env = append(env, "OBIDOS_BIN="+path)
	}
	return goRun([]string{"test", "-count=1", "-timeout=90m", "-v", "-run=Crash|PowerCut|Kill|FullDisk|Upgrade", "./..."}, env)
}

func goTest(args, env []string) error {
	if hasCompiler() {
		return goRun(append([]string{"test", "-race"}, args...), append(env, "CGO_ENABLED=1"))
	}
	fmt.Println("no C compiler here: testing without the race detector (install gcc or clang to have it)")
	return goRun(append([]string{"test"}, args...), append(env, "CGO_ENABLED=0"))
}

func hasCompiler() bool {
	out, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return false
	}
	cc := strings.Fields(string(out))
	if len(cc) == 0 {
		return false
	}
	_, err = exec.LookPath(cc[0])
	return err == nil
}

// check is what must hold before each commit. It runs every step and names the ones that failed.
func check([]string) error {
	steps := []struct {
		name string
		run  func() error
	}{
		{"layers and ratchets", func() error { return goRun([]string{"test", "./internal/arch"}, nil) }},
		{"what the race detector hides", unraced},
		{"generated code is what the models say", generated},
		{"go.mod is tidy", tidy},
		{"cross-compilation", crossCompile},
		{"size of the binary", binarySize},
		{"official wire vectors", vectors},
		{"another's evaluator of policies", evaluator},
		{"image", func() error { return goRun([]string{"-C", "tools/image", "test", "-timeout=30m", "./..."}, nil) }},
		{"chart and manifests", func() error { return goRun([]string{"run", "-C", "tools/deploy", ".", "-check"}, nil) }},
		{"lint", lint},
		{"known vulnerabilities", vulnerabilities},
	}
	var failed []string
	for _, s := range steps {
		start := time.Now()
		err := s.run()
		verdict := "ok"
		if err != nil {
			verdict = "FAILED: " + err.Error()
			failed = append(failed, s.name)
		}
		fmt.Printf("%-40s %6.1fs  %s\n", s.name, time.Since(start).Seconds(), verdict)
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, ", "))
	}
	return nil
}

// unraced tests, without the race detector, the packages that count allocations: with it they leave those tests out.
func unraced() error {
	var packages []string
	err := filepath.WalkDir("internal", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "norace_test.go" {
			packages = append(packages, "./"+filepath.ToSlash(filepath.Dir(path)))
		}
		return err
	})
	if err != nil {
		return err
	}
	return goRun(append([]string{"test", "-short"}, packages...), nil)
}

func generated() error {
	return goRun([]string{"run", "./cmd/apigen", "-check"}, nil)
}

func tidy() error {
	for _, dir := range []string{".", "tools", "tools/image", "tools/deploy", "tools/deploy/validator", "test/wire", "contrib/testcontainers-go"} {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		cmd := exec.Command("go", "mod", "tidy", "-diff")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", dir, err, out)
		}
	}
	return nil
}

func crossCompile() error {
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			env := []string{"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0"}
			if err := goRun([]string{"build", "-o", os.DevNull, "./cmd/obidos"}, env); err != nil {
				return fmt.Errorf("%s/%s: %w", system, arch, err)
			}
		}
	}
	return nil
}

// binarySize holds the binary to its bounds, and to the linker leaving out the methods that nobody calls. Where something looks
// methods up by name (text/template does), it must keep all of every type: 7 MiB more.
func binarySize() error {
	dir, err := os.MkdirTemp("", "obidos-size-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "obidos")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -dumpdep", "-o", bin, "./cmd/obidos")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	dependencies, err := build.CombinedOutput() // "caller -> callee" lines
	if err != nil {
		return fmt.Errorf("%w\n%s", err, dependencies[max(0, len(dependencies)-4096):])
	}
	for line := range bytes.Lines(dependencies) {
		if _, callee, _ := bytes.Cut(line, []byte(" -> ")); bytes.Contains(callee, []byte("<ReflectMethod>")) {
			return fmt.Errorf("methods are looked up by name, so that the binary must hold all there are: %s", line)
		}
	}
	info, err := os.Stat(bin)
	if err != nil {
		return err
	}
	if mib := info.Size() >> 20; mib >= 40 {
		return fmt.Errorf("the binary has %d MiB, which is not below 40", mib)
	}
	return nil
}

// vectors holds the wire to AWS's own fixtures, which come from module registries.
func vectors() error {
	return goRun([]string{"-C", "test/wire", "test", "-timeout=20m", "./..."}, nil)
}

// evaluator holds the decisions of internal/lang/policy to those of a library from npm, where there is Node.js to run it.
func evaluator() error {
	if _, err := exec.LookPath("npm"); err != nil {
		fmt.Println("policies are not held to another's evaluator: npm is not on this machine")
		return nil
	}
	if _, err := os.Stat(filepath.Join("test", "policy", "node_modules")); err != nil {
		cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--silent")
		cmd.Dir = filepath.Join("test", "policy")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	}
	return goRun([]string{"test", "-count=1", "./test/policy"}, nil)
}

func lint() error {
	return goRun([]string{"tool", "-modfile=tools/go.mod", "golangci-lint", "run", "./..."}, nil)
}

// vulnerabilities asks the public database. Where it cannot be reached that is said, and is no failure: a site without a
// network must be able to check the rest.
func vulnerabilities() error {
	cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "govulncheck", "./...")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if bytes.Contains(out, []byte("vuln.go.dev")) || bytes.Contains(out, []byte("dial tcp")) {
		fmt.Println("not checked for known vulnerabilities: the database could not be reached")
		return nil
	}
	return fmt.Errorf("%w\n%s", err, out)
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// fuzz runs every fuzz target of the module for a while.
func fuzz(args []string) error {
	flags := flag.NewFlagSet("fuzz", flag.ExitOnError)
	each := flags.Duration("time", 30*time.Second, "how long to run each target")
	only := flags.String("run", "", "only targets whose package and name match this regular expression")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	var files []string
	for _, pattern := range []string{"internal/*/*_test.go", "internal/*/*/*_test.go", "internal/*/*/*/*_test.go", "cmd/*/*_test.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		dir := "./" + filepath.ToSlash(filepath.Dir(file))
		for _, m := range fuzzTarget.FindAllSubmatch(text, -1) {
			name := string(m[1])
			if !wanted.MatchString(dir + "." + name) {
				continue
			}
			fmt.Printf("%s %s for %v\n", dir, name, *each)
			args := []string{"test", "-run=^$", "-fuzz=^" + name + "$", "-fuzztime=" + each.String(), dir}
			if err := goRun(args, nil); err != nil {
				return fmt.Errorf("%s %s: %w", dir, name, err)
			}
			ran++
		}
	}
	fmt.Printf("%d targets clean\n", ran)
	return nil
}

// goRun runs the go command with its output shown, in the environment of ours and env.
func goRun(args, env []string) error {
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	return cmd.Run()
}
