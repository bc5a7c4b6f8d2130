package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// findDaemon takes the machine's daemon if one answers. Otherwise root starts one, installing Debian's if there is none.
func findDaemon(ctx context.Context) (daemon, error) {
	none := daemon{}
	if answers(ctx, "") {
		return daemon{stop: func() error { return nil }}, nil
	}
	if os.Getuid() != 0 {
		return none, errMissing{"a Docker daemon that answers (root could start one)"}
	}
	if err := installed(ctx, "dockerd", "docker.io"); err != nil {
		return none, err
	}
	if err := installed(ctx, "docker", "docker.io"); err != nil {
		return none, err
	}
	return startDaemon(ctx)
}

func answers(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	if host != "" {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	}
	return cmd.Run() == nil
}

// startDaemon runs a daemon of our own, with everything it keeps in a temporary directory.
func startDaemon(ctx context.Context) (daemon, error) {
	none := daemon{}
	dir, err := os.MkdirTemp("", "obidos-e2e-docker-")
	if err != nil {
		return none, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return none, err
	}
	defer log.Close()
	bridged := exec.Command("ip", "link", "show", "docker0").Run() == nil
	host := "unix://" + filepath.Join(dir, "docker.sock")
	cmd := exec.Command("dockerd", "--host", host, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of ours is not its: its containers are removed first
	if err := cmd.Start(); err != nil {
		return none, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		if err == nil {
			select {
			case err = <-ended:
			case <-time.After(30 * time.Second):
				err = errors.Join(errors.New("dockerd did not stop within 30 s"), cmd.Process.Kill())
				err = errors.Join(err, <-ended)
			}
		}
		if !bridged {
			_ = exec.Command("ip", "link", "delete", "docker0").Run() // it may not have come that far
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if answers(ctx, host) {
			return daemon{host, stop}, nil
		}
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			os.RemoveAll(dir)
			return none, errMissing{fmt.Sprintf("a machine that lets dockerd run (%v: %s)", err, lines[len(lines)-1])}
		default:
		}
		if time.Since(begin) > time.Minute || ctx.Err() != nil {
			return none, errors.Join(errors.New("dockerd did not answer within a minute"), stop())
		}
	}
}

// inGroup has a command, and all that it starts, asked to end when its time is over, and left behind if that takes long: Maven's
// own children would keep us waiting.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
}
