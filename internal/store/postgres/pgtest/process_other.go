//go:build !unix

package pgtest

import (
	"errors"
	"os/exec"
)

func unsupported() string {
	return "this test starts a PostgreSQL server, which it knows how to do on Unix only"
}

type process struct{}

func unprivileged(*exec.Cmd) {}
func yield(string) error     { return nil }

func launch(_, _ string, _ []string) (*process, error) { return nil, errors.New(unsupported()) }

func (*process) ended() bool { return true }
func (*process) stop()       {}
func (*process) kill()       {}
func (*process) pause()      {}
func (*process) resume()     {}
