//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// detached gives a child a session of its own, so that closing the terminal does not end it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func addressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// portHolder names the process that listens on port, where the system lets us see it.
func portHolder(port string) string {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		return portHolderByTool(port)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		return "another program"
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for l := range strings.Lines(string(text)) {
			f := strings.Fields(l)
			if len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", number)) && f[3] == "0A" {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && inodes[target] {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	return "another program (of another user, or in a container)"
}

// portHolderByTool asks lsof, which macOS has.
func portHolderByTool(port string) string {
	out, err := exec.Command("lsof", "-nP", "-iTCP:"+port, "-sTCP:LISTEN", "-Fpc").Output()
	if err != nil {
		return "another program"
	}
	var pid, name string
	for l := range strings.Lines(string(out)) {
		switch l = strings.TrimSpace(l); {
		case pid == "" && strings.HasPrefix(l, "p"):
			pid = l[1:]
		case name == "" && strings.HasPrefix(l, "c"):
			name = l[1:]
		}
	}
	if pid == "" {
		return "another program"
	}
	return fmt.Sprintf("process %s (%s)", pid, name)
}

// fileLimit is how many files and connections this process may have open.
func fileLimit() (uint64, bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return uint64(l.Cur), err == nil
}
