//go:build !unix

package lane

const rawReads = false

func (k *conn) readFrom(uintptr) bool { panic("lane: no raw reads here") }
