//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asContainer has a home's obidos run as in a container, with hooks from the home and LocalStack's variables.
func asContainer(t *testing.T, variables ...string) *home {
	h := newHome(t)
	_, port, _ := strings.Cut(h.listen, ":")
	var kept []string
	for _, v := range h.env {
		if !strings.HasPrefix(v, "OBIDOS_LISTEN=") {
			kept = append(kept, v)
		}
	}
	h.env = append(kept, "OBIDOS_CONTAINER=true", "GATEWAY_LISTEN=127.0.0.1:"+port, "OBIDOS_INIT_HOOKS="+filepath.Join(h.dir, "init"))
	h.env = append(h.env, variables...)
	return h
}

func (h *home) hook(path, text string) {
	h.t.Helper()
	path = filepath.Join(h.dir, "init", path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// named makes this program known by another name, in a folder that comes first in the PATH.
func (h *home) named(name string) string {
	h.t.Helper()
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.dir, name)
	if err := os.Symlink(self, path); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func TestContainerSaysReadyOnceItsHooksHaveRun(t *testing.T) {
	h := asContainer(t, "SERVICES=s3,sqs", "LAMBDA_EXECUTOR=docker", "PERSISTENCE=0")
	var kept []string
	for _, v := range h.env { // PERSISTENCE=0 counts where nobody names a place for the state
		if !strings.HasPrefix(v, "OBIDOS_DATA=") && !strings.HasPrefix(v, "PATH=") {
			kept = append(kept, v)
		}
	}
	h.env = append(kept, "PATH="+h.dir+":/bin:/usr/bin")
	h.named("awslocal")
	h.hook("boot.d/a.sh", "echo hook-boot\n")
	h.hook("ready.d/a.sh", "echo hook-ready; awslocal sqs create-queue --queue-name made --region eu-west-1 --query QueueUrl --output text\nexit 7\n")
	h.hook("ready.d/b.sh", "#!/bin/bash\nawslocal sqs send-message --queue-url made --message-body hello --region eu-west-1 > /dev/null && echo sent\n")
	h.hook("shutdown.d/a.sh", "awslocal sqs receive-message --queue-url made --region eu-west-1 --query 'Messages[0].Body' --output text\n")
	p := h.start()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, code := h.run("health"); code == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not become healthy")
		}
		time.Sleep(10 * time.Millisecond)
	}
	out := p.stop(syscall.SIGTERM, 10*time.Second)
	order := regexp.MustCompile(`(?s)hook-boot\n.*hook-ready\nhttp://127\.0\.0\.1:\d+/000000000000/made\n.*sent\n.*\nReady\.\n.*\nhello\n`)
	if !order.MatchString(out) {
		t.Errorf("not in their order, or not all:\n%s", out)
	}
	if strings.Count(out, "meant for LocalStack") != 1 || !strings.Contains(out, "does not serve s3") || !strings.Contains(out, "LAMBDA_EXECUTOR") {
		t.Errorf("the variables without effect are not named once:\n%s", out)
	}
	if !strings.Contains(out, "in memory only") {
		t.Errorf("PERSISTENCE=0 keeps something:\n%s", out)
	}
}

func TestHookThatHangsDoesNotKeepItFromStopping(t *testing.T) {
	h := asContainer(t)
	h.hook("ready.d/a.sh", "echo hook-begins; sleep 1000\n")
	h.hook("shutdown.d/a.sh", "sleep 1000\n")
	p := h.start()
	if out, code := h.run("health"); code == 0 {
		t.Errorf("healthy while a hook runs: %s", out)
	}
	out := p.stop(syscall.SIGTERM, 9*time.Second) // before Docker would kill it
	if strings.Contains(out, "Ready.") {
		t.Errorf("it says Ready. although a hook did not end:\n%s", out)
	}
}

func TestEntryPointOfLocalStacksImage(t *testing.T) {
	h := asContainer(t)
	path := h.named("docker-entrypoint.sh")
	cmd := h.command("version")
	cmd.Path = path
	cmd.Args[0] = path
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "obidos ") {
		t.Errorf("a command of ours: %s (%v)", out, err)
	}
	cmd = h.command("sh", "-c", "echo from the shell")
	cmd.Path, cmd.Args[0] = path, path
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "from the shell\n" {
		t.Errorf("another program: %s (%v)", out, err)
	}
	cmd = h.command()
	cmd.Path, cmd.Args = path, []string{path, "--listen", "nonsense"}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--listen") {
		t.Errorf("it does not start: %s (%v)", out, err)
	}
}

func TestContainersSettings(t *testing.T) {
	h := asContainer(t, "DEBUG=1", "SQS_ENDPOINT_STRATEGY=path", "LOCALSTACK_HOST=queues.example.com:4566")
	out := h.must("config")
	for _, want := range []string{`log-level +debug +environment DEBUG`, `sqs-endpoint-strategy +path +environment SQS_ENDPOINT_STRATEGY`, `host +\S*queues\.example\.com`, `open-to-network +true +container`, `listen +127\.0\.0\.1:\d+ +environment GATEWAY_LISTEN`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no line %s in:\n%s", want, out)
		}
	}
	h.env = append(h.env, "SQS_ENDPOINT_STRATEGY=crooked")
	if out, code := h.run("config"); code == 0 || !strings.Contains(out, "SQS_ENDPOINT_STRATEGY") {
		t.Errorf("a value that is none: %d %s", code, out)
	}
}

func TestResetAsLocalStacksUsersDoIt(t *testing.T) {
	h := asContainer(t)
	h.start()
	h.must("awslocal", "sqs", "create-queue", "--queue-name", "q")
	var out map[string][]string
	if err := json.Unmarshal([]byte(h.must("awslocal", "sqs", "list-queues")), &out); err != nil || len(out["QueueUrls"]) != 1 {
		t.Fatalf("queues: %v (%v)", out, err)
	}
	post(t, "http://"+h.listen+"/_localstack/state/reset")
	if text := h.must("awslocal", "sqs", "list-queues"); strings.Contains(text, "/q") {
		t.Errorf("after the reset: %s", text)
	}
}

func post(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s", url, resp.Status)
	}
}
