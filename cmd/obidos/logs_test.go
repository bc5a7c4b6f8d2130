//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logs asks for an operation of CloudWatch Logs.
func (h *home) logs(operation string, in map[string]any) {
	h.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+h.listen, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		h.t.Fatalf("%s answered %s", operation, resp.Status)
	}
}

// write writes events of now, a millisecond apart.
func (h *home) write(group string, messages ...string) {
	h.t.Helper()
	var events []map[string]any
	at := time.Now().UnixMilli()
	for i, m := range messages {
		events = append(events, map[string]any{"timestamp": at + int64(i), "message": m})
	}
	h.logs("PutLogEvents", map[string]any{"logGroupName": group, "logStreamName": "s", "logEvents": events})
}

func (h *home) makeGroup(names ...string) {
	h.t.Helper()
	for _, name := range names {
		h.logs("CreateLogGroup", map[string]any{"logGroupName": name})
		h.logs("CreateLogStream", map[string]any{"logGroupName": name, "logStreamName": "s"})
	}
}

// follow starts a command that goes on.
func (h *home) follow(args ...string) *process {
	h.t.Helper()
	p := &process{Cmd: h.command(args...), t: h.t, end: make(chan struct{})}
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
	return p
}

// await returns once the process has written a text so many times.
func (p *process) await(text string, times int) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); strings.Count(p.out.String(), text) < times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%q was not printed %d times:\n%s", text, times, &p.out)
		}
	}
}

func TestLogsArePrintedAndSearched(t *testing.T) {
	h := newHome(t)
	if out, code := h.run("logs", "/a"); code == 0 || !strings.Contains(out, "nothing answers") {
		t.Errorf("with nothing there: %d %s", code, out)
	}
	h.start()
	if out := h.must("logs"); !strings.Contains(out, "no log groups") {
		t.Errorf("no groups: %s", out)
	}
	h.makeGroup("/app/a", "/app/b", "/other")
	h.write("/app/b", "second")
	h.write("/app/a", `{"level":"error"}`, "third\n")
	h.write("/other", "elsewhere")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"/app/*"}, "/app/b second\n/app/a {\"level\":\"error\"}\n/app/a third\n"},
		{[]string{"/app/a", "--filter", `{ $.level = "error" }`}, "{\"level\":\"error\"}\n"},
		{[]string{"/app/a", "--since", "1h", "--stream", "none"}, ""},
		{[]string{"/app/a", "--since", "2099-01-01"}, ""},
		{[]string{"/app/a", "--account", "111111111111"}, "obidos: there is no log group /app/a; `obidos logs` lists them\n"},
		{[]string{"/app/a", "--region", "eu-west-1"}, "obidos: there is no log group /app/a; `obidos logs` lists them\n"},
		{[]string{"--query", "stats count() as n by @log | sort n desc", "/app/*"}, "@log                 n\n000000000000:/app/a  2\n000000000000:/app/b  1\n"},
		{[]string{"--query", "filter @message = 'x'", "/app/*"}, "the query found nothing\n"},
		{[]string{"/app/a", "--filter", "{ $.level"}, "obidos: /app/a: If a filter pattern starts with '{' it must end with '}' (InvalidParameterException)\n"},
		{[]string{"-f"}, "obidos: name the log groups; `obidos logs` lists them\n"},
		{[]string{"/app/a", "--since", "soon"}, "obidos: --since \"soon\" is neither a time ago (10m, 2h, 5d) nor a date\n"},
		{[]string{"/app/a", "-f", "--query", "x"}, "obidos: --query does not go with --follow, --filter or --stream\n"},
		{[]string{"/app/a", "--account", "1"}, "obidos: --account \"1\" is none: it has 12 digits\n"},
	} {
		if out, _ := h.run(append([]string{"logs"}, c.args...)...); out != c.want {
			t.Errorf("%v printed\n%s\nwant\n%s", c.args, out, c.want)
		}
	}
	if out := h.must("logs"); !strings.Contains(out, "/app/b  32 B  for ever") {
		t.Errorf("groups: %s", out)
	}
}

// Each event once, however it came, also when obidos was started again meanwhile.
func TestLogsAreFollowed(t *testing.T) {
	h := newHome(t)
	h.start()
	h.makeGroup("/app/a", "/app/b")
	h.write("/app/a", "before")
	p := h.follow("logs", "-f", "/app/*")
	p.await("before", 1)
	want := "/app/a before\n"
	for i := range 20 {
		group := "/app/" + string("ab"[i%2])
		h.write(group, fmt.Sprint("live ", i))
		want += fmt.Sprintf("%s live %d\n", group, i)
	}
	p.await("live 19", 1)
	h.must("stop")
	h.start()
	h.write("/app/b", "after it was started again")
	p.await("after it was", 1)
	h.write("/app/b", "after it was started again") // the same once more
	p.await("after it was", 2)
	want += "the connection ended; waiting for obidos\n/app/b after it was started again\n/app/b after it was started again\n"
	if out := p.stop(syscall.SIGINT, 2*time.Second); out != want {
		t.Errorf("printed\n%s\nwant\n%s", out, want)
	}
}

func TestEventsOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := printer{w: &b}
	for _, m := range []string{"ERROR it\x1b[31m broke\r\n", `{"level":"warn", "a\"b":[1,{"c":null}], "msg":"\u001b"}`, `{"no`, "", "[]"} {
		if err := p.event(logEvent{"/a", "s\x07", m, 0}); err != nil {
			t.Fatal(err)
		}
	}
	at := time.UnixMilli(0).Local().Format("2006-01-02 15:04:05.000") + " s\uFFFD"
	want := at + " ERROR it\uFFFD[31m broke\n" + at + `
  {
    "level": "warn",
    "a\"b": [
      1,
      {
        "c": null
      }
    ],
    "msg": "\u001b"
  }
` + at + " {\"no\n" + at + " \n" + at + " []\n"
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	p.painter = true
	p.know([]group{{name: "/a"}, {name: "/b"}})
	for _, m := range []string{"WARN x", `{"level":"error","a":1}`} {
		if err := p.event(logEvent{"/b", "s", m, 0}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"\x1b[35m/b\x1b[0m", "\x1b[33mWARN x\x1b[0m", "\x1b[36m\"level\"\x1b[0m:\x1b[31m \"error\",\x1b[0m", "\x1b[36m\"a\"\x1b[0m: 1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in %q", want, b.String())
		}
	}
}
