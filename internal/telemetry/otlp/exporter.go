// Package otlp sends the spans of obidos' own calls to an OpenTelemetry collector, over OTLP/HTTP in protobuf or JSON, as
// the standard OTEL_* variables say.
//
// Nothing is sent, and nothing is paid, unless they name an endpoint or an exporter. Spans wait in the recorder's ring, so a
// collector that is slow or gone costs no memory: what it does not take in time is overwritten, and that is logged.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// Exporter sends spans.
type Exporter struct {
	url      string
	json     bool
	gzip     bool
	headers  http.Header
	timeout  time.Duration // of one attempt
	delay    time.Duration // how long spans are gathered
	batch    int
	keep     func(*telemetry.Span) bool
	resource []attribute
	client   *http.Client
}

// FromEnv is the exporter that the standard variables ask for; nil where they ask for none.
func FromEnv(getenv func(string) string, version string) (*Exporter, error) {
	// What is said for traces goes before what is said for all.
	get := func(name string) string {
		if v := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
			return v
		}
		return getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	wanted := getenv("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || wanted == "none":
		return nil, nil
	case wanted == "" && get("ENDPOINT") == "":
		return nil, nil
	case wanted != "" && wanted != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: obidos exports by otlp only", wanted)
	}
	e := &Exporter{headers: http.Header{}, resource: []attribute{}}
	var err error
	if e.url, err = endpoint(getenv); err != nil {
		return nil, err
	}
	switch p := get("PROTOCOL"); p {
	case "", "http/protobuf":
	case "http/json":
		e.json = true
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s: obidos speaks http/protobuf and http/json", p)
	}
	switch c := get("COMPRESSION"); c {
	case "", "none":
	case "gzip":
		e.gzip = true
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION=%s: obidos knows gzip and none", c)
	}
	for _, kv := range pairs(get("HEADERS")) {
		e.headers.Set(kv.key, kv.text)
	}
	timeout, err := number("OTEL_EXPORTER_OTLP_TIMEOUT", get("TIMEOUT"), 10_000)
	if err != nil {
		return nil, err
	}
	delay, err := number("OTEL_BSP_SCHEDULE_DELAY", getenv("OTEL_BSP_SCHEDULE_DELAY"), 5000)
	if err != nil {
		return nil, err
	}
	if e.batch, err = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", getenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), 512); err != nil {
		return nil, err
	}
	e.batch = max(e.batch, 1)
	e.timeout, e.delay = time.Duration(timeout)*time.Millisecond, time.Duration(delay)*time.Millisecond
	if e.keep, err = sampler(getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG")); err != nil {
		return nil, err
	}
	name := getenv("OTEL_SERVICE_NAME")
	for _, kv := range pairs(getenv("OTEL_RESOURCE_ATTRIBUTES")) {
		switch {
		case kv.key != "service.name":
			e.resource = append(e.resource, kv)
		case name == "":
			name = kv.text
		}
	}
	if name == "" {
		name = "obidos"
	}
	e.resource = append(e.resource, attribute{key: "service.name", text: name}, attribute{key: "service.version", text: version})
	if e.client, err = client(get("CERTIFICATE"), get("CLIENT_CERTIFICATE"), get("CLIENT_KEY")); err != nil {
		return nil, err
	}
	return e, nil
}

// endpoint is where traces go. The endpoint for all signals has the path of traces added, the one for traces is taken as it is.
func endpoint(getenv func(string) string) (string, error) {
	s, path := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), ""
	if s == "" {
		if s = getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); s == "" {
			s = "http://localhost:4318"
		}
		path = "v1/traces"
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("OTLP endpoint %q is no http or https URL", s)
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	return u.String(), nil
}

// pairs reads "a=1,b=two%20words".
func pairs(s string) (list []attribute) {
	for part := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(part, "=")
		if k = strings.TrimSpace(k); !ok || k == "" {
			continue
		}
		v = strings.TrimSpace(v)
		if u, err := url.PathUnescape(v); err == nil {
			v = u
		}
		list = append(list, attribute{key: k, text: v})
	}
	return list
}

// number reads a variable that is a number, def where it is not set.
func number(name, s string, def int) (int, error) {
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 || n > 86_400_000 {
		return 0, fmt.Errorf("%s=%s is no number it could be", name, s)
	}
	return n, nil
}

// sampler is which spans are sent.
func sampler(name, arg string) (func(*telemetry.Span) bool, error) {
	ratio := 1.0
	if strings.HasSuffix(name, "traceidratio") && arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG=%s is not between 0 and 1", arg)
		}
	}
	own, parentBased := strings.CutPrefix(name, "parentbased_")
	var keep func(*telemetry.Span) bool
	switch {
	case name == "":
		parentBased = true
		fallthrough
	case own == "always_on":
		keep = func(*telemetry.Span) bool { return true }
	case own == "always_off":
		keep = func(*telemetry.Span) bool { return false }
	case own == "traceidratio":
		bound := uint64(ratio * (1 << 63))
		keep = func(s *telemetry.Span) bool { return binary.BigEndian.Uint64(s.Trace[8:])>>1 < bound }
	default:
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER=%s: obidos knows always_on, always_off, traceidratio, and these behind parentbased_", name)
	}
	if !parentBased {
		return keep, nil
	}
	return func(s *telemetry.Span) bool {
		if s.Decided {
			return s.Sampled
		}
		return keep(s)
	}, nil
}

func client(ca, certificate, key string) (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true}
	if ca != "" || certificate != "" {
		transport.TLSClientConfig = &tls.Config{}
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s holds no certificate", ca)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	if certificate != "" {
		c, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: %w", err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{c}
	}
	return &http.Client{Transport: transport}, nil
}

// lastWords bounds what is sent after the end has come.
const lastWords = 3 * time.Second

// Run sends what f follows until ctx ends, and then what is left.
func (e *Exporter) Run(ctx context.Context, f *telemetry.Follower, log *slog.Logger) error {
	defer e.client.CloseIdleConnections()
	defer f.Stop()
	for quiet := false; ; { // a collector that stays away is complained about once
		select {
		case <-ctx.Done():
		case <-f.Wake:
			_ = clock.Pause(ctx, e.delay) // gather; ctx is looked at below
		}
		sending, cancel, ended := ctx, context.CancelFunc(func() {}), ctx.Err() != nil
		if ended {
			sending, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		}
		err := e.drain(sending, f)
		cancel()
		if err != nil && !quiet && (ended || ctx.Err() == nil) {
			log.Warn("spans not exported", "endpoint", e.url, "error", err)
		}
		if quiet = err != nil; ended {
			return ctx.Err()
		}
	}
}

// drain sends all that waits, batch by batch.
func (e *Exporter) drain(ctx context.Context, f *telemetry.Follower) error {
	var spans []telemetry.Span
	lost := f.Read(func(s *telemetry.Span) {
		if e.keep(s) {
			spans = append(spans, *s)
		}
	})
	var err error
	if lost > 0 {
		err = fmt.Errorf("%d spans were overwritten before they could be sent", lost)
	}
	for len(spans) > 0 {
		n := min(e.batch, len(spans))
		if bad := e.send(ctx, spans[:n]); bad != nil {
			return errors.Join(err, bad)
		}
		spans = spans[n:]
	}
	return err
}

// attempts is how often a batch is sent to a collector that says it is busy.
const attempts = 5

func (e *Exporter) send(ctx context.Context, spans []telemetry.Span) error {
	body, kind := e.protobuf(spans), "application/x-protobuf"
	if e.json {
		body, kind = e.jsonBody(spans), "application/json"
	}
	if e.gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(body) //nolint:errcheck // into memory
		z.Close()     //nolint:errcheck
		body = b.Bytes()
	}
	var err error
	for attempt, pause := 0, time.Second; attempt < attempts; attempt, pause = attempt+1, 2*pause {
		var again bool
		var after time.Duration
		if again, after, err = e.post(ctx, body, kind); !again {
			return err
		}
		if attempt < attempts-1 && clock.Pause(ctx, max(pause, min(after, time.Minute))) != nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

// post sends once; again says that it may be worth another attempt, after how long the collector wants.
func (e *Exporter) post(ctx context.Context, body []byte, kind string) (again bool, after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	for k, v := range e.headers {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", "obidos")
	if e.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := e.client.Do(r)
	if err != nil {
		return true, 0, err
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 512))
	io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) //nolint:errcheck // so that the connection serves again
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
		if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && n > 0 {
			after = time.Duration(n) * time.Second
		}
	}
	if answer.StatusCode/100 != 2 {
		err = fmt.Errorf("the collector answered %s: %s", answer.Status, bytes.TrimSpace(text))
	}
	return again, after, err
}
