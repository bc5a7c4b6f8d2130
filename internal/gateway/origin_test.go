package gateway_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/gateway"
)

// answering is a server whose own endpoints answer 200, which is enough to see who is let in.
func answering(a gateway.Access) *gateway.Server {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return &gateway.Server{Access: a, Admin: ok, Log: slog.New(slog.DiscardHandler)}
}

func TestForeignPagesCannotDriveIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		host    string
		headers map[string]string
		want    int
	}{
		{"a client that is no browser", "127.0.0.1:4566", nil, 200},
		{"a page of another site", "127.0.0.1:4566", map[string]string{"Origin": "https://evil.example"}, 403},
		{"a page in a sandboxed frame", "127.0.0.1:4566", map[string]string{"Origin": "null"}, 403},
		{"a page whose origin begins like ours", "127.0.0.1:4566", map[string]string{"Origin": "http://localhost.evil.example"}, 403},
		{"a page on this machine", "127.0.0.1:4566", map[string]string{"Origin": "http://localhost:3000"}, 200},
		{"a page on this machine by address", "127.0.0.1:4566", map[string]string{"Origin": "http://[::1]:3000"}, 200},
		{"a page that the flag lets in", "127.0.0.1:4566", map[string]string{"Origin": "https://app.example.com"}, 200},
		{"a page of another port of an origin let in", "127.0.0.1:4566", map[string]string{"Origin": "https://app.example.com:8443"}, 403},
		{"an image on a page of another site", "127.0.0.1:4566", map[string]string{"Sec-Fetch-Site": "cross-site", "User-Agent": "Mozilla/5.0"}, 403},
		{"an image, in a browser that does not say so", "127.0.0.1:4566", map[string]string{"User-Agent": "Mozilla/5.0"}, 403},
		{"a page of ours", "127.0.0.1:4566", map[string]string{"Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0"}, 200},
		{"a name an attacker points at us", "rebind.evil.example:4566", nil, 403},
		{"a name that contains ours", "localhost.evil.example", nil, 403},
		{"an address with a tail", "127.0.0.1.evil.example", nil, 403},
		{"a name below localhost", "bucket.s3.localhost:4566", nil, 200},
		{"a name of AWS's", "sqs.us-east-1.amazonaws.com", nil, 200},
		{"a name of LocalStack's", "sqs.us-east-1.localhost.localstack.cloud:4566", nil, 200},
		{"a neighbour in compose", "obidos:4566", nil, 200},
		{"an IPv6 address", "[::1]:4566", nil, 200},
		{"a name that the flag lets in", "obidos.example.com", nil, 200},
		{"a name below one that the flag lets in", "a.b.example.net", nil, 200},
		{"an address with an operation's prefix", "stream-127.0.0.1:4566", nil, 200},
		{"a name of a test with an older prefix", "streaming-obidos.test", nil, 200},
		{"a prefix in front of an attacker's name", "stream-localhost.evil.example", nil, 403},
		{"no host at all", "", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := answering(gateway.Access{Hosts: []string{"obidos.example.com", "*.example.net"}, Origins: []string{"https://app.example.com"}})
			r := httptest.NewRequest(http.MethodGet, "/_obidos/health", nil)
			r.Host = c.host
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("answered %d, want %d: %s", w.Code, c.want, w.Body)
			}
			if w.Code == 403 && !strings.Contains(w.Body.String(), "--") && c.headers["User-Agent"] == "" {
				t.Errorf("the refusal names no flag: %s", w.Body)
			}
			if origin := c.headers["Origin"]; origin != "" && (w.Header().Get("Access-Control-Allow-Origin") == origin) != (c.want == 200) {
				t.Errorf("Access-Control-Allow-Origin is %q", w.Header().Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodOptions, "/", nil)
	r.Host = "localhost:4566"
	for k, v := range map[string]string{
		"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
		"Access-Control-Request-Headers": "x-amz-target,authorization",
	} {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	answering(gateway.Access{}).ServeHTTP(w, r)
	h := w.Header()
	if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Headers") != "x-amz-target,authorization" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("answered %d with %v", w.Code, h)
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"90s": "1m30s", "5d": "120h0m0s", "2w1d": "360h0m0s", "1d12h": "36h0m0s", "1.5d": "36h0m0s"} {
		if got, err := gateway.ParseDuration(in); err != nil || got.String() != want {
			t.Errorf("%s is %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "d", "5", "-1d", "1e9d", "five", "5dd"} {
		if got, err := gateway.ParseDuration(in); err == nil {
			t.Errorf("%q is %v, want an error", in, got)
		}
	}
}
