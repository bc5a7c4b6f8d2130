package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// running is an obidos that a command is about. It is meant by its data directory (--data) or its address (--listen), by
// what the settings say of these otherwise.
type running struct {
	config
	found string // its address, once it has told; what --listen says before
}

// flags gives a command the flags that say which obidos is meant.
func (r *running) flags(c *cobra.Command) *cobra.Command {
	r.settings(c)
	r.config.flags.VisitAll(func(f *pflag.Flag) { f.Hidden = f.Name != "listen" && f.Name != "data" && f.Name != "config" })
	return c
}

// command is a command about a running obidos, once the settings are known.
func (r *running) command(c *cobra.Command, run func(c *cobra.Command, args []string) error) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := r.resolve(); err != nil {
			return err
		}
		return run(c, args)
	}
	return r.flags(c)
}

// url is where it answers this machine.
func (r *running) url() string {
	if r.found != "" {
		return r.found
	}
	host, port, err := net.SplitHostPort(r.listen)
	if err != nil {
		return "http://" + r.listen
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// socket is the Unix socket to ask it by, empty where it is to be asked by its port. The data directory names one obidos and no
// other, so it counts where somebody named it, or nobody named an address.
func (r *running) socket() string {
	if r.memory || r.from("data") == "default" && r.from("listen") != "default" {
		return ""
	}
	path := filepath.Join(r.data, platform.Socket)
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return path
}

// health is what GET /_obidos/health answers.
type health struct {
	Status  string `json:"status"`
	Trouble string `json:"trouble"`
	Version string `json:"version"`
	PID     int    `json:"pid"`
	URL     string `json:"url"`
	Data    string `json:"data"`
	Auth    string `json:"auth"`
	Uptime  string `json:"uptime"`
}

// errNobody says that no obidos answers.
var errNobody = errors.New("nothing answers")

// health asks it how it is, and so finds out where it is.
func (r *running) health(ctx context.Context) (health, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var h health
	if err := r.ask(ctx, http.MethodGet, "/_obidos/health", nil, &h); err != nil {
		return h, err
	}
	if h.PID == 0 {
		return h, fmt.Errorf("what answers at %s is not obidos", r.url())
	}
	if h.URL != "" && r.socket() != "" {
		r.found = h.URL
	}
	return h, nil
}

// obidosAt is the obidos that answers at an address; ok is false where something else holds it.
func obidosAt(ctx context.Context, address string) (h health, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r := running{config: config{listen: address}}
	err := r.askBy(ctx, "", http.MethodGet, "/_obidos/health", nil, &h)
	return h, err == nil && h.PID != 0
}

// ask makes a request of the running obidos and decodes the JSON answer into out, if not nil.
func (r *running) ask(ctx context.Context, method, path string, in, out any) error {
	socket := r.socket()
	err := r.askBy(ctx, socket, method, path, in, out)
	if errors.Is(err, errNobody) && socket != "" && r.from("data") == "default" { // it was killed and left its socket
		err = r.askBy(ctx, "", method, path, in, out)
	}
	return err
}

func (r *running) askBy(ctx context.Context, socket, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	answer, err := r.request(ctx, socket, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil {
		return err
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(text)
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("what answers at %s is not obidos: %w", cmp.Or(socket, r.url()), err)
	}
	return nil
}

// request makes a request by the socket, or over the network where that is empty. The answer, which is to be closed, says
// that it went well.
func (r *running) request(ctx context.Context, socket, method, path string, body io.Reader) (io.ReadCloser, error) {
	transport, base := &http.Transport{Proxy: nil, DisableKeepAlives: true}, r.url()
	if socket != "" {
		base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, err
	}
	if id := os.Getenv("AWS_ACCESS_KEY_ID"); id != "" && socket == "" { // with --auth=iam it asks who we are
		text, err := signable(req)
		if err != nil {
			return nil, err
		}
		key := sigv4.Credentials{AccessKey: id, Secret: os.Getenv("AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN")}
		sigv4.Sign(req, key, "obidos", "us-east-1", time.Now(), sigv4.Hash(text))
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		if _, ok := errors.AsType[*net.OpError](err); ok && ctx.Err() == nil {
			return nil, fmt.Errorf("%w at %s; start it with `obidos start`, or name another with --listen or --data", errNobody, cmp.Or(socket, r.url()))
		}
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // the status says enough
		return nil, fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

// signable is the body of a request, which goes on having it.
func signable(r *http.Request) ([]byte, error) {
	if r.GetBody == nil {
		return nil, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// awaitReady returns once it answers.
func (r *running) awaitReady(ctx context.Context) (health, error) {
	for {
		h, err := r.health(ctx)
		if err == nil {
			return h, nil
		}
		select {
		case <-ctx.Done():
			return h, fmt.Errorf("not ready in time: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func waitCommand() *cobra.Command {
	var r running
	timeout := 30 * time.Second
	c := r.command(&cobra.Command{
		Use:   "wait",
		Short: "Return as soon as obidos is ready",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), timeout)
		defer cancel()
		_, err := r.awaitReady(ctx)
		return err
	})
	c.Flags().DurationVar(&timeout, "timeout", timeout, "give up after this long")
	return c
}

func stopCommand() *cobra.Command {
	var r running
	return r.command(&cobra.Command{
		Use:   "stop",
		Short: "Stop a running obidos, losing nothing",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), 30*time.Second)
		defer cancel()
		if _, err := r.health(ctx); err != nil {
			return err
		}
		// The answer ends when the process has nothing more to do: by then the data directory is free.
		var said string
		if err := r.ask(ctx, http.MethodPost, "/_obidos/stop", nil, &said); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("it was asked to stop and has not after 30 s: %w", err)
			}
			return err
		}
		for { // over HTTP/2, say, the answer came at once
			if _, err := r.health(ctx); errors.Is(err, errNobody) {
				break
			}
			select {
			case <-ctx.Done():
				return errors.New("it was asked to stop and still answers after 30 s")
			case <-time.After(10 * time.Millisecond):
			}
		}
		fmt.Fprintln(c.OutOrStdout(), "stopped")
		return nil
	})
}

func statusCommand() *cobra.Command {
	var r running
	return r.command(&cobra.Command{
		Use:   "status",
		Short: "Say what runs, where, and since when",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		h, err := r.health(c.Context())
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "obidos %s is %s at %s (process %d, up %s), state in %s\n", h.Version, h.Status, r.url(), h.PID, h.Uptime, h.Data)
		if h.Trouble != "" {
			fmt.Fprintln(c.OutOrStdout(), h.Trouble)
		}
		return nil
	})
}

// clockState is what /_obidos/clock answers.
type clockState struct {
	Now    time.Time `json:"now"`
	Offset string    `json:"offset"`
}

func (s clockState) show(c *cobra.Command) {
	ahead := "as the machine's"
	if d, err := time.ParseDuration(s.Offset); err == nil && d != 0 {
		ahead = d.Round(time.Millisecond).String() + " ahead of the machine's"
	}
	fmt.Fprintf(c.OutOrStdout(), "%s (%s)\n", s.Now.UTC().Format(time.RFC3339), ahead)
}

func clockCommand() *cobra.Command {
	var r, ra running
	var s clockState
	clock := r.command(&cobra.Command{
		Use:   "clock",
		Short: "Print the platform's time, or move it forward",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		if err := r.ask(c.Context(), http.MethodGet, "/_obidos/clock", nil, &s); err != nil {
			return err
		}
		s.show(c)
		return nil
	})
	clock.AddCommand(ra.command(&cobra.Command{
		Use:     "advance DURATION",
		Short:   "Move time forward, letting everything that falls due happen in its order",
		Example: "  obidos clock advance 31s\n  obidos clock advance 5d",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, args []string) error {
		if err := ra.ask(c.Context(), http.MethodPost, "/_obidos/clock", map[string]string{"advance": args[0]}, &s); err != nil {
			return err
		}
		s.show(c)
		return nil
	}))
	return clock
}
