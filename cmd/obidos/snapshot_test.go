//go:build unix

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// call makes an SQS call at an address.
func call(t *testing.T, address, operation, body string) (string, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+address+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}

func mustCall(t *testing.T, address, operation, body string) string {
	t.Helper()
	text, err := call(t, address, operation, body)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return text
}

// queues is what there is: the names of the queues, each with how many messages it has.
func queues(t *testing.T, address string) string {
	t.Helper()
	var all []string
	for name := range strings.SplitSeq(mustCall(t, address, "ListQueues", `{}`), `"`) {
		if _, queue, ok := strings.Cut(name, "/000000000000/"); ok {
			got := mustCall(t, address, "GetQueueAttributes", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/%s","AttributeNames":["ApproximateNumberOfMessages"]}`, queue))
			number := strings.FieldsFunc(got, func(r rune) bool { return r < '0' || r > '9' })
			all = append(all, queue+":"+strings.Join(number, ""))
		}
	}
	return strings.Join(all, " ")
}

func put(t *testing.T, address, queue string, messages int) {
	t.Helper()
	mustCall(t, address, "CreateQueue", fmt.Sprintf(`{"QueueName":%q}`, queue))
	for i := range messages {
		mustCall(t, address, "SendMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/%s","MessageBody":"%d"}`, queue, i))
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// background runs a command that serves at an address until the test ends.
func (h *home) background(address string, args ...string) *process {
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
	if out, code := h.run("wait", "--timeout", "20s", "--listen", address); code != 0 {
		p.Process.Kill()
		<-p.end
		h.t.Fatalf("%v is not ready: %s\n%s", args, out, &p.out)
	}
	return p
}

func TestSnapshotCommands(t *testing.T) {
	h := newHome(t)
	p := h.start()
	put(t, h.listen, "a", 3)
	h.must("snapshot", "save", "base")
	if out, code := h.run("snapshot", "save", "base"); code == 0 || !strings.Contains(out, "delete it first") {
		t.Errorf("saved twice under a name: %s", out)
	}
	if out, code := h.run("snapshot", "save", "../x"); code == 0 {
		t.Errorf("saved under a name that leads elsewhere: %s", out)
	}
	put(t, h.listen, "b", 1)
	if out := h.must("snapshot", "list"); !strings.HasPrefix(out, "base ") || strings.Count(out, "\n") != 1 {
		t.Errorf("the list is %q", out)
	}
	h.must("snapshot", "restore", "base")
	if got := queues(t, h.listen); got != "a:3" {
		t.Errorf("set back to %s", got)
	}
	if out, code := h.run("snapshot", "restore", "other"); code == 0 || !strings.Contains(out, "no snapshot of that name") {
		t.Errorf("restored what there is not: %s", out)
	}
	h.must("reset")
	if got := queues(t, h.listen); got != "" {
		t.Errorf("after a reset there are %s", got)
	}
	p.stop(syscall.SIGTERM, 5*time.Second)

	// While none runs.
	h.must("snapshot", "restore", "base")
	h.must("snapshot", "save", "again")
	h.start()
	if got := queues(t, h.listen); got != "a:3" {
		t.Errorf("set back to %s while none ran", got)
	}
	h.must("stop")
	h.must("reset")
	h.start()
	if got := queues(t, h.listen); got != "" {
		t.Errorf("after a reset while none ran there are %s", got)
	}
	h.must("snapshot", "delete", "base")
	if out, code := h.run("snapshot", "delete", "base"); code == 0 {
		t.Errorf("deleted twice: %s", out)
	}
	if out := h.must("snapshot", "list"); !strings.HasPrefix(out, "again ") || strings.Count(out, "\n") != 1 {
		t.Errorf("the list is %q", out)
	}
}

// A fork begins as the snapshot does, and goes its own way; nothing of it is left, however it ends.
func TestForkOfASnapshot(t *testing.T) {
	for _, memory := range []bool{false, true} {
		t.Run(fmt.Sprint("memory ", memory), func(t *testing.T) {
			h := newHome(t)
			own := []string{}
			if memory {
				own = append(own, "--memory")
			}
			h.start(own...)
			put(t, h.listen, "a", 3)
			h.must("snapshot", "save", "base")
			put(t, h.listen, "b", 1)
			one, two := freeAddress(t), freeAddress(t)
			fork := func(address string) *process {
				return h.background(address, "snapshot", "fork", "base", "--listen", address)
			}
			first, second := fork(one), fork(two)
			for _, address := range []string{one, two} {
				if got := queues(t, address); got != "a:3" {
					t.Errorf("a fork begins with %s", got)
				}
			}
			h.must("snapshot", "delete", "base") // they go on
			put(t, one, "c", 2)
			h.must("snapshot", "save", "own", "--listen", one)
			h.must("reset", "--listen", one)
			h.must("snapshot", "restore", "own", "--listen", one)
			if got := queues(t, one); got != "a:3 c:2" {
				t.Errorf("a fork has %s", got)
			}
			if got := queues(t, h.listen) + ", " + queues(t, two); got != "a:3 b:1, a:3" {
				t.Errorf("beside a fork there are %s", got)
			}
			if out, code := h.run("snapshot", "fork", "base"); code == 0 || !strings.Contains(out, "no snapshot of that name") {
				t.Errorf("forked what there is not: %s", out)
			}
			first.stop(syscall.SIGTERM, 10*time.Second)
			second.Process.Kill()
			<-second.end
			if memory {
				return
			}
			h.must("stop")
			h.start() // clears up behind the one that was killed
			if left, err := os.ReadDir(filepath.Join(h.data, "forks")); err == nil && len(left) > 0 {
				t.Errorf("%v is left of the forks", left)
			}
		})
	}
}

// A process killed in the middle of a save, a restore or a reset leaves the state before or after, and no half of a snapshot.
func TestKilledWhileTheStateChanges(t *testing.T) {
	h := newHome(t)
	p := h.start()
	put(t, h.listen, "a", 3)
	h.must("snapshot", "save", "base")
	for round := range 6 {
		h.must("snapshot", "restore", "base")
		put(t, h.listen, "b", 1)
		name := fmt.Sprint("s", round)
		command := [][]string{{"snapshot", "restore", "base"}, {"snapshot", "save", name}, {"reset"}}[round%3]
		asked := h.command(command...)
		if err := asked.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		p.Process.Kill()
		<-p.end
		failed := asked.Wait()
		p = h.start()
		got := queues(t, h.listen)
		allowed := map[string]bool{"a:3 b:1": failed != nil || round%3 == 1, "a:3": round%3 == 0, "": round%3 == 2}
		if !allowed[got] {
			t.Errorf("killed in %v, which ended with %v: there are %s", command, failed, got)
		}
		for line := range strings.Lines(h.must("snapshot", "list")) {
			offered, _, _ := strings.Cut(line, " ")
			h.must("snapshot", "restore", offered)
			want := "a:3 b:1"
			if offered == "base" {
				want = "a:3"
			}
			if got := queues(t, h.listen); got != want {
				t.Errorf("snapshot %s, made when it was killed in %v, has %s", offered, command, got)
			}
		}
		names, err := os.ReadDir(h.data)
		if err != nil {
			t.Fatal(err)
		}
		stores := 0
		for _, n := range names {
			if strings.HasPrefix(n.Name(), "store") {
				stores++
			}
		}
		if stores != 1 {
			t.Errorf("%d stores are there: %v", stores, names)
		}
	}
}

// An import that is killed is taken up by the same command, and not served before; a reset forgets it.
func TestImportThatIsKilled(t *testing.T) {
	h := newHome(t)
	h.start()
	put(t, h.listen, "a", 3)
	body := strings.Repeat("x", 100_000)
	for range 30 { // some chunks
		mustCall(t, h.listen, "SendMessage", fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/a","MessageBody":"%s%d"}`, body, rand.Int()))
	}
	want := queues(t, h.listen)
	file := filepath.Join(h.dir, "state.obidos")
	h.must("export", file)
	h.must("stop")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h.data = filepath.Join(h.dir, "other")
	h.env = append(h.env, "OBIDOS_DATA="+h.data)

	cut := h.command("import", "-")
	in, err := cut.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(whole[:len(whole)-100]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	cut.Process.Kill() // while it waits for the rest, or before it has begun
	cut.Wait()
	short := filepath.Join(h.dir, "short.obidos")
	if err := os.WriteFile(short, whole[:len(whole)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := h.run("import", short); code == 0 || !strings.Contains(out, "it ends here") {
		t.Fatalf("a file cut short was taken: %s", out)
	}
	if out, code := h.run("start"); code == 0 || !strings.Contains(out, "not finished") {
		t.Errorf("a part of a state is served: %s", out)
	}
	damaged := append([]byte(nil), whole...)
	damaged[len(damaged)/2] ^= 1
	bad := filepath.Join(h.dir, "bad.obidos")
	if err := os.WriteFile(bad, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := h.run("import", bad); code == 0 || !strings.Contains(out, "damaged at chunk") {
		t.Errorf("a damaged file was taken: %s", out)
	}
	h.must("import", file)
	p := h.start()
	if got := queues(t, h.listen); got != want {
		t.Errorf("imported %s, want %s", got, want)
	}
	if out, code := h.run("import", file); code == 0 {
		t.Errorf("imported beside one that runs: %s", out)
	}
	p.stop(syscall.SIGTERM, 5*time.Second)
	if out, code := h.run("import", file); code == 0 || !strings.Contains(out, "not empty") {
		t.Errorf("imported over a state: %s", out)
	}
	h.must("reset")
	if out, code := h.run("import", bad); code == 0 {
		t.Errorf("a damaged file was taken: %s", out)
	}
	h.must("reset") // of the part of it
	h.start()
	if got := queues(t, h.listen); got != "" {
		t.Errorf("after a reset there are %s", got)
	}
}
