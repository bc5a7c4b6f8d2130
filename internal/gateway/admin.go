package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/call"
)

// Platform is what our own endpoints ask and tell.
type Platform interface {
	Health() Health
	Now() (now time.Time, offset time.Duration)
	Advance(ctx context.Context, d time.Duration) error
	Reset(ctx context.Context) error
	Stop(waiting io.Closer) // waiting is closed when all is over; may be nil
	Faults() *call.Faults   // nil while there are no services
	WriteMetrics(w io.Writer) error
	Certificates() *Certificates
}

// Health is what /_obidos/health answers.
type Health struct {
	Status   string            `json:"status"`            // "running"
	Trouble  string            `json:"trouble,omitempty"` // why some requests are refused, and what to do
	Version  string            `json:"version"`
	PID      int               `json:"pid"`
	URL      string            `json:"url"`  // where it listens
	Data     string            `json:"data"` // the directory, or "memory"
	Auth     string            `json:"auth"` // "open", "log" or "iam"
	Uptime   string            `json:"uptime"`
	Services map[string]string `json:"services"` // "running" for each that serves anything
}

// NewAdmin serves /_obidos/…, for who runs obidos: callers come from this machine.
func NewAdmin(p Platform) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_obidos/health", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, p.Health()) })
	mux.HandleFunc("GET /_obidos/metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if err := p.WriteMetrics(w); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /_obidos/ca.pem", func(w http.ResponseWriter, r *http.Request) {
		ca, err := p.Certificates().Authority()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Write(ca.PEM())
	})
	mux.HandleFunc("GET /_obidos/clock", func(w http.ResponseWriter, r *http.Request) { writeClock(w, p) })
	mux.HandleFunc("POST /_obidos/clock", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Advance string `json:"advance"`
		}
		if !readJSON(w, r, &in) {
			return
		}
		d, err := ParseDuration(in.Advance)
		if err == nil && d < 0 {
			err = errors.New("time only moves forward")
		}
		if err != nil {
			http.Error(w, "advance: "+err.Error(), http.StatusBadRequest)
			return
		}
		if err := p.Advance(r.Context(), d); err != nil {
			http.Error(w, "the clock stopped on its way: "+err.Error(), http.StatusInternalServerError)
			return
		}
		writeClock(w, p)
	})
	mux.HandleFunc("GET /_obidos/faults", withFaults(p, func(w http.ResponseWriter, _ *http.Request, f *call.Faults) { writeJSON(w, f.List()) }))
	mux.HandleFunc("POST /_obidos/faults", withFaults(p, func(w http.ResponseWriter, r *http.Request, f *call.Faults) {
		var in call.Fault
		if !readJSON(w, r, &in) {
			return
		}
		rule, err := f.Put(in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, rule)
	}))
	mux.HandleFunc("DELETE /_obidos/faults", withFaults(p, func(w http.ResponseWriter, _ *http.Request, f *call.Faults) {
		f.Clear()
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("DELETE /_obidos/faults/{id}", withFaults(p, func(w http.ResponseWriter, r *http.Request, f *call.Faults) {
		if !f.Delete(r.PathValue("id")) {
			http.Error(w, "there is no fault "+r.PathValue("id"), http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("POST /_obidos/reset", func(w http.ResponseWriter, r *http.Request) {
		if err := p.Reset(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_obidos/stop", func(w http.ResponseWriter, r *http.Request) { p.Stop(farewell(w)) })
	return mux
}

// withFaults answers with what fn does to the faults, where there are services to fail.
func withFaults(p Platform, fn func(w http.ResponseWriter, r *http.Request, f *call.Faults)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := p.Faults()
		if f == nil {
			http.Error(w, "obidos is starting, stopping or being reset", http.StatusServiceUnavailable)
			return
		}
		fn(w, r, f)
	}
}

// farewell accepts a request to stop with an answer that lasts until the connection is closed: so the client sees when all is
// over, the data directory free for the next. Where the connection is not to be had it is nil, and the answer is short.
func farewell(w http.ResponseWriter) io.Closer {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	io.WriteString(conn, "HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n")
	return conn
}

func writeClock(w http.ResponseWriter, p Platform) {
	now, offset := p.Now()
	writeJSON(w, map[string]any{"now": now, "offset": offset.String()})
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}

// maxAdminBody bounds what our own endpoints read.
const maxAdminBody = 1 << 20

func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, "the body is not what this endpoint takes: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// ParseDuration is time.ParseDuration that knows days and weeks too: "5d", "1w2d3h".
func ParseDuration(s string) (time.Duration, error) {
	var total time.Duration
	rest := s
	for {
		i := strings.IndexAny(rest, "dw")
		if i < 0 {
			break
		}
		n, err := strconv.ParseFloat(rest[:i], 64)
		if err != nil || n < 0 || n > 100_000 {
			return 0, fmt.Errorf("%q is no duration; write 90s, 5m, 12h, 5d or 2w", s)
		}
		unit := 24 * time.Hour
		if rest[i] == 'w' {
			unit *= 7
		}
		total += time.Duration(n * float64(unit))
		if rest = rest[i+1:]; rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration; write 90s, 5m, 12h, 5d or 2w", s)
	}
	return total + d, nil
}
