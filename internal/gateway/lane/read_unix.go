//go:build unix

package lane

import (
	"io"
	"os"
	"syscall"
)

const rawReads = true

// readFrom reads once the connection has something. A connection that waits holds no buffer: it is taken for the
// attempt, and given back where there is nothing yet.
func (k *conn) readFrom(fd uintptr) bool {
	empty := k.in == nil
	if empty {
		k.in = k.s.smallBuffer()
	}
	for {
		n, err := syscall.Read(int(fd), k.in.b[k.w:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if empty {
				k.free()
			}
			return false
		case err != nil:
			k.n, k.err = 0, os.NewSyscallError("read", err)
		case n == 0:
			k.n, k.err = 0, io.EOF
		default:
			k.n, k.err = n, nil
		}
		return true
	}
}
