package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/call"
)

// ClusterStatus is what /_obidos/cluster answers.
type ClusterStatus struct {
	Cluster string          `json:"cluster"`
	Store   string          `json:"store"`   // without passwords
	Latency string          `json:"latency"` // of a read of the store
	Node    string          `json:"node"`    // that answers
	Free    int             `json:"free"`    // partitions that nobody owns
	Nodes   []ClusterMember `json:"nodes"`
}

// ClusterMember is one node of a cluster.
type ClusterMember struct {
	Node       string `json:"node"`
	Version    string `json:"version"`
	Address    string `json:"address"`    // where the others reach it
	Partitions int    `json:"partitions"` // it owns, of 1,024
	Heartbeat  string `json:"heartbeat"`  // its age
	State      string `json:"state"`      // "live", "leaving" or "silent"
}

var errNoCluster = errors.New("this obidos is alone: it keeps its state to itself (obidos start --store postgres://… makes it a node of a cluster)")

// ClusterStatus says who takes part, as this node sees it.
func (p *Platform) ClusterStatus(ctx context.Context) (*ClusterStatus, error) {
	if p.network == nil {
		return nil, errNoCluster
	}
	l := p.await(ctx)
	if l == nil {
		return nil, errNotRunning
	}
	began := time.Now()
	members, free, err := l.node.Census(ctx)
	if err != nil {
		return nil, err
	}
	s := &ClusterStatus{Cluster: p.o.Cluster.Name, Store: redacted(p.o.Cluster.Store), Node: p.o.Node, Free: free, Latency: time.Since(began).Round(10 * time.Microsecond).String()}
	for _, m := range members {
		state := "live"
		switch {
		case m.Leaving:
			state = "leaving"
		case m.Seen > lease:
			state = "silent"
		}
		s.Nodes = append(s.Nodes, ClusterMember{m.ID, m.Version, m.Address, m.Partitions, m.Seen.Round(time.Millisecond).String(), state})
	}
	return s, nil
}

// redacted is a store's URL without what gives access to it.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return strings.SplitN(text, ":", 2)[0]
	}
	return u.Scheme + "://" + u.Host + u.Path
}

func (p *Platform) serveCluster(w http.ResponseWriter, r *http.Request) {
	s, err := p.ClusterStatus(r.Context())
	switch {
	case errors.Is(err, errNoCluster):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s) // where it fails, who asked is gone
	}
}

// faultChange is what one node tells the others of the faults that are to happen.
type faultChange struct {
	Put    *call.Fault `json:"put,omitempty"`
	Delete string      `json:"delete,omitempty"`
	Clear  bool        `json:"clear,omitempty"`
}

func (c *faultChange) apply(f *call.Faults) (err error) {
	switch {
	case c.Put != nil:
		_, err = f.Put(*c.Put)
	case c.Clear:
		f.Clear()
	default:
		f.Delete(c.Delete)
	}
	return err
}

// learn asks the other nodes, once, for the faults they were told of before this one came.
func (n *network) learn(ctx context.Context, l *life) {
	if l.learned {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, id := range l.node.Others() {
		var list []call.Fault
		answer, err := n.Ask(ctx, id, "faults/list", nil)
		if err != nil || json.Unmarshal(answer, &list) != nil {
			continue // of an older version, or just gone
		}
		l.learned = true
		for _, rule := range list {
			if _, err := l.door.Faults.Put(rule); err != nil {
				n.p.log.Warn("this node does not know of a fault", "reason", err)
			}
		}
		return
	}
}

// amongAll has what one node is told about faults told to all: requests come in at any.
func (p *Platform) amongAll(admin http.Handler) http.Handler {
	const faults = "/_obidos/faults"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.URL.Path != faults && !strings.HasPrefix(r.URL.Path, faults+"/") {
			admin.ServeHTTP(w, r)
			return
		}
		kept := &keptAnswer{ResponseWriter: w, status: http.StatusOK}
		admin.ServeHTTP(kept, r)
		l := p.life.Load()
		if kept.status/100 == 2 && l != nil {
			change := faultChange{Delete: strings.TrimPrefix(r.URL.Path, faults+"/"), Clear: r.Method == http.MethodDelete && r.URL.Path == faults}
			if r.Method == http.MethodPost {
				change.Put = &call.Fault{}
				if err := json.Unmarshal(kept.body.Bytes(), change.Put); err != nil {
					p.log.Warn("the other nodes do not know of a fault", "reason", err)
				}
			}
			body, err := json.Marshal(change)
			if err == nil {
				ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
				defer cancel()
				_, err = p.network.toAll(ctx, l, "faults", body)
			}
			if err != nil {
				http.Error(w, "not all nodes know: "+err.Error(), http.StatusBadGateway)
				return
			}
		}
		kept.send()
	})
}

// keptAnswer is an answer that is not sent yet.
type keptAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (k *keptAnswer) WriteHeader(status int)      { k.status = status }
func (k *keptAnswer) Write(b []byte) (int, error) { return k.body.Write(b) }

func (k *keptAnswer) send() {
	k.ResponseWriter.WriteHeader(k.status)
	k.ResponseWriter.Write(k.body.Bytes()) // where it fails, who asked is gone
}
