//go:build unix

package localstack

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// inGroup has a command run in a process group of its own, all of which ends when it is cancelled: a script's own children keep
// nobody waiting.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
