package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/gateway"
)

// listen serves a handler that answers the protocol it was reached by.
func listen(t *testing.T) (address string, certificates *gateway.Certificates) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certificates = &gateway.Certificates{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s tls=%t", r.Proto, r.TLS != nil) })
	go func() {
		ended <- gateway.Serve(ctx, l, gateway.HTTP(handler, slog.New(slog.DiscardHandler)), certificates)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serving ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("serving did not end")
		}
	})
	return l.Addr().String(), certificates
}

func fetch(t *testing.T, transport *http.Transport, url string) string {
	t.Helper()
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOnePortSpeaksEverything(t *testing.T) {
	t.Parallel()
	address, certificates := listen(t)
	if got := fetch(t, &http.Transport{}, "http://"+address); got != "HTTP/1.1 tls=false" {
		t.Errorf("plain: %s", got)
	}
	var prior http.Protocols
	prior.SetUnencryptedHTTP2(true)
	if got := fetch(t, &http.Transport{Protocols: &prior}, "http://"+address); got != "HTTP/2.0 tls=false" {
		t.Errorf("h2c with prior knowledge: %s", got)
	}
	ca, err := certificates.Authority()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca.PEM()) {
		t.Fatal("the CA is not PEM")
	}
	if got := fetch(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, "https://"+address); got != "HTTP/1.1 tls=true" {
		t.Errorf("TLS: %s", got)
	}
	if got := fetch(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "sqs.us-east-1.amazonaws.com"}, ForceAttemptHTTP2: true}, "https://"+address); got != "HTTP/2.0 tls=true" {
		t.Errorf("TLS with HTTP/2 for a name of AWS's: %s", got)
	}
}

func TestAuthorityIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := gateway.OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := gateway.OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(first.PEM()) != string(again.PEM()) {
		t.Error("a second start made another CA: what was trusted no longer counts")
	}
}

func TestGarbageCostsOneConnection(t *testing.T) {
	t.Parallel()
	address, _ := listen(t)
	for name, send := range map[string]string{
		"binary":         "\x00\x01\x02\x03 is what no protocol begins with\r\n\r\n",
		"half of TLS":    "\x16\x03\x01\xff\xff",
		"10,000 headers": "GET / HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: 1234567890\r\n", 10_000) + "\r\n",
		"endless target": "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"bad length":     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
		"two lengths":    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			go io.WriteString(c, send)
			if name == "half of TLS" {
				return // it waits for the rest; closing is all there is to do
			}
			status, err := bufio.NewReader(c).ReadString('\n')
			if err == nil && !strings.Contains(status, " 4") {
				t.Errorf("answered %q", status)
			}
		})
	}
	if got := fetch(t, &http.Transport{}, "http://"+address); got != "HTTP/1.1 tls=false" {
		t.Errorf("afterwards: %s", got)
	}
}
