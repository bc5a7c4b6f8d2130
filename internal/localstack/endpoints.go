package localstack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

// Platform is what the endpoints ask and tell.
type Platform interface {
	Version() string
	Kept() bool                      // what is answered outlives the process
	Services() map[string]uint64     // those that serve anything: how many requests each has had
	Reset(ctx context.Context) error // forget everything
	Stop(waiting io.Closer)          // end the program
}

// Endpoints answers below /_localstack.
type Endpoints struct {
	Platform Platform
	Hooks    *Hooks // nil where none are run
	Eager    bool   // services count as running before their first request
	Session  string // of this process, for /_localstack/info
	Started  time.Time
}

// ServeHTTP implements http.Handler.
func (e *Endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/_localstack"), "/")
	stage, isStage := strings.CutPrefix(path, "/init/")
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case path == "/health" && read:
		writeJSON(w, e.health())
	case path == "/health" && r.Method == http.MethodPost:
		e.act(w, r)
	case path == "/info" && read:
		writeJSON(w, e.info())
	case path == "/init" && read:
		writeJSON(w, e.Hooks.Report())
	case isStage && read:
		s := Stage(strings.ToUpper(stage))
		for _, known := range stages {
			if s == known {
				writeJSON(w, e.Hooks.Of(s))
				return
			}
		}
		http.Error(w, "there is no stage "+stage+"; there are boot, start, ready and shutdown", http.StatusNotFound)
	case path == "/state/reset" && r.Method == http.MethodPost:
		e.reset(w, r)
	case path == "/health" || path == "/info" || path == "/init" || path == "/state/reset":
		http.Error(w, "not with "+r.Method, http.StatusMethodNotAllowed)
	default:
		http.Error(w, "obidos does not have LocalStack's endpoint "+r.URL.Path+"; docs/migrate.md says which it has", http.StatusNotImplemented)
	}
}

// health has a service "available" until its first request and "running" from then on, as LocalStack. What is not served is not
// in it: whoever waits for that is right to wait.
func (e *Endpoints) health() any {
	var h struct {
		Services map[string]string `json:"services"`
		Features struct {
			Persistence string `json:"persistence"`
			InitScripts string `json:"initScripts"`
		} `json:"features"`
		Edition string `json:"edition"`
		Version string `json:"version"`
	}
	h.Services = map[string]string{}
	for name, requests := range e.Platform.Services() {
		h.Services[name] = "available"
		if requests > 0 || e.Eager {
			h.Services[name] = "running"
		}
	}
	h.Features.Persistence, h.Features.InitScripts = "disabled", "initializing"
	if e.Platform.Kept() {
		h.Features.Persistence = "initialized"
	}
	if e.Hooks.Of(Ready).Completed {
		h.Features.InitScripts = "initialized"
	}
	h.Edition, h.Version = "obidos", e.Platform.Version()
	return h
}

// maxAction bounds the body of a request to act.
const maxAction = 4 << 10

// act does what a POST to the health endpoint asks for.
func (e *Endpoints) act(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Action string `json:"action"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAction)).Decode(&in); err != nil {
		http.Error(w, "invalid request", http.StatusBadRequest)
		return
	}
	switch in.Action {
	case "restart": // LocalStack comes back with what was kept, as obidos does; without anything where nothing is
		if !e.Platform.Kept() {
			if err := e.Platform.Reset(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	case "kill":
		defer e.Platform.Stop(nil)
	default:
		http.Error(w, "action can be restart or kill", http.StatusBadRequest)
		return
	}
	io.WriteString(w, "ok")
}

func (e *Endpoints) reset(w http.ResponseWriter, r *http.Request) {
	if err := e.Platform.Reset(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (e *Endpoints) info() any {
	now := time.Now()
	_, err := os.Stat("/.dockerenv")
	return struct {
		Version     string `json:"version"`
		Edition     string `json:"edition"`
		Licensed    bool   `json:"is_license_activated"`
		Session     string `json:"session_id"`
		Machine     string `json:"machine_id"`
		System      string `json:"system"`
		InContainer bool   `json:"is_docker"`
		Time        string `json:"server_time_utc"`
		Uptime      int    `json:"uptime"`
	}{
		Version: e.Platform.Version(), Edition: "obidos", Session: e.Session, System: runtime.GOOS, InContainer: err == nil,
		Time: now.UTC().Format("2006-01-02T15:04:05"), Uptime: int(now.Sub(e.Started).Seconds()),
	}
}

// writeJSON writes v with a space after each colon and comma: shell scripts look for "sqs": "available" in LocalStack's answers.
func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(spaced(text), '\n'))
}

// spaced is JSON with a space after each colon and comma that are not inside strings.
func spaced(text []byte) []byte {
	var b bytes.Buffer
	inString, escaped := false, false
	for _, c := range text {
		b.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ':' || c == ','):
			b.WriteByte(' ')
		}
	}
	return b.Bytes()
}
