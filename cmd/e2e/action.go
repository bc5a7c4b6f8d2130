package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// githubAction runs the step of action.yml as GitHub's runner does: its inputs become variables, what it writes to the files of
// outputs and variables is there for the steps that follow.
func githubAction(ctx context.Context, s *site) error {
	text, err := os.ReadFile(filepath.Join(s.root, "action.yml"))
	if err != nil {
		return err
	}
	a, err := readAction(string(text))
	if err != nil {
		return fmt.Errorf("action.yml: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	given := map[string]string{"image": s.image, "port": port, "environment": "DEBUG=1\nOBIDOS_LOG_FORMAT=json"}
	outputs, variables, err := a.step(ctx, s, given)
	if err != nil {
		return err
	}
	defer func() { _, _ = s.docker(context.WithoutCancel(ctx), "rm", "-f", "-v", outputs["container"]) }()
	if want := "http://127.0.0.1:" + port; outputs["endpoint"] != want || variables["AWS_ENDPOINT_URL"] != want {
		return fmt.Errorf("outputs %v, variables %v", outputs, variables)
	}
	env := []string{}
	for name, value := range variables {
		env = append(env, name+"="+value)
	}
	if _, err := s.output(ctx, s.root, env, s.scenario, "action"); err != nil {
		return err
	}
	if err := s.says(ctx, outputs["container"], `"level":"DEBUG"`); err != nil {
		return err
	}
	if _, _, err := a.step(ctx, s, given); err == nil {
		return errors.New("a port that is taken fails no step")
	}
	given["image"], given["point-clients"] = "obidos.invalid/none:none", "false"
	if _, _, err := a.step(ctx, s, given); err == nil {
		return errors.New("an image that is nowhere fails no step")
	}
	return nil
}

// action is what action.yml holds, as far as it is run: read by the places of its lines, which are ours.
type action struct {
	defaults map[string]string
	env      map[string]string // of the step: the input that each variable is
	script   string
}

var (
	actionInput   = regexp.MustCompile(`(?m)^  ([a-z-]+):\n    description: .*\n    default: "?([^"\n]*)"?$`)
	actionVar     = regexp.MustCompile(`(?m)^        ([A-Z]+): \$\{\{ inputs\.([a-z-]+) \}\}$`)
	actionOutputs = regexp.MustCompile(`(?m)^    value: \$\{\{ steps\.start\.outputs\.([a-z-]+) \}\}$`)
)

func readAction(text string) (a action, err error) {
	a = action{defaults: map[string]string{}, env: map[string]string{}}
	for _, m := range actionInput.FindAllStringSubmatch(text, -1) {
		a.defaults[m[1]] = m[2]
	}
	for _, m := range actionVar.FindAllStringSubmatch(text, -1) {
		if _, ok := a.defaults[m[2]]; !ok {
			return a, fmt.Errorf("the step uses the input %s, which there is not among %v", m[2], slices.Sorted(maps.Keys(a.defaults)))
		}
		a.env[m[1]] = m[2]
	}
	_, block, ok := strings.Cut(text, "      run: |\n")
	if !ok || len(a.env) == 0 || len(a.env) != len(a.defaults) {
		return a, fmt.Errorf("%d inputs, %d variables of the step, and a script: %v", len(a.defaults), len(a.env), ok)
	}
	for line := range strings.Lines(block) {
		line, ok := strings.CutPrefix(line, "        ")
		if !ok && strings.TrimSpace(line) != "" {
			return a, fmt.Errorf("the script is followed by %q", line)
		}
		a.script += line
	}
	for _, m := range actionOutputs.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(a.script, m[1]+"=") {
			return a, fmt.Errorf("nothing sets the output %s", m[1])
		}
	}
	return a, nil
}

// step runs the step with inputs.
func (a action) step(ctx context.Context, s *site, given map[string]string) (outputs, variables map[string]string, err error) {
	dir, err := os.MkdirTemp("", "obidos-e2e-action-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	script, output, variable := filepath.Join(dir, "step.sh"), filepath.Join(dir, "output"), filepath.Join(dir, "env")
	if err := errors.Join(os.WriteFile(script, []byte(a.script), 0o644), os.WriteFile(output, nil, 0o644), os.WriteFile(variable, nil, 0o644)); err != nil {
		return nil, nil, err
	}
	env := []string{"GITHUB_OUTPUT=" + output, "GITHUB_ENV=" + variable, "GITHUB_ACTIONS=true", "CI=true"}
	for name, input := range a.env {
		value, ok := given[input]
		if !ok {
			value = a.defaults[input]
		}
		env = append(env, name+"="+value)
	}
	if _, err := s.output(ctx, dir, env, "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script); err != nil {
		return nil, nil, err
	}
	if outputs, err = assignments(output); err != nil {
		return nil, nil, err
	}
	variables, err = assignments(variable)
	return outputs, variables, err
}

// assignments are the lines NAME=value of a file.
func assignments(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			return nil, fmt.Errorf("%q is no assignment", line)
		}
		all[name] = value
	}
	return all, nil
}
