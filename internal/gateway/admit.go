package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
)

var errUnsigned = errors.New("with --auth=iam our own endpoints are for signed requests (service obidos) of principals that may do obidos:…, and for the socket in the data directory")

// admit refuses a request for one of our own endpoints unless it is signed by who may use it: reading /_obidos/clock is
// obidos:ReadClock, anything else there obidos:ChangeClock.
func (s *Server) admit(r *http.Request) error {
	caller, err := s.Auth.Identify(r.Context(), r)
	if err != nil {
		return auth.Answer(nil, err)
	}
	if !caller.Known() {
		return errUnsigned
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxAdminBody))
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if err := s.Auth.Verify(r, &caller, body); err != nil {
		return auth.Answer(nil, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	request := &aws.Request{
		Scope: caller.Scope, Principal: caller.Principal, SourceIP: sourceIP(r.RemoteAddr), UserAgent: header(r, "User-Agent"), Secure: r.TLS != nil,
	}
	return s.Permit(aws.WithRequest(r.Context(), request), ownAction(r.Method, r.URL.Path))
}

// ownAction is the action that a request for one of our own endpoints is.
func ownAction(method, path string) string {
	verb := "Change"
	if method == http.MethodGet || method == http.MethodHead {
		verb = "Read"
	}
	_, thing, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	thing, _, _ = strings.Cut(thing, "/")
	if thing == "" {
		return "obidos:" + verb
	}
	return "obidos:" + verb + strings.ToUpper(thing[:1]) + thing[1:]
}
