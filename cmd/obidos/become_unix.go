//go:build unix

package main

import (
	"os"
	"syscall"
)

// replaceWith runs another program in place of this process. It returns only where that failed.
func replaceWith(path string, args []string) error { return syscall.Exec(path, args, os.Environ()) }
