package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sleeps is how often the threads of a process have gone to sleep: somebody who polls does it without end.
func sleeps(t *testing.T, pid int) (n int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of process %d: %v", pid, err)
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		var k int
		if _, err := fmt.Sscan(rest, &k); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		n += k
	}
	return n
}

// An obidos that has nothing to do sleeps, although a message is out of sight.
func TestIdleIsIdle(t *testing.T) {
	h := newHome(t)
	p := h.start()
	url := h.queue("q")
	for _, call := range [][2]string{{"SendMessage", `"MessageBody":"m"`}, {"ReceiveMessage", `"VisibilityTimeout":600`}} {
		if status, answer := h.call(call[0], `{"QueueUrl":"`+url+`",`+call[1]+`}`); status != 200 {
			t.Fatalf("%s answered %d %v", call[0], status, answer)
		}
	}
	const quiet = 2 * time.Second
	var was int
	for range 20 {
		now := sleeps(t, p.Process.Pid)
		if now == was {
			return
		}
		was = now
		time.Sleep(quiet)
	}
	t.Errorf("in %d times %s obidos was never left alone: something in it polls", 20, quiet)
}
