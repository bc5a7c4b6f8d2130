package main

import "syscall"

// detached gives a child a process group of its own, so that closing the console does not end it.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | 0x00000008}
}

func portHolder(string) string { return "another program" }
