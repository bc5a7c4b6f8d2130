//go:build unix

package pgtest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func unsupported() string { return "" }

// credential is whom PostgreSQL runs as: it refuses to run as root.
func credential() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return nil
}

func unprivileged(cmd *exec.Cmd) {
	if c := credential(); c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
}

// yield makes dir that user's.
func yield(dir string) error {
	if c := credential(); c != nil {
		return os.Chown(dir, int(c.Uid), int(c.Gid))
	}
	return nil
}

// process is a running server, under a shell that ends it when we are gone, and then removes its folder.
type process struct {
	folder string
	shell  *exec.Cmd
	life   io.WriteCloser // the shell reads it
	pid    int            // of the server
	done   chan struct{}  // closed when the shell has ended
}

const watch = `folder=$1; shift
"$@" </dev/null & server=$!
echo $server >&3; exec 3>&-
read order
case "$order" in
stop) kill -INT $server ;;
*) kill -QUIT $server ;;
esac 2>/dev/null
wait $server
case "$order" in
"") rm -rf "$folder" ;;
esac`

func launch(folder, log string, args []string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", watch, "sh", folder}, args...)...)
	unprivileged(cmd)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true // an interrupt from the terminal is for the test
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = folder, out, out, []*os.File{w}
	life, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	w.Close()
	if err != nil {
		return nil, err
	}
	p := &process{folder: folder, shell: cmd, life: life, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	pid := make([]byte, 20)
	n, _ := r.Read(pid)
	p.pid, err = strconv.Atoi(strings.TrimSpace(string(pid[:n])))
	if err != nil {
		p.end("stop")
		return nil, err
	}
	return p, nil
}

// ended reports that the server has ended by itself: a zombie that the shell has not looked for yet counts.
func (p *process) ended() bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "stat"))
	if err == nil {
		_, after, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(after, "Z")
	}
	return syscall.Kill(p.pid, 0) != nil
}

func (p *process) end(order string) {
	_, _ = io.WriteString(p.life, order+"\n") // where it is gone already there is nothing to be done
	<-p.done
	p.life.Close()
}

func (p *process) stop() { p.end("stop") }

func (p *process) kill() {
	_ = syscall.Kill(p.pid, syscall.SIGSTOP)                                                   // it makes no more children
	for i := 0; i < 1000 && !slices.Contains([]string{"T", "Z", "X", ""}, state(p.pid)); i++ { // but for one that it is just making
		time.Sleep(time.Millisecond)
	}
	all := p.all()
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.end("killed")
	for _, pid := range all { // those of the server that were not its shell's to wait for
		for i := 0; i < 1000 && alive(pid); i++ {
			time.Sleep(time.Millisecond)
		}
	}
}

func (p *process) pause() {
	for _, pid := range p.all() {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
}

func (p *process) resume() {
	for _, pid := range p.all() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// all is the server's processes, the first of them first.
func (p *process) all() []int {
	pids := []int{p.pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(p.pid) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func alive(pid int) bool { return !slices.Contains([]string{"Z", "X", ""}, state(pid)) }

// state is a process's, as /proc tells it: "T" where it is stopped, "Z" where it has ended and nobody has waited for it; empty where
// there is none.
func state(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	s, _, _ := strings.Cut(after, " ")
	return s
}
