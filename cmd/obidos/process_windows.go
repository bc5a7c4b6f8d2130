package main

import (
	"errors"
	"syscall"
)

// Of the Windows API, which package syscall does not name.
const (
	detachedProcess = 0x00000008
	wsaAddrInUse    = syscall.Errno(10048)
)

// detached gives a child a process group of its own, so that closing the console does not end it.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | detachedProcess}
}

func addressInUse(err error) bool { return errors.Is(err, wsaAddrInUse) }

func portHolder(string) string { return "another program" }

// fileLimit is unknown: there is none to speak of.
func fileLimit() (uint64, bool) { return 0, false }
