//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is obidos itself where this variable says so: no second build, and the race detector looks on.
const asObidos = "OBIDOS_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asObidos) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// home is where one test's obidos lives: a directory of its own, and a free port.
type home struct {
	t      *testing.T
	dir    string
	data   string
	listen string
	env    []string
}

func newHome(t *testing.T) *home {
	t.Helper()
	t.Parallel()
	dir, err := os.MkdirTemp("", "obidos-") // t.TempDir is too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := &home{t: t, dir: dir, data: filepath.Join(dir, "data"), listen: l.Addr().String()}
	h.env = []string{asObidos + "=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "OBIDOS_LISTEN=" + h.listen, "OBIDOS_DATA=" + h.data}
	return h
}

func (h *home) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	return cmd
}

// run runs a command to its end.
func (h *home) run(args ...string) (out string, code int) {
	h.t.Helper()
	text, err := h.command(args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), exit.ExitCode()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text), 0
}

// must is run where the command has to succeed.
func (h *home) must(args ...string) string {
	h.t.Helper()
	out, code := h.run(args...)
	if code != 0 {
		h.t.Fatalf("obidos %s ended with %d:\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is an obidos that runs in the foreground.
type process struct {
	*exec.Cmd
	t   *testing.T
	out output
	end chan struct{} // closed when it has ended
	err error         // how
}

// start starts an obidos and waits until it is ready.
func (h *home) start(args ...string) *process {
	h.t.Helper()
	p := &process{Cmd: h.command(append([]string{"start"}, args...)...), t: h.t, end: make(chan struct{})}
	p.Stdout, p.Stderr = &p.out, &p.out
	if err := p.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		p.err = p.Wait()
		close(p.end)
	}()
	h.t.Cleanup(func() {
		p.Process.Kill()
		<-p.end
	})
	if out, code := h.run("wait", "--timeout", "20s"); code != 0 {
		p.Process.Kill()
		<-p.end
		h.t.Fatalf("it is not ready: %s\n%s", out, &p.out)
	}
	return p
}

// stop sends a signal, and returns what it said when it has ended well.
func (p *process) stop(s os.Signal, within time.Duration) string {
	p.t.Helper()
	begin := time.Now()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.end:
	case <-time.After(20 * time.Second):
		p.Process.Signal(syscall.SIGQUIT)
		<-p.end
		p.t.Fatalf("it goes on after %v:\n%s", s, &p.out)
	}
	if p.err != nil {
		p.t.Fatalf("after %v it ended with %v:\n%s", s, p.err, &p.out)
	}
	if took := time.Since(begin); took > within {
		p.t.Errorf("after %v it took %v to end, want at most %v", s, took, within)
	}
	return p.out.String()
}

// call makes one SQS call.
func (h *home) call(operation, in string) (status int, answer map[string]any) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), "POST", "http://"+h.listen, strings.NewReader(in))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, map[string]any{"error": err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, map[string]any{"error": err.Error()}
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			h.t.Fatalf("%s answered %d %s", operation, resp.StatusCode, text)
		}
	}
	return resp.StatusCode, answer
}

func (h *home) queue(name string) string {
	h.t.Helper()
	status, answer := h.call("CreateQueue", `{"QueueName":"`+name+`"}`)
	url, _ := answer["QueueUrl"].(string)
	if status != 200 || url == "" {
		h.t.Fatalf("CreateQueue answered %d %v", status, answer)
	}
	return url
}

func TestWhereSettingsComeFrom(t *testing.T) {
	h := newHome(t)
	h.env = []string{asObidos + "=1", "HOME=" + h.dir, "OBIDOS_LIMITS=enforce", "OBIDOS_LOG_LEVEL=warn", "OBIDOS_HOST=a.example.com,b.example.com"}
	file := filepath.Join(h.dir, "settings")
	if err := os.WriteFile(file, []byte("# comments and empty lines\n\nlog-level = debug\nlimits=off\norigin = https://a.example.com\norigin = https://b.example.com\npublic-url = \"https://o.example.com\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := h.must("config", "--config", file, "--limits=off", "--data", h.data)
	for name, want := range map[string]string{
		"limits":     "off flag --limits",
		"log-level":  "warn environment OBIDOS_LOG_LEVEL",
		"public-url": "https://o.example.com " + file + ":7",
		"durability": "durable default",
		"host":       "[a.example.com,b.example.com] environment OBIDOS_HOST",
		"origin":     "[https://a.example.com,https://b.example.com] " + file + ":6",
		"data":       h.data + " flag --data",
		"listen":     "127.0.0.1:4566 default",
	} {
		line := regexp.MustCompile(`(?m)^` + name + ` .*$`).FindString(out)
		if got := strings.Join(strings.Fields(line), " "); got != name+" "+want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if strings.Contains(out, "sync-delay") || strings.Contains(out, "detach") {
		t.Errorf("more than settings are listed:\n%s", out)
	}

	// The file of a data directory is read without being named.
	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data, "obidos.conf"), []byte("durability = relaxed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := h.must("config", "--data", h.data); !regexp.MustCompile(`durability +relaxed +.*obidos.conf:1`).MatchString(out) {
		t.Errorf("the file in the data directory is not read:\n%s", out)
	}
}

func TestSettingsThatMeanNothing(t *testing.T) {
	h := newHome(t)
	file := filepath.Join(h.dir, "settings")
	for _, c := range []struct{ flag, env, file, says string }{
		{"--limits=maybe", "", "", `limits is "maybe" (from flag --limits); it can be off or enforce`},
		{"", "OBIDOS_DURABILITY=none", "", `from environment OBIDOS_DURABILITY`},
		{"", "OBIDOS_MEMORY=perhaps", "", `environment OBIDOS_MEMORY: "perhaps" is no value for memory`},
		{"", "", "colour = red\n", `settings:1: there is no setting "colour"`},
		{"", "", "colour\n", `settings:1: "colour" is not of the form name = value`},
		{"--tls-cert=x", "", "", `go together`},
		{"--public-url=obidos", "", "", `must be like https://`},
		{"--listen=4566", "", "", `not of the form ADDRESS:PORT`},
		{"--listen=0.0.0.0:0", "", "", `--open-to-network`},
		{"--listen=:0", "", "", `--open-to-network`},
		{"--listen=203.0.113.7:0", "OBIDOS_OPEN_TO_NETWORK=true", "", `this machine has no address 203.0.113.7`},
	} {
		args := []string{"start", "--data", h.data}
		if c.file != "" {
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--config", file)
		}
		if c.flag != "" {
			args = append(args, c.flag)
		}
		cmd := h.command(args...)
		cmd.Env = append(cmd.Env, c.env)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("%+v: ended with %v:\n%s", c, err, out)
		}
	}
	if _, err := os.Stat(h.data); err == nil {
		t.Error("a start that is refused left a data directory")
	}
}

func TestDetachWaitStatusStop(t *testing.T) {
	h := newHome(t)
	if out, code := h.run("status"); code == 0 || !strings.Contains(out, "obidos start") {
		t.Errorf("before the start, status ended with %d: %s", code, out)
	}
	if out, code := h.run("wait", "--timeout", "50ms"); code == 0 {
		t.Errorf("wait found somebody: %s", out)
	}
	out := h.must("start", "--detach", "--log-level", "debug")
	t.Cleanup(func() { h.run("stop") })
	if !strings.Contains(out, "ready at http://"+h.listen) {
		t.Errorf("start said: %s", out)
	}
	h.must("wait")
	if out := h.must("status"); !strings.Contains(out, "http://"+h.listen) || !strings.Contains(out, h.data) {
		t.Errorf("status: %s", out)
	}
	if text, err := os.ReadFile(filepath.Join(h.data, "obidos.log")); err != nil || !strings.Contains(string(text), `"msg":"ready"`) {
		t.Errorf("the log holds %q, %v", text, err)
	}
	url := h.queue("kept")
	if out := h.must("stop"); strings.TrimSpace(out) != "stopped" {
		t.Errorf("stop said: %s", out)
	}
	// The directory is free at once.
	h.must("start", "--detach")
	if status, answer := h.call("GetQueueUrl", `{"QueueName":"kept"}`); status != 200 || answer["QueueUrl"] != url {
		t.Errorf("after a stop and a start: %d %v", status, answer)
	}
	h.must("stop")
	if out, code := h.run("stop"); code == 0 {
		t.Errorf("a second stop said: %s", out)
	}
	for _, name := range []string{"obidos.sock", "PID"} {
		if _, err := os.Stat(filepath.Join(h.data, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left behind", name)
		}
	}
}

func TestADetachedStartThatFailsSaysWhy(t *testing.T) {
	h := newHome(t)
	h.start()
	out, code := h.run("start", "--detach", "--data", h.data+"2")
	if code == 0 || !strings.Contains(out, "is taken by another obidos (process ") || !strings.Contains(out, "obidos stop") {
		t.Errorf("ended with %d: %s", code, out)
	}
	out, code = h.run("start", "--detach", "--listen", "127.0.0.1:0")
	if code == 0 || !strings.Contains(out, h.data+" is used by process ") {
		t.Errorf("ended with %d: %s", code, out)
	}
}

func TestWhatIsInTheWayIsNamed(t *testing.T) {
	h := newHome(t)
	l, err := net.Listen("tcp", h.listen)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out, code := h.run("start"); code == 0 || !strings.Contains(out, fmt.Sprintf("taken by process %d", os.Getpid())) {
		t.Errorf("a port taken: ended with %d: %s", code, out)
	}
	newer := filepath.Join(h.dir, "newer")
	if err := os.MkdirAll(newer, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(newer, "FORMAT"), []byte("obidos data directory, format 99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := h.run("start", "--listen=127.0.0.1:0", "--data", newer); code == 0 || !strings.Contains(out, "newer obidos") {
		t.Errorf("newer data: ended with %d: %s", code, out)
	}
	foreign := filepath.Join(h.dir, "foreign")
	if err := os.MkdirAll(filepath.Join(foreign, "photographs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, code := h.run("start", "--listen=127.0.0.1:0", "--data", foreign); code == 0 || !strings.Contains(out, "photographs") {
		t.Errorf("a directory of something else: ended with %d: %s", code, out)
	}
	if out, code := h.run("doctor"); code != 1 || !strings.Contains(out, "BAD") || !strings.Contains(out, "taken by process") {
		t.Errorf("doctor ended with %d: %s", code, out)
	}
	if out, code := h.run("doctor", "--listen=127.0.0.1:0", "--data", newer); code != 1 || !strings.Contains(out, "newer obidos") {
		t.Errorf("doctor ended with %d: %s", code, out)
	}
}

func TestCommandsGoByTheSocket(t *testing.T) {
	h := newHome(t)
	h.start("--listen", "127.0.0.1:0") // a port nobody knows
	info, err := os.Stat(filepath.Join(h.data, "obidos.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the socket is %v, %v", info, err)
	}
	out := h.must("env", "--shell", "sh")
	at := regexp.MustCompile(`AWS_ENDPOINT_URL=http://(127\.0\.0\.1:\d+)`).FindStringSubmatch(out)
	if at == nil || at[1] == h.listen {
		t.Fatalf("env says\n%s", out)
	}
	h.listen = at[1]
	h.queue("q")
	h.must("reset")
	if status, answer := h.call("GetQueueUrl", `{"QueueName":"q"}`); status != 400 {
		t.Errorf("after a reset: %d %v", status, answer)
	}
	if out := h.must("clock", "advance", "2d"); !strings.Contains(out, "48h0m0s ahead") {
		t.Errorf("clock advance: %s", out)
	}
	if out := h.must("clock"); !strings.Contains(out, "48h0m0s ahead") {
		t.Errorf("clock: %s", out)
	}
	if out, code := h.run("clock", "advance", "soon"); code == 0 || !strings.Contains(out, "5d") {
		t.Errorf("clock advance soon: %s", out)
	}
	if out := h.must("trust"); !strings.HasPrefix(out, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("trust: %s", out)
	}
}

func TestAddressNamedInsteadOfDirectory(t *testing.T) {
	h := newHome(t)
	h.start()
	other := newHomeBeside(h)
	other.start("--memory")
	// Of two that run, the one whose address is named is meant, whatever the usual directory holds.
	cmd := h.command("status", "--listen", other.listen)
	cmd.Env = []string{asObidos + "=1", "HOME=" + h.dir, "XDG_DATA_HOME=" + h.dir}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "state in memory") {
		t.Errorf("status: %s, %v", out, err)
	}
	other.must("stop", "--listen", other.listen)
	if out := h.must("status"); !strings.Contains(out, h.data) {
		t.Errorf("the wrong one was stopped: %s", out)
	}
}

func TestSpansAreExported(t *testing.T) {
	h := newHome(t)
	spans := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if text, err := io.ReadAll(r.Body); err == nil && r.URL.Path == "/v1/traces" {
			spans <- string(text)
		}
	}))
	defer collector.Close()
	h.env = append(h.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	p := h.start("--memory")
	h.queue("watched")
	p.stop(syscall.SIGTERM, 5*time.Second)
	select {
	case text := <-spans:
		if !strings.Contains(text, "CreateQueue") {
			t.Errorf("exported %q", text)
		}
	default:
		t.Error("nothing was exported by the end")
	}
}

// newHomeBeside is another home of the same test.
func newHomeBeside(h *home) *home {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	defer l.Close()
	other := *h
	other.listen, other.data = l.Addr().String(), h.data+"-beside"
	other.env = append(h.env[:3:3], "OBIDOS_LISTEN="+other.listen, "OBIDOS_DATA="+other.data)
	return &other
}

func TestKilledAndStartedAgain(t *testing.T) {
	h := newHome(t)
	p := h.start()
	url := h.queue("q")
	for i := range 20 {
		if status, answer := h.call("SendMessage", fmt.Sprintf(`{"QueueUrl":"%s","MessageBody":"%d"}`, url, i)); status != 200 {
			t.Fatalf("SendMessage answered %d %v", status, answer)
		}
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.end
	h.start()
	seen := map[string]bool{}
	for range 20 {
		_, answer := h.call("ReceiveMessage", `{"QueueUrl":"`+url+`","MaxNumberOfMessages":10}`)
		messages, _ := answer["Messages"].([]any)
		for _, m := range messages {
			seen[m.(map[string]any)["Body"].(string)] = true
		}
	}
	if len(seen) != 20 {
		t.Errorf("%d of 20 messages are left after kill -9", len(seen))
	}
}

func TestStopsAtOnceWithLongPollsParked(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) {
			h := newHome(t)
			p := h.start()
			url := h.queue("q")
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			var polls sync.WaitGroup
			for range 30 {
				polls.Go(func() {
					req, err := http.NewRequestWithContext(ctx, "POST", "http://"+h.listen, strings.NewReader(`{"QueueUrl":"`+url+`","WaitTimeSeconds":20}`))
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Errorf("a poll was cut off: %v", err)
						return
					}
					defer resp.Body.Close()
					if resp.StatusCode != 503 {
						t.Errorf("a poll was answered %s", resp.Status)
					}
				})
			}
			time.Sleep(200 * time.Millisecond) // until they are parked
			out := p.stop(s, 2*time.Second)
			polls.Wait()
			if strings.Contains(out, `"level":"ERROR"`) {
				t.Errorf("a clean stop logs errors:\n%s", out)
			}
		})
	}
}

func TestOneLineOfJSONForEachRequest(t *testing.T) {
	h := newHome(t)
	p := h.start("--log-level=debug")
	h.queue("q")
	h.call("GetQueueUrl", `{"QueueName":"none"}`)
	out := p.stop(os.Interrupt, 5*time.Second)
	var requests []map[string]any
	for scan := bufio.NewScanner(strings.NewReader(out)); scan.Scan(); {
		if scan.Text() == "obidos "+version+" ready at http://"+h.listen {
			continue
		}
		var line map[string]any
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Errorf("no JSON: %s", scan.Text())
			continue
		}
		if line["msg"] == "request" {
			requests = append(requests, line)
		}
	}
	if len(requests) != 2 {
		t.Fatalf("%d lines for 2 requests:\n%s", len(requests), out)
	}
	r := requests[1]
	if r["operation"] != "sqs:GetQueueUrl" || r["account"] != "000000000000" || r["request"] == "" || !strings.Contains(fmt.Sprint(r["error"]), "QueueDoesNotExist") {
		t.Errorf("a line says %v", r)
	}
	if _, err := time.ParseDuration(fmt.Sprint(r["took"])); err != nil {
		t.Errorf("took is %v", r["took"])
	}
}

func TestSystemdIsTold(t *testing.T) {
	h := newHome(t)
	path := filepath.Join(h.dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h.env = append(h.env, "NOTIFY_SOCKET="+path)
	p := h.start()
	read := func() string {
		l.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 100)
		n, err := l.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	if got := read(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	p.stop(syscall.SIGTERM, 5*time.Second)
	if got := read(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}

func TestEnvAndExec(t *testing.T) {
	h := newHome(t)
	h.env = append(h.env, "AWS_PROFILE=production", "AWS_REGION=eu-west-1")
	if out, code := h.run("exec", "--", "true"); code == 0 || !strings.Contains(out, "obidos start") {
		t.Errorf("exec with nothing running ended with %d: %s", code, out)
	}
	h.start("--memory")
	out := h.must("exec", "--", "sh", "-c", `echo "$AWS_ENDPOINT_URL $AWS_REGION $AWS_PROFILE $AWS_ACCESS_KEY_ID $0 $1"`, "one", "--two")
	if want := "http://" + h.listen + " eu-west-1  test one --two\n"; out != want {
		t.Errorf("exec: %q, want %q", out, want)
	}
	// Old versions of the AWS CLI know the endpoint by an option only.
	if err := os.WriteFile(filepath.Join(h.dir, "aws"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out := h.must("exec", "--", filepath.Join(h.dir, "aws"), "sqs", "list-queues"); out != "--endpoint-url http://"+h.listen+" sqs list-queues\n" {
		t.Errorf("the AWS CLI is given %q", out)
	}
	if _, code := h.run("exec", "--", "sh", "-c", "exit 42"); code != 42 {
		t.Errorf("exec ended with %d, want the command's 42", code)
	}
	if out, code := h.run("exec", "--", "no-such-program"); code == 0 || !strings.Contains(out, "no-such-program") {
		t.Errorf("exec of nothing ended with %d: %s", code, out)
	}
	for shell, want := range map[string]string{"sh": "export AWS_REGION=eu-west-1", "fish": "set -gx AWS_REGION eu-west-1", "powershell": "$env:AWS_REGION = 'eu-west-1'"} {
		if out := h.must("env", "--shell", shell); !strings.Contains(out, want+"\n") {
			t.Errorf("env --shell %s:\n%s", shell, out)
		}
	}
}

func TestVersionHelpAndCompletion(t *testing.T) {
	h := newHome(t)
	if out := h.must("version"); out != "obidos "+version+"\n" {
		t.Errorf("version: %s", out)
	}
	if out := h.must("--version"); out != "obidos "+version+"\n" {
		t.Errorf("--version: %s", out)
	}
	out := h.must("--help")
	for _, c := range []string{"start", "wait", "stop", "status", "doctor", "env", "exec", "clock", "reset", "trust", "version", "completion", "config", "demo"} {
		if !regexp.MustCompile(`(?m)^  ` + c + ` +\S`).MatchString(out) {
			t.Errorf("help does not tell of %s", c)
		}
	}
	if out := h.must("completion", "bash"); !strings.Contains(out, "__start_obidos") {
		t.Errorf("completion: %.200s", out)
	}
	if out := h.must("__complete", "start", "--durability", ""); !strings.Contains(out, "relaxed") {
		t.Errorf("completion of --durability: %s", out)
	}
	if out, code := h.run("strat"); code == 0 || !strings.Contains(out, "start") {
		t.Errorf("a mistyped command ended with %d: %s", code, out)
	}
}

func TestDemo(t *testing.T) {
	h := newHome(t)
	out := h.must("demo")
	for _, want := range []string{"dead-letter queue", "moves back", "aws sqs"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not tell of %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b[") {
		t.Error("colours where nobody watches")
	}
}
