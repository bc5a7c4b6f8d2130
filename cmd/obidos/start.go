package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/telemetry/otlp"
)

func startCommand() *cobra.Command {
	var cfg config
	var detach bool
	c := &cobra.Command{
		Use:   "start",
		Short: "Run obidos",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cfg.resolve(); err != nil {
				return err
			}
			if detach {
				return startDetached(c, &cfg)
			}
			return start(c.Context(), &cfg, c.OutOrStdout())
		},
	}
	cfg.settings(c.Flags())
	c.Flags().BoolVar(&detach, "detach", false, "run in the background; return when ready")
	return c
}

// start runs obidos until ctx ends, then stops it cleanly.
func start(ctx context.Context, cfg *config, out io.Writer) error {
	if err := guardAddress(cfg); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.listen)
	if err != nil {
		return explainListen(cfg.listen, err)
	}
	defer listener.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	options := cfg.options(stop)
	if options.Exporter, err = otlp.FromEnv(os.Getenv, version); err != nil {
		return err
	}
	p, err := platform.Open(options)
	if err != nil {
		return err
	}
	greet(out, cfg, listener.Addr())
	notifySystemd("READY=1")
	err = p.Run(ctx, listener)
	notifySystemd("STOPPING=1")
	return errors.Join(err, p.Close())
}

// options are what the platform needs to know of the settings. stop ends the program when asked to over HTTP.
func (c *config) options(stop func()) platform.Options {
	data := c.data
	if c.memory {
		data = ""
	}
	return platform.Options{
		Data:          data,
		Relaxed:       c.durability == "relaxed",
		SyncDelay:     c.syncDelay,
		EnforceLimits: c.limits == "enforce",
		PublicURL:     strings.TrimSuffix(c.publicURL, "/"),
		Access:        gateway.Access{Hosts: c.hosts, Origins: c.origins},
		TLSCert:       c.tlsCert,
		TLSKey:        c.tlsKey,
		Logger:        newLogger(os.Stderr, c.logLevel, c.logFormat),
		Version:       version,
		Stop:          stop,
	}
}

// guardAddress refuses to let everybody in on an address that others can reach, unless told so in so many words.
func guardAddress(cfg *config) error {
	host, _, err := net.SplitHostPort(cfg.listen)
	if err != nil {
		return fmt.Errorf("--listen %q (from %s) is not of the form ADDRESS:PORT: %w", cfg.listen, cfg.from("listen"), err)
	}
	if host == "localhost" || cfg.openRemote {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %s can be reached from other machines, and --auth=open lets in whoever reaches it: everybody there could read and delete everything; "+
		"if that is meant (a container's own network, say), add --open-to-network (or OBIDOS_OPEN_TO_NETWORK=true)", cfg.listen)
}

// explainListen says who holds a port that is taken.
func explainListen(address string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	_, port, _ := net.SplitHostPort(address)
	who := portHolder(port)
	r := running{config{listen: address}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var h health
	if r.ask(ctx, "GET", "/_obidos/health", nil, &h) == nil && h.PID != 0 {
		who = fmt.Sprintf("another obidos (process %d, state in %s; `obidos stop` ends it)", h.PID, h.Data)
	}
	return fmt.Errorf("%s is taken by %s; choose another with --listen, or stop that one", address, who)
}

// greet tells whoever started us on a terminal what runs and what to try next.
func greet(out io.Writer, cfg *config, addr net.Addr) {
	r := running{config{listen: addr.String()}}
	if f, ok := out.(*os.File); !ok || !isTerminal(f) {
		fmt.Fprintf(out, "obidos %s ready at %s\n", version, r.url())
		return
	}
	state := "in " + cfg.data + ", synced before every answer"
	switch {
	case cfg.memory:
		state = "in memory only: gone when it stops"
	case cfg.durability == "relaxed":
		state = "in " + cfg.data + ", synced every 100 ms: a crash may take the last of them back"
	}
	fmt.Fprintf(out, `obidos %s is ready at %s

  state   %s
  try     obidos exec -- aws sqs create-queue --queue-name hello
          eval "$(obidos env)"      points every AWS client in this shell here
          obidos clock advance 1h   moves time forward
  stop    Ctrl-C loses nothing

`, version, r.url(), state)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// notifySystemd tells the service manager that started us how we are; elsewhere it does nothing.
func notifySystemd(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	c, err := net.Dial("unixgram", path)
	if err != nil {
		return // the manager that asked for it is gone
	}
	defer c.Close()
	io.WriteString(c, state)
}

// startDetached runs the same command in the background and returns when it is ready.
func startDetached(c *cobra.Command, cfg *config) error {
	if err := guardAddress(cfg); err != nil {
		return err
	}
	if strings.HasSuffix(cfg.listen, ":0") {
		return errors.New("--detach needs a port that you can name later, not 0")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"start"}
	for _, a := range os.Args[2:] {
		if !strings.HasPrefix(a, "--detach") {
			args = append(args, a)
		}
	}
	logPath := filepath.Join(os.TempDir(), "obidos-"+strings.NewReplacer(":", "-", "[", "", "]", "").Replace(cfg.listen)+".log")
	if !cfg.memory {
		if err := os.MkdirAll(cfg.data, 0o700); err != nil {
			return err
		}
		logPath = filepath.Join(cfg.data, "obidos.log")
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = detached()
	if err := cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	ended := make(chan struct{})
	go func() { // ends with the child, or with this program a moment from now
		cmd.Wait()
		cancel()
		close(ended)
	}()
	r := running{*cfg}
	h, err := r.awaitReady(ctx)
	if err == nil && h.PID == cmd.Process.Pid {
		fmt.Fprintf(c.OutOrStdout(), "obidos %s is ready at %s (process %d, log in %s)\n", version, r.url(), h.PID, logPath)
		return nil
	}
	cmd.Process.Kill()
	<-ended
	text, _ := os.ReadFile(logPath)
	return fmt.Errorf("it did not start:\n%s", text[min(int(before), len(text)):])
}
