package localstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// HooksRoot is where LocalStack's users mount their init hooks.
const HooksRoot = "/etc/localstack/init"

// Stage is when a hook runs.
type Stage string

// The stages, in their order.
const (
	Boot     Stage = "BOOT"     // before anything else
	Start    Stage = "START"    // before requests are answered
	Ready    Stage = "READY"    // once they are, before "Ready." is said
	Shutdown Stage = "SHUTDOWN" // while they still are
)

var stages = []Stage{Boot, Start, Ready, Shutdown}

func (s Stage) dir() string { return strings.ToLower(string(s)) + ".d" }

// State is what has become of a hook.
type State string

// The states, by LocalStack's names.
const (
	Unknown    State = "UNKNOWN" // it has not run
	Running    State = "RUNNING"
	Successful State = "SUCCESSFUL"
	Failed     State = "ERROR"
)

// Hook is one script.
type Hook struct {
	Stage Stage
	Path  string
	State State
}

// Hooks are the scripts that users have their resources made by. They run one after the other, each in a process group of its own
// with our output as theirs; one that fails does not keep the next from running. A nil *Hooks has none.
type Hooks struct {
	Environ []string // of the scripts
	Stdout  *os.File // where they write
	Stderr  *os.File
	Log     *slog.Logger

	mu        sync.Mutex // guards what follows
	hooks     []Hook     // in the order they run
	completed map[Stage]bool
}

// FindHooks looks for scripts below root, which need not exist.
func FindHooks(root string) (*Hooks, error) {
	h := &Hooks{completed: map[Stage]bool{}}
	for _, s := range stages {
		paths, err := scripts(filepath.Join(root, s.dir()))
		if err != nil {
			return nil, fmt.Errorf("look for init hooks: %w", err)
		}
		for _, p := range paths {
			h.hooks = append(h.hooks, Hook{s, p, Unknown})
		}
	}
	return h, nil
}

// scripts are the paths of a folder's scripts by their names, then those of the folders in it.
func scripts(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var below []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			if !strings.HasPrefix(e.Name(), "..") { // Kubernetes keeps a volume's files there, and links to them
				below = append(below, path)
			}
			continue
		}
		if ext := filepath.Ext(path); ext != ".sh" && ext != ".py" {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			paths = append(paths, path)
		}
	}
	for _, d := range below {
		more, err := scripts(d)
		if err != nil {
			return nil, err
		}
		paths = append(paths, more...)
	}
	return paths, nil
}

// Run runs a stage's hooks. When ctx ends, the one that runs is ended, and those after it do not begin.
func (h *Hooks) Run(ctx context.Context, stage Stage) {
	if h == nil {
		return
	}
	for i := range h.hooks {
		if h.hooks[i].Stage != stage { // neither this nor Path ever changes
			continue
		}
		if ctx.Err() != nil {
			break
		}
		h.put(i, Running)
		path, begin := h.hooks[i].Path, time.Now()
		h.Log.Info("init hook", "stage", stage, "script", path)
		if err := h.script(ctx, path); err != nil {
			h.put(i, Failed)
			h.Log.Error("init hook failed", "stage", stage, "script", path, "error", err)
			continue
		}
		h.put(i, Successful)
		h.Log.Info("init hook done", "stage", stage, "script", path, "took", time.Since(begin).Round(time.Millisecond).String())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.completed[stage] = ctx.Err() == nil
}

func (h *Hooks) put(i int, s State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hooks[i].State = s
}

// script runs one script to its end.
func (h *Hooks) script(ctx context.Context, path string) error {
	args, err := interpreted(path)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = h.Environ, h.Stdout, h.Stderr
	inGroup(cmd)
	err = cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("it was ended: %w", context.Cause(ctx))
	}
	return err
}

// interpreted is the command that runs a script. LocalStack asks shell scripts to be executable and to name their shell; here the
// shell there is runs those that do not, or that name one that is not there.
func interpreted(path string) ([]string, error) {
	if filepath.Ext(path) == ".py" {
		for _, name := range []string{"python3", "python"} {
			if python, err := exec.LookPath(name); err == nil {
				return []string{python, path}, nil
			}
		}
		return nil, errors.New("there is no Python here: use an image that has one, or a shell script")
	}
	if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
		if interpreter := shebang(path); interpreter != "" {
			if _, err := os.Stat(interpreter); err == nil {
				return []string{path}, nil
			}
		}
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		return nil, errors.New("there is no shell here")
	}
	return []string{shell, path}, nil
}

// shebang is the interpreter that a script names in its first line, empty where it names none.
func shebang(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var head [256]byte
	n, _ := f.Read(head[:])
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// StageReport is what has become of one stage, or, in a Report, of its hooks.
type StageReport struct {
	Completed bool         `json:"completed"`
	Scripts   []HookReport `json:"scripts"`
}

// HookReport is what has become of one hook.
type HookReport struct {
	Stage Stage  `json:"stage"`
	Name  string `json:"name"`
	State State  `json:"state"`
}

// Report is what has become of all of them.
type Report struct {
	Completed struct {
		Boot     bool `json:"BOOT"`
		Start    bool `json:"START"`
		Ready    bool `json:"READY"`
		Shutdown bool `json:"SHUTDOWN"`
	} `json:"completed"`
	Scripts []HookReport `json:"scripts"`
}

// Of is the report of one stage. Where there are no hooks, all but the last are completed.
func (h *Hooks) Of(s Stage) StageReport {
	r := StageReport{Completed: s != Shutdown, Scripts: []HookReport{}}
	if h == nil {
		return r
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Completed = h.completed[s]
	for _, one := range h.hooks {
		if one.Stage == s {
			r.Scripts = append(r.Scripts, HookReport{s, filepath.Base(one.Path), one.State})
		}
	}
	return r
}

// Report is the report of all stages.
func (h *Hooks) Report() Report {
	r := Report{Scripts: []HookReport{}}
	for s, completed := range map[Stage]*bool{Boot: &r.Completed.Boot, Start: &r.Completed.Start, Ready: &r.Completed.Ready, Shutdown: &r.Completed.Shutdown} {
		*completed = h.Of(s).Completed
	}
	for _, s := range stages {
		r.Scripts = append(r.Scripts, h.Of(s).Scripts...)
	}
	return r
}
