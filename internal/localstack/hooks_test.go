//go:build unix

package localstack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/localstack"
)

// hooks are scripts by their paths below the root, and the file that they write to.
func hooks(t *testing.T, scripts map[string]string) (h *localstack.Hooks, said func() string) {
	t.Helper()
	root := t.TempDir()
	for path, text := range scripts {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h, err := localstack.FindHooks(root)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	h.Stdout, h.Stderr, h.Log = out, out, slog.New(slog.DiscardHandler)
	h.Environ = append(os.Environ(), "AWS_ENDPOINT_URL=http://here")
	return h, func() string {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// states are the hooks of a stage: "a.sh ERROR, b.sh SUCCESSFUL".
func states(r localstack.StageReport) string {
	var all []string
	for _, s := range r.Scripts {
		all = append(all, s.Name+" "+string(s.State))
	}
	return strings.Join(all, ", ")
}

func TestHookThatFailsKeepsNoOtherFromRunning(t *testing.T) {
	t.Parallel()
	h, said := hooks(t, map[string]string{
		"ready.d/a.sh":          "#!/bin/sh\necho a; exit 3\n",
		"ready.d/b.sh":          "#!/no/such/shell\necho b $AWS_ENDPOINT_URL\n",
		"ready.d/sub/c.sh":      "echo c\n",
		"ready.d/z.sh":          "#!/bin/sh\necho z\n",
		"ready.d/..data/x.sh":   "echo twice\n",
		"ready.d/readme.txt":    "not a script",
		"shutdown.d/later.sh":   "echo later\n",
		"unknown.d/whatever.sh": "echo never\n",
	})
	if r := h.Of(localstack.Ready); r.Completed || states(r) != "a.sh UNKNOWN, b.sh UNKNOWN, z.sh UNKNOWN, c.sh UNKNOWN" {
		t.Errorf("before: %v %s", r.Completed, states(r))
	}
	h.Run(t.Context(), localstack.Boot)
	h.Run(t.Context(), localstack.Ready)
	if r := h.Of(localstack.Ready); !r.Completed || states(r) != "a.sh ERROR, b.sh SUCCESSFUL, z.sh SUCCESSFUL, c.sh SUCCESSFUL" {
		t.Errorf("after: %v %s", r.Completed, states(r))
	}
	if want := "a\nb http://here\nz\nc\n"; said() != want {
		t.Errorf("the hooks said %q, want %q", said(), want)
	}
	r := h.Report()
	if !r.Completed.Boot || r.Completed.Start || !r.Completed.Ready || r.Completed.Shutdown || len(r.Scripts) != 5 {
		t.Errorf("reported %+v", r)
	}
}

func TestHooksInPython(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("this test needs Python, and the machine has none: install Debian's package python3, or the like")
	}
	h, said := hooks(t, map[string]string{
		"ready.d/a.py": "raise SystemExit('no')\n",
		"ready.d/b.py": "this is no Python\n",
		"ready.d/c.py": "#!/no/such/python\nimport os, sys\nprint('c', os.environ['AWS_ENDPOINT_URL'], os.path.basename(sys.argv[0]), __name__)\n",
		"ready.d/d.sh": "echo d\n",
	})
	h.Run(t.Context(), localstack.Ready)
	if r := h.Of(localstack.Ready); !r.Completed || states(r) != "a.py ERROR, b.py ERROR, c.py SUCCESSFUL, d.sh SUCCESSFUL" {
		t.Errorf("after: %v %s", r.Completed, states(r))
	}
	for _, want := range []string{"no\n", "SyntaxError", "c http://here c.py __main__\nd\n"} {
		if !strings.Contains(said(), want) {
			t.Errorf("the hooks said %q, without %q", said(), want)
		}
	}
}

// The small image has no Python.
func TestHookInPythonWhereThereIsNone(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	h, _ := hooks(t, map[string]string{"ready.d/a.py": "print('a')\n"})
	var log bytes.Buffer
	h.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.Run(t.Context(), localstack.Ready)
	if r := h.Of(localstack.Ready); !r.Completed || states(r) != "a.py ERROR" {
		t.Errorf("after: %v %s", r.Completed, states(r))
	}
	if !strings.Contains(log.String(), "there is no Python here: use an image that has one") {
		t.Errorf("logged %s", log.String())
	}
}

func TestHookThatHangsIsEndedWithItsChildren(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	h, _ := hooks(t, map[string]string{
		"ready.d/a.sh": "#!/bin/sh\nsleep 1000 &\necho $! > " + pid + "\nwait\n",
		"ready.d/b.sh": "#!/bin/sh\necho b\n",
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx, localstack.Ready)
	}()
	for {
		if text, err := os.ReadFile(pid); err == nil && len(text) > 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if r := h.Of(localstack.Ready); r.Completed || states(r) != "a.sh ERROR, b.sh UNKNOWN" {
		t.Errorf("after: %v %s", r.Completed, states(r))
	}
}

// fake is a platform that remembers what it was told.
type fake struct {
	kept          bool
	broken        error
	resets, stops int
}

func (f *fake) Version() string             { return "1.2.3" }
func (f *fake) Kept() bool                  { return f.kept }
func (f *fake) Services() map[string]uint64 { return map[string]uint64{"sqs": 7, "sts": 0} }
func (f *fake) Reset(context.Context) error { f.resets++; return f.broken }
func (f *fake) Stop(io.Closer)              { f.stops++ }

func ask(e http.Handler, method, path, body string) (status int, text string) {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	h, _ := hooks(t, map[string]string{"ready.d/a.sh": "true\n"})
	p := &fake{}
	e := &localstack.Endpoints{Platform: p, Hooks: h, Started: time.Now()}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // what the answer has in it
	}{
		{"GET", "/_localstack/health", "", 200, `"services": {"sqs": "running", "sts": "available"}`},
		{"GET", "/_localstack/health", "", 200, `"features": {"persistence": "disabled", "initScripts": "initializing"}, "edition": "obidos", "version": "1.2.3"}`},
		{"HEAD", "/_localstack/health", "", 200, ""},
		{"GET", "/_localstack/init", "", 200, `{"completed": {"BOOT": false, "START": false, "READY": false, "SHUTDOWN": false}, "scripts": [{"stage": "READY", "name": "a.sh", "state": "UNKNOWN"}]}`},
		{"GET", "/_localstack/init/ready", "", 200, `{"completed": false, "scripts": [{"stage"`},
		{"GET", "/_localstack/init/never", "", 404, "there is no stage never"},
		{"GET", "/_localstack/info", "", 200, `"is_license_activated": false`},
		{"POST", "/_localstack/health", `{"action": "dance"}`, 400, ""},
		{"POST", "/_localstack/health", `{`, 400, "invalid request"},
		{"PUT", "/_localstack/health", `{}`, 405, ""},
		{"GET", "/_localstack/state/reset", "", 405, ""},
		{"POST", "/_localstack/state/sqs/reset", "", 501, "docs/migrate.md"},
		{"GET", "/_localstack/diagnose", "", 501, "docs/migrate.md"},
	} {
		if status, text := ask(e, c.method, c.path, c.body); status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, text, c.status, c.want)
		}
	}
	if p.resets+p.stops > 0 {
		t.Fatalf("%d resets, %d stops of requests that are none", p.resets, p.stops)
	}
	p.broken = errors.New("no room")
	if status, text := ask(e, "POST", "/_localstack/state/reset", ""); status != 500 || !strings.Contains(text, "no room") {
		t.Errorf("a reset that fails: %d %s", status, text)
	}
	p.broken, p.resets = nil, 0
	for _, c := range []struct {
		path, body    string
		kept          bool
		resets, stops int
	}{
		{"/_localstack/state/reset", "", true, 1, 0},
		{"/_localstack/health", `{"action": "restart"}`, true, 1, 0}, // what is kept is still there after a restart
		{"/_localstack/health", `{"action": "restart"}`, false, 2, 0},
		{"/_localstack/health", `{"action": "kill"}`, false, 2, 1},
	} {
		p.kept = c.kept
		if status, text := ask(e, "POST", c.path, c.body); status != 200 || p.resets != c.resets || p.stops != c.stops {
			t.Errorf("%s %s: %d %s, %d resets, %d stops", c.path, c.body, status, text, p.resets, p.stops)
		}
	}
	h.Run(t.Context(), localstack.Ready)
	if _, text := ask(e, "GET", "/_localstack/health", ""); !json.Valid([]byte(text)) || !strings.Contains(text, `"initScripts": "initialized"`) {
		t.Errorf("after the hooks: %s", text)
	}
}

// Where nobody runs hooks, nobody is to wait for them.
func TestNoHooks(t *testing.T) {
	t.Parallel()
	e := &localstack.Endpoints{Platform: &fake{}, Eager: true}
	if _, text := ask(e, "GET", "/_localstack/init/ready", ""); text != `{"completed": true, "scripts": []}`+"\n" {
		t.Errorf("answered %s", text)
	}
	if _, text := ask(e, "GET", "/_localstack/health", ""); !strings.Contains(text, `"sts": "running"`) {
		t.Errorf("answered %s", text)
	}
}
