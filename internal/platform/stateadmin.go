package platform

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/obidos-cloud/obidos/internal/snapshot"
)

// stateEndpoints serve what saves the state and sets it back.
func (p *Platform) stateEndpoints(mux *http.ServeMux) {
	mux.HandleFunc("GET /_obidos/export", p.serveExport)
	mux.HandleFunc("GET /_obidos/snapshots", func(w http.ResponseWriter, _ *http.Request) {
		list, err := p.Snapshots()
		if list == nil {
			list = []snapshot.Info{}
		}
		tell(w, list, err)
	})
	mux.HandleFunc("PUT /_obidos/snapshots/{name}", func(w http.ResponseWriter, r *http.Request) {
		info, err := p.SaveSnapshot(r.Context(), r.PathValue("name"))
		tell(w, info, err)
	})
	mux.HandleFunc("GET /_obidos/snapshots/{name}/export", p.serveSnapshot)
	mux.HandleFunc("POST /_obidos/snapshots/{name}/restore", func(w http.ResponseWriter, r *http.Request) {
		tell(w, nil, p.RestoreSnapshot(r.Context(), r.PathValue("name")))
	})
	mux.HandleFunc("DELETE /_obidos/snapshots/{name}", func(w http.ResponseWriter, r *http.Request) {
		tell(w, nil, p.DeleteSnapshot(r.PathValue("name")))
	})
}

// tell answers with v, or with what went wrong.
func tell(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, snapshot.ErrNotFound):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, snapshot.ErrExists):
		http.Error(w, err.Error(), http.StatusConflict)
	case errors.Is(err, errNotRunning):
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case v == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v) //nolint:errcheck // the client is gone
	}
}
