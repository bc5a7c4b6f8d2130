package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/gateway"
	"github.com/obidos-cloud/obidos/internal/localstack"
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
			if err := guardAddress(&cfg); err != nil {
				return err
			}
			if detach {
				return startDetached(c, &cfg)
			}
			return start(c.Context(), &cfg, os.Stdout)
		},
	}
	cfg.settings(c)
	c.Flags().BoolVar(&detach, "detach", false, "run in the background; return when ready")
	return c
}

// start runs obidos until ctx ends, then stops it cleanly.
func start(ctx context.Context, cfg *config, out *os.File) error {
	log := newLogger(os.Stderr, cfg.logLevel, cfg.logFormat)
	if text := oldKernel(); text != "" {
		log.Warn(text)
	}
	cfg.warnOfWishes(log)
	hooks, err := cfg.findHooks(log, out)
	if err != nil {
		return err
	}
	hooks.Run(ctx, localstack.Boot)
	listener, err := net.Listen("tcp", cfg.listen)
	if err != nil {
		return explainListen(ctx, cfg.listen, err)
	}
	defer listener.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	options := cfg.options(log, stop)
	options.LocalStack.Hooks = hooks.Hooks
	if options.Identity, err = cfg.identity(); err != nil {
		return err
	}
	if options.Exporter, err = otlp.FromEnv(os.Getenv, version); err != nil {
		return err
	}
	p, err := platform.Open(options)
	if err != nil {
		return cfg.explainData(err)
	}
	if cfg.fork != nil && cfg.fork.fill != nil {
		if err := cfg.fork.fill(ctx, p); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx)) // beyond ctx: the last hooks are served
	defer end()
	hooks.serveAt(listener.Addr())
	hooks.Run(ctx, localstack.Start)
	ready, failed := context.WithCancel(ctx)
	defer failed()
	ended := make(chan error, 1)
	go func() {
		ended <- p.Run(serving, listener)
		failed()
	}()
	if p.Ready(ready) == nil {
		greet(out, cfg, listener.Addr(), log, p.Health().Trouble)
		if k, made := p.RootKey(); made {
			printRootKey(out, k)
		}
		hooks.Run(ready, localstack.Ready)
		if cfg.container && ready.Err() == nil {
			fmt.Fprintln(out, "Ready.") // what LocalStack's users wait for
		}
		notifySystemd("READY=1")
		context.AfterFunc(ctx, func() { notifySystemd("STOPPING=1") })
	}
	select {
	case <-ctx.Done():
		hooks.last(ctx)
		end()
		err = <-ended
	case err = <-ended:
	}
	if errors.Is(err, platform.ErrBroken) {
		return fmt.Errorf("%w; what was answered is kept: see that the disk of %s is well, then start obidos again", err, cfg.data)
	}
	if err = errors.Join(err, p.Close()); err == nil {
		log.Info("stopped")
	}
	return err
}

// options are what the platform needs to know of the settings. stop ends the program when asked to over HTTP.
func (c *config) options(log *slog.Logger, stop func()) platform.Options {
	data := c.data
	if c.memory {
		data = ""
	}
	var cluster *platform.Cluster
	if c.store != "" {
		data = ""
		cluster = &platform.Cluster{Store: c.store, Name: c.cluster, Advertise: c.advertise, Blobs: c.blobs}
	}
	var begin *platform.Fork
	if c.fork != nil {
		data, begin = "", c.fork.of
	}
	return platform.Options{
		Data:          data,
		Fork:          begin,
		Cluster:       cluster,
		Node:          c.node,
		Relaxed:       c.durability == "relaxed",
		SyncDelay:     c.syncDelay,
		EnforceLimits: c.limits == "enforce",
		PublicURL:     strings.TrimSuffix(c.publicURL, "/"),
		QueueURLs:     c.sqsURLs,
		Access:        gateway.Access{Hosts: c.hosts, Origins: c.origins},
		TLSCert:       c.tlsCert,
		TLSKey:        c.tlsKey,
		Logger:        log,
		Version:       version,
		Stop:          stop,
		LocalStack:    platform.LocalStack{Eager: c.wishes.Eager, Open: c.container},
	}
}

// guardAddress refuses to let everybody in on an address that others can reach, unless told so in so many words.
func guardAddress(cfg *config) error {
	if _, _, err := net.SplitHostPort(cfg.listen); err != nil {
		return fmt.Errorf("--listen %q (from %s) is not of the form ADDRESS:PORT: %w", cfg.listen, cfg.from("listen"), err)
	}
	if cfg.openRemote || !cfg.wideOpen() {
		return nil
	}
	return fmt.Errorf("--listen %s can be reached from other machines, and --auth=%s lets in whoever reaches it: everybody there could read and delete everything; "+
		"start it with --auth=iam, or, if that is meant (a container's own network, say), add --open-to-network (or OBIDOS_OPEN_TO_NETWORK=true)", cfg.listen, cfg.auth)
}

// wideOpen says whether other machines may do what they like.
func (c *config) wideOpen() bool { return c.auth != "iam" && c.reachable() }

// reachable says whether other machines can reach the address.
func (c *config) reachable() bool {
	host, _, err := net.SplitHostPort(c.listen)
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// explainListen says what is in the way of an address, and who holds a port that is taken.
func explainListen(ctx context.Context, address string, err error) error {
	host, port, _ := net.SplitHostPort(address)
	switch {
	case addressInUse(err):
		who := portHolder(port)
		if h, ok := obidosAt(ctx, address); ok {
			who = fmt.Sprintf("another obidos (process %d, state in %s; `obidos stop --listen %s` ends it)", h.PID, h.Data, address)
		}
		return fmt.Errorf("%s is taken by %s; choose another with --listen, or stop that one", address, who)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine has no address %s; choose one it has with --listen (127.0.0.1:%s, say)", host, port)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("this user may not listen on port %s; ports below 1024 are for root: choose a higher one with --listen", port)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

// greet tells whoever started us what runs and, on a terminal, what to try next.
func greet(out *os.File, cfg *config, addr net.Addr, log *slog.Logger, trouble string) {
	r := running{config: config{listen: addr.String()}}
	if !isTerminal(out) {
		fmt.Fprintf(out, "obidos %s ready at %s\n", version, r.url())
		log.Info("ready", "url", r.url(), "version", version, "pid", os.Getpid(), "state", cfg.place())
		if cfg.wideOpen() {
			log.Warn("listening beyond loopback with open credentials: whoever reaches the port may read and delete everything; "+
				"in a container, publish it to this machine only (docker run -p 127.0.0.1:4566:4566)", "listen", cfg.listen)
		}
		if trouble != "" {
			log.Warn(trouble)
		}
		return
	}
	p := paint(out)
	fmt.Fprintf(out, "\n  %s %s is ready at %s\n\n", p.bold("obidos"), version, p.bold(r.url()))
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %s %s\n", p.dim(fmt.Sprintf("%-7s", name)), fmt.Sprintf(format, args...))
	}
	row("state", "%s", cfg.place())
	if trouble != "" {
		row("", "%s", p.red(trouble))
	}
	if cfg.wideOpen() {
		row("reach", "%s: whoever reaches the port may do everything", cfg.listen)
	}
	which := ""
	if r.listen != defaultListen {
		which = " --listen " + r.listen
	}
	switch cfg.auth {
	case "iam":
		row("auth", "every request is verified and authorized")
	case "log":
		row("auth", "everybody may do everything; what IAM would deny is logged")
	}
	row("try", "obidos exec%s -- aws sqs create-queue --queue-name hello", which)
	row("", "%-46s%s", `eval "$(obidos env`+which+`)"`, p.dim("points the AWS clients of a shell here"))
	row("", "%-46s%s", "obidos clock advance"+which+" 1h", p.dim("moves time forward"))
	row("stop", "Ctrl-C loses nothing\n")
}

// place says where state is kept, and how safely.
func (c *config) place() string {
	switch {
	case c.fork != nil:
		return "begins as snapshot " + c.fork.name + ": gone when it stops"
	case c.store != "":
		return "in the store of cluster " + c.cluster + ", durable before each answer"
	case c.memory:
		return "in memory only: gone when it stops"
	case c.durability == "relaxed":
		return c.data + ", synced every 100 ms: a crash may take the last of them back"
	}
	return c.data + ", synced before each answer"
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
