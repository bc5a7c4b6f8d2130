package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/call"
	"github.com/obidos-cloud/obidos/internal/gateway"
)

// Socket is the Unix socket below a data directory on which our own endpoints answer whoever may open it: the directory's
// owner. It is there while obidos runs, except on Windows.
const Socket = "obidos.sock"

// maxSocketPath is how long the path of a Unix socket may be on every system.
const maxSocketPath = 103

// serveSocket answers on the socket until ctx ends.
func (p *Platform) serveSocket(ctx context.Context) error {
	path := filepath.Join(p.dir.Path(), Socket)
	if runtime.GOOS == "windows" || len(path) > maxSocketPath {
		return nil // the port serves as well
	}
	// The directory is ours alone: what is there was left by a process that was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a left socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		p.log.Warn("commands for this data directory will use the port", "reason", err) // a file system without sockets
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil { // the directory lets nobody else in meanwhile
		return errors.Join(fmt.Errorf("guard the socket: %w", err), l.Close())
	}
	h := &http.Server{Handler: p.admin, ReadHeaderTimeout: 20 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", path, err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if h.Shutdown(grace) != nil {
		h.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Health implements gateway.Platform.
func (p *Platform) Health() gateway.Health {
	h := gateway.Health{
		Status: "running", Version: p.o.Version, PID: os.Getpid(), Data: "memory", Auth: p.o.Identity.Mode.String(),
		Uptime: time.Since(p.started).Round(time.Second).String(), Services: map[string]string{},
	}
	if c := p.o.Cluster; c != nil {
		h.Data = "cluster " + c.Name + " in " + redacted(c.Store)
	}
	if p.dir != nil {
		h.Data = p.dir.Path()
	}
	if e, ok := p.current().(interface{ Room() error }); ok {
		if err := e.Room(); err != nil {
			h.Trouble = err.Error()
		}
	}
	p.mu.Lock()
	h.URL = p.url
	p.mu.Unlock()
	for _, name := range servedNames() {
		h.Services[name] = "running"
	}
	return h
}

// servedNames are the services that serve anything.
func servedNames() []string {
	var names []string
	for _, s := range api.All() {
		for i := range s.Operations {
			if s.Operations[i].Served() {
				names = append(names, s.Name)
				break
			}
		}
	}
	return names
}

var errNotRunning = errors.New("obidos is starting, stopping or being reset")

// Now implements gateway.Platform.
func (p *Platform) Now() (now time.Time, offset time.Duration) {
	if l := p.life.Load(); l != nil {
		return l.clock.Now(), l.clock.Offset()
	}
	return time.Now().UTC(), 0
}

// Advance implements gateway.Platform.
func (p *Platform) Advance(ctx context.Context, d time.Duration) error {
	l := p.await(ctx)
	if l == nil {
		return errNotRunning
	}
	if p.network != nil {
		return p.network.advance(ctx, l, d)
	}
	return l.advance(ctx, d)
}

// Stop implements gateway.Platform.
func (p *Platform) Stop(waiting io.Closer) {
	if waiting != nil {
		p.mu.Lock()
		p.waiting = append(p.waiting, waiting)
		p.mu.Unlock()
	}
	if p.o.Stop != nil {
		p.o.Stop()
	}
}

// Faults implements gateway.Platform.
func (p *Platform) Faults() *call.Faults {
	if l := p.life.Load(); l != nil {
		return &l.door.Faults
	}
	return nil
}

// WriteMetrics implements gateway.Platform.
func (p *Platform) WriteMetrics(w io.Writer) error {
	l := p.life.Load()
	if l == nil {
		return errNotRunning
	}
	return p.writeMetrics(w, l)
}

// Certificates implements gateway.Platform.
func (p *Platform) Certificates() *gateway.Certificates { return p.certificates }
