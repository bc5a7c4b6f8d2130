package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/gateway"
)

// Who has hung up for good, or only says that it will send no more, is not told that all went well when nothing is known.
func TestCallThatWasBrokenOffIsNotAnsweredWell(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.server = newServer(w)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Serve(ctx, l, gateway.HTTP(w.server, w.server.Log), &gateway.Certificates{}) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for name, extra := range map[string]string{"in the lane": "", "in net/http": "Expect: 100-continue\r\n"} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const body = `{"QueueUrl":"q","WaitTimeSeconds":20}`
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n%sContent-Length: %d\r\n\r\n%s", extra, len(body), body)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if s := string(answer); err != nil || s != "" && s != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Errorf("%s: answered %q, %v", name, s, err)
		}
	}
}

// It does not run in parallel: what it allocates is counted.
func TestBodiesThatAreOnlyAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const clients = 50
		for range clients {
			if _, err := io.WriteString(w.dial(), send+"Content-Length: 16777216\r\n\r\n{"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		runtime.ReadMemStats(&after)
		if grew := after.TotalAlloc - before.TotalAlloc; grew > clients<<20 {
			t.Errorf("%d clients that sent a byte each have cost %d MiB", clients, grew>>20)
		}
	})
}
