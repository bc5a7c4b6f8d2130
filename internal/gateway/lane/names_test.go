package lane_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// A client that sends header after header nobody has heard of costs the others nothing for long. It does not run in parallel: what
// requests allocate is counted.
func TestHeaderNamesOfOneClientAreNotEverybodys(t *testing.T) {
	if raced {
		t.Skip("the race detector has allocations of its own")
	}
	p := open(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	c, answer := p.dial(), make([]byte, 4<<10)
	send := func(c net.Conn, headers string) {
		t.Helper()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n"+headers+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	var usual, flood strings.Builder
	for i := range 40 {
		fmt.Fprintf(&usual, "x-amz-usual-%d: 1\r\n", i)
	}
	each := func() uint64 {
		const n = 500
		send(c, usual.String())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			send(c, usual.String())
		}
		runtime.ReadMemStats(&after)
		return (after.Mallocs - before.Mallocs) / n
	}
	for i := range 300 {
		fmt.Fprintf(&flood, "X-Flood-%d: 1\r\n", i)
		if i%50 == 49 {
			send(p.dial(), flood.String())
			flood.Reset()
		}
	}
	flooded := each()
	fresh := open(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	c = fresh.dial()
	if quiet := each(); flooded > quiet+10 {
		t.Errorf("a request allocates %d times after a flood of header names, %d times without", flooded, quiet)
	}
}
