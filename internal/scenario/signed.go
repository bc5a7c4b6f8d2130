package scenario

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// Signed is a client for HTTP whose requests are signed by a key, for the service and region of their credential scope.
func Signed(key sigv4.Credentials) *http.Client { return &http.Client{Transport: signing{key}} }

type signing struct{ key sigv4.Credentials }

func (s signing) RoundTrip(r *http.Request) (*http.Response, error) {
	claim := sigv4.Read(r)
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Del("Authorization")
	sigv4.Sign(r, s.key, claim.Service, claim.Region, time.Now(), sigv4.Hash(body))
	return http.DefaultTransport.RoundTrip(r)
}
