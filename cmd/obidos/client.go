package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// running is an obidos that is meant by a command: the one at --listen (or OBIDOS_LISTEN).
type running struct {
	config
}

func (r *running) flags(c *cobra.Command) *cobra.Command {
	r.settings(c.Flags())
	c.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = f.Name != "listen" && f.Name != "config" && f.Name != "help" })
	return c
}

// url is where it answers this machine.
func (r *running) url() string {
	host, port, err := net.SplitHostPort(r.listen)
	if err != nil {
		return "http://" + r.listen
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// health is what GET /_obidos/health answers.
type health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Data    string `json:"data"`
	Uptime  string `json:"uptime"`
}

// ask makes a request of the running obidos and decodes the JSON answer into out, if not nil.
func (r *running) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url()+path, body)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{Proxy: nil}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		var refused *net.OpError
		if errors.As(err, &refused) {
			return fmt.Errorf("nothing answers at %s; start it with `obidos start` (or name another address with --listen)", r.url())
		}
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answered %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(text)
		return nil
	}
	return json.Unmarshal(text, out)
}

// awaitReady returns once it answers.
func (r *running) awaitReady(ctx context.Context) (health, error) {
	for {
		var h health
		err := r.ask(ctx, http.MethodGet, "/_obidos/health", nil, &h)
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
	c := r.flags(&cobra.Command{
		Use:   "wait",
		Short: "Return as soon as obidos is ready",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			_, err := r.awaitReady(ctx)
			return err
		},
	})
	c.Flags().DurationVar(&timeout, "timeout", timeout, "give up after this long")
	return c
}

func stopCommand() *cobra.Command {
	var r running
	return r.flags(&cobra.Command{
		Use:   "stop",
		Short: "Stop a running obidos, losing nothing",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), 30*time.Second)
			defer cancel()
			if err := r.ask(ctx, http.MethodPost, "/_obidos/stop", nil, nil); err != nil {
				return err
			}
			for ctx.Err() == nil {
				conn, err := net.DialTimeout("tcp", strings.TrimPrefix(r.url(), "http://"), time.Second)
				if err != nil {
					fmt.Fprintln(c.OutOrStdout(), "stopped")
					return nil
				}
				conn.Close()
				time.Sleep(10 * time.Millisecond)
			}
			return errors.New("it was asked to stop and still answers after 30 s")
		},
	})
}

func statusCommand() *cobra.Command {
	var r running
	return r.flags(&cobra.Command{
		Use:   "status",
		Short: "Say what runs, where, and since when",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			var h health
			if err := r.ask(c.Context(), http.MethodGet, "/_obidos/health", nil, &h); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "obidos %s is %s at %s (process %d, up %s), state in %s\n", h.Version, h.Status, r.url(), h.PID, h.Uptime, h.Data)
			return nil
		},
	})
}

func resetCommand() *cobra.Command {
	var r running
	return r.flags(&cobra.Command{
		Use:   "reset",
		Short: "Forget everything: every queue, message and setting, in all accounts",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			if err := r.ask(c.Context(), http.MethodPost, "/_obidos/reset", nil, nil); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "everything is forgotten")
			return nil
		},
	})
}

// clockState is what /_obidos/clock answers.
type clockState struct {
	Now    time.Time `json:"now"`
	Offset string    `json:"offset"`
}

func clockCommand() *cobra.Command {
	var r running
	show := func(c *cobra.Command, s clockState) {
		fmt.Fprintf(c.OutOrStdout(), "%s (%s ahead of real time)\n", s.Now.UTC().Format(time.RFC3339), s.Offset)
	}
	clock := &cobra.Command{
		Use:   "clock",
		Short: "Print the platform's time, or move it forward",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			var s clockState
			if err := r.ask(c.Context(), http.MethodGet, "/_obidos/clock", nil, &s); err != nil {
				return err
			}
			show(c, s)
			return nil
		},
	}
	r.flags(clock)
	var ra running
	clock.AddCommand(ra.flags(&cobra.Command{
		Use:     "advance DURATION",
		Short:   "Move time forward, letting everything that falls due happen in its order",
		Example: "  obidos clock advance 31s\n  obidos clock advance 5d",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := ra.resolve(); err != nil {
				return err
			}
			var s clockState
			if err := ra.ask(c.Context(), http.MethodPost, "/_obidos/clock", map[string]string{"advance": args[0]}, &s); err != nil {
				return err
			}
			show(c, s)
			return nil
		},
	}))
	return clock
}

func trustCommand() *cobra.Command {
	var r running
	var install bool
	c := r.flags(&cobra.Command{
		Use:   "trust",
		Short: "Print the certificate of obidos' own CA, for clients that use https",
		Long: "Print the certificate of obidos' own CA. Save it and name it in AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE,\n" +
			"or have it put among those this machine trusts with --install.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			var cert string
			if err := r.ask(c.Context(), http.MethodGet, "/_obidos/ca.pem", nil, &cert); err != nil {
				return err
			}
			if install {
				return installCA(c, cert)
			}
			fmt.Fprint(c.OutOrStdout(), cert)
			return nil
		},
	})
	c.Flags().BoolVar(&install, "install", false, "put it among the certificates this machine trusts (as root, on Debian and Red Hat systems)")
	return c
}

// installCA puts cert where the system's own tool collects trusted certificates.
func installCA(c *cobra.Command, cert string) error {
	for _, place := range []struct{ dir, command string }{
		{"/usr/local/share/ca-certificates", "update-ca-certificates"},
		{"/etc/pki/ca-trust/source/anchors", "update-ca-trust"},
	} {
		if info, err := os.Stat(place.dir); err != nil || !info.IsDir() {
			continue
		}
		path := place.dir + "/obidos.crt"
		if err := os.WriteFile(path, []byte(cert), 0o644); err != nil {
			return fmt.Errorf("%w (run this as root)", err)
		}
		if err := runHere(c.Context(), place.command); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), "installed as", path)
		return nil
	}
	return errors.New("this system keeps its trusted certificates where obidos does not know; save the output of `obidos trust` and add it with the system's own tool")
}
